/** Signals for a program that has not started yet, and that gets them when it does: each once, in the order in which they were sent last (SIGSTOP and SIGCONT undo each other). */
const SIGKILL = 9;

export class WaitingSignals {
  readonly #signals = new Set<number>();

  add(signal: number): void {
    this.#signals.delete(signal);
    this.#signals.add(signal);
  }
  /** Takes them out. Nothing is left to send to a program that was killed. */
  take(): readonly number[] {
    const signals = this.#signals.has(SIGKILL) ? [SIGKILL] : [...this.#signals];
    this.#signals.clear();
    return signals;
  }
}
