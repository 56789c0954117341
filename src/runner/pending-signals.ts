/**
 * Which thread the kernel has told of a pending signal, as far as /proc says it. An answer of ERESTARTSYS is for such a thread alone: another one would see it as errno 512.
 *
 * A thread is told of a signal of its own (SigPnd) and, alone in its process, of one of the process (ShdPnd). With several threads one that does not block the signal was told (complete_signal). For what is sent to
 * the process that is the first thread, if it does not block it. For timers by CPU time and those of timer_create it is the thread that ran when they expired, and for SIGCHLD the one that called fork. That is kept nowhere
 * we can see, but one that was told takes the signal as soon as it comes back from the kernel: who sleeps natively and has not run since the last look, by its context switches, or made another call while it was
 * pending, was not told, and who is left over was. A thread that runs, or has, is never ruled out: it may take one and be told of the next between two looks. Where several are left over the call may end with EINTR, in the end: right for a handler without SA_RESTART, and
 * harmless for who was not told.
 */
import { readFileSync } from 'node:fs';
import { ERESTARTSYS, Errno } from '../abi/errno.ts';
import type { Clock, Instant } from '../lib/clock.ts';
import { millis } from '../lib/clock.ts';
import { statusField, statusOf } from './guest-task.ts';
import { namesIn } from './proc.ts';

/** It waits on; or may have been told, which another look will say; or its call ends with that errno. */
export type Verdict = 'waits' | 'doubtful' | number;
const TOLD = -ERESTARTSYS;
const PERHAPS = -Errno.EINTR;

/** A call of ours that waits. */
export interface WaitingCall {
  readonly tid: number;
  readonly startedAt: Instant;
}

/** So long a signal is pending before it is asked whose it is: who runs or was woken has taken it by then. */
const SETTLES = millis(1.5);
/** So long it is asked before EINTR will do. */
const UNCLEAR = millis(500);
/** A call received so long after a signal was seen was made after it: it did not lie here unread meanwhile. */
const UNREAD = millis(5);
/** A signal that seems to be pending so long may be another one by now. */
const STALE = millis(2000);
/** SIGCHLD, SIGXCPU, SIGVTALRM, SIGPROF. */
const FOR_ANY_THREAD: ReadonlySet<number> = new Set([17, 24, 26, 27]);
const MAX_PROCESSES = 4096;
/** Looked at in a process before it counts as unclear. */
const MAX_THREADS = 256;

const setOf = (status: string, name: string): bigint => BigInt(`0x${statusField(status, name)}`);
const heldBack = (status: string): bigint => setOf(status, 'SigBlk') | setOf(status, 'SigIgn');

interface Pending {
  readonly first: Instant;
  /** Later, where a thread has run that may have taken the first one: it may be another by now. */
  since: Instant;
  /** When the process was seen without it last. */
  readonly absentAt: number;
  /** Context switches of threads that sleep natively, as of the last look. */
  readonly switches: Map<number, string>;
}
interface Process {
  lookedAt: number;
  readonly pending: Map<number, Pending>;
}

const isOf = (signals: bigint, signal: number): boolean => ((signals >> BigInt(signal - 1)) & 1n) === 1n;

