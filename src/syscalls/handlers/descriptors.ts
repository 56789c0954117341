/**
 * close(2), close_range(2), dup(2) on the emulated descriptor table. Where a kernel keeps the table (the runner) these calls are its own and never
 * come here.
 */
import { Errno } from '../../abi/errno.ts';
import { O_CLOEXEC } from '../../abi/fcntl.ts';
import { CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE } from '../../abi/file-flags.ts';
import { POLLERR, POLLHUP, POLLOUT, POLLWRNORM } from '../../abi/poll.ts';
import type { FdTable } from '../../socket/fd-table.ts';
import type { OpenFile } from '../../socket/file.ts';
import { Socket } from '../../socket/socket.ts';
import type { CallContext } from '../task.ts';
import { waitFor } from './sockets.ts';

const SETTLED = POLLOUT | POLLWRNORM | POLLERR | POLLHUP;

/** What the emulated table offers beyond look-ups. */
export interface DescriptorTable extends FdTable {
  /** RLIMIT_NOFILE, soft and hard. */
  limit: number;
  hardLimit: number;
  /** Descriptors that the table has memory for. */
  readonly capacity: number;
  /** A call has taken the number and has no file for it yet. */
  isReserved(fd: number): boolean;
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

export function close(ctx: CallContext, fd: number): number {
  if (ctx.attempt === 0) {
    const file = tableOf(ctx).get(fd);
    const result = tableOf(ctx).close(fd);
    if (result !== 0 || !(file instanceof Socket)) return result;
    ctx.state = file;
  }
  const socket = ctx.state as Socket;
  return socket.lingersUs === 0 ? 0 : waitFor(ctx, socket, SETTLED, socket.lingersUs, 0);
}

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
