/**
 * The guest's seccomp filter. It looks at registers only, so nothing that it decides can be changed behind its back; whatever depends on memory or on what a
 * descriptor is goes to the supervisor.
 *
 * - A foreign architecture's entry point (i386 on x86_64: int 0x80 with its socketcall) and x32 numbers go to the supervisor, which performs none of them.
 * - A number that no Linux had when this was written is refused likewise: what a later kernel adds is passed only when somebody has looked at it.
 * - socket(AF_UNIX) is the kernel's own, inside the guest's network namespace. Every other family goes to the supervisor, which never lets the kernel perform it:
 *   a family that the sandbox has not is refused there and not here, so that the run's compatibility report can name it (a refused socket() costs 5 us and is rare).
 * - io_uring would perform socket calls unseen: ENOSYS, and programs fall back to epoll. clone3 keeps its flags in memory: ENOSYS, and libcs fall back to clone.
 * - userfaultfd would let the guest hold up whoever reads its memory, the supervisor first of all: ENOSYS, and EPERM for its device.
 * - Keys are not in a namespace of the guest's, and a request for one makes the kernel start a program outside, which asks name servers (request_key(2)); bpf and perf_event_open act on the
 *   kernel that all share: ENOSYS, as from a kernel without them.
 * - A device of vhost is another way out (vhost-vsock), and a terminal that is typed into (TIOCSTI) is the caller's: EPERM, and EIO as where dev.tty.legacy_tiocsti is 0.
 * - A pidfd of a unix socket's peer could be one of the supervisor, which connects by name on the guest's behalf: ENOPROTOOPT, as before Linux 6.5.
 * - kill(0, signal) goes to the supervisor: the guest is born in a process group of processes outside (group-signals.ts). No other call can name that group.
 * - open() and openat() go to the supervisor, which speaks for files of /proc (spoken-files.ts), unless they make a file, take a directory or only name what there is (O_PATH).
 * - What would leave the namespaces (setns, unshare, mount) goes to the supervisor, which permits it to the launch chain alone.
 *
 * What is refused whatever it points to is refused by the supervisor all the same, so that the report counts it (foreign-calls.ts, which lets none of it through); but clone3 here,
 * which libcs try for every thread and process before they fall back.
 */
import { Errno } from '../abi/errno.ts';
import { O_AMD64, O_ARM64, O_CREAT, O_EXCL, O_PATH } from '../abi/fcntl.ts';
import { FIOGETOWN, FIONREAD, FIOSETOWN, SIOCGPGRP, SIOCSPGRP, TIOCLINUX, TIOCOUTQ, TIOCSTI } from '../abi/ioctl.ts';
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_UNTRACED,
} from '../abi/sched.ts';
import { AF_INET, AF_INET6, AF_UNIX } from '../abi/socket.ts';
import {
  and,
  assemble,
  DATA_ARCH,
  DATA_NR,
  dataArgument,
  give,
  type Instruction,
  load,
  unlessAtLeast,
  unlessEqual,
  Verdict,
  whenAnyBit,
  whenAtLeast,
  whenEqual,
  withVerdict,
} from '../host/bpf.ts';

export interface FilterPlan {
  /** AUDIT_ARCH_*. */
  readonly auditArch: number;
  /** Numbers by name on this architecture. A name that the architecture lacks is passed over. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Calls that the supervisor answers whatever their arguments. */
  readonly trapped: readonly string[];
  /** sendto and recvfrom without an address and with plain flags are the kernel's own: the placeholder carries the data. */
  readonly plainTransfers?: boolean;
  /** A look at readiness that does not wait goes to the supervisor, which lets it through once all that earlier calls changed is shown. */
  readonly looks?: boolean;
  /** What opens a file goes to the supervisor, which speaks for some. */
  readonly opens?: boolean;
  /** The supervisor traces the guest, in place of a listener: see `forTracer`. */
  readonly traced?: boolean;
}

/** Calls that look at readiness, and the argument that says how long they wait: in milliseconds, or a pointer to it. */
const LOOKS = [
  { name: 'poll', argument: 2, isPointer: false },
  { name: 'epoll_wait', argument: 3, isPointer: false },
  { name: 'epoll_pwait', argument: 3, isPointer: false },
  { name: 'ppoll', argument: 2, isPointer: true },
  { name: 'epoll_pwait2', argument: 3, isPointer: true },
  { name: 'select', argument: 4, isPointer: true },
  { name: 'pselect6', argument: 4, isPointer: true },
] as const;
export const LOOKING_CALLS: readonly string[] = LOOKS.map(({ name }) => name);

/** What a pointer leads to is not seen here, so every one that may wait for a limited time counts. */
const look = ({ argument, isPointer }: (typeof LOOKS)[number]): Instruction[] =>
  isPointer
    ? [
        load(dataArgument(argument)),
        ...unlessEqual(0, give(Verdict.Notify)),
        load(dataArgument(argument) + 4),
        ...unlessEqual(0, give(Verdict.Notify)),
        give(Verdict.Allow),
      ]
    : [load(dataArgument(argument)), ...whenEqual(0, give(Verdict.Notify)), give(Verdict.Allow)];

