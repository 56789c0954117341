/**
 * Urgent data as deployed (RFC 6093; RFC 9293 3.8.5 and its MUST-30 to MUST-62): one octet, the last one announced, which is read out of band unless SO_OOBINLINE. On the wire the
 * pointer names the octet behind it (RFC 6093 3.1, Linux's tcp_stdurg 0). Names and rules are those of tcp_check_urg, tcp_urg, tcp_recv_urg and tcp_recvmsg of Linux.
 *
 * The octet keeps its place in the stream, the mark: a read that has something stops in front of it, the next one passes it. Once the mark is the next place to be
 * read the octet is lifted out of the ring, so that whatever lies in the ring can be read; `urgentLifted` says that it is still to be passed.
 *
 * Left out: SIGURG is the socket layer's, which sees Readiness.Pri.
 */
import { Urgent } from '../endpoint.ts';
import { Readiness } from '../readiness.ts';
import * as wire from '../wire/tcp.ts';
import { Flag } from '../wire/tcp.ts';
import type { Segment } from './segment.ts';
import { after, before, diff } from './seq.ts';
import { receiveHead, type Tcb } from './tcb.ts';

// Out

/** Everything up to the end of the stream is urgent (tcp_mark_urg). */
export function markUrgent(c: Tcb, end: number): void {
  c.sndUrgent = true;
  c.sndUp = end;
}
/** The pointer of a segment that begins at `seq`. One that cannot be said is left out while a later segment can say it (tcp_transmit_skb). */
export function putUrgent(c: Tcb, b: Uint8Array, at: number, seq: number): void {
  const ahead = diff(c.sndUp, seq);
  if (ahead <= 0 || (ahead > 0xffff && !after((seq + 0xffff) | 0, c.sndNxt))) return;
  b[at + wire.FLAGS] = (b[at + wire.FLAGS] as number) | Flag.Urg;
  wire.setUrgentPointer(b, at, Math.min(ahead, 0xffff));
}

// In

/** Step six of RFC 9293 3.10.7.4, before the segment's octets are taken. */
export function takeUrgent(c: Tcb, s: Segment): void {
  if (s.has(Flag.Urg)) announce(c, s);
  if (c.urgent !== Urgent.Pending) return;
  const offset = diff(c.urgentSeq, s.dataSeq);
  if (offset < 0 || offset >= s.len || s.packet === undefined) return;
  c.urgentOctet = s.packet.bytes[s.dataAt + offset] as number;
  c.urgent = Urgent.Valid;
  c.context.notify(c, Readiness.Pri);
}

/** Only a pointer beyond all that was received or announced before is news. */
function announce(c: Tcb, s: Segment): void {
  // 0 cannot name the octet behind one; Linux then counts from the segment itself.
  const seq = (s.seq + Math.max(s.urgentPointer - 1, 0)) | 0;
  if (before(seq, c.rcvNxt) || (c.urgent !== Urgent.None && !after(seq, c.urgentSeq))) return;
  c.urgentLifted = false;
  c.urgent = Urgent.Pending;
  c.urgentSeq = seq;
}

/** Lifts the octet out of the ring if it is next to be read; after octets came or left, or SO_OOBINLINE was cleared. */
export function liftUrgent(c: Tcb): void {
  if (c.urgent === Urgent.None || c.urgentLifted || c.settings.oobInline) return;
  if (c.receiveRing.length === 0 || c.urgentSeq !== receiveHead(c)) return;
  c.urgentOctet = c.receiveRing.bytes[c.receiveRing.index(0)] as number;
  c.receiveRing.consume(1);
  c.urgentLifted = true;
}
/** SO_OOBINLINE was set: the octet is in the stream again. */
export function lowerUrgent(c: Tcb): void {
  const { receiveRing, context } = c;
  // The place in front of the head is free if the ring has one octet more than it needs, those beyond a hole included.
  const held = receiveRing.length + 1 + (c.outOfOrder.count > 0 ? diff(c.rcvAdv, c.rcvNxt) : 0);
  if (!c.urgentLifted || !context.rings.reserve(receiveRing, held)) return;
  receiveRing.prepend(c.urgentOctet);
  c.urgentLifted = false;
}

/** Octets that can be read before the mark, or -1 without one. 0: the mark is next. */
export function octetsToMark(c: Tcb): number {
  if (c.urgent === Urgent.None) return -1;
  return c.urgentLifted ? 0 : diff(c.urgentSeq, receiveHead(c));
}

/** Octets that one read can have. */
export function receivable(c: Tcb): number {
  const { length } = c.receiveRing;
  const mark = octetsToMark(c);
  return mark > 0 && mark < length ? mark : length;
}
/** tcp_inq. */
export function unreadOctets(c: Tcb): number {
  const { length } = c.receiveRing;
  const mark = octetsToMark(c);
  if (c.settings.oobInline || mark < 0) return length;
  return c.urgentLifted || mark < length ? mark : length;
}

/** A read has come to the mark with nothing in hand, or has taken octets behind it: the octet is gone, read or not. */
export function passMark(c: Tcb): void {
  c.urgent = Urgent.None;
  c.urgentLifted = false;
}
/** `receiveRing` has just given octets to the reader. */
export function readTo(c: Tcb): void {
  if (c.urgent === Urgent.None) return;
  if (c.urgentLifted || before(c.urgentSeq, receiveHead(c))) passMark(c);
  else liftUrgent(c);
}
