/**
 * `npm run faults`: is the generator known to see? Each deliberate fault is put into the emulator, and sequences run until one gives another transcript than the host kernel; the
 * sequence must be equal without the fault. Fails if a fault is not found.
 *
 * With `--seeds N` it does so N times over, from one seed after the other, and says how many sequences each fault takes: what the limit must be far above.
 */
import { Command } from 'commander';
import * as fc from 'fast-check';
import { EmulatorDriver } from '../../../src/conformance/emulator/driver.ts';
import { HostDriver } from '../../../src/conformance/host/driver.ts';
import { compare, type Difference, runBody } from '../../../src/conformance/runner.ts';
import { FAULTS, type Fault } from './faults.ts';
import { bodyOfSequence, type Step, sequences } from './sequence.ts';

const LENGTH = 12;
const SHARE = 250;
const WORLD = { own: 0, unix: true };
const program = new Command('faults')
  .option('--count <number>', 'sequences that a fault may take', '3000')
  .option('--seed <number>', 'where they start; a fresh one unless said', process.env['SEED'] ?? '')
  .option('--seeds <number>', 'so many seeds in turn', '1')
  .parse();
const options = program.opts<{ readonly count: string; readonly seed: string; readonly seeds: string }>();
const print = (text: string): void => void process.stdout.write(`${text}\n`);

const linux = new HostDriver();
const ours = new EmulatorDriver();

/** What the emulator says with the fault in it. */
function withFault(fault: Fault, steps: readonly Step[]): readonly string[] {
  const undo = fault.apply();
  try {
    return runBody(bodyOfSequence(steps, WORLD), undefined, ours).ours ?? [];
  } finally {
    undo();
  }
}
/** How a sequence shows a fault, if it does: it must be equal without it. */
function shown(fault: Fault, steps: readonly Step[], right: readonly string[]): Difference | undefined {
  const wrong = withFault(fault, steps);
  return wrong.some((line) => line.startsWith('fault')) ? undefined : compare(right, wrong);
}

/** The sequences that each fault takes; one that is not found has none. */
function search(seed: number, most: number, told: (text: string) => void): ReadonlyMap<Fault, number> {
  const left = new Set(FAULTS);
  const taken = new Map<Fault, number>();
  for (let at = 0; at < most && left.size > 0; at += SHARE) {
    const share = fc.sample(sequences(LENGTH), { numRuns: Math.min(SHARE, most - at), seed: seed + at });
    for (const [i, steps] of share.entries()) {
      const { linux: right = [], difference } = runBody(bodyOfSequence(steps, WORLD), linux, ours);
      if (difference !== undefined) continue;
      for (const fault of left) {
        const found = shown(fault, steps, right);
        if (found === undefined) continue;
        left.delete(fault);
        taken.set(fault, at + i + 1);
        told(`found after ${at + i + 1} sequences: ${fault.name}`);
        told(`  ${steps.map(([name]) => name).join(' ')}, line ${found.line + 1}`);
        told(`    linux    ${found.linux}\n    sandsock ${found.ours}`);
      }
    }
  }
  return taken;
}
/** What the seeds say of each fault. */
function summary(seed: number, seeds: number, count: number): number {
  const all: ReadonlyMap<Fault, number>[] = [];
  for (let i = 0; i < seeds; i++) {
    const taken = search(seed + i * SEED_STEP, count, () => undefined);
    all.push(taken);
    print(
      `seed ${seed + i * SEED_STEP}: the greatest ${taken.size < FAULTS.length ? Infinity : Math.max(...taken.values())}`,
    );
  }
  let missed = 0;
  for (const fault of FAULTS) {
    const sorted = all.map((taken) => taken.get(fault) ?? Infinity).toSorted((a, b) => a - b);
    print(`median ${sorted[seeds >> 1]}, greatest ${sorted.at(-1)}: ${fault.name}`);
    if (sorted.at(-1) === Infinity) missed++;
  }
  return missed;
}
/** No two of the seeds share sequences. */
const SEED_STEP = 100_000;

function once(seed: number, count: number): number {
  const taken = search(seed, count, print);
  const left = FAULTS.filter((fault) => !taken.has(fault));
  for (const { name } of left) print(`not found in ${count} sequences: ${name}`);
  return left.length;
}

const seed = options.seed === '' ? Math.floor(Math.random() * 0x3fff_ffff) : Number(options.seed);
print(`SEED=${seed}`);
const [count, seeds] = [Number(options.count), Number(options.seeds)];
try {
  const missed = seeds > 1 ? summary(seed, seeds, count) : once(seed, count);
  print(`${FAULTS.length - missed} passed, ${missed} failed, 0 skipped`);
  if (missed > 0) process.exitCode = 1;
} finally {
  linux.close();
  ours.close();
}
