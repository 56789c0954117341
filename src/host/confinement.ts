/**
 * The seccomp filters that the supervisor and the gateway put on themselves once their start is over (docs/decisions/0025): what none of their code calls does not exist for whoever takes one of them over. Each
 * states its own calls in one file (src/runner/own-calls.ts, src/gateway/own-calls.ts); here is what Node, V8 and libuv need in any program, group by group, found by strace over the test suites and in
 * their sources.
 *
 * What is not listed is EPERM, and not the process's end: a Node of another version that tries a newer call first goes on with what it did before. Those for which it falls back on ENOSYS alone get that.
 *
 * Who is apart (the gateway) opens files for reading alone, which flags in a register say, and so writes neither a file nor, by /proc/PID/mem, the memory of another process; it sends no signal either, by
 * tgkill(2) or as what a descriptor sends to its owner (F_SETOWN).
 *
 * Left out: what lies in memory cannot be looked at, so a path may be any that the user may open, /proc/PID/mem among them where ptrace(2) would be permitted (no Yama, or another's CAP_SYS_PTRACE). Landlock
 * would close that, but before Linux 7.0 it holds for the thread that asks, and Node has several before any code of ours runs.
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
    'futex set_robust_list get_robust_list rseq set_tid_address exit exit_group gettid getpid getppid sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min getcpu getpriority prctl arch_prctl restart_syscall',
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
    'read write readv writev pread64 pwrite64 preadv pwritev lseek close close_range dup dup2 dup3 fcntl ioctl fstat fsync fdatasync fadvise64',
  ),
  /** Modules that are loaded late, resolv.conf, /proc. */
  files: words(
    'open openat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64 getcwd statfs fstatfs',
  ),
  identity: words(
    'getuid geteuid getgid getegid getgroups getresuid getresgid capget getpgrp getpgid getsid getrlimit',
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
  /** Changes no file, and neither memory nor course of another process. */
  readonly isApart: boolean;
}

/** Of who is not apart: the compiled code (bundle.ts), and what the command line is to write. */
const WRITING = words('rename renameat renameat2 unlink unlinkat ftruncate');
/** Whose first argument is a process: raise(3), abort(3) and Node mean their own, for which prlimit64(2) takes 0 as well. */
const OF_A_PROCESS = words('tgkill prlimit64');
/** What opens files for anything but reading: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, alike on both architectures. O_TMPFILE wants one of the first two. */
const OPENS_FOR_WRITING = 0o1103;
/** Signals to the owner of a descriptor, whoever that is: F_SETOWN, F_SETSIG, F_SETOWN_EX. */
const OWNER_COMMANDS = [8, 10, 15] as const;
/** FIOSETOWN, SIOCSPGRP; TIOCSTI and TIOCLINUX, by which a terminal is typed on. */
const OWNER_AND_TERMINAL_REQUESTS = [0x8901, 0x8902, 0x5412, 0x541c] as const;

const CLONE_THREAD = 0x0001_0000;
const { ENOSYS, EPERM, EACCES, EAFNOSUPPORT } = Errno;
/** Programs fall back from these if they do not exist, and not if they are forbidden. clone3's flags lie in memory. */
const MISSING: readonly OwnCall[] = ['clone3', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'];

const ARCHITECTURES = {
  x64: { audit: 0xc000_003e, numbers: NR_AMD64 as Readonly<Record<string, number>> },
  arm64: { audit: 0xc000_00b7, numbers: NR_ARM64 as Readonly<Record<string, number>> },
} as const;

/** Allowed unless argument `i` is one of `values`. */
const exceptFor = (i: number, values: readonly number[]): Instruction[] => [
  load(dataArgument(i)),
  ...values.flatMap((value) => whenEqual(value, give(Verdict.errno(EPERM)))),
  give(Verdict.Allow),
];
const forReading = (flagsArgument: number): Instruction[] => [
  load(dataArgument(flagsArgument)),
  ...whenAnyBit(OPENS_FOR_WRITING, give(Verdict.errno(EACCES))),
  give(Verdict.Allow),
];
/** Calls of who is apart that its arguments decide. */
const APART: ReadonlyMap<OwnCall, readonly Instruction[]> = new Map<OwnCall, readonly Instruction[]>([
  ['open', forReading(1)],
  ['openat', forReading(2)],
  ['fcntl', exceptFor(1, OWNER_COMMANDS)],
  ['ioctl', exceptFor(1, OWNER_AND_TERMINAL_REQUESTS)],
]);

/**
 * An array of `struct sock_filter`.
 * @param pid whose filter it is to be
 */
export function confinementProgram(
  { calls, families, isApart }: Confinement,
  pid: number,
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
  const ofOurs = [load(dataArgument(0)), ...[pid, 0].flatMap((own) => whenEqual(own, give(Verdict.Allow)))];
  const allowed = new Set([...Object.values(GROUPS).flat(), ...calls, ...(isApart ? [] : WRITING)]);
  return assemble([
    load(DATA_ARCH),
    ...unlessEqual(audit, give(Verdict.errno(ENOSYS))),
    load(DATA_NR),
    ...[...allowed].flatMap((name) => on(name, ...((isApart && APART.get(name)) || [give(Verdict.Allow)]))),
    ...MISSING.flatMap((name) => on(name, give(Verdict.errno(ENOSYS)))),
    ...on('clone', load(dataArgument(0)), ...whenAnyBit(CLONE_THREAD, give(Verdict.Allow)), give(Verdict.errno(EPERM))),
    ...OF_A_PROCESS.flatMap((name) => on(name, ...ofOurs, give(Verdict.errno(EPERM)))),
    ...on('socket', ...ofFamily),
    ...on('socketpair', ...ofFamily),
    give(Verdict.errno(EPERM)),
  ]);
}

/** Puts it on every thread of this process, for good. False where the kernel refused it. */
export const confine = (confinement: Confinement): boolean =>
  confineAllThreads(confinementProgram(confinement, process.pid));
