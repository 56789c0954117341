/**
 * splice(2), tee(2), vmsplice(2) and sendfile(2) without a socket, on the pipes and anonymous files of the emulated table: fs/splice.c. Where descriptors are the kernel's these calls are its own.
 *
 * Each transfer is an object that a call which has to wait comes back to. Octets move at once, so what was moved is the result whatever comes after.
 */
import { Errno } from '../../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '../../abi/poll.ts';
import { MAX_RW_COUNT } from '../../abi/socket.ts';
import { SPLICE_F_NONBLOCK } from '../../abi/splice.ts';
import type { OpenFile } from '../../socket/file.ts';
import type { IoVector } from '../../socket/io-vector.ts';
import { MemoryFile, PAGE, PipeFile } from '../../socket/pipe.ts';
import { Standing } from '../../socket/wait-queue.ts';
import { BLOCKED, type CallContext } from '../task.ts';
import { putLong } from './guest.ts';
import { isNonblocking } from './sockets.ts';

/** A transfer between files. */
export abstract class Transfer {
  /** One try. */
  abstract run(ctx: CallContext): number;
}

const PIECE = 65_536;
const staging = new Uint8Array(PIECE);

/** Something is in the pipe, or nobody is left to put it there; else the call waits, or is -EAGAIN (ipipe_prep). */
function readable(ctx: CallContext, pipe: PipeFile, nonblock: boolean): number {
  if (!pipe.isEmpty || pipe.other === undefined) return 0;
  return waits(ctx, pipe, POLLIN | POLLHUP, nonblock);
}
/** There is room; else as above, or -EPIPE (opipe_prep, wait_for_space). */
function writable(ctx: CallContext, pipe: PipeFile, nonblock: boolean): number {
  if (pipe.other === undefined) {
    ctx.raiseSigpipe();
    return -Errno.EPIPE;
  }
  return pipe.freeSlots > 0 ? 0 : waits(ctx, pipe, POLLOUT | POLLERR, nonblock);
}
function waits(ctx: CallContext, pipe: PipeFile, events: number, nonblock: boolean): number {
  if (nonblock) return -Errno.EAGAIN;
  ctx.waitOn(pipe.waiters, events, Standing.Watch);
  return BLOCKED;
}

/** splice_pipe_to_pipe, do_tee. */
class PipeToPipe extends Transfer {
  readonly #from: PipeFile;
  readonly #to: PipeFile;
  readonly #len: number;
  readonly #nonblock: boolean;
  readonly #copies: boolean;

  constructor(from: PipeFile, to: PipeFile, len: number, nonblock: boolean, copies: boolean) {
    super();
    this.#from = from;
    this.#to = to;
    this.#len = len;
    this.#nonblock = nonblock;
    this.#copies = copies;
  }
  override run(ctx: CallContext): number {
    const refusal = readable(ctx, this.#from, this.#nonblock) || writable(ctx, this.#to, this.#nonblock);
    if (refusal !== 0) return refusal;
    const moved = this.#to.moveFrom(this.#from, this.#len, this.#copies);
    if (moved > 0) ctx.keepResult();
    return moved;
  }
}

/** Where a file is read or written: the guest's offset, or the file's own position. */
class Place {
  readonly file: MemoryFile;
  /** Guest address, or 0. */
  readonly #offsetAt: number;
  at: number;

  constructor(file: MemoryFile, offsetAt: number, offset: number) {
    this.file = file;
    this.#offsetAt = offsetAt;
    this.at = offsetAt === 0 ? file.position() : offset;
  }
  /** 0, or -EFAULT. */
  keep(ctx: CallContext): number {
    if (this.#offsetAt !== 0) return putLong(ctx, this.#offsetAt, this.at);
    this.file.seek(this.at);
    return 0;
  }
}

/** splice_file_to_pipe: the pages of the file, a slot for each. */
class FileToPipe extends Transfer {
  readonly #place: Place;
  readonly #to: PipeFile;
  readonly #len: number;
  readonly #nonblock: boolean;

