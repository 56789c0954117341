/**
 * Shows poll events on a guest's socket that is in truth an AF_UNIX one. Guest end G, our end P:
 *
 * - IN: octets that P sent lie in G's queue. A further octet is a further edge for EPOLLET.
 * - PRI: an urgent octet from P, with which the kernel shows IN too. A second one makes the first an octet like any other.
 * - OUT: G's send buffer is the smallest the kernel gives. One octet of G's always lies unread in P (the resident); with a second one (the filler) G counts as full.
 *   Taking one octet at P makes room and gives the edge.
 * - RDHUP, HUP: P shuts down its sending side, both sides.
 * - ERR: a stream's P is closed while the resident lies unread in it; a datagram's P drops its connection, which is undone when the error was read.
 *
 * Lowering IN, OUT and ERR works at G, so it needs a copy of it; in the strict plane they fall only in calls of the guest, where one is at hand. A stream that was never
 * connected has no P: it shows OUT and HUP, as TCP does. (unix_poll, unix_dgram_poll, unix_writable and unix_release_sock of net/unix/af_unix.c; measured.)
 */
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP } from '../abi/poll.ts';
import { eventsOf } from '../host/file.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import {
  autobind,
  connectTo,
  disconnectUnix,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  sendOctets,
  sendUrgent,
  setSendBuffer,
  shutdownUnix,
  takeError,
  takeOctets,
  takeUrgent,
} from '../host/unix-socket.ffi.ts';
import { NO_COPY } from './plane.ts';
import type { Rendezvous } from './rendezvous.ts';

/** What a placeholder can show; the other poll bits follow these. */
export const SHOWN = POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP | POLLRDHUP;
/** Of a stream that was never connected. */
export const FRESH = POLLOUT | POLLHUP;
const ALL_ENDED = POLLIN | POLLOUT | POLLRDHUP | POLLHUP;
const ENDED = POLLRDHUP | POLLHUP;
const NONE = -1;
/** Octets kept in G's queue: each is an edge, and the queue is bounded. A reader that never empties the socket has them thinned out by its calls. */
const MAX_MARKS = 64;
const MANY_MARKS = 32;

/** Makes G's buffer smallest. Before the guest has it, because it wakes pollers. */
export const shrink = (guestEnd: number): number => setSendBuffer(guestEnd, 1);

/** How one guest's end shows its file. */
export interface View {
  /** What the guest sees, of SHOWN; all of it where `show` looks for itself what to do. */
  readonly shown: number;
  readonly isCrowded: boolean;
  /** Shows `events` as far as it can; true if they are shown. `edge` are events that rose anew though they were up. `leaving` as in Plane. */
  show(events: number, edge: number, copy: number, leaving: number): boolean;
  thin(copy: number): void;
  /** As in Plane. */
  endSending(copy: number): boolean;
  drain(copy: number, last: boolean): void;
  realign(events: number, copy: number): void;
  /** The file's events rose. At once, before any call that waits for them is tried again. */
  rose(events: number): void;
  /** The guest's last descriptor was closed. */
  ended(): void;
  close(): void;
}

export abstract class Display implements View {
  /** What the guest sees, of SHOWN. */
  shown: number;
  /** P. */
  protected peer: number;
  protected marks = 0;
  protected full = false;

  constructor(peer: number, shown: number) {
    this.peer = peer;
    this.shown = shown;
  }
  show(events: number, edge: number, copy: number): boolean {
    const wanted = events & SHOWN;
    if (wanted !== this.shown || (edge & (POLLIN | POLLPRI)) !== 0) this.move(wanted, edge, copy);
    return wanted === this.shown;
  }
  protected abstract move(wanted: number, edge: number, copy: number): void;

  /** OUT follows `wanted`. */
  protected moveOut(wanted: number, copy: number): void {
    if ((wanted & POLLOUT) === 0) {
      if (!this.full && copy !== NO_COPY) this.full = sendOctets(copy, 1) === 1;
    } else if (this.full) {
      takeOctets(this.peer, 1);
      this.full = false;
    }
    this.shown = this.full ? this.shown & ~POLLOUT : this.shown | POLLOUT;
  }
  protected moveIn(wanted: number, edge: number, copy: number): void {
    const ended = (this.shown & POLLRDHUP) !== 0;
    if ((wanted & POLLIN) !== 0) {
      const mark = this.marks === 0 || ((edge & POLLIN) !== 0 && this.marks < MAX_MARKS);
      if (mark && !ended && sendOctets(this.peer, 1) === 1) this.marks++;
    } else if (this.marks > 0 && copy !== NO_COPY) {
      this.unmark(copy, 0);
    }
    this.shown = this.marks > 0 || ended ? this.shown | POLLIN : this.shown & ~POLLIN;
  }
  /** More edges than this may soon not fit. */
  get isCrowded(): boolean {
    return this.marks >= MANY_MARKS;
  }
  /** Leaves one mark: IN stays, and there is room for further edges. */
  thin(copy: number): void {
    if (this.marks > 1) this.unmark(copy, 1);
  }
  endSending(_copy: number): boolean {
    return false;
  }
  /** Takes the marks out of G's queue but for `left`. */
  protected abstract unmark(copy: number, left: number): void;
  drain(_copy: number, _last: boolean): void {
    // Nothing passes by us here: every transfer is trapped.
  }
  realign(events: number, _copy: number): void {
    this.show(events, 0, NO_COPY);
  }
  rose(_events: number): void {
    // At the end of the turn is soon enough.
  }
  ended(): void {
    // Nothing is on its way.
  }
  /** Closes our end; what the guest still has of its own shows the end of the stream. */
  close(): void {
    if (this.peer !== NONE) close(this.peer);
    this.peer = NONE;
  }
}

