/** execve(2) from within a Node process, which becomes the program. */
import { errno, fcntl, must, native } from './libc.ffi.ts';

const execve = native<(path: string, argv: readonly (string | null)[], env: readonly (string | null)[]) => number>(
  'int execve(const char *path, const char **argv, const char **env)',
);
const signal = native<(number: number, action: number) => number>('uintptr_t signal(int number, uintptr_t action)');

const prctl = native<(option: number, signal: number) => number>('int prctl(int option, unsigned long signal)');
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
/** This process, and what it becomes, is killed when the thread that started it is gone. */
export const dieWithParent = (): void => void prctl(PR_SET_PDEATHSIG, SIGKILL);

const SIG_DFL = 0;
/** Node ignores these two, and an ignored signal stays ignored across execve. */
const IGNORED_BY_NODE = [13 /* SIGPIPE */, 25 /* SIGXFSZ */];
const F_SETFD = 2;

/** glibc has had a function for close_range(2) since 2.34 only. */
const syscall = native<(nr: number, first: number, last: number, flags: number) => number>(
  'intptr_t syscall(intptr_t nr, uintptr_t first, uintptr_t last, uintptr_t flags)',
);
const NR_CLOSE_RANGE = 436;
const CLOSE_RANGE_CLOEXEC = 4;
const LAST = 0xffff_ffff;

/** So that no descriptor from `first` on outlives an execve: neither ours nor what our own caller left open. @throws HostError before Linux 5.11 */
export const closeOnExecFrom = (first: number): void => {
  must(syscall(NR_CLOSE_RANGE, first, LAST, CLOSE_RANGE_CLOEXEC), 'close_range', 'CLOSE_RANGE_CLOEXEC');
};

/** Turns this process into `path`, with descriptors 0 to 2 (which Node had marked close-on-exec) and no other. Returns only if that failed: the errno. */
export function become(path: string, argv: readonly string[], env: readonly string[]): number {
  for (const number of IGNORED_BY_NODE) signal(number, SIG_DFL);
  for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, 0);
  execve(path, [...argv, null], [...env, null]);
  return errno();
}
