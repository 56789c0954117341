/** From a ring to the guest's memory. */
import { MSG_TRUNC } from '../abi/socket.ts';
import type { ByteRing } from '../lib/byte-ring.ts';
import type { Message } from './message.ts';

/** Copies `len` octets from `offset` on, to where the message's vector stands; MSG_TRUNC discards them: they are counted and not copied (tcp(7)). False if the guest's memory ended before. */
export function copyOut(ring: ByteRing, { iov, flags }: Message, offset: number, len: number): boolean {
  if ((flags & MSG_TRUNC) !== 0) {
    iov.skip(len);
    return true;
  }
  let done = 0;
  while (done < len) {
    const run = ring.run(offset + done, len - done);
    if (iov.copyOut(ring.bytes, ring.index(offset + done), run) < run) return false;
    done += run;
  }
  return true;
}
