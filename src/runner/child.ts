/** Children of ours that Node does not know of: it did not make them. */
import { constants } from 'node:os';
import { errnoName } from '../abi/errno.ts';
import { reap } from '../host/call-table.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { NodePoll } from '../host/node-poll.ffi.ts';
import { pidfdOfProcess, pidfdSignal } from '../host/process.ffi.ts';
import { launchError, type RunError } from './errors.ts';

export interface GuestExit {
  /** Null with the signal where it is not known: somebody else has waited for it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It did not become the program that it was made for. */
  readonly failure: RunError | undefined;
}
export interface ChildOptions {
  /** Who waits for it, where we do not. */
  readonly endOf?: ((pid: number) => ReturnType<typeof reap>) | undefined;
  /** Asked once it has ended. */
  readonly failure: () => RunError | undefined;
}

const SIGKILL = 9;
const NAMES: ReadonlyMap<number, NodeJS.Signals> = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]),
);

export class Child {
  readonly pid: number;
  /** Valid until it has ended. */
  readonly pidfd: number;
  /** Resolves when it has ended. */
  readonly ended: Promise<GuestExit>;
  hasEnded = false;

  /** It keeps our process alive until it has ended. @throws RunError */
  constructor(pid: number, { endOf, failure }: ChildOptions) {
    this.pid = pid;
    this.pidfd = pidfdOfProcess(pid);
    if (this.pidfd < 0) throw launchError(`pidfd_open: ${errnoName(-this.pidfd)}`);
    this.ended = new Promise((resolve) => {
      const poll = new NodePoll(this.pidfd, () => {
        const how = endOf === undefined ? reap(this.pidfd) : endOf(pid);
        if (how === undefined) return;
        this.hasEnded = true;
        poll.close();
        close(this.pidfd);
        const signal = how.signal === null ? null : (NAMES.get(how.signal) ?? 'SIGKILL');
        resolve({ code: how.code, signal, failure: failure() });
      });
    });
  }
  readonly end = (): void => {
    if (!this.hasEnded) pidfdSignal(this.pidfd, SIGKILL);
  };
}
