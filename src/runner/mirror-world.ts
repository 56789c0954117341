/** What the mirrors of the direct plane share. */
import type { OpenFile } from '../socket/file.ts';
import type { PeerWatches } from './plane.ts';
import type { Rendezvous } from './rendezvous.ts';

/** One that has more to do than its budget allows. */
export interface Resumable {
  resume(): void;
}

/** What is with the guest, as it can be looked at. */
export interface GuestSide {
  /** A copy of the guest's end, which the caller closes, or NO_COPY. With `anyone` it is looked for in all processes of the sandbox, which takes long: for what ends a connection. */
  readonly borrow: (anyone: boolean) => number;
  /** Whether a thread waits in a native receive on it. Takes as long. */
  readonly isRead: () => boolean;
}

/** One that keeps from a guest what a poll must not show yet, and a native receive that waits may have. */
export interface Holding {
  /** Gives it to a receive that waits; false once there is nothing to watch any more. */
  offer(): boolean;
}

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
  /** `mirror` is asked to `offer` now and then. */
  holds(mirror: Holding): void;
}
