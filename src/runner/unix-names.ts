/**
 * Unix sockets of the guest are the kernel's own, inside the guest's network namespace, which isolates abstract names. Names in the file system cross namespaces, so
 * bind, connect and send by name are done here, on a copy of the guest's descriptor: the name is read once, and never again by the kernel.
 *
 * A path may be connected to only if a guest of this sandbox bound it. That is known by inode: bind() notes the inode that the socket got, asked of the socket
 * itself and kept open, so that its number cannot be another's later; connect() opens the name (O_PATH) under the guest's root or working directory, compares, and connects through that very
 * descriptor. Everything else does not exist (ENOENT): the host's D-Bus, resolver and container sockets are out of reach.
 *
 * Messages are sent here whatever they hold (unix-messages.ts). sendto(2) is let through if its registers hold no name: then nothing that another thread can change leads out.
 *
 * Left out: credentials of a connection made here are the supervisor's (SO_PEERCRED shows its user, and a process id of 0), and so are those of a message unless the supervisor is
 * root or they are sent explicitly; a chrooted guest sees /proc/self/fd/N/NAME as the name it bound.
 */
import { ERESTARTSYS, Errno } from '../abi/errno.ts';
import { AF_UNIX, AF_UNSPEC, SOCK_DGRAM, SOCK_STREAM } from '../abi/socket.ts';
import { fromWords } from '../abi/struct.ts';
import { close, fcntl } from '../host/libc.ffi.ts';
import { isSocket } from '../host/process.ffi.ts';
import {
  asFileUser,
  asPeer,
  bindName,
  boundFile,
  connectName,
  identityOf,
  inDirectory,
  isUnlinked,
  mayWrite,
  openDirectory,
  openInRoot,
  openName,
  openNameItself,
  sendToName,
} from '../host/unix-name.ffi.ts';
import { isOfOurNetwork, sendTimeoutOf, socketDomain, socketType } from '../host/unix-socket.ffi.ts';
import { type Alarm, type Clock, type Instant, micros, millis } from '../lib/clock.ts';
import type { GuestMemory } from '../socket/guest-memory.ts';
import { printable } from '../syscalls/printable.ts';
import type { CallTrap } from './call-trap.ts';
import type { Judgement } from './foreign-calls.ts';
import { type GuestTask, OURS_NOW } from './guest-task.ts';
import type { PendingSignals } from './pending-signals.ts';
import type { SignalActions } from './signals.ts';
import { answerWithSigpipe } from './sigpipe.ts';
import { MMSGHDR_OCTETS, MSGHDR_OCTETS, Outgoing, readHeader, STORAGE_OCTETS, UIO_MAXIOV } from './unix-messages.ts';

const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Octets of `struct sockaddr_un`. */
const FAMILY_OCTETS = 2;
const SUN_OCTETS = 110;
const MAX_DATAGRAM = 4 * 1024 * 1024;
/** Whose ids cannot be read any more. */
const NOBODY = 65_534;
/** Names that guests may have bound at a time; each holds a descriptor of ours. */
const MAX_BOUND = 1024;
/** The kernel tells nobody when another socket's queue has room for us. */
const RETRY = millis(5);

/** Messages that signals took away, kept until their threads call again. */
const MAX_BROKEN = 256;

/** No descriptor stands for the name. -1 is -EPERM. */
const NO_TARGET = -0x1_0000;

const SLASH = 0x2f;
const DOT = 0x2e;

interface Held {
  readonly idLow: number;
  readonly idHigh: number;
  readonly tid: number;
  readonly startedAt: Instant;
  readonly copy: number;
  readonly attempt: () => number;
  /** Of a name that is sent or connected to, or below 0. */
  readonly target: number;
  readonly sending: Sending | undefined;
  /** The call with its registers. */
  readonly call: string;
  /** SO_SNDTIMEO: when it has waited long enough. */
  until: Instant | undefined;
}
/** Of a message. */
interface Sending {
  readonly message: Outgoing;
  readonly task: GuestTask;
  /** Turns what was sent into the call's result. */
  readonly answer: (sent: number) => number;
  /** EPIPE comes with SIGPIPE. */
  readonly raises: boolean;
}
interface Broken {
  readonly call: string;
  readonly result: () => number;
}

