/**
 * The pure part of a link over a descriptor: Ethernet frames behind a `struct virtio_net_hdr` (virtio 1.2, 5.1.6), as a tap with IFF_VNET_HDR and our own
 * socketpair carry them. Reading and writing are injected and work on slab positions, so nothing is copied on the way but short frames, which leave the
 * 64 KiB receive buffer for one of their size.
 *
 * Transmit. A frame leaves at once or, when the descriptor would block, waits in a queue bounded by octets and by count; `writable` flushes it in order.
 * What the queue does not take is dropped and counted, never silently.
 * Receive. `poll` reads until it would block, at most `budget` frames, so that a flood cannot hold the loop. The peer is not trusted: short frames, headers
 * that point outside their frame, and kinds of offload that were never agreed on are dropped and counted.
 * The end. Once the other side is gone the receiver is told, once; what still waits is released.
 */
import { u16 } from '../../lib/bytes.ts';
import { Csum, Gso, type Packet, type PacketPool, SMALL_OCTETS } from '../packet.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as virtio from '../wire/virtio.ts';
import { LinkCapability, type LinkCounters, type LinkEndpoint, type LinkReceiver, linkCounters } from './link.ts';
import { PacketQueue } from './queue.ts';

/** What a FrameIo returns instead of a count of octets. */
export const FrameStatus = {
  /** Try again when the descriptor is ready. */
  WouldBlock: -1,
  /** The other side is gone for good. */
  Closed: -2,
  /** This frame failed; others may not. */
  Failed: -3,
} as const;

/** One frame per call, nothing blocks; positions are those of the packet pool's slab. */
export interface FrameIo {
  /** Octets written, or a FrameStatus. */
  send(at: number, len: number): number;
  /** Octets of the frame, more than `capacity` if it was cut short, or a FrameStatus. */
  recv(at: number, capacity: number): number;
}

export interface FramedOptions {
  readonly io: FrameIo;
  readonly pool: PacketPool;
  readonly linkAddress: Uint8Array;
  /** Octets of IP packet, up to 65,535. */
  readonly mtu: number;
  /** All offloads unless said: both ends of our socketpair have them; a tap has them after TUNSETOFFLOAD. */
  readonly capabilities?: number;
  /** Bounds of the transmit queue. */
  readonly queueOctets?: number;
  readonly queueCount?: number;
}

const QUEUE_OCTETS = 8 * 1024 * 1024;
const QUEUE_COUNT = 2048;
/** Frames read per call of `poll`. */
const BUDGET = 64;
/** A received frame stands this far into its buffer, so that a header more can be put in front when it is passed on. */
const RECEIVE_AT = 64;
const SHORTEST = virtio.LEN + ethernet.HEADER_LEN;
const KNOWN_FLAGS = virtio.Flag.NeedsChecksum | virtio.Flag.DataValid;

export class FramedLink implements LinkEndpoint {
  readonly mtu: number;
  readonly linkAddress: Uint8Array;
  readonly capabilities: number;
  readonly counters: LinkCounters = linkCounters();
  readonly #io: FrameIo;
  readonly #pool: PacketPool;
  readonly #queueOctets: number;
  readonly queueLimit: number;
  readonly #queue = new PacketQueue();
  #receiver: LinkReceiver | undefined = undefined;
  /** Where the next frame is read to. */
  #buffer: Packet | undefined;
  #blocked = false;
  #closed = false;

