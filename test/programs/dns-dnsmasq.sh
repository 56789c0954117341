#!/bin/bash
# needs: dnsmasq dig host nslookup
. "$(dirname "$0")/lib.sh"
bg dnsmasq -k -p 5399 --listen-address=127.0.0.1 --bind-interfaces -R -h --no-hosts --user=root --pid-file= --address=/a.test/10.1.2.3 --address=/a.test/fd00::7 --txt-record=t.test,$(printf 'x%.0s' $(seq 200)),$(printf 'y%.0s' $(seq 200)),$(printf 'z%.0s' $(seq 200)) --log-facility=$W/log --conf-file=/dev/null; wait_port 127.0.0.1 5399
G="dig @127.0.0.1 -p 5399 +time=2 +tries=1 +short"
eq "$($G a.test A)" 10.1.2.3; eq "$($G a.test AAAA)" fd00::7; eq "$($G +tcp a.test A)" 10.1.2.3; $G +bufsize=512 +ignore t.test TXT >/dev/null; $G +noedns t.test TXT | grepq xxx
host -t A -p 5399 a.test 127.0.0.1 | grepq 10.1.2.3; nslookup -type=A -port=5399 a.test 127.0.0.1 | grepq 10.1.2.3
