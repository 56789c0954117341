#!/bin/bash
# nightly.sh: what takes too long for every change, as root: each script of this folder in a plain network namespace (the baseline), all of them in the sandbox with
# bulk transfers of 1 GiB, the tests of the runner that scale with their full counts, and the full benchmark. Installs the Debian packages of the programs. The last line is the count of all.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "nightly.sh installs packages and makes namespaces: run it as root"; exit 1; }
"$here/prepare.sh" --packages || exit 1
out=$(mktemp "${TMPDIR:-/tmp}/sandsock-count.XXXXXX"); trap 'rm -f "$out"' EXIT
{ CI=true JOBS=1 "$here/run.sh"; CI=true SIZE=$((1 << 30)) APP_TIMEOUT=600 "$here/sandboxed.sh"; } | tee "$out"
(cd "$root" && SANDSOCK_TEST_READINESS=100000 SANDSOCK_TEST_CONNECTIONS=10000 SANDSOCK_TEST_KILLS=200 npx ava --timeout=30m build/test/runner/{readiness,connections,storm}.test.js); scaled=$?
node "$root/build/bench/main.js"; bench=$?
p=$(grep -cE '^(PASS|EXPECTED)' "$out"); f=$(grep -c '^FAIL' "$out")
for status in $scaled $bench; do [ "$status" = 0 ] && p=$((p + 1)) || f=$((f + 1)); done
echo "$p passed, $f failed, 0 skipped"; [ "$f" = 0 ]