/** Whether a timer of timer_create raises `signal`, or may do so where the kernel does not list them (proc_pid_timers(5)). */
function isOfTimer(pid: number, signal: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/timers`, 'latin1').includes(`signal: ${signal}/`);
  } catch {
    return true;
  }
}

function verdictOf(rivals: number, unclear: number, late: boolean): Verdict {
  if (rivals + unclear === 0) return TOLD;
  return unclear === 0 || late ? PERHAPS : 'doubtful';
}

export class PendingSignals {
  readonly #clock: Clock;
  readonly #processes = new Map<number, Process>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param calls all that wait, that of `call` among them */
  judge(call: WaitingCall, calls: Iterable<WaitingCall>): Verdict {
    const { tid } = call;
    const status = statusOf(tid);
    const open = ~heldBack(status);
    if ((setOf(status, 'SigPnd') & open) !== 0n) return TOLD;
    const pid = Number(statusField(status, 'Tgid'));
    const shared = setOf(status, 'ShdPnd');
    if (statusField(status, 'Threads') === '1') return (shared & open) === 0n ? 'waits' : TOLD;
    // A stop of the process is complete only when every thread takes part.
    if (pid !== tid && statusField(statusOf(pid), 'State') === 'T') return TOLD;
    const { pending } = this.#note(pid, shared);
    let verdict: Verdict = 'waits';
    for (const [signal, entry] of pending) {
      if (!isOf(open, signal)) continue;
      const found = this.#whose(call, pid, signal, entry, calls);
      // It may have been taken while we looked.
      if (typeof found === 'number') return isOf(setOf(statusOf(tid), 'ShdPnd'), signal) ? found : 'waits';
      if (found === 'doubtful') verdict = found;
    }
    return verdict;
  }
  #note(pid: number, shared: bigint): Process {
    const now = this.#clock.now();
    let process = this.#processes.get(pid);
    if (process === undefined) {
      if (this.#processes.size >= MAX_PROCESSES) this.#processes.clear();
      process = { lookedAt: Number.NEGATIVE_INFINITY, pending: new Map() };
      this.#processes.set(pid, process);
    }
    const { pending, lookedAt } = process;
    for (const signal of pending.keys()) if (!isOf(shared, signal)) pending.delete(signal);
    for (let signal = 1, rest = shared; rest !== 0n; signal++, rest >>= 1n) {
      if ((rest & 1n) === 0n) continue;
      const entry = pending.get(signal);
      if (entry === undefined) pending.set(signal, { first: now, since: now, absentAt: lookedAt, switches: new Map() });
      else if (now - entry.since > STALE) entry.since = now;
    }
    process.lookedAt = now;
    return process;
  }
  #whose(call: WaitingCall, pid: number, signal: number, entry: Pending, calls: Iterable<WaitingCall>): Verdict {
    const now = this.#clock.now();
    if (call.tid === pid && !FOR_ANY_THREAD.has(signal) && !isOfTimer(pid, signal)) return TOLD;
    if (call.startedAt > entry.since + UNREAD) return 'waits';
    if (now - entry.since < SETTLES) return 'doubtful';
    const waiting = new Map<number, WaitingCall>();
    for (const other of calls) waiting.set(other.tid, other);
    const threads = namesIn(`/proc/${pid}/task`).map(Number);
    let rivals = 0;
    let unclear = threads.length > MAX_THREADS ? 1 : 0;
    for (const tid of threads.slice(0, MAX_THREADS)) {
      const standing = tid === call.tid ? 'out' : this.#standing(call, tid, waiting.get(tid), pid, signal, entry);
      // The first comes before all others.
      if (standing === 'rival' && tid === pid) return 'doubtful';
      if (standing === 'rival') rivals++;
      if (standing === 'unclear') unclear++;
    }
    return verdictOf(rivals, unclear, now - entry.since > UNCLEAR || now - entry.first > STALE);
  }
  /** Whether thread `tid`, whose call `other` waits if it has one, may have been told instead. */
  #standing(
    call: WaitingCall,
    tid: number,
    other: WaitingCall | undefined,
    pid: number,
    signal: number,
    entry: Pending,
  ): 'out' | 'rival' | 'unclear' {
    const { since, absentAt } = entry;
    const status = statusOf(tid);
    if (isOf(heldBack(status), signal)) return 'out';
    if (other === undefined) return this.#hasRun(tid, status, entry) ? 'unclear' : 'out';
    // It waited already when the signal came, so it did not run.
    const waited = call.tid === pid && other.startedAt < absentAt;
    return waited || other.startedAt > since + UNREAD ? 'out' : 'rival';
  }
  /** Whether a thread whose call is not ours runs, or has since the last look. */
  #hasRun(tid: number, status: string, entry: Pending): boolean {
    const state = statusField(status, 'State', 'X');
    if (state === 'X' || state === 'Z') return false;
    const switches = `${statusField(status, 'voluntary_ctxt_switches')} ${statusField(status, 'nonvoluntary_ctxt_switches')}`;
    const before = entry.switches.get(tid);
    entry.switches.set(tid, switches);
    if (before !== undefined && before !== switches) entry.since = this.#clock.now();
    return before !== switches || state === 'R' || state === 'D';
  }
}
