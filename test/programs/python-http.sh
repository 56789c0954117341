#!/bin/bash
# needs: /usr/bin/python3
. "$(dirname "$0")/lib.sh"
bg /usr/bin/python3 -m http.server -b 127.0.0.1 -d $D 8091; wait_port 127.0.0.1 8091
/usr/bin/python3 - $D <<'P'
import sys,requests,urllib.request,concurrent.futures as cf
want=open(sys.argv[1]+"/1m.bin","rb").read(); U="http://127.0.0.1:8091/1m.bin"
assert urllib.request.urlopen(U).read()==want
s=requests.Session(); assert s.get(U,timeout=5).content==want; assert s.get(U+"x",timeout=5).status_code==404
with cf.ThreadPoolExecutor(8) as e: assert all(r==want for r in e.map(lambda i: requests.get(U,timeout=10).content, range(24)))
P
