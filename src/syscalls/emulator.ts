/**
 * Guests without processes: tasks whose calls are made by the caller, with emulated memory and an emulated descriptor table. This is the library's way to use the
 * dispatcher, and what the tests and the conformance suite drive. Time is the clock's that it is given; nothing here waits.
 */
import { ERESTARTSYS, Errno } from '../abi/errno.ts';
import { F_OWNER_TID } from '../abi/fcntl.ts';
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { NR_ARM64 } from '../abi/nr-arm64.ts';
import { SIGUSR1 } from '../abi/signal.ts';
import { type Duration, since, type TimerHeap } from '../lib/clock.ts';
import type { Credentials } from '../socket/credentials.ts';
import { EmulatedFdTable } from '../socket/emulated-fd-table.ts';
import type { OpenFile } from '../socket/file.ts';
import type { GuestMemory } from '../socket/guest-memory.ts';
import type { OwnerKind, SignalSender } from '../socket/owner.ts';
import { type CrashReport, Dispatcher, type Platform } from './dispatch.ts';
import type { SocketCreator } from './handlers/socket.ts';
import { type Architecture, systemCalls } from './table.ts';
import { Task, type TaskOptions } from './task.ts';

export const ROOT: Credentials = { pid: 1, uid: 0, gid: 0, netBindService: true, netRaw: true, netAdmin: true };

export class EmulatedTask extends Task {
  /** Of the last call that was answered; undefined while one is under way. */
  result: number | undefined = undefined;
  /** How often SIGPIPE was sent. */
  sigpipes = 0;
  /** Signals that files sent it, and how often. They interrupt nothing by themselves: that is for who drives the task (`Emulator.interrupt`). */
  readonly received = new Map<number, number>();
  /** For tests: the next answer is not taken, as when a signal comes first. The call then ends without a result. */
  refuse = false;
  /** For tests: false where a handler without SA_RESTART is installed. */
  restarts = true;
  declare files: EmulatedFdTable;
  override get partsSurvive(): boolean {
    return this.restarts;
  }
}

const isOwner = (task: EmulatedTask, kind: OwnerKind, id: number): boolean =>
  kind === F_OWNER_TID ? task.tid === id : task.credentials.pid === id;

export interface EmulatorOptions {
  readonly clock: TimerHeap;
  readonly sockets: SocketCreator;
  readonly architecture?: Architecture;
}
export interface EmulatedTaskOptions {
  readonly memory: GuestMemory;
  /** Shared tables are those of threads; a process has its own. */
  readonly files?: EmulatedFdTable;
  readonly credentials?: Credentials;
}

type Argument = number | bigint;
const NUMBERS: Readonly<Record<Architecture, Readonly<Record<string, number>>>> = { x86_64: NR_AMD64, arm64: NR_ARM64 };

export class Emulator implements Platform<EmulatedTask> {
  readonly dispatcher: Dispatcher<EmulatedTask>;
  readonly clock: TimerHeap;
  /** Told of each signal that a file sends to its owner. */
  onSignal: ((task: EmulatedTask, signal: number) => void) | undefined = undefined;
  /** What was reported of handlers that threw; their calls ended with ENOSYS. */
  readonly crashes: CrashReport[] = [];
  readonly #numbers: Readonly<Record<string, number>>;
  /** Alive, by their thread id. */
  readonly #tasks = new Map<number, EmulatedTask>();
  readonly #registers = new Uint32Array(12);
  #tid = 1;

  constructor(options: EmulatorOptions) {
    const architecture = options.architecture ?? 'x86_64';
    this.clock = options.clock;
    this.#numbers = NUMBERS[architecture];
    this.dispatcher = new Dispatcher({
      table: systemCalls({ architecture, sockets: options.sockets, descriptors: true }),
      clock: options.clock,
      platform: this,
    });
  }

  task(options: EmulatedTaskOptions): EmulatedTask {
    const complete: TaskOptions = {
      tid: this.#tid++,
      memory: options.memory,
      files: options.files ?? new EmulatedFdTable(),
      credentials: options.credentials ?? ROOT,
    };
    const task = new EmulatedTask(this.dispatcher, complete);
    this.#tasks.set(task.tid, task);
    return task;
  }

