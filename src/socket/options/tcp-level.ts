/** SOL_TCP: tcp(7), net/ipv4/tcp.c do_tcp_setsockopt and do_tcp_getsockopt. */
import { Errno } from '../../abi/errno.ts';
import { SOL_TCP } from '../../abi/socket.ts';
import { tcpInfo } from '../../abi/sockopt.ts';
import {
  TCP_CA_Loss,
  TCP_CA_Open,
  TCP_CA_Recovery,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_CONGESTION,
  TCP_CORK,
  TCP_DEFER_ACCEPT,
  TCP_ESTABLISHED,
  TCP_FASTOPEN,
  TCP_FASTOPEN_CONNECT,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_INFO,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_LAST_ACK,
  TCP_LINGER2,
  TCP_LISTEN,
  TCP_MAXSEG,
  TCP_NODELAY,
  TCP_QUICKACK,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_SYNCNT,
  TCP_USER_TIMEOUT,
  TCP_WINDOW_CLAMP,
  TCPI_OPT_SACK,
  TCPI_OPT_TIMESTAMPS,
  TCPI_OPT_WSCALE,
} from '../../abi/transport.ts';
import type { TcpEndpoint, TcpInfo, TcpSettings, TcpState } from '../../netstack/endpoint.ts';
import { int, type OptionRow, writeOctets } from './row.ts';

/** TCP_MIN_MSS and MAX_TCP_WINDOW (include/net/tcp.h). */
const MSS_MIN = 88;
const MSS_MAX = 32_767;
/** TCP_MSS_DEFAULT: what a socket shows that has no route yet. */
const MSS_UNKNOWN = 536;
/** MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL; MAX_TCP_KEEPCNT and MAX_TCP_SYNCNT. */
const SECONDS_MAX = 32_767;
const COUNT_MAX = 127;
/** tcp_fin_timeout, and the most an orphan may be given. */
const LINGER2_DEFAULT = 60;
const LINGER2_MAX = 120;
/** SOCK_MIN_RCVBUF / 2. */
const WINDOW_CLAMP_MIN = 1152;
/** First retransmission timeout and its ceiling, seconds: what TCP_DEFER_ACCEPT counts in. */
const RTO_FIRST = 1;
const RTO_MAX = 120;
const RETRANSMISSIONS_MAX = 255;
/** TCP_CA_NAME_MAX. */
const CONGESTION_NAME = 16;
/** The one congestion control this stack has (RFC 5681 with NewReno's recovery, RFC 6582). */
const CONGESTION = 'reno';

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

/**
 * The time TCP_DEFER_ACCEPT has: the one asked for, rounded up to a sum of doubling retransmission timeouts
 * (secs_to_retrans and back), so 5 reads as 7 and 60 as 63.
 */
export function deferAcceptSeconds(asked: number): number {
  if (asked <= 0) return 0;
  let timeout = RTO_FIRST;
  let period = timeout;
  for (let count = 1; asked > period && count < RETRANSMISSIONS_MAX; count++) {
    timeout = Math.min(timeout * 2, RTO_MAX);
    period += timeout;
  }
  return period;
}

function linger2Seconds(asked: number): number {
  if (asked < 0) return -1;
  return asked === 0 ? LINGER2_DEFAULT : Math.min(asked, LINGER2_MAX);
}

/** An int kept in the settings of the endpoint, within bounds (EINVAL outside). */
const setting = (
  option: number,
  name: string,
  get: (settings: TcpSettings, endpoint: TcpEndpoint) => number,
  set: (settings: TcpSettings, value: number, endpoint: TcpEndpoint) => number | void,
  min = -0x8000_0000,
  max = 0x7fff_ffff,
): OptionRow =>
  int(SOL_TCP, option, name, {
    only: 'stream',
    get: ({ tcp }) => (tcp === undefined ? 0 : get(tcp.settings, tcp)),
    set: ({ tcp }, value) => {
      if (tcp === undefined || value < min || value > max) return -Errno.EINVAL;
      return set(tcp.settings, value, tcp);
    },
  });

const unconnected = (endpoint: TcpEndpoint): boolean => endpoint.state === 'CLOSED' || endpoint.state === 'LISTEN';

