/** Files that we speak for: what a guest reads in /proc/net and /proc/sys/net, by whatever path, is what the kernel would say of such sockets. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { command, needingInTurn, root } from '../support/needs.ts';
import { guestFile, namespaces, on, onPlanes, python, python3, type RunSettings, run, sandbox } from './sandbox.ts';

const guest = onPlanes(sandbox, python3);
const compared = onPlanes(sandbox, namespaces, python3);

const PROGRAM = guestFile('proc-net.py');
const alone = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net'];
const LIMIT_MS = 30_000;
let kernels: string | undefined;
/** What this kernel says in a namespace of its own. */
function kernelsOwn(): string {
  const { stdout, stderr } = spawnSync('unshare', [...alone, 'python3', PROGRAM, 'kernel'], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
  });
  return stderr === '' ? stdout : stderr;
}

/** What the program printed of each file. */
const filesOf = (text: string): Map<string, string[]> =>
  new Map(
    text
      .split(/^# /m)
      .slice(1)
      .map((part) => {
        const [name = '', ...lines] = part.split('\n');
        return [name, lines];
      }),
  );

async function compare(t: ExecutionContext, settings: RunSettings): Promise<void> {
  kernels ??= kernelsOwn();
  const { status, stdout, stderr } = await run(['python3', PROGRAM], settings);
  const owner = String(process.getuid?.() ?? 0);
  // In a user namespace of its own the kernel's program is root; nobody else owns a socket.
  const ours =
    owner === '0'
      ? stdout
      : stdout.replaceAll(new RegExp(`^(\\S+ \\S+ \\S\\S \\S+ \\d\\d \\d{8}) ${owner} `, 'gm'), '$1 0 ');
  t.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  const [mine, theirs] = [filesOf(ours), filesOf(kernels)];
  t.deepEqual([...mine.keys()], [...theirs.keys()]);
  for (const [name, lines] of theirs) t.deepEqual(mine.get(name), lines, name);
}
compared(
  'the files say of the same sockets what the kernel’s own say, and inodes are those of the descriptors',
  (t, plane) => compare(t, on(plane)),
);
needingInTurn(
  sandbox,
  namespaces,
  python3,
)('so they do for a guest that is traced', (t) => compare(t, { options: ['--no-gateway', '--platform', 'ptrace'] }));

guest('every way to a file leads to ours', async (t, plane) => {
  const { status, stdout, stderr } = await python(
    `
import os, socket, sys, threading
s = socket.socket(); s.bind(('127.0.0.1', 7001)); s.listen(1)
def shows(path, **how):
    fd = os.open(path, how.pop('flags', os.O_RDONLY), **how)
    text = os.read(fd, 1 << 16); os.close(fd)
    return b':1B59' in text
pid = os.getpid()
for path in ('/proc/net/tcp', '//proc//net/./tcp', '/proc/self/net/tcp', '/proc/thread-self/net/tcp', '/proc/%d/net/tcp' % pid, '/proc/%d/task/%d/net/tcp' % (pid, pid),
             '/proc/../proc/net/tcp', '/proc/self/task/../net/tcp', '/proc/self/root/proc/net/tcp'):
    assert shows(path), path
os.chdir('/proc'); assert shows('net/tcp') and shows('self/net/tcp')
os.chdir('/proc/net'); assert shows('tcp') and shows('./tcp') and shows('../net/tcp')
os.chdir('/proc/sys/net/ipv4'); assert open('tcp_congestion_control').read() == 'cubic\\n'
directory = os.open('/proc/self/net', os.O_RDONLY | os.O_DIRECTORY); assert shows('tcp', dir_fd=directory) and 'tcp' in os.listdir(directory)
itself = os.open('/proc/net/tcp', os.O_PATH); assert shows('/proc/self/fd/%d' % itself) and shows('/dev/fd/%d' % itself)
os.symlink('/proc/net', sys.argv[1] + '/link'); assert shows(sys.argv[1] + '/link/tcp')
seen = []
thread = threading.Thread(target=lambda: seen.append(shows('/proc/thread-self/net/tcp'))); thread.start(); thread.join(); assert seen == [True]
child = os.fork()
if child == 0: os._exit(0 if shows('/proc/%d/net/tcp' % pid) else 1)
assert os.waitpid(child, 0)[1] == 0
# What comes of an open is a file that can be read from its start again, closed by exec if so wished, and not written to.
fd = os.open('/proc/net/tcp', os.O_RDONLY | os.O_CLOEXEC)
assert not os.get_inheritable(fd) and os.read(fd, 9) == b'  sl  loc' and os.lseek(fd, 0, 0) == 0 and os.read(fd, 4) == b'  sl'
try: os.write(fd, b'x')
except OSError as e: assert e.errno == 9, e
else: assert 0
# And other files are the kernel's.
for path, code in (('/proc/net/tcp/', 20), ('/proc/99999999/net/tcp', 2), ('/proc/net/nothing', 2), ('/nowhere/tcp', 2)):
    try: os.open(path, os.O_RDONLY)
    except OSError as e: assert e.errno == code, (path, e)
    else: assert 0, path
own = sys.argv[1] + '/tcp'; open(own, 'w').write('mine'); assert open(own).read() == 'mine'
assert open('/proc/net/unix').readline().startswith('Num')
print('ok')
`,
    [scratch],
    on(plane),
  );
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
  rmSync(join(scratch, 'link'));
});
const scratch = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
test.after.always(() => rmSync(scratch, { recursive: true }));

guest(
  'a path that another thread changes leads to ours, to the kernel’s own or to the other file, and to nothing else',
  async (t, plane) => {
    const { status, stdout, stderr } = await python(
      `
import ctypes, os, socket, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket(); s.bind(('127.0.0.1', 7001)); s.listen(1)
other = sys.argv[1] + '/flipped'; open(other, 'w').write('other')
paths = [b'/proc/net/tcp', other.encode()]
path = ctypes.create_string_buffer(200); path.value = paths[0]
done, seen = [], set()
def flip():
    i = 0
    while not done: i ^= 1; ctypes.memmove(path, paths[i] + b'\\0', len(paths[i]) + 1)
thread = threading.Thread(target=flip); thread.start()
for i in range(400):
    fd = libc.open(path, os.O_RDONLY)
    if fd < 0: continue
    lines = os.read(fd, 1 << 16).splitlines(); os.close(fd)
    seen.add('other' if lines == [b'other'] else 'ours' if len(lines) == 2 and b':1B59' in lines[1] else 'empty' if len(lines) == 1 else repr(lines))
done.append(1); thread.join()
assert seen <= {'ours', 'empty', 'other'} and 'ours' in seen and 'other' in seen, seen
print('ok')
`,
      [scratch],
      on(plane),
    );
    t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
  },
);

const rooted = onPlanes(sandbox, namespaces, root, python3);
rooted('what a guest puts behind a root of its own is neither opened nor waited for', async (t, plane) => {
  const { status, stdout, stderr } = await python(
    `
import os, sys
pid, jail = os.getpid(), sys.argv[1]
os.makedirs('%s/proc/%d/net' % (jail, pid))
os.mkfifo('%s/proc/%d/net/protocols' % (jail, pid))
directory = os.open('/proc/self/net', os.O_RDONLY | os.O_DIRECTORY)
os.chroot(jail)
fd = os.open('protocols', os.O_RDONLY, dir_fd=directory)
print(os.read(fd, 8).decode())
`,
    [mkdtempSync(join(scratch, 'jail-'))],
    on(plane),
  );
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'protocol\n', stderr: '' });
});