  /** @throws RangeError for an MTU that no frame can carry. */
  constructor(options: FramedOptions) {
    if (options.mtu < ipv4.MIN_MTU || options.mtu > ipv4.MAX_LEN) {
      throw new RangeError(`an MTU of ${options.mtu}: ${ipv4.MIN_MTU} to ${ipv4.MAX_LEN} is possible`);
    }
    this.mtu = options.mtu;
    this.linkAddress = options.linkAddress;
    this.capabilities = options.capabilities ?? LinkCapability.TxChecksum | LinkCapability.Tso4 | LinkCapability.Tso6;
    this.#io = options.io;
    this.#pool = options.pool;
    this.#queueOctets = options.queueOctets ?? QUEUE_OCTETS;
    this.queueLimit = options.queueCount ?? QUEUE_COUNT;
    this.#buffer = this.#largeBuffer();
  }
  attach(receiver: LinkReceiver): void {
    this.#receiver = receiver;
  }
  get queued(): number {
    return this.#queue.count;
  }
  /** True while frames wait for `writable`. */
  get isBlocked(): boolean {
    return this.#blocked;
  }
  get isClosed(): boolean {
    return this.#closed;
  }

  transmit(packet: Packet): boolean {
    if (this.#closed) return this.#dropped(packet);
    putHeader(packet);
    if (this.#blocked) return this.#enqueue(packet);
    const n = this.#io.send(packet.at, packet.length);
    if (n >= 0) {
      this.#sent(packet);
      return true;
    }
    if (n === FrameStatus.WouldBlock) {
      this.#blocked = true;
      return this.#enqueue(packet);
    }
    this.#dropped(packet);
    if (n === FrameStatus.Closed) this.#end('the other side of the link is gone');
    return false;
  }

  /** The descriptor takes frames again. */
  writable(): void {
    this.#blocked = false;
    for (let packet = this.#queue.head; packet !== undefined; packet = this.#queue.head) {
      const n = this.#io.send(packet.at, packet.length);
      if (n === FrameStatus.WouldBlock) {
        this.#blocked = true;
        return;
      }
      this.#queue.shift();
      if (n >= 0) this.#sent(packet);
      else this.#dropped(packet);
      if (n === FrameStatus.Closed) {
        this.#end('the other side of the link is gone');
        return;
      }
    }
  }

  /** Receives what there is. @returns frames read; `budget` means that there may be more. */
  poll(budget = BUDGET): number {
    let n = 0;
    for (; n < budget && !this.#closed; n++) {
      this.#buffer ??= this.#largeBuffer();
      const buffer = this.#buffer;
      // Nowhere to read to: the descriptor keeps it, and its sender waits.
      if (buffer === undefined) break;
      const at = buffer.base + RECEIVE_AT;
      const len = this.#io.recv(at, buffer.limit - at);
      if (len === FrameStatus.WouldBlock) break;
      if (len === FrameStatus.Closed) this.#end('the other side closed the link');
      else if (len < 0) this.counters.rxErrors++;
      else this.#arrived(buffer, at, len);
    }
    return n;
  }

  #arrived(buffer: Packet, at: number, len: number): void {
    const frame = at + virtio.LEN;
    const end = at + len;
    if (len < SHORTEST || end > buffer.limit || !headerIsSound(buffer.bytes, at, end)) {
      this.counters.rxErrors++;
      return;
    }
    const packet = this.#keep(buffer, frame, end);
    if (packet === undefined || this.#receiver === undefined) {
      this.counters.rxDropped++;
      packet?.release();
      return;
    }
    readHeader(packet, buffer.bytes, at);
    this.counters.rxFrames++;
    this.counters.rxOctets += packet.length;
    this.#receiver.receive(packet);
  }
  /** The frame in a packet of its own: short ones are copied, a long one takes the buffer along. Undefined when there is no other buffer. */
  #keep(buffer: Packet, from: number, end: number): Packet | undefined {
    const len = end - from;
    if (len <= SMALL_OCTETS - RECEIVE_AT) {
      const packet = this.#pool.alloc(0);
      if (packet === undefined) return undefined;
      packet.at = packet.base + RECEIVE_AT;
      packet.end = packet.at + len;
      packet.bytes.set(buffer.bytes.subarray(from, end), packet.at);
      return packet;
    }
    const next = this.#largeBuffer();
    if (next === undefined) return undefined;
    this.#buffer = next;
    buffer.at = from;
    buffer.end = end;
    return buffer;
  }
  #largeBuffer(): Packet | undefined {
    return this.#pool.alloc(SMALL_OCTETS);
  }

  #enqueue(packet: Packet): boolean {
    const full =
      this.#queue.count >= this.queueLimit ||
      this.#queue.octets + packet.length > this.#queueOctets ||
      this.#pool.isLow;
    // One frame always fits, however low the pool.
    if (full && this.#queue.count > 0) return this.#dropped(packet);
    this.#queue.push(packet);
    return true;
  }
  #sent(packet: Packet): void {
    this.counters.txFrames++;
    this.counters.txOctets += packet.length - virtio.LEN;
    packet.release();
  }
  #dropped(packet: Packet): false {
    this.counters.txDropped++;
    packet.release();
    return false;
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.#shut();
    this.#receiver?.linkClosed(reason);
  }
  #shut(): void {
    this.#closed = true;
    this.#blocked = false;
    this.counters.txDropped += this.#queue.clear();
    this.#buffer?.release();
    this.#buffer = undefined;
  }
  /** The descriptor is its owner's to close. The receiver is not told what it asked for. */
  close(): void {
    if (!this.#closed) this.#shut();
  }
}

