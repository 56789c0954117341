/** read(2), write(2), readv(2), writev(2) and their positioned kin on sockets: net/socket.c sock_read_iter, sock_write_iter, under the checks of fs/read_write.c. */
import { Errno } from '../../abi/errno.ts';
import { O_ACCMODE, O_RDONLY, O_WRONLY } from '../../abi/fcntl.ts';
import {
  RWF_APPEND,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOAPPEND,
  RWF_NOSIGNAL,
  RWF_NOWAIT,
  RWF_SYNC,
} from '../../abi/file-flags.ts';
import { MSG_DONTWAIT, MSG_EOR, MSG_NOSIGNAL, SOCK_SEQPACKET, UIO_MAXIOV } from '../../abi/socket.ts';
import { PipeEnd, SeekableFile } from '../../socket/byte-file.ts';
import type { OpenFile } from '../../socket/file.ts';
import { Socket } from '../../socket/socket.ts';
import type { CallContext } from '../task.ts';
import { readFile, seekFile, writeFile } from './files.ts';
import { accessOk, importBuffer, importVector } from './guest.ts';
import { receiveMessage } from './receive.ts';
import { sendMessage } from './send.ts';
import { transferFlags } from './sockets.ts';

/** Append and not append: a contradiction. */
const RWF_APPEND_BOTH = RWF_APPEND | RWF_NOAPPEND;
/** A socket has no use for most, ATOMIC and DONTCACHE it refuses. */
const RWF_ALLOWED = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND_BOTH | RWF_NOSIGNAL;

function transferFlagsOf(flags: number): number {
  return ((flags & RWF_NOWAIT) === 0 ? 0 : MSG_DONTWAIT) | ((flags & RWF_NOSIGNAL) === 0 ? 0 : MSG_NOSIGNAL);
}

/** What vfs_read and vfs_write look at before the buffer: the descriptor's mode, and whether the file has octets at all (an epoll object has none). */
function modeRefused(file: OpenFile, other: number): number {
  if ((file.statusFlags & O_ACCMODE) === other) return -Errno.EBADF;
  return file instanceof Socket || file instanceof PipeEnd || file instanceof SeekableFile ? 0 : -Errno.EINVAL;
}

export function read(ctx: CallContext, fd: number, buffer: number, size: number): number {
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  if (ctx.attempt > 0) return readAgain(ctx, file);
  const refused = modeRefused(file, O_WRONLY);
  if (refused !== 0) return refused;
  const { message } = ctx;
  message.clear();
  const fault = accessOk(ctx, buffer, size) ? importBuffer(ctx, buffer, size) : -Errno.EFAULT;
  if (fault !== 0) return fault;
  return file instanceof Socket ? receiveInto(ctx, file, 0) : readFile(ctx, file);
}
const readAgain = (ctx: CallContext, file: OpenFile): number =>
  file instanceof Socket ? receiveMessage(ctx, file) : readFile(ctx, file);
const writeAgain = (ctx: CallContext, file: OpenFile): number =>
  file instanceof Socket ? sendMessage(ctx, file) : writeFile(ctx, file);
/** Nothing asked for is nothing read, whatever the state of the socket ("Match SYS5 behaviour"). */
function receiveInto(ctx: CallContext, socket: Socket, flags: number): number {
  const { message } = ctx;
  if (message.iov.total === 0) return 0;
  message.flags = transferFlags(socket, flags);
  return receiveMessage(ctx, socket);
}

export function write(ctx: CallContext, fd: number, buffer: number, size: number): number {
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  if (ctx.attempt > 0) return writeAgain(ctx, file);
  const refused = modeRefused(file, O_RDONLY);
  if (refused !== 0) return refused;
  const { message } = ctx;
  message.clear();
  const fault = accessOk(ctx, buffer, size) ? importBuffer(ctx, buffer, size) : -Errno.EFAULT;
  if (fault !== 0) return fault;
  return file instanceof Socket ? sendFrom(ctx, file, 0) : writeFile(ctx, file);
}
function sendFrom(ctx: CallContext, socket: Socket, flags: number): number {
  const record = socket.type === SOCK_SEQPACKET ? MSG_EOR : 0;
  ctx.message.flags = transferFlags(socket, flags | record);
  return sendMessage(ctx, socket);
}

