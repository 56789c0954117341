/**
 * Demultiplexing by 4-tuple: open addressing with linear probing over Int32Arrays, so that a lookup touches two cache lines and makes no garbage
 * (bench/parts.ts: 65 ns, most of it the keyed hash, against 205 for a string key).
 *
 * The hash is keyed, because a remote host chooses half of the tuple: without a key it could put all its flows into one chain.
 * Deletion shifts the following chain back instead of leaving tombstones, so a table that lives for months stays as fast as a fresh one.
 * The table grows by doubling up to `limit` flows; an insert beyond it is refused, never served by eviction (what to evict is the protocol's choice).
 *
 * The address family is part of the tuple: IPv4 is held IPv4-mapped.
 */
import type { Random } from '../lib/random.ts';
import { HalfSipHash13 } from '../lib/siphash.ts';
import type { IpAddress } from './address.ts';

const MAPPED = 0xffff;
/** Slot: hash, entry + 1 (0 when free). */
const SLOT_WORDS = 2;
/** Entry: local address, remote address, local port << 16 | remote port. */
const KEY_WORDS = 9;
const SMALLEST = 64;

export interface FlowTableOptions {
  readonly random: Random;
  /** Most flows held. */
  readonly limit: number;
}

export class FlowTable<T> {
  readonly limit: number;
  readonly #hasher: HalfSipHash13;
  #slots = new Int32Array(SMALLEST * SLOT_WORDS);
  #mask = SMALLEST - 1;
  /** Room for half as many entries as slots: the load stays at or below 1/2. */
  #keys = new Int32Array((SMALLEST / 2) * KEY_WORDS);
  readonly #values: (T | undefined)[] = [];
  /** Freed entries, linked through their first key word, as entry + 1. */
  #free = 0;
  #size = 0;

  constructor(options: FlowTableOptions) {
    this.limit = options.limit;
    this.#hasher = HalfSipHash13.random(options.random);
  }

  get size(): number {
    return this.#size;
  }

  /** By address objects: for connection setup. */
  get(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): T | undefined {
    return this.find(
      local.w0,
      local.w1,
      local.w2,
      local.w3,
      localPort,
      remote.w0,
      remote.w1,
      remote.w2,
      remote.w3,
      remotePort,
    );
  }

