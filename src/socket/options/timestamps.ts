/**
 * SOL_SOCKET: SO_TIMESTAMP, SO_TIMESTAMPNS and SO_TIMESTAMPING, each under its old number and its *_NEW one (net/core/sock.c sock_set_timestamp and
 * sock_set_timestamping). The former two exclude one another; which name was used last says how all control messages are called.
 *
 * No link here has a clock of its own, so what asks for hardware is taken and never happens, as on any such Linux host.
 */
import { Errno } from '../../abi/errno.ts';
import {
  SO_TIMESTAMP,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMPING,
  SO_TIMESTAMPING_NEW,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { i32 } from '../../abi/struct.ts';
import {
  SOF_TIMESTAMPING_BIND_PHC,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID_TCP,
  SOF_TIMESTAMPING_OPT_STATS,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_TX_ACK,
  SOF_TIMESTAMPING_TX_COMPLETION,
  SOF_TIMESTAMPING_TX_SCHED,
  SOF_TIMESTAMPING_TX_SOFTWARE,
} from '../../abi/timestamping.ts';
import { flag, type OptionRow, writeOctets } from './row.ts';
import type { OptionTarget, TimestampKind } from './target.ts';

/** SOF_TIMESTAMPING_MASK. */
const MASK = SOF_TIMESTAMPING_TX_COMPLETION * 2 - 1;

/** Times of what is sent come by the error queue, which streams do not have here. */
const OF_SENDING =
  SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_TX_COMPLETION;

function reads({ options }: OptionTarget, kind: TimestampKind, isNew: boolean): boolean {
  if (options.timestamp === 'none' || options.timestampNew !== isNew) return false;
  // SO_TIMESTAMP_NEW does not look at the unit.
  return options.timestamp === kind || (isNew && kind === 'microseconds');
}
const timestamp = (option: number, name: string, kind: TimestampKind, isNew: boolean): OptionRow =>
  flag(
    SOL_SOCKET,
    option,
    name,
    (socket) => reads(socket, kind, isNew),
    ({ options }, on) => {
      options.timestamp = on ? kind : 'none';
      if (on) options.timestampNew = isNew;
    },
  );

function timestampingRefusal({ options, tcp }: OptionTarget, flags: number): number {
  if ((flags & ~MASK) !== 0) return -Errno.EINVAL;
  if ((flags & SOF_TIMESTAMPING_OPT_ID_TCP) !== 0 && (flags & SOF_TIMESTAMPING_OPT_ID) === 0) return -Errno.EINVAL;
  const startsIds =
    (flags & SOF_TIMESTAMPING_OPT_ID) !== 0 && (options.timestampingFlags & SOF_TIMESTAMPING_OPT_ID) === 0;
  // The ids of a stream count from an octet that has to be known.
  if (startsIds && (tcp?.state === 'CLOSED' || tcp?.state === 'LISTEN')) return -Errno.EINVAL;
  if ((flags & SOF_TIMESTAMPING_OPT_STATS) !== 0 && (flags & SOF_TIMESTAMPING_OPT_TSONLY) === 0) return -Errno.EINVAL;
  if (tcp !== undefined && (flags & OF_SENDING) !== 0) return -Errno.EOPNOTSUPP;
  return (flags & SOF_TIMESTAMPING_BIND_PHC) === 0 ? 0 : -Errno.EOPNOTSUPP;
}
const timestamping = (option: number, name: string, isNew: boolean): OptionRow => ({
  option,
  name,
  note: 'by software alone; of what is sent, on datagram sockets alone',
  get: ({ options }, out) => {
    i32.put(scratch, 0, isNew && !options.timestampNew ? 0 : options.timestampingFlags);
    i32.put(scratch, 4, 0);
    return writeOctets(out, scratch);
  },
  set: (socket, value) => {
    if (value.length < i32.size) return -Errno.EINVAL;
    const flags = i32.get(value, 0);
    const error = timestampingRefusal(socket, flags);
    if (error !== 0) return error;
    socket.options.timestampingFlags = flags;
    socket.options.timestampNew = isNew;
    socket.optionsChanged();
    return 0;
  },
});
/** `struct so_timestamping`: flags, bind_phc. */
const scratch = new Uint8Array(8);

export const TIMESTAMP_ROWS: readonly OptionRow[] = [
  timestamp(SO_TIMESTAMP, 'SO_TIMESTAMP', 'microseconds', false),
  timestamp(SO_TIMESTAMP_NEW, 'SO_TIMESTAMP_NEW', 'microseconds', true),
  timestamp(SO_TIMESTAMPNS, 'SO_TIMESTAMPNS', 'nanoseconds', false),
  timestamp(SO_TIMESTAMPNS_NEW, 'SO_TIMESTAMPNS_NEW', 'nanoseconds', true),
  timestamping(SO_TIMESTAMPING, 'SO_TIMESTAMPING', false),
  timestamping(SO_TIMESTAMPING_NEW, 'SO_TIMESTAMPING_NEW', true),
];
