/**
 * Files in flight: those that parcels in receive queues hold (net/unix/garbage.c). Each is a reference to its file.
 *
 * Sockets that are in flight only within one another's queues can never be received: nobody has a descriptor for any of them. When a socket in flight loses its last other
 * reference such a cycle may have come about, and it is looked for: of the sockets with no reference but those in flight, the ones that something outside leads to are reachable, with
 * all that waits in their queues; the rest is garbage and its queues are emptied. A listener leads to the connections that wait in it.
 *
 * Releasing a file may close a socket, whose queue releases further files: they are released in a loop, not one within the other, so that a long chain needs no deep stack.
 */
import type { OpenFile } from '../file.ts';

/** Most files in flight at once. Linux limits an unprivileged user to RLIMIT_NOFILE (too_many_unix_fds); here it is everybody's memory. */
const FILES_MAX = 16_384;

/** A socket as the collector sees it. */
export interface Carrier extends OpenFile {
  /** How often it is in flight. */
  inFlight: number;
  /** Files in its queue, and in the queues of connections that wait to be accepted by it. */
  heldFiles(): Iterable<OpenFile>;
  /** Forgets them: the caller has the references now. */
  surrenderFiles(): readonly OpenFile[];
}

export class InFlight {
  readonly #isCarrier: (file: OpenFile) => file is Carrier;
  readonly #carriers = new Set<Carrier>();
  #count = 0;
  #doomed: OpenFile[] = [];
  #isReleasing = false;

  constructor(isCarrier: (file: OpenFile) => file is Carrier) {
    this.#isCarrier = isCarrier;
  }

  get count(): number {
    return this.#count;
  }
  /** False is ETOOMANYREFS. */
  hasRoomFor(files: number): boolean {
    return this.#count + files <= FILES_MAX;
  }

  /** A parcel with these files goes into a queue. */
  depart(files: readonly OpenFile[]): void {
    this.#count += files.length;
    for (const file of files) {
      file.retain();
      if (!this.#isCarrier(file)) continue;
      file.inFlight++;
      this.#carriers.add(file);
    }
  }
  /** They are out of the queue; the references go. */
  land(files: readonly OpenFile[]): void {
    if (files.length === 0) return;
    this.#count -= files.length;
    for (const file of files) {
      if (this.#isCarrier(file) && --file.inFlight === 0) this.#carriers.delete(file);
      this.#doomed.push(file);
    }
    this.#release();
  }
  #release(): void {
    if (this.#isReleasing) return;
    this.#isReleasing = true;
    for (let file = this.#doomed.pop(); file !== undefined; file = this.#doomed.pop()) file.release();
    this.#isReleasing = false;
  }

  /** After `carrier` lost a reference: empties the queues of sockets that nobody can reach any more. */
  lost(carrier: Carrier): void {
    if (carrier.inFlight > 0 && carrier.references === carrier.inFlight) this.#collect();
  }
  #collect(): void {
    const outside = new Map<Carrier, number>();
    for (const carrier of this.#carriers) {
      if (carrier.references === carrier.inFlight) outside.set(carrier, carrier.inFlight);
    }
    for (const carrier of outside.keys()) {
      for (const file of carrier.heldFiles()) {
        const count = this.#isCarrier(file) ? outside.get(file) : undefined;
        if (count !== undefined) outside.set(file as Carrier, count - 1);
      }
    }
    const reachable = [...outside].filter(([, count]) => count > 0).map(([carrier]) => carrier);
    for (const carrier of reachable) outside.delete(carrier);
    for (let carrier = reachable.pop(); carrier !== undefined; carrier = reachable.pop()) {
      for (const file of carrier.heldFiles()) {
        if (!this.#isCarrier(file) || !outside.delete(file)) continue;
        reachable.push(file);
      }
    }
    const garbage = [...outside.keys()];
    this.land(garbage.flatMap((carrier) => carrier.surrenderFiles()));
  }
}
