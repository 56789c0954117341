/** `npm run conformance`: every body on the host kernel and on the emulator or in a sandbox, as a table. */
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import * as fc from 'fast-check';
import { ListedComparison } from '../../src/conformance/deviations.ts';
import type { Driver } from '../../src/conformance/driver.ts';
import { EmulatorDriver } from '../../src/conformance/emulator/driver.ts';
import { HostDriver, HostUnavailable } from '../../src/conformance/host/driver.ts';
import { differences, summary, tables, verdict } from '../../src/conformance/report.ts';
import { compare, type Outcome, runBody } from '../../src/conformance/runner.ts';
import { runSandboxed } from '../../src/conformance/sandboxed.ts';
import { type Body, bodies } from '../../src/conformance/suite.ts';
import type { PlaneName } from '../../src/runner/sentry.ts';
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
  readonly inPlace?: true;
  readonly driver: 'emulator' | PlaneName;
  readonly lagging?: true;
  readonly capabilities?: string;
  readonly progress?: string;
  readonly names?: string;
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
  .option(
    '--in-place',
    'on whatever serves the calls here, in the network that is there; with --host-only, inside a sandbox',
  )
  .option('--lagging', 'with --in-place: what a call changes may show after it has returned, so wait for it')
  .option('--capabilities <mask>', 'with --host-only: what the bodies may do, in hexadecimal; all unless said')
  .option('--names <json>', 'only the bodies with these names, an array')
  .option('--progress <name>', 'count the bodies on stderr')
  .option('--transcripts', 'print the transcripts')
  .option('--repeat <count>', 'run this often, and fail if a transcript changes from run to run', '1')
  .option('--random <count>', 'sequences of calls made at random instead of the bodies')
  .option('--seed <number>', 'where the random sequences start', '1')
  .option('--json', 'print outcomes as JSON')
  .parse();
const options = program.opts<Options>();

const isInSandbox = options.driver !== 'emulator' || options.inPlace === true || options.capabilities !== undefined;
const named = options.names === undefined ? undefined : (JSON.parse(options.names) as string[]);
const chosen =
  options.random === undefined
    ? bodies.filter(
        ({ group, name }) =>
          (options.group === undefined || group === options.group) &&
          name.includes(options.body ?? '') &&
          (named === undefined || named.includes(name)),
      )
    : randomBodies(Number(options.random), Number(options.seed));
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
const tell = (text: string): void => void process.stderr.write(`${text}\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

function runAll(): Outcome[] {
  const { capabilities, inPlace, lagging } = options;
  const linux: Driver | undefined =
    options.emulatorOnly === true
      ? undefined
      : new HostDriver({
          inPlace: inPlace === true,
          lagging: lagging === true,
          ...(capabilities === undefined ? {} : { capabilities: BigInt(`0x${capabilities}`) }),
        });
  const ours: Driver | undefined = options.hostOnly === true ? undefined : new EmulatorDriver();
  try {
    return chosen.map((body, i) => {
      told(i);
      return runBody(body, linux, ours, inPlace === true);
    });
  } finally {
    linux?.close();
    ours?.close();
  }
}
const STEP = 50;
function told(i: number): void {
  if (options.progress === undefined || i === 0 || i % STEP !== 0) return;
  tell(`${options.progress}: ${i} of ${chosen.length} bodies`);
}
/** More than so many that differ are no accident. */
const MOST_AGAIN = 20;

/** What the host lacks is said in one line. */
function explain(error: unknown): never {
  if (!(error instanceof HostUnavailable)) throw error;
  process.stderr.write(`conformance: ${error.message} (--emulator-only runs without the host)\n`);
  process.exit(1);
}

/** Beyond an accept that waits descriptors have other numbers (`reserved` in deviations.ts). */
function beforeReserved(transcript: readonly string[]): readonly string[] {
  const at = transcript.findIndex((line) => /accept4?\(.*\) blocks$/.test(line));
  return at < 0 ? transcript : transcript.slice(0, at + 1);
}
const OWN_IDS = `uid ${process.getuid?.()} gid ${process.getgid?.()}`;
/** Whoever runs it. */
const withoutIds = (line: string): string => line.replaceAll(OWN_IDS, 'uid own gid own');
/** A sandbox in `plane` against the host kernel, but for what is listed. */
async function inSandbox(plane: PlaneName): Promise<Outcome[]> {
  const selecting = ['group', 'body', 'random', 'seed'] as const;
  const selection = selecting.flatMap((name) => (options[name] === undefined ? [] : [`--${name}`, options[name]]));
  const comparison = new ListedComparison(plane, process.getuid?.() === 0);
  const compared = async (of: readonly string[]): Promise<Outcome[]> =>
    (await runSandboxed(plane, fileURLToPath(import.meta.url), of)).map(
      ([{ linux: onHost = [], ...outcome }, { linux: inside = [] }]) => {
        const [linux, ours] = [onHost.map(withoutIds), inside.map(withoutIds)];
        const difference =
          options.random === undefined
            ? comparison.compare(outcome.name, linux, ours)
            : comparison.compare(outcome.name, beforeReserved(linux), beforeReserved(ours));
        return { ...outcome, linux, ours, difference };
      },
    );
  const outcomes = await compared(selection);
  const differing = outcomes.filter(({ difference }) => difference !== undefined).map(({ name }) => name);
  if (differing.length > 0 && differing.length <= MOST_AGAIN && options.random === undefined) {
    const again = new Map((await compared(['--names', JSON.stringify(differing)])).map((one) => [one.name, one]));
    const once = outcomes.filter(({ name }) => again.get(name)?.difference === undefined && differing.includes(name));
    if (once.length > 0) tell(`differed once and not again:\n${differences(once)}`);
    outcomes.forEach(({ name }, i) => {
      outcomes[i] = again.get(name) ?? (outcomes[i] as Outcome);
    });
  }
  for (const { body, linux } of comparison.unused(new Set(outcomes.map(({ name }) => name)))) {
    tell(
      `listed in deviations.ts, but there was no such difference: ${body}\n  linux    ${linux.join('\n           ')}`,
    );
    process.exitCode = 1;
  }
  return outcomes;
}
async function runFirst(): Promise<Outcome[]> {
  try {
    return options.driver === 'emulator' ? runAll() : await inSandbox(options.driver);
  } catch (error) {
    return explain(error);
  }
}

const outcomes = await runFirst();
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
