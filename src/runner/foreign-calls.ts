/**
 * Trapped calls that are not about one of our sockets: host files and pipes are let through, the walls of the sandbox are kept, unix names are looked at.
 *
 * A call is let through (SECCOMP_USER_NOTIF_FLAG_CONTINUE) only where nothing that it points to decides safety, because another thread of the guest can
 * change that after the look (seccomp_unotify(2)).
 */
import { Errno, type ErrnoName } from '../abi/errno.ts';
import { familyName, namespaceFlagNames, optionName } from '../abi/names.ts';
import { AF_NETLINK, AF_UNIX, SO_PASSPIDFD, SO_PEERPIDFD, SOL_SOCKET } from '../abi/socket.ts';
import { close } from '../host/libc.ffi.ts';
import type { SeccompListener } from '../host/seccomp.ffi.ts';
import { socketDomain } from '../host/unix-socket.ffi.ts';
import { type Devices, isDeviceRequest } from '../socket/devices.ts';
import { deviceIoctl } from '../syscalls/handlers/ioctl-devices.ts';
import { offersSocket } from '../syscalls/offered.ts';
import type { Chains } from './chains.ts';
import { ABSENT, CLONE_NEW_ANY, TUNSETIFF, USERFAULTFD_NEW, WALLS } from './filter.ts';
import { type Group, signalGroup } from './group-signals.ts';
import { readString } from './guest-memory.ts';
import type { GuestTask } from './guest-task.ts';
import { FAREWELL } from './namespaces.ts';
import type { SignalActions } from './signals.ts';
import type { SpokenFiles } from './spoken-files.ts';
import type { UnixNames } from './unix-names.ts';

/** What becomes of the call: let through, a result of ours (a negative errno or a value), 'held' when it will be answered later, 'answered' when it was. */
export type Judgement = 'resume' | 'held' | 'answered' | number;
type Judge = (listener: SeccompListener, task: () => GuestTask) => Judgement;

const PATH_MAX = 4096;
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
  /** The keeper has waited for the guest's end and goes. */
  readonly onFarewell: () => void;
}

export class ForeignCalls {
  readonly #judges = new Map<number, Judge>();
  readonly #options: ForeignOptions;

  constructor(options: ForeignOptions) {
    this.#options = options;
    const on = (name: string, judge: Judge): void => {
      const nr = options.numbers[name];
      if (nr !== undefined) this.#judges.set(nr, judge);
    };
    for (const name of WALLS) on(name, (listener) => this.#wall(name, listener));
    for (const name of ABSENT) on(name, () => this.#refuse(name, '', 'ENOSYS'));
    on('clone', ({ args }) => this.#refuse('clone', namespaceFlagNames((args[0] as number) & CLONE_NEW_ANY), 'EPERM'));
    on('socketpair', ({ args }) => this.#pair((args[0] as number) | 0));
    on('getsockopt', (listener) => this.#peerPidfd('getsockopt', listener));
    on('setsockopt', (listener) => this.#peerPidfd('setsockopt', listener));
    on('execve', (listener, task) => this.#exec(listener, task));
    on('execveat', (listener) => this.#forgetActions(listener));
    on('kill', ({ args }, task) => signalGroup(options.group, task().process, (args[2] as number) | 0));
    on('rt_sigaction', (listener, task) => this.#sigaction(listener, task));
    on('ioctl', (listener, task) => this.#ioctl(listener, task));
    for (const name of ['open', 'openat', 'openat2'] as const) on(name, (listener) => this.#open(name, listener));
    on('bind', (listener, task) => options.unix.bind(listener, task()));
    on('connect', (listener, task) => options.unix.connect(listener, task()));
    on('sendto', (listener, task) => options.unix.sendto(listener, task));
    on('sendmsg', (listener, task) => options.unix.sendmsg(listener, task()));
    on('sendmmsg', (listener, task) => options.unix.sendmmsg(listener, task()));
  }
  judge(listener: SeccompListener, task: () => GuestTask): Judgement {
    return this.#judges.get(listener.nr)?.(listener, task) ?? 'resume';
  }

  /** Counts it, once the guest's own program runs. */
  #refuse(call: string, what: string, errno: ErrnoName, onLinuxToo = false): Judgement {
    if (this.#options.chains.isGuest) this.#options.unsupported(call, what, errno, onLinuxToo);
    return -Errno[errno];
  }
  #wall(name: string, listener: SeccompListener): Judgement {
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
  #peerPidfd(call: 'getsockopt' | 'setsockopt', { args }: SeccompListener): Judgement {
    const option = call === 'getsockopt' ? SO_PEERPIDFD : SO_PASSPIDFD;
    if (args[2] !== SOL_SOCKET || args[4] !== option) return 'resume';
    return this.#refuse(call, `SOL_SOCKET/${optionName(SOL_SOCKET, option)}`, 'ENOPROTOOPT');
  }
  #exec(listener: SeccompListener, task: () => GuestTask): Judgement {
    const [low = 0, high = 0] = listener.args;
    // Nothing else runs in the memory of a chain's program, so the look races with nobody.
    const path = (): string => readString(task().foreignMemory, high * 0x1_0000_0000 + low, PATH_MAX) ?? '';
    return this.#options.chains.exec(listener, path) ? 'resume' : this.#forgetActions(listener);
  }
  #open(name: 'open' | 'openat' | 'openat2', listener: SeccompListener): Judgement {
    return this.#options.chains.isGuest ? this.#options.files[name](listener) : 'resume';
  }
  #forgetActions(listener: SeccompListener): Judgement {
    this.#options.signals.forget(listener.tid);
    return 'resume';
  }
  #sigaction(listener: SeccompListener, task: () => GuestTask): Judgement {
    if (!this.#options.chains.isGuest) return 'resume';
    const { process, foreignMemory } = task();
    const [signal = 0, , low = 0, high = 0] = listener.args;
    const { signals, onInterruptible } = this.#options;
    if (listener.tid === this.#options.chains.keeper && signal === FAREWELL) this.#options.onFarewell();
    if (signals.record(process, foreignMemory, signal, high * 0x1_0000_0000 + low)) onInterruptible(process.pid);
    return 'resume';
  }
  #ioctl(listener: SeccompListener, task: () => GuestTask): Judgement {
    const [fd = 0, , request = 0, , low = 0, high = 0] = listener.args;
    if (request === TUNSETIFF) return this.#refuse('ioctl', 'TUNSETIFF', 'EPERM');
    if (request === USERFAULTFD_NEW) return this.#refuse('ioctl', 'USERFAULTFD_IOC_NEW', 'EPERM');
    if (!this.#options.chains.isGuest || !isDeviceRequest(AF_UNIX, request)) return 'resume';
    return this.#deviceRequest(task(), fd | 0, request, high * 0x1_0000_0000 + low);
  }
  /** if_nametoindex(3) asks a unix socket, which knows the interfaces of the kernel's namespace and not the guest's. */
  #deviceRequest(task: GuestTask, fd: number, request: number, argument: number): Judgement {
    const copy = task.descriptors.copyOf(fd);
    if (copy < 0) return 'resume';
    const domain = socketDomain(copy);
    close(copy);
    if (domain !== AF_UNIX) return 'resume';
    const { devices, unsupported } = this.#options;
    const context = { memory: task.guestMemory, scratch: task.scratch, credentials: task.credentials, unsupported };
    return deviceIoctl(context, devices, AF_UNIX, request, argument);
  }
}
