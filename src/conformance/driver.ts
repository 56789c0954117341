/** What a session needs of the system under it: raw calls by tasks, shared memory, and certainty about who is blocked. */
import type { Arg, BodyOptions } from './body.ts';
import type { SyscallName } from './linux.ts';

export interface DriverTask {
  /** Starts a call; the task must be idle. */
  begin(call: SyscallName, args: readonly Arg[]): void;
  /** True when no call is under way. */
  readonly idle: boolean;
  /** Of the last call. */
  readonly result: number;
}

/** What files send to their owners (F_SETOWN): SIGURG, SIGIO, and one that F_SETSIG may name. They are caught with SA_RESTART. */
export const FILE_SIGNALS = [23, 29, 40] as const;
export const FILE_SIGNAL_NAMES = ['SIGURG', 'SIGIO', 'signal 40'] as const;

export interface Driver {
  readonly name: string;
  /** The octets from DATA_BASE to DATA_END. */
  readonly memory: Uint8Array;
  /** Makes the first process anew, with descriptors 0 to 2 in use, a network of its own with only a loopback interface, and memory as it is. */
  reset(body: Pick<BodyOptions, 'interrupts'>): void;
  thread(): DriverTask;
  process(): DriverTask;
  /** Returns when every task is idle or blocked for good. */
  settle(): void;
  /** Lets time pass until `task` is idle; false if that does not happen. */
  waitFor(task: DriverTask): boolean;
  sleep(ms: number): void;
  /** Milliseconds, from any origin. */
  now(): number;
  /** With `held` the handler is not waited for: the mask of the call under way holds the signal back. */
  interrupt(task: DriverTask, restart: boolean, held: boolean): void;
  /** How often SIGPIPE was caught since `reset`. */
  sigpipes(): number;
  /** How often each of `FILE_SIGNALS` was caught since `reset`. Some of them may have been one. */
  fileSignals(): readonly number[];
  /** Ends all tasks of the body. */
  end(): void;
  close(): void;
}