const congestion: OptionRow = {
  option: TCP_CONGESTION,
  name: 'TCP_CONGESTION',
  only: 'stream',
  get: (_socket, out) => {
    const name = new Uint8Array(CONGESTION_NAME);
    for (let i = 0; i < CONGESTION.length; i++) name[i] = CONGESTION.charCodeAt(i);
    return writeOctets(out, name);
  },
  set: (_socket, value) => {
    if (value.length < 1) return -Errno.EINVAL;
    const octets = value.subarray(0, CONGESTION_NAME - 1);
    const end = octets.indexOf(0);
    const name = String.fromCharCode(...(end < 0 ? octets : octets.subarray(0, end)));
    return name === CONGESTION ? 0 : -Errno.ENOENT;
  },
};

const infoRow: OptionRow = {
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

/** Refused as by a kernel whose net.ipv4.tcp_fastopen is 0. */
const noFastOpen = (option: number, name: string): OptionRow => ({
  option,
  name,
  only: 'stream',
  set: (_socket, value) => (value.length < 4 ? -Errno.EINVAL : -Errno.EOPNOTSUPP),
});

export const TCP_LEVEL: readonly OptionRow[] = [
  setting(
    TCP_NODELAY,
    'TCP_NODELAY',
    (s) => (s.noDelay ? 1 : 0),
    (s, value) => {
      s.noDelay = value !== 0;
    },
  ),
  setting(
    TCP_MAXSEG,
    'TCP_MAXSEG',
    (s, endpoint) => (unconnected(endpoint) ? s.maxSegment || MSS_UNKNOWN : endpoint.segmentPayload),
    (s, value) => {
      if (value !== 0 && value < MSS_MIN) return -Errno.EINVAL;
      s.maxSegment = value;
      return 0;
    },
    0,
    MSS_MAX,
  ),
  setting(
    TCP_CORK,
    'TCP_CORK',
    (s) => (s.cork ? 1 : 0),
    (s, value) => {
      s.cork = value !== 0;
    },
  ),
  setting(
    TCP_KEEPIDLE,
    'TCP_KEEPIDLE',
    (s) => s.keepIdleSeconds,
    (s, value) => {
      s.keepIdleSeconds = value;
    },
    1,
    SECONDS_MAX,
  ),
  setting(
    TCP_KEEPINTVL,
    'TCP_KEEPINTVL',
    (s) => s.keepIntervalSeconds,
    (s, value) => {
      s.keepIntervalSeconds = value;
    },
    1,
    SECONDS_MAX,
  ),
  setting(
    TCP_KEEPCNT,
    'TCP_KEEPCNT',
    (s) => s.keepCount,
    (s, value) => {
      s.keepCount = value;
    },
    1,
    COUNT_MAX,
  ),
  setting(
    TCP_SYNCNT,
    'TCP_SYNCNT',
    (s) => s.synRetries,
    (s, value) => {
      s.synRetries = value;
    },
    1,
    COUNT_MAX,
  ),
  setting(
    TCP_LINGER2,
    'TCP_LINGER2',
    (s) => s.linger2Seconds,
    (s, value) => {
      s.linger2Seconds = linger2Seconds(value);
    },
  ),
  setting(
    TCP_DEFER_ACCEPT,
    'TCP_DEFER_ACCEPT',
    (s) => s.deferAcceptSeconds,
    (s, value) => {
      s.deferAcceptSeconds = deferAcceptSeconds(value);
    },
  ),
  setting(
    TCP_WINDOW_CLAMP,
    'TCP_WINDOW_CLAMP',
    (s) => s.windowClamp,
    (s, value, endpoint) => {
      if (value === 0 && endpoint.state !== 'CLOSED') return -Errno.EINVAL;
      s.windowClamp = value === 0 ? 0 : Math.max(value, WINDOW_CLAMP_MIN);
      return 0;
    },
  ),
  setting(
    TCP_QUICKACK,
    'TCP_QUICKACK',
    (s) => (s.quickAck ? 1 : 0),
    (s, value) => {
      s.quickAck = value !== 0;
    },
  ),
  setting(
    TCP_USER_TIMEOUT,
    'TCP_USER_TIMEOUT',
    (s) => s.userTimeoutMs,
    (s, value) => {
      s.userTimeoutMs = value;
    },
    0,
  ),
  congestion,
  infoRow,
  noFastOpen(TCP_FASTOPEN, 'TCP_FASTOPEN'),
  noFastOpen(TCP_FASTOPEN_CONNECT, 'TCP_FASTOPEN_CONNECT'),
];
