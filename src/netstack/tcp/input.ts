/**
 * Segment arrival, RFC 9293 3.10.7, one handler per state. The mapped types make a state without handler a compile error.
 * Checks in the order of 3.10.7.4: sequence number (after PAWS, RFC 7323 5.3), RST (RFC 5961 3.2), SYN (RFC 5961 4.2), ACK, URG, data, FIN. There is no security check (third step):
 * no compartments exist here.
 */
import { type TcpState, Urgent } from '../endpoint.ts';
import type { NetError } from '../net-error.ts';
import { Readiness } from '../readiness.ts';
import { Flag } from '../wire/tcp.ts';
import { onListen, queueForAccept } from './accept.ts';
import { acknowledge, challengeAck, delayAck, finAcknowledged, outOfWindowAck } from './acknowledge.ts';
import { emitReset, emitSyn } from './emit.ts';
import { fastOpenAnswered, untaken } from './fast-open.ts';
import { establish, rememberTimestamp, takeHandshakeOptions } from './handshake.ts';
import {
  armFinWait2,
  enterTimeWait,
  fail,
  finish,
  finishAndTell,
  leaveFastOpen,
  restartTimeWait,
  sendReset,
  setState,
} from './lifecycle.ts';
import { DELAYED_ACK, DELAYED_ACK_MAX, PAWS_EXPIRES, QUICK_ACKS, TICK } from './limits.ts';
import { armRetransmit, flush, sendAck } from './output.ts';
import { inWindow, receive } from './receive.ts';
import type { Segment } from './segment.ts';
import { add, after, before, diff } from './seq.ts';
import { RECEIVE_SHUT, receiveLimit, SEND_SHUT, type Tcb } from './tcb.ts';
import { takeUrgent } from './urgent.ts';

const { In, Out, RdNorm, WrNorm, RdHup, Hup } = Readiness;
type Handler = (c: Tcb, s: Segment) => void;

const onSegment: { readonly [S in TcpState]: Handler } = {
  CLOSED: (c, s) => emitReset(c.context, c.localAddress, c.remoteAddress, s),
  LISTEN: onListen,
  'SYN-SENT': synSent,
  'SYN-RECEIVED': synReceived,
  ESTABLISHED: synchronized,
  'FIN-WAIT-1': synchronized,
  'FIN-WAIT-2': synchronized,
  'CLOSE-WAIT': synchronized,
  CLOSING: synchronized,
  'LAST-ACK': synchronized,
  'TIME-WAIT': timeWait,
};

export function segmentArrives(c: Tcb, s: Segment): void {
  c.stats.segmentsIn += s.count;
  if (s.len > 0) c.stats.dataSegmentsIn += s.count;
  onSegment[c.state](c, s);
}

/** 3.10.7.3. */
function synSent(c: Tcb, s: Segment): void {
  const hasAck = s.has(Flag.Ack);
  if (hasAck && (!after(s.ack, c.iss) || after(s.ack, c.sndMax))) {
    emitReset(c.context, c.localAddress, c.remoteAddress, s);
    return;
  }
  if (s.has(Flag.Rst)) {
    if (hasAck) fail(c, 'connection-refused');
    return;
  }
  if (!s.has(Flag.Syn)) return;
  takeHandshakeOptions(c, s);
  c.irs = s.seq;
  c.rcvNxt = add(s.seq, 1);
  c.rcvAdv = add(c.rcvNxt, Math.min(receiveLimit(c), 65_535));
  if (!hasAck) {
    // Simultaneous open (MUST-10).
    setState(c, 'SYN-RECEIVED');
    c.retries = 0;
    if (c.synData > 0) untaken(c);
    c.sndWl1 = s.seq;
    emitSyn(c, Flag.Syn | Flag.Ack);
    armRetransmit(c);
    return;
  }
  if (c.retriedSyn) c.roundTrip.handshakeLostSyn();
  else c.roundTrip.measured(c.context.clock.now() - c.openedAt);
  c.sndUna = s.ack;
  c.stats.bytesAcked = 1;
  c.sndNxt = c.sndMax;
  fastOpenAnswered(c, s);
  establish(c, s.window, s);
  if (c.pingPong || c.settings.deferAcceptSeconds > 0) {
    // The first data takes it along (tcp_rcv_synsent_state_process).
    c.pingPong = false;
    c.quickAcks = QUICK_ACKS;
    delayAck(c, DELAYED_ACK_MAX);
  } else c.ackNow = true;
  flush(c);
}

