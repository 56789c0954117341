/**
 * A TCP socket whose octets pass through its placeholder: the guest reads and writes natively, and this pumps between our end P of the placeholder and the endpoint T.
 *
 * Out: what the guest wrote lies in P and goes straight into T's send ring, as far as that has room; then the guest blocks natively, or polls for OUT.
 * In: what T received is sent to P, and stays in T's receive ring until the guest is known to have read it, so the window that T offers, RST at a close with unread
 * octets, FIONREAD and every trapped receive are T's own: what that takes leaves G first (`recall`), so that a native reader cannot have it too. How much was read is known exactly where a copy of the guest's end G is at hand (SIOCINQ on it); else at least
 * what exceeds the memory that G's queue takes (SIOCOUTQ on P), which is all of it when that is 0.
 *
 * P is shut for sending at the peer's FIN. An error is shown by closing P with an octet unread in it (unix_release_sock); a copy of G sends one if there is none, and the
 * guest's shutdown of its sending side leaves one behind, the marker, that is never read. Until a connection is made G shows what TCP does: never connected (OUT, HUP),
 * or full (nothing). T's urgent octet is one of G's too (urgent-mirror.ts); octets behind it follow once those before it were read.
 */
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP } from '../abi/poll.ts';
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '../host/epoll.ffi.ts';
import { eventsOf } from '../host/file.ffi.ts';
import { arena, borrowAddress, close } from '../host/libc.ffi.ts';
import {
  inputQueue,
  outputQueue,
  pairSecond,
  receiveTo,
  SHUT_RD,
  SHUT_WR,
  sendFrom,
  sendOctets,
  setSendBuffer,
  setUrgentInline,
  shutdownUnix,
  takeError,
  takeOctets,
  UNIX_STREAM,
  unixPair,
  unixSocket,
} from '../host/unix-socket.ffi.ts';
import type { ByteRing } from '../lib/byte-ring.ts';
import { type TcpEndpoint, Urgent } from '../netstack/endpoint.ts';
import type { InetStreamSocket } from '../socket/inet-stream.ts';
import type { Lender } from '../socket/lender.ts';
import { SHOWN, StreamDisplay, shrink, type View } from './display.ts';
import { GuestOptions } from './guest-options.ts';
import type { GuestSide, Holding, MirrorWorld } from './mirror-world.ts';
import { NO_COPY } from './plane.ts';
import { BATCH, BUFFER, guestBuffer, SMALL_BATCH, watchedOctets } from './stream-sizes.ts';
import { UrgentMirror } from './urgent-mirror.ts';

type Mode = 'fresh' | 'connecting' | 'listening' | 'open' | 'dead';

const O_NONBLOCK = 0o4000;
const NONE = -1;
const EAGAIN = 11;
const EPIPE = 32;
const ECONNRESET = 104;
const INPUT = EPOLLIN | EPOLLRDHUP;
const ENDINGS = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

const scratch = arena(BATCH);

export class StreamMirror implements View, Lender, Holding {
  readonly shown = SHOWN;
  readonly isCrowded = false;
  readonly #world: MirrorWorld;
  readonly #file: InetStreamSocket;
  readonly #tcp: TcpEndpoint;
  readonly #guest: GuestSide;
  readonly #options = new GuestOptions();
  readonly #urgent: UrgentMirror;
  #mode: Mode = 'fresh';
  #peer = NONE;
  #listener: StreamDisplay | undefined = undefined;
  /** Octets that fill G while it connects. */
  #fill = 0;
  /** Octets of T's receive ring, from its head or behind `#recalled`, that G's queue holds or the guest has read. */
  #pushed = 0;
  /** Octets at the head of T's receive ring that G gave back for a trapped receive. */
  #recalled = 0;
  /** How many of them a result takes that the guest has not got yet. */
  #leaving = 0;
  /** P takes no more for now. */
  #inBlocked = false;
  /** T takes no more for now. */
  #outBlocked = false;
  #watchesOut = false;
  #batch = SMALL_BATCH;
  /** The other end is shut in some way: a short read does not say that P is empty. */
  #endings = false;
  /** G holds an error that T has too. */
  #showsError = false;
  /** Nothing more is read from P. */
  #outEnded = false;
  /** G was closed with octets unread in it. */
  #closedUnread = false;
  #sendingShut = false;
  #receivingShut = false;
  /** The guest shut its sending side; the last octet in P is the marker. */
  #marked = false;
  #queuedAgain = false;
  #sendBuffer = 0;
  #urgentInline = false;

