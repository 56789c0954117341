/**
 * Where an ICMP error carries more than it quotes (RFC 4884), as Linux tells it to who asked (ip_icmp_error_rfc4884): the place of the extension header, and whether what
 * stands there is sound. The objects themselves are the reader's to read. Messages without the length of their quote (RFC 4884 5.5) have none as far as Linux looks.
 */
import { u16 } from '../../lib/bytes.ts';
import type { Packet } from '../packet.ts';

/** RFC 4884 5.1: a quote with extensions behind it is padded to as much. */
const QUOTE_MIN = 128;
/** Version, reserved, checksum; and length, class and type of an object (RFC 4884 7, 7.1). */
const HEADER_LEN = 4;
const OBJECT_LEN = 4;
const VERSION = 2;

/** Beside the place: the checksum or the length of an object is wrong (SO_EE_RFC4884_FLAG_INVALID). */
export const BROKEN = 0x1_0000;

/** Octets of `quoted` from `payload` to the extensions that follow a quote of `quoteOctets`; 0 without any. */
export function extensionsOf(quoted: Packet, payload: number, quoteOctets: number): number {
  const at = quoted.l3 + quoteOctets;
  if (quoteOctets < QUOTE_MIN || at < payload || at + HEADER_LEN > quoted.end) return 0;
  return (at - payload) | (areSound(quoted, at) ? 0 : BROKEN);
}
function areSound({ bytes, end, pool }: Packet, header: number): boolean {
  // Another version is not for us to judge.
  if ((bytes[header] as number) >>> 4 !== VERSION) return true;
  if (u16(bytes, header + 2) !== 0 && pool.checksum.sum(header, end - header) !== 0xffff) return false;
  let at = header + HEADER_LEN;
  while (at < end) {
    const len = at + OBJECT_LEN > end ? 0 : u16(bytes, at);
    if (len < OBJECT_LEN || at + len > end) return false;
    at += len;
  }
  return true;
}
