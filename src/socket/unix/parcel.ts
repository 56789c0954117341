/**
 * What travels between AF_UNIX sockets: the kernel's sk_buff. A send makes parcels, each charged to its sender by the memory that it takes, not by its octets, until the
 * receiver is done with it; so the sizes below are what SO_SNDBUF and SIOCOUTQ mean to a guest (measured on Linux 6.18, equal for every length from 0 to 212,959).
 */
import type { OpenFile } from '../file.ts';
import type { Credential } from './credential.ts';
import type { UnixSocket } from './unix-socket.ts';

/** struct sk_buff, and struct skb_shared_info behind the data. */
const HEADER = 256;
const TRAILER = 320;
const CACHE_LINE = 64;
const PAGE = 4096;
/** The least allocation for data. */
const LEAST = 512;
/** Octets of a stream's parcel that lie in its head (SKB_MAX_HEAD(0)), and the most that lie in pages (UNIX_SKB_FRAGS_SZ). */
const STREAM_HEAD = PAGE - TRAILER;
const STREAM_PAGES = 32_768;
/** Octets of a message that lie in its head (SKB_MAX_ALLOC), and the most that lie in pages (MAX_SKB_FRAGS); what is more goes to the head. */
const MESSAGE_HEAD = 4 * PAGE - TRAILER;
const MESSAGE_PAGES = 17 * PAGE;

/** A stream's parcel holds no more. */
export const STREAM_PARCEL_MAX = STREAM_HEAD + STREAM_PAGES;

const align = (octets: number, to: number): number => Math.ceil(octets / to) * to;
const powerOfTwo = (octets: number): number => 2 ** Math.ceil(Math.log2(octets));

function charge(octets: number, inPages: number): number {
  const head = powerOfTwo(Math.max(LEAST, align(octets - inPages, CACHE_LINE) + TRAILER));
  return HEADER + head + align(inPages, PAGE);
}
export const streamCharge = (octets: number): number =>
  charge(octets, Math.min(octets, align(Math.max(0, octets - STREAM_HEAD), PAGE)));
export const messageCharge = (octets: number): number =>
  charge(octets, align(Math.min(Math.max(0, octets - MESSAGE_HEAD), MESSAGE_PAGES), PAGE));

const NO_FILES: readonly OpenFile[] = [];

/** A queue of parcels links them; one is in at most one queue. */
export class Parcel {
  readonly octets: Uint8Array;
  /** Octets of it that a stream's reader has taken. */
  consumed = 0;
  readonly charge: number;
  readonly sender: UnixSocket;
  /** Files in flight, each a reference. */
  files: readonly OpenFile[] = NO_FILES;
  /** Undefined where neither side asked for credentials. */
  credential: Credential | undefined = undefined;
  /** Arrival, in microseconds of the stack's clock. */
  time = 0;
  /** @internal */
  next: Parcel | undefined = undefined;

  constructor(octets: Uint8Array, charged: number, sender: UnixSocket) {
    this.octets = octets;
    this.charge = charged;
    this.sender = sender;
  }
  get length(): number {
    return this.octets.length - this.consumed;
  }
  get hasFiles(): boolean {
    return this.files.length > 0;
  }
  /** The files are somebody else's now, references and all. */
  takeFiles(): readonly OpenFile[] {
    const { files } = this;
    this.files = NO_FILES;
    return files;
  }
}

export class ParcelQueue {
  head: Parcel | undefined = undefined;
  #tail: Parcel | undefined = undefined;
  count = 0;
  /** Octets of all parcels that are not consumed. */
  octets = 0;

  push(parcel: Parcel): void {
    if (this.#tail === undefined) this.head = parcel;
    else this.#tail.next = parcel;
    this.#tail = parcel;
    this.count++;
    this.octets += parcel.length;
  }
  shift(): Parcel | undefined {
    const parcel = this.head;
    if (parcel === undefined) return undefined;
    this.head = parcel.next;
    if (this.head === undefined) this.#tail = undefined;
    parcel.next = undefined;
    this.count--;
    this.octets -= parcel.length;
    return parcel;
  }
  /**
   * What is lost with the queue is told to the other end (unix_release_sock): anything but a single message of no octets. Linux passes over a first one without octets, which in a stream is
   * the urgent octet that was read, and asks whether there is another.
   */
  get isUnread(): boolean {
    return this.head !== undefined && (this.head.length > 0 || this.head.next !== undefined);
  }
  /** Takes octets off the head without its going. */
  consume(octets: number): void {
    if (this.head === undefined) return;
    this.head.consumed += octets;
    this.octets -= octets;
  }
  *[Symbol.iterator](): Generator<Parcel> {
    for (let parcel = this.head; parcel !== undefined; parcel = parcel.next) yield parcel;
  }
}
