#!/bin/bash
# needs: dig
# dig against the DNS proxy: the host's own name, and names that only the host's resolver knows, asked at 10.0.2.3 and at whatever nameserver resolv.conf names.
# The resolver behind the proxy is one of ours where we may bind port 53 and put another resolv.conf in its place (root).
. "$(dirname "$0")/lib.sh"
# Sourced in the guest, so that it is started once for many questions.
cat > "$W/questions" <<'X'
set -e -u -o pipefail
eq() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'"; return 1; }; }
shows() { grep "$1" > /dev/null || { echo "the answer shows no '$1'"; return 1; }; }
dig=(dig +time=5 +tries=1)
own() {
  eq "$("${dig[@]}" +short @10.0.2.3 host.internal A)" 10.0.2.2; eq "$("${dig[@]}" +short @10.0.2.3 host.internal AAAA)" fd00::2
  eq "$("${dig[@]}" +short host.internal A)" 10.0.2.2; eq "$("${dig[@]}" +tcp +short host.internal A)" 10.0.2.2
  eq "$("${dig[@]}" +tcp +short @fd00::3 host.internal AAAA)" fd00::2
}
# of SERVER: '' for the one of resolv.conf
of() {
  eq "$("${dig[@]}" +short $1 a.test A)" 10.1.2.3; eq "$("${dig[@]}" +short $1 a.test AAAA)" fd00::7
  "${dig[@]}" $1 MiXeD.Case.test A | shows 'MiXeD.Case.test.*10.1.2.4'; "${dig[@]}" $1 nothing.test A | shows 'status: NXDOMAIN'
  "${dig[@]}" +noedns +ignore $1 long.test TXT | shows 'flags:.* tc'; "${dig[@]}" +noedns +short $1 long.test TXT | shows zzz   # once more, over TCP
}
X
[ -z "$RUN" ] || guest bash -c '. "$0"; own' "$W/questions"
if [ "$(id -u)" != 0 ]; then echo "not root: the part with a resolver of our own is left out"; exit 0; fi
resolver=127.0.0.153; [ "$PLANE" != strict ] || resolver=127.0.0.154   # another run may be at it
echo "nameserver $resolver" > "$W/resolv.conf"
mkfifo "$W/alive"; node "$(dirname "$0")/dns-server.mjs" "$resolver" < "$W/alive" > "$W/dns.log" 2>&1 & exec 8> "$W/alive"
for i in $(seq 50); do grep -q up "$W/dns.log" && break; sleep 0.1; done
unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$W/resolv.conf" ${RUN:+$RUN --} bash -c '. "$0"; of ""; [ -z "$1" ] || of @10.0.2.3' "$W/questions" "$RUN" 8>&-
