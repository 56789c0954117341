/** Children of the benchmark: each has a limit for every answer, and none outlives its `end`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { descendants, killAll } from './cpu.ts';

const STDERR_KEPT = 2000;
const GRACE_MS = 3000;
const INTERRUPT_AGAIN_MS = 100;

/** Kills `pid` and all that descends from it, by their ids. */
export const killTree = (pid: number): void => killAll(descendants([pid]));

/** A program that runs until it is ended: a server, or one that answers a line with a line. */
export class Program {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;
  #stderr = '';
  #ended = false;

  constructor(argv: readonly string[]) {
    const [file = '', ...args] = argv;
    this.#name = argv.join(' ');
    this.#child = spawn(file, args, { stdio: 'pipe' });
    const { stdin, stdout, stderr } = this.#child;
    if (stdin === null || stdout === null || stderr === null) throw new Error(`${this.#name} has no standard streams`);
    stdin.on('error', () => undefined);
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#stderr += error.message;
        resolve(undefined);
      });
      this.#child.once('close', resolve);
    });
  }
  get pid(): number {
    return this.#child.pid ?? -1;
  }
  /** Closed, the program knows that it shall end. */
  send(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }
  /** The next line of its stdout. */
  async line(limitMs: number): Promise<string> {
    const next = await within(this.#lines.next(), limitMs, () => this.#fault(`said nothing for ${limitMs / 1000} s`));
    if (next.done === true) {
      await within(this.#exited, GRACE_MS, () => this.#fault('closed its stdout'));
      throw this.#fault('ended early');
    }
    return next.value;
  }
  /** Waits until it has ended by itself. */
  async exit(limitMs: number): Promise<void> {
    await within(this.#exited, limitMs, () => this.#fault(`did not end within ${limitMs / 1000} s`));
    if (this.#child.exitCode !== 0) throw this.#fault(`ended with ${this.#child.signalCode ?? this.#child.exitCode}`);
  }
  /** Asks it to end, and kills what is left of it and of its children. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    // Asked for now: children of one that has ended are nobody's.
    const tree = descendants([this.pid]);
    this.#child.stdin?.end();
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      await Promise.race([once(this.#child, 'exit'), delay(GRACE_MS, undefined, { ref: false })]);
    killAll(tree);
    const closed = this.#exited.then(() => true);
    // Something that left the tree may hold a pipe open for ever.
    if (!(await Promise.race([closed, delay(GRACE_MS, false, { ref: false })])))
      for (const stream of this.#child.stdio) stream?.destroy();
  }
  #fault(what: string): Error {
    const said = this.#stderr.trim();
    return new Error(`${this.#name} ${what}${said === '' ? '' : `: ${said}`}`);
  }
}

/** The value of `promise`; after the limit, the error that `fault` makes. */
async function within<T>(promise: Promise<T>, limitMs: number, fault: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(fault()), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export interface Limits {
  readonly limitMs: number;
  /** SIGINT after so long, and again until it is heeded: the program is to sum up. */
  readonly interruptMs?: number;
}
/** Runs a program to its end and returns what it wrote on stdout. */
export async function output(argv: readonly string[], { limitMs, interruptMs }: Limits): Promise<string> {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (errors += piece));
  let again: NodeJS.Timeout | undefined;
  const interrupt = (): void => {
    child.kill('SIGINT');
    again = setTimeout(interrupt, INTERRUPT_AGAIN_MS);
  };
  if (interruptMs !== undefined) again = setTimeout(interrupt, interruptMs);
  const limit = setTimeout(() => killTree(child.pid ?? -1), limitMs);
  try {
    await once(child, 'close');
  } finally {
    clearTimeout(again);
    clearTimeout(limit);
  }
  if (child.exitCode === 0) return text;
  throw new Error(`${argv.join(' ')} ended with ${child.signalCode ?? child.exitCode}: ${errors.trim()}`);
}

/** Tries until it succeeds; after the limit, with the last error. */
export async function eventually<T>(attempt: () => Promise<T>, limitMs: number): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
      await delay(20);
    }
  }
}
