/** `struct virtio_net_hdr` (virtio 1.2, 5.1.6; linux/virtio_net.h) as taps and our socketpairs carry it: 10 octets, little endian. */
export const LEN = 10;

export const Flag = { NeedsChecksum: 1, DataValid: 2 } as const;
/** On top of a GSO type: the segment carries ECN. */
export const GSO_ECN = 0x80;

const u16le = (b: Uint8Array, at: number): number => (b[at] as number) | ((b[at + 1] as number) << 8);
const putU16le = (b: Uint8Array, at: number, x: number): void => {
  b[at] = x;
  b[at + 1] = x >>> 8;
};
export const flags = (b: Uint8Array, at: number): number => b[at] as number;
export const gsoType = (b: Uint8Array, at: number): number => b[at + 1] as number;
/** Octets of all headers up to the payload, from the start of the frame. A hint: do not rely on it. */
export const headerLen = (b: Uint8Array, at: number): number => u16le(b, at + 2);
export const gsoSize = (b: Uint8Array, at: number): number => u16le(b, at + 4);
/** From the start of the frame. */
export const csumStart = (b: Uint8Array, at: number): number => u16le(b, at + 6);
/** From `csumStart`. */
export const csumOffset = (b: Uint8Array, at: number): number => u16le(b, at + 8);

export const clear = (b: Uint8Array, at: number): void => {
  for (let i = 0; i < LEN; i++) b[at + i] = 0;
};
export function setChecksum(b: Uint8Array, at: number, start: number, offset: number): void {
  b[at] = Flag.NeedsChecksum;
  putU16le(b, at + 6, start);
  putU16le(b, at + 8, offset);
}
export function setGso(b: Uint8Array, at: number, type: number, size: number, header: number): void {
  b[at + 1] = type;
  putU16le(b, at + 2, header);
  putU16le(b, at + 4, size);
}
