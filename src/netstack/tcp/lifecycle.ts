/**
 * Changes of state, and the ends of a connection: RFC 9293 3.6 (closing), 3.10.5 (abort), 3.10.8 (timeouts). Every way out passes `finish`, which stops all
 * alarms and gives up the 4-tuple, so nothing of a dead connection can act again.
 */
import { after as laterBy, micros } from '../../lib/clock.ts';
import type { TcpState } from '../endpoint.ts';
import type { NetError } from '../net-error.ts';
import { Readiness } from '../readiness.ts';
import { Flag } from '../wire/tcp.ts';
import { emitSegment } from './emit.ts';
import { TIME_WAIT } from './limits.ts';
import { stopRexmit } from './output.ts';
import { owed, owedUnsent, Pending, RECEIVE_SHUT, SEND_SHUT, type Tcb } from './tcb.ts';

const { In, Out, Err, Hup, RdNorm, WrNorm, RdHup } = Readiness;
const ALL = In | Out | Err | Hup | RdNorm | WrNorm | RdHup;
/** RFC 4022 tcpCurrEstab. */
const COUNTED: ReadonlySet<TcpState> = new Set<TcpState>(['ESTABLISHED', 'CLOSE-WAIT']);

export function setState(c: Tcb, next: TcpState): void {
  c.context.tcp.CurrEstab += Number(COUNTED.has(next)) - Number(COUNTED.has(c.state));
  c.state = next;
}

/** The connection is gone: to CLOSED, with both directions shut. What was received stays readable. */
export function finish(c: Tcb): void {
  const { context } = c;
  if (c.state === 'TIME-WAIT') context.leaveTimeWait(c);
  if (c.state === 'SYN-SENT' || c.state === 'SYN-RECEIVED') context.tcp.AttemptFails++;
  c.leftOwed = owed(c);
  c.leftUnsent = owedUnsent(c);
  setState(c, 'CLOSED');
  c.shut = RECEIVE_SHUT | SEND_SHUT;
  c.ended = true;
  stopRexmit(c);
  c.ackAlarm.cancel();
  c.keepAlarm?.cancel();
  c.corkAlarm?.cancel();
  c.paceAlarm?.cancel();
  c.stateAlarm?.cancel();
  c.statePending = Pending.None;
  c.ackNow = c.ackWithheld = false;
  leaveFlows(c);
  c.sendRing.consume(c.sendRing.length);
  c.context.rings.release(c.sendRing);
  c.outOfOrder.clear();
  c.scoreboard.clear();
  c.markCount = 0;
  if (c.orphan) {
    c.receiveRing.consume(c.receiveRing.length);
    context.rings.release(c.receiveRing);
  }
  // Linux: a port that bind() did not name is free from now on.
  if (c.orphan || !c.portLocked) context.ports.release(c.binding);
  const { parent } = c;
  if (parent !== undefined) parent.listener?.halfOpen.delete(c);
  leaveFastOpen(c);
  c.deferred = false;
  c.synData = 0;
}
/** A connection that a cookie opened counts no longer: it is established, or gone. */
export function leaveFastOpen(c: Tcb): void {
  c.fastOpener?.listener?.fastOpen.delete(c);
  c.fastOpener = undefined;
}
/** As `finish`, telling the observer. */
export function finishAndTell(c: Tcb): void {
  finish(c);
  c.context.notify(c, c.error === undefined ? ALL & ~Err : ALL);
}

export function leaveFlows(c: Tcb): void {
  if (!c.inFlowTable) return;
  c.context.flows.delete(c.localAddress, c.localPort, c.remoteAddress, c.remotePort);
  c.inFlowTable = false;
}

/** Ends the connection with `error` pending. */
export function fail(c: Tcb, error: NetError): void {
  if (c.state === 'ESTABLISHED' || c.state === 'CLOSE-WAIT') c.context.tcp.EstabResets++;
  c.error = error;
  finishAndTell(c);
}
/** Gave up: no answer in all the time allowed. */
export function timeOut(c: Tcb): void {
  c.context.ext.TCPAbortOnTimeout++;
  fail(c, c.softError ?? 'timed-out');
}

