/**
 * Local ports of one transport: who holds which, who may share one, and how a free one is chosen (RFC 6056).
 *
 * Theory of operation. Each bound endpoint owns a `PortBinding`, linked into the list of its port. A list may be long (every connection that a
 * listener accepted holds the listener's port), so leaving it is O(1) and only an explicit bind() walks it.
 *
 * Conflict rules are Linux's (socket(7), ip(7); measured): two bindings of a port conflict when their interfaces and addresses overlap, unless both
 * have SO_REUSEADDR (TCP: and neither listens) or both have SO_REUSEPORT. TCP asks no further where all that hold the port had that option when they bound, even if they
 * have it no more (inet_csk_get_port). An unspecified address overlaps every address of its family; `::` without
 * IPV6_V6ONLY overlaps IPv4 too. A connect() without bind() shares a port with other such connections as long as the 4-tuple is unique.
 *
 * Ephemeral ports: RFC 6056 algorithm 4 (double-hash), with Linux's habit of even ports for connect() and odd ones for bind(), so that
 * the two do not starve each other. SO_REUSEPORT here does not compare user ids: one stack belongs to one sandbox.
 */
import type { Random } from '../lib/random.ts';
import { HalfSipHash13 } from '../lib/siphash.ts';
import { IpAddress } from './address.ts';

/** net.ipv4.ip_local_port_range. */
export const EPHEMERAL_FIRST = 32_768;
export const EPHEMERAL_LAST = 60_999;
/** Size of RFC 6056's table of increments. */
const PERTURBATIONS = 256;

/** What binds: the settings are read whenever a conflict is judged, so later setsockopt() counts, as on Linux. */
export interface PortUser {
  readonly settings: {
    readonly reuseAddress: boolean;
    readonly reusePort: boolean;
    readonly owner: number;
    readonly v6Only: boolean;
    readonly boundInterface: number;
    /** IP_LOCAL_PORT_RANGE: the lowest port to choose, and the highest in the upper half; 0 of either is the table's. */
    readonly localPortRange: number;
  };
  /** Its group of SO_REUSEPORT. Who has one and is not bound yet shares a port with nobody by that option. */
  readonly reuseGroup?: object | undefined;
  /** A TCP listener. SO_REUSEADDR does not share a port with one. */
  readonly isListening: boolean;
}

export class PortBinding<U extends PortUser> {
  readonly user: U;
  address: IpAddress = IpAddress.ANY4;
  /** 0 while not bound. */
  port = 0;
  /** False when connect() chose the port: others may then connect from it too. */
  explicit = false;
  /** @internal */
  previous: PortBinding<U> | undefined = undefined;
  /** @internal */
  next: PortBinding<U> | undefined = undefined;

  constructor(user: U) {
    this.user = user;
  }
}

interface Bucket<U extends PortUser> {
  first: PortBinding<U> | undefined;
  explicitCount: number;
  /** All that hold the port had SO_REUSEADDR (and did not listen), or SO_REUSEPORT, when they bound (tb->fastreuse, tb->fastreuseport). */
  allReuseAddress: boolean;
  allReusePort: boolean;
  /** Whose all of allReusePort are (tb->fastuid). */
  readonly owner: number;
}

/** Whether `mine` may not hold `address` beside `theirs`, which has the same port. */
export type ConflictRule<U extends PortUser> = (
  mine: PortBinding<U>,
  address: IpAddress,
  theirs: PortBinding<U>,
) => boolean;

/** TCP's and UDP's. */
function transportConflict<U extends PortUser>(
  { user: { settings: mine, reuseGroup } }: PortBinding<U>,
  address: IpAddress,
  other: PortBinding<U>,
): boolean {
  const theirs = other.user.settings;
  const apart = mine.boundInterface !== 0 && theirs.boundInterface !== 0;
  if (apart && mine.boundInterface !== theirs.boundInterface) return false;
  if (mine.reuseAddress && theirs.reuseAddress && !other.user.isListening) return false;
  const isOneUser = mine.owner === theirs.owner;
  if (mine.reusePort && theirs.reusePort && isOneUser && reuseGroup === undefined) return false;
  return overlap(address, mine.v6Only, other.address, theirs.v6Only);
}

