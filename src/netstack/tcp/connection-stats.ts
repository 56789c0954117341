/** What one connection has done so far, as TCP_INFO counts it (include/uapi/linux/tcp.h; RFC 4898 where it names the same). Counts are octets or segments; times are microseconds. */
export class ConnectionStats {
  /** Acknowledged, received in order, sent at all, and sent again: octets. The former two count SYN and FIN as Linux does. */
  bytesAcked = 0;
  bytesReceived = 0;
  bytesSent = 0;
  bytesRetransmitted = 0;
  segmentsOut = 0;
  segmentsIn = 0;
  dataSegmentsOut = 0;
  dataSegmentsIn = 0;
  retransmissions = 0;
  /** Data segments that the peer has, by ACK or SACK. */
  delivered = 0;
  /** Reports of what had arrived twice (RFC 2883). */
  duplicateReports = 0;
  /** Segments that came before their turn. */
  outOfOrder = 0;
  /** Retransmission timeouts, the recoveries that they began and the time those took. */
  timeouts = 0;
  timeoutRecoveries = 0;
  timeoutTime = 0;
  /** When the timeout of the recovery under way fired; 0 for none. */
  timeoutAt = 0;
  /** When an ACK last came. */
  lastAckReceivedAt = 0;

  // How long there was something to send (tcp_chrono), and how much of that for want of a window or of data in the buffer.
  busyTime = 0;
  windowLimitedTime = 0;
  bufferLimitedTime = 0;
  chronoAt = 0;
  chrono: number = Chrono.None;

  /** The rate at which the last flight was delivered, octets a second. */
  deliveryRate = 0;
  /** `delivered` in octets when the segment that is timed was sent, and when. */
  sampleOctets = 0;
  sampleAt = 0;
  deliveredOctets = 0;
  /** The sender had nothing more to send when the sample began. */
  sampleAppLimited = false;
  appLimited = false;
}
/** What a sender is doing (enum tcp_chrono). */
export const Chrono = { None: 0, Busy: 1, WindowLimited: 2, BufferLimited: 3 } as const;

/** From `now` on it is `next`. */
export function changeChrono(stats: ConnectionStats, next: number, now: number): void {
  if (stats.chrono === next) return;
  settleChrono(stats, now);
  stats.chrono = next;
}
/** Adds the time since the last change. What is limited is busy too. */
export function settleChrono(stats: ConnectionStats, now: number): void {
  const passed = now - stats.chronoAt;
  stats.chronoAt = now;
  if (stats.chrono === Chrono.None) return;
  stats.busyTime += passed;
  if (stats.chrono === Chrono.WindowLimited) stats.windowLimitedTime += passed;
  else if (stats.chrono === Chrono.BufferLimited) stats.bufferLimitedTime += passed;
}
