/** socket(2), socketpair(2). */
import { Errno, errnoName } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
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
import type { Credentials } from '../../socket/credentials.ts';
import type { Socket } from '../../socket/socket.ts';
import { familyName, protocolName, socketTypeName } from '../names.ts';
import type { Handler } from '../syscall.ts';
import type { CallContext } from '../task.ts';

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
}

const FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK;
/** errnos that say "there is no such thing", as against "not now" or "not you". */
const ABSENT: readonly number[] = [Errno.EAFNOSUPPORT, Errno.ESOCKTNOSUPPORT, Errno.EPROTONOSUPPORT];

/** __sock_create; a socket, or the errno with what is lacking counted. */
function create(
  ctx: CallContext,
  call: string,
  sockets: SocketCreator,
  domain: number,
  typeAndFlags: number,
  protocol: number,
): Socket | number {
  const type = typeAndFlags & SOCK_TYPE_MASK;
  if (domain < 0 || domain >= AF_MAX) return -Errno.EAFNOSUPPORT;
  if (type >= SOCK_MAX) return -Errno.EINVAL;
  // Linux 2.0's way to open a packet socket.
  const family = domain === AF_INET && type === SOCK_PACKET ? AF_PACKET : domain;
  const statusFlags = (typeAndFlags & SOCK_NONBLOCK) === 0 ? 0 : O_NONBLOCK;
  const socket = sockets.create(family, type, protocol, statusFlags, ctx.credentials);
  if (typeof socket === 'number' && ABSENT.includes(-socket)) {
    const what = `${familyName(family)} ${socketTypeName(type)} ${protocolName(family, protocol)}`;
    ctx.unsupported(call, what, errnoName(socket));
  }
  return socket;
}
const discard = (socket: Socket): void => socket.retain().release();
const flagsAllowed = (typeAndFlags: number): boolean => (typeAndFlags & ~SOCK_TYPE_MASK & ~FLAGS) === 0;

/** Order of checks: net/socket.c, __sys_socket. The descriptor is made last. */
export const socketHandler =
  (sockets: SocketCreator): Handler =>
  (ctx, domain, typeAndFlags, protocol) => {
    if (!flagsAllowed(typeAndFlags)) return -Errno.EINVAL;
    const socket = create(ctx, 'socket', sockets, domain, typeAndFlags, protocol);
    if (typeof socket === 'number') return socket;
    if (!ctx.files.hasRoom()) {
      discard(socket);
      return -Errno.EMFILE;
    }
    return ctx.resultFile(socket, (typeAndFlags & SOCK_CLOEXEC) !== 0);
  };

/** Two ints that the call would fill: the same octets written back tell whether it could. */
const writable = (ctx: CallContext, at: number): boolean =>
  ctx.memory.read(at, ctx.scratch, 0, 8) === 8 && ctx.memory.write(at, ctx.scratch, 0, 8) === 8;

/** __sys_socketpair: no family here has pairs, but the errors that come first come first. */
export const socketpairHandler =
  (sockets: SocketCreator): Handler =>
  (ctx, domain, typeAndFlags, protocol, pair) => {
    if (!flagsAllowed(typeAndFlags)) return -Errno.EINVAL;
    if (!ctx.files.hasRoom()) return -Errno.EMFILE;
    if (!writable(ctx, pair)) return -Errno.EFAULT;
    const socket = create(ctx, 'socketpair', sockets, domain, typeAndFlags, protocol);
    if (typeof socket === 'number') return socket;
    discard(socket);
    return -Errno.EOPNOTSUPP;
  };
