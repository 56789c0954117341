/** strace(1) and gdb(1) as guests: they trace other guests by ptrace(2), on both planes as on Linux. */
import { command } from '../support/needs.ts';
import { on, onPlanes, run, sandbox } from './sandbox.ts';

const PYTHON = '/usr/bin/python3';
const TALK =
  "import socket; l = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(l.getsockname()); s, _ = l.accept(); c.sendall(b'abc'); print(s.recv(9).decode())";

onPlanes(
  sandbox,
  command('strace'),
  command('python3'),
)('strace lists the calls of a guest', async (t, plane) => {
  const argv = ['strace', '-f', '-e', 'trace=network', PYTHON, '-c', TALK];
  const { status, stdout, stderr } = await run(argv, on(plane));
  t.deepEqual({ status, stdout }, { status: 0, stdout: 'abc\n' });
  t.regex(stderr, /connect\(\d+, \{sa_family=AF_INET, .*\) = 0/);
  t.regex(stderr, /accept4\(\d+, .*\) = \d/);
});

onPlanes(
  sandbox,
  command('gdb'),
  command('python3'),
)('gdb stops a guest before its connect()', async (t, plane) => {
  const steps = ['set breakpoint pending on', 'break connect', 'run', 'delete', 'continue'];
  const argv = ['gdb', '-batch', ...steps.flatMap((step) => ['-ex', step]), '--args', PYTHON, '-c', TALK];
  const { status, stdout } = await run(argv, on(plane));
  t.is(status, 0);
  t.regex(stdout, /Breakpoint 1, [^]*\nabc\n[^]*exited normally/);
});
