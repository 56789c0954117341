#!/bin/bash
# needs: memcached /usr/bin/python3
. "$(dirname "$0")/lib.sh"
bg memcached -u root -l 127.0.0.1 -p 11299 -U 11299 -t 2; wait_port 127.0.0.1 11299
/usr/bin/python3 - <<'P'
import socket,struct
s=socket.create_connection(("127.0.0.1",11299)); f=s.makefile("rwb")
v=b"z"*500000
f.write(b"set k 0 0 %d\r\n%s\r\n"%(len(v),v)); f.flush(); assert f.readline()==b"STORED\r\n"
for i in range(500): f.write(b"set k%d 0 0 3\r\nabc\r\n"%i)
f.flush(); assert all(f.readline()==b"STORED\r\n" for i in range(500))
f.write(b"get k\r\n"); f.flush(); f.readline(); assert f.read(len(v)+2)==v+b"\r\n"; assert f.readline()==b"END\r\n"
u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); u.settimeout(3); u.connect(("127.0.0.1",11299))
u.send(struct.pack(">HHHH",7,0,1,0)+b"get k1\r\n"); r=u.recv(2000); assert b"VALUE k1 0 3\r\nabc" in r, r
P
