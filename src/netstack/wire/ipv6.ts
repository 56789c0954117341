/** The IPv6 header and the extension headers a host must walk (RFC 8200). Addresses are read in place: four words each. */
import { putU16, putU32, u16, u32 } from '../../lib/bytes.ts';
import type { Malformed } from './malformed.ts';

export const HEADER_LEN = 40;
export const MIN_MTU = 1280;
export const MAX_PAYLOAD = 65_535;
export const FRAGMENT_HEADER_LEN = 8;

export const PAYLOAD_LEN = 4;
export const NEXT_HEADER = 6;
const HOP_LIMIT = 7;
export const SOURCE = 8;
export const DESTINATION = 24;

/** Next-header values that are not transports (RFC 8200 4.1; 59 is "no next header"). */
export const NextHeader = { HopByHop: 0, Routing: 43, Fragment: 44, None: 59, DestinationOptions: 60 } as const;

/** `end` bounds the link's payload, which may be longer than the packet. */
export function parse(b: Uint8Array, at: number, end: number): Malformed | undefined {
  if (end - at < HEADER_LEN) return 'truncated';
  if ((b[at] as number) >>> 4 !== 6) return 'bad-version';
  return payloadLen(b, at) > end - at - HEADER_LEN ? 'bad-length' : undefined;
}
export const payloadLen = (b: Uint8Array, at: number): number => u16(b, at + PAYLOAD_LEN);
export const trafficClass = (b: Uint8Array, at: number): number => (u16(b, at) >>> 4) & 0xff;
export const nextHeader = (b: Uint8Array, at: number): number => b[at + NEXT_HEADER] as number;
export const hopLimit = (b: Uint8Array, at: number): number => b[at + HOP_LIMIT] as number;

/** Everything but the addresses; flow label 0. */
export function emit(b: Uint8Array, at: number, payload: number, next: number, service: number, hops: number): void {
  putU32(b, at, (6 << 28) | (service << 20));
  putU16(b, at + PAYLOAD_LEN, payload);
  b[at + NEXT_HEADER] = next;
  b[at + HOP_LIMIT] = hops;
}
/** RFC 6437: 20 bits. */
export const flowLabel = (b: Uint8Array, at: number): number => u32(b, at) & 0xf_ffff;
export function setFlowLabel(b: Uint8Array, at: number, label: number): void {
  b[at + 1] = ((b[at + 1] as number) & 0xf0) | (label >>> 16);
  putU16(b, at + 2, label & 0xffff);
}
export const setPayloadLen = (b: Uint8Array, at: number, octets: number): void => putU16(b, at + PAYLOAD_LEN, octets);

/** Octets of a hop-by-hop, routing or destination options header at `at`: two are readable. */
export const extensionLen = (b: Uint8Array, at: number): number => ((b[at + 1] as number) + 1) << 3;
/** Segments Left of a routing header. */
export const segmentsLeft = (b: Uint8Array, at: number): number => b[at + 3] as number;

/** The fragment header (RFC 8200 4.5). */
export const fragmentOffset = (b: Uint8Array, at: number): number => u16(b, at + 2) & 0xfff8;
export const moreFragments = (b: Uint8Array, at: number): boolean => ((b[at + 3] as number) & 1) === 1;
export const fragmentId = (b: Uint8Array, at: number): number => u32(b, at + 4);
export function emitFragment(b: Uint8Array, at: number, next: number, offsetAndMore: number, id: number): void {
  b[at] = next;
  b[at + 1] = 0;
  putU16(b, at + 2, offsetAndMore);
  putU32(b, at + 4, id);
}
