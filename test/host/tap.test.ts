import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import test from 'ava';
import { openTap } from '../../src/host/tap.ffi.ts';
import { command, needing, root } from '../support/needs.ts';

const run = promisify(execFile);
const tun = { what: '/dev/net/tun', present: existsSync('/dev/net/tun') };
const OCTETS = 8_000_000;
interface Seen {
  readonly streams: ReadonlyArray<{ family: number; status: number; received: number; wrong: number; sent: number }>;
  readonly echoes: readonly number[];
  readonly rxErrors: number;
  readonly rxFrames: number;
  readonly txFrames: number;
  readonly csumErrors: number;
  readonly reassembled: readonly number[];
}

for (const mtu of [1500, 65_520]) {
  needing(
    root,
    tun,
    command('unshare'),
    command('ip'),
    command('ping'),
  )(`the kernel's stack across a tap, MTU ${mtu}: streams both ways, offloads, fragments`, async (t) => {
    t.timeout(55_000);
    const script = new URL('../support/tap-kernel.js', import.meta.url).pathname;
    const args = ['-n', process.execPath, script, String(mtu), String(OCTETS)];
    const { stdout } = await run('unshare', args, { timeout: 50_000 });
    const seen = JSON.parse(stdout) as Seen;
    t.deepEqual(
      seen.streams,
      [4, 6].map((family) => ({ family, status: 0, received: OCTETS, wrong: 0, sent: OCTETS })),
    );
    t.deepEqual(seen.echoes, [0, 0]);
    t.deepEqual([seen.rxErrors, seen.csumErrors], [0, 0]);
    // Super-packets: far fewer frames than segments of that MTU.
    t.true(seen.rxFrames < (2 * OCTETS) / 4000, `${seen.rxFrames} frames received`);
    t.deepEqual(seen.reassembled, mtu === 1500 ? [1, 1] : [0, 0]);
  });
}

test('a tap needs a name that an interface can have', (t) => {
  for (const name of ['', 'x'.repeat(16)]) t.throws(() => openTap(name), { message: /1 to 15 characters/ });
});
