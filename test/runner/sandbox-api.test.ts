/** The library's sandbox: what docs/api.md does not show. */
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { reap } from '../../src/host/call-table.ffi.ts';
import { close } from '../../src/host/libc.ffi.ts';
import { pidfdOfProcess } from '../../src/host/process.ffi.ts';
import { RunError, Sandbox, type SandboxOptions } from '../../src/index.ts';
import { needingInTurn } from '../support/needs.ts';
import { sandbox as host, namespaces, onPlanes, python3 } from './sandbox.ts';

const output = (stream: Readable | null): Promise<string> => (stream === null ? Promise.resolve('') : text(stream));
const descriptors = (): number => readdirSync('/proc/self/fd').length;
const children = (): string[] =>
  readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').split(' ').filter(Boolean);
async function until(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 2000 && !holds(); i++) await delay(10);
  return holds();
}

test('options are checked, and each fault is named with its remedy', async (t) => {
  const faulty = async (options: object): Promise<string> => {
    const error = await t.throwsAsync(Sandbox.create(options as SandboxOptions), { instanceOf: RunError });
    t.is(error.code, 'E_CONFIG');
    t.regex(error.message, /docs\/api\.md/);
    return error.what;
  };
  t.regex(await faulty({ hostPorts: [0] }), /^hostPorts\.0 /);
  t.regex(await faulty({ plane: 'fast' }), /^plane /);
  t.regex(await faulty({ colour: 'red' }), /colour/);
  t.regex(await faulty({ gateway: false, publish: [{ hostPort: 1, guestPort: 2 }] }), /^publish needs the gateway/);
  t.regex(await faulty({ plane: 'direct', calls: true }), /^calls /);
  t.regex(await faulty({ publish: [{ hostPort: 1, guestPort: 2, hostAddress: 'host' }] }), /is not an IP address/);
});

onPlanes(host, python3)('sixteen guests at once share one network, and their ends are told apart', async (t, plane) => {
  await using sandbox = await Sandbox.create({ gateway: false, plane });
  const server = sandbox.spawn('python3', [
    '-c',
    "import socket\nl = socket.create_server(('127.0.0.1', 7000), backlog=32); print('ready', flush=True)\nfor i in range(16): c, _ = l.accept(); c.sendall(c.recv(9)); c.close()",
  ]);
  if (server.stdout !== null) await once(server.stdout, 'data');
  const client =
    "import socket, sys; s = socket.create_connection(('127.0.0.1', 7000)); s.sendall(sys.argv[1].encode()); sys.exit(int(s.recv(9)))";
  const guests = Array.from({ length: 16 }, (_, i) => sandbox.spawn('python3', ['-c', client, String(i)]));
  t.deepEqual(
    await Promise.all(guests.map(({ exited }) => exited)),
    guests.map((_, i) => i),
  );
  t.is(await server.exited, 0);
  t.true((sandbox.summary().calls['accept4']?.calls ?? 0) + (sandbox.summary().calls['accept']?.calls ?? 0) >= 16);
});

needingInTurn(host, namespaces)('a guest that joined is behind every wall of the first', async (t) => {
  await using sandbox = await Sandbox.create({ gateway: false });
  const look =
    'readlink /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/mnt /proc/self/ns/user; grep -E "NoNewPrivs|Seccomp:|CapBnd" /proc/self/status; ls /proc/self/fd | wc -l; unshare --net true 2>/dev/null || echo refused; nsenter --target 1 --net true 2>/dev/null || echo refused';
  const first = await output(sandbox.spawn('sh', ['-c', look]).stdout);
  const second = await output(sandbox.spawn('sh', ['-c', look]).stdout);
  t.is(first, second);
  const lines = first.trimEnd().split('\n');
  t.is(lines.filter((line) => line === 'refused').length, 2, first);
  t.regex(first, /NoNewPrivs:\s1/);
  t.regex(first, /Seccomp:\s2/);
  for (const name of ['net', 'pid', 'mnt']) {
    t.false(lines.includes(readlinkSync(`/proc/self/ns/${name}`)), `${name} is not the host's`);
  }
});

onPlanes(host)('an end leaves neither process nor descriptor, however it came', async (t, plane) => {
  const settings: SandboxOptions = { gateway: false, plane };
  // The first makes what all share.
  await (await Sandbox.create(settings)).close();
  const before = descriptors();
  const closed = await Sandbox.create(settings);
  const [left, killed] = [closed.spawn('sleep', ['100']), closed.spawn('sleep', ['100'])];
  await Promise.all([left.started, killed.started]);
  killed.kill('SIGKILL');
  t.is(await killed.exited, 137);
  await closed.close();
  t.is(await left.exited, 137);
  t.throws(() => closed.spawn('true'), { message: /the sandbox has ended/ });

  const abort = new AbortController();
  const aborted = await Sandbox.create({ ...settings, signal: abort.signal });
  const guest = aborted.spawn('sh', ['-c', 'sleep 100 & sleep 100']);
  await guest.started;
  abort.abort();
  await aborted.ended;
  t.is(await guest.exited, 137);
  await t.throwsAsync(Sandbox.create({ ...settings, signal: abort.signal }), { any: true, name: 'AbortError' });
  t.true(await until(() => descriptors() === before && children().length === 0), `${descriptors()} of ${before}`);
});

