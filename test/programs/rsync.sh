#!/bin/bash
# needs: rsync
. "$(dirname "$0")/lib.sh"
cat > $W/rd.conf <<X
use chroot = no
$([ "$(id -u)" != 0 ] || printf 'uid = 0\ngid = 0')
[m]
path = $W/srv
read only = no
X
mkdir $W/srv; cp $D/*.bin $D/small.txt $W/srv/; for i in $(seq 50); do echo $i > $W/srv/f$i; done
bg rsync --daemon --no-detach --config=$W/rd.conf --address=127.0.0.1 --port=8799; wait_port 127.0.0.1 8799
rsync -a rsync://127.0.0.1:8799/m/ $W/c/; diff -r $W/srv $W/c
echo more >> $W/c/f1; rsync -az $W/c/ rsync://127.0.0.1:8799/m/; diff -r $W/srv $W/c; rsync rsync://127.0.0.1:8799/ | grepq ^m
