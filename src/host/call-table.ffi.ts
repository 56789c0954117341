/**
 * Tables for the machine of call-machine.ts, and the processes that run them. Such a process shares our memory, but neither our descriptors nor what we do about signals (clone(2) with CLONE_VM alone):
 * a table may be written to while it is run, and says itself how far it got.
 */
import { MACHINES, octetsOf, RECORD_OCTETS, Word } from './call-machine.ts';
import { arena, errno, HostError, must, native } from './libc.ffi.ts';

const mprotect = native<(address: number, length: number, protection: number) => number>(
  'int mprotect(uintptr_t address, size_t length, int protection)',
);
const clone = native<(entry: number, stack: number, flags: number, argument: number) => number>(
  'int clone(uintptr_t entry, uintptr_t stack, int flags, uintptr_t argument)',
);
const syscall = native<(nr: number, a: number, b: number, c: number, d: number, e: number) => number>(
  'intptr_t syscall(intptr_t nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e)',
);
const pthreadSigmask = native<(how: number, set: number, old: number) => number>(
  'int pthread_sigmask(int how, uintptr_t set, uintptr_t old)',
);

/** Numbers of x86_64 and arm64. */
const NUMBERS = {
  ppoll: [271, 73],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  clone: [56, 220],
  execve: [59, 221],
  exit_group: [231, 94],
  fcntl: [72, 25],
  chdir: [80, 49],
  prctl: [157, 167],
  futex: [202, 98],
  seccomp: [317, 277],
  close_range: [436, 436],
  setns: [308, 268],
  fchdir: [81, 50],
  chroot: [161, 51],
  mount: [165, 40],
} as const;
export type TableCall = keyof typeof NUMBERS;
const numberOf = (name: TableCall): number => NUMBERS[name][process.arch === 'arm64' ? 1 : 0];
const NR_WAITID = process.arch === 'arm64' ? 95 : 247;

const PAGE = 4096;
const PROT_READ_EXEC = 5;
const CLONE_VM = 0x100;
const SIGCHLD = 17;
const SIG_SETMASK = 2;
/** Of the kernel. */
export const SIGSET_OCTETS = 8;
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;

let machine: number | undefined;
/** The page with the machine's code. */
function machineCode(): number {
  if (machine !== undefined) return machine;
  const { address, bytes } = arena(PAGE);
  bytes.set(octetsOf(process.arch === 'arm64' ? MACHINES.arm64 : MACHINES.x64));
  must(mprotect(address, PAGE, PROT_READ_EXEC), 'mprotect', 'PROT_EXEC');
  return (machine = address);
}

/** The machine uses none, but clone(3) of the C library begins on one. */
const STACK_OCTETS = PAGE;
/** Signal sets: all, and those that were blocked before. glibc's are larger than the kernel's. */
const signals = arena(PAGE);
const BLOCKED_BEFORE = 256;
signals.bytes.fill(0xff, 0, BLOCKED_BEFORE);

/** One call of a table. */
export class CallRecord {
  readonly address: number;
  readonly #words: Uint32Array;

  constructor(address: number, words: Uint32Array) {
    this.address = address;
    this.#words = words;
  }
  /** @param value of any sign; what is above 2^53 cannot be said. */
  set(word: number, value: number): void {
    this.#words[2 * word] = value >>> 0;
    this.#words[2 * word + 1] = Math.floor(value / 0x1_0000_0000) >>> 0;
  }
  argument(index: number, value: number): this {
    this.set(Word.Argument + index, value);
    return this;
  }
  onNegative(record: CallRecord): this {
    this.set(Word.AfterNegative, record.address);
    return this;
  }
  onZero(record: CallRecord): this {
    this.set(Word.AfterZero, record.address);
    return this;
  }
  onPositive(record: CallRecord): this {
    this.set(Word.AfterPositive, record.address);
    return this;
  }
  /** Whatever its result. */
  followedBy(record: CallRecord): this {
    return this.onNegative(record).onZero(record).onPositive(record);
  }
  /** A result or a negative errno; 0 as long as there is none, which a result of 0 looks like. */
  get result(): number {
    return (this.#words[2 * Word.Result] as number) | 0;
  }
}

export class SharedWord {
  readonly address: number;
  readonly #words: Int32Array;

  constructor(address: number, words: Int32Array) {
    this.address = address;
    this.#words = words;
    this.value = 0;
  }
  get value(): number {
    return this.#words[0] as number;
  }
  set value(value: number) {
    this.#words[0] = value;
  }
}

export class CallTable {
  readonly #memory: { readonly address: number; readonly bytes: Uint8Array };
  readonly #stack: number;
  #used = STACK_OCTETS;

