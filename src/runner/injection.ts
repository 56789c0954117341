/**
 * Descriptors for a thread that is traced: what SECCOMP_IOCTL_NOTIF_ADDFD does for one that waits for a notification. The thread itself makes the calls, which we put into its registers: a unix datagram
 * socket, which has the lowest free number. Of that we have a copy (pidfd_getfd), connect it to itself and send the descriptor through it (SCM_RIGHTS); the thread receives that, puts it in the place of the
 * socket, and closes the rest. Its registers, its signals and its limit of descriptors are then as they were.
 *
 * Other threads may write the thread's memory and its table of descriptors meanwhile, the octets of the instruction by which it enters the kernel among them. So whatever brought it there, the kernel performs
 * what we put into its registers once it has entered; numbers are results of calls; and the one that there is in memory alone, of the descriptor that came, is believed when what it leads to is what we sent.
 * Nothing is sent through a socket that leads anywhere but to itself. Whoever does something else where it was sent is killed.
 *
 * One number more than the call needs is in use meanwhile, and a process that forks at that moment has the socket twice: close-on-exec, and it leads nowhere. Where the limit has no room for
 * it, it is raised for so long; without the right to do that (a hard limit that is reached, and no CAP_SYS_RESOURCE of ours) the last descriptor of the limit is EMFILE.
 */
import { readFileSync } from 'node:fs';
import { Errno } from '../abi/errno.ts';
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from '../abi/socket.ts';
import type { ChildSignal } from '../host/child-signal.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdGetfd, readProcess, writeProcess } from '../host/process.ffi.ts';
import {
  fileLimit,
  getRegisters,
  getSignalMask,
  interrupt,
  proceedToCall,
  REGISTER_WORDS,
  Register,
  setFileLimit,
  setRegisters,
  setSignalMask,
  waitForThread,
  waitStatus,
} from '../host/ptrace.ffi.ts';
import { sendUnixMessage } from '../host/unix-message.ffi.ts';
import { identityOf } from '../host/unix-name.ffi.ts';
import { autobind, connectTo, peerPid, socketDomain, socketType } from '../host/unix-socket.ffi.ts';
import { openPidfd } from './guest-task.ts';
import {
  ARGUMENTS,
  AT_CALL,
  behindAgain,
  EVENT_EXEC,
  EVENT_SECCOMP,
  EVENT_STOP,
  isStop,
  NO_CALL,
  put,
  SIGTRAP,
} from './tracee.ts';

/** A thread that stands in a stop. */
export interface Stopped {
  readonly tid: number;
  /** As they shall be in the end, but for the result. */
  readonly registers: Uint32Array;
  /** A signal that it was about to take. */
  signal: number;
  isGroupStopped: boolean;
  /** Another thread of its process has executed a program and has its id now; its stop for that is not over. */
  hasExecuted: boolean;
}

/** A thread that does not come to its stop within so many milliseconds is held up by something of its own. */
const LIMIT_MS = 1000;
/** Nor does one that stops so often for other reasons on its way. */
const OTHER_STOPS = 64;
const O_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const NOTHING = new Uint8Array(0);
const ONE = new Uint8Array(1);
/** Numbers in use besides. */
const SPARE = 1n;

/** Below the stack pointer an x86_64 function may keep so many octets (the red zone). */
const RED_ZONE = 128;
const ALIGNMENT = 16;
/** Our memory in the thread: a message of one octet (struct user_msghdr, struct iovec), and its control message. */
const OCTETS = 144;
const IOVEC_AT = 0;
const OCTET_AT = 16;
const MESSAGE_AT = 32;
const CONTROL_AT = 96;
const CONTROL_OCTETS = 24;
const CMSG_DATA = 16;

/** Waits for the next stop of that thread. Its status, or undefined if it has ended, or does not come. */
export function nextStop(signal: ChildSignal, tid: number): number | undefined {
  const limit = performance.now() + LIMIT_MS;
  try {
    for (;;) {
      const found = waitForThread(tid);
      if (found < 0) return undefined;
      if (found > 0) return isStop(waitStatus()) ? waitStatus() : undefined;
      signal.clear();
      if (waitForThread(tid) > 0) return isStop(waitStatus()) ? waitStatus() : undefined;
      if (performance.now() > limit) return undefined;
      signal.wait(LIMIT_MS);
    }
  } finally {
    // What we took of it may have been another thread's.
    signal.raise();
  }
}

/** Stops a thread that sleeps. False if it has ended, or does something else. */
export function halt(signal: ChildSignal, thread: Stopped): boolean {
  interrupt(thread.tid);
  const status = nextStop(signal, thread.tid);
  if (status === undefined) return false;
  const event = status >>> 16;
  const stop = (status >>> 8) & 0xff;
  thread.hasExecuted = event === EVENT_EXEC;
  if (event === EVENT_STOP) thread.isGroupStopped = stop !== SIGTRAP;
  else if (event === 0 && (stop & AT_CALL) === 0) thread.signal = stop;
  // In a call, where one that sleeps is not.
  else return false;
  return true;
}

