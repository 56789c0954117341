/**
 * The retransmission alarm, in its two exclusive meanings: RFC 6298 5.4 to 5.7 (retransmission, with RFC 5681 3.1 for the window), and RFC 9293 3.8.6.1 (zero-window
 * probes, which never give up while they are answered, but for TCP_USER_TIMEOUT and where nobody has the socket any more). Giving up follows Linux: tcp_retries2, tcp_orphan_retries, tcp_syn_retries with its linear
 * phase, tcp_synack_retries, and TCP_USER_TIMEOUT (RFC 5482 without the option on the wire).
 */
import type { TcpState } from '../endpoint.ts';
import { Flag } from '../wire/tcp.ts';
import { emitSegment, emitSyn, packetPayload } from './emit.ts';
import { abandonFastOpen } from './fast-open.ts';
import { finish, sendReset, timeOut } from './lifecycle.ts';
import { ORPHAN_RETRIES, RETRIES, RTO_INITIAL, SYN_ACK_RETRIES, SYN_LINEAR } from './limits.ts';
import { armPersist, armRetransmit, output, resendHead, stopRexmit } from './output.ts';
import { add, diff } from './seq.ts';
import { Rexmit, segmentPayload, type Tcb } from './tcb.ts';

export function rexmitFired(c: Tcb): void {
  const kind = c.rexmit;
  c.rexmit = Rexmit.None;
  if (kind === Rexmit.Persist) probe(c);
  else if (kind === Rexmit.Retransmit) onTimeout[c.state](c);
}

const none = (): void => {};
const onTimeout: { readonly [S in TcpState]: (c: Tcb) => void } = {
  CLOSED: none,
  LISTEN: none,
  'SYN-SENT': resendSyn,
  'SYN-RECEIVED': resendSynAck,
  ESTABLISHED: resendData,
  'FIN-WAIT-1': resendData,
  'FIN-WAIT-2': none,
  'CLOSE-WAIT': resendData,
  CLOSING: resendData,
  'LAST-ACK': resendData,
  'TIME-WAIT': none,
};

/** TCP_USER_TIMEOUT has passed without progress, which starts to count at `from` if it did not yet. An answer that takes nothing is no progress. */
function userTimeoutPassed(c: Tcb, from: number): boolean {
  if (c.unansweredSince < 0) {
    c.unansweredSince = from;
    return false;
  }
  const { userTimeoutMs } = c.settings;
  return userTimeoutMs > 0 && c.context.clock.now() - c.unansweredSince >= userTimeoutMs * 1000;
}

/** tcp_model_timeout: the retries allowed bound the time as well, to what they would take if each interval doubled. */
const synTimePassed = (c: Tcb): boolean =>
  c.settings.userTimeoutMs === 0 &&
  c.retries > 0 &&
  c.context.clock.now() - c.openedAt >= (2 ** (c.settings.synRetries + 1) - 1) * RTO_INITIAL;

function resendSyn(c: Tcb): void {
  if (userTimeoutPassed(c, c.openedAt) || synTimePassed(c) || c.retries >= c.settings.synRetries + SYN_LINEAR) {
    timeOut(c);
    return;
  }
  c.retries++;
  c.retriedSyn = true;
  c.stats.timedOut(c.context.clock.now());
  c.stats.retransmissions++;
  if (c.retries > SYN_LINEAR) c.roundTrip.backoff++;
  c.context.ext.TCPSynRetrans++;
  c.context.tcp.RetransSegs++;
  abandonFastOpen(c);
  emitSyn(c, Flag.Syn);
  armRetransmit(c);
}

function resendSynAck(c: Tcb): void {
  const { parent } = c;
  if (c.retries >= SYN_ACK_RETRIES) {
    if (parent === undefined || c.fastOpener !== undefined) timeOut(c);
    else finish(c);
    return;
  }
  c.retries++;
  c.roundTrip.backoff++;
  // The peer has answered already; while TCP_DEFER_ACCEPT waits for its data there is nothing to repeat.
  const waits =
    c.handshakeDone &&
    parent !== undefined &&
    parent.settings.deferAcceptSeconds > 0 &&
    c.context.clock.now() - c.openedAt < parent.settings.deferAcceptSeconds * 1e6;
  if (!waits) {
    c.retriedSyn = true;
    c.context.ext.TCPSynRetrans++;
    c.context.tcp.RetransSegs++;
    emitSyn(c, Flag.Syn | Flag.Ack);
  }
  armRetransmit(c);
}

