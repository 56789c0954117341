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
/** A difference that the host confirmed and that did not come again: neither the shortest sequence that showed it shows it now, nor the one that was made. */
export interface Lost {
  /** The sequence as it was made. */
  readonly script: Script;
  readonly difference: Difference;
  readonly after: number;
  /** What both said when it was seen. */
  readonly linux: readonly string[];
  readonly ours: readonly string[];
}
export interface Searched {
  readonly ran: number;
  /** The host gave another transcript when it ran again, up to the line that differs. */
  readonly unstable: number;
  /** Seen once, and not when it was to be shown. */
  readonly lost: readonly Lost[];
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
  readonly linux: readonly string[];
  readonly ours: readonly string[];
}
/** The sequence in which a difference was first seen. */
interface First extends Compared {
  readonly steps: readonly Step[];
  readonly after: number;
}
interface Chunk {
  first?: First;
}

/** How often the host must give the same transcript. */
const CONFIRMATIONS = 3;
/** How often a sequence may fail to show what it showed. */
const MOST_TRIES = 5;

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
   * @param wanted a line of ours, or one of its kind, without which the host is not asked
   */
  #compared(body: Body, wanted?: string): Compared | undefined {
    if (wanted !== undefined) {
      const ours = runBody(body, undefined, this.#ours).ours ?? [];
      if (!ours.some((line) => plain(line) === plain(wanted))) return undefined;
    }
    const { difference, linux = [], ours = [] } = runBody(body, this.#linux, this.#ours);
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
    return { difference, signature: signatureOf(difference, linux), linux, ours };
  }

  run(): Searched {
    const { seed, count, length, world, first } = this.#options;
    const found: Found[] = [];
    const lost: Lost[] = [];
    const made = sequences(length);
    let at = 0;
    const propertyOf = (chunk: Chunk) =>
      fc.property(made, (steps) => {
        const isShrinking = chunk.first !== undefined;
        if (!isShrinking) this.#ran++;
        const compared = this.#compared(bodyOfSequence(steps, world), chunk.first?.difference.ours);
        if (compared === undefined) return true;
        if (this.#known.has(compared.signature)) {
          if (!isShrinking) this.#again++;
          return true;
        }
        chunk.first ??= { ...compared, steps, after: this.#ran };
        return false;
      });
    while (at < count) {
      const chunk: Chunk = {};
      const before = this.#ran;
      const result = fc.check(propertyOf(chunk), {
        seed: seed + at,
        numRuns: Math.min(CHUNK, count - at),
        interruptAfterTimeLimit: LIMIT_MS,
      });
      const [steps] = result.counterexample ?? [];
      if (steps !== undefined && chunk.first !== undefined) {
        const shown = this.#describe(steps, chunk.first);
        if ('linux' in shown) lost.push(shown);
        else found.push(shown);
        if (first === true) break;
      }
      at += Math.max(1, this.#ran - before);
    }
    return { ran: this.#ran, unstable: this.#unstable, lost, doubts: this.#doubts, again: this.#again, found };
  }
  /** The shortest script of a difference; of one that does not come again the sequence as it was made, with what was seen. */
  #describe(shortest: readonly Step[], first: First): Found | Lost {
    for (const steps of [shortest, first.steps]) {
      const { body, script } = recording(steps, this.#options.world);
      for (let i = 0; i < MOST_TRIES; i++) {
        const compared = this.#compared(body, first.difference.ours);
        if (compared === undefined) continue;
        const { signature } = compared;
        this.#known.add(signature);
        return { steps, ...this.#shortest(script(), compared), after: first.after, signature };
      }
    }
    const { body, script } = recording(first.steps, this.#options.world);
    runBody(body, undefined, this.#ours);
    const { difference, after, linux, ours } = first;
    return { script: script(), difference, after, linux, ours };
  }
  /** Without the calls and the memory that it does not take: what a shorter sequence cannot leave out, since one of its steps makes several calls, a shorter script can. */
  #shortest(
    script: Script,
    { difference, signature }: Pick<Compared, 'difference' | 'signature'>,
  ): Pick<Found, 'script' | 'difference'> {
    let best = { script, difference };
    for (let before = Infinity; best.script.steps.length < before; ) {
      before = best.script.steps.length;
      for (let at = before - 1; at >= 0; at--) {
        const shorter = { ...script, steps: best.script.steps.toSpliced(at, 1) };
        const left = this.#played(shorter, difference.ours);
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
