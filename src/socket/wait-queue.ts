/**
 * Wait queues, as the kernel's: an object that can become ready keeps a queue of waiters; each names the poll events it cares for and is
 * told when one of them rises. Intrusive doubly linked, so that waiting allocates nothing once a task owns its waiters.
 */
export class Waiter {
  /** Poll events this waiter cares for; POLLERR and POLLHUP always count. */
  mask = 0;
  /** Called with the events that rose. It may remove this waiter, and must not do work: it marks the owner for a retry. */
  readonly wake: (events: number, waiter: Waiter) => void;
  queue: WaitQueue | undefined = undefined;
  /** @internal */
  previous: Waiter | undefined = undefined;
  /** @internal */
  next: Waiter | undefined = undefined;

  constructor(wake: (events: number, waiter: Waiter) => void) {
    this.wake = wake;
  }
  /** Leaves its queue, if it is in one. */
  leave(): void {
    this.queue?.remove(this);
  }
}

/** POLLERR | POLLHUP | POLLNVAL. */
const ALWAYS = 0x0008 | 0x0010 | 0x0020;

export class WaitQueue {
  #head: Waiter | undefined = undefined;
  #tail: Waiter | undefined = undefined;
  readonly #newestFirst: boolean;

  /** @param newestFirst who came last is woken first, as the waiters of epoll_wait(2) are (__add_wait_queue_exclusive). */
  constructor(newestFirst = false) {
    this.#newestFirst = newestFirst;
  }

  add(waiter: Waiter, mask: number): void {
    waiter.leave();
    waiter.mask = mask | ALWAYS;
    waiter.queue = this;
    if (this.#newestFirst) this.#prepend(waiter);
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
  /** Tells every waiter that cares for one of `events`, in order. */
  wake(events: number): void {
    let waiter = this.#head;
    while (waiter !== undefined) {
      const next: Waiter | undefined = waiter.next;
      if ((waiter.mask & events) !== 0) waiter.wake(events, waiter);
      waiter = next;
    }
  }
  get isEmpty(): boolean {
    return this.#head === undefined;
  }
}
