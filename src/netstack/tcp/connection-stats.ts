/**
 * What one connection has done so far (endpoint.ts TcpTotals): the counters of TCP_INFO, which are as many as Linux has and counted where it counts them
 * (net/ipv4/tcp_input.c, tcp_output.c).
 */
import type { TcpTotals } from '../endpoint.ts';

/** What a sender is doing (enum tcp_chrono). */
export const Chrono = { None: 0, Busy: 1, WindowLimited: 2, BufferLimited: 3 } as const;

export class ConnectionStats implements TcpTotals {
  bytesAcked = 0;
  bytesReceived = 0;
  bytesSent = 0;
  bytesRetransmitted = 0;
  segmentsOut = 0;
  segmentsIn = 0;
  dataSegmentsOut = 0;
  dataSegmentsIn = 0;
  retransmissions = 0;
  /** Segments sent for the first time, SYN and FIN among them. */
  firstSent = 0;
  delivered = 0;
  duplicateReports = 0;
  outOfOrder = 0;
  timeouts = 0;
  timeoutRecoveries = 0;
  timeoutTime = 0;
  /** When the timeout of the recovery under way fired; -1 for none. */
  timeoutAt = -1;
  establishedAt = 0;
  lastAckReceivedAt = 0;

  busyTime = 0;
  windowLimitedTime = 0;
  bufferLimitedTime = 0;
  #chrono: number = Chrono.None;
  #chronoAt = 0;

  deliveryRate = 0;
  isAppLimited = true;
  /** `bytesAcked` when the segment that is timed was sent, and whether it was the last one there was. */
  #sampleAcked = 0;
  #sampleAppLimited = true;

  /** What the reader took in the last round trip that was measured. */
  receiveSpace = 0;

  /** From `now` on the sender is doing `next`. What is limited is busy too. */
  turnTo(next: number, now: number): void {
    if (this.#chrono === next) return;
    this.settle(now);
    this.#chrono = next;
  }
  /** Adds the time since the last change. */
  settle(now: number): void {
    if (this.timeoutAt >= 0) {
      this.timeoutTime += now - this.timeoutAt;
      this.timeoutAt = now;
    }
    const passed = now - this.#chronoAt;
    this.#chronoAt = now;
    if (this.#chrono === Chrono.None) return;
    this.busyTime += passed;
    if (this.#chrono === Chrono.WindowLimited) this.windowLimitedTime += passed;
    else if (this.#chrono === Chrono.BufferLimited) this.bufferLimitedTime += passed;
  }

  /** A segment is sent whose acknowledgment will be timed. */
  beginSample(appLimited: boolean): void {
    this.#sampleAcked = this.bytesAcked;
    this.#sampleAppLimited = appLimited;
  }
  /** It is acknowledged, `us` later, and `acked` octets with it. */
  endSample(us: number, acked: number): void {
    if (us <= 0) return;
    this.deliveryRate = Math.floor(((this.bytesAcked - this.#sampleAcked + acked) * 1e6) / us);
    this.isAppLimited = this.#sampleAppLimited;
  }

  /** An ACK moved by `acked` octets; with `all`, nothing is left in flight. */
  acknowledged(acked: number, payload: number, all: boolean): void {
    this.bytesAcked += acked;
    this.delivered = all
      ? this.firstSent
      : Math.min(this.firstSent, this.delivered + Math.max(1, Math.floor(acked / payload)));
  }

  timedOut(now: number): void {
    this.timeouts++;
    if (this.timeoutAt >= 0) return;
    this.timeoutAt = now;
    this.timeoutRecoveries++;
  }
  recovered(now: number): void {
    if (this.timeoutAt < 0) return;
    this.timeoutTime += now - this.timeoutAt;
    this.timeoutAt = -1;
  }
}
