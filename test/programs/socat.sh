#!/bin/bash
# needs: socat
. "$(dirname "$0")/lib.sh"
bg socat TCP-LISTEN:7101,bind=127.0.0.1,reuseaddr,fork EXEC:cat; wait_port 127.0.0.1 7101
socat -t 5 - TCP:127.0.0.1:7101 < $D/1m.bin > $W/o; same $W/o $D/1m.bin
bg socat UNIX-LISTEN:$W/u.sock,fork TCP:127.0.0.1:7101; wait_unix $W/u.sock; socat -t 5 - UNIX-CONNECT:$W/u.sock < $D/1m.bin > $W/o; same $W/o $D/1m.bin
bg socat UDP-LISTEN:7102,bind=127.0.0.1,fork EXEC:cat; sleep 0.5; eq "$(echo udp | timeout 3 socat -t 1 - UDP:127.0.0.1:7102)" udp
bg socat TCP6-LISTEN:7103,ipv6only=1,reuseaddr,fork,keepalive,nodelay,rcvbuf=65536,sndbuf=65536,so-linger=1 EXEC:cat; sleep 0.3; socat -t 5 - TCP6:[::1]:7103 < $D/1m.bin > $W/o; same $W/o $D/1m.bin
bg socat OPENSSL-LISTEN:7104,bind=127.0.0.1,cert=$K/kc.pem,verify=0,reuseaddr,fork EXEC:cat; wait_port 127.0.0.1 7104; eq "$(echo tls | socat -t 2 - OPENSSL:127.0.0.1:7104,verify=0)" tls
eq "$(echo sq | socat -t 1 - EXEC:cat,pipes)" sq; bg socat ABSTRACT-LISTEN:rtabs,fork EXEC:cat; sleep 0.3; eq "$(echo abs | socat -t 1 - ABSTRACT-CONNECT:rtabs)" abs
