#!/bin/bash
# run.sh [NAME...]: each script (all of them without a name) under its own time limit; a line each, then the count; exits 1 if one failed.
# WRAP="node build/src/cli/main.js run --" puts the sandbox in front of each. WRAP= runs them as they are; without WRAP they run in a fresh network
# namespace (ns.sh, needs root), as the baseline. A script whose programs this machine lacks is skipped with a line; with CI=true that is a failure.
# APP_TIMEOUT: seconds a script may take (60). LOGS: where their output goes. APPS_DATA: where the data is or goes (a temporary directory).
programs=$(cd "$(dirname "$0")" && pwd)
wrap=${WRAP-$programs/ns.sh}; limit=${APP_TIMEOUT:-60}; logs=${LOGS:-$(mktemp -d "${TMPDIR:-/tmp}/sandsock-logs.XXXXXX")}; mkdir -p "$logs"
if [ -z "${APPS_DATA:-}" ]; then APPS_DATA=$(mktemp -d "${TMPDIR:-/tmp}/sandsock-data.XXXXXX"); trap 'rm -rf "$APPS_DATA"' EXIT; fi
export APPS_DATA; "$programs/prepare.sh" "$APPS_DATA" || exit 1
lacking() { local need; for need in $(sed -n 's/^# needs: //p' "$1"); do command -v "$need" >/dev/null || [ -e "$need" ] || echo -n " $need"; done; }
passed=0; failed=0; skipped=0
names=("$@"); [ $# -gt 0 ] || mapfile -t names < <(cd "$programs" && ls ./*.sh | sed 's/^\.\///; s/\.sh$//' | grep -vxE 'lib|nightly|ns|prepare|run|sandboxed')
for n in "${names[@]}"; do
  missing=$(lacking "$programs/$n.sh")
  if [ -n "$missing" ] && [ "${CI:-}" != true ]; then skipped=$((skipped + 1)); printf '%-10s %8s %s (this machine lacks%s)\n' SKIP '' "$n" "$missing"; continue; fi
  t0=$EPOCHREALTIME; timeout -k 5 "$limit" $wrap "$programs/$n.sh" > "$logs/${n//\//-}.log" 2>&1; rc=$?; t1=$EPOCHREALTIME
  us=$((${t1/./} - ${t0/./}))
  if [ $rc = 0 ]; then passed=$((passed + 1)); r=PASS; else failed=$((failed + 1)); r="FAIL($rc)"; fi
  printf '%-10s %7d.%02ds %s\n' "$r" $((us / 1000000)) $((us / 10000 % 100)) "$n"
  [ $rc = 0 ] || tail -n 15 "$logs/${n//\//-}.log" | sed 's/^/    | /'
done
echo "$passed passed, $failed failed, $skipped skipped$([ $failed = 0 ] || echo " (logs in $logs)")"
[ $failed = 0 ] || exit 1
[ -n "${LOGS:-}" ] || rm -rf "$logs"
