#!/bin/bash
# needs: ping
. "$(dirname "$0")/lib.sh"
ping -c 2 -i 0.2 -W 1 127.0.0.1; ping -6 -c 2 -i 0.2 -W 1 ::1; ping -c 1 -W 1 -s 1400 127.0.0.1 | grepq '1 received'; ping -c 1 -W 1 -s 8000 127.0.0.1 | grepq '1 received'
