/**
 * recvfrom(2), recvmsg(2), recvmmsg(2) and what read(2) and readv(2) do on a socket.
 *
 * The socket copies into the guest's buffers at once but drops nothing: that is for the commit. MSG_WAITALL on a stream goes on until the buffers are full: it
 * commits what it has before it waits, because the sender may need the room, and that is the result if a signal, a timeout, an error or the end comes first. Where a signal
 * may end it without that result (docs/decisions/0011) it takes nothing before everything is there, or is short if that is more than the buffer holds.
 */
import { Errno } from '../../abi/errno.ts';
import { IPPROTO_TCP } from '../../abi/in.ts';
import { mmsghdr, msghdr } from '../../abi/msghdr.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../../abi/poll.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CMSG_COMPAT,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_OOB,
  MSG_PEEK,
  MSG_WAITALL,
  MSG_WAITFORONE,
  SO_ERROR,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { timespec } from '../../abi/sockopt.ts';
import { i32 } from '../../abi/struct.ts';
import { after, type Instant, micros, since } from '../../lib/clock.ts';
import type { Message } from '../../socket/message.ts';
import type { Socket } from '../../socket/socket.ts';
import { BLOCKED, type CallContext, TRY_AGAIN } from '../task.ts';
import { controlOut } from './control-out.ts';
import { addressOut, addressOutSized, copyIn, copyOut, importBuffer, importHeader, putInt, putLong } from './guest.ts';
import { socketOf, transferFlags, waitFor } from './sockets.ts';

const READABLE = POLLIN | POLLRDNORM | POLLRDHUP | POLLERR | POLLHUP;
const ANYTHING = READABLE | POLLOUT | POLLWRNORM | POLLPRI;
/** With one of these nothing is waited for. Only internet sockets have an error queue, and only TCP has urgent data; others pass over the flags. */
function flagsAtOnce({ domain, protocol }: Socket): number {
  if (domain !== AF_INET && domain !== AF_INET6) return MSG_DONTWAIT;
  return protocol === IPPROTO_TCP ? MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB : MSG_DONTWAIT | MSG_ERRQUEUE;
}
/** More control data than any message of ours has. */
const CONTROL_CAPACITY = 8192;

/** With one of these MSG_WAITALL is not a matter of several rounds: MSG_PEEK looks at the same octets again. */
const ONE_ROUND = MSG_PEEK | MSG_OOB | MSG_ERRQUEUE;
const wantsAll = (message: Message, socket: Socket): boolean =>
  (message.flags & MSG_WAITALL) !== 0 && (message.flags & ONE_ROUND) === 0 && socket.type === SOCK_STREAM;

/** With MSG_PEEK as well a TCP stream is waited for until all of it is there; what is looked at is looked at once (tcp_recvmsg_locked). AF_UNIX peeks at what there is. */
const peeksOn = ({ flags }: Message, { type, domain, collects }: Socket): boolean =>
  (flags & ONE_ROUND) === MSG_PEEK &&
  ((flags & MSG_WAITALL) !== 0 || collects > 0) &&
  type === SOCK_STREAM &&
  domain !== AF_UNIX;

/** Octets without which a receive goes on. */
function leastOf({ message, partsSurvive }: CallContext, socket: Socket): number {
  const peeks = peeksOn(message, socket);
  const takes = partsSurvive && (message.flags & ONE_ROUND) === 0;
  message.takesLess = peeks || takes;
  if (wantsAll(message, socket) || (peeks && (message.flags & MSG_WAITALL) !== 0)) return message.iov.total;
  return message.takesLess ? Math.min(socket.collects, message.iov.total) : 0;
}

