/**
 * `npm run sequences`: sequences of calls made at random, on the host kernel and on the emulator. Differences shrink to the shortest sequence that shows them and are printed as scripts,
 * which test/conformance/fixtures keeps. One that Linux confirmed and that cannot be shown again is counted for itself, and printed as it was made.
 */
import { fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { EmulatorDriver } from '../../../src/conformance/emulator/driver.ts';
import { HostDriver, HostUnavailable } from '../../../src/conformance/host/driver.ts';
import { Coverage } from './coverage.ts';
import { type Found, type Lost, Search, type Searched } from './search.ts';

interface Options {
  readonly count: string;
  readonly seed: string;
  readonly length: string;
  readonly workers: string;
  readonly coverage?: true;
  readonly write?: string;
}
const program = new Command('sequences')
  .option('--count <number>', 'sequences in all', '3000')
  .option('--length <number>', 'steps in a sequence', '12')
  .option('--seed <number>', 'where they start; a fresh one unless said', process.env['SEED'] ?? '')
  .option('--workers <number>', 'processes that search', '2')
  .option('--coverage', 'print every pair of a call and its errno that was seen, and how often')
  .option('--write <folder>', 'write each difference as a script into this folder')
  .parse();
const options = program.opts<Options>();

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** What is asked of a worker, and what it says. */
interface Work {
  readonly seed: number;
  readonly count: number;
  readonly known: readonly string[];
}
interface Done extends Searched {
  readonly seen: readonly (readonly [kind: string, count: number])[];
}
const WORKER = 'SANDSOCK_TEST_SEQUENCES';

function serve(): void {
  const linux = new HostDriver();
  const ours = new EmulatorDriver();
  process.on('message', ({ seed, count, known }: Work) => {
    const coverage = new Coverage();
    const searched = new Search(linux, ours, {
      seed,
      count,
      length: Number(options.length),
      world: { own: 0, unix: true },
      known: new Set(known),
      told: (transcript) => coverage.see(transcript),
    }).run();
    process.send?.({ ...searched, seen: [...coverage.counts] } satisfies Done);
  });
  process.on('disconnect', () => {
    linux.close();
    ours.close();
    process.exit();
  });
}

/** Sequences that a worker is given at once. */
const SHARE = 500;
const seed = options.seed === '' ? Math.floor(Math.random() * 0x3fff_ffff) : Number(options.seed);
const total = Number(options.count);
const coverage = new Coverage();
const found: Found[] = [];
const lost: Lost[] = [];
const doubts = new Map<string, number>();
let given = 0;
let ran = 0;
let unstable = 0;
let again = 0;

function take(done: Done): void {
  ran += done.ran;
  unstable += done.unstable;
  again += done.again;
  for (const [kind, count] of done.seen) coverage.add(kind, count);
  for (const doubt of done.doubts) doubts.set(doubt, (doubts.get(doubt) ?? 0) + 1);
  for (const one of done.lost) {
    lost.push(one);
    showLost(one);
  }
  for (const one of done.found) {
    if (found.some(({ signature }) => signature === one.signature)) continue;
    found.push(one);
    show(one);
  }
}
function show({ script, difference, signature, after }: Found): void {
  print(`difference ${found.length} (${signature}), sequence ${ran + after}, line ${difference.line + 1}`);
  print(`  linux    ${difference.linux}\n  sandsock ${difference.ours}`);
  const text = JSON.stringify({ ...script, name: `found ${found.length}: ${signature}` }, null, 2);
  keep(`${seed}-${found.length}.json`, text);
}
function keep(file: string, text: string): void {
  print(text);
  if (options.write === undefined) return;
  mkdirSync(options.write, { recursive: true });
  writeFileSync(join(options.write, file), `${text}\n`);
}
/** Lines before the one that differs. */
const CONTEXT = 6;
function showLost({ script, difference, linux, after }: Lost): void {
  const { line } = difference;
  print(`seen once and never again ${lost.length}, sequence ${ran + after}, line ${line + 1}`);
  for (const before of linux.slice(Math.max(0, line - CONTEXT), line)) print(`           ${before}`);
  print(`  linux    ${difference.linux}\n  sandsock ${difference.ours}`);
  keep(`${seed}-once-${lost.length}.json`, JSON.stringify({ ...script, name: `seen once ${lost.length}` }, null, 2));
}
const STEP = 5000;
const MOST_UNSTABLE = 0.01;
async function work(): Promise<void> {
  const worker = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    env: { ...process.env, [WORKER]: '1' },
  });
  try {
    while (given < total) {
      const count = Math.min(SHARE, total - given);
      const share: Work = { seed: seed + given, count, known: found.map(({ signature }) => signature) };
      given += count;
      const done = await new Promise<Done>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('exit', (code, signal) => reject(new Error(`a worker ended with ${signal ?? code}`)));
        worker.send(share);
      });
      worker.removeAllListeners('exit');
      const before = ran;
      take(done);
      if (Math.floor(before / STEP) !== Math.floor(ran / STEP)) print(progress());
    }
  } finally {
    worker.disconnect();
  }
}
const began = performance.now();
const progress = (): string =>
  `seed ${seed}: ${ran} sequences, ${found.length} differences, ${again} more of their kinds, ${lost.length} seen once, ${unstable} on which Linux differs from itself, ${Math.round((1000 * ran) / (performance.now() - began))} in a second`;

async function main(): Promise<void> {
  print(`SEED=${seed}`);
  await Promise.all(Array.from({ length: Number(options.workers) }, work));
  for (const line of coverage.lines(options.coverage === true)) print(line);
  for (const [line, count] of doubts) print(`Linux differs from itself ${count} times: ${line}`);
  print(progress());
  const failed = found.length + again;
  // So many hide what they were made to find.
  const isDoubtful = unstable + lost.length > MOST_UNSTABLE * ran;
  if (isDoubtful)
    print(`Linux differs from itself in more than one of a hundred: the generator makes what it must not`);
  print(`${ran - failed} passed, ${failed} failed, 0 skipped`);
  if (failed > 0 || isDoubtful) process.exitCode = 1;
}

if (process.env[WORKER] === '1') {
  try {
    serve();
  } catch (error) {
    if (!(error instanceof HostUnavailable)) throw error;
    process.stderr.write(`sequences: ${error.message}\n`);
    process.exit(1);
  }
} else await main();
