/**
 * Signals for calls that wait, where a call that we have received waits for its answer like an uninterruptible one (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, seccomp(2)).
 *
 * With such waits no answer is ever taken back or lost: a call that can complete at once completes, whatever signals come, as on Linux. But a signal for a call of ours that waits is
 * told to nobody, so it is looked for in /proc/TID/status while calls wait, soon at first and then less often. A call that is found to have one ends with what it has done, or with
 * ERESTARTSYS, which the kernel itself turns into EINTR or a restart as the handler wants it.
 *
 * To which thread ERESTARTSYS may go, and what a call ends with that perhaps has a signal, says pending-signals.ts.
 */
import { monotonic } from '../host/clock.ts';
import type { Clock, Duration, Instant } from '../lib/clock.ts';
import { micros, millis } from '../lib/clock.ts';
import type { GuestTask } from './guest-task.ts';
import { PendingSignals } from './pending-signals.ts';

/** A call that waits is looked at after the first; after a signal it is looked at so often, since more may come; later on at most this seldom. */
const FIRST = millis(1);
const OFTEN = micros(300);
const SELDOM = millis(50);
/** While it is in doubt whose a signal is. */
const DOUBTFUL = millis(5);
/** Between looks passes so many times what the last one took: each reads a file of /proc for every call that waits. */
const REST = 10;

export class Interruptions {
  readonly #tasks = new Set<GuestTask>();
  readonly #clock: Clock;
  readonly #alarm;
  readonly #signals: PendingSignals;
  /** `result`: ERESTARTSYS, or EINTR where the signal may be another thread's. */
  readonly #interrupt: (task: GuestTask, result: number) => void;
  #period: Duration = FIRST;
  /** When the alarm is due. */
  #next: number = Number.POSITIVE_INFINITY;
  /** What the last look took allows none earlier. */
  #notBefore: number = 0;

  constructor(clock: Clock, interrupt: (task: GuestTask, result: number) => void) {
    this.#clock = clock;
    this.#signals = new PendingSignals(clock);
    this.#interrupt = interrupt;
    this.#alarm = clock.alarm(() => this.#look());
  }
  /** The call of `task` waits. */
  watch(task: GuestTask): void {
    this.#tasks.add(task);
    const soon = Math.max(this.#clock.in(FIRST), this.#notBefore);
    if (this.#next <= soon) return;
    this.#period = FIRST;
    this.#arm(FIRST);
  }
  #arm(after: Duration): void {
    const at = Math.max(this.#clock.in(after), this.#notBefore) as Instant;
    this.#next = at;
    this.#alarm.set(at);
  }
  #look(): void {
    const now = this.#clock.now();
    // The clock stands still within a turn.
    const began = monotonic();
    let found = false;
    let doubtful = false;
    for (const task of this.#tasks) {
      if (task.idle) this.#tasks.delete(task);
      else if (now - task.startedAt >= OFTEN) {
        const verdict = this.#signals.judge(task, this.#tasks);
        if (verdict === 'doubtful') doubtful = true;
        if (typeof verdict !== 'number') continue;
        found = true;
        this.#tasks.delete(task);
        this.#interrupt(task, verdict);
      }
    }
    this.#notBefore = now + (monotonic() - began) * (REST + 1);
    this.#next = Number.POSITIVE_INFINITY;
    if (this.#tasks.size === 0 && !found) return;
    const period = Math.min(this.#period * 2, doubtful ? DOUBTFUL : SELDOM) as Duration;
    this.#period = found ? OFTEN : period;
    this.#arm(this.#period);
  }
}
