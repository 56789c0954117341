/**
 * `npm run faults`: is the generator known to see? Each deliberate fault is put into the emulator, and sequences run until one gives another transcript than the host kernel; the
 * sequence must be equal without the fault. Fails if a fault is not found.
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
  .parse();
const options = program.opts<{ readonly count: string; readonly seed: string }>();
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

function search(seed: number, most: number): readonly Fault[] {
  const left = new Set(FAULTS);
  for (let at = 0; at < most && left.size > 0; at += SHARE) {
    const share = fc.sample(sequences(LENGTH), { numRuns: Math.min(SHARE, most - at), seed: seed + at });
    for (const [i, steps] of share.entries()) {
      const { linux: right = [], difference } = runBody(bodyOfSequence(steps, WORLD), linux, ours);
      if (difference !== undefined) continue;
      for (const fault of left) {
        const found = shown(fault, steps, right);
        if (found === undefined) continue;
        left.delete(fault);
        print(`found after ${at + i + 1} sequences: ${fault.name}`);
        print(`  ${steps.map(([name]) => name).join(' ')}, line ${found.line + 1}`);
        print(`    linux    ${found.linux}\n    sandsock ${found.ours}`);
      }
    }
  }
  return [...left];
}

const seed = options.seed === '' ? Math.floor(Math.random() * 0x3fff_ffff) : Number(options.seed);
print(`SEED=${seed}`);
try {
  const left = search(seed, Number(options.count));
  for (const { name } of left) print(`not found in ${options.count} sequences: ${name}`);
  print(`${FAULTS.length - left.length} passed, ${left.length} failed, 0 skipped`);
  if (left.length > 0) process.exitCode = 1;
} finally {
  linux.close();
  ours.close();
}