/** Puts the virtio header in front of the Ethernet frame at `at`. */
function putHeader(packet: Packet): void {
  const { bytes } = packet;
  const frame = packet.at;
  const at = packet.push(virtio.LEN);
  virtio.clear(bytes, at);
  if (packet.csum === Csum.Partial) {
    virtio.setChecksum(bytes, at, packet.csumStart - frame, packet.csumField - packet.csumStart);
  }
  if (packet.gsoType !== Gso.None) {
    virtio.setGso(bytes, at, packet.gsoType, packet.gsoSize, packet.l4 + tcp.headerLen(bytes, packet.l4) - frame);
  }
}

/** Whether the virtio header at `at` makes sense for the frame behind it, which ends at `end`. */
function headerIsSound(bytes: Uint8Array, at: number, end: number): boolean {
  const frame = at + virtio.LEN;
  const flags = virtio.flags(bytes, at);
  const type = virtio.gsoType(bytes, at) & ~virtio.GSO_ECN;
  const needs = (flags & virtio.Flag.NeedsChecksum) !== 0;
  if ((flags & ~KNOWN_FLAGS) !== 0) return false;
  if (needs) {
    const start = frame + virtio.csumStart(bytes, at);
    const field = start + virtio.csumOffset(bytes, at);
    if (start < frame + ethernet.HEADER_LEN || field + 2 > end) return false;
  }
  if (type === Gso.None) return virtio.gsoType(bytes, at) === 0;
  const ethertype = u16(bytes, frame + 12);
  const fits =
    (type === Gso.TcpV4 && ethertype === ethernet.EtherType.Ipv4) ||
    (type === Gso.TcpV6 && ethertype === ethernet.EtherType.Ipv6);
  // A super-packet's checksum is always the segmenter's to complete.
  return fits && needs && virtio.gsoSize(bytes, at) > 0;
}

/** Notes on the packet, whose `at` stands on the frame, what a sound header at `at` says. */
function readHeader(packet: Packet, bytes: Uint8Array, at: number): void {
  const flags = virtio.flags(bytes, at);
  if ((flags & virtio.Flag.NeedsChecksum) !== 0) {
    packet.csum = Csum.Partial;
    packet.csumStart = packet.at + virtio.csumStart(bytes, at);
    packet.csumField = packet.csumStart + virtio.csumOffset(bytes, at);
  } else if ((flags & virtio.Flag.DataValid) !== 0) packet.csum = Csum.Valid;
  packet.gsoType = virtio.gsoType(bytes, at) & ~virtio.GSO_ECN;
  packet.gsoSize = virtio.gsoSize(bytes, at);
}
