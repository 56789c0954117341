/**
 * IP addresses of both families in one form (RFC 4291): four 32-bit words in network order. An IPv4 address is held as
 * the IPv4-mapped one, ::ffff:a.b.c.d, so that demultiplexing, routing and sockets have one code path.
 * Words are int32, which V8 keeps unboxed.
 */
import { i32, putU32 } from '../lib/bytes.ts';

export type Family = 4 | 6;
const MAPPED = 0xffff;

export class IpAddress {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;

  constructor(w0: number, w1: number, w2: number, w3: number) {
    this.w0 = w0 | 0;
    this.w1 = w1 | 0;
    this.w2 = w2 | 0;
    this.w3 = w3 | 0;
  }

  static v4(word: number): IpAddress {
    return new IpAddress(0, 0, MAPPED, word);
  }
  /** From 4 octets in network order. */
  static read4(bytes: Uint8Array, at: number): IpAddress {
    return new IpAddress(0, 0, MAPPED, i32(bytes, at));
  }
  /** From 16 octets in network order. */
  static read6(bytes: Uint8Array, at: number): IpAddress {
    return new IpAddress(i32(bytes, at), i32(bytes, at + 4), i32(bytes, at + 8), i32(bytes, at + 12));
  }
  /** Dotted quad or RFC 4291 text, without zone; undefined if it is neither. */
  static parse(text: string): IpAddress | undefined {
    return text.includes(':') ? parse6(text) : parse4(text);
  }
  /** As `parse`, for constants in code and configuration already checked. @throws RangeError */
  static of(text: string): IpAddress {
    const address = IpAddress.parse(text);
    if (address === undefined) throw new RangeError(`${JSON.stringify(text)} is not an IP address`);
    return address;
  }

  /** True for IPv4, held mapped. */
  get isV4(): boolean {
    return this.w2 === MAPPED && this.w1 === 0 && this.w0 === 0;
  }
  get family(): Family {
    return this.isV4 ? 4 : 6;
  }
  /** 0.0.0.0 or ::. */
  get isUnspecified(): boolean {
    return this.w3 === 0 && this.w0 === 0 && this.w1 === 0 && (this.w2 === 0 || this.w2 === MAPPED);
  }
  /** 127.0.0.0/8 (RFC 1122 3.2.1.3) or ::1. */
  get isLoopback(): boolean {
    return this.isV4 ? this.w3 >>> 24 === 127 : this.w0 === 0 && this.w1 === 0 && this.w2 === 0 && this.w3 === 1;
  }
  /** 224.0.0.0/4 or ff00::/8. */
  get isMulticast(): boolean {
    return this.isV4 ? this.w3 >>> 28 === 0xe : this.w0 >>> 24 === 0xff;
  }
  /** 255.255.255.255. A subnet's broadcast address is the routing table's to know. */
  get isLimitedBroadcast(): boolean {
    return this.isV4 && this.w3 === -1;
  }
  /** 169.254.0.0/16 (RFC 3927) or fe80::/10. */
  get isLinkLocal(): boolean {
    return this.isV4 ? this.w3 >>> 16 === 0xa9fe : this.w0 >>> 22 === 0x3fa;
  }

  equals(other: IpAddress): boolean {
    return this.w3 === other.w3 && this.w2 === other.w2 && this.w1 === other.w1 && this.w0 === other.w0;
  }
  /** True if the first `prefix` bits agree. For IPv4 count from the mapped form: a /24 is 120. */
  matches(other: IpAddress, prefix: number): boolean {
    return (
      wordMatches(this.w0, other.w0, prefix) &&
      wordMatches(this.w1, other.w1, prefix - 32) &&
      wordMatches(this.w2, other.w2, prefix - 64) &&
      wordMatches(this.w3, other.w3, prefix - 96)
    );
  }
  /** 4 octets of an IPv4 address. */
  write4(bytes: Uint8Array, at: number): void {
    putU32(bytes, at, this.w3);
  }
  /** All 16 octets, mapped for IPv4. */
  write6(bytes: Uint8Array, at: number): void {
    putU32(bytes, at, this.w0);
    putU32(bytes, at + 4, this.w1);
    putU32(bytes, at + 8, this.w2);
    putU32(bytes, at + 12, this.w3);
  }
  /** Dotted quad, or RFC 5952 text. */
  toString(): string {
    return this.isV4 ? quad(this.w3) : text6([this.w0, this.w1, this.w2, this.w3]);
  }

  static readonly ANY4 = IpAddress.v4(0);
  static readonly ANY6 = new IpAddress(0, 0, 0, 0);
  static readonly LOOPBACK4 = IpAddress.v4(0x7f000001);
  static readonly LOOPBACK6 = new IpAddress(0, 0, 0, 1);
  static readonly BROADCAST4 = IpAddress.v4(-1);
}

/** `address:port` or `[address]:port`. */
export const formatEndpoint = (address: IpAddress, port: number): string =>
  address.isV4 ? `${address.toString()}:${port}` : `[${address.toString()}]:${port}`;

function wordMatches(a: number, b: number, bits: number): boolean {
  if (bits <= 0) return true;
  return bits >= 32 ? a === b : (a ^ b) >>> (32 - bits) === 0;
}

const quad = (word: number): string => `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;

function parse4(text: string): IpAddress | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let word = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    word = (word << 8) | Number(part);
  }
  return IpAddress.v4(word);
}

function parse6(text: string): IpAddress | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? '');
  const tail = halves.length === 2 ? groups(halves[1] ?? '') : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array<number>(missing).fill(0), ...tail];
  const word = (i: number): number => ((all[i * 2] as number) << 16) | (all[i * 2 + 1] as number);
  return new IpAddress(word(0), word(1), word(2), word(3));
}

/** The 16-bit groups of one side of `::`; a dotted quad may stand last. */
function groups(text: string): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = i === parts.length - 1 ? parse4(part) : undefined;
      if (v4 === undefined) return undefined;
      out.push(v4.w3 >>> 16, v4.w3 & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      out.push(Number.parseInt(part, 16));
    }
  }
  return out;
}

function text6(words: readonly number[]): string {
  const parts = words.flatMap((w) => [w >>> 16, w & 0xffff]);
  // RFC 5952 4.2.3: the longest run of zeros, the first of equals, and never a single one.
  let best = { at: -1, len: 1 };
  for (let at = 0; at < 8; at++) {
    let len = 0;
    while (parts[at + len] === 0) len++;
    if (len > best.len) best = { at, len };
    at += len;
  }
  const hex = parts.map((p) => p.toString(16));
  if (best.at < 0) return hex.join(':');
  return `${hex.slice(0, best.at).join(':')}::${hex.slice(best.at + best.len).join(':')}`;
}