/** Receives into `ctx.message`, whose `passing` is what `disconnects` was when a receive on TCP began to wait (sk_wait_event); `ctx.progress` counts the octets of earlier rounds. */
export function receiveMessage(ctx: CallContext, socket: Socket): number {
  const { message } = ctx;
  if (typeof message.passing === 'number') {
    const isDissolved = message.passing !== socket.disconnects;
    message.passing = undefined;
    if (isDissolved) return ctx.progress > 0 ? ctx.progress : -Errno.EPIPE;
    if (message.iov.total === 0) return 0;
  }
  const least = leastOf(ctx, socket);
  let result = receiveOnce(ctx, socket);
  while (result > 0 && message.iov.position < least) result = receiveOnce(ctx, socket);
  if (result >= 0) return ctx.progress;
  if (result === -Errno.EAGAIN && (message.flags & flagsAtOnce(socket)) === 0) return receiveRest(ctx, socket);
  return ctx.progress > 0 ? partly(ctx, socket, result) : result;
}
function receiveOnce(ctx: CallContext, socket: Socket): number {
  const result = socket.receive(ctx.message, peeksOn(ctx.message, socket) ? ctx.progress : ctx.staged);
  // An empty datagram has no octets but is one message, and one that faulted is gone; MSG_PEEK takes none.
  if (socket.units > 0) ctx.commitWith(socket, socket.units);
  if (result < 0) return result;
  ctx.progress += result;
  return result;
}
function receiveRest(ctx: CallContext, socket: Socket): number {
  if (wantsAll(ctx.message, socket) && !ctx.partsSurvive) return waitForAll(ctx, socket);
  if (ctx.progress > 0) {
    ctx.commitNow();
    ctx.partial(ctx.progress);
  }
  if (socket.protocol === IPPROTO_TCP) {
    ctx.message.passing = socket.disconnects;
    if (ctx.message.iov.total === 0) return waitForNothing(ctx, socket);
  }
  if (ctx.progress > 0) return waitForMore(ctx, socket);
  ctx.onSignal('restart');
  return waitFor(ctx, socket, READABLE, socket.receiveTimeoutUs, -Errno.EAGAIN);
}
/** What ends the wait for more ends the call as any other does, with name, flags and control data. */
function waitForMore(ctx: CallContext, socket: Socket): number {
  if (ctx.interrupted || ctx.expired) return ctx.progress;
  const waiting = waitFor(ctx, socket, READABLE, socket.receiveTimeoutUs, TRY_AGAIN);
  ctx.onSignal('again');
  return waiting === BLOCKED ? BLOCKED : ctx.progress;
}
/** A receive of no octets waits as any other, and then has all that it wanted, whatever ended the wait (tcp_recvmsg_locked). */
function waitForNothing(ctx: CallContext, socket: Socket): number {
  // A second message of recvmmsg finds the signal before it waits.
  if (ctx.interrupted) return -Errno.EINTR;
  const waiting = waitFor(ctx, socket, ANYTHING, socket.receiveTimeoutUs, TRY_AGAIN);
  ctx.onSignal('again');
  return waiting;
}
/** A signal must find nothing taken: what has come stays in the queue until all of it is there. */
function waitForAll(ctx: CallContext, socket: Socket): number {
  const { receiveTimeoutUs } = socket;
  const isOver = ctx.expired || ctx.interrupted || receiveTimeoutUs < 0;
  const some = ctx.progress > 0;
  if (some) {
    if (isOver || ctx.count > 0 || !socket.holdsUnread(ctx.message.iov.total)) return ctx.progress;
    ctx.unstage();
    ctx.progress = 0;
    ctx.message.iov.seek(0);
  }
  if (isOver) return ctx.interrupted ? -Errno.EINTR : -Errno.EAGAIN;
  const waiting = waitFor(ctx, socket, READABLE, receiveTimeoutUs, TRY_AGAIN);
  // If the same call comes again it gets what there is, as Linux answers at once.
  if (some) ctx.onSignal('again');
  return waiting;
}
/** The error comes after octets that this call returns: it is the next call's. */
function partly(ctx: CallContext, socket: Socket, error: number): number {
  if (error !== -Errno.EAGAIN && error !== -Errno.EFAULT) socket.setError(-error);
  return ctx.progress;
}

