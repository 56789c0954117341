/** Where the filter sends a guest's calls: what catches them, and by which they are answered. A call is named by an id of two words, good until it has its answer. */
export interface CallTrap {
  /** Readable when `receive` has something to tell; for the loop's epoll. */
  readonly fd: number;
  /** Whether `receive` may be called again at once, and says whether there is more. Else it waits for the next call. */
  readonly receivesMore: boolean;
  /** Takes a call, which the properties below then tell; false if there was none. */
  receive(): boolean;
  readonly idLow: number;
  readonly idHigh: number;
  /** A thread id in the supervisor's PID namespace. */
  readonly tid: number;
  readonly nr: number;
  /** AUDIT_ARCH_* of the entry point. */
  readonly arch: number;
  readonly ipLow: number;
  readonly ipHigh: number;
  /** The six argument registers, low word before high. */
  readonly args: Uint32Array;
  /** Answers with a result >= 0 or a negative errno; false if the call is gone. */
  answer(idLow: number, idHigh: number, result: number): boolean;
  /** Lets the kernel perform the call itself; one that does not stand (`stands`) begins anew instead. */
  resume(idLow: number, idHigh: number): boolean;
  /** Whether `resume` still has the kernel perform the very number and arguments that were received. Absent: always. */
  stands?(idLow: number, idHigh: number): boolean;
  /** True while the call still waits for its answer. */
  isValid(idLow: number, idHigh: number): boolean;
  /** Puts a copy of our `fd` into the guest's table at the lowest free number and answers with that. Returns it, or a negative errno (then the call still waits). */
  answerWithFd(idLow: number, idHigh: number, fd: number, cloexec: boolean): number;
  /** Puts a copy of our `fd` in the place of the guest's descriptor `target`; the call still waits. Returns `target` or a negative errno. */
  replaceFd(idLow: number, idHigh: number, fd: number, target: number, cloexec: boolean): number;
  /** The call received last is not answered yet. */
  held?(idLow: number, idHigh: number): void;
  /** No call is left to answer. */
  close(): void;
}