guest('a path is octets: names in no encoding lead to our files too', async (t, plane) => {
  const { status, stdout, stderr } = await python(
    `
import os, socket, sys
s = socket.socket(); s.bind(('127.0.0.1', 7001)); s.listen(1)
name = os.path.join(os.fsencode(sys.argv[1]), b'\\xc3\\xa9\\xff')
os.mkdir(name); os.symlink('/proc/net', name + b'/link')
assert ':1B59' in open(name + b'/link/tcp').read()
os.chdir(name); assert ':1B59' in open('link/tcp').read()
`,
    [mkdtempSync(join(scratch, 'octets-'))],
    on(plane),
  );
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
});

const apart = onPlanes(sandbox, namespaces, python3);
apart('a link tells nothing of the processes of the host', async (t, plane) => {
  const { status, stdout, stderr } = await python(
    `
import os, sys
link = sys.argv[1] + '/tcp'
def opens(pid):
    os.symlink('/proc/%s/net/tcp' % pid, link)
    try: return open(link).readline().startswith('  sl')
    except FileNotFoundError: return False
    finally: os.unlink(link)
print(opens(sys.argv[2]), opens(os.getpid()), opens('self'))
`,
    [mkdtempSync(join(scratch, 'link-')), String(process.pid)],
    on(plane),
  );
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'False True True\n', stderr: '' });
});

guest('settings can be read and not changed, which the report says', async (t, plane) => {
  const report = join(scratch, `report-${plane}`);
  const { status, stdout, stderr } = await python(
    `
import os
print(open('/proc/sys/net/ipv4/tcp_rmem').read(), end='')
try: open('/proc/sys/net/ipv4/tcp_sack', 'w')
except OSError as e: assert e.errno == (30 if os.getuid() == 0 else 13), e
else: assert 0
`,
    [],
    { options: ['--no-gateway', '--plane', plane, '--report', report] },
  );
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '4096\t131072\t6291456\n', stderr: '' });
  t.regex(readFileSync(report, 'utf8'), /open O_WRONLY \/proc\/sys\/net\/ipv4\/tcp_sack: (EROFS|EACCES), once/);
});

const TOOLS = `
nc -l 127.0.0.1 7441 & server=$!
for i in $(seq 100); do netstat -tln | grep -q 7441 && break; sleep 0.05; done
ss -Htlnp 2>/dev/null | sed 's/ *$//'; netstat -tlnp 2>/dev/null | tail -n 1 | sed 's/ *$//'; lsof -nP -iTCP | tail -n 1
kill $server`;
const tools = ['ss', 'netstat', 'lsof', 'nc'].map(command);
onPlanes(
  sandbox,
  namespaces,
  root,
  ...tools,
)('ss, netstat and lsof name the process of a socket', async (t, plane) => {
  const { status, stdout, stderr } = await run(['sh', '-c', TOOLS], on(plane));
  const words = stdout
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/pid=\d+|\b\d+\/nc\b|\bnc \d+/g, (text) => text.replace(/\d+/, 'N'));
  t.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  t.regex(words, /LISTEN 0 \d+ 127\.0\.0\.1:7441 0\.0\.0\.0:\* users:\(\("nc",pid=N,fd=3\)\)/);
  t.regex(words, /tcp 0 0 127\.0\.0\.1:7441 0\.0\.0\.0:\* LISTEN N\/nc/);
  t.regex(words, /nc N root 3u IPv4 \d+ 0t0 TCP 127\.0\.0\.1:7441 \(LISTEN\)/);
});
