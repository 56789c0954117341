/**
 * Files in flight: those that parcels in receive queues hold (net/unix/garbage.c). Each is a reference to its file.
 *
 * Sockets that are in flight only within one another's queues can never be received: nobody has a descriptor for any of them. Such a cycle comes about when a socket in
 * flight loses its last other reference. Then those in whose queues it is are looked at, and those in whose queues these are; if none has a reference from outside all of them are
 * garbage, and their queues are emptied, which may lead to more. A connection that nobody has accepted is held by its listener. The way up is short where Linux's collector, which
 * looks at every socket in flight, is long; a guest can make it as long as what it has in flight.
 *
 * Releasing a file may close a socket, whose queue releases further files: they are released in a loop, not one within the other, so that a long chain needs no deep stack.
 */
import type { OpenFile } from '../file.ts';

/** Most files in flight at once. Linux limits an unprivileged user to RLIMIT_NOFILE (too_many_unix_fds); here it is everybody's memory. */
const FILES_MAX = 16_384;

/** A socket as the collector sees it. */
export interface Carrier extends OpenFile {
  /** How often it is in flight, and in whose queues how often. */
  inFlight: number;
  readonly holders: Map<Carrier, number>;
  /** The listener at which it waits to be accepted. */
  readonly guardian: Carrier | undefined;
  /** Forgets the files in its queue, and in those of connections that wait to be accepted by it: the caller has the references now. */
  surrenderFiles(): void;
}

const isHeldOutside = (carrier: Carrier): boolean =>
  carrier.guardian === undefined && carrier.references > carrier.inFlight;

export class InFlight {
  readonly #isCarrier: (file: OpenFile) => file is Carrier;
  #count = 0;
  readonly #doomed: OpenFile[] = [];
  #isReleasing = false;

  constructor(isCarrier: (file: OpenFile) => file is Carrier) {
    this.#isCarrier = isCarrier;
  }

  /** False is ETOOMANYREFS. */
  hasRoomFor(files: number): boolean {
    return this.#count + files <= FILES_MAX;
  }

  /** A parcel with these files goes into the queue of `holder`. */
  depart(files: readonly OpenFile[], holder: Carrier): void {
    this.#count += files.length;
    for (const file of files) {
      file.retain();
      if (!this.#isCarrier(file)) continue;
      file.inFlight++;
      file.holders.set(holder, (file.holders.get(holder) ?? 0) + 1);
    }
  }
  /** They are out of the queue; the references go. */
  land(files: readonly OpenFile[], holder: Carrier): void {
    if (files.length === 0) return;
    this.#count -= files.length;
    for (const file of files) {
      if (this.#isCarrier(file)) this.#leave(file, holder);
      this.#doomed.push(file);
    }
    this.#release();
  }
  #leave(file: Carrier, holder: Carrier): void {
    file.inFlight--;
    const left = (file.holders.get(holder) ?? 1) - 1;
    if (left === 0) file.holders.delete(holder);
    else file.holders.set(holder, left);
  }
  #release(): void {
    if (this.#isReleasing) return;
    this.#isReleasing = true;
    for (let file = this.#doomed.pop(); file !== undefined; file = this.#doomed.pop()) file.release();
    this.#isReleasing = false;
  }

  /** After `carrier` lost a reference: empties the queues that nobody can reach any more. */
  lost(carrier: Carrier): void {
    if (carrier.inFlight === 0 || isHeldOutside(carrier)) return;
    const seen = new Set([carrier]);
    for (const one of seen) {
      if (isHeldOutside(one)) return;
      if (one.guardian !== undefined) seen.add(one.guardian);
      // A Set that grows while it is walked is walked to its new end.
      for (const holder of one.holders.keys()) seen.add(holder);
    }
    for (const one of seen) one.surrenderFiles();
  }
}
