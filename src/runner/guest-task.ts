/** A guest thread under seccomp: its call in flight, its descriptors, and who it is. */
import { readFileSync } from 'node:fs';
import { Errno } from '../abi/errno.ts';
import { close, fcntl } from '../host/libc.ffi.ts';
import { pidfdGetfd, pidfdOpen, socketInode } from '../host/process.ffi.ts';
import type { Credentials } from '../socket/credentials.ts';
import type { FdTable } from '../socket/fd-table.ts';
import type { OpenFile, StatusFlagsSource } from '../socket/file.ts';
import { type Scheduler, Task } from '../syscalls/task.ts';
import type { CallTrap } from './call-trap.ts';
import { ProcessMemory } from './guest-memory.ts';
import type { HostFiles } from './host-files.ts';
import { NO_COPY, type Placeholder, type Plane } from './plane.ts';
import type { SignalActions } from './signals.ts';
import { hasEnded, type ThreadEnds } from './thread-ends.ts';

const F_GETFL = 3;
const ESRCH = 3;
const EINVAL = 22;
const NONE = -1;
/** The overflow id of user_namespaces(7). */
const NOBODY = 65_534;
const CAP_KILL = 5;
const CAP_SETGID = 6;
const CAP_SETUID = 7;
const CAP_NET_ADMIN = 12;
const CAP_NET_RAW = 13;

export const statusOf = (tid: number): string => {
  try {
    return readFileSync(`/proc/${tid}/status`, 'utf8');
  } catch {
    return '';
  }
};
export const statusField = (status: string, name: string, otherwise = '0'): string =>
  new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? otherwise;

/** Read from /proc when a handler asks, which few calls do; kept until `forget`. */
export class ProcCredentials implements Credentials {
  readonly #tid: number;
  #status: string | undefined = undefined;
  /** A thread never moves to another process, but its number may become another thread's. */
  #pid: number | undefined = undefined;