  /** By address words, straight from a packet. */
  find(
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    localPort: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    remotePort: number,
  ): T | undefined {
    const ports = (localPort << 16) | remotePort;
    const hash = this.#hash(l0, l1, l2, l3, r0, r1, r2, r3, ports);
    const slots = this.#slots;
    const keys = this.#keys;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const entry = (slots[slot * SLOT_WORDS + 1] as number) - 1;
      if (entry < 0) return undefined;
      if (slots[slot * SLOT_WORDS] !== hash) continue;
      const k = entry * KEY_WORDS;
      if (
        keys[k + 8] === ports &&
        keys[k + 7] === r3 &&
        keys[k + 3] === l3 &&
        keys[k + 6] === r2 &&
        keys[k + 5] === r1 &&
        keys[k + 4] === r0 &&
        keys[k + 2] === l2 &&
        keys[k + 1] === l1 &&
        keys[k] === l0
      ) {
        return this.#values[entry];
      }
    }
  }

  /** False, and nothing done, when the tuple is taken or the table is full. */
  insert(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number, value: T): boolean {
    if (this.#size >= this.limit || this.get(local, localPort, remote, remotePort) !== undefined) return false;
    if ((this.#size + 1) * 2 > this.#mask + 1) this.#grow();
    const entry = this.#takeEntry();
    const k = entry * KEY_WORDS;
    const keys = this.#keys;
    keys[k] = local.w0;
    keys[k + 1] = local.w1;
    keys[k + 2] = local.w2;
    keys[k + 3] = local.w3;
    keys[k + 4] = remote.w0;
    keys[k + 5] = remote.w1;
    keys[k + 6] = remote.w2;
    keys[k + 7] = remote.w3;
    keys[k + 8] = (localPort << 16) | remotePort;
    this.#values[entry] = value;
    this.#place(this.#hashEntry(entry), entry);
    this.#size++;
    return true;
  }

  /** False when the tuple was not there. */
  delete(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): boolean {
    const slot = this.#slotOf(local, localPort, remote, remotePort);
    if (slot < 0) return false;
    const entry = (this.#slots[slot * SLOT_WORDS + 1] as number) - 1;
    this.#values[entry] = undefined;
    this.#keys[entry * KEY_WORDS] = this.#free;
    this.#free = entry + 1;
    this.#size--;
    this.#close(slot);
    return true;
  }

  /** Every value. Deleting is allowed meanwhile, of any flow: it leaves a hole, and what is gone does not come. Inserting is not. For listings, not for the hot path. */
  *values(): IterableIterator<T> {
    for (const value of this.#values) if (value !== undefined) yield value;
  }

  /** int32. */
  #hash(
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    ports: number,
  ): number {
    const h = this.#hasher;
    h.begin();
    h.add(ports);
    h.add(r3);
    h.add(l3);
    // The tuples of IPv4 differ in these words alone; the input's length keeps the families apart.
    if (r2 !== MAPPED || r1 !== 0 || r0 !== 0) {
      h.add(r2);
      h.add(r1);
      h.add(r0);
      h.add(l2);
      h.add(l1);
      h.add(l0);
    }
    return h.finish();
  }
  #hashEntry(entry: number): number {
    const k = entry * KEY_WORDS;
    const key = (i: number): number => this.#keys[k + i] as number;
    return this.#hash(key(0), key(1), key(2), key(3), key(4), key(5), key(6), key(7), key(8));
  }
  #slotOf(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): number {
    const ports = (localPort << 16) | remotePort;
    const hash = this.#hash(local.w0, local.w1, local.w2, local.w3, remote.w0, remote.w1, remote.w2, remote.w3, ports);
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const entry = (this.#slots[slot * SLOT_WORDS + 1] as number) - 1;
      if (entry < 0) return -1;
      if (this.#slots[slot * SLOT_WORDS] === hash && this.#isEntry(entry, local, remote, ports)) return slot;
    }
  }
  #isEntry(entry: number, local: IpAddress, remote: IpAddress, ports: number): boolean {
    const keys = this.#keys;
    const k = entry * KEY_WORDS;
    return keys[k + 8] === ports && sameWords(keys, k, local) && sameWords(keys, k + 4, remote);
  }
  #takeEntry(): number {
    if (this.#free === 0) return this.#values.length;
    const entry = this.#free - 1;
    this.#free = this.#keys[entry * KEY_WORDS] as number;
    return entry;
  }
  #place(hash: number, entry: number): void {
    let slot = hash & this.#mask;
    while (this.#slots[slot * SLOT_WORDS + 1] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[slot * SLOT_WORDS] = hash;
    this.#slots[slot * SLOT_WORDS + 1] = entry + 1;
  }
  /** Empties a slot and moves back what probing would no longer find. */
  #close(hole: number): void {
    const slots = this.#slots;
    let empty = hole;
    for (let slot = (hole + 1) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const taken = slots[slot * SLOT_WORDS + 1] as number;
      if (taken === 0) break;
      const hash = slots[slot * SLOT_WORDS] as number;
      const distance = (slot - hash) & this.#mask;
      if (distance < ((slot - empty) & this.#mask)) continue;
      slots[empty * SLOT_WORDS] = hash;
      slots[empty * SLOT_WORDS + 1] = taken;
      empty = slot;
    }
    slots[empty * SLOT_WORDS] = 0;
    slots[empty * SLOT_WORDS + 1] = 0;
  }
  #grow(): void {
    const old = this.#slots;
    const count = (this.#mask + 1) * 2;
    this.#mask = count - 1;
    this.#slots = new Int32Array(count * SLOT_WORDS);
    const keys = new Int32Array((count / 2) * KEY_WORDS);
    keys.set(this.#keys);
    this.#keys = keys;
    for (let i = 0; i < old.length; i += SLOT_WORDS) {
      const taken = old[i + 1] as number;
      if (taken !== 0) this.#place(old[i] as number, taken - 1);
    }
  }
}

const sameWords = (words: Int32Array, at: number, a: IpAddress): boolean =>
  words[at + 3] === a.w3 && words[at + 2] === a.w2 && words[at + 1] === a.w1 && words[at] === a.w0;
