/** What is left of a bug of ours, what is said of a stall, and the figures of how busy the sandbox is. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sandbox } from '../../src/index.ts';
import type { RunReport } from '../../src/runner/summary.ts';
import { needingInTurn } from '../support/needs.ts';
import { python3, run, sandbox } from './sandbox.ts';

/** Preloaded: bind(2) of port 666 throws, and of port 667 never ends in good time. */
const BUG = fileURLToPath(new URL('broken-bind.js', import.meta.url));

const bind = (port: number): string[] => [
  'python3',
  '-c',
  `import socket
for i in range(4): socket.socket(type=socket.SOCK_DGRAM).sendto(b'the word of the payload', ('127.0.0.1', 9))
socket.socket().bind(('127.0.0.1', ${port}))`,
];

needingInTurn(sandbox, python3)('a bug in a call leaves a file that says what is known, and no secret', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-crash-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const env = { TMPDIR: directory, SECRET: 'the word of the environment' };
  const { status, stderr } = await run([...bind(666)], { preload: BUG, env });
  t.not(status, 0);
  const [, file = ''] = /a bug of sandsock ended this guest in bind; please report it: (\S+) says/.exec(stderr) ?? [];
  t.is(readdirSync(directory).length, 1, stderr);
  t.is(statSync(file).mode & 0o777, 0o600);
  const text = readFileSync(file, 'utf8');
  t.false(text.includes('the word'));
  const report = JSON.parse(text) as {
    call: string;
    registers: string;
    versions: Record<string, string>;
    error: { message: string; stack: string[] };
    lastCalls: { call: string; result?: number }[];
    load: { loop: { turns: number } };
  };
  t.is(report.call, 'bind');
  t.is(report.error.message, 'a bug that the test made');
  t.true(report.error.stack.length > 2);
  t.is(report.registers.split(' ').length, 12);
  t.deepEqual(Object.keys(report.versions).toSorted(), ['kernel', 'node', 'sandsock', 'v8']);
  t.true(report.lastCalls.filter(({ call, result }) => call === 'socket' && result !== undefined).length >= 4);
  const last = report.lastCalls.at(-1);
  t.deepEqual([last?.call, last?.result], ['bind', undefined]);
  t.true(report.load.loop.turns > 0);
});

needingInTurn(sandbox, python3)('a call that does not end is said while it lasts, by name', async (t) => {
  const { status, stderr } = await run(['sh', '-c', `sleep 1.5; exec "$@"`, 'sh', ...bind(667)], { preload: BUG });
  t.is(status, 0);
  t.regex(
    stderr,
    /^sandsock: no call of the guest has been served for [5-9]\.\d s: it is in bind of thread \d+; if that does not end, please report it\n$/,
  );
});

needingInTurn(sandbox)('a caller that computes for long is told that it held its guests up', async (t) => {
  await using box = await Sandbox.create({ gateway: false, stalledAfterMs: 200 });
  const guest = box.spawn('sleep', ['2']);
  const stalled = new Promise<object>((resolve) => box.once('stalled', resolve));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const end = performance.now() + 1000;
  while (performance.now() < end);
  const { afterMs, call } = (await stalled) as { afterMs: number; call?: string };
  t.true(afterMs >= 200 && afterMs < 1000);
  t.is(call, undefined);
  t.is(box.summary().loop.stalls, 1);
  t.is(await guest.exited, 0);
});

needingInTurn(sandbox, python3)('the summary counts turns, calls that waited, and buffers', async (t) => {
  const guest = `
import socket, threading
l = socket.create_server(('127.0.0.1', 0)); peers = [socket.create_connection(l.getsockname()) for i in range(3)]
ends = [l.accept()[0] for i in range(3)]
waiters = [threading.Thread(target=s.recv, args=(1,)) for s in ends]
for one in waiters: one.start()
import time; time.sleep(0.3)
for s in peers: s.sendall(b'x')
for one in waiters: one.join()
`;
  const { status, stderr } = await run(['python3', '-c', guest], {
    options: ['--no-gateway', '--plane', 'strict', '--json'],
  });
  t.is(status, 0);
  const { loop, held, slab } = JSON.parse(stderr) as RunReport;
  t.true(loop.turns > 3 && loop.longestMs > 0 && loop.latestMs >= 0);
  t.is(loop.stalls, 0);
  t.deepEqual([held.now, held.most >= 3], [0, true]);
  t.true(slab.most > 0 && slab.most < slab.buffers);
  t.is(slab.exhausted, 0);
});
