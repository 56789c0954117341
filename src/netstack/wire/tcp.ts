/** The TCP header (RFC 9293 3.1) and the codes of its options (RFC 9293 3.2, 7323, 2018); options are read by the TCP itself. */
import { i32, putU16, putU32, u16 } from '../../lib/bytes.ts';
import type { Malformed } from './malformed.ts';

export const HEADER_LEN = 20;
/** A data offset of 15. */
export const MAX_HEADER_LEN = 60;

export const SOURCE_PORT = 0;
export const DESTINATION_PORT = 2;
export const SEQUENCE = 4;
export const ACKNOWLEDGMENT = 8;
export const DATA_OFFSET = 12;
export const FLAGS = 13;
export const WINDOW = 14;
export const CHECKSUM = 16;
export const URGENT = 18;

/** Control bits of octet 13. */
export const Flag = { Fin: 1, Syn: 2, Rst: 4, Psh: 8, Ack: 16, Urg: 32, Ece: 64, Cwr: 128 } as const;
export const Option = {
  End: 0,
  NoOperation: 1,
  MaxSegment: 2,
  WindowScale: 3,
  SackPermitted: 4,
  Sack: 5,
  Timestamps: 8,
  FastOpen: 34,
} as const;
/** Length octet of the options of fixed length. */
export const OptionLen = { MaxSegment: 4, WindowScale: 3, SackPermitted: 2, Timestamps: 10 } as const;

/** `end` is the end of the segment. */
export function parse(b: Uint8Array, at: number, end: number): Malformed | undefined {
  if (end - at < HEADER_LEN) return 'truncated';
  const header = headerLen(b, at);
  return header < HEADER_LEN || header > end - at ? 'bad-length' : undefined;
}
export const sourcePort = (b: Uint8Array, at: number): number => u16(b, at + SOURCE_PORT);
export const destinationPort = (b: Uint8Array, at: number): number => u16(b, at + DESTINATION_PORT);
/** Sequence numbers are int32: compare by the sign of the difference. */
export const sequence = (b: Uint8Array, at: number): number => i32(b, at + SEQUENCE);
export const acknowledgment = (b: Uint8Array, at: number): number => i32(b, at + ACKNOWLEDGMENT);
/** Octets of header and options. */
export const headerLen = (b: Uint8Array, at: number): number => ((b[at + DATA_OFFSET] as number) >>> 4) << 2;
export const flags = (b: Uint8Array, at: number): number => b[at + FLAGS] as number;
/** Unscaled. */
export const window = (b: Uint8Array, at: number): number => u16(b, at + WINDOW);
export const checksum = (b: Uint8Array, at: number): number => u16(b, at + CHECKSUM);
export const urgentPointer = (b: Uint8Array, at: number): number => u16(b, at + URGENT);

export const setPorts = (b: Uint8Array, at: number, src: number, dst: number): void => {
  putU16(b, at + SOURCE_PORT, src);
  putU16(b, at + DESTINATION_PORT, dst);
};
export const setNumbers = (b: Uint8Array, at: number, seq: number, ack: number): void => {
  putU32(b, at + SEQUENCE, seq);
  putU32(b, at + ACKNOWLEDGMENT, ack);
};
/** Header length in octets, control bits and the unscaled window; checksum and urgent pointer become 0. */
export function setControl(b: Uint8Array, at: number, header: number, controlBits: number, unscaled: number): void {
  b[at + DATA_OFFSET] = (header >>> 2) << 4;
  b[at + FLAGS] = controlBits;
  putU16(b, at + WINDOW, unscaled);
  putU32(b, at + CHECKSUM, 0);
}
export const setUrgentPointer = (b: Uint8Array, at: number, pointer: number): void => putU16(b, at + URGENT, pointer);
