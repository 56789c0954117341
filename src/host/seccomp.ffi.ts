/**
 * seccomp(2) with user notification, seccomp_unotify(2). The structs are laid out in one arena that is zeroed before each receive, because the
 * kernel refuses a dirty buffer; ids are kept as two 32-bit words, since a bigint costs 30 ns to make.
 */
import { arena, close, errno, native } from './libc.ffi.ts';

const ioctl = native<(fd: number, request: number, argument: number) => number>(
  'int ioctl(int fd, uint64_t request, uintptr_t argument)',
);
const syscall = native<(nr: number, a: number, b: number, c: number) => number>(
  'intptr_t syscall(intptr_t nr, uintptr_t a, uintptr_t b, uintptr_t c)',
);

const prctl = native<(option: number, a: number, b: number, c: number, d: number) => number>(
  'int prctl(int option, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)',
);
const pthreadSigmask = native<(how: number, set: number, old: number) => number>(
  'int pthread_sigmask(int how, uintptr_t set, uintptr_t old)',
);

const NR_SECCOMP = process.arch === 'x64' ? 317 : 277;
export const PR_SET_NO_NEW_PRIVS = 38;
export const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_GET_NOTIF_SIZES = 3;
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
/** Linux 5.19. */
const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 0x20;

const NOTIF_RECV = 0xc050_2100;
const NOTIF_SEND = 0xc018_2101;
const NOTIF_ID_VALID = 0x4008_2102;
const NOTIF_ADDFD = 0x4018_2103;
const NOTIF_SET_FLAGS = 0x4008_2104;
const FLAG_CONTINUE = 1;
const FD_SYNC_WAKE_UP = 1;
const ADDFD_SETFD = 1;
const ADDFD_SEND = 2;
const O_CLOEXEC = 0o2000000;
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;
const EFAULT = 14;
const EINVAL = 22;

/** Octets of `struct seccomp_notif`, `seccomp_notif_resp` and `seccomp_data` that this file is written for. */
const SIZES = [80, 24, 64] as const;

/** What a host lacks for the seccomp platform, and what to do about it. */
export type SeccompGap = { readonly what: string; readonly remedy: string };

/**
 * Who is told of the calls that a filter catches: a listener, or who traces the thread; and the flags of SECCOMP_SET_MODE_FILTER for it. With a killable listener a call that was received waits for its answer until
 * that comes, or a signal that ends the process.
 */
export const FILTER_FLAGS = {
  listener: SECCOMP_FILTER_FLAG_NEW_LISTENER,
  'killable-listener': SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
  tracer: 0,
} as const;
export type Notification = keyof typeof FILTER_FLAGS;

const SECCOMP_FILTER_FLAG_TSYNC = 1;
/** Without it a filter turned off speculation for the whole process before Linux 5.16. */
const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;

/** Installs `program` (an array of `struct sock_filter`) on every thread of this process, and those to come. False where the kernel refuses it. */
export function confineAllThreads(program: Uint8Array): boolean {
  const memory = arena(program.length + 16);
  memory.bytes.set(program, 16);
  const header = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
  header.setUint16(0, program.length / 8, true);
  header.setBigUint64(8, BigInt(memory.address + 16), true);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) return false;
  const flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  // The id of a thread that has a filter of its own is a failure too.
  return syscall(NR_SECCOMP, SECCOMP_SET_MODE_FILTER, flags, memory.address) === 0;
}

/** Whether `confineAllThreads` would be permitted. */
export const canConfine = (): boolean =>
  syscall(NR_SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0) < 0 &&
  errno() === EFAULT;

/** Whether this kernel has killable waits. It looks at the flags before the filter, of which there is none. */
export function hasKillableWaits(): boolean {
  return syscall(NR_SECCOMP, SECCOMP_SET_MODE_FILTER, FILTER_FLAGS['killable-listener'], 0) < 0 && errno() === EFAULT;
}

/** Probes the kernel without installing anything. ADDFD_SEND cannot be asked for without a listener: see `SeccompListener.probe`. */
export function seccompGap(): SeccompGap | undefined {
  const memory = arena(4096);
  if (syscall(NR_SECCOMP, SECCOMP_GET_NOTIF_SIZES, 0, memory.address) !== 0) {
    return {
      what: `this kernel has no seccomp user notification (seccomp: errno ${errno()})`,
      remedy: 'run on Linux 5.14 or newer with CONFIG_SECCOMP_FILTER; in a container allow the seccomp system call',
    };
  }
  const sizes = new Uint16Array(memory.bytes.buffer, memory.bytes.byteOffset, 3);
  if (SIZES.some((size, i) => sizes[i] !== size)) {
    return {
      what: `this kernel's seccomp_notif has ${sizes[0]}, ${sizes[1]} and ${sizes[2]} octets, not ${SIZES.join(', ')}`,
      remedy: 'run on a kernel with the layout of Linux 5.0 to 6.18, or update sandsock',
    };
  }
  return undefined;
}

const NOTIF_AT = 0;
const RESPONSE_AT = 128;
const ID_AT = 192;
const ADDFD_AT = 256;
/** `sigset_t` of glibc: 128 octets. */
const ALL_SIGNALS_AT = 512;
const OLD_SIGNALS_AT = 640;
const SIGSET_OCTETS = 128;
const NOTIF_WORDS = 20;

/** The supervisor's end of a filter. One call at a time is received; answers go out by id. */
export class SeccompListener {
  readonly fd: number;
  readonly receivesMore = false;
  readonly #address: number;
  readonly #notif: Uint32Array;
  readonly #response: Int32Array;
  readonly #id: Uint32Array;
  readonly #addfd: Uint32Array;
  /** The six argument registers of the call received last, low word before high. */
  readonly args: Uint32Array;

