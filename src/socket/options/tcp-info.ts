/** SOL_TCP: what a connection tells of itself. TCP_INFO (`struct tcp_info` of Linux 6.18, net/ipv4/tcp.c tcp_get_info). */
import { tcpInfo } from '../../abi/sockopt.ts';
import {
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
import type { TcpEndpoint, TcpInfo, TcpState } from '../../netstack/endpoint.ts';
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

export const INFO_ROW: OptionRow = {
  option: TCP_INFO,
  name: 'TCP_INFO',
  only: 'stream',
  get: ({ tcp }, out) => (tcp === undefined ? 0 : writeOctets(out, encodeInfo(tcp))),
};

/** What the endpoint knows; the rest reads 0, as for a kernel older than the field. */
function encodeInfo(endpoint: TcpEndpoint): Uint8Array {
  const out = new Uint8Array(tcpInfo.size);
  const put = (field: keyof typeof tcpInfo.fields, value: number): void =>
    tcpInfo.fields[field].put(out, tcpInfo.offset[field], value);
  const info = endpoint.info();
  put('state', STATE[info.state]);
  if (info.state === 'LISTEN') {
    put('unacked', endpoint.acceptable);
    return out;
  }
  put('ca_state', caState(info));
  put('retransmits', Math.min(info.timeouts, 255));
  put('probes', Math.min(info.keepAliveProbes, 255));
  put('backoff', info.backoff);
  put('options', negotiated(info));
  if (info.windowScale) put('wscale', info.sendShift | (info.receiveShift << 4));
  put('rto', info.retransmissionTimeout);
  put('snd_mss', info.sendMss);
  put('rcv_mss', info.receiveMss);
  put('unacked', info.segmentsInFlight);
  put('sacked', info.segmentsSacked);
  put('last_data_sent', Math.floor(info.sinceSend / 1000));
  put('last_data_recv', Math.floor(info.sinceReceive / 1000));
  put('pmtu', info.pathMtu);
  put('rtt', info.smoothedRoundTrip);
  put('rttvar', info.roundTripVariance);
  put('min_rtt', info.leastRoundTrip);
  put('snd_ssthresh', info.slowStartThreshold);
  put('snd_cwnd', info.congestionWindow);
  put('notsent_bytes', endpoint.unsent);
  put('snd_wnd', info.sendWindow);
  put('rcv_wnd', info.receiveWindow);
  return out;
}
function caState(info: TcpInfo): number {
  if (info.timeouts > 0) return TCP_CA_Loss;
  return info.inRecovery ? TCP_CA_Recovery : TCP_CA_Open;
}
const negotiated = (info: TcpInfo): number =>
  (info.timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
  (info.sack ? TCPI_OPT_SACK : 0) |
  (info.windowScale ? TCPI_OPT_WSCALE : 0);
