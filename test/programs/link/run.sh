#!/bin/bash
# link/run.sh [NAME...]: programs in the sandbox against servers on the host's loopback, across the link, with each plane. A line each, then the count; exits 1 if one failed.
# PLANES (both); with PLANES=none the clients run outside any sandbox, directly against 127.0.0.1, which checks the scripts. SIZE: octets of the bulk transfers (64 MiB).
# SANDSOCK, JOBS, APP_TIMEOUT and LOGS as in ../run.sh.
set -u
here=$(cd "$(dirname "$0")" && pwd)
export SIZE=${SIZE:-67108864} DIRECTORY PLANES=${PLANES:-direct strict}
DIRECTORY=$(mktemp -d "${TMPDIR:-/tmp}/sandsock-link.XXXXXX"); export APPS_DATA=${APPS_DATA:-$DIRECTORY/data}; export KEYS=$APPS_DATA/keys
trap 'exec 9>&-; wait; rm -rf "$DIRECTORY"' EXIT
"$here/../prepare.sh" "$APPS_DATA" || exit 1
mkfifo "$DIRECTORY/alive"; node "$here/server.mjs" "$DIRECTORY" "$KEYS" < "$DIRECTORY/alive" > "$DIRECTORY/server.log" 2>&1 & server=$!
exec 9> "$DIRECTORY/alive"   # the server ends when this shell does, however it does
for i in $(seq 100); do [ -e "$DIRECTORY/ports" ] && break; kill -0 $server 2>/dev/null || break; sleep 0.1; done
[ -e "$DIRECTORY/ports" ] || { echo "the servers on the host did not start:"; cat "$DIRECTORY/server.log"; exit 1; }
set -a; . "$DIRECTORY/ports"
if [ "$PLANES" != none ]; then host4=10.0.2.2 host6=fd00::2 name=host.internal; else host4=127.0.0.1 host6=::1 name=localhost PLANES=; fi
set +a
names=("$@"); [ $# -gt 0 ] || mapfile -t names < <(cd "$here" && ls ./*.sh | sed 's/^\.\///; s/\.sh$//' | grep -vxE 'lib|run')
APP_TIMEOUT=${APP_TIMEOUT:-120} "$here/../run.sh" "${names[@]/#/link/}" 9>&-
