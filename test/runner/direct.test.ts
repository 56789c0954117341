/**
 * The direct plane: a program sees what it sees on Linux, whichever calls carry its data. The scripts under guest/ run on the host and in the sandbox, and what they print must
 * agree. What cannot agree is in the list of deviations, each with its reason.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { NR_AMD64 } from '../../src/abi/index.ts';
import { interpret, Verdict } from '../../src/host/bpf.ts';
import { AUDIT_ARCH, buildFilter } from '../../src/runner/filter.ts';
import { dataCalls, trappedCalls } from '../../src/runner/trapped-calls.ts';
import { on, PLANES, Running } from './sandbox.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const guest = (name: string): string => `${root}test/runner/guest/${name}`;

interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function run(command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('close', (status) => resolve({ status, out, err }));
  });
}
const inside = (plane: string, ...argv: string[]): Promise<Outcome> =>
  run(process.execPath, [cli, 'run', '--plane', plane, '--no-gateway', '--', ...argv]);

/** Each case's name, and the lines below it. */
function casesOf(text: string): Map<string, string> {
  const cases = new Map<string, string>();
  let name = '';
  for (const line of text.split('\n')) {
    if (line.startsWith(' ')) cases.set(name, `${cases.get(name) ?? ''}${line}\n`);
    else name = line;
  }
  return cases;
}

const native = run('python3', [guest('semantics.py')]);
for (const plane of PLANES)
  test.serial(`a program sees what it sees on Linux (${plane})`, async (t) => {
    t.timeout(120_000);
    const { status, out, err } = await native;
    const sandboxed = await inside(plane, 'python3', guest('semantics.py'));
    t.is(status, 0, err);
    t.is(sandboxed.status, 0, sandboxed.err);
    const expected = casesOf(out);
    const seen = casesOf(sandboxed.out);
    t.true(expected.size > 30);
    for (const [name, lines] of expected) t.is(seen.get(name), lines, name);
  });

const DEVIATIONS: readonly {
  readonly what: string;
  readonly why: string;
  readonly code: string;
  readonly direct: string;
}[] = [
  {
    what: 'the first write after a reset is EPIPE at once, not ECONNRESET first',
    why: 'a Unix socket looks at the shutdown before the error',
    code: `a, b = pair(); reset(b); wait_for(a, select.POLLERR); say(name_of(lambda: a.send(b'x')), name_of(lambda: a.recv(1)))`,
    direct: 'EPIPE ECONNRESET',
  },
  {
    what: 'a read of a socket that was never connected is EINVAL, not ENOTCONN',
    why: "it is the Unix socket's own answer to a call that is not trapped",
    code: `s = socket.socket(); say(name_of(lambda: os.read(s.fileno(), 1)))`,
    direct: 'EINVAL',
  },
  {
    what: 'a write to a socket that was never connected is ENOTCONN, not EPIPE',
    why: "it is the Unix socket's own answer to a call that is not trapped",
    code: `s = socket.socket(); say(name_of(lambda: os.write(s.fileno(), b'x')))`,
    direct: 'ENOTCONN',
  },
  {
    what: 'a datagram sent natively without a destination is dropped, not EDESTADDRREQ',
    why: 'the placeholder is connected to us whether or not the socket is',
    code: `s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); say(name_of(lambda: os.write(s.fileno(), b'x')))`,
    direct: '1',
  },
  {
    what: 'a native receive tells an error of the peer of a UDP socket as ECONNRESET, not ECONNREFUSED; SO_ERROR and trapped receives tell it right',
    why: 'it is the only error that a Unix socket can be made to have',
    code: `p = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); p.bind((HOST, 0)); name = p.getsockname(); p.close()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(name); s.send(b'x'); wait_for(s, select.POLLERR); say(name_of(lambda: s.recv(1)))`,
    direct: 'ECONNRESET',
  },
  {
    what: 'sendfile to a socket that was never connected is ENOTCONN, not EPIPE',
    why: "it is the Unix socket's own answer to a call that is not trapped",
    code: `s = socket.socket(); say(name_of(lambda: os.sendfile(s.fileno(), os.open(__import__('sys').executable, 0), 0, 1)))`,
    direct: 'ENOTCONN',
  },
  {
    what: 'splice with SPLICE_F_NONBLOCK from a blocking socket that is empty is EAGAIN, not a wait',
    why: 'a Unix socket takes the flag for its own, TCP does not',
    code: `a, b = pair(); r, w = os.pipe(); threading.Timer(0.2, lambda: a.send(b'late')).start(); say(name_of(lambda: os.splice(b.fileno(), w, 9, flags=2)))`,
    direct: 'EAGAIN',
  },
  {
    what: 'a connection that timed out reads as ECONNRESET, not ETIMEDOUT; SO_ERROR tells it right',
    why: 'it is the only error that a Unix socket can be made to have',
    code: `a, b = pair(); a.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 200); a.setblocking(False)
while name_of(lambda: a.send(bytes(65536))) != 'EAGAIN': pass
wait_for(a, select.POLLERR); say(name_of(lambda: os.read(a.fileno(), 1)))`,
    direct: 'ECONNRESET',
  },
  {
    what: 'a datagram that is too long and sent natively is dropped, not EMSGSIZE',
    why: 'the placeholder takes what a Unix socket takes',
    code: `u = socket.socket(type=socket.SOCK_DGRAM); u.bind((HOST, 0)); u.connect(u.getsockname()); say(name_of(lambda: u.send(bytes(65508))))`,
    direct: '65508',
  },
  {
    what: 'data that comes after shutdown(SHUT_RD) is dropped, not readable',
    why: 'the poll mask needs the shutdown, and the shutdown drops data',
    code: `a, b = pair(); a.shutdown(socket.SHUT_RD); b.send(b'late'); time.sleep(0.1); say(name_of(lambda: a.recv(9)))`,
    direct: "0:b''",
  },
];
for (const { what, why, code, direct } of DEVIATIONS) {
  test.serial(`deviation: ${what} (${why})`, async (t) => {
    const program = `import sys; sys.argv = ['', '127.0.0.1', 'nothing']\nexec(open(${JSON.stringify(guest('semantics.py'))}).read())\n${code}`;
    const { out, err } = await inside('direct', 'python3', '-c', program);
    t.is(out.trim(), direct, err);
    const strict = await inside('strict', 'python3', '-c', program);
    t.not(strict.out.trim(), direct, 'the strict plane does as Linux');
  });
}

