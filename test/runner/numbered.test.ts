/**
 * Numbered calls of every sort, over streams, datagrams and connections, blocking and not, by one pair of processes, by four at once and by two threads, each under a timer of 10 kHz, while the supervisor pauses at
 * random: nothing is lost and nothing repeated, and a handler with SA_RESTART sees no EINTR where Linux shows it none. SANDSOCK_TEST_CALLS: how many, for each plane.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { command, needingInTurn } from '../support/needs.ts';
import { guestFile, on, PLANES, run, sandbox } from './sandbox.ts';

const CALLS = Number(process.env['SANDSOCK_TEST_CALLS'] ?? 3000);
const SEED = process.env['SANDSOCK_TEST_SEED'] ?? '1';
const HERTZ = '10000';
const LIMIT_MS = 60_000 + CALLS * 4;
const DELAYS = fileURLToPath(new URL('delays.js', import.meta.url));
const KINDS = ['restart', 'interrupt'] as const;

interface Sort {
  /** Of call, and whether it may wait. */
  readonly name: string;
  readonly calls: number;
  readonly interrupted: number;
}
const sortsOf = (output: string): Sort[] =>
  output
    .split('\n')
    .map((line) => line.split(' '))
    .filter((words) => words.length === 6)
    .map(([call, waits, calls, interrupted]) => ({
      name: `${call} that ${waits}`,
      calls: Number(calls),
      interrupted: Number(interrupted),
    }));
const sum = (sorts: readonly Sort[]): number => sorts.reduce((total, { calls }) => total + calls, 0);

const directory = mkdtempSync(join(tmpdir(), 'sandsock-numbered-'));
const program = join(directory, 'numbered');
const compiled = needingInTurn(sandbox, command('cc'));
test.after.always(() => rmSync(directory, { recursive: true }));

compiled('the guest compiles', (t) => {
  execFileSync('cc', ['-O2', '-pthread', '-o', program, guestFile('numbered.c')]);
  t.pass();
});

for (const kind of KINDS)
  for (const plane of PLANES)
    compiled(`${CALLS / KINDS.length} numbered calls, handlers that ${kind}: ${plane} plane`, async (t) => {
      t.timeout(LIMIT_MS);
      const argv = [program, kind, String(CALLS / KINDS.length), HERTZ, SEED];
      const native = sortsOf(
        execFileSync(program, argv.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
      );
      const settings = { ...on(plane), preload: DELAYS, env: { SANDSOCK_TEST_SEED: SEED }, limitMs: LIMIT_MS };
      const { status, stdout, stderr } = await run(argv, settings);
      t.is(status, 0, stderr);
      const sorts = sortsOf(stdout);
      t.true(sum(sorts) >= CALLS / KINDS.length);
      t.log(
        `${sum(sorts)} calls in the sandbox, ${sum(native)} natively; of each sort calls and EINTR, and the same natively`,
      );
      for (const { name, calls, interrupted } of sorts) {
        const linux = native.find((one) => one.name === name);
        t.log(`${name}: ${calls} ${interrupted}; ${linux?.calls ?? 0} ${linux?.interrupted ?? 0}`);
        // poll(2) is never restarted.
        if (kind === 'restart' && !name.startsWith('poll')) t.is(interrupted, 0, name);
      }
      if (kind === 'restart')
        t.true(native.every(({ name, interrupted }) => name.startsWith('poll') || interrupted === 0));
    });
