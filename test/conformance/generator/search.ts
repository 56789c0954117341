/**
 * The search for differences: sequences on the host kernel and on the emulator. A difference counts when the host gives its transcript again, and shrinks to the shortest sequence that still
 * differs; one that was seen before is only counted.
 */
import * as fc from 'fast-check';
import type { Body } from '../../../src/conformance/body.ts';
import type { Driver } from '../../../src/conformance/driver.ts';
import { compare, type Difference, runBody } from '../../../src/conformance/runner.ts';
import { bodyOf, type Script } from '../script.ts';
import { bodyOfSequence, recording, type Step, sequences } from './sequence.ts';
import type { WorldOptions } from './world.ts';

export interface Found {
  readonly steps: readonly Step[];
  readonly script: Script;
  readonly difference: Difference;
  /** The sequences that were run before it was found. */
  readonly after: number;
  readonly signature: string;
}
export interface Searched {
  readonly ran: number;
  /** The host gave another transcript when it ran again, up to the line that differs. */
  readonly unstable: number;
  /** In what. */
  readonly doubts: readonly string[];
  /** Differences of kinds that were found before. */
  readonly again: number;
  readonly found: readonly Found[];
}

/** A difference that the host confirmed, and its kind. */
interface Compared {
  readonly difference: Difference;
  readonly signature: string;
}

/** How often the host must give the same transcript. */
const CONFIRMATIONS = 3;

