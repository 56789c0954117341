import asyncio
import hashlib
import os
import ssl
import sys

HOST4, HOST6, NAME = sys.argv[1:4]
HTTP, HTTPS, ECHO, UDP, REFUSED = map(int, sys.argv[4:9])
TLS = ssl.create_default_context(cafile=sys.argv[9])


async def echo(host):
    reader, writer = await asyncio.open_connection(host, ECHO)
    data = os.urandom(300_000)

    async def send():
        writer.write(data)
        await writer.drain()
        writer.write_eof()  # half-close: what is still on its way back must arrive

    sender = asyncio.create_task(send())
    assert await reader.read(-1) == data, host
    await sender
    writer.close()
    await writer.wait_closed()


async def fetch(host, port, tls):
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host if tls else None)
    writer.write(b"GET /bytes/1000000 HTTP/1.0\r\n\r\n")
    head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    assert b" 200 " in head and len(body) == 1_000_000, (host, port, head, len(body))
    writer.close()
    return hashlib.sha256(body).digest()


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self):
        self.got = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        if not self.got.done():
            self.got.set_result(data)

    def error_received(self, exc):
        if not self.got.done():
            self.got.set_exception(exc)


async def datagram(host):
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, remote_addr=(host, UDP))
    data = os.urandom(1200)
    transport.sendto(data)
    assert await asyncio.wait_for(protocol.got, 5) == data, host
    transport.close()


async def refused(host):
    try:
        await asyncio.wait_for(asyncio.open_connection(host, REFUSED), 10)
    except ConnectionRefusedError:
        return
    raise AssertionError(f"{host}: a connection to a port where nobody listens succeeded")


async def main():
    await asyncio.gather(*[echo(host) for host in (HOST4, HOST6) for _ in range(10)])
    sums = await asyncio.gather(
        *[fetch(host, port, tls) for host in (HOST4, HOST6, NAME) for port, tls in ((HTTP, None), (HTTPS, TLS))]
    )
    assert len(set(sums)) == 1
    await asyncio.gather(*[datagram(host) for host in (HOST4, HOST6)])
    await asyncio.gather(refused(HOST4), refused(HOST6))
    print("ok")


asyncio.run(main())