/** Order of checks: __sys_recvfrom. */
export function recvfrom(
  ctx: CallContext,
  fd: number,
  buffer: number,
  size: number,
  flags: number,
  addr: number,
  lengthAt: number,
): number {
  const { message } = ctx;
  let socket: Socket | number;
  if (ctx.attempt === 0) {
    message.clear();
    const fault = importBuffer(ctx, buffer, size);
    if (fault !== 0) return fault;
    socket = socketOf(ctx, fd);
    if (typeof socket === 'number') return socket;
    message.flags = transferFlags(socket, flags);
  } else {
    socket = ctx.file(fd) as Socket;
  }
  const result = receiveMessage(ctx, socket);
  if (result < 0 || addr === 0) return result;
  // What was received is gone even if the address cannot be written.
  const fault = addressOut(ctx, message.name, Math.max(message.nameLength, 0), addr, lengthAt);
  return fault !== 0 ? fault : result;
}

/** copy_msghdr_from_user and the room for control data. */
function importMessage(ctx: CallContext, socket: Socket, at: number, flags: number): number {
  const fault = importHeader(ctx, at, false);
  if (fault !== 0) return fault;
  const { header, message } = ctx;
  message.flags = transferFlags(socket, flags);
  message.controlCapacity = header.control === 0 ? 0 : Math.min(header.controlLength, CONTROL_CAPACITY);
  message.control = CONTROL;
  return 0;
}
/** Filled and copied out within one try. */
const CONTROL = new Uint8Array(CONTROL_CAPACITY);

/** Name, flags, control length: what the kernel writes back after the data (____sys_recvmsg). Returns 0 or -EFAULT, -EINVAL. */
function exportHeader(ctx: CallContext, flags: number): number {
  const { header, message } = ctx;
  const control = controlOut(ctx);
  if (header.name !== 0) {
    const lengthAt = header.address + msghdr.offset.namelen;
    const length = Math.max(message.nameLength, 0);
    // The kernel reads it now. What it was before serves where nothing can have changed it.
    const fault =
      ctx.attempt > 0 || isOverwritten(ctx, lengthAt)
        ? addressOut(ctx, message.name, length, header.name, lengthAt)
        : addressOutSized(ctx, message.name, length, header.name, lengthAt, header.nameLength);
    if (fault !== 0) return fault;
  }
  const outFlags = message.outFlags | (flags & MSG_CMSG_CLOEXEC);
  if (putInt(ctx, header.address + msghdr.offset.flags, outFlags) !== 0) return -Errno.EFAULT;
  return putLong(ctx, header.address + msghdr.offset.controllen, control);
}
/** True if the int at `at` lies in memory that the message was received into. */
function isOverwritten({ header, message }: CallContext, at: number): boolean {
  if (overlaps(header.control, message.controlLength, at)) return true;
  const { iov } = message;
  for (let i = 0; i < iov.count; i++) {
    if (overlaps(iov.addresses[i] as number, iov.lengths[i] as number, at)) return true;
  }
  return false;
}
const overlaps = (addr: number, len: number, at: number): boolean => addr < at + i32.size && at < addr + len;

export function recvmsg(ctx: CallContext, fd: number, at: number, flags: number): number {
  if ((flags & MSG_CMSG_COMPAT) !== 0) return -Errno.EINVAL;
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  if (ctx.attempt === 0) {
    const fault = importMessage(ctx, socket, at, flags);
    if (fault !== 0) return fault;
  }
  const result = receiveMessage(ctx, socket);
  if (result < 0) return result;
  const fault = exportHeader(ctx, flags);
  return fault !== 0 ? fault : result;
}

/**
 * Messages in one recvmmsg. Linux has no limit (it can be preempted); MSG_PEEK repeats one datagram for as many slots as the guest has
 * memory for, and we serve others too.
 */
const MAX_MESSAGES = 16384;

/** recvmmsg's own deadline, checked only between messages (do_recvmmsg). */
interface Limit {
  readonly end: Instant | undefined;
  readonly at: number;
}
const NO_LIMIT: Limit = { end: undefined, at: 0 };
const NANO = 1e9;

function importLimit(ctx: CallContext, at: number): Limit | number {
  if (at === 0) return NO_LIMIT;
  if (copyIn(ctx, at, ctx.scratch, timespec.size) !== 0) return -Errno.EFAULT;
  const { sec, nsec } = timespec.decode(ctx.scratch);
  return { end: deadline(ctx.now, sec, nsec), at };
}
/** poll_select_set_timeout; undefined for a time that timespec64_valid refuses. */
const deadline = (now: Instant, sec: number, nsec: number): Instant | undefined =>
  sec < 0 || nsec < 0 || nsec >= NANO ? undefined : after(now, micros(sec * 1e6 + Math.ceil(nsec / 1e3)));

