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

/** Order of checks: net/socket.c, __sys_socket and __sock_create. The descriptor is made last. */
export const socketHandler =
  (factory: SocketCreator): Handler =>
  (ctx, domain, typeAndFlags, protocol) => {
    const flags = typeAndFlags & ~SOCK_TYPE_MASK;
    const type = typeAndFlags & SOCK_TYPE_MASK;
    if ((flags & ~FLAGS) !== 0) return -Errno.EINVAL;
    if (domain < 0 || domain >= AF_MAX) return -Errno.EAFNOSUPPORT;
    if (type >= SOCK_MAX) return -Errno.EINVAL;
    // Linux 2.0's way to open a packet socket.
    const family = domain === AF_INET && type === SOCK_PACKET ? AF_PACKET : domain;
    const socket = factory.create(
      family,
      type,
      protocol,
      (flags & SOCK_NONBLOCK) === 0 ? 0 : O_NONBLOCK,
      ctx.credentials,
    );
    if (typeof socket === 'number') {
      if (ABSENT.includes(-socket)) {
        const what = `${familyName(family)} ${socketTypeName(type)} ${protocolName(family, protocol)}`;
        ctx.unsupported('socket', what, errnoName(socket));
      }
      return socket;
    }
    if (!ctx.files.hasRoom()) {
      socket.retain().release();
      return -Errno.EMFILE;
    }
    return ctx.resultFile(socket, (flags & SOCK_CLOEXEC) !== 0);
  };
