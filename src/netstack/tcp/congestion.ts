/**
 * Congestion control: slow start with an initial window of ten segments (RFC 5681, RFC 6928), recovery (RFC 6582), and what both do about idle times and timeouts, in octets. How the window grows in
 * congestion avoidance, and what a loss leaves of it, is an algorithm's: CUBIC (cubic.ts), as Linux by default, or Reno (reno.ts); TCP_CONGESTION chooses. The window grows only while it
 * is what limits the sender (RFC 7661 in spirit, as Linux). An ACK counts by what it acknowledges (RFC 3465 with Linux's lack of a cap), because
 * receivers of large frames acknowledge rarely.
 */
import type { CongestionName } from '../endpoint.ts';
import { Cubic } from './cubic.ts';
import { Reno } from './reno.ts';

export interface CongestionAlgorithm {
  readonly name: CongestionName;
  /** A connection begins, or the algorithm takes over another's. */
  reset(): void;
  /** The window after `acked` octets were acknowledged in congestion avoidance. */
  avoid(cwnd: number, acked: number, mss: number, now: number, roundTripUs: number): number;
  /** The slow start threshold after a loss with `flight` octets in flight. */
  threshold(cwnd: number, flight: number, mss: number): number;
  /** Nothing was sent for a timeout's time. */
  idle(): void;
}
const ALGORITHMS: { readonly [N in CongestionName]: () => CongestionAlgorithm } = {
  cubic: () => new Cubic(),
  reno: () => new Reno(),
};

const INITIAL_SEGMENTS = 10;
/** Grows no further: beyond any window that the receiver can offer (65,535 << 14). */
const CEILING = 1 << 30;

export class Congestion {
  cwnd = 0;
  ssthresh = CEILING;
  inRecovery = false;
  /** RFC 6582 recover: loss before it belongs to the event already answered. */
  recover = 0;
  hasRecover = false;
  #algorithm: CongestionAlgorithm;

  constructor(name: CongestionName) {
    this.#algorithm = ALGORITHMS[name]();
  }
  /** Window and threshold stay where they are (tcp_reinit_congestion_control). */
  use(name: CongestionName): void {
    if (name !== this.#algorithm.name) this.#algorithm = ALGORITHMS[name]();
  }

  start(mss: number): void {
    this.cwnd = INITIAL_SEGMENTS * mss;
    this.ssthresh = CEILING;
    this.#algorithm.reset();
    this.inRecovery = this.hasRecover = false;
  }
  /** New data was acknowledged outside recovery while the window was in full use. */
  grow(acked: number, mss: number, now: number, roundTripUs: number): void {
    let rest = acked;
    if (this.cwnd < this.ssthresh) {
      const room = Math.min(rest, this.ssthresh - this.cwnd);
      this.cwnd = Math.min(CEILING, this.cwnd + room);
      rest -= room;
    }
    if (rest > 0) this.cwnd = Math.min(CEILING, this.#algorithm.avoid(this.cwnd, rest, mss, now, roundTripUs));
  }
  /** Loss shown by duplicate or selective ACKs. */
  enterRecovery(flight: number, mss: number, recover: number): void {
    this.ssthresh = this.#algorithm.threshold(this.cwnd, flight, mss);
    this.inRecovery = true;
    this.recover = recover;
    this.hasRecover = true;
  }
  /** RFC 6582 3.2 step 3, full acknowledgment; never a burst larger than what is in flight plus a segment. */
  leaveRecovery(flight: number, mss: number): void {
    this.inRecovery = false;
    this.cwnd = Math.max(2 * mss, Math.min(this.ssthresh, Math.max(flight, mss) + mss));
  }
  /** RFC 5681 3.1: one segment; the threshold is lowered once for one loss event. */
  timedOut(flight: number, mss: number, first: boolean, recover: number): void {
    if (first) this.ssthresh = this.#algorithm.threshold(this.cwnd, flight, mss);
    this.cwnd = mss;
    this.recover = recover;
    this.hasRecover = true;
    this.inRecovery = false;
  }
  /** RFC 5681 4.1: after an idle time of an RTO the window restarts. */
  restart(mss: number): void {
    this.cwnd = Math.min(this.cwnd, INITIAL_SEGMENTS * mss);
    this.#algorithm.idle();
  }
}
