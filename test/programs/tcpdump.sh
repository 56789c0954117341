#!/bin/bash
# needs: tcpdump
. "$(dirname "$0")/lib.sh"
bg tcpdump -n -i lo -w $W/d.pcap -U udp port 7451; sleep 1.5; for i in 1 2 3 4 5; do echo x > /dev/udp/127.0.0.1/7451 || true; done; sleep 1; kill -INT $BGPID; wait $BGPID || true; n=$(tcpdump -n -r $W/d.pcap 2>/dev/null | grep -c '7451: UDP'); eq "$n" 5
