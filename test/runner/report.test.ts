/** `--report` with real programs, and what Linux offers as the report takes it, against this kernel. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { CompatibilityReport } from '../../src/cli/report.ts';
import { offersOption, offersRequest } from '../../src/syscalls/offered.ts';
import { architecture, command, type Need, needing, needingInTurn, root } from '../support/needs.ts';
import { onPlanes, type PlaneName, python, python3, run, sandbox } from './sandbox.ts';

const guest = onPlanes(sandbox, python3);

/** What `text` asked for and did not get, as `call what errno count`. */
async function refusals(
  t: ExecutionContext,
  plane: PlaneName,
  text: string,
  args: readonly string[] = [],
): Promise<{ readonly gaps: string[]; readonly others: string[]; readonly report: CompatibilityReport }> {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  try {
    const file = join(directory, 'report.json');
    const { status, stderr } = await python(text, args, {
      options: ['--no-gateway', '--plane', plane, '--report', file],
    });
    t.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    const report = JSON.parse(readFileSync(file, 'utf8')) as CompatibilityReport;
    const shown = (onLinuxToo: boolean): string[] =>
      report.refusals
        .filter((entry) => entry.onLinuxToo === onLinuxToo)
        .map(({ call, what, errno, count }) => `${call} ${what} ${errno ?? 'no effect'} ${count}`);
    return { gaps: shown(false), others: shown(true), report };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const PRELUDE = `
import ctypes, errno, fcntl, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def fails(f, *a):
    try: f(*a)
    except OSError: pass
    else: assert 0, 'no error'
s = socket.socket()
`;

guest('families, protocols and walls are named with who asked and what it means', async (t, plane) => {
  const { gaps, others, report } = await refusals(
    t,
    plane,
    `${PRELUDE}
for n in range(2): fails(socket.socket, 17, 3, 768)
fails(socket.socket, socket.AF_INET, socket.SOCK_STREAM, 132)
fails(socket.socket, 4, 1)
fails(socket.socket, socket.AF_INET, socket.SOCK_STREAM, 17)
assert libc.socketpair(40, 1, 0, 0) == -1 and libc.socketpair(99, 1, 0, 0) == -1
assert libc.socketpair(16, 3, 0, (ctypes.c_int * 2)()) == -1 and ctypes.get_errno() == errno.EOPNOTSUPP
libc.unshare(0x40000000); libc.setns(0, 0)`,
  );
  const [packet, ...rest] = gaps;
  // EPERM for a guest without CAP_NET_RAW.
  t.regex(packet ?? '', /^socket AF_PACKET SOCK_RAW 768 (EAFNOSUPPORT|EPERM) 2$/);
  t.deepEqual(rest, [
    'socket AF_INET SOCK_STREAM IPPROTO_SCTP EPROTONOSUPPORT 1',
    'socketpair AF_VSOCK EAFNOSUPPORT 1',
    'unshare CLONE_NEWNET EPERM 1',
    'setns  EPERM 1',
  ]);
  t.deepEqual(others, [
    'socket AF_IPX SOCK_STREAM 0 EAFNOSUPPORT 1',
    'socket AF_INET SOCK_STREAM IPPROTO_UDP EPROTONOSUPPORT 1',
    'socketpair 0x63 EAFNOSUPPORT 1',
  ]);
  const [first] = report.refusals;
  t.is(first?.first?.program, 'python3');
  t.true((first?.first?.pid ?? 0) > 1);
  t.regex(first?.meaning ?? '', /tcpdump/);
  t.is(report.command[0], 'python3');
  t.is(report.exitStatus, 0);
});

guest('options that Linux has and that it has not are told apart', async (t, plane) => {
  const { gaps, others } = await refusals(
    t,
    plane,
    `${PRELUDE}
fails(s.setsockopt, socket.SOL_IP, 64, b'x' * 8)
fails(s.setsockopt, socket.SOL_TCP, socket.TCP_CONGESTION, b'westwood')
fails(s.setsockopt, socket.SOL_TCP, socket.TCP_CONGESTION, b'no\\x1b[1m')
fails(s.setsockopt, socket.SOL_SOCKET, 9999, 1)
fails(s.getsockopt, 77, 1)
fails(fcntl.ioctl, s.fileno(), 0x89c0, b' ' * 64)
os.isatty(s.fileno())`,
  );
  t.deepEqual(gaps, ['setsockopt SOL_IP/0x40 ENOPROTOOPT 1', 'setsockopt SOL_TCP/TCP_CONGESTION westwood ENOENT 1']);
  t.deepEqual(others, [
    'setsockopt SOL_TCP/TCP_CONGESTION no?[1m ENOENT 1',
    'setsockopt SOL_SOCKET/0x270f ENOPROTOOPT 1',
    'getsockopt 0x4d/0x1 EOPNOTSUPP 1',
    'ioctl 0x89c0 ENOTTY 1',
  ]);
});

onPlanes(
  sandbox,
  python3,
  architecture('x64'),
)('calls that do not exist here, and those of a child', async (t, plane) => {
  const { gaps, report } = await refusals(
    t,
    plane,
    `${PRELUDE}
assert libc.syscall(425, 8, 0) == -1 and libc.syscall(323, 0) == -1 and libc.syscall(56, 0x40000011, 0, 0, 0, 0) == -1
if os.fork() == 0:
    open('/proc/self/comm', 'w').write('child')
    fails(socket.socket, 38, 5)
    os._exit(0)
os.wait()
fails(fcntl.ioctl, 0, 0xaa00, 0)
u = socket.socket(socket.AF_UNIX); fails(u.getsockopt, 1, 77)`,
  );
  t.deepEqual(gaps, [
    'io_uring_setup  ENOSYS 1',
    'userfaultfd  ENOSYS 1',
    'clone CLONE_NEWNET EPERM 1',
    'socket AF_ALG SOCK_SEQPACKET 0 EAFNOSUPPORT 1',
    'ioctl USERFAULTFD_IOC_NEW EPERM 1',
    'getsockopt SOL_SOCKET/SO_PEERPIDFD ENOPROTOOPT 1',
  ]);
  t.deepEqual(
    report.refusals.map(({ first }) => first?.program),
    ['python3', 'python3', 'python3', 'child', 'python3', 'python3'],
  );
});

guest('a flag without effect, a control message, and a unix socket of the host', async (t, plane) => {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  const path = join(directory, 'host.sock');
  const server = createServer().listen(path);
  try {
    const { gaps } = await refusals(
      t,
      plane,
      `${PRELUDE}
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.sendto(b'x', 0x800, ('127.0.0.1', 9))
fails(d.sendmsg, [b'x'], [(0, 7, bytes(4))], 0, ('127.0.0.1', 9))
fails(d.sendmsg, [b'x'], [(0, 2, b'1')], 0, ('127.0.0.1', 9))
fails(socket.socket(socket.AF_UNIX).connect, sys.argv[1])`,
      [path],
    );
    t.deepEqual(gaps, [
      'sendto MSG_CONFIRM no effect 1',
      'sendmsg SOL_IP/IP_RETOPTS EINVAL 1',
      `connect a unix socket of the host: ${path} ENOENT 1`,
    ]);
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

needingInTurn(sandbox, command('ping'))('ping says on stderr what it lacked', async (t) => {
  const { status, stderr } = await run(['ping', '-c1', '127.0.0.1'], { options: ['--no-gateway', '--report', '-'] });
  t.is(status, 0);
  t.regex(stderr, /^Compatibility of sandsock with: ping -c1 127\.0\.0\.1$/m);
});

const measured: Need = { what: 'Linux 6.18', present: release().startsWith('6.18.') };

/** Lines `domain type call level options...` and `domain type ioctl 0 requests...`: what the kernel does not call unknown. */
const ASK = `
import ctypes, errno, socket
libc = ctypes.CDLL(None, use_errno=True)
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
def known(result, *unknown): return result >= 0 or ctypes.get_errno() not in unknown
def get(fd, level, option):
    value, length = ctypes.create_string_buffer(512), ctypes.c_int(512)
    return known(libc.getsockopt(fd, level, option, value, ctypes.byref(length)), errno.ENOPROTOOPT, errno.EOPNOTSUPP)
def set(fd, level, option):
    return known(libc.setsockopt(fd, level, option, b'\\1' + bytes(255), 256), errno.ENOPROTOOPT, errno.EOPNOTSUPP)
def ioctl(fd, _, request):
    return known(libc.ioctl(fd, request, ctypes.create_string_buffer(b'lo', 256)), errno.ENOTTY)
def ask(kind, name, of, level, numbers):
    found = []
    for number in numbers:
        s = socket.socket(*kind)
        if of(s.fileno(), level, number): found.append(number)
        s.close()
    print(*kind, name, level, *found)
for kind in ((2, 1), (10, 1), (2, 2), (10, 2), (1, 1), (16, 3)):
    for level in (1, 0, 41, 6, 17, 270):
        for name, of in (('getsockopt', get), ('setsockopt', set)): ask(kind, name, of, level, range(140))
    ask(kind, 'ioctl', ioctl, 0, [*range(0x8900, 0x8a00), *range(0x5401, 0x5450), *range(0x5453, 0x54ff)])
`;
/** UDP_ENCAP has the errno of an unknown option for an unknown encapsulation, IP_XFRM_POLICY one of its own where the kernel has no IPsec. */
const MORE = [
  '2/2 setsockopt 17 100: not there',
  '10/2 setsockopt 17 100: not there',
  '2/1 setsockopt 0 17: there',
  '2/2 setsockopt 0 17: there',
];

needing(
  python3,
  measured,
  root,
)('this kernel offers the options and requests that the report takes it to offer', (t) => {
  const { stdout, stderr } = spawnSync('unshare', ['--net', 'python3', '-c', ASK], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  t.is(stderr, '');
  const differences: string[] = [];
  for (const line of stdout.trimEnd().split('\n')) {
    const [domain, type, call = '', level, ...found] = line.split(' ');
    const kind = { domain: Number(domain), type: Number(type) };
    const there = new Set(found.map(Number));
    for (let number = 0; number < 0x8a00; number++) {
      const offered =
        call === 'ioctl'
          ? offersRequest(kind, number)
          : offersOption(kind, call as 'getsockopt' | 'setsockopt', Number(level), number);
      const isAsked = call === 'ioctl' ? number < 0x5450 || number > 0x5452 : true;
      if (isAsked && offered !== there.has(number)) {
        differences.push(`${domain}/${type} ${call} ${level} ${number}: ${offered ? 'not there' : 'there'}`);
      }
    }
  }
  t.deepEqual(
    differences.filter((line) => !MORE.includes(line)),
    [],
  );
});