/** RST to the peer (RFC 9293 3.10.5 ABORT); the states before it knows us need none. */
export function sendReset(c: Tcb): void {
  if (c.state === 'CLOSED' || c.state === 'LISTEN' || c.state === 'SYN-SENT' || c.state === 'TIME-WAIT') return;
  c.context.tcp.OutRsts++;
  emitSegment(c, c.sndMax, 0, Flag.Rst | Flag.Ack);
}
/** RST, and gone; nobody is told. */
export function abort(c: Tcb): void {
  sendReset(c);
  if (c.state === 'ESTABLISHED' || c.state === 'CLOSE-WAIT') c.context.tcp.EstabResets++;
  finish(c);
}

/** RFC 9293 3.6.1: 2 MSL (Linux: 60 s). The endpoint keeps what its reader has not read; all else goes. */
export function enterTimeWait(c: Tcb): void {
  const { context } = c;
  context.notify(c, In | Out | Hup | RdNorm | WrNorm | RdHup);
  if (!context.enterTimeWait(c)) {
    context.ext.TCPTimeWaitOverflow++;
    if (c.ackNow) emitSegment(c, c.sndMax, 0, Flag.Ack);
    finish(c);
    return;
  }
  setState(c, 'TIME-WAIT');
  stopRexmit(c);
  c.keepAlarm?.cancel();
  c.corkAlarm?.cancel();
  c.paceAlarm?.cancel();
  c.shut = RECEIVE_SHUT | SEND_SHUT;
  c.context.rings.release(c.sendRing);
  c.outOfOrder.clear();
  c.scoreboard.clear();
  restartTimeWait(c);
}
/** To its user a connection in TIME-WAIT is closed, and may be used again: what has to wait does so without it (inet_timewait_sock). */
export function leaveTimeWait(c: Tcb): void {
  const { context, localAddress, localPort, remoteAddress, remotePort } = c;
  const left = context.child(c);
  left.orphan = true;
  left.localAddress = localAddress;
  left.localPort = localPort;
  left.remoteAddress = remoteAddress;
  left.remotePort = remotePort;
  left.route = c.route;
  left.shut = c.shut;
  left.finReceived = true;
  left.sndUna = left.sndNxt = left.sndMax = left.sendHead = c.sndMax;
  left.rcvNxt = left.rcvAcked = c.rcvNxt;
  left.rcvAdv = c.rcvAdv;
  left.rcvShift = c.rcvShift;
  left.tsOn = c.tsOn;
  left.tsOffset = c.tsOffset;
  left.tsRecent = c.tsRecent;
  left.tsRecentAt = c.tsRecentAt;
  context.ports.share(left.binding, c.binding.address, localPort);
  finish(c);
  left.inFlowTable = context.flows.insert(localAddress, localPort, remoteAddress, remotePort, left);
  if (!left.inFlowTable || !context.enterTimeWait(left)) {
    finish(left);
    return;
  }
  setState(left, 'TIME-WAIT');
  restartTimeWait(left);
}
export function restartTimeWait(c: Tcb): void {
  armState(c, Pending.TimeWait, TIME_WAIT);
}
/** An orphan waits for the peer's FIN no longer than this. */
export function armFinWait2(c: Tcb): void {
  const { linger2Seconds } = c.settings;
  if (linger2Seconds < 0) {
    c.context.ext.TCPAbortOnLinger++;
    abort(c);
    return;
  }
  armState(c, Pending.FinWait2, Math.min(linger2Seconds === 0 ? TIME_WAIT : linger2Seconds * 1e6, 2 * TIME_WAIT));
}

function armState(c: Tcb, pending: number, delay: number): void {
  const { clock } = c.context;
  c.stateAlarm ??= clock.alarm(() => {
    if (c.statePending === Pending.TimeWait) c.context.ext.TW++;
    finish(c);
  });
  c.statePending = pending;
  c.stateAlarm.set(laterBy(clock.now(), micros(delay)));
}