  /** @param octets for records, and for what they point to. It is never freed. */
  constructor(octets: number) {
    this.#memory = arena(STACK_OCTETS + octets);
    this.#stack = this.#memory.address + STACK_OCTETS;
  }
  get octets(): number {
    return this.#memory.bytes.length - STACK_OCTETS;
  }
  /** What is written from now on takes the place of all that was. */
  clear(): void {
    this.#used = STACK_OCTETS;
  }
  #take(octets: number): number {
    const at = this.#used;
    this.#used += Math.ceil(octets / 8) * 8;
    if (this.#used > this.#memory.bytes.length) throw new RangeError('the table of calls is full');
    return at;
  }
  /** Address of a copy of `bytes`. */
  data(bytes: Uint8Array): number {
    const at = this.#take(bytes.length);
    this.#memory.bytes.set(bytes, at);
    return this.#memory.address + at;
  }
  /** A word that its processes and we share. */
  word(): SharedWord {
    const at = this.#take(8);
    return new SharedWord(this.#memory.address + at, new Int32Array(this.#memory.bytes.buffer, at, 1));
  }
  text(value: string): number {
    return this.data(Buffer.from(`${value}\0`));
  }
  /** An array of strings that ends with a null pointer, as execve(2) takes it. */
  texts(values: readonly string[]): number {
    const addresses = new BigUint64Array([...values.map((value) => BigInt(this.text(value))), 0n]);
    return this.data(new Uint8Array(addresses.buffer));
  }
  call(name: TableCall, ...args: readonly number[]): CallRecord {
    const at = this.#take(RECORD_OCTETS);
    this.#memory.bytes.fill(0, at, at + RECORD_OCTETS);
    const words = new Uint32Array(this.#memory.bytes.buffer, at, RECORD_OCTETS / 4);
    const record = new CallRecord(this.#memory.address + at, words);
    record.set(Word.Number, numberOf(name));
    args.forEach((value, i) => record.argument(i, value));
    return record;
  }
  /** Calls one after the other, whatever their results. Returns the first. */
  sequence(records: readonly CallRecord[]): CallRecord {
    records.forEach((record, i) => {
      const following = records[i + 1];
      if (following !== undefined) record.followedBy(following);
    });
    return records[0] as CallRecord;
  }
  /** Starts a process that runs the table from `first` on, with every signal blocked. Its id. @throws HostError */
  start(first: CallRecord): number {
    const entry = machineCode();
    pthreadSigmask(SIG_SETMASK, signals.address, signals.address + BLOCKED_BEFORE);
    const pid = clone(entry, this.#stack, CLONE_VM | SIGCHLD, first.address);
    const code = errno();
    pthreadSigmask(SIG_SETMASK, signals.address + BLOCKED_BEFORE, 0);
    if (pid < 0) throw new HostError('clone', code, 'the process that starts guests');
    return pid;
  }
}

const second = arena(16);
new BigInt64Array(second.bytes.buffer, 0, 1)[0] = 1n;

/** Waits until the word at `address` is not 0: a second at most. Wake-ups for nothing are the caller's to tell. */
export const awaitWord = (address: number): void =>
  void syscall(numberOf('futex'), address, FUTEX_WAIT, 0, second.address, 0);
export const wakeWord = (address: number): void => void syscall(numberOf('futex'), address, FUTEX_WAKE, 1, 0, 0);

const P_PID = 1;
const P_PIDFD = 3;
const EINTR = 4;
const WNOHANG = 1;
const WEXITED = 4;
const CLD_EXITED = 1;
const info = arena(PAGE);
const infoWords = new Int32Array(info.bytes.buffer, 0, 8);

/** Both null where it is not known. */
interface HowEnded {
  readonly code: number | null;
  readonly signal: number | null;
}
const NOT_KNOWN: HowEnded = { code: null, signal: null };

/** How a child of ours ended, which is then no more; undefined if it lives, unless its end is waited for. */
export const reap = (pidfd: number, waits = false): HowEnded | undefined => wait(P_PIDFD, pidfd, waits);
/** Waits for the end of a child of ours that we have no descriptor of. */
export const reapProcess = (pid: number): void => void wait(P_PID, pid, true);

function wait(idType: number, id: number, waits: boolean): HowEnded | undefined {
  infoWords.fill(0);
  const options = waits ? WEXITED : WEXITED | WNOHANG;
  let failed: boolean;
  do failed = syscall(NR_WAITID, idType, id, info.address, options, 0) !== 0;
  while (failed && errno() === EINTR);
  // Somebody else has waited for it: its end is all that is known.
  if (failed) return NOT_KNOWN;
  // si_signo, si_errno, si_code, and in the union behind them (aligned to 8) si_pid, si_uid, si_status.
  const [, , how = 0, , pid = 0, , status = 0] = infoWords;
  if (pid === 0) return undefined;
  return how === CLD_EXITED ? { code: status, signal: null } : { code: null, signal: status };
}
