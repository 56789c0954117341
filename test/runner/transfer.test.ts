/** sendfile(2) and splice(2) between sockets of ours and the guest's own files and pipes. Every program asserts what Linux does; each was run outside the sandbox as well. */
import { needingInTurn } from '../support/needs.ts';
import { on, PLANES, python, python3, sandbox } from './sandbox.ts';

const guest = needingInTurn(sandbox, python3);

const PRELUDE = `
import errno, os, signal, socket, sys, tempfile, threading, time
DIRECT = sys.argv[1] == 'direct' # what differs there stands in direct.test.ts, with the reasons
def pair():
    l = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(l.getsockname()); s, _ = l.accept(); l.close(); return c, s
def raises(code, f, *a, **k):
    try: f(*a, **k)
    except OSError as e: assert e.errno == code, (e, code)
    else: assert 0, 'no error'
def collect(read):
    got = []
    def run():
        while b := read(100_000): got.append(b)
    t = threading.Thread(target=run); t.start(); return t, got
def feed(w, v):
    def run():
        at = 0
        while at < len(v): at += os.write(w, v[at:at + 70_000])
        os.close(w)
    t = threading.Thread(target=run); t.start(); return t
def splice_all(a, b):
    total = 0
    while n := os.splice(a, b, 1 << 20): total += n
    return total
NONBLOCK = 2
DATA = os.urandom(3_000_000)
`;
const program = (title: string, text: string): void => {
  for (const plane of PLANES)
    guest(`${title} (${plane})`, async (t) => {
      const { status, stdout, stderr } = await python(`${PRELUDE}${text}\nprint('ok')\n`, [plane], on(plane));
      t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
    });
};

