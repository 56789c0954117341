/** The UDP header (RFC 768; over IPv6 RFC 8200 8.1). */
import { putU16, u16 } from '../../lib/bytes.ts';
import type { Malformed } from './malformed.ts';

export const HEADER_LEN = 8;
export const CHECKSUM = 6;
const LENGTH = 4;
/** Largest payload: 65,535 less the headers; over IPv6 the IP header does not count. */
export const MAX_PAYLOAD_V4 = 65_507;
export const MAX_PAYLOAD_V6 = 65_527;

/** `end` bounds the IP payload, which may be longer than the datagram. */
export function parse(b: Uint8Array, at: number, end: number): Malformed | undefined {
  if (end - at < HEADER_LEN) return 'truncated';
  const octets = length(b, at);
  return octets < HEADER_LEN || octets > end - at ? 'bad-length' : undefined;
}
export const sourcePort = (b: Uint8Array, at: number): number => u16(b, at);
export const destinationPort = (b: Uint8Array, at: number): number => u16(b, at + 2);
/** Octets of header and payload. */
export const length = (b: Uint8Array, at: number): number => u16(b, at + LENGTH);
/** 0 on IPv4: the sender computed none. 0 on IPv6 is malformed. */
export const checksum = (b: Uint8Array, at: number): number => u16(b, at + CHECKSUM);

export function emit(b: Uint8Array, at: number, src: number, dst: number, octets: number): void {
  putU16(b, at, src);
  putU16(b, at + 2, dst);
  putU16(b, at + LENGTH, octets);
  putU16(b, at + CHECKSUM, 0);
}
/** A computed 0 goes out as 0xffff (RFC 768). */
export const setLength = (b: Uint8Array, at: number, octets: number): void => putU16(b, at + LENGTH, octets);
export const setChecksum = (b: Uint8Array, at: number, sum: number): void => putU16(b, at + CHECKSUM, sum || 0xffff);
