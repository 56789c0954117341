/**
 * The TCP header on the wire: RFC 9293 3.1 and 3.2, options of RFC 7323 (window scale, timestamps) and RFC 2018 (selective acknowledgment).
 *
 * One `Segment` per layer is filled anew for each packet that arrives, so parsing allocates nothing. The parser judges only what makes a
 * header unreadable; options of wrong length end the option list (RFC 9293 MUST-7: a bad option must not harm), unknown ones are skipped by length (MUST-6).
 */
import { i32, u16 } from '../../lib/bytes.ts';
import type { Packet } from '../packet.ts';
import { Flag, HEADER_LEN, headerLen, Option, OptionLen, parse, urgentPointer, window } from '../wire/tcp.ts';

/** Octets of options that a timestamp takes on every segment, aligned by two NOPs. */
export const TIMESTAMP_OCTETS = 12;
/** RFC 2018 3: four blocks at most, three beside timestamps. */
export const MAX_SACK_BLOCKS = 4;

/** NOP NOP TIMESTAMP 10: the layout everyone sends, recognized without a loop (RFC 7323 appendix A). */
export const TIMESTAMP_WORD = 0x0101080a;

/** FIN, SYN, RST, PSH, ACK, URG: ECN (RFC 3168) is not negotiated, its bits mean nothing here. */
const CONTROL = 0x3f;

export class Segment {
  packet: Packet | undefined = undefined;
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  /** As in the header, not scaled. */
  window = 0;
  urgentPointer = 0;
  /** Slab position and count of the payload octets. */
  dataAt = 0;
  len = 0;
  /** Segments on the wire that this packet stands for (more than 1 for GSO). */
  count = 1;
  /** Options: 0 or -1 where absent. */
  mss = 0;
  windowScale = -1;
  sackPermitted = false;
  hasTimestamp = false;
  tsVal = 0;
  tsEcr = 0;
  readonly sackStart = new Int32Array(MAX_SACK_BLOCKS);
  readonly sackEnd = new Int32Array(MAX_SACK_BLOCKS);
  sackCount = 0;
  /** RFC 7413: where the cookie is in the packet's slab, and its octets; 0 asks for one, -1 without the option. */
  fastOpenAt = 0;
  fastOpenLength = -1;

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }
  /** Sequence numbers taken: SYN and FIN count one each (RFC 9293 3.4). */
  get seqLength(): number {
    return this.len + (this.flags & 1) + ((this.flags >> 1) & 1);
  }
  /** Sequence number of the first octet. */
  get dataSeq(): number {
    return (this.seq + ((this.flags >> 1) & 1)) | 0;
  }
  /** One past the last sequence number taken. */
  get end(): number {
    return (this.seq + this.seqLength) | 0;
  }

  /** False if the header does not fit or its data offset is impossible. */
  parse(packet: Packet): boolean {
    const b = packet.bytes;
    const at = packet.at;
    if (parse(b, at, packet.end) !== undefined) return false;
    const headerLength = headerLen(b, at);
    this.packet = packet;
    this.sourcePort = u16(b, at);
    this.destinationPort = u16(b, at + 2);
    this.seq = i32(b, at + 4);
    this.ack = i32(b, at + 8);
    this.flags = (b[at + 13] as number) & CONTROL;
    this.window = window(b, at);
    this.urgentPointer = urgentPointer(b, at);
    this.dataAt = at + headerLength;
    this.len = packet.end - this.dataAt;
    this.count = packet.gsoSize > 0 ? Math.max(1, Math.ceil(this.len / packet.gsoSize)) : 1;
    this.mss = 0;
    this.windowScale = -1;
    this.sackPermitted = this.hasTimestamp = false;
    this.sackCount = 0;
    this.fastOpenLength = -1;
    if (headerLength === HEADER_LEN + TIMESTAMP_OCTETS && i32(b, at + HEADER_LEN) === TIMESTAMP_WORD) {
      this.hasTimestamp = true;
      this.tsVal = i32(b, at + HEADER_LEN + 4);
      this.tsEcr = i32(b, at + HEADER_LEN + 8);
    } else if (headerLength > HEADER_LEN) {
      this.#parseOptions(b, at + HEADER_LEN, at + headerLength);
    }
    return true;
  }

  #parseOptions(b: Uint8Array, from: number, end: number): void {
    let at = from;
    while (at < end) {
      const kind = b[at] as number;
      if (kind === Option.End) return;
      if (kind === Option.NoOperation) {
        at++;
        continue;
      }
      if (at + 1 >= end) return;
      const len = b[at + 1] as number;
      if (len < 2 || at + len > end) return;
      this.#option(b, at, kind, len);
      at += len;
    }
  }
  #option(b: Uint8Array, at: number, kind: number, len: number): void {
    if (kind === Option.Timestamps && len === OptionLen.Timestamps) {
      this.hasTimestamp = true;
      this.tsVal = i32(b, at + 2);
      this.tsEcr = i32(b, at + 6);
    } else if (kind === Option.Sack && len >= 10 && (len - 2) % 8 === 0) this.#sack(b, at + 2, (len - 2) / 8);
    else if (this.has(Flag.Syn)) this.#synOption(b, at, kind, len);
  }
  /** Those that mean something on a SYN only. */
  #synOption(b: Uint8Array, at: number, kind: number, len: number): void {
    if (kind === Option.MaxSegment && len === OptionLen.MaxSegment) this.mss = u16(b, at + 2);
    // RFC 7323 2.3: a shift above 14 counts as 14.
    else if (kind === Option.WindowScale && len === OptionLen.WindowScale)
      this.windowScale = Math.min(14, b[at + 2] as number);
    else if (kind === Option.SackPermitted && len === OptionLen.SackPermitted) this.sackPermitted = true;
    else if (kind === Option.FastOpen) this.#fastOpen(at + 2, len - 2);
  }
  /** RFC 7413 4.1.1: an even number of octets from 4 to 16, or none; else as if the option were not there. */
  #fastOpen(at: number, octets: number): void {
    if (octets !== 0 && (octets < 4 || octets > 16 || octets % 2 !== 0)) return;
    this.fastOpenAt = at;
    this.fastOpenLength = octets;
  }
  #sack(b: Uint8Array, at: number, count: number): void {
    this.sackCount = Math.min(count, MAX_SACK_BLOCKS);
    for (let i = 0; i < this.sackCount; i++) {
      this.sackStart[i] = i32(b, at + i * 8);
      this.sackEnd[i] = i32(b, at + i * 8 + 4);
    }
  }
}
