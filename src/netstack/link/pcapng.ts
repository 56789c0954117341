/**
 * A link that writes what passes through it as a pcapng capture (draft-ietf-opsawg-pcapng): a Section Header Block, one Interface Description Block, an Enhanced
 * Packet Block for each frame in either direction, and at the end an Interface Statistics Block. Little endian; timestamps count nanoseconds (if_tsresol 9).
 *
 * Frames are written as they cross the link: super-packets of segmentation offload whole, and with the partial checksum that the link completes. A frame that
 * leaves carries in a comment who caused it, if the owner knows. Blocks collect in a buffer of fixed size, which goes to the sink when it is full and when `flush`
 * is called; what the sink does not take is counted as dropped and stands in the statistics.
 *
 * Left out: several interfaces in a section, name resolution and secrets blocks, compression.
 */
import type { Packet, PacketPool } from '../packet.ts';
import type { LinkCounters, LinkEndpoint, LinkReceiver } from './link.ts';

/** Where captured octets go. */
export interface CaptureSink {
  /** Takes the octets or copies them before it returns; false when it could not. */
  write(octets: Uint8Array): boolean;
}
export interface CaptureOptions {
  readonly sink: CaptureSink;
  /** As the guest calls the interface. */
  readonly name: string;
  /** Time of day in microseconds since 1970. */
  readonly realtimeUs: () => number;
  /** Who caused a frame, by the ids that its packet carries; undefined when nobody is known. */
  readonly describe?: (socketId: number, callId: number) => string | undefined;
  /** Octets kept of each frame; all of them unless said. */
  readonly snapLength?: number;
}

const BlockType = {
  SectionHeader: 0x0a0d_0d0a,
  InterfaceDescription: 1,
  InterfaceStatistics: 5,
  EnhancedPacket: 6,
} as const;
const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
const Option = {
  End: 0,
  Comment: 1,
  ShbUserApplication: 4,
  IfName: 2,
  IfMacAddress: 6,
  IfTimestampResolution: 9,
  EpbFlags: 2,
  IsbFilterAccept: 6,
  IsbInterfaceDrop: 5,
} as const;
/** LINKTYPE_ETHERNET, and LINKTYPE_RAW for a link without link-layer header. */
const LinkType = { Ethernet: 1, Raw: 101 } as const;
/** epb_flags, bits 0 and 1. */
const Direction = { Inbound: 1, Outbound: 2 } as const;

const SNAP_LENGTH = 262_144;
const NANOSECONDS = 9;
const COMMENT_MAX = 256;
/** Of an Enhanced Packet Block beside its frame and comment: header 28, flags 8, comment header 4, end 4, padding 6, trailer 4. */
const BLOCK_OVERHEAD = 64;
const BUFFER_OCTETS = 128 * 1024;
const WORD = 0x1_0000_0000;

/** Builds blocks in a buffer of fixed size. */
class BlockWriter {
  readonly bytes: Uint8Array;
  length = 0;
  #block = 0;

  constructor(octets: number) {
    this.bytes = new Uint8Array(octets);
  }
  u16(value: number): void {
    this.bytes[this.length++] = value;
    this.bytes[this.length++] = value >>> 8;
  }
  u32(value: number): void {
    this.u16(value & 0xffff);
    this.u16(value >>> 16);
  }
  #align(): void {
    while ((this.length & 3) !== 0) this.bytes[this.length++] = 0;
  }
  octets(src: Uint8Array, at: number, len: number): void {
    this.bytes.set(src.subarray(at, at + len), this.length);
    this.length += len;
    this.#align();
  }
  begin(type: number): void {
    this.#block = this.length;
    this.u32(type);
    this.u32(0);
  }
  end(): void {
    this.u32(this.length + 4 - this.#block);
    const total = this.length - this.#block;
    const end = this.length;
    this.length = this.#block + 4;
    this.u32(total);
    this.length = end;
  }
  option(code: number, value: Uint8Array): void {
    this.u16(code);
    this.u16(value.length);
    this.octets(value, 0, value.length);
  }
  /** Latin-1; what is beyond becomes a question mark. */
  text(code: number, value: string): void {
    const len = Math.min(value.length, COMMENT_MAX);
    this.u16(code);
    this.u16(len);
    for (let i = 0; i < len; i++) {
      const c = value.charCodeAt(i);
      this.bytes[this.length++] = c < 0x20 || c > 0x7e ? 0x3f : c;
    }
    this.#align();
  }
  flags(value: number): void {
    this.u16(Option.EpbFlags);
    this.u16(4);
    this.u32(value);
  }
  count(code: number, value: number): void {
    this.u16(code);
    this.u16(8);
    this.u32(value % WORD);
    this.u32(Math.floor(value / WORD));
  }
  /** Nanoseconds since 1970, high word first, of a number of microseconds: the product has 61 bits, so it is made in two parts. */
  timestamp(us: number): void {
    const low = (us % WORD) * 1000;
    this.u32((Math.floor(us / WORD) * 1000 + Math.floor(low / WORD)) % WORD);
    this.u32(low % WORD);
  }
}

