/** A C string of the guest's, at most `most` octets of it, as it may stand in a report or on a terminal. */
export function printable(octets: Uint8Array, most: number): string {
  const end = octets.indexOf(0);
  const text = octets.subarray(0, Math.min(end < 0 ? octets.length : end, most));
  return Array.from(text, (octet) => (octet > 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '?')).join('');
}
