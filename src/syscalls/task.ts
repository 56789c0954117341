/**
 * A task: one guest thread as the dispatcher sees it, and the one place where calls block.
 *
 * A handler never waits. It tries, and returns
 *   - a result >= 0 or a negative errno, perhaps after `commitWith` (what to consume once the guest has the result), or `resultFile`; or
 *   - `BLOCKED`, after `waitOn` for each thing whose change is worth another try, and `waitUntil` if there is a deadline.
 * A blocked call is parked. When a waited-for event rises the task goes to the scheduler's run list and the same handler
 * runs again with the same registers; `attempt` counts the tries, and what the handler read from guest memory or has already done it keeps in `message`, `header`,
 * `progress`, `count` and `state`, because guest memory must not be read twice. At the deadline `onTimeout` is the result; a signal makes it `-ERESTARTSYS` or
 * `-EINTR` as `onSignal` says.
 *
 * Delivery is transactional: the platform writes results to the guest and answers; only if the guest took the answer
 * does `commit` run, else `rollback`, and nothing was lost.
 */
import { Errno } from '../abi/errno.ts';
import type { Alarm, Clock, Instant } from '../lib/clock.ts';
import type { Committable } from '../socket/committable.ts';
import type { Credentials } from '../socket/credentials.ts';
import type { FdTable } from '../socket/fd-table.ts';
import type { OpenFile } from '../socket/file.ts';
import type { GuestMemory } from '../socket/guest-memory.ts';
import { Message } from '../socket/message.ts';
import type { SignalSender } from '../socket/owner.ts';
import { Standing, Waiter, type WaitQueue } from '../socket/wait-queue.ts';
import { MessageHeader } from './message-header.ts';
import type { Syscall } from './syscall.ts';

/** What a handler returns instead of a result when the call must wait. Far outside the errno range. */
export const BLOCKED = -1_000_000;
/** As `waitUntil`'s result: run the handler once more at the deadline, with `expired` set. */
export const TRY_AGAIN = BLOCKED - 1;

/**
 * What an interrupted call becomes: restarted (ERESTARTSYS, subject to SA_RESTART), or EINTR always; a partial result goes before both. With 'again' the handler
 * runs once more, with `interrupted` set, and says itself.
 */
export type RestartRule = 'restart' | 'interrupt' | 'again';

/** What handlers may ask of their task. */
export interface CallContext {
  readonly tid: number;
  readonly memory: GuestMemory;
  readonly files: FdTable;
  readonly credentials: Credentials;
  /** End of user addresses on this architecture. */
  readonly userEnd: number;
  readonly now: Instant;
  /** Where a file's owner is told of its readiness; undefined where descriptors, and so owners, are the kernel's. */
  readonly signals: SignalSender | undefined;
  /** Id of this call, carried by the packets it causes. Never 0. */
  readonly callId: number;
  /** 0 on the first try of a call. */
  readonly attempt: number;
  /** True on the try that `TRY_AGAIN` asked for. */
  readonly expired: boolean;
  /** True on the try that `onSignal('again')` asked for; the handler must not block. */
  readonly interrupted: boolean;

  // Kept between the tries of one call, cleared before its first.
  /** Free for the handler; undefined on the first try. */
  state: unknown;
  readonly message: Message;
  readonly header: MessageHeader;
  /** Octets moved so far. */
  progress: number;
  /** Messages done so far. */
  count: number;

  /** Memory for small structs, valid within one try. */
  readonly scratch: Uint8Array;

