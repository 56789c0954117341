/**
 * The system call tables of x86_64 and arm64. One line per call: its arguments, how far it is supported, its handler.
 *
 * `SOCKET_CALLS` reach sockets and are ours on every platform. `DESCRIPTOR_CALLS` work on descriptors of any kind: the emulated descriptor table needs them; where a
 * kernel keeps the table and mirrors readiness, it answers them itself.
 */
import { epollEventAmd64, epollEventArm64 } from '../abi/epoll.ts';
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { NR_ARM64 } from '../abi/nr-arm64.ts';
import * as arg from './args.ts';
import { accept, accept4 } from './handlers/accept.ts';
import { close, closeRange, dup, dup2, dup3 } from './handlers/descriptors.ts';
import { EpollCalls, epollCreate, epollCreate1 } from './handlers/epoll.ts';
import { fcntl } from './handlers/fcntl.ts';
import { memfdCreate, pipe, pipe2 } from './handlers/files.ts';
import { ioctl } from './handlers/ioctl.ts';
import { prlimit64 } from './handlers/limits.ts';
import { bind, connect, getpeername, getsockname, listen, shutdown } from './handlers/names.ts';
import { getsockopt, setsockopt } from './handlers/options.ts';
import { poll, ppoll, pselect6, select } from './handlers/poll.ts';
import { lseek, pread, preadv, preadv2, pwritev2, read, readv, write, writev } from './handlers/read-write.ts';
import { recvfrom, recvmmsg, recvmsg } from './handlers/receive.ts';
import { sendmmsg, sendmsg, sendto } from './handlers/send.ts';
import { type SocketCreator, socketHandler, socketpairHandler } from './handlers/socket.ts';
import { sendfile, splice, tee, vmsplice } from './handlers/splice.ts';
import { unlinkatHandler, unlinkHandler } from './handlers/unlink.ts';
import { absent, full, partial, type Syscall, SyscallTable } from './syscall.ts';

const { Fd, Int, Uint, Size, Long, Ptr } = arg;

export type Architecture = 'x86_64' | 'arm64';

export interface TableOptions {
  readonly architecture: Architecture;
  readonly sockets: SocketCreator;
  /** With the calls on descriptors of any kind, for the emulated descriptor table. */
  readonly descriptors: boolean;
}

const address = { fd: Fd, addr: arg.SockAddr, addrlen: Int };
const addressOut = { fd: Fd, addr: arg.SockAddrOut, addrlen: arg.LengthPtr };
// The kernel takes the lower half of how many vectors there are (import_iovec).
const position = { fd: Fd, iov: arg.VectorOut, iovcnt: Uint, offset: Long, high: Size };

