# needs: iperf3 /usr/bin/python3
# transports: tcp udp
# iperf3 looks at no content, and what it sends of a file (-F) is not that file once a write was cut short; so what both ends counted is compared.
family() { case $1 in *:*) echo 6 ;; *) echo 4 ;; esac; }
server() { local address; for address; do serve iperf3 -s -B "$address" -p "$PORT" --forceflush --logfile "$PWD/log$(family "$address")"; done; }
ready() { grep -qs 'Server listening' "log$(family "$1")"; }
# measure OPTIONS: one test. The server closes its listening socket after each and opens another, so a client that is too early is refused, reset or told that
# the server is busy, and comes again.
measure() {
  local attempt
  for attempt in 1 2 3 4 5 6 7 8; do
    iperf3 -c "$host" -p "$PORT" -J "$@" > report || true   # its status does not tell
    grep -qE '"error":.*(refused|reset|busy)' report || break
    sleep 0.2
  done
  /usr/bin/python3 - "$@" <<'P'
import json,sys
report=json.load(open("report")); assert "error" not in report, report["error"]
end=report["end"]
if "-u" in sys.argv:
    assert end["sum"]["packets"]>=100 and end["sum"]["lost_percent"]<100, end["sum"]
else:
    sent,received=end["sum_sent"]["bytes"],end["sum_received"]["bytes"]   # the end of the test overtakes the last octets
    assert sent>=10485760 and 1048576<=received<=sent, (sent,received)
P
}
client() { local host=$1; measure -n 10485760; measure -R -n 10485760; measure -u -b 20M -n 1M -l 1200; }