  /** The file behind a descriptor as it was at the first try, kept alive until the call ends; undefined is EBADF. One a call. */
  file(fd: number): OpenFile | undefined;
  /** Keeps a further file alive until the call ends. */
  hold(file: OpenFile): void;
  /** The thread's descriptor table from now on. */
  useFiles(files: FdTable): void;
  /** A call waits for its turn (the default), or watches (one that only looks, or is on a stream); of those that stand as one (accept, epoll_wait) one is woken. */
  waitOn(queue: WaitQueue, events: number, standing?: Standing): void;
  /** The result if nothing happens until `at`: `-EAGAIN`, `0`, `TRY_AGAIN`, ... A deadline counts from the first try: set it then, later calls are ignored. */
  waitUntil(at: Instant, onTimeout: number): void;
  /** Lets the next `waitUntil` set a new deadline, for a call that is a sequence of waits (recvmmsg). */
  clearDeadline(): void;
  /** What a signal makes of the wait; 'restart' if not called. */
  onSignal(rule: RestartRule): void;
  /** With a partial result, a signal (or the deadline) ends the call with `result` instead. */
  partial(result: number): void;
  /** The signals of this mask are held back until the call ends. Low and high word of a sigset_t. */
  holdSignals(low: number, high: number): void;
  /** Adds to what is committed when the guest has the result. At most one object a call. */
  commitWith(target: Committable, amount: number): void;
  /** What `commitWith` has collected and nobody has committed yet. */
  readonly staged: number;
  /** Forgets it again: the call is to wait as if it had done nothing. */
  unstage(): void;
  /** Commits it now, before the call blocks for the rest: it can no longer be rolled back. Only where `partsSurvive`, and with `partial` for what the guest is to be told. */
  commitNow(): void;
  /**
   * True if a call that a signal takes away certainly comes again: then it may do a part and wait for the rest. Else the guest may see EINTR, which must mean that
   * nothing was done: a call with a part done is answered with it at once.
   */
  readonly partsSurvive: boolean;
  /** Signals that do not kill are heard of, and wait for the answer. */
  readonly killable: boolean;
  /** Answers in a row that signals came before: a call that takes long may never get through. */
  readonly refusals: number;
  /**
   * What the call did cannot be undone (octets left a pipe): if the guest does not take the answer, because a signal came first, it is kept for the same call when the guest
   * makes it again.
   */
  keepResult(): void;
  /**
   * The call's result is a new descriptor for `file`: returns the value the handler must return. The platform chooses the number (lowest free) and installs it together with the
   * answer; the file is released if that fails.
   */
  resultFile(file: OpenFile, cloexec: boolean): number;
  /**
   * A further descriptor, for a file that a message brought: its number, which the guest is told in the message, or -EMFILE. The platform makes it with the answer; if the guest does
   * not take that the number is free again.
   */
  receiveFile(file: OpenFile, cloexec: boolean): number;
  /** The guest could not be told of the descriptor: it is not made. */
  dropReceived(fd: number): void;
  /** Takes the descriptor's number before the call waits, where numbers are ours to give. False is EMFILE. */
  reserveDescriptor(): boolean;
  /** SIGPIPE for the calling thread, with the answer. */
  raiseSigpipe(): void;
  /**
   * Counts something the guest asked for and did not get: ('setsockopt', 'SOL_TCP/TCP_MD5SIG', 'ENOPROTOOPT'). The errno is empty for what was taken and has no effect;
   * `onLinuxToo` is for what Linux refuses as well.
   */
  unsupported(call: string, what: string, errno: string, onLinuxToo?: boolean): void;
  /** The name of the call under way. */
  readonly callName: string;
}

/** What a task asks of its dispatcher. */
export interface Scheduler {
  readonly clock: Clock;
  readonly userEnd: number;
  readonly signals: SignalSender | undefined;
  /** True if the task will try again because of this. */
  woken(task: Task): boolean;
  expired(task: Task): void;
  /** Shows the events a file will have after a commit that comes now. */
  falling(task: Task, events: number): void;
  unsupported(call: string, what: string, errno: string, onLinuxToo?: boolean): void;
  /** A call waits from now on, or does no more. */
  heldChanged(by: 1 | -1): void;
}

/** Where a task's call stands. `Woken` is on the run list. */
export const Phase = { Idle: 0, Trying: 1, Parked: 2, Woken: 3 } as const;
type PhaseNumber = (typeof Phase)[keyof typeof Phase];

