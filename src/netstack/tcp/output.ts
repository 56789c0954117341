/**
 * What to send, and when: RFC 9293 3.8.6 (Nagle, silly window avoidance, zero-window probes), Minshall's modification of Nagle (as Linux: only another
 * small segment in flight holds a small one back), RFC 5681 and 6675 (how much may be in flight).
 *
 * `output` is called whenever something changed: data was committed, an ACK arrived, a window opened, an alarm fired. It sends all that may go now
 * and leaves the right alarm running: retransmission while anything is in flight, persist when only the window holds data back, cork when only
 * TCP_CORK or MSG_MORE does. `sndNxt` behind `sndMax` means that a timeout sent us back; what the peer reported as received is skipped.
 */
import { type Instant, after as laterBy, micros } from '../../lib/clock.ts';
import type { TcpState } from '../endpoint.ts';
import { Flag } from '../wire/tcp.ts';
import { Chrono } from './connection-stats.ts';
import { emitSegment, packetPayload, refreshRoute } from './emit.ts';
import { CORK, TIMEOUT_MIN } from './limits.ts';
import { pace, paceChunk, paceDelay } from './pacing.ts';
import { add, after, before, diff, earlier, later } from './seq.ts';
import { endOfData, Rexmit, segmentPayload, type Tcb } from './tcb.ts';
import { tellUnsentLow } from './write-room.ts';

/**
 * A segment of this size is no small one, whatever the MSS: it is what half of Linux's first window on loopback comes to, so what waits corked for the
 * rest of a 64 KiB segment would go there.
 */
const LARGE_SEGMENT = 32_768;
/** Octets worth a segment on any link; at most what a receive buffer of 16 KiB offers when it is empty (windowToOffer: at least half). */
const NEVER_SILLY = 8192;

/** States in which octets or a FIN may still go out. */
const SENDING: { readonly [S in TcpState]: boolean } = {
  CLOSED: false,
  LISTEN: false,
  'SYN-SENT': false,
  'SYN-RECEIVED': false,
  ESTABLISHED: true,
  'FIN-WAIT-1': true,
  'FIN-WAIT-2': false,
  'CLOSE-WAIT': true,
  CLOSING: true,
  'LAST-ACK': true,
  'TIME-WAIT': false,
};

export function output(c: Tcb): void {
  if (!SENDING[c.state]) return;
  if (refreshRoute(c)) sendAll(c);
  c.pushOut = false;
  armAfterOutput(c);
  noteLimit(c);
  if (c.settings.notSentLowWater !== 0) tellUnsentLow(c);
}

/** What holds the sender now, for TCP_INFO. */
function noteLimit(c: Tcb): void {
  let now: number = Chrono.Busy;
  if (c.sendRing.length === 0) now = Chrono.None;
  else if (!before(c.sndNxt, endOfData(c))) now = c.sendBlocked ? Chrono.BufferLimited : Chrono.Busy;
  else if (!before(c.sndNxt, add(c.sndUna, c.sndWnd))) now = Chrono.WindowLimited;
  c.stats.turnTo(now, c.context.clock.now());
}

function sendAll(c: Tcb): void {
  restartIfIdle(c);
  const { congestion } = c;
  if (c.sackOn && congestion.inRecovery) resendHoles(c);
  const most = Math.min(packetPayload(c), paceChunk(c));
  let more = true;
  while (more) more = !isPaced(c) && sendNext(c, most);
}

/** Sends one packet if one may go now. */
function sendNext(c: Tcb, most: number): boolean {
  if (c.scoreboard.count > 0 && before(c.sndNxt, c.sndMax)) c.sndNxt = c.scoreboard.skip(c.sndNxt);
  const offset = diff(c.sndNxt, c.sendHead);
  const available = c.sendRing.length - offset;
  // Below zero: the FIN is out.
  if (available < 0 || (available === 0 && !c.finQueued)) return false;
  const usable = Math.min(
    c.congestion.cwnd + limitedTransmit(c) - inFlight(c),
    diff(add(c.sndUna, c.sndWnd), c.sndNxt),
  );
  if (usable <= 0) return false;
  const chunk = available === 0 ? 0 : chunkToSend(c, recordToSend(c, available), available, Math.min(usable, most));
  if (chunk === 0 && available > 0) return false;
  const fin = c.finQueued && chunk === available && (available === 0 || usable > chunk);
  return sendAt(c, c.sndNxt, chunk, fin);
}

