/** Signals that concern socket calls, and how sigaction(2) marks a handler (include/uapi/asm-generic/signal.h). The same on x86_64 and arm64. */
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
export const SIGRTMIN = 32;
export const SA_NOCLDSTOP = 0x1;
export const SA_NOCLDWAIT = 0x2;
export const SA_SIGINFO = 0x4;
export const SA_ONSTACK = 0x8000000;
export const SA_RESTART = 0x10000000;
export const SA_NODEFER = 0x40000000;
export const SA_RESETHAND = 0x80000000;
/** `sigset_t` of the kernel, as ppoll, pselect6 and epoll_pwait take it: bit n - 1 for signal n. */
export const SIGSET_OCTETS = 8;
export function sigset(...signals: readonly number[]): Uint8Array {
  const set = new Uint8Array(SIGSET_OCTETS);
  for (const signal of signals) {
    if (signal >= 1 && signal <= NSIG)
      set[(signal - 1) >> 3] = (set[(signal - 1) >> 3] as number) | (1 << ((signal - 1) & 7));
  }
  return set;
}
/** True if `signal` is in the set at `bytes[at..]`. */
export const sigismember = (bytes: Uint8Array, signal: number, at = 0): boolean =>
  signal >= 1 && signal <= NSIG && (((bytes[at + ((signal - 1) >> 3)] as number) >> ((signal - 1) & 7)) & 1) === 1;
/** Number of signals; a sigset_t of the kernel has this many bits. */
export const NSIG = 64;
