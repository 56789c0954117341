/**
 * Guests' calls by ptrace(2), for hosts without user notification. The filter's verdict is SECCOMP_RET_TRACE, so a thread stops for a call that is caught, and for its own events; all else it runs at
 * its own speed. In that stop its registers are ours: with -1 in place of the call's number the kernel performs nothing, and the thread goes on with the result that we put there.
 *
 * A thread in such a stop does not hear of signals. So a call that waits longer than a moment becomes pause(2), in which the thread sleeps as it would in the call: a signal is given to it or to another thread as
 * the kernel chooses, and we are told before its handler runs. Then the call ends, with ERESTARTSYS where it may begin anew: the kernel does with that what the handler wants, since it finds the registers of the call. A
 * signal without a handler leaves the call alone, but for one that stops the process, with which Linux interrupts its calls as well. For its answer the thread is stopped once more (PTRACE_INTERRUPT).
 *
 *   Running -> Caught -> Running                    answered, or resumed
 *              Caught -> Between -> Running         a descriptor entered, by calls made in the thread (injection.ts)
 *              Caught -> Paused -> Leaving -> Running           it waited
 *                        Paused -> Signalled -> Running         a signal came
 *
 * A thread that is new, or whose program is, belongs to us from its first instruction (PTRACE_O_TRACEFORK and its like). When we die, all of them do (PTRACE_O_EXITKILL).
 */
import { ERESTARTSYS, Errno, errnoName } from '../abi/errno.ts';
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { ChildSignal } from '../host/child-signal.ffi.ts';
import {
  eventMessage,
  getRegisters,
  interrupt,
  listen,
  proceed,
  REGISTER_WORDS,
  Register,
  seize,
  setRegisters,
  waitForAny,
  waitForThread,
  waitStatus,
} from '../host/ptrace.ffi.ts';
import { type Alarm, type Clock, millis } from '../lib/clock.ts';
import type { CallTrap } from './call-trap.ts';
import { RunError } from './errors.ts';
import { AUDIT_ARCH } from './filter.ts';
import { ProcCredentials } from './guest-task.ts';
import { halt, inject, nextStop } from './injection.ts';
import type { Tracer } from './launch.ts';
import {
  ARGUMENTS,
  AT_CALL,
  behindAgain,
  EVENT_CLONE,
  EVENT_EXEC,
  EVENT_SECCOMP,
  EVENT_STOP,
  isStop,
  NO_CALL,
  Phase,
  put,
  SIGTRAP,
  Tracee,
} from './tracee.ts';

/** A call that waits longer hears of signals. */
const PATIENCE = millis(1);
/** Calls received before others have their turn. */
const BATCH = 16;

/** Where results are told who signals interrupted: `tid` has a call of ours, which may end now. */
type Interrupted = (tid: number) => void;

/** As `reap` tells it. */
type Ended = NonNullable<ReturnType<Tracer['endOf']>>;

export const PTRACE_REMEDY =
  'in a container allow ptrace, pidfd_getfd and process_vm_readv (docker run --cap-add SYS_PTRACE, or a seccomp profile that names them); set sysctl kernel.yama.ptrace_scope to 0 or 1';

export class PtraceTrap implements CallTrap, Tracer {
  readonly receivesMore = true;
  /** By any other the filter ends the process. */
  readonly arch = AUDIT_ARCH.x64;
  readonly args = new Uint32Array(12);
  tid = 0;
  nr = 0;
  ipLow = 0;
  ipHigh = 0;
  idLow = 0;
  idHigh = 0;
  onInterrupted: Interrupted = () => undefined;
  onAllEnded: () => void = () => undefined;
  readonly #signal = new ChildSignal();
  readonly #tracees = new Map<number, Tracee>();
  /** Processes of the launcher's that live, which are our children too; and how those ended that nobody has asked for yet. */
  readonly #children = new Set<number>();
  readonly #ends = new Map<number, Ended>();
  readonly #scratch = new Uint32Array(REGISTER_WORDS);
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  /** Calls that wait, with their ids, the oldest first; some have their answer by now. */
  #waiting: Tracee[] = [];
  #waitingCalls: number[] = [];
  #calls = 0;
  #inBatch = 0;