/**
 * Flags that mean the same on a Unix socket as on TCP and UDP: MSG_NOSIGNAL, and WAITALL, CMSG_CLOEXEC; DONTWAIT. MSG_EOR is none: on TCP it ends a segment.
 * MSG_PEEK is trapped: where it looks (SO_PEEK_OFF) and what it says of an end is the socket's own, and it is rare. A receive with MSG_DONTWAIT counts on what its own earlier send made the kernel answer at once (musl's getifaddrs: send, then recv), so it is trapped, and sees it.
 */
const PLAIN_RECEIVE = 0x4000 | 0x100 | 0x4000_0000;
const PLAIN_SEND = 0x40 | 0x4000;

/** Only registers decide, so there is nothing to change after the look. */
const plainTransfer = (flags: number): Instruction[] => [
  load(dataArgument(4)),
  ...unlessEqual(0, give(Verdict.Notify)),
  load(dataArgument(4) + 4),
  ...unlessEqual(0, give(Verdict.Notify)),
  load(dataArgument(3)),
  ...whenAnyBit(~flags >>> 0, give(Verdict.Notify)),
  give(Verdict.Allow),
];

/** include/uapi/linux/audit.h. */
export const AUDIT_ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;

/** Set in the number of a call that came by the x32 entry point. */
export const X32_BIT = 0x4000_0000;
/** What a tracer puts in a number's place so that nothing happens. */
const NO_CALL = 0xffff_ffff;
/** Numbers that Linux has given to calls, up to 6.14 (arch/x86/entry/syscalls/syscall_64.tbl, scripts/syscall.tbl); from 424 on they are the same everywhere. */
const COMMON_FIRST = 424;
const COMMON_LAST = 466;
const OWN_LAST: Readonly<Record<number, number>> = { [AUDIT_ARCH.x64]: 335, [AUDIT_ARCH.arm64]: 294 };
const { ENOSYS, EOPNOTSUPP } = Errno;

const unassigned = (auditArch: number): Instruction[] => [
  ...whenEqual(NO_CALL, give(Verdict.Allow)),
  ...whenAtLeast(COMMON_LAST + 1, give(Verdict.Notify)),
  ...whenAtLeast((OWN_LAST[auditArch] ?? -1) + 1, ...unlessAtLeast(COMMON_FIRST, give(Verdict.Notify))),
];

/** CLONE_NEWTIME would need clone3. */
export const CLONE_NEW_ANY =
  CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

/** The type of an ioctl(2). */
export const IOCTL_TYPE = 0xff00;
/** Socket ioctls (include/uapi/linux/sockios.h): 0x8900 .. 0x89ff. */
const SOCKIOS = 0x8900;
const OWNER_REQUESTS = [FIOSETOWN, SIOCSPGRP, FIOGETOWN, SIOCGPGRP] as const;
/** Would make a network interface of a descriptor of /dev/net/tun. */
export const TUNSETIFF = 0x4004_54ca;

/** Would make a userfaultfd of a descriptor of /dev/userfaultfd (USERFAULTFD_IOC_NEW, include/uapi/linux/userfaultfd.h). */
export const USERFAULTFD_NEW = 0xaa00;

/** Type of the requests of wireless interfaces (include/uapi/linux/wireless.h). */
export const WIRELESS = 0x8b00;
/** Type of the requests of /dev/vhost-net, /dev/vhost-vsock and their like (VHOST_VIRTIO, include/uapi/linux/vhost.h). */
export const VHOST = 0xaf00;
/** SECCOMP_FILTER_FLAG_NEW_LISTENER. */
const FLAG_NEW_LISTENER = 8;

/** Calls that do not exist for the guest. */
export const ABSENT = [
  'io_uring_setup',
  'io_uring_enter',
  'io_uring_register',
  'userfaultfd',
  'add_key',
  'request_key',
  'keyctl',
  'bpf',
  'perf_event_open',
] as const;
/** Calls that could leave the namespaces or bring another file system in: for the launch chain alone. */
export const WALLS = [
  'unshare',
  'setns',
  'mount',
  'umount2',
  'pivot_root',
  'open_tree',
  'move_mount',
  'fsopen',
  'fsconfig',
  'fsmount',
  'fspick',
  'mount_setattr',
] as const;
/** Watched for the process's sake: which program runs, and whether its handlers restart calls. */
export const WATCHED = ['execve', 'execveat', 'rt_sigaction'] as const;

