/** What the guest must not reach: other families of sockets, other namespaces, the host's unix sockets, its network. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { root } from '../support/needs.ts';
import { cli, namespaces, on, onPlanes, type PlaneName, python, python3, run, sandbox } from './sandbox.ts';

const guest = onPlanes(sandbox, python3);
const isolated = onPlanes(sandbox, namespaces, python3);

const PRELUDE = `
import ctypes, errno, fcntl, os, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True); libc.syscall.restype = ctypes.c_long
def call(nr, *a):
    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_ulong(x & (2**64 - 1)) if isinstance(x, int) else x for x in a]); return r if r != -1 else -ctypes.get_errno()
def fails(code, f, *a):
    try: f(*a)
    except OSError as e: assert e.errno == code, (e, errno.errorcode[code])
    else: assert 0, 'no error'
`;
async function passes(
  t: { deepEqual(a: unknown, b: unknown): void },
  plane: PlaneName,
  text: string,
  ...args: string[]
): Promise<void> {
  const { status, stdout, stderr } = await python(`${PRELUDE}${text}\nprint('ok')\n`, args, on(plane));
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
}

guest('other families are EAFNOSUPPORT, pairs are unix only, io_uring does not exist', async (t, plane) => {
  await passes(
    t,
    plane,
    `
for family in (15, 30, 38, 40, 44): fails(errno.EAFNOSUPPORT, socket.socket, family, 1)
assert call(53, 40, 1, 0, 0) == -errno.EAFNOSUPPORT and call(53, 2, 1, 0, 0) == -errno.EOPNOTSUPP
assert call(425, 8, 0) == -errno.ENOSYS and call(435, 0, 0) == -errno.ENOSYS and call(0x40000029, 2, 1, 0) == -errno.ENOSYS
assert call(323, 0) == -errno.ENOSYS; fails(errno.EPERM, fcntl.ioctl, 0, 0xaa00, 0)`,
  );
});

guest('no other namespace and no mount, for root either', async (t, plane) => {
  await passes(
    t,
    plane,
    `
for flag in (0x20000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000): assert call(272, flag) == -errno.EPERM, hex(flag)
assert call(272, 0x400) == 0
fd = os.open('/proc/self/ns/net', os.O_RDONLY); assert call(308, fd, 0x40000000) == -errno.EPERM
assert call(56, 0x40000011, 0, 0, 0, 0) == -errno.EPERM
assert call(165, b'none', b'/tmp', b'tmpfs', 0, 0) == -errno.EPERM and call(430, b'tmpfs', 0) == -errno.EPERM and call(155, b'/', b'/') == -errno.EPERM`,
  );
});

onPlanes(
  sandbox,
  python3,
  root,
)('root in the guest has no more capabilities than in a container', async (t, plane) => {
  const { stdout } = await run(['grep', '-E', '^Cap(Eff|Bnd)', '/proc/self/status'], on(plane));
  t.regex(stdout, /CapEff:\s+00000000a80425fb\nCapBnd:\s+00000000a80425fb\n/);
});

onPlanes(
  sandbox,
  namespaces,
  python3,
  root,
)('root in the guest cannot change the kernel: /proc/sys, /sys and their like are read-only', async (t, plane) => {
  await passes(
    t,
    plane,
    `
for name in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/sys/kernel/uevent_helper', '/sys/fs/cgroup/release_agent'):
    if os.path.exists(name): fails(errno.EROFS, os.open, name, os.O_WRONLY)
for line in open('/proc/self/mounts'):
    _, where, kind, flags = line.split()[:4]
    if kind in ('sysfs', 'cgroup', 'cgroup2', 'debugfs', 'tracefs') or where == '/proc/sys': assert 'ro' in flags.split(','), line
for name in ('/proc/kcore', '/proc/keys'): assert not os.path.exists(name) or open(name, 'rb').read(9) == b''
open('/proc/self/oom_score_adj', 'w').write('1000'); assert call(165, b'none', b'/proc/sys', b'', 0x1020, 0) == -errno.EPERM`,
  );
});

guest('/dev/net/tun makes no interface', async (t, plane) => {
  await passes(
    t,
    plane,
    `
try: fd = os.open('/dev/net/tun', os.O_RDWR)
except OSError: fd = os.open('/dev/null', os.O_RDWR)
fails(errno.EPERM, fcntl.ioctl, fd, 0x400454ca, b'\\0' * 40)`,
  );
});

isolated('the guest’s own namespace holds no network socket while it uses ours', async (t, plane) => {
  // What the kernel says itself.
  const { options = [] } = on(plane);
  const { status, stdout, stderr } = await python(
    `${PRELUDE}
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen(1); c = socket.create_connection(l.getsockname()); s, _ = l.accept()
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); v = socket.socket(socket.AF_INET6); v.bind(('::1', 0)); v.listen(1)
stat = open('/proc/self/net/sockstat').read() + open('/proc/self/net/sockstat6').read()
for line in stat.splitlines():
    if ': inuse' in line: assert line.split()[2] == '0', line
for table in ('tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6', 'packet', 'netlink'):
    lines = open('/proc/self/net/' + table).read().splitlines()[1:]
    assert [l for l in lines if not (table == 'netlink' and l.split()[2] == '0')] == [], (table, lines)
assert [l.split(':')[0].strip() for l in open('/proc/self/net/dev').read().splitlines()[2:]] == ['lo']
print('ok')
`,
    [],
    { options: [...options, '--no-proc-net'] },
  );
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
});

async function listening(name: string): Promise<Server> {
  const server = createServer((socket) => socket.end('from the host'));
  await new Promise<void>((resolve) => server.listen(name, resolve));
  return server;
}

guest('unix sockets of the host do not exist, by path, by link, by a name put in their place', async (t, plane) => {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  const server = await listening(join(directory, 'host'));
  try {
    await passes(
      t,
      plane,
      `
d = sys.argv[1]; os.chdir(d)
for name in (d + '/host', 'host', './host', '../' + os.path.basename(d) + '/host'): fails(errno.ENOENT, socket.socket(socket.AF_UNIX).connect, name)
os.symlink('host', 'link'); fails(errno.ENOENT, socket.socket(socket.AF_UNIX).connect, 'link')
os.link('host', 'hard'); fails(errno.ENOENT, socket.socket(socket.AF_UNIX).connect, 'hard')
l = socket.socket(socket.AF_UNIX); l.bind('mine'); l.listen(1); socket.socket(socket.AF_UNIX).connect('mine')
os.rename('mine', 'away'); socket.socket(socket.AF_UNIX).connect('away'); os.rename('hard', 'mine'); fails(errno.ENOENT, socket.socket(socket.AF_UNIX).connect, 'mine')
fails(errno.ENOENT, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto, b'x', d + '/host')
fails(errno.ENOENT, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendmsg, [b'x'], [], 0, 'host')
fails(errno.ENOENT, socket.socket(socket.AF_UNIX).connect, '/no/such'); fails(errno.ENOENT, socket.socket(socket.AF_UNIX).connect, '/proc/self/fd/99')
fails(errno.EADDRINUSE, socket.socket(socket.AF_UNIX).bind, 'away')`,
      directory,
    );
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

guest(
  'unix sockets of the guest work: names as bound, modes by umask, datagrams, full queues, descriptors',
  async (t, plane) => {
    const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
    try {
      await passes(
        t,
        plane,
        `
d = sys.argv[1]; os.chdir(d); os.umask(0o077)
l = socket.socket(socket.AF_UNIX); l.bind(d + '/l'); l.listen(0); assert l.getsockname() == d + '/l' and os.stat('l').st_mode & 0o777 == 0o700, oct(os.stat('l').st_mode)
r = socket.socket(socket.AF_UNIX); r.bind('relative'); r.listen(1); assert r.getsockname() == 'relative'
c = socket.socket(socket.AF_UNIX); c.connect('l'); assert c.getpeername() == d + '/l'
def later(): time.sleep(0.1); l.accept(); l.accept()
t = threading.Thread(target=later); t.start(); e = socket.socket(socket.AF_UNIX); e.connect('l'); t.join()
n = socket.socket(socket.AF_UNIX); n.setblocking(False); n.connect('l')
m = socket.socket(socket.AF_UNIX); m.setblocking(False); fails(errno.EAGAIN, m.connect, 'l')
u = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); u.bind('u'); v = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); v.bind('v')
v.sendto(b'one', 'u'); assert u.recvfrom(9) == (b'one', 'v'); v.sendmsg([b'tw', b'o'], [], 0, 'u'); assert u.recv(9) == b'two'
v.connect('u'); v.send(b'three'); assert u.recv(9) == b'three'
a = socket.socket(socket.AF_UNIX); a.bind('\\0name'); a.listen(1); socket.socket(socket.AF_UNIX).connect('\\0name')
fails(errno.ECONNREFUSED, socket.socket(socket.AF_UNIX).connect, '\\0nobody')`,
        directory,
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);

test('a test of a wall needs a host on its other side', (t) => {
  t.is(typeof listening, 'function');
});

/** A script of `lines`, in a process group of its own as a job's is. */
async function script(lines: string, ...args: readonly string[]): Promise<{ status: unknown; stdout: string }> {
  const child = spawn('timeout', ['20', 'sh', '-c', lines, 'sh', process.execPath, cli, 'run', ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const [status] = (await once(child, 'close')) as [unknown];
  return { status, stdout };
}

isolated('a signal to its own process group reaches no process outside', async (t, plane) => {
  const program = `trap 'echo told' USR1; (trap 'echo child; exit' USR1; echo up; while :; do sleep 0.02; done) &
sleep 0.3; kill -0 0 && kill -USR1 0; wait; kill -99 0 2>/dev/null || echo no such signal; kill -TERM 0; sleep 5`;
  const lines = 'sleep 15 & "$@"; echo "status $?"; kill $! && echo bystander lives';
  const { status, stdout } = await script(lines, '--no-gateway', '--plane', plane, '--', 'sh', '-c', program);
  t.deepEqual(
    { status, lines: stdout.trim().split('\n').toSorted() },
    { status: 0, lines: ['bystander lives', 'child', 'no such signal', 'status 143', 'told', 'up'] },
  );
});

isolated('a process group of its own is signalled as anywhere, and by others as much as they may', async (t, plane) => {
  await passes(
    t,
    plane,
    `
import signal
got = []; signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
fails(errno.EINVAL, os.kill, 0, 65); os.kill(0, signal.SIGUSR1); assert got == [1], got
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0); assert os.getpgrp() == os.getpid(); os.kill(0, signal.SIGUSR1); os._exit(len(got))
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2 and got == [1], got
if os.getuid() == 0:
    pid = os.fork()
    if pid == 0:
        os.setgid(65534); os.setuid(65534); os.kill(0, signal.SIGUSR1); os._exit(len(got))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2 and got == [1], got`,
  );
});
