/** Connections over the link, one after the other: descriptors and memory of the supervisor and of the gateway stay what they were. SANDSOCK_TEST_SOAK says how many. */
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { needingInTurn } from '../support/needs.ts';
import { PLANES, python3, Running, sandbox } from './sandbox.ts';

const COUNT = Number(process.env['SANDSOCK_TEST_SOAK'] ?? 600);
/** Of the slower plane under load. */
const MS_EACH = 20;
/** What V8 may keep before it collects, and connections in TIME-WAIT, which last a minute. */
const SLACK_KIB = 65_536;

const GUEST = `
import socket, sys
def one(i):
    with socket.create_connection(('10.0.2.2', int(sys.argv[1]))) as s:
        s.sendall(b'%d' % i); assert s.recv(99) == b'%d' % i
    with socket.socket(type=socket.SOCK_DGRAM) as u: u.bind(('', 0))
half = int(sys.argv[2]) // 2
for name in ('first', 'second'):
    for i in range(half): one(i)
    print(name, 'half', flush=True); sys.stdin.readline()
`;

interface Held {
  readonly descriptors: number;
  readonly kib: number;
}
function heldBy(pid: number): Held {
  const kib = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { descriptors: readdirSync(`/proc/${pid}/fd`).length, kib: Number(kib) };
}
/** Until no descriptor goes any more. */
async function settled(pid: number): Promise<Held> {
  let last = heldBy(pid);
  for (let same = 0; same < 5; ) {
    await delay(50);
    const now = heldBy(pid);
    same = now.descriptors === last.descriptors ? same + 1 : 0;
    last = now;
  }
  return last;
}

for (const plane of PLANES)
  needingInTurn(sandbox, python3)(`${COUNT} connections over the link leave nothing behind (${plane})`, async (t) => {
    const limitMs = 30_000 + COUNT * MS_EACH;
    t.timeout(limitMs);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const running = new Running(['python3', '-c', GUEST, `${port}`, `${COUNT}`], {
      options: ['--plane', plane, '--host-port', `${port}`],
      limitMs,
    });
    await running.says('first half\n');
    const gateway = running.processes().find(({ command }) => command.includes('gateway/main.js'))?.pid ?? 0;
    const pids = [running.child.pid ?? 0, gateway];
    const before = await Promise.all(pids.map((pid) => settled(pid)));
    running.child.stdin?.write('\n');
    await running.says('second half\n');
    const after = await Promise.all(pids.map((pid) => settled(pid)));
    running.child.stdin?.end('\n');
    const { status, stderr } = await running.end();
    server.close();
    t.log(`supervisor and gateway: ${JSON.stringify(before)}, then ${JSON.stringify(after)}`);
    t.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    for (const [i, { descriptors, kib }] of after.entries()) {
      t.is(descriptors, (before[i] as Held).descriptors);
      t.true(kib - (before[i] as Held).kib < SLACK_KIB, `${kib} KiB`);
    }
  });
