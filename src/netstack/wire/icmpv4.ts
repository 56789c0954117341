/** ICMP (RFC 792; RFC 1122 3.2.2, RFC 1191). */
import { putU16, putU32, u16 } from '../../lib/bytes.ts';
import type { Malformed } from './malformed.ts';

export const HEADER_LEN = 8;
export const CHECKSUM = 2;
/** Of an echo and its reply; ICMPv6 has it there as well. */
export const IDENTIFIER = 4;
export const Type = {
  EchoReply: 0,
  Unreachable: 3,
  SourceQuench: 4,
  Redirect: 5,
  Echo: 8,
  TimeExceeded: 11,
  ParameterProblem: 12,
  Timestamp: 13,
  TimestampReply: 14,
} as const;
/** Codes of Unreachable. */
export const Unreachable = {
  Net: 0,
  Host: 1,
  Protocol: 2,
  Port: 3,
  FragmentationNeeded: 4,
  SourceRouteFailed: 5,
  NetUnknown: 6,
  HostUnknown: 7,
  HostIsolated: 8,
  NetProhibited: 9,
  HostProhibited: 10,
  NetService: 11,
  HostService: 12,
  Filtered: 13,
} as const;
export const TimeExceeded = { Transit: 0, Reassembly: 1 } as const;

export const parse = (_b: Uint8Array, at: number, end: number): Malformed | undefined =>
  end - at < HEADER_LEN ? 'truncated' : undefined;
export const type = (b: Uint8Array, at: number): number => b[at] as number;
export const code = (b: Uint8Array, at: number): number => b[at + 1] as number;
/** Of FragmentationNeeded; 0 from routers older than RFC 1191. */
/** The octet that a parameter problem is about. */
export const pointer = (b: Uint8Array, at: number): number => b[at + 4] as number;
/** RFC 4884 4.1: the length of the quote, in 32-bit words. */
export const quoteOctets = (b: Uint8Array, at: number): number => (b[at + 5] as number) * 4;
export const nextHopMtu = (b: Uint8Array, at: number): number => u16(b, at + 6);
export const identifier = (b: Uint8Array, at: number): number => u16(b, at + IDENTIFIER);
/** Error messages quote a packet and must not be answered by another error. */
export const isError = (t: number): boolean =>
  t === Type.Unreachable ||
  t === Type.SourceQuench ||
  t === Type.Redirect ||
  t === Type.TimeExceeded ||
  t === Type.ParameterProblem;

/** Type, code and the second word; the checksum stays 0. */
export function emit(b: Uint8Array, at: number, t: number, c: number, rest: number): void {
  b[at] = t;
  b[at + 1] = c;
  putU16(b, at + CHECKSUM, 0);
  putU32(b, at + 4, rest);
}
