/** What a connection tells of itself (TCP_INFO): a copy of what is in its control block. */
import type { TcpInfo } from '../endpoint.ts';
import { announcedMss } from './emit.ts';
import { DELAYED_ACK, RTO_INITIAL } from './limits.ts';
import { lostOctets, resentOctets } from './output.ts';
import { diff } from './seq.ts';
import { optionOctets, Rexmit, receiveLimit, segmentPayload, type Tcb } from './tcb.ts';

const SEGMENTS_MAX = 0x7fff_ffff;
/** Beyond any window: slow start has not ended yet. */
const NO_THRESHOLD = 1 << 30;
/** Before a connection is made. */
const INITIAL_WINDOW = 10;

export function infoOf(c: Tcb): TcpInfo {
  const { congestion, roundTrip, stats, settings } = c;
  const now = c.context.clock.now();
  const payload = Math.max(1, segmentPayload(c));
  const since = (at: number): number => (stats.establishedAt === 0 ? 0 : now - Math.max(at, stats.establishedAt));
  stats.settle(now);
  return {
    state: c.state,
    inRecovery: congestion.inRecovery,
    isDisordered: c.dupAcks > 0 || c.scoreboard.count > 0,
    ...retriesOf(c),
    backoff: roundTrip.backoff,
    timestamps: c.tsOn,
    sack: c.sackOn,
    windowScale: c.scaleOn,
    sendShift: c.sndShift,
    receiveShift: c.rcvShift,
    retransmissionTimeout: roundTrip.rto,
    smoothedRoundTrip: Math.round(roundTrip.smoothed),
    roundTripVariance: roundTrip.smoothed === 0 ? RTO_INITIAL / 4 : Math.round(roundTrip.variance),
    leastRoundTrip: roundTrip.least,
    sendMss: payload,
    ...routeInfo(c),
    segmentsInFlight:
      c.sndMax === c.sndUna || c.state === 'CLOSED' ? 0 : Math.max(1, stats.firstSent - stats.delivered),
    segmentsSacked: Math.ceil(c.scoreboard.octets / payload),
    ...lossOf(c, payload),
    congestionWindow: congestion.cwnd === 0 ? INITIAL_WINDOW : Math.max(1, Math.floor(congestion.cwnd / payload)),
    slowStartThreshold: congestion.ssthresh >= NO_THRESHOLD ? SEGMENTS_MAX : Math.floor(congestion.ssthresh / payload),
    sinceSend: since(c.lastSendAt),
    sinceReceive: since(c.lastReceiveAt),
    sinceAck: since(stats.lastAckReceivedAt),
    acknowledgmentDelay: c.lastReceiveAt === 0 ? 0 : Math.min(DELAYED_ACK, settings.delayedAckMaxUs),
    sendWindow: c.sndWnd,
    receiveWindow: Math.max(0, diff(c.rcvAdv, c.rcvNxt)),
    receiveSpace: stats.receiveSpace,
    backlog: c.listener?.backlog ?? 0,
    totals: stats,
  };
}

/** What is retried: data, or a probe of a closed window or an idle peer. */
function retriesOf(c: Tcb): { readonly timeouts: number; readonly keepAliveProbes: number } {
  return c.rexmit === Rexmit.Persist
    ? { timeouts: 0, keepAliveProbes: c.retries }
    : { timeouts: c.retries, keepAliveProbes: c.keepProbes };
}
/** What depends on the way to the peer: 0 before there is one. */
function routeInfo(c: Tcb): Pick<TcpInfo, 'receiveMss' | 'announcedMss' | 'pathMtu' | 'receiveLimit'> {
  if (c.route === undefined) return { receiveMss: 0, announcedMss: 0, pathMtu: 0, receiveLimit: 0 };
  return {
    receiveMss: c.receiveMss,
    announcedMss: announcedMss(c) - optionOctets(c),
    pathMtu: c.route.mtu,
    receiveLimit: receiveLimit(c),
  };
}

/** After a timeout all that was in flight is held for lost, and sent again from the start. */
function lossOf(c: Tcb, payload: number): { readonly segmentsLost: number; readonly segmentsResent: number } {
  let lost = 0;
  let resent = 0;
  if (c.retries > 0 && c.rexmit !== Rexmit.Persist) {
    lost = diff(c.sndMax, c.sndUna);
    resent = diff(c.sndNxt, c.sndUna);
  } else if (c.congestion.inRecovery) {
    lost = c.sackOn ? lostOctets(c) : payload;
    resent = c.sackOn ? resentOctets(c) : payload;
  }
  return { segmentsLost: Math.ceil(lost / payload), segmentsResent: Math.ceil(resent / payload) };
}
