/**
 * What ICMP told about path MTUs (RFC 1191, RFC 8201). Bounded: the oldest entry makes room. An entry holds for ten minutes (Linux mtu_expires; RFC 1191
 * 6.3), then the link's MTU is tried again. Values below the minimum are raised to it: 552 for IPv4 as Linux (min_pmtu), since a forged message
 * could otherwise force packets of a few octets; 1280 for IPv6.
 */
import { type Alarm, type Clock, type Instant, seconds } from '../../lib/clock.ts';
import type { IpAddress } from '../address.ts';

const LIMIT = 256;
const EXPIRES = seconds(600);
const MIN_V4 = 552;
const MIN_V6 = 1280;

export class PathMtuCache {
  evictions = 0;
  readonly #clock: Clock;
  /** In order of expiry. */
  readonly #entries = new Map<string, { readonly mtu: number; readonly until: Instant }>();
  readonly #changed: () => void;
  readonly #alarm: Alarm;

  /** @param changed called whenever an answer of `lookup` may differ from before. */
  constructor(clock: Clock, changed: () => void) {
    this.#clock = clock;
    this.#changed = changed;
    this.#alarm = clock.alarm((now) => this.#expire(now));
  }
  get size(): number {
    return this.#entries.size;
  }
  /** The smaller of `linkMtu` and what is known. */
  lookup(remote: IpAddress, linkMtu: number): number {
    const entry = this.#entries.size === 0 ? undefined : this.#entries.get(remote.toString());
    return entry === undefined ? linkMtu : Math.min(entry.mtu, linkMtu);
  }
  /** Never raises: a message with a value not below `current` is ignored. */
  lower(remote: IpAddress, mtu: number, current: number): void {
    const bounded = Math.max(mtu, remote.isV4 ? MIN_V4 : MIN_V6);
    if (bounded >= current) return;
    const key = remote.toString();
    this.#entries.delete(key);
    const oldest = this.#entries.keys().next();
    if (this.#entries.size >= LIMIT && oldest.done !== true) {
      this.#entries.delete(oldest.value);
      this.evictions++;
    }
    this.#entries.set(key, { mtu: bounded, until: this.#clock.in(EXPIRES) });
    if (!this.#alarm.armed) this.#alarm.set(this.#clock.in(EXPIRES));
    this.#changed();
  }
  #expire(now: Instant): void {
    for (const [key, entry] of this.#entries) {
      if (entry.until > now) {
        this.#alarm.set(entry.until);
        break;
      }
      this.#entries.delete(key);
    }
    this.#changed();
  }
}
