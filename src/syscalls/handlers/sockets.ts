/** What every handler needs to reach its socket and to wait for it. */
import { Errno } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
import { POLLIN, POLLOUT, POLLWRNORM } from '../../abi/poll.ts';
import { MSG_DONTWAIT, SOCK_STREAM } from '../../abi/socket.ts';
import { after, micros } from '../../lib/clock.ts';
import type { OpenFile } from '../../socket/file.ts';
import { Socket } from '../../socket/socket.ts';
import { Standing, type WaitQueue } from '../../socket/wait-queue.ts';
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
  standing: Standing = standingOf(socket, events),
): number {
  return waitAt(ctx, socket.waiters, events, timeoutUs, onTimeout, standing);
}
/** As `waitFor`, for room in the queue of a peer (unix_wait_for_peer). */
export const waitForRoom = (ctx: CallContext, room: WaitQueue, timeoutUs: number): number =>
  waitAt(ctx, room, POLLOUT | POLLWRNORM, timeoutUs, -Errno.EAGAIN, Standing.Turn);

/**
 * Of those who wait for datagrams, as of those who wait for connections, each arrival wakes one, the first that came (__skb_wait_for_more_packets), and another stays asleep even if that one only peeks. On
 * a stream, and for room of the socket's own, all are woken and the newest is the first to run (sk_wait_data, sk_stream_wait_memory, inet_wait_for_connect, unix_stream_data_wait).
 */
const standingOf = ({ type }: Socket, events: number): Standing =>
  type === SOCK_STREAM || (events & POLLIN) === 0 ? Standing.Watch : Standing.One;

function waitAt(
  ctx: CallContext,
  queue: WaitQueue,
  events: number,
  timeoutUs: number,
  onTimeout: number,
  standing: Standing,
): number {
  if (timeoutUs < 0) return onTimeout;
  if (timeoutUs > 0) {
    ctx.waitUntil(after(ctx.now, micros(timeoutUs)), onTimeout);
    ctx.onSignal('interrupt');
  }
  ctx.waitOn(queue, events, standing);
  return BLOCKED;
}
