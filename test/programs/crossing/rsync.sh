# needs: rsync
# transports: tcp
server() {
  local address
  mkdir served; cp "$D"/*.bin "$D/small.txt" served/
  printf '%s\n' 'use chroot = no' '[m]' "path = $PWD/served" 'read only = no' > config
  [ "$(id -u)" != 0 ] || printf '%s\n' 'uid = 0' 'gid = 0' >> config
  for address; do serve rsync --daemon --no-detach --config="$PWD/config" --address="$address" --port="$PORT"; done
}
client() {
  local url; url=rsync://$(bracketed "$1"):$PORT/m/
  rsync -a "$url" got/; diff -r "$W/server/served" got
  date +%N >> got/small.txt; rsync -az --checksum got/ "$url"; diff -r "$W/server/served" got
}
