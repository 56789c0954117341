#!/bin/bash
# needs: ss netstat nc route arp
. "$(dirname "$0")/lib.sh"
bg nc -l 127.0.0.1 7441; sleep 0.3
ss -Htln | grepq 7441; ss -s >/dev/null; netstat -tln | grepq 7441; route -n >/dev/null; arp -n >/dev/null
cat /proc/net/tcp /proc/net/udp /proc/net/unix /proc/net/dev /proc/net/route /proc/net/if_inet6 > /dev/null
