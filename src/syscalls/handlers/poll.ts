/** poll(2), ppoll(2), select(2), pselect6(2) on the emulated descriptor table: fs/select.c. */
import { Errno } from '../../abi/errno.ts';
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
  pollfd,
} from '../../abi/poll.ts';
import { i16, i32 } from '../../abi/struct.ts';
import type { OpenFile } from '../../socket/file.ts';
import { Socket } from '../../socket/socket.ts';
import { Standing, WITHOUT_ERRORS } from '../../socket/wait-queue.ts';
import { BLOCKED, type CallContext, TRY_AGAIN } from '../task.ts';
import { descriptorTable } from './descriptors.ts';
import { accessOk } from './guest.ts';
import {
  checkSigmask,
  type Limit,
  millisLimit,
  sigmaskPair,
  timespecLimit,
  timevalLimit,
  writeRest,
} from './timeouts.ts';

/** What is polled. */
interface Watch {
  readonly fds: number[];
  /** Behind the descriptors when the call began: what it waits on, and holds. A descriptor that was not open has none. */
  readonly files: (OpenFile | undefined)[];
  /** Events asked for, as the guest gave them. */
  readonly events: number[];
  readonly revents: number[];
  readonly limit: Limit;
}

/** One look at everything: how many have something. Each look is at what the descriptors name now (do_pollfd, select_poll_one); a negative one is passed over. */
function look(ctx: CallContext, watch: Watch): number {
  let ready = 0;
  for (const [i, fd] of watch.fds.entries()) {
    const wanted = (watch.events[i] as number) | POLLERR | POLLHUP;
    const events = fd < 0 ? 0 : (ctx.files.get(fd)?.poll() ?? POLLNVAL) & (wanted | POLLNVAL);
    watch.revents[i] = events;
    if (events !== 0) ready++;
  }
  return ready;
}
/** What arrives at a socket wakes who waits for urgent data as well (sock_def_readable), to find a descriptor that was closed meanwhile. */
function wakening(file: OpenFile, events: number): number {
  const all = (events & POLLPRI) === 0 || !(file instanceof Socket) ? events : events | POLLIN;
  return events === EXCEPT ? all | WITHOUT_ERRORS : all;
}
/** Waits for anything until the limit, after which one more look is taken. */
function sleep(ctx: CallContext, watch: Watch): number {
  for (const [i, file] of watch.files.entries()) {
    if (file !== undefined) ctx.waitOn(file.waiters, wakening(file, watch.events[i] as number), Standing.Watch);
  }
  if (watch.limit.end !== Infinity) ctx.waitUntil(watch.limit.end, TRY_AGAIN);
  // A handler that ran makes these EINTR, whatever SA_RESTART says (signal(7)).
  ctx.onSignal('again');
  return BLOCKED;
}
const mayWait = (ctx: CallContext, watch: Watch): boolean => !watch.limit.poll && !ctx.expired && !ctx.interrupted;

function keep(ctx: CallContext, watch: Watch): void {
  ctx.state = watch;
  for (const file of watch.files) if (file !== undefined) ctx.hold(file);
}

function importPollfds(ctx: CallContext, at: number, count: number, limit: Limit): Watch | number {
  if (count > (descriptorTable(ctx.files)?.limit ?? 0)) return -Errno.EINVAL;
  const bytes = new Uint8Array(count * pollfd.size);
  if (ctx.memory.read(at, bytes, 0, bytes.length) < bytes.length) return -Errno.EFAULT;
  const watch: Watch = { fds: [], files: [], events: [], revents: [], limit };
  for (let i = 0; i < count; i++) {
    const fd = i32.get(bytes, i * pollfd.size);
    watch.fds.push(fd);
    watch.files.push(fd < 0 ? undefined : ctx.files.get(fd));
    watch.events.push(i16.get(bytes, i * pollfd.size + pollfd.offset.events) & 0xffff & ~POLLNVAL);
    watch.revents.push(0);
  }
  keep(ctx, watch);
  return watch;
}

/** The rest of the time is written back with an error too (poll_select_finish). */
function refused(ctx: CallContext, errno: number, limit: Limit): number {
  writeRest(ctx, limit);
  return errno;
}
function pollWith(ctx: CallContext, at: number, count: number, limit: Limit): number {
  const watch = ctx.attempt === 0 ? importPollfds(ctx, at, count, limit) : (ctx.state as Watch);
  if (typeof watch === 'number') return refused(ctx, watch, limit);
  const ready = look(ctx, watch);
  if (ready === 0 && mayWait(ctx, watch)) return sleep(ctx, watch);
  // A signal ends the wait with revents written as well (do_sys_poll).
  const fault = exportPollfds(ctx, at, watch);
  writeRest(ctx, watch.limit);
  if (fault !== 0) return fault;
  return ready === 0 && ctx.interrupted ? -Errno.EINTR : ready;
}
function exportPollfds(ctx: CallContext, at: number, watch: Watch): number {
  // user_write_access_begin looks at the pointer even where there is nothing to write.
  if (!accessOk(ctx, at, watch.fds.length * pollfd.size)) return -Errno.EFAULT;
  for (const [i, revents] of watch.revents.entries()) {
    i16.put(ctx.scratch, 0, revents);
    const to = at + i * pollfd.size + pollfd.offset.revents;
    if (ctx.memory.write(to, ctx.scratch, 0, 2) < 2) return -Errno.EFAULT;
  }
  return 0;
}

