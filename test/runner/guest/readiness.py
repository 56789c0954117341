"""Polls after each receive, COUNT times: an event that is shown then is stale, since nothing else was sent. Prints how often there was one, for each way to look."""
import collections, os, select, socket, sys

COUNT = int(sys.argv[1])


def stream():
    listener = socket.create_server(('127.0.0.1', 0))
    a = socket.create_connection(listener.getsockname())
    b, _ = listener.accept()
    a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return a, b


def datagrams():
    b = socket.socket(type=socket.SOCK_DGRAM)
    b.bind(('127.0.0.1', 0))
    a = socket.socket(type=socket.SOCK_DGRAM)
    a.connect(b.getsockname())
    return a, b


def received(fd, wait):
    """Whether `fd` can be read. Without wait by select with a microsecond, which the kernel answers itself on both planes; poll and epoll_wait with 0 may be looked at first."""
    if wait:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        return poller.poll(10_000) != []
    return select.select([fd], [], [], 1e-6)[0] != []


RECEIVES = [
    ('recv', lambda s: s.recv(9)),
    ('read', lambda s: os.read(s.fileno(), 9)),
    ('recvmsg', lambda s: s.recvmsg(9)[0]),
    ('recvfrom', lambda s: s.recvfrom(9)[0]),
]
stale = collections.Counter()
pairs = [('stream', *stream()), ('datagrams', *datagrams())]
level, edge = [], []
for _, _, b in pairs:
    level.append(select.epoll())
    level[-1].register(b, select.EPOLLIN)
    edge.append(select.epoll())
    edge[-1].register(b, select.EPOLLIN | select.EPOLLET)

for i in range(COUNT):
    kind = i % 2
    name, a, b = pairs[kind]
    how, receive = RECEIVES[i // 2 % len(RECEIVES)]
    a.send(b'x')
    if not received(b.fileno(), True):
        sys.exit(f'nothing came by {name}, {how}, {i}')
    # All of what was sent made one edge.
    if len(edge[kind].poll(10)) != 1:
        stale[f'{name} {how}: no edge'] += 1
    if receive(b) != b'x':
        sys.exit(f'something else came by {name}, {how}, {i}')
    if received(b.fileno(), False):
        stale[f'{name} {how}: select'] += 1
    if received(level[kind].fileno(), False):
        stale[f'{name} {how}: epoll, level'] += 1
    if received(edge[kind].fileno(), False):
        stale[f'{name} {how}: epoll, edge'] += 1
    if i % 4 < 2:
        poller = select.poll()
        poller.register(b, select.POLLIN)
        if poller.poll(0):
            stale[f'{name} {how}: poll'] += 1
        if level[kind].poll(0):
            stale[f'{name} {how}: epoll_wait, level'] += 1
        if edge[kind].poll(0):
            stale[f'{name} {how}: epoll_wait, edge'] += 1
print(dict(stale) or 'none is stale')
