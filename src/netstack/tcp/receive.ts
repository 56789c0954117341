/**
 * Taking data: RFC 9293 3.10.7.4 sixth to eighth step, 3.8.6.3 and RFC 5681 4.2 (when to acknowledge), RFC 2018 (what is reported while a hole is open).
 *
 * Octets go straight from the packet to their place in the receive ring; those that arrive early lie behind its tail, and a list says which ranges are
 * there. ACKs: at once for anything out of order and for the second full segment; at once too for the first segments of a stream (Linux's quick ACKs), which would else hold a
 * peer in slow start; after 40 ms for the rest. Segments that a link delivers merged (GSO) are acknowledged every 128 KiB or at the end of the turn.
 */
import { Readiness } from '../readiness.ts';
import { Flag } from '../wire/tcp.ts';
import { delayAck, outOfWindowAck } from './acknowledge.ts';
import { ACK_EVERY, DELAYED_ACK, QUICK_ACKS } from './limits.ts';
import { FLOOR } from './ring-memory.ts';
import type { Segment } from './segment.ts';
import { add, after, before, diff } from './seq.ts';
import type { Tcb } from './tcb.ts';
import { liftUrgent, takeUrgent } from './urgent.ts';

/** Takes the segment's octets. Returns true if its FIN is now next in sequence. */
export function receive(c: Tcb, s: Segment): boolean {
  takeUrgent(c, s);
  let fin = s.has(Flag.Fin);
  let { len } = s;
  const seq = s.dataSeq;
  const room = diff(c.rcvAdv, seq);
  if (len > room) {
    c.context.ext.TCPZeroWindowDrop += room <= 0 ? 1 : 0;
    len = Math.max(0, room);
    fin = false;
    c.ackNow = true;
  }
  const skip = diff(c.rcvNxt, seq);
  if (skip > 0 && s.len > 0 && skip >= len && !fin) {
    // An old segment: our ACK got lost.
    c.ackNow = true;
    return false;
  }
  const at = s.dataAt + Math.max(0, skip);
  const from = skip > 0 ? c.rcvNxt : seq;
  const fresh = Math.max(0, len - Math.max(0, skip));
  if (fresh > 0 && !store(c, s, from, at, fresh)) return false;
  if (fin) noteFin(c, add(seq, len));
  return c.outOfOrder.hasFin && c.outOfOrder.finSeq === c.rcvNxt;
}

function noteFin(c: Tcb, finSeq: number): void {
  if (before(finSeq, c.rcvNxt)) return;
  c.outOfOrder.hasFin = true;
  c.outOfOrder.finSeq = finSeq;
  if (finSeq !== c.rcvNxt) c.ackNow = true;
}

/** Writes octets to their place. False if they were refused. */
function store(c: Tcb, s: Segment, seq: number, at: number, len: number): boolean {
  const { packet } = s;
  const { outOfOrder, receiveRing, context } = c;
  if (packet === undefined) return false;
  const ahead = diff(seq, c.rcvNxt);
  const end = add(seq, len);
  const { rings } = context;
  if (ahead > FLOOR && rings.underPressure) {
    context.ext.TCPOFODrop++;
    c.ackNow = true;
    return false;
  }
  if (!rings.reserve(receiveRing, receiveRing.length + ahead + len)) {
    context.ext.TCPRcvQDrop++;
    return false;
  }
  if (ahead > 0) {
    c.ackNow = true;
    if (outOfOrder.covers(seq, end) || !outOfOrder.add(seq, end)) {
      context.ext.TCPOFODrop++;
      return false;
    }
    context.ext.TCPOFOQueue++;
    c.stats.outOfOrder += s.count;
  }
  const offset = receiveRing.length + ahead;
  receiveRing.write(offset, packet.bytes, at, len);
  if (ahead > 0) return true;
  inOrder(c, s, end, len);
  return true;
}

function inOrder(c: Tcb, s: Segment, end: number, len: number): void {
  const { outOfOrder } = c;
  // RFC 5681 4.2: what fills a hole, wholly or in part, is acknowledged at once.
  if (outOfOrder.count > 0) c.ackNow = true;
  const reached = outOfOrder.count > 0 ? outOfOrder.advance(end) : end;
  c.stats.bytesReceived += diff(reached, c.rcvNxt);
  c.receiveRing.append(diff(reached, c.rcvNxt));
  c.rcvNxt = reached;
  liftUrgent(c);
  scheduleAck(c, s, len);
  c.context.notify(c, Readiness.In | Readiness.RdNorm);
}

/** A FIN begins what waits for a reply (tcp_fin). */
const isQuick = (c: Tcb, s: Segment): boolean => c.quickAcks > 0 && !c.pingPong && !s.has(Flag.Fin);

function scheduleAck(c: Tcb, s: Segment, len: number): void {
  const now = c.context.clock.now();
  // A stream that begins, or begins again after a pause, needs its ACKs soon (Linux tcp_event_data_recv).
  if (c.lastReceiveAt === 0 || now - c.lastReceiveAt > c.roundTrip.rto) c.quickAcks = QUICK_ACKS;
  c.lastReceiveAt = now;
  c.ackOctets += len;
  const size = s.count > 1 ? Math.ceil(len / s.count) : len;
  if (size > c.largestSegment) measureBuffer(c, size);
  if (c.ackNow) return;
  const merged = s.count > 1 || len > 16_384;
  if (merged ? c.ackOctets >= ACK_EVERY : isQuick(c, s) || c.ackOctets > c.receiveMss) c.ackNow = true;
  else if (merged && !c.ackWithheld) {
    c.ackWithheld = true;
    c.context.acknowledgeLater(c);
  } else delayAck(c, Math.min(DELAYED_ACK, c.settings.delayedAckMaxUs));
  // The size of the peer's full segments, as far as seen (Linux rcv_mss): a second one of these is acknowledged at once.
  if (!merged && len > c.receiveMss) c.receiveMss = Math.min(len, c.mss);
}

/**
 * Segments are larger than any before. Linux then computes anew what of the buffer is payload, and what the window may be from that, whatever
 * TCP_WINDOW_CLAMP said (tcp_measure_rcv_mss): a clamp lasts on a connection that has seen its largest segments, or as long as they stay small.
 */
function measureBuffer(c: Tcb, size: number): void {
  c.largestSegment = size;
  c.settings.windowClamp = 0;
}

/** First step of 3.10.7.4: whether the segment touches the window. As Linux, both edges count, so that ACKs still work when the window is zero. */
export function inWindow(c: Tcb, s: Segment): boolean {
  if (!before(s.end, c.rcvNxt) && !after(s.seq, c.rcvAdv)) return true;
  if (!s.has(Flag.Rst)) outOfWindowAck(c, s.len > 0);
  return false;
}
