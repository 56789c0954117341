#!/bin/bash
# needs: ip ss nc ifconfig netstat route arp
. "$(dirname "$0")/lib.sh"
ip -br addr | grepq 127.0.0.1; ip -o link show lo | grepq LOOPBACK; ip route >/dev/null; ip -6 addr show lo | grepq ::1; ip neigh >/dev/null; ip rule | grepq local; bg nc -l 127.0.0.1 7441; sleep 0.3; ss -Htln | grepq 7441; ss -s >/dev/null; ifconfig lo | grepq 127.0.0.1; netstat -tln | grepq 7441; route -n >/dev/null; arp -n >/dev/null; hostname -I >/dev/null; getent ahosts localhost | grepq STREAM; ip route get 127.0.0.1 | grepq local; cat /proc/net/tcp /proc/net/udp /proc/net/unix /proc/net/dev /proc/net/route /proc/net/if_inet6 > /dev/null
