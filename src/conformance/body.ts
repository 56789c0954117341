/**
 * What a conformance body is written against. A body is a script over named tasks; it runs unchanged on the host kernel and on the emulator, and what
 * happened is kept as a transcript: each call with its result, each octet of the body's memory that changed, each wake-up at the step that caused it.
 * The two transcripts must be equal, so a body asserts nothing by itself. It is written so that the transcript says what matters.
 *
 * Everything is synchronous: `call` returns when the call has returned, `start` when it has returned or is certain to be blocked.
 */
import type { Struct } from '../abi/struct.ts';
import type { SyscallName } from './linux.ts';

export type Arg = number | bigint;

/** Turns changed memory into text, `names` what differs from run to run; what has no text is not shown. */
export type Show = (bytes: Uint8Array, names: Names) => string;

/** Names for values that differ from run to run. Equal values get equal names within one transcript. */
export interface Names {
  /** A port from the ephemeral range becomes `port#1`, any other stays. */
  port(port: number): string;
  /** A process id becomes `pid#1`; 0 stays. */
  pid(pid: number): string;
}

export interface Task {
  readonly name: string;
  /** A call that is expected to return. If it blocks instead, the transcript says so and the body ends. */
  call(call: SyscallName, ...args: Arg[]): number;
  /** A call that is expected to block. Its result is recorded at the step that wakes it. */
  start(call: SyscallName, ...args: Arg[]): void;
  /** The result of what was started, letting time pass if it has not returned yet. */
  finish(): number;
  /** The last result, without recording anything. */
  result(): number;
  /** True while a started call sleeps in the kernel. */
  readonly blocked: boolean;
}

export interface System {
  /** A thread of the first process; made when first named. */
  task(name: string): Task;
  /** A new process, made as fork(2) makes one from the first process: its own copy of the descriptors. */
  process(name: string): Task;

  /** Memory filled with 0xee. Its changes are recorded under `name`. */
  alloc(octets: number, name: string, show?: Show): number;
  /** Memory whose end is the end of the mapping: the next octet faults. At most 12,288 octets. */
  edge(octets: number, name: string, show?: Show): number;
  /** Memory that can be read but not written. */
  fixed(content: Uint8Array, name: string): number;
  write(addr: number, content: Uint8Array | string): void;
  /** A copy. */
  read(addr: number, octets: number): Uint8Array;
  put<T>(struct: Codec<T>, addr: number, value: T): void;
  get<T>(struct: Codec<T>, addr: number): T;

  /** Runs `steps` without recording its calls, for what is the system's free choice (how many octets a buffer takes); the negative results are returned. */
  quietly(steps: () => void): { readonly errors: readonly number[] };
  /** Adds a line to the transcript. */
  record(label: string, value: string | number | boolean): void;
  /** A signal with a handler that does nothing, for a blocked task; with `restart` it is installed with SA_RESTART, else the body declares `interrupts`. */
  interrupt(task: Task, restart?: boolean): void;
  /** As `interrupt` with SA_RESTART, for a task whose call has a mask that holds the signal back until it ends. */
  interruptHeld(task: Task): void;
  /** Lets time pass: real on the host, virtual on the emulator. */
  sleep(ms: number): void;
  /** Milliseconds since the body began; never recorded as such. */
  now(): number;
}
/** A struct or field declaration of src/abi. */
export type Codec<T> = Pick<Struct<never>, 'size'> & {
  get(bytes: Uint8Array, at: number): T;
  put(bytes: Uint8Array, at: number, value: T): void;
};

export interface BodyOptions {
  /** Man-page family. */
  readonly group: string;
  /** Number of the row of `pitfalls.ts` that it covers. */
  readonly pitfall?: number;
  /** It interrupts without SA_RESTART, so such a handler is installed from the start; that changes what calls may do under `sandsock run` (docs/decisions/0011). */
  readonly interrupts?: true;
}
export interface Body extends BodyOptions {
  readonly name: string;
  readonly run: (sys: System) => void;
}

const registry: Body[] = [];
/** All bodies in the order of their definition. */
export const bodies: readonly Body[] = registry;

/** Defines a body. Names are unique. */
export function conformance(name: string, options: BodyOptions, run: (sys: System) => void): void {
  if (registry.some((body) => body.name === name)) throw new Error(`two conformance bodies are named ${name}`);
  registry.push({ name, ...options, run });
}