export class StreamDisplay extends Display {
  readonly #rendezvous: Rendezvous;

  /** @param peer P of a pair, or -1 for a stream that is not connected yet */
  constructor(rendezvous: Rendezvous, peer: number) {
    super(peer, peer === NONE ? FRESH : POLLOUT);
    this.#rendezvous = rendezvous;
  }
  protected move(wanted: number, edge: number, copy: number): void {
    if (this.peer === NONE && !this.#attach(copy)) {
      // Closed for good by an error: all that can change is that the error was read.
      if ((this.shown & POLLERR) !== 0 && (wanted & POLLERR) === 0 && copy !== NO_COPY) {
        takeError(copy);
        this.shown &= ~POLLERR;
      }
      return;
    }
    if ((wanted & POLLERR) !== 0) {
      this.close();
      this.shown = ALL_ENDED | POLLERR | (this.shown & POLLPRI);
      return;
    }
    const ending = wanted & ENDED & ~this.shown;
    this.#movePri(wanted, edge, copy);
    // An end is readable by itself, and one edge with it.
    if (ending === 0) this.moveIn(wanted, edge, copy);
    else {
      shutdownUnix(this.peer, (ending & POLLHUP) === 0 ? SHUT_WR : SHUT_RDWR);
      this.shown |= POLLIN | ((ending & POLLHUP) === 0 ? POLLRDHUP : ENDED);
    }
    this.moveOut(wanted, copy);
  }
  #movePri(wanted: number, edge: number, copy: number): void {
    const isUp = (this.shown & POLLPRI) !== 0;
    if ((wanted & POLLPRI) !== 0) {
      if ((isUp && (edge & POLLPRI) === 0) || sendUrgent(this.peer, 0) !== 1) return;
      if (isUp) this.marks++;
      this.shown |= POLLPRI;
    } else if (isUp && copy !== NO_COPY) {
      takeUrgent(copy);
      // An empty buffer stays in its place, and shows IN, until a read comes by.
      if (this.marks === 0) takeOctets(copy, 1);
      this.shown &= ~POLLPRI;
    }
  }
  /** A fresh stream gets its P: its guest end connects to our rendezvous. */
  #attach(copy: number): boolean {
    if (this.shown !== FRESH || copy === NO_COPY) return false;
    this.peer = this.#rendezvous.meet(copy);
    if (this.peer < 0) {
      this.peer = NONE;
      return false;
    }
    this.shown = POLLOUT;
    sendOctets(copy, 1);
    // A connection that was made is an edge of OUT: there was no room, and is.
    if (sendOctets(copy, 1) === 1) takeOctets(this.peer, 1);
    return true;
  }
  override endSending(copy: number): boolean {
    // Closed by an error it sends no more; fresh it would say ENOTCONN.
    if (this.peer === NONE) return (this.shown & ENDED) === ENDED;
    return shutdownUnix(copy, SHUT_WR) === 0;
  }
  protected unmark(copy: number, left: number): void {
    // A read stops in front of an urgent octet, and the next one passes it.
    for (let n = 1; this.marks > left && n > 0; this.marks -= n) n = Math.max(0, takeOctets(copy, this.marks - left));
    this.marks = left;
    if ((this.shown & POLLPRI) !== 0 && (eventsOf(copy, POLLPRI) & POLLPRI) === 0) this.shown &= ~POLLPRI;
  }
}

export class DatagramDisplay extends Display {
  /** P's connection is dropped: the guest sees an error. */
  #broken = false;

  constructor(peer: number) {
    super(peer, POLLOUT);
  }
  /** PRI is with ERR alone (SO_SELECT_ERR_QUEUE), and cannot be shown here. */
  override show(events: number, edge: number, copy: number): boolean {
    return super.show(events & ~POLLPRI, edge & ~POLLPRI, copy);
  }
  protected move(wanted: number, edge: number, copy: number): void {
    if ((wanted & POLLERR) === 0 && this.#broken && copy !== NO_COPY) this.#mend(copy);
    if (!this.#broken) {
      const ending = wanted & ENDED & ~this.shown;
      this.moveIn(wanted, edge, copy);
      if (ending !== 0 && copy !== NO_COPY) {
        shutdownUnix(copy, (ending & POLLHUP) === 0 ? SHUT_RD : SHUT_RDWR);
        this.shown |= POLLIN | ((ending & POLLHUP) === 0 ? POLLRDHUP : ENDED);
      }
      this.moveOut(wanted, copy);
    }
    if ((wanted & POLLERR) !== 0 && !this.#broken && disconnectUnix(this.peer) === 0) {
      // What lay unread in P is gone, the filler with it.
      this.#broken = true;
      this.full = false;
      this.shown |= POLLERR | POLLOUT;
    }
  }
  /** The error was read: P connects again, for which the guest's end gets a name of the kernel's choice. */
  #mend(copy: number): void {
    takeError(copy);
    autobind(copy);
    if (connectTo(this.peer, copy) !== 0) return;
    sendOctets(copy, 1);
    this.#broken = false;
    this.shown &= ~POLLERR;
  }
  protected unmark(copy: number, left: number): void {
    for (; this.marks > left; this.marks--) takeOctets(copy, 1);
  }
}
