/** SOL_TCP: what a connection tells of itself. TCP_INFO (`struct tcp_info` of Linux 6.18, net/ipv4/tcp.c tcp_get_info). */
import { tcpInfo } from '../../abi/sockopt.ts';
import {
  TCP_CA_Disorder,
  TCP_CA_Loss,
  TCP_CA_Open,
  TCP_CA_Recovery,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_INFO,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCPI_OPT_SACK,
  TCPI_OPT_TIMESTAMPS,
  TCPI_OPT_WSCALE,
} from '../../abi/transport.ts';
import type { TcpEndpoint, TcpInfo, TcpState, TcpTotals } from '../../netstack/endpoint.ts';
import { type OptionRow, writeOctets } from './row.ts';

const STATE: Readonly<Record<TcpState, number>> = {
  CLOSED: TCP_CLOSE,
  LISTEN: TCP_LISTEN,
  'SYN-SENT': TCP_SYN_SENT,
  'SYN-RECEIVED': TCP_SYN_RECV,
  ESTABLISHED: TCP_ESTABLISHED,
  'FIN-WAIT-1': TCP_FIN_WAIT1,
  'FIN-WAIT-2': TCP_FIN_WAIT2,
  'CLOSE-WAIT': TCP_CLOSE_WAIT,
  CLOSING: TCP_CLOSING,
  'LAST-ACK': TCP_LAST_ACK,
  // The connection that waits is no longer the socket's (tcp_time_wait).
  'TIME-WAIT': TCP_CLOSE,
};

/** TCP_* of include/net/tcp_states.h. */
export const stateNumber = (state: TcpState): number => STATE[state];

export const INFO_ROW: OptionRow = {
  option: TCP_INFO,
  name: 'TCP_INFO',
  only: 'stream',
  get: ({ tcp }, out) => (tcp === undefined ? 0 : writeOctets(out, encodeInfo(tcp))),
};

/** ~0: no bound on the rate, and no round trip measured yet. */
const UNLIMITED = new Uint8Array(8).fill(0xff);
const NO_ROUND_TRIP = 0xffff_ffff;
/** TCP_INFINITE_REORDERING's opposite: how many duplicate ACKs tell of a loss. */
const REORDERING = 3;
const FIRST_WINDOW = 10;
const U16_MAX = 0xffff;
const U32_MAX = 0xffff_ffff;

type Put = (field: keyof typeof tcpInfo.fields, value: number) => void;

/** Explicit congestion notification and reordering are not looked for here, so what counts them stays 0; so does `rcv_rtt`, which Linux measures where timestamps do not. */
function encodeInfo(endpoint: TcpEndpoint): Uint8Array {
  const out = new Uint8Array(tcpInfo.size);
  const put: Put = (field, value) =>
    tcpInfo.fields[field].put(out, tcpInfo.offset[field], Math.min(value, maxOf(field)));
  const info = endpoint.info();
  const { pacingRate } = endpoint.settings;
  for (const field of ['pacing_rate', 'max_pacing_rate'] as const) {
    if (pacingRate === Number.POSITIVE_INFINITY) out.set(UNLIMITED, tcpInfo.offset[field]);
    else put(field, pacingRate);
  }
  put('state', STATE[info.state]);
  put('reordering', REORDERING);
  if (info.state === 'LISTEN') {
    put('snd_cwnd', FIRST_WINDOW);
    put('unacked', endpoint.acceptable);
    put('sacked', info.backlog);
    return out;
  }
  putState(put, info);
  putTimes(put, info);
  putTotals(put, info.totals);
  put('notsent_bytes', endpoint.unsent);
  return out;
}
const maxOf = (field: keyof typeof tcpInfo.fields): number => {
  const { size } = tcpInfo.fields[field];
  if (size === 1) return 0xff;
  if (size === 2) return U16_MAX;
  return size === 4 ? U32_MAX : Number.MAX_SAFE_INTEGER;
};
function putState(put: Put, info: TcpInfo): void {
  put('ca_state', caState(info));
  put('retransmits', info.timeouts);
  put('probes', info.keepAliveProbes);
  put('backoff', info.backoff);
  put('options', negotiated(info));
  if (info.windowScale) put('wscale', info.sendShift | (info.receiveShift << 4));
  put('flags', info.totals.isAppLimited ? 1 : 0);
  put('snd_mss', info.sendMss);
  put('rcv_mss', info.receiveMss);
  put('advmss', info.announcedMss);
  put('unacked', info.segmentsInFlight);
  put('sacked', info.segmentsSacked);
  put('lost', info.segmentsLost);
  put('retrans', info.segmentsResent);
  put('pmtu', info.pathMtu);
  put('rcv_ssthresh', info.receiveLimit);
  put('rcv_space', info.receiveSpace);
  put('snd_ssthresh', info.slowStartThreshold);
  put('snd_cwnd', info.congestionWindow);
  put('snd_wnd', info.sendWindow);
  put('rcv_wnd', info.receiveWindow);
}
/** Milliseconds where it says "last". */
function putTimes(put: Put, info: TcpInfo): void {
  put('rto', info.retransmissionTimeout);
  put('ato', info.acknowledgmentDelay);
  put('last_data_sent', Math.floor(info.sinceSend / 1000));
  put('last_data_recv', Math.floor(info.sinceReceive / 1000));
  put('last_ack_recv', Math.floor(info.sinceAck / 1000));
  put('rtt', info.smoothedRoundTrip);
  put('rttvar', info.roundTripVariance);
  put('min_rtt', info.leastRoundTrip || NO_ROUND_TRIP);
}
function putTotals(put: Put, totals: TcpTotals): void {
  put('total_retrans', totals.retransmissions);
  put('bytes_acked', totals.bytesAcked);
  put('bytes_received', totals.bytesReceived);
  put('segs_out', totals.segmentsOut);
  put('segs_in', totals.segmentsIn);
  put('data_segs_in', totals.dataSegmentsIn);
  put('data_segs_out', totals.dataSegmentsOut);
  put('delivery_rate', totals.deliveryRate);
  put('busy_time', totals.busyTime);
  put('rwnd_limited', totals.windowLimitedTime);
  put('sndbuf_limited', totals.bufferLimitedTime);
  put('delivered', totals.delivered);
  put('bytes_sent', totals.bytesSent);
  put('bytes_retrans', totals.bytesRetransmitted);
  put('dsack_dups', totals.duplicateReports);
  put('rcv_ooopack', totals.outOfOrder);
  put('total_rto', totals.timeouts);
  put('total_rto_recoveries', totals.timeoutRecoveries);
  put('total_rto_time', Math.floor(totals.timeoutTime / 1000));
}
function caState(info: TcpInfo): number {
  if (info.timeouts > 0) return TCP_CA_Loss;
  if (info.inRecovery) return TCP_CA_Recovery;
  return info.isDisordered ? TCP_CA_Disorder : TCP_CA_Open;
}
const negotiated = (info: TcpInfo): number =>
  (info.timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
  (info.sack ? TCPI_OPT_SACK : 0) |
  (info.windowScale ? TCPI_OPT_WSCALE : 0);
