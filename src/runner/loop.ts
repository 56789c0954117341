/**
 * The driver on the caller's thread: one epoll descriptor for everything of ours, watched by Node's own loop, so that timers and promises of the application stay alive. A turn
 * drains what is ready, up to a budget, then arms the timer for the next deadline.
 *
 * A process that does nothing else waits in the turn for what comes next, a millisecond at most: a way through Node's loop for each event costs more than serving it
 * (docs/decisions/0013).
 */
import { monotonic } from '../host/clock.ts';
import { EPOLLIN, Epoll, TimerFd } from '../host/epoll.ffi.ts';
import { NodePoll } from '../host/node-poll.ffi.ts';
import type { Instant } from '../lib/clock.ts';

/** What the loop drives. */
export interface Stepped {
  /** Called at the start of a round, before its events. */
  begin(now: Instant): void;
  /** Called at the end of a round; true when there is more to do at once. */
  end(): boolean;
  /** When to run again at the latest. */
  nextDeadline(): Instant | undefined;
  /** Something threw in a turn: the loop has stopped for good. */
  failed(error: unknown): void;
}

/** Rounds before Node's loop has its turn, where a turn does not wait. */
const BUDGET = 64;
/** Where it waits: how long for the next event, in milliseconds, and how long a turn may last, in microseconds. */
const WAIT_MS = 1;
const WAIT_US = WAIT_MS * 1000;
const TURN_US = 4000;

export class Loop {
  readonly #epoll = new Epoll(64);
  readonly #timer = new TimerFd();
  readonly #poll: NodePoll;
  readonly #handlers: (((events: number) => void) | undefined)[] = [];
  /** Raised when a key is given back: events of its former descriptor may still stand in the batch. */
  readonly #generations: number[] = [];
  readonly #freeKeys: number[] = [];
  readonly #keys = new Map<number, number>();
  readonly #stepped: Stepped;
  readonly #waits: boolean;
  #inTurn = false;
  /** The budget ended a turn before the work did. */
  #unfinished = false;
  #closed = false;
  #failed = false;
  #armed: Instant | undefined = undefined;
  /** Of the turns so far: how many, the longest, and how late the latest came after the moment that it was due; in microseconds. */
  turns = 0;
  longestUs = 0;
  latestUs = 0;

  /** @param waits a turn may hold Node's loop up for some milliseconds while the guest is busy. */
  constructor(stepped: Stepped, waits: boolean) {
    this.#stepped = stepped;
    this.#waits = waits;
    this.add(this.#timer.fd, EPOLLIN, () => this.#timer.drain());
    this.#poll = new NodePoll(this.#epoll.fd, () => this.#ready());
  }
  add(fd: number, events: number, handler: (events: number) => void): void {
    const key = this.#freeKeys.pop() ?? this.#handlers.length;
    const generation = (this.#generations[key] ??= 0);
    this.#epoll.add(fd, events, key, generation);
    this.#keys.set(fd, key);
    this.#handlers[key] = handler;
  }
  modify(fd: number, events: number): void {
    const key = this.#keys.get(fd);
    if (key !== undefined) this.#epoll.modify(fd, events, key, this.#generations[key]);
  }
  remove(fd: number): void {
    const key = this.#keys.get(fd);
    if (key === undefined) return;
    this.#keys.delete(fd);
    this.#epoll.remove(fd);
    this.#handlers[key] = undefined;
    this.#generations[key] = ((this.#generations[key] as number) + 1) >>> 0;
    this.#freeKeys.push(key);
  }

  #ready(): void {
    try {
      this.turn();
    } catch (error) {
      // Half a turn was done, and the next would begin where nothing is as it should be.
      this.#failed = true;
      this.#poll.close();
      this.#stepped.failed(error);
    }
  }
  /** Serves what is ready. Also to be called by whoever gave the stepped part something to do from outside. */
  turn(): void {
    if (this.#inTurn || this.#closed || this.#failed) return;
    this.#inTurn = true;
    try {
      this.#rounds();
    } finally {
      this.#inTurn = false;
    }
    if (this.#isClosed) return;
    this.#armed = this.#unfinished ? monotonic() : this.#stepped.nextDeadline();
    this.#timer.set(this.#armed);
  }
  /** A handler may have closed the loop. */
  get #isClosed(): boolean {
    return this.#closed;
  }
  #rounds(): void {
    const began = monotonic();
    this.turns++;
    if (this.#armed !== undefined) this.latestUs = Math.max(this.latestUs, began - this.#armed);
    let more = true;
    for (let round = 1; ; round++) {
      const count = this.#epoll.wait(more ? 0 : this.#patience());
      if (count === 0 && !more) break;
      this.#stepped.begin(monotonic());
      for (let i = 0; i < count; i++) this.#dispatch(i);
      if (this.#isClosed) return;
      more = this.#stepped.end();
      if (this.#waits ? monotonic() - began > TURN_US : round === BUDGET) break;
    }
    this.#unfinished = more;
    this.longestUs = Math.max(this.longestUs, monotonic() - began);
  }
  /** Milliseconds to wait for the next event. */
  #patience(): number {
    if (!this.#waits) return 0;
    const deadline = this.#stepped.nextDeadline();
    return deadline !== undefined && deadline < monotonic() + WAIT_US ? 0 : WAIT_MS;
  }
  #dispatch(i: number): void {
    const key = this.#epoll.keyOf(i);
    if (this.#generations[key] === this.#epoll.generationOf(i)) this.#handlers[key]?.(this.#epoll.eventsOf(i));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    this.#timer.close();
    this.#epoll.close();
  }
}
