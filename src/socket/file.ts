/**
 * The open file description (open(2)): what descriptors refer to. Status flags live here and are shared by dup'ed descriptors;
 * FD_CLOEXEC lives in the descriptor table.
 */
import { Errno } from '../abi/errno.ts';
import { O_DIRECT } from '../abi/fcntl.ts';
import { POLLNVAL } from '../abi/poll.ts';
import type { Ownership } from './owner.ts';
import { WaitQueue } from './wait-queue.ts';

/** Where the status flags are kept when they are not kept here: under the runner, in the kernel's file. */
export interface StatusFlagsSource {
  /** The flags of `file`, or a negative errno when they cannot be told now. */
  statusFlagsOf(file: OpenFile): number;
}

export abstract class OpenFile {
  #statusFlags: number;
  /** Asked when the flags are read next. Set for the length of a call; most calls never ask. */
  flagsSource: StatusFlagsSource | undefined = undefined;
  /** F_SETOWN, F_SETSIG: made when one of them is first used. */
  ownership: Ownership | undefined = undefined;
  /** F_SET_RW_HINT. */
  writeHint = 0;
  /** Waiters for this file's poll events. */
  readonly waiters: WaitQueue;
  #references = 0;

  constructor(statusFlags: number, waiters: WaitQueue = new WaitQueue()) {
    this.#statusFlags = statusFlags;
    this.waiters = waiters;
  }
  /** O_NONBLOCK, O_ASYNC, O_APPEND and the access mode, as F_GETFL shows them. */
  get statusFlags(): number {
    this.takeFlags();
    return this.#statusFlags;
  }
  set statusFlags(flags: number) {
    this.flagsSource = undefined;
    this.#statusFlags = flags;
  }
  /** Asks the source now, if there is one. */
  takeFlags(): void {
    const source = this.flagsSource;
    if (source === undefined) return;
    this.flagsSource = undefined;
    const flags = source.statusFlagsOf(this);
    if (flags >= 0) this.#statusFlags = flags;
  }
  /** Poll events (poll(2) bits) that hold now. */
  abstract poll(): number;
  /** True for files that can send signals (f_op->fasync): sockets and pipes. */
  get canSignal(): boolean {
    return false;
  }
  /** Status flags beyond the common ones that F_SETFL may change. */
  get ownFlags(): number {
    return 0;
  }
  /** 0, or what F_SETFL says to flags that this file cannot have: O_DIRECT, which needs more than most files have. */
  refusedFlags(flags: number): number {
    return (flags & O_DIRECT & ~this.ownFlags) === 0 ? 0 : -Errno.EINVAL;
  }
  /** False for files without readiness (a regular file), which epoll_ctl(2) refuses with EPERM. */
  get canPoll(): boolean {
    return true;
  }
  /** The last reference is gone. Called once. */
  protected abstract released(): void;

  retain(): this {
    this.#references++;
    return this;
  }
  /** Ends one reference; the last one releases the file, after epoll items that watch it have been told by POLLNVAL, which no open file reports. */
  release(): void {
    if (--this.#references > 0) return;
    this.waiters.wake(POLLNVAL);
    this.released();
  }
  get references(): number {
    return this.#references;
  }
}
