/**
 * Which of a process's signal handlers restart system calls (SA_RESTART, sigaction(2)). The kernel restarts every notified call that a signal interrupted, but a call
 * with a timeout must end with EINTR then. When such a call comes again, this tells whether the kernel brought it back or the program did.
 */
import type { GuestMemory } from '../socket/guest-memory.ts';

const SIG_IGN = 1;
const SA_RESTART = 0x1000_0000;
const LAST_SIGNAL = 64;
/** Of the kernel's `struct sigaction`: sa_handler, sa_flags, both 8 octets on x86_64 and arm64. */
const ACTION_OCTETS = 16;

export class SignalActions {
  /** By process id: signal to whether its handler restarts calls. */
  readonly #processes = new Map<number, Map<number, boolean>>();
  readonly #action = new Uint32Array(ACTION_OCTETS / 4);

  /** rt_sigaction(signal, action, ...): what it will set. */
  record(pid: number, memory: GuestMemory, signal: number, action: number): void {
    if (action === 0 || signal < 1 || signal > LAST_SIGNAL) return;
    const bytes = new Uint8Array(this.#action.buffer);
    if (memory.read(action, bytes, 0, ACTION_OCTETS) < ACTION_OCTETS) return;
    const [low = 0, high = 0, flags = 0] = this.#action;
    let actions = this.#processes.get(pid);
    if (actions === undefined) this.#processes.set(pid, (actions = new Map()));
    if (high === 0 && low <= SIG_IGN) actions.delete(signal);
    else actions.set(signal, (flags & SA_RESTART) !== 0);
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
}
