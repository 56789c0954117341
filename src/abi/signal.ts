/** Signals that concern socket calls, and how sigaction(2) marks a handler (include/uapi/asm-generic/signal.h). The same on x86_64 and arm64. */
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGURG = 23;
export const SIGIO = 29;
export const SIGSYS = 31;
export const SA_RESTART = 0x10000000;
/** Number of signals; a sigset_t of the kernel has this many bits. */
export const NSIG = 64;