needingInTurn(host)('what cannot be started is said, and the sandbox goes on', async (t) => {
  await using sandbox = await Sandbox.create({ gateway: false });
  const before = descriptors();
  const code = (start: () => unknown): string => {
    const error = t.throws(start, { instanceOf: RunError });
    return error.code;
  };
  t.is(
    code(() => sandbox.spawn('no-such-program')),
    'E_NOT_FOUND',
  );
  t.is(
    code(() => sandbox.spawn('/etc/passwd')),
    'E_NOT_EXECUTABLE',
  );
  t.is(
    code(() => sandbox.spawn('true', [], { cwd: '/no such directory' })),
    'E_CONFIG',
  );
  t.is(
    code(() => sandbox.spawn('true', ['a\0b'])),
    'E_CONFIG',
  );
  t.is(
    code(() => sandbox.spawn('true', [], { stdio: 'pope' as 'pipe' })),
    'E_CONFIG',
  );
  t.is(
    code(() => sandbox.spawn('true').kill('SIGNOTHING' as 'SIGTERM')),
    'E_CONFIG',
  );
  t.true(await until(() => descriptors() <= before + 3));
  t.is(await sandbox.spawn('sh', ['-c', 'exit 9']).exited, 9);
  // Larger than what the kernel takes.
  for (const [options, args] of [
    [{}, ['x'.repeat(200_000)]],
    [{ env: { PATH: '/bin:/usr/bin', LONG: 'x'.repeat(200_000) } }, []],
  ] as const) {
    const guest = sandbox.spawn('echo', args, options);
    const error = await t.throwsAsync(guest.exited, { instanceOf: RunError });
    t.deepEqual([error.code, error.exitStatus], ['E_NOT_EXECUTABLE', 126]);
    t.regex(error.message, /E2BIG.*128 KiB/);
    t.deepEqual([await output(guest.stdout), guest.pid], ['', undefined]);
  }
  // Larger than what a table has at first.
  const long = 'x'.repeat(100_000);
  t.is((await output(sandbox.spawn('echo', [long, long]).stdout)).length, 200_002);
});

needingInTurn(host)(
  'signals that come before the program starts all reach it, and none takes the place of another',
  async (t) => {
    await using sandbox = await Sandbox.create({ gateway: false });
    const killed = sandbox.spawn('sleep', ['100']);
    killed.kill('SIGKILL');
    killed.kill('SIGCONT');
    t.is(await killed.exited, 137);
    const ended = sandbox.spawn('sleep', ['100']);
    for (const signal of ['SIGTERM', 'SIGSTOP', 'SIGWINCH', 'SIGCONT', 'SIGWINCH'] as const) ended.kill(signal);
    t.is(await ended.exited, 143);
    const abort = new AbortController();
    const aborted = sandbox.spawn('sleep', ['100'], { signal: abort.signal });
    abort.abort();
    aborted.kill('SIGWINCH');
    t.is(await aborted.exited, 137);
  },
);

needingInTurn(host)('an end that somebody else has waited for is no success, and that is said', async (t) => {
  await using sandbox = await Sandbox.create({ gateway: false });
  const warnings: string[] = [];
  sandbox.on('warning', (warning) => warnings.push(warning));
  const before = children();
  const guest = sandbox.spawn('sleep', ['100']);
  await guest.started;
  const [head] = children()
    .filter((pid) => !before.includes(pid))
    .map(Number);
  const pidfd = pidfdOfProcess(head as number);
  process.kill(head as number, 'SIGKILL');
  t.deepEqual(reap(pidfd, true), { code: null, signal: 9 });
  close(pidfd);
  t.is(await guest.exited, 125);
  t.regex(warnings.join(), /how a program of the guest ended is not known .* given as 125/);
});

needingInTurn(host)(
  'a descriptor of the caller’s is copied when it is named, and one that is not open is refused',
  async (t) => {
    await using sandbox = await Sandbox.create({ gateway: false });
    const before = descriptors();
    const error = t.throws(() => sandbox.spawn('true', [], { stdio: ['pipe', 987, 'inherit'] }), {
      instanceOf: RunError,
    });
    t.deepEqual([error.code, error.what], ['E_CONFIG', 'stdio.1 is 987, which is no open descriptor']);
    const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
    const [named, other] = ['named', 'other'].map((name) => join(directory, name)) as [string, string];
    const fd = openSync(named, 'w');
    const guest = sandbox.spawn('echo', ['text'], { stdio: ['ignore', fd, 'inherit'] });
    closeSync(fd);
    const same = openSync(other, 'w');
    t.is(same, fd);
    t.is(await guest.exited, 0);
    closeSync(same);
    t.deepEqual([readFileSync(named, 'utf8'), readFileSync(other, 'utf8')], ['text\n', '']);
    rmSync(directory, { recursive: true });
    t.true(await until(() => descriptors() === before), `${descriptors()} of ${before}`);
  },
);

needingInTurn(host, python3)(
  'a published port leads to whichever guest listens, and its connection is told',
  async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port: hostPort } = taken.address() as { port: number };
    await new Promise((resolve) => taken.close(resolve));
    await using sandbox = await Sandbox.create({ publish: [{ hostAddress: '127.0.0.1', hostPort, guestPort: 80 }] });
    const states: string[] = [];
    sandbox.on('connection', ({ state, ...flow }) => states.push(`${state} ${'origin' in flow ? flow.origin : ''}`));
    for (const word of ['first', 'second']) {
      const server = sandbox.spawn('python3', [
        '-c',
        `import socket\nl = socket.create_server(('', 80)); print('ready', flush=True)\nc, _ = l.accept(); c.sendall(b'${word}')`,
      ]);
      if (server.stdout !== null) await once(server.stdout, 'data');
      t.is(await text(createConnection(hostPort, '127.0.0.1')), word);
      t.is(await server.exited, 0);
    }
    t.true(await until(() => states.filter((state) => state.startsWith('closed')).length === 2));
    t.deepEqual([...new Set(states)], ['opened published', 'closed published']);
  },
);
