/** fcntl(2) on the emulated descriptor table: fs/fcntl.c. Record locks are refused: there is no other process that could see them. */
import { Errno } from '../../abi/errno.ts';
import {
  F_CREATED_QUERY,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GET_RW_HINT,
  F_GETFD,
  F_GETFL,
  F_GETLEASE,
  F_GETOWN,
  F_GETOWN_EX,
  F_GETOWNER_UIDS,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_NOTIFY,
  F_OWNER_PGRP,
  F_OWNER_PID,
  F_OWNER_TID,
  F_SET_RW_HINT,
  F_SETFD,
  F_SETFL,
  F_SETLEASE,
  F_SETOWN,
  F_SETOWN_EX,
  F_SETPIPE_SZ,
  F_SETSIG,
  F_UNLCK,
  FD_CLOEXEC,
  O_APPEND,
  O_ASYNC,
  O_NOATIME,
  O_NONBLOCK,
} from '../../abi/fcntl.ts';
import { fcntlName, isFcntlCommand } from '../../abi/names.ts';
import { NSIG } from '../../abi/signal.ts';
import { i32, u64 } from '../../abi/struct.ts';
import type { OpenFile } from '../../socket/file.ts';
import { NOBODY, type Owner, type OwnerKind, Ownership } from '../../socket/owner.ts';
import { PipeFile } from '../../socket/pipe.ts';
import type { CallContext } from '../task.ts';
import { tableOf } from './descriptors.ts';
import { copyIn, copyOut } from './guest.ts';

/** What F_SETFL may change by itself (SETFL_MASK). */
const SETTABLE = O_APPEND | O_NONBLOCK | O_NOATIME;
/** DN_MULTISHOT of F_NOTIFY, which alone asks for nothing. */
const DN_MULTISHOT = 0x8000_0000;
/** RWH_WRITE_LIFE_EXTREME. */
const LAST_HINT = 5;
const INT_MIN = -0x8000_0000;

type Command = (ctx: CallContext, file: OpenFile, argument: number, fd: number) => number;

const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [F_DUPFD, (ctx, _file, least, fd) => tableOf(ctx).dupFrom(fd, least | 0, false)],
  [F_DUPFD_CLOEXEC, (ctx, _file, least, fd) => tableOf(ctx).dupFrom(fd, least | 0, true)],
  [F_DUPFD_QUERY, (ctx, file, other) => sameFile(file, ctx.files.get(other | 0))],
  [F_GETFD, (ctx, _file, _argument, fd) => (tableOf(ctx).closeOnExec(fd) === true ? FD_CLOEXEC : 0)],
  [F_SETFD, (ctx, _file, flags, fd) => Number(!tableOf(ctx).setCloseOnExec(fd, (flags & FD_CLOEXEC) !== 0))],
  [F_GETFL, (_ctx, file) => file.statusFlags],
  [F_SETFL, setStatusFlags],
  [F_GETOWN, (_ctx, file) => ownerNumber(file)],
  [F_SETOWN, (ctx, file, who) => setOwner(ctx, file, who | 0)],
  [F_GETOWN_EX, (ctx, file, at) => putPair(ctx, at, ownerOf(file).kind, ownerOf(file).id)],
  [F_SETOWN_EX, setOwnerEx],
  [F_GETOWNER_UIDS, (ctx, file, at) => putPair(ctx, at, file.ownership?.uid ?? 0, file.ownership?.uid ?? 0)],
  [F_GETSIG, (_ctx, file) => file.ownership?.signal ?? 0],
  [F_SETSIG, setSignal],
  // Leases are for regular files, of which there are none.
  [F_GETLEASE, () => F_UNLCK],
  [F_SETLEASE, () => -Errno.EINVAL],
  [F_NOTIFY, (_ctx, _file, what) => (((what | 0) & ~DN_MULTISHOT) === 0 ? 0 : -Errno.ENOTDIR)],
  // Asks whether open(2) made the file.
  [F_CREATED_QUERY, () => 0],
  [F_GETPIPE_SZ, (_ctx, file) => (file instanceof PipeFile ? file.size : -Errno.EBADF)],
  [
    F_SETPIPE_SZ,
    (ctx, file, size) => (file instanceof PipeFile ? file.resize(size >>> 0, ctx.credentials.uid === 0) : -Errno.EBADF),
  ],
  [F_GET_RW_HINT, getHint],
  [F_SET_RW_HINT, setHint],
]);

