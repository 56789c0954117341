/**
 * sendto(2), sendmsg(2), sendmmsg(2) and what write(2) and writev(2) do on a socket.
 *
 * A stream takes what its buffer has room for. A blocking call then commits that much, waits for room and goes on; what has been taken is its result if a signal,
 * a timeout or an error ends it early. Where a signal may end it without that result (docs/decisions/0011) it does not wait: the buffer takes the rest beyond its limit, or the
 * call is short. A datagram is taken whole or not at all.
 */
import { CmsgWalker } from '../../abi/cmsg.ts';
import { Errno } from '../../abi/errno.ts';
import { mmsghdr } from '../../abi/msghdr.ts';
import { controlTypeName, levelName } from '../../abi/names.ts';
import { POLLERR, POLLHUP, POLLOUT, POLLWRNORM } from '../../abi/poll.ts';
import {
  AF_INET,
  AF_INET6,
  MSG_CMSG_COMPAT,
  MSG_CONFIRM,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_NOSIGNAL,
  MSG_OOB,
  OPTMEM_MAX,
  SOCK_DGRAM,
  SOCK_STREAM,
  UIO_MAXIOV,
} from '../../abi/socket.ts';
import { lacksControl } from '../../socket/control/send.ts';
import type { Socket } from '../../socket/socket.ts';
import { BLOCKED, type CallContext } from '../task.ts';
import { addressIn, copyIn, importBuffer, importHeader, putInt } from './guest.ts';
import { socketOf, transferFlags, waitFor, waitForRoom } from './sockets.ts';

/** Octets of a send after the first answer that a signal came before, halved by each further one, and the least. */
const HASTY_PIECE = 131_072;
const LEAST_PIECE = 4096;

const WRITABLE = POLLOUT | POLLWRNORM | POLLERR | POLLHUP;

/** Bits that only the kernel itself may pass (MSG_INTERNAL_SENDMSG_FLAGS). */
const INTERNAL = 0x0800_0000 | 0x0001_0000 | 0x0010_0000;

/** Flags that some socket refuses which Linux's does not, or takes without effect. */
const NOTED = MSG_CONFIRM | MSG_OOB;

/** Sends `ctx.message`; `ctx.progress` counts the octets of earlier tries. */
export function sendMessage(ctx: CallContext, socket: Socket): number {
  const result = socket.type === SOCK_STREAM ? sendStream(ctx, socket) : sendDatagram(ctx, socket);
  if ((ctx.message.flags & NOTED) !== 0) noteFlags(ctx, socket, result);
  if (result === -Errno.EINVAL && ctx.message.controlLength > 0) noteControl(ctx, socket);
  return result;
}
const walker = new CmsgWalker();
/** Counts the control messages for which the send was refused. */
function noteControl(ctx: CallContext, { domain }: Socket): void {
  const { control, controlLength } = ctx.message;
  if (domain !== AF_INET && domain !== AF_INET6) return;
  walker.begin(control, controlLength);
  while (walker.next()) {
    const { level, type } = walker;
    if (!lacksControl(level, type)) continue;
    ctx.unsupported(ctx.callName, `${levelName(level)}/${controlTypeName(level, type)}`, 'EINVAL');
  }
}
function noteFlags(ctx: CallContext, { domain, type }: Socket, result: number): void {
  const { flags } = ctx.message;
  const isInet = domain === AF_INET || domain === AF_INET6;
  const call = ctx.callName;
  // The neighbour is probed all the same.
  if ((flags & MSG_CONFIRM) !== 0 && isInet && type === SOCK_DGRAM && result >= 0)
    ctx.unsupported(call, 'MSG_CONFIRM', '');
  if (result !== -Errno.EOPNOTSUPP) return;
  if ((flags & MSG_OOB) !== 0) ctx.unsupported(call, 'MSG_OOB', 'EOPNOTSUPP', type !== SOCK_STREAM);
}