/** Arguments whose number says what is asked for: flags, requests, commands. */
const TELLING: Readonly<Record<string, readonly number[]>> = {
  socket: [0, 1, 2],
  socketpair: [0, 1, 2],
  sendto: [3],
  recvfrom: [3],
  sendmsg: [2],
  recvmsg: [2],
  sendmmsg: [3],
  recvmmsg: [3],
  accept4: [3],
  shutdown: [1],
  setsockopt: [1, 2],
  getsockopt: [1, 2],
  ioctl: [1],
  fcntl: [1],
  epoll_ctl: [1],
};
/** Larger numbers, and negative ones, are there to be refused. */
const SENSIBLE = 0x1_0000;
/** An argument without what varies: descriptors and lengths are all the same, as are all places of one kind. */
function plainArgument(call: string, word: string, i: number): string {
  const isTelling = TELLING[call]?.includes(i) === true;
  const value = Number(word);
  if (isTelling || word === '0' || !(value > 0 && value < SENSIBLE)) return word;
  return 'n';
}
/** A line without what varies within a kind of difference. */
function plain(line: string): string {
  return line
    .replace(/~\d+(?:\+\d+)?/g, '')
    .replace(
      /^\w+: (\w+)\((.*)\)/,
      (_, call: string, args: string) =>
        `${call}(${args
          .split(', ')
          .map((word, i) => plainArgument(call, word, i))
          .join(', ')})`,
    )
    .replace(/= \d{2,}/, '= n')
    .slice(0, 120);
}
const isCall = (line: string): boolean => /^\w+: \w+\(/.test(line);
/** What kind of difference it is: both lines, and for memory the call that wrote it. */
export function signatureOf({ line, linux, ours }: Difference, transcript: readonly string[] = []): string {
  const call = isCall(linux) ? undefined : transcript.slice(0, line).findLast(isCall);
  return `${call === undefined ? '' : `${plain(call)}: `}${plain(linux)} / ${plain(ours)}`;
}

export interface SearchOptions {
  readonly seed: number;
  readonly count: number;
  readonly length: number;
  readonly world: WorldOptions;
  /** Stop at the first. */
  readonly first?: boolean;
  /** Kinds that are known. */
  readonly known?: Set<string>;
  readonly told?: (transcript: readonly string[]) => void;
}

export class Search {
  readonly #linux: Driver;
  readonly #ours: Driver;
  readonly #options: SearchOptions;
  readonly #known: Set<string>;
  #ran = 0;
  #unstable = 0;
  readonly #doubts: string[] = [];
  #again = 0;

  constructor(linux: Driver, ours: Driver, options: SearchOptions) {
    this.#linux = linux;
    this.#ours = ours;
    this.#options = options;
    this.#known = options.known ?? new Set();
  }

  /**
   * The difference that a body makes, if it makes one and the host agrees with itself.
   * @param wanted a line of ours, made plain, without which the host is not asked
   */
  #compared(body: Body, wanted?: string): Compared | undefined {
    if (wanted !== undefined) {
      const ours = runBody(body, undefined, this.#ours).ours ?? [];
      if (!ours.some((line) => plain(line) === wanted)) return undefined;
    }
    const { difference, linux = [] } = runBody(body, this.#linux, this.#ours);
    this.#options.told?.(linux);
    if (difference === undefined) return undefined;
    for (let i = 1; i < CONFIRMATIONS; i++) {
      const again = runBody(body, this.#linux, undefined).linux ?? [];
      const doubt = compare(linux, again);
      // What comes before the first doubtful line is certain.
      if (doubt === undefined || doubt.line > difference.line) continue;
      if (wanted === undefined) this.#unstable++;
      if (wanted === undefined) this.#doubts.push(signatureOf(doubt, linux));
      return undefined;
    }
    return { difference, signature: signatureOf(difference, linux) };
  }

  run(): Searched {
    const { seed, count, length, world, first } = this.#options;
    const found: Found[] = [];
    const made = sequences(length);
    let at = 0;
    let wanted: string | undefined;
    const property = fc.property(made, (steps) => {
      if (wanted === undefined) this.#ran++;
      const compared = this.#compared(bodyOfSequence(steps, world), wanted);
      if (compared === undefined) return true;
      const { difference, signature } = compared;
      if (this.#known.has(signature)) {
        if (wanted === undefined) this.#again++;
        return true;
      }
      wanted ??= plain(difference.ours);
      return false;
    });
    while (at < count) {
      wanted = undefined;
      const before = this.#ran;
      const result = fc.check(property, {
        seed: seed + at,
        numRuns: Math.min(CHUNK, count - at),
        interruptAfterTimeLimit: LIMIT_MS,
      });
      const [steps] = result.counterexample ?? [];
      if (steps !== undefined) {
        found.push(this.#describe(steps, this.#ran));
        if (first === true) break;
      }
      at += Math.max(1, this.#ran - before);
    }
    return { ran: this.#ran, unstable: this.#unstable, doubts: this.#doubts, again: this.#again, found };
  }
  #describe(steps: readonly Step[], after: number): Found {
    const { body, script } = recording(steps, this.#options.world);
    const { linux, difference = { line: 0, linux: '', ours: '' } } = runBody(body, this.#linux, this.#ours);
    const signature = signatureOf(difference, linux);
    this.#known.add(signature);
    return { steps, ...this.#shortest(script(), { difference, signature }), after, signature };
  }
  /** Without the calls and the memory that it does not take: what a shorter sequence cannot leave out, since one of its steps makes several calls, a shorter script can. */
  #shortest(script: Script, { difference, signature }: Compared): Pick<Found, 'script' | 'difference'> {
    let best = { script, difference };
    for (let before = Infinity; best.script.steps.length < before; ) {
      before = best.script.steps.length;
      for (let at = before - 1; at >= 0; at--) {
        const shorter = { ...script, steps: best.script.steps.toSpliced(at, 1) };
        const left = this.#played(shorter, plain(difference.ours));
        if (left?.signature === signature) best = { script: shorter, difference: left.difference };
      }
    }
    return best;
  }
  /** A script that misses what it needs makes no difference. */
  #played(script: Script, wanted: string): Compared | undefined {
    try {
      return this.#compared(bodyOf(script), wanted);
    } catch {
      return undefined;
    }
  }
}
/** Sequences of one seed; a difference ends them, and the next seed goes on. */
const CHUNK = 250;
/** Of a chunk and of shrinking what it found. */
const LIMIT_MS = 120_000;
