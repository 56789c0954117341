/**
 * Trapped calls that are not about one of our sockets: host files and pipes are let through, the walls of the sandbox are kept, unix names are looked at.
 *
 * A call is let through (SECCOMP_USER_NOTIF_FLAG_CONTINUE) only where nothing that it points to decides safety, because another thread of the guest can
 * change that after the look (seccomp_unotify(2)). That holds for its descriptor too: what acts on a network by a descriptor is never let through.
 */
import { Errno, type ErrnoName } from '../abi/errno.ts';
import { isSocketRequest, SIOCATMARK, SIOCPROTOPRIVATE, TIOCLINUX, TIOCSTI } from '../abi/ioctl.ts';
import { familyName, namespaceFlagNames, optionName } from '../abi/names.ts';
import { AF_NETLINK, AF_UNIX, SO_PASSPIDFD, SO_PEERPIDFD, SOL_SOCKET } from '../abi/socket.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdSignal } from '../host/process.ffi.ts';
import { socketDomain } from '../host/unix-socket.ffi.ts';
import { type Devices, isDeviceRequest } from '../socket/devices.ts';
import { deviceIoctl } from '../syscalls/handlers/ioctl-devices.ts';
import { offersSocket } from '../syscalls/offered.ts';
import type { CallTrap } from './call-trap.ts';
import type { Chains } from './chains.ts';
import {
  ABSENT,
  CLONE_NEW_ANY,
  IOCTL_TYPE,
  TUNSETIFF,
  USERFAULTFD_NEW,
  VHOST,
  WALLS,
  WIRELESS,
  X32_BIT,
} from './filter.ts';
import { type Group, signalGroup } from './group-signals.ts';
import { readString } from './guest-memory.ts';
import { type GuestTask, OURS_NOW } from './guest-task.ts';
import { FAREWELL } from './namespaces.ts';
import { isEpoll } from './pollers.ts';
import type { SignalActions } from './signals.ts';
import type { SpokenFiles } from './spoken-files.ts';
import type { UnixNames } from './unix-names.ts';

/**
 * What becomes of the call: let through, a result of ours (a negative errno or a value), 'held' when it will be answered later, 'answered' when it was. 'ours' when its descriptor has come to lead to one of our
 * sockets since the first look: those are unix sockets of the host's network, with which nothing may be done that is meant for the guest's own.
 */
export type Judgement = 'resume' | 'held' | 'answered' | 'ours' | number;
type Judge = (listener: CallTrap, task: () => GuestTask) => Judgement;

const PATH_MAX = 4096;
/** Socket requests that no network answers: urgent data, and the file that a unix socket is bound to. */
const HARMLESS_REQUESTS: ReadonlySet<number> = new Set([SIOCATMARK, SIOCPROTOPRIVATE]);
const SIGSYS = 31;
/** Numbers of x32 that its kernel could have; above them a number is nothing but wrong. */
const X32_NUMBERS = 1024;
const clonedWith = (flags: number): string =>
  (flags & CLONE_NEW_ANY) === 0 ? 'CLONE_UNTRACED' : namespaceFlagNames(flags & CLONE_NEW_ANY);
/** Bits of unshare() and setns() without effect on the walls: CLONE_FILES, CLONE_FS, CLONE_SYSVSEM. */
const HARMLESS_UNSHARE = 0x0400 | 0x0200 | 0x0004_0000;

export interface ForeignOptions {
  readonly numbers: Readonly<Record<string, number>>;
  readonly group: Group;
  readonly chains: Chains;
  readonly signals: SignalActions;
  readonly unix: UnixNames;
  readonly files: SpokenFiles;
  readonly devices: Devices;
  readonly unsupported: (call: string, what: string, errno: string, onLinuxToo?: boolean) => void;
  /** The process is about to install a handler without SA_RESTART. */
  readonly onInterruptible: (pid: number) => void;
  /** The guest's program has ended, and the keeper asks by this call whether to go on for what that left behind. Undefined where there is none: then the first shell became the program. */
  readonly onKeeperAsks: ((listener: CallTrap) => void) | undefined;
  /** The keeper has waited for the guest's end and goes. */
  readonly onFarewell: () => void;
}

