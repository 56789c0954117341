"""Opens sockets of every kind that a guest may have, says which, waits for a line, and shows that they carry data."""
import socket
import sys

HOST4, HOST6 = sys.argv[1:3]
ECHO, UDP = map(int, sys.argv[3:5])
held, kinds = [], []


def hold(kind, make):
    try:
        held.append(make())
        kinds.append(kind)
    except OSError:
        pass  # a kind that this guest may not have


def listening(family, address):
    listener = socket.create_server((address, 0), family=family)
    client = socket.create_connection(listener.getsockname()[:2])
    return listener, client, listener.accept()[0]


streams = [socket.create_connection((host, ECHO), timeout=10) for host in (HOST4, HOST6)]
datagrams = []
for family, host in ((socket.AF_INET, HOST4), (socket.AF_INET6, HOST6)):
    datagrams.append(socket.socket(family, socket.SOCK_DGRAM))
    datagrams[-1].settimeout(10)
    datagrams[-1].connect((host, UDP))
kinds += ["stream", "stream6", "datagram", "datagram6"]
hold("listener", lambda: listening(socket.AF_INET, "127.0.0.1"))
hold("listener6", lambda: listening(socket.AF_INET6, "::1"))
hold("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
hold("ping", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP))
hold("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
hold("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
print(*kinds, flush=True)

sys.stdin.readline()
for each in streams + datagrams:
    each.sendall(b"still here")
for each in streams + datagrams:
    assert each.recv(100) == b"still here"
print("all of them carried data", flush=True)
