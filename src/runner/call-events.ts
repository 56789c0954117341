/** Every call on a socket of the guest as it is answered, in the words of strace(1). */
import type { Observer } from '../syscalls/dispatch.ts';
import { StraceFormatter } from '../syscalls/strace.ts';
import type { GuestTask } from './guest-task.ts';

export interface CallEvent {
  readonly pid: number;
  readonly tid: number;
  /** The call's name. */
  readonly name: string;
  /** The call with its arguments decoded, and what came of it. */
  readonly text: string;
  readonly outcome: string;
  /** A result, or a negative errno. Undefined where a signal came before the guest had it. */
  readonly result: number | undefined;
}

export class CallEvents implements Observer<GuestTask> {
  readonly #tell: (event: CallEvent) => void;
  readonly #formatter = new StraceFormatter(process.arch === 'arm64' ? 'arm64' : 'x86_64');
  /** Of the call about to be answered: its arguments can be read only before the guest goes on. */
  #text = '';

  constructor(tell: (event: CallEvent) => void) {
    this.#tell = tell;
  }
  answering(task: GuestTask, result: number): void {
    this.#text = this.#formatter.call(task, result);
  }
  answered(task: GuestTask, result: number, taken: boolean): void {
    const given = task.newFile === undefined ? result : task.newFd;
    this.#tell({
      pid: task.process.pid,
      tid: task.tid,
      name: task.call?.name ?? `call ${task.nr}`,
      text: this.#text,
      outcome: taken ? this.#formatter.result(given) : '= ? (interrupted before the guest had the result)',
      result: taken ? given : undefined,
    });
  }
}
