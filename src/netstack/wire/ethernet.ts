/** Ethernet II framing (IEEE 802.3, RFC 894, RFC 2464): destination, source, ethertype. No VLAN tags. */
import { i32, putU16, u16 } from '../../lib/bytes.ts';
import type { Malformed } from './malformed.ts';

export const HEADER_LEN = 14;
export const ADDRESS_LEN = 6;
export const EtherType = { Ipv4: 0x0800, Arp: 0x0806, Ipv6: 0x86dd } as const;
export const BROADCAST: Uint8Array = new Uint8Array(6).fill(0xff);

export const DESTINATION = 0;
export const SOURCE = 6;
const TYPE = 12;

export const parse = (_b: Uint8Array, at: number, end: number): Malformed | undefined =>
  end - at < HEADER_LEN ? 'truncated' : undefined;
export const etherType = (b: Uint8Array, at: number): number => u16(b, at + TYPE);
/** The I/G bit: multicast or broadcast. */
export const isGroup = (b: Uint8Array, at: number): boolean => ((b[at + DESTINATION] as number) & 1) === 1;
export const isBroadcast = (b: Uint8Array, at: number): boolean => i32(b, at) === -1 && u16(b, at + 4) === 0xffff;
/** True if the 6 octets at `at` are `address`. */
export const isAddress = (b: Uint8Array, at: number, address: Uint8Array): boolean =>
  i32(b, at) === i32(address, 0) && u16(b, at + 4) === u16(address, 4);

const putAddress = (b: Uint8Array, at: number, address: Uint8Array): void => {
  for (let i = 0; i < ADDRESS_LEN; i++) b[at + i] = address[i] as number;
};
export function emit(b: Uint8Array, at: number, destination: Uint8Array, source: Uint8Array, type: number): void {
  putAddress(b, at + DESTINATION, destination);
  putAddress(b, at + SOURCE, source);
  putU16(b, at + TYPE, type);
}
/** The group address of an IPv4 (RFC 1112 6.4) or IPv6 (RFC 2464 7) multicast destination, from its last address word. */
export function groupAddress(isV4: boolean, w3: number): Uint8Array {
  return isV4
    ? Uint8Array.of(0x01, 0x00, 0x5e, (w3 >>> 16) & 0x7f, w3 >>> 8, w3)
    : Uint8Array.of(0x33, 0x33, w3 >>> 24, w3 >>> 16, w3 >>> 8, w3);
}

/** Colon-separated hexadecimal, for messages. */
export const formatAddress = (b: Uint8Array, at = 0): string =>
  Array.from(b.subarray(at, at + ADDRESS_LEN), (x) => x.toString(16).padStart(2, '0')).join(':');