/** What a call did whose answer the guest has not got, for when it makes the call again. */
interface Owed {
  readonly nr: number;
  readonly ipLow: number;
  readonly ipHigh: number;
  readonly registers: Uint32Array;
  readonly file: OpenFile | undefined;
  readonly fd: number;
  readonly result: number;
  /** The handler of the signal may make calls before the call comes again; else any other call shows that it does not. */
  readonly survives: boolean;
}
/** A descriptor to be made with the answer. */
interface Received {
  readonly fd: number;
  readonly file: OpenFile;
  readonly closeOnExec: boolean;
}
/** Handlers within handlers. */
const MAX_OWED = 8;

const SCRATCH_OCTETS = 256;
const NO_PARTIAL = -1;

export interface TaskOptions {
  readonly tid: number;
  readonly memory: GuestMemory;
  readonly files: FdTable;
  readonly credentials: Credentials;
}

export class Task implements CallContext {
  readonly tid: number;
  readonly memory: GuestMemory;
  /** Changes at execve and unshare. */
  files: FdTable;
  credentials: Credentials;
  readonly message: Message;
  readonly header = new MessageHeader();
  readonly scratch = new Uint8Array(SCRATCH_OCTETS);

  get killable(): boolean {
    return true;
  }

  // The call under way.
  /** Low and high word of each of the six arguments. */
  readonly registers = new Uint32Array(12);
  nr = -1;
  /** Where the guest made it; 0 where that is not known. */
  ipLow = 0;
  ipHigh = 0;
  call: Syscall | undefined = undefined;
  callId = 0;
  attempt = 0;
  state: unknown = undefined;
  progress = 0;
  count = 0;
  expired = false;
  interrupted = false;
  startedAt = 0 as Instant;

  // What its handler said.
  rule: RestartRule = 'restart';
  onTimeout = 0;
  partialResult = NO_PARTIAL;
  target: Committable | undefined = undefined;
  staged = 0;
  newFile: OpenFile | undefined = undefined;
  newFileCloexec = false;
  /** The number taken for it, or -1. The platform that uses it sets it to -1. */
  reserved = -1;
  /** SIGPIPE goes with the answer. */
  sigpipe = false;

  refusals = 0;
  /** @internal The platform was asked to deliver. */
  answered = false;
  /** @internal */
  phase: PhaseNumber = Phase.Idle;
  /** @internal An event rose, or the deadline passed, during a try. */
  again = false;
  /** The file that `file()` found: what the call is about; and its descriptor. */
  subject: OpenFile | undefined = undefined;
  subjectFd = -1;
  /** The answer is kept for the call's restart if it is not taken. */
  keeps = false;

  /** holdSignals. */
  #heldLow = 0;
  #heldHigh = 0;
  readonly #scheduler: Scheduler;
  /** Its call has waited. */
  #isHeld = false;
  #owed: Owed[] = [];
  readonly #held: OpenFile[] = [];
  #received: Received[] = [];
  readonly #waiters: Waiter[] = [];
  #waiting = 0;
  #deadlineSet = false;
  readonly #alarm: Alarm;
  readonly #wake = (): boolean => this.#scheduler.woken(this);

  constructor(scheduler: Scheduler, options: TaskOptions) {
    this.#scheduler = scheduler;
    this.tid = options.tid;
    this.memory = options.memory;
    this.files = options.files;
    this.credentials = options.credentials;
    this.message = new Message(options.memory);
    this.message.caller = this;
    this.#alarm = scheduler.clock.alarm(() => scheduler.expired(this));
  }

  get userEnd(): number {
    return this.#scheduler.userEnd;
  }
  get signals(): SignalSender | undefined {
    return this.#scheduler.signals;
  }
  get now(): Instant {
    return this.#scheduler.clock.now();
  }
  /** True when no call is under way. */
  get idle(): boolean {
    return this.phase === Phase.Idle;
  }

