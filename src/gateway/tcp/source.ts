/**
 * The host's octets on their way to the guest, which must stay available until the guest acknowledged them. Two ways, equal in speed:
 * - PeekSource leaves them in the host socket's buffer and peeks with SO_PEEK_OFF (socket(7); TCP since Linux 6.9): no memory of ours, and the host's own
 *   window tells the peer how far the guest has read.
 * - QueueSource reads each octet once and keeps a copy in a bounded ring, for older kernels. (Peeking without an offset copies again all that
 *   is in flight: 25.8 us against 1.9 for 64 KB behind 1 MB.)
 *
 * The kernel's offset moves by itself: a peek advances it, a real read of d octets moves it back by d and not below 0. So it equals nxt - una
 * at all times and is set only for a rewind.
 */
import type { ByteRing } from '../../lib/byte-ring.ts';
import type { Packet } from '../../netstack/packet.ts';
import { Errno, type HostSockets, Sock } from '../host.ts';
import type { RingPool } from './ring-pool.ts';

export interface HostSource {
  /** Up to `len` octets that follow the ones read before, to `packet.at`. Octets, 0 at the end of the stream, or -errno. */
  read(packet: Packet, len: number): number;
  /** The guest has `len` more octets, counted from the first it did not have. */
  acknowledge(len: number): void;
  /** Reading begins again with the first octet that the guest does not have. */
  rewind(): void;
  close(): void;
}

/** Tries to discard; each stops at an urgent mark, of which there is one at a time. */
const DISCARD_TRIES = 4;

export class PeekSource implements HostSource {
  readonly #sockets: HostSockets;
  readonly #fd: number;
  readonly #slab: number;
  /** Acknowledged octets that recv has yet to discard. */
  #owed = 0;

  constructor(sockets: HostSockets, fd: number, slab: number) {
    this.#sockets = sockets;
    this.#fd = fd;
    this.#slab = slab;
    sockets.setPeekOffset(fd, 0);
  }

  read(packet: Packet, len: number): number {
    return this.#sockets.receive(this.#fd, this.#slab + packet.at, len, Sock.Peek);
  }
  acknowledge(len: number): void {
    this.#owed += len;
    for (let i = 0; i < DISCARD_TRIES && this.#owed > 0; i++) {
      const n = this.#sockets.receive(this.#fd, 0, this.#owed, Sock.Trunc);
      // An error here is latched by its EPOLLERR; a discard after it succeeds.
      if (n > 0) this.#owed -= n;
      else if (n === 0 || n === -Errno.EAGAIN) return;
    }
  }
  rewind(): void {
    this.#sockets.setPeekOffset(this.#fd, this.#owed);
  }
  close(): void {
    // The socket is the flow's to close.
  }
}

/** Octets of all rings together. */
export class QueueBudget {
  readonly limit: number;
  used = 0;
  constructor(limit: number) {
    this.limit = limit;
  }
}

/** What the queues of all flows share. */
export interface QueueParts {
  readonly budget: QueueBudget;
  /** Octets of one flow's ring. */
  readonly limit: number;
  readonly rings: RingPool;
}

export class QueueSource implements HostSource {
  readonly #sockets: HostSockets;
  readonly #fd: number;
  readonly #slab: number;
  readonly #parts: QueueParts;
  /** Undefined while empty. */
  #ring: ByteRing | undefined = undefined;
  /** Octets of the ring that were handed out since the last rewind. */
  #position = 0;

  constructor(sockets: HostSockets, fd: number, slab: number, parts: QueueParts) {
    this.#sockets = sockets;
    this.#fd = fd;
    this.#slab = slab;
    this.#parts = parts;
  }

  /** -ENOBUFS with the ring at its limit: an acknowledgment makes room, and then the flow is read again. */
  read(packet: Packet, len: number): number {
    const { budget, limit, rings } = this.#parts;
    const held = this.#ring?.length ?? 0;
    const again = Math.min(len, held - this.#position);
    if (again > 0) {
      this.#ring?.read(this.#position, packet.bytes, packet.at, again);
      this.#position += again;
      return again;
    }
    const room = Math.min(len, limit - held, budget.limit - budget.used);
    if (room <= 0) return -Errno.ENOBUFS;
    const n = this.#sockets.receive(this.#fd, this.#slab + packet.at, room, 0);
    if (n <= 0) return n;
    const ring = (this.#ring ??= rings.take());
    ring.reserve(held + n);
    ring.write(held, packet.bytes, packet.at, n);
    ring.append(n);
    budget.used += n;
    this.#position += n;
    return n;
  }
  acknowledge(len: number): void {
    const ring = this.#ring;
    if (ring === undefined) return;
    const n = Math.min(len, ring.length);
    ring.consume(n);
    this.#parts.budget.used -= n;
    this.#position = Math.max(0, this.#position - n);
    if (ring.length > 0) return;
    this.#parts.rings.give(ring);
    this.#ring = undefined;
  }
  rewind(): void {
    this.#position = 0;
  }
  close(): void {
    if (this.#ring !== undefined) this.acknowledge(this.#ring.length);
  }
}
