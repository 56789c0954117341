/**
 * What the guest's program leaves behind: the sandbox lives until the last of its processes has ended, unless it is asked to end with the program.
 *
 * The keeper, the first process of the namespace, to which every orphan goes, asks by a call that waits for its answer (kill(0, 0)): 0 says that a child is to be reaped and it should ask again, ESRCH that
 * none is left. Its children are looked up in /proc (CONFIG_PROC_CHILDREN; without that nothing is waited for). Each child's pidfd tells its end. Orphans of theirs
 * come to it without a word, so now and then it is looked for those that have ended.
 * Without a namespace there is no keeper, and the filter's listener hangs up when no process is left behind it (seccomp_unotify(2)); a tracer sees each end itself.
 */
import { Errno } from '../abi/errno.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdOpen } from '../host/process.ffi.ts';
import { type Alarm, type Clock, millis } from '../lib/clock.ts';
import type { CallTrap } from './call-trap.ts';
import { childrenOf } from './holders.ts';
import { hasEnded, type ThreadEnds } from './thread-ends.ts';

const NOW_AND_THEN = millis(500);
/** More are not watched at a time: the end of any of them brings the next look. */
const MAX_WATCHED = 256;

export class Remnants {
  readonly #listener: CallTrap;
  readonly #threadEnds: ThreadEnds;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  /** Children of the keeper that live, with their pidfds. */
  readonly #watched = new Map<number, number>();
  #keeper = 0;
  #idLow = 0;
  #idHigh = 0;
  #waits = false;
  #isOver: boolean;
  #isAwaited = false;
  #noteAll: () => void = () => undefined;
  readonly #all = new Promise<void>((resolve) => (this.#noteAll = resolve));

  /** @param none nothing is waited for */
  constructor(listener: CallTrap, threadEnds: ThreadEnds, clock: Clock, none: boolean) {
    this.#listener = listener;
    this.#threadEnds = threadEnds;
    this.#isOver = none;
    this.#clock = clock;
    this.#alarm = clock.alarm(() => {
      if (this.#look()) this.#answer(0);
      else if (this.#waits) this.#alarm.set(this.#clock.in(NOW_AND_THEN));
    });
  }
  /** The program has ended, and others go on. */
  get areLeft(): boolean {
    return !this.#isOver && (this.#isAwaited || this.#watched.size > 0);
  }
  /** Where there is no keeper, and the program has ended. */
  async untilAllEnded(): Promise<void> {
    if (this.#isOver) return;
    this.#isAwaited = true;
    await this.#all;
  }
  /** No process is left behind the filter. */
  allEnded(): void {
    this.#noteAll();
  }
  /** The call received last is the keeper's, which asks whether to go on. */
  ask({ tid, idLow, idHigh }: CallTrap): void {
    this.#keeper = tid;
    this.#idLow = idLow;
    this.#idHigh = idHigh;
    this.#waits = true;
    if (!this.#isOver) this.#look();
    if (this.#isOver || this.#watched.size === 0) this.end();
    else this.#alarm.set(this.#clock.in(NOW_AND_THEN));
  }
  /** Watches children that are new; true if one has ended that was not watched. */
  #look(): boolean {
    let found = false;
    for (const pid of childrenOf(this.#keeper, String(this.#keeper))) {
      if (this.#watched.size >= MAX_WATCHED) return found;
      if (this.#watched.has(pid)) continue;
      const pidfd = pidfdOpen(pid);
      if (pidfd < 0) continue;
      if (hasEnded(pidfd)) {
        close(pidfd);
        found = true;
        continue;
      }
      this.#watched.set(pid, pidfd);
      this.#threadEnds.watch(pidfd, pid);
    }
    return found;
  }
  /** A thread of the guest has ended, it seems. */
  ended(tid: number): void {
    const pidfd = this.#watched.get(tid);
    if (pidfd === undefined || !hasEnded(pidfd)) return;
    close(pidfd);
    this.#watched.delete(tid);
    this.#answer(0);
  }
  /** Whatever is left ends with the keeper. */
  end(): void {
    this.#isOver = true;
    this.#answer(-Errno.ESRCH);
    this.#noteAll();
  }
  #answer(result: number): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#listener.answer(this.#idLow, this.#idHigh, result);
  }
  close(): void {
    for (const pidfd of this.#watched.values()) close(pidfd);
    this.#watched.clear();
  }
}
