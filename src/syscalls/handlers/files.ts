/** pipe2(2), memfd_create(2), and what read(2), write(2), pread64(2) and lseek(2) do on such files in the emulated table: fs/pipe.c, mm/memfd.c. */
import { Errno } from '../../abi/errno.ts';
import { O_ACCMODE, O_CLOEXEC, O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../../abi/fcntl.ts';
import { MFD_CLOEXEC } from '../../abi/file-flags.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '../../abi/poll.ts';
import { i32 } from '../../abi/struct.ts';
import { SeekableFile } from '../../socket/byte-file.ts';
import type { OpenFile } from '../../socket/file.ts';
import { MemoryFile, makePipe, PAGE, PipeFile } from '../../socket/pipe.ts';
import { BLOCKED, type CallContext } from '../task.ts';
import { tableOf } from './descriptors.ts';
import { copyOut } from './guest.ts';
import { isNonblocking } from './sockets.ts';

/** Those of Linux: MFD_CLOEXEC, ALLOW_SEALING, HUGETLB with its sizes, NOEXEC_SEAL, EXEC; and O_DIRECT, O_EXCL (a notification pipe) beside the two that pipes here have. */
const MFD_FLAGS = 0x1f | (0x3f << 26);
const PIPE_FLAGS = O_CLOEXEC | O_NONBLOCK | 0x4000 | 0x80;
const hexFlags = (flags: number): string => `flags 0x${(flags >>> 0).toString(16)}`;
const NAME_MAX = 249;
const PIECE = 65_536;
const staging = new Uint8Array(PIECE);

export function pipe2(ctx: CallContext, at: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) {
    ctx.unsupported('pipe2', hexFlags(flags), 'EINVAL', (flags & ~PIPE_FLAGS) !== 0);
    return -Errno.EINVAL;
  }
  const table = tableOf(ctx);
  const { reader, writer } = makePipe(flags & (O_NONBLOCK | O_DIRECT));
  ctx.hold(reader);
  ctx.hold(writer);
  const closeOnExec = (flags & O_CLOEXEC) !== 0;
  const first = table.install(reader, closeOnExec);
  if (first < 0) return first;
  const second = table.install(writer, closeOnExec);
  if (second >= 0) {
    i32.put(ctx.scratch, 0, first);
    i32.put(ctx.scratch, 4, second);
    if (copyOut(ctx, at, ctx.scratch, 8) === 0) return 0;
    table.close(second);
  }
  table.close(first);
  return second < 0 ? second : -Errno.EFAULT;
}
export const pipe = (ctx: CallContext, at: number): number => pipe2(ctx, at, 0);

/** The name is for show only, but it must be one. */
export function memfdCreate(ctx: CallContext, name: number, flags: number): number {
  if ((flags & ~MFD_CLOEXEC) !== 0) {
    ctx.unsupported('memfd_create', hexFlags(flags), 'EINVAL', (flags & ~MFD_FLAGS) !== 0);
    return -Errno.EINVAL;
  }
  const got = ctx.memory.read(name, staging, 0, NAME_MAX + 1);
  if (staging.subarray(0, got).indexOf(0) < 0) return got <= NAME_MAX ? -Errno.EFAULT : -Errno.EINVAL;
  return ctx.resultFile(new MemoryFile(), (flags & MFD_CLOEXEC) !== 0);
}

const lacks = (file: OpenFile, mode: number): boolean => (file.statusFlags & O_ACCMODE) === mode;

/** Reads into `ctx.message`; EINVAL for files without octets (an epoll object). */
export function readFile(ctx: CallContext, file: OpenFile): number {
  if (lacks(file, O_WRONLY)) return -Errno.EBADF;
  const { iov } = ctx.message;
  const wanted = Math.min(iov.remaining, PIECE);
  if (file instanceof SeekableFile) {
    const at = file.position();
    const there = file.readAt(at, staging, 0, wanted);
    const copied = iov.copyOut(staging, 0, there);
    if (copied === 0 && there > 0) return -Errno.EFAULT;
    file.seek(at + copied);
    ctx.keepResult();
    return copied;
  }
  if (!(file instanceof PipeFile)) return -Errno.EINVAL;
  if (wanted === 0) return 0;
  const there = file.peek(staging, 0, wanted);
  if (there === -Errno.EAGAIN && !isNonblocking(file)) {
    ctx.waitOn(file.waiters, POLLIN | POLLHUP);
    return BLOCKED;
  }
  if (there <= 0) return there;
  const copied = iov.copyOut(staging, 0, there);
  const taken = copied < there ? file.wholeSlots(copied) : copied;
  if (taken === 0) return -Errno.EFAULT;
  ctx.keepResult();
  return file.takeRead(taken);
}

export function writeFile(ctx: CallContext, file: OpenFile): number {
  if (lacks(file, O_RDONLY)) return -Errno.EBADF;
  if (file instanceof MemoryFile) return writeMemory(ctx, file);
  return file instanceof PipeFile ? writePipe(ctx, file) : -Errno.EINVAL;
}
function writeMemory(ctx: CallContext, file: MemoryFile): number {
  const { iov } = ctx.message;
  const copied = iov.copyIn(staging, 0, Math.min(iov.remaining, PIECE));
  if (copied === 0) return iov.remaining === 0 ? 0 : -Errno.EFAULT;
  const at = file.position();
  const written = file.writeAt(at, staging, 0, copied);
  if (written > 0) file.seek(at + written);
  ctx.keepResult();
  return written;
}
function writePipe(ctx: CallContext, end: PipeFile): number {
  const { iov } = ctx.message;
  while (iov.remaining > 0) {
    if (end.other === undefined) {
      // Also where a part was written before (pipe_write).
      ctx.raiseSigpipe();
      return ctx.progress > 0 ? ctx.progress : -Errno.EPIPE;
    }
    const isFirst = ctx.attempt === 0 && ctx.progress === 0;
    const head = isFirst ? iov.total % PAGE : 0;
    const room = Math.min(PIECE, end.writable(head));
    if (room === 0) return pipeIsFull(ctx, end);
    const wanted = Math.min(iov.remaining, room);
    const copied = iov.copyIn(staging, 0, wanted);
    const kept = copied < wanted ? end.wholeOf(copied, head) : copied;
    if (kept > 0) {
      end.write(staging, kept, head);
      ctx.progress += kept;
      ctx.keepResult();
    }
    if (copied < wanted) return ctx.progress > 0 ? ctx.progress : -Errno.EFAULT;
  }
  return ctx.progress;
}
function pipeIsFull(ctx: CallContext, end: PipeFile): number {
  if (isNonblocking(end)) return ctx.progress > 0 ? ctx.progress : -Errno.EAGAIN;
  if (ctx.progress > 0) ctx.partial(ctx.progress);
  ctx.waitOn(end.waiters, POLLOUT | POLLERR);
  return BLOCKED;
}

const SEEK_CUR = 1;
const SEEK_END = 2;
export function seekFile(file: SeekableFile, offset: number, whence: number): number {
  if (whence > SEEK_END) return -Errno.EINVAL;
  const size = file instanceof MemoryFile ? file.size : 0;
  const base = whence === SEEK_CUR ? file.position() : whence === SEEK_END ? size : 0;
  if (!(base + offset >= 0 && Number.isSafeInteger(base + offset))) return -Errno.EINVAL;
  file.seek(base + offset);
  return base + offset;
}
