#!/bin/bash
# needs: curl openssl
# curl over IPv4 and IPv6, http and https, by address and by name; several transfers on one connection; what is refused and what is missing.
. "$(dirname "$0")/lib.sh"
export CURL_CA_BUNDLE=$KEYS/c.pem
want=$(octets 3000000 | sum)
for host in $host4 "[$host6]"; do
  guest curl -sSf -o "$W/o" "http://$host:$http/bytes/3000000"; eq "$(sum < "$W/o")" "$want"
  guest curl -sSf -o "$W/o" "https://$host:$https/bytes/3000000"; eq "$(sum < "$W/o")" "$want"
done
eq "$(guest curl -sSf "http://$host4:$http/hello")" 'hello over IPv4'
eq "$(guest curl -sSf "http://[$host6]:$http/hello")" 'hello over IPv6'
eq "$(guest curl -sSf "https://$name:$https/hello" "https://$name:$https/hello" -w '%{num_connects}\n' | grep -c '^0$')" 1   # the second on the first's connection
eq "$(guest curl -s -o /dev/null -w '%{http_code}' "http://$host4:$http/nothing")" 404
rc=0; guest curl -s "http://$host4:$refused/" || rc=$?; eq $rc 7
rc=0; guest curl -s --max-time 20 "http://[$host6]:$refused/" || rc=$?; eq $rc 7
