/**
 * Who of a run ended before its time, and what whoever started it is told. A guest that a signal ended is told by its status alone, as docker run does; of its walls and of the gateway
 * nobody else would know. When the supervisor itself is killed, a gateway process says so (src/gateway/process.ts); without one nobody is left to.
 */
import { constants } from 'node:os';
import type { GatewayExit } from '../gateway/spawn.ts';
import { UNKNOWN_END } from './guest-program.ts';

export interface Death {
  /** The guest's program; the sandbox around it (the head of the launch chain, or the first process of the guest's PID namespace); the gateway. */
  readonly who: 'guest' | 'sandbox' | 'gateway';
  /** A signal's name, `status N`, or `status unknown`. */
  readonly how: string;
  /** Since the sandbox was started. */
  readonly afterMs: number;
}

/** As a shell tells it, and docker run. */
const SIGNALLED = 128;
const NUMBERS: ReadonlySet<number> = new Set(Object.values(constants.signals));

const byWhom = (signal: string | null): string =>
  signal === 'SIGKILL' ? ' Unless somebody did that, memory ran out: see dmesg.' : '';

export class Deaths {
  readonly list: Death[] = [];
  readonly #started: number;
  readonly #warn: (text: string) => void;

  constructor(started: number, warn: (text: string) => void) {
    this.#started = started;
    this.#warn = warn;
  }
  #note(who: Death['who'], how: string): void {
    this.list.push({ who, how, afterMs: Math.round(performance.now() - this.#started) });
  }

  /**
   * The status of the run: how the head of the launch chain ended, which is the guest's program itself where there is no PID namespace.
   * @param wallsFell the guest's walls were ended before it was
   */
  guest(code: number | null, signal: NodeJS.Signals | null, wallsFell: boolean): number {
    if (wallsFell) return this.#walls(signal ?? 'SIGKILL');
    if (signal !== null) {
      this.#note('guest', signal);
      return SIGNALLED + constants.signals[signal];
    }
    if (code === null) {
      this.unknown();
      return UNKNOWN_END;
    }
    // The keeper's status, which is the same for a guest that was killed and for one that ended so by itself.
    if (NUMBERS.has(code - SIGNALLED)) this.#note('guest', `status ${code}`);
    return code;
  }
  /** A program of the guest has ended, and somebody else in this process has waited for it. */
  unknown(): void {
    this.#note('guest', 'status unknown');
    const why = 'something else in this process waited for it, as waitpid(-1) does';
    this.#warn(`how a program of the guest ended is not known (${why}): its status is given as ${UNKNOWN_END}`);
  }
  #walls(signal: NodeJS.Signals): number {
    this.#note('sandbox', signal);
    const what = `the sandbox of the guest was ended by ${signal} from outside, and the guest's processes with it`;
    this.#warn(`${what}.${byWhom(signal)}`);
    return SIGNALLED + constants.signals[signal];
  }
  /** @param late when the guest had ended, and what it sent last may not have arrived */
  gateway(pid: number, { code, signal }: GatewayExit, late: boolean): void {
    this.#note('gateway', signal ?? `status ${code}`);
    const how = signal === null ? `ended with status ${code}` : `was killed by ${signal}`;
    const lost = late
      ? 'before it had passed on all that the guest sent'
      : 'so connections through it are reset, and the guest has only its loopback now; a new run has a new gateway';
    this.#warn(`the gateway (process ${pid}) ${how}, ${lost}.${byWhom(signal)}`);
  }
}
