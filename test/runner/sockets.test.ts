/**
 * Unmodified programs on sockets of ours, over the sandbox's own loopback: what poll, select and epoll show, the last close, fork, exec, threads, signals. Every program
 * asserts what Linux does and prints "ok"; each was run outside the sandbox as well.
 */
import test from 'ava';
import { needingInTurn } from '../support/needs.ts';
import { on, PLANES, python, python3, sandbox } from './sandbox.ts';

const guest = needingInTurn(sandbox, python3);

const PRELUDE = `
import errno, os, select, signal, socket, struct, sys, threading, time
def listener(family=socket.AF_INET, host='127.0.0.1'):
    l = socket.socket(family); l.bind((host, 0)); l.listen(8); return l
def pair():
    l = listener(); c = socket.create_connection(l.getsockname()); s, _ = l.accept(); l.close(); return c, s
DIRECT = sys.argv[1] == 'direct' # what differs there stands in direct.test.ts, with the reasons
NAMES = {1:'IN', 4:'OUT', 8:'ERR', 16:'HUP', 0x2000:'RDHUP'}
def mask(s, wait=0):
    p = select.poll(); p.register(s, select.POLLIN | select.POLLOUT | 0x2000)
    e = p.poll(wait)
    return ' '.join(n for b, n in NAMES.items() if e and e[0][1] & b)
def becomes(s, want, seconds=3):
    end = time.time() + seconds
    while (got := mask(s)) != want and time.time() < end: time.sleep(0.01)
    assert got == want, (got, want)
def raises(code, f, *a):
    try: f(*a)
    except OSError as e: assert e.errno == code, (e, code)
    else: assert 0, 'no error'
`;
const program = (title: string, text: string): void => {
  for (const plane of PLANES)
    guest(`${title} (${plane})`, async (t) => {
      const { status, stdout, stderr } = await python(`${PRELUDE}${text}\nprint('ok')\n`, [plane], on(plane));
      t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
    });
};