/** Octets of a record that others follow (MSG_EOR): they wait neither for those to join them nor, having ceased to be the last, for Nagle's algorithm (tcp_write_xmit). */
function recordToSend(c: Tcb, available: number): number {
  const left = diff(c.sndRecord, c.sndNxt);
  return left > 0 && left < available ? left : 0;
}
/** How many of `available` octets, of which `record` end one, may leave now in one packet of at most `limit`; 0 for none. */
function chunkToSend(c: Tcb, record: number, available: number, limit: number): number {
  if (record > 0 && record <= limit) return record;
  const payload = segmentPayload(c);
  const chunk = Math.min(available, limit);
  const partial = chunk % payload;
  if (partial === 0) return chunk;
  if (chunk === available) return maySendPartial(c) ? chunk : chunk - partial + largePart(c, partial);
  if (chunk > partial) return chunk - partial;
  // RFC 9293 3.8.6.2.1 (3): less than a segment, and only because the window is small: half the largest window ever seen is worth it.
  if (chunk >= c.maxSndWnd >> 1) return chunk;
  // Nor is it silly where the receive buffer was made smaller, and nothing is on its way whose ACK would open the window further.
  return chunk >= NEVER_SILLY && c.sndMax === c.sndUna ? chunk : 0;
}
/** What of an incomplete segment goes even if corked. */
const largePart = (c: Tcb, partial: number): number => (isCorked(c) && partial >= LARGE_SEGMENT ? LARGE_SEGMENT : 0);

/** Whether the last, incomplete segment may go. */
function maySendPartial(c: Tcb): boolean {
  if (c.finQueued || c.pushOut || before(c.sndNxt, c.sndMax)) return true;
  // Not for urgent data, nor for what follows before it is acknowledged (tcp_nagle_test, tcp_urg_mode).
  if (c.sndUrgent) return true;
  if (isCorked(c)) return false;
  return c.settings.noDelay || !after(c.sndSmall, c.sndUna);
}
const isCorked = (c: Tcb): boolean => c.settings.cork || (c.more && !c.heard);

/** Sends `len` octets from `seq` (and FIN), and moves the send variables. False if the packet could not be made. */
function sendAt(c: Tcb, seq: number, len: number, fin: boolean): boolean {
  const end = add(seq, len);
  let flags: number = Flag.Ack;
  if (fin) flags |= Flag.Fin;
  if (len > 0 && end === endOfData(c) && !c.more) flags |= Flag.Psh;
  const now = c.context.clock.now();
  if (!emitSegment(c, seq, len, flags)) return false;
  const next = fin ? add(end, 1) : end;
  if (before(seq, c.sndMax)) countRetransmission(c, seq, len);
  else c.stats.firstSent += Math.max(1, Math.ceil(len / segmentPayload(c)));
  if (len % segmentPayload(c) !== 0) c.sndSmall = end;
  c.sndNxt = next;
  if (after(next, c.sndMax)) {
    if (!c.roundTrip.timing) {
      c.roundTrip.timing = true;
      c.roundTrip.timedSeq = next;
      c.roundTrip.timedAt = now;
      c.stats.beginSample(end === endOfData(c));
    }
    c.sndMax = next;
  }
  sentData(c, now, len);
  if (c.settings.pacingRate !== Number.POSITIVE_INFINITY) pace(c, now, len);
  return true;
}

function sentData(c: Tcb, now: Instant, len: number): void {
  c.lastSendAt = now;
  // A reply within the delay of an ACK: the ACKs of this connection can ride on replies (Linux: pingpong mode).
  if (len > 0 && c.lastReceiveAt > 0 && now - c.lastReceiveAt < 40_000) c.pingPong = true;
}