const socketCalls = (sockets: SocketCreator): readonly Syscall[] => [
  full('socket', { domain: arg.Family, type: arg.CreationFlags, protocol: arg.Protocol }, socketHandler(sockets)),
  full(
    'socketpair',
    { domain: arg.Family, type: arg.CreationFlags, protocol: arg.Protocol, pair: arg.Ptr },
    socketpairHandler(sockets),
  ),
  full('bind', address, bind),
  full('listen', { fd: Fd, backlog: Int }, listen),
  full('accept', addressOut, accept),
  full('accept4', { ...addressOut, flags: arg.AcceptFlags }, accept4),
  full('connect', address, connect),
  full('shutdown', { fd: Fd, how: arg.Ends }, shutdown),
  full('getsockname', addressOut, getsockname),
  full('getpeername', addressOut, getpeername),
  full('setsockopt', { fd: Fd, level: arg.Level, option: arg.OptName, value: arg.OptValue, length: Int }, setsockopt),
  full(
    'getsockopt',
    { fd: Fd, level: arg.Level, option: arg.OptName, value: arg.OptValueOut, length: arg.LengthPtr },
    getsockopt,
  ),
  full(
    'sendto',
    { fd: Fd, buffer: arg.BufferIn, size: Size, flags: arg.SendFlags, addr: arg.SockAddr, addrlen: Int },
    sendto,
  ),
  full('sendmsg', { fd: Fd, message: arg.MessageIn, flags: arg.SendFlags }, sendmsg),
  full('sendmmsg', { fd: Fd, messages: arg.MessagesIn, vlen: Uint, flags: arg.SendFlags }, sendmmsg),
  full(
    'recvfrom',
    {
      fd: Fd,
      buffer: arg.BufferOut,
      size: Size,
      flags: arg.ReceiveFlags,
      addr: arg.SockAddrOut,
      addrlen: arg.LengthPtr,
    },
    recvfrom,
  ),
  full('recvmsg', { fd: Fd, message: arg.MessageOut, flags: arg.MessageReceiveFlags }, recvmsg),
  full(
    'recvmmsg',
    { fd: Fd, messages: arg.MessagesOut, vlen: Uint, flags: arg.BatchReceiveFlags, timeout: arg.TimespecPtr },
    recvmmsg,
  ),
  full('read', { fd: Fd, buffer: arg.BufferOut, size: Size }, read),
  full('write', { fd: Fd, buffer: arg.BufferIn, size: Size }, write),
  full('readv', { fd: Fd, iov: arg.VectorOut, iovcnt: Uint }, readv),
  full('writev', { fd: Fd, iov: arg.VectorIn, iovcnt: Uint }, writev),
  full('pread64', { fd: Fd, buffer: arg.BufferOut, size: Size, offset: Long }, pread),
  full('pwrite64', { fd: Fd, buffer: arg.BufferIn, size: Size, offset: Long }, pread),
  full('preadv', position, preadv),
  full('pwritev', { ...position, iov: arg.VectorIn }, preadv),
  full('preadv2', { ...position, flags: arg.VectorFlags }, preadv2),
  full('pwritev2', { ...position, iov: arg.VectorIn, flags: arg.VectorFlags }, pwritev2),
  partial(
    'ioctl',
    { fd: Fd, request: arg.IoctlRequest, argument: arg.IoctlArgument },
    'what would change the network is EPERM, and bridges and VLANs are ENOPKG',
    ioctl,
  ),
  full('sendfile', { out: Fd, in: Fd, offset: Ptr, count: Long }, sendfile),
  full('splice', { in: Fd, inOffset: Ptr, out: Fd, outOffset: Ptr, len: Long, flags: arg.SpliceFlags }, splice),
  full('tee', { in: Fd, out: Fd, len: Size, flags: arg.SpliceFlags }, tee),
  partial(
    'vmsplice',
    { fd: Fd, iov: arg.VectorIn, iovcnt: Uint, flags: arg.SpliceFlags },
    'in the emulated table the memory is copied: what is written to it later does not show in the pipe',
    vmsplice,
  ),
  absent('io_uring_setup', 'ENOSYS', 'programs fall back to epoll'),
  absent('io_uring_enter', 'ENOSYS', 'programs fall back to epoll'),
  absent('io_uring_register', 'ENOSYS', 'programs fall back to epoll'),
  absent('epoll_ctl_old', 'ENOSYS', 'as on every Linux since 2.6', true),
  absent('epoll_wait_old', 'ENOSYS', 'as on every Linux since 2.6', true),
];

const sigmask = { sigmask: arg.Ptr, sigsetsize: Size };
const bitmaps = { n: Int, readfds: arg.FdSet, writefds: arg.FdSet, exceptfds: arg.FdSet };
const ONLY_NAMES = 'there is no file system: names of AF_UNIX sockets only, else ENOENT';
const NO_SIGNALS =
  'the mask holds signals back while the call lasts; emulated tasks have no mask of their own, so it lets none through that was held before';

