/**
 * Packet buffers. All packets live in one slab, a WebAssembly.Memory, so that native reads and writes land in it directly
 * and the SIMD checksum sees it without a copy. A `Packet` is a pooled handle to one piece of the slab with the positions of its headers,
 * its offload state (`struct virtio_net_hdr` in spirit) and its attribution: the ids of the socket and of the call that
 * caused it, carried through retransmission and segmentation offload.
 *
 * Ownership: who is handed a packet owns one reference and ends it with `release()`, or hands it on.
 *
 * Layout of a buffer:  base | headroom (HEADROOM octets: virtio 10, Ethernet 14, IPv6 40, TCP 60) | payload ...
 * A packet to send is filled from the payload backwards: each layer `push`es its header in front.
 */
import { checksumOver, type InternetChecksum, type LinearMemory } from '../lib/checksum.ts';

/** Octets kept free in front of the payload of a packet that is built here. */
export const HEADROOM = 128;
/** A GSO frame: 65,535 of IP, 14 of Ethernet, 10 of virtio, and the headroom, rounded up. */
export const LARGE_OCTETS = 66_048;
/** A frame of a 1500-octet link, or a UDP datagram of that size, with headroom. */
export const SMALL_OCTETS = 2_048;

/** What kind of super-packet this is; the values are those of `virtio_net_hdr.gso_type` (virtio 1.2, 5.1.6). */
export const Gso = { None: 0, TcpV4: 1, TcpV6: 4, UdpL4: 5 } as const;

/** State of the transport checksum. */
export const Csum = {
  /** Received: to be verified. To send: complete. */
  Full: 0,
  /** The field holds the folded pseudo-header sum; whoever sends the octets on a wire completes it (virtio NEEDS_CSUM). */
  Partial: 1,
  /** Received over a link that vouches for it (virtio DATA_VALID), or from this very stack. */
  Valid: 2,
} as const;

/** Of the headroom, what a copy may use for headers: Ethernet 14, IP 40, TCP 60, even. */
const COPY_HEADERS = 114;

export class Packet {
  readonly pool: PacketPool;
  /** The whole slab; positions below index it. */
  readonly bytes: Uint8Array;
  /** First octet of this buffer. */
  readonly base: number;
  /** One past the last octet of this buffer. */
  readonly limit: number;

  /** First octet of the current layer. */
  at = 0;
  /** One past the last octet of the packet. */
  end = 0;
  /** Start of the network and of the transport header, set by the layer that parsed or wrote it. */
  l3 = 0;
  l4 = 0;
  /** IP protocol number of what stands at `l4`. */
  protocol = 0;
  /** Ethertype of what stands at `l3`. */
  ethertype = 0;

  /** Source and destination as words of `IpAddress`, set when the IP header was parsed or written. */
  src0 = 0;
  src1 = 0;
  src2 = 0;
  src3 = 0;
  dst0 = 0;
  dst1 = 0;
  dst2 = 0;
  dst3 = 0;
  /** TTL or hop limit, and the TOS or traffic class octet, of a received packet. */
  ttl = 0;
  tos = 0;

  gsoType: number = Gso.None;
  /** Payload octets of each segment (MSS) when `gsoType` is set. */
  gsoSize = 0;
  csum: number = Csum.Full;
  /** With Csum.Partial: where the sum begins (usually `l4`) and where in the packet it is stored, both slab positions. */
  csumStart = 0;
  csumField = 0;

  /** SO_MARK and SO_PRIORITY of who sent it, as far as it stayed on this host. */
  mark = 0;
  priority = 0;
  /** Timestamps that its sender wants, and the number that they are told under. */
  stamps = 0;
  stampId = 0;
  /** IPv6 flow label that it is to leave with. */
  flowLabel = 0;
  /** Octets of the longest fragment that it was put together from; 0 where it came whole. */
  fragmentSize = 0;
  /** Index of the interface it came in by or leaves by; 0 none. */
  interfaceIndex = 0;
  /** True when it was addressed to this host by link broadcast or multicast. */
  linkMulticast = false;
  /** Attribution; 0 where no socket caused it. */
  socketId = 0;
  callId = 0;
  /** Time of arrival or of first transmission, microseconds. */
  time = 0;
  /** The route chosen for a packet not yet handed to the IP layer, of the type that its transport knows. */
  route: object | undefined = undefined;
  /** For queues that chain packets. */
  next: Packet | undefined = undefined;

  #references = 0;

  /** @internal */
  constructor(pool: PacketPool, bytes: Uint8Array, base: number, octets: number) {
    this.pool = pool;
    this.bytes = bytes;
    this.base = base;
    this.limit = base + octets;
  }