  constructor(tid: number) {
    this.#tid = tid;
  }
  /** Before each call: it may have changed since. `isSame` where this is known to be the thread that made the call before. */
  forget(isSame: boolean): void {
    this.#status = undefined;
    if (!isSame) this.#pid = undefined;
  }
  #number(name: string): number {
    this.#status ??= statusOf(this.#tid);
    return Number(statusField(this.#status, name));
  }
  #capable(capability: number): boolean {
    this.#status ??= statusOf(this.#tid);
    return ((BigInt(`0x${statusField(this.#status, 'CapEff')}`) >> BigInt(capability)) & 1n) === 1n;
  }
  get pid(): number {
    return (this.#pid ??= this.#number('Tgid'));
  }
  /** The process that made this one, or the one that has it now. */
  get parent(): number {
    return this.#number('PPid');
  }
  /** Signals for which the process has a handler and that the thread does not hold back: bit n - 1 for signal n. */
  get interruptions(): bigint {
    this.#status ??= statusOf(this.#tid);
    return BigInt(`0x${statusField(this.#status, 'SigCgt')}`) & ~BigInt(`0x${statusField(this.#status, 'SigBlk')}`);
  }
  /** Whether the process has a handler for `signal`. */
  catches(signal: number): boolean {
    return this.#hasSignal('SigCgt', signal);
  }
  /** Whether the thread holds `signal` back. */
  blocks(signal: number): boolean {
    return this.#hasSignal('SigBlk', signal);
  }
  #hasSignal(set: string, signal: number): boolean {
    this.#status ??= statusOf(this.#tid);
    return ((BigInt(`0x${statusField(this.#status, set)}`) >> BigInt(signal - 1)) & 1n) === 1n;
  }
  /** Its number in its own PID namespace, and the ids that it may call its own (credentials(7)): real, effective, saved. */
  get innerPid(): number {
    return Number(this.#fields('NStgid').at(-1));
  }
  get uids(): readonly number[] {
    return this.#fields('Uid').slice(0, 3).map(Number);
  }
  /** Its process group as each PID namespace numbers it, the outermost first: 0 where it is a group of processes outside. None once it has ended. */
  get groups(): readonly number[] {
    return this.#fields('NSpgid').map(Number);
  }
  get sessions(): readonly number[] {
    return this.#fields('NSsid').map(Number);
  }
  get gids(): readonly number[] {
    return this.#fields('Gid').slice(0, 3).map(Number);
  }
  #fields(name: string): string[] {
    this.#status ??= statusOf(this.#tid);
    return new RegExp(`^${name}:\\s*(.*)`, 'm').exec(this.#status)?.[1]?.split('\t') ?? [];
  }
  /** Nobody's where it cannot be read: root's would be a gift. */
  get uid(): number {
    return this.uids[0] ?? NOBODY;
  }
  get gid(): number {
    return this.gids[0] ?? NOBODY;
  }
  get umask(): number {
    this.#status ??= statusOf(this.#tid);
    return Number.parseInt(statusField(this.#status, 'Umask', '77'), 8);
  }
  /** The network is the guest's own, so every port of it is (net.ipv4.ip_unprivileged_port_start=0, as container engines set it). */
  get netBindService(): boolean {
    return true;
  }
  get mayKill(): boolean {
    return this.#capable(CAP_KILL);
  }
  get setUid(): boolean {
    return this.#capable(CAP_SETUID);
  }
  get setGid(): boolean {
    return this.#capable(CAP_SETGID);
  }
  get netRaw(): boolean {
    return this.#capable(CAP_NET_RAW);
  }
  get netAdmin(): boolean {
    return this.#capable(CAP_NET_ADMIN);
  }
}

/**
 * The thread's descriptors. The kernel's table is the truth: a number is looked up there at each call (a copy by pidfd_getfd, then its inode), because
 * dup2, close and the other threads of the process change it natively.
 */
export class GuestDescriptors implements FdTable, StatusFlagsSource {
  readonly #tid: number;
  readonly #plane: Plane;
  readonly #hostFiles: HostFiles;
  readonly #threadEnds: ThreadEnds;
  /** Of this very thread; a thread id that is used again never reaches another one through it. */
  #pidfd = NONE;
  #wasSeen = false;
  /** Our copy of descriptor `#copied`, for the length of a turn. */
  #copy = NONE;
  #copied = NONE;
  #found: Placeholder | undefined = undefined;
  /** The last look-up failed because we, or the host, have no descriptor left: it says nothing of the guest's. */
  lacksDescriptors = false;

  constructor(tid: number, { plane, hostFiles, threadEnds }: GuestWorld) {
    this.#tid = tid;
    this.#plane = plane;
    this.#hostFiles = hostFiles;
    this.#threadEnds = threadEnds;
  }
  get pidfd(): number {
    if (this.#pidfd >= 0) return this.#pidfd;
    this.#wasSeen = false;
    this.#pidfd = openPidfd(this.#tid);
    if (this.#pidfd >= 0) this.#threadEnds.watch(this.#pidfd, this.#tid);
    return this.#pidfd;
  }
  /** Whether this is known to be the thread that it was at the last time. */
  recognize(): boolean {
    const wasSeen = this.#wasSeen;
    this.#wasSeen = this.#pidfd >= 0;
    return wasSeen;
  }
  /** The thread has not ended since it was looked up for the first time. */
  get isSame(): boolean {
    return this.#pidfd >= 0 && !hasEnded(this.#pidfd);
  }
  /** A copy of the guest's descriptor, which the caller closes; or a negative errno. */
  copyOf(fd: number): number {
    if (fd < 0) return -EBADF;
    const copy = pidfdGetfd(this.pidfd, fd);
    if (copy !== -ESRCH) return copy;
    this.#closePidfd();
    return pidfdGetfd(this.pidfd, fd);
  }
  /** As `copyOf`, for a number that led to none of our sockets a moment ago. OURS_NOW if it does by now: another thread has put one in its place. */
  foreignCopyOf(fd: number): number {
    const copy = this.copyOf(fd);
    if (copy < 0 || this.#plane.byInode(socketInode(copy)) === undefined) return copy;
    close(copy);
    return OURS_NOW;
  }
  /** The placeholder behind `fd`. A copy of it stays at hand until `done`. */
  find(fd: number): Placeholder | undefined {
    if (fd === this.#copied) return this.#found;
    // A call with two descriptors may still ask for the flags of the first.
    this.#found?.file.takeFlags();
    this.done();
    const copy = this.copyOf(fd);
    this.lacksDescriptors = copy === -EMFILE || copy === -ENFILE;
    if (copy < 0) return undefined;
    const found = this.#plane.byInode(socketInode(copy));
    if (found === undefined) {
      close(copy);
      return undefined;
    }
    this.#copy = copy;
    this.#copied = fd;
    this.#found = found;
    found.tid = this.#tid;
    found.fd = fd;
    return found;
  }
  /** The number it was found by. */
  get number(): number {
    return this.#copied;
  }
  /** The placeholder found last, while its copy is at hand. */
  get found(): Placeholder | undefined {
    return this.#found;
  }
  get copy(): number {
    return this.#copy;
  }
  /** A copy of `placeholder` if `fd` still leads to it, else NO_COPY. */
  copyFor(placeholder: Placeholder, fd: number): number {
    return this.find(fd) === placeholder ? this.#copy : NO_COPY;
  }
  /** The last one found was not the guest's to keep: its copy goes. */
  done(): void {
    if (this.#found?.file.flagsSource === this) this.#found.file.flagsSource = undefined;
    if (this.#copy !== NONE) close(this.#copy);
    this.#copy = this.#copied = NONE;
    this.#found = undefined;
  }

  get(fd: number): OpenFile | undefined {
    const found = this.find(fd);
    if (found === undefined) return undefined;
    found.file.flagsSource = this;
    return found.file;
  }
  /** O_NONBLOCK is the guest's to change natively, so the kernel's file is asked, while its copy is at hand. */
  statusFlagsOf(file: OpenFile): number {
    return this.#found?.file === file ? fcntl(this.#copy, F_GETFL, 0) : -EBADF;
  }
  hasRoom(): boolean {
    return true;
  }
  foreign(fd: number): OpenFile | undefined {
    const copy = this.copyOf(fd);
    return copy < 0 ? undefined : this.#hostFiles.view(copy);
  }
  /** False once the thread has ended. */
  get isAlive(): boolean {
    return this.pidfd >= 0 && !hasEnded(this.pidfd);
  }
  close(): void {
    this.done();
    this.#closePidfd();
  }
  #closePidfd(): void {
    if (this.#pidfd >= 0) close(this.#pidfd);
    this.#pidfd = NONE;
  }
}

/** No errno. */
export const OURS_NOW = -0x1_0000;

const EBADF = 9;
const ENFILE = 23;
const EMFILE = 24;

/** A pidfd for a guest's thread, or for its process; a negative errno. */
export function openPidfd(tid: number): number {
  const fd = pidfdOpen(tid);
  // Before Linux 6.9 only processes have one.
  return fd === -EINVAL ? pidfdOpen(Number(statusField(statusOf(tid), 'Tgid'))) : fd;
}

/** What every guest thread shares. */
export interface GuestWorld {
  readonly plane: Plane;
  readonly listener: CallTrap;
  readonly hostFiles: HostFiles;
  readonly threadEnds: ThreadEnds;
  readonly signals: SignalActions;
  /** Signals do not take calls away: see interruptions.ts. */
  readonly killable: boolean;
}

export class GuestTask extends Task {
  readonly descriptors: GuestDescriptors;
  readonly process: ProcCredentials;
  readonly guestMemory: ProcessMemory;
  /** As seen by a call that was just received and is not the dispatcher's: the held one, if there is one, is another. */
  readonly foreignMemory: ProcessMemory;
  /** Of the notification that waits for its answer. */
  idLow = 0;
  idHigh = 0;
  /** What ERESTARTSYS becomes in the answer: only a thread that was told of a signal may get it. */
  interruption: number = -Errno.EINTR;
  /** The descriptor that the last call made, for who watches calls. */
  newFd = NONE;
  readonly #signals: SignalActions;
  /** Signals do not take its calls away. */
  readonly #killable: boolean;

  constructor(scheduler: Scheduler, tid: number, world: GuestWorld) {
    const { listener, signals, killable } = world;
    const files = new GuestDescriptors(tid, world);
    const credentials = new ProcCredentials(tid);
    const memory = new ProcessMemory(tid, () => listener.isValid(this.idLow, this.idHigh));
    super(scheduler, { tid, memory, files, credentials });
    this.descriptors = files;
    this.process = credentials;
    this.guestMemory = memory;
    this.foreignMemory = new ProcessMemory(tid, () => true);
    this.#signals = signals;
    this.#killable = killable;
  }
  override get killable(): boolean {
    return this.#killable;
  }
  override get partsSurvive(): boolean {
    return this.#killable || this.#signals.allRestart(this.process);
  }
  /** The descriptor that the call is about. */
  get fd(): number {
    return this.subjectFd;
  }
  /** True for the call that this task holds, trapped again: the kernel restarts it after a signal, or the program does. */
  isSameCall(nr: number, ipLow: number, ipHigh: number, registers: Uint32Array): boolean {
    if (nr !== this.nr || ipLow !== this.ipLow || ipHigh !== this.ipHigh) return false;
    for (let i = 0; i < registers.length; i++) if (registers[i] !== this.registers[i]) return false;
    return true;
  }
}