type On = (name: string, ...then: readonly Instruction[]) => Instruction[];
/** Flags that no file of /proc which says something is opened with are the kernel's. Those of openat2() are in memory. */
function opens(on: On, auditArch: number): Instruction[] {
  const { O_DIRECTORY } = auditArch === AUDIT_ARCH.x64 ? O_AMD64 : O_ARM64;
  const open = (argument: number): Instruction[] => [
    load(dataArgument(argument)),
    ...whenAnyBit(O_DIRECTORY | O_PATH, give(Verdict.Allow)),
    and(O_CREAT | O_EXCL),
    ...whenEqual(O_CREAT | O_EXCL, give(Verdict.Allow)),
    give(Verdict.Notify),
  ];
  return [...on('open', ...open(1)), ...on('openat', ...open(2)), ...on('openat2', give(Verdict.Notify))];
}

export function buildFilter(plan: FilterPlan): Uint8Array {
  const { numbers } = plan;
  const on: On = (name, ...then) => {
    const nr = numbers[name];
    return nr === undefined ? [] : whenEqual(nr, ...then);
  };
  const transfers = plan.plainTransfers === true;
  const traced = plan.traced === true;
  const cloned = traced ? CLONE_NEW_ANY | CLONE_UNTRACED : CLONE_NEW_ANY;
  const special = new Set(['socket', 'socketpair', 'ioctl', 'clone', 'clone3', 'kill']);
  if (transfers) special.add('recvfrom').add('sendto');
  const trapped = new Set([...plan.trapped, ...WALLS, ...WATCHED, ...ABSENT].filter((name) => !special.has(name)));
  const program = [
    load(DATA_ARCH),
    // A tracer would have to ask what the number means.
    ...unlessEqual(plan.auditArch, give(traced ? Verdict.KillProcess : Verdict.Notify)),
    load(DATA_NR),
    ...unassigned(plan.auditArch),
    ...(transfers ? on('recvfrom', ...plainTransfer(PLAIN_RECEIVE)) : []),
    ...(transfers ? on('sendto', ...plainTransfer(PLAIN_SEND)) : []),
    ...[...trapped].flatMap((name) => on(name, give(Verdict.Notify))),
    ...(plan.looks === true ? LOOKS.flatMap((one) => on(one.name, ...look(one))) : []),
    ...on('socket', load(dataArgument(0)), ...whenEqual(AF_UNIX, give(Verdict.Allow)), give(Verdict.Notify)),
    ...on(
      'socketpair',
      load(dataArgument(0)),
      ...whenEqual(AF_UNIX, give(Verdict.Allow)),
      // Linux knows these families but has no pairs of them.
      ...whenEqual(AF_INET, give(Verdict.errno(EOPNOTSUPP))),
      ...whenEqual(AF_INET6, give(Verdict.errno(EOPNOTSUPP))),
      give(Verdict.Notify),
    ),
    ...on(
      'ioctl',
      load(dataArgument(1)),
      ...whenEqual(FIONREAD, give(Verdict.Notify)),
      ...whenEqual(TIOCOUTQ, give(Verdict.Notify)),
      ...whenEqual(TUNSETIFF, give(Verdict.Notify)),
      ...whenEqual(USERFAULTFD_NEW, give(Verdict.Notify)),
      ...whenEqual(TIOCSTI, give(Verdict.Notify)),
      ...whenEqual(TIOCLINUX, give(Verdict.Notify)),
      // Who is told by a signal is the placeholder's own, as with fcntl(2).
      ...OWNER_REQUESTS.flatMap((request) => whenEqual(request, give(Verdict.Allow))),
      and(IOCTL_TYPE),
      ...whenEqual(VHOST, give(Verdict.Notify)),
      ...whenEqual(WIRELESS, give(Verdict.Notify)),
      ...whenEqual(SOCKIOS, give(Verdict.Notify)),
      give(Verdict.Allow),
    ),
    ...(plan.opens === true ? opens(on, plan.auditArch) : []),
    ...on('kill', load(dataArgument(0)), ...whenEqual(0, give(Verdict.Notify)), give(Verdict.Allow)),
    ...(traced ? forTracer(on) : []),
    ...on('clone', load(dataArgument(0)), ...whenAnyBit(cloned, give(Verdict.Notify)), give(Verdict.Allow)),
    ...on('clone3', give(Verdict.errno(ENOSYS))),
    give(Verdict.Allow),
  ];
  return assemble(traced ? withVerdict(program, Verdict.Notify, Verdict.Trace) : program);
}

/**
 * A call that is caught goes to who traces the thread: that must be us. So no thread of the guest's may be without a tracer (CLONE_UNTRACED), where another of them could be it (ptrace), and none may have a
 * listener of its own, whose verdict comes before a tracer's (seccomp(2)) and who can let the kernel perform any call.
 */
const forTracer = (on: (name: string, ...then: readonly Instruction[]) => Instruction[]): Instruction[] => [
  ...on('ptrace', give(Verdict.Notify)),
  ...on('seccomp', load(dataArgument(1)), ...whenAnyBit(FLAG_NEW_LISTENER, give(Verdict.Notify)), give(Verdict.Allow)),
];
