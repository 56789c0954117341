/**
 * Which of a process's signal handlers restart system calls (SA_RESTART, sigaction(2)). The kernel restarts every notified call that a signal interrupted, or ends it with EINTR
 * itself, and says neither. A call with a timeout must end with EINTR in any case: when such a call comes again, this tells whether the kernel brought it back or the program did. And a call may
 * be left half done only where it is sure to come again (docs/decisions/0011).
 */
import type { GuestMemory } from '../socket/guest-memory.ts';

const SIG_IGN = 1;
const SA_RESTART = 0x1000_0000;
const LAST_SIGNAL = 64;
/** Of the kernel's `struct sigaction`: sa_handler, sa_flags, both 8 octets on x86_64 and arm64. */
const ACTION_OCTETS = 16;
/** Processes remembered: of those beyond, the oldest is as one that was never seen. */
const MAX_PROCESSES = 4096;

/** What is asked of a guest's process: fields of /proc/PID/status. */
export interface SignalState {
  readonly pid: number;
  readonly parent: number;
  /** Signals with a handler that the thread does not block: bit n - 1 for signal n. */
  readonly interruptions: bigint;
}

/** Signal to whether its handler restarts calls. */
type Actions = Map<number, boolean>;

export class SignalActions {
  readonly #processes = new Map<number, Actions>();
  readonly #action = new Uint32Array(ACTION_OCTETS / 4);

  /** rt_sigaction(signal, action, ...): what it will set. True for a handler without SA_RESTART. */
  record(process: SignalState, memory: GuestMemory, signal: number, action: number): boolean {
    if (action === 0 || signal < 1 || signal > LAST_SIGNAL) return false;
    const bytes = new Uint8Array(this.#action.buffer);
    if (memory.read(action, bytes, 0, ACTION_OCTETS) < ACTION_OCTETS) return false;
    const [low = 0, high = 0, flags = 0] = this.#action;
    const actions = this.#actionsOf(process);
    if (high === 0 && low <= SIG_IGN) {
      actions.delete(signal);
      return false;
    }
    const restarts = (flags & SA_RESTART) !== 0;
    actions.set(signal, restarts);
    return !restarts;
  }
  /** Those of a process never seen before are its parent's: fork(2) is not trapped. */
  #actionsOf({ pid, parent }: SignalState): Actions {
    const known = this.#processes.get(pid);
    if (known !== undefined) return known;
    if (this.#processes.size >= MAX_PROCESSES) {
      const [oldest] = this.#processes.keys();
      if (oldest !== undefined) this.#processes.delete(oldest);
    }
    const actions: Actions = new Map(this.#processes.get(parent));
    this.#processes.set(pid, actions);
    return actions;
  }
  /** execve(2), or the process is gone. */
  forget(pid: number): void {
    this.#processes.delete(pid);
  }
  /** False only where every handler is known not to restart calls: then a call that comes again is a new one. */
  mayRestart(pid: number): boolean {
    const actions = this.#processes.get(pid);
    if (actions === undefined || actions.size === 0) return true;
    return [...actions.values()].includes(true);
  }
  /** True where the process has a handler for `signal` that is known to restart calls. */
  restarts(process: SignalState, signal: number): boolean {
    return this.#actionsOf(process).get(signal) === true;
  }
  /** True where every handler that may interrupt the thread now is known to restart its call. */
  allRestart(process: SignalState): boolean {
    const { interruptions } = process;
    if (interruptions === 0n) return true;
    const actions = this.#actionsOf(process);
    for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
      if (((interruptions >> BigInt(signal - 1)) & 1n) === 1n && actions.get(signal) !== true) return false;
    }
    return true;
  }
}
