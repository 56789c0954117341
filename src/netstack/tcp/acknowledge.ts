/**
 * Taking an acknowledgment: RFC 9293 3.10.7.4 fifth step, RFC 5961 5 (which ACKs to believe), RFC 5681 3.2 and RFC 6582 (duplicates, fast retransmit
 * and fast recovery), RFC 6675 (the same with SACK), RFC 6298 5 (timers), window updates (3.10.7.4, SND.WL1 and SND.WL2).
 *
 * Left out: spurious timeout detection (RFC 5682), RACK-TLP (RFC 8985), DSACK (RFC 2883) beyond ignoring it.
 */
import { after as laterBy, micros } from '../../lib/clock.ts';
import { Readiness } from '../readiness.ts';
import { packetPayload, timestampNow } from './emit.ts';
import { INVALID_INTERVAL } from './limits.ts';
import { armRetransmit, lossEdge, resendHead, sendAck, stopRexmit } from './output.ts';
import type { Segment } from './segment.ts';
import { add, after, before, diff, later } from './seq.ts';
import {
  dropMarks,
  endOfData,
  noteWindow,
  Rexmit,
  SEND_LIMIT_MAX,
  segmentPayload,
  sendLimit,
  type Tcb,
} from './tcb.ts';
import { isWriteable } from './write-room.ts';

/** Without SACK or with, what tells a loss from what came out of order (RFC 5681 3.2); tcp_reordering, which stays what it is here. */
export const DUPLICATES = 3;

/** RFC 5961 7 and Linux: a challenge per connection and half second, within the layer's budget. */
export function challengeAck(c: Tcb): void {
  const now = c.context.clock.now();
  if (now - c.lastChallengeAt < INVALID_INTERVAL || !c.context.mayChallenge()) return;
  c.lastChallengeAt = now;
  c.context.ext.TCPChallengeACK++;
  sendAck(c);
}
/** Answer to a segment outside the window. Those without data are limited, lest two confused peers acknowledge each other for ever. */
export function outOfWindowAck(c: Tcb, hasData: boolean): void {
  const now = c.context.clock.now();
  if (!hasData) {
    if (now - c.lastOutOfWindowAckAt < INVALID_INTERVAL) {
      c.context.ext.TCPACKSkippedSeq++;
      return;
    }
    c.lastOutOfWindowAckAt = now;
  }
  sendAck(c);
}

/** False if the segment must be dropped for its ACK. */
export function acknowledge(c: Tcb, s: Segment): boolean {
  const { ack } = s;
  if (after(ack, c.sndMax)) {
    // 3.10.7.4: acknowledges what was not sent.
    challengeAck(c);
    return false;
  }
  if (before(ack, c.sndUna)) {
    if (diff(c.sndUna, ack) > c.maxSndWnd) {
      challengeAck(c);
      return false;
    }
    return true;
  }
  c.keepProbes = 0;
  c.stats.lastAckReceivedAt = c.heardAt;
  if (c.rexmit === Rexmit.Persist) c.retries = 0;
  const newReport = s.sackCount > 0 && c.sackOn && takeReports(c, s);
  const windowWas = c.sndWnd;
  updateWindow(c, s);
  if (c.rexmit === Rexmit.Persist && c.sndWnd > windowWas) c.roundTrip.backoff = 0;
  if (ack === c.sndUna) {
    if (newReport || isDuplicate(c, s, windowWas)) duplicate(c);
    return true;
  }
  advanced(c, s, ack);
  return true;
}

/** RFC 5681 2: all five conditions. */
const isDuplicate = (c: Tcb, s: Segment, windowWas: number): boolean =>
  c.sndMax !== c.sndUna && s.seqLength === 0 && c.sndWnd === windowWas && !c.sackOn;

function updateWindow(c: Tcb, s: Segment): void {
  if (!before(c.sndWl1, s.seq) && !(c.sndWl1 === s.seq && !after(c.sndWl2, s.ack))) return;
  c.sndWnd = s.window << c.sndShift;
  c.sndWl1 = s.seq;
  c.sndWl2 = s.ack;
  noteWindow(c, c.sndWnd);
}

function takeReports(c: Tcb, s: Segment): boolean {
  let news = false;
  for (let i = 0; i < s.sackCount; i++) {
    const from = s.sackStart[i] as number;
    const to = s.sackEnd[i] as number;
    if (i === 0 && !after(to, s.ack)) c.stats.duplicateReports++;
    // Reports of what is acknowledged (DSACK) or was never sent are not for the scoreboard.
    if (!before(from, to) || !after(from, later(c.sndUna, s.ack)) || after(to, c.sndMax)) continue;
    if (c.scoreboard.add(from, to)) news = true;
  }
  return news;
}

/** SND.UNA moves to `ack`. */
function advanced(c: Tcb, s: Segment, ack: number): void {
  const flightWas = diff(c.sndMax, c.sndUna);
  const now = c.context.clock.now();
  measure(c, s, ack, now);
  const acked = diff(ack, c.sndUna);
  c.stats.acknowledged(acked, segmentPayload(c), ack === c.sndMax);
  c.sndUna = ack;
  if (before(c.sndNxt, ack)) c.sndNxt = ack;
  if (before(c.sndSmall, ack)) c.sndSmall = ack;
  if (before(c.sndRecord, ack)) c.sndRecord = ack;
  if (c.sndUrgent && !after(c.sndUp, ack)) c.sndUrgent = false;
  c.scoreboard.advance(ack);
  releaseData(c, ack);
  if (c.stats.timeoutAt >= 0 && !before(ack, c.congestion.recover)) c.stats.recovered(now);
  if (c.congestion.hasRecover && after(ack, c.congestion.recover)) c.congestion.hasRecover = false;
  c.retries = 0;
  c.unansweredSince = -1;
  if (c.congestion.inRecovery) inRecovery(c, acked);
  else {
    c.dupAcks = 0;
    if (usesWindow(c, flightWas)) c.congestion.grow(acked, segmentPayload(c), now, c.roundTrip.smoothed);
  }
  if (c.sndMax === ack) stopRexmit(c);
  else armRetransmit(c);
}