/** 3.10.7.4 for SYN-RECEIVED: here a SYN-ACK may have been lost, and a listener may have no room. */
function synReceived(c: Tcb, s: Segment): void {
  if (answersSynAgain(c, s)) return;
  if (!trusted(c, s) || !s.has(Flag.Ack)) return;
  if (!after(s.ack, c.sndUna) || after(s.ack, c.sndMax)) {
    emitReset(c.context, c.localAddress, c.remoteAddress, s);
    return;
  }
  const { parent } = c;
  const inQueue = parent !== undefined && c.fastOpener === undefined;
  if (inQueue && !mayComplete(c, parent, s)) return;
  if (c.retriedSyn) c.roundTrip.handshakeLostSyn();
  else c.roundTrip.measured(c.context.clock.now() - c.openedAt);
  c.sndUna = add(c.iss, 1);
  establish(c, s.window << c.sndShift, s);
  if (inQueue) queueForAccept(c, parent, s);
  leaveFastOpen(c);
  // shutdown(Write) may have come even before connect() (tcp_rcv_state_process).
  if ((c.shut & SEND_SHUT) !== 0) c.finQueued = true;
  if (c.finQueued) setState(c, 'FIN-WAIT-1');
  afterTrust(c, s);
}
/** Our SYN-ACK or the peer's was lost, or both sides opened at once. True if nothing else is in the segment. */
function answersSynAgain(c: Tcb, s: Segment): boolean {
  const again = s.has(Flag.Syn) && !s.has(Flag.Rst) && s.seq === c.irs;
  if (again && !s.has(Flag.Ack)) {
    emitSyn(c, Flag.Syn | Flag.Ack);
    return true;
  }
  if (again && s.ack === c.sndMax && s.len === 0) {
    // Simultaneous open: the peer's SYN-ACK repeats the SYN that we have (RFC 9293 3.5, figure 8). What is new in it is its ACK; its window is not scaled.
    s.flags &= ~Flag.Syn;
    s.seq = c.rcvNxt;
    s.window >>>= c.sndShift;
  }
  return false;
}
/** Whether the listener takes one more connection now. If not, the peer will try again. */
function mayComplete(c: Tcb, parent: Tcb, s: Segment): boolean {
  const { listener } = parent;
  const { ext } = c.context;
  if (listener === undefined) return false;
  if (listener.isFull) {
    ext.ListenOverflows++;
    ext.ListenDrops++;
    c.handshakeDone = true;
    return false;
  }
  const defer = parent.settings.deferAcceptSeconds;
  if (defer > 0 && s.len === 0 && !s.has(Flag.Fin) && c.context.clock.now() - c.openedAt < defer * 1e6) {
    ext.TCPDeferAcceptDrop++;
    c.handshakeDone = true;
    return false;
  }
  return true;
}

/** Steps one to four: true if the segment may go on to its ACK. */
function trusted(c: Tcb, s: Segment): boolean {
  if (c.tsOn && s.hasTimestamp && isOldTimestamp(c, s) && !s.has(Flag.Rst)) {
    c.context.ext.PAWSEstab++;
    outOfWindowAck(c, s.len > 0);
    return false;
  }
  if (s.has(Flag.Rst)) {
    takeReset(c, s);
    return false;
  }
  if (!inWindow(c, s)) return false;
  if (s.has(Flag.Syn)) {
    c.context.ext.TCPSYNChallenge++;
    challengeAck(c);
    return false;
  }
  if (c.tsOn && s.hasTimestamp && !after(s.seq, c.rcvAcked)) rememberTimestamp(c, s);
  c.heardAt = c.context.clock.now();
  return true;
}

/** RFC 7323 5.2. */
const isOldTimestamp = (c: Tcb, s: Segment): boolean =>
  diff(s.tsVal, c.tsRecent) < 0 && c.context.clock.now() - c.tsRecentAt < PAWS_EXPIRES;
