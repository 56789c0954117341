#!/bin/bash
# needs: /usr/bin/python3
# While a guest holds sockets of every kind that it may have, connected and listening, its real network namespace shows none.
. "$(dirname "$0")/lib.sh"

# sockets PID: what the kernel knows of network sockets in the namespace of PID; nothing at all when there are none
sockets() {
  local net=/proc/$1/net file
  awk '/inuse/ && $3 != 0 { print FILENAME ": " $0 }' $net/sockstat $net/sockstat6
  for file in tcp tcp6 udp udp6 udplite udplite6 raw raw6 icmp icmp6 packet; do [ ! -e $net/$file ] || tail -n +2 $net/$file | sed "s,^,$net/$file: ,"; done
  awk 'FNR > 1 && $3 != 0 { print FILENAME ": " $0 }' $net/netlink   # port 0 is the kernel's own end
}
descendants() { local child; for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do echo "$child"; descendants "$child"; done; }

[ -n "$(sockets $$)" ] || { echo "the check sees no socket where there are some"; exit 1; }
[ -n "$RUN" ] || exit 0

mkfifo "$W/in" "$W/out"
guest /usr/bin/python3 "$(dirname "$0")/namespace-client.py" "$host4" "$host6" "$echo" "$udp" < "$W/in" > "$W/out" & run=$!
exec 5> "$W/in" 6< "$W/out"
read -r -t 30 held <&6; echo "the guest holds: $held"
checked=0
for pid in $(descendants $run); do
  [ "$(readlink /proc/"$pid"/ns/net)" != "$(readlink /proc/self/ns/net)" ] || continue
  found=$(sockets "$pid"); [ -z "$found" ] || { echo "process $pid ($(cat /proc/"$pid"/comm)):"; echo "$found"; exit 1; }
  checked=$((checked + 1))
done
[ $checked -gt 0 ] || { echo "no process of the run is in a namespace of its own"; exit 1; }
echo go >&5; read -r -t 30 answer <&6; eq "$answer" 'all of them carried data'
wait $run
