/** One program of the guest: its start, its end, and signals to it. */
import { constants } from 'node:os';
import { close } from '../host/libc.ffi.ts';
import { pidfdOpen, pidfdSignal } from '../host/process.ffi.ts';
import type { Child } from './child.ts';
import type { RunError } from './errors.ts';
import { WaitingSignals } from './waiting-signals.ts';

const SIGKILL = 9;
const SIGTERM = 15;
/** A status that is not known must not look like success: docker run's for a failure of its own. */
export const UNKNOWN_END = 125;
/** As a shell tells it, and docker run. */
const SIGNALLED = 128;

export class GuestProgram {
  /** Exit status as docker run gives it: the program's own, or 128 + signal. Rejects with a RunError where it could not be started. */
  readonly exited: Promise<number>;
  /** Resolves when it starts, or has ended before it could. */
  readonly started: Promise<void>;
  /** Its process, as seen from outside; 0 before it starts. */
  pid = 0;
  readonly #child: Child;
  #begun: () => void = () => undefined;
  /** Why it was not started. */
  #failure: RunError | undefined = undefined;
  /** -1 before it starts, and when it has ended. */
  #pidfd = -1;
  /** Sent as soon as it starts. */
  readonly #waiting = new WaitingSignals();

  constructor(child: Child) {
    this.#child = child;
    this.started = new Promise((resolve) => (this.#begun = resolve));
    this.exited = child.ended.then(({ code, signal, failure }) => {
      this.#begun();
      if (this.#pidfd >= 0) close(this.#pidfd);
      this.#pidfd = -1;
      const why = this.#failure ?? failure;
      if (why !== undefined) throw why;
      return signal === null ? (code ?? UNKNOWN_END) : SIGNALLED + constants.signals[signal];
    });
    // For who does not wait for it.
    this.exited.catch(() => undefined);
  }
  /** It must not start, and ends. */
  refuse(why: RunError): void {
    this.#failure ??= why;
    this.end();
  }
  /** @internal */
  begin(tid: number): void {
    this.pid = tid;
    this.#pidfd = pidfdOpen(tid);
    for (const signal of this.#waiting.take()) pidfdSignal(this.#pidfd, signal);
    this.#begun();
  }
  /** Sends a signal to it; before it runs, it waits for it. */
  kill(signal: number = SIGTERM): void {
    if (this.#pidfd >= 0) pidfdSignal(this.#pidfd, signal);
    else this.#waiting.add(signal);
  }
  /** Ends it at once, with what stands around it. */
  end(): void {
    this.kill(SIGKILL);
    this.#child.end();
  }
}
