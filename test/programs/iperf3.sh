#!/bin/bash
# needs: iperf3 /usr/bin/python3
. "$(dirname "$0")/lib.sh"
bg iperf3 -s -B 127.0.0.1 -p 5299; wait_port 127.0.0.1 5299; sleep 0.3
# measure NAME OPTIONS: one test. The server closes its listening socket after each and opens another, so a client that is too early is refused, reset or told
# that the server is busy, and comes again.
measure() {
  local name=$1 attempt; shift
  for attempt in 1 2 3 4 5 6 7 8; do
    iperf3 -c 127.0.0.1 -p 5299 -J "$@" > $W/report || true   # its status does not tell
    grepq -E '"error":.*(refused|reset|busy)' $W/report || break
    sleep 0.2
  done
  /usr/bin/python3 - "$name" $W/report <<'P'
import json,sys
report=json.load(open(sys.argv[2])); assert "error" not in report, report["error"]
total=report["end"].get("sum_received") or report["end"]["sum"]; assert total["bytes"]>0, total
print(sys.argv[1],"%.0f Mbit/s"%(total["bits_per_second"]/1e6))
P
}
measure tcp -t 1; measure tcp-reverse -t 1 -R; measure tcp-4streams -t 1 -P 4; measure bidir -t 1 --bidir; measure udp -u -b 50M -t 1; measure zerocopy-sendfile -t 1 -Z
