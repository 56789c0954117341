#!/bin/bash
# sandboxed.sh: the programs that are known to work in the sandbox, across the link and on its own loopback. The last line is the count of both.
# SIZE, APP_TIMEOUT, LOGS, SANDSOCK as in link/run.sh and run.sh.
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
own_loopback=(bash-tcp curl-https-h2 git memcached netcat perl python-asyncio python-http redis socat)
export SANDSOCK=${SANDSOCK-node $root/build/src/cli/main.js}
out=$(mktemp "${TMPDIR:-/tmp}/sandsock-count.XXXXXX"); trap 'rm -f "$out"' EXIT
{ "$here/link/run.sh"; WRAP="$SANDSOCK run --" "$here/run.sh" "${own_loopback[@]}"; } | tee "$out"
awk '$2 == "passed," { p += $1; f += $3; s += $5; runs++ } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit !(runs == 2 && f == 0) }' "$out"
