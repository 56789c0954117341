/**
 * The epoll object (epoll(7), fs/eventpoll.c).
 *
 * An item is one registration, its key the pair (descriptor number, open file): a dup'ed descriptor is another item, and an item lives until it is
 * deleted or the last reference of its file goes, whatever becomes of the number. Each item waits on its file. An event that rises puts it on
 * the ready list; the list is first in, first out. `collect` looks at what is on the list, asks each file what holds now, and shows the items that
 * have something; what has nothing is dropped from it. `commit` is what the kernel does once the events are copied out: a level-triggered item goes to the tail, so
 * that a busy one starves nobody; an edge-triggered one leaves the list until something rises anew; a one-shot one is disarmed until EPOLL_CTL_MOD.
 *
 * Of the tasks that wait on one epoll object an event wakes one, the newest; if something is left on the list when that one has its events the next is woken. Of the items that watch one file with
 * EPOLLEXCLUSIVE, in different epoll objects, an event is told to the first whose object has a task waiting.
 */
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLWAKEUP,
  type EpollParams,
} from '../abi/epoll.ts';
import { Errno } from '../abi/errno.ts';
import { O_RDWR } from '../abi/fcntl.ts';
import { POLLIN, POLLNVAL, POLLRDNORM } from '../abi/poll.ts';
import type { Committable } from './committable.ts';
import { OpenFile } from './file.ts';
import { Standing, Waiter, WaitQueue } from './wait-queue.ts';

/** Bits that choose behaviour and are no event (EP_PRIVATE_BITS). */
const PRIVATE = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
/** What may stand beside EPOLLEXCLUSIVE (EPOLLEXCLUSIVE_OK_BITS). */
const EXCLUSIVE_ALLOWED = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
/** Epoll objects that may hang below one another (EP_MAX_NESTS). */
const MAX_NESTS = 4;
/** Ways a wake-up of one file may travel upward through so many epoll objects and one (path_limits), so that an event cannot cost without bound. */
const WAYS_LIMITS: readonly number[] = [Infinity, 500, 100, 50, 10];
/** Registrations of one object, where the kernel counts per user (fs.epoll.max_user_watches). */
const MAX_WATCHES = 1 << 18;

class Item {
  readonly fd: number;
  readonly file: OpenFile;
  readonly waiter: Waiter;
  /** The events asked for and the private bits. */
  events = 0;
  dataLow = 0;
  dataHigh = 0;
  /** One-shot, and it fired. */
  disarmed = false;
  removed = false;
  /** On the ready list. */
  ready = false;
  previous: Item | undefined = undefined;
  next: Item | undefined = undefined;

  constructor(fd: number, file: OpenFile, wake: (item: Item, events: number) => boolean) {
    this.fd = fd;
    this.file = file;
    this.waiter = new Waiter((events) => wake(this, events));
  }
  /** Sets what epoll_event holds and waits anew. ERR and HUP are always reported. */
  arm(events: number, dataLow: number, dataHigh: number): void {
    this.events = events | EPOLLERR | EPOLLHUP;
    this.dataLow = dataLow;
    this.dataHigh = dataHigh;
    this.disarmed = false;
    const standing = (events & EPOLLEXCLUSIVE) === 0 ? Standing.Watch : Standing.One;
    this.file.waiters.add(this.waiter, this.events & ~PRIVATE, standing);
  }
  /** Events that hold now and were asked for. */
  poll(): number {
    return this.disarmed ? 0 : this.file.poll() & this.events & ~PRIVATE;
  }
}

/** One event to report; `data` is epoll_data_t as two 32-bit words, low first. */
export interface CollectedEvent {
  events: number;
  dataLow: number;
  dataHigh: number;
}