  /** Stops are collected for the whole process. */
  static #isOpen = false;

  /** @throws RunError where there is one already */
  constructor(clock: Clock) {
    if (PtraceTrap.#isOpen) {
      throw new RunError(
        'E_LAUNCH',
        'this process traces a guest already, and can have one at a time on the ptrace platform',
        'run each in a process of its own',
      );
    }
    PtraceTrap.#isOpen = true;
    this.#clock = clock;
    this.#alarm = clock.alarm(() => this.#pauseAll());
  }
  get fd(): number {
    return this.#signal.fd;
  }
  /** Before it installs the filter. */
  seize(tid: number): void {
    this.#signal.take();
    const result = seize(tid);
    if (result < 0) {
      throw new RunError('E_LAUNCH', `the guest could not be traced (${errnoName(result)})`, PTRACE_REMEDY);
    }
    this.#tracees.set(tid, new Tracee(tid));
  }
  awaitClone(tid: number): void {
    let event: number | undefined;
    while (event !== EVENT_CLONE) {
      const status = nextStop(this.#signal, tid);
      if (status === undefined) return;
      event = status >>> 16;
      if (event === EVENT_CLONE) this.#children.add(eventMessage(tid));
      proceed(tid, 0);
    }
  }
  forget(tid: number): void {
    this.#gone(tid);
  }
  /** Stops tell of it first, so the kernel tells its parent, us, no more. */
  readonly endOf = (pid: number): Ended | undefined => {
    const before = this.#ends.get(pid);
    if (before === undefined && waitForThread(pid) === pid) this.#stopped(pid, waitStatus());
    const end = this.#ends.get(pid);
    this.#ends.delete(pid);
    return end;
  };

  receive(): boolean {
    if (this.#inBatch === 0) this.#signal.clear();
    for (;;) {
      if (this.#inBatch === BATCH) {
        // The rest comes in the next round.
        this.#signal.raise();
        break;
      }
      const tid = waitForAny();
      if (tid <= 0) {
        this.#signal.passOn();
        break;
      }
      this.#inBatch++;
      if (this.#stopped(tid, waitStatus())) return true;
    }
    this.#inBatch = 0;
    return false;
  }
  /** A thread stopped or ended; true for a call that was caught. */
  #stopped(tid: number, status: number): boolean {
    if (!isStop(status)) {
      this.#gone(tid);
      if (this.#children.delete(tid)) this.#ends.set(tid, endOf(status));
      return false;
    }
    let tracee = this.#tracees.get(tid);
    if (tracee === undefined) {
      tracee = new Tracee(tid);
      this.#tracees.set(tid, tracee);
    }
    const event = status >>> 16;
    const signal = (status >>> 8) & 0xff;
    if (event === EVENT_SECCOMP) return this.#caught(tracee);
    if (event === EVENT_STOP) this.#haltedBy(tracee, signal === SIGTRAP ? 0 : signal);
    else if (event === EVENT_EXEC) this.#executed(tracee);
    else if (event !== 0 || signal === (SIGTRAP | AT_CALL)) proceed(tid, 0);
    else this.#signalled(tracee, signal);
    return false;
  }
  #gone(tid: number): void {
    const tracee = this.#tracees.get(tid);
    if (tracee === undefined) return;
    tracee.call = 0;
    this.#tracees.delete(tid);
    if (this.#tracees.size === 0) this.onAllEnded();
  }
  /** Of several threads only the one that executed is left, under the id of the first. */
  #executed(tracee: Tracee): void {
    const former = eventMessage(tracee.tid);
    if (former !== tracee.tid) {
      this.#gone(former);
      tracee.call = 0;
      tracee.phase = Phase.Running;
    }
    proceed(tracee.tid, 0);
  }
  #caught(tracee: Tracee): boolean {
    const { tid, registers } = tracee;
    if (getRegisters(tid, registers) < 0) return false;
    this.#calls = (this.#calls % 0x7fff_ffff) + 1;
    tracee.phase = Phase.Caught;
    tracee.call = this.#calls;
    tracee.signal = 0;
    this.tid = tid;
    this.idLow = this.#calls;
    this.idHigh = tid;
    this.nr = registers[Register.origRax] as number;
    this.ipLow = registers[Register.rip] as number;
    this.ipHigh = registers[Register.rip + 1] as number;
    ARGUMENTS.forEach((at, i) => {
      this.args[i * 2] = registers[at] as number;
      this.args[i * 2 + 1] = registers[at + 1] as number;
    });
    return true;
  }
  /** We asked for that stop, or its process stops, by `groupSignal`, or does so no more. */
  #haltedBy(tracee: Tracee, groupSignal: number): void {
    tracee.isGroupStopped = groupSignal !== 0;
    if (tracee.phase === Phase.Leaving) this.#leave(tracee);
    else if (tracee.phase === Phase.Paused && tracee.isGroupStopped) this.#interrupted(tracee, 0);
    else this.#proceed(tracee, 0);
  }
  #proceed(tracee: Tracee, signal: number): boolean {
    const { tid, isGroupStopped } = tracee;
    tracee.isGroupStopped = false;
    return (isGroupStopped ? listen(tid) : proceed(tid, signal)) === 0;
  }
  /** It is about to take `signal`. */
  #signalled(tracee: Tracee, signal: number): void {
    if (tracee.phase === Phase.Leaving) {
      tracee.signal = signal;
      this.#leave(tracee);
    } else if (tracee.phase === Phase.Paused && new ProcCredentials(tracee.tid).catches(signal)) {
      this.#interrupted(tracee, signal);
    } else proceed(tracee.tid, signal);
  }
  /** Its call ends now, or as soon as whoever holds it has looked. */
  #interrupted(tracee: Tracee, signal: number): void {
    tracee.phase = Phase.Signalled;
    tracee.signal = signal;
    this.onInterrupted(tracee.tid);
  }
  /** Whether a signal has come for the call of that thread. */
  isInterrupted(tid: number): boolean {
    return this.#tracees.get(tid)?.phase === Phase.Signalled;
  }

  #calling(idLow: number, idHigh: number): Tracee | undefined {
    const tracee = this.#tracees.get(idHigh);
    return tracee?.call === idLow && idLow !== 0 ? tracee : undefined;
  }
  isValid(idLow: number, idHigh: number): boolean {
    return this.#calling(idLow, idHigh) !== undefined;
  }
  answer(idLow: number, idHigh: number, result: number): boolean {
    const tracee = this.#calling(idLow, idHigh);
    if (tracee === undefined) return false;
    tracee.call = 0;
    tracee.result = result;
    return this.#let(tracee);
  }
  /** What stands in the stop of the filter is what was received, whatever other threads do: the kernel has its number and arguments. */
  stands(idLow: number, idHigh: number): boolean {
    return this.#calling(idLow, idHigh)?.phase === Phase.Caught;
  }
  resume(idLow: number, idHigh: number): boolean {
    const tracee = this.#calling(idLow, idHigh);
    if (tracee === undefined) return false;
    // Elsewhere it would have to be made again, and another than was looked at could come in its place: it begins anew, and is received again.
    if (tracee.phase !== Phase.Caught) return this.answer(idLow, idHigh, -ERESTARTSYS);
    tracee.call = 0;
    tracee.phase = Phase.Running;
    return proceed(tracee.tid, 0) === 0;
  }
  /** It goes on with its result; one that sleeps is stopped first. */
  #let(tracee: Tracee): boolean {
    if (tracee.phase !== Phase.Paused) return this.#leave(tracee);
    tracee.phase = Phase.Leaving;
    return interrupt(tracee.tid) === 0;
  }
  #leave(tracee: Tracee): boolean {
    const { tid, phase, result, signal } = tracee;
    const registers = this.#scratch;
    registers.set(tracee.registers);
    const isRestart = result === -ERESTARTSYS;
    // Behind a call that slept the kernel sees to it.
    const isKernels = phase === Phase.Signalled || phase === Phase.Leaving;
    if (!isRestart || !isKernels) put(registers, Register.origRax, NO_CALL);
    if (isRestart && !isKernels) behindAgain(registers, tracee.registers[Register.origRax] as number);
    else put(registers, Register.rax, result);
    tracee.phase = Phase.Running;
    tracee.signal = 0;
    return setRegisters(tid, registers) === 0 && this.#proceed(tracee, signal);
  }

  answerWithFd(idLow: number, idHigh: number, fd: number, cloexec: boolean): number {
    const number = this.#enter(idLow, idHigh, fd, undefined, cloexec);
    if (number >= 0) this.answer(idLow, idHigh, number);
    return number;
  }
  replaceFd(idLow: number, idHigh: number, fd: number, target: number, cloexec: boolean): number {
    const number = this.#enter(idLow, idHigh, fd, target, cloexec);
    this.held(idLow, idHigh);
    return number;
  }
  #enter(idLow: number, idHigh: number, fd: number, target: number | undefined, cloexec: boolean): number {
    const tracee = this.#calling(idLow, idHigh);
    if (tracee === undefined) return -Errno.ENOENT;
    const isThere = tracee.phase !== Phase.Paused || halt(this.#signal, tracee);
    const number = isThere
      ? inject(this.#signal, tracee, tracee.phase === Phase.Caught, fd, target, cloexec)
      : -Errno.ESRCH;
    if (number !== -Errno.ESRCH) tracee.phase = Phase.Between;
    else if (tracee.hasExecuted) {
      tracee.hasExecuted = false;
      this.#executed(tracee);
    } else {
      // Or it does not come to a stop, and nobody would let it go on.
      this.#gone(tracee.tid);
      kill(tracee.tid);
    }
    return number;
  }

  held(idLow: number, idHigh: number): void {
    const tracee = this.#calling(idLow, idHigh);
    if (tracee?.phase !== Phase.Caught && tracee?.phase !== Phase.Between) return;
    if (this.#waiting.length === 0) this.#alarm.set(this.#clock.in(PATIENCE));
    this.#waiting.push(tracee);
    this.#waitingCalls.push(idLow);
  }
  #pauseAll(): void {
    const [waiting, calls] = [this.#waiting, this.#waitingCalls];
    [this.#waiting, this.#waitingCalls] = [[], []];
    waiting.forEach((tracee, i) => {
      const stands = tracee.phase === Phase.Caught || tracee.phase === Phase.Between;
      if (tracee.call === calls[i] && stands) this.#pause(tracee);
    });
  }
  #pause(tracee: Tracee): void {
    this.#scratch.set(tracee.registers);
    put(this.#scratch, Register.origRax, tracee.phase === Phase.Caught ? NR_AMD64.pause : NO_CALL);
    if (tracee.phase === Phase.Between) behindAgain(this.#scratch, NR_AMD64.pause);
    tracee.phase = Phase.Paused;
    if (setRegisters(tracee.tid, this.#scratch) === 0) proceed(tracee.tid, 0);
  }

  close(): void {
    this.#alarm.cancel();
    // Where there is no PID namespace some may outlive the guest's program, and nobody would answer their calls.
    for (const tid of this.#tracees.keys()) kill(tid);
    this.#tracees.clear();
    this.#signal.close();
    PtraceTrap.#isOpen = false;
  }
}

function kill(tid: number): void {
  try {
    process.kill(tid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

const endOf = (status: number): Ended =>
  (status & 0x7f) === 0 ? { code: (status >>> 8) & 0xff, signal: null } : { code: null, signal: status & 0x7f };
