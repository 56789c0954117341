/** `npm run conformance`: every body on the host kernel and on the emulator, as a table. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import * as fc from 'fast-check';
import type { Driver } from './driver.ts';
import { EmulatorDriver } from './emulator/driver.ts';
import { HostDriver, HostUnavailable } from './host/driver.ts';
import { alone, steps, together } from './random.ts';
import { messageSteps, messages } from './random-messages.ts';
import { differences, summary, tables, verdict } from './report.ts';
import { compare, type Outcome, runBody } from './runner.ts';
import { type Body, bodies } from './suite.ts';

interface Options {
  readonly group?: string;
  readonly body?: string;
  readonly json?: true;
  readonly transcripts?: true;
  readonly hostOnly?: true;
  readonly emulatorOnly?: true;
  readonly inPlace?: true;
  readonly against?: string;
  readonly repeat: string;
  readonly random?: string;
  readonly seed: string;
}

const program = new Command('conformance')
  .description('Runs each conformance body on the host kernel and on the emulator and compares the transcripts.')
  .option('--group <name>', 'only the bodies of this group')
  .option('--body <text>', 'only the bodies whose name contains this')
  .option('--host-only', 'only on the host kernel')
  .option('--emulator-only', 'only on the emulator')
  .option(
    '--in-place',
    'on whatever serves the calls here, in the network that is there; with --host-only, inside a sandbox',
  )
  .option('--against <file>', 'compare with the outcomes that an earlier run wrote with --host-only --json')
  .option('--transcripts', 'print the transcripts')
  .option('--repeat <count>', 'run this often, and fail if a transcript changes from run to run', '1')
  .option('--random <count>', 'sequences of calls made at random instead of the bodies')
  .option('--seed <number>', 'where the random sequences start', '1')
  .option('--json', 'print outcomes as JSON')
  .parse();
const options = program.opts<Options>();

const chosen =
  options.random === undefined
    ? bodies.filter(
        ({ group, name }) =>
          (options.group === undefined || group === options.group) && name.includes(options.body ?? ''),
      )
    : randomBodies(Number(options.random), Number(options.seed));
/** A third of them one task's, a third three tasks', a third messages. */
function randomBodies(count: number, seed: number): Body[] {
  const numRuns = Math.ceil(count / 3);
  return [
    ...fc.sample(steps, { numRuns, seed }).map(alone),
    ...fc.sample(steps, { numRuns, seed: seed + 1 }).map(together),
    ...fc.sample(messageSteps, { numRuns, seed }).map(messages),
  ];
}
const print = (text: string): void => void process.stdout.write(`${text}\n`);

function runAll(): Outcome[] {
  const linux: Driver | undefined =
    options.emulatorOnly === true ? undefined : new HostDriver({ inPlace: options.inPlace === true });
  const ours: Driver | undefined = options.hostOnly === true ? undefined : new EmulatorDriver();
  try {
    return chosen.map((body) => runBody(body, linux, ours));
  } finally {
    linux?.close();
    ours?.close();
  }
}

/** What the host lacks is said in one line. */
function explain(error: unknown): never {
  if (!(error instanceof HostUnavailable)) throw error;
  process.stderr.write(`conformance: ${error.message} (--emulator-only runs without the host)\n`);
  process.exit(1);
}
function runFirst(): Outcome[] {
  try {
    return runAll();
  } catch (error) {
    return explain(error);
  }
}

/** What ran here as ours, what an earlier run wrote as Linux's. */
function against(file: string, here: readonly Outcome[]): Outcome[] {
  const earlier = new Map(
    (JSON.parse(readFileSync(file, 'utf8')) as Outcome[]).map((outcome) => [outcome.name, outcome]),
  );
  return here.map((outcome) => {
    const linux = earlier.get(outcome.name)?.linux;
    const ours = outcome.linux;
    const difference = linux === undefined || ours === undefined ? undefined : compare(linux, ours);
    return { ...outcome, linux, ours, difference };
  });
}

const outcomes = options.against === undefined ? runFirst() : against(options.against, runFirst());
let unstable = 0;
for (let round = 1; round < Number(options.repeat); round++) {
  runAll().forEach((outcome, i) => {
    const first = outcomes[i];
    const changed = compare(first?.linux ?? [], outcome.linux ?? []);
    if (changed === undefined) return;
    unstable++;
    print(`${outcome.name} is not stable, line ${changed.line + 1}\n  ${changed.linux}\n  ${changed.ours}`);
  });
}
if (options.json === true) print(JSON.stringify(outcomes, null, 2));
else {
  if (options.transcripts === true) {
    for (const { name, linux, ours } of outcomes) print(`## ${name}\n${(linux ?? ours ?? []).join('\n')}`);
  } else if (options.random === undefined) print(tables(outcomes));
  print(differences(outcomes));
  print(summary(outcomes));
}
if (unstable > 0 || outcomes.some((outcome) => verdict(outcome) === 'different')) process.exitCode = 1;
