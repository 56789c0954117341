/** Lists every call on a socket of the guest, in the manner of `strace -f`: the thread, the call with its arguments decoded, the result. */
import type { GuestTask } from '../runner/guest-task.ts';
import type { Observer } from '../syscalls/dispatch.ts';
import { StraceFormatter } from '../syscalls/strace.ts';
import type { Sink } from './sink.ts';

export class StraceWriter implements Observer<GuestTask> {
  readonly #sink: Sink;
  readonly #formatter = new StraceFormatter(process.arch === 'arm64' ? 'arm64' : 'x86_64');
  /** The call about to be answered: its arguments can be read only before the guest goes on. */
  #text = '';

  constructor(sink: Sink) {
    this.#sink = sink;
  }
  answering(task: GuestTask, result: number): void {
    this.#text = `[${task.tid}] ${this.#formatter.call(task, result)}`;
  }
  answered(task: GuestTask, result: number, taken: boolean): void {
    const outcome = taken
      ? this.#formatter.result(task.newFile === undefined ? result : task.newFd)
      : '= ? (interrupted before the guest had the result)';
    this.#sink.line(`${this.#text} ${outcome}`);
  }
}