/** Calls made in a thread. */
class Calls {
  readonly #signal: ChildSignal;
  readonly #thread: Stopped;
  /** It stands before a call, which ours takes the place of. */
  #isAtCall: boolean;
  readonly #registers = new Uint32Array(REGISTER_WORDS);
  #isGroupStopped = false;

  constructor(signal: ChildSignal, thread: Stopped, isAtCall: boolean) {
    this.#signal = signal;
    this.#thread = thread;
    this.#isAtCall = isAtCall;
  }
  /** The result; -ESRCH if the thread has ended, or does something else. */
  make(nr: number, ...values: readonly number[]): number {
    const { tid, registers: own } = this.#thread;
    const registers = this.#registers;
    if (!this.#isAtCall) {
      registers.set(own);
      put(registers, Register.origRax, NO_CALL);
      behindAgain(registers, nr);
      if (setRegisters(tid, registers) < 0 || !this.#toCallStop()) return -Errno.ESRCH;
    }
    // It has entered the kernel, which looks at its registers from here on and not at what brought it there.
    registers.set(own);
    put(registers, Register.origRax, nr);
    values.forEach((value, i) => put(registers, ARGUMENTS[i] as number, value));
    if (setRegisters(tid, registers) < 0 || !this.#toCallStop()) return -Errno.ESRCH;
    this.#isAtCall = false;
    return getRegisters(tid, registers) < 0 ? -Errno.ESRCH : (registers[Register.rax] as number) | 0;
  }
  /** To the next begin or end of a call. */
  #toCallStop(): boolean {
    const { tid } = this.#thread;
    for (let others = 0; others < OTHER_STOPS; others++) {
      if (proceedToCall(tid) < 0) return false;
      const status = nextStop(this.#signal, tid);
      if (status === undefined) return false;
      this.#thread.hasExecuted = status >>> 16 === EVENT_EXEC;
      if (this.#thread.hasExecuted) return false;
      if (this.#isCallStop(status)) return true;
    }
    return false;
  }
  #isCallStop(status: number): boolean {
    const event = status >>> 16;
    const stop = (status >>> 8) & 0xff;
    if (event === EVENT_STOP) this.#isGroupStopped = stop !== SIGTRAP;
    // Of those that are not held back there is only SIGSTOP.
    else if (event !== EVENT_SECCOMP && stop !== (SIGTRAP | AT_CALL)) this.#thread.signal = stop;
    return event === 0 && stop === (SIGTRAP | AT_CALL);
  }
  /** The thread takes part in the stop of its process, which it has left for us. */
  end(): void {
    if (this.#isGroupStopped || this.#thread.isGroupStopped) interrupt(this.#thread.tid);
    this.#thread.isGroupStopped = false;
  }
}

/** Memory of the thread's that nobody else uses while it stands: below its stack, or, where there is none yet, what lies on it, which is then put back. */
function borrow(thread: Stopped): { readonly address: number; readonly giveBack: () => void } | undefined {
  const { tid, registers } = thread;
  const pointer = (registers[Register.rsp] as number) + (registers[Register.rsp + 1] as number) * 2 ** 32;
  const aligned = pointer - (pointer % ALIGNMENT);
  const below = aligned - RED_ZONE - OCTETS;
  if (writeProcess(tid, below, new Uint8Array(OCTETS), 0, OCTETS) === OCTETS) {
    return { address: below, giveBack: () => undefined };
  }
  const before = new Uint8Array(OCTETS);
  if (readProcess(tid, aligned, before, 0, OCTETS) < OCTETS) return undefined;
  return { address: aligned, giveBack: () => void writeProcess(tid, aligned, before, 0, OCTETS) };
}

/** A message with room for one octet and one descriptor, at `address` in the thread. */
function writeMessage(tid: number, address: number): boolean {
  const words = new BigUint64Array((CONTROL_AT - IOVEC_AT) / 8);
  const at = (offset: number): number => (offset - IOVEC_AT) / 8;
  words[at(IOVEC_AT)] = BigInt(address + OCTET_AT);
  words[at(IOVEC_AT) + 1] = 1n;
  words[at(MESSAGE_AT) + 2] = BigInt(address + IOVEC_AT);
  words[at(MESSAGE_AT) + 3] = 1n;
  words[at(MESSAGE_AT) + 4] = BigInt(address + CONTROL_AT);
  words[at(MESSAGE_AT) + 5] = BigInt(CONTROL_OCTETS);
  const bytes = new Uint8Array(words.buffer);
  return writeProcess(tid, address + IOVEC_AT, bytes, 0, bytes.length) === bytes.length;
}

/** Works with a copy of the thread's descriptor `number`. */
function withCopy(tid: number, number: number, work: (copy: number) => number): number {
  const pidfd = openPidfd(tid);
  if (pidfd < 0) return pidfd;
  const copy = pidfdGetfd(pidfd, number);
  close(pidfd);
  if (copy < 0) return copy;
  const result = work(copy);
  close(copy);
  return result;
}
/** One that nobody has connected: ends of pairs, as placeholders are, know who made them. */
const isFresh = (socket: number): boolean =>
  socketDomain(socket) === AF_UNIX && socketType(socket) === SOCK_DGRAM && peerPid(socket) <= 0;

/** Our `fd` waits in the queue of the thread's socket. 0, or a negative errno. */
const sendTo = (tid: number, number: number, fd: number): number =>
  withCopy(tid, number, (socket) => {
    if (!isFresh(socket)) return -Errno.ESRCH;
    const connected = autobind(socket) || connectTo(socket, socket);
    if (connected < 0) return connected;
    const sent = sendUnixMessage(socket, ONE, 0, { name: NOTHING, descriptors: [fd], credentials: undefined });
    return Math.min(sent, 0);
  });

/** The descriptor that the message at `address` brought. */
function broughtBy(tid: number, address: number): number {
  const numbers = new Int32Array(1);
  const bytes = new Uint8Array(numbers.buffer);
  const isRead = readProcess(tid, address + CONTROL_AT + CMSG_DATA, bytes, 0, bytes.length) === bytes.length;
  return isRead ? (numbers[0] as number) : -Errno.EFAULT;
}

/** The thread receives our `fd` as a descriptor of its own, through its socket `near`. Its number, or a negative errno. */
function receive(calls: Calls, tid: number, address: number, near: number, fd: number): number {
  const sent = sendTo(tid, near, fd);
  if (sent < 0) return sent;
  if (!writeMessage(tid, address)) return -Errno.EFAULT;
  const got = calls.make(NR_AMD64.recvmsg, near, address + MESSAGE_AT, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  const number = broughtBy(tid, address);
  if (number <= 0) return number < 0 ? number : -Errno.EMFILE;
  const wanted = identityOf(fd);
  const isIt = withCopy(tid, number, (copy) => Number(identityOf(copy) === wanted));
  return isIt === 1 ? number : -Errno.ESRCH;
}

function enter(
  calls: Calls,
  tid: number,
  address: number,
  fd: number,
  target: number | undefined,
  cloexec: boolean,
): number {
  const near = calls.make(NR_AMD64.socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (near < 0) return near;
  const received = receive(calls, tid, address, near, fd);
  if (received === -Errno.ESRCH) return received;
  let result = received;
  if (received >= 0) {
    result = calls.make(NR_AMD64.dup3, received, target ?? near, cloexec ? O_CLOEXEC : 0);
    calls.make(NR_AMD64.close, received);
  }
  if (result < 0 || target !== undefined) calls.make(NR_AMD64.close, near);
  return result;
}

/** Of the process, which lives on where a thread of it ends. */
function processOf(tid: number): number {
  try {
    return Number(/^Tgid:\t(\d+)$/m.exec(readFileSync(`/proc/${tid}/status`, 'latin1'))?.[1] ?? tid);
  } catch {
    return tid;
  }
}
/** As `enter`, where the process may have no more descriptors than it has and one. */
function enterBeyond(limits: BigUint64Array, tid: number, work: () => number, undo: (number: number) => void): number {
  const [soft = 0n, hard = 0n] = limits;
  const wider = soft + SPARE;
  const pid = processOf(tid);
  if (setFileLimit(pid, wider, hard > wider ? hard : wider) < 0) return -Errno.EMFILE;
  const result = work();
  if (result >= soft) undo(result);
  setFileLimit(pid, soft, hard);
  return result >= soft ? -Errno.EMFILE : result;
}

/**
 * Puts a copy of our `fd` into the table of `thread`, at `target` or at the lowest free number. Returns the number, or a negative errno: ESRCH if the thread has ended meanwhile, or does something else.
 * @param isAtCall it stands before a call, which is not made then
 */
export function inject(
  signal: ChildSignal,
  thread: Stopped,
  isAtCall: boolean,
  fd: number,
  target: number | undefined,
  cloexec: boolean,
): number {
  const { tid } = thread;
  const mask = new Uint32Array(2);
  if (getSignalMask(tid, mask) < 0) return -Errno.ESRCH;
  const memory = borrow(thread);
  if (memory === undefined) return -Errno.ENOBUFS;
  setSignalMask(tid, ALL_SIGNALS);
  const calls = new Calls(signal, thread, isAtCall);
  const { address } = memory;
  let result = enter(calls, tid, address, fd, target, cloexec);
  const limits = new BigUint64Array(2);
  if (result === -Errno.EMFILE && fileLimit(tid, limits)) {
    result = enterBeyond(
      limits,
      tid,
      () => enter(calls, tid, address, fd, target, cloexec),
      (number) => calls.make(NR_AMD64.close, number),
    );
  }
  if (thread.hasExecuted) return result;
  memory.giveBack();
  setSignalMask(tid, mask);
  calls.end();
  return result;
}
const ALL_SIGNALS = Uint32Array.of(0xffff_ffff, 0xffff_ffff);
