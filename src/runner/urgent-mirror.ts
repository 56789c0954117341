/**
 * TCP's urgent octet in a mirrored stream. AF_UNIX has urgent octets with TCP's own rules (a read stops in front of one, the next passes it, a second one makes the first data, SO_OOBINLINE), so
 * T's is sent to G as one: POLLPRI shows, and native reads are right by themselves. What is asked of it by MSG_OOB and SIOCATMARK is trapped, and T's own.
 *
 * In line it is an octet of the stream like any other. Out of band it lies in G beside those that are counted, and T's ring may still hold it. G shows POLLIN with it though nothing may be
 * readable (unix_poll looks at the queue alone).
 */
import { POLLPRI } from '../abi/poll.ts';
import { eventsOf } from '../host/file.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import {
  inputQueue,
  pairSecond,
  sendUrgent,
  takeOctets,
  takeUrgent,
  UNIX_STREAM,
  unixPair,
} from '../host/unix-socket.ffi.ts';
import { type TcpEndpoint, Urgent } from '../netstack/endpoint.ts';

const isShown = (guestEnd: number): boolean => (eventsOf(guestEnd, POLLPRI) & POLLPRI) !== 0;

let countsPassed: number | undefined;
/** 1 where SIOCINQ goes on counting an urgent octet that a read has passed (Linux 6.17 on: unix_stream_read_generic does not subtract it). */
function passedCount(): number {
  if (countsPassed !== undefined) return countsPassed;
  const one = unixPair(UNIX_STREAM, true);
  if (one < 0) return 0;
  const other = pairSecond();
  sendUrgent(other, 0);
  takeOctets(one, 1);
  countsPassed = Math.max(0, inputQueue(one));
  close(one);
  close(other);
  return countsPassed;
}

export class UrgentMirror {
  readonly #tcp: TcpEndpoint;
  /** Its place in T's stream, of the last one that was sent to G. */
  #seq: number | undefined = undefined;
  /** G has it, as far as we know; out of band or in line. */
  #inGuest = false;
  #isInline = false;
  /** What SIOCINQ says too much for good. */
  #excess = 0;

  constructor(tcp: TcpEndpoint) {
    this.#tcp = tcp;
  }
  get inGuest(): boolean {
    return this.#inGuest;
  }
  /** It follows the octets that G has. */
  isNext(pushed: number): boolean {
    const { urgent, urgentSeq, octetsToMark } = this.#tcp;
    return urgent === Urgent.Valid && octetsToMark === pushed && urgentSeq !== this.#seq;
  }
  /** Sends it to G. Returns how many octets of the stream that were. */
  put(peer: number): number {
    const { urgentSeq, urgentOctet, settings } = this.#tcp;
    this.#seq = urgentSeq;
    this.#isInline = settings.oobInline;
    this.#inGuest = sendUrgent(peer, urgentOctet) === 1;
    return this.#inGuest && this.#isInline ? 1 : 0;
  }
  /** Octets at the end of T's ring that G has beside those counted as sent. */
  get uncounted(): number {
    return this.#inGuest && !this.#isInline && !this.#tcp.isMarkUnread ? 1 : 0;
  }
  /** G's unread octets of the stream, or a negative errno. Who reads meanwhile makes it too many and never too few. */
  unreadIn(guestEnd: number): number {
    const octets = inputQueue(guestEnd);
    if (octets < 0 || !this.#inGuest || this.#isInline) return octets - this.#excess;
    const counts = passedCount() === 1 || isShown(guestEnd);
    return octets - this.#excess - (counts ? 1 : 0);
  }
  /** It was read out of band, or another took its place. */
  get isStale(): boolean {
    const { urgent, urgentSeq } = this.#tcp;
    return this.#inGuest && !this.#isInline && (urgent !== Urgent.Valid || urgentSeq !== this.#seq);
  }
  /** Takes it out of G. An empty buffer stays in its place, which stops reads and shows POLLIN, until a read comes by. */
  remove(guestEnd: number): void {
    if (!isShown(guestEnd)) {
      this.passed();
      return;
    }
    this.#inGuest = false;
    takeUrgent(guestEnd);
    if (inputQueue(guestEnd) - this.#excess === 0) takeOctets(guestEnd, 1);
  }
  /** A read may have passed it. */
  look(guestEnd: number): void {
    if (this.#inGuest && !isShown(guestEnd)) this.passed();
  }
  passed(): void {
    if (!this.#inGuest) return;
    this.#inGuest = false;
    if (this.#isInline) return;
    this.#excess += passedCount();
    if (this.#tcp.isMarkUnread && this.#tcp.urgentSeq === this.#seq) this.#tcp.passMark();
  }
  /** G has given everything else back: it is sent again. */
  forget(guestEnd: number): void {
    this.remove(guestEnd);
    this.#seq = undefined;
  }
}