function sendDatagram(ctx: CallContext, socket: Socket): number {
  const { message } = ctx;
  message.iov.seek(0);
  const sent = socket.send(message, ctx.callId);
  if (sent === -Errno.EAGAIN && (message.flags & MSG_DONTWAIT) === 0) {
    const { peerRoom } = socket;
    if (peerRoom !== undefined) return waitForRoom(ctx, peerRoom, socket.sendTimeoutUs);
    return waitFor(ctx, socket, WRITABLE, socket.sendTimeoutUs, sent);
  }
  if (sent >= 0) ctx.commitWith(socket, socket.units);
  return sent;
}

function sendStream(ctx: CallContext, socket: Socket): number {
  const { message } = ctx;
  let result: number;
  if (ctx.refusals > 0 && ctx.attempt === 0) hasten(ctx);
  do {
    result = socket.send(message, ctx.callId);
    if (result < 0) break;
    ctx.commitWith(socket, socket.units);
    ctx.progress += result;
  } while (result > 0 && message.iov.remaining > 0 && message.limit === Number.POSITIVE_INFINITY);
  // Nothing taken of what is left: the guest's memory faults there.
  if (result === 0 && message.iov.remaining > 0) result = -Errno.EFAULT;
  if (ctx.refusals > 0 && ctx.progress > 0 && ctx.partsSurvive) {
    ctx.commitNow();
    ctx.partial(ctx.progress);
  }
  if (result >= 0) return ctx.progress;
  if (result === -Errno.EAGAIN && (message.flags & MSG_DONTWAIT) === 0) return sendRest(ctx, socket);
  return endStream(ctx, socket, result);
}

/** The buffer is full: what it took is on its way, the rest waits. */
function sendRest(ctx: CallContext, socket: Socket): number {
  if (ctx.progress > 0) {
    if (!ctx.partsSurvive) return sendBeyond(ctx, socket);
    ctx.commitNow();
    ctx.partial(ctx.progress);
  }
  const waiting = waitFor(ctx, socket, WRITABLE, socket.sendTimeoutUs, -Errno.EAGAIN);
  return waiting !== BLOCKED && ctx.progress > 0 ? ctx.progress : waiting;
}

/** Signals come faster than this send is done: where it would begin anew for ever, it is short. */
function hasten(ctx: CallContext): void {
  if (!ctx.partsSurvive) ctx.message.limit = Math.max(LEAST_PIECE, HASTY_PIECE >> Math.min(ctx.refusals, 8));
}
function sendBeyond(ctx: CallContext, socket: Socket): number {
  const { message } = ctx;
  message.isWhole = true;
  const result = socket.send(message, ctx.callId);
  message.isWhole = false;
  if (result > 0) {
    ctx.commitWith(socket, socket.units);
    ctx.progress += result;
  }
  return ctx.progress;
}

/** An error after part of the data was taken is the next call's; the part is this one's result. */
function endStream(ctx: CallContext, socket: Socket, error: number): number {
  if (ctx.progress === 0) {
    if (error === -Errno.EPIPE && (ctx.message.flags & MSG_NOSIGNAL) === 0) ctx.raiseSigpipe();
    return error;
  }
  // These are found again by the next call on their own.
  if (error !== -Errno.EAGAIN && error !== -Errno.EPIPE && error !== -Errno.EFAULT) socket.setError(-error);
  return ctx.progress;
}

/** Order of checks: __sys_sendto. */
export function sendto(
  ctx: CallContext,
  fd: number,
  buffer: number,
  size: number,
  flags: number,
  addr: number,
  addrLength: number,
): number {
  if (ctx.attempt > 0) return sendMessage(ctx, ctx.file(fd) as Socket);
  const { message } = ctx;
  message.clear();
  const fault = importBuffer(ctx, buffer, size);
  if (fault !== 0) return fault;
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  if (addr !== 0) {
    const bad = addressIn(ctx, addr, addrLength, message.name);
    if (bad !== 0) return bad;
    message.nameLength = addrLength;
  }
  message.flags = transferFlags(socket, flags & ~INTERNAL);
  return sendMessage(ctx, socket);
}

