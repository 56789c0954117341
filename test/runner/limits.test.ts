/** The supervisor short of descriptors: guests are refused, and it goes on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cli, on, onPlanes, python, python3, sandbox } from './sandbox.ts';

const GREEDY = `
import errno, os, socket
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); r, w = os.pipe(); hold, free = os.pipe()
for child in range(3):
    if os.fork() == 0:
        all = []
        try:
            while True: s = socket.socket(); all.append(s); s.bind(('127.0.0.1', 0)); s.listen(1)
        except OSError as e: os.write(w, b'%d ' % e.errno)
        os.read(hold, 1)
        os._exit(0)
got = b''
while len(got) < 9: got += os.read(r, 9)
assert got == b'%d ' % errno.ENFILE * 3, got
assert u.getsockname()[0] == '127.0.0.1'; u.sendto(b'still', u.getsockname()); assert u.recv(9) == b'still'
os.write(free, b'123'); [os.wait() for _ in range(3)]; l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen(1); c = socket.create_connection(l.getsockname()); a, _ = l.accept(); c.send(b'x'); assert a.recv(9) == b'x'
print('ok')`;

onPlanes(sandbox, python3)('more sockets than the supervisor has descriptors for are ENFILE', async (t, plane) => {
  const text = 'ulimit -n 300; exec "$@"';
  const argv = [process.execPath, cli, 'run', '--plane', plane, '--no-gateway', '--', 'python3', '-c', GREEDY];
  const child = spawn('sh', ['-c', text, 'sh', ...argv], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  }
  const [status] = (await once(child, 'close')) as [number | null];
  t.deepEqual({ status, said }, { status: 0, said: 'ok\n' });
});

const MANY = `
import os, resource, socket
N = 9000; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; assert hard > N + 10; resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
# Who looks afterwards whether the numbers are free looks at some, and at the last, whose events are the ones that find no room.
for ports in range(N), [*range(0, N - 400, 50), *range(N - 400, N)]:
    child = os.fork()
    if child == 0:
        all = [socket.socket(type=socket.SOCK_DGRAM) for _ in ports]
        for i, s in zip(ports, all): s.bind(('127.0.0.1', 10000 + i))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, len(ports)
print('ok')`;

onPlanes(sandbox, python3)(
  'more sockets closed at once than the kernel has events for are all closed',
  async (t, plane) => {
    const { status, stdout, stderr } = await python(MANY, [], on(plane));
    t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
  },
);
