#!/bin/bash
# crossing/run.sh [PROGRAM...]: each program once with its client as the guest and its server on the host, once the other way round, over each link and with each
# plane, and in each run over IPv4 and IPv6. A line for each combination, then the count. PLANES (both), JOBS, APP_TIMEOUT, LOGS, APPS_DATA, SANDSOCK as in ../run.sh.
set -u
here=$(cd "$(dirname "$0")" && pwd)
programs=("$@"); [ $# -gt 0 ] || mapfile -t programs < <(cd "$here" && ls ./*.sh | sed 's/^\.\///; s/\.sh$//' | grep -vxE 'run|case|part')
guests=(client server)
links=(gateway tap); [ "$(id -u)" = 0 ] || { links=(gateway); echo "not root: the tap is left out"; }

table=()
for program in "${programs[@]}"; do
  for guest in "${guests[@]}"; do
    for link in "${links[@]}"; do table+=("crossing/case.sh $program $guest $link"); done
  done
done
PLANES=${PLANES:-direct strict} exec "$here/../run.sh" "${table[@]}"
