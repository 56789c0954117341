/**
 * Runs calls: finds the table's entry, tries its handler, parks what blocks, tries it again when something it waits for rises, times it out, interrupts it, and
 * hands results to the platform. There is no promise here and no queue but the run list, which the driver of the loop empties with `run()` in each turn.
 *
 * The end of a call, in this order: the platform is told which events the file will show once the result is taken (readiness that falls must be lowered
 * before the guest can look), then asked to deliver; if the guest took the result it is committed, else rolled back. All within one turn.
 *
 * A handler that throws has a bug, and only its own guest pays for it: the platform gets a report and decides what that guest sees.
 */
import { ERESTARTSYS, Errno, isError } from '../abi/errno.ts';
import type { Clock } from '../lib/clock.ts';
import type { OpenFile } from '../socket/file.ts';
import type { SignalSender } from '../socket/owner.ts';
import { CallHistory, type PastCall } from './call-history.ts';
import type { Syscall, SyscallTable } from './syscall.ts';
import { BLOCKED, Phase, type Scheduler, type Task, TRY_AGAIN } from './task.ts';

/** Something of ours went wrong in a call. */
export interface CrashReport {
  readonly call: string;
  readonly nr: number;
  /** Low and high words of the six arguments, in hexadecimal. */
  readonly registers: string;
  readonly attempt: number;
  readonly error: unknown;
  /** Those before it, and itself. */
  readonly lastCalls: readonly PastCall[];
}

/** Where guests live: the emulator, or processes under seccomp. */
export interface Platform<T extends Task> {
  /** Answers the call, with SIGPIPE after it if asked. False if the guest did not take the answer (a signal came first, it died): the call is rolled back. */
  deliver(task: T, result: number, sigpipe: boolean): boolean;
  /** As `deliver`; the result is a new descriptor for `file`, of which the platform takes a reference of its own. False also when none could be made. */
  deliverFile(task: T, file: OpenFile, cloexec: boolean): boolean;
  /** `events` are the poll events that `file` shows once this call is committed. What falls must be shown before the answer. */
  beforeDeliver(task: T, file: OpenFile, events: number): void;
  /** The guest did not take the answer: `file` shows its own `poll()` again. */
  rolledBack(task: T, file: OpenFile): void;
  /** Asked before a call that was woken is tried again: false if its thread is gone or a signal took the call away, so that it takes nothing. */
  stillWaits?(task: T): boolean;
  /** Who makes the call, for the compatibility report; `task` is undefined for a call that the dispatcher does not serve. Asked once for each new refusal. */
  callerOf?(task: T | undefined): Caller | undefined;
  /** Who sends signals on behalf of files; absent where the kernel does. */
  readonly signals?: SignalSender;
  /** A handler threw. Returns the result the guest gets, or undefined if the platform has ended the guest. */
  crashed(task: T, report: CrashReport): number | undefined;
}

/** Sees each call: for strace and captures. Must not touch the call. */
export interface Observer<T extends Task> {
  /** Just before the answer, while what the arguments point to is as the call left it. With `result` 0 and `task.newFile` set, the descriptor is not yet known. */
  answering(task: T, result: number): void;
  /** After it; `taken` says whether the guest got it. */
  answered(task: T, result: number, taken: boolean): void;
}

export interface CallStatistics {
  readonly name: string;
  calls: number;
  errors: number;
  /** How many had to wait. */
  blocked: number;
  /** Answers that the guest did not take. */
  notTaken: number;
}

/** Who makes a call. */
export interface Caller {
  readonly pid: number;
  /** The program's name (comm). */
  readonly program: string;
}

/** Something that guests asked for and did not get. */
export interface Refusal {
  readonly call: string;
  readonly what: string;
  /** The errno they got; empty for what was taken and has no effect. */
  readonly errno: string;
  /** Linux refuses it as well: a guest is no worse off here. Else it is a gap of the sandbox. */
  readonly onLinuxToo: boolean;
  count: number;
  /** Who asked first; undefined where the platform does not know. */
  readonly first: Caller | undefined;
}

export interface DispatcherOptions<T extends Task> {
  readonly table: SyscallTable;
  readonly clock: Clock;
  readonly platform: Platform<T>;
}

/** Distinct refusals kept for the compatibility report, gaps and others each: a guest could invent any number of them. */
const MAX_REFUSALS = 1024;

export class Dispatcher<T extends Task = Task> implements Scheduler {
  readonly clock: Clock;
  readonly platform: Platform<T>;
  observer: Observer<T> | undefined = undefined;
  readonly #table: SyscallTable;
  readonly #statistics = new Map<Syscall, CallStatistics>();
  readonly #gaps = new Map<string, Refusal>();
  readonly #refusedOnLinux = new Map<string, Refusal>();
  /** Refusals beyond what the report keeps. */
  refusalsDropped = 0;
  /** The task whose call is being tried or answered. */
  #trying: T | undefined = undefined;
  /** Calls with numbers that the table does not have. */
  unknownCalls = 0;
  crashes = 0;
  /** Calls that wait, and the most that did at one time. */
  held = 0;
  mostHeld = 0;
  /** Number and thread of the call that is being tried, 0 for none, where another thread may look. */
  doing: Int32Array = new Int32Array(2);
  readonly #history = new CallHistory((nr) => this.#table.get(nr)?.name ?? `call ${nr}`);
  #callId = 0;
  #runList: T[] = [];
  #draining: T[] = [];

