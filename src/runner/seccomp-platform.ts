/**
 * Guests under seccomp user notification: each trapped call is received here, sent to the dispatcher if it is about one of our sockets, and otherwise let through or refused
 * (foreign-calls.ts).
 *
 * Results are committed after the answer, because a signal cancels a notification at any moment: what the guest did not take is not lost. Readiness that falls is lowered before the
 * answer. A thread has one call at a time, so a new one from a thread whose call is still held means that a signal took the old one away.
 */
import { ERESTARTSYS, Errno } from '../abi/errno.ts';
import { SHUT_RD } from '../abi/socket.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdSignal } from '../host/process.ffi.ts';
import { placeholderLimit } from '../host/unix-socket.ffi.ts';
import type { Clock } from '../lib/clock.ts';
import type { OpenFile } from '../socket/file.ts';
import { Socket } from '../socket/socket.ts';
import type { Caller, CrashReport, Dispatcher, Platform } from '../syscalls/dispatch.ts';
import type { CallTrap } from './call-trap.ts';
import { SHOWN } from './display.ts';
import type { ForeignCalls } from './foreign-calls.ts';
import { GuestTask, type GuestWorld } from './guest-task.ts';
import type { HostFiles } from './host-files.ts';
import { Interruptions } from './interruptions.ts';
import { NO_COPY, type Placeholder, type Plane } from './plane.ts';
import { duplicatesOf, isCloexec, pollersOf, rewatch } from './pollers.ts';
import { programOf } from './proc.ts';
import type { SignalActions } from './signals.ts';
import { answerWithSigpipe, isPlainSend } from './sigpipe.ts';
import type { ThreadEnds } from './thread-ends.ts';

const SIGKILL = 9;
/** Tasks whose threads may have ended are looked for when so many more have appeared. */
const SWEEP_GROWTH = 256;

/** Where a call of that number goes first. */
export type Route = 'socket' | 'look' | 'descriptor' | 'first-and-second' | 'first-and-third' | 'foreign';

export interface SeccompPlatformOptions {
  readonly listener: CallTrap;
  readonly plane: Plane;
  readonly hostFiles: HostFiles;
  readonly threadEnds: ThreadEnds;
  /** AUDIT_ARCH_* of the calls that are served. */
  readonly arch: number;
  readonly routes: ReadonlyMap<number, Route>;
  /** Number of shutdown(2). */
  readonly shutdown: number;
  readonly foreign: ForeignCalls;
  readonly signals: SignalActions;
  /** Signals do not take calls away. */
  readonly killable: boolean;
  /** Nobody tells of them, so they are looked for: see interruptions.ts. */
  readonly looksForSignals: boolean;
  readonly clock: Clock;
  readonly onCrash: (task: GuestTask, report: CrashReport) => void;
  /** A task is about to make a call on `file`. */
  readonly onCaller: (task: GuestTask, file: OpenFile) => void;
  /** The last descriptor of `file` was closed; its reference is about to go. */
  readonly onClosed: (file: OpenFile) => void;
  /** Files were released: what that sends within the sandbox has to arrive before the next call looks. */
  readonly onReleased: () => void;
}

export class SeccompPlatform implements Platform<GuestTask> {
  readonly #listener: CallTrap;
  readonly #plane: Plane;
  readonly #world: GuestWorld;
  readonly #arch: number;
  readonly #routes: ReadonlyMap<number, Route>;
  readonly #shutdown: number;
  readonly #foreign: ForeignCalls;
  readonly #signals: SignalActions;
  readonly #onCrash: SeccompPlatformOptions['onCrash'];
  readonly #onCaller: SeccompPlatformOptions['onCaller'];
  readonly #onClosed: SeccompPlatformOptions['onClosed'];
  readonly #onReleased: SeccompPlatformOptions['onReleased'];
  /** Where signals are to be looked for. */
  readonly #interruptions: Interruptions | undefined;
  readonly #tasks = new Map<number, GuestTask>();
  #sweepAt = SWEEP_GROWTH;
  /** Calls received, and those of them that were let through or refused here. */
  received = 0;
  passed = 0;
  #dispatcher: Dispatcher<GuestTask> | undefined = undefined;

