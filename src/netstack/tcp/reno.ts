/** NewReno's window (RFC 5681, RFC 6582): a segment more for each window acknowledged, half of what is in flight after a loss. */
import type { CongestionAlgorithm } from './congestion.ts';

export class Reno implements CongestionAlgorithm {
  readonly name = 'reno';
  /** Octets acknowledged since the window last grew. */
  #acked = 0;

  reset(): void {
    this.#acked = 0;
  }
  idle(): void {
    // What was acknowledged still counts.
  }
  avoid(cwnd: number, acked: number, mss: number): number {
    this.#acked += acked;
    if (this.#acked < cwnd) return cwnd;
    this.#acked -= cwnd;
    return cwnd + mss;
  }
  /** RFC 5681 eq. 4. */
  threshold(_cwnd: number, flight: number, mss: number): number {
    this.#acked = 0;
    return Math.max(flight >> 1, 2 * mss);
  }
}
