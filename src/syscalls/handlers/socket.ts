/** socket(2), socketpair(2). */
import { Errno, errnoName } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
import { familyName, protocolName, socketTypeName } from '../../abi/names.ts';
import {
  AF_INET,
  AF_MAX,
  AF_PACKET,
  SOCK_CLOEXEC,
  SOCK_MAX,
  SOCK_NONBLOCK,
  SOCK_PACKET,
  SOCK_TYPE_MASK,
} from '../../abi/socket.ts';
import { i32 } from '../../abi/struct.ts';
import type { Credentials } from '../../socket/credentials.ts';
import type { Socket } from '../../socket/socket.ts';
import { offersSocket } from '../offered.ts';
import type { Handler } from '../syscall.ts';
import type { CallContext } from '../task.ts';
import { copyOut } from './guest.ts';

type SocketMaker<T> = (
  domain: number,
  type: number,
  protocol: number,
  statusFlags: number,
  credentials: Credentials,
) => T | number;

/** How sockets come into being: the families, types and protocols that there are. */
export interface SocketCreator {
  /** A new socket, or a negative errno in Linux's order of checks. `statusFlags` is O_NONBLOCK or 0. */
  create(
    domain: number,
    type: number,
    protocol: number,
    statusFlags: number,
    credentials: Credentials,
  ): Socket | number;
  /** Two connected sockets, or a negative errno. Absent where no family has pairs. */
  createPair?(
    domain: number,
    type: number,
    protocol: number,
    statusFlags: number,
    credentials: Credentials,
  ): readonly [Socket, Socket] | number;
  /** Takes the name of an AF_UNIX socket away: 0 or a negative errno. */
  unlink?(path: Uint8Array): number;
}

const FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK;
/** errnos that say "there is no such thing", as against "not now"; and "not you", which is for raw and packet sockets, and those are nobody's here. */
const ABSENT: readonly number[] = [Errno.EAFNOSUPPORT, Errno.ESOCKTNOSUPPORT, Errno.EPROTONOSUPPORT, Errno.EPERM];

/** What of the arguments the kernel looks at before a family does: 0 or a negative errno. */
const argumentRefusal = (domain: number, type: number): number => {
  if (domain < 0 || domain >= AF_MAX) return -Errno.EAFNOSUPPORT;
  return type >= SOCK_MAX ? -Errno.EINVAL : 0;
};

/** __sock_create; what `make` makes, or the errno with what is lacking counted. */
function create<T>(
  ctx: CallContext,
  call: string,
  make: SocketMaker<T>,
  domain: number,
  typeAndFlags: number,
  protocol: number,
): T | number {
  const type = typeAndFlags & SOCK_TYPE_MASK;
  const refusal = argumentRefusal(domain, type);
  if (refusal !== 0) return refusal;
  // Linux 2.0's way to open a packet socket.
  const family = domain === AF_INET && type === SOCK_PACKET ? AF_PACKET : domain;
  const statusFlags = (typeAndFlags & SOCK_NONBLOCK) === 0 ? 0 : O_NONBLOCK;
  const made = make(family, type, protocol, statusFlags, ctx.credentials);
  if (typeof made === 'number' && ABSENT.includes(-made)) {
    const what = `${familyName(family)} ${socketTypeName(type)} ${protocolName(family, protocol)}`;
    ctx.unsupported(call, what, errnoName(made), !offersSocket(family, type, protocol));
  }
  return made;
}
const discard = (socket: Socket): void => socket.retain().release();
const flagsAllowed = (typeAndFlags: number): boolean => (typeAndFlags & ~SOCK_TYPE_MASK & ~FLAGS) === 0;

/** Order of checks: net/socket.c, __sys_socket. The descriptor is made last. */
export const socketHandler =
  (sockets: SocketCreator): Handler =>
  (ctx, domain, typeAndFlags, protocol) => {
    if (!flagsAllowed(typeAndFlags)) return -Errno.EINVAL;
    const socket = create(ctx, 'socket', sockets.create.bind(sockets), domain, typeAndFlags, protocol);
    if (typeof socket === 'number') return socket;
    if (!ctx.files.hasRoom()) {
      discard(socket);
      return -Errno.EMFILE;
    }
    return ctx.resultFile(socket, (typeAndFlags & SOCK_CLOEXEC) !== 0);
  };

/** True if the two ints of a pair can be written: the same octets written back tell. */
const writable = (ctx: CallContext, at: number): boolean =>
  ctx.memory.read(at, ctx.scratch, 0, 8) === 8 && ctx.memory.write(at, ctx.scratch, 0, 8) === 8;

/** The numbers of a pair, which the guest is told before there are sockets to them: 0, -EMFILE or -EFAULT. Where the kernel keeps the numbers they are not known. */
function tellNumbers(ctx: CallContext, at: number): number {
  const { files, scratch } = ctx;
  if (files.reserve === undefined) {
    if (!files.hasRoom()) return -Errno.EMFILE;
    return writable(ctx, at) ? 0 : -Errno.EFAULT;
  }
  const numbers = [files.reserve(), files.reserve()];
  for (const [i, fd] of numbers.entries()) {
    i32.put(scratch, i * 4, fd);
    if (fd >= 0) files.unreserve?.(fd);
  }
  return numbers.some((fd) => fd < 0) ? -Errno.EMFILE : copyOut(ctx, at, scratch, 8);
}

/** Sockets of families without pairs, in the order of the kernel: they are made before it is found out. */
const noPairs =
  (sockets: SocketCreator): SocketMaker<readonly [Socket, Socket]> =>
  (...what) => {
    const socket = sockets.create(...what);
    if (typeof socket === 'number') return socket;
    discard(socket);
    return -Errno.EOPNOTSUPP;
  };

/** Order of checks: __sys_socketpair. */
export const socketpairHandler = (sockets: SocketCreator): Handler => {
  const make = sockets.createPair?.bind(sockets) ?? noPairs(sockets);
  return (ctx, domain, typeAndFlags, protocol, at) => {
    if (!flagsAllowed(typeAndFlags)) return -Errno.EINVAL;
    const refusal = tellNumbers(ctx, at);
    if (refusal !== 0) return refusal;
    const pair = create(ctx, 'socketpair', make, domain, typeAndFlags, protocol);
    if (typeof pair === 'number') return pair;
    let error = 0;
    for (const socket of pair) {
      ctx.hold(socket);
      error = Math.min(error, ctx.receiveFile(socket, (typeAndFlags & SOCK_CLOEXEC) !== 0));
    }
    return error;
  };
};
