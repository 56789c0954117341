#!/bin/bash
# needs: ip ifconfig hostname getent
. "$(dirname "$0")/lib.sh"
ip -br addr | grepq 127.0.0.1; ip -o link show lo | grepq LOOPBACK; ip route >/dev/null; ip -6 addr show lo | grepq ::1; ip neigh >/dev/null; ip rule | grepq local; ip route get 127.0.0.1 | grepq local
ifconfig lo | grepq 127.0.0.1; hostname -I >/dev/null; getent ahosts localhost | grepq STREAM
