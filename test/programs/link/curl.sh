#!/bin/bash
# needs: curl openssl
# curl over IPv4 and IPv6, http and https, by address and by name; several transfers on one connection; what is refused and what is missing.
. "$(dirname "$0")/lib.sh"
export CURL_CA_BUNDLE=$KEYS/c.pem W want
want=$(octets 3000000 | sum)
# Sourced in the guest, so that it is started once.
cat > "$W/transfers" <<'X'
set -e -u -o pipefail
eq() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'"; return 1; }; }
get() { curl -sSf -o "$W/o" "$1"; eq "$(sha256sum < "$W/o" | cut -d' ' -f1)" "$want"; }
refuses() { local rc=0; curl -s --max-time 20 "$1" || rc=$?; eq $rc 7; }
for host in $host4 "[$host6]"; do
  get "http://$host:$http/bytes/3000000"; get "https://$host:$https/bytes/3000000"
  refuses "http://$host:$refused/"
done
eq "$(curl -sSf "http://$host4:$http/hello")" 'hello over IPv4'; eq "$(curl -sSf "http://[$host6]:$http/hello")" 'hello over IPv6'
eq "$(curl -sSf "https://$name:$https/hello" "https://$name:$https/hello" -w '%{num_connects}\n' | grep -c '^0$')" 1   # the second on the first's connection
eq "$(curl -s -o /dev/null -w '%{http_code}' "http://$host4:$http/nothing")" 404
X
guest bash "$W/transfers"
