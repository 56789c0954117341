/**
 * sendfile(2), splice(2), tee(2), vmsplice(2) with a socket on one side: fs/splice.c, fs/read_write.c do_sendfile, net/ipv4/tcp.c tcp_splice_read. The other side is a file or a pipe,
 * which under the runner is the guest's own.
 *
 * File to socket is staged like any send, and the file's position goes back if the answer is not taken. Between a pipe and a socket octets move before the answer: what the receiving side can take
 * is looked for first, only that much is taken, and since it cannot be put back the result is kept for the restart of the call if a signal takes its answer away.
 */
import { Errno } from '../../abi/errno.ts';
import { O_ACCMODE, O_APPEND, O_RDONLY, O_WRONLY } from '../../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../../abi/poll.ts';
import {
  AF_INET6,
  AF_UNIX,
  MAX_RW_COUNT,
  MSG_DONTWAIT,
  MSG_MORE,
  SOCK_DGRAM,
  SOCK_STREAM,
  UIO_MAXIOV,
} from '../../abi/socket.ts';
import { SPLICE_F_ALL, SPLICE_F_MORE, SPLICE_F_NONBLOCK } from '../../abi/splice.ts';
import { u64 } from '../../abi/struct.ts';
import { PipeEnd, SeekableFile } from '../../socket/byte-file.ts';
import type { Committable } from '../../socket/committable.ts';
import type { OpenFile } from '../../socket/file.ts';
import { Message } from '../../socket/message.ts';
import { Socket } from '../../socket/socket.ts';
import { Standing } from '../../socket/wait-queue.ts';
import { BLOCKED, type CallContext } from '../task.ts';
import { copyIn, importVector, putLong } from './guest.ts';
import { sendToFile, spliceFiles, Transfer, teePipes, vmsplicePipe } from './pipes.ts';
import { isNonblocking, transferFlags, waitFor } from './sockets.ts';

const READABLE = POLLIN | POLLRDNORM | POLLRDHUP | POLLERR | POLLHUP;
const WRITABLE = POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
const O_PATH = 0x20_0000;

/** What a pipe of the default size holds: do_splice_direct moves no more at a time. */
const PIECE = 65_536;
/** Octets on their way. Filled and emptied within one try. */
const staging = new Uint8Array(PIECE);
/** A message whose buffers lie in `staging`. */
const message = new Message({
  read: (addr, dst, at, len) => {
    dst.set(staging.subarray(addr, addr + len), at);
    return len;
  },
  write: (addr, src, at, len) => {
    staging.set(src.subarray(at, at + len), addr);
    return len;
  },
});
function stagedMessage(ctx: CallContext, octets: number, flags: number): Message {
  message.clear();
  message.caller = ctx;
  message.iov.push(0, octets);
  message.flags = flags;
  return message;
}

/** The file behind a descriptor, ours or not; alive until the call ends. */
function anyFile(ctx: CallContext, fd: number): OpenFile | undefined {
  const file = ctx.files.get(fd) ?? ctx.files.foreign?.(fd);
  if (file === undefined) return undefined;
  ctx.hold(file);
  return (file.statusFlags & O_PATH) === 0 ? file : undefined;
}
const canRead = (file: OpenFile): boolean => (file.statusFlags & O_ACCMODE) !== O_WRONLY;
const canWrite = (file: OpenFile): boolean => (file.statusFlags & O_ACCMODE) !== O_RDONLY;

/** loff_t at `at`: `Infinity` beyond what any file has. */
function offsetIn(ctx: CallContext, at: number): number {
  if (copyIn(ctx, at, ctx.scratch, 8) !== 0) return -Errno.EFAULT;
  return (ctx.scratch[7] as number) >= 0x80 ? -Errno.EINVAL : u64.get(ctx.scratch, 0);
}

// File to socket

class FileToSocket implements Committable {
  readonly socket: Socket;
  readonly file: SeekableFile;
  /** Where the guest keeps the position, or 0: then it is the file's own. */
  readonly offsetAt: number;
  position: number;
  left: number;
  units = 0;
  /** Where the next answer's octets begin. */
  #from: number;

