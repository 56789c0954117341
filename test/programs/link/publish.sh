#!/bin/bash
# needs: curl openssl /usr/bin/python3 nginx
# Servers in the sandbox, published with -p; clients on the host, over IPv4 and IPv6, many at once, and when nobody listens. Content is compared by digest.
. "$(dirname "$0")/lib.sh"
[ -n "$RUN" ] || { echo "without a sandbox nothing is published"; exit 0; }
free() { /usr/bin/python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
up() { for _ in $(seq 100); do curl -s -o /dev/null "$1" && return; sleep 0.1; done; echo "nobody answers at $1"; return 1; }
pids=(); trap 'kill "${pids[@]}" 2>/dev/null; wait' EXIT
mkdir "$W/srv"; octets 3000000 > "$W/srv/f"; want=$(sum < "$W/srv/f")

port=$(free); unused=$(free)
$RUN --json="$W/report" -p $port:8000 -p $unused:9 -- /usr/bin/python3 -m http.server -b :: -d "$W/srv" 8000 2>/dev/null & pids+=($!)
up "http://127.0.0.1:$port/"
for host in 127.0.0.1 '[::1]' localhost; do eq "$(curl -sSf "http://$host:$port/f" | sum)" "$want"; done
seq 12 | xargs -P 6 -I{} curl -sSf -o "$W/o{}" "http://127.0.0.1:$port/f"
for i in $(seq 12); do eq "$(sum < "$W/o$i")" "$want"; done
rc=0; curl -s "http://127.0.0.1:$unused/" || rc=$?; [ $rc = 7 ] || [ $rc = 56 ]   # accepted by the host, reset by the guest
rc=0; $RUN -p $port:8000 -- true 2> "$W/taken" || rc=$?; eq $rc 125; grep -q 'is taken' "$W/taken"
kill "${pids[0]}"; wait "${pids[0]}" || true
grep -q '"frames":{"fromGuest":[1-9]' "$W/report"

port=$(free)
cat > "$W/nginx.conf" <<X
daemon off; master_process off; pid $W/pid; error_log $W/error.log;
events {}
http { access_log off; client_body_temp_path $W/body; proxy_temp_path $W/p; fastcgi_temp_path $W/f; uwsgi_temp_path $W/u; scgi_temp_path $W/s;
  server { listen 8080; listen [::]:8080; root $W/srv; } }
X
$RUN -p 127.0.0.1:$port:8080 -p "[::1]:$port:8080" -- nginx -c "$W/nginx.conf" -p "$W" & pids+=($!)
up "http://127.0.0.1:$port/f"
eq "$(curl -sSf "http://127.0.0.1:$port/f" | sum)" "$want"
eq "$(curl -sSf "http://[::1]:$port/f" | sum)" "$want"
eq "$(curl -sSf "http://127.0.0.1:$port/f" "http://127.0.0.1:$port/f" | sum)" "$(cat "$W/srv/f" "$W/srv/f" | sum)"   # one connection
kill "${pids[1]}"; wait "${pids[1]}" || true

port=$(free)
$RUN -p $port:5353/udp -- /usr/bin/python3 -c '
import socket
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(("0.0.0.0",5353))
while True: d,a=s.recvfrom(70000); s.sendto(d[::-1],a)' & pids+=($!)
/usr/bin/python3 - $port <<'P'
import socket,sys,os,time
for n in (3,1400,60000):
    s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(1); s.connect(("127.0.0.1",int(sys.argv[1]))); d=os.urandom(n)
    for _ in range(30):
        try: s.send(d); assert s.recv(70000)==d[::-1]; break
        except (socket.timeout,ConnectionError): time.sleep(0.2)   # the guest may not be up yet
    else: sys.exit("no answer over UDP")
P