function countRetransmission(c: Tcb, seq: number, len: number): void {
  const { tcp, ext } = c.context;
  const segments = Math.max(1, Math.ceil(len / segmentPayload(c)));
  tcp.RetransSegs += segments;
  c.stats.retransmissions += segments;
  c.stats.bytesRetransmitted += len;
  if (c.congestion.inRecovery) ext.TCPFastRetrans++;
  else ext.TCPSlowStartRetrans++;
  // Karn: an ACK of what was sent twice says nothing about time.
  if (c.roundTrip.timing && before(seq, c.roundTrip.timedSeq)) c.roundTrip.timing = false;
}

/** Sends the first unacknowledged segment again, whatever the windows say. False if there is none or it could not be made. */
export function resendHead(c: Tcb): boolean {
  const outstanding = diff(c.sndMax, c.sndUna);
  if (outstanding <= 0 || !refreshRoute(c)) return false;
  const offset = diff(c.sndUna, c.sendHead);
  const left = c.sendRing.length - offset;
  const len = Math.max(0, Math.min(left, segmentPayload(c), outstanding));
  const fin = c.finQueued && len === left && after(c.sndMax, endOfData(c));
  const was = c.sndNxt;
  if (!sendAt(c, c.sndUna, len, fin)) return false;
  // Fast retransmission leaves SND.NXT where it was; after a timeout it follows.
  if (after(was, c.sndNxt)) c.sndNxt = was;
  return true;
}

/** Octets that are on their way, as far as we know. */
export function inFlight(c: Tcb): number {
  const { scoreboard } = c;
  const sent = diff(c.sndNxt, c.sndUna);
  if (scoreboard.count === 0 || !c.sackOn) return sent;
  if (c.congestion.inRecovery) return pipe(c);
  return Math.max(0, sent - receivedBelow(c, c.sndNxt));
}
/** RFC 3042: the first two duplicate ACKs each let one new segment out (with SACK the reports themselves lower the flight). */
const limitedTransmit = (c: Tcb): number =>
  c.sackOn || c.congestion.inRecovery ? 0 : Math.min(c.dupAcks, 2) * segmentPayload(c);

/** Octets reported as received below `edge`. */
function receivedBelow(c: Tcb, edge: number): number {
  const { scoreboard } = c;
  let octets = 0;
  for (let i = 0; i < scoreboard.count && before(scoreboard.start(i), edge); i++) {
    octets += diff(earlier(scoreboard.end(i), edge), scoreboard.start(i));
  }
  return octets;
}

/** RFC 6675 IsLost: what lies below this edge and was not reported is lost, since more than two segments above it arrived. */
export function lossEdge(c: Tcb): number {
  const { scoreboard } = c;
  const enough = 2 * segmentPayload(c);
  let above = 0;
  for (let i = scoreboard.count - 1; i >= 0; i--) {
    above += diff(scoreboard.end(i), scoreboard.start(i));
    if (above > enough || scoreboard.count - i >= 3) return scoreboard.start(i);
  }
  return c.sndUna;
}
/** RFC 6675 pipe. */
function pipe(c: Tcb): number {
  const { scoreboard } = c;
  const total = diff(c.sndMax, c.sndUna) - scoreboard.octets;
  return Math.max(0, total - lostOctets(c) + resentOctets(c));
}
/** In recovery: what is held for lost, and what of it was sent again. */
export function lostOctets(c: Tcb): number {
  const edge = later(lossEdge(c), add(c.sndUna, 1));
  return Math.max(0, diff(edge, c.sndUna) - receivedBelow(c, edge));
}
export function resentOctets(c: Tcb): number {
  const again = later(c.scoreboard.highRetransmit, c.sndUna);
  return diff(again, c.sndUna) - receivedBelow(c, again);
}
/** RFC 6675 NextSeg rule 1: lost octets go first, while the congestion window lets them. */
function resendHoles(c: Tcb): void {
  const { scoreboard, congestion } = c;
  const most = packetPayload(c);
  const was = c.sndNxt;
  for (;;) {
    const from = scoreboard.skip(later(scoreboard.highRetransmit, c.sndUna));
    const edge = earlier(later(lossEdge(c), add(c.sndUna, 1)), c.sndMax);
    if (!before(from, edge)) break;
    const usable = congestion.cwnd - pipe(c);
    if (usable < segmentPayload(c)) break;
    const hole = diff(scoreboard.holeEnd(from, earlier(c.sndMax, endOfData(c))), from);
    const len = Math.min(hole, usable - (usable % segmentPayload(c)), most);
    const fin = hole <= 0 && c.finQueued && from === endOfData(c);
    if ((len <= 0 && !fin) || !sendAt(c, from, Math.max(0, len), fin)) break;
    scoreboard.highRetransmit = c.sndNxt;
  }
  c.sndNxt = later(was, c.sndNxt);
}

