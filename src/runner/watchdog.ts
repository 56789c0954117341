/**
 * Notices that the thread which serves the guests has not come back to it: a bug of ours that never ends, or a caller of the library that computes for long. A thread of its own looks at a
 * counter that a timer of the serving thread moves, and says what that was in. It starts a second after the sandbox, so that short runs do without.
 */
import { Worker } from 'node:worker_threads';

/** Of the shared memory: the counter, and the call and thread that are served (0 for none). */
export const Cell = { Beat: 0, Call: 1, Thread: 2 } as const;
const CELLS = 3;

export interface Stall {
  /** How long nobody was served, when it was noticed. */
  readonly afterMs: number;
  /** Number of the call that was being served; undefined between calls, as when the caller itself is busy. */
  readonly nr: number | undefined;
  readonly tid: number | undefined;
}
export interface WatchSettings {
  readonly memory: SharedArrayBuffer;
  readonly afterMs: number;
  /** Say it on stderr at once: the serving thread may never come back. */
  readonly speaks: boolean;
  readonly names: ReadonlyMap<number, string>;
}

const START_MS = 1000;

export class Watchdog {
  /** For whoever serves: `Cell`. */
  readonly cells: Int32Array;
  stalls = 0;
  readonly #starter: NodeJS.Timeout;
  readonly #beat: NodeJS.Timeout;
  #worker: Worker | undefined = undefined;
  #isStopped = false;

  /** @param tell is called once the thread is back */
  constructor(settings: Omit<WatchSettings, 'memory'>, tell: (stall: Stall) => void) {
    const memory = new SharedArrayBuffer(CELLS * Int32Array.BYTES_PER_ELEMENT);
    this.cells = new Int32Array(memory);
    // Neither keeps the process.
    this.#beat = setInterval(() => Atomics.add(this.cells, Cell.Beat, 1), settings.afterMs / 4).unref();
    this.#starter = setTimeout(() => this.#start({ ...settings, memory }, tell), START_MS).unref();
  }
  #start(settings: WatchSettings, tell: (stall: Stall) => void): void {
    const worker = new Worker(new URL('./watchdog-worker.js', import.meta.url), { workerData: settings, execArgv: [] });
    this.#worker = worker;
    worker.unref();
    worker.on('message', (stall: Stall) => {
      this.stalls++;
      tell(stall);
    });
    // Without it nothing is watched, and all else goes on.
    worker.on('error', () => undefined);
  }
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#starter);
    clearInterval(this.#beat);
    await this.#worker?.terminate();
  }
}
