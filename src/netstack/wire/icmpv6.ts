/** ICMPv6 (RFC 4443) and the Neighbor Discovery messages with their options (RFC 4861). */
import { putU16, putU32, u32 } from '../../lib/bytes.ts';
import { ADDRESS_LEN } from './ethernet.ts';
import type { Malformed } from './malformed.ts';

export const HEADER_LEN = 8;
export const CHECKSUM = 2;
export const Type = {
  Unreachable: 1,
  PacketTooBig: 2,
  TimeExceeded: 3,
  ParameterProblem: 4,
  Echo: 128,
  EchoReply: 129,
  RouterSolicitation: 133,
  RouterAdvertisement: 134,
  NeighborSolicitation: 135,
  NeighborAdvertisement: 136,
  Redirect: 137,
} as const;
/** Codes of Unreachable. */
export const Unreachable = {
  NoRoute: 0,
  Prohibited: 1,
  BeyondScope: 2,
  Address: 3,
  Port: 4,
  Policy: 5,
  Reject: 6,
} as const;
export const TimeExceeded = { Transit: 0, Reassembly: 1 } as const;
export const ParameterProblem = { Header: 0, NextHeader: 1, Option: 2 } as const;
export const Option = { SourceLinkAddress: 1, TargetLinkAddress: 2, Prefix: 3, Mtu: 5 } as const;

/** Neighbor solicitations and advertisements up to their options; the target address is at 8. */
export const NEIGHBOR_LEN = 24;
export const TARGET = 8;
/** Of an Ethernet address option. */
export const LINK_OPTION_LEN = 8;
/** Flags of an advertisement, in the second word. */
export const NaFlag = { Router: 1 << 31, Solicited: 1 << 30, Override: 1 << 29 } as const;

export const parse = (_b: Uint8Array, at: number, end: number): Malformed | undefined =>
  end - at < HEADER_LEN ? 'truncated' : undefined;
export const type = (b: Uint8Array, at: number): number => b[at] as number;
export const code = (b: Uint8Array, at: number): number => b[at + 1] as number;
/** Second word: MTU of PacketTooBig, pointer of ParameterProblem, flags of an advertisement. */
export const word = (b: Uint8Array, at: number): number => u32(b, at + 4);
/** RFC 4884 4.4: the length of the quote, in 64-bit words. */
export const quoteOctets = (b: Uint8Array, at: number): number => (b[at + 4] as number) * 8;
/** Types below 128 report errors. */
export const isError = (t: number): boolean => t < 128;

export function emit(b: Uint8Array, at: number, t: number, c: number, rest: number): void {
  b[at] = t;
  b[at + 1] = c;
  putU16(b, at + CHECKSUM, 0);
  putU32(b, at + 4, rest);
}

/**
 * Checks that the options in at..end are well formed (RFC 4861 4.6: a length of zero discards the whole message) and
 * finds the first of type `wanted`: its position, 0 if there is none, or Malformed.
 */
export function findOption(b: Uint8Array, at: number, end: number, wanted: number): number | Malformed {
  let found = 0;
  for (let i = at; i < end; ) {
    if (end - i < 2) return 'truncated';
    const len = (b[i + 1] as number) << 3;
    if (len === 0 || len > end - i) return 'bad-length';
    if (found === 0 && b[i] === wanted) found = i;
    i += len;
  }
  return found;
}
/** Of a link-layer address option. */
export const linkAddressAt = (option: number): number => option + 2;
export function emitLinkOption(b: Uint8Array, at: number, option: number, address: Uint8Array): void {
  b[at] = option;
  b[at + 1] = LINK_OPTION_LEN >> 3;
  b.set(address.subarray(0, ADDRESS_LEN), at + 2);
}
