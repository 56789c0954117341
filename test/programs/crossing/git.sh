# needs: git
# transports: tcp
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$W/gitconfig
[ -e "$GIT_CONFIG_GLOBAL" ] || printf '[user]\nname=n\nemail=a@b\n[safe]\ndirectory=*\n[init]\ndefaultBranch=main\n' > "$GIT_CONFIG_GLOBAL"
server() {
  local listen=() address
  for address; do listen+=("--listen=$address"); done
  git init -q one; cp "$D/1m.bin" "$D/small.txt" one/; git -C one add .; git -C one commit -qm one; git clone -q --bare one one.git
  serve git daemon --reuseaddr "${listen[@]}" --port="$PORT" --base-path="$PWD" --export-all --enable=receive-pack
}
client() {
  local url; url=git://$(bracketed "$1"):$PORT/one.git
  git clone -q "$url" first; same first/1m.bin "$D/1m.bin"
  head -c 2000000 "$D/10m.bin" > first/more; date +%N > first/new; git -C first add .; git -C first commit -qm two; git -C first push -q origin main
  git clone -q "$url" second; same second/more first/more; eq "$(git -C second rev-parse HEAD)" "$(git -C first rev-parse HEAD)"
}