function resendData(c: Tcb): void {
  if (c.sndMax === c.sndUna) {
    output(c);
    return;
  }
  if (userTimeoutPassed(c, c.context.clock.now()) || c.retries >= (c.orphan ? ORPHAN_RETRIES : RETRIES)) {
    timeOut(c);
    return;
  }
  const { congestion, scoreboard, roundTrip } = c;
  congestion.timedOut(diff(c.sndMax, c.sndUna), segmentPayload(c), c.retries === 0, c.sndMax);
  // RFC 9293 3.8.6 (MUST-34): a peer that shrank its window to nothing over what is in flight, and answers, is alive; as long as it does, what is sent again are probes.
  const answersWithoutWindow = c.sndWnd === 0 && c.context.clock.now() - c.heardAt <= roundTrip.most;
  if (!answersWithoutWindow) c.retries++;
  c.dupAcks = 0;
  c.stats.timedOut(c.context.clock.now());
  // RFC 2018 8: the receiver may have dropped what it reported.
  scoreboard.clear();
  roundTrip.timing = false;
  if (isThin(c)) roundTrip.backoff = 0;
  else roundTrip.backoff++;
  c.context.ext.TCPTimeouts++;
  c.sndNxt = c.sndUna;
  if (resendHead(c)) c.sndNxt = add(c.sndUna, Math.min(segmentPayload(c), diff(c.sndMax, c.sndUna)));
  armRetransmit(c);
}

/** TCP_THIN_LINEAR_TIMEOUTS: too little is in flight for a fast retransmission, so the first timeouts do not double (tcp_retransmit_timer). */
function isThin(c: Tcb): boolean {
  if (!c.settings.thinLinear || c.retries > THIN_RETRIES) return false;
  const inFlight = diff(c.sndMax, c.sndUna);
  return inFlight < THIN_SEGMENTS * segmentPayload(c) && c.congestion.ssthresh < SLOW_START_FOR_EVER;
}
/** TCP_THIN_LINEAR_RETRIES; tcp_stream_is_thin, which a stream in its first slow start is not. */
const THIN_RETRIES = 6;
const THIN_SEGMENTS = 4;
const SLOW_START_FOR_EVER = 1 << 30;

/** The window has been too small for one timeout. */
function probe(c: Tcb): void {
  const window = diff(add(c.sndUna, c.sndWnd), c.sndNxt);
  const waiting = diff(add(c.sendHead, c.sendRing.length), c.sndNxt);
  if (waiting < 0 || (waiting === 0 && !c.finQueued)) {
    stopRexmit(c);
    return;
  }
  if (userTimeoutPassed(c, c.context.clock.now()) || c.retries >= (c.orphan ? ORPHAN_RETRIES : RETRIES) || isLeft(c)) {
    if (c.orphan) sendReset(c);
    timeOut(c);
    return;
  }
  c.retries++;
  c.context.ext.TCPWinProbe++;
  if (window > 0) {
    // RFC 9293 3.8.6.2.1: the override timeout: what fits goes, however little.
    c.rexmit = Rexmit.Persist;
    forceOut(c, Math.min(waiting, window, packetPayload(c)));
    // Nothing left: no buffer or no route now.
    if (c.sndMax !== c.sndUna) return;
  } else emitSegment(c, add(c.sndUna, -1), 0, Flag.Ack);
  c.roundTrip.backoff++;
  c.rexmit = Rexmit.Persist;
  armPersist(c);
}

/** tcp_probe_timer: nobody waits for it any more, and its peer has kept the window closed until probes are as rare as they get. */
const isLeft = (c: Tcb): boolean => c.orphan && c.roundTrip.rto >= c.roundTrip.most;

function forceOut(c: Tcb, len: number): void {
  const was = c.maxSndWnd;
  // A window that never was larger than twice this makes the piece worth sending.
  c.maxSndWnd = Math.min(c.maxSndWnd, len * 2);
  c.pushOut = true;
  output(c);
  c.maxSndWnd = was;
}