export class EpollFile extends OpenFile implements Committable {
  /** What the last `collect` found; valid up to its result, until the next call. */
  readonly collected: CollectedEvent[] = [];
  /** EPIOCSPARAMS. */
  busyPoll: EpollParams = { busyPollUsecs: 0, busyPollBudget: 0, preferBusyPoll: 0, pad: 0 };
  readonly #collectedItems: Item[] = [];
  readonly #items = new Map<OpenFile, Map<number, Item>>();
  #count = 0;
  #head: Item | undefined = undefined;
  #tail: Item | undefined = undefined;
  /** True if the event is taken, for an exclusive item: a task waits here for it, and it is one that the item watches (ep_poll_callback). */
  readonly #onEvent = (item: Item, events: number): boolean => {
    if ((events & POLLNVAL) !== 0) this.#remove(item);
    else if (!item.disarmed) {
      const woke = this.#markReady(item);
      const transfer = events & (EPOLLIN | EPOLLOUT);
      return woke && (transfer & item.events) === transfer && transfer !== (EPOLLIN | EPOLLOUT);
    }
    return false;
  };

  constructor(statusFlags = 0) {
    super(O_RDWR | statusFlags, new WaitQueue(true));
  }

  /** epoll_ctl(2): `events` is the unsigned word of struct epoll_event, ignored by EPOLL_CTL_DEL like the data. */
  ctl(op: number, fd: number, file: OpenFile, events: number, dataLow: number, dataHigh: number): number {
    if (!file.canPoll) return -Errno.EPERM;
    if (file === this) return -Errno.EINVAL;
    if (op !== EPOLL_CTL_DEL && !exclusiveAllowed(op, file, events)) return -Errno.EINVAL;
    if (op === EPOLL_CTL_ADD && file instanceof EpollFile) {
      const error = this.#nestError(file);
      if (error !== 0) return error;
    }
    const item = this.#items.get(file)?.get(fd);
    switch (op) {
      case EPOLL_CTL_ADD:
        return item === undefined ? this.#add(fd, file, events, dataLow, dataHigh) : -Errno.EEXIST;
      case EPOLL_CTL_MOD:
        return item === undefined ? -Errno.ENOENT : this.#modify(item, events, dataLow, dataHigh);
      case EPOLL_CTL_DEL:
        if (item === undefined) return -Errno.ENOENT;
        this.#remove(item);
        return 0;
      default:
        return -Errno.EINVAL;
    }
  }
  #add(fd: number, file: OpenFile, events: number, dataLow: number, dataHigh: number): number {
    if (this.#count >= MAX_WATCHES) return -Errno.ENOSPC;
    const isShared = file instanceof EpollFile || watchersOf(file).size > 0;
    const item = this.#insert(fd, file);
    if (isShared && !waysAllowed(file, new Set())) {
      this.#remove(item);
      return -Errno.EINVAL;
    }
    this.#arm(item, events, dataLow, dataHigh);
    return 0;
  }
  #modify(item: Item, events: number, dataLow: number, dataHigh: number): number {
    if ((item.events & EPOLLEXCLUSIVE) !== 0) return -Errno.EINVAL;
    this.#arm(item, events, dataLow, dataHigh);
    return 0;
  }

  /** Count of events found, at most `limit`, in `collected`. Nothing changes for the guest before `commit`. */
  collect(limit: number): number {
    let count = 0;
    let item = this.#head;
    while (item !== undefined && count < limit) {
      const next: Item | undefined = item.next;
      const events = item.poll();
      if (events === 0) this.#unlink(item);
      else this.#show(count++, item, events);
      item = next;
    }
    return count;
  }
  /** The guest has the first `amount` events of the last `collect`. */
  commit(amount: number): void {
    for (let i = 0; i < amount; i++) {
      const item = this.#collectedItems[i] as Item;
      if (item.removed || !item.ready) continue;
      this.#unlink(item);
      if ((item.events & EPOLLONESHOT) !== 0) item.disarmed = true;
      else if ((item.events & EPOLLET) === 0) this.#append(item);
    }
    this.#wakeNext();
  }
  rollback(): void {
    // `collect` took nothing off the list that was ready: it is for another.
    this.#wakeNext();
  }
  #wakeNext(): void {
    if (this.#head !== undefined) this.waiters.wakeOne(POLLIN | POLLRDNORM);
  }
  eventsAfter(): number {
    return this.poll();
  }

  /** Readable when a wait would find something; what is on the list in vain is dropped on the way. */
  poll(): number {
    for (let item = this.#head; item !== undefined; item = this.#head) {
      if (item.poll() !== 0) return POLLIN | POLLRDNORM;
      this.#unlink(item);
    }
    return 0;
  }
  /** Registrations. */
  get size(): number {
    return this.#count;
  }

  protected override released(): void {
    // A Map may lose entries while it is walked.
    for (const items of this.#items.values()) for (const item of items.values()) this.#remove(item);
  }

  #show(at: number, item: Item, events: number): void {
    this.#collectedItems[at] = item;
    const slot = (this.collected[at] ??= { events: 0, dataLow: 0, dataHigh: 0 });
    slot.events = events;
    slot.dataLow = item.dataLow;
    slot.dataHigh = item.dataHigh;
  }
  #insert(fd: number, file: OpenFile): Item {
    const item = new Item(fd, file, this.#onEvent);
    let items = this.#items.get(file);
    if (items === undefined) this.#items.set(file, (items = new Map()));
    items.set(fd, item);
    this.#count++;
    const watchers = watchersOf(file);
    if (watchers.size === 0) WATCHERS.set(file, watchers);
    watchers.set(this, (watchers.get(this) ?? 0) + 1);
    return item;
  }
  #arm(item: Item, events: number, dataLow: number, dataHigh: number): void {
    item.arm(events, dataLow, dataHigh);
    if (item.poll() !== 0) this.#markReady(item);
  }
  #remove(item: Item): void {
    if (item.removed) return;
    item.removed = true;
    item.waiter.leave();
    if (item.ready) this.#unlink(item);
    this.#count--;
    const { file } = item;
    const items = this.#items.get(file);
    items?.delete(item.fd);
    if (items?.size === 0) this.#items.delete(file);
    const watchers = watchersOf(file);
    const left = (watchers.get(this) ?? 1) - 1;
    if (left > 0) watchers.set(this, left);
    else watchers.delete(this);
    if (watchers.size === 0) WATCHERS.delete(file);
  }

  /** True if a task in epoll_wait(2) was woken. */
  #markReady(item: Item): boolean {
    if (!item.ready) this.#append(item);
    return this.waiters.wake(POLLIN | POLLRDNORM);
  }
  #append(item: Item): void {
    item.ready = true;
    item.previous = this.#tail;
    item.next = undefined;
    if (this.#tail === undefined) this.#head = item;
    else this.#tail.next = item;
    this.#tail = item;
  }
  #unlink(item: Item): void {
    if (item.previous === undefined) this.#head = item.next;
    else item.previous.next = item.next;
    if (item.next === undefined) this.#tail = item.previous;
    else item.next.previous = item.previous;
    item.ready = false;
    item.previous = item.next = undefined;
  }

  /** 0 if `child` may hang below this object, ELOOP for a cycle or too deep a nest (ep_loop_check). */
  #nestError(child: EpollFile): number {
    const below = child.#depthBelow(this, new Map());
    return below + 1 + depthAbove(this, new Map()) > MAX_NESTS ? -Errno.ELOOP : 0;
  }
  /** Levels of epoll objects below this one; Infinity if `forbidden` is among them. Each object is visited once. */
  #depthBelow(forbidden: EpollFile, seen: Map<EpollFile, number>): number {
    if (this === forbidden) return Infinity;
    let depth = seen.get(this);
    if (depth !== undefined) return depth;
    depth = 0;
    for (const file of this.#items.keys()) {
      if (file instanceof EpollFile) depth = Math.max(depth, file.#depthBelow(forbidden, seen) + 1);
    }
    seen.set(this, depth);
    return depth;
  }
  /** What it watches. */
  watched(): Iterable<OpenFile> {
    return this.#items.keys();
  }
}