  constructor(socket: Socket, file: SeekableFile, offsetAt: number, position: number, left: number) {
    this.socket = socket;
    this.file = file;
    this.offsetAt = offsetAt;
    this.position = this.#from = position;
    this.left = left;
  }
  /** The guest may look at the file's position as soon as it has the answer: it moves before that. */
  advance(octets: number): void {
    this.position += octets;
    this.left -= octets;
    if (this.offsetAt === 0) this.file.seek(this.position);
  }
  commit(): void {
    this.socket.commit(this.units);
    this.units = 0;
    this.#from = this.position;
  }
  rollback(): void {
    this.socket.rollback(this.units);
    this.units = 0;
    if (this.offsetAt === 0) this.file.seek(this.#from);
  }
  eventsAfter(): number {
    return this.socket.eventsAfter(this.units);
  }
}

/** What was sent with more to come goes at the end of the file (splice_eof), for which a UDP socket of IPv6 has no function (inet6_dgram_ops): there a datagram stays in the making. */
const keepsOpen = ({ domain, type }: Socket): boolean => domain === AF_INET6 && type === SOCK_DGRAM;

function fileToSocket(ctx: CallContext, move: FileToSocket): number {
  const { socket, file } = move;
  const flags = transferFlags(socket, 0);
  let result = 0;
  while (move.left > 0) {
    const wanted = Math.min(move.left, PIECE);
    const got = file.readAt(move.position, staging, 0, wanted);
    result = got;
    if (got <= 0) break;
    const isLast = got === move.left || (got < wanted && !keepsOpen(socket));
    result = socket.send(stagedMessage(ctx, got, isLast ? flags : flags | MSG_MORE), ctx.callId);
    if (result < 0) break;
    move.units += socket.units;
    ctx.commitWith(move, socket.units);
    move.advance(result);
    ctx.progress += result;
  }
  if (result === -Errno.EAGAIN && (flags & MSG_DONTWAIT) === 0) return fileWaits(ctx, move);
  return writeOffset(ctx, move, ended(ctx, result, socket));
}
/** What the socket has no room for waits. */
function fileWaits(ctx: CallContext, move: FileToSocket): number {
  if (ctx.progress > 0 && !ctx.partsSurvive) return writeOffset(ctx, move, ctx.progress);
  ctx.commitNow();
  // A signal ends the call from here without another try: the guest's offset must be right by then.
  const partial = writeOffset(ctx, move, ctx.progress);
  if (ctx.progress > 0) ctx.partial(partial);
  const waiting = waitFor(ctx, move.socket, WRITABLE, move.socket.sendTimeoutUs, -Errno.EAGAIN);
  return waiting !== BLOCKED && ctx.progress > 0 ? partial : waiting;
}
function writeOffset(ctx: CallContext, move: FileToSocket, result: number): number {
  if (move.offsetAt === 0) return result;
  return putLong(ctx, move.offsetAt, move.position) === 0 ? result : -Errno.EFAULT;
}
/** What was moved is the result; an error only if nothing was. */
function ended(ctx: CallContext, result: number, socket: Socket | undefined): number {
  if (ctx.progress > 0 || result >= 0) return ctx.progress;
  if (result === -Errno.EPIPE && socket?.type === SOCK_STREAM) ctx.raiseSigpipe();
  return result;
}

// Pipe to socket

interface PipeMove {
  readonly socket: Socket;
  readonly pipe: PipeEnd;
  readonly toSocket: boolean;
  /** Do not wait for the pipe. Whether the socket is waited for is the socket's own O_NONBLOCK. */
  readonly nonblock: boolean;
  readonly more: boolean;
  left: number;
}

function pipeWaits(ctx: CallContext, pipe: PipeEnd, events: number): number {
  ctx.waitOn(pipe.waiters, events, Standing.Watch);
  pipe.watch();
  return BLOCKED;
}

function pipeToSocket(ctx: CallContext, move: PipeMove): number {
  const { socket, pipe } = move;
  const flags = transferFlags(socket, move.more ? MSG_MORE : 0);
  while (move.left > 0) {
    const there = pipe.peek(staging, 0, Math.min(move.left, PIECE));
    if (there === 0) break;
    if (there < 0) {
      if (ctx.progress > 0) break;
      if (there !== -Errno.EAGAIN || move.nonblock) return there;
      return pipeWaits(ctx, pipe, READABLE);
    }
    const sent = socket.send(stagedMessage(ctx, there, flags), ctx.callId);
    if (sent === -Errno.EAGAIN && (flags & MSG_DONTWAIT) === 0) return socketWaits(ctx, socket, true);
    if (sent < 0) return ended(ctx, sent, socket);
    const taken = pipe.take(sent);
    ctx.commitWith(socket, socket.type === SOCK_STREAM ? taken : socket.units);
    ctx.commitNow();
    ctx.keepResult();
    ctx.progress += taken;
    move.left -= taken;
  }
  return ctx.progress;
}
function socketWaits(ctx: CallContext, socket: Socket, toSend: boolean): number {
  if (ctx.progress > 0 && !ctx.partsSurvive) return ctx.progress;
  if (ctx.progress > 0) ctx.partial(ctx.progress);
  const timeoutUs = toSend ? socket.sendTimeoutUs : socket.receiveTimeoutUs;
  const waiting = waitFor(ctx, socket, toSend ? WRITABLE : READABLE, timeoutUs, -Errno.EAGAIN);
  return waiting !== BLOCKED && ctx.progress > 0 ? ctx.progress : waiting;
}

// Socket to pipe

/** Only streams of AF_UNIX look at the pipe's flag too (unix_stream_splice_read). */
const isAtOnce = ({ domain, type }: Socket, flags: number, nonblock: boolean): boolean =>
  (flags & MSG_DONTWAIT) !== 0 || (domain === AF_UNIX && type === SOCK_STREAM && nonblock);

function socketToPipe(ctx: CallContext, { socket, pipe, nonblock, left }: PipeMove): number {
  const room = pipe.room();
  if (room === -Errno.EPIPE) ctx.raiseSigpipe();
  if (room === -Errno.EAGAIN && !nonblock) return pipeWaits(ctx, pipe, WRITABLE);
  if (room < 0 || left === 0) return Math.min(0, room);
  const flags = transferFlags(socket, 0);
  const wanted = stagedMessage(ctx, Math.min(left, PIECE), flags);
  wanted.isSplice = true;
  const received = socket.receive(wanted, 0);
  if (received === -Errno.EAGAIN && !isAtOnce(socket, flags, nonblock)) return socketWaits(ctx, socket, false);
  if (received < 0) return received;
  const { units } = socket;
  const put = received === 0 ? 0 : pipe.put(staging, 0, received);
  if (put < 0) {
    // The room went to another writer in between.
    socket.rollback(units);
    return put === -Errno.EAGAIN && !nonblock ? pipeWaits(ctx, pipe, WRITABLE) : put;
  }
  ctx.commitWith(socket, socket.type === SOCK_STREAM ? put : units);
  ctx.commitNow();
  if (put > 0) hasPut(ctx, pipe);
  return put;
}

/** Whose octets they were has his room back before the pipe's reader hears of them (splice_file_to_pipe). */
function hasPut(ctx: CallContext, pipe: PipeEnd): void {
  pipe.wakeReader();
  ctx.keepResult();
}

function again(ctx: CallContext): number {
  const { state } = ctx;
  if (state instanceof Transfer) return state.run(ctx);
  if (state instanceof FileToSocket) return fileToSocket(ctx, state);
  const move = state as PipeMove;
  return move.toSocket ? pipeToSocket(ctx, move) : socketToPipe(ctx, move);
}

/** What do_sendfile finds wrong with its source: 0 or a negative errno. `offset` is that of the guest, if it gave one. */
function sourceRefusal(source: OpenFile | undefined, hasOffset: boolean, offset: number, count: number): number {
  if (source === undefined || !canRead(source)) return -Errno.EBADF;
  if (hasOffset && !(source instanceof SeekableFile)) return -Errno.ESPIPE;
  return count < 0 || offset < 0 ? -Errno.EINVAL : 0;
}

/** do_sendfile. */
export function sendfile(ctx: CallContext, out: number, from: number, offsetAt: number, count: number): number {
  if (ctx.attempt > 0) return again(ctx);
  const offset = offsetAt === 0 ? 0 : offsetIn(ctx, offsetAt);
  if (offset === -Errno.EFAULT) return offset;
  const source = anyFile(ctx, from);
  const refusal = sourceRefusal(source, offsetAt !== 0, offset, count);
  if (refusal !== 0) return refusal;
  const target = anyFile(ctx, out);
  if (target === undefined || !canWrite(target)) return -Errno.EBADF;
  const length = Math.min(count, MAX_RW_COUNT);
  if (target instanceof Socket) {
    // What cannot be put back must not be read for a socket that may take less (splice_direct_to_actor).
    if (isAppending(target) || !isSeekable(source)) return -Errno.EINVAL;
    if (!(source instanceof SeekableFile)) return nothingFrom(length);
    return ctx.file(out) === target ? sendFrom(ctx, target, source, offsetAt, offset, length) : -Errno.EBADF;
  }
  if (!(source instanceof Socket)) {
    return sendToFile(ctx, target, source as OpenFile, offsetAt, offset, length) ?? notOurs(ctx, 'sendfile');
  }
  if (!(target instanceof PipeEnd)) return -Errno.EINVAL;
  return sendToPipe(ctx, from, source, target, length);
}
function sendToPipe(ctx: CallContext, from: number, source: Socket, target: PipeEnd, length: number): number {
  if (ctx.file(from) !== source) return -Errno.EBADF;
  return spliceToPipe(ctx, source, target, length, 0);
}
/** An epoll object has a position, though no octets: what it refuses is to be read. */
const isSeekable = (file: OpenFile | undefined): boolean => !(file instanceof PipeEnd || file instanceof Socket);
const nothingFrom = (length: number): number => (length === 0 ? 0 : -Errno.EINVAL);
const isAppending = (file: OpenFile): boolean => (file.statusFlags & O_APPEND) !== 0;

function sendFrom(
  ctx: CallContext,
  socket: Socket,
  file: SeekableFile,
  offsetAt: number,
  offset: number,
  length: number,
): number {
  const position = offsetAt === 0 ? file.position() : offset;
  if (position < 0) return -Errno.EINVAL;
  // No file reaches that far.
  if (!Number.isSafeInteger(position + length)) return 0;
  const move = new FileToSocket(socket, file, offsetAt, position, length);
  ctx.state = move;
  return fileToSocket(ctx, move);
}
/** Neither side is a socket: the kernel's own call where there is one. */
function notOurs(ctx: CallContext, call: string): number {
  ctx.unsupported(call, 'without a socket', 'EINVAL');
  return -Errno.EINVAL;
}

function spliceToPipe(ctx: CallContext, socket: Socket, pipe: PipeEnd, len: number, flags: number): number {
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0 || isNonblocking(pipe);
  const move: PipeMove = { socket, pipe, toSocket: false, nonblock, more: false, left: Math.min(len, MAX_RW_COUNT) };
  ctx.state = move;
  return socketToPipe(ctx, move);
}
function spliceFromPipe(ctx: CallContext, pipe: PipeEnd, socket: Socket, len: number, flags: number): number {
  if (isAppending(socket)) return -Errno.EINVAL;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0 || isNonblocking(pipe);
  const more = (flags & SPLICE_F_MORE) !== 0;
  const move: PipeMove = { socket, pipe, toSocket: true, nonblock, more, left: Math.min(len, MAX_RW_COUNT) };
  ctx.state = move;
  return pipeToSocket(ctx, move);
}

/** A pipe has no offset, and a socket none that could be given. Order of checks: __do_splice, do_splice. */
function spliceRefusal(ctx: CallContext, source: OpenFile, inAt: number, target: OpenFile, outAt: number): number {
  if (source instanceof PipeEnd && inAt !== 0) return -Errno.ESPIPE;
  if (target instanceof PipeEnd && outAt !== 0) return -Errno.ESPIPE;
  for (const at of [outAt, inAt]) if (at !== 0 && copyIn(ctx, at, ctx.scratch, 8) !== 0) return -Errno.EFAULT;
  if (!canRead(source) || !canWrite(target)) return -Errno.EBADF;
  if (source instanceof Socket && inAt !== 0) return -Errno.EINVAL;
  return target instanceof Socket && outAt !== 0 ? -Errno.EINVAL : 0;
}

export function splice(
  ctx: CallContext,
  from: number,
  inAt: number,
  out: number,
  outAt: number,
  len: number,
  flags: number,
): number {
  if (ctx.attempt > 0) return again(ctx);
  if (len === 0) return 0;
  if ((flags & ~SPLICE_F_ALL) !== 0) return -Errno.EINVAL;
  const source = anyFile(ctx, from);
  const target = source === undefined ? undefined : anyFile(ctx, out);
  if (source === undefined || target === undefined) return -Errno.EBADF;
  const refusal = spliceRefusal(ctx, source, inAt, target, outAt);
  if (refusal !== 0) return refusal;
  if (source instanceof Socket)
    return ctx.file(from) === source ? toPipe(ctx, source, target, len, flags) : -Errno.EBADF;
  if (!(target instanceof Socket)) {
    const fromOffset = inAt === 0 ? 0 : offsetIn(ctx, inAt);
    const toOffset = outAt === 0 ? 0 : offsetIn(ctx, outAt);
    const what = { from: source, fromAt: inAt, fromOffset, to: target, toAt: outAt, toOffset, len, flags };
    return spliceFiles(ctx, what) ?? notOurs(ctx, 'splice');
  }
  return ctx.file(out) === target ? fromPipe(ctx, source, target, len, flags) : -Errno.EBADF;
}
/** One side must be a pipe; rw_verify_area looks at the length as ssize_t. */
const toPipe = (ctx: CallContext, source: Socket, target: OpenFile, len: number, flags: number): number =>
  target instanceof PipeEnd && len >= 0 ? spliceToPipe(ctx, source, target, len, flags) : -Errno.EINVAL;
const fromPipe = (ctx: CallContext, source: OpenFile, target: Socket, len: number, flags: number): number =>
  source instanceof PipeEnd && len >= 0 ? spliceFromPipe(ctx, source, target, len, flags) : -Errno.EINVAL;

/** tee(2) is for two pipes. */
export function tee(ctx: CallContext, from: number, out: number, len: number, flags: number): number {
  if (ctx.attempt > 0) return again(ctx);
  if ((flags & ~SPLICE_F_ALL) !== 0) return -Errno.EINVAL;
  if (len === 0) return 0;
  const source = anyFile(ctx, from);
  const target = source === undefined ? undefined : anyFile(ctx, out);
  if (source === undefined || target === undefined || !canRead(source) || !canWrite(target)) return -Errno.EBADF;
  if (!(source instanceof PipeEnd) || !(target instanceof PipeEnd)) return -Errno.EINVAL;
  return teePipes(ctx, source, target, len, flags) ?? notOurs(ctx, 'tee');
}
/** vmsplice(2) is for a pipe, which it looks for once there is something to move. */
export function vmsplice(ctx: CallContext, fd: number, vector: number, count: number, flags: number): number {
  if (ctx.attempt > 0) return again(ctx);
  if ((flags & ~SPLICE_F_ALL) !== 0) return -Errno.EINVAL;
  const file = anyFile(ctx, fd);
  if (file === undefined) return -Errno.EBADF;
  if (count > UIO_MAXIOV) return -Errno.EINVAL;
  ctx.message.clear();
  const fault = importVector(ctx, ctx.message.iov, vector, count);
  if (fault !== 0 || ctx.message.iov.total === 0) return fault;
  if (!(file instanceof PipeEnd)) return -Errno.EBADF;
  return vmsplicePipe(ctx, file, canWrite(file), flags) ?? notOurs(ctx, 'vmsplice');
}