  constructor(place: Place, to: PipeFile, len: number, nonblock: boolean) {
    super();
    this.#place = place;
    this.#to = to;
    this.#len = len;
    this.#nonblock = nonblock;
  }
  override run(ctx: CallContext): number {
    const refusal = writable(ctx, this.#to, this.#nonblock);
    if (refusal !== 0) return refusal;
    const { file } = this.#place;
    let moved = 0;
    while (moved < this.#len && this.#to.freeSlots > 0) {
      const piece = Math.min(PAGE - (this.#place.at % PAGE), this.#len - moved);
      const got = file.readAt(this.#place.at, staging, 0, piece);
      if (got === 0) break;
      this.#to.putSlot(staging.slice(0, got));
      this.#place.at += got;
      moved += got;
    }
    if (moved > 0) {
      this.#to.wakeReader();
      ctx.keepResult();
    }
    return this.#place.keep(ctx) || moved;
  }
}

/** iter_file_splice_write. */
class PipeToFile extends Transfer {
  readonly #from: PipeFile;
  readonly #place: Place;
  readonly #len: number;
  readonly #nonblock: boolean;

  constructor(from: PipeFile, place: Place, len: number, nonblock: boolean) {
    super();
    this.#from = from;
    this.#place = place;
    this.#len = len;
    this.#nonblock = nonblock;
  }
  override run(ctx: CallContext): number {
    const refusal = readable(ctx, this.#from, this.#nonblock);
    if (refusal !== 0) return refusal;
    let moved = 0;
    while (moved < this.#len && !this.#from.isEmpty) {
      const there = this.#from.peek(staging, 0, Math.min(PIECE, this.#len - moved));
      const written = this.#place.file.writeAt(this.#place.at, staging, 0, there);
      if (written < 0) return moved > 0 ? moved : written;
      this.#from.take(written);
      this.#place.at += written;
      moved += written;
    }
    if (moved > 0) ctx.keepResult();
    return this.#place.keep(ctx) || moved;
  }
}

/** vmsplice_to_pipe: a slot for each piece of a page. */
class MemoryToPipe extends Transfer {
  readonly #to: PipeFile;
  readonly #nonblock: boolean;

  constructor(to: PipeFile, nonblock: boolean) {
    super();
    this.#to = to;
    this.#nonblock = nonblock;
  }
  override run(ctx: CallContext): number {
    const refusal = writable(ctx, this.#to, this.#nonblock);
    if (refusal !== 0) return refusal;
    const { iov } = ctx.message;
    let moved = 0;
    while (iov.remaining > 0 && this.#to.freeSlots > 0) {
      const piece = pieceOfPage(iov);
      const got = iov.copyIn(staging, 0, piece);
      if (got < piece) {
        if (moved === 0) return -Errno.EFAULT;
        break;
      }
      this.#to.putSlot(staging.slice(0, got));
      moved += got;
    }
    this.#to.wakeReader();
    ctx.keepResult();
    return moved;
  }
}
/** Octets up to the end of the page or of the segment. */
function pieceOfPage({ addresses, lengths, segment, offset }: IoVector): number {
  const address = (addresses[segment] as number) + offset;
  return Math.min(PAGE - (address % PAGE), (lengths[segment] as number) - offset);
}

/** vmsplice_to_user. */
class PipeToMemory extends Transfer {
  readonly #from: PipeFile;
  readonly #nonblock: boolean;

  constructor(from: PipeFile, nonblock: boolean) {
    super();
    this.#from = from;
    this.#nonblock = nonblock;
  }
  override run(ctx: CallContext): number {
    const refusal = readable(ctx, this.#from, this.#nonblock);
    if (refusal !== 0) return refusal;
    const { iov } = ctx.message;
    let moved = 0;
    while (iov.remaining > 0 && !this.#from.isEmpty) {
      const there = this.#from.peek(staging, 0, Math.min(PIECE, iov.remaining));
      const copied = iov.copyOut(staging, 0, there);
      if (copied === 0) break;
      moved += this.#from.take(copied);
    }
    if (moved === 0) return iov.remaining > 0 && !this.#from.isEmpty ? -Errno.EFAULT : 0;
    ctx.keepResult();
    return moved;
  }
}

function start(ctx: CallContext, transfer: Transfer): number {
  ctx.state = transfer;
  return transfer.run(ctx);
}
const asksNotToWait = (flags: number, ...files: readonly OpenFile[]): boolean =>
  (flags & SPLICE_F_NONBLOCK) !== 0 || files.some(isNonblocking);

/** What splice(2) is between. Offsets are those of the guest, where it gave an address for one. */
export interface Splice {
  readonly from: OpenFile;
  readonly fromAt: number;
  readonly fromOffset: number;
  readonly to: OpenFile;
  readonly toAt: number;
  readonly toOffset: number;
  readonly len: number;
  readonly flags: number;
}
/** do_splice where neither side is a socket; undefined if the files are not of the emulated table. */
export function spliceFiles(ctx: CallContext, what: Splice): number | undefined {
  const { from, to, flags } = what;
  const len = Math.min(what.len, MAX_RW_COUNT);
  if (from instanceof PipeFile && to instanceof PipeFile) {
    if (from.isSamePipe(to)) return -Errno.EINVAL;
    return start(ctx, new PipeToPipe(from, to, len, asksNotToWait(flags, from, to), false));
  }
  if (from instanceof PipeFile && to instanceof MemoryFile) {
    if (what.toOffset < 0) return -Errno.EINVAL;
    return start(ctx, new PipeToFile(from, new Place(to, what.toAt, what.toOffset), len, asksNotToWait(flags, from)));
  }
  if (!(from instanceof MemoryFile)) return undefined;
  if (!(to instanceof PipeFile) || what.fromOffset < 0) return -Errno.EINVAL;
  return start(ctx, new FileToPipe(new Place(from, what.fromAt, what.fromOffset), to, len, asksNotToWait(flags, to)));
}

/** do_tee; undefined if the pipes are not of the emulated table. */
export function teePipes(
  ctx: CallContext,
  from: OpenFile,
  to: OpenFile,
  len: number,
  flags: number,
): number | undefined {
  if (!(from instanceof PipeFile) || !(to instanceof PipeFile)) return undefined;
  if (from.isSamePipe(to)) return -Errno.EINVAL;
  return start(ctx, new PipeToPipe(from, to, len, asksNotToWait(flags, from, to), true));
}

/** vmsplice(2) on a pipe, its vectors in `ctx.message`. What it does is the end's choice: O_NONBLOCK of the file does not count. */
export function vmsplicePipe(ctx: CallContext, pipe: OpenFile, isWriter: boolean, flags: number): number | undefined {
  if (!(pipe instanceof PipeFile)) return undefined;
  const nonblock = asksNotToWait(flags);
  return start(ctx, isWriter ? new MemoryToPipe(pipe, nonblock) : new PipeToMemory(pipe, nonblock));
}

/** splice_file_to_pipe from what has no octets to give: the pipe is waited for first. */
class NothingToPipe extends Transfer {
  readonly #to: PipeFile;
  readonly #len: number;

  constructor(to: PipeFile, len: number) {
    super();
    this.#to = to;
    this.#len = len;
  }
  override run(ctx: CallContext): number {
    const refusal = writable(ctx, this.#to, asksNotToWait(0, this.#to));
    if (refusal !== 0) return refusal;
    return this.#len === 0 ? 0 : -Errno.EINVAL;
  }
}

/** sendfile(2) without a socket; undefined if the files are not of the emulated table. */
export function sendToFile(
  ctx: CallContext,
  to: OpenFile,
  from: OpenFile,
  offsetAt: number,
  offset: number,
  count: number,
): number | undefined {
  if (to instanceof PipeFile && !(from instanceof MemoryFile)) return start(ctx, new NothingToPipe(to, count));
  if (from instanceof PipeFile) return -Errno.EINVAL;
  if (count === 0 && !(from instanceof MemoryFile && to instanceof MemoryFile)) return 0;
  if (!(from instanceof MemoryFile)) return undefined;
  const place = new Place(from, offsetAt, offset);
  if (to instanceof PipeFile) return start(ctx, new FileToPipe(place, to, count, asksNotToWait(0, to)));
  return to instanceof MemoryFile ? copyFile(ctx, place, new Place(to, 0, 0), count) : undefined;
}
/** do_splice_direct. Nothing waits. */
function copyFile(ctx: CallContext, from: Place, to: Place, count: number): number {
  let moved = 0;
  while (moved < count) {
    const got = from.file.readAt(from.at, staging, 0, Math.min(PIECE, count - moved));
    const written = got === 0 ? 0 : to.file.writeAt(to.at, staging, 0, got);
    if (written <= 0) {
      if (written < 0 && moved === 0) return written;
      break;
    }
    from.at += written;
    to.at += written;
    moved += written;
  }
  to.keep(ctx);
  return from.keep(ctx) || moved;
}
