#!/bin/bash
# crossing/case.sh PROGRAM client|server gateway|tap: one row of the table of run.sh, the guest being the one named. $RUN starts a sandbox, with the plane $PLANE.
set -e -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd); program=$1 guest=$2 link=$3
if [ "$link" = tap ] && [ -z "${IN_NAMESPACE:-}" ]; then IN_NAMESPACE=1 exec unshare -n "$0" "$@"; fi
transports=$(sed -n 's/^# transports: //p' "$here/$program.sh")

export W PORT
W=$(mktemp -d "${TMPDIR:-/tmp}/sandsock-crossing.XXXXXX"); chmod 755 "$W"
pids=()
cleanup() {
  local rc=$? pid; trap - EXIT
  for pid in "${pids[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
  wait
  [ $rc = 0 ] || tail -n 8 "$W"/*.log
  rm -rf "$W"; exit $rc
}
trap cleanup EXIT
# Below the range from which the kernel takes ports of its own.
in_use() { grep -qi ":$(printf %04X "$1") " /proc/net/{tcp,tcp6,udp,udp6}; }
PORT=$((10000 + $$ % 20000)); while in_use "$PORT"; do PORT=$((PORT + 1)); done

case $link in
  gateway)
    options=()
    if [ "$guest" = client ]; then
      serving='127.0.0.1 ::1' called='10.0.2.2 fd00::2' options=(--host-port "$PORT")
    else
      serving='10.0.2.15 fd00::15' called='127.0.0.1 ::1'
      for transport in $transports; do options+=(-p "127.0.0.1:$PORT:$PORT/$transport" -p "[::1]:$PORT:$PORT/$transport"); done
    fi ;;
  tap)
    options=(--link tap:tap9 --ip 10.0.5.2/24 --ip fd00:5::2/64)
    ip link set lo up
    ip tuntap add dev tap9 mode tap; ip addr add 10.0.5.1/24 dev tap9; ip -6 addr add fd00:5::1/64 dev tap9 nodad; ip link set tap9 up
    if [ "$guest" = client ]; then serving='10.0.5.1 fd00:5::1'; else serving='10.0.5.2 fd00:5::2'; fi
    called=$serving ;;
esac

sandbox=($RUN --json="$W/summary" "${options[@]}" --)
part=("$here/part.sh" "$program")
if [ "$guest" = client ]; then serve=("${part[@]}") call=("${sandbox[@]}" "${part[@]}"); else serve=("${sandbox[@]}" "${part[@]}") call=("${part[@]}"); fi

setsid "${serve[@]}" server $serving > "$W/server.log" 2>&1 < /dev/null & pids+=($!)
for _ in $(seq 600); do [ ! -e "$W/up" ] || break; kill -0 "${pids[0]}"; sleep 0.05; done
[ -e "$W/up" ] || { echo "the server did not come up"; exit 1; }
"${call[@]}" client $called
kill -- "-${pids[0]}"; wait "${pids[0]}" || true
node "$here/summary.mjs" "$W/summary" "$PLANE" "$link" $transports
