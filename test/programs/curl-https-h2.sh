#!/bin/bash
# needs: curl nginx
. "$(dirname "$0")/lib.sh"
nginx_conf; bg nginx -c $W/nginx.conf -p $W; wait_port 127.0.0.1 8443
eq "$(curl -sSf --cacert $K/c.pem --http2 -o $W/o -w '%{http_version}' https://localhost:8443/10m.bin --resolve localhost:8443:127.0.0.1)" 2; same $W/o $D/10m.bin
eq "$(curl -sSf --cacert $K/c.pem --http1.1 -o $W/o -w '%{http_version}' 'https://[::1]:8443/1m.bin')" 1.1; same $W/o $D/1m.bin
curl -sSf --cacert $K/c.pem --http2 -Z --parallel-max 8 $(for i in 1 2 3 4 5 6 7 8; do echo https://127.0.0.1:8443/1m.bin -o $W/p$i; done)
for i in 1 2 3 4 5 6 7 8; do same $W/p$i $D/1m.bin; done
