/** SOL_SOCKET: socket(7), net/core/sock.c sk_setsockopt and sk_getsockopt. */
import { Errno } from '../../abi/errno.ts';
import {
  SO_ACCEPTCONN,
  SO_BINDTODEVICE,
  SO_BINDTOIFINDEX,
  SO_BROADCAST,
  SO_COOKIE,
  SO_DETACH_FILTER,
  SO_DOMAIN,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_NO_CHECK,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_PEEK_OFF,
  SO_PEERCRED,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_RCVTIMEO_NEW,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SO_SNDTIMEO,
  SO_SNDTIMEO_NEW,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SO_TYPE,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { linger, timeval, ucred } from '../../abi/sockopt.ts';
import { u64 } from '../../abi/struct.ts';
import type { Credentials } from '../credentials.ts';
import { flag, int, type OptionRow, writeOctets } from './row.ts';
import type { OptionTarget, TimestampKind } from './target.ts';

/** net.core.wmem_max and rmem_max: 4 MiB by default since Linux 6.18. */
const BUFFER_MAX = 4_194_304;
/** SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF of a 64-bit kernel, measured on Linux 6.18. */
const SEND_FLOOR = 4608;
const RECEIVE_FLOOR = 2304;
/** Octets a socket may have buffered on either side even by force: the memory is ours, not the guest's. */
const FORCED_MAX = 16 * 1024 * 1024;
/** CONFIG_HZ of the kernel that was measured: timeouts are kept in ticks and rounded up. */
const TICK_US = 4000;
const IFNAMSIZ = 16;

const row = (option: number, name: string, get: (socket: OptionTarget) => number): OptionRow =>
  int(SOL_SOCKET, option, name, { get });

function setSendBuffer(socket: OptionTarget, octets: number): void {
  const size = Math.max(octets * 2, SEND_FLOOR);
  if (socket.tcp !== undefined) {
    socket.tcp.settings.sendBuffer = size;
    socket.tcp.settings.sendBufferLocked = true;
  } else if (socket.udp !== undefined) socket.udp.settings.sendBuffer = size;
}
function setReceiveBuffer(socket: OptionTarget, octets: number): void {
  const size = Math.max(octets * 2, RECEIVE_FLOOR);
  if (socket.tcp !== undefined) {
    socket.tcp.settings.receiveBuffer = size;
    socket.tcp.settings.receiveBufferLocked = true;
  } else if (socket.udp !== undefined) socket.udp.settings.receiveBuffer = size;
}
/** The value is unsigned, so a negative one is the maximum. */
const capped = (value: number): number => Math.min(value >>> 0, BUFFER_MAX);
const forced = (value: number): number => Math.min(Math.max(value, 0), FORCED_MAX / 2);

/** What SO_SNDBUF and SO_RCVBUF make of a value, or SO_SNDBUFFORCE and SO_RCVBUFFORCE. */
export const capSendBuffer = (value: number, force: boolean): number =>
  Math.max((force ? forced(value) : capped(value)) * 2, SEND_FLOOR);
export const capReceiveBuffer = (value: number, force: boolean): number =>
  Math.max((force ? forced(value) : capped(value)) * 2, RECEIVE_FLOOR);

/** struct timeval to microseconds: 0 none, -1 at once. */
function timeout(
  option: number,
  name: string,
  read: (socket: OptionTarget) => number,
  write: (socket: OptionTarget, us: number) => void,
): OptionRow {
  return {
    option,
    name,
    get: (socket, out) => {
      const us = Math.max(read(socket), 0);
      return writeOctets(out, timeval.encode({ sec: Math.floor(us / 1e6), usec: us % 1e6 }));
    },
    set: (socket, value) => {
      if (value.length < timeval.size) return -Errno.EINVAL;
      const { sec, usec } = timeval.decode(value);
      if (usec < 0 || usec >= 1e6) return -Errno.EDOM;
      if (sec < 0) write(socket, -1);
      // Beyond what a number holds exactly (285 years) there is no difference to "never".
      else if (sec > 9e9) write(socket, 0);
      else write(socket, Math.ceil((sec * 1e6 + usec) / TICK_US) * TICK_US);
      return 0;
    },
  };
}

const lingerRow: OptionRow = {
  option: SO_LINGER,
  name: 'SO_LINGER',
  get: ({ options }, out) =>
    writeOctets(out, linger.encode({ onoff: options.lingerOn ? 1 : 0, linger: options.lingerSeconds })),
  set: (socket, value) => {
    if (value.length < linger.size) return -Errno.EINVAL;
    const { onoff, linger: seconds } = linger.decode(value);
    socket.options.lingerOn = onoff !== 0;
    // A negative time is a huge unsigned one in the kernel.
    if (onoff !== 0) socket.options.lingerSeconds = seconds < 0 ? 0x7fff_ffff : seconds;
    if (socket.tcp !== undefined) socket.tcp.settings.lingerSeconds = onoff === 0 ? -1 : socket.options.lingerSeconds;
    socket.optionsChanged();
    return 0;
  },
};

function bindToInterface(socket: OptionTarget, index: number, credentials: Credentials): number {
  if (socket.settings.boundInterface !== 0 && !credentials.netRaw) return -Errno.EPERM;
  if (index < 0) return -Errno.EINVAL;
  socket.settings.boundInterface = index;
  socket.optionsChanged();
  return 0;
}
const bindToDevice: OptionRow = {
  option: SO_BINDTODEVICE,
  name: 'SO_BINDTODEVICE',
  get: (socket, out) => {
    const index = socket.settings.boundInterface;
    if (index === 0) return 0;
    if (out.length < IFNAMSIZ) return -Errno.EINVAL;
    const device = socket.stack.interfaces.find((i) => i.index === index);
    return device === undefined ? -Errno.ENODEV : writeOctets(out, latin1(`${device.name}\0`));
  },
  set: (socket, value, credentials) => {
    const octets = value.subarray(0, IFNAMSIZ - 1);
    const end = octets.indexOf(0);
    const name = String.fromCharCode(...(end < 0 ? octets : octets.subarray(0, end)));
    if (name === '') return bindToInterface(socket, 0, credentials);
    const device = socket.stack.interfaces.find((i) => i.name === name);
    return device === undefined ? -Errno.ENODEV : bindToInterface(socket, device.index, credentials);
  },
};
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

const timestamp = (option: number, name: string, kind: TimestampKind): OptionRow =>
  flag(
    SOL_SOCKET,
    option,
    name,
    ({ options }) => options.timestamp === kind,
    ({ options }, on) => {
      options.timestamp = on ? kind : 'none';
    },
    'datagram',
  );

/** Everything but SO_TIMESTAMP on streams, whose octets carry no time here. */
export const SOCKET_LEVEL: readonly OptionRow[] = [
  int(SOL_SOCKET, SO_REUSEADDR, 'SO_REUSEADDR', {
    get: ({ settings }) => (settings.reuseAddress ? 1 : 0),
    set: ({ settings }, value) => {
      settings.reuseAddress = value !== 0;
    },
  }),
  flag(
    SOL_SOCKET,
    SO_REUSEPORT,
    'SO_REUSEPORT',
    ({ settings }) => settings.reusePort,
    ({ settings }, on) => {
      settings.reusePort = on;
    },
  ),
  row(SO_TYPE, 'SO_TYPE', ({ type }) => type),
  row(SO_DOMAIN, 'SO_DOMAIN', ({ domain }) => domain),
  row(SO_PROTOCOL, 'SO_PROTOCOL', ({ protocol }) => protocol),
  row(SO_ERROR, 'SO_ERROR', (socket) => socket.takeErrno()),
  row(SO_ACCEPTCONN, 'SO_ACCEPTCONN', ({ tcp }) => (tcp?.state === 'LISTEN' ? 1 : 0)),
  row(SO_SNDLOWAT, 'SO_SNDLOWAT', () => 1),
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
  int(SOL_SOCKET, SO_SNDBUF, 'SO_SNDBUF', {
    get: ({ tcp, udp }) => tcp?.settings.sendBuffer ?? udp?.settings.sendBuffer ?? 0,
    set: (socket, value) => setSendBuffer(socket, capped(value)),
  }),
  int(SOL_SOCKET, SO_RCVBUF, 'SO_RCVBUF', {
    get: ({ tcp, udp }) => tcp?.settings.receiveBuffer ?? udp?.settings.receiveBuffer ?? 0,
    set: (socket, value) => setReceiveBuffer(socket, capped(value)),
  }),
  int(SOL_SOCKET, SO_SNDBUFFORCE, 'SO_SNDBUFFORCE', {
    set: (socket, value, { netAdmin }) => (netAdmin ? setSendBuffer(socket, forced(value)) : -Errno.EPERM),
  }),
  int(SOL_SOCKET, SO_RCVBUFFORCE, 'SO_RCVBUFFORCE', {
    set: (socket, value, { netAdmin }) => (netAdmin ? setReceiveBuffer(socket, forced(value)) : -Errno.EPERM),
  }),
  int(SOL_SOCKET, SO_RCVLOWAT, 'SO_RCVLOWAT', {
    get: ({ options }) => options.receiveLowWater,
    set: ({ options, tcp }, value) => {
      // A stream cannot be asked to wait for more than half its buffer (tcp_set_rcvlowat).
      const most = tcp === undefined ? 0x7fff_ffff : tcp.settings.receiveBuffer >> 1;
      options.receiveLowWater = Math.min(value < 0 ? 0x7fff_ffff : value, most) || 1;
    },
  }),
  lingerRow,
  ...[SO_RCVTIMEO, SO_RCVTIMEO_NEW].map((option) =>
    timeout(
      option,
      'SO_RCVTIMEO',
      (socket) => socket.receiveTimeoutUs,
      (socket, us) => {
        socket.receiveTimeoutUs = us;
      },
    ),
  ),
  ...[SO_SNDTIMEO, SO_SNDTIMEO_NEW].map((option) =>
    timeout(
      option,
      'SO_SNDTIMEO',
      (socket) => socket.sendTimeoutUs,
      (socket, us) => {
        socket.sendTimeoutUs = us;
      },
    ),
  ),
  bindToDevice,
  int(SOL_SOCKET, SO_BINDTOIFINDEX, 'SO_BINDTOIFINDEX', {
    get: ({ settings }) => settings.boundInterface,
    set: (socket, value, credentials) => bindToInterface(socket, value, credentials),
  }),
  timestamp(SO_TIMESTAMP, 'SO_TIMESTAMP', 'microseconds'),
  timestamp(SO_TIMESTAMPNS, 'SO_TIMESTAMPNS', 'nanoseconds'),
  {
    option: SO_COOKIE,
    name: 'SO_COOKIE',
    get: ({ tcp, udp }, out) => {
      if (out.length < u64.size) return -Errno.EINVAL;
      u64.put(out, 0, tcp?.id ?? udp?.id ?? 0);
      return u64.size;
    },
  },
  {
    // No peer of an internet socket has credentials: {0, -1, -1}.
    option: SO_PEERCRED,
    name: 'SO_PEERCRED',
    get: (_socket, out) => writeOctets(out, ucred.encode({ pid: 0, uid: 0xffff_ffff, gid: 0xffff_ffff })),
  },
  {
    // Credentials travel over AF_UNIX and AF_NETLINK only.
    option: SO_PASSCRED,
    name: 'SO_PASSCRED',
    get: () => -Errno.EOPNOTSUPP,
    set: (_socket, value) => (value.length < 4 ? -Errno.EINVAL : -Errno.EOPNOTSUPP),
  },
  {
    // The errno for a socket whose operations have no set_peek_off.
    option: SO_PEEK_OFF,
    name: 'SO_PEEK_OFF',
    get: () => -Errno.EOPNOTSUPP,
    set: (_socket, value) => (value.length < 4 ? -Errno.EINVAL : -Errno.EOPNOTSUPP),
  },
  {
    // No filter can be attached here, so there is never one to detach.
    option: SO_DETACH_FILTER,
    name: 'SO_DETACH_FILTER',
    set: (_socket, value) => (value.length < 4 ? -Errno.EINVAL : -Errno.ENOENT),
  },
];
