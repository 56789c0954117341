/**
 * The seccomp filters that the supervisor and the gateway put on themselves once their start is over (docs/decisions/0025): what none of their code calls does not exist for whoever takes one of them over. Each
 * states its own calls in one file (src/runner/own-calls.ts, src/gateway/own-calls.ts); here is what Node, V8 and libuv need in any program, group by group, found by strace over the test suites and in
 * their sources.
 *
 * What is not listed is EPERM, and not the process's end: a Node of another version that tries a newer call first goes on with what it did before. Those for which it falls back on ENOSYS alone get that.
 *
 * Left out: what lies in memory cannot be looked at, so a path may be any that the user may open; and both keep the right to write files, since the compiled code is written beside the
 * bundle at the end of a first run (bundle.ts).
 */
import { Errno } from '../abi/errno.ts';
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { NR_ARM64 } from '../abi/nr-arm64.ts';
import {
  assemble,
  DATA_ARCH,
  DATA_NR,
  dataArgument,
  give,
  type Instruction,
  load,
  unlessEqual,
  Verdict,
  whenAnyBit,
  whenEqual,
} from './bpf.ts';
import { confineAllThreads } from './seccomp.ffi.ts';

/** The names of the tables of src/abi; one that an architecture lacks is passed over. */
export type OwnCall = keyof typeof NR_AMD64 | keyof typeof NR_ARM64;

const words = (text: string): OwnCall[] => text.split(/\s+/).filter(Boolean) as OwnCall[];

/** By what they are for. */
const GROUPS: Readonly<Record<string, readonly OwnCall[]>> = {
  /** V8's heap, its code (with PROT_EXEC) and WebAssembly's memory; malloc; arenas of ours. */
  memory: words(
    'mmap munmap mprotect mremap madvise brk mincore msync mlock munlock membarrier pkey_alloc pkey_free pkey_mprotect',
  ),
  /** Workers of V8 and of libuv's pool, which come and go; their locks. clone is a rule of its own. */
  threads: words(
    'futex set_robust_list get_robust_list rseq set_tid_address exit exit_group gettid getpid getppid sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min getcpu getpriority prctl arch_prctl restart_syscall tgkill',
  ),
  signals: words('rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait sigaltstack'),
  time: words(
    'clock_gettime clock_getres gettimeofday time nanosleep clock_nanosleep timerfd_create timerfd_settime timerfd_gettime times getrusage sysinfo uname getrandom',
  ),
  /** libuv's loop and ours. */
  waiting: words(
    'epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6 eventfd2 pipe2 pipe',
  ),
  descriptors: words(
    'read write readv writev pread64 pwrite64 preadv pwritev lseek close close_range dup dup2 dup3 fcntl ioctl fstat fsync fdatasync fadvise64 ftruncate',
  ),
  /** Modules that are loaded late, resolv.conf, /proc; the compiled code. */
  files: words(
    'open openat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64 getcwd statfs fstatfs rename renameat renameat2 unlink unlinkat',
  ),
  identity: words(
    'getuid geteuid getgid getegid getgroups getresuid getresgid capget getpgrp getpgid getsid getrlimit prlimit64',
  ),
  /** socket and socketpair are rules of their own. */
  sockets: words(
    'bind listen accept accept4 connect getsockname getpeername setsockopt getsockopt sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown',
  ),
};

export interface Confinement {
  /** Beyond what any Node needs. */
  readonly calls: readonly OwnCall[];
  /** Of sockets that may be made, AF_*. */
  readonly families: readonly number[];
}

const CLONE_THREAD = 0x0001_0000;
const { ENOSYS, EPERM, EAFNOSUPPORT } = Errno;
/** Programs fall back from these if they do not exist, and not if they are forbidden. clone3's flags lie in memory. */
const MISSING: readonly OwnCall[] = ['clone3', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'];

const ARCHITECTURES = {
  x64: { audit: 0xc000_003e, numbers: NR_AMD64 as Readonly<Record<string, number>> },
  arm64: { audit: 0xc000_00b7, numbers: NR_ARM64 as Readonly<Record<string, number>> },
} as const;

/** An array of `struct sock_filter`. */
export function confinementProgram(
  { calls, families }: Confinement,
  architecture: keyof typeof ARCHITECTURES = process.arch === 'arm64' ? 'arm64' : 'x64',
): Uint8Array {
  const { audit, numbers } = ARCHITECTURES[architecture];
  const on = (name: OwnCall, ...then: readonly Instruction[]): Instruction[] => {
    const nr = numbers[name];
    return nr === undefined ? [] : whenEqual(nr, ...then);
  };
  const ofFamily: Instruction[] = [
    load(dataArgument(0)),
    ...families.flatMap((family) => whenEqual(family, give(Verdict.Allow))),
    give(Verdict.errno(EAFNOSUPPORT)),
  ];
  const allowed = new Set([...Object.values(GROUPS).flat(), ...calls]);
  return assemble([
    load(DATA_ARCH),
    ...unlessEqual(audit, give(Verdict.errno(ENOSYS))),
    load(DATA_NR),
    ...[...allowed].flatMap((name) => on(name, give(Verdict.Allow))),
    ...MISSING.flatMap((name) => on(name, give(Verdict.errno(ENOSYS)))),
    ...on('clone', load(dataArgument(0)), ...whenAnyBit(CLONE_THREAD, give(Verdict.Allow)), give(Verdict.errno(EPERM))),
    ...on('socket', ...ofFamily),
    ...on('socketpair', ...ofFamily),
    give(Verdict.errno(EPERM)),
  ]);
}

/** Puts it on every thread of this process, for good. False where the kernel refused it. */
export const confine = (confinement: Confinement): boolean => confineAllThreads(confinementProgram(confinement));
