/** SOL_SOCKET: socket(7), net/core/sock.c sk_setsockopt and sk_getsockopt. The files beside this one hold the options of one concern each. */
import { Errno } from '../../abi/errno.ts';
import {
  SO_BROADCAST,
  SO_DEVMEM_DONTNEED,
  SO_KEEPALIVE,
  SO_NO_CHECK,
  SO_OOBINLINE,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_ZEROCOPY,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { BUFFER_ROWS } from './buffers.ts';
import { DEVICE_ROWS } from './device.ts';
import { FILTER_ROWS } from './filter.ts';
import { HINT_ROWS } from './hints.ts';
import { PACING_ROW } from './pacing.ts';
import { PEEK_ROW } from './peek.ts';
import { PEER_ROWS } from './peer.ts';
import { flag, int, type OptionRow } from './row.ts';
import { TIMEOUT_ROWS } from './timeouts.ts';
import { TIMESTAMP_ROWS } from './timestamps.ts';

/** `struct dmabuf_token`, and how many of them one call may give back. */
const TOKEN = 8;
const TOKENS_MAX = 128;

const devmemDontNeed: OptionRow = {
  option: SO_DEVMEM_DONTNEED,
  name: 'SO_DEVMEM_DONTNEED',
  longest: TOKEN * (TOKENS_MAX + 1),
  note: 'no device memory is ever handed out, so none of what is given back is ours: 0 are freed',
  set: ({ tcp }, value) => {
    if (value.length < 4) return -Errno.EINVAL;
    if (tcp === undefined) return -Errno.EBADF;
    return value.length % TOKEN !== 0 || value.length > TOKEN * TOKENS_MAX ? -Errno.EINVAL : 0;
  },
};

export const SOCKET_LEVEL: readonly OptionRow[] = [
  int(SOL_SOCKET, SO_REUSEADDR, 'SO_REUSEADDR', {
    get: ({ settings }) => (settings.reuseAddress ? 1 : 0),
    set: ({ settings }, value) => {
      settings.reuseAddress = value !== 0;
    },
  }),
  int(SOL_SOCKET, SO_REUSEPORT, 'SO_REUSEPORT', {
    get: ({ settings }) => (settings.reusePort ? 1 : 0),
    set: ({ settings, tcp, udp }, value) => {
      if (value !== 0 && tcp === undefined && udp === undefined) return -Errno.EOPNOTSUPP;
      settings.reusePort = value !== 0;
      return 0;
    },
  }),
  flag(
    SOL_SOCKET,
    SO_BROADCAST,
    'SO_BROADCAST',
    ({ options }) => options.broadcast,
    ({ options, udp }, on) => {
      options.broadcast = on;
      if (udp !== undefined) udp.settings.broadcast = on;
    },
  ),
  flag(
    SOL_SOCKET,
    SO_KEEPALIVE,
    'SO_KEEPALIVE',
    ({ options }) => options.keepAlive,
    ({ options, tcp }, on) => {
      options.keepAlive = on;
      if (tcp !== undefined) tcp.settings.keepAlive = on;
    },
  ),
  flag(
    SOL_SOCKET,
    SO_OOBINLINE,
    'SO_OOBINLINE',
    ({ options }) => options.oobInline,
    ({ options, tcp }, on) => {
      options.oobInline = on;
      if (tcp !== undefined) tcp.settings.oobInline = on;
    },
  ),
  flag(
    SOL_SOCKET,
    SO_NO_CHECK,
    'SO_NO_CHECK',
    ({ options }) => options.noChecksum,
    ({ options, udp }, on) => {
      options.noChecksum = on;
      if (udp !== undefined) udp.settings.noChecksum = on;
    },
  ),
  PEEK_ROW,
  int(SOL_SOCKET, SO_ZEROCOPY, 'SO_ZEROCOPY', {
    note: 'to turn it on is EOPNOTSUPP: what is sent is always copied, and there are no notifications',
    get: () => 0,
    set: ({ tcp, udp }, value) => {
      if (tcp === undefined && udp === undefined) return -Errno.EOPNOTSUPP;
      if (value < 0 || value > 1) return -Errno.EINVAL;
      return value === 0 ? 0 : -Errno.EOPNOTSUPP;
    },
  }),
  devmemDontNeed,
  PACING_ROW,
  ...PEER_ROWS,
  ...BUFFER_ROWS,
  ...TIMEOUT_ROWS,
  ...DEVICE_ROWS,
  ...TIMESTAMP_ROWS,
  ...FILTER_ROWS,
  ...HINT_ROWS,
];
