/**
 * Wait queues, as the kernel's: an object that can become ready keeps a queue of waiters; each names the poll events it cares for and is
 * told when one of them rises. Intrusive doubly linked, so that waiting allocates nothing once a task owns its waiters.
 *
 * How a waiter stands in the queue says when it is told (kernel/sched/wait.c). Who watches (poll(2), an epoll item, a receive or send on a stream) stands in front, the newest first, and is told always. Who
 * waits for its turn (a read of a pipe, a send to a full peer) stands behind, first come first served; all are told and try in that order, since one of them may leave what is there to the next. Of those
 * that stand as one (EPOLLEXCLUSIVE, an accept, a receive of datagrams, the tasks in epoll_wait(2)) each event is told to the first that takes it.
 */
/** How a waiter stands in its queue. */
export const Standing = { Watch: 0, Turn: 1, One: 2 } as const;
export type Standing = (typeof Standing)[keyof typeof Standing];

export class Waiter {
  /** Poll events this waiter cares for; POLLERR and POLLHUP always count, but for `WITHOUT_ERRORS`. */
  mask = 0;
  standing: Standing = Standing.Turn;
  /** Called with the events that rose. It may remove this waiter, and must not do work: it marks the owner for a retry. Where it stands as one, true says that it takes the event. */
  readonly wake: (events: number, waiter: Waiter) => unknown;
  queue: WaitQueue | undefined = undefined;
  /** @internal */
  previous: Waiter | undefined = undefined;
  /** @internal */
  next: Waiter | undefined = undefined;

  constructor(wake: (events: number, waiter: Waiter) => unknown) {
    this.wake = wake;
  }
  /** Leaves its queue, if it is in one. */
  leave(): void {
    this.queue?.remove(this);
  }
}

/** POLLERR | POLLHUP | POLLNVAL. */
const ALWAYS = 0x0008 | 0x0010 | 0x0020;
/** Behind all poll events, in the mask of who is not told of an error alone: select(2) for its third set (POLLEX_SET). */
export const WITHOUT_ERRORS = 0x1_0000;
/** POLLHUP | POLLNVAL | POLLRDHUP: the state changed, and everybody is told (sock_def_wakeup). */
const EVERYBODY = 0x0010 | 0x0020 | 0x2000;

export class WaitQueue {
  #head: Waiter | undefined = undefined;
  #tail: Waiter | undefined = undefined;
  readonly #newestFirst: boolean;

  /** @param newestFirst of those that stand as one who came last is told first, as the waiters of epoll_wait(2) are (__add_wait_queue_exclusive). */
  constructor(newestFirst = false) {
    this.#newestFirst = newestFirst;
  }

  add(waiter: Waiter, mask: number, standing: Standing = Standing.Turn): void {
    waiter.leave();
    waiter.mask = (mask & WITHOUT_ERRORS) === 0 ? mask | ALWAYS : mask | (ALWAYS & EVERYBODY);
    waiter.standing = standing;
    waiter.queue = this;
    if (this.#newestFirst || standing === Standing.Watch) this.#prepend(waiter);
    else this.#append(waiter);
  }
  #append(waiter: Waiter): void {
    waiter.previous = this.#tail;
    waiter.next = undefined;
    if (this.#tail === undefined) this.#head = waiter;
    else this.#tail.next = waiter;
    this.#tail = waiter;
  }
  #prepend(waiter: Waiter): void {
    waiter.previous = undefined;
    waiter.next = this.#head;
    if (this.#head === undefined) this.#tail = waiter;
    else this.#head.previous = waiter;
    this.#head = waiter;
  }
  remove(waiter: Waiter): void {
    if (waiter.queue !== this) return;
    if (waiter.previous === undefined) this.#head = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#tail = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.queue = waiter.previous = waiter.next = undefined;
  }
  /** Tells the waiters that care for one of `events`, in order. True if one that stands as one took it. */
  wake(events: number): boolean {
    let wantsOne = true;
    let waiter = this.#head;
    while (waiter !== undefined) {
      const next: Waiter | undefined = waiter.next;
      const isOne = waiter.standing === Standing.One;
      if ((waiter.mask & events) !== 0 && (wantsOne || !isOne || (events & EVERYBODY) !== 0)) {
        const takes = waiter.wake(events, waiter) === true;
        if (isOne && takes) wantsOne = false;
      }
      waiter = next;
    }
    return !wantsOne;
  }
  /** Tells only one of those that stand as one. */
  wakeOne(events: number): void {
    for (let waiter = this.#head; waiter !== undefined; waiter = waiter.next) {
      if (waiter.standing === Standing.One && (waiter.mask & events) !== 0 && waiter.wake(events, waiter) === true)
        return;
    }
  }
  get isEmpty(): boolean {
    return this.#head === undefined;
  }
}