function release({ target, sending }: Held): void {
  if (target >= 0) close(target);
  sending?.message.close();
}
const callOf = ({ nr, ipLow, ipHigh, args }: CallTrap): string => `${nr} ${ipLow} ${ipHigh} ${args.join(' ')}`;

export interface UnixNamesOptions {
  readonly listener: CallTrap;
  readonly clock: Clock;
  /** Abstract names are the guest's own. */
  readonly networkNamespace: boolean;
  /** The supervisor may act as another user on files. */
  readonly isRoot: boolean;
  readonly signals: SignalActions;
  /** Whether a signal waits for the end of a held call. */
  readonly judge: PendingSignals['judge'];
  readonly unsupported: (call: string, what: string, errno: string) => void;
}

export class UnixNames {
  readonly #options: UnixNamesOptions;
  /** Inodes that guests bound, each with the descriptor that keeps its number. */
  readonly #bound = new Map<string, number>();
  readonly #held: Held[] = [];
  /** By thread. */
  readonly #broken = new Map<number, Broken>();
  readonly #alarm: Alarm;

  constructor(options: UnixNamesOptions) {
    this.#options = options;
    this.#alarm = options.clock.alarm(() => this.#retry());
  }

  bind(listener: CallTrap, task: GuestTask): Judgement {
    return this.#onCopy('bind', listener, task, (copy) => {
      const name = readName(task.foreignMemory, pointer(listener, 1), listener.args[4] as number);
      if (typeof name === 'number') return name;
      const path = pathOf(name);
      if (path === undefined) return this.#abstract('bind', copy, name) ?? bindName(copy, name);
      return this.#bindPath(task, copy, name, path);
    });
  }
  connect(listener: CallTrap, task: GuestTask): Judgement {
    const judgement = this.#connect(listener, task);
    if (judgement !== -Errno.ENOTSOCK) return judgement;
    // The name is read before the file is found to be no socket (__sys_connect).
    const name = readName(task.foreignMemory, pointer(listener, 1), listener.args[4] as number);
    return typeof name === 'number' ? name : judgement;
  }
  #connect(listener: CallTrap, task: GuestTask): Judgement {
    return this.#onCopy('connect', listener, task, (copy) => {
      const name = readName(task.foreignMemory, pointer(listener, 1), listener.args[4] as number);
      if (typeof name === 'number') return name;
      const path = pathOf(name);
      if (path === undefined) {
        return this.#abstract('connect', copy, name) ?? this.#attempt(copy, 0, this.#connecting(task, copy, name));
      }
      const target = this.#known(task, path);
      if (target < 0) return target;
      const through = nameOfDescriptor(target);
      return this.#attempt(copy, 0, this.#connecting(task, copy, through), target);
    });
  }
  sendto(listener: CallTrap, task: () => GuestTask): Judgement {
    // Without a name in the registers the kernel reads none.
    if (listener.args[8] === 0 && listener.args[9] === 0) return 'resume';
    const { args } = listener;
    const [flags, nameLen] = [args[6] as number, args[10] as number];
    const [buffer, size, at] = [pointer(listener, 1), pointer(listener, 2), pointer(listener, 4)];
    return this.#onCopy('sendto', listener, task(), (copy) => {
      const name = readName(task().foreignMemory, at, nameLen);
      if (typeof name === 'number') return name;
      const data = readData(task().foreignMemory, buffer, size);
      return typeof data === 'number' ? data : this.#sendTo(task(), copy, data, flags, name);
    });
  }
  sendmsg(listener: CallTrap, task: GuestTask): Judgement {
    return this.#sendMessage('sendmsg', listener, task, listener.args[4] as number);
  }
  sendmmsg(listener: CallTrap, task: GuestTask): Judgement {
    const messages = Math.min(listener.args[4] as number, UIO_MAXIOV);
    if (messages === 0) return 'resume';
    const [at, flags] = [pointer(listener, 1), listener.args[6] as number];
    let sent = this.#sendMessage('sendmmsg', listener, task, flags);
    // It may be short where it would have to wait: the program sends the rest.
    while (typeof sent === 'number' && sent > 0 && sent < messages) {
      if (!this.#sendNext(listener, task, at + sent * MMSGHDR_OCTETS, flags)) break;
      sent++;
    }
    return sent;
  }
  /** A further message of sendmmsg(2), if it leaves at once. */
  #sendNext(listener: CallTrap, task: GuestTask, at: number, flags: number): boolean {
    const judgement = this.#onCopy('sendmmsg', listener, task, (copy) => {
      const going = this.#outgoing(task, copy, at, flags);
      if (typeof going === 'number') return going;
      const result = going.message.attempt();
      const sent = result === -Errno.EAGAIN && going.message.sent > 0 ? going.message.sent : result;
      going.message.close();
      if (going.target >= 0) close(going.target);
      return sent < 0 ? sent : noteSent(task, at, sent);
    });
    return typeof judgement === 'number' && judgement >= 0;
  }
  /** The message at `at`, ready to leave. */
  #outgoing(
    task: GuestTask,
    copy: number,
    at: number,
    flags: number,
  ): { readonly message: Outgoing; readonly target: number; readonly isStream: boolean } | number {
    const header = readHeader(task.foreignMemory, at);
    if (typeof header === 'number') return header;
    const isStream = socketType(copy) === SOCK_STREAM;
    const message = Outgoing.of(task, header, { copy, flags, isStream, mayImpersonate: this.#options.isRoot });
    if (typeof message === 'number') return message;
    const target = this.#address(task, copy, message);
    if (target >= 0 || target === NO_TARGET) return { message, target, isStream };
    message.close();
    return target;
  }

  /** Runs `work` on a copy of the descriptor, which must be a unix socket; closes the copy unless the call is held. */
  #onCopy(call: string, listener: CallTrap, task: GuestTask, work: (copy: number) => Judgement): Judgement {
    const copy = task.descriptors.foreignCopyOf((listener.args[0] as number) | 0);
    if (copy < 0) return copy === OURS_NOW ? 'ours' : -Errno.EBADF;
    let judgement: Judgement = -Errno.ENOTSOCK;
    if (isSocket(copy)) judgement = socketDomain(copy) === AF_UNIX ? work(copy) : this.#inherited(call);
    if (judgement !== 'held') close(copy);
    return judgement;
  }
  /** A network socket that the caller left open for us may be used, not turned to another peer. */
  #inherited(call: string): number {
    this.#options.unsupported(call, 'a socket inherited from the host', 'EPERM');
    return -Errno.EPERM;
  }
  /** Abstract names are those of the socket's own network: one that was inherited, or made by us, would find the host's. */
  #abstract(call: string, copy: number, name: Uint8Array): number | undefined {
    const { networkNamespace, unsupported } = this.#options;
    if (familyOf(name) === AF_UNSPEC || (networkNamespace && !isOfOurNetwork(copy))) return undefined;
    const why = networkNamespace ? 'by a socket of the host' : 'without a network namespace';
    unsupported(call, `an abstract unix name ${why}`, 'EPERM');
    return -Errno.EPERM;
  }

  /** A new descriptor (O_PATH) of the bound socket that `path` leads to; -ECONNREFUSED or -EACCES for what is no socket, -ENOENT for one of the host's. */
  #known(task: GuestTask, path: Uint8Array): number {
    const found = this.#asGuest(task, () => openForGuest(task, path));
    if (found < 0) return found;
    const identity = identityOf(found);
    if (identity !== undefined && this.#bound.has(identity)) return found;
    let refusal: number = Errno.ENOENT;
    if (isSocket(found))
      this.#options.unsupported('connect', `a unix socket of the host: ${printable(path, SUN_OCTETS)}`, 'ENOENT');
    else refusal = this.#asGuest(task, () => mayWrite(found)) ? Errno.ECONNREFUSED : Errno.EACCES;
    close(found);
    return -refusal;
  }
  /** The listener's side is told who connects. */
  #connecting(task: GuestTask, copy: number, name: Uint8Array): () => number {
    const [, uid = NOBODY] = task.process.uids;
    const [, gid = NOBODY] = task.process.gids;
    const connect = (): number => connectNow(copy, name);
    return !this.#options.isRoot || (uid === 0 && gid === 0) ? connect : () => asPeer(uid, gid, connect);
  }
  #asGuest<T>(task: GuestTask, work: () => T): T {
    const { uid, gid } = task.process;
    return this.#options.isRoot && uid !== 0 ? asFileUser(uid, gid, work) : work();
  }

  #bindPath(task: GuestTask, copy: number, name: Uint8Array, path: Uint8Array): number {
    if (this.#bound.size >= MAX_BOUND) this.#dropUnlinked();
    if (this.#bound.size >= MAX_BOUND) return -Errno.ENOBUFS;
    const umask = process.umask(task.process.umask);
    try {
      return this.#asGuest(task, () => bindForGuest(task, copy, name, path, (file) => this.#noteBound(copy, file)));
    } finally {
      process.umask(umask);
    }
  }
  #noteBound(copy: number, path: Uint8Array): void {
    let file = boundFile(copy);
    if (file < 0) file = openNameItself(path);
    const identity = file < 0 ? undefined : identityOf(file);
    if (identity === undefined) return;
    if (this.#bound.has(identity)) close(file);
    else this.#bound.set(identity, file);
  }
  #dropUnlinked(): void {
    for (const [identity, file] of this.#bound) {
      if (!isUnlinked(file)) continue;
      close(file);
      this.#bound.delete(identity);
    }
  }

  #sendMessage(call: 'sendmsg' | 'sendmmsg', listener: CallTrap, task: GuestTask, flags: number): Judgement {
    const before = this.#sentBefore(listener);
    if (before !== undefined) return before;
    const at = pointer(listener, 1);
    return this.#onCopy(call, listener, task, (copy) => {
      const going = this.#outgoing(task, copy, at, flags);
      if (typeof going === 'number') return going;
      const { message, target, isStream } = going;
      const answer = (sent: number): number => (call === 'sendmsg' || sent < 0 ? sent : noteSent(task, at, sent));
      const raises = isStream && (flags & MSG_NOSIGNAL) === 0;
      return this.#attempt(copy, flags, () => message.attempt(), target, { message, task, answer, raises });
    });
  }
  /** Turns the message's name into one that leads to the same socket and nowhere else. A descriptor to close after it, NO_TARGET, or a negative errno. */
  #address(task: GuestTask, copy: number, message: Outgoing): number {
    // A stream refuses any name, whichever it is; a seqpacket socket does not look at it.
    if (socketType(copy) !== SOCK_DGRAM)
      message.name = message.name.subarray(0, socketType(copy) === SOCK_STREAM ? 1 : 0);
    const path = pathOf(message.name);
    if (path === undefined) {
      return (message.name.length === 0 ? undefined : this.#abstract('sendmsg', copy, message.name)) ?? NO_TARGET;
    }
    const target = this.#known(task, path);
    if (target >= 0) message.name = nameOfDescriptor(target);
    return target;
  }
  /** A message that a signal took away when it was partly sent, and that the kernel has brought back: it ends with what was sent. */
  #sentBefore(listener: CallTrap): number | undefined {
    if (this.#held.some(({ sending }) => sending?.task.tid === listener.tid)) this.#dropCancelled();
    const broken = this.#broken.get(listener.tid);
    if (broken === undefined) return undefined;
    this.#broken.delete(listener.tid);
    return broken.call === callOf(listener) ? broken.result() : undefined;
  }
  #sendTo(task: GuestTask, copy: number, data: Uint8Array, flags: number, name: Uint8Array): Judgement {
    const path = pathOf(name);
    if (path === undefined) {
      const refused = name.length === 0 ? undefined : this.#abstract('sendto', copy, name);
      return refused ?? this.#attempt(copy, flags, () => sendToName(copy, data, flags, name));
    }
    const target = this.#known(task, path);
    if (target < 0) return target;
    const through = nameOfDescriptor(target);
    return this.#attempt(copy, flags, () => sendToName(copy, data, flags, through), target);
  }

  /** Tries once; where the guest would wait, it is held and tried again. @param target closed when it is over */
  #attempt(copy: number, flags: number, attempt: () => number, target = -1, sending?: Sending): Judgement {
    const { listener, clock } = this.#options;
    const { idLow, idHigh, tid } = listener;
    const [call, startedAt] = [callOf(listener), clock.now()];
    const held: Held = { idLow, idHigh, tid, startedAt, copy, attempt, target, sending, call, until: undefined };
    const result = attempt();
    const waits = (fcntl(copy, F_GETFL, 0) & O_NONBLOCK) === 0 && (flags & MSG_DONTWAIT) === 0;
    if (result !== -Errno.EAGAIN || !waits) {
      release(held);
      return this.#conclude(held, result);
    }
    if (sending !== undefined) sending.message.stillWaits = () => listener.isValid(idLow, idHigh);
    const timeoutUs = sendTimeoutOf(copy);
    if (timeoutUs > 0) held.until = clock.in(micros(timeoutUs));
    this.#held.push(held);
    this.#alarm.set(clock.in(RETRY));
    return 'held';
  }
  /** What the guest gets. */
  #conclude({ idLow, idHigh, sending }: Held, result: number): Judgement {
    if (sending === undefined) return result;
    const { message, task, answer, raises } = sending;
    const isCut = result === -Errno.EAGAIN || result === -Errno.EINTR || result === -ERESTARTSYS;
    const sent = isCut && message.sent > 0 ? message.sent : result;
    if (sent !== -Errno.EPIPE || !raises) return answer(sent);
    answerWithSigpipe(this.#options.listener, task, idLow, idHigh, sent);
    return 'answered';
  }
  #retry(): void {
    this.#dropCancelled();
    const { listener, clock, judge } = this.#options;
    const all = this.#held.splice(0);
    for (const held of all) {
      const verdict = judge(held, all);
      const result = typeof verdict === 'number' ? verdict : held.attempt();
      const isLate = held.until !== undefined && held.until <= clock.now();
      if (result === -Errno.EAGAIN && !isLate) {
        this.#held.push(held);
        continue;
      }
      const conclusion = this.#conclude(held, result);
      if (typeof conclusion === 'number') listener.answer(held.idLow, held.idHigh, conclusion);
      release(held);
      close(held.copy);
    }
    if (this.#held.length > 0) this.#alarm.set(clock.in(RETRY));
  }
  /** Forgets calls that a signal took away. */
  #dropCancelled(): void {
    const { listener } = this.#options;
    for (const held of this.#held.splice(0)) {
      if (listener.isValid(held.idLow, held.idHigh)) {
        this.#held.push(held);
        continue;
      }
      const { sending } = held;
      if (sending !== undefined && sending.message.sent > 0) this.#noteBroken(held, sending);
      release(held);
      close(held.copy);
    }
  }
  #noteBroken({ call }: Held, { message, task, answer }: Sending): void {
    if (this.#broken.size >= MAX_BROKEN) this.#broken.clear();
    // Where no handler of the process restarts calls, one that looks the same is another.
    if (this.#options.signals.mayRestart(task.process.pid)) {
      this.#broken.set(task.tid, { call, result: () => answer(message.sent) });
    }
  }
  close(): void {
    this.#alarm.cancel();
    for (const held of this.#held.splice(0)) {
      release(held);
      close(held.copy);
    }
    for (const file of this.#bound.values()) close(file);
    this.#bound.clear();
  }
}

