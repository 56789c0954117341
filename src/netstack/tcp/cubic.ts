/**
 * CUBIC (RFC 9438): in congestion avoidance the window follows a cubic function of the time since the last reduction, flat around the window at which that came (W_max), and never less than what
 * Reno would have by now. After a loss the window keeps 0.7 of itself. Windows are segments inside, as in the RFC; times are seconds.
 *
 * Left out: a limited slow start of its own (RFC 9406), and undoing a reduction that proves spurious (RFC 9438 4.9), for which losses would have to be told from reordering.
 */
import type { CongestionAlgorithm } from './congestion.ts';

/** RFC 9438 4.1: C, beta_cubic, and alpha_cubic while the estimate of Reno's window is below the window of the last reduction. */
const C = 0.4;
const BETA = 0.7;
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);
const US = 1e6;

export class Cubic implements CongestionAlgorithm {
  readonly name = 'cubic';
  /** The window just before the last reduction, after fast convergence (4.7), and as it really was. */
  #wMax = 0;
  #priorWindow = 0;
  /** Start of the current stage of congestion avoidance, microseconds; -1 outside one. */
  #epochAt = -1;
  /** Time that the function takes to come back to `#wMax`. */
  #k = 0;
  /** What Reno would have (4.3). */
  #wEst = 0;

  reset(): void {
    this.#wMax = this.#priorWindow = this.#wEst = this.#k = 0;
    this.#epochAt = -1;
  }
  /** 4.2: after an idle time the function begins anew where the window stands, so that it does not leap (5.8). */
  idle(): void {
    this.#epochAt = -1;
  }

  avoid(cwnd: number, acked: number, mss: number, now: number, roundTripUs: number): number {
    const window = cwnd / mss;
    if (this.#epochAt < 0) this.#begin(window, now);
    const segments = acked / mss;
    // 4.3: alpha is 1 once Reno would have made up for the last reduction.
    this.#wEst += ((this.#wEst >= this.#priorWindow ? 1 : ALPHA) * segments) / window;
    const elapsed = (now - this.#epochAt) / US;
    if (this.#at(elapsed) < this.#wEst) return Math.max(cwnd, Math.floor(this.#wEst * mss));
    // 4.4, 4.5: towards where the function will be a round trip from now, at most half as much again.
    const target = Math.min(Math.max(this.#at(elapsed + roundTripUs / US), window), 1.5 * window);
    return cwnd + Math.floor(((target - window) / window) * segments * mss);
  }
  #begin(window: number, now: number): void {
    this.#epochAt = now;
    this.#wEst = window;
    // 4.8: nothing to come back to, after a timeout or where slow start ended by itself.
    if (this.#wMax <= window) {
      this.#wMax = window;
      this.#k = 0;
    } else this.#k = Math.cbrt((this.#wMax - window) / C);
  }
  /** W_cubic(t). */
  #at(seconds: number): number {
    return C * (seconds - this.#k) ** 3 + this.#wMax;
  }

  threshold(cwnd: number, flight: number, mss: number): number {
    const window = cwnd / mss;
    // 4.7, fast convergence: a window smaller than the last time leaves room for others.
    this.#wMax = window < this.#wMax ? (window * (1 + BETA)) / 2 : window;
    this.#priorWindow = window;
    this.#epochAt = -1;
    // 4.6: of what is in flight, not of a window that an application did not use.
    return Math.max(Math.floor(Math.min(flight, cwnd) * BETA), 2 * mss);
  }
}
