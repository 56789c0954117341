/** SOL_TCP: tcp(7), net/ipv4/tcp.c do_tcp_setsockopt and do_tcp_getsockopt. */
import { Errno } from '../../abi/errno.ts';
import { SOL_TCP } from '../../abi/socket.ts';
import {
  TCP_CC_INFO,
  TCP_CONGESTION,
  TCP_CORK,
  TCP_DEFER_ACCEPT,
  TCP_DELACK_MAX_US,
  TCP_INQ,
  TCP_IS_MPTCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_LINGER2,
  TCP_MAXSEG,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
  TCP_QUICKACK,
  TCP_RTO_MAX_MS,
  TCP_RTO_MIN_US,
  TCP_SAVE_SYN,
  TCP_SAVED_SYN,
  TCP_SYNCNT,
  TCP_THIN_DUPACK,
  TCP_THIN_LINEAR_TIMEOUTS,
  TCP_TIMESTAMP,
  TCP_TX_DELAY,
  TCP_USER_TIMEOUT,
  TCP_WINDOW_CLAMP,
} from '../../abi/transport.ts';
import type { CongestionName, TcpEndpoint, TcpSettings } from '../../netstack/endpoint.ts';
import { FAST_OPEN_ROWS } from './fast-open.ts';
import { int, type OptionRow, writeOctets } from './row.ts';
import type { OptionTarget } from './target.ts';
import { INFO_ROW } from './tcp-info.ts';
import { REFUSED_ROWS } from './tcp-refused.ts';

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
/** Bounds of TCP_RTO_MAX_MS, and of TCP_RTO_MIN_US and TCP_DELACK_MAX_US, which are kept in ticks of CONFIG_HZ 250 and are two at least (TCP_TIMEOUT_MIN). */
const RTO_MAX_MS_MIN = 1000;
const RTO_MAX_MS_MAX = 120_000;
const TICK_US = 4000;
const TIMEOUT_MIN_US = 2 * TICK_US;
const TIMEOUT_MAX_US = 200_000;
/** Of TCP_TX_DELAY: eight times a round-trip time has to fit 31 bits. */
const TRANSMIT_DELAY_MAX = 1 << 28;
/** TCP_CA_NAME_MAX. */
const CONGESTION_NAME = 16;
/** Both are anyone's (net.ipv4.tcp_allowed_congestion_control). */
const CONGESTIONS: readonly CongestionName[] = ['cubic', 'reno'];

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

/** 0 or 1, and nothing else. */
const strictFlag = (
  option: number,
  name: string,
  get: (socket: OptionTarget) => boolean,
  set: (socket: OptionTarget, on: boolean) => void,
  note?: string,
): OptionRow =>
  int(SOL_TCP, option, name, {
    only: 'stream',
    ...(note === undefined ? {} : { note }),
    get: (socket) => (get(socket) ? 1 : 0),
    set: (socket, value) => {
      if (value !== 0 && value !== 1) return -Errno.EINVAL;
      set(socket, value === 1);
      return 0;
    },
  });

/** A time kept in ticks, rounded up. */
const ticks = (us: number): number => Math.ceil(us / TICK_US) * TICK_US;
const tickSetting = (
  option: number,
  name: string,
  get: (settings: TcpSettings) => number,
  set: (settings: TcpSettings, us: number) => void,
): OptionRow =>
  setting(option, name, get, (settings, value) => {
    const us = ticks(value);
    if (us < TIMEOUT_MIN_US || us > TIMEOUT_MAX_US) return -Errno.EINVAL;
    set(settings, us);
    return 0;
  });

/** The headers of the SYN: told once, and only to who has room for them all. */
const savedSyn: OptionRow = {
  option: TCP_SAVED_SYN,
  name: 'TCP_SAVED_SYN',
  only: 'stream',
  get: ({ tcp }, out) => {
    const syn = tcp?.savedSyn;
    if (tcp === undefined || syn === undefined) return 0;
    // Longer than the room: the guest is told the length, and EINVAL (syscalls/handlers/options.ts).
    if (out.length < syn.length) return syn.length;
    tcp.forgetSavedSyn();
    return writeOctets(out, syn);
  },
};

const unconnected = (endpoint: TcpEndpoint): boolean => endpoint.state === 'CLOSED' || endpoint.state === 'LISTEN';

