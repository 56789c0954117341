#!/bin/bash
# needs: curl openssl
# Fifty connections at once: the server answers none of them before all fifty are waiting.
. "$(dirname "$0")/lib.sh"
arguments=(); for i in $(seq 50); do arguments+=("http://$host4:$http/meet/50/1000000" -o "$W/$i"); done
guest curl -sSf -Z --parallel-immediate --parallel-max 50 --max-time 60 "${arguments[@]}"
want=$(octets 1000000 | sum); for i in $(seq 50); do eq "$(sum < "$W/$i")" "$want"; done
