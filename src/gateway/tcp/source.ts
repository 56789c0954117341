/**
 * The host's octets on their way to the guest, which must stay available until the guest acknowledged them. A SocketSource keeps them in one of two places:
 * - What a small read brings goes to a bounded ring of the flow's as well: one recv and a short copy, where leaving it in the socket would cost a second call to
 *   discard it (1448 octets: 910 ns against 868 + 589).
 * - A flow that fills its reads leaves its octets in the socket and peeks, with SO_PEEK_OFF (socket(7); TCP since Linux 6.9): no memory of ours and no copy, and
 *   the host's own window tells the peer how far the guest has read. So does one for which the rings have no room. Without SO_PEEK_OFF both go to the ring: peeking
 *   without an offset copies again all that is in flight (25.8 us against 1.9 for 64 KB behind 1 MB).
 *
 * In the order of the stream the ring comes first, then the socket. Once octets are peeked reading goes on by peeking until the guest has acknowledged all of them.
 * The kernel's offset moves by itself: a peek advances it, a real read of d octets moves it back by d and not below 0. So it equals what was peeked beyond
 * the socket's first octet at all times, and is set only to begin, for a rewind, and when not all could be discarded.
 */
import { ByteRing } from '../../lib/byte-ring.ts';
import type { Packet } from '../../netstack/packet.ts';
import { Errno, type HostSockets, Sock } from '../host.ts';
import type { RingPool } from './ring-pool.ts';

export interface HostSource {
  /** Up to `len` octets that follow the ones read before, to `packet.at`. Octets, 0 at the end of the stream, or -errno. */
  read(packet: Packet, len: number): number;
  /** The last read took fewer octets than were asked of the socket: it is empty, unless an end, an error or an urgent mark stood behind them. */
  readonly drained: boolean;
  /** The last read was short, and the next may well be: a small packet will do. */
  readonly isShort: boolean;
  /** The guest has `len` more octets, counted from the first it did not have. */
  acknowledge(len: number): void;
  /** Reading begins again with the first octet that the guest does not have. */
  rewind(): void;
  close(): void;
}

/** Tries to discard; each stops at an urgent mark, of which there is one at a time. */
const DISCARD_TRIES = 4;
/** A read of this size makes a flow one that peeks: copying it costs more than discarding it. */
const BULK = 1 << 14;

/** Up to this many octets a read counts as short: about half of what a small packet holds. */
const SHORT = 1 << 10;

/** Octets of a ring that every flow may have, whatever the others hold; a ring has no less storage. */
const FLOOR = 4096;

/** Storage of all rings together: a guest that leaves one octet of much unacknowledged keeps all of it. The last to grow goes beyond the limit, and so may FLOOR of each flow. */
export class QueueBudget {
  readonly limit: number;
  used = 0;
  constructor(limit: number) {
    this.limit = limit;
  }
}

/** What the sources of all flows share. */
export interface QueueParts {
  readonly budget: QueueBudget;
  /** Octets of one flow's ring. */
  readonly limit: number;
  readonly rings: RingPool;
  /** Whether octets may stay in the socket. */
  readonly peek: boolean;
}

export class SocketSource implements HostSource {
  drained = false;
  isShort = false;
  readonly #sockets: HostSockets;
  readonly #fd: number;
  readonly #slab: number;
  readonly #parts: QueueParts;
  /** Undefined while empty. */
  #ring: ByteRing | undefined = undefined;
  /** Octets of the ring that were handed out since the last rewind. */
  #position = 0;
  /** Octets of the socket that were handed out since the last rewind and are not acknowledged. */
  #peeked = 0;
  /** Acknowledged octets that recv has yet to discard. */
  #owed = 0;
  #bulk = false;
  /** The socket has a peek offset. */
  #peeks = false;

  constructor(sockets: HostSockets, fd: number, slab: number, parts: QueueParts) {
    this.#sockets = sockets;
    this.#fd = fd;
    this.#slab = slab;
    this.#parts = parts;
  }

