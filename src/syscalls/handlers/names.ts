/** bind(2), connect(2), listen(2), shutdown(2), getsockname(2), getpeername(2). */
import { Errno } from '../../abi/errno.ts';
import { POLLERR, POLLHUP, POLLOUT, POLLWRNORM } from '../../abi/poll.ts';
import { SHUT_RDWR } from '../../abi/socket.ts';
import type { Socket } from '../../socket/socket.ts';
import type { CallContext } from '../task.ts';
import { addressIn, addressOut } from './guest.ts';
import { isNonblocking, socketOf, waitFor, waitForRoom } from './sockets.ts';

export function bind(ctx: CallContext, fd: number, addr: number, len: number): number {
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  const fault = addressIn(ctx, addr, len, ctx.message.name);
  return fault !== 0 ? fault : socket.bind(ctx.message.name, len, ctx.credentials);
}

/** The address is read before the descriptor is found to be no socket (__sys_connect). */
export function connect(ctx: CallContext, fd: number, addr: number, len: number): number {
  if (ctx.attempt > 0) return connectAgain(ctx, ctx.file(fd) as Socket);
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  const fault = addressIn(ctx, addr, len, ctx.message.name);
  if (fault !== 0) return fault;
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  ctx.message.nameLength = len;
  return begin(ctx, socket);
}
/** What is left of the first try: a connection that has begun, or a name to try again. */
function connectAgain(ctx: CallContext, socket: Socket): number {
  return ctx.progress < 0 ? connecting(ctx, socket, ctx.progress) : begin(ctx, socket);
}
function begin(ctx: CallContext, socket: Socket): number {
  const { message, credentials } = ctx;
  const started = socket.connect(message.name, message.nameLength, credentials);
  if (started === -Errno.EAGAIN && !isNonblocking(socket)) {
    const { peerRoom } = socket;
    return peerRoom === undefined ? started : waitForRoom(ctx, peerRoom, socket.sendTimeoutUs);
  }
  // A second connect() of a blocking socket waits for the first (__inet_stream_connect).
  if ((started !== -Errno.EINPROGRESS && started !== -Errno.EALREADY) || isNonblocking(socket)) return started;
  ctx.progress = started;
  return connecting(ctx, socket, started);
}
/** `started` is what a timeout makes of it: EINPROGRESS, or EALREADY for who came second. */
function connecting(ctx: CallContext, socket: Socket, started: number): number {
  const result = socket.connectResult();
  if (result !== -Errno.EINPROGRESS) return result;
  return waitFor(ctx, socket, POLLOUT | POLLWRNORM | POLLERR | POLLHUP, socket.sendTimeoutUs, started);
}

export function listen(ctx: CallContext, fd: number, backlog: number): number {
  const socket = socketOf(ctx, fd);
  return typeof socket === 'number' ? socket : socket.listen(backlog, ctx.credentials);
}

export function shutdown(ctx: CallContext, fd: number, how: number): number {
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  return how < 0 || how > SHUT_RDWR ? -Errno.EINVAL : socket.shutdown(how);
}

const nameCall =
  (peer: boolean) =>
  (ctx: CallContext, fd: number, addr: number, lengthAt: number): number => {
    const socket = socketOf(ctx, fd);
    if (typeof socket === 'number') return socket;
    const full = socket.getName(ctx.message.name, peer);
    return full < 0 ? full : addressOut(ctx, ctx.message.name, full, addr, lengthAt);
  };
export const getsockname = nameCall(false);
export const getpeername = nameCall(true);
