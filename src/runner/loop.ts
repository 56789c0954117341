/**
 * The driver on the caller's thread: one epoll descriptor for everything of ours, watched by Node's own loop, so that timers and promises of the application stay alive. A turn
 * drains what is ready, up to a budget, then arms the timer for the next deadline.
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
}

/** Rounds before Node's loop has its turn. */
const BUDGET = 64;

export class Loop {
  readonly #epoll = new Epoll(64);
  readonly #timer = new TimerFd();
  readonly #poll: NodePoll;
  readonly #handlers: ((events: number) => void)[] = [];
  readonly #keys = new Map<number, number>();
  readonly #stepped: Stepped;
  #inTurn = false;
  #closed = false;

  constructor(stepped: Stepped) {
    this.#stepped = stepped;
    this.add(this.#timer.fd, EPOLLIN, () => this.#timer.drain());
    this.#poll = new NodePoll(this.#epoll.fd, () => this.turn());
  }
  add(fd: number, events: number, handler: (events: number) => void): void {
    this.#keys.set(fd, this.#handlers.length);
    this.#epoll.add(fd, events, this.#handlers.length);
    this.#handlers.push(handler);
  }
  modify(fd: number, events: number): void {
    const key = this.#keys.get(fd);
    if (key !== undefined) this.#epoll.modify(fd, events, key);
  }
  remove(fd: number): void {
    if (this.#keys.delete(fd)) this.#epoll.remove(fd);
  }

  /** Serves what is ready. Also to be called by whoever gave the stepped part something to do from outside. */
  turn(): void {
    if (this.#inTurn || this.#closed) return;
    this.#inTurn = true;
    try {
      this.#rounds();
    } finally {
      this.#inTurn = false;
    }
    if (!this.#isClosed) this.#timer.set(this.#stepped.nextDeadline());
  }
  /** A handler may have closed the loop. */
  get #isClosed(): boolean {
    return this.#closed;
  }
  #rounds(): void {
    let more = true;
    for (let round = 0; round < BUDGET && more && !this.#isClosed; round++) {
      const count = this.#epoll.wait(0);
      if (count === 0 && round > 0) break;
      this.#stepped.begin(monotonic());
      for (let i = 0; i < count; i++) this.#handlers[this.#epoll.keyOf(i)]?.(this.#epoll.eventsOf(i));
      more = this.#stepped.end() || count > 0;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    this.#timer.close();
    this.#epoll.close();
  }
}