/** msg_len of a `struct mmsghdr` at `at`. 1, or -EFAULT. */
function noteSent(task: GuestTask, at: number, sent: number): number {
  const length = new Uint8Array(Uint32Array.of(sent).buffer);
  return task.foreignMemory.write(at + MSGHDR_OCTETS, length, 0, 4) === 4 ? 1 : -Errno.EFAULT;
}

const pointer = ({ args }: CallTrap, index: number): number =>
  fromWords(args[index * 2] as number, args[index * 2 + 1] as number);
const familyOf = (name: Uint8Array): number => (name[0] as number) | ((name[1] as number) << 8);

function readName(memory: GuestMemory, at: number, len: number): Uint8Array | number {
  if ((len | 0) < 0 || len > STORAGE_OCTETS) return -Errno.EINVAL;
  const name = new Uint8Array(len);
  return memory.read(at, name, 0, len) < len ? -Errno.EFAULT : name;
}
/** The path of a name in the file system; undefined for an abstract name, none at all, or another family (which the kernel refuses by itself). */
function pathOf(name: Uint8Array): Uint8Array | undefined {
  if (name.length <= FAMILY_OCTETS || name.length > SUN_OCTETS || familyOf(name) !== AF_UNIX) return undefined;
  if (name[FAMILY_OCTETS] === 0) return undefined;
  const end = name.indexOf(0, FAMILY_OCTETS);
  return name.subarray(FAMILY_OCTETS, end < 0 ? name.length : end);
}
function nameOfDescriptor(fd: number): Uint8Array {
  const path = new TextEncoder().encode(`/proc/self/fd/${fd}`);
  const name = new Uint8Array(FAMILY_OCTETS + path.length + 1);
  name[0] = AF_UNIX;
  name.set(path, FAMILY_OCTETS);
  return name;
}

