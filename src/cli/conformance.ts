/**
 * `sandsock conformance`: every body on this kernel and on the emulator, or in a sandbox in one plane, as a table or as JSON. Exit status 0 when all are equal (but for what
 * deviations.ts lists of the plane), 1 when one differs, 125 when the bodies could not be run.
 */
import { machine, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { HostUnavailable } from '../conformance/host/driver.ts';
import { differences, recordOf, summary, tables, verdict } from '../conformance/report.ts';
import { type Outcome, runBodies } from '../conformance/runner.ts';
import { parseHere, ranJson, runSandboxed } from '../conformance/sandboxed.ts';
import { select, UnknownGroup } from '../conformance/selection.ts';
import { type Body, bodies } from '../conformance/suite.ts';
import { RunError } from '../runner/errors.ts';
import type { PlatformName } from '../runner/platforms.ts';
import type { PlaneName } from '../runner/sentry-types.ts';

export interface ConformanceOptions {
  readonly group?: string;
  readonly quick?: true;
  readonly json?: true;
  readonly driver: 'emulator' | PlaneName;
  readonly platform: PlatformName | 'auto';
  /** Of the runs that this command starts: the bodies by name, and where they run (`parseHere`). */
  readonly names?: string;
  readonly here?: string;
}

const program = [fileURLToPath(new URL('main.js', import.meta.url)), 'conformance'];
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const tell = (text: string): void => void process.stderr.write(`${text}\n`);

/** Rewrites one line of the terminal; without one it says nothing. */
const CLEAR = '\r\u001b[K';
const STEP = 10;
function progressOf(what: string, count: number): (done: number) => void {
  if (!process.stderr.isTTY) return () => undefined;
  return (done) => {
    if (done % STEP === 0) process.stderr.write(`${CLEAR}${what}: ${done} of ${count} bodies`);
  };
}
const progressDone = (): void => void (process.stderr.isTTY && process.stderr.write(CLEAR));

/** @throws RunError */
function chosen({ group, quick, names }: ConformanceOptions): Body[] {
  try {
    return select(bodies, {
      ...(group === undefined ? {} : { group }),
      ...(quick === undefined ? {} : { quick }),
      ...(names === undefined ? {} : { names: JSON.parse(names) as string[] }),
    });
  } catch (error) {
    if (error instanceof UnknownGroup) throw new RunError('E_CONFIG', error.what, error.remedy, error);
    throw error;
  }
}

async function inPlane(
  plane: PlaneName,
  those: readonly Body[],
  { group, quick, platform }: ConformanceOptions,
): Promise<readonly Outcome[]> {
  // Which bodies are quick takes a run on the emulator: it is done once, here. The names of all would be much for a command line.
  const named = quick === true ? ['--names', JSON.stringify(those.map(({ name }) => name))] : [];
  const selection = [...named, ...(group === undefined ? [] : ['--group', group])];
  const progress = process.stderr.isTTY;
  const { outcomes, once, unused } = await runSandboxed({ plane, platform, program, select: selection, progress });
  progressDone();
  if (once.length > 0) tell(`differed once and not again:\n${differences(once)}`);
  for (const { body, linux } of unused) {
    tell(`listed for this plane, but there was no such difference: ${body}\n  ${linux.join('\n  ')}`);
  }
  if (unused.length > 0) process.exitCode = 1;
  return outcomes;
}

/** @throws RunError */
export async function conformance(options: ConformanceOptions): Promise<void> {
  const those = chosen(options);
  try {
    if (options.here !== undefined) {
      const { sides, progress } = parseHere(options.here);
      print(ranJson(runBodies(those, sides, progressOf(progress ?? '', progress === undefined ? 0 : those.length))));
      return;
    }
    const { driver } = options;
    const both = { linux: {}, ours: true } as const;
    const outcomes =
      driver === 'emulator'
        ? runBodies(those, both, progressOf('this kernel and the emulator', those.length))
        : await inPlane(driver, those, options);
    progressDone();
    show(outcomes, options);
  } catch (error) {
    progressDone();
    if (error instanceof HostUnavailable) throw new RunError('E_CONFORMANCE', error.what, error.remedy, error);
    throw error;
  }
}

function show(outcomes: readonly Outcome[], { json, driver, platform, quick }: ConformanceOptions): void {
  const ours =
    driver === 'emulator'
      ? "sandsock's emulator"
      : `sandsock run, ${driver} plane${platform === 'auto' ? '' : `, platform ${platform}`}`;
  const head = `linux is this host's kernel, ${release()} on ${machine()}; sandsock is ${ours}${quick === true ? '; the quick part of the suite' : ''}`;
  const isDifferent = outcomes.some((outcome) => verdict(outcome) === 'different');
  if (isDifferent) process.exitCode = 1;
  const say = json === true ? tell : print;
  if (json === true) print(JSON.stringify(outcomes.map(recordOf), null, 1));
  else print(tables(outcomes));
  if (isDifferent) say(differences(outcomes));
  say(head);
  say(summary(outcomes));
}
