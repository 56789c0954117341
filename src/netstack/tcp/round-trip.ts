/**
 * Round-trip time and retransmission timeout: RFC 6298 with Linux's bounds. One segment a round trip is timed by the microsecond clock; a segment sent
 * again is never timed (Karn, RFC 6298 3), then the echo of our timestamp (RFC 7323 4.3, milliseconds) takes its place.
 */
import { RTO_INITIAL, RTO_MAX } from './limits.ts';

/** Linux's tcp_rto_min, applied to the variance term, so that RTO is never less than 200 ms above the smoothed time. */
const VARIANCE_FLOOR = 200_000;

export class RoundTrip {
  /** Smoothed, microseconds; 0 before the first measurement. */
  smoothed = 0;
  variance = 0;
  /** Least of the connection, microseconds; 0 before the first. */
  least = 0;
  #rto = RTO_INITIAL;
  #floor = VARIANCE_FLOOR;
  #most = RTO_MAX;
  /** Doublings in force (RFC 6298 5.5). */
  backoff = 0;
  /** Sequence number whose acknowledgment ends the running measurement, valid while `timing`. */
  timedSeq = 0;
  timedAt = 0;
  timing = false;

  /** RFC 6298 2.2 and 2.3. */
  measured(us: number): void {
    const sample = Math.max(1, us);
    if (this.smoothed === 0) {
      this.smoothed = sample;
      this.variance = sample / 2;
      this.least = sample;
    } else {
      this.variance += (Math.abs(this.smoothed - sample) - this.variance) / 4;
      this.smoothed += (sample - this.smoothed) / 8;
      if (sample < this.least) this.least = sample;
    }
    this.#rto = Math.min(this.#most, Math.round(this.smoothed + Math.max(this.#floor, 4 * this.variance)));
    this.backoff = 0;
  }
  /** The timeout with its doublings, microseconds. */
  get rto(): number {
    return Math.min(this.#most, this.#rto * 2 ** this.backoff);
  }
  /** TCP_RTO_MIN_US and TCP_RTO_MAX_MS, microseconds. */
  bound(floor: number, most: number): void {
    this.#floor = floor;
    this.#most = most;
  }
  get most(): number {
    return this.#most;
  }
  /** RFC 6298 5.7: a handshake that lost its SYN starts data with three seconds. */
  handshakeLostSyn(): void {
    if (this.smoothed === 0) this.#rto = 3_000_000;
    this.backoff = 0;
  }
  reset(): void {
    this.smoothed = this.variance = this.least = this.backoff = 0;
    this.#rto = RTO_INITIAL;
    this.timing = false;
  }
}