function readData(memory: GuestMemory, at: number, len: number): Uint8Array | number {
  if (len > MAX_DATAGRAM) return -Errno.EMSGSIZE;
  const data = new Uint8Array(len);
  return memory.read(at, data, 0, len) < len ? -Errno.EFAULT : data;
}
/** Without waiting: the copy shares its status flags with the guest's descriptor, which has them back at once. */
function connectNow(copy: number, name: Uint8Array): number {
  const flags = fcntl(copy, F_GETFL, 0);
  const waits = (flags & O_NONBLOCK) === 0;
  if (waits) fcntl(copy, F_SETFL, flags | O_NONBLOCK);
  const result = connectName(copy, name);
  if (waits) fcntl(copy, F_SETFL, flags);
  return result;
}

/** A descriptor (O_PATH) of what a path leads to for the guest. */
function openForGuest(task: GuestTask, path: Uint8Array): number {
  const absolute = path[0] === SLASH;
  const base = openDirectory(`/proc/${task.tid}/${absolute ? 'root' : 'cwd'}`);
  if (base < 0) return -Errno.ENOENT;
  // A relative path can climb out of a chroot here; what it finds there was not bound by a guest.
  const found = absolute ? openInRoot(base, path) : openName(base, path);
  close(base);
  return found === -Errno.EXDEV ? -Errno.ENOENT : found;
}