  constructor(options: DispatcherOptions<T>) {
    this.#table = options.table;
    this.clock = options.clock;
    this.platform = options.platform;
    for (const call of options.table.values()) {
      this.#statistics.set(call, { name: call.name, calls: 0, errors: 0, blocked: 0, notTaken: 0 });
    }
  }

  /** A guest thread calls. It is answered before this returns, or parked. One call at a time per task. */
  begin(task: T, nr: number, registers: Uint32Array): void {
    if (!task.idle) throw new Error(`task ${task.tid} is already in ${task.call?.name ?? 'a call'}`);
    const call = this.#table.get(nr);
    const owed = task.takeOwed(nr, registers);
    this.#callId = this.nextCallId;
    task.start(call, nr, registers, this.#callId);
    this.#history.begun(task.tid, nr);
    if (call === undefined) {
      this.unknownCalls++;
      this.#trying = task;
      this.unsupported(`syscall ${nr}`, '', 'ENOSYS');
      this.#trying = undefined;
      this.#finish(task, -Errno.ENOSYS);
      return;
    }
    const statistics = this.#statistics.get(call);
    if (statistics !== undefined) statistics.calls++;
    if (owed !== undefined) {
      task.keepResult();
      this.#finish(task, owed);
      return;
    }
    this.#try(task);
  }

  /** Id of the call that begins next. */
  get nextCallId(): number {
    return (this.#callId % 0x7fff_ffff) + 1;
  }
  get signals(): SignalSender | undefined {
    return this.platform.signals;
  }
  get userEnd(): number {
    return this.#table.userEnd;
  }

  /** Tries the calls that were woken. Those woken meanwhile wait for the next turn; true if there are any. */
  run(): boolean {
    const list = this.#runList;
    this.#runList = this.#draining;
    this.#draining = list;
    for (const task of list) {
      if (task.phase !== Phase.Woken) continue;
      if (this.platform.stillWaits?.(task) === false) this.orphan(task);
      else this.#retry(task);
    }
    list.length = 0;
    return this.#runList.length > 0;
  }
  get hasWork(): boolean {
    return this.#runList.length > 0;
  }

  /** A signal: a parked call ends with what it has done, or -ERESTARTSYS, or -EINTR. Nothing happens to a task that does not wait. */
  interrupt(task: T): void {
    if (task.phase !== Phase.Parked && task.phase !== Phase.Woken) return;
    if (task.rule === 'again') {
      task.interrupted = true;
      this.#retry(task);
      return;
    }
    if (task.phase === Phase.Woken) task.passOn();
    this.#finish(task, task.partialOr ?? (task.rule === 'restart' ? -ERESTARTSYS : -Errno.EINTR));
  }
  /** The call is gone without answer: its thread died or a signal took it away. The task may be used again. */
  abandon(task: T): void {
    if (task.idle) return;
    if (task.phase === Phase.Woken) task.passOn();
    this.#rollback(task);
    task.finish();
  }

  /** As `abandon`, but what the call has done already stays the result of the same call, made again. */
  orphan(task: T): void {
    const done = task.partialOr;
    if (task.idle || done === undefined) return this.abandon(task);
    if (task.phase === Phase.Woken) task.passOn();
    task.keep(done);
  }

  /** Counts of every call of the table that was used. */
  statistics(): CallStatistics[] {
    return [...this.#statistics.values()].filter((s) => s.calls > 0);
  }
  /** What guests asked for and did not get: the gaps of the sandbox, then what Linux refuses as well, each in the order of first use. */
  refusals(): Refusal[] {
    return [...this.#gaps.values(), ...this.#refusedOnLinux.values()];
  }

  unsupported(call: string, what: string, errno: string, onLinuxToo = false): void {
    const refusals = onLinuxToo ? this.#refusedOnLinux : this.#gaps;
    const key = `${call} ${what} ${errno}`;
    const known = refusals.get(key);
    if (known !== undefined) known.count++;
    else if (refusals.size < MAX_REFUSALS) {
      const first = this.platform.callerOf?.(this.#trying);
      refusals.set(key, { call, what, errno, onLinuxToo, count: 1, first });
    } else this.refusalsDropped++;
  }
  lastCalls(): PastCall[] {
    return this.#history.list();
  }
  /** @internal */
  heldChanged(by: 1 | -1): void {
    this.held += by;
    if (this.held > this.mostHeld) this.mostHeld = this.held;
  }
  /** @internal */
  woken(task: Task): boolean {
    if (task.phase === Phase.Parked) this.#enqueue(task as T);
    else if (task.phase === Phase.Trying && !task.again) task.again = true;
    else return false;
    return true;
  }
  /** @internal The task's deadline. A call that was woken in the same turn is tried once more before it times out. */
  expired(task: Task): void {
    task.expired = true;
    if (task.phase === Phase.Parked) this.#timeOut(task as T);
  }
  /** @internal */
  falling(task: Task, events: number): void {
    if (task.subject !== undefined) this.platform.beforeDeliver(task as T, task.subject, events);
  }

  #enqueue(task: T): void {
    task.phase = Phase.Woken;
    this.#runList.push(task);
  }
  #timeOut(task: T): void {
    if (task.onTimeout === TRY_AGAIN) this.#enqueue(task);
    else this.#finish(task, task.partialOr ?? task.onTimeout);
  }
  #retry(task: T): void {
    task.unwait();
    task.attempt++;
    this.#try(task);
  }
  #try(task: T): void {
    const call = task.call as Syscall;
    task.phase = Phase.Trying;
    task.again = false;
    this.#trying = task;
    this.doing[0] = task.nr;
    this.doing[1] = task.tid;
    let result: number;
    try {
      result = call.run(task, task.registers);
    } catch (error) {
      this.#crashed(task, error);
      this.#trying = undefined;
      this.doing[1] = 0;
      return;
    }
    if (result === BLOCKED) this.#park(task);
    else this.#finish(task, result);
    this.#trying = undefined;
    this.doing[1] = 0;
  }
  #park(task: T): void {
    if (task.attempt === 0) {
      const statistics = this.#statistics.get(task.call as Syscall);
      if (statistics !== undefined) statistics.blocked++;
    }
    const expired = task.expired;
    task.park();
    if (expired && task.onTimeout !== TRY_AGAIN) this.#timeOut(task);
    else if (task.again) this.#enqueue(task);
  }

