/** accept(2), accept4(2). */
import { Errno } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
import { POLLIN, POLLRDNORM } from '../../abi/poll.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from '../../abi/socket.ts';
import type { Committable } from '../../socket/committable.ts';
import type { Socket } from '../../socket/socket.ts';
import { Standing } from '../../socket/wait-queue.ts';
import type { CallContext } from '../task.ts';
import { addressOut } from './guest.ts';
import { isNonblocking, socketOf, waitFor } from './sockets.ts';

export const accept = (ctx: CallContext, fd: number, addr: number, lengthAt: number): number =>
  accept4(ctx, fd, addr, lengthAt, 0);

/** Order of checks: __sys_accept4_file. The descriptor is reserved before the wait, so EMFILE comes even if nobody connects. */
export function accept4(ctx: CallContext, fd: number, addr: number, lengthAt: number, flags: number): number {
  if (ctx.file(fd) === undefined) return -Errno.EBADF;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -Errno.EINVAL;
  if (!ctx.reserveDescriptor()) return -Errno.EMFILE;
  const listener = socketOf(ctx, fd);
  if (typeof listener === 'number') return listener;
  const socket = listener.acceptPeek();
  if (typeof socket === 'number') {
    if (socket !== -Errno.EAGAIN || isNonblocking(listener)) return socket;
    return waitFor(ctx, listener, POLLIN | POLLRDNORM, listener.receiveTimeoutUs, -Errno.EAGAIN, Standing.One);
  }
  return hand(ctx, listener, socket, addr, lengthAt, flags);
}

/** An address that cannot be written loses the connection, as in the kernel, which has taken it by then. */
function hand(
  ctx: CallContext,
  listener: Socket,
  socket: Socket,
  addr: number,
  lengthAt: number,
  flags: number,
): number {
  if (addr !== 0) {
    const full = socket.getName(ctx.message.name, true);
    const fault = full < 0 ? -Errno.ECONNABORTED : addressOut(ctx, ctx.message.name, full, addr, lengthAt);
    if (fault !== 0) {
      ctx.commitWith(new AcceptAndClose(listener.acceptCommittable, socket), 1);
      return fault;
    }
  }
  // Status flags are not inherited from the listener (accept(2), NOTES).
  socket.statusFlags = (socket.statusFlags & ~O_NONBLOCK) | ((flags & SOCK_NONBLOCK) === 0 ? 0 : O_NONBLOCK);
  ctx.commitWith(listener.acceptCommittable, 1);
  return ctx.resultFile(socket, (flags & SOCK_CLOEXEC) !== 0);
}

class AcceptAndClose implements Committable {
  readonly #queue: Committable;
  readonly #socket: Socket;
  constructor(queue: Committable, socket: Socket) {
    this.#queue = queue;
    this.#socket = socket;
  }
  commit(amount: number): void {
    this.#queue.commit(amount);
    this.#socket.retain().release();
  }
  rollback(amount: number): void {
    this.#queue.rollback(amount);
  }
  eventsAfter(amount: number): number {
    return this.#queue.eventsAfter(amount);
  }
}
