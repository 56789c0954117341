/**
 * Reassembly of both families (RFC 791 3.2, RFC 815; RFC 8200 4.5). Fragments are copied into a buffer per datagram, so that no packet buffer is held.
 *
 * Bounds: MAX_OCTETS over all datagrams (Linux ipfrag_high_thresh), MAX_DATAGRAMS, MAX_RANGES pieces that do not touch, 64 KiB a datagram; the oldest
 * datagram makes room. LIFETIME_V4 (Linux ipfrag_time) and LIFETIME_V6 (ip6frag_time). A fragment that overlaps what has come with other content ends the datagram
 * (RFC 5722; RFC 8200); the same octets again are a duplicate and ignored.
 */
import type { Alarm, Clock, Duration, Instant } from '../../lib/clock.ts';
import type { Packet } from '../packet.ts';
import type { IpCounters } from '../stats.ts';

/** Seconds. */
export const LIFETIME_V4 = 30;
export const LIFETIME_V6 = 60;
const MAX_OCTETS = 4 * 1024 * 1024;
const MAX_DATAGRAMS = 128;
const MAX_RANGES = 64;
const MAX_DATAGRAM = 65_535;
/** What is kept of the first fragment for a "time exceeded" message: RFC 4443's 1232 octets. */
const QUOTE_OCTETS = 1232;

/** Received octets from .. to of the datagram's payload. */
interface Range {
  from: number;
  to: number;
}
interface Datagram {
  readonly key: string;
  readonly expires: Instant;
  buffer: Uint8Array;
  /** Sorted, never touching. */
  readonly ranges: Range[];
  /** Octets of payload, or -1 until the last fragment came. */
  total: number;
  /** Octets of the longest fragment, headers included. */
  longest: number;
  /** Head of the first fragment, to be quoted. */
  first: Packet | undefined;
}

/** A fragment as its header describes it; payload stands at `packet.at` .. `packet.end`. */
export interface FragmentInfo {
  readonly id: number;
  readonly offset: number;
  readonly more: boolean;
  readonly protocol: number;
}
export interface ReassemblyOptions {
  readonly clock: Clock;
  readonly lifetime: Duration;
  readonly counters: IpCounters;
  /** Called with the head of the first fragment, `l3` on its IP header, when its datagram timed out. Does not own it. */
  readonly timedOut: (first: Packet) => void;
}

/** Why a fragment did not complete a datagram. */
export type FragmentResult = 'waiting' | 'dropped';

export class Reassembler {
  evictions = 0;
  overlaps = 0;
  #octets = 0;
  readonly #options: ReassemblyOptions;
  readonly #datagrams = new Map<string, Datagram>();
  readonly #alarm: Alarm;

  constructor(options: ReassemblyOptions) {
    this.#options = options;
    this.#alarm = options.clock.alarm((now) => this.#expire(now));
  }
  /** Datagrams under way, and the octets that they hold. */
  get size(): number {
    return this.#datagrams.size;
  }
  get octets(): number {
    return this.#octets;
  }

  /** Takes a fragment in; the payload of the completed datagram, or why there is none. The caller keeps the packet. */
  add(packet: Packet, info: FragmentInfo): Uint8Array | FragmentResult {
    const { counters } = this.#options;
    const len = packet.length;
    const end = info.offset + len;
    counters.ReasmReqds++;
    if (len === 0 || end > MAX_DATAGRAM || (info.more && (len & 7) !== 0)) return this.#fail(undefined);
    const datagram = this.#obtain(packet, info);
    // In 16 bits, as Linux keeps it (inet_frag_queue.max_size): one of 65,536 octets does not count.
    datagram.longest = Math.max(datagram.longest, (packet.end - packet.l3) & 0xffff);
    if (!endsAgree(datagram, end, info.more)) return this.#fail(datagram);
    const placed = this.#place(datagram, packet, info.offset, end);
    if (placed === 'overlap') this.overlaps++;
    if (placed === 'overlap' || datagram.ranges.length > MAX_RANGES) return this.#fail(datagram);
    if (placed === 'new' && info.offset === 0) this.#keepHead(datagram, packet);
    const [whole] = datagram.ranges;
    if (whole?.from !== 0 || whole.to !== datagram.total) return 'waiting';
    this.#remove(datagram);
    packet.fragmentSize = datagram.longest;
    counters.ReasmOKs++;
    return datagram.buffer.subarray(0, datagram.total);
  }

