/** `npm run conformance`: what `sandsock conformance` does, and what one who writes bodies wants to see besides. */
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import * as fc from 'fast-check';
import { HostUnavailable } from '../../src/conformance/host/driver.ts';
import { differences, summary, tables, verdict } from '../../src/conformance/report.ts';
import { compare, type Outcome, runBodies, type Sides } from '../../src/conformance/runner.ts';
import { parseHere, ranJson, runSandboxed } from '../../src/conformance/sandboxed.ts';
import { select, UnknownGroup } from '../../src/conformance/selection.ts';
import { type Body, bodies } from '../../src/conformance/suite.ts';
import type { PlaneName } from '../../src/runner/sentry-types.ts';
import { inetFamily } from './random.ts';
import { messageSteps, messages } from './random-messages.ts';
import { alone, stepsOf, together } from './random-sequences.ts';
import { unixFamily } from './random-unix.ts';

interface Options {
  readonly group?: string;
  readonly body?: string;
  readonly json?: true;
  readonly transcripts?: true;
  readonly hostOnly?: true;
  readonly emulatorOnly?: true;
  readonly driver: 'emulator' | PlaneName;
  readonly names?: string;
  readonly here?: string;
  readonly repeat: string;
  readonly random?: string;
  readonly seed: string;
}

const program = new Command('conformance')
  .description('Runs each conformance body on the host kernel and on the emulator and compares the transcripts.')
  .addOption(
    new Option('--driver <name>', 'what is compared with the host kernel: the emulator, or `sandsock run` in one plane')
      .choices(['emulator', 'strict', 'direct'])
      .default('emulator'),
  )
  .option('--group <name>', 'only the bodies of this group')
  .option('--body <text>', 'only the bodies whose name contains this')
  .option('--host-only', 'only on the host kernel')
  .option('--emulator-only', 'only on the emulator')
  .option('--transcripts', 'print the transcripts')
  .option('--repeat <count>', 'run this often, and fail if a transcript changes from run to run', '1')
  .option('--random <count>', 'sequences of calls made at random instead of the bodies')
  .option('--seed <number>', 'where the random sequences start', '1')
  .option('--json', 'print outcomes as JSON')
  .addOption(new Option('--names <json>').hideHelp())
  .addOption(new Option('--here <json>').hideHelp())
  .parse();
const options = program.opts<Options>();

const tell = (text: string): void => void process.stderr.write(`${text}\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const fail = (message: string): never => {
  tell(`conformance: ${message}`);
  process.exit(1);
};

const here = options.here === undefined ? undefined : parseHere(options.here);
const isInSandbox = options.driver !== 'emulator' || here !== undefined;

/** Of each sort as many: one task's and three tasks' calls, on sockets of the internet and, where they are ours, of AF_UNIX; and messages. */
function randomBodies(count: number, seed: number): Body[] {
  const inet = stepsOf(inetFamily.operations);
  const unix = stepsOf(unixFamily.operations);
  const numRuns = Math.ceil(count / (isInSandbox ? 3 : 5));
  const overUnix = [
    ...fc.sample(unix, { numRuns, seed }).map(alone(unixFamily)),
    ...fc.sample(unix, { numRuns, seed: seed + 1 }).map(together(unixFamily)),
  ];
  return [
    ...fc.sample(inet, { numRuns, seed }).map(alone(inetFamily)),
    ...fc.sample(inet, { numRuns, seed: seed + 1 }).map(together(inetFamily)),
    ...(isInSandbox ? [] : overUnix),
    ...fc.sample(messageSteps, { numRuns, seed }).map(messages),
  ].filter(({ name }) => name.includes(options.body ?? ''));
}
function choose(): Body[] {
  const { group, body, names, random, seed } = options;
  if (random !== undefined) return randomBodies(Number(random), Number(seed));
  try {
    return select(bodies, {
      ...(group === undefined ? {} : { group }),
      ...(body === undefined ? {} : { body }),
      ...(names === undefined ? {} : { names: JSON.parse(names) as string[] }),
    });
  } catch (error) {
    if (error instanceof UnknownGroup) return fail(error.message);
    throw error;
  }
}
const chosen = choose();
const sides: Sides = {
  ...(options.emulatorOnly === true ? {} : { linux: {} }),
  ...(options.hostOnly === true ? {} : { ours: true }),
};

const STEP = 50;
const toldAs = (what: string | undefined) => (i: number) => {
  if (what !== undefined && i > 0 && i % STEP === 0) tell(`${what}: ${i} of ${chosen.length} bodies`);
};
/** A sandbox in `plane` against the host kernel, but for what is listed. */
async function inSandbox(plane: PlaneName): Promise<readonly Outcome[]> {
  const selecting = ['group', 'body', 'random', 'seed'] as const;
  const { outcomes, once, unused } = await runSandboxed({
    platform: 'auto',
    plane,
    program: [fileURLToPath(import.meta.url)],
    select: selecting.flatMap((name) => (options[name] === undefined ? [] : [`--${name}`, options[name]])),
    progress: true,
    ...(options.random === undefined ? {} : { random: true }),
  });
  if (once.length > 0) tell(`differed once and not again:\n${differences(once)}`);
  for (const { body, linux } of unused) {
    tell(
      `listed in deviations.ts, but there was no such difference: ${body}\n  linux    ${linux.join('\n           ')}`,
    );
    process.exitCode = 1;
  }
  return outcomes;
}
async function runFirst(): Promise<readonly Outcome[]> {
  try {
    return options.driver === 'emulator' ? runBodies(chosen, sides) : await inSandbox(options.driver);
  } catch (error) {
    if (error instanceof HostUnavailable) return fail(`${error.message} (--emulator-only runs without the host)`);
    throw error;
  }
}
/** @returns how many transcripts of the host changed from run to run */
function repeated(outcomes: readonly Outcome[]): number {
  let unstable = 0;
  for (let round = 1; round < Number(options.repeat); round++) {
    runBodies(chosen, sides).forEach((outcome, i) => {
      const first = outcomes[i];
      const changed = compare(first?.linux ?? [], outcome.linux ?? []);
      if (changed === undefined) return;
      unstable++;
      print(`${outcome.name} is not stable, line ${changed.line + 1}\n  ${changed.linux}\n  ${changed.ours}`);
    });
  }
  return unstable;
}

if (here === undefined) {
  const outcomes = await runFirst();
  const unstable = repeated(outcomes);
  if (options.json === true) print(JSON.stringify(outcomes, null, 2));
  else {
    if (options.transcripts === true) {
      for (const { name, linux, ours } of outcomes) print(`## ${name}\n${(linux ?? ours ?? []).join('\n')}`);
    } else if (options.random === undefined) print(tables(outcomes));
    print(differences(outcomes));
    print(summary(outcomes));
  }
  if (unstable > 0 || outcomes.some((outcome) => verdict(outcome) === 'different')) process.exitCode = 1;
} else {
  print(ranJson(runBodies(chosen, here.sides, toldAs(here.progress))));
}
