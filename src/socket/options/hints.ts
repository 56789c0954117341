/**
 * SOL_SOCKET: options that Linux keeps and hands back, and whose effect, where there is one, lies in hardware, queueing disciplines or policy routing. There is nothing of that kind
 * behind the links of a sandbox, as there is not behind Linux's own loopback: the value is kept, and nothing that a program can observe depends on it. The ranges
 * and capabilities are the kernel's (net/core/sock.c sk_setsockopt).
 */
import { Errno } from '../../abi/errno.ts';
import {
  SO_BPF_EXTENSIONS,
  SO_BSDCOMPAT,
  SO_BUSY_POLL,
  SO_BUSY_POLL_BUDGET,
  SO_CNX_ADVICE,
  SO_DEBUG,
  SO_INCOMING_CPU,
  SO_INCOMING_NAPI_ID,
  SO_MARK,
  SO_NOFCS,
  SO_PREFER_BUSY_POLL,
  SO_PRIORITY,
  SO_RCVMARK,
  SO_RCVPRIORITY,
  SO_RXQ_OVFL,
  SO_SELECT_ERR_QUEUE,
  SO_TXREHASH,
  SO_TXTIME,
  SO_WIFI_STATUS,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { sockTxtime } from '../../abi/timestamping.ts';
import type { Credentials } from '../credentials.ts';
import { flag, int, type OptionRow, writeOctets } from './row.ts';
import type { OptionState, OptionTarget } from './target.ts';

/** SKF_AD_MAX: the classic BPF extensions that filters may use (bpf_tell_extensions). */
const BPF_EXTENSIONS = 64;
/** NAPI_POLL_WEIGHT / 8, busy_poll_budget's default: more wants a capability. */
const BUSY_POLL_BUDGET = 8;
const U16_MAX = 0xffff;
/** Priorities that anyone may take. */
const PRIORITY_MAX = 6;
const SOF_TXTIME_FLAGS = 3;

function keep(options: OptionState, option: number, value: number): void {
  options.kept ??= new Map();
  options.kept.set(option, value);
}
const kept = (options: OptionState, option: number, initial: number): number => options.kept?.get(option) ?? initial;

/** 0 or 1. */
const onOff = (
  option: number,
  name: string,
  note: string,
  refusal: (on: boolean, credentials: Credentials) => number = () => 0,
): OptionRow =>
  int(SOL_SOCKET, option, name, {
    note,
    get: ({ options }) => kept(options, option, 0),
    set: ({ options }, value, credentials) => {
      const error = refusal(value !== 0, credentials);
      if (error === 0) keep(options, option, value === 0 ? 0 : 1);
      return error;
    },
  });

const isConnected = ({ tcp }: OptionTarget): boolean =>
  tcp !== undefined && tcp.state !== 'CLOSED' && tcp.state !== 'LISTEN';

const txTime: OptionRow = {
  option: SO_TXTIME,
  name: 'SO_TXTIME',
  note: 'kept; Linux sends at a given time where a queueing discipline does (etf, fq), and no link here has one',
  get: ({ options }, out) => {
    sockTxtime.put(scratch, 0, { clockid: options.txTimeClock, flags: Math.max(options.txTimeFlags, 0) });
    return writeOctets(out, scratch);
  },
  set: ({ options }, value, { netAdmin }) => {
    if (value.length !== sockTxtime.size) return -Errno.EINVAL;
    const { clockid, flags } = sockTxtime.decode(value);
    if ((flags & ~SOF_TXTIME_FLAGS) !== 0) return -Errno.EINVAL;
    // CLOCK_MONOTONIC is anyone's.
    if (clockid !== 1 && !netAdmin) return -Errno.EPERM;
    options.txTimeClock = clockid;
    options.txTimeFlags = flags;
    return 0;
  },
};
const scratch = new Uint8Array(sockTxtime.size);

export const HINT_ROWS: readonly OptionRow[] = [
  onOff(SO_DEBUG, 'SO_DEBUG', 'kept; no kernel records anything by it since 2.6', (on, { netAdmin }) =>
    on && !netAdmin ? -Errno.EACCES : 0,
  ),
  int(SOL_SOCKET, SO_PRIORITY, 'SO_PRIORITY', {
    note: "told by SO_RCVPRIORITY; links here have one queue, as Linux's loopback, so nothing overtakes by it",
    get: ({ options }) => options.priority,
    set: ({ options }, value, { netAdmin, netRaw }) => {
      if ((value < 0 || value > PRIORITY_MAX) && !netAdmin && !netRaw) return -Errno.EPERM;
      options.priority = value;
      return 0;
    },
  }),
  int(SOL_SOCKET, SO_MARK, 'SO_MARK', {
    note: 'told by SO_RCVMARK and to filters; there are no rules to route by it',
    get: ({ options }) => options.mark,
    set: ({ options }, value, { netAdmin, netRaw }) => {
      if (!netAdmin && !netRaw) return -Errno.EPERM;
      options.mark = value;
      return 0;
    },
  }),
  flag(
    SOL_SOCKET,
    SO_RCVMARK,
    'SO_RCVMARK',
    ({ options }) => options.receiveMark,
    ({ options }, on) => {
      options.receiveMark = on;
    },
  ),
  flag(
    SOL_SOCKET,
    SO_RCVPRIORITY,
    'SO_RCVPRIORITY',
    ({ options }) => options.receivePriority,
    ({ options }, on) => {
      options.receivePriority = on;
    },
  ),
  flag(
    SOL_SOCKET,
    SO_RXQ_OVFL,
    'SO_RXQ_OVFL',
    ({ options }) => options.receiveDrops,
    ({ options }, on) => {
      options.receiveDrops = on;
    },
  ),
  flag(
    SOL_SOCKET,
    SO_SELECT_ERR_QUEUE,
    'SO_SELECT_ERR_QUEUE',
    ({ options }) => options.selectErrorQueue,
    ({ options }, on) => {
      options.selectErrorQueue = on;
    },
  ),
  int(SOL_SOCKET, SO_BSDCOMPAT, 'SO_BSDCOMPAT', {
    note: 'ignored since Linux 2.2',
    get: () => 0,
    set: () => 0,
  }),
  onOff(SO_WIFI_STATUS, 'SO_WIFI_STATUS', 'kept; no link here is wireless, so no frame has a status to be told'),
  onOff(
    SO_NOFCS,
    'SO_NOFCS',
    'kept; it is about frames of AF_PACKET that leave without a checksum, and there are none',
  ),
  // Unprivileged since Linux 6.x, measured.
  int(SOL_SOCKET, SO_BUSY_POLL, 'SO_BUSY_POLL', {
    note: 'kept; Linux polls devices that offer it, and no link here does',
    get: ({ options }) => kept(options, SO_BUSY_POLL, 0),
    set: ({ options }, value) => {
      if (value < 0) return -Errno.EINVAL;
      keep(options, SO_BUSY_POLL, value);
      return 0;
    },
  }),
  onOff(
    SO_PREFER_BUSY_POLL,
    'SO_PREFER_BUSY_POLL',
    'kept; Linux polls devices that offer it, and no link here does',
    (on, { netAdmin }) => (on && !netAdmin ? -Errno.EPERM : 0),
  ),
  int(SOL_SOCKET, SO_BUSY_POLL_BUDGET, 'SO_BUSY_POLL_BUDGET', {
    note: 'kept; Linux polls devices that offer it, and no link here does',
    set: ({ options }, value, { netAdmin }) => {
      if (value > kept(options, SO_BUSY_POLL_BUDGET, BUSY_POLL_BUDGET) && !netAdmin) return -Errno.EPERM;
      if (value < 0 || value > U16_MAX) return -Errno.EINVAL;
      keep(options, SO_BUSY_POLL_BUDGET, value);
      return 0;
    },
  }),
  int(SOL_SOCKET, SO_BPF_EXTENSIONS, 'SO_BPF_EXTENSIONS', { get: () => BPF_EXTENSIONS }),
  int(SOL_SOCKET, SO_INCOMING_CPU, 'SO_INCOMING_CPU', {
    note: 'kept; one processor receives all there is, so no socket of a port that several share is nearer to it than another',
    get: (socket) => kept(socket.options, SO_INCOMING_CPU, isConnected(socket) ? 0 : -1),
    set: ({ options }, value) => keep(options, SO_INCOMING_CPU, value),
  }),
  int(SOL_SOCKET, SO_INCOMING_NAPI_ID, 'SO_INCOMING_NAPI_ID', { note: 'no link here can be polled', get: () => 0 }),
  int(SOL_SOCKET, SO_CNX_ADVICE, 'SO_CNX_ADVICE', {
    note: 'there is one way to each destination, so advice to look for another finds none',
    set: () => 0,
  }),
  int(SOL_SOCKET, SO_TXREHASH, 'SO_TXREHASH', {
    mayLack: true,
    note: 'kept; another hash after a timeout is to find another way, and there is one to each destination',
    get: ({ options, tcp }) => (tcp === undefined ? -Errno.EOPNOTSUPP : kept(options, SO_TXREHASH, 1)),
    set: ({ options, tcp }, value) => {
      if (tcp === undefined) return -Errno.EOPNOTSUPP;
      if (value < -1 || value > 1) return -Errno.EINVAL;
      // -1 asks for the default, net.core.txrehash.
      keep(options, SO_TXREHASH, value === -1 ? 1 : value);
      return 0;
    },
  }),
  txTime,
];
