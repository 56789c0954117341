/**
 * A socket of messages, UDP or netlink, that pass through its placeholder, for read, write and plain send and recv; all else about it is trapped.
 *
 * In: datagrams of the endpoint's queue are sent on to the guest's end G and stay in the queue, with their addresses, until the guest is known to have taken them: the memory that G's
 * queue takes (SIOCOUTQ on our end P) is a function of the lengths, so it tells how many are left, the ones besides that a reader is copying out right now.
 * A trapped receive takes its datagram out of G first (`recall`), so that a native reader cannot have it too. Which one came is told by its octets, because readers that were before it may not be through
 * with theirs: the address told with it may only be that of another datagram of the same octets. If the guest did not take the answer it goes back before what is still in G.
 * Out: each datagram that the guest wrote lies in P and goes where the socket is connected to. A failure that sendto(2) would have told is a datagram lost; those are counted.
 * An error is shown by P breaking its connection, which it makes anew at once, with a datagram unread in it (unix_dgram_disconnected); its errno is told by trapped calls, SO_ERROR among them.
 */
import { POLLERR, POLLHUP, POLLRDHUP } from '../abi/poll.ts';
import { EPOLLET, EPOLLIN, EPOLLOUT } from '../host/epoll.ffi.ts';
import { eventsOf } from '../host/file.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { socketInode } from '../host/process.ffi.ts';
import {
  autobind,
  connectTo,
  disconnectUnix,
  outputQueue,
  pairSecond,
  receiveTo,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  sendFrom,
  sendOctets,
  shutdownUnix,
  takeError,
  takeOctets,
  UNIX_DGRAM,
  unixPair,
} from '../host/unix-socket.ffi.ts';
import type { MessageLender } from '../socket/lender.ts';
import { SHOWN, type View } from './display.ts';
import { GuestOptions } from './guest-options.ts';
import type { GuestSide, MirrorWorld } from './mirror-world.ts';
import { MESSAGE_OCTETS, type MirroredMessages, scratch } from './mirrored-messages.ts';
import { NO_COPY } from './plane.ts';

const O_NONBLOCK = 0o4000;
const NONE = -1;
const EAGAIN = 11;
const ALL = Number.POSITIVE_INFINITY;
/** Datagrams taken from a guest before others have their turn. */
const BUDGET = 64;

/** Memory that an unread datagram of each length takes, learnt once a length on a pair of our own. */
class Weights {
  readonly #known = new Map<number, number>();
  readonly #from: number;
  readonly #to: number;

