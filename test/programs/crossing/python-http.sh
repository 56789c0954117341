# needs: /usr/bin/python3
# transports: tcp
server() { local address; for address; do serve /usr/bin/python3 -m http.server -b "$address" -d "$D" "$PORT"; done; }
client() {
  /usr/bin/python3 - "http://$(bracketed "$1"):$PORT" "$D" <<'P'
import concurrent.futures,sys,urllib.request
url,data=sys.argv[1:]
def get(name): return urllib.request.urlopen(f"{url}/{name}",timeout=20).read()==open(f"{data}/{name}","rb").read()
with concurrent.futures.ThreadPoolExecutor(4) as pool: assert all(pool.map(get,["10m.bin","1m.bin","small.txt","empty"]*2))
P
}
