#!/bin/bash
# run.sh [SCRIPT...]: each script (all of them without a name) under its own time limit; a line each, then the count; exits 1 if one failed.
# PLANES="direct strict" puts the sandbox in front of each, once with each plane; SANDSOCK is its command. Without planes the scripts run as they are under WRAP,
# which is a fresh network namespace (ns.sh) unless set: the baseline, also as the plane "native" among the others. A script may have arguments: "crossing/case.sh redis client tap".
# What the sandbox cannot do yet is in the file not-yet (a script, what its output shows, the reason), and has to fail so. A script whose programs this machine
# lacks is skipped with a line; with CI=true that is a failure.
# JOBS: scripts at once (two a processor). APP_TIMEOUT: seconds a script may take (60). LOGS: where their output goes. APPS_DATA: where the data is or goes.
set -u
programs=$(cd "$(dirname "$0")" && pwd); root=$(cd "$programs/../.." && pwd)
export SANDSOCK=${SANDSOCK:-node $root/build/src/cli/main.js}
limit=${APP_TIMEOUT:-60} jobs=${JOBS:-$(($(nproc) * 2))}
logs=${LOGS:-$(mktemp -d "${TMPDIR:-/tmp}/sandsock-logs.XXXXXX")}; mkdir -p "$logs"
results=$(mktemp "${TMPDIR:-/tmp}/sandsock-results.XXXXXX"); remove=("$results")
if [ -z "${APPS_DATA:-}" ]; then APPS_DATA=$(mktemp -d "${TMPDIR:-/tmp}/sandsock-data.XXXXXX"); remove+=("$APPS_DATA"); fi
export APPS_DATA; trap 'rm -rf "${remove[@]}"' EXIT
"$programs/prepare.sh" "$APPS_DATA" || exit 1

# lacking FILE: what it needs and this machine has not
lacking() {
  local need
  for need in $(sed -n 's/^# needs: //p' "$1"); do command -v "$need" > /dev/null || [ -e "$need" ] || echo -n " $need"; done
}
# result VERDICT MICROSECONDS TITLE
result() { echo "${1%%(*}" >> "$results"; printf '%-9s %4d.%02ds %s\n' "$1" $(($2 / 1000000)) $(($2 / 10000 % 100)) "$3"; }

# one PLANE NAME [ARGUMENTS]: runs it and says how it ended
one() {
  local plane=${1#native} title=${*:2} of=$1 script=$programs/$2 wrap=() missing log t0 rc us pattern='' reason=''
  shift
  [ -e "$script" ] || script=$script.sh
  title=${title/\// } title="${of:+$of }${title/case.sh /}"
  export PLANE=$plane RUN=${plane:+$SANDSOCK run --kill-on-exit --plane $plane}
  case $1 in
    */*) ;;   # these start their own sandboxes
    *) if [ -n "$plane" ]; then wrap=($RUN --); else wrap=(${WRAP-$programs/ns.sh}); fi ;;
  esac
  [ -z "$plane" ] || IFS=$'\t' read -r pattern reason < <(awk -F '\t' -v OFS='\t' -v name="$1" '$1 == name { print $2, $3 }' "$programs/not-yet")
  missing=$(lacking "$script"; [ ! -e "$programs/${1%/*}/${2:-}.sh" ] || lacking "$programs/${1%/*}/$2.sh")
  if [ -n "$missing" ] && [ "${CI:-}" != true ]; then result SKIP 0 "$title (this machine lacks$missing)"; return; fi
  log=$logs/${title//[^a-zA-Z0-9]/-}.log t0=${EPOCHREALTIME/./}
  timeout -k 5 "$limit" "${wrap[@]}" "$script" "${@:2}" > "$log" 2>&1; rc=$?; us=$((${EPOCHREALTIME/./} - t0))
  if [ -n "$reason" ] && [ $rc = 0 ]; then result 'FAIL(0)' $us "$title works now: take it out of not-yet"
  elif [ -n "$reason" ] && grep -qE "$pattern" "$log"; then result EXPECTED $us "$title fails yet: $reason"
  elif [ $rc = 0 ]; then result PASS $us "$title"
  else result "FAIL($rc)" $us "$title"$'\n'"$(tail -n 15 "$log" | sed 's/^/    | /')"; fi
}

tasks=("$@"); [ $# -gt 0 ] || mapfile -t tasks < <(cd "$programs" && ls ./*.sh | sed 's/^\.\///; s/\.sh$//' | grep -vxE 'lib|nightly|ns|prepare|run|sandboxed|times')
planes=(${PLANES:-}); [ ${#planes[@]} -gt 0 ] || planes=('')
for plane in "${planes[@]}"; do
  for task in "${tasks[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    one "$plane" $task &
  done
done
wait

count() { grep -cxE "$1" "$results"; }
failed=$(count FAIL)
# What fails as not-yet says has passed nothing: it counts as skipped, with its reason in its line.
echo "$(count PASS) passed, $failed failed, $(count 'SKIP|EXPECTED') skipped$([ "$failed" = 0 ] || echo " (logs in $logs)")"
[ "$failed" = 0 ] || exit 1
[ -n "${LOGS:-}" ] || rm -rf "$logs"