program(
  'poll shows a stream’s states as Linux does',
  `
s = socket.socket(); assert mask(s) == 'OUT HUP', mask(s)
l = listener(); assert mask(l) == '', mask(l)
c = socket.create_connection(l.getsockname()); becomes(l, 'IN')
a, _ = l.accept(); assert mask(l) == '', mask(l)
assert mask(c) == 'OUT' and mask(a) == 'OUT'
a.send(b'xy'); becomes(c, 'IN OUT'); assert c.recv(1) == b'x'; assert mask(c) == 'IN OUT'
assert c.recv(1) == b'y'; assert mask(c) == 'OUT', mask(c)
a.shutdown(socket.SHUT_WR); becomes(c, 'IN OUT RDHUP'); assert c.recv(1) == b''; assert mask(c) == 'IN OUT RDHUP'
assert mask(a) == 'OUT', mask(a)
c.shutdown(socket.SHUT_WR); becomes(c, 'IN OUT HUP RDHUP'); becomes(a, 'IN OUT HUP RDHUP')`,
);
program(
  'the send buffer fills, and empties again',
  `
c, s = pair(); c.setblocking(False); n = 0
try:
    while True: n += c.send(b'z' * 65536)
except BlockingIOError: pass
assert mask(c) == '', mask(c)
got = 0
while got < n: got += len(s.recv(1 << 20))
becomes(c, 'OUT'); assert c.send(b'z') == 1`,
);
program(
  'a reset shows ERR until its error was read',
  `
c, s = pair(); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()
becomes(c, 'IN OUT ERR HUP RDHUP')
assert c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
assert mask(c) == 'IN OUT HUP RDHUP', mask(c)
assert c.recv(1) == b''
d, t = pair(); t.send(b'q'); d.send(b'q'); becomes(t, 'IN OUT'); t.close()
becomes(d, 'IN OUT ERR HUP RDHUP'); raises(errno.ECONNRESET, lambda: (d.recv(1), d.recv(1)))`,
);
program(
  'a refused connection: by a blocking call, and again by the same socket; without waiting, with its events',
  `
free = listener(); port = free.getsockname()[1]; free.close()
s = socket.socket(); raises(errno.ECONNREFUSED, s.connect, ('127.0.0.1', port)); raises(errno.ECONNREFUSED, s.connect, ('127.0.0.1', port))
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(('127.0.0.1', port)); l.listen(1)
s.connect(('127.0.0.1', port)); assert mask(s) == 'OUT', mask(s); l.close(); s.close()
n = socket.socket(); n.setblocking(False)
ep = select.epoll(); ep.register(n, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET); ep.poll(0)
assert n.connect_ex(('127.0.0.1', port)) == errno.EINPROGRESS
(fd, ev), = ep.poll(2); assert fd == n.fileno() and ev == 0x1d, hex(ev)
assert n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(('127.0.0.1', port)); l.listen(1)
first = n.connect_ex(('127.0.0.1', port)); assert first in (errno.ECONNABORTED, errno.EINPROGRESS), first
if first == errno.ECONNABORTED: assert n.connect_ex(('127.0.0.1', port)) == errno.EINPROGRESS
end = time.time() + 3; seen = 0
while not seen & 4 and time.time() < end: seen = sum(e for _, e in ep.poll(0.1))
assert seen & 4 and not seen & 8, hex(seen)
assert n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and mask(n) == 'OUT', mask(n)
ep.modify(n, select.EPOLLIN)`,
);
program(
  'EPOLLET: an edge for each arrival, also for a reader that never empties the socket',
  `
c, s = pair(); c.setblocking(False); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
ep = select.epoll(); ep.register(c, select.EPOLLIN | select.EPOLLET); assert ep.poll(0.05) == []
for i in range(300):
    s.send(b'abc'); assert ep.poll(3) == [(c.fileno(), select.EPOLLIN)], i
    assert ep.poll(0) == [] and c.recv(2) == (b'abc' * 300)[2*i:2*i+2], i
assert c.recv(4096) == (b'abc' * 300)[600:]
raises(errno.EAGAIN, c.recv, 1); s.send(b'x'); assert ep.poll(3)`,
);
program(
  'datagrams: data, room, an error of the peer and its end',
  `
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); assert mask(u) == 'OUT', mask(u)
v = socket.socket(type=socket.SOCK_DGRAM); v.connect(u.getsockname())
for i in range(3): v.send(b'%d' % i)
becomes(u, 'IN OUT')
assert [u.recv(9) for _ in range(3)] == [b'0', b'1', b'2'] and mask(u) == 'OUT'
for round in range(3):
    u.close(); v.send(b'x'); end = time.time() + 3
    while 'ERR' not in mask(v) and time.time() < end: time.sleep(0.01)
    assert 'ERR' in mask(v), mask(v)
    raises(errno.ECONNRESET if DIRECT else errno.ECONNREFUSED, v.recv, 1); assert mask(v) == 'OUT', mask(v)
    u = socket.socket(type=socket.SOCK_DGRAM); u.bind(v.getpeername()); u.connect(v.getsockname())
    u.send(b'again'); becomes(v, 'IN OUT'); assert v.recv(9) == b'again'; assert mask(v) == 'OUT'
v.send(b''); becomes(u, 'IN OUT'); assert u.recv(9) == b''`,
);
program(
  'the last close ends the connection: not a dup’s, not a child’s, nor one before the call in another thread is over',
  `
c, s = pair(); d = s.dup(); s.close(); time.sleep(0.1); assert mask(c) == 'OUT', mask(c)
pid = os.fork()
if pid == 0:
    time.sleep(0.2); os.write(d.fileno(), b'child'); os._exit(0)
d.close(); assert c.recv(9) == b'child'; assert c.recv(9) == b''; os.waitpid(pid, 0)
l = listener(); port = l.getsockname()[1]; l.close()
m = socket.socket(); m.bind(('127.0.0.1', port)); m.listen(1)
c, s = pair(); os.dup2(c.fileno(), s.fileno()); assert c.recv(9) == b''`,
);
program(
  'fork, exec and descriptors 0 to 2 share sockets',
  `
c, s = pair(); pid = os.fork()
if pid == 0:
    os.dup2(s.fileno(), 0); os.dup2(s.fileno(), 1); os.execvp('sh', ['sh', '-c', 'read a; echo "got $a"; echo done'])
s.close(); c.send(b'hello\\n'); f = c.makefile('rb'); assert f.read() == b'got hello\\ndone\\n'; os.waitpid(pid, 0)
c, s = pair(); pid = os.fork()
if pid == 0: os.execvp('sh', ['sh', '-c', 'exec 2>/dev/null; echo x >&%d || exit 3' % s.fileno()])
assert os.waitpid(pid, 0)[1] == 3 << 8  # O_CLOEXEC`,
);
program(
  'descriptors travel over a unix socket to another process',
  `
a, b = socket.socketpair(); pid = os.fork()
if pid == 0:
    _, fds, _, _ = socket.recv_fds(b, 1, 1); n = socket.socket(fileno=fds[0]); n.send(b'from the child'); os._exit(0)
c, s = pair(); socket.send_fds(a, [b'x'], [s.fileno()]); s.close()
assert c.recv(99) == b'from the child' and c.recv(9) == b''; os.waitpid(pid, 0)`,
);
program(
  'threads: blocked in recv, in accept, and many at once',
  `
c, s = pair(); got = []
t = threading.Thread(target=lambda: got.append(c.recv(9))); t.start(); time.sleep(0.1); s.send(b'w'); t.join(); assert got == [b'w']
l = listener(); l.listen(64); sums = []
def serve():
    while True:
        x, _ = l.accept(); threading.Thread(target=lambda x: (x.sendall(x.recv(100) * 1000), x.close()), args=(x,)).start()
threading.Thread(target=serve, daemon=True).start()
def ask(i):
    x = socket.create_connection(l.getsockname()); x.sendall(b'%03d' % i); d = b''
    while p := x.recv(65536): d += p
    assert d == b'%03d' % i * 1000; sums.append(i)
ts = [threading.Thread(target=ask, args=(i,)) for i in range(40)]
[t.start() for t in ts]; [t.join() for t in ts]; assert sorted(sums) == list(range(40))`,
);
program(
  'signals: EINTR without SA_RESTART, restart with it, EINTR for a call with a timeout, and nothing lost',
  `
import ctypes
libc = ctypes.CDLL(None, use_errno=True); buf = ctypes.create_string_buffer(99)
def recv(fd): n = libc.recv(fd, buf, 99, 0); return n if n >= 0 else -ctypes.get_errno()
c, s = pair(); hits = []
signal.signal(signal.SIGALRM, lambda *_: hits.append(1)); 
signal.siginterrupt(signal.SIGALRM, True); signal.setitimer(signal.ITIMER_REAL, 0.1); assert recv(c.fileno()) == -errno.EINTR
signal.siginterrupt(signal.SIGALRM, False); signal.setitimer(signal.ITIMER_REAL, 0.1)
threading.Timer(0.4, s.send, (b'late',)).start(); assert recv(c.fileno()) == 4 and buf.raw[:4] == b'late'
c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 5, 0)); t = time.time()
signal.setitimer(signal.ITIMER_REAL, 0.1); assert recv(c.fileno()) == -errno.EINTR and time.time() - t < 2
c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 100000)); assert recv(c.fileno()) == -errno.EAGAIN
c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 0))
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002); want = b''
def feed():
    for i in range(400): s.sendall(b'%04d' % i)
    s.close()
threading.Thread(target=feed).start(); data = b''
while (n := recv(c.fileno())) != 0:
    if n > 0: data += buf.raw[:n]
signal.setitimer(signal.ITIMER_REAL, 0)
assert data == b''.join(b'%04d' % i for i in range(400)), len(data)`,
);
program(
  'SIGPIPE ends a writer that does not care, and EPIPE is for one that does',
  `
c, s = pair(); s.close(); time.sleep(0.1)
try:
    for _ in range(20): c.send(b'x'); time.sleep(0.01)
    assert 0
except (BrokenPipeError, ConnectionResetError): pass
raises(errno.EPIPE, c.send, b'x')
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL); os.write(c.fileno(), b'x'); os._exit(0)
assert os.waitpid(pid, 0)[1] == signal.SIGPIPE`,
);
program(
  'sendfile keeps the file’s position, takes an offset, stops at the end, and waits for room',
  `
c, s = pair(); f = open('/tmp/sandsock-sf.%d' % os.getpid(), 'w+b'); data = os.urandom(3_000_000); f.write(data); f.flush(); os.unlink(f.name); f.seek(10)
assert os.sendfile(s.fileno(), f.fileno(), None, 100) == 100 and f.tell() == 110 and c.recv(200) == data[10:110]
assert os.sendfile(s.fileno(), f.fileno(), 5, 7) == 7 and os.lseek(f.fileno(), 0, 1) == 110 and c.recv(200) == data[5:12]
assert os.sendfile(s.fileno(), f.fileno(), 3_000_000, 7) == 0
def all():
    at = 0
    while at < len(data): at += os.sendfile(s.fileno(), f.fileno(), at, len(data) - at)
    s.close()
threading.Thread(target=all).start(); got = b''
while p := c.recv(1 << 20): got += p
assert got == data
r, w = os.pipe(); raises(errno.EINVAL, os.sendfile, c.fileno(), r, None, 5)`,
);
program(
  'wild pointers, lengths and numbers get an errno, and the sandbox lives',
  `
import ctypes
libc = ctypes.CDLL(None, use_errno=True); call = libc.syscall; call.restype = ctypes.c_long
def sys_(nr, *a):
    r = call(ctypes.c_long(nr), *[ctypes.c_ulong(x & (2**64 - 1)) for x in a]); return r if r != -1 else -ctypes.get_errno()
fd = socket.socket().detach(); u = socket.socket(type=socket.SOCK_DGRAM).detach()
assert sys_(42, fd, 8, 16) == -errno.EFAULT and sys_(42, fd, 2**63, 16) == -errno.EFAULT
assert sys_(49, fd, 0, -1) == -errno.EINVAL and sys_(49, 9999, 0, 0) == -errno.EBADF and sys_(49, -1, 0, 0) == -errno.EBADF
assert sys_(44, u, 8, 5, 0, 0, 0) < 0 and sys_(46, u, 8, 0) == -errno.EFAULT and sys_(47, u, 2**64 - 8, 0) == -errno.EFAULT
assert sys_(20, fd, 8, 2000) == -errno.EINVAL and sys_(54, fd, 1, 2, 8, 4) == -errno.EFAULT
assert sys_(41, 2, 0xffff, 0) == -errno.EINVAL and sys_(41, 40, 1, 0) == -errno.EAFNOSUPPORT and sys_(53, 2, 1, 0, 8) < 0
assert sys_(45, u, 8, 2**63, 0x40, 0, 0) < 0
c, s = pair(); c.send(b'alive'); assert s.recv(9) == b'alive'`,
);