export function fcntl(ctx: CallContext, fd: number, command: number, argument: number): number {
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  const known = COMMANDS.get(command);
  if (known !== undefined) return known(ctx, file, argument, fd);
  ctx.unsupported('fcntl', fcntlName(command), 'EINVAL', !isFcntlCommand(command));
  return -Errno.EINVAL;
}
const sameFile = (file: OpenFile, other: OpenFile | undefined): number =>
  other === undefined ? -Errno.EBADF : Number(other === file);

function setStatusFlags(ctx: CallContext, file: OpenFile, argument: number): number {
  const flags = argument | 0;
  const refusal = file.refusedFlags(flags);
  if (refusal !== 0) return refusal;
  if (file.canSignal) setAsync(ctx, file, (flags & O_ASYNC) !== 0);
  const settable = SETTABLE | file.ownFlags;
  file.statusFlags = (file.statusFlags & ~settable) | (flags & settable);
  return 0;
}
/** fasync_helper. */
export function setAsync(ctx: CallContext, file: OpenFile, on: boolean): void {
  if (on) ownershipOf(ctx, file);
  file.statusFlags = on ? file.statusFlags | O_ASYNC : file.statusFlags & ~O_ASYNC;
}

/** Of a file that has none yet one is made. */
function ownershipOf(ctx: CallContext, file: OpenFile): Ownership | undefined {
  if (file.ownership === undefined && ctx.signals !== undefined) file.ownership = new Ownership(file, ctx.signals);
  return file.ownership;
}
const ownerOf = (file: OpenFile): Owner => file.ownership?.owner ?? NOBODY;
/** f_getown: a group is negative. */
export function ownerNumber(file: OpenFile): number {
  const { kind, id } = ownerOf(file);
  return kind === F_OWNER_PGRP ? -id : id;
}
/** f_setown: `who` is a process, or a group below 0. */
export function setOwner(ctx: CallContext, file: OpenFile, who: number): number {
  if (who === INT_MIN) return -Errno.EINVAL;
  return own(ctx, file, who < 0 ? F_OWNER_PGRP : F_OWNER_PID, Math.abs(who));
}
function own(ctx: CallContext, file: OpenFile, kind: OwnerKind, id: number): number {
  const owner = { kind, id };
  if (id !== 0 && ctx.signals?.exists(owner) !== true) return -Errno.ESRCH;
  ownershipOf(ctx, file)?.setOwner(owner, ctx.credentials.uid);
  return 0;
}
function setOwnerEx(ctx: CallContext, file: OpenFile, at: number): number {
  if (copyIn(ctx, at, ctx.scratch, 8) !== 0) return -Errno.EFAULT;
  const kind = i32.get(ctx.scratch, 0);
  if (kind !== F_OWNER_TID && kind !== F_OWNER_PID && kind !== F_OWNER_PGRP) return -Errno.EINVAL;
  return own(ctx, file, kind, i32.get(ctx.scratch, 4));
}
function putPair(ctx: CallContext, at: number, first: number, second: number): number {
  i32.put(ctx.scratch, 0, first);
  i32.put(ctx.scratch, 4, second);
  return copyOut(ctx, at, ctx.scratch, 8);
}
function setSignal(ctx: CallContext, file: OpenFile, signal: number): number {
  if (signal < 0 || signal > NSIG) return -Errno.EINVAL;
  const ownership = ownershipOf(ctx, file);
  if (ownership !== undefined) ownership.signal = signal;
  return 0;
}

function getHint(ctx: CallContext, file: OpenFile, at: number): number {
  u64.put(ctx.scratch, 0, file.writeHint);
  return copyOut(ctx, at, ctx.scratch, 8);
}
/** How long the data will live: for block devices, so sockets and pipes only keep it. */
function setHint(ctx: CallContext, file: OpenFile, at: number): number {
  if (copyIn(ctx, at, ctx.scratch, 8) !== 0) return -Errno.EFAULT;
  const hint = u64.get(ctx.scratch, 0);
  if (hint > LAST_HINT) return -Errno.EINVAL;
  file.writeHint = hint;
  return 0;
}
