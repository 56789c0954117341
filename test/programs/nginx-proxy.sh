#!/bin/bash
# needs: nginx curl /usr/bin/python3
. "$(dirname "$0")/lib.sh"
nginx_conf; bg nginx -c $W/nginx.conf -p $W
bg /usr/bin/python3 -c '
import http.server
class H(http.server.BaseHTTPRequestHandler):
    protocol_version="HTTP/1.1"
    def do_POST(s):
        b=s.rfile.read(int(s.headers["content-length"])); s.send_response(200); s.send_header("content-length",str(len(b))); s.end_headers(); s.wfile.write(b)
    def log_message(s,*a): pass
http.server.ThreadingHTTPServer(("127.0.0.1",8081),H).serve_forever()'
wait_port 127.0.0.1 8080; wait_port 127.0.0.1 8081
curl -sSf --data-binary @$D/1m.bin -o $W/o http://127.0.0.1:8080/echo; same $W/o $D/1m.bin
curl -sSf -T $D/10m.bin -X POST -o $W/o http://127.0.0.1:8080/echo; same $W/o $D/10m.bin