/** Control data as ____sys_sendmsg takes it: bounded by optmem_max, read whole. */
function importControl(ctx: CallContext): number {
  const { header, message } = ctx;
  const length = header.controlLength;
  if (length === 0) return 0;
  if (length >= OPTMEM_MAX) return -Errno.ENOBUFS;
  message.control = header.controlBuffer(length);
  message.controlLength = length;
  return copyIn(ctx, header.control, message.control, length);
}

/** ___sys_sendmsg up to the socket's own work: 0, or a negative errno. */
function importMessage(ctx: CallContext, socket: Socket, at: number, flags: number): number {
  const fault = importHeader(ctx, at, true);
  if (fault !== 0) return fault;
  ctx.message.flags = transferFlags(socket, flags & ~INTERNAL);
  return importControl(ctx);
}

/** One of a batch, whose own flags say whether a record ends (__sys_sendmmsg, allowed_msghdr_flags). */
function importEntry(ctx: CallContext, socket: Socket, at: number, flags: number): number {
  const result = importMessage(ctx, socket, at, flags);
  ctx.message.flags |= ctx.header.flags & MSG_EOR;
  return result;
}

export function sendmsg(ctx: CallContext, fd: number, at: number, flags: number): number {
  if (ctx.attempt > 0) return sendMessage(ctx, ctx.file(fd) as Socket);
  if ((flags & MSG_CMSG_COMPAT) !== 0) return -Errno.EINVAL;
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  const fault = importMessage(ctx, socket, at, flags);
  return fault !== 0 ? fault : sendMessage(ctx, socket);
}

/**
 * sendmmsg(2): an error counts only if nothing was sent; after a partly sent message the rest is left alone (__sys_sendmmsg). Messages are staged and committed
 * together at the end; before a wait those staged are committed. On Linux a message to this host has arrived before the next is sent, and the next finds what it drew, so such a
 * message is committed at once, wherever a part survives a signal.
 */
export function sendmmsg(ctx: CallContext, fd: number, at: number, vlen: number, flags: number): number {
  const count = Math.min(vlen, UIO_MAXIOV);
  if ((flags & MSG_CMSG_COMPAT) !== 0) return -Errno.EINVAL;
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  let result = 0;
  let resumed = ctx.attempt > 0;
  while (ctx.count < count) {
    const entry = at + ctx.count * mmsghdr.size;
    if (!resumed) result = importEntry(ctx, socket, entry, flags);
    resumed = false;
    if (result >= 0) result = sendMessage(ctx, socket);
    if (result === BLOCKED) {
      if (ctx.count > 0 && !ctx.partsSurvive) break;
      return batchWaits(ctx, entry);
    }
    if (result < 0) break;
    // The message has gone; that the guest cannot be told is an error only for the first.
    const fault = putInt(ctx, entry + mmsghdr.offset.len, result);
    if (fault !== 0) return ctx.count > 0 ? ctx.count : fault;
    ctx.count++;
    if (socket.type === SOCK_STREAM && ctx.message.iov.remaining > 0) break;
    beforeNext(ctx, socket, count);
  }
  return ctx.count > 0 ? ctx.count : result;
}
function beforeNext(ctx: CallContext, socket: Socket, count: number): void {
  ctx.progress = 0;
  ctx.clearDeadline();
  if (ctx.count < count && ctx.partsSurvive && socket.staysHere) arriveFirst(ctx, socket);
}
function arriveFirst(ctx: CallContext, socket: Socket): void {
  ctx.commitNow();
  ctx.partial(ctx.count);
  socket.arrive();
}
/** What is staged goes. Of a message partly sent the guest learns now how much, for a signal may end the call. */
function batchWaits(ctx: CallContext, entry: number): number {
  ctx.commitNow();
  if (ctx.progress > 0) {
    putInt(ctx, entry + mmsghdr.offset.len, ctx.progress);
    ctx.partial(ctx.count + 1);
  } else if (ctx.count > 0) {
    ctx.partial(ctx.count);
  }
  return BLOCKED;
}