program(
  'a blocking sendfile sends the whole file in one call, and a non-blocking one what there is room for',
  `
signal.signal(signal.SIGINT, signal.SIG_DFL) # Python's own handler has no SA_RESTART: see the next program
f = tempfile.TemporaryFile(); f.write(DATA); f.flush()
c, s = pair(); t, got = collect(s.recv)
assert os.sendfile(c.fileno(), f.fileno(), 0, len(DATA) + 10) == len(DATA) and os.lseek(f.fileno(), 0, 1) == len(DATA)
f.seek(0); assert os.sendfile(c.fileno(), f.fileno(), None, 1000) == 1000 and os.lseek(f.fileno(), 0, 1) == 1000
c.shutdown(1); t.join(); assert b''.join(got) == DATA + DATA[:1000]
big = tempfile.TemporaryFile(); big.truncate(64 << 20); c, s = pair(); c.setblocking(False); total = 0
try:
    while True: total += os.sendfile(c.fileno(), big.fileno(), total, 1 << 20)
except BlockingIOError: assert 0 < total < 64 << 20
else: assert 0`,
);
program(
  'while a handler without SA_RESTART is installed a sendfile may be short (decision 0011), and what is told went',
  `
f = tempfile.TemporaryFile(); f.write(DATA); f.flush()
c, s = pair(); t, got = collect(s.recv); total = 0; f.seek(0)
while total < len(DATA): n = os.sendfile(c.fileno(), f.fileno(), None, len(DATA) - total); assert n > 0; total += n; assert os.lseek(f.fileno(), 0, 1) == total
c.shutdown(1); t.join(); assert b''.join(got) == DATA`,
);
program(
  'sendfile that a signal interrupts returns what it sent, and the position agrees',
  `
big = tempfile.TemporaryFile(); big.truncate(64 << 20); c, s = pair()
signal.signal(signal.SIGALRM, lambda *_: None); signal.siginterrupt(signal.SIGALRM, False); signal.setitimer(signal.ITIMER_REAL, .3)
n = os.sendfile(c.fileno(), big.fileno(), None, 64 << 20)
assert 0 < n < 64 << 20 and os.lseek(big.fileno(), 0, 1) == n
t, got = collect(s.recv); c.shutdown(1); t.join(); assert sum(map(len, got)) == n`,
);
program(
  'splice moves octets from a pipe to a socket and from a socket to a pipe, all of them and each once',
  `
c, s = pair(); t, got = collect(s.recv); r, w = os.pipe(); u = feed(w, DATA)
assert splice_all(r, c.fileno()) == len(DATA)
c.shutdown(1); t.join(); u.join(); assert b''.join(got) == DATA
c, s = pair(); r, w = os.pipe(); t, got = collect(lambda n: os.read(r, n)); u = feed(os.dup(c.fileno()), DATA); c.close()
assert splice_all(s.fileno(), w) == len(DATA)
os.close(w); t.join(); u.join(); assert b''.join(got) == DATA`,
);
program(
  'under a timer of 2 kHz no octet of a splice is lost or told twice',
  `
c, s = pair(); t, got = collect(s.recv); r, w = os.pipe(); u = feed(w, DATA)
signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, .0005, .0005)
assert splice_all(r, c.fileno()) == len(DATA)
signal.setitimer(signal.ITIMER_REAL, 0); c.shutdown(1); t.join(); u.join(); assert b''.join(got) == DATA`,
);
program(
  'a splice waits for an empty pipe, for a full pipe and for a silent socket; with SPLICE_F_NONBLOCK only for the socket',
  `
c, s = pair(); r, w = os.pipe()
raises(errno.EAGAIN, os.splice, r, c.fileno(), 10, flags=NONBLOCK)
threading.Timer(.2, os.write, (w, b'late')).start(); assert os.splice(r, c.fileno(), 10) == 4 and s.recv(10) == b'late'
threading.Timer(.2, c.send, (b'word',)).start(); assert os.splice(s.fileno(), w, 10, flags=0 if DIRECT else NONBLOCK) == 4 and os.read(r, 10) == b'word'
os.set_blocking(w, False)
try:
    while True: os.write(w, b'z' * 4096)
except BlockingIOError: pass
c.send(b'more'); raises(errno.EAGAIN, os.splice, s.fileno(), w, 10)
os.set_blocking(w, True); threading.Timer(.2, os.read, (r, 1 << 20)).start()
assert os.splice(s.fileno(), w, 10) == 4 and os.read(r, 10) == b'more'
os.close(w); assert os.splice(r, c.fileno(), 10) == 0
r, w = os.pipe(); os.close(r); c.send(b'x'); raises(errno.EPIPE, os.splice, s.fileno(), w, 10); assert s.recv(10) == b'x'`,
);
program(
  'what sendfile and splice refuse',
  `
c, s = pair(); r, w = os.pipe(); f = tempfile.TemporaryFile(); f.write(b'0123456789'); f.flush(); f.seek(0)
raises(errno.EINVAL, os.splice, s.fileno(), c.fileno(), 10)
raises(errno.EINVAL, os.splice, f.fileno(), c.fileno(), 10)
raises(errno.ESPIPE, os.splice, r, c.fileno(), 10, offset_src=0)
raises(errno.EINVAL, os.splice, r, c.fileno(), 10, offset_dst=0)
raises(errno.ESPIPE, os.sendfile, c.fileno(), s.fileno(), 0, 10)
raises(errno.EINVAL, os.sendfile, c.fileno(), s.fileno(), None, 10)
raises(errno.EINVAL, os.sendfile, c.fileno(), r, None, 10)
raises(errno.EBADF, os.sendfile, c.fileno(), w, None, 10)
raises(errno.EBADF, os.sendfile, c.fileno(), 99, None, 10)
raises(errno.EINVAL, os.sendfile, c.fileno(), f.fileno(), -1, 10)
fresh = socket.socket(); signal.signal(signal.SIGPIPE, signal.SIG_IGN); raises(errno.ENOTCONN if DIRECT else errno.EPIPE, os.sendfile, fresh.fileno(), f.fileno(), 0, 10)
assert os.sendfile(c.fileno(), f.fileno(), 5, 100) == 5 and s.recv(100) == b'56789' and os.sendfile(c.fileno(), f.fileno(), 10, 5) == 0
# Where neither side is a socket of ours the kernel answers.
g = tempfile.TemporaryFile(); assert os.sendfile(g.fileno(), f.fileno(), 0, 10) == 10
os.write(w, b'pipe'); assert os.splice(r, g.fileno(), 4) == 4`,
);
program(
  'a TCP socket that is sent to another process is used there, and ends once with its last descriptor',
  `
a, b = socket.socketpair(); c, s = pair(); pid = os.fork()
if pid == 0:
    a.close(); c.close(); s.close(); _, fds, *_ = socket.recv_fds(b, 10, 2); t = socket.socket(fileno=fds[0])
    assert t.recv(10) == b'to you'; t.send(b'from there'); b.recv(1); os._exit(0)
b.close(); socket.send_fds(a, [b'x'], [s.fileno()]); s.close()
c.send(b'to you'); assert c.recv(20) == b'from there'
c.settimeout(.2)
try: c.recv(1)
except TimeoutError: pass
else: assert 0, 'ended too early'
c.settimeout(None); a.send(b'.'); assert c.recv(1) == b'' and os.waitpid(pid, 0)[1] == 0`,
);
program(
  'a send that waits goes behind what was written natively before it',
  `
c, s = pair(); c.setblocking(False); sent = bytearray(); again = False
while True: # until both ends are full for good
    piece = os.urandom(65_536)
    try: sent += piece[:os.write(c.fileno(), piece)]; again = False
    except BlockingIOError:
        if again: break
        again = True; time.sleep(.05)
c.setblocking(True); last = os.urandom(400_000)
def rest(): assert c.sendmsg([last]) == len(last); c.shutdown(socket.SHUT_WR)
t = threading.Thread(target=rest); t.start(); time.sleep(.1); thread, got = collect(lambda n: os.read(s.fileno(), 1 << 20)); t.join(); thread.join()
assert b''.join(got) == sent + last, (len(b''.join(got)), len(sent))`,
);
