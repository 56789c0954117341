/** What a connection tells of itself (TCP_INFO): a copy of what is in its control block. */
import type { TcpInfo } from '../endpoint.ts';
import { diff } from './seq.ts';
import { segmentPayload, type Tcb } from './tcb.ts';

const SEGMENTS_MAX = 0x7fff_ffff;

export function infoOf(c: Tcb): TcpInfo {
  const now = c.context.clock.now();
  const payload = Math.max(1, segmentPayload(c));
  const sent = Math.max(0, diff(c.sndMax, c.sndUna));
  return {
    state: c.state,
    inRecovery: c.congestion.inRecovery,
    timeouts: c.retries,
    keepAliveProbes: c.keepProbes,
    backoff: c.roundTrip.backoff,
    timestamps: c.tsOn,
    sack: c.sackOn,
    windowScale: c.scaleOn,
    sendShift: c.sndShift,
    receiveShift: c.rcvShift,
    retransmissionTimeout: c.roundTrip.rto,
    smoothedRoundTrip: Math.round(c.roundTrip.smoothed),
    roundTripVariance: Math.round(c.roundTrip.variance),
    leastRoundTrip: c.roundTrip.least,
    sendMss: payload,
    receiveMss: c.receiveMss,
    segmentsInFlight: Math.ceil(sent / payload),
    segmentsSacked: Math.ceil(c.scoreboard.octets / payload),
    congestionWindow: Math.max(1, Math.floor(c.congestion.cwnd / payload)),
    slowStartThreshold: Math.min(SEGMENTS_MAX, Math.floor(c.congestion.ssthresh / payload)),
    sinceSend: c.lastSendAt === 0 ? 0 : now - c.lastSendAt,
    sinceReceive: c.lastReceiveAt === 0 ? 0 : now - c.lastReceiveAt,
    pathMtu: c.route?.mtu ?? 0,
    sendWindow: c.sndWnd,
    receiveWindow: Math.max(0, diff(c.rcvAdv, c.rcvNxt)),
  };
}