  file(fd: number): OpenFile | undefined {
    if (this.attempt === 0 && this.subject === undefined) {
      this.subject = this.files.get(fd);
      this.subjectFd = fd;
    }
    return this.subject;
  }
  hold(file: OpenFile): void {
    this.#held.push(file.retain());
  }
  useFiles(files: FdTable): void {
    this.files = files;
  }
  waitOn(queue: WaitQueue, events: number, standing: Standing = Standing.Turn): void {
    const waiter = (this.#waiters[this.#waiting] ??= new Waiter(this.#wake));
    this.#waiting++;
    queue.add(waiter, events, standing);
  }
  waitUntil(at: Instant, onTimeout: number): void {
    if (this.#deadlineSet) return;
    this.#deadlineSet = true;
    this.onTimeout = onTimeout;
    this.#alarm.set(at);
  }
  clearDeadline(): void {
    this.#deadlineSet = false;
    this.#alarm.cancel();
  }
  onSignal(rule: RestartRule): void {
    this.rule = rule;
  }
  partial(result: number): void {
    this.partialResult = result;
  }
  commitWith(target: Committable, amount: number): void {
    if (this.target !== undefined && this.target !== target) throw new Error('a call commits to one object');
    this.target = target;
    this.staged += amount;
  }
  unstage(): void {
    const { target, staged } = this;
    this.target = undefined;
    this.staged = 0;
    target?.rollback(staged);
  }
  get partsSurvive(): boolean {
    return true;
  }
  commitNow(): void {
    const { target, staged } = this;
    if (target === undefined) return;
    this.#scheduler.falling(this, target.eventsAfter(staged));
    this.target = undefined;
    this.staged = 0;
    target.commit(staged);
    this.installReceived();
  }
  resultFile(file: OpenFile, cloexec: boolean): number {
    this.newFile = file.retain();
    this.newFileCloexec = cloexec;
    return 0;
  }
  receiveFile(file: OpenFile, closeOnExec: boolean): number {
    const fd = this.files.reserve?.() ?? -Errno.EMFILE;
    if (fd >= 0) this.#received.push({ fd, file: file.retain(), closeOnExec });
    return fd;
  }
  dropReceived(fd: number): void {
    this.#received = this.#received.filter((received) => received.fd !== fd || this.#forget(received));
  }
  #forget({ fd, file }: Received): false {
    this.files.unreserve?.(fd);
    file.release();
    return false;
  }
  /** @internal The guest has the numbers. */
  installReceived(): void {
    if (this.#received.length === 0) return;
    const received = this.#received;
    this.#received = [];
    for (const { fd, file, closeOnExec } of received) {
      this.files.fill?.(fd, file, closeOnExec);
      file.release();
    }
  }
  /** @internal The guest has not got them. */
  forgetReceived(): void {
    const received = this.#received;
    this.#received = [];
    for (const one of received) this.#forget(one);
  }
  reserveDescriptor(): boolean {
    if (this.reserved >= 0) return true;
    if (this.files.reserve === undefined) return this.files.hasRoom();
    this.reserved = this.files.reserve();
    return this.reserved >= 0;
  }
  holdSignals(low: number, high: number): void {
    this.#heldLow = low;
    this.#heldHigh = high;
  }
  /** True for a signal that the call under way holds back. */
  masks(signal: number): boolean {
    const bit = signal - 1;
    return ((bit < 32 ? this.#heldLow : this.#heldHigh) & (1 << (bit & 31))) !== 0;
  }
  keepResult(): void {
    this.keeps = true;
  }
  raiseSigpipe(): void {
    this.sigpipe = true;
  }
  get callName(): string {
    return this.call?.name ?? '';
  }
  unsupported(call: string, what: string, errno: string, onLinuxToo = false): void {
    this.#scheduler.unsupported(call, what, errno, onLinuxToo);
  }

  /** @internal Before the first try. */
  start(call: Syscall | undefined, nr: number, registers: Uint32Array, callId: number): void {
    this.registers.set(registers);
    this.call = call;
    this.nr = nr;
    this.callId = callId;
    this.attempt = 0;
    this.state = undefined;
    this.progress = this.count = this.staged = 0;
    this.expired = this.interrupted = this.sigpipe = this.again = this.answered = this.keeps = false;
    this.startedAt = this.now;
    this.rule = 'restart';
    this.partialResult = NO_PARTIAL;
    this.target = this.newFile = this.subject = undefined;
    this.#deadlineSet = false;
  }
  /** @internal The call waits: its files stay. */
  park(): void {
    this.phase = Phase.Parked;
    if (!this.#isHeld) this.#scheduler.heldChanged(1);
    this.#isHeld = true;
    if (this.attempt === 0 && this.subject !== undefined) this.hold(this.subject);
  }
  /** @internal Stops waiting, before the next try or the end. */
  unwait(): void {
    for (let i = 0; i < this.#waiting; i++) this.#waiters[i]?.leave();
    this.#waiting = 0;
  }
  /** @internal The call was woken, and ends without another try: of those of whom an event wakes one, another is to have it. */
  passOn(): void {
    for (let i = 0; i < this.#waiting; i++) {
      const waiter = this.#waiters[i];
      const queue = waiter?.queue;
      if (waiter?.standing !== Standing.One || queue === undefined) continue;
      waiter.leave();
      queue.wakeOne(waiter.mask);
    }
  }
  /** @internal What a timeout or a signal turns into; undefined without partial result. */
  get partialOr(): number | undefined {
    return this.partialResult === NO_PARTIAL ? undefined : this.partialResult;
  }
  /** @internal The call is over: nothing of it stays. */
  finish(): void {
    this.#letGo();
    if (this.#isHeld) this.#scheduler.heldChanged(-1);
    this.#isHeld = false;
    this.call = undefined;
    this.phase = Phase.Idle;
  }
  /** @internal A signal took the call away after it had done something: only that result stays, for when the guest makes the call again. */
  keep(result: number): void {
    this.owe(result);
    this.finish();
  }
  /** The guest will make the same call again, and this is its result. */
  owe(result: number): void {
    const { nr, ipLow, ipHigh, subject: file, subjectFd: fd, partsSurvive: survives } = this;
    if (this.#owed.length === MAX_OWED) this.#owed.shift();
    this.#owed.push({ nr, ipLow, ipHigh, registers: this.registers.slice(), file, fd, result, survives });
  }
  /** @internal The result of the call that begins, if it was done before; undefined if it is new. */
  takeOwed(nr: number, registers: Uint32Array): number | undefined {
    if (this.#owed.length === 0) return undefined;
    const { ipLow, ipHigh } = this;
    const at = this.#owed.findLastIndex(
      (o) =>
        o.nr === nr &&
        o.ipLow === ipLow &&
        o.ipHigh === ipHigh &&
        o.registers.every((word, i) => word === registers[i]),
    );
    const found = this.#owed[at];
    // What lies above it belonged to handlers that were left without return.
    if (found !== undefined) this.#owed.length = at;
    this.#owed = this.#owed.filter(({ survives }) => survives);
    if (found === undefined) return undefined;
    const now = found.file === undefined ? undefined : this.files.get(found.fd);
    return now === undefined || now === found.file ? found.result : undefined;
  }
  #letGo(): void {
    this.#heldLow = this.#heldHigh = 0;
    this.unwait();
    this.#alarm.cancel();
    this.#deadlineSet = false;
    this.state = undefined;
    if (this.reserved >= 0) this.files.unreserve?.(this.reserved);
    this.reserved = -1;
    this.target = this.newFile = this.subject = undefined;
    this.forgetReceived();
    while (this.#held.length > 0) this.#held.pop()?.release();
  }
}