export class ForeignCalls {
  readonly #judges = new Map<number, Judge>();
  /** Numbers of calls that may be let through. */
  readonly #assigned: ReadonlySet<number>;
  readonly #options: ForeignOptions;

  constructor(options: ForeignOptions) {
    this.#options = options;
    this.#assigned = new Set(Object.values(options.numbers));
    const on = (name: string, judge: Judge): void => {
      const nr = options.numbers[name];
      if (nr !== undefined) this.#judges.set(nr, judge);
    };
    for (const name of WALLS) on(name, (listener) => this.#wall(name, listener));
    for (const name of ABSENT) on(name, () => this.#refuse(name, '', 'ENOSYS'));
    on('clone', ({ args }) => this.#refuse('clone', clonedWith(args[0] as number), 'EPERM'));
    // Where the guest is traced: see filter.ts.
    on('ptrace', () => this.#refuse('ptrace', '', 'EPERM'));
    on('seccomp', () => this.#refuse('seccomp', 'SECCOMP_FILTER_FLAG_NEW_LISTENER', 'EINVAL'));
    on('socketpair', ({ args }) => this.#pair((args[0] as number) | 0));
    on('getsockopt', (listener) => this.#peerPidfd('getsockopt', listener));
    on('setsockopt', (listener) => this.#peerPidfd('setsockopt', listener));
    on('execve', (listener, task) => this.#exec(listener, task));
    on('execveat', (listener) => this.#forgetActions(listener));
    on('kill', (listener, task) => this.#kill(listener, task));
    on('rt_sigaction', (listener, task) => this.#sigaction(listener, task));
    on('ioctl', (listener, task) => this.#ioctl(listener, task));
    for (const name of ['open', 'openat', 'openat2'] as const) on(name, (listener) => this.#open(name, listener));
    on('bind', (listener, task) => options.unix.bind(listener, task()));
    on('connect', (listener, task) => options.unix.connect(listener, task()));
    on('sendto', (listener, task) => options.unix.sendto(listener, task));
    on('sendmsg', (listener, task) => options.unix.sendmsg(listener, task()));
    on('sendmmsg', (listener, task) => options.unix.sendmmsg(listener, task()));
  }
  judge(listener: CallTrap, task: () => GuestTask): Judgement {
    const { nr } = listener;
    const judge = this.#judges.get(nr);
    if (judge !== undefined) return judge(listener, task);
    if (this.#assigned.has(nr)) return 'resume';
    const isX32 = nr >= X32_BIT && nr < X32_BIT + X32_NUMBERS;
    return this.#refuse('syscall', isX32 ? `x32 number ${nr - X32_BIT}` : `number ${nr | 0}`, 'ENOSYS');
  }
  /** By the entry point of another architecture, whose numbers mean other calls. A program of it cannot run, so it ends as the kernel would end it. */
  stranger(listener: CallTrap, task: GuestTask): number {
    const judgement = this.#refuse('syscall', `foreign architecture 0x${listener.arch.toString(16)}`, 'ENOSYS');
    pidfdSignal(task.descriptors.pidfd, SIGSYS);
    return judgement;
  }

  /** Counts it, once the guest's own program runs. */
  #refuse(call: string, what: string, errno: ErrnoName, onLinuxToo = false): number {
    if (this.#options.chains.isGuest) this.#options.unsupported(call, what, errno, onLinuxToo);
    return -Errno[errno];
  }
  #wall(name: string, listener: CallTrap): Judgement {
    if (this.#options.chains.mayCross(name, listener.tid)) return 'resume';
    const flags = listener.args[0] as number;
    if (name === 'unshare' && (flags & ~HARMLESS_UNSHARE) === 0) return 'resume';
    return this.#refuse(name, name === 'unshare' ? namespaceFlagNames(flags) : '', 'EPERM');
  }
  /** Families other than AF_UNIX, AF_INET and AF_INET6, which the filter answers. */
  #pair(family: number): Judgement {
    // Linux makes the sockets first and then finds no pairs.
    if (family === AF_NETLINK) return -Errno.EOPNOTSUPP;
    return this.#refuse('socketpair', familyName(family), 'EAFNOSUPPORT', !offersSocket(family, 0, 0));
  }
  /** The descriptor does not matter, so nothing can be changed after the look. */
  #peerPidfd(call: 'getsockopt' | 'setsockopt', { args }: CallTrap): Judgement {
    const option = call === 'getsockopt' ? SO_PEERPIDFD : SO_PASSPIDFD;
    if (args[2] !== SOL_SOCKET || args[4] !== option) return 'resume';
    return this.#refuse(call, `SOL_SOCKET/${optionName(SOL_SOCKET, option)}`, 'ENOPROTOOPT');
  }
  #exec(listener: CallTrap, task: () => GuestTask): Judgement {
    const [low = 0, high = 0] = listener.args;
    // Nothing else runs in the memory of a chain's program, so the look races with nobody.
    const path = (): string => readString(task().foreignMemory, high * 0x1_0000_0000 + low, PATH_MAX) ?? '';
    const may = this.#options.chains.exec(listener, path);
    if (may === undefined) return this.#forgetActions(listener);
    return may ? 'resume' : -Errno.EPERM;
  }
  #open(name: 'open' | 'openat' | 'openat2', listener: CallTrap): Judgement {
    return this.#options.chains.isGuest ? this.#options.files[name](listener) : 'resume';
  }
  #forgetActions(listener: CallTrap): Judgement {
    this.#options.signals.forget(listener.tid);
    return 'resume';
  }
  /** Of the caller's own process group; the keeper's means something else. */
  #kill(listener: CallTrap, task: () => GuestTask): Judgement {
    const { chains, group, onKeeperAsks } = this.#options;
    if (onKeeperAsks === undefined || listener.tid !== chains.keeper)
      return signalGroup(group, task().process, (listener.args[2] as number) | 0);
    onKeeperAsks(listener);
    return 'held';
  }
  #sigaction(listener: CallTrap, task: () => GuestTask): Judgement {
    if (!this.#options.chains.isGuest) return 'resume';
    const { process, foreignMemory } = task();
    const [signal = 0, , low = 0, high = 0] = listener.args;
    const { signals, onInterruptible } = this.#options;
    if (listener.tid === this.#options.chains.keeper && signal === FAREWELL) this.#options.onFarewell();
    if (signals.record(process, foreignMemory, signal, high * 0x1_0000_0000 + low)) onInterruptible(process.pid);
    return 'resume';
  }
  #ioctl(listener: CallTrap, task: () => GuestTask): Judgement {
    const [fd = 0, , request = 0, , low = 0, high = 0] = listener.args;
    if (request === TUNSETIFF) return this.#refuse('ioctl', 'TUNSETIFF', 'EPERM');
    if (request === USERFAULTFD_NEW) return this.#refuse('ioctl', 'USERFAULTFD_IOC_NEW', 'EPERM');
    if (request === TIOCSTI) return this.#refuse('ioctl', 'TIOCSTI', 'EIO');
    if (request === TIOCLINUX) return this.#refuse('ioctl', 'TIOCLINUX', 'EPERM');
    if ((request & IOCTL_TYPE) === VHOST) return this.#refuse('ioctl', `VHOST 0x${request.toString(16)}`, 'EPERM');
    if (!this.#options.chains.isGuest || HARMLESS_REQUESTS.has(request)) return 'resume';
    if (!isSocketRequest(request) && (request & IOCTL_TYPE) !== WIRELESS) return 'resume';
    return this.#networkRequest(task(), fd | 0, request, high * 0x1_0000_0000 + low);
  }
  /** if_nametoindex(3) asks a unix socket, which knows the interfaces of the kernel's namespace and not the guest's. */
  #networkRequest(task: GuestTask, fd: number, request: number, argument: number): Judgement {
    const copy = task.descriptors.foreignCopyOf(fd);
    if (copy < 0) return copy === OURS_NOW ? 'ours' : -Errno.EBADF;
    const isOfSocket = socketDomain(copy) >= 0;
    // An epoll object has requests of its own since Linux 6.9, and another word for those of others (ep_eventpoll_ioctl).
    const unknown = !isOfSocket && isEpoll(copy) ? Errno.EINVAL : Errno.ENOTTY;
    close(copy);
    if (!isOfSocket || !isDeviceRequest(AF_UNIX, request)) return -unknown;
    const { devices, unsupported } = this.#options;
    const context = { memory: task.guestMemory, scratch: task.scratch, credentials: task.credentials, unsupported };
    return deviceIoctl(context, devices, AF_UNIX, request, argument);
  }
}