  constructor(options: SeccompPlatformOptions) {
    this.#listener = options.listener;
    this.#plane = options.plane;
    this.#world = options;
    this.#arch = options.arch;
    this.#routes = options.routes;
    this.#shutdown = options.shutdown;
    this.#foreign = options.foreign;
    this.#signals = options.signals;
    this.#interruptions = options.looksForSignals
      ? new Interruptions(options.clock, (task, result) => {
          task.interruption = result;
          this.#dispatcher?.interrupt(task);
        })
      : undefined;
    this.#onCrash = options.onCrash;
    this.#onCaller = options.onCaller;
    this.#onClosed = options.onClosed;
    this.#onReleased = options.onReleased;
  }
  set dispatcher(dispatcher: Dispatcher<GuestTask>) {
    this.#dispatcher = dispatcher;
  }

  /** Serves what has come. */
  serve(): void {
    while (this.#serveOne() && this.#listener.receivesMore);
  }
  #serveOne(): boolean {
    const listener = this.#listener;
    if (!listener.receive()) return false;
    this.received++;
    if (listener.arch !== this.#arch) {
      this.#serveStranger();
      return true;
    }
    const route = this.#routes.get(listener.nr);
    if (route === 'look') this.#look();
    else if (route !== undefined && this.#isOurs(route)) this.#begin(this.#taskOf(listener.tid));
    // Whose socket it is cannot be seen, and the kernel must not act on one of ours.
    else if (this.#tasks.get(listener.tid)?.descriptors.lacksDescriptors === true) this.#lacking();
    else this.#serveForeign();
    return true;
  }
  /** It is the kernel's own, but not before it can see what came of every earlier call: a send to a socket of the guest's own has made that readable. */
  #look(): void {
    const { idLow, idHigh } = this.#listener;
    this.passed++;
    if (this.#plane.size === 0) {
      this.#listener.resume(idLow, idHigh);
      return;
    }
    this.releaseClosed();
    this.#looks.push(idLow, idHigh);
  }
  readonly #looks: number[] = [];
  /** Everything is shown. */
  resumeLooks(): void {
    for (let i = 0; i < this.#looks.length; i += 2) {
      this.#listener.resume(this.#looks[i] as number, this.#looks[i + 1] as number);
    }
    this.#looks.length = 0;
  }
  #lacking(): void {
    const { idLow, idHigh, tid } = this.#listener;
    const task = this.#taskOf(tid);
    task.descriptors.lacksDescriptors = false;
    this.#listener.answer(idLow, idHigh, -Errno.ENFILE);
  }
  #isOurs(route: Route): boolean {
    if (route === 'socket') {
      this.releaseClosed();
      return true;
    }
    // Without a socket of ours every descriptor is foreign: the launch chain and all that never opens one pay no look-up.
    if (route === 'foreign' || this.#plane.size === 0) return false;
    this.releaseClosed();
    const { args, tid } = this.#listener;
    const { descriptors } = this.#taskOf(tid);
    if (descriptors.find((args[0] as number) | 0) !== undefined) return true;
    const second = route === 'first-and-second' ? 2 : 4;
    return route !== 'descriptor' && descriptors.find((args[second] as number) | 0) !== undefined;
  }
  #serveStranger(): void {
    const { tid, idLow, idHigh } = this.#listener;
    this.passed++;
    this.#listener.answer(idLow, idHigh, this.#foreign.stranger(this.#listener, this.#taskOf(tid)));
  }
  #serveForeign(): void {
    const { tid, idLow, idHigh } = this.#listener;
    this.passed++;
    const verdict = this.#foreign.judge(this.#listener, () => {
      const task = this.#taskOf(tid);
      task.process.forget(false);
      return task;
    });
    if (verdict === 'resume') this.#listener.resume(idLow, idHigh);
    else if (verdict === 'ours') this.#serveAfterAll();
    else if (typeof verdict === 'number') this.#listener.answer(idLow, idHigh, verdict);
    else if (verdict === 'held') this.#listener.held?.(idLow, idHigh);
  }

  /** Its descriptor leads to one of ours since another thread put it there. If it leads elsewhere once more, the handler finds none. */
  #serveAfterAll(): void {
    const { args, tid } = this.#listener;
    const task = this.#taskOf(tid);
    task.descriptors.find((args[0] as number) | 0);
    this.#begin(task);
  }
  #taskOf(tid: number): GuestTask {
    let task = this.#tasks.get(tid);
    if (task === undefined) {
      if (this.#tasks.size >= this.#sweepAt) this.#sweep();
      task = new GuestTask(this.#dispatcher as Dispatcher<GuestTask>, tid, this.#world);
      this.#tasks.set(tid, task);
    }
    return task;
  }
  /** Forgets threads that have ended. */
  #sweep(): void {
    for (const [tid, task] of this.#tasks) {
      if (!task.descriptors.isAlive) this.#forget(tid, task);
    }
    this.#sweepAt = this.#tasks.size + SWEEP_GROWTH;
  }
  #forget(tid: number, task: GuestTask): void {
    this.#dispatcher?.abandon(task);
    task.descriptors.close();
    this.#tasks.delete(tid);
  }
  /** A thread has ended, it seems. */
  readonly threadEnded = (tid: number): void => {
    const task = this.#tasks.get(tid);
    if (task !== undefined && !task.descriptors.isSame) this.#forget(tid, task);
  };

  /** Forgets every thread: the guest has ended. */
  close(): void {
    for (const [tid, task] of this.#tasks) this.#forget(tid, task);
  }

  #begin(task: GuestTask): void {
    const listener = this.#listener;
    const dispatcher = this.#dispatcher as Dispatcher<GuestTask>;
    task.process.forget(task.descriptors.recognize());
    task.guestMemory.trust();
    const { nr, ipLow, ipHigh, args } = listener;
    const again = !task.idle && task.isSameCall(nr, ipLow, ipHigh, args);
    const endsNow = again && this.#endsNow(task);
    if (!endsNow) dispatcher.orphan(task);
    task.idLow = listener.idLow;
    task.idHigh = listener.idHigh;
    if (endsNow) {
      dispatcher.interrupt(task);
    } else {
      task.ipLow = ipLow;
      task.ipHigh = ipHigh;
      const { found, copy } = task.descriptors;
      if (found !== undefined) {
        this.#onCaller(task, found.file);
        this.#plane.drain(found, copy, nr === this.#shutdown && args[2] !== SHUT_RD);
      }
      dispatcher.begin(task, nr, args);
      if (!task.idle) {
        task.guestMemory.doubt();
        this.#interruptions?.watch(task);
        listener.held?.(task.idLow, task.idHigh);
      }
    }
    task.descriptors.done();
  }
  /** A held call that had done nothing came again after a signal. False if it begins anew. */
  #endsNow(task: GuestTask): boolean {
    if (task.partialOr !== undefined || task.rule === 'restart') return false;
    return task.rule === 'again' || this.#signals.mayRestart(task.process.pid);
  }
  /** A signal has come for the call of that thread, if it still has one. */
  interrupted(tid: number): void {
    const task = this.#tasks.get(tid);
    if (task === undefined || task.idle) return;
    task.interruption = -ERESTARTSYS;
    this.#dispatcher?.interrupt(task);
  }
  /** A handler without SA_RESTART comes into being: calls of that process that wait with a part done end with it. */
  endParts(pid: number): void {
    if (this.#world.killable) return;
    for (const task of this.#tasks.values()) {
      if (task.partialOr !== undefined && !task.idle && task.process.pid === pid) this.#dispatcher?.interrupt(task);
    }
  }

  /**
   * Releases what the guests have closed natively. For each call that may be about a socket, after it was received and before it begins: the guest may rely on it (a port that is
   * free again). That the loop's epoll did not show the watch in this round is no proof: a call may arrive while epoll_wait walks its list, and its thread's close with it.
   */
  releaseClosed(): void {
    if (this.#plane.closedSince(this.#closed) === 0) return;
    this.#abandonOrphans();
    this.#onReleased();
  }
  readonly #closed = ({ file }: Placeholder): void => {
    this.#onClosed(file);
    file.release();
  };
  /** Calls that still wait though their thread is gone keep their files alive. */
  #abandonOrphans(): void {
    for (const task of this.#tasks.values()) {
      if (!task.idle && !this.#listener.isValid(task.idLow, task.idHigh)) this.#dispatcher?.orphan(task);
    }
  }

  callerOf(task: GuestTask | undefined): Caller {
    const { pid } = this.#taskOf(task?.tid ?? this.#listener.tid).process;
    return { pid, program: programOf(pid) };
  }
  beforeDeliver(task: GuestTask, file: OpenFile, events: number): void {
    const placeholder = this.#plane.byFile(file);
    if (placeholder === undefined) return;
    const { shown } = placeholder;
    // What holds already, and still will, is shown as well: the guest may look as soon as it has the answer. What rises by the commit comes after it.
    const wanted = events & (shown | file.poll()) & SHOWN;
    const leaving = file instanceof Socket && task.target === file ? file.leaving(task.staged) : 0;
    if (wanted === shown && leaving === 0 && !placeholder.isCrowded) return;
    const copy = task.descriptors.copyFor(placeholder, task.fd);
    if (wanted === shown && placeholder.isCrowded) {
      if (copy !== NO_COPY) this.#plane.thin(placeholder, copy);
      return;
    }
    if (!this.#plane.show(placeholder, wanted, copy, leaving) && copy !== NO_COPY) this.#replace(task, file, wanted);
  }
  /** Some states cannot be gone back from (a closed stream that is to be connected anew): the descriptor gets a new guest's end. */
  #replace(task: GuestTask, file: OpenFile, events: number): void {
    const placeholder = this.#plane.byFile(file);
    if (placeholder === undefined) return;
    const { inode } = placeholder;
    // The new end has the flags of the old one, which the guest may have changed natively.
    task.descriptors.get(task.fd);
    const guestEnd = this.#plane.replace(placeholder);
    if (guestEnd < 0) return;
    const { idLow, idHigh, fd } = task;
    // Its duplicates too. Those of other processes stay: their tables are out of reach in this call. In the order of their numbers, in which most were registered.
    const numbers = new Set([fd, ...duplicatesOf(task.tid, inode)]);
    for (const number of [...numbers].toSorted((x, y) => x - y)) {
      const seen = pollersOf(task.tid, number, inode);
      this.#listener.replaceFd(idLow, idHigh, guestEnd, number, isCloexec(task.tid, number));
      for (const poller of seen) rewatch(task.descriptors, poller, number, guestEnd);
    }
    this.#plane.show(placeholder, events, guestEnd, 0);
    close(guestEnd);
    task.descriptors.done();
  }
  deliver(task: GuestTask, result: number, sigpipe: boolean): boolean {
    const { idLow, idHigh } = task;
    let taken: boolean;
    if (!sigpipe) taken = this.#answer(task, result);
    else if (this.#breaks(task)) taken = this.#listener.resume(idLow, idHigh);
    else taken = answerWithSigpipe(this.#listener, task, idLow, idHigh, result, this.#signals);
    this.#settle(task);
    return taken;
  }
  /** The kernel says EPIPE by itself, and raises SIGPIPE with it: the guest's end sends no more either. */
  #breaks(task: GuestTask): boolean {
    const placeholder = task.subject === undefined ? undefined : this.#plane.byFile(task.subject);
    const stands = this.#listener.stands?.(task.idLow, task.idHigh) ?? true;
    if (placeholder === undefined || !stands || !isPlainSend(task)) return false;
    const copy = task.descriptors.copyFor(placeholder, task.fd);
    return copy !== NO_COPY && this.#plane.endSending(placeholder, copy);
  }
  #answer(task: GuestTask, result: number): boolean {
    // Where signals take calls away the kernel restarts them by itself, and a held call is only ever answered.
    const code = result === -ERESTARTSYS ? task.interruption : result;
    task.interruption = -Errno.EINTR;
    return this.#listener.answer(task.idLow, task.idHigh, code);
  }
  deliverFile(task: GuestTask, file: OpenFile, cloexec: boolean): boolean {
    const { idLow, idHigh } = task;
    // Each has an end of ours, sooner or later.
    const isFull = this.#plane.size >= placeholderLimit();
    const guestEnd = isFull ? -Errno.ENFILE : this.#plane.open(file);
    if (guestEnd < 0) {
      // Not even we could make one (ENFILE), or the watches are used up, which the guest sees as a lack of memory.
      this.#listener.answer(idLow, idHigh, guestEnd === -Errno.ENOSPC ? -Errno.ENOBUFS : guestEnd);
      return false;
    }
    // Ended by the close of the guest's last descriptor; where none is made, by our own close below.
    file.retain();
    task.newFd = this.#listener.answerWithFd(idLow, idHigh, guestEnd, cloexec);
    close(guestEnd);
    const { opened } = this.#plane;
    opened.tid = task.tid;
    opened.fd = task.newFd;
    if (task.newFd < 0) this.#listener.answer(idLow, idHigh, task.newFd);
    this.#settle(task);
    return task.newFd >= 0;
  }
  rolledBack(task: GuestTask, file: OpenFile): void {
    const placeholder = this.#plane.byFile(file);
    if (placeholder !== undefined) this.#plane.realign(placeholder, task.descriptors.copyFor(placeholder, task.fd));
    this.#settle(task);
  }
  /** The call has its answer. What rose with it is shown at the end of the turn. */
  #settle(task: GuestTask): void {
    if (task.subject !== undefined) this.#plane.touch(task.subject);
    task.descriptors.done();
  }
  stillWaits(task: GuestTask): boolean {
    return this.#listener.isValid(task.idLow, task.idHigh);
  }
  crashed(task: GuestTask, report: CrashReport): number | undefined {
    this.#onCrash(task, report);
    pidfdSignal(task.descriptors.pidfd, SIGKILL);
    return undefined;
  }
}
