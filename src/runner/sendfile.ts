/**
 * sendfile(2) from a file of the guest's to a socket of ours. The file is read through a copy of the guest's descriptor, straight into the socket's
 * buffer; its position moves with the result. A call sends what there is room for and says so, as sendfile(2) allows, so nothing is held in between.
 * The source must have positions, as files and block devices do; a pipe is EINVAL here, which Linux refuses for a socket in its place.
 */
import { Errno } from '../abi/errno.ts';
import { POLLERR, POLLHUP, POLLOUT } from '../abi/poll.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL } from '../abi/socket.ts';
import { i64 } from '../abi/struct.ts';
import { positionOf, readAt, setPosition } from '../host/file.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { after, micros } from '../lib/clock.ts';
import type { Committable } from '../socket/committable.ts';
import type { GuestMemory } from '../socket/guest-memory.ts';
import { Message } from '../socket/message.ts';
import { Socket } from '../socket/socket.ts';
import { Fd, Ptr, Size } from '../syscalls/args.ts';
import { partial, type Syscall } from '../syscalls/syscall.ts';
import { BLOCKED, type CallContext } from '../syscalls/task.ts';
import type { GuestTask } from './guest-task.ts';

/** MAX_RW_COUNT. */
const MOST = 0x7fff_f000;
const OFFSET_OCTETS = 8;
const O_NONBLOCK = 0o4000;
const WRITABLE = POLLOUT | POLLERR | POLLHUP;

/** A file in the place of guest memory: addresses are positions in it. */
class FileAsMemory implements GuestMemory {
  fd = -1;
  read(addr: number, dst: Uint8Array, at: number, len: number): number {
    return Math.max(0, readAt(this.fd, dst, at, len, addr));
  }
  write(): number {
    return 0;
  }
}

/** The socket's part of the result. The file's position is native state, so it has to move before the guest goes on, and moves back if the guest did not take the result. */
class FileTransfer implements Committable {
  readonly #socket: Socket;
  readonly #file: number;
  readonly #before: number;

  /** @param file a copy of ours, which this closes, or -1 if the position is not the descriptor's */
  constructor(socket: Socket, file: number, before: number, moved: number) {
    this.#socket = socket;
    this.#file = file;
    this.#before = before;
    if (file >= 0) setPosition(file, moved);
  }
  commit(amount: number): void {
    this.#socket.commit(amount);
    this.#close();
  }
  rollback(amount: number): void {
    this.#socket.rollback(amount);
    if (this.#file >= 0) setPosition(this.#file, this.#before);
    this.#close();
  }
  eventsAfter(amount: number): number {
    return this.#socket.eventsAfter(amount);
  }
  #close(): void {
    if (this.#file >= 0) close(this.#file);
  }
}

const memory = new FileAsMemory();
const message = new Message(memory);

function sendfile(ctx: CallContext, outFd: number, inFd: number, offsetAt: number, count: number): number {
  const socket = ctx.file(outFd);
  if (socket === undefined) return -Errno.EBADF;
  if (!(socket instanceof Socket)) return -Errno.EINVAL;
  const file = (ctx as GuestTask).descriptors.copyOf(inFd);
  if (file < 0) return -Errno.EBADF;
  const position = offsetAt === 0 ? positionOf(file) : offsetIn(ctx, offsetAt);
  const result = position < 0 ? refusal(position) : send(ctx, socket, file, position, Math.min(count, MOST));
  if (result <= 0) {
    close(file);
    return result === BLOCKED ? wait(ctx, socket) : result;
  }
  ctx.commitWith(new FileTransfer(socket, offsetAt === 0 ? file : -1, position, position + result), socket.units);
  if (offsetAt === 0) return result;
  close(file);
  i64.put(ctx.scratch, 0, position + result);
  // As in Linux, what was sent is sent, though its caller does not learn how much.
  return ctx.memory.write(offsetAt, ctx.scratch, 0, OFFSET_OCTETS) < OFFSET_OCTETS ? -Errno.EFAULT : result;
}

const refusal = (code: number): number => (code === -Errno.ESPIPE ? -Errno.EINVAL : code);

function offsetIn(ctx: CallContext, at: number): number {
  if (ctx.memory.read(at, ctx.scratch, 0, OFFSET_OCTETS) < OFFSET_OCTETS) return -Errno.EFAULT;
  const offset = i64.get(ctx.scratch, 0);
  return offset < 0 || offset === Infinity ? -Errno.EINVAL : offset;
}

const probe = new Uint8Array(1);

/** Stages what there is room for. 0 at the file's end, BLOCKED where it must wait for room. */
function send(ctx: CallContext, socket: Socket, file: number, position: number, count: number): number {
  if (count === 0) return 0;
  const first = readAt(file, probe, 0, 1, position);
  if (first <= 0) return refusal(first);
  memory.fd = file;
  message.clear();
  message.iov.push(position, count);
  message.flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const sent = socket.send(message, ctx.callId);
  if (sent === -Errno.EPIPE) ctx.raiseSigpipe();
  return sent === -Errno.EAGAIN && (socket.statusFlags & O_NONBLOCK) === 0 ? BLOCKED : sent;
}

function wait(ctx: CallContext, socket: Socket): number {
  if (socket.sendTimeoutUs < 0) return -Errno.EAGAIN;
  if (socket.sendTimeoutUs > 0) {
    ctx.waitUntil(after(ctx.now, micros(socket.sendTimeoutUs)), -Errno.EAGAIN);
    ctx.onSignal('interrupt');
  }
  ctx.waitOn(socket.waiters, WRITABLE);
  return BLOCKED;
}

/** In the place of the table's line, which has no files to read from. */
export const sendfileCall: Syscall = partial(
  'sendfile',
  { out: Fd, in: Fd, offset: Ptr, count: Size },
  'the source must have positions: a file, not a pipe',
  sendfile,
);
