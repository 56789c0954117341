#!/bin/bash
# crossing/part.sh PROGRAM server ADDRESS4 ADDRESS6: serves port $PORT at both addresses until it is ended, and makes $W/up when it is ready.
# crossing/part.sh PROGRAM client HOST4 HOST6: calls that port at both hosts, one after the other. A script of this folder defines for its program
#   server ADDRESS...  starts the servers with `serve`     client HOST  talks to one, and compares what it gets with the data
# and may define `ready ADDRESS`, which says whether the server listens there.
set -e -u -o pipefail
program=$1 part=$2 addresses=("${@:3}")
D=$APPS_DATA K=$D/keys
umask 022

same() { cmp "$1" "$2"; }
eq() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'"; return 1; }; }
# bracketed ADDRESS: as it stands in a URL
bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }
# as USER CMD...: as that user where we may choose
as() { local user=$1; shift; if [ "$(id -u)" = 0 ]; then set -- setpriv --reuid="$user" --regid="$user" --clear-groups "$@"; fi; "$@"; }
servers=()
serve() { "$@" & servers+=($!); }
ready() { (exec 3<> "/dev/tcp/$1/$PORT") 2>/dev/null; }

. "$(dirname "$0")/$program.sh"
if [ "$part" = client ]; then
  for host in "${addresses[@]}"; do
    mkdir "$W/client"; (cd "$W/client"; client "$host") || { echo "$program over $host failed"; exit 1; }
    rm -r "$W/client"
  done
  exit
fi
mkdir "$W/server"; cd "$W/server"; server "${addresses[@]}"
for address in "${addresses[@]}"; do
  for _ in $(seq 300); do ! ready "$address" || continue 2; kill -0 "${servers[0]}"; sleep 0.05; done
  echo "nobody listens at $address"; exit 1
done
: > "$W/up"
wait
