/** What every handler needs to reach its socket and to wait for it. */
import { Errno } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
import { POLLOUT, POLLWRNORM } from '../../abi/poll.ts';
import { MSG_DONTWAIT } from '../../abi/socket.ts';
import { after, micros } from '../../lib/clock.ts';
import type { OpenFile } from '../../socket/file.ts';
import { Socket } from '../../socket/socket.ts';
import type { WaitQueue } from '../../socket/wait-queue.ts';
import { BLOCKED, type CallContext } from '../task.ts';

/** sockfd_lookup: the socket behind a descriptor, or -EBADF, -ENOTSOCK. */
export function socketOf(ctx: CallContext, fd: number): Socket | number {
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  return file instanceof Socket ? file : -Errno.ENOTSOCK;
}

export const isNonblocking = (file: OpenFile): boolean => (file.statusFlags & O_NONBLOCK) !== 0;

/** The call's flags, with MSG_DONTWAIT for a non-blocking file. */
export const transferFlags = (file: OpenFile, flags: number): number =>
  (flags & MSG_DONTWAIT) === 0 && isNonblocking(file) ? flags | MSG_DONTWAIT : flags;

/**
 * Waits for `events` of a socket as sock_rcvtimeo and sock_sndtimeo have it: 0 waits for ever and is restarted after a signal, a limit makes signals
 * EINTR (sock_intr_errno), and one below 0 is over at once. `onTimeout` is the errno for that.
 */
export function waitFor(
  ctx: CallContext,
  socket: Socket,
  events: number,
  timeoutUs: number,
  onTimeout: number,
): number {
  return waitAt(ctx, socket.waiters, events, timeoutUs, onTimeout);
}
/** As `waitFor`, for room in the queue of a peer (unix_wait_for_peer). */
export const waitForRoom = (ctx: CallContext, room: WaitQueue, timeoutUs: number): number =>
  waitAt(ctx, room, POLLOUT | POLLWRNORM, timeoutUs, -Errno.EAGAIN);

function waitAt(ctx: CallContext, queue: WaitQueue, events: number, timeoutUs: number, onTimeout: number): number {
  if (timeoutUs < 0) return onTimeout;
  if (timeoutUs > 0) {
    ctx.waitUntil(after(ctx.now, micros(timeoutUs)), onTimeout);
    ctx.onSignal('interrupt');
  }
  ctx.waitOn(queue, events);
  return BLOCKED;
}
