/**
 * A timer of 10 kHz interrupts a guest that sends and receives over one connection of the link, with handlers that restart calls and with such that do not: every octet arrives once
 * and in its place. SANDSOCK_TEST_OCTETS: how many each way. The same for a receiver that alternates between trapped and native calls, and what waiting calls end with while signals come to whatever thread runs.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { command, needingInTurn } from '../support/needs.ts';
import { guestFile, on, PLANES, python3, Running, run, sandbox } from './sandbox.ts';

const OCTETS = Number(process.env['SANDSOCK_TEST_OCTETS'] ?? 16 << 20);
const HERTZ = 10_000;
/** Of four octets, for the receiver that alternates: each of its calls has a turn of its own. */
const NUMBERS = OCTETS >> 6;
const SIGNAL_SECONDS = 2;
const LIMIT_MS = 60_000 + OCTETS / 1000;
const SOURCE = guestFile('timer.c');
const PERIOD = 1_048_583;
const PIECE = 131_072;

/** As `fill` of timer.c. */
function pattern(seed: number): Buffer {
  const octets = Buffer.alloc(PERIOD + 1);
  let x = seed;
  for (let i = 0; i < PERIOD; i += 4) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    if (i + 4 <= octets.length) octets.writeUInt32LE(x, i);
    else for (let k = 0; i + k < PERIOD; k++) octets[i + k] = x >>> (8 * k);
  }
  const round = octets.subarray(0, PERIOD);
  return Buffer.concat([round, round.subarray(0, PIECE)]);
}
const FROM_GUEST = pattern(1);
const TO_GUEST = pattern(2);

function give(socket: Socket): void {
  let at = 0;
  const more = (): void => {
    while (at < OCTETS) {
      const len = Math.min(PIECE, OCTETS - at);
      const piece = TO_GUEST.subarray(at % PERIOD, (at % PERIOD) + len);
      at += len;
      if (!socket.write(piece)) return;
    }
    socket.end();
  };
  socket.on('drain', more);
  more();
}
/** Resolves with the count of octets that were as they should be until the end, or until one was not. */
function take(socket: Socket): Promise<number> {
  return new Promise((resolve) => {
    let at = 0;
    socket.on('data', (octets) => {
      for (let i = 0; i < octets.length; ) {
        const from = at % PERIOD;
        const len = Math.min(octets.length - i, FROM_GUEST.length - from);
        if (octets.compare(FROM_GUEST, from, from + len, i, i + len) !== 0) {
          socket.destroy();
          return resolve(at);
        }
        at += len;
        i += len;
      }
    });
    socket.on('error', () => resolve(at));
    socket.on('end', () => resolve(at));
  });
}

const directory = mkdtempSync(join(tmpdir(), 'sandsock-timer-'));
const program = join(directory, 'timer');
const whoseSignal = join(directory, 'whose-signal');
const compiled = needingInTurn(sandbox, command('cc'));
test.after.always(() => rmSync(directory, { recursive: true }));

compiled('the guests compile', (t) => {
  execFileSync('cc', ['-O2', '-o', program, SOURCE]);
  execFileSync('cc', ['-O2', '-pthread', '-o', whoseSignal, guestFile('whose-signal.c')]);
  t.pass();
});

for (const plane of PLANES)
  for (const kind of ['restart', 'interrupt'] as const)
    compiled(`${OCTETS} octets each way under a timer of 10 kHz, handlers that ${kind}: ${plane} plane`, async (t) => {
      t.timeout(LIMIT_MS);
      let arrived: Promise<number> | undefined;
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        arrived = take(socket);
        give(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const running = new Running([program, '10.0.2.2', String(port), String(OCTETS), String(HERTZ), kind], {
        options: ['--plane', plane, '--host-port', String(port)],
        limitMs: LIMIT_MS,
      });
      const { status, stdout, stderr } = await running.end();
      t.log(...stdout.trim().split('\n').slice(0, 2));
      t.deepEqual({ status, stderr }, { status: 0, stderr: '' }, stdout);
      t.is(await arrived, OCTETS);
      server.close();
    });

for (const plane of PLANES)
  for (const kind of ['restart', 'interrupt'] as const) {
    needingInTurn(sandbox, python3)(
      `${NUMBERS} numbers received by trapped and native calls in turn, handlers that ${kind}: ${plane} plane`,
      async (t) => {
        t.timeout(LIMIT_MS);
        const argv = ['python3', guestFile('alternate-receive.py'), kind, String(NUMBERS)];
        const { stdout, stderr } = await run(argv, { ...on(plane), limitMs: LIMIT_MS });
        t.is(stdout, 'ok\n', stderr);
      },
    );
    // A call that no signal is for must not see ERESTARTSYS (errno 512).
    compiled(`signals for the thread that runs, handlers that ${kind}: ${plane} plane`, async (t) => {
      const { stdout, stderr } = await run([whoseSignal, String(SIGNAL_SECONDS), kind], on(plane));
      t.is(stdout, 'ok\n', stderr);
    });
  }