test('the programs above are guests', (t) => {
  t.true(PRELUDE.includes('def pair'));
});

program(
  'O_NONBLOCK that is set natively, here or by a child on the same description, holds from the next call on',
  `
import fcntl
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0)); s.connect(s.getsockname())
raw = socket.socket(fileno=os.dup(s.fileno()))
flags = fcntl.fcntl(s, fcntl.F_GETFL)
def child(value):
    pid = os.fork()
    if pid == 0: fcntl.fcntl(s, fcntl.F_SETFL, value); os._exit(0)
    os.waitpid(pid, 0)
child(flags | os.O_NONBLOCK); s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
raises(errno.EAGAIN, os.read, raw.fileno(), 1)
signal.signal(signal.SIGALRM, lambda *_: os.write(s.fileno(), b'x'))
child(flags); signal.setitimer(signal.ITIMER_REAL, .2)
assert os.read(raw.fileno(), 9) == b'x'
p, q = os.pipe(); child(flags | os.O_NONBLOCK)
l = listener(); c = socket.create_connection(l.getsockname()); a, _ = l.accept()
fcntl.fcntl(a, fcntl.F_SETFL, os.O_NONBLOCK | fcntl.fcntl(a, fcntl.F_GETFL))
raises(errno.EAGAIN, os.splice, a.fileno(), q, 10)
l.setblocking(False); raises(errno.EAGAIN, l._accept)`,
);

