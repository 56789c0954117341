#!/bin/bash
# needs: dig
# dig against the DNS proxy: the host's own name, and names that only the host's resolver knows, asked at 10.0.2.3 and at whatever nameserver resolv.conf names.
# The resolver behind the proxy is one of ours where we may bind port 53 and put another resolv.conf in its place (root).
. "$(dirname "$0")/lib.sh"

if [ -n "$SANDSOCK" ]; then
  eq "$(guest dig +short +time=5 +tries=1 @10.0.2.3 host.internal A)" 10.0.2.2
  eq "$(guest dig +short +time=5 +tries=1 @10.0.2.3 host.internal AAAA)" fd00::2
  eq "$(guest dig +short +time=5 +tries=1 host.internal A)" 10.0.2.2
  eq "$(guest dig +tcp +short +time=5 +tries=1 host.internal A)" 10.0.2.2
  eq "$(guest dig +tcp +short +time=5 +tries=1 @fd00::3 host.internal AAAA)" fd00::2
fi
if [ "$(id -u)" != 0 ]; then echo "not root: the part with a resolver of our own is left out"; exit 0; fi
resolver=127.0.0.153; echo "nameserver $resolver" > "$W/resolv.conf"
mkfifo "$W/alive"; node "$(dirname "$0")/dns-server.mjs" "$resolver" < "$W/alive" > "$W/dns.log" 2>&1 & exec 8> "$W/alive"
for i in $(seq 50); do grep -q up "$W/dns.log" && break; sleep 0.1; done
asked() { unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$W/resolv.conf" "$@" 8>&-; }
if [ -n "$SANDSOCK" ]; then dig=(asked $SANDSOCK run -- dig) servers=('' @10.0.2.3); else dig=(asked dig) servers=(''); fi
for server in "${servers[@]}"; do
  eq "$("${dig[@]}" +short +time=5 +tries=1 $server a.test A)" 10.1.2.3
  eq "$("${dig[@]}" +short +time=5 +tries=1 $server a.test AAAA)" fd00::7
  "${dig[@]}" +time=5 +tries=1 $server MiXeD.Case.test A | grep -q 'MiXeD.Case.test.*10.1.2.4'
  "${dig[@]}" +time=5 +tries=1 $server nothing.test A | grep -q 'status: NXDOMAIN'
  "${dig[@]}" +time=5 +tries=1 +noedns +ignore $server long.test TXT | grep -q 'flags:.* tc'
  "${dig[@]}" +time=5 +tries=1 +noedns +short $server long.test TXT | grep -q zzz   # once more, over TCP
done
