/** Streams while a timer interrupts both sides: each octet arrives once, in order, with handlers of either kind. */
import { needingInTurn } from '../support/needs.ts';
import { python, python3, sandbox } from './sandbox.ts';

const guest = needingInTurn(sandbox, python3);

const STREAM = `
import signal, socket, sys, threading
restart, flags = sys.argv[1] == 'restart', int(sys.argv[2])
ticks = 0
def tick(*_):
    global ticks
    ticks += 1
signal.signal(signal.SIGALRM, tick)
signal.signal(signal.SIGINT, signal.SIG_DFL)
if restart: signal.siginterrupt(signal.SIGALRM, False)
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen()
a = socket.create_connection(l.getsockname()); b, _ = l.accept()
data = b''.join(i.to_bytes(4, 'big') for i in range(1 << 20))
def source():
    at = 0
    while at < len(data): at += a.send(data[at:at + 2_000_003])
def sink():
    got = bytearray()
    while piece := b.recv(50_001, flags): got += piece
    return bytes(got)
# The signals come to the main thread.
if flags: threading.Thread(target=lambda: (source(), a.shutdown(socket.SHUT_WR))).start()
else:
    result = []
    thread = threading.Thread(target=lambda: result.append(sink())); thread.start()
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
if flags: got = sink()
else: source()
signal.setitimer(signal.ITIMER_REAL, 0)
if not flags:
    a.shutdown(socket.SHUT_WR); thread.join(); got = result[0]
assert ticks > 3, ticks
assert got == data, (len(got), len(data))
print('ok')
`;

for (const kind of ['restart', 'interrupt'])
  for (const [side, flags] of [
    ['sender', '0'],
    ['receiver, with MSG_WAITALL,', '256'],
  ] as const)
    guest(`a timer of 1 kHz, ${kind}: the ${side} loses and doubles nothing`, async (t) => {
      const { status, stdout, stderr } = await python(STREAM, [kind, flags]);
      t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
    });

guest('a call with a part done ends honestly: with the part, or with EINTR and nothing done', async (t) => {
  const { status, stdout, stderr } = await python(`
import ctypes, errno, os, signal, socket, time
libc = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGALRM, lambda *_: None)
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen()
def pair():
    c = socket.create_connection(l.getsockname()); return c, l.accept()[0]
def interrupted(restart, call):
    signal.siginterrupt(signal.SIGALRM, not restart)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    n = call()
    assert n >= 0 or ctypes.get_errno() == errno.EINTR, ctypes.get_errno()
    return max(n, 0)
room = ctypes.create_string_buffer(8 << 20)
for restart in (True, False):
    a, b = pair(); a.send(b'abc')
    n = interrupted(restart, lambda: libc.recv(b.fileno(), room, 10, socket.MSG_WAITALL))
    b.setblocking(False)
    rest = b.recv(20) if n == 0 else b''
    assert room.raw[:n] + rest == b'abc', (n, rest)
    a, b = pair()
    n = interrupted(restart, lambda: libc.send(a.fileno(), room, len(room), 0))
    time.sleep(0.1); b.setblocking(False); there = 0
    try:
        while True: there += len(b.recv(1 << 20))
    except BlockingIOError: pass
    assert n == there and n > 0, (n, there)
print('ok')
`);
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
});
