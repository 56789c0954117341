#!/bin/bash
# needs: /usr/bin/python3
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 - $K $W/u.sock <<'P'
import asyncio,ssl,sys,socket,os
K,U=sys.argv[1:]
async def h(r,w):
    while (b:=await r.read(65536)): w.write(b); await w.drain()
    w.close()
async def cl(**kw):
    r,w=await asyncio.open_connection(**kw); d=os.urandom(300000)
    async def snd(): w.write(d); await w.drain()
    t=asyncio.create_task(snd()); assert await r.readexactly(len(d))==d; await t; w.close()
    try: await w.wait_closed()
    except Exception: pass
async def main():
    s=await asyncio.start_server(h,["127.0.0.1","::1"],7001)
    c=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(K+"/c.pem",K+"/k.pem"); t=await asyncio.start_server(h,"127.0.0.1",7002,ssl=c)
    u=await asyncio.start_unix_server(h,U)
    cc=ssl.create_default_context(cafile=K+"/c.pem")
    await asyncio.gather(*[cl(host="127.0.0.1",port=7001) for i in range(20)],*[cl(host="::1",port=7001) for i in range(5)],*[cl(host="127.0.0.1",port=7002,ssl=cc,server_hostname="localhost") for i in range(5)])
    r,w=await asyncio.open_unix_connection(U); w.write(b"hi"); assert await r.readexactly(2)==b"hi"; os.unlink(U)
    loop=asyncio.get_running_loop(); got=loop.create_future()
    class P(asyncio.DatagramProtocol):
        def datagram_received(s,d,a): got.done() or got.set_result(d)
    tr,_=await loop.create_datagram_endpoint(P,local_addr=("127.0.0.1",7003)); t2,_=await loop.create_datagram_endpoint(asyncio.DatagramProtocol,remote_addr=("127.0.0.1",7003)); t2.sendto(b"dg"); assert await asyncio.wait_for(got,3)==b"dg"
    p=await asyncio.create_subprocess_exec("cat",stdin=-1,stdout=-1); o,_=await p.communicate(b"sub"); assert o==b"sub"
    try: await asyncio.wait_for(asyncio.open_connection("127.0.0.1",9),3); assert 0
    except ConnectionRefusedError: pass
asyncio.run(main())
P
