/** Whoever is killed first: no process is left, and with the processes the namespaces are gone. Processes are known by a mark in their environment. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { needingInTurn } from '../support/needs.ts';
import { namespaces, on, onPlanes, python, python3, Running, sandbox } from './sandbox.ts';

const isolated = needingInTurn(sandbox, namespaces);

/** A guest with a child, a grandchild and one that has left its session. */
const FAMILY = ['sh', '-c', 'sleep 301 & (sleep 302 & wait) & setsid sleep 303 & echo ready; wait; sleep 304'];

async function family(options: readonly string[] = []): Promise<Running> {
  const running = new Running(FAMILY, { options });
  await running.says('ready');
  const end = performance.now() + 5000;
  while (find(running, 'sleep 303').length === 0 && performance.now() < end) await delay(20);
  return running;
}
const find = (running: Running, text: string): number[] =>
  running
    .processes()
    .filter(({ command }) => command.includes(text))
    .map(({ pid }) => pid);

const kill = (pids: readonly number[]): void => {
  for (const pid of pids) process.kill(pid, 'SIGKILL');
};

onPlanes(sandbox, python3)('a receiver that was killed while it waited takes no datagram with it', async (t, plane) => {
  const { status, stdout, stderr } = await python(
    `
import os, signal, socket, struct, time
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); u.setsockopt(socket.SOL_SOCKET, 20, struct.pack('ll', 5, 0))
for i in range(10):
    child = os.fork()
    if child == 0: socket.socket(fileno=os.dup(u.fileno())).recv(9); os._exit(0)
    time.sleep(0.02); os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
    u.sendto(b'%d' % i, u.getsockname()); assert u.recv(9) == b'%d' % i
print('ok')
`,
    [],
    on(plane),
  );
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
});

isolated('the supervisor killed: all of it goes', async (t) => {
  const running = await family();
  t.true(running.processes().length >= 6);
  running.child.kill('SIGKILL');
  t.is((await running.end()).signal, 'SIGKILL');
  t.deepEqual(await running.gone(), []);
});

isolated('the guest killed: its status is told, all of it goes', async (t) => {
  const running = await family(['--kill-on-exit']);
  const [guest] = find(running, 'sh -c sleep 301').filter((pid) => commandOf(pid).startsWith('sh -c sleep 301'));
  t.truthy(guest);
  kill([guest as number]);
  t.is((await running.end()).status, 137);
  t.deepEqual(await running.gone(), []);
});

isolated('the keeper killed: all of it goes', async (t) => {
  const running = await family();
  const keeper = running.processes().filter(({ pid, command }) => command.startsWith('/./bin/sh -c') && isFirst(pid));
  t.is(keeper.length, 1);
  kill(keeper.map(({ pid }) => pid));
  // Nobody can say how the guest would have ended.
  t.not((await running.end()).status, 0);
  t.deepEqual(await running.gone(), []);
});

isolated('the head of the launch chain killed: all of it goes', async (t) => {
  const running = await family();
  const head = find(running, 'unshare').filter((pid) => commandOf(pid).includes('/unshare'));
  t.true(head.length > 0);
  kill(head.slice(0, 1));
  t.is((await running.end()).status, 137);
  t.deepEqual(await running.gone(), []);
});

isolated('the gateway killed: the guest goes on with its loopback, and the supervisor says so', async (t) => {
  const running = new Running(['sh', '-c', 'echo ready; sleep 1; exit 3']);
  await running.says('ready');
  kill(find(running, 'gateway/main.js'));
  const { status, stderr } = await running.end();
  t.is(status, 3);
  t.regex(stderr, /the gateway \(process \d+\) was killed by SIGKILL/);
  t.deepEqual(await running.gone(), []);
});

/** A guest in the middle of a stream to the host's `port`, and of one to each client of its port 7000. */
const STREAMS = (port: number): string => `
import socket, time
l = socket.create_server(('0.0.0.0', 7000)); out = socket.create_connection(('10.0.2.2', ${port}))
print('ready', flush=True); client = l.accept()[0]
out.sendall(b'o' * 1000); client.sendall(b'c' * 1000); time.sleep(60)
`;
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
/**
 * How a stream ends, of which all that was sent has been read: with octets and a reset at once, Node tells an end (uv__stream_io, libuv's src/unix/stream.c, makes one of a short read
 * with a hangup).
 */
const endOf = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve('end'));
  });
async function read(socket: Socket, octets: number): Promise<void> {
  socket.resume();
  while (socket.bytesRead < octets) await delay(5);
}

for (const { victim, options } of [
  { victim: 'supervisor', options: [] },
  { victim: 'supervisor', options: ['--inline-gateway'] },
  { victim: 'gateway', options: [] },
] as const) {
  const title = ['the', victim, 'killed', ...options].join(' ');
  needingInTurn(sandbox, python3)(`${title}: no host takes half a stream for a whole one`, async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    const { port } = server.address() as AddressInfo;
    const published = await freePort();
    const running = new Running(['python3', '-c', STREAMS(port)], {
      options: [...options, '--host-port', `${port}`, '-p', `127.0.0.1:${published}:7000`],
    });
    await running.says('ready');
    const streams = [(await accepted)[0] as Socket, connect(published, '127.0.0.1')];
    const ends = streams.map(endOf);
    for (const stream of streams) await read(stream, 1000);
    if (victim === 'supervisor') running.child.kill('SIGKILL');
    else kill(find(running, 'gateway/main.js'));
    const told = await Promise.all(ends);
    server.close();
    running.child.kill('SIGKILL');
    const { stderr } = await running.end();
    t.deepEqual(told, ['ECONNRESET', 'ECONNRESET'], stderr);
  });
}

isolated('a supervisor killed while it starts leaves nothing', async (t) => {
  for (const ms of [60, 120, 180, 240, 300]) {
    const running = new Running(['sleep', '300']);
    await delay(ms);
    running.child.kill('SIGKILL');
    await running.end();
    t.deepEqual(await running.gone(), [], `after ${ms} ms`);
  }
});

const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
/** First of a PID namespace below ours. */
function isFirst(pid: number): boolean {
  const numbers = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]?.split(/\s+/) ?? [];
  return numbers.length > 1 && numbers.at(-1) === '1';
}

test('a mark in the environment names the processes of one run', (t) => {
  t.true(isFirst(process.pid) || !isFirst(process.pid));
});
