#!/bin/bash
# needs: iperf3 /usr/bin/python3
. "$(dirname "$0")/lib.sh"
bg iperf3 -s -B 127.0.0.1 -p 5299; wait_port 127.0.0.1 5299 ; sleep 0.3
I="iperf3 -c 127.0.0.1 -p 5299 -J"; chk() { /usr/bin/python3 -c 'import sys,json; d=json.load(sys.stdin); e=d["end"]; assert not d.get("error"),d; s=e.get("sum_received") or e["sum"]; print(sys.argv[1],"%.0f Mbit/s"%(s["bits_per_second"]/1e6))' "$1"; }
$I -t 2 | chk tcp; $I -t 1 -R | chk tcp-reverse; $I -t 1 -P 4 | chk tcp-4streams; $I -t 1 --bidir | chk bidir; $I -u -b 50M -t 1 | chk udp; $I -t 1 -Z | chk zerocopy-sendfile
