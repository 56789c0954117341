/** From a ring to the guest's memory. */
import type { ByteRing } from '../lib/byte-ring.ts';
import type { IoVector } from './io-vector.ts';

/** Copies `len` octets from `offset` on, to where the vector stands. False if the guest's memory ended before. */
export function copyOut(ring: ByteRing, iov: IoVector, offset: number, len: number): boolean {
  let done = 0;
  while (done < len) {
    const run = ring.run(offset + done, len - done);
    if (iov.copyOut(ring.bytes, ring.index(offset + done), run) < run) return false;
    done += run;
  }
  return true;
}