  constructor(world: MirrorWorld, file: InetStreamSocket, guest: GuestSide) {
    this.#world = world;
    this.#file = file;
    this.#tcp = file.tcp;
    this.#guest = guest;
    this.#urgent = new UrgentMirror(file.tcp);
    file.lender = this;
  }

  /** Makes G, which shows `events`; our descriptor of it, or a negative errno. */
  make(events: number): number {
    const nonblocking = (this.#file.statusFlags & O_NONBLOCK) !== 0;
    const { state } = this.#tcp;
    const unconnected = state === 'CLOSED' && (events & POLLIN) === 0;
    if (unconnected || state === 'LISTEN' || state === 'SYN-SENT') {
      const guestEnd = unixSocket(UNIX_STREAM, nonblocking);
      if (guestEnd >= 0) this.show(events, 0, guestEnd, 0);
      return guestEnd;
    }
    const guestEnd = unixPair(UNIX_STREAM, nonblocking);
    if (guestEnd < 0) return guestEnd;
    this.#peer = pairSecond();
    this.#open(guestEnd);
    this.show(events, 0, guestEnd, 0);
    return guestEnd;
  }

  show(wanted: number, edge: number, copy: number, leaving: number): boolean {
    const events = copy === NO_COPY ? this.#file.poll() : wanted;
    if (copy !== NO_COPY) this.#applyOptions(copy);
    switch (this.#mode) {
      case 'fresh':
        return this.#leaveFresh(events, edge, copy);
      case 'connecting':
        return this.#leaveConnecting(events, copy);
      case 'listening':
        if (this.#tcp.state !== 'LISTEN') return false;
        this.#showListener(events, edge, copy);
        return true;
      case 'open':
      case 'dead':
        break;
    }
    return this.#transfer(events, copy, leaving);
  }
  /** Connections that were accepted lower IN in the call that took them, where a copy is at hand. */
  #showListener(events: number, edge: number, copy: number): void {
    const { shown } = this.#listener as StreamDisplay;
    this.#listener?.show(copy === NO_COPY ? events | (shown & POLLIN) : events, edge, copy);
  }
  #applyOptions(copy: number): void {
    this.#options.apply(this.#file, copy);
    const { oobInline } = this.#tcp.settings;
    if (oobInline !== this.#urgentInline) this.#showInline(copy, oobInline);
    if (this.#mode === 'open' && guestBuffer(this.#tcp) !== this.#sendBuffer) this.#enlarge(copy);
  }
  #showInline(copy: number, oobInline: boolean): void {
    if (this.#urgent.inGuest) {
      this.recall(Number.POSITIVE_INFINITY);
      this.#urgent.forget(copy);
    }
    setUrgentInline(copy, oobInline);
    this.#urgentInline = oobInline;
  }
  #enlarge(guestEnd: number): void {
    this.#sendBuffer = guestBuffer(this.#tcp);
    setSendBuffer(guestEnd, this.#sendBuffer);
  }

  // Before there is a connection

  #leaveFresh(events: number, edge: number, copy: number): boolean {
    const { state } = this.#tcp;
    // A blocking connect() is held meanwhile; whatever else makes a change here is a call with a copy.
    if (state === 'CLOSED' || copy === NO_COPY) return true;
    if (state === 'LISTEN') {
      shrink(copy);
      this.#mode = 'listening';
      this.#listener = new StreamDisplay(this.#world.rendezvous, NONE);
      const shown = this.#listener.show(events, edge, copy);
      this.#listener.endSending(copy);
      return shown;
    }
    this.#peer = this.#world.rendezvous.meet(copy);
    if (this.#peer < 0) {
      this.#peer = NONE;
      return true;
    }
    if ((state === 'SYN-SENT' && !this.#tcp.deferred) || state === 'SYN-RECEIVED') {
      shrink(copy);
      this.#fill = Math.max(0, sendOctets(copy, 65_536));
      this.#mode = 'connecting';
      return true;
    }
    this.#open(copy);
    return this.#transfer(events, copy, 0);
  }
  #leaveConnecting(events: number, copy: number): boolean {
    const { state } = this.#tcp;
    if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') return true;
    if (state === 'CLOSED') {
      this.#die(copy);
      return (events & (POLLIN | POLLRDHUP)) !== 0;
    }
    const guestEnd = copy === NO_COPY ? this.#guest.borrow(false) : copy;
    this.#open(guestEnd);
    // The buffer grew before the room for it: one edge of OUT, as TCP's.
    while (this.#fill > 0) {
      const n = takeOctets(this.#peer, this.#fill);
      if (n <= 0) break;
      this.#fill -= n;
    }
    if (guestEnd !== copy && guestEnd !== NO_COPY) close(guestEnd);
    return this.#transfer(events, copy, 0);
  }
  #open(guestEnd: number): void {
    this.#mode = 'open';
    // What lies in G lies in T's receive ring too, so SO_RCVBUF bounds it there.
    setSendBuffer(this.#peer, BUFFER);
    if (guestEnd !== NO_COPY) this.#enlarge(guestEnd);
    this.#world.watches.add(this.#peer, (INPUT | EPOLLET) >>> 0, (events) => this.#hostEvent(events));
  }

  // While there is one

  #hostEvent(events: number): void {
    if ((events & ENDINGS) !== 0) this.#endings = true;
    if ((events & (EPOLLIN | ENDINGS)) !== 0 && !this.#outBlocked) this.#pull(false, false);
    if ((events & EPOLLOUT) !== 0) {
      this.#inBlocked = false;
      this.#world.touch(this.#file);
    }
  }
  #watchOut(on: boolean): void {
    if (on === this.#watchesOut || this.#peer === NONE) return;
    this.#watchesOut = on;
    this.#world.watches.modify(this.#peer, (INPUT | EPOLLET | (on ? EPOLLOUT : 0)) >>> 0);
  }

  /** True where the state asks for a guest's end that cannot be had from this one. */
  #isUndone(events: number): boolean {
    return this.#tcp.state === 'CLOSED' && (events & POLLHUP) !== 0 && (events & (POLLIN | POLLRDHUP)) === 0;
  }
  #transfer(events: number, copy: number, leaving: number): boolean {
    if (this.#isUndone(events)) return false;
    // A result is about to be committed: the rest follows when it is.
    if (leaving > 0) {
      this.#withdraw(leaving, copy);
      return true;
    }
    this.#leaving = 0;
    if (this.#mode === 'dead') {
      if (this.#tcp.error === undefined && copy !== NO_COPY) takeError(copy);
      return true;
    }
    if (copy !== NO_COPY) this.#showShutdown(copy);
    if (this.#urgent.isStale) this.#removeUrgent(copy);
    this.#push();
    if (this.#isLost) this.#endWithError(copy);
    return true;
  }
  /** The guest's own shutdown. */
  #showShutdown(copy: number): void {
    const { state, error, sendEnded, receiveEnded, finReceived } = this.#tcp;
    // Who ends second is closed at once where the peer acknowledges at once: both ends are to be seen all the same.
    if ((state === 'CLOSED' && !finReceived) || error !== undefined) return;
    if (sendEnded && !this.#marked) {
      sendOctets(copy, 1);
      shutdownUnix(copy, SHUT_WR);
      this.#marked = this.#outEnded = true;
    }
    if (receiveEnded && !finReceived && !this.#receivingShut && state !== 'TIME-WAIT') {
      shutdownUnix(copy, SHUT_RD);
      this.#receivingShut = true;
    }
  }

  recall(octets: number): void {
    this.#leaving = 0;
    if (this.#pushed === 0) return;
    const guestEnd = this.#guest.borrow(false);
    if (guestEnd === NO_COPY) return;
    let unread = this.#settle(0, this.#urgent.unreadIn(guestEnd));
    while (this.#recalled < octets && unread > 0) {
      const n = receiveTo(guestEnd, scratch.address, Math.min(octets - this.#recalled, BATCH));
      // Nothing, where there was something: a native reader had it in hand, whose octets count as unread until it has copied them.
      unread = this.#settle(Math.max(0, n), this.#urgent.unreadIn(guestEnd));
      if (n <= 0) break;
    }
    close(guestEnd);
  }
  /** G has given back `n` octets, which lie in `scratch`, and holds `unread` more. Who read natively meanwhile did so before or after that. */
  #settle(n: number, unread: number): number {
    const others = this.#pushed - n - Math.max(0, unread);
    if (unread < 0 || others < 0) return 0;
    this.#consumed(others);
    if (others > 0 && n > 0) this.#tcp.receiveRing.write(this.#recalled, scratch.bytes, 0, n);
    this.#recalled += n;
    this.#pushed -= n;
    return unread;
  }
  /** What leaves T's receive ring is in G no more; where that could not be reached before, it is taken out now. */
  #withdraw(leaving: number, copy: number): void {
    this.#leaving = Math.min(leaving, this.#recalled);
    this.#recalled -= this.#leaving;
    let left = Math.min(leaving - this.#leaving, this.#pushed);
    this.#pushed -= left;
    if (copy === NO_COPY) return;
    while (left > 0) {
      const n = takeOctets(copy, left);
      if (n <= 0) return;
      left -= n;
    }
  }
  realign(_events: number, _copy: number): void {
    this.#recalled += this.#leaving;
    this.#leaving = 0;
    this.#world.touch(this.#file);
  }
  /** What a trapped receive left goes back before what is still in G. */
  #restore(): boolean {
    if (this.#pushed > 0) this.recall(Number.POSITIVE_INFINITY);
    if (this.#pushed > 0) this.#reconcile();
    if (this.#pushed === 0) this.#recalled = 0;
    return this.#recalled === 0;
  }

  /** Network to guest. */
  #push(): void {
    if (this.#sendingShut) return;
    const tcp = this.#tcp;
    if (this.#recalled > 0 && !this.#restore()) return;
    if (this.#pushed > 0) this.#reconcile();
    if (this.#receivingShut) {
      // Nobody reads any more; the peer goes on as with a reader.
      tcp.consume(tcp.receivable);
      this.#pushed = 0;
    }
    if (this.#mayPush()) this.#pushAll();
    const { length } = tcp.receiveRing;
    this.#watchOut(
      this.#inBlocked || (this.#pushed > 0 && (length >= watchedOctets(this.#tcp) || length > this.#pushed)),
    );
    if (this.#pushed + this.#urgent.uncounted < length) return;
    if (tcp.finReceived) {
      shutdownUnix(this.#peer, SHUT_WR);
      this.#sendingShut = true;
    }
    // Last: on the loopback more may arrive before it returns.
    tcp.handedOver();
  }
  /** SO_RCVLOWAT: a reader waits for so much, but in front of urgent data. */
  #mayPush(): boolean {
    if (this.#tcp.urgent === Urgent.Valid) return true;
    return this.#file.options.receiveLowWater === 1 || (this.#file.poll() & POLLIN) !== 0;
  }
  held(): void {
    this.#world.holds(this);
  }
  offer(): boolean {
    if (this.#mode !== 'open' || this.#mayPush() || this.#tcp.receivable <= this.#pushed) return false;
    if (this.#guest.isRead()) this.#pushAll();
    return true;
  }
  #pushAll(): void {
    if (this.#urgent.isNext(this.#pushed)) this.#pushed += this.#urgent.put(this.#peer);
    const { receivable, receiveRing: ring } = this.#tcp;
    while (this.#pushed < receivable) {
      const n = this.#send(ring, Math.min(receivable - this.#pushed, BATCH));
      if (n < 0) {
        // With EPIPE the guest is gone, which we are about to be told.
        this.#inBlocked = n !== -EPIPE;
        return;
      }
      this.#pushed += n;
    }
    this.#inBlocked = false;
    if (this.#urgent.isNext(this.#pushed)) this.#pushed += this.#urgent.put(this.#peer);
  }
  /** One send even where the ring wraps: a reader may count on seeing a message whole. */
  #send(ring: ByteRing, len: number): number {
    const at = this.#pushed;
    if (ring.run(at, len) === len) return sendFrom(this.#peer, borrowAddress(ring.bytes) + ring.index(at), len);
    ring.read(at, scratch.bytes, 0, len);
    return sendFrom(this.#peer, scratch.address, len);
  }
  /** What the guest has certainly read leaves T's ring. */
  #reconcile(): void {
    if (this.#urgent.inGuest && this.#reconcileExactly()) return;
    const held = outputQueue(this.#peer);
    // A G that was closed holds nothing either, and what lay in it was read by nobody: P hangs up before it is thrown away (unix_release_sock).
    const isGone = held === 0 && !this.#receivingShut && (eventsOf(this.#peer, 0) & POLLHUP) !== 0;
    if (held >= 0 && !isGone) this.#consumed(this.#pushed - held);
  }
  /** The memory that an urgent octet takes says nothing about those before it. */
  #reconcileExactly(): boolean {
    const guestEnd = this.#guest.borrow(true);
    if (guestEnd === NO_COPY) return false;
    this.#readIn(guestEnd);
    close(guestEnd);
    return true;
  }
  #readIn(guestEnd: number): void {
    const unread = this.#urgent.unreadIn(guestEnd);
    if (unread >= 0) this.#consumed(this.#pushed - unread);
    this.#urgent.look(guestEnd);
  }
  #removeUrgent(copy: number): void {
    const guestEnd = copy === NO_COPY ? this.#guest.borrow(true) : copy;
    if (guestEnd === NO_COPY) return;
    this.#urgent.remove(guestEnd);
    if (guestEnd !== copy) close(guestEnd);
    // What stands in its place would stop a read.
    this.recall(Number.POSITIVE_INFINITY);
  }
  #consumed(octets: number): void {
    if (octets <= 0) return;
    this.#pushed -= octets;
    if (this.#recalled > 0) this.#dropBehind(octets);
    else this.#tcp.consume(octets);
  }
  /** Drops octets behind those that were recalled. */
  #dropBehind(octets: number): void {
    const kept = new Uint8Array(this.#recalled);
    this.#tcp.receiveRing.read(0, kept, 0, kept.length);
    this.#tcp.consume(octets);
    this.#tcp.receiveRing.write(0, kept, 0, kept.length);
  }

  drain(copy: number, last: boolean): void {
    if (this.#mode === 'open') this.#pull(true, last);
    // A native call was told the error already.
    if (this.#showsError && copy !== NO_COPY && (eventsOf(copy, 0) & POLLERR) === 0) {
      this.#showsError = false;
      this.#file.takeErrno();
    }
    if (copy !== NO_COPY && (this.#pushed > 0 || this.#urgent.inGuest)) this.#readIn(copy);
  }
  rose(events: number): void {
    if (this.#outBlocked && (events & POLLOUT) !== 0) this.#pull(true, false);
  }
  /** Room comes piece by piece, and not all of it is told. */
  get hasEarlier(): boolean {
    if (!this.#outBlocked || this.#mode !== 'open') return false;
    this.#pull(true, false);
    return inputQueue(this.#peer) > 0;
  }
  /** Takes up again what a budget ended. */
  resume(): void {
    this.#queuedAgain = false;
    if (this.#mode === 'open' && !this.#outBlocked) this.#pull(false, false);
  }

  /** Guest to network: one batch, or all there is. With `beyond` T takes it whatever its limit; false if there is no memory for it. */
  #pull(all: boolean, beyond: boolean): boolean {
    const tcp = this.#tcp;
    const ring = tcp.sendRing;
    let budget = BATCH;
    this.#outBlocked = false;
    while (!this.#outEnded) {
      const space = beyond ? tcp.sendSpaceBeyond(this.#batch) : tcp.sendSpace(this.#batch);
      if (space <= 0) {
        this.#outBlocked = true;
        return tcp.sendEnded;
      }
      const n = this.#receive(ring, space);
      if (n <= 0) {
        this.#noteEnd(n);
        return true;
      }
      tcp.commitSend(n, 0, false, false);
      this.#batch = n < SMALL_BATCH ? SMALL_BATCH : BATCH;
      if (n < space && !this.#endings) return true;
      budget -= n;
      if (budget <= 0 && !all) {
        this.#again();
        return true;
      }
    }
    return true;
  }
  /** One piece even where the ring wraps: the second part of a message would wait for the ACK of the first (Nagle). */
  #receive(ring: ByteRing, space: number): number {
    const at = ring.length;
    if (ring.run(at, space) === space) {
      return receiveTo(this.#peer, borrowAddress(ring.bytes) + ring.index(at), space);
    }
    const n = receiveTo(this.#peer, scratch.address, space);
    if (n > 0) ring.write(at, scratch.bytes, 0, n);
    return n;
  }
  #noteEnd(n: number): void {
    if (n === -ECONNRESET) this.#closedUnread = true;
    if (n === 0 || n === -ECONNRESET) this.#outEnded = true;
  }
  #again(): void {
    if (this.#queuedAgain) return;
    this.#queuedAgain = true;
    this.#world.again(this);
  }

  // The end

  /** T ended otherwise than by FIN both ways, and the guest has all that was received. */
  get #isLost(): boolean {
    const { state, error, finReceived, receiveRing } = this.#tcp;
    if (state !== 'CLOSED' || (finReceived && error === undefined)) return false;
    return finReceived || this.#pushed + this.#urgent.uncounted >= receiveRing.length;
  }
  #endWithError(copy: number): void {
    // After a FIN a reader sees the end and not the error: no octet may be left unread.
    if (this.#tcp.finReceived) while (takeOctets(this.#peer, 65_536) > 0);
    this.#die(copy);
  }
  #die(copy: number): void {
    if (this.#peer === NONE) return;
    const { finReceived, error } = this.#tcp;
    // At the end of P nobody has G any more.
    if (!finReceived && inputQueue(this.#peer) === 0 && takeOctets(this.#peer, 1) === -EAGAIN) {
      const guestEnd = copy === NO_COPY ? this.#guest.borrow(true) : copy;
      if (guestEnd !== NO_COPY) sendOctets(guestEnd, 1);
      if (guestEnd !== copy && guestEnd !== NO_COPY) close(guestEnd);
    }
    this.#showsError = !finReceived && error !== undefined;
    this.#closePeer();
    this.#mode = 'dead';
    if (error === undefined && copy !== NO_COPY) takeError(copy);
  }
  /** The last descriptor of G was closed. It may be that the socket itself is about to be. */
  ended(): void {
    if (this.#mode !== 'open') return;
    const complete = this.#pull(true, true);
    if (!complete) this.#tcp.abort();
    // In this order: a close first leaves the error and then drops what was unread (unix_release_sock).
    const unread = outputQueue(this.#peer) > 0 || this.#closedUnread || takeError(this.#peer) === ECONNRESET;
    if (unread) return;
    this.#consumed(this.#pushed);
    this.#urgent.passed();
  }
  endSending(): boolean {
    return this.#mode === 'dead' || (this.#mode === 'open' && this.#marked);
  }
  thin(): void {
    // The data is its own edge.
  }
  #closePeer(): void {
    if (this.#peer === NONE) return;
    this.#world.watches.remove(this.#peer);
    close(this.#peer);
    this.#peer = NONE;
  }
  close(): void {
    this.#closePeer();
    if (this.#file.lender === this) this.#file.lender = undefined;
    this.#listener?.close();
    this.#mode = 'dead';
  }
}
