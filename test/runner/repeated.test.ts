/** Runs that come and go in one process leave no descriptor in it, whatever the guest was doing when it ended, and where they could not start. */
import { readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Sentry } from '../../src/runner/sentry.ts';
import type { SentryOptions } from '../../src/runner/sentry-types.ts';
import { needingInTurn } from '../support/needs.ts';
import { PLANES, python3, sandbox } from './sandbox.ts';

/** The first run of all makes what they share. */
const [FIRST, COUNT] = [2, 4];
const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** What is left once Node has closed what was its own. */
async function left(before: number): Promise<number> {
  for (let waited = 0; waited < 5000 && descriptors() !== before; waited += 10) await delay(10);
  return descriptors() - before;
}

const GUEST = `
import os, socket, threading, time
l = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(l.getsockname()); s = l.accept()[0]
r, w = os.pipe()
for wait in (lambda: s.recv(1), lambda: os.splice(r, s.fileno(), 10), l.accept): threading.Thread(target=wait).start()
time.sleep(0.1); os._exit(0)
`;

for (const plane of PLANES)
  for (const gatewayPlace of [undefined, 'process', 'inline'] as const)
    needingInTurn(sandbox, python3)(
      `one run after the other leaves no descriptor (${plane}, gateway ${gatewayPlace ?? 'none'})`,
      async (t) => {
        const options: SentryOptions = { plane, stdio: ['ignore', 'ignore', 2] };
        const link = gatewayPlace === undefined ? {} : { gateway: {}, gatewayPlace };
        let before = 0;
        for (let i = 0; i < FIRST + COUNT; i++) {
          if (i === FIRST) before = descriptors();
          const sentry = await Sentry.start('python3', ['-c', GUEST], { ...options, ...link });
          t.is(await sentry.exited, 0);
        }
        t.is(await left(before), 0);
      },
    );

for (const gatewayPlace of ['process', 'inline'] as const)
  needingInTurn(sandbox)(`a run that cannot start leaves no descriptor (gateway ${gatewayPlace})`, async (t) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const published = [{ hostAddress: '127.0.0.1', hostPort: port, guestPort: 80 }];
    let before = 0;
    for (let i = 0; i < FIRST + COUNT; i++) {
      if (i === FIRST) before = descriptors();
      await t.throwsAsync(Sentry.start('true', [], { gateway: { published }, gatewayPlace }), { message: /is taken/ });
    }
    t.is(await left(before), 0);
    server.close();
  });
