# needs: redis-server redis-cli
# transports: tcp
server() { serve redis-server --port "$PORT" --bind "$@" --protected-mode no --dir "$PWD" --save '' --appendonly no; }
client() {
  local cli=(redis-cli -h "$1" -p "$PORT") i
  eq "$("${cli[@]}" -x set big < "$D/10m.bin")" OK; "${cli[@]}" get big | head -c 10485760 > big; same big "$D/10m.bin"
  for i in $(seq 2000); do printf 'SET k%d v%d\r\n' "$i" "$i"; done | "${cli[@]}" --pipe | grep -q 'errors: 0, replies: 2000'
  "${cli[@]}" mget $(seq -f k%g 2000) > got; seq -f v%g 2000 > wanted; same got wanted
}