/** Epoll objects that watch a file, with the number of items each has for it. */
const WATCHERS = new WeakMap<OpenFile, Map<EpollFile, number>>();
const watchersOf = (file: OpenFile): Map<EpollFile, number> => WATCHERS.get(file) ?? new Map<EpollFile, number>();

/** Levels of epoll objects above one. */
function depthAbove(epoll: EpollFile, seen: Map<EpollFile, number>): number {
  let depth = seen.get(epoll);
  if (depth !== undefined) return depth;
  depth = 0;
  for (const parent of watchersOf(epoll).keys()) depth = Math.max(depth, depthAbove(parent, seen) + 1);
  seen.set(epoll, depth);
  return depth;
}
/** False if there are too many ways up from `file`, or from a file below it, if it is an epoll object (reverse_path_check). */
function waysAllowed(file: OpenFile, seen: Set<OpenFile>): boolean {
  if (seen.has(file)) return true;
  seen.add(file);
  if (!(file instanceof EpollFile)) return waysUpAllowed(file, 0, [0, 0, 0, 0, 0]);
  for (const below of file.watched()) if (!waysAllowed(below, seen)) return false;
  return true;
}
/** Counts each way by its length at the object where it ends. */
function waysUpAllowed(file: OpenFile, depth: number, ways: number[]): boolean {
  if (depth > MAX_NESTS) return false;
  for (const [parent, count] of watchersOf(file)) {
    const isTop = watchersOf(parent).size === 0;
    for (let i = 0; i < count; i++) {
      if (!isTop && !waysUpAllowed(parent, depth + 1, ways)) return false;
      if (!isTop) continue;
      const here = (ways[depth] as number) + 1;
      ways[depth] = here;
      if (here > (WAYS_LIMITS[depth] as number)) return false;
    }
  }
  return true;
}

/** EPOLLEXCLUSIVE may only be set by ADD, not on an epoll object, and beside few other bits. */
function exclusiveAllowed(op: number, file: OpenFile, events: number): boolean {
  if ((events & EPOLLEXCLUSIVE) === 0) return true;
  if (op === EPOLL_CTL_MOD) return false;
  return op !== EPOLL_CTL_ADD || (!(file instanceof EpollFile) && (events & ~EXCLUSIVE_ALLOWED) === 0);
}
