/** The IPv4 header (RFC 791; DS field and ECN RFC 2474, RFC 3168). Options are delimited, not read: sources of routes are not obeyed. */
import { i32, putU16, putU32, u16 } from '../../lib/bytes.ts';
import type { Malformed } from './malformed.ts';

export const HEADER_LEN = 20;
export const MAX_LEN = 65_535;
/** Every host takes a packet of this size, whole or in fragments (RFC 791 3.1). */
export const MIN_MTU = 68;

const TOS = 1;
export const TOTAL_LEN = 2;
export const ID = 4;
export const FRAGMENT = 6;
const TTL = 8;
const PROTOCOL = 9;
export const CHECKSUM = 10;
export const SOURCE = 12;
export const DESTINATION = 16;

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;

/** Version and lengths; the checksum is the caller's. `end` bounds the link's payload, which may be longer than the packet. */
export function parse(b: Uint8Array, at: number, end: number): Malformed | undefined {
  if (end - at < HEADER_LEN) return 'truncated';
  if ((b[at] as number) >>> 4 !== 4) return 'bad-version';
  const header = headerLen(b, at);
  const total = totalLen(b, at);
  return header < HEADER_LEN || header > total || total > end - at ? 'bad-length' : undefined;
}

export const headerLen = (b: Uint8Array, at: number): number => ((b[at] as number) & 15) << 2;
export const tos = (b: Uint8Array, at: number): number => b[at + TOS] as number;
export const totalLen = (b: Uint8Array, at: number): number => u16(b, at + TOTAL_LEN);
export const id = (b: Uint8Array, at: number): number => u16(b, at + ID);
export const dontFragment = (b: Uint8Array, at: number): boolean => (u16(b, at + FRAGMENT) & DONT_FRAGMENT) !== 0;
export const moreFragments = (b: Uint8Array, at: number): boolean => (u16(b, at + FRAGMENT) & MORE_FRAGMENTS) !== 0;
/** In octets. */
export const fragmentOffset = (b: Uint8Array, at: number): number => (u16(b, at + FRAGMENT) & OFFSET_MASK) << 3;
export const isFragment = (b: Uint8Array, at: number): boolean =>
  (u16(b, at + FRAGMENT) & (MORE_FRAGMENTS | OFFSET_MASK)) !== 0;
export const ttl = (b: Uint8Array, at: number): number => b[at + TTL] as number;
export const protocol = (b: Uint8Array, at: number): number => b[at + PROTOCOL] as number;
export const source = (b: Uint8Array, at: number): number => i32(b, at + SOURCE);
export const destination = (b: Uint8Array, at: number): number => i32(b, at + DESTINATION);

export const setTotalLen = (b: Uint8Array, at: number, octets: number): void => putU16(b, at + TOTAL_LEN, octets);
export const setChecksum = (b: Uint8Array, at: number, checksum: number): void => putU16(b, at + CHECKSUM, checksum);
export const setFragment = (b: Uint8Array, at: number, offset: number, more: boolean): void =>
  putU16(b, at + FRAGMENT, (offset >>> 3) | (more ? MORE_FRAGMENTS : 0));

/** A header without options, unfragmented, its checksum still 0. */
export function emit(b: Uint8Array, at: number, len: number, protocolNumber: number): void {
  b[at] = 0x45;
  b[at + TOS] = 0;
  putU16(b, at + TOTAL_LEN, len);
  putU32(b, at + ID, 0);
  b[at + TTL] = 64;
  b[at + PROTOCOL] = protocolNumber;
  putU16(b, at + CHECKSUM, 0);
}
export const setService = (b: Uint8Array, at: number, tosOctet: number, ttlOctet: number): void => {
  b[at + TOS] = tosOctet;
  b[at + TTL] = ttlOctet;
};
export const setDontFragment = (b: Uint8Array, at: number): void => putU16(b, at + FRAGMENT, DONT_FRAGMENT);
export const setId = (b: Uint8Array, at: number, value: number): void => putU16(b, at + ID, value);
export const setAddresses = (b: Uint8Array, at: number, src: number, dst: number): void => {
  putU32(b, at + SOURCE, src);
  putU32(b, at + DESTINATION, dst);
};