export class CapturingLink implements LinkEndpoint {
  /** Frames captured, and those that the sink did not take. */
  captured = 0;
  dropped = 0;
  readonly #inner: LinkEndpoint;
  readonly #sink: CaptureSink;
  readonly #realtimeUs: () => number;
  readonly #describe: (socketId: number, callId: number) => string | undefined;
  readonly #snapLength: number;
  readonly #blocks: BlockWriter;
  /** Frames in the buffer. */
  #waiting = 0;
  #isClosed = false;

  constructor(inner: LinkEndpoint, options: CaptureOptions) {
    this.#inner = inner;
    this.#sink = options.sink;
    this.#realtimeUs = options.realtimeUs;
    this.#describe = options.describe ?? (() => undefined);
    this.#snapLength = Math.min(options.snapLength ?? SNAP_LENGTH, SNAP_LENGTH);
    this.#blocks = new BlockWriter(BUFFER_OCTETS);
    this.#begin(options.name);
  }
  #begin(name: string): void {
    const blocks = this.#blocks;
    blocks.begin(BlockType.SectionHeader);
    blocks.u32(BYTE_ORDER_MAGIC);
    blocks.u16(1);
    blocks.u16(0);
    // Section length: not given.
    blocks.u32(0xffff_ffff);
    blocks.u32(0xffff_ffff);
    blocks.text(Option.ShbUserApplication, 'sandsock');
    blocks.u32(Option.End);
    blocks.end();
    const { linkAddress } = this.#inner;
    blocks.begin(BlockType.InterfaceDescription);
    blocks.u16(linkAddress === undefined ? LinkType.Raw : LinkType.Ethernet);
    blocks.u16(0);
    blocks.u32(this.#snapLength);
    blocks.text(Option.IfName, name);
    if (linkAddress !== undefined) blocks.option(Option.IfMacAddress, linkAddress);
    blocks.option(Option.IfTimestampResolution, Uint8Array.of(NANOSECONDS));
    blocks.u32(Option.End);
    blocks.end();
  }

  get mtu(): number {
    return this.#inner.mtu;
  }
  get linkAddress(): Uint8Array | undefined {
    return this.#inner.linkAddress;
  }
  get capabilities(): number {
    return this.#inner.capabilities;
  }
  get counters(): LinkCounters {
    return this.#inner.counters;
  }
  get queued(): number {
    return this.#inner.queued;
  }
  get queueLimit(): number {
    return this.#inner.queueLimit ?? 0;
  }
  attach(receiver: LinkReceiver, pool?: PacketPool): void {
    const inner: LinkReceiver = {
      receive: (packet) => {
        this.#capture(packet, Direction.Inbound, undefined);
        receiver.receive(packet);
      },
      linkClosed: (reason) => receiver.linkClosed(reason),
    };
    this.#inner.attach(inner, pool);
  }
  transmit(packet: Packet): boolean {
    const { socketId, callId } = packet;
    this.#capture(packet, Direction.Outbound, socketId === 0 ? undefined : this.#describe(socketId, callId));
    return this.#inner.transmit(packet);
  }

  #capture(packet: Packet, direction: number, comment: string | undefined): void {
    const blocks = this.#blocks;
    if (this.#isClosed) return;
    const length = packet.end - packet.at;
    const kept = Math.min(length, this.#snapLength, blocks.bytes.length - BLOCK_OVERHEAD - COMMENT_MAX);
    if (blocks.length + kept + COMMENT_MAX + BLOCK_OVERHEAD > blocks.bytes.length) this.flush();
    blocks.begin(BlockType.EnhancedPacket);
    blocks.u32(0);
    blocks.timestamp(this.#realtimeUs());
    blocks.u32(kept);
    blocks.u32(length);
    blocks.octets(packet.bytes, packet.at, kept);
    blocks.flags(direction);
    if (comment !== undefined) blocks.text(Option.Comment, comment);
    blocks.u32(Option.End);
    blocks.end();
    this.#waiting++;
  }

  /** Hands what was captured so far to the sink. */
  flush(): void {
    const blocks = this.#blocks;
    if (blocks.length === 0) return;
    if (this.#sink.write(blocks.bytes.subarray(0, blocks.length))) this.captured += this.#waiting;
    else this.dropped += this.#waiting;
    this.#waiting = 0;
    blocks.length = 0;
  }
  /** Ends the capture; the link goes on without. */
  finish(): void {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    const blocks = this.#blocks;
    blocks.begin(BlockType.InterfaceStatistics);
    blocks.u32(0);
    blocks.timestamp(this.#realtimeUs());
    blocks.count(Option.IsbInterfaceDrop, this.dropped);
    blocks.count(Option.IsbFilterAccept, this.captured + this.dropped);
    blocks.u32(Option.End);
    blocks.end();
    this.flush();
  }
  close(): void {
    this.finish();
    this.#inner.close();
  }
}
