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
  interrupt(task: DriverTask, restart: boolean): void;
  /** How often SIGPIPE was caught since `reset`. */
  sigpipes(): number;
  /** Ends all tasks of the body. */
  end(): void;
  close(): void;
}