/** The congestion window may grow only if it was what held the sender (Linux: in slow start, if half of it was used). */
function usesWindow(c: Tcb, flight: number): boolean {
  const { cwnd, ssthresh } = c.congestion;
  return cwnd < ssthresh ? flight * 2 >= cwnd : flight + packetPayload(c) >= cwnd;
}

function measure(c: Tcb, s: Segment, ack: number, now: number): void {
  const { roundTrip } = c;
  if (roundTrip.timing && !before(ack, roundTrip.timedSeq)) {
    roundTrip.timing = false;
    roundTrip.measured(now - roundTrip.timedAt);
    c.stats.endSample(now - roundTrip.timedAt, diff(ack, c.sndUna));
  } else if (!roundTrip.timing && c.tsOn && s.hasTimestamp && s.tsEcr !== 0) {
    // RFC 7323 4.1: the echo belongs to the segment that is acknowledged, even if that was sent again.
    const ms = diff(timestampNow(c), s.tsEcr);
    if (ms >= 0 && ms < 1 << 24) roundTrip.measured(Math.max(1, ms) * 1000);
  }
}

/** Acknowledged octets leave the ring; a writer that waited for room is told when a third is free. */
function releaseData(c: Tcb, ack: number): void {
  const limit = sendLimit(c);
  const wasWriteable = isWriteable(c, limit);
  const octets = Math.min(diff(ack, c.sendHead), c.sendRing.length);
  if (octets > 0) {
    c.sendRing.consume(octets);
    c.sendHead = add(c.sendHead, octets);
    dropMarks(c, c.sendHead);
    if (c.sendRing.length === 0) {
      c.markCount = 0;
      c.context.rings.rest(c.sendRing);
    }
  }
  if (!c.settings.sendBufferLocked && 2 * c.congestion.cwnd > c.sendLimit) {
    c.sendLimit = Math.min(SEND_LIMIT_MAX, 2 * c.congestion.cwnd);
  }
  if ((!wasWriteable || c.sendBlocked) && isWriteable(c, sendLimit(c))) {
    c.sendBlocked = false;
    c.context.notify(c, Readiness.Out | Readiness.WrNorm);
  }
}
/** One more sign that a segment was overtaken or lost. */
function duplicate(c: Tcb): void {
  const { congestion } = c;
  const payload = segmentPayload(c);
  c.dupAcks++;
  if (congestion.inRecovery) {
    // RFC 6582: each duplicate says that a segment left the network. With SACK the pipe knows.
    if (!c.sackOn) congestion.cwnd += payload;
    return;
  }
  const lost = c.sackOn ? c.dupAcks >= DUPLICATES || after(lossEdge(c), c.sndUna) : c.dupAcks >= DUPLICATES;
  if (!lost || c.sndMax === c.sndUna) return;
  // RFC 6582 3.2 step 2: duplicates that a go-back after a timeout caused are no sign of another loss.
  if (!c.sackOn && congestion.hasRecover && !after(c.sndUna, congestion.recover)) return;
  startRecovery(c, payload);
}

function startRecovery(c: Tcb, payload: number): void {
  const { congestion, scoreboard } = c;
  congestion.enterRecovery(diff(c.sndMax, c.sndUna), payload, c.sndMax);
  scoreboard.highRetransmit = c.sndUna;
  if (c.sackOn) c.context.ext.TCPSackRecovery++;
  else c.context.ext.TCPRenoRecovery++;
  if (resendHead(c))
    scoreboard.highRetransmit = later(c.sndUna, add(c.sndUna, Math.min(payload, diff(c.sndMax, c.sndUna))));
  congestion.cwnd = c.sackOn ? congestion.ssthresh : congestion.ssthresh + DUPLICATES * payload;
  armRetransmit(c);
}

function inRecovery(c: Tcb, acked: number): void {
  const { congestion } = c;
  const payload = segmentPayload(c);
  if (!before(c.sndUna, congestion.recover)) {
    congestion.leaveRecovery(diff(c.sndMax, c.sndUna), payload);
    c.dupAcks = 0;
    return;
  }
  if (c.sackOn) return; // output() fills the holes
  // RFC 6582 3.2 step 3, partial acknowledgment: the next hole, and the window shrinks by what left.
  resendHead(c);
  congestion.cwnd = Math.max(payload, congestion.cwnd - acked + (acked >= payload ? payload : 0));
}

/** True once our FIN is acknowledged. */
export const finAcknowledged = (c: Tcb): boolean => c.finQueued && c.sndUna === add(endOfData(c), 1);

/** Schedules a window or delayed ACK no later than `us` from now. */
export function delayAck(c: Tcb, us: number): void {
  if (!c.ackAlarm.armed) c.ackAlarm.set(laterBy(c.context.clock.now(), micros(us)));
}
