/**
 * Congestion control: NewReno (RFC 5681, RFC 6582) in octets, with an initial window of ten segments (RFC 6928). The window grows only while it
 * is what limits the sender (RFC 7661 in spirit, as Linux). An ACK counts by what it acknowledges (RFC 3465 with Linux's lack of a cap), because
 * receivers of large frames acknowledge rarely.
 */
const INITIAL_SEGMENTS = 10;
/** Grows no further: beyond any window that the receiver can offer (65,535 << 14). */
const CEILING = 1 << 30;

export class Congestion {
  cwnd = 0;
  ssthresh = CEILING;
  /** Octets acknowledged since the window last grew in congestion avoidance. */
  #acked = 0;
  inRecovery = false;
  /** RFC 6582 recover: loss before it belongs to the event already answered. */
  recover = 0;
  hasRecover = false;

  start(mss: number): void {
    this.cwnd = INITIAL_SEGMENTS * mss;
    this.ssthresh = CEILING;
    this.#acked = 0;
    this.inRecovery = this.hasRecover = false;
  }
  /** New data was acknowledged outside recovery while the window was in full use. */
  grow(acked: number, mss: number): void {
    let rest = acked;
    if (this.cwnd < this.ssthresh) {
      const room = Math.min(rest, this.ssthresh - this.cwnd);
      this.cwnd = Math.min(CEILING, this.cwnd + room);
      rest -= room;
    }
    if (rest === 0) return;
    this.#acked += rest;
    if (this.#acked >= this.cwnd) {
      this.#acked -= this.cwnd;
      this.cwnd = Math.min(CEILING, this.cwnd + mss);
    }
  }
  /** Loss shown by duplicate or selective ACKs: half the flight (RFC 5681 eq. 4). */
  enterRecovery(flight: number, mss: number, recover: number): void {
    this.ssthresh = Math.max(flight >> 1, 2 * mss);
    this.inRecovery = true;
    this.recover = recover;
    this.hasRecover = true;
    this.#acked = 0;
  }
  /** RFC 6582 3.2 step 3, full acknowledgment; never a burst larger than what is in flight plus a segment. */
  leaveRecovery(flight: number, mss: number): void {
    this.inRecovery = false;
    this.cwnd = Math.max(2 * mss, Math.min(this.ssthresh, Math.max(flight, mss) + mss));
  }
  /** RFC 5681 3.1: one segment; the threshold is halved once for one loss event. */
  timedOut(flight: number, mss: number, first: boolean, recover: number): void {
    if (first) this.ssthresh = Math.max(flight >> 1, 2 * mss);
    this.cwnd = mss;
    this.recover = recover;
    this.hasRecover = true;
    this.inRecovery = false;
    this.#acked = 0;
  }
  /** RFC 5681 4.1: after an idle time of an RTO the window restarts. */
  restart(mss: number): void {
    this.cwnd = Math.min(this.cwnd, INITIAL_SEGMENTS * mss);
  }
}
