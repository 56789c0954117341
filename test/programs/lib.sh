# Sourced by the scripts here: a scratch directory $W, the data $D with its keys $K (made by prepare.sh), background servers with clean-up, port waiting, comparison.
set -e -u -o pipefail
D=${APPS_DATA:?run this through run.sh, which makes the data}; K=$D/keys
APP=$(basename "$0" .sh)
umask 022
W=$(mktemp -d "${TMPDIR:-/tmp}/sandsock-$APP.XXXXXX"); chmod 755 "$W"
PIDS=(); BGN=0
bg() { BGN=$((BGN+1)); setsid "$@" >"$W/bg.$BGN.log" 2>&1 </dev/null & PIDS+=($!); BGPID=$!; }
cleanup() { rc=$?; trap - EXIT; set +e
  for p in "${PIDS[@]}"; do kill -- "-$p" 2>/dev/null || kill "$p" 2>/dev/null; done
  for i in 1 2 3 4 5 6 7 8 9 10; do alive=0; for p in "${PIDS[@]}"; do kill -0 "$p" 2>/dev/null && alive=1; done; [ $alive = 0 ] && break; sleep 0.1; done
  for p in "${PIDS[@]}"; do kill -9 -- "-$p" 2>/dev/null || kill -9 "$p" 2>/dev/null; done
  if [ $rc != 0 ]; then echo "[$APP] FAILED rc=$rc"; tail -n 8 "$W"/bg.*.log 2>/dev/null; else echo "[$APP] OK"; fi
  rm -rf "$W"; exit $rc; }
trap cleanup EXIT
wait_port() { local i; for i in $(seq 150); do (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null && return 0; sleep 0.1; done; echo "$1:$2 never came up"; return 1; }
wait_unix() { local i; for i in $(seq 150); do [ -S "$1" ] && return 0; sleep 0.1; done; echo "$1 never came up"; return 1; }
same() { cmp "$1" "$2"; }
grepq() { grep "$@" >/dev/null; }   # reads all its input, so that the writer never gets SIGPIPE
eq() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'"; return 1; }; }
# A configuration with the data over HTTP, over HTTPS with HTTP/2, and over a Unix socket; /echo is handed on to 127.0.0.1:8081.
nginx_conf() { cat > $W/nginx.conf <<X
daemon off; pid $W/nginx.pid; error_log $W/error.log info; worker_processes ${WORKERS:-1};
events { worker_connections 256; ${NGX_EVENTS:-} }
http { access_log $W/access.log; client_body_temp_path $W/b; proxy_temp_path $W/p; fastcgi_temp_path $W/f; uwsgi_temp_path $W/u; scgi_temp_path $W/s;
 sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_timeout 5; client_max_body_size 100m;
 server { listen 127.0.0.1:8080 ${LISTEN_OPT:-}; listen [::1]:8080; root $D;
   location /status { stub_status; } location /echo { client_body_buffer_size 64k; proxy_pass http://127.0.0.1:8081; } }
 server { listen 127.0.0.1:8443 ssl http2; listen [::1]:8443 ssl http2; ssl_certificate $K/c.pem; ssl_certificate_key $K/k.pem; root $D; }
 server { listen unix:$W/n.sock; root $D; } }
X
}