  constructor() {
    this.#from = unixPair(UNIX_DGRAM, true);
    this.#to = this.#from < 0 ? NONE : pairSecond();
  }
  of(len: number): number {
    let weight = this.#known.get(len);
    if (weight === undefined) {
      sendFrom(this.#from, scratch.address, len);
      weight = outputQueue(this.#from);
      receiveTo(this.#to, scratch.address, MESSAGE_OCTETS);
      this.#known.set(len, weight);
    }
    return weight;
  }
}
let sharedWeights: Weights | undefined;

export class DatagramMirror implements View, MessageLender {
  readonly shown = SHOWN;
  readonly isCrowded = false;
  readonly #world: MirrorWorld;
  readonly #file: MirroredMessages['file'];
  readonly #messages: MirroredMessages;
  readonly #guest: GuestSide;
  readonly #weights: Weights;
  readonly #options = new GuestOptions();
  #peer = NONE;
  #inode = NONE;
  /** A copy of G that the call at hand has, as long as it is one. */
  #lent = NO_COPY;
  /** Datagrams at the head of those that wait that G gave back for a trapped receive. */
  #recalled = 0;
  /** How many of them a result takes that the guest has not got yet. */
  #leaving = 0;
  /** Weights of the datagrams behind them, which G holds or the guest has read. */
  readonly #pushed: number[] = [];
  #weight = 0;
  #watchesOut = false;
  #errorShown = false;
  /** There is an error that was not shown yet. */
  #errorRose = false;
  #sendingShut = false;
  #endings = 0;
  #queuedAgain = false;

  constructor(world: MirrorWorld, messages: MirroredMessages, guest: GuestSide) {
    this.#world = world;
    this.#messages = messages;
    this.#file = messages.file;
    this.#guest = guest;
    this.#weights = sharedWeights ??= new Weights();
    messages.file.lender = this;
  }
  make(events: number): number {
    const guestEnd = unixPair(UNIX_DGRAM, (this.#file.statusFlags & O_NONBLOCK) !== 0);
    if (guestEnd < 0) return guestEnd;
    this.#peer = pairSecond();
    this.#inode = socketInode(guestEnd);
    this.#world.watches.add(this.#peer, (EPOLLIN | EPOLLET) >>> 0, (happened) => this.#hostEvent(happened));
    this.show(events, 0, guestEnd, 0);
    return guestEnd;
  }
  #hostEvent(events: number): void {
    if ((events & EPOLLIN) !== 0) this.#pull();
    if ((events & EPOLLOUT) !== 0) this.#world.touch(this.#file);
  }

  show(wanted: number, _edge: number, copy: number, leaving: number): boolean {
    const events = copy === NO_COPY ? this.#file.poll() : wanted;
    if (leaving > 0) {
      this.#withdraw(leaving, copy);
      return true;
    }
    this.#leaving = 0;
    this.#lent = NO_COPY;
    if (copy !== NO_COPY) this.#options.apply(this.#file, copy);
    const ending = events & (POLLRDHUP | POLLHUP) & ~this.#endings;
    if (ending !== 0 && copy !== NO_COPY) {
      shutdownUnix(copy, (ending & POLLHUP) === 0 ? SHUT_RD : SHUT_RDWR);
      this.#endings |= ending;
    }
    if (copy !== NO_COPY) this.#showSent(copy, events);
    this.#push();
    if ((events & POLLERR) !== 0) this.#showError(copy);
    return true;
  }
  /** What a trapped call changed besides: no more is sent, the error was told. */
  #showSent(copy: number, events: number): void {
    if (this.#messages.sendEnded && !this.#sendingShut) {
      this.#pull();
      shutdownUnix(copy, SHUT_WR);
      this.#sendingShut = true;
    }
    const isOver = !this.#messages.hasError && !this.#messages.hasReports;
    if (this.#errorShown && (isOver || (events & POLLERR) === 0)) {
      takeError(copy);
      this.#errorShown = false;
    }
  }

  /** Network to guest. */
  #push(): void {
    if (this.#peer === NONE || this.#endings !== 0) return;
    if (this.#recalled > 0 && !this.#restore()) return;
    this.#reconcile();
    const messages = this.#messages;
    let blocked = false;
    while (this.#pushed.length < messages.queued) {
      const len = messages.put(this.#peer, this.#pushed.length);
      if (len < 0) {
        blocked = true;
        break;
      }
      const weight = this.#weights.of(len);
      this.#pushed.push(weight);
      this.#weight += weight;
    }
    this.#watchOut(blocked || messages.hasMore || this.#weight * 4 > messages.limit);
  }
  #watchOut(on: boolean): void {
    if (on === this.#watchesOut) return;
    this.#watchesOut = on;
    this.#world.watches.modify(this.#peer, (EPOLLIN | EPOLLET | (on ? EPOLLOUT : 0)) >>> 0);
  }
  settle(): void {
    if (this.#peer !== NONE) this.#reconcile();
  }
  /** What the guest took natively leaves the endpoint's queue. */
  #reconcile(): void {
    if (this.#pushed.length === 0) return;
    const held = outputQueue(this.#peer);
    let weight = this.#weight;
    let taken = 0;
    while (weight > held && taken < this.#pushed.length) weight -= this.#pushed[taken++] as number;
    this.#taken(taken);
  }
  /** Native readers have the first `count` of those that were pushed. */
  #taken(count: number): void {
    if (count === 0) return;
    for (const weight of this.#pushed.splice(0, count)) this.#weight -= weight;
    this.#messages.consume(count, this.#recalled);
  }

  recall(count: number): void {
    this.#leaving = 0;
    this.#reconcile();
    if (this.#recalled >= count || this.#pushed.length === 0) return;
    const lent = this.#lent;
    // The call that it was lent for may have parked since, and its number stand for another.
    const isLent = lent !== NO_COPY && socketInode(lent) === this.#inode;
    const guestEnd = isLent ? lent : this.#guest.borrow(count === ALL);
    if (guestEnd === NO_COPY) return;
    while (this.#recalled < count && this.#pushed.length > 0) {
      const len = receiveTo(guestEnd, scratch.address, MESSAGE_OCTETS);
      if (len >= 0) this.#identify(len);
      else if (len === -EAGAIN) this.#taken(this.#pushed.length);
      // An error of which a trapped call has told already.
      else if (this.#errorShown) this.#errorShown = false;
      else break;
    }
    if (!isLent) close(guestEnd);
  }
  /** G has given back the `len` octets in `scratch`. What was pushed before them is with native readers, and what is none of ours any more was lost before. */
  #identify(len: number): void {
    for (let i = 0; i < this.#pushed.length; i++) {
      if (!this.#messages.is(this.#recalled + i, len)) continue;
      this.#taken(i);
      this.#weight -= this.#pushed.shift() as number;
      this.#recalled++;
      return;
    }
  }
  /** What leaves the queue is in G no more; where that could not be reached before, it is taken out now. */
  #withdraw(leaving: number, copy: number): void {
    this.#leaving = Math.min(leaving, this.#recalled);
    this.#recalled -= this.#leaving;
    if (copy !== NO_COPY) this.#takeOut(leaving - this.#leaving, copy);
  }
  #takeOut(count: number, copy: number): void {
    for (let i = Math.min(count, this.#pushed.length); i > 0; i--) {
      takeOctets(copy, 1);
      this.#weight -= this.#pushed.shift() as number;
    }
  }
  realign(_events: number, _copy: number): void {
    this.#recalled += this.#leaving;
    this.#leaving = 0;
    this.#world.touch(this.#file);
  }
  /** What a trapped receive left goes back before what is still in G. */
  #restore(): boolean {
    this.recall(ALL);
    if (this.#pushed.length === 0) this.#recalled = 0;
    return this.#recalled === 0;
  }

  #showError(copy: number): void {
    // A native call that was told of reports would be told again and again.
    const isNew = this.#messages.hasError ? !this.#errorShown || this.#errorRose : this.#errorRose;
    if (!isNew || !(this.#messages.hasError || this.#messages.hasReports)) return;
    const guestEnd = copy === NO_COPY ? this.#guest.borrow(true) : copy;
    if (guestEnd === NO_COPY) return;
    this.#errorRose = false;
    // The last one may have been told by a native call, and this is another.
    if (!this.#errorShown || (eventsOf(guestEnd, 0) & POLLERR) === 0) this.#raiseError(guestEnd);
    if (guestEnd !== copy) close(guestEnd);
  }
  #raiseError(guestEnd: number): void {
    this.#pull();
    autobind(guestEnd);
    if (sendOctets(guestEnd, 1) === 1 && disconnectUnix(this.#peer) === 0) {
      this.#errorShown = connectTo(this.#peer, guestEnd) === 0;
    }
  }

  drain(copy: number): void {
    this.#lent = copy;
    this.#pull();
    this.#reconcile();
    // A message that was received while G was out of reach is still in it.
    if (copy !== NO_COPY && this.#recalled + this.#pushed.length > this.#messages.queued) {
      this.#takeOut(this.#pushed.length, copy);
      this.#world.touch(this.#file);
    }
    if (!this.#errorShown || copy === NO_COPY) return;
    if ((eventsOf(copy, 0) & POLLERR) === 0) this.#errorTold();
  }
  /** A native call was told the error. */
  #errorTold(): void {
    this.#errorShown = false;
    if (!this.#errorRose) this.#messages.takeErrno();
  }
  rose(events: number): void {
    if ((events & POLLERR) !== 0) this.#errorRose = true;
  }
  resume(): void {
    this.#queuedAgain = false;
    this.#pull();
  }
  /** Guest to network. */
  #pull(): void {
    for (let i = 0; i < BUDGET; i++) {
      if (this.#peer === NONE) return;
      const len = receiveTo(this.#peer, scratch.address, MESSAGE_OCTETS);
      if (len < 0) return;
      // The kernel tells an error before it sends.
      if (this.#errorShown) this.#errorTold();
      if (!this.#messages.send(len)) this.#world.counters.lostSends++;
    }
    if (this.#queuedAgain) return;
    this.#queuedAgain = true;
    this.#world.again(this);
  }

  ended(): void {
    this.#pull();
  }
  endSending(): boolean {
    return false;
  }
  thin(): void {
    // Each datagram is its own edge.
  }
  close(): void {
    if (this.#file.lender === this) this.#file.lender = undefined;
    if (this.#peer === NONE) return;
    this.#world.watches.remove(this.#peer);
    close(this.#peer);
    this.#peer = NONE;
  }
}
