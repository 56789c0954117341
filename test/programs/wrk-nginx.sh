#!/bin/bash
# needs: wrk nginx
. "$(dirname "$0")/lib.sh"
nginx_conf; bg nginx -c $W/nginx.conf -p $W; wait_port 127.0.0.1 8080
wrk -t2 -c16 -d2s http://127.0.0.1:8080/small.txt > $W/wrk; cat $W/wrk; ! grepq 'Socket errors' $W/wrk; grepq 'requests in' $W/wrk
