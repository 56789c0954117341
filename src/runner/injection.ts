/**
 * Descriptors for a thread that is traced: what SECCOMP_IOCTL_NOTIF_ADDFD does for one that waits for a notification. The thread itself makes the calls, which we put into its registers while it stands in
 * a stop: a pair of unix sockets, whose one end we copy (pidfd_getfd) and send the descriptor through (SCM_RIGHTS); it receives that, puts it in the place of the pair's first end, which had the lowest free
 * number, and closes the rest. Its registers, its signals and its limit of descriptors are then as they were.
 *
 * One number more than the call needs is in use meanwhile, and a process that forks at that moment has both ends twice: close-on-exec, and unix sockets that lead nowhere. Where the limit has no room for
 * it, it is raised for so long; without the right to do that (a hard limit that is reached, and no CAP_SYS_RESOURCE of ours) the last descriptor of the limit is EMFILE.
 */
import { Errno } from '../abi/errno.ts';
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../abi/socket.ts';
import type { ChildSignal } from '../host/child-signal.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdGetfd, pidfdOpen, readProcess, writeProcess } from '../host/process.ffi.ts';
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
import { ARGUMENTS, AT_CALL, behindAgain, EVENT_SECCOMP, EVENT_STOP, isStop, NO_CALL, put, SIGTRAP } from './tracee.ts';

/** A thread that stands in a stop. */
export interface Stopped {
  readonly tid: number;
  /** As they shall be in the end, but for the result. */
  readonly registers: Uint32Array;
  /** A signal that it was about to take. */
  signal: number;
  isGroupStopped: boolean;
}

/** A thread that does not come to its stop within so many milliseconds is held up by something of its own. */
const LIMIT_MS = 1000;
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
/** Our memory in the thread: the pair's numbers, a message of one octet (struct user_msghdr, struct iovec), and its control message. */
const OCTETS = 160;
const PAIR_AT = 0;
const IOVEC_AT = 16;
const OCTET_AT = 32;
const MESSAGE_AT = 48;
const CONTROL_AT = 112;
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

/** Stops a thread that sleeps. False if it has ended. */
export function halt(signal: ChildSignal, thread: Stopped): boolean {
  interrupt(thread.tid);
  const status = nextStop(signal, thread.tid);
  if (status === undefined) return false;
  const stop = (status >>> 8) & 0xff;
  if (status >>> 16 === EVENT_STOP) thread.isGroupStopped = stop !== SIGTRAP;
  else thread.signal = stop;
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
  /** The result; -ESRCH if the thread has ended. */
  make(nr: number, ...values: readonly number[]): number {
    const { tid, registers: own } = this.#thread;
    const registers = this.#registers;
    registers.set(own);
    put(registers, Register.origRax, this.#isAtCall ? nr : NO_CALL);
    if (!this.#isAtCall) behindAgain(registers, nr);
    values.forEach((value, i) => put(registers, ARGUMENTS[i] as number, value));
    if (setRegisters(tid, registers) < 0) return -Errno.ESRCH;
    // Its begin, if that is still to come, and its end.
    for (let left = this.#isAtCall ? 1 : 2; left > 0; ) {
      if (proceedToCall(tid) < 0) return -Errno.ESRCH;
      const status = nextStop(this.#signal, tid);
      if (status === undefined) return -Errno.ESRCH;
      if (this.#isCallStop(status)) left--;
    }
    this.#isAtCall = false;
    return getRegisters(tid, registers) < 0 ? -Errno.ESRCH : (registers[Register.rax] as number) | 0;
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
function readNumbers(tid: number, address: number, count: number): Int32Array | undefined {
  const numbers = new Int32Array(count);
  const bytes = new Uint8Array(numbers.buffer);
  return readProcess(tid, address, bytes, 0, bytes.length) === bytes.length ? numbers : undefined;
}

/** Sends our `fd` through the thread's descriptor `end`. 0, or a negative errno. */
function sendThrough(tid: number, end: number, fd: number): number {
  const pidfd = pidfdOpen(tid);
  if (pidfd < 0) return pidfd;
  const copy = pidfdGetfd(pidfd, end);
  close(pidfd);
  if (copy < 0) return copy;
  const sent = sendUnixMessage(copy, ONE, 0, { name: NOTHING, descriptors: [fd], credentials: undefined });
  close(copy);
  return Math.min(sent, 0);
}

/** The thread receives our `fd` as a descriptor of its own, in the place of the far end. Its number, or a negative errno. */
function receive(calls: Calls, tid: number, address: number, [near = 0, far = 0]: Int32Array, fd: number): number {
  const sent = sendThrough(tid, far, fd);
  calls.make(NR_AMD64.close, far);
  if (sent < 0) return sent;
  if (!writeMessage(tid, address)) return -Errno.EFAULT;
  const got = calls.make(NR_AMD64.recvmsg, near, address + MESSAGE_AT, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  const [number = 0] = readNumbers(tid, address + CONTROL_AT + CMSG_DATA, 1) ?? [];
  return number > 0 ? number : -Errno.EMFILE;
}

function enter(
  calls: Calls,
  tid: number,
  address: number,
  fd: number,
  target: number | undefined,
  cloexec: boolean,
): number {
  const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const made = calls.make(NR_AMD64.socketpair, AF_UNIX, type, 0, address + PAIR_AT);
  if (made < 0) return made;
  const pair = readNumbers(tid, address + PAIR_AT, 2);
  if (pair === undefined) return -Errno.EFAULT;
  const [near = 0] = pair;
  const received = receive(calls, tid, address, pair, fd);
  let result = received;
  if (received >= 0) {
    result = calls.make(NR_AMD64.dup3, received, target ?? near, cloexec ? O_CLOEXEC : 0);
    calls.make(NR_AMD64.close, received);
  }
  if (result < 0 || target !== undefined) calls.make(NR_AMD64.close, near);
  return result;
}

/** As `enter`, where the process may have no more descriptors than it has and one. */
function enterBeyond(limits: BigUint64Array, tid: number, work: () => number, undo: (number: number) => void): number {
  const [soft = 0n, hard = 0n] = limits;
  const wider = soft + SPARE;
  if (setFileLimit(tid, wider, hard > wider ? hard : wider) < 0) return -Errno.EMFILE;
  const result = work();
  if (result >= soft) undo(result);
  setFileLimit(tid, soft, hard);
  return result >= soft ? -Errno.EMFILE : result;
}

/**
 * Puts a copy of our `fd` into the table of `thread`, at `target` or at the lowest free number. Returns the number, or a negative errno: ESRCH if the thread has ended meanwhile.
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
  memory.giveBack();
  setSignalMask(tid, mask);
  calls.end();
  return result;
}
const ALL_SIGNALS = Uint32Array.of(0xffff_ffff, 0xffff_ffff);
