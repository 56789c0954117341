#!/bin/bash
# needs: nc
. "$(dirname "$0")/lib.sh"
( timeout 10 nc -N -l 127.0.0.1 7201 < $D/small.txt > $W/srv ) & sleep 0.5; timeout 8 nc -N 127.0.0.1 7201 < $D/1m.bin > $W/o; wait; same $W/srv $D/1m.bin; same $W/o $D/small.txt
( timeout 10 nc -N -6 -l ::1 7202 < /dev/null > $W/srv ) & sleep 0.5; timeout 8 nc -N ::1 7202 < $D/1m.bin > /dev/null; wait; same $W/srv $D/1m.bin
( timeout 3 nc -u -l -W 1 127.0.0.1 7203 > $W/srv ) & sleep 0.5; echo dgram | timeout 3 nc -u -w 1 127.0.0.1 7203; wait || true; eq "$(cat $W/srv)" dgram
( timeout 10 nc -N -U -l $W/u > $W/srv ) & sleep 0.5; timeout 8 nc -N -U $W/u < $D/1m.bin; wait; same $W/srv $D/1m.bin
nc -z -w 1 127.0.0.1 7299 && exit 1; true
