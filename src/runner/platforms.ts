/**
 * How the guest's calls are caught: by user notification, whose listener is ours, or by ptrace(2). Both serve the same dispatcher, under the same filter. Notification comes first: a call costs less, and the
 * guest may trace its own processes. What it needs may be lacking (an older kernel; a container's profile; a listener that somebody else has already), and then the other is taken.
 */
import { ERESTARTSYS } from '../abi/errno.ts';
import { hasKillableWaits, SeccompListener, seccompGap } from '../host/seccomp.ffi.ts';
import type { Clock } from '../lib/clock.ts';
import type { CallTrap } from './call-trap.ts';
import { RunError } from './errors.ts';
import { Launcher } from './launch.ts';
import { PendingSignals } from './pending-signals.ts';
import { PtraceTrap } from './ptrace-trap.ts';
import { filterFor } from './trapped-calls.ts';

export type PlatformName = 'notify' | 'ptrace';

/** What starts guests, and what their calls come to. */
export interface Catching {
  readonly platform: PlatformName;
  readonly launcher: Launcher;
  readonly trap: CallTrap;
  /** Signals do not take calls away. */
  readonly killable: boolean;
  /** Nobody tells of them, so they are looked for. */
  readonly looksForSignals: boolean;
  /** Whether a signal waits for the end of a call. */
  readonly judge: PendingSignals['judge'];
  /** Whom to tell of a signal for the call of a thread. */
  readonly onInterrupted: (handler: (tid: number) => void) => void;
  /** Whom to tell that no process is left, where the trap's descriptor does not hang up. */
  readonly onAllEnded: (handler: () => void) => void;
}

export interface CatchingPlan {
  readonly platform: PlatformName | 'auto';
  readonly plane: 'direct' | 'strict';
  readonly opens: boolean;
  readonly stays: boolean;
  readonly syncWakeUp: boolean;
  readonly clock: Clock;
}

function notified({ plane, opens, stays, syncWakeUp, clock }: CatchingPlan): Catching {
  const gap = seccompGap();
  if (gap !== undefined) throw new RunError('E_UNSUPPORTED_KERNEL', gap.what, gap.remedy);
  const killable = hasKillableWaits();
  const notification = killable ? 'killable-listener' : 'listener';
  const launcher = new Launcher({ filter: filterFor(plane, opens, false), notification, stays });
  const trap = new SeccompListener(launcher.listenerFd);
  const lacks = trap.probe();
  if (lacks !== undefined) {
    launcher.close();
    trap.close();
    throw new RunError('E_UNSUPPORTED_KERNEL', lacks.what, lacks.remedy);
  }
  if (syncWakeUp) trap.setSyncWakeUp(true);
  const pending = new PendingSignals(clock);
  return {
    platform: 'notify',
    launcher,
    trap,
    killable,
    looksForSignals: killable,
    judge: killable ? (call, calls) => pending.judge(call, calls) : () => 'waits',
    onInterrupted: () => undefined,
    onAllEnded: () => undefined,
  };
}

/** What keeps this host from tracing, where that can be told beforehand. */
export const ptraceGap = (): RunError | undefined =>
  process.arch === 'x64'
    ? undefined
    : new RunError(
        'E_UNSUPPORTED_KERNEL',
        `the ptrace platform is for x86_64, and this is ${process.arch}`,
        'leave --platform out',
      );

function traced({ plane, opens, stays, clock }: CatchingPlan): Catching {
  const gap = ptraceGap();
  if (gap !== undefined) throw gap;
  const trap = new PtraceTrap(clock);
  try {
    const filter = filterFor(plane, opens, true);
    return {
      platform: 'ptrace',
      launcher: new Launcher({ filter, notification: 'tracer', tracer: trap, stays }),
      trap,
      killable: true,
      looksForSignals: false,
      judge: ({ tid }) => (trap.isInterrupted(tid) ? -ERESTARTSYS : 'waits'),
      onInterrupted: (handler) => {
        trap.onInterrupted = handler;
      },
      onAllEnded: (handler) => {
        trap.onAllEnded = handler;
      },
    };
  } catch (error) {
    trap.close();
    throw error;
  }
}

/** What user notification needs and this host, or whoever runs us, has not. */
const isAboutNotification = (error: unknown): error is RunError =>
  error instanceof RunError && (error.code === 'E_UNSUPPORTED_KERNEL' || error.code === 'E_FILTER');

/** @param onFallback told why the guest is traced, where `platform` leaves the choice @throws RunError */
export function catchCalls(plan: CatchingPlan, onFallback: (reason: string) => void): Catching {
  const { platform } = plan;
  if (platform === 'ptrace') return traced(plan);
  try {
    return notified(plan);
  } catch (error) {
    if (platform === 'notify' || !isAboutNotification(error) || ptraceGap() !== undefined) throw error;
    onFallback(error.what);
    return traced(plan);
  }
}
