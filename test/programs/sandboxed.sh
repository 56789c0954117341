#!/bin/bash
# sandboxed.sh: every program of these folders in the sandbox, with both planes: on its own loopback, across the link to servers of the host, and both ways across
# the gateway and a tap. The last line is the count of all. PLANES, JOBS, SIZE, APP_TIMEOUT, LOGS, SANDSOCK as in run.sh, link/run.sh and crossing/run.sh.
# With --times [ROUNDS] [SCRIPT...] how long each of this folder's scripts takes, beside native (times.sh).
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" = --times ]; then shift; exec "$here/times.sh" "$@"; fi
export PLANES=${PLANES:-direct strict} APPS_DATA
APPS_DATA=$(mktemp -d "${TMPDIR:-/tmp}/sandsock-data.XXXXXX"); chmod 755 "$APPS_DATA"
out=$(mktemp "${TMPDIR:-/tmp}/sandsock-count.XXXXXX"); trap 'rm -rf "$out" "$APPS_DATA"' EXIT
{ "$here/link/run.sh"; "$here/run.sh"; "$here/crossing/run.sh"; } | tee "$out"
awk '$2 == "passed," { p += $1; f += $3; s += $5; runs++ } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit !(runs == 3 && f == 0) }' "$out"
