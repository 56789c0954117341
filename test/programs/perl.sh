#!/bin/bash
# needs: perl
. "$(dirname "$0")/lib.sh"
timeout 15 perl -MIO::Socket::INET -MIO::Select -e '
$s=IO::Socket::INET->new(Listen=>5,LocalAddr=>"127.0.0.1",LocalPort=>7411,ReuseAddr=>1) or die; if(!fork){ for(1..5){ $c=$s->accept; while(<$c>){ print $c "echo $_"; } close $c } exit }
for(1..5){ $c=IO::Socket::INET->new("127.0.0.1:7411") or die; $c->autoflush(1); print $c "l$_\n"; $l=<$c>; die $l unless $l eq "echo l$_\n"; shutdown($c,1); die if defined(<$c>); } wait; print "ok\n"' | grepq ok