  constructor(fd: number) {
    this.fd = fd;
    const memory = arena(4096);
    const { buffer } = memory.bytes;
    this.#address = memory.address;
    this.#notif = new Uint32Array(buffer, NOTIF_AT, NOTIF_WORDS);
    this.#response = new Int32Array(buffer, RESPONSE_AT, 6);
    this.#id = new Uint32Array(buffer, ID_AT, 2);
    this.#addfd = new Uint32Array(buffer, ADDFD_AT, 6);
    this.args = new Uint32Array(buffer, NOTIF_AT + 32, 12);
    memory.bytes.fill(0xff, ALL_SIGNALS_AT, ALL_SIGNALS_AT + SIGSET_OCTETS);
  }

  /** Takes one call. It blocks when none waits, so poll first; false when the one that waited was cancelled meanwhile. */
  receive(): boolean {
    this.#notif.fill(0);
    return ioctl(this.fd, NOTIF_RECV, this.#address + NOTIF_AT) === 0;
  }
  get idLow(): number {
    return this.#notif[0] as number;
  }
  get idHigh(): number {
    return this.#notif[1] as number;
  }
  /** A thread id in the supervisor's PID namespace; 0 if the thread is not visible there. */
  get tid(): number {
    return this.#notif[2] as number;
  }
  get nr(): number {
    return this.#notif[4] as number;
  }
  /** AUDIT_ARCH_* of the entry point. */
  get arch(): number {
    return this.#notif[5] as number;
  }
  get ipLow(): number {
    return this.#notif[6] as number;
  }
  get ipHigh(): number {
    return this.#notif[7] as number;
  }

  /** Answers with a result >= 0 or a negative errno; false if the call was cancelled (a signal, the end of the thread). */
  answer(idLow: number, idHigh: number, result: number): boolean {
    return this.#send(idLow, idHigh, result, 0);
  }
  /** Lets the kernel perform the call itself. */
  resume(idLow: number, idHigh: number): boolean {
    return this.#send(idLow, idHigh, 0, FLAG_CONTINUE);
  }
  #send(idLow: number, idHigh: number, result: number, flags: number): boolean {
    const r = this.#response;
    r[0] = idLow;
    r[1] = idHigh;
    r[2] = result < 0 ? 0 : result;
    r[3] = 0;
    r[4] = result < 0 ? result : 0;
    r[5] = flags;
    return ioctl(this.fd, NOTIF_SEND, this.#address + RESPONSE_AT) === 0;
  }
  /** True while the call still waits for its answer. */
  isValid(idLow: number, idHigh: number): boolean {
    this.#id[0] = idLow;
    this.#id[1] = idHigh;
    return ioctl(this.fd, NOTIF_ID_VALID, this.#address + ID_AT) === 0;
  }
  /** Puts a copy of our `fd` into the guest's table at the lowest free number and answers the call with that number, as one step. Returns it, or a negative errno (then the call still waits). */
  answerWithFd(idLow: number, idHigh: number, fd: number, cloexec: boolean): number {
    return this.#inject(idLow, idHigh, ADDFD_SEND, fd, 0, cloexec);
  }
  /** Puts a copy of our `fd` in the place of the guest's descriptor `target`; the call still waits. Returns `target` or a negative errno. */
  replaceFd(idLow: number, idHigh: number, fd: number, target: number, cloexec: boolean): number {
    return this.#inject(idLow, idHigh, ADDFD_SETFD, fd, target, cloexec);
  }
  /**
   * The kernel waits for the guest to take the descriptor, and a signal of ours would end that wait (seccomp_notify_addfd): with ADDFD_SEND the call would have been answered already,
   * with 0 and without a descriptor. So signals wait until it is over.
   */
  #inject(idLow: number, idHigh: number, flags: number, fd: number, target: number, cloexec: boolean): number {
    const a = this.#addfd;
    a[0] = idLow;
    a[1] = idHigh;
    a[2] = flags;
    a[3] = fd;
    a[4] = target;
    a[5] = cloexec ? O_CLOEXEC : 0;
    pthreadSigmask(SIG_BLOCK, this.#address + ALL_SIGNALS_AT, this.#address + OLD_SIGNALS_AT);
    const n = ioctl(this.fd, NOTIF_ADDFD, this.#address + ADDFD_AT);
    const result = n >= 0 ? n : -errno();
    pthreadSigmask(SIG_SETMASK, this.#address + OLD_SIGNALS_AT, 0);
    return result;
  }

  close(): void {
    close(this.fd);
  }

  /** Wakes the guest on this CPU, which is about to go idle: less waking of other cores with several guest threads. False before Linux 6.6. */
  setSyncWakeUp(on: boolean): boolean {
    return ioctl(this.fd, NOTIF_SET_FLAGS, on ? FD_SYNC_WAKE_UP : 0) === 0;
  }

  /** Asks for ADDFD_SEND with an id that no call has: a kernel that knows the flag looks for the id and says ENOENT, an older one says EINVAL. */
  probe(): SeccompGap | undefined {
    if (this.#inject(0xffff_ffff, 0x7fff_ffff, ADDFD_SEND, this.fd, 0, true) !== -EINVAL) return undefined;
    return {
      what: 'this kernel cannot inject a descriptor together with the answer (SECCOMP_ADDFD_FLAG_SEND)',
      remedy: 'run on Linux 5.14 or newer',
    };
  }
}
