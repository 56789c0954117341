#!/bin/bash
# nightly.sh [PERCENT]: what takes too long for every change, as root, some hours with its full counts; with PERCENT each count is that part of it. Shows what each step says as it says it,
# then a line of its result. Installs the Debian packages of the programs. NIGHTLY="kills bulk" runs only the steps of those names, SEED says which random cases. The last line is the count of all.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd); percent=${1:-100}; seed=${SEED:-$(date +%Y%m%d)}
[ "$(id -u)" = 0 ] || { echo "nightly.sh installs packages and makes namespaces: run it as root"; exit 1; }
cd "$root" && "$here/prepare.sh" --packages || exit 1
export CI=true NO_COLOR=1 SANDSOCK_TEST_SEED=$seed here percent seed
log=$(mktemp "${TMPDIR:-/tmp}/sandsock-nightly.XXXXXX"); trap 'rm -f "$log"' EXIT

# part N: the part of N that is asked for, at least 1
part() { local n=$(($1 * percent / 100)); echo $((n > 0 ? n : 1)); }
export -f part

passed=0 failed=0 skipped=0 failures=()
# step NAME SECONDS CMD...
step() {
  local name=$1 limit=$2 t0=$SECONDS rc p f s; shift 2
  case " ${NIGHTLY:-$name} " in *" $name "*) ;; *) return ;; esac
  echo "== $name"; timeout -k 10 "$limit" "$@" 2>&1 | tee "$log"; rc=${PIPESTATUS[0]}
  p='' f='' s=''; read -r p f s < <(awk -f "$here/counts.awk" "$log"; echo)
  if [ -z "$p" ]; then p=$((rc == 0)) f=$((rc != 0)) s=0; fi
  if [ "$rc" != 0 ] && [ "$f" = 0 ]; then f=1; fi
  [ "$rc" != 124 ] && [ "$rc" != 137 ] || echo "it did not end within $limit seconds"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  [ "$f" = 0 ] || failures+=("$name")
  echo "== $name: $p passed, $f failed, $s skipped, $((SECONDS - t0)) s"
}

step baseline 3600 env JOBS=1 "$here/run.sh"
step programs 7200 "$here/sandboxed.sh"
step bulk 7200 env SIZE="$(part $((10 << 30)))" APP_TIMEOUT=3600 "$here/link/run.sh" bulk
step kills 7200 env SANDSOCK_TEST_KILLS="$(part 500)" npx ava --timeout=60m build/test/runner/storm.test.js
step timers 7200 env SANDSOCK_TEST_OCTETS="$(part $((1 << 30)))" npx ava --timeout=60m build/test/runner/timer.test.js
step references 7200 env SANDSOCK_TEST_REFERENCES="$(part 600)" npx ava --timeout=60m build/test/runner/references.test.js
step processes 7200 env SANDSOCK_TEST_SCALE="$(part 100)" npx ava --timeout=60m build/test/runner/process-life.test.js
step red-team 7200 env SANDSOCK_TEST_RACE_MS="$(part 20000)" npx ava --timeout=60m build/test/runner/red-team.test.js
step numbered 7200 env SANDSOCK_TEST_CALLS="$(part 1000000)" npx ava --timeout=60m build/test/runner/numbered.test.js
step readiness 7200 env SANDSOCK_TEST_READINESS="$(part 100000)" npx ava --timeout=60m build/test/runner/readiness.test.js
step connections 7200 env SANDSOCK_TEST_CONNECTIONS="$(part 10000)" npx ava --timeout=60m build/test/runner/connections.test.js
step readers 7200 env SANDSOCK_TEST_DATAGRAMS="$(part 100000)" npx ava --timeout=60m build/test/runner/datagram-readers.test.js
step soak 7200 env SANDSOCK_TEST_SOAK="$(part 100000)" npx ava --timeout=60m build/test/runner/soak.test.js
step frames 7200 env SANDSOCK_TEST_FRAMES="$(part 100000000)" npx ava --timeout=60m build/test/netstack/flood.test.js
step dispatcher 7200 env SANDSOCK_TEST_FUZZ="$(part 10000000)" npx ava --timeout=60m build/test/syscalls/fuzz.test.js
step gateway 7200 env FUZZ_RUNS="$(part 100000)" npx ava --timeout=60m build/test/gateway/fuzz.test.js
step sequences 7200 node build/test/conformance/generator/main.js --count "$(part 200000)" --seed "$seed" --coverage
step faults 3600 node build/test/conformance/generator/faults-main.js --seed "$seed"
step bench 3600 node build/bench/main.js

[ ${#failures[@]} = 0 ] || printf 'failed: %s\n' "${failures[*]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
