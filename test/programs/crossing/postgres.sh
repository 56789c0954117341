# needs: /usr/lib/postgresql setpriv
# transports: tcp
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
server() {
  [ "$(id -u)" != 0 ] || chown postgres .
  cp -a "$D/db" db
  serve as postgres "$bin/postgres" -D "$PWD/db" -p "$PORT" -k "$PWD" -c listen_addresses="$(IFS=,; echo "$*")" -c fsync=off -c shared_buffers=32MB
}
ready() { "$bin/pg_isready" -q -h "$1" -p "$PORT"; }
client() {
  local psql=("$bin/psql" -h "$1" -p "$PORT" -U postgres -v ON_ERROR_STOP=1 -qAt postgres)
  seq 200000 > rows; "${psql[@]}" -c 'drop table if exists t; create table t(a int)' 2>/dev/null; "${psql[@]}" -c 'copy t from stdin' < rows
  "${psql[@]}" -c 'copy t to stdout' > got; same got rows
  eq "$("${psql[@]}" -c "select md5(repeat('x',3000000))")" "$(head -c 3000000 /dev/zero | tr '\0' x | md5sum | cut -d' ' -f1)"
}