/** The error that a RST means in each state (Linux). */
const resetError: { readonly [S in TcpState]: NetError | undefined } = {
  CLOSED: undefined,
  LISTEN: undefined,
  'SYN-SENT': 'connection-refused',
  'SYN-RECEIVED': 'connection-reset',
  ESTABLISHED: 'connection-reset',
  'FIN-WAIT-1': 'connection-reset',
  'FIN-WAIT-2': 'connection-reset',
  'CLOSE-WAIT': 'broken-pipe',
  CLOSING: 'connection-reset',
  'LAST-ACK': 'connection-reset',
  'TIME-WAIT': undefined,
};

/** RFC 5961 3.2: only the exact next sequence number resets; one elsewhere in the window is asked about. */
function takeReset(c: Tcb, s: Segment): void {
  const exact = s.seq === c.rcvNxt || (c.finReceived && s.seq === add(c.rcvNxt, -1));
  if (!exact) {
    if (!before(s.seq, c.rcvNxt) && !after(s.seq, c.rcvAdv)) challengeAck(c);
    return;
  }
  if (c.parent !== undefined && c.state === 'SYN-RECEIVED' && c.fastOpener === undefined) {
    c.context.ext.EmbryonicRsts++;
    finish(c);
    return;
  }
  fail(c, resetError[c.state] ?? 'connection-reset');
}

/** 3.10.7.4 for every state after the handshake but TIME-WAIT. */
function synchronized(c: Tcb, s: Segment): void {
  if (!trusted(c, s) || !s.has(Flag.Ack)) return;
  afterTrust(c, s);
}

function afterTrust(c: Tcb, s: Segment): void {
  if (s.len === 0) c.context.ext.TCPPureAcks++;
  const isPredicted = wasPredicted(c, s);
  if (!acknowledge(c, s)) return;
  if (c.finQueued && finAcknowledged(c)) onFinAcknowledged[c.state](c);
  if (c.state === 'CLOSED') return;
  if (takesData[c.state]) {
    if (refusesData(c, s)) {
      // The sixth step comes before the seventh: what it announces is told, and the mark of before is none (tcp_rcv_state_process).
      takeUrgent(c, s);
      c.context.ext.TCPAbortOnData++;
      sendReset(c);
      fail(c, 'connection-reset');
      return;
    }
    if ((s.len > 0 || s.has(Flag.Fin) || s.has(Flag.Urg)) && receive(c, s)) takeFin(c);
  } else if (s.len > 0 || s.has(Flag.Fin)) {
    // The peer has said FIN before: a repetition, whose ACK got lost.
    c.ackNow = true;
  }
  // MSG_MORE holds back until the peer is heard of (tcp_data_snd_check), TCP_CORK beyond that.
  if (!isPredicted) c.heard = true;
  flush(c);
}

/** The next data and nothing else, of which Linux's fast path makes no occasion to send (tcp_rcv_established). */
const wasPredicted = (c: Tcb, s: Segment): boolean =>
  s.len > 0 &&
  s.seq === c.rcvNxt &&
  s.ack === c.sndUna &&
  s.window << c.sndShift === c.sndWnd &&
  !s.has(Flag.Fin) &&
  !s.has(Flag.Urg) &&
  // tcp_fast_path_check
  c.urgent === Urgent.None &&
  c.outOfOrder.count === 0;

/** States before the peer's FIN. */
const takesData: { readonly [S in TcpState]: boolean } = {
  CLOSED: false,
  LISTEN: false,
  'SYN-SENT': false,
  'SYN-RECEIVED': false,
  ESTABLISHED: true,
  'FIN-WAIT-1': true,
  'FIN-WAIT-2': true,
  'CLOSE-WAIT': false,
  CLOSING: false,
  'LAST-ACK': false,
  'TIME-WAIT': false,
};

/** RFC 9293 3.6.1 (SHLD-3), as Linux: new data for a reader that closed both directions draws a RST. */
const refusesData = (c: Tcb, s: Segment): boolean =>
  c.state !== 'ESTABLISHED' && (c.shut & RECEIVE_SHUT) !== 0 && s.len > 0 && after(add(s.seq, s.len), c.rcvNxt);

