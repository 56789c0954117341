/** What client and server of a measurement agree on: a request of 12 octets, and streams whose octets are known by their position. */
export const Mode = { Upload: 1, Download: 2, Echo: 3 } as const;

export const REQUEST_OCTETS = 12;
export const BUFFER_OCTETS = 1 << 18;
/** A prime below 256, so that a shift by any power of two shows. */
const PERIOD = 251;

/** A whole number of periods that fits the buffer: sending it again and again continues the pattern. */
export const PATTERN_OCTETS = BUFFER_OCTETS - (BUFFER_OCTETS % PERIOD);

export function writeRequest(view: DataView, mode: number, amount: number, verify: boolean): void {
  view.setUint16(0, mode);
  view.setUint16(2, verify ? 1 : 0);
  view.setFloat64(4, amount);
}
export const readRequest = (
  view: DataView,
): { readonly mode: number; readonly verify: boolean; readonly amount: number } => ({
  mode: view.getUint16(0),
  verify: view.getUint16(2) === 1,
  amount: view.getFloat64(4),
});

export function fillPattern(bytes: Uint8Array): void {
  for (let index = 0; index < bytes.length; index++) bytes[index] = index % PERIOD;
}
/** Throws unless `bytes` is the stream from `position` on. */
export function checkPattern(bytes: Uint8Array, len: number, position: number): void {
  for (let index = 0; index < len; index++)
    if (bytes[index] !== (position + index) % PERIOD)
      throw new Error(`octet ${position + index} of the stream is wrong`);
}
