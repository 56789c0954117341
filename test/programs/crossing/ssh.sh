# needs: /usr/sbin/sshd ssh scp
# transports: tcp
server() {
  local address
  [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
  cp "$K/id.pub" keys; cp "$K/host" host; chmod 600 keys host
  printf '%s\n' "Port $PORT" "HostKey $PWD/host" "AuthorizedKeysFile $PWD/keys" 'StrictModes no' 'UsePAM no' 'PermitRootLogin yes' 'PidFile none' 'Subsystem sftp internal-sftp' > config
  for address; do echo "ListenAddress $address" >> config; done
  serve /usr/sbin/sshd -D -e -f "$PWD/config"
}
client() {
  local me; me=$(id -un)
  cp "$K/id" id; chmod 600 id
  local options=(-i "$PWD/id" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes)
  local ssh=(ssh "${options[@]}" -p "$PORT" "$me@$1")
  "${ssh[@]}" cat "$D/10m.bin" > down; same down "$D/10m.bin"
  "${ssh[@]}" "cat > $PWD/up" < "$D/1m.bin"; same up "$D/1m.bin"
  scp -q "${options[@]}" -P "$PORT" "$me@$(bracketed "$1"):$D/1m.bin" copied; same copied "$D/1m.bin"
  "${ssh[@]}" 'exit 7' || eq $? 7
}
