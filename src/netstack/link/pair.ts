/**
 * Two link endpoints joined in memory, for tests and for two stacks in one process. A frame transmitted at one end waits until `deliver` or `pump`
 * hands it to the other, so the caller controls when, and in what order against time, frames arrive. Frames cross pools by copying, within one pool by handing over.
 */
import { type Packet, type PacketPool } from '../packet.ts';
import { LinkCapability, type LinkCounters, type LinkEndpoint, type LinkReceiver, linkCounters } from './link.ts';
import { PacketQueue } from './queue.ts';

export interface PairOptions {
  /** Octets of IP packet, 1500. */
  readonly mtu?: number;
  /** Bits of LinkCapability, none. */
  readonly capabilities?: number;
  /** MAC addresses; null for a link of bare IP packets. */
  readonly addresses?: readonly [Uint8Array, Uint8Array] | null;
  /** Frames that may wait in each direction; unbounded but for the pool. */
  readonly queueLimit?: number;
}

/** Sees each frame before it is queued; false drops it. It may change octets, must not keep the packet. */
export type FrameTap = (packet: Packet) => boolean;

export class PairEnd implements LinkEndpoint {
  readonly mtu: number;
  readonly linkAddress: Uint8Array | undefined;
  readonly capabilities: number;
  readonly counters: LinkCounters = linkCounters();
  /** For tests: filters what this end transmits. */
  tap: FrameTap | undefined = undefined;
  readonly #limit: number;
  /** Frames on their way to the peer. */
  readonly #sent = new PacketQueue();
  #peer: PairEnd | undefined = undefined;
  #receiver: LinkReceiver | undefined = undefined;
  #pool: PacketPool | undefined = undefined;
  #closed = false;

  constructor(options: PairOptions, linkAddress: Uint8Array | undefined) {
    this.mtu = options.mtu ?? 1500;
    this.capabilities = options.capabilities ?? 0;
    this.#limit = options.queueLimit ?? Number.POSITIVE_INFINITY;
    this.linkAddress = linkAddress;
  }
  /** @internal */
  join(peer: PairEnd): void {
    this.#peer = peer;
  }
  /** @param pool where received frames are to live; without it they stay in the sender's. */
  attach(receiver: LinkReceiver, pool?: PacketPool): void {
    this.#receiver = receiver;
    this.#pool = pool;
  }
  /** For one who works without a stack: the pool that received frames are copied into. */
  usePool(pool: PacketPool): void {
    this.#pool = pool;
  }
  get queued(): number {
    return this.#sent.count;
  }

  transmit(packet: Packet): boolean {
    const passes = this.tap === undefined || this.tap(packet);
    if (this.#closed || !passes || this.#sent.count >= this.#limit) {
      this.counters.txDropped++;
      packet.release();
      // A tap stands for loss on the wire, which no sender sees.
      return !this.#closed && !passes;
    }
    this.counters.txFrames++;
    this.counters.txOctets += packet.length;
    this.#sent.push(packet);
    return true;
  }

  /** Hands up to `count` of the frames that wait now at this end to the peer. Returns how many. */
  deliver(count = this.#sent.count): number {
    let n = 0;
    for (; n < count; n++) {
      const packet = this.#sent.shift();
      if (packet === undefined) break;
      this.#peer?.arrive(packet);
    }
    return n;
  }
  /** @internal */
  arrive(packet: Packet): void {
    const own = this.#pool === undefined || packet.pool === this.#pool ? packet : packet.copyTo(this.#pool);
    if (own !== packet) packet.release();
    if (own === undefined || this.#receiver === undefined || this.#closed) {
      this.counters.rxDropped++;
      own?.release();
      return;
    }
    this.counters.rxFrames++;
    this.counters.rxOctets += own.length;
    own.arrived();
    this.#receiver.receive(own);
  }
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sent.clear();
    this.#peer?.peerClosed();
  }
  /** @internal */
  peerClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sent.clear();
    this.#receiver?.linkClosed('the other end of the pair was closed');
  }
}

const MAC_A = Uint8Array.of(0x02, 0, 0, 0, 0, 0x0a);
const MAC_B = Uint8Array.of(0x02, 0, 0, 0, 0, 0x0b);
export const ALL_CAPABILITIES = LinkCapability.TxChecksum | LinkCapability.Tso4 | LinkCapability.Tso6;

export class LinkPair {
  readonly a: PairEnd;
  readonly b: PairEnd;

  constructor(options: PairOptions = {}) {
    const addresses = options.addresses === undefined ? [MAC_A, MAC_B] : (options.addresses ?? [undefined, undefined]);
    this.a = new PairEnd(options, addresses[0]);
    this.b = new PairEnd(options, addresses[1]);
    this.a.join(this.b);
    this.b.join(this.a);
  }
  /** Delivers both ways, what the deliveries cause included, until nothing waits or `limit` frames have passed. Returns how many passed. */
  pump(limit = 100_000): number {
    let n = 0;
    while (n < limit && this.a.queued + this.b.queued > 0) n += this.a.deliver() + this.b.deliver();
    return n;
  }
}
