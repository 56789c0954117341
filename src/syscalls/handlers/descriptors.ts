/**
 * close(2), close_range(2), dup(2), fcntl(2) on the emulated descriptor table. Where a kernel keeps the table (the runner) these calls are its own and never
 * come here.
 */
import { Errno } from '../../abi/errno.ts';
import {
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GETFD,
  F_GETFL,
  F_GETOWN,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_SETFD,
  F_SETFL,
  F_SETPIPE_SZ,
  FD_CLOEXEC,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_NOATIME,
  O_NONBLOCK,
} from '../../abi/fcntl.ts';
import type { FdTable } from '../../socket/fd-table.ts';
import type { OpenFile } from '../../socket/file.ts';
import { fcntlName, isFcntlCommand } from '../names.ts';
import type { CallContext } from '../task.ts';

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;
/** What F_SETFL may change (fs/fcntl.c SETFL_MASK). */
const SETTABLE = O_APPEND | O_NONBLOCK | O_NOATIME;

/** What the emulated table offers beyond look-ups. */
export interface DescriptorTable extends FdTable {
  /** RLIMIT_NOFILE. */
  readonly limit: number;
  install(file: OpenFile, closeOnExec: boolean): number;
  /** The table to go on with where the caller must not share one (CLONE_FILES of unshare(2)). */
  unshare(): FdTable;
  close(fd: number): number;
  closeRange(first: number, last: number, onlyMark: boolean): void;
  dup(fd: number): number;
  dupFrom(fd: number, minimum: number, closeOnExec: boolean): number;
  dup2(from: number, to: number): number;
  dup3(from: number, to: number, closeOnExec: boolean): number;
  closeOnExec(fd: number): boolean | undefined;
  setCloseOnExec(fd: number, value: boolean): boolean;
}
/** The emulated table, or undefined on a platform whose descriptors a kernel keeps. */
export const descriptorTable = (files: FdTable): DescriptorTable | undefined =>
  'dup3' in files ? (files as DescriptorTable) : undefined;

/** The calls of this file are in no table of a platform that has another descriptor table. */
export function tableOf(ctx: CallContext): DescriptorTable {
  const table = descriptorTable(ctx.files);
  if (table === undefined) throw new TypeError('descriptor calls need the emulated descriptor table');
  return table;
}

export const close = (ctx: CallContext, fd: number): number => tableOf(ctx).close(fd);

export function closeRange(ctx: CallContext, first: number, last: number, flags: number): number {
  if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0) return -Errno.EINVAL;
  if (first > last) return -Errno.EINVAL;
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0) ctx.useFiles(tableOf(ctx).unshare());
  tableOf(ctx).closeRange(first, last, (flags & CLOSE_RANGE_CLOEXEC) !== 0);
  return 0;
}

export const dup = (ctx: CallContext, fd: number): number => tableOf(ctx).dup(fd);
export const dup2 = (ctx: CallContext, from: number, to: number): number => tableOf(ctx).dup2(from, to);
export function dup3(ctx: CallContext, from: number, to: number, flags: number): number {
  if ((flags & ~O_CLOEXEC) !== 0) return -Errno.EINVAL;
  return tableOf(ctx).dup3(from, to, (flags & O_CLOEXEC) !== 0);
}

export function fcntl(ctx: CallContext, fd: number, command: number, argument: number): number {
  const table = tableOf(ctx);
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  switch (command) {
    case F_DUPFD:
      return table.dupFrom(fd, argument, false);
    case F_DUPFD_CLOEXEC:
      return table.dupFrom(fd, argument, true);
    case F_DUPFD_QUERY: {
      const other = table.get(argument);
      return other === undefined ? -Errno.EBADF : Number(other === file);
    }
    case F_GETFD:
      return table.closeOnExec(fd) === true ? FD_CLOEXEC : 0;
    case F_SETFD:
      table.setCloseOnExec(fd, (argument & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return file.statusFlags;
    case F_SETFL:
      return setStatusFlags(ctx, file, argument);
    // Nobody can have been made the owner (F_SETOWN is refused below), and SIGIO is the default signal.
    case F_GETOWN:
    case F_GETSIG:
      return 0;
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ:
      return -Errno.EBADF;
    default:
      ctx.unsupported('fcntl', fcntlName(command), 'EINVAL', !isFcntlCommand(command));
      return -Errno.EINVAL;
  }
}

function setStatusFlags(ctx: CallContext, file: OpenFile, flags: number): number {
  if ((flags & O_ASYNC) !== 0) {
    ctx.unsupported('fcntl', 'F_SETFL/O_ASYNC', 'EINVAL');
    return -Errno.EINVAL;
  }
  file.statusFlags = (file.statusFlags & ~SETTABLE) | (flags & SETTABLE);
  return 0;
}
