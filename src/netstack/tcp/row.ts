/** A connection as a row of a listing (net/ipv4/tcp_ipv4.c get_tcp4_sock, get_openreq4, get_timewait4_sock). */
import type { Alarm } from '../../lib/clock.ts';
import { RowTimer, type TcpRow } from '../rows.ts';
import { infoOf } from './info.ts';
import { DELAYED_ACK } from './limits.ts';
import { owed, Pending, Rexmit, type Tcb } from './tcb.ts';
import { unreadOctets } from './urgent.ts';

/** TCP_INFINITE_SSTHRESH as `infoOf` says it. */
const NO_THRESHOLD = 0x7fff_ffff;

function kindOf(c: Tcb): TcpRow['kind'] {
  if (c.state === 'SYN-RECEIVED' && c.parent !== undefined && c.fastOpener === undefined) return 'request';
  const waitsAlone = c.state === 'TIME-WAIT' || (c.state === 'FIN-WAIT-2' && c.orphan);
  return waitsAlone && c.statePending !== Pending.None ? 'time-wait' : 'socket';
}
function timerOf(c: Tcb): readonly [number, Alarm | undefined] {
  if (c.statePending !== Pending.None) return [RowTimer.TimeWait, c.stateAlarm];
  if (c.rexmit === Rexmit.Persist) return [RowTimer.Probe, c.rexmitAlarm];
  if (c.rexmit === Rexmit.Retransmit) return [RowTimer.Retransmit, c.rexmitAlarm];
  return c.keepAlarm?.armed === true ? [RowTimer.KeepAlive, c.keepAlarm] : [RowTimer.None, undefined];
}
const unread = (c: Tcb): number => unreadOctets(c) + Number(c.finReceived);

export function rowOf(c: Tcb): TcpRow {
  const info = infoOf(c);
  const [timer, alarm] = timerOf(c);
  return {
    id: c.id,
    family: c.family,
    state: c.state,
    kind: kindOf(c),
    isOrphan: c.orphan,
    localAddress: c.localAddress,
    localPort: c.localPort,
    remoteAddress: c.remoteAddress,
    remotePort: c.remotePort,
    owner: c.settings.owner,
    sendQueue: c.state === 'LISTEN' ? 0 : owed(c),
    receiveQueue: c.state === 'LISTEN' ? (c.listener?.readyCount ?? 0) : unread(c),
    timer,
    timerLeft: alarm === undefined ? 0 : Math.max(0, alarm.at - c.context.clock.now()),
    timeouts: info.timeouts,
    probes: info.keepAliveProbes,
    retransmissionTimeout: info.retransmissionTimeout,
    acknowledgmentDelay: c.finReceived ? DELAYED_ACK : info.acknowledgmentDelay,
    quickAcks: c.quickAcks,
    isInteractive: c.pingPong,
    congestionWindow: info.congestionWindow,
    slowStartThreshold: info.slowStartThreshold === NO_THRESHOLD ? undefined : info.slowStartThreshold,
    fastOpenQueue: c.settings.fastOpenQueue,
  };
}
