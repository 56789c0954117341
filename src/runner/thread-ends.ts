/** Tells which threads of the guest have ended, by their pidfds (pidfd_open(2)): what is kept for a thread goes with it. Before Linux 6.9 those are of processes, and tell of them. */
import { POLLIN } from '../abi/poll.ts';
import { EPOLLET, EPOLLIN, Epoll } from '../host/epoll.ffi.ts';
import { eventsOf } from '../host/file.ffi.ts';

const BATCH = 64;

export class ThreadEnds {
  readonly #epoll = new Epoll(BATCH);

  /** Readable when `dispatch` has something to tell. */
  get watchFd(): number {
    return this.#epoll.fd;
  }
  /** Until `pidfd` is closed. */
  watch(pidfd: number, tid: number): void {
    this.#epoll.add(pidfd, (EPOLLIN | EPOLLET) >>> 0, tid);
  }
  /** Calls `ended` with threads that may have ended: a thread id may be another one's by now. */
  dispatch(ended: (tid: number) => void): void {
    for (let count = BATCH; count === BATCH; ) {
      count = this.#epoll.wait(0);
      for (let i = 0; i < count; i++) ended(this.#epoll.keyOf(i));
    }
  }
  close(): void {
    this.#epoll.close();
  }
}

/** Whether the thread of that pidfd has ended: also one that nobody has waited for yet. */
export const hasEnded = (pidfd: number): boolean => (eventsOf(pidfd, POLLIN) & POLLIN) !== 0;