  /** Octets from `at` to `end`. */
  get length(): number {
    return this.end - this.at;
  }
  /** Octets the buffer can hold behind the headroom. */
  get payloadCapacity(): number {
    return this.limit - this.base - HEADROOM;
  }
  /** Moves `at` back by `octets` and returns it: room for a header. */
  push(octets: number): number {
    this.at -= octets;
    return this.at;
  }
  /** Moves `at` past a header. */
  pull(octets: number): number {
    this.at += octets;
    return this.at;
  }
  retain(): this {
    this.#references++;
    return this;
  }
  /** Ends one reference; the last one returns the buffer to its pool. */
  release(): void {
    if (--this.#references === 0) this.pool.free(this);
  }

  /** A copy of `at` .. `end` with its offload state and attribution, in a buffer of `pool`; undefined when that has none. */
  copyTo(pool: PacketPool): Packet | undefined {
    const packet = pool.alloc(Math.max(0, this.length - COPY_HEADERS));
    if (packet === undefined) return undefined;
    // Headers may stand in the headroom, as in the original.
    packet.at = packet.base + HEADROOM - COPY_HEADERS;
    packet.end = packet.at + this.length;
    packet.bytes.set(this.bytes.subarray(this.at, this.end), packet.at);
    const moved = packet.at - this.at;
    packet.l3 = this.l3 + moved;
    packet.l4 = this.l4 + moved;
    packet.csumStart = this.csumStart + moved;
    packet.csumField = this.csumField + moved;
    packet.protocol = this.protocol;
    packet.ethertype = this.ethertype;
    packet.src0 = this.src0;
    packet.src1 = this.src1;
    packet.src2 = this.src2;
    packet.src3 = this.src3;
    packet.dst0 = this.dst0;
    packet.dst1 = this.dst1;
    packet.dst2 = this.dst2;
    packet.dst3 = this.dst3;
    packet.ttl = this.ttl;
    packet.tos = this.tos;
    packet.gsoType = this.gsoType;
    packet.gsoSize = this.gsoSize;
    packet.csum = this.csum;
    packet.mark = this.mark;
    packet.priority = this.priority;
    packet.fragmentSize = this.fragmentSize;
    packet.interfaceIndex = this.interfaceIndex;
    packet.linkMulticast = this.linkMulticast;
    packet.socketId = this.socketId;
    packet.callId = this.callId;
    packet.time = this.time;
    return packet;
  }
  /** Forgets what the sender's layers noted, all but the octets, the offload state and the attribution: as it would look to a receiver. */
  arrived(): void {
    this.interfaceIndex = 0;
    this.linkMulticast = false;
    this.l3 = this.l4 = this.protocol = this.ethertype = 0;
  }

  /** @internal Made ready for use: empty, payload to be written at `at`. */
  reset(): this {
    this.#references = 1;
    this.at = this.end = this.base + HEADROOM;
    this.l3 = this.l4 = this.protocol = this.ethertype = 0;
    this.gsoType = Gso.None;
    this.gsoSize = 0;
    this.csum = Csum.Full;
    this.csumStart = this.csumField = 0;
    this.interfaceIndex = this.socketId = this.callId = 0;
    this.ttl = this.tos = this.time = 0;
    this.mark = this.priority = this.fragmentSize = this.stamps = this.flowLabel = 0;
    this.linkMulticast = false;
    this.next = this.route = undefined;
    return this;
  }
}

export interface PoolOptions {
  /** Count of buffers of LARGE_OCTETS. */
  readonly large: number;
  /** Count of buffers of SMALL_OCTETS. */
  readonly small: number;
}

const WASM_PAGE = 65_536;
/** The first page belongs to no packet: position 0 stays free to mean "none", and scratch needs a place. */
const RESERVED = WASM_PAGE;

export class PacketPool {
  readonly memory: LinearMemory;
  /** The whole slab. */
  readonly bytes: Uint8Array;
  /** Sums over slab positions. */
  readonly checksum: InternetChecksum;
  /** Allocations that found no buffer; each is a packet not sent or not received. */
  exhausted = 0;
  readonly #large: Packet[] = [];
  readonly #small: Packet[] = [];
  /** The fewest that were free at one time. */
  #leastLarge: number;
  #leastSmall: number;
  readonly #largeCount: number;
  readonly #smallCount: number;

  constructor(options: PoolOptions = { large: 256, small: 4096 }) {
    this.#largeCount = options.large;
    this.#smallCount = options.small;
    this.#leastLarge = options.large;
    this.#leastSmall = options.small;
    const octets = RESERVED + options.large * LARGE_OCTETS + options.small * SMALL_OCTETS;
    const pages = Math.ceil(octets / WASM_PAGE);
    // Never grown: growth would detach every view. Untouched pages cost no memory.
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.bytes = new Uint8Array(this.memory.buffer);
    this.checksum = checksumOver(this.memory);
    let base = RESERVED;
    for (let i = 0; i < options.large; i++, base += LARGE_OCTETS) {
      this.#large.push(new Packet(this, this.bytes, base, LARGE_OCTETS));
    }
    for (let i = 0; i < options.small; i++, base += SMALL_OCTETS) {
      this.#small.push(new Packet(this, this.bytes, base, SMALL_OCTETS));
    }
  }

  /** A packet with room for `payload` octets behind the headroom, or undefined (counted) when the pool is empty. */
  alloc(payload: number): Packet | undefined {
    const packet = payload <= SMALL_OCTETS - HEADROOM ? (this.#small.pop() ?? this.#large.pop()) : this.#large.pop();
    if (packet === undefined || payload > packet.payloadCapacity) {
      if (packet !== undefined) this.free(packet);
      this.exhausted++;
      return undefined;
    }
    if (this.#large.length < this.#leastLarge) this.#leastLarge = this.#large.length;
    if (this.#small.length < this.#leastSmall) this.#leastSmall = this.#small.length;
    return packet.reset();
  }
  /** Free buffers of either size. */
  get available(): { readonly large: number; readonly small: number } {
    return { large: this.#large.length, small: this.#small.length };
  }
  /** Buffers of both sizes, and the most that were in use at one time. */
  get use(): { readonly buffers: number; readonly most: number; readonly exhausted: number } {
    const buffers = this.#largeCount + this.#smallCount;
    return { buffers, most: buffers - this.#leastLarge - this.#leastSmall, exhausted: this.exhausted };
  }
  /** True when less than a quarter of the buffers of either size is free: queues that hold packets for a slow reader stop growing. */
  get isLow(): boolean {
    return this.#small.length * 4 < this.#smallCount || this.#large.length * 4 < this.#largeCount;
  }
  /** @internal Use `Packet.release`. */
  free(packet: Packet): void {
    (packet.limit - packet.base === LARGE_OCTETS ? this.#large : this.#small).push(packet);
  }
}
