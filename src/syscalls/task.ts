/**
 * A task: one guest thread as the dispatcher sees it, and the one place where calls block.
 *
 * A handler never waits. It tries, and returns
 *   - a result >= 0 or a negative errno, perhaps after `commitWith` (what to consume once the guest has the result), or `resultFile`; or
 *   - `BLOCKED`, after `waitOn` for each thing whose change is worth another try, and `waitUntil` if there is a deadline.
 * A blocked call is parked. When a waited-for event rises the task goes to the scheduler's run list and the same handler
 * runs again with the same registers; `attempt` counts the tries, and what the handler read from guest memory or has already done it keeps in `state`, because guest
 * memory must not be read twice. At the deadline `onTimeout` is the result; a signal makes it `-ERESTARTSYS` or `-EINTR` as `restart` says.
 *
 * Delivery is transactional: the platform writes results to the guest and answers; only if the guest took the answer
 * does `commit` run, else `rollback`, and nothing was lost.
 */
import type { Instant } from '../lib/clock.ts';
import type { Committable } from '../socket/committable.ts';
import type { Credentials } from '../socket/credentials.ts';
import type { FdTable } from '../socket/fd-table.ts';
import type { OpenFile } from '../socket/file.ts';
import type { GuestMemory } from '../socket/guest-memory.ts';
import type { WaitQueue } from '../socket/wait-queue.ts';

/** What a handler returns instead of a result when the call must wait. Far outside the errno range. */
export const BLOCKED = -1_000_000;

/** What an interrupted call becomes: restarted (ERESTARTSYS, subject to SA_RESTART), EINTR always, or the partial result it has. */
export type RestartRule = 'restart' | 'interrupt';

/** What handlers may ask of their task. */
export interface CallContext {
  readonly tid: number;
  readonly memory: GuestMemory;
  readonly files: FdTable;
  readonly credentials: Credentials;
  readonly now: Instant;
  /** Id of this call, carried by the packets it causes. Never 0. */
  readonly callId: number;
  /** 0 on the first try of a call. */
  readonly attempt: number;
  /** Free for the handler between tries of one call; undefined on the first. */
  state: unknown;

  waitOn(queue: WaitQueue, events: number): void;
  /** The result if nothing happens until `at`: `-EAGAIN`, `0`, ... A deadline counts from the first try: set it then, later calls are ignored. */
  waitUntil(at: Instant, onTimeout: number): void;
  /** What a signal makes of the wait; 'restart' if not called. */
  onSignal(rule: RestartRule): void;
  /** With a partial result, a signal (or the deadline) ends the call with `result` instead. */
  partial(result: number): void;
  /** At most one object a call. */
  commitWith(target: Committable, amount: number): void;
  /**
   * The call's result is a new descriptor for `file`: returns the value the handler must return. The platform chooses the number (lowest free) and installs it together with the
   * answer; the file is released if that fails.
   */
  resultFile(file: OpenFile, cloexec: boolean): number;
  /** SIGPIPE for the calling thread, with the answer. */
  raiseSigpipe(): void;
  /** Counts something the guest asked for and did not get: ('setsockopt', 'SOL_TCP/TCP_MD5SIG', 'ENOPROTOOPT'). */
  unsupported(call: string, what: string, errno: string): void;
}
