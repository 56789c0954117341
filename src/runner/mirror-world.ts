/** What the mirrors of the direct plane share. */
import type { OpenFile } from '../socket/file.ts';
import type { PeerWatches } from './plane.ts';
import type { Rendezvous } from './rendezvous.ts';

/** One that has more to do than its budget allows. */
export interface Resumable {
  resume(): void;
}

export interface MirrorWorld {
  readonly rendezvous: Rendezvous;
  readonly watches: PeerWatches;
  /** `file` is looked at again at the end of the turn. */
  touch(file: OpenFile): void;
  /** `mirror` goes on in the next round. */
  again(mirror: Resumable): void;
}
