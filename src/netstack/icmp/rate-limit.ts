/** A token bucket (RFC 1812 4.3.2.8, RFC 4443 2.4 (f)); the figures of Linux's icmp_msgs_per_sec and icmp_msgs_burst. */
import type { Clock } from '../../lib/clock.ts';

export const PER_SECOND = 1000;
export const BURST = 50;

export class RateLimit {
  readonly #clock: Clock;
  #tokens = BURST;
  #filledAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledAt = clock.now();
  }
  /** Takes one token; false when there is none. */
  take(): boolean {
    const now = this.#clock.now();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#filledAt) * PER_SECOND) / 1e6);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
