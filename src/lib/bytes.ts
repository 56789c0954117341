/**
 * Network-order (big-endian) reads and writes at an offset, by shifts: no view object is made per packet.
 * The caller has checked the bounds; an octet outside the array reads as 0.
 */
export const u16 = (b: Uint8Array, at: number): number => ((b[at] as number) << 8) | (b[at + 1] as number);
/** As an unsigned number. */
export const u32 = (b: Uint8Array, at: number): number => i32(b, at) >>> 0;
/** As a signed number: small integers in V8 stay unboxed, so sequence numbers and addresses are kept this way. */
export const i32 = (b: Uint8Array, at: number): number =>
  ((b[at] as number) << 24) | ((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number);
export const putU16 = (b: Uint8Array, at: number, x: number): void => {
  b[at] = x >>> 8;
  b[at + 1] = x;
};
/** Signed or unsigned alike. */
export const putU32 = (b: Uint8Array, at: number, x: number): void => {
  b[at] = x >>> 24;
  b[at + 1] = x >>> 16;
  b[at + 2] = x >>> 8;
  b[at + 3] = x;
};
