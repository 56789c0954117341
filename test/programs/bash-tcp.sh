#!/bin/bash
# needs: /usr/bin/python3
. "$(dirname "$0")/lib.sh"
bg /usr/bin/python3 -m http.server -b 127.0.0.1 -d $D 8091; wait_port 127.0.0.1 8091
exec 5<>/dev/tcp/127.0.0.1/8091; printf 'GET /small.txt HTTP/1.0\r\n\r\n' >&5; cat <&5 > $W/o; exec 5>&-
tail -n $(wc -l < $D/small.txt) $W/o > $W/o2; same $W/o2 $D/small.txt
(exec 5<>/dev/tcp/127.0.0.1/9) 2>/dev/null && exit 1   # connection refused
true