  /** -ENOBUFS with the ring at its limit: an acknowledgment makes room, and then the flow is read again. */
  read(packet: Packet, len: number): number {
    this.drained = false;
    const held = this.#ring?.length ?? 0;
    const again = Math.min(len, held - this.#position);
    if (again > 0) {
      this.#ring?.read(this.#position, packet.bytes, packet.at, again);
      this.#position += again;
      return again;
    }
    if (this.#owed > 0) this.#discard();
    const { budget, limit, peek } = this.#parts;
    const free = (this.#ring?.bytes.length ?? 0) - held;
    const room = Math.min(len, limit - held, Math.max(FLOOR - held, free, budget.limit - budget.used));
    if (peek && (this.#bulk || this.#peeked > 0 || this.#owed > 0 || room <= 0)) return this.#peek(packet, len);
    return room <= 0 ? -Errno.ENOBUFS : this.#take(packet, room, held);
  }
  #take(packet: Packet, len: number, held: number): number {
    const n = this.#sockets.receive(this.#fd, this.#slab + packet.at, len, 0);
    if (n <= 0) return n;
    this.#noteSize(n, len);
    const ring = (this.#ring ??= this.#newRing(n));
    const had = ring.bytes.length;
    ring.reserve(held + n);
    this.#parts.budget.used += ring.bytes.length - had;
    ring.write(held, packet.bytes, packet.at, n);
    ring.append(n);
    this.#position += n;
    return n;
  }
  #newRing(octets: number): ByteRing {
    const { rings, budget } = this.#parts;
    // A spare one may be larger than it need be.
    const ring = budget.used < budget.limit ? rings.take(octets) : new ByteRing();
    budget.used += ring.bytes.length;
    return ring;
  }
  #peek(packet: Packet, len: number): number {
    if (!this.#peeks) this.#sockets.setPeekOffset(this.#fd, this.#owed);
    this.#peeks = true;
    const n = this.#sockets.receive(this.#fd, this.#slab + packet.at, len, Sock.Peek);
    if (n <= 0) return n;
    this.#noteSize(n, len);
    this.#peeked += n;
    return n;
  }
  #noteSize(n: number, len: number): void {
    this.drained = n < len;
    this.#bulk = n >= BULK;
    this.isShort = n <= SHORT;
  }

  acknowledge(len: number): void {
    const queued = this.#ring === undefined ? 0 : this.#consume(this.#ring, len);
    if (queued === len) return;
    this.#owed += len - queued;
    this.#peeked = Math.max(0, this.#peeked - len + queued);
    this.#discard();
  }
  /** Octets of the ring that are done with. */
  #consume(ring: ByteRing, len: number): number {
    const n = Math.min(len, ring.length);
    ring.consume(n);
    this.#position = Math.max(0, this.#position - n);
    if (ring.length > 0) return n;
    this.#parts.budget.used -= ring.bytes.length;
    this.#parts.rings.give(ring);
    this.#ring = undefined;
    return n;
  }
  #discard(): void {
    for (let i = 0; i < DISCARD_TRIES && this.#owed > 0; i++) {
      const n = this.#sockets.receive(this.#fd, 0, this.#owed, Sock.Trunc);
      // An error here is latched by its EPOLLERR; a discard after it succeeds.
      if (n > 0) this.#owed -= n;
      else if (n === 0 || n === -Errno.EAGAIN) break;
    }
    // After a rewind more may be acknowledged than was peeked since; of what of that is still there nothing is read again.
    if (this.#owed > 0 && this.#peeks) this.#sockets.setPeekOffset(this.#fd, this.#owed + this.#peeked);
  }
  rewind(): void {
    this.#position = this.#peeked = 0;
    if (this.#peeks) this.#sockets.setPeekOffset(this.#fd, this.#owed);
  }
  /** The socket is the flow's to close. */
  close(): void {
    if (this.#ring !== undefined) this.#consume(this.#ring, this.#ring.length);
  }
}
