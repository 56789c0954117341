#!/bin/bash
# needs: curl nginx
. "$(dirname "$0")/lib.sh"
nginx_conf; bg nginx -c $W/nginx.conf -p $W; wait_port 127.0.0.1 8080
for f in empty small.txt 1m.bin 10m.bin; do curl -sSf --http1.1 -o $W/o http://127.0.0.1:8080/$f; same $W/o $D/$f; done
curl -sSf -o $W/o 'http://[::1]:8080/1m.bin'; same $W/o $D/1m.bin
curl -sSf -r 1000-1999 -o $W/o http://127.0.0.1:8080/1m.bin; eq "$(stat -c %s $W/o)" 1000
curl -sSf http://127.0.0.1:8080/small.txt http://127.0.0.1:8080/small.txt -o $W/o1 -o $W/o2; same $W/o1 $W/o2   # keep-alive
curl -sSf --unix-socket $W/n.sock -o $W/o http://x/1m.bin; same $W/o $D/1m.bin
eq "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/nope)" 404
curl -s http://127.0.0.1:9/ && exit 1 || eq $? 7      # connection refused
