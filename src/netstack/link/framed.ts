/**
 * The pure part of a link over a descriptor: Ethernet frames behind a `struct virtio_net_hdr` (virtio 1.2, 5.1.6), as a tap with IFF_VNET_HDR and our own
 * socketpair carry them. Reading and writing are injected and work on slab positions, so nothing is copied on the way but short frames, which leave the
 * 64 KiB receive buffer for one of their size.
 *
 * Transmit. A frame leaves at once or, when the descriptor would block, waits in a queue bounded by octets and by count; `writable` flushes it in order.
 * What the queue does not take is dropped and counted, never silently.
 * Bundles. Between two ends of ours a message carries several frames, each behind its length (32 bits, network order), since small frames cost by the message: the
 * frames of a turn wait in the queue until `flush`, or until they fill a message.
 * Receive. `poll` reads until it would block, at most `budget` frames, so that a flood cannot hold the loop. The peer is not trusted: short frames, headers
 * that point outside their frame, and kinds of offload that were never agreed on are dropped and counted.
 * The end. Once the other side is gone the receiver is told, once; what still waits is released.
 */
import { putU32, u16, u32 } from '../../lib/bytes.ts';
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

/** One message per call, nothing blocks; positions are those of the packet pool's slab. */
export interface FrameIo {
  /** Octets written, or a FrameStatus. */
  send(at: number, len: number): number;
  /** Octets of the message, more than `capacity` if it was cut short, or a FrameStatus. */
  recv(at: number, capacity: number): number;
}
/** A descriptor that sends a message from several places. */
export interface BundleIo extends FrameIo {
  /** Piece `index` of the message to come; there may be MOST_PIECES. */
  put(index: number, at: number, len: number): void;
  /** The first `count` pieces as one message: octets written, or a FrameStatus. */
  sendPieces(count: number): number;
}