  #finish(task: T, result: number): void {
    task.unwait();
    // Of what a call does in parts, some is done for good already: then all of it, or the result that is kept would not be what was done.
    const isOwed = task.keeps || (task.partialOr !== undefined && result >= 0);
    let taken = true;
    try {
      if (isOwed) task.commitNow();
      taken = this.#conclude(task, result);
    } catch (error) {
      this.#crashedAtTheEnd(task, error);
    }
    if (!taken && isOwed) task.keep(result);
    else task.finish();
  }
  #conclude(task: T, result: number): boolean {
    const { subject, target, newFile } = task;
    if (subject !== undefined) {
      const events = target === undefined ? subject.poll() : target.eventsAfter(task.staged);
      this.platform.beforeDeliver(task, subject, events);
    }
    this.observer?.answering(task, result);
    const taken =
      newFile === undefined
        ? this.platform.deliver(task, result, task.sigpipe)
        : this.platform.deliverFile(task, newFile, task.newFileCloexec);
    task.answered = true;
    task.refusals = taken ? 0 : task.refusals + 1;
    this.#count(task, result, taken);
    if (taken) {
      target?.commit(task.staged);
      newFile?.release();
      task.installReceived();
    } else {
      this.#rollback(task);
      if (subject !== undefined) this.platform.rolledBack(task, subject);
      // What was for this call alone is for another again.
      subject?.waiters.wakeOne(subject.poll());
    }
    this.observer?.answered(task, result, taken);
    return taken;
  }
  #rollback(task: T): void {
    task.target?.rollback(task.staged);
    task.newFile?.release();
    task.forgetReceived();
    task.target = task.newFile = undefined;
    task.staged = 0;
  }
  #count(task: T, result: number, taken: boolean): void {
    this.#history.ended(task.tid, result);
    const statistics = task.call === undefined ? undefined : this.#statistics.get(task.call);
    if (statistics === undefined) return;
    if (!taken) statistics.notTaken++;
    else if (isError(result)) statistics.errors++;
  }

  #crashed(task: T, error: unknown): void {
    const result = this.#report(task, error);
    this.#abandonStaged(task);
    if (result === undefined) task.finish();
    else this.#finish(task, result);
  }
  /** The socket or the platform threw while the call was being answered. */
  #crashedAtTheEnd(task: T, error: unknown): void {
    const result = this.#report(task, error);
    this.#abandonStaged(task);
    if (!task.answered && result !== undefined) this.platform.deliver(task, result, false);
  }
  #report(task: T, error: unknown): number | undefined {
    this.crashes++;
    const { call, nr, attempt } = task;
    const registers = Array.from(task.registers, (word) => word.toString(16)).join(' ');
    const lastCalls = this.#history.list();
    return this.platform.crashed(task, { call: call?.name ?? '', nr, registers, attempt, error, lastCalls });
  }
  /** What a handler staged before it threw is dropped; that may throw as well, for the same reason. */
  #abandonStaged(task: T): void {
    try {
      this.#rollback(task);
    } catch {
      task.target = task.newFile = undefined;
    }
  }
}
