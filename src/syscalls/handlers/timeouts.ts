/** Timeouts of poll, select and epoll: poll_select_set_timeout and poll_select_finish (fs/select.c), and the signal masks beside them. */
import { Errno } from '../../abi/errno.ts';
import { timespec, timeval } from '../../abi/sockopt.ts';
import { u32, u64 } from '../../abi/struct.ts';
import { after, type Instant, instant, micros, since } from '../../lib/clock.ts';
import type { CallContext } from '../task.ts';
import { copyIn } from './guest.ts';

/** When a wait ends. `NEVER` waits for ever; a limit of no length does not wait. */
export interface Limit {
  readonly end: Instant;
  /** True if the guest gave no time at all: one look. */
  readonly poll: boolean;
  /** Where the rest of the time is written back, 0 for nowhere. */
  readonly at: number;
  readonly unit: 'timespec' | 'timeval';
}
export const NEVER: Limit = { end: instant(Infinity), poll: false, at: 0, unit: 'timespec' };

/** Milliseconds of poll(2) and epoll_wait(2): negative is for ever. */
export const millisLimit = (ctx: CallContext, ms: number): Limit =>
  ms < 0 ? NEVER : { end: after(ctx.now, micros(ms * 1e3)), poll: ms === 0, at: 0, unit: 'timespec' };

function limit(ctx: CallContext, at: number, sec: number, us: number, unit: Limit['unit']): Limit {
  const length = sec * 1e6 + us;
  return { end: after(ctx.now, micros(length)), poll: length === 0, at, unit };
}

/** struct timespec at `at`; a null pointer is for ever. -EFAULT, -EINVAL. */
export function timespecLimit(ctx: CallContext, at: number): Limit | number {
  if (at === 0) return NEVER;
  if (copyIn(ctx, at, ctx.scratch, timespec.size) !== 0) return -Errno.EFAULT;
  const { sec, nsec } = timespec.decode(ctx.scratch);
  if (sec < 0 || nsec < 0 || nsec >= 1e9) return -Errno.EINVAL;
  return limit(ctx, at, sec, Math.ceil(nsec / 1e3), 'timespec');
}
/** struct timeval of select(2), whose microseconds may exceed a second. */
export function timevalLimit(ctx: CallContext, at: number): Limit | number {
  if (at === 0) return NEVER;
  if (copyIn(ctx, at, ctx.scratch, timeval.size) !== 0) return -Errno.EFAULT;
  const { sec, usec } = timeval.decode(ctx.scratch);
  if (sec < 0 || usec < 0) return -Errno.EINVAL;
  return limit(ctx, at, sec, usec, 'timeval');
}

/** Writes the rest of the time back, as Linux does; memory that cannot be written is no error. */
export function writeRest(ctx: CallContext, given: Limit): void {
  if (given.at === 0 || given.poll) return;
  const left = Math.max(since(given.end, ctx.now), 0);
  const sec = Math.floor(left / 1e6);
  if (given.unit === 'timespec') timespec.put(ctx.scratch, 0, { sec, nsec: (left % 1e6) * 1e3 });
  else timeval.put(ctx.scratch, 0, { sec, usec: left % 1e6 });
  ctx.memory.write(given.at, ctx.scratch, 0, timespec.size);
}

/** sigset_t of the kernel. */
const SIGSET = 8;
/** The signal mask of ppoll, epoll_pwait: checked as set_user_sigmask does, and in force while the call lasts. */
export function checkSigmask(ctx: CallContext, mask: number, size: number): number {
  if (mask === 0) return 0;
  if (size !== SIGSET) return -Errno.EINVAL;
  const fault = copyIn(ctx, mask, ctx.scratch, SIGSET);
  if (fault === 0) ctx.holdSignals(u32.get(ctx.scratch, 0), u32.get(ctx.scratch, 4));
  return fault;
}
/** pselect6's sixth argument points to a pointer and a size, which are read before anything else: both, or -EFAULT. */
export function sigmaskPair(ctx: CallContext, pair: number): { readonly mask: number; readonly size: number } | number {
  if (pair === 0) return NO_MASK;
  if (copyIn(ctx, pair, ctx.scratch, 16) !== 0) return -Errno.EFAULT;
  return { mask: u64.get(ctx.scratch, 0), size: u64.get(ctx.scratch, 8) };
}
const NO_MASK = { mask: 0, size: 0 };
