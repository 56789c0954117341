"""A busy guest: processes that stream over the link both ways, one over the loopback, one that serves a published port, one that has left its session. Each says how its stream
ends. The first of them survives the others: it says who was killed, and what still runs when the host is gone."""
import errno, mmap, os, socket, struct, sys, time

host, port, served = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
WORD = b'0123456789abcdef' * 1024
PACE = 0.002
SLOTS = {name: i for i, name in enumerate(('up', 'down', 'served', 'sender', 'receiver'))}
progress = mmap.mmap(-1, 4096)
children = {}


def say(*words):
    os.write(1, (' '.join(map(str, words)) + '\n').encode())


def moved(name, octets):
    at = SLOTS[name] * 8
    struct.pack_into('q', progress, at, struct.unpack_from('q', progress, at)[0] + octets)


def so_far(name):
    return struct.unpack_from('q', progress, SLOTS[name] * 8)[0]


def child(name, work):
    pid = os.fork()
    if pid:
        children[pid] = name
        return
    how = 'ended'
    try:
        work()
    except OSError as e:
        how = errno.errorcode.get(e.errno, e.errno)
    say(name, how)
    os._exit(0)


def up():
    s = socket.create_connection((host, port))
    s.sendall(b'U')
    while True:
        moved('up', s.send(WORD))
        time.sleep(PACE)


def down():
    s = socket.create_connection((host, port))
    s.sendall(b'D')
    while octets := s.recv(65536):
        moved('down', len(octets))


def serve():
    s, _ = listener.accept()
    while octets := s.recv(65536):
        s.sendall(octets)
        moved('served', len(octets))


def sender():
    s = socket.create_connection(loopback.getsockname())
    loopback.close()
    while True:
        moved('sender', s.send(WORD))
        time.sleep(PACE)


def receiver():
    s, _ = loopback.accept()
    while octets := s.recv(65536):
        moved('receiver', len(octets))


def daemon():
    os.setsid()
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.bind(('127.0.0.1', 0))
    s.recv(1)


listener = socket.create_server(('', served))
loopback = socket.create_server(('127.0.0.1', 0))
for work in (sender, receiver, up, down, serve, daemon):
    child(work.__name__, work)
# Whoever accepts alone holds the listening socket, or its end would leave the other side waiting.
loopback.close()

is_busy = False
cut = set()
deadline = None
while True:
    if not is_busy and all(so_far(name) > 0 for name in SLOTS):
        is_busy = True
        say('busy')
    pid, status = os.waitpid(-1, os.WNOHANG)
    if pid:
        name = children.pop(pid)
        if os.WIFSIGNALED(status):
            say('killed', name)
            time.sleep(0.05)
            sys.exit(8)
        cut.add(name)
        if cut >= {'up', 'down'} and deadline is None:
            deadline = time.monotonic() + 0.5
        continue
    if deadline is not None and ('serve' in cut or so_far('served') == 0 or time.monotonic() > deadline):
        before, end = so_far('receiver'), time.monotonic() + 2
        while so_far('receiver') == before and time.monotonic() < end:
            time.sleep(0.02)
        say('alone', 'and well' if so_far('receiver') > before else 'and stuck')
        sys.exit(7)
    time.sleep(0.005)
