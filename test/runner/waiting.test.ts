/** Signals for calls that wait: whoever looks for them, they end the call, or stop the process, as on Linux. */
import { needingInTurn } from '../support/needs.ts';
import { on, PLANES, python, python3, sandbox } from './sandbox.ts';

const guest = needingInTurn(sandbox, python3);
const program = (title: string, text: string): void => {
  for (const plane of PLANES)
    guest(`${title} (${plane})`, async (t) => {
      const { status, stdout, stderr } = await python(text, [], on(plane));
      t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
    });
};

const WAITING = `
import errno, os, signal, socket, threading, time
l = socket.create_server(('127.0.0.1', 0))
def pair():
    c = socket.create_connection(l.getsockname()); return c, l.accept()[0]
`;
program(
  'a signal ends a call that waits, at once and whatever its handler wants',
  `${WAITING}
import ctypes
libc = ctypes.CDLL(None, use_errno=True); room = ctypes.create_string_buffer(9)
a, b = pair(); count = 0
def handler(*_):
    global count
    count += 1
signal.signal(signal.SIGALRM, handler)
for _ in range(5):
    start = time.monotonic(); signal.setitimer(signal.ITIMER_REAL, 0.02)
    assert libc.recv(b.fileno(), room, 9, 0) == -1 and ctypes.get_errno() == errno.EINTR
    took = time.monotonic() - start; assert 0.02 <= took < 0.5, took
assert count == 5, count
signal.siginterrupt(signal.SIGALRM, False); signal.setitimer(signal.ITIMER_REAL, 0.02)
threading.Timer(0.2, a.send, (b'late',)).start()
assert libc.recv(b.fileno(), room, 9, 0) == 4 and room.raw[:4] == b'late'
print('ok')
`,
);
program(
  'a process whose calls wait stops, goes on and dies when it is told to',
  `${WAITING}
a, b = pair(); r, w = os.pipe()
child = os.fork()
if child == 0:
    threading.Thread(target=lambda: os.write(w, b.recv(9)), daemon=True).start()
    l.accept()
time.sleep(0.2); os.kill(child, signal.SIGSTOP); start = time.monotonic()
pid, status = os.waitpid(child, os.WUNTRACED)
assert os.WIFSTOPPED(status) and time.monotonic() - start < 1
os.kill(child, signal.SIGCONT); a.send(b'data'); assert os.read(r, 9) == b'data'
os.kill(child, signal.SIGTERM); assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
print('ok')
`,
);
program(
  'a signal for a thread ends the call of that thread',
  `${WAITING}
import ctypes
libc = ctypes.CDLL(None, use_errno=True); a, b = pair(); got = []
signal.signal(signal.SIGUSR1, lambda *_: None)
def wait():
    room = ctypes.create_string_buffer(9); got.append((libc.recv(b.fileno(), room, 9, 0), ctypes.get_errno()))
thread = threading.Thread(target=wait); thread.start(); time.sleep(0.2)
signal.pthread_kill(thread.ident, signal.SIGUSR1); thread.join(2)
assert got == [(-1, errno.EINTR)], got
print('ok')
`,
);
