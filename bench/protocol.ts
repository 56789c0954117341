/** What client and server of a measurement agree on: a request of 12 octets, streams whose octets are known by their position, and datagrams with a number each. */
export const Mode = { Upload: 1, Download: 2, Echo: 3 } as const;

export const REQUEST_OCTETS = 12;
export const BUFFER_OCTETS = 1 << 18;
/** A prime below 256, so that a shift by any power of two shows. */
const PERIOD = 251;

/** A whole number of periods that fits the buffer: sending it again and again continues the pattern. */
export const PATTERN_OCTETS = BUFFER_OCTETS - (BUFFER_OCTETS % PERIOD);

export interface Request {
  readonly mode: number;
  readonly verify: boolean;
  /** How long the server sends. */
  readonly ms: number;
}
export function writeRequest(view: DataView, { mode, verify, ms }: Request): void {
  view.setUint16(0, mode);
  view.setUint16(2, verify ? 1 : 0);
  view.setFloat64(4, ms);
}
export const readRequest = (view: DataView): Request => ({
  mode: view.getUint16(0),
  verify: view.getUint16(2) === 1,
  ms: view.getFloat64(4),
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

/**
 * Datagrams of 64 octets: what they are for, and a number. `Reset` forgets what was counted, `Count` asks for it; both are answered, as is `Echo`. After `Flood` the
 * server sends numbered ones for so many milliseconds.
 */
export const Datagram = { Echo: 0, Numbered: 1, Reset: 2, Count: 3, Flood: 4 } as const;
export const DATAGRAM_OCTETS = 64;

export function writeDatagram(view: DataView, kind: number, number: number): void {
  view.setUint8(0, kind);
  view.setUint32(4, number);
}

/** Numbered datagrams as they arrive: some may be lost, none may come twice or out of turn. */
export class Arrivals {
  count = 0;
  #next = 0;

  take(view: DataView): void {
    const number = view.getUint32(4);
    if (number < this.#next) throw new Error(`datagram ${number} came again, or after ${this.#next - 1}`);
    this.#next = number + 1;
    this.count++;
  }
}
