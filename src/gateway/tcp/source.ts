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
import { ByteRing } from '../../lib/byte-ring.ts';
import type { Packet } from '../../netstack/packet.ts';
import { Errno, type HostSockets, Sock } from '../host.ts';

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

export class QueueSource implements HostSource {
  readonly #sockets: HostSockets;
  readonly #fd: number;
  readonly #slab: number;
  readonly #budget: QueueBudget;
  readonly #limit: number;
  readonly #ring = new ByteRing();
  /** Octets of the ring that were handed out since the last rewind. */
  #position = 0;

  constructor(sockets: HostSockets, fd: number, slab: number, budget: QueueBudget, limit: number) {
    this.#sockets = sockets;
    this.#fd = fd;
    this.#slab = slab;
    this.#budget = budget;
    this.#limit = limit;
  }

  /** -EAGAIN with the ring at its limit too: an acknowledgment makes room, and then the flow is read again. */
  read(packet: Packet, len: number): number {
    const again = Math.min(len, this.#ring.length - this.#position);
    if (again > 0) {
      this.#ring.read(this.#position, packet.bytes, packet.at, again);
      this.#position += again;
      return again;
    }
    const room = Math.min(len, this.#limit - this.#ring.length, this.#budget.limit - this.#budget.used);
    if (room <= 0) return -Errno.ENOBUFS;
    const n = this.#sockets.receive(this.#fd, this.#slab + packet.at, room, 0);
    if (n <= 0) return n;
    this.#ring.reserve(this.#ring.length + n);
    this.#ring.write(this.#ring.length, packet.bytes, packet.at, n);
    this.#ring.append(n);
    this.#budget.used += n;
    this.#position += n;
    return n;
  }
  acknowledge(len: number): void {
    const n = Math.min(len, this.#ring.length);
    this.#ring.consume(n);
    this.#budget.used -= n;
    this.#position = Math.max(0, this.#position - n);
    if (this.#ring.length === 0) this.#ring.shrink();
  }
  rewind(): void {
    this.#position = 0;
  }
  close(): void {
    this.acknowledge(this.#ring.length);
  }
}