function sharesOurRoot(task: GuestTask): boolean {
  const theirs = openDirectory(`/proc/${task.tid}/root`);
  const ours = openDirectory('/');
  const same = theirs >= 0 && identityOf(theirs) === identityOf(ours);
  if (theirs >= 0) close(theirs);
  close(ours);
  return same;
}

/** Binds as the guest would, so that the socket's name is what the guest wrote. @param bound called while the path is still good to open */
function bindForGuest(
  task: GuestTask,
  copy: number,
  name: Uint8Array,
  path: Uint8Array,
  bound: (path: Uint8Array) => void,
): number {
  const bindAndNote = (as: Uint8Array, asPath: Uint8Array): number => {
    const result = bindName(copy, as);
    if (result === 0) bound(asPath);
    return result;
  };
  if (path[0] !== SLASH) {
    const cwd = openDirectory(`/proc/${task.tid}/cwd`);
    if (cwd < 0) return -Errno.ENOENT;
    const result = inDirectory(cwd, () => bindAndNote(name, path));
    close(cwd);
    return result;
  }
  if (sharesOurRoot(task)) return bindAndNote(name, path);
  const split = path.lastIndexOf(SLASH);
  const parent = openForGuest(task, path.subarray(0, split + 1));
  if (parent < 0) return parent;
  const through = nameOfDescriptor(parent);
  const last = path.subarray(split + 1);
  const whole = new Uint8Array(through.length + last.length + 1);
  whole.set(through);
  whole[through.length - 1] = SLASH;
  whole.set(last, through.length);
  const isDots = last.every((octet) => octet === DOT);
  const result = isDots ? -Errno.EADDRINUSE : bindAndNote(whole, whole.subarray(FAMILY_OCTETS, -1));
  close(parent);
  return result;
}
