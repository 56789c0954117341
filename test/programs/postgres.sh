#!/bin/bash
# needs: setpriv /usr/lib/postgresql
. "$(dirname "$0")/lib.sh"
PG=$(ls -d /usr/lib/postgresql/*/bin | tail -1); AS=''; cd $W
if [ "$(id -u)" = 0 ]; then chown postgres $W; AS="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi   # it refuses to run as root
cp -a $D/db $W/db
bg $AS $PG/postgres -D $W/db -p 5499 -k $W -c listen_addresses=127.0.0.1,::1 -c fsync=off -c shared_buffers=32MB; wait_port 127.0.0.1 5499
for i in $(seq 50); do $PG/pg_isready -q -h 127.0.0.1 -p 5499 && break; sleep 0.1; done
export PGHOST=127.0.0.1 PGPORT=5499 PGUSER=postgres
eq "$($PG/psql -Atc 'select sum(x) from generate_series(1,100000) x' postgres)" 5000050000
eq "$($PG/psql -h $W -Atc 'select 1' postgres)" 1; eq "$($PG/psql -h ::1 -Atc 'select 1' postgres)" 1
eq "$($PG/psql -Atc "select length(repeat('x',3000000))" postgres)" 3000000
$PG/psql -qc "create table t(a int); " postgres; seq 50000 | $PG/psql -qc "copy t from stdin" postgres; eq "$($PG/psql -Atc 'copy t to stdout' postgres | wc -l)" 50000
$PG/pgbench -q -i -s 1 postgres 2>/dev/null; $PG/pgbench -c 4 -j 2 -T 1 postgres 2>/dev/null | grepq 'tps ='
