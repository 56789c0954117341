#!/bin/bash
# needs: /usr/sbin/sshd ssh scp /usr/bin/python3 curl
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd   # for its privilege separation
ME=$(id -un); cp $K/id.pub $W/ak; cp $K/host $K/id $W/; chmod 600 $W/host $W/id $W/ak
cat > $W/sc <<X
Port 2299
ListenAddress 127.0.0.1
HostKey $W/host
AuthorizedKeysFile $W/ak
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
Subsystem sftp internal-sftp
X
bg /usr/sbin/sshd -D -e -f $W/sc; wait_port 127.0.0.1 2299
O="-i $W/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes"
S="ssh $O -p 2299 $ME@127.0.0.1"
eq "$($S echo hi)" hi; $S 'exit 7' || eq $? 7
$S cat $D/10m.bin > $W/o; same $W/o $D/10m.bin
cat $D/1m.bin | $S "cat > $W/o2"; same $W/o2 $D/1m.bin
scp -q $O -P 2299 $D/10m.bin $ME@127.0.0.1:$W/o3; same $W/o3 $D/10m.bin
# only root may give a terminal to its user
[ "$(id -u)" != 0 ] || eq "$($S -tt 'tty >/dev/null && stty -a >/dev/null && echo ptyok' | tr -d '\r')" ptyok
bg /usr/bin/python3 -m http.server -b 127.0.0.1 -d $D 8095; wait_port 127.0.0.1 8095
bg $S -N -L 127.0.0.1:2298:127.0.0.1:8095 -D 127.0.0.1:2297 -R 127.0.0.1:2296:127.0.0.1:8095; wait_port 127.0.0.1 2298; wait_port 127.0.0.1 2296
curl -sSf -o $W/o4 http://127.0.0.1:2298/1m.bin; same $W/o4 $D/1m.bin; curl -sSf -o $W/o4 http://127.0.0.1:2296/1m.bin; same $W/o4 $D/1m.bin; curl -sSf --socks5-hostname 127.0.0.1:2297 -o $W/o5 http://127.0.0.1:8095/1m.bin; same $W/o5 $D/1m.bin