export interface FramedOptions {
  /** A BundleIo for bundles, which the other end must be made for as well. */
  readonly io: FrameIo | BundleIo;
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
/** The length of a bundle's frame, the virtio header included. */
const PREFIX_LEN = 4;
/** Frames of a bundle. */
export const MOST_PIECES = 64;
/** A bundle's octets: the longest frame fits. */
const BUNDLE_OCTETS = PREFIX_LEN + virtio.LEN + ethernet.HEADER_LEN + ipv4.MAX_LEN;
const KNOWN_FLAGS = virtio.Flag.NeedsChecksum | virtio.Flag.DataValid;

export class FramedLink implements LinkEndpoint {
  readonly mtu: number;
  readonly linkAddress: Uint8Array;
  readonly capabilities: number;
  readonly counters: LinkCounters = linkCounters();
  readonly #io: FrameIo;
  readonly #bundles: BundleIo | undefined;
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
    this.#bundles = 'sendPieces' in options.io ? options.io : undefined;
    this.#pool = options.pool;
    this.#queueOctets = options.queueOctets ?? QUEUE_OCTETS;
    this.queueLimit = options.queueCount ?? QUEUE_COUNT;
    this.#buffer = this.#largeBuffer();
  }
  attach(receiver: LinkReceiver): void {
    this.#receiver = receiver;
  }
  /** Frames that wait because the descriptor takes none. */
  get queued(): number {
    return this.#blocked ? this.#queue.count : 0;
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
    if (this.#bundles !== undefined) return this.#bundle(packet);
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

  #bundle(packet: Packet): boolean {
    putU32(packet.bytes, packet.push(PREFIX_LEN), packet.length - PREFIX_LEN);
    if (this.#isFull(packet.length)) this.flush();
    // Sending may have ended it.
    if (this.#closed) return this.#dropped(packet);
    if (!this.#enqueue(packet)) return false;
    if (this.#queue.count >= MOST_PIECES || this.#queue.octets >= BUNDLE_OCTETS / 2) this.flush();
    return true;
  }
  /** Sends the bundle that has gathered; to be called at the end of each turn. */
  flush(): void {
    const io = this.#bundles;
    if (io === undefined) return;
    while (!this.#blocked && this.#queue.count > 0) {
      const count = this.#gather(io);
      const n = io.sendPieces(count);
      if (n === FrameStatus.WouldBlock) this.#blocked = true;
      else this.#left(count, n);
    }
  }
  /** Puts down what fits into one message, and returns how many frames that is. */
  #gather(io: BundleIo): number {
    let count = 0;
    let octets = 0;
    for (let packet = this.#queue.head; packet !== undefined; packet = packet.next) {
      octets += packet.length;
      if (count >= MOST_PIECES || (octets > BUNDLE_OCTETS && count > 0)) break;
      io.put(count++, packet.at, packet.length);
    }
    return count;
  }
  /** The first `count` frames of the queue were sent, or failed. */
  #left(count: number, status: number): void {
    for (let i = 0; i < count; i++) {
      const packet = this.#queue.shift();
      if (packet === undefined) break;
      if (status < 0) this.#dropped(packet);
      else this.#sent(packet);
    }
    if (status === FrameStatus.Closed) this.#end('the other side of the link is gone');
  }

  /** The descriptor takes frames again. */
  writable(): void {
    this.#blocked = false;
    if (this.#bundles !== undefined) {
      this.flush();
      return;
    }
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

  /** Receives what there is. @returns messages read; `budget` means that there may be more. */
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
      else if (len < 0 || at + len > buffer.limit) this.counters.rxErrors++;
      else if (this.#bundles === undefined) this.#arrived(buffer, at, at + len, true);
      else this.#unbundle(buffer, at, at + len);
    }
    return n;
  }
  #unbundle(buffer: Packet, from: number, end: number): void {
    let at = from;
    // A frame may bring the end of the link, and the buffer with it.
    while (at < end && !this.#closed) {
      const len = end - at < PREFIX_LEN ? 0 : u32(buffer.bytes, at);
      const frame = at + PREFIX_LEN;
      if (len === 0 || len > end - frame) {
        this.counters.rxErrors++;
        return;
      }
      at = frame + len;
      this.#arrived(buffer, frame, at, frame - PREFIX_LEN === from && at === end);
    }
  }

  /** A frame with its virtio header; `alone` if the buffer holds no other. */
  #arrived(buffer: Packet, at: number, end: number, alone: boolean): void {
    const frame = at + virtio.LEN;
    if (end - at < SHORTEST || !headerIsSound(buffer.bytes, at, end)) {
      this.counters.rxErrors++;
      return;
    }
    const packet = this.#keep(buffer, frame, end, alone);
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
  /** The frame in a packet of its own: short ones are copied, a long one takes the buffer along if it may. Undefined when there is no other buffer. */
  #keep(buffer: Packet, from: number, end: number, alone: boolean): Packet | undefined {
    const len = end - from;
    const isShort = len <= SMALL_OCTETS - RECEIVE_AT;
    if (isShort || !alone) {
      const packet = isShort ? this.#pool.alloc(0) : this.#largeBuffer();
      if (packet === undefined) return undefined;
      packet.at = packet.base + RECEIVE_AT;
      packet.end = packet.at + len;
      packet.bytes.copyWithin(packet.at, from, end);
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

  #isFull(octets: number): boolean {
    return this.#queue.count >= this.queueLimit || this.#queue.octets + octets > this.#queueOctets || this.#pool.isLow;
  }
  #enqueue(packet: Packet): boolean {
    // One frame always fits, however low the pool.
    if (this.#queue.count > 0 && this.#isFull(packet.length)) return this.#dropped(packet);
    this.#queue.push(packet);
    return true;
  }
  /** Octets in front of a frame. */
  get #overhead(): number {
    return this.#bundles === undefined ? virtio.LEN : PREFIX_LEN + virtio.LEN;
  }
  #sent(packet: Packet): void {
    this.counters.txFrames++;
    this.counters.txOctets += packet.length - this.#overhead;
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
    if (this.#closed) return;
    this.#receiver = undefined;
    this.flush();
    if (!this.#isShut) this.#shut();
  }
  /** Sending may have ended it. */
  get #isShut(): boolean {
    return this.#closed;
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