const limitReached = (ctx: CallContext, limit: Limit): boolean =>
  limit.end !== undefined && since(limit.end, ctx.now) <= 0;

export function recvmmsg(
  ctx: CallContext,
  fd: number,
  at: number,
  vlen: number,
  flags: number,
  timeoutAt: number,
): number {
  if ((flags & MSG_CMSG_COMPAT) !== 0) return -Errno.EINVAL;
  if (ctx.attempt === 0) {
    const limit = importLimit(ctx, timeoutAt);
    if (typeof limit === 'number') return limit;
    if (timeoutAt !== 0 && limit.end === undefined) return -Errno.EINVAL;
    ctx.state = limit;
  }
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  if (ctx.attempt === 0 && (flags & MSG_ERRQUEUE) === 0) {
    const pending = takeError(ctx, socket);
    if (pending !== 0) return pending;
  }
  const limit = ctx.state as Limit;
  const result = receiveBatch(ctx, socket, at, vlen, flags, limit);
  if (result === BLOCKED) return BLOCKED;
  return endBatch(ctx, socket, result, limit);
}

function takeError(ctx: CallContext, socket: Socket): number {
  i32.put(ctx.scratch, 0, 0);
  return socket.getOption(SOL_SOCKET, SO_ERROR, ctx.scratch.subarray(0, 4)) < 0 ? 0 : -i32.get(ctx.scratch, 0);
}

/** The loop of do_recvmmsg: 0 when it ended by itself, BLOCKED, or the error that ended it. `ctx.count` messages are done. */
function receiveBatch(ctx: CallContext, socket: Socket, at: number, vlen: number, flags: number, limit: Limit): number {
  const count = Math.min(vlen, MAX_MESSAGES);
  let resumed = ctx.attempt > 0;
  while (ctx.count < count) {
    const entry = at + ctx.count * mmsghdr.size;
    if (!resumed) {
      const atOnce = (flags & MSG_WAITFORONE) !== 0 && ctx.count > 0 ? MSG_DONTWAIT : 0;
      const fault = importMessage(ctx, socket, entry, (flags & ~MSG_WAITFORONE) | atOnce);
      if (fault !== 0) return fault;
    }
    resumed = false;
    const result = receiveMessage(ctx, socket);
    if (result === BLOCKED) return ctx.count > 0 && !ctx.partsSurvive ? 0 : batchWaits(ctx, entry);
    if (result < 0) return result;
    const fault = exportHeader(ctx, flags) || putInt(ctx, entry + mmsghdr.offset.len, result);
    if (fault !== 0) return fault;
    ctx.count++;
    ctx.progress = 0;
    ctx.clearDeadline();
    if (limitReached(ctx, limit) || (ctx.message.outFlags & MSG_OOB) !== 0) return 0;
  }
  return 0;
}
/** Where a signal takes the call away unheard the part's length stands there before: the call that comes again is told only how many there are. */
function batchWaits(ctx: CallContext, entry: number): number {
  ctx.commitNow();
  if (ctx.progress > 0) {
    if (!ctx.killable) putInt(ctx, entry + mmsghdr.offset.len, ctx.progress);
    ctx.partial(ctx.count + 1);
  } else if (ctx.count > 0) {
    ctx.partial(ctx.count);
  }
  return BLOCKED;
}
function endBatch(ctx: CallContext, socket: Socket, result: number, limit: Limit): number {
  if (ctx.count === 0) return result;
  if (result < 0 && result !== -Errno.EAGAIN) socket.setError(-result);
  if (limit.end === undefined) return ctx.count;
  const left = Math.max(since(limit.end, ctx.now), 0);
  timespec.put(ctx.scratch, 0, { sec: Math.floor(left / 1e6), nsec: (left % 1e6) * 1e3 });
  return copyOut(ctx, limit.at, ctx.scratch, timespec.size) === 0 ? ctx.count : -Errno.EFAULT;
}
