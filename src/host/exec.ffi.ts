/** execve(2) from within a Node process, which becomes the program. */
import { errno, fcntl, native } from './libc.ffi.ts';

const execve = native<(path: string, argv: readonly (string | null)[], env: readonly (string | null)[]) => number>(
  'int execve(const char *path, const char **argv, const char **env)',
);
const signal = native<(number: number, action: number) => number>('uintptr_t signal(int number, uintptr_t action)');

const SIG_DFL = 0;
/** Node ignores these two, and an ignored signal stays ignored across execve. */
const IGNORED_BY_NODE = [13 /* SIGPIPE */, 25 /* SIGXFSZ */];
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** So that `fd` does not outlive an execve. */
export const closeOnExec = (fd: number): number => fcntl(fd, F_SETFD, FD_CLOEXEC);

/** Turns this process into `path`, with descriptors 0 to 2 (which Node had marked close-on-exec) and no other. Returns only if that failed: the errno. */
export function become(path: string, argv: readonly string[], env: readonly string[]): number {
  for (const number of IGNORED_BY_NODE) signal(number, SIG_DFL);
  for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, 0);
  execve(path, [...argv, null], [...env, null]);
  return errno();
}