const anyName = (octets: number): number => (octets === 0 ? -Errno.EINVAL : 0);
const congestion: OptionRow = {
  option: TCP_CONGESTION,
  name: 'TCP_CONGESTION',
  only: 'stream',
  lengths: anyName,
  get: ({ tcp }, out) => {
    const name = new Uint8Array(CONGESTION_NAME);
    const text = tcp?.settings.congestion ?? '';
    for (let i = 0; i < text.length; i++) name[i] = text.charCodeAt(i);
    return writeOctets(out, name);
  },
  set: (socket, value) => {
    if (value.length < 1) return -Errno.EINVAL;
    const octets = value.subarray(0, CONGESTION_NAME - 1);
    const end = octets.indexOf(0);
    const name = String.fromCharCode(...(end < 0 ? octets : octets.subarray(0, end)));
    const chosen = CONGESTIONS.find((one) => one === name);
    if (chosen === undefined) return -Errno.ENOENT;
    if (socket.tcp !== undefined) socket.tcp.settings.congestion = chosen;
    socket.optionsChanged();
    return 0;
  },
};

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
    (s, { state }) => s.windowClamp || (state === 'CLOSED' || state === 'LISTEN' ? 0 : s.receiveBuffer >> 1),
    (s, value, endpoint) => {
      if (value === 0 && endpoint.state !== 'CLOSED') return -Errno.EINVAL;
      s.windowClamp = value === 0 ? 0 : Math.max(value, WINDOW_CLAMP_MIN);
      return 0;
    },
  ),
  setting(
    TCP_QUICKACK,
    'TCP_QUICKACK',
    (_, tcp) => (tcp.pingPong ? 0 : 1),
    (_, value, tcp) => tcp.quickAcknowledge(value),
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
  strictFlag(
    TCP_THIN_LINEAR_TIMEOUTS,
    'TCP_THIN_LINEAR_TIMEOUTS',
    ({ tcp }) => tcp?.settings.thinLinear === true,
    ({ tcp }, on) => {
      if (tcp !== undefined) tcp.settings.thinLinear = on;
    },
  ),
  strictFlag(
    TCP_THIN_DUPACK,
    'TCP_THIN_DUPACK',
    () => false,
    () => undefined,
    'ignored since Linux 4.16',
  ),
  setting(
    TCP_NOTSENT_LOWAT,
    'TCP_NOTSENT_LOWAT',
    (s) => s.notSentLowWater | 0,
    (s, value) => {
      s.notSentLowWater = value >>> 0;
    },
  ),
  setting(
    TCP_SAVE_SYN,
    'TCP_SAVE_SYN',
    (s) => s.saveSyn,
    (s, value) => {
      s.saveSyn = value;
    },
    0,
    2,
  ),
  savedSyn,
  int(SOL_TCP, TCP_TIMESTAMP, 'TCP_TIMESTAMP', {
    only: 'stream',
    note: 'read; to set it is to repair a connection: EPERM',
    get: ({ tcp }) => tcp?.timestamp ?? 0,
    set: () => -Errno.EPERM,
  }),
  strictFlag(
    TCP_INQ,
    'TCP_INQ',
    ({ options }) => options.receiveInq,
    ({ options }, on) => {
      options.receiveInq = on;
    },
  ),
  int(SOL_TCP, TCP_TX_DELAY, 'TCP_TX_DELAY', {
    only: 'stream',
    note: 'kept; it takes the fq queueing discipline, which no link here has',
    get: ({ options }) => options.transmitDelayUs,
    set: ({ options }, value) => {
      if (value < 0 || value >= TRANSMIT_DELAY_MAX) return -Errno.EINVAL;
      options.transmitDelayUs = value;
      return 0;
    },
  }),
  int(SOL_TCP, TCP_IS_MPTCP, 'TCP_IS_MPTCP', { only: 'stream', get: () => 0 }),
  setting(
    TCP_RTO_MAX_MS,
    'TCP_RTO_MAX_MS',
    (s) => s.rtoMaxMs,
    (s, value) => {
      s.rtoMaxMs = ticks(value * 1000) / 1000;
    },
    RTO_MAX_MS_MIN,
    RTO_MAX_MS_MAX,
  ),
  tickSetting(
    TCP_RTO_MIN_US,
    'TCP_RTO_MIN_US',
    (s) => s.rtoMinUs,
    (s, us) => {
      s.rtoMinUs = us;
    },
  ),
  tickSetting(
    TCP_DELACK_MAX_US,
    'TCP_DELACK_MAX_US',
    (s) => s.delayedAckMaxUs,
    (s, us) => {
      s.delayedAckMaxUs = us;
    },
  ),
  congestion,
  // Neither of the two has anything to tell (tcp_congestion_ops.get_info).
  { option: TCP_CC_INFO, name: 'TCP_CC_INFO', only: 'stream', get: () => 0 },
  INFO_ROW,
  ...FAST_OPEN_ROWS,
  ...REFUSED_ROWS,
];