/** What vfs_readv and vfs_writev do first: the descriptor's mode, then the vectors; nothing asked for is nothing done, whatever the flags. */
function vectors(ctx: CallContext, fd: number, vector: number, count: number, other: number): OpenFile | number {
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  const refused = modeRefused(file, other);
  if (refused !== 0) return refused;
  if (count > UIO_MAXIOV) return -Errno.EINVAL;
  ctx.message.clear();
  const fault = importVector(ctx, ctx.message.iov, vector, count);
  if (fault !== 0) return fault;
  return ctx.message.iov.total === 0 ? 0 : file;
}
/** kiocb_set_rw_flags. */
function flagsRefused(flags: number): number {
  if ((flags & ~RWF_ALLOWED) !== 0) return -Errno.EOPNOTSUPP;
  return (flags & RWF_APPEND_BOTH) === RWF_APPEND_BOTH ? -Errno.EINVAL : 0;
}

function readVector(ctx: CallContext, fd: number, vector: number, count: number, flags: number): number {
  if (ctx.attempt > 0) return readAgain(ctx, ctx.file(fd) as OpenFile);
  const file = vectors(ctx, fd, vector, count, O_WRONLY);
  if (typeof file === 'number') return file;
  const refused = flagsRefused(flags);
  if (refused !== 0) return refused;
  return file instanceof Socket ? receiveInto(ctx, file, transferFlagsOf(flags)) : readFile(ctx, file);
}
function writeVector(ctx: CallContext, fd: number, vector: number, count: number, flags: number): number {
  if (ctx.attempt > 0) return writeAgain(ctx, ctx.file(fd) as OpenFile);
  const file = vectors(ctx, fd, vector, count, O_RDONLY);
  if (typeof file === 'number') return file;
  const refused = flagsRefused(flags);
  if (refused !== 0) return refused;
  return file instanceof Socket ? sendFrom(ctx, file, transferFlagsOf(flags)) : writeFile(ctx, file);
}
export const readv = (ctx: CallContext, fd: number, vector: number, count: number): number =>
  readVector(ctx, fd, vector, count, 0);
export const writev = (ctx: CallContext, fd: number, vector: number, count: number): number =>
  writeVector(ctx, fd, vector, count, 0);

/** pread64, pwrite64, preadv, pwritev: a socket has no position. */
function positioned(ctx: CallContext, fd: number, offset: number): number {
  if (offset < 0) return -Errno.EINVAL;
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  if (!(file instanceof SeekableFile)) return -Errno.ESPIPE;
  ctx.unsupported('pread64', 'an anonymous file', 'EINVAL');
  return -Errno.EINVAL;
}
export const pread = (ctx: CallContext, fd: number, _buffer: number, _size: number, offset: number): number =>
  positioned(ctx, fd, offset);
/** The position comes in two halves; on 64-bit machines the first is all of it. */
export const preadv = (ctx: CallContext, fd: number, _vector: number, _count: number, offset: number): number =>
  positioned(ctx, fd, offset);

const vectorCall2 =
  (transfer: typeof readVector) =>
  (
    ctx: CallContext,
    fd: number,
    vector: number,
    count: number,
    offset: number,
    _high: number,
    flags: number,
  ): number => {
    if (offset !== -1) return positioned(ctx, fd, offset);
    return transfer(ctx, fd, vector, count, flags);
  };
/** Offset -1 is readv(2) with flags. */
export const preadv2 = vectorCall2(readVector);
export const pwritev2 = vectorCall2(writeVector);

/** Last of SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE. */
const SEEK_MAX = 4;
export function lseek(ctx: CallContext, fd: number, offset: number, whence: number): number {
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  if (whence < 0 || whence > SEEK_MAX) return -Errno.EINVAL;
  if (file instanceof SeekableFile) return seekFile(file, offset, whence);
  if (file instanceof PipeEnd) return -Errno.ESPIPE;
  // An epoll object takes any position and keeps none (noop_llseek).
  return file instanceof Socket ? -Errno.ESPIPE : 0;
}
