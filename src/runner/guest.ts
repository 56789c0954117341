/** A program in a sandbox as its starter sees it: streams, signals, an end. */
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { Errno, errnoName } from '../abi/errno.ts';
import { duplicate, O_CLOEXEC, pipePair } from '../host/file.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { RunError } from './errors.ts';
import type { GuestProgram } from './guest-program.ts';
import type { StdioEntry } from './launch.ts';
import { parseSignal, type SpawnConfig, type StdioChoice } from './sandbox-options.ts';

const SIGKILL = 9;

function newPipe(): readonly [readable: number, writable: number] {
  const ends = pipePair(O_CLOEXEC);
  if (ends[0] >= 0) return ends;
  throw new RunError('E_LAUNCH', 'no pipe can be made', 'raise the limit of descriptors (ulimit -n)');
}

/** Descriptors 0, 1 and 2 of a program, and our ends of those that are pipes. */
export class StandardStreams {
  /** For the program. */
  readonly entries: StdioEntry[] = [];
  /** Null where it is no pipe. */
  readonly ours: (Socket | null)[] = [];
  readonly #given: number[] = [];

  /** @throws RunError */
  constructor(stdio: SpawnConfig['stdio']) {
    const choices: readonly StdioChoice[] = typeof stdio === 'string' ? [stdio, stdio, stdio] : stdio;
    try {
      choices.forEach((choice, number) => this.#add(choice, number));
    } catch (error) {
      this.abandon();
      throw error;
    }
  }
  #add(choice: StdioChoice, number: number): void {
    if (choice !== 'pipe') {
      this.entries.push(
        typeof choice === 'number' ? this.#copyOf(choice, number) : choice === 'inherit' ? number : choice,
      );
      this.ours.push(null);
      return;
    }
    const [readable, writable] = newPipe();
    const isInput = number === 0;
    const theirs = isInput ? readable : writable;
    this.#given.push(theirs);
    this.entries.push(theirs);
    this.ours.push(new Socket({ fd: isInput ? writable : readable, readable: !isInput, writable: isInput }));
  }
  /** The program starts later, when the caller may have closed its own and opened something else by that number. */
  #copyOf(fd: number, number: number): number {
    const copy = duplicate(fd);
    if (copy === -Errno.EBADF) {
      throw new RunError('E_CONFIG', `stdio.${number} is ${fd}, which is no open descriptor`, 'see docs/api.md');
    }
    if (copy < 0) {
      const what = `descriptor ${fd} cannot be copied (${errnoName(-copy)})`;
      throw new RunError('E_LAUNCH', what, 'raise the limit of descriptors (ulimit -n)');
    }
    this.#given.push(copy);
    return copy;
  }
  /** The program has its own copies, or will not be. */
  release(): void {
    for (const fd of this.#given.splice(0)) close(fd);
  }
  abandon(): void {
    this.release();
    for (const stream of this.ours) stream?.destroy();
  }
}

/** Made by `Sandbox.spawn`. */
export class Guest {
  /** What it reads; null unless `stdio` has a pipe there. */
  readonly stdin: Writable | null;
  /** What it writes; null unless `stdio` has a pipe there. */
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** Exit status as docker run gives it: the program's own, or 128 + signal. Rejects with a RunError where the program could not be started. Octets may still be on their way in `stdout` and `stderr`, which end by themselves. */
  readonly exited: Promise<number>;
  readonly #program: GuestProgram;

  /** @internal */
  constructor(program: GuestProgram, streams: StandardStreams, signal: AbortSignal | undefined) {
    this.#program = program;
    const [stdin = null, stdout = null, stderr = null] = streams.ours;
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
    // A program need not read all that it is given.
    stdin?.on('error', () => undefined);
    void program.started.then(() => streams.release());
    const abort = (): void => program.kill(SIGKILL);
    signal?.addEventListener('abort', abort, { once: true });
    this.exited = program.exited.finally(() => {
      signal?.removeEventListener('abort', abort);
      // Nobody reads it any more.
      stdin?.destroy();
    });
    // For who does not wait for it.
    this.exited.catch(() => undefined);
  }
  /** Its process, as seen from outside of the sandbox; undefined before it has started. */
  get pid(): number | undefined {
    return this.#program.pid === 0 ? undefined : this.#program.pid;
  }
  /** Resolves when the program runs, or has ended before it could. */
  get started(): Promise<void> {
    return this.#program.started;
  }
  /** Sends a signal, by number or name, SIGTERM unless said; before the program runs, it waits for it. @throws RunError E_CONFIG */
  kill(signal: NodeJS.Signals | number = 'SIGTERM'): void {
    this.#program.kill(parseSignal(signal));
  }
}