const descriptorCalls = (architecture: Architecture, sockets: SocketCreator): readonly Syscall[] => {
  const epoll = new EpollCalls(epollEventOf(architecture));
  const events = { epfd: Fd, events: arg.EpollEventsOut, maxevents: Int };
  return [
    full('close', { fd: Fd }, close),
    full('lseek', { fd: Fd, offset: Long, whence: Int }, lseek),
    full('close_range', { first: Uint, last: Uint, flags: arg.CloseRangeFlags }, closeRange),
    full('pipe', { fds: Ptr }, pipe),
    full('pipe2', { fds: Ptr, flags: arg.PipeFlags }, pipe2),
    partial('memfd_create', { name: Ptr, flags: arg.MemfdFlags }, 'no seals, no huge pages: EINVAL', memfdCreate),
    partial('unlink', { path: Ptr }, ONLY_NAMES, unlinkHandler(sockets)),
    partial('unlinkat', { dirfd: Fd, path: Ptr, flags: Int }, ONLY_NAMES, unlinkatHandler(sockets)),
    full('dup', { fd: Fd }, dup),
    full('dup2', { oldfd: Fd, newfd: Fd }, dup2),
    full('dup3', { oldfd: Fd, newfd: Fd, flags: arg.DupFlags }, dup3),
    partial(
      'fcntl',
      { fd: Fd, command: arg.FcntlCommand, argument: arg.FcntlArgument },
      'no record locks, no seals: EINVAL',
      fcntl,
    ),
    partial(
      'prlimit64',
      { pid: Int, resource: Uint, newLimit: Ptr, oldLimit: Ptr },
      'RLIMIT_NOFILE of the caller; any other resource is EINVAL',
      prlimit64,
    ),
    full('getpid', {}, (ctx) => ctx.credentials.pid),
    full('gettid', {}, (ctx) => ctx.tid),
    full('poll', { fds: arg.PollFds, nfds: Uint, timeout: Int }, poll),
    partial('ppoll', { fds: arg.PollFds, nfds: Uint, timeout: arg.TimespecPtr, ...sigmask }, NO_SIGNALS, ppoll),
    full('select', { ...bitmaps, timeout: arg.TimevalPtr }, select),
    partial('pselect6', { ...bitmaps, timeout: arg.TimespecPtr, sigmask: arg.Ptr }, NO_SIGNALS, pselect6),
    full('epoll_create', { size: Int }, epollCreate),
    full('epoll_create1', { flags: arg.EpollCreateFlags }, epollCreate1),
    full('epoll_ctl', { epfd: Fd, op: arg.EpollOperations, fd: Fd, event: arg.EpollEventPtr }, epoll.ctl),
    full('epoll_wait', { ...events, timeout: Int }, epoll.wait),
    partial('epoll_pwait', { ...events, timeout: Int, ...sigmask }, NO_SIGNALS, epoll.pwait),
    partial('epoll_pwait2', { ...events, timeout: arg.TimespecPtr, ...sigmask }, NO_SIGNALS, epoll.pwait2),
  ];
};

const NUMBERS: Readonly<Record<Architecture, Readonly<Record<string, number>>>> = {
  x86_64: NR_AMD64,
  arm64: NR_ARM64,
};
export const epollEventOf = (architecture: Architecture): typeof epollEventAmd64 =>
  architecture === 'x86_64' ? epollEventAmd64 : epollEventArm64;

/**
 * End of user addresses, which access_ok() checks against: TASK_SIZE_MAX with four-level page tables on x86_64, TASK_SIZE with 48-bit addresses on arm64. What lies above needs
 * a hint to mmap(2) that nobody gives unasked.
 */
const USER_END: Readonly<Record<Architecture, number>> = { x86_64: 0x7fff_ffff_f000, arm64: 0x1_0000_0000_0000 };

function byNumber(architecture: Architecture, calls: readonly Syscall[]): SyscallTable {
  const table = new SyscallTable(USER_END[architecture]);
  for (const call of calls) {
    const nr = NUMBERS[architecture][call.name];
    // arm64 never had the legacy calls.
    if (nr === undefined) continue;
    if (table.has(nr)) throw new RangeError(`${call.name} is in the table twice`);
    table.set(nr, call);
  }
  return table;
}

/** Calls by number. */
export const systemCalls = (options: TableOptions): SyscallTable =>
  byNumber(options.architecture, [
    ...socketCalls(options.sockets),
    ...(options.descriptors ? descriptorCalls(options.architecture, options.sockets) : []),
  ]);

const NO_SOCKETS: SocketCreator = { create: () => 0 };
/** Names of the calls that reach sockets: what a filter must trap. Calls that are absent are among them, so that they are refused. */
export const SOCKET_CALLS: readonly string[] = socketCalls(NO_SOCKETS).map((call) => call.name);
