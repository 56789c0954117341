# needs: nginx curl
# transports: tcp
server() {
  local listen='' address
  for address; do listen+="listen $(bracketed "$address"):$PORT; "; done
  cat > nginx.conf <<X
daemon off; pid $PWD/pid; error_log $PWD/error.log; worker_processes 1;
events {}
http { access_log off; client_body_temp_path $PWD/b; proxy_temp_path $PWD/p; fastcgi_temp_path $PWD/f; uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s;
  server { $listen root $D; } }
X
  serve nginx -c "$PWD/nginx.conf" -p "$PWD"
}
client() {
  local url; url=http://$(bracketed "$1"):$PORT
  curl -sSf -o 10m "$url/10m.bin" -o 1m "$url/1m.bin"; same 10m "$D/10m.bin"; same 1m "$D/1m.bin"
  curl -sSf -Z --parallel-max 4 -o 1 "$url/1m.bin" -o 2 "$url/1m.bin" -o 3 "$url/1m.bin" -o 4 "$url/small.txt"
  same 1 "$D/1m.bin"; same 2 "$D/1m.bin"; same 3 "$D/1m.bin"; same 4 "$D/small.txt"
}