  #obtain(packet: Packet, info: FragmentInfo): Datagram {
    const p = packet;
    const key = `${p.src0},${p.src1},${p.src2},${p.src3},${p.dst0},${p.dst1},${p.dst2},${p.dst3},${info.id},${info.protocol}`;
    const known = this.#datagrams.get(key);
    if (known !== undefined) return known;
    if (this.#datagrams.size >= MAX_DATAGRAMS) this.#evictOldest();
    const datagram: Datagram = {
      key,
      expires: this.#options.clock.in(this.#options.lifetime),
      buffer: new Uint8Array(0),
      ranges: [],
      total: -1,
      longest: 0,
      first: undefined,
    };
    this.#datagrams.set(key, datagram);
    if (!this.#alarm.armed) this.#alarm.set(datagram.expires);
    return datagram;
  }

  #place(datagram: Datagram, packet: Packet, from: number, to: number): 'new' | 'duplicate' | 'overlap' {
    const { ranges } = datagram;
    let i = ranges.findIndex((r) => from < r.to);
    if (i < 0) i = ranges.length;
    const next = ranges[i];
    if (next !== undefined && next.from < to) {
      const covered = next.from <= from && to <= next.to;
      return covered && sameOctets(datagram.buffer, from, packet) ? 'duplicate' : 'overlap';
    }
    this.#grow(datagram, to);
    datagram.buffer.set(packet.bytes.subarray(packet.at, packet.end), from);
    ranges.splice(i, 0, { from, to });
    join(ranges, i);
    if (i > 0) join(ranges, i - 1);
    return 'new';
  }

  #grow(datagram: Datagram, octets: number): void {
    const old = datagram.buffer;
    if (octets <= old.length) return;
    const size = Math.min(65_536, Math.max(octets, old.length * 2));
    while (this.#octets - old.length + size > MAX_OCTETS && this.#evictOldest(datagram));
    const buffer = new Uint8Array(size);
    buffer.set(old);
    datagram.buffer = buffer;
    this.#octets += size - old.length;
  }
  #keepHead(datagram: Datagram, packet: Packet): void {
    if (datagram.first !== undefined) return;
    const { at, end } = packet;
    packet.at = packet.l3;
    packet.end = Math.min(end, packet.l3 + QUOTE_OCTETS);
    datagram.first = packet.copyTo(packet.pool);
    packet.at = at;
    packet.end = end;
  }

  /** False when there is none but `except`. */
  #evictOldest(except?: Datagram): boolean {
    for (const datagram of this.#datagrams.values()) {
      if (datagram === except) continue;
      this.evictions++;
      this.#fail(datagram);
      return true;
    }
    return false;
  }
  #fail(datagram: Datagram | undefined): 'dropped' {
    this.#options.counters.ReasmFails++;
    if (datagram !== undefined) this.#remove(datagram);
    return 'dropped';
  }
  #remove(datagram: Datagram): void {
    this.#datagrams.delete(datagram.key);
    this.#octets -= datagram.buffer.length;
    datagram.first?.release();
    datagram.first = undefined;
  }
  #expire(now: Instant): void {
    for (const datagram of this.#datagrams.values()) {
      if (datagram.expires > now) {
        this.#alarm.set(datagram.expires);
        return;
      }
      this.#options.counters.ReasmTimeout++;
      if (datagram.first !== undefined) this.#options.timedOut(datagram.first);
      this.#fail(datagram);
    }
  }
}

function sameOctets(buffer: Uint8Array, from: number, packet: Packet): boolean {
  for (let i = 0; i < packet.length; i++) if (buffer[from + i] !== packet.bytes[packet.at + i]) return false;
  return true;
}

/** Makes one range of the ones at `i` and `i + 1` if they touch. */
function join(ranges: Range[], i: number): void {
  const left = ranges[i];
  const right = ranges[i + 1];
  if (left === undefined || left.to !== right?.from) return;
  left.to = right.to;
  ranges.splice(i + 1, 1);
}

/** Notes where the datagram ends; false when two fragments disagree, or when one lies beyond the end. */
function endsAgree(datagram: Datagram, end: number, more: boolean): boolean {
  const farthest = Math.max(end, datagram.ranges.at(-1)?.to ?? 0);
  if (!more) {
    if (datagram.total >= 0 && datagram.total !== end) return false;
    datagram.total = end;
  }
  return datagram.total < 0 || farthest <= datagram.total;
}
