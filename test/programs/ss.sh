#!/bin/bash
# needs: ss netstat nc lsof route arp ifconfig
. "$(dirname "$0")/lib.sh"
bg nc -l 127.0.0.1 7441; server=$BGPID; wait_listening() { local i; for i in $(seq 100); do netstat -tln | grepq ":$1 " && return; sleep 0.05; done; return 1; }
wait_listening 7441
ss -Htln | grepq 7441; ss -Htlnp | grepq "pid=$server,"; ss -s > /dev/null; netstat -tln | grepq 7441; netstat -tlnp 2> /dev/null | grepq " $server/nc"
lsof -nP -p "$server" -a -iTCP -sTCP:LISTEN | grepq 127.0.0.1:7441
bg nc 127.0.0.1 7441; for i in $(seq 100); do [ "$(ss -Htn state established sport = :7441 or dport = :7441 | wc -l)" = 2 ] && break; sleep 0.05; done
eq "$(netstat -tn | grep -c 'ESTABLISHED')" 2
route -n > /dev/null; arp -n > /dev/null; ifconfig lo | grepq 127.0.0.1; netstat -i | grepq '^lo '; netstat -s | grepq 'active connection openings'
cat /proc/net/tcp /proc/net/udp /proc/net/unix /proc/net/dev /proc/net/route /proc/net/if_inet6 > /dev/null
