/**
 * Keepalive (RFC 9293 3.8.4; tcp(7)): after an idle time, probes with a sequence number just received by the peer, which it must answer with an ACK. As on
 * Linux the alarm is not moved by every segment: when it fires it looks at when the peer was last heard.
 */
import { type Duration, after as laterBy, micros, seconds } from '../../lib/clock.ts';
import type { TcpState } from '../endpoint.ts';
import { Flag } from '../wire/tcp.ts';
import { emitSegment } from './emit.ts';
import { sendReset, timeOut } from './lifecycle.ts';
import { add } from './seq.ts';
import type { Tcb } from './tcb.ts';

const APPLIES: { readonly [S in TcpState]: boolean } = {
  CLOSED: false,
  LISTEN: false,
  'SYN-SENT': false,
  'SYN-RECEIVED': false,
  ESTABLISHED: true,
  'FIN-WAIT-1': true,
  'FIN-WAIT-2': true,
  'CLOSE-WAIT': true,
  CLOSING: true,
  'LAST-ACK': true,
  'TIME-WAIT': false,
};

export function armKeepAlive(c: Tcb): void {
  if (!APPLIES[c.state]) return;
  c.keepAlarm ??= c.context.clock.alarm(() => {
    c.context.begin();
    fired(c);
    c.context.end();
  });
  c.keepProbes = 0;
  rearm(c, idleTime(c));
}
/** TCP_KEEPIDLE was changed: what is left of the new time (tcp_sock_set_keepidle_locked). */
export function retimeKeepAlive(c: Tcb): void {
  if (!APPLIES[c.state]) return;
  const idle = c.context.clock.now() - Math.max(c.heardAt, c.openedAt);
  rearm(c, micros(Math.max(0, idleTime(c) - idle)));
}
export function stopKeepAlive(c: Tcb): void {
  c.keepAlarm?.cancel();
}

const idleTime = (c: Tcb): Duration => seconds(c.settings.keepIdleSeconds);
function rearm(c: Tcb, delay: Duration): void {
  c.keepAlarm?.set(laterBy(c.context.clock.now(), delay));
}

function fired(c: Tcb): void {
  const { settings, context } = c;
  if (!settings.keepAlive || !APPLIES[c.state]) return;
  const now = context.clock.now();
  // What is in flight or waits for a window has its own alarm.
  if (c.sndMax !== c.sndUna || c.sendRing.length > 0) {
    rearm(c, idleTime(c));
    return;
  }
  const idle = now - Math.max(c.heardAt, c.openedAt);
  if (c.keepProbes === 0 && idle < idleTime(c)) {
    rearm(c, micros(idleTime(c) - idle));
    return;
  }
  const expired =
    settings.userTimeoutMs > 0
      ? c.keepProbes > 0 && idle >= settings.userTimeoutMs * 1000
      : c.keepProbes >= settings.keepCount;
  if (expired) {
    sendReset(c);
    timeOut(c);
    return;
  }
  emitSegment(c, add(c.sndUna, -1), 0, Flag.Ack);
  context.ext.TCPKeepAlive++;
  c.keepProbes++;
  rearm(c, seconds(settings.keepIntervalSeconds));
}
