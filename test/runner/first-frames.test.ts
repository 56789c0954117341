/** What a guest sends while its gateway is still starting: nothing of it is lost, and the summary tells of it. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { onPlanes, type PlaneName, python, python3, sandbox } from './sandbox.ts';

const guest = onPlanes(sandbox, python3);

interface Report {
  readonly frames: { readonly dropped: number };
  readonly stackDrops: { readonly neighbor: number; readonly discarded: number };
  readonly flows: { readonly udp: number };
}

/** Runs a guest that sends `count` datagrams of `size` octets and ends. Returns how many arrived, and the summary. */
async function send(plane: PlaneName, count: number, size: number): Promise<{ arrived: number; report: Report }> {
  const server: Socket = createSocket({ type: 'udp4', recvBufferSize: 8 << 20 });
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  const file = join(directory, 'summary.json');
  let arrived = 0;
  try {
    server.on('message', () => arrived++).bind(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    await python(
      `
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(${count}): s.sendto(os.urandom(${size}), ('10.0.2.2', ${port}))
`,
      [],
      { options: ['--plane', plane, '--host-port', `${port}`, `--json=${file}`] },
    );
    const isWhole = (): boolean => arrived >= count;
    for (let waited = 0; waited < 2000 && !isWhole(); waited += 20) await delay(20);
    return { arrived, report: JSON.parse(readFileSync(file, 'utf8')) as Report };
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
}

guest('a burst of datagrams before the gateway runs arrives whole, though the guest ends at once', async (t, plane) => {
  const { arrived, report } = await send(plane, 300, 100);
  t.is(arrived, 300);
  t.is(report.frames.dropped, 0);
  t.deepEqual({ ...report.stackDrops }, {
    neighbor: 0,
    discarded: 0,
    udpReceive: 0,
    nativeSend: 0,
  } as typeof report.stackDrops);
  t.is(report.flows.udp, 1);
});
