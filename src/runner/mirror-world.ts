/** What the mirrors of the direct plane share. */
import type { OpenFile } from '../socket/file.ts';
import type { PeerWatches } from './plane.ts';
import type { Rendezvous } from './rendezvous.ts';

/** One that has more to do than its budget allows. */
export interface Resumable {
  resume(): void;
}

/** A copy of the guest's end, which the caller closes, or NO_COPY. With `anyone` it is looked for in all processes of the sandbox, which takes long: for what ends a connection. */
export type Borrow = (anyone: boolean) => number;

/** Of what the kernel did for the guest, and no call of ours could tell it. */
export interface PlaneCounters {
  /** Messages that guests sent natively and that could not leave: no destination, too long, no route. */
  lostSends: number;
}

export interface MirrorWorld {
  readonly rendezvous: Rendezvous;
  readonly watches: PeerWatches;
  /** `file` is looked at again at the end of the turn. */
  touch(file: OpenFile): void;
  readonly counters: PlaneCounters;
  /** `mirror` goes on in the next round. */
  again(mirror: Resumable): void;
}
