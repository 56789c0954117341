/**
 * Threads that read one socket of messages, some natively and some by trapped calls, get each message once, whole, while signals take answers away. SANDSOCK_TEST_DATAGRAMS says
 * how many messages each socket gets.
 */
import { needingInTurn } from '../support/needs.ts';
import { on, PLANES, python, python3, sandbox } from './sandbox.ts';

const COUNT = Number(process.env['SANDSOCK_TEST_DATAGRAMS'] ?? 5000);
const MS_EACH = 2;

/** At most 50 messages wait, which every receive buffer holds, so none may be missing. */
const PRELUDE = `
import collections, os, random, signal, socket, struct, sys, threading, time
N = int(sys.argv[1])
def told(send, number, readers, signals=False):
    got = []
    def collect(read):
        while (n := number(read())) >= 0: got.append(n)
        send(-1)
    threads = [threading.Thread(target=collect, args=(r,), daemon=True) for r in readers]
    for t in threads: t.start()
    def disturb():
        while (alive := [t for t in threads if t.is_alive()]):
            try: signal.pthread_kill(random.choice(alive).ident, signal.SIGUSR1)
            except ProcessLookupError: pass
            time.sleep(0.001)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    if signals: threading.Thread(target=disturb, daemon=True).start()
    for i in range(N):
        send(i); end = time.time() + 10
        while i - len(got) > 50 and time.time() < end: time.sleep(0.0001)
    send(-1)
    for t in threads: t.join(10)
    counts = collections.Counter(got)
    print(sum(1 for n in counts.values() if n > 1), 'doubled', sum(1 for i in range(N) if i not in counts), 'lost', sum(t.is_alive() for t in threads), 'stuck')
`;
const readers = (title: string, text: string): void => {
  for (const plane of PLANES)
    needingInTurn(sandbox, python3)(`${title} (${plane})`, async (t) => {
      const limitMs = 30_000 + COUNT * MS_EACH;
      t.timeout(limitMs);
      const { status, stdout, stderr } = await python(PRELUDE + text, [`${COUNT}`], { ...on(plane), limitMs });
      t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '0 doubled 0 lost 0 stuck\n', stderr: '' });
    });
};

const PAIR = `
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); v = socket.socket(type=socket.SOCK_DGRAM); v.bind(('127.0.0.1', 0))
v.connect(u.getsockname()); u.connect(v.getsockname())
`;
readers(
  'datagrams of one length that read and recvfrom take',
  `${PAIR}
def number(d): assert len(d) == 4; return struct.unpack('>i', d)[0]
told(lambda i: v.send(struct.pack('>i', i)), number, [lambda: os.read(u.fileno(), 100), lambda: u.recvfrom(100)[0]])`,
);
readers(
  'datagrams of many lengths that read, recv, recvfrom and recvmsg take between signals',
  `${PAIR}
def octets(i): return struct.pack('>i', i) * (1 + i % 7 * (i % 5))
def number(d): i, = struct.unpack('>i', d[:4]); assert d == octets(i); return i
told(lambda i: v.send(octets(i)), number, [lambda: os.read(u.fileno(), 200), lambda: u.recv(200), lambda: u.recvfrom(200)[0], lambda: u.recvmsg(200)[0]], True)`,
);
readers(
  'answers of netlink that recv and recvmsg take between signals',
  `
n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); n.bind((0, 0))
def ask(i): n.send(struct.pack('=IHHiIBxHiII', 32, 18, 1, i, 0, 0, 0, 1, 0, 0)) # RTM_GETLINK of the loopback interface
told(ask, lambda d: struct.unpack('=i', d[8:12])[0], [lambda: n.recv(9999), lambda: n.recvmsg(9999)[0], lambda: os.read(n.fileno(), 9999)], True)`,
);

for (const plane of PLANES)
  needingInTurn(sandbox, python3)(
    `room that a reader has made is room for what it sends itself next (${plane})`,
    async (t) => {
      const { status, stdout, stderr } = await python(
        `
import socket, time
for i in range(5):
    u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304); u.setsockopt(socket.SOL_SOCKET, 40, 1)
    v = socket.socket(type=socket.SOCK_DGRAM); v.connect(u.getsockname())
    for _ in range(100): v.send(b'x' * 100)
    time.sleep(0.1); u.setblocking(False); kept = 0
    try:
        while u.recv(200): kept += 1
    except BlockingIOError: pass
    v.send(b'y'); u.settimeout(2); data, control, _, _ = u.recvmsg(200, 100)
    assert data == b'y' and kept + int.from_bytes(control[0][2], 'little') == 100, (data, kept, control)
print('ok')`,
        [],
        on(plane),
      );
      t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
    },
  );