/** RFC 5681 4.1. */
function restartIfIdle(c: Tcb): void {
  if (c.sndMax !== c.sndUna || c.lastSendAt === 0) return;
  if (c.context.clock.now() - c.lastSendAt > c.roundTrip.rto) c.congestion.restart(segmentPayload(c));
}

/** Leaves exactly the alarm running that will move things on. */
function armAfterOutput(c: Tcb): void {
  if (c.sndMax !== c.sndUna) {
    if (c.rexmit !== Rexmit.Retransmit) armRetransmit(c);
    return;
  }
  const offset = diff(c.sndNxt, c.sendHead);
  const available = c.sendRing.length - offset;
  if (available <= 0 && !(c.finQueued && available === 0)) {
    stopRexmit(c);
    return;
  }
  if (c.paceAlarm?.armed === true) {
    stopRexmit(c);
    return;
  }
  if (available > 0 && available < segmentPayload(c) && isCorked(c) && !c.finQueued && c.sndWnd >= available) {
    stopRexmit(c);
    armCork(c);
    return;
  }
  if (c.rexmit !== Rexmit.Persist) armPersist(c);
}

export function armRetransmit(c: Tcb): void {
  c.rexmit = Rexmit.Retransmit;
  setRexmit(c);
}
export function armPersist(c: Tcb): void {
  if (c.rexmit !== Rexmit.Persist) {
    c.roundTrip.backoff = 0;
    c.retries = 0;
    c.unansweredSince = -1;
  }
  c.rexmit = Rexmit.Persist;
  setRexmit(c);
}
/** Not beyond the end of TCP_USER_TIMEOUT (tcp_clamp_rto_to_user_timeout, tcp_clamp_probe0_to_user_timeout). */
function setRexmit(c: Tcb): void {
  const now = c.context.clock.now();
  const { userTimeoutMs } = c.settings;
  let delay = c.roundTrip.rto;
  if (userTimeoutMs > 0 && c.unansweredSince >= 0) {
    const left = c.unansweredSince + userTimeoutMs * 1000 - now;
    delay = Math.min(delay, Math.max(left, TIMEOUT_MIN));
  }
  c.rexmitAlarm.set(laterBy(now, micros(delay)));
}
export function stopRexmit(c: Tcb): void {
  c.rexmit = Rexmit.None;
  if (c.rexmitAlarm.armed) c.rexmitAlarm.cancel();
}
/** True if the next segment has to wait for its time. */
function isPaced(c: Tcb): boolean {
  const delay = paceDelay(c);
  if (delay === 0) return false;
  const alarm = (c.paceAlarm ??= c.context.clock.alarm(() => {
    c.context.begin();
    output(c);
    c.context.end();
  }));
  if (!alarm.armed) alarm.set(laterBy(c.context.clock.now(), micros(delay)));
  return true;
}
function armCork(c: Tcb): void {
  const alarm = (c.corkAlarm ??= c.context.clock.alarm(() => {
    c.context.begin();
    c.pushOut = true;
    output(c);
    c.context.end();
  }));
  if (!alarm.armed) alarm.set(laterBy(c.context.clock.now(), micros(CORK)));
}

/** An ACK without data, now. After a timeout SND.NXT lies behind what the peer may have: the highest number sent is always acceptable. */
export function sendAck(c: Tcb): void {
  emitSegment(c, c.sndMax, 0, Flag.Ack);
}
/** Sends what the input just made due. While a hole is open the ACK goes alone: one with data is no duplicate (RFC 5681 2), and has no room for reports. */
export function flush(c: Tcb): void {
  if (c.ackNow && c.outOfOrder.count > 0) sendAck(c);
  output(c);
  if (c.ackNow) sendAck(c);
}
