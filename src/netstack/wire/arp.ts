/** ARP for IPv4 over Ethernet (RFC 826), with the address-conflict reading of RFC 5227 left to the operator. */
import { i32, putU16, putU32, u16 } from '../../lib/bytes.ts';
import { ADDRESS_LEN } from './ethernet.ts';
import type { Malformed } from './malformed.ts';

export const LEN = 28;
export const Operation = { Request: 1, Reply: 2 } as const;
const ETHERNET = 1;
const IPV4 = 0x0800;

const HARDWARE = 0;
const PROTOCOL = 2;
const HARDWARE_LEN = 4;
const PROTOCOL_LEN = 5;
const OPERATION = 6;
export const SENDER_HARDWARE = 8;
const SENDER_PROTOCOL = 14;
export const TARGET_HARDWARE = 18;
const TARGET_PROTOCOL = 24;

/** The frame may be longer: Ethernet pads. */
export function parse(b: Uint8Array, at: number, end: number): Malformed | undefined {
  if (end - at < LEN) return 'truncated';
  const sound =
    u16(b, at + HARDWARE) === ETHERNET &&
    u16(b, at + PROTOCOL) === IPV4 &&
    b[at + HARDWARE_LEN] === ADDRESS_LEN &&
    b[at + PROTOCOL_LEN] === 4;
  if (!sound) return 'bad-value';
  return ((b[at + SENDER_HARDWARE] as number) & 1) === 1 ? 'bad-value' : undefined;
}
export const operation = (b: Uint8Array, at: number): number => u16(b, at + OPERATION);
/** IPv4 addresses as words. */
export const senderAddress = (b: Uint8Array, at: number): number => i32(b, at + SENDER_PROTOCOL);
export const targetAddress = (b: Uint8Array, at: number): number => i32(b, at + TARGET_PROTOCOL);

export interface Fields {
  readonly operation: number;
  readonly senderHardware: Uint8Array;
  readonly senderAddress: number;
  /** All zero in a request. */
  readonly targetHardware: Uint8Array;
  readonly targetAddress: number;
}
export function emit(b: Uint8Array, at: number, f: Fields): void {
  putU16(b, at + HARDWARE, ETHERNET);
  putU16(b, at + PROTOCOL, IPV4);
  b[at + HARDWARE_LEN] = ADDRESS_LEN;
  b[at + PROTOCOL_LEN] = 4;
  putU16(b, at + OPERATION, f.operation);
  b.set(f.senderHardware, at + SENDER_HARDWARE);
  putU32(b, at + SENDER_PROTOCOL, f.senderAddress);
  b.set(f.targetHardware, at + TARGET_HARDWARE);
  putU32(b, at + TARGET_PROTOCOL, f.targetAddress);
}
