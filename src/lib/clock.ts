/**
 * Time, injected everywhere: the same code runs on the host's clock and in virtual time.
 * `TimerHeap` is the one implementation. A driver on real time calls `step(now)` once per turn of its loop;
 * a test calls `advance(by)`, which visits every alarm at exactly its own instant.
 */
import type { Brand } from './brand.ts';

/** Monotonic time since an arbitrary origin, in microseconds. */
export type Instant = Brand<number, 'Instant'>;
/** Length of time, in microseconds. */
export type Duration = Brand<number, 'Duration'>;

export const instant = (us: number): Instant => us as Instant;
export const micros = (n: number): Duration => n as Duration;
export const millis = (n: number): Duration => (n * 1e3) as Duration;
export const seconds = (n: number): Duration => (n * 1e6) as Duration;
export const after = (t: Instant, d: Duration): Instant => (t + d) as Instant;
export const since = (later: Instant, earlier: Instant): Duration => (later - earlier) as Duration;

export interface Alarm {
  /** (Re)arms the alarm for an absolute time; an armed alarm is moved, never doubled. */
  set(at: Instant): void;
  /** True if this call stopped it, false if it was not armed. */
  cancel(): boolean;
  readonly armed: boolean;
  /** When it is due; meaningless unless `armed`. */
  readonly at: Instant;
}

export interface Clock {
  /** The time of the current turn: constant while one `step` runs. */
  now(): Instant;
  in(delay: Duration): Instant;
  /** The callback is fixed for life, so arming a timer allocates nothing. */
  alarm(fire: (now: Instant) => void): Alarm;
}

const NOT_ARMED = -1;

class HeapAlarm implements Alarm {
  at = 0 as Instant;
  /** Position in the heap, or NOT_ARMED. */
  slot = NOT_ARMED;
  order = 0;
  readonly fire: (now: Instant) => void;
  readonly #heap: TimerHeap;

  constructor(heap: TimerHeap, fire: (now: Instant) => void) {
    this.#heap = heap;
    this.fire = fire;
  }
  get armed(): boolean {
    return this.slot !== NOT_ARMED;
  }
  set(at: Instant): void {
    this.#heap.arm(this, at);
  }
  cancel(): boolean {
    return this.#heap.disarm(this);
  }
}

const earlier = (a: HeapAlarm, b: HeapAlarm): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** A binary heap of alarms. Alarms due at the same instant fire in the order in which they were armed. */
export class TimerHeap implements Clock {
  #now: Instant;
  #order = 0;
  readonly #heap: HeapAlarm[] = [];

  constructor(origin: Instant = 0 as Instant) {
    this.#now = origin;
  }

  now(): Instant {
    return this.#now;
  }
  in(delay: Duration): Instant {
    return after(this.#now, delay);
  }
  alarm(fire: (now: Instant) => void): Alarm {
    return new HeapAlarm(this, fire);
  }
  /** When the next alarm is due; undefined when nothing is armed. */
  next(): Instant | undefined {
    return this.#heap[0]?.at;
  }

  /**
   * Real time: sets the clock and fires nothing, for a loop that takes in what has arrived before it lets time-outs
   * judge: after a pause of the process an answer may stand beside the alarm that waited for it.
   */
  moveTo(now: Instant): void {
    if (now > this.#now) this.#now = now;
  }
  /** Real time: sets the clock, then fires all that is due by then. An alarm that re-arms itself for now waits for the next step. */
  step(now: Instant): void {
    this.moveTo(now);
    const armedBefore = this.#order;
    for (let due = this.#heap[0]; due !== undefined && due.at <= this.#now; due = this.#heap[0]) {
      if (due.order >= armedBefore) return;
      this.disarm(due);
      due.fire(this.#now);
    }
  }

  /** Virtual time: moves the clock from alarm to alarm until `by` has passed. */
  advance(by: Duration): void {
    const end = after(this.#now, by);
    for (let due = this.#heap[0]; due !== undefined && due.at <= end; due = this.#heap[0]) {
      if (due.at > this.#now) this.#now = due.at;
      this.disarm(due);
      due.fire(this.#now);
    }
    this.#now = end;
  }

  /** @internal */
  arm(alarm: HeapAlarm, at: Instant): void {
    if (alarm.slot !== NOT_ARMED) this.disarm(alarm);
    alarm.at = at;
    alarm.order = this.#order++;
    alarm.slot = this.#heap.length;
    this.#heap.push(alarm);
    this.#up(alarm);
  }

  /** @internal */
  disarm(alarm: HeapAlarm): boolean {
    if (alarm.slot === NOT_ARMED) return false;
    const last = this.#heap.pop() as HeapAlarm;
    if (last !== alarm) {
      this.#place(last, alarm.slot);
      this.#up(last);
      this.#down(last);
    }
    alarm.slot = NOT_ARMED;
    return true;
  }

  #place(alarm: HeapAlarm, slot: number): void {
    this.#heap[slot] = alarm;
    alarm.slot = slot;
  }
  #up(alarm: HeapAlarm): void {
    while (alarm.slot > 0) {
      const parentSlot = (alarm.slot - 1) >> 1;
      const parent = this.#heap[parentSlot] as HeapAlarm;
      if (!earlier(alarm, parent)) return;
      this.#place(parent, alarm.slot);
      this.#place(alarm, parentSlot);
    }
  }
  #down(alarm: HeapAlarm): void {
    for (;;) {
      const left = alarm.slot * 2 + 1;
      let least = this.#heap[left];
      const right = this.#heap[left + 1];
      if (least === undefined) return;
      if (right !== undefined && earlier(right, least)) least = right;
      if (!earlier(least, alarm)) return;
      const slot = alarm.slot;
      this.#place(alarm, least.slot);
      this.#place(least, slot);
    }
  }
}
