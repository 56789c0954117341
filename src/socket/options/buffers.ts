/** SOL_SOCKET: how much may wait. Sizes, what keeps the kernel from changing them, how much is worth waking for, and what is in use (net/core/sock.c). */
import { Errno } from '../../abi/errno.ts';
import {
  SO_BUF_LOCK,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RESERVE_MEM,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SOCK_RCVBUF_LOCK,
  SOCK_SNDBUF_LOCK,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { u32 } from '../../abi/struct.ts';
import type { TcpEndpoint } from '../../netstack/endpoint.ts';
import { int, type OptionRow, writeOctets } from './row.ts';
import type { OptionTarget } from './target.ts';

/** net.core.wmem_max and rmem_max: 4 MiB by default since Linux 6.18. */
export const BUFFER_MAX = 4_194_304;
/** SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF of a 64-bit kernel, measured on Linux 6.18. */
const SEND_FLOOR = 4608;
const RECEIVE_FLOOR = 2304;
/** Octets a socket may have buffered on either side even by force: the memory is ours, not the guest's. */
const FORCED_MAX = 16 * 1024 * 1024;
/** Half of tcp_rmem[2] on a host with memory for it. What a ring then takes is bounded for all together (tcp_mem). */
const LOW_WATER_MAX = 16 * 1024 * 1024;

/** The value is unsigned, so a negative one is the maximum. */
const capped = (value: number): number => Math.min(value >>> 0, BUFFER_MAX);
const forced = (value: number): number => Math.min(Math.max(value, 0), FORCED_MAX / 2);

/** What SO_SNDBUF and SO_RCVBUF make of a value, or SO_SNDBUFFORCE and SO_RCVBUFFORCE. */
export const capSendBuffer = (value: number, force: boolean): number =>
  Math.max((force ? forced(value) : capped(value)) * 2, SEND_FLOOR);
export const capReceiveBuffer = (value: number, force: boolean): number =>
  Math.max((force ? forced(value) : capped(value)) * 2, RECEIVE_FLOOR);

function setSendBuffer(socket: OptionTarget, size: number): void {
  if (socket.tcp !== undefined) socket.tcp.settings.sendBuffer = size;
  else if (socket.udp !== undefined) socket.udp.settings.sendBuffer = size;
  setBufferLocks(socket, socket.options.bufferLocks | SOCK_SNDBUF_LOCK);
}
function setReceiveBuffer(socket: OptionTarget, size: number): void {
  if (socket.tcp !== undefined) socket.tcp.settings.receiveBuffer = size;
  else if (socket.udp !== undefined) socket.udp.settings.receiveBuffer = size;
  setBufferLocks(socket, socket.options.bufferLocks | SOCK_RCVBUF_LOCK);
}
/** tcp_set_rcvlowat: half the buffer holds what is waited for. One of its own choice stays as it is, any other grows. Returns the mark. */
function setStreamLowWater(tcp: TcpEndpoint, asked: number): number {
  const { settings } = tcp;
  if (settings.receiveBufferLocked) return Math.min(asked, settings.receiveBuffer >> 1);
  const octets = Math.min(asked, LOW_WATER_MAX);
  if (octets * 2 > settings.receiveBuffer) {
    settings.receiveBuffer = octets * 2;
    if (settings.windowClamp > 0) settings.windowClamp = Math.max(settings.windowClamp, octets);
  }
  return octets;
}
export function setBufferLocks({ options, tcp }: OptionTarget, locks: number): void {
  options.bufferLocks = locks;
  if (tcp === undefined) return;
  tcp.settings.sendBufferLocked = (locks & SOCK_SNDBUF_LOCK) !== 0;
  tcp.settings.receiveBufferLocked = (locks & SOCK_RCVBUF_LOCK) !== 0;
}

/** enum of include/uapi/linux/sock_diag.h. */
const SK_MEMINFO_RMEM_ALLOC = 0;
const SK_MEMINFO_RCVBUF = 1;
const SK_MEMINFO_SNDBUF = 3;
const SK_MEMINFO_WMEM_QUEUED = 5;
const SK_MEMINFO_VARS = 9;

/** Octets where Linux counts buffers with their overhead; what has no counterpart here (reserves, ancillary memory, backlog) is 0. */
export function writeMemoryInfo(
  out: Uint8Array,
  receiveBuffer: number,
  sendBuffer: number,
  received: number,
  queued: number,
): number {
  const info = new Uint8Array(SK_MEMINFO_VARS * u32.size);
  u32.put(info, SK_MEMINFO_RMEM_ALLOC * u32.size, received);
  u32.put(info, SK_MEMINFO_RCVBUF * u32.size, receiveBuffer);
  u32.put(info, SK_MEMINFO_SNDBUF * u32.size, sendBuffer);
  u32.put(info, SK_MEMINFO_WMEM_QUEUED * u32.size, queued);
  return writeOctets(out, info);
}

export const BUFFER_ROWS: readonly OptionRow[] = [
  int(SOL_SOCKET, SO_SNDBUF, 'SO_SNDBUF', {
    internet: true,
    get: ({ tcp, udp }) => tcp?.settings.sendBuffer ?? udp?.settings.sendBuffer ?? 0,
    set: (socket, value) => setSendBuffer(socket, capSendBuffer(value, false)),
  }),
  int(SOL_SOCKET, SO_RCVBUF, 'SO_RCVBUF', {
    internet: true,
    get: ({ tcp, udp }) => tcp?.settings.receiveBuffer ?? udp?.settings.receiveBuffer ?? 0,
    set: (socket, value) => setReceiveBuffer(socket, capReceiveBuffer(value, false)),
  }),
  int(SOL_SOCKET, SO_SNDBUFFORCE, 'SO_SNDBUFFORCE', {
    internet: true,
    set: (socket, value, { netAdmin }) => (netAdmin ? setSendBuffer(socket, capSendBuffer(value, true)) : -Errno.EPERM),
  }),
  int(SOL_SOCKET, SO_RCVBUFFORCE, 'SO_RCVBUFFORCE', {
    internet: true,
    set: (socket, value, { netAdmin }) =>
      netAdmin ? setReceiveBuffer(socket, capReceiveBuffer(value, true)) : -Errno.EPERM,
  }),
  int(SOL_SOCKET, SO_BUF_LOCK, 'SO_BUF_LOCK', {
    get: ({ options }) => options.bufferLocks,
    set: (socket, value) => {
      if ((value & ~(SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK)) !== 0) return -Errno.EINVAL;
      setBufferLocks(socket, value);
      return 0;
    },
  }),
  int(SOL_SOCKET, SO_RCVLOWAT, 'SO_RCVLOWAT', {
    get: ({ options }) => options.receiveLowWater,
    set: ({ options, tcp }, value) => {
      const asked = value < 0 ? 0x7fff_ffff : value;
      options.receiveLowWater = (tcp === undefined ? asked : setStreamLowWater(tcp, asked)) || 1;
    },
  }),
  int(SOL_SOCKET, SO_SNDLOWAT, 'SO_SNDLOWAT', { get: () => 1 }),
  {
    option: SO_MEMINFO,
    name: 'SO_MEMINFO',
    internet: true,
    get: ({ tcp, udp }, out) => {
      const settings = tcp?.settings ?? udp?.settings;
      if (settings === undefined) return -Errno.ENOPROTOOPT;
      const received = tcp === undefined || tcp.state === 'LISTEN' ? 0 : tcp.receivable;
      return writeMemoryInfo(out, settings.receiveBuffer, settings.sendBuffer, received, tcp?.sendRing.length ?? 0);
    },
  },
  int(SOL_SOCKET, SO_RESERVE_MEM, 'SO_RESERVE_MEM', {
    note: 'there is no group of processes whose socket memory is accounted',
    get: () => 0,
    set: (_socket, value) => (value < 0 ? -Errno.EINVAL : -Errno.EOPNOTSUPP),
  }),
];