  /** Starts a call by name or number. */
  begin(task: EmulatedTask, call: string | number, ...args: readonly Argument[]): void {
    const nr = typeof call === 'number' ? call : this.#numbers[call];
    if (nr === undefined) throw new RangeError(`${call} is no call of this architecture`);
    this.#registers.fill(0);
    for (const [i, value] of args.entries()) {
      const word = BigInt.asUintN(64, typeof value === 'bigint' ? value : BigInt(value));
      this.#registers[i * 2] = Number(word & 0xffff_ffffn);
      this.#registers[i * 2 + 1] = Number(word >> 32n);
    }
    task.result = undefined;
    this.dispatcher.begin(task, nr, this.#registers);
  }
  /** Makes a call and lets all that follows from it at this instant happen. Its result, or undefined if it blocks. */
  call(task: EmulatedTask, call: string | number, ...args: readonly Argument[]): number | undefined {
    this.begin(task, call, ...args);
    this.settle();
    return task.result;
  }
  /** Tries what was woken until nothing moves at this instant. */
  settle(): void {
    this.clock.step(this.clock.now());
    while (this.dispatcher.run() || (this.clock.next() ?? Infinity) <= this.clock.now())
      this.clock.step(this.clock.now());
  }
  /** Lets virtual time pass. */
  advance(by: Duration): void {
    const end = this.clock.in(by);
    this.settle();
    for (let next = this.clock.next(); next !== undefined && next <= end; next = this.clock.next()) {
      this.clock.step(next);
      this.settle();
    }
    this.clock.advance(since(end, this.clock.now()));
    this.settle();
  }
  /**
   * A caught signal for a task; `restart` says whether its handler has SA_RESTART. A restarted call begins again. What the mask of ppoll(2) and its kin holds back is pending until the call ends, and
   * interrupts nothing.
   */
  interrupt(task: EmulatedTask, restart: boolean, signal: number = SIGUSR1): void {
    if (task.masks(signal)) return;
    this.dispatcher.interrupt(task);
    if (task.result !== -ERESTARTSYS) return;
    task.result = restart ? undefined : -Errno.EINTR;
    if (restart) this.dispatcher.begin(task, task.nr, task.registers.slice());
    this.settle();
  }
  /** The task ends; its descriptor table loses an owner. */
  exit(task: EmulatedTask): void {
    this.#tasks.delete(task.tid);
    this.dispatcher.abandon(task);
    task.files.leave();
    this.settle();
  }

  readonly signals: SignalSender = {
    exists: ({ kind, id }) => [...this.#tasks.values()].some((task) => isOwner(task, kind, id)),
    send: ({ kind, id }, signal) => {
      for (const task of this.#tasks.values()) {
        if (!isOwner(task, kind, id)) continue;
        task.received.set(signal, (task.received.get(signal) ?? 0) + 1);
        this.onSignal?.(task, signal);
        // A process has one of its threads told, a group each of its processes; here a process of each id is a group of its own.
        return;
      }
    },
  };

  deliver(task: EmulatedTask, result: number, sigpipe: boolean): boolean {
    if (task.refuse) return this.#refused(task);
    if (sigpipe) task.sigpipes++;
    task.result = result;
    return true;
  }
  deliverFile(task: EmulatedTask, file: OpenFile, cloexec: boolean): boolean {
    if (task.refuse) return this.#refused(task);
    const { reserved, files } = task;
    task.reserved = -1;
    task.result = reserved >= 0 ? files.fill(reserved, file, cloexec) : files.install(file, cloexec);
    return task.result >= 0;
  }
  #refused(task: EmulatedTask): boolean {
    task.refuse = false;
    return false;
  }
  beforeDeliver(_task: EmulatedTask, _file: OpenFile, _events: number): void {
    // poll and epoll ask the files themselves here: there is no mirror to keep.
  }
  rolledBack(_task: EmulatedTask, _file: OpenFile): void {
    // As above.
  }
  crashed(_task: EmulatedTask, report: CrashReport): number {
    this.crashes.push(report);
    return -Errno.ENOSYS;
  }
}
