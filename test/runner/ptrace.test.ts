/** The ptrace platform: what the other one does as well, where the two go different ways; and what a guest that is traced must not do. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { NR_AMD64 } from '../../src/abi/index.ts';
import { interpret, Verdict } from '../../src/host/bpf.ts';
import { AUDIT_ARCH, buildFilter } from '../../src/runner/filter.ts';
import { architecture, needing, needingInTurn, root } from '../support/needs.ts';
import { cli, namespaces, PLANES, python, python3, Running, type RunSettings, run, sandbox } from './sandbox.ts';

const x64 = architecture('x64');
const traced = needingInTurn(sandbox, x64);
const scripted = needingInTurn(sandbox, x64, python3);

const on = (plane: string): RunSettings => ({ options: ['--no-gateway', '--platform', 'ptrace', '--plane', plane] });
const preload = new URL('./without-notification.js', import.meta.url).href;
const well = { status: 0, signal: null, stderr: '' };

for (const plane of PLANES) {
  traced(`statuses, signals and processes are the program's own (${plane})`, async (t) => {
    const script = `sh -c 'kill -TERM $$'; echo $?; sleep 0.2 & wait $!; echo $?; timeout 0.2 sleep 9; echo $?
      sh -c 'kill -STOP $$; echo on' & sleep 0.3; kill -CONT $!; wait $!; echo $?; (exit 4); echo $?; exit 7`;
    const { stdout, ...rest } = await run(['sh', '-c', script], on(plane));
    t.deepEqual(stdout.replace(/^Terminated\n/gm, '').split('\n'), ['143', '0', '124', 'on', '0', '4', '']);
    t.is(rest.status, 7);
  });

  scripted(`a call that waits hears of signals (${plane})`, async (t) => {
    const { stdout, ...rest } = await python(WAITING, [], on(plane));
    t.deepEqual(stdout.split('\n'), [
      'SA_RESTART: q after ticks',
      'without: EINTR after a tick',
      'ignored: q',
      'SIGCHLD: q',
      'stopped: q',
      'stopped, SO_RCVTIMEO: EINTR',
      'killed: 9',
      '',
    ]);
    t.like(rest, well);
  });

  scripted(`each stream of several threads and processes arrives (${plane})`, async (t) => {
    const { stdout, ...rest } = await python(STREAMS, [], on(plane));
    t.is(stdout, 'ok\n');
    t.like(rest, well);
  });

  scripted(`descriptors enter at the lowest free number, up to the limit (${plane})`, async (t) => {
    const { stdout, ...rest } = await python(NUMBERS, [], on(plane));
    t.deepEqual(stdout.split('\n'), ['3 cloexec', '4 5', '3', 'EMFILE at 20, the last 19', 'open: 0 1 2', '']);
    t.like(rest, well);
  });
}

scripted('a Unix datagram that waits for room hears of signals', async (t) => {
  const { stdout, ...rest } = await python(UNIX, [], on('strict'));
  t.is(stdout, 'EINTR\n');
  t.like(rest, well);
});

scripted('the guest traces nobody, is traced by us, and has no listener', async (t) => {
  const { stdout, ...rest } = await python(WALLS, [], on('strict'));
  t.deepEqual(stdout.split('\n'), [
    'PTRACE_TRACEME: EPERM',
    'PTRACE_SEIZE: EPERM',
    'CLONE_UNTRACED: EPERM',
    'a listener: EINVAL',
    'a filter: 0',
    // Without CAP_NET_RAW, as on Linux.
    root.present ? 'AF_PACKET: EAFNOSUPPORT' : 'AF_PACKET: EPERM',
    'io_uring: ENOSYS',
    '',
  ]);
  t.like(rest, well);
});

traced('the summary names the platform', async (t) => {
  const { stderr } = await run(['true'], { options: ['--no-gateway', '--platform', 'ptrace', '--json'] });
  t.is((JSON.parse(stderr) as { readonly platform: string }).platform, 'ptrace');
});

traced('without user notification the guest is traced, and that is said', async (t) => {
  const { status, stdout, stderr } = await run(['echo', 'on'], { preload });
  t.deepEqual({ status, stdout }, { status: 0, stdout: 'on\n' });
  t.regex(stderr, /^sandsock: this kernel has no seccomp user notification .* so the guest is traced \(ptrace\)/);
});
traced('--platform notify does not fall back', async (t) => {
  const { status, stderr } = await run(['true'], { preload, options: ['--no-gateway', '--platform', 'notify'] });
  t.is(status, 125);
  t.regex(stderr, /no seccomp user notification/);
});
needing(sandbox, x64)('doctor names the platform that would be taken', (t) => {
  const platform = (...first: readonly string[]): unknown => {
    const { stdout, status } = spawnSync(process.execPath, [...first, cli, 'doctor', '--json'], { encoding: 'utf8' });
    t.is(status, 0);
    const found = JSON.parse(stdout) as { readonly name: string; readonly state: string; readonly detail: string }[];
    return found.filter(({ name }) => name === 'platform').map(({ state, detail }) => [state, detail.split(':')[0]]);
  };
  t.deepEqual(platform(), [['ok', 'notify']]);
  t.deepEqual(platform('--import', fileURLToPath(preload)), [['weaker', 'ptrace']]);
});

needingInTurn(
  sandbox,
  x64,
  namespaces,
)('a supervisor that is killed leaves nothing behind', async (t) => {
  const running = new Running(['sh', '-c', 'sleep 301 & setsid sleep 303 & echo ready; wait'], on('strict'));
  await running.says('ready');
  running.child.kill('SIGKILL');
  await running.end();
  t.deepEqual(await running.gone(), []);
});

needing()('the filter sends to the tracer what it would send to a listener', (t) => {
  const filter = buildFilter({ auditArch: AUDIT_ARCH.x64, numbers: NR_AMD64, trapped: ['bind'], traced: true });
  const verdict = (nr: number, ...args: readonly number[]): number => {
    const words = new Uint32Array(16);
    words[0] = nr;
    words[1] = AUDIT_ARCH.x64;
    args.forEach((value, i) => (words[4 + i * 2] = value));
    return interpret(filter, new Uint8Array(words.buffer));
  };
  t.is(verdict(NR_AMD64.bind), Verdict.Trace);
  t.is(verdict(NR_AMD64.ptrace), Verdict.Trace);
  t.is(verdict(NR_AMD64.seccomp, 1, 8), Verdict.Trace);
  t.is(verdict(NR_AMD64.seccomp, 1, 1), Verdict.Allow);
  t.is(verdict(NR_AMD64.clone, 0x0080_0011), Verdict.Trace);
  t.is(verdict(NR_AMD64.clone, 0x11), Verdict.Allow);
});

const LIBC = `
import ctypes, errno, os, resource, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def name(result): return errno.errorcode[ctypes.get_errno()] if result < 0 else str(result)
`;

const WAITING = `${LIBC}
ticks = 0
def tick(*_):
    global ticks
    ticks += 1
def bound(seconds=0):
    u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
    if seconds: u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', seconds, 0))
    return u
def receive(u):
    octets = ctypes.create_string_buffer(9)
    result = libc.recv(u.fileno(), octets, 9, 0)
    return octets.value.decode() if result > 0 else name(result)
def later(seconds, work): threading.Timer(seconds, work).start()
signal.signal(signal.SIGALRM, tick)
# Python's own wake-up runs behind the handler of C, so what is seen here is what C sees.
signal.siginterrupt(signal.SIGALRM, False)
u = bound()
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
def send():
    signal.setitimer(signal.ITIMER_REAL, 0); u.sendto(b'q', u.getsockname())
child = os.fork()
if child == 0:
    signal.setitimer(signal.ITIMER_REAL, 0); time.sleep(0.35); u.sendto(b'q', u.getsockname()); os._exit(0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
got = receive(u)
signal.setitimer(signal.ITIMER_REAL, 0); os.waitpid(child, 0)
# Python's handler runs when the call is over, once for all that came.
print('SA_RESTART:', got, 'after ticks' if ticks > 0 else 'after %d' % ticks, flush=True)
signal.siginterrupt(signal.SIGALRM, True); ticks = 0
signal.setitimer(signal.ITIMER_REAL, 0.1)
print('without:', receive(u), 'after a tick' if ticks == 1 else 'after %d' % ticks, flush=True)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
def while_waiting(u, *signals, after=b'q'):
    """The child receives; its signals come while it waits."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN); os.write(theirs, b'.'); os.write(theirs, receive(u).encode()); os._exit(0)
    os.read(ours, 1)
    for one in signals: time.sleep(0.2); os.kill(child, one)
    time.sleep(0.2)
    if after: u.sendto(after, u.getsockname())
    status = os.waitpid(child, 0)[1]
    os.close(theirs); text = os.read(ours, 99).decode(); os.close(ours)
    return text or str(os.waitstatus_to_exitcode(status))
print('ignored:', while_waiting(u, signal.SIGUSR1), flush=True)
print('SIGCHLD:', while_waiting(u, signal.SIGCHLD, signal.SIGWINCH), flush=True)
print('stopped:', while_waiting(u, signal.SIGSTOP, signal.SIGCONT), flush=True)
print('stopped, SO_RCVTIMEO:', while_waiting(bound(9), signal.SIGSTOP, signal.SIGCONT, after=b''), flush=True)
print('killed:', while_waiting(u, signal.SIGKILL, after=b'').lstrip('-'), flush=True)
`;

const STREAMS = `${LIBC}
def stream(number):
    l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen()
    def send():
        s = socket.socket(); s.connect(l.getsockname())
        for i in range(40): s.sendall(bytes([number]) * 1000)
        s.close()
    child = os.fork() if number % 2 else -1
    if child == 0: send(); os._exit(0)
    thread = threading.Thread(target=send)
    if child < 0: thread.start()
    c, _ = l.accept()
    got = b''
    while piece := c.recv(4096): got += piece
    if child > 0: assert os.waitpid(child, 0)[1] == 0
    else: thread.join()
    assert got == bytes([number]) * 40000, (number, len(got))
all = [threading.Thread(target=stream, args=[i]) for i in range(6)]
for one in all: one.start()
for one in all: one.join()
print('ok')
`;

const NUMBERS = `${LIBC}
first = socket.socket()
print(first.fileno(), 'cloexec' if not first.get_inheritable() else 'inherited')
a, b = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
print(a.fileno(), b.fileno())
first.close(); a.close()
print(socket.socket().fileno()); b.close()
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 64))
all = []
try:
    while True: all.append(socket.socket())
except OSError as error: print(errno.errorcode[error.errno], 'at', resource.getrlimit(resource.RLIMIT_NOFILE)[0], end=', the last ')
print(all[-1].fileno()); all.clear()
print('open:', *sorted(fd for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + fd)))
`;

const UNIX = `${LIBC}
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, True)
r = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); r.bind('/tmp/sandsock-ptrace-%d' % os.getpid())
w = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
path = r.getsockname()
w.setblocking(False)
try:
    while True: w.sendto(b'x', path)
except BlockingIOError: pass
w.setblocking(True)
address = struct.pack('H', 1) + path.encode() + b'\\0'
signal.setitimer(signal.ITIMER_REAL, 0.2)
print(name(libc.sendto(w.fileno(), b'y', 1, 0, address, len(address))))
os.unlink(path)
`;

const WALLS = `${LIBC}
def call(*args): return name(libc.syscall(*args))
libc.syscall.restype = ctypes.c_long
print('PTRACE_TRACEME:', call(101, 0, 0, 0, 0))
print('PTRACE_SEIZE:', call(101, 0x4206, os.getppid(), 0, 0))
print('CLONE_UNTRACED:', call(56, 0x00800000 | signal.SIGCHLD, 0, 0, 0, 0))
code = struct.pack('HBBI', 6, 0, 0, 0x7fff0000)
buffer = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 1, ctypes.addressof(buffer)))
print('a listener:', call(317, 1, 8, program))
print('a filter:', call(317, 1, 0, program))
print('AF_PACKET:', call(41, 17, 3, 0))
print('io_uring:', call(425, 8, program))
`;