export class PortTable<U extends PortUser> {
  readonly #buckets = new Map<number, Bucket<U>>();
  readonly #random: Random;
  readonly #conflict: ConflictRule<U>;
  readonly #isTcp: boolean;
  readonly #hash: HalfSipHash13;
  readonly #increments = new Uint16Array(PERTURBATIONS);

  /**
   * @param isTcp as Linux's TCP does: an odd port of a range's end is never chosen (inet_csk_find_open_port, __inet_hash_connect), and the options that holders had when they bound are
   * remembered
   */
  constructor(random: Random, conflict: ConflictRule<U> = transportConflict, isTcp = false) {
    this.#isTcp = isTcp;
    this.#random = random;
    this.#conflict = conflict;
    this.#hash = HalfSipHash13.random(random);
    for (let i = 0; i < PERTURBATIONS; i++) this.#increments[i] = random.u32();
  }

  /** Binds to `address` and `port`, 0 for an ephemeral one. */
  bind(binding: PortBinding<U>, address: IpAddress, port: number): 'address-in-use' | undefined {
    const chosen = port === 0 ? this.#freePort(binding, address) : port;
    if (chosen === 0 || (port !== 0 && this.conflicts(binding, address, port))) return 'address-in-use';
    this.#link(binding, address, chosen, true);
    return undefined;
  }