test.serial(
  'deviation: loopback is not synchronous: a non-blocking read just after the write at the other end may find nothing yet (the supervisor carries the octets from one end to the other, and a native read does not ask it)',
  async (t) => {
    for (const [plane, found] of [
      ['direct', 'EAGAIN'],
      ['strict', "1:b'x'"],
    ] as const) {
      const program = `import sys; sys.argv = ['', '127.0.0.1', 'nothing']\nexec(open(${JSON.stringify(guest('semantics.py'))}).read())
a, b = pair(); b.setblocking(False); print('ready', flush=True); sys.stdin.readline()
a.send(b'x'); print('found', name_of(lambda: os.read(b.fileno(), 9)), flush=True)`;
      const running = new Running(['python3', '-c', program], on(plane));
      await running.says('ready');
      // In the strict plane a write waits for the supervisor, which delivers before it answers.
      if (plane === 'direct') running.child.kill('SIGSTOP');
      running.child.stdin?.write('go\n');
      await running.says('found').finally(() => running.child.kill('SIGCONT'));
      const { status, stdout, stderr } = await running.end();
      t.deepEqual({ status, stdout }, { status: 0, stdout: `ready\nfound ${found}\n` }, stderr);
    }
  },
);

const trapped = trappedCalls.filter((name) => !dataCalls.has(name));
const filter = buildFilter({ auditArch: AUDIT_ARCH.x64, numbers: NR_AMD64, trapped, plainTransfers: true });

function verdict(nr: number, ...args: readonly number[]): number {
  const data = new Uint8Array(64);
  const view = new DataView(data.buffer);
  view.setUint32(0, nr, true);
  view.setUint32(4, AUDIT_ARCH.x64, true);
  for (const [i, value] of args.entries()) view.setBigUint64(16 + i * 8, BigInt(value), true);
  return interpret(filter, data);
}

