/** Streams while a timer interrupts both sides: each octet arrives once, in order, with handlers of either kind. */
import { needingInTurn } from '../support/needs.ts';
import { guestFile, on, PLANES, python, python3, run, sandbox } from './sandbox.ts';

const guest = needingInTurn(sandbox, python3);

const STREAM = `
import signal, socket, sys, threading
restart, flags, interval = sys.argv[1] == 'restart', int(sys.argv[2]), int(sys.argv[3]) / 1e6
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
if flags: threading.Thread(target=lambda: (signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]), source(), a.shutdown(socket.SHUT_WR))).start()
else:
    result = []
    thread = threading.Thread(target=lambda: result.append(sink())); thread.start()
signal.setitimer(signal.ITIMER_REAL, interval, interval)
if flags: got = sink()
else: source()
signal.setitimer(signal.ITIMER_REAL, 0)
if not flags:
    a.shutdown(socket.SHUT_WR); thread.join(); got = result[0]
assert ticks > 0, ticks
assert got == data, (len(got), len(data))
print('ok')
`;

const TIMERS = [
  ['restart', '1000'],
  ['restart', '100'],
  ['interrupt', '1000'],
] as const;

for (const plane of PLANES)
  for (const [kind, micros] of TIMERS)
    for (const [side, flags] of [
      ['sender', '0'],
      ['receiver, with MSG_WAITALL,', '256'],
    ] as const)
      guest(`a timer of ${micros} us, ${kind}: the ${side} loses and doubles nothing (${plane})`, async (t) => {
        const { status, stdout, stderr } = await python(STREAM, [kind, flags, micros], on(plane));
        t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
      });

/** One thread that receives in every way in turn: what one call has, no other has, whether or not a signal takes its answer away. */
for (const plane of PLANES)
  for (const [kind, micros] of TIMERS)
    guest(`a timer of ${micros} us, ${kind}: receives of all kinds in turn (${plane})`, async (t) => {
      const { stdout, stderr } = await run(['python3', guestFile('every-receive.py'), kind, micros], on(plane));
      t.is(stdout, 'ok\n', stderr);
    });

for (const plane of PLANES)
  guest(
    `a call with a part done ends honestly: with the part, or with EINTR and nothing done (${plane})`,
    async (t) => {
      const { status, stdout, stderr } = await python(
        `
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
    b.settimeout(1); there = 0
    try:
        while there < n or b.settimeout(0.05) is None: there += len(b.recv(1 << 20))
    except TimeoutError: pass
    assert n == there and n > 0, (n, there)
print('ok')
`,
        [],
        on(plane),
      );
      t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
    },
  );

for (const plane of PLANES)
  guest(`a signal to the process ends the call of the thread that it is for (${plane})`, async (t) => {
    const { stdout, stderr } = await python(
      `
import ctypes, errno, os, signal, socket, threading, time
libc = ctypes.CDLL(None, use_errno=True)
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen()
signal.signal(signal.SIGUSR1, lambda *_: None)
stop = False
def spin():
    while not stop: sum(range(1000))
def accept(result):
    n = libc.accept(l.fileno(), None, None)
    result.append((n, ctypes.get_errno() if n < 0 else 0))
def later():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGUSR1)
# The first thread, while another one runs.
spinner = threading.Thread(target=spin); spinner.start()
threading.Thread(target=later).start()
result = []; accept(result)
assert result == [(-1, errno.EINTR)], result
stop = True; spinner.join()
# Another one, where the first holds the signal back.
result = []
waiter = threading.Thread(target=accept, args=(result,)); waiter.start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
later(); waiter.join(10)
assert result == [(-1, errno.EINTR)], result
print('ok')
`,
      [],
      on(plane),
    );
    t.is(stdout, 'ok\n', stderr);
  });
