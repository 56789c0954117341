#!/bin/bash
# needs: dd timeout
# bash's own /dev/tcp and /dev/udp, with no network library between them and the calls.
. "$(dirname "$0")/lib.sh"
client='
exec 5<>/dev/tcp/$1/$2; printf "GET /hello HTTP/1.0\r\n\r\n" >&5; cat <&5; exec 5>&-
exec 6<>/dev/udp/$1/$3; printf "datagram\n" >&6; timeout 5 dd bs=2048 count=1 status=none <&6; exec 6>&-
if (exec 7<>/dev/tcp/$1/$4) 2>/dev/null; then echo connected to nobody; fi'
for host in $host4 $host6; do
  [ "$host" = "$host4" ] && family=IPv4 || family=IPv6
  eq "$(guest bash -c "$client" bash "$host" "$http" "$udp" "$refused" | tr -d '\r' | sed -n '/^$/,$p')" $'\n'"hello over $family"$'\ndatagram'
done