program(
  'netlink: a dump is read by read and by recv without an address, at once (musl’s getifaddrs), and with one',
  `
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
def messages(receive):
    kinds = {}
    while 3 not in kinds:
        d = receive(); at = 0
        while at < len(d): n, kind = struct.unpack_from('=IH', d, at); kinds[kind] = kinds.get(kind, 0) + 1; at += (n + 3) & ~3
    return kinds
for kind, answer in ((18, 16), (22, 20), (26, 24)):
    request = struct.pack('=IHHII4x', 20, kind, 0x301, 7, 0); seen = []
    s.sendto(request, (0, 0)); seen.append(messages(lambda: s.recvfrom(8192)[0]))
    s.send(request); seen.append(messages(lambda: s.recv(8192, socket.MSG_DONTWAIT)))
    os.write(s.fileno(), request); seen.append(messages(lambda: os.read(s.fileno(), 8192)))
    os.write(s.fileno(), request); seen.append(messages(lambda: s.recvmsg(8192)[0]))
    assert seen == [seen[0]] * 4 and seen[0][answer] > 0, seen
assert mask(s) == 'OUT', mask(s)
assert 'lo' in [name for _, name in socket.if_nameindex()]`,
);
program(
  'a datagram of several sends is one: MSG_MORE, and UDP_CORK over write and send',
  `
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); v = socket.socket(type=socket.SOCK_DGRAM); v.connect(u.getsockname())
v.send(b'a', socket.MSG_MORE); v.send(b'b', socket.MSG_MORE); v.send(b'c'); assert u.recv(9) == b'abc'
v.setsockopt(socket.IPPROTO_UDP, 1, 1); os.write(v.fileno(), b'd'); v.send(b'e'); v.sendmsg([b'f', b'g'])
u.settimeout(0.1)
try: u.recv(9); assert 0
except TimeoutError: pass
v.setsockopt(socket.IPPROTO_UDP, 1, 0); assert u.recv(9) == b'defg'
v.send(b'h', socket.MSG_MORE); os.write(v.fileno(), b'i'); assert u.recv(9) == b'hi'`,
);

