#!/bin/bash
# needs: curl openssl sha256sum
# $SIZE octets down and $SIZE octets up over one connection each; the digests of both ends must be equal.
. "$(dirname "$0")/lib.sh"
want=$(octets "$SIZE" | sum)
for host in $host4 "[$host6]"; do
  down=$(guest sh -c 'curl -sSf "$1" | sha256sum' sh "http://$host:$http/bytes/$SIZE" | cut -d' ' -f1); eq "$down" "$want"
  up=$(octets "$SIZE" | guest curl -sSf -X POST -T - "http://$host:$http/sum"); eq "$up" "$want"
done
