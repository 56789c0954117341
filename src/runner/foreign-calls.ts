/**
 * Trapped calls that are not about one of our sockets: host files and pipes are let through, the walls of the sandbox are kept, unix names are looked at.
 *
 * A call is let through (SECCOMP_USER_NOTIF_FLAG_CONTINUE) only where nothing that it points to decides safety, because another thread of the guest can
 * change that after the look (seccomp_unotify(2)).
 */
import { Errno } from '../abi/errno.ts';
import { AF_UNIX } from '../abi/socket.ts';
import { close } from '../host/libc.ffi.ts';
import type { SeccompListener } from '../host/seccomp.ffi.ts';
import { socketDomain } from '../host/unix-socket.ffi.ts';
import { type Devices, isDeviceRequest } from '../socket/devices.ts';
import { deviceIoctl } from '../syscalls/handlers/ioctl-devices.ts';
import { TUNSETIFF, WALLS } from './filter.ts';
import { readString } from './guest-memory.ts';
import type { GuestTask } from './guest-task.ts';
import { FAREWELL, KEEPER_PROGRAM } from './namespaces.ts';
import type { SignalActions } from './signals.ts';
import type { UnixNames } from './unix-names.ts';

/** What becomes of the call: let through, a result of ours (a negative errno or a value), 'held' when it will be answered later, 'answered' when it was. */
export type Judgement = 'resume' | 'held' | 'answered' | number;
type Judge = (listener: SeccompListener, task: () => GuestTask) => Judgement;

const PATH_MAX = 4096;
/** Bits of unshare() and setns() without effect on the walls: CLONE_FILES, CLONE_FS, CLONE_SYSVSEM. */
const HARMLESS_UNSHARE = 0x0400 | 0x0200 | 0x0004_0000;

export interface ForeignOptions {
  readonly numbers: Readonly<Record<string, number>>;
  readonly signals: SignalActions;
  readonly unix: UnixNames;
  readonly devices: Devices;
  readonly unsupported: (call: string, what: string, errno: string) => void;
  /** The process is about to install a handler without SA_RESTART. */
  readonly onInterruptible: (pid: number) => void;
  /** The guest's own program is about to start, in that thread. */
  readonly onGuest: (tid: number) => void;
  /** The keeper has waited for the guest's end and goes. */
  readonly onFarewell: () => void;
}

export class ForeignCalls {
  /** The launch chain runs until the keeper starts; it alone may unshare and mount. */
  #phase: 'chain' | 'keeper' | 'guest' = 'chain';
  #keeper = 0;
  readonly #judges = new Map<number, Judge>();
  readonly #options: ForeignOptions;

  constructor(options: ForeignOptions) {
    this.#options = options;
    const on = (name: string, judge: Judge): void => {
      const nr = options.numbers[name];
      if (nr !== undefined) this.#judges.set(nr, judge);
    };
    for (const name of WALLS) on(name, (listener) => this.#wall(name, listener));
    on('execve', (listener, task) => this.#exec(listener, task));
    on('execveat', (listener) => this.#forgetActions(listener));
    on('rt_sigaction', (listener, task) => this.#sigaction(listener, task));
    on('ioctl', (listener, task) => this.#ioctl(listener, task));
    on('bind', (listener, task) => options.unix.bind(listener, task()));
    on('connect', (listener, task) => options.unix.connect(listener, task()));
    on('sendto', (listener, task) => options.unix.sendto(listener, task));
    on('sendmsg', (listener, task) => options.unix.sendmsg(listener, task()));
    on('sendmmsg', (listener, task) => options.unix.sendmmsg(listener, task()));
  }
  judge(listener: SeccompListener, task: () => GuestTask): Judgement {
    return this.#judges.get(listener.nr)?.(listener, task) ?? 'resume';
  }

  #wall(name: string, listener: SeccompListener): Judgement {
    if (this.#phase === 'chain') return 'resume';
    const flags = listener.args[0] as number;
    if (name === 'unshare' && (flags & ~HARMLESS_UNSHARE) === 0) return 'resume';
    const what = name === 'unshare' ? `0x${flags.toString(16)}` : '';
    this.#options.unsupported(name, what, 'EPERM');
    return -Errno.EPERM;
  }
  #exec(listener: SeccompListener, task: () => GuestTask): Judgement {
    if (this.#phase === 'guest') return this.#forgetActions(listener);
    const [low = 0, high = 0] = listener.args;
    const path = readString(task().foreignMemory, high * 0x1_0000_0000 + low, PATH_MAX);
    // Only programs of the launch chain have run so far: nothing of them races with this look.
    if (this.#phase === 'keeper') {
      this.#phase = 'guest';
      this.#options.onGuest(listener.tid);
    } else if (path === KEEPER_PROGRAM) {
      this.#phase = 'keeper';
      this.#keeper = listener.tid;
    }
    return 'resume';
  }
  #forgetActions(listener: SeccompListener): Judgement {
    this.#options.signals.forget(listener.tid);
    return 'resume';
  }
  #sigaction(listener: SeccompListener, task: () => GuestTask): Judgement {
    if (this.#phase !== 'guest') return 'resume';
    const { process, foreignMemory } = task();
    const [signal = 0, , low = 0, high = 0] = listener.args;
    const { signals, onInterruptible } = this.#options;
    if (listener.tid === this.#keeper && signal === FAREWELL) this.#options.onFarewell();
    if (signals.record(process, foreignMemory, signal, high * 0x1_0000_0000 + low)) onInterruptible(process.pid);
    return 'resume';
  }
  #ioctl(listener: SeccompListener, task: () => GuestTask): Judgement {
    const [fd = 0, , request = 0, , low = 0, high = 0] = listener.args;
    if (request === TUNSETIFF) {
      this.#options.unsupported('ioctl', 'TUNSETIFF', 'EPERM');
      return -Errno.EPERM;
    }
    if (this.#phase !== 'guest' || !isDeviceRequest(AF_UNIX, request)) return 'resume';
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
