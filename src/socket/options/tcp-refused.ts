/**
 * SOL_TCP: options for what this stack does not do, refused with the errno of a kernel built without it, or of one that was asked by a process without the right to. Each refusal is counted
 * and named in the report of a run.
 */
import { Errno } from '../../abi/errno.ts';
import { SOL_TCP } from '../../abi/socket.ts';
import {
  TCP_AO_ADD_KEY,
  TCP_AO_DEL_KEY,
  TCP_AO_GET_KEYS,
  TCP_AO_INFO,
  TCP_AO_REPAIR,
  TCP_MD5SIG,
  TCP_MD5SIG_EXT,
  TCP_QUEUE_SEQ,
  TCP_REPAIR,
  TCP_REPAIR_OPTIONS,
  TCP_REPAIR_QUEUE,
  TCP_REPAIR_WINDOW,
  TCP_ULP,
  TCP_ZEROCOPY_RECEIVE,
} from '../../abi/transport.ts';
import { int, isShort, type OptionRow, refused, refuseInt } from './row.ts';
import type { OptionTarget } from './target.ts';

const NO_KEYS = 'segments are not signed here (a kernel without CONFIG_TCP_MD5SIG)';
const NO_AO = 'segments are not signed here (a kernel without CONFIG_TCP_AO)';
const NO_REPAIR = 'a connection cannot be taken apart and rebuilt here: EPERM, as without CAP_NET_ADMIN';
/** Octets of `struct tcp_md5sig`. */
const MD5SIG = 216;
/** `struct tcp_repair_window`. */
const REPAIR_WINDOW = 20;

const stream = (row: OptionRow): OptionRow => ({ ...row, only: 'stream' });

const keys = (option: number, name: string): OptionRow => ({
  ...stream(refused(option, name, Errno.ENOPROTOOPT, NO_KEYS)),
  set: (_socket, value) => (value.length < MD5SIG ? -Errno.EINVAL : -Errno.ENOPROTOOPT),
});
const ao = (option: number, name: string): OptionRow => stream(refused(option, name, Errno.ENOPROTOOPT, NO_AO));

const isClosed = ({ tcp }: OptionTarget): boolean => tcp?.state === 'CLOSED';

export const REFUSED_ROWS: readonly OptionRow[] = [
  keys(TCP_MD5SIG, 'TCP_MD5SIG'),
  keys(TCP_MD5SIG_EXT, 'TCP_MD5SIG_EXT'),
  ao(TCP_AO_ADD_KEY, 'TCP_AO_ADD_KEY'),
  ao(TCP_AO_DEL_KEY, 'TCP_AO_DEL_KEY'),
  ao(TCP_AO_INFO, 'TCP_AO_INFO'),
  ao(TCP_AO_GET_KEYS, 'TCP_AO_GET_KEYS'),
  {
    option: TCP_AO_REPAIR,
    name: 'TCP_AO_REPAIR',
    only: 'stream',
    note: NO_AO,
    // tcp_can_repair_sock comes first.
    get: ({ tcp }, _out, credentials) =>
      tcp?.state === 'LISTEN' || credentials?.netAdmin !== true ? -Errno.EPERM : -Errno.ENOPROTOOPT,
    set: ({ tcp }, value, { netAdmin }) => {
      if (isShort(value)) return -Errno.EINVAL;
      return tcp?.state === 'LISTEN' || !netAdmin ? -Errno.EPERM : -Errno.ENOPROTOOPT;
    },
  },
  int(SOL_TCP, TCP_REPAIR, 'TCP_REPAIR', { only: 'stream', note: NO_REPAIR, get: () => 0, set: () => -Errno.EPERM }),
  {
    option: TCP_REPAIR_QUEUE,
    name: 'TCP_REPAIR_QUEUE',
    only: 'stream',
    note: NO_REPAIR,
    get: () => -Errno.EINVAL,
    set: refuseInt(Errno.EPERM),
  },
  {
    option: TCP_QUEUE_SEQ,
    name: 'TCP_QUEUE_SEQ',
    only: 'stream',
    note: NO_REPAIR,
    get: () => -Errno.EINVAL,
    // On a closed socket it asks which queue is being repaired, and none is.
    set: (socket, value) => (isShort(value) || isClosed(socket) ? -Errno.EINVAL : -Errno.EPERM),
  },
  {
    option: TCP_REPAIR_OPTIONS,
    name: 'TCP_REPAIR_OPTIONS',
    only: 'stream',
    note: NO_REPAIR,
    set: () => -Errno.EINVAL,
  },
  {
    option: TCP_REPAIR_WINDOW,
    name: 'TCP_REPAIR_WINDOW',
    only: 'stream',
    note: NO_REPAIR,
    get: (_socket, out) => (out.length === REPAIR_WINDOW ? -Errno.EPERM : -Errno.EINVAL),
    set: refuseInt(Errno.EPERM),
  },
  {
    option: TCP_ULP,
    name: 'TCP_ULP',
    only: 'stream',
    note: 'any name is ENOENT: there are no upper layer protocols (a kernel without CONFIG_TLS)',
    lengths: (octets) => (octets === 0 ? -Errno.EINVAL : 0),
    get: () => 0,
    set: (_socket, value) => (value.length === 0 ? -Errno.EINVAL : -Errno.ENOENT),
  },
  {
    option: TCP_ZEROCOPY_RECEIVE,
    name: 'TCP_ZEROCOPY_RECEIVE',
    only: 'stream',
    note: 'what is received is always copied (a kernel without CONFIG_MMU)',
    get: () => -Errno.ENOPROTOOPT,
  },
];
