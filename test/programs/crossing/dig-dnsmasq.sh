# needs: dnsmasq dig
# transports: tcp udp
text() { printf "$1%.0s" $(seq 200); }
server() {
  local listen=() address
  for address; do listen+=("--listen-address=$address"); done
  serve dnsmasq -k -p "$PORT" "${listen[@]}" --bind-interfaces -R -h --no-hosts --user="$(id -un)" --pid-file= --conf-file=/dev/null --log-facility=- \
    --address=/a.test/10.1.2.3 --address=/a.test/fd00::7 --txt-record="t.test,$(text x),$(text y),$(text z)"
}
client() {
  local dig=(dig "@$1" -p "$PORT" +time=5 +tries=2)
  eq "$("${dig[@]}" +short a.test A)" 10.1.2.3; eq "$("${dig[@]}" +short a.test AAAA)" fd00::7; eq "$("${dig[@]}" +short +tcp a.test A)" 10.1.2.3
  eq "$("${dig[@]}" +short t.test TXT)" "\"$(text x)\" \"$(text y)\" \"$(text z)\""
  "${dig[@]}" +noedns +ignore t.test TXT | grep -q 'flags:.* tc'; eq "$("${dig[@]}" +short +noedns t.test TXT)" "\"$(text x)\" \"$(text y)\" \"$(text z)\""   # cut short, then over TCP
}
