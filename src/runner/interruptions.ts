/**
 * Signals for calls that wait, where a call that we have received waits for its answer like an uninterruptible one (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, seccomp(2)).
 *
 * With such waits no answer is ever taken back or lost: a call that can complete at once completes, whatever signals come, as on Linux. But a signal for a call of ours that waits is
 * told to nobody, so it is looked for in /proc/TID/status while calls wait, soon at first and then less often. A call that is found to have one ends with what it has done, or with
 * ERESTARTSYS, which the kernel itself turns into EINTR or a restart as the handler wants it.
 *
 * ERESTARTSYS may only go to a thread that the kernel has told of the signal: one to which the signal was sent, or the first of its process, which a signal to the process always
 * tells unless it blocks it. A signal to the process that its first thread blocks is seen by another thread when its call ends.
 */
import type { Clock, Duration, Instant } from '../lib/clock.ts';
import { micros, millis } from '../lib/clock.ts';
import { type GuestTask, statusField, statusOf } from './guest-task.ts';

/** A call that waits is looked at after the first; after a signal it is looked at so often, since more may come; later on at most this seldom. */
const FIRST = millis(1);
const OFTEN = micros(300);
const SELDOM = millis(50);
/** What one look may cost of the time, times a hundred. */
const COST = micros(100);

const setOf = (status: string, name: string): bigint => BigInt(`0x${statusField(status, name)}`);

/** True if a signal waits for the end of the thread's call. */
export function isSignalled(tid: number): boolean {
  const status = statusOf(tid);
  const open = ~(setOf(status, 'SigBlk') | setOf(status, 'SigIgn'));
  if ((setOf(status, 'SigPnd') & open) !== 0n) return true;
  const pid = Number(statusField(status, 'Tgid'));
  if (pid === tid) return (setOf(status, 'ShdPnd') & open) !== 0n;
  // A stop of the process is complete only when every thread takes part.
  return statusField(statusOf(pid), 'State') === 'T';
}

export class Interruptions {
  readonly #tasks = new Set<GuestTask>();
  readonly #clock: Clock;
  readonly #alarm;
  readonly #interrupt: (task: GuestTask) => void;
  #period: Duration = FIRST;
  /** When the alarm is due. */
  #next: number = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, interrupt: (task: GuestTask) => void) {
    this.#clock = clock;
    this.#interrupt = interrupt;
    this.#alarm = clock.alarm((now) => this.#look(now));
  }
  /** The call of `task` waits. */
  watch(task: GuestTask): void {
    this.#tasks.add(task);
    const soon = this.#clock.in(FIRST);
    if (this.#next <= soon) return;
    this.#period = FIRST;
    this.#arm(FIRST);
  }
  #arm(after: Duration): void {
    const at = this.#clock.in(after);
    this.#next = at;
    this.#alarm.set(at);
  }
  #look(now: Instant): void {
    let found = false;
    for (const task of this.#tasks) {
      if (task.idle) this.#tasks.delete(task);
      else if (now - task.startedAt >= OFTEN && isSignalled(task.tid)) {
        found = true;
        this.#tasks.delete(task);
        this.#interrupt(task);
      }
    }
    this.#next = Number.POSITIVE_INFINITY;
    if (this.#tasks.size === 0 && !found) return;
    this.#period = found ? OFTEN : (Math.min(this.#period * 2, SELDOM) as Duration);
    this.#arm(Math.max(this.#period, this.#tasks.size * COST) as Duration);
  }
}