export const poll = (ctx: CallContext, fds: number, count: number, timeoutMs: number): number =>
  pollWith(ctx, fds, count, millisLimit(ctx, timeoutMs));

export function ppoll(
  ctx: CallContext,
  fds: number,
  count: number,
  timeout: number,
  sigmask: number,
  sigsetsize: number,
): number {
  if (ctx.attempt > 0) return pollWith(ctx, fds, count, (ctx.state as Watch).limit);
  const limit = timespecLimit(ctx, timeout);
  if (typeof limit === 'number') return limit;
  const fault = checkSigmask(ctx, sigmask, sigsetsize);
  return fault !== 0 ? fault : pollWith(ctx, fds, count, limit);
}

// select(2): three bitmaps over the descriptor numbers.
const IN = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL;
const OUT = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL;
const EXCEPT = POLLPRI | POLLNVAL;
const SETS = [IN, OUT, EXCEPT] as const;
interface Selection extends Watch {
  /** Guest address of each set, 0 for none. */
  readonly sets: readonly number[];
  readonly octets: number;
}

const bitmapOctets = (n: number): number => Math.ceil(n / 64) * 8;
const hasBit = (set: Uint8Array, fd: number): boolean => ((set[fd >> 3] as number) & (1 << (fd & 7))) !== 0;

function importSelection(ctx: CallContext, n: number, sets: readonly number[], limit: Limit): Selection | number {
  if (n < 0) return -Errno.EINVAL;
  // Bits beyond the table, as long as it is now, are not looked at (core_sys_select).
  const table = descriptorTable(ctx.files);
  const count = Math.min(n, table?.capacity ?? 0);
  const octets = bitmapOctets(count);
  const bitmaps: Uint8Array[] = [];
  for (const at of sets) {
    const bitmap = new Uint8Array(octets);
    if (at !== 0 && ctx.memory.read(at, bitmap, 0, octets) < octets) return -Errno.EFAULT;
    bitmaps.push(bitmap);
  }
  const selection: Selection = { files: [], events: [], revents: [], fds: [], sets, octets, limit };
  for (let fd = 0; fd < count; fd++) {
    const events = SETS.reduce((sum, mask, i) => (hasBit(bitmaps[i] as Uint8Array, fd) ? sum | mask : sum), 0);
    if (events === 0) continue;
    const file = ctx.files.get(fd);
    // A number that a call has taken, which has no file for it yet, is open to max_select_fd and none to select_poll_one.
    if (file === undefined && table?.isReserved(fd) !== true) return -Errno.EBADF;
    selection.files.push(file);
    selection.events.push(events);
    selection.revents.push(0);
    selection.fds.push(fd);
  }
  keep(ctx, selection);
  return selection;
}

/** Bits over all three sets, which is what select(2) returns; writes the sets if `to` is given. */
function exportSelection(selection: Selection, to: readonly Uint8Array[] | undefined): number {
  let bits = 0;
  for (const [i, fd] of selection.fds.entries()) {
    for (const [s, mask] of SETS.entries()) {
      const asked = ((selection.events[i] as number) & mask) === mask;
      if (!asked || ((selection.revents[i] as number) & mask) === 0) continue;
      bits++;
      const set = to?.[s];
      if (set !== undefined) set[fd >> 3] = (set[fd >> 3] as number) | (1 << (fd & 7));
    }
  }
  return bits;
}

function selectWith(ctx: CallContext, n: number, sets: readonly number[], limit: Limit): number {
  const selection = ctx.attempt === 0 ? importSelection(ctx, n, sets, limit) : (ctx.state as Selection);
  if (typeof selection === 'number') return refused(ctx, selection, limit);
  look(ctx, selection);
  if (exportSelection(selection, undefined) === 0 && mayWait(ctx, selection)) return sleep(ctx, selection);
  const bitmaps = SETS.map(() => new Uint8Array(selection.octets));
  const bits = exportSelection(selection, bitmaps);
  writeRest(ctx, selection.limit);
  // Here the sets stay as they were (core_sys_select).
  if (bits === 0 && ctx.interrupted) return -Errno.EINTR;
  for (const [s, at] of selection.sets.entries()) {
    if (at !== 0 && ctx.memory.write(at, bitmaps[s] as Uint8Array, 0, selection.octets) < selection.octets) {
      return -Errno.EFAULT;
    }
  }
  return bits;
}

export function select(
  ctx: CallContext,
  n: number,
  read: number,
  write: number,
  except: number,
  timeout: number,
): number {
  const limit = ctx.attempt === 0 ? timevalLimit(ctx, timeout) : (ctx.state as Watch).limit;
  return typeof limit === 'number' ? limit : selectWith(ctx, n, [read, write, except], limit);
}

export function pselect6(
  ctx: CallContext,
  n: number,
  read: number,
  write: number,
  except: number,
  timeout: number,
  sigmask: number,
): number {
  if (ctx.attempt > 0) return selectWith(ctx, n, [read, write, except], (ctx.state as Watch).limit);
  const pair = sigmaskPair(ctx, sigmask);
  if (typeof pair === 'number') return pair;
  const limit = timespecLimit(ctx, timeout);
  if (typeof limit === 'number') return limit;
  const fault = checkSigmask(ctx, pair.mask, pair.size);
  return fault !== 0 ? fault : selectWith(ctx, n, [read, write, except], limit);
}