program(
  'threads that read one socket by recvmsg, with and without MSG_WAITALL, by read and by recv get each octet once',
  `
import random
data = b''.join(i.to_bytes(4, 'big') for i in range(25_000))
for flags in (0, socket.MSG_WAITALL, 0, socket.MSG_WAITALL):
    c, s = pair(); pieces = []
    def send():
        at = 0
        while at < len(data): at += c.send(data[at:at + random.choice([4, 40, 400, 4000])])
        c.shutdown(1)
    def collect(read):
        while d := read(4 * random.randrange(1, 300)): pieces.append(d)
    readers = [lambda n: s.recvmsg(n, 0, flags)[0], lambda n: os.read(s.fileno(), n), s.recv]
    threads = [threading.Thread(target=collect, args=(r,)) for r in readers] + [threading.Thread(target=send)]
    for t in threads: t.start()
    for t in threads: t.join()
    assert sum(map(len, pieces)) == len(data), sum(map(len, pieces)) - len(data)
    if all(len(p) % 4 == 0 for p in pieces): assert sorted(p[i:i + 4] for p in pieces for i in range(0, len(p), 4)) == [data[i:i + 4] for i in range(0, len(data), 4)]`,
);

program(
  'after a fork both processes write to one end and read from the other, at once',
  `
c, s = pair(); p, q = pair(); COUNT = 3000; pid = os.fork(); me = b'P' if pid else b'C'
def write():
    for i in range(COUNT): os.write(c.fileno(), b'%c%06d.' % (me, i)) if i % 3 else c.sendmsg([b'%c%06d' % (me, i), b'.'])
def read(into):
    while d := s.recv(8 * 50) if len(into) % 3 else s.recvmsg(8 * 50)[0]: into.append(d)
pieces = []; writer = threading.Thread(target=write); reader = threading.Thread(target=read, args=(pieces,)); writer.start(); reader.start(); writer.join()
if pid == 0:
    q.send(b'w'); reader.join(); q.sendall(b''.join(struct.pack('I', len(d)) + d for d in pieces)); os._exit(0)
assert p.recv(1) == b'w'; c.shutdown(1); reader.join(); q.close(); f = p.makefile('rb')
while n := f.read(4): pieces.append(f.read(struct.unpack('I', n)[0]))
assert os.waitpid(pid, 0)[1] == 0 and sum(map(len, pieces)) == 2 * COUNT * 8, sum(map(len, pieces))
if all(len(d) % 8 == 0 for d in pieces): assert sorted(d[i:i + 8] for d in pieces for i in range(0, len(d), 8)) == sorted(b'%c%06d.' % (w, i) for w in b'PC' for i in range(COUNT))`,
);

program(
  'a close with octets unread is a reset for the peer, whichever calls read before',
  `
D, P = socket.MSG_DONTWAIT, socket.MSG_PEEK
def forked(s):
    if os.fork() == 0: s.recv(4); s.recv(2, D); os._exit(0)
    s.close(); os.wait()
reads = [lambda s: 0, lambda s: s.recv(3), lambda s: s.recv(3, D), lambda s: s.recv(3, D | P), lambda s: (s.recv(3, D), s.recv(4)), lambda s: s.recvmsg(4), forked]
for i in range(56):
    a, b = pair(); a.sendall(b'0123456789'); becomes(b, 'IN OUT'); reads[i % 7](b); b.close()
    end = time.time() + 3
    while 'HUP' not in mask(a) and time.time() < end: time.sleep(0.001)
    raises(errno.ECONNRESET, a.recv, 1); a.close()`,
);
