/**
 * The third driver: the host driver's agents as guests of `sandsock run`, compared with the same agents on the host kernel. Both run at once, as processes of their own, the host's with
 * the capabilities that a guest has. The sandbox has no gateway, so that both see a loopback interface and nothing else.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { PlatformName } from '../runner/platforms.ts';
import type { PlaneName } from '../runner/sentry-types.ts';
import { type Deviation, REASONS } from './deviations.ts';
import { type HostOptions, HostUnavailable } from './host/driver.ts';
import { ListedComparison } from './listed-comparison.ts';
import type { Outcome, Sides } from './runner.ts';

const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
/** Of one of the two; an idle machine of two cores takes about a minute. */
const LIMIT_MS = 560_000;

/** What the program says of its bodies. */
interface Ran {
  readonly name: string;
  readonly group: string;
  readonly linux: readonly string[];
}

/** What a plane is compared with, and by what. */
export interface Sandboxed {
  readonly plane: PlaneName;
  readonly platform: PlatformName | 'auto';
  /** A program that understands `--here` and `select`, with its first words. */
  readonly program: readonly string[];
  /** The words by which it selects bodies, of which there are `count`. */
  readonly select: readonly string[];
  /** Say on stderr how far it is. */
  readonly progress: boolean;
  /** The bodies are made at random: nothing is listed of them, and nothing is run again. */
  readonly random?: true;
}

/** How `program` is told where it runs: a value of `--here`. */
interface Here extends HostOptions {
  readonly progress?: string;
}
const hereOption = ({ capabilities, ...rest }: Here): readonly string[] => [
  '--here',
  JSON.stringify({ ...rest, ...(capabilities === undefined ? {} : { capabilities: capabilities.toString(16) }) }),
];
/** The other end of it: on which side the bodies run, and who says how far they are. */
export function parseHere(json: string): { readonly sides: Sides; readonly progress: string | undefined } {
  const { capabilities, progress, ...rest } = JSON.parse(json) as Omit<Here, 'capabilities'> & {
    readonly capabilities?: string;
  };
  const linux = { ...rest, ...(capabilities === undefined ? {} : { capabilities: BigInt(`0x${capabilities}`) }) };
  return { sides: { linux }, progress };
}
/** What it prints. */
export const ranJson = (outcomes: readonly Outcome[]): string =>
  JSON.stringify(outcomes.map(({ name, group, linux = [] }): Ran => ({ name, group, linux })));

async function outputOf(argv: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], timeout: LIMIT_MS });
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code === null ? `signal ${signal}` : `status ${code}`));
  });
  const [output, end] = await Promise.all([text(child.stdout), ended]);
  if (end !== 'status 0') {
    throw new HostUnavailable(
      `${argv.slice(0, 3).join(' ')} ended with ${end}`,
      'what it said before tells why, and sandsock doctor what this host lacks',
    );
  }
  return output;
}
const inside = (
  { plane, platform }: Pick<Sandboxed, 'plane' | 'platform'>,
  ...argv: readonly string[]
): readonly string[] => [cli, 'run', '--plane', plane, '--platform', platform, '--no-gateway', '--', ...argv];
async function guestCapabilities(what: Sandboxed): Promise<bigint> {
  const status = await outputOf(inside(what, 'cat', '/proc/self/status'));
  return BigInt(`0x${/^CapEff:\s*(\S+)/m.exec(status)?.[1] ?? '0'}`);
}

/** @returns what the host kernel did, and what the sandbox did */
async function runBoth(what: Sandboxed, capabilities: bigint, select: readonly string[]) {
  const { plane, program } = what;
  const served: Here = {
    inPlace: true,
    ...(plane === 'direct' ? { lagging: true } : {}),
    ...(what.progress ? { progress: plane } : {}),
  };
  const [linux, ours] = await Promise.all([
    outputOf([...program, ...hereOption({ capabilities }), ...select]),
    outputOf(inside(what, process.execPath, ...program, ...hereOption(served), ...select)),
  ]);
  const sandboxed = JSON.parse(ours) as Ran[];
  return (JSON.parse(linux) as Ran[]).map((one, i) => ({ ...one, ours: sandboxed[i]?.linux ?? ['it did not run'] }));
}

/** Beyond an accept that waits descriptors have other numbers (`reserved` in deviations.ts). */
function beforeReserved(transcript: readonly string[]): readonly string[] {
  const at = transcript.findIndex((line) => /accept4?\(.*\) blocks$/.test(line));
  return at < 0 ? transcript : transcript.slice(0, at + 1);
}
const OWN_IDS = `uid ${process.getuid?.()} gid ${process.getgid?.()}`;
/** Whoever runs it. */
const withoutIds = (line: string): string => line.replaceAll(OWN_IDS, 'uid own gid own');

/** More than so many that differ are no accident. */
const MOST_AGAIN = 20;

export interface SandboxedOutcomes {
  readonly outcomes: readonly Outcome[];
  /** What differed, and not when it was run again by itself: on a busy machine the host kernel's own transcript may miss a wait. */
  readonly once: readonly Outcome[];
  /** What deviations.ts lists of these bodies, and did not show. */
  readonly unused: readonly Deviation[];
}

/**
 * A sandbox in a plane against the host kernel, but for what is listed.
 * @throws HostUnavailable
 */
export async function runSandboxed(what: Sandboxed): Promise<SandboxedOutcomes> {
  const comparison = new ListedComparison(what.plane, process.getuid?.() === 0);
  const capabilities = await guestCapabilities(what);
  const compared = async (select: readonly string[]): Promise<Outcome[]> =>
    (await runBoth(what, capabilities, select)).map(({ name, group, linux: onHost, ours: inGuest }) => {
      const [linux, ours] = [onHost.map(withoutIds), inGuest.map(withoutIds)];
      const seen = what.random === true ? beforeReserved : (all: readonly string[]) => all;
      const difference = comparison.compare(name, seen(linux), seen(ours));
      const deviations = difference === undefined ? comparison.reasons.map((reason) => REASONS[reason]) : [];
      return { name, group, linux, ours, difference, deviations };
    });
  const first = await compared(what.select);
  const differing = first.filter(({ difference }) => difference !== undefined).map(({ name }) => name);
  const isAgain = what.random !== true && differing.length > 0 && differing.length <= MOST_AGAIN;
  const again = new Map(
    (isAgain ? await compared(['--names', JSON.stringify(differing)]) : []).map((one) => [one.name, one]),
  );
  const outcomes = first.map((one) => again.get(one.name) ?? one);
  return {
    outcomes,
    once: first.filter(({ difference }, i) => difference !== undefined && outcomes[i]?.difference === undefined),
    unused: what.random === true ? [] : comparison.unused(new Set(outcomes.map(({ name }) => name))),
  };
}
