/** How files of /proc/net write numbers and addresses (printf conversions of seq_file's users). */
import type { IpAddress } from '../../netstack/address.ts';

/** %0*X; an int32 counts as unsigned. */
export const hex = (value: number, width: number): string =>
  (value >>> 0).toString(16).toUpperCase().padStart(width, '0');
export const hexLower = (value: number, width: number): string => (value >>> 0).toString(16).padStart(width, '0');
/** %*d. */
export const right = (value: number | string, width: number): string => String(value).padStart(width);
/** %-*d. */
export const left = (value: number | string, width: number): string => String(value).padEnd(width);
/** seq_pad: the line in a field of that many octets, its end among them. */
export const padded = (line: string, width: number): string => `${line.padEnd(width - 1)}\n`;

/** A word in network order as a little-endian host prints it by %08X. */
const swapped = (word: number): string =>
  hex(((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24), 8);

/** As the files of IPv4 have it, %08X of a __be32. */
export const address4 = (address: IpAddress): string => swapped(address.w3);
/** As the files of IPv6 sockets have it: four words, an IPv4 address mapped. */
export const address6 = ({ w0, w1, w2, w3 }: IpAddress): string =>
  swapped(w0) + swapped(w1) + swapped(w2) + swapped(w3);
/** %pi6: octets in their order. */
export const octets6 = ({ w0, w1, w2, w3 }: IpAddress): string =>
  [w0, w1, w2, w3].map((word) => hexLower(word, 8)).join('');