for (const name of [
  'read',
  'write',
  'readv',
  'writev',
  'sendfile',
  'splice',
  'tee',
  'vmsplice',
  'close',
  'dup',
  'poll',
  'epoll_wait',
] as const) {
  test(`${name} is native`, (t) => t.is(verdict(NR_AMD64[name], 3, 0x1000, 10), Verdict.Allow));
}
const SOCKET_FAMILY = [
  'socket',
  'connect',
  'bind',
  'listen',
  'accept',
  'accept4',
  'shutdown',
  'getsockopt',
  'setsockopt',
  'getsockname',
  'getpeername',
  'sendmsg',
  'recvmsg',
  'sendmmsg',
  'recvmmsg',
  'preadv2',
  'pwritev2',
] as const;
for (const name of SOCKET_FAMILY) {
  test(`${name} is trapped`, (t) => t.is(verdict(NR_AMD64[name as keyof typeof NR_AMD64], 2, 1, 0), Verdict.Notify));
}
const MSG = {
  OOB: 1,
  PEEK: 2,
  TRUNC: 0x20,
  DONTWAIT: 0x40,
  EOR: 0x80,
  WAITALL: 0x100,
  ERRQUEUE: 0x2000,
  NOSIGNAL: 0x4000,
  MORE: 0x8000,
};
const transfer =
  (nr: number) =>
  (flags: number, address = 0): number =>
    verdict(nr, 3, 0x1000, 10, flags, address, 0);
const receiving = transfer(NR_AMD64.recvfrom);
const sending = transfer(NR_AMD64.sendto);
test('recvfrom is native without an address and with plain flags', (t) => {
  for (const flags of [0, MSG.NOSIGNAL, MSG.WAITALL, 0x4000_0000]) {
    t.is(receiving(flags), Verdict.Allow, `${flags}`);
    t.is(receiving(flags, 0x7fff_0000_0000), Verdict.Notify, 'an address whose lower word is zero');
    t.is(receiving(flags, 0x1000), Verdict.Notify);
  }
  for (const flags of [
    MSG.OOB,
    MSG.TRUNC,
    MSG.ERRQUEUE,
    MSG.DONTWAIT,
    MSG.PEEK,
    MSG.PEEK | MSG.WAITALL,
    0x800_0000,
    0x8000_0000,
  ]) {
    t.is(receiving(flags), Verdict.Notify, `${flags}`);
  }
});
test('sendto is native without an address and with plain flags', (t) => {
  for (const flags of [0, MSG.DONTWAIT, MSG.NOSIGNAL]) {
    t.is(sending(flags), Verdict.Allow, `${flags}`);
    t.is(sending(flags, 0x7fff_0000_0000), Verdict.Notify, 'an address whose lower word is zero');
  }
  for (const flags of [MSG.OOB, MSG.MORE, MSG.PEEK, 0x2000_0000, 0x400_0000, MSG.NOSIGNAL | MSG.OOB])
    t.is(sending(flags), Verdict.Notify, `${flags}`);
});
test('socket ioctls and queue lengths are trapped', (t) => {
  for (const request of [0x8905, 0x8912, 0x8915, 0x8927, 0x89ff, 0x5411, 0x541b])
    t.is(verdict(NR_AMD64.ioctl, 3, request), Verdict.Notify);
  for (const request of [0x5421, 0x5452, 0x5401]) t.is(verdict(NR_AMD64.ioctl, 3, request), Verdict.Allow);
});
test('no socket of another family than AF_UNIX comes into being unseen', (t) => {
  t.is(verdict(NR_AMD64.socket, 1, 1, 0), Verdict.Allow);
  for (const family of [2, 10, 16, 17, 38, 40, 44]) t.is(verdict(NR_AMD64.socket, family, 1, 0), Verdict.Notify);
});
test('who stands behind a placeholder cannot be asked for, and nothing performs socket calls unseen', (t) => {
  const [SOL_SOCKET, SO_PEERCRED, SO_PASSCRED, SO_PEERPIDFD, SO_PASSPIDFD] = [1, 17, 16, 77, 76];
  t.is(verdict(NR_AMD64.getsockopt, 3, SOL_SOCKET, SO_PEERCRED), Verdict.Notify);
  t.is(verdict(NR_AMD64.setsockopt, 3, SOL_SOCKET, SO_PASSCRED), Verdict.Notify);
  t.is(verdict(NR_AMD64.getsockopt, 3, SOL_SOCKET, SO_PEERPIDFD), Verdict.Notify);
  t.is(verdict(NR_AMD64.setsockopt, 3, SOL_SOCKET, SO_PASSPIDFD), Verdict.Notify);
  for (const name of ['io_uring_setup', 'io_uring_enter', 'io_uring_register'] as const)
    t.is(verdict(NR_AMD64[name]), Verdict.Notify);
  t.is(verdict(0x4000_0000 | NR_AMD64.read, 3), Verdict.Notify, 'x32');
});
