#!/bin/bash
# needs: ping
# ping of the gateway over IPv4 and IPv6, in one piece and in fragments, and of an address of the link where nobody is.
. "$(dirname "$0")/lib.sh"
guest sh -c 'for host in "$@"; do ping -c 3 -i 0.2 -W 5 $host; ping -c 1 -W 5 -s 60000 $host; done' sh "$host4" "$host6" > "$W/o"
eq "$(grep -c '3 received' "$W/o")" 2; eq "$(grep -c '60008 bytes from' "$W/o")" 2
[ -n "$RUN" ] || exit 0
rc=0; guest ping -c 1 -W 5 10.0.2.99 > "$W/o" || rc=$?; eq $rc 1; grep -q 'Destination Host Unreachable' "$W/o"