/** Our FIN is acknowledged: what each state becomes. */
const onFinAcknowledged: { readonly [S in TcpState]: (c: Tcb) => void } = {
  CLOSED: () => {},
  LISTEN: () => {},
  'SYN-SENT': () => {},
  'SYN-RECEIVED': () => {},
  ESTABLISHED: () => {},
  'FIN-WAIT-1': (c) => {
    setState(c, 'FIN-WAIT-2');
    if (c.orphan) armFinWait2(c);
    c.context.notify(c, Out | WrNorm);
  },
  'FIN-WAIT-2': () => {},
  'CLOSE-WAIT': () => {},
  CLOSING: enterTimeWait,
  'LAST-ACK': finishAndTell,
  'TIME-WAIT': () => {},
};

/** The peer's FIN is next in sequence: step eight. */
function takeFin(c: Tcb): void {
  c.outOfOrder.hasFin = false;
  c.rcvNxt = add(c.rcvNxt, 1);
  c.stats.bytesReceived++;
  if (before(c.rcvAdv, c.rcvNxt)) c.rcvAdv = c.rcvNxt;
  c.finReceived = true;
  c.shut |= RECEIVE_SHUT;
  c.outOfOrder.clear();
  acknowledgeFin(c);
  onFin[c.state](c);
  c.context.notify(c, In | RdNorm | RdHup | (c.finQueued ? Hup : 0));
}
/** The answer to a FIN that is the first is likely to follow soon, and its ACK goes with that (tcp_fin); where no data ever came it waits for no more than a tick. */
function acknowledgeFin(c: Tcb): void {
  if (c.state !== 'ESTABLISHED') {
    c.ackNow = true;
    return;
  }
  c.pingPong = true;
  if (!c.ackNow) delayAck(c, Math.min(c.lastReceiveAt === 0 ? TICK : DELAYED_ACK, c.settings.delayedAckMaxUs));
}
const onFin: { readonly [S in TcpState]: (c: Tcb) => void } = {
  CLOSED: () => {},
  LISTEN: () => {},
  'SYN-SENT': () => {},
  'SYN-RECEIVED': () => {},
  ESTABLISHED: (c) => setState(c, 'CLOSE-WAIT'),
  // Were our FIN acknowledged, the state would be FIN-WAIT-2 by now.
  'FIN-WAIT-1': (c) => setState(c, 'CLOSING'),
  'FIN-WAIT-2': enterTimeWait,
  'CLOSE-WAIT': () => {},
  CLOSING: () => {},
  'LAST-ACK': () => {},
  'TIME-WAIT': () => {},
};

/**
 * 3.10.7.4 for TIME-WAIT. A RST is ignored (RFC 1337); a new SYN that cannot belong to the old connection opens a new one (RFC 6191, RFC 9293 3.6.1);
 * a FIN again is acknowledged again, and the wait starts over.
 */
function timeWait(c: Tcb, s: Segment): void {
  if (s.has(Flag.Rst)) return;
  const old = c.tsOn && s.hasTimestamp && isOldTimestamp(c, s);
  if (s.has(Flag.Syn) && !s.has(Flag.Ack) && !old && isNewConnection(c, s)) {
    reopen(c, s);
    return;
  }
  if (old || s.has(Flag.Syn) || before(s.end, c.rcvNxt) || after(s.seq, c.rcvAdv)) {
    outOfWindowAck(c, false);
    return;
  }
  if (s.has(Flag.Fin)) {
    sendAck(c);
    restartTimeWait(c);
  }
}
function reopen(c: Tcb, s: Segment): void {
  const { context, localAddress, localPort, remoteAddress } = c;
  const { interfaceIndex = 0 } = s.packet ?? {};
  const listener = context.findListener(localAddress, localPort, interfaceIndex, remoteAddress, s.sourcePort, s);
  if (listener === undefined) return;
  context.ext.TWRecycled++;
  finish(c);
  onListen(listener, s);
}
const isNewConnection = (c: Tcb, s: Segment): boolean =>
  after(s.seq, c.rcvNxt) || (c.tsOn && s.hasTimestamp && diff(s.tsVal, c.tsRecent) > 0);
