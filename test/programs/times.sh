#!/bin/bash
# times.sh [ROUNDS] [SCRIPT...]: how long each script (all of this folder without a name) takes natively and with each plane, one after the other: a table of the least of ROUNDS (3), in seconds,
# with the ratio to native. A script starts and ends its programs, sleeps and waits for ports, so most of it is the same everywhere; nothing fails for being slow. As a plain user the native
# runs are a plain user's too.
set -u
here=$(cd "$(dirname "$0")" && pwd)
rounds=3; if [[ ${1:-} =~ ^[0-9]+$ ]]; then rounds=$1; shift; fi
lines=$(mktemp "${TMPDIR:-/tmp}/sandsock-times.XXXXXX"); APPS_DATA=$(mktemp -d "${TMPDIR:-/tmp}/sandsock-data.XXXXXX"); chmod 755 "$APPS_DATA"; export APPS_DATA
trap 'rm -rf "$lines" "$APPS_DATA"' EXIT
for ((i = 0; i < rounds; i++)); do JOBS=1 PLANES='native direct strict' "$here/run.sh" "$@" | tee -a "$lines" | grep '^FAIL' >&2; done
awk '
$1 ~ /^(PASS|EXPECTED|SKIP|FAIL)/ && $3 ~ /^(native|direct|strict)$/ {
  verdict = $1; sub(/\(.*/, "", verdict); time = $2 + 0; key = $4 SUBSEP $3
  if (!($4 in seen)) { seen[$4] = 1; names[++n] = $4 }
  if (verdict != "PASS") word[key] = verdict == "EXPECTED" ? "not yet" : verdict == "SKIP" ? "left out" : "failed"
  else if (!(key in least) || time < least[key]) least[key] = time
}
function cell(name, plane,  key, base) {
  key = name SUBSEP plane; base = least[name SUBSEP "native"]
  if (key in word) return word[key]
  if (!(key in least)) return "-"
  return sprintf("%.2f", least[key]) (plane == "native" || !base ? "" : sprintf(" (%.1f)", least[key] / base))
}
END {
  print "| script | native | direct | strict |"; print "|---|---:|---:|---:|"
  for (i = 1; i <= n; i++) printf "| %s | %s | %s | %s |\n", names[i], cell(names[i], "native"), cell(names[i], "direct"), cell(names[i], "strict")
}' "$lines"
! grep -q '^FAIL' "$lines"
