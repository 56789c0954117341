/** The bulk loops, the same for both directions: only who runs which differs. */
import { receive, sendAll } from './calls.ts';
import { checkPattern, PATTERN_OCTETS } from './protocol.ts';

export interface Buffer {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** `buffer` holds the pattern. */
export function pour(fd: number, buffer: Buffer, amount: number): void {
  for (let left = amount; left > 0; left -= PATTERN_OCTETS) sendAll(fd, buffer.address, Math.min(left, PATTERN_OCTETS));
}

/** Returns the octets taken: `amount`, or fewer where the stream ended. */
export function drain(fd: number, buffer: Buffer, amount: number, verify: boolean): number {
  let taken = 0;
  while (taken < amount) {
    const got = receive(fd, buffer.address, Math.min(buffer.bytes.length, amount - taken));
    if (got === 0) break;
    if (verify) checkPattern(buffer.bytes, got, taken);
    taken += got;
  }
  return taken;
}