  /** True if `binding` may not hold `address` and `port` beside those that do. It does not conflict with itself. */
  conflicts(binding: PortBinding<U>, address: IpAddress, port: number): boolean {
    const bucket = this.#buckets.get(port);
    if (bucket === undefined || this.#allShare(bucket, binding.user)) return false;
    for (let other = bucket.first; other !== undefined; other = other.next) {
      if (other !== binding && this.#conflict(binding, address, other)) return true;
    }
    return false;
  }
  #allShare({ allReuseAddress, allReusePort, owner }: Bucket<U>, { settings, isListening, reuseGroup }: U): boolean {
    if (!this.#isTcp) return false;
    return (
      (allReuseAddress && settings.reuseAddress && !isListening) ||
      (allReusePort && settings.reusePort && settings.owner === owner && reuseGroup === undefined)
    );
  }
  /** False if the holder of a port may not listen on it beside those that have it too. A listener shares no longer by SO_REUSEADDR. */
  mayListen(binding: PortBinding<U>): boolean {
    const bucket = this.#buckets.get(binding.port);
    if (bucket === undefined) return false;
    bucket.allReuseAddress = false;
    return !this.conflicts(binding, binding.address, binding.port);
  }

  /**
   * Chooses a port for a connect() that was not bound. `isFree` says whether the 4-tuple with that port is unique.
   * @returns the port, now bound, or 0 when all are taken.
   */
  bindForConnect(
    binding: PortBinding<U>,
    address: IpAddress,
    remote: IpAddress,
    remotePort: number,
    isFree: (port: number) => boolean,
  ): number {
    const index = this.#tupleHash(address, remote, remotePort);
    const cell = (index >>> 24) % PERTURBATIONS;
    const { first, count } = this.#rangeOf(binding.user.settings.localPortRange);
    const start = (((index >>> 0) + (this.#increments[cell] as number)) % count) & ~1;
    for (let parity = 0; parity < 2; parity++) {
      for (let i = 0; i + parity < count; i += 2) {
        const port = first + ((start + i + parity) % count);
        const bucket = this.#buckets.get(port);
        if (bucket !== undefined && (bucket.explicitCount > 0 || !isFree(port))) continue;
        this.#increments[cell] = (this.#increments[cell] as number) + i + 2;
        this.#link(binding, address, port, false);
        return port;
      }
    }
    return 0;
  }

  /** A connection that a listener accepted holds the listener's port. */
  share(binding: PortBinding<U>, address: IpAddress, port: number): void {
    this.#link(binding, address, port, true);
  }

  release(binding: PortBinding<U>): void {
    const bucket = this.#buckets.get(binding.port);
    if (bucket === undefined) return;
    if (binding.previous === undefined) bucket.first = binding.next;
    else binding.previous.next = binding.next;
    if (binding.next !== undefined) binding.next.previous = binding.previous;
    if (binding.explicit) bucket.explicitCount--;
    if (bucket.first === undefined) this.#buckets.delete(binding.port);
    binding.previous = binding.next = undefined;
    binding.port = 0;
  }

  /** All that hold a port. */
  *users(): IterableIterator<U> {
    for (const { first } of this.#buckets.values()) for (let b = first; b !== undefined; b = b.next) yield b.user;
  }
  /** The bindings of a port, newest first, for a protocol that demultiplexes by them. */
  first(port: number): PortBinding<U> | undefined {
    return this.#buckets.get(port)?.first;
  }
  /** Ports in use. */
  get count(): number {
    return this.#buckets.size;
  }

  #link(binding: PortBinding<U>, address: IpAddress, port: number, explicit: boolean): void {
    if (binding.port !== 0) this.release(binding);
    const { reuseAddress, reusePort, owner } = binding.user.settings;
    let bucket = this.#buckets.get(port);
    if (bucket === undefined) {
      bucket = { first: undefined, explicitCount: 0, allReuseAddress: explicit, allReusePort: explicit, owner };
      this.#buckets.set(port, bucket);
    }
    if (!reuseAddress) bucket.allReuseAddress = false;
    if (!reusePort || owner !== bucket.owner) bucket.allReusePort = false;
    binding.address = address;
    binding.port = port;
    binding.explicit = explicit;
    binding.next = bucket.first;
    if (bucket.first !== undefined) bucket.first.previous = binding;
    bucket.first = binding;
    if (explicit) bucket.explicitCount++;
  }

  /** An odd port first, then an even one, from a random start; a port that can be had without sharing before one that cannot. */
  #freePort(binding: PortBinding<U>, address: IpAddress): number {
    const { first, count } = this.#rangeOf(binding.user.settings.localPortRange);
    const start = (this.#random.u32() % count) | 1;
    for (const shared of [false, true]) {
      for (let parity = 0; parity < 2; parity++) {
        for (let i = 0; i < count; i += 2) {
          const port = first + ((start + i + parity) % count);
          if (!this.#buckets.has(port)) return port;
          if (shared && !this.conflicts(binding, address, port)) return port;
        }
      }
    }
    return 0;
  }
  /** inet_sk_get_local_port_range: a bound outside the system's range is none. */
  #rangeOf(asked: number): PortRange {
    if (asked === 0) return EVERY_PORT;
    const first = within(asked & 0xffff, EPHEMERAL_FIRST);
    const count = within(asked >>> 16, EPHEMERAL_LAST) - first + 1;
    return { first, count: this.#isTcp && count > 1 ? count & ~1 : count };
  }
  #tupleHash(local: IpAddress, remote: IpAddress, remotePort: number): number {
    const h = this.#hash;
    h.begin();
    for (const a of [local, remote]) {
      h.add(a.w0);
      h.add(a.w1);
      h.add(a.w2);
      h.add(a.w3);
    }
    h.add(remotePort);
    return h.finish();
  }
}

interface PortRange {
  readonly first: number;
  readonly count: number;
}
const EVERY_PORT: PortRange = { first: EPHEMERAL_FIRST, count: EPHEMERAL_LAST - EPHEMERAL_FIRST + 1 };
const within = (port: number, otherwise: number): number =>
  port >= EPHEMERAL_FIRST && port <= EPHEMERAL_LAST ? port : otherwise;

/** Whether two bound addresses can receive the same packet. */
function overlap(a: IpAddress, aV6Only: boolean, b: IpAddress, bV6Only: boolean): boolean {
  if (a.equals(b)) return true;
  if (a.isUnspecified) return a.isV4 === b.isV4 ? true : a.isV4 ? b.isUnspecified && !bV6Only : !aV6Only;
  if (b.isUnspecified) return a.isV4 === b.isV4 ? true : b.isV4 ? false : !bV6Only;
  return false;
}
