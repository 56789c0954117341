/**
 * A body as text: what a sequence of calls made at random comes down to, call by call, with every argument and every octet of memory as it was. It needs nothing of what made it, so that it
 * stays the same body when the generator changes.
 *
 *   room NAME OCTETS [SHOW] [=HEX]   memory, how its changes are shown, and what stands in it first; `edge`: the next octet faults; `fixed NAME =HEX`: read-only
 *   put NAME[+OFFSET] HEX            writes memory; an address stands for itself
 *   TASK CALL ARGUMENT...            a number, @NAME[+OFFSET] for an address, 0x..n for 64 bits
 *   thread TASK                      a thread of the first process; one that is not made so is made by its first call
 *   fork TASK                        a process, made of the first one
 *   signal TASK [restart]            a handler runs, with SA_RESTART or without
 *   finish TASK                      time passes until its call has returned
 *   sleep MS                         time passes
 */
import type { Arg, Body, Codec, Show, System, Task } from '../../src/conformance/body.ts';
import { DATA_BASE, DATA_END } from '../../src/conformance/layout.ts';
import type { SyscallName } from '../../src/conformance/linux.ts';
import { SHOWS } from './shows.ts';

export interface Script {
  /** Says the behaviour. */
  readonly name: string;
  readonly steps: readonly string[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const NAMES = new Map(Object.entries(SHOWS).map(([name, show]) => [show, name]));

interface Room {
  readonly label: string;
  readonly at: number;
  readonly octets: number;
}

/** A system that writes down what is asked of the one behind it. */
export class Recorder implements System {
  readonly steps: string[] = [];
  readonly #sys: System;
  readonly #rooms: Room[] = [];
  readonly #tasks = new Map<string, Task>();

  constructor(sys: System) {
    this.#sys = sys;
  }
  task(name: string): Task {
    const known = this.#tasks.get(name);
    if (known !== undefined) return known;
    this.steps.push(`thread ${name}`);
    return this.#add(name, this.#sys.task(name));
  }
  process(name: string): Task {
    this.steps.push(`fork ${name}`);
    return this.#add(name, this.#sys.process(name));
  }
  #add(name: string, task: Task): Task {
    const write = (call: string, args: readonly Arg[]) =>
      this.steps.push([name, call, ...args.map((arg) => this.#text(arg))].join(' '));
    const recorded: Task = {
      name,
      call: (call, ...args) => {
        write(call, args);
        return task.call(call, ...args);
      },
      start: (call, ...args) => {
        write(call, args);
        task.start(call, ...args);
      },
      finish: () => {
        this.steps.push(`finish ${name}`);
        return task.finish();
      },
      result: () => task.result(),
      get blocked() {
        return task.blocked;
      },
    };
    this.#tasks.set(name, recorded);
    return recorded;
  }
  #text(arg: Arg): string {
    if (typeof arg === 'bigint') return `0x${BigInt.asUintN(64, arg).toString(16)}n`;
    return arg >= DATA_BASE && arg < DATA_END ? this.#place(arg) : String(arg);
  }
  #place(addr: number): string {
    const room = this.#rooms.find(({ at, octets }) => addr >= at && addr < at + Math.max(1, octets));
    if (room === undefined) return String(addr);
    return `@${room.label}${addr === room.at ? '' : `+${addr - room.at}`}`;
  }
  #room(what: 'room' | 'edge', at: number, octets: number, name: string, show: Show | undefined): number {
    const count = this.#rooms.filter(({ label }) => label.replace(/~\d+$/, '') === name).length;
    const label = count === 0 ? name : `${name}~${count + 1}`;
    this.#rooms.push({ label, at, octets });
    const shown = show === undefined ? '' : ` ${NAMES.get(show) ?? 'octets'}`;
    this.steps.push(`${what} ${label} ${octets}${shown}`);
    return at;
  }
  alloc(octets: number, name: string, show?: Show): number {
    return this.#room('room', this.#sys.alloc(octets, name, show), octets, name, show);
  }
  edge(octets: number, name: string, show?: Show): number {
    return this.#room('edge', this.#sys.edge(octets, name, show), octets, name, show);
  }
  fixed(content: Uint8Array, name: string): number {
    const at = this.#sys.fixed(content, name);
    this.#rooms.push({ label: name, at, octets: content.length });
    this.steps.push(`fixed ${name} =${hex(content)}`);
    return at;
  }
  write(addr: number, content: Uint8Array | string): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    this.#sys.write(addr, bytes);
    if (bytes.length === 0) return;
    const last = this.#rooms.at(-1);
    const isFirst = last?.at === addr && /^(?:room|edge)[^=]*$/.test(this.steps.at(-1) ?? '');
    if (isFirst) this.steps[this.steps.length - 1] += ` =${hex(bytes)}`;
    else this.steps.push(`put ${this.#place(addr).replace('@', '')} ${hex(bytes)}`);
  }
  read(addr: number, octets: number): Uint8Array {
    return this.#sys.read(addr, octets);
  }
  put<T>(struct: Codec<T>, addr: number, value: T): void {
    const bytes = this.read(addr, struct.size);
    struct.put(bytes, 0, value);
    this.write(addr, bytes);
  }
  get<T>(struct: Codec<T>, addr: number): T {
    return this.#sys.get(struct, addr);
  }
  quietly(): never {
    throw new Error('a script records every call');
  }
  record(): never {
    throw new Error('a script has calls alone');
  }
  interruptHeld(task: Task): void {
    this.steps.push(`signal ${task.name} held`);
    this.#sys.interruptHeld(this.#sys.task(task.name));
  }
  interrupt(task: Task, restart = false): void {
    this.steps.push(`signal ${task.name}${restart ? ' restart' : ''}`);
    this.#sys.interrupt(this.#sys.task(task.name), restart);
  }
  sleep(ms: number): void {
    this.steps.push(`sleep ${ms}`);
    this.#sys.sleep(ms);
  }
  now(): number {
    return this.#sys.now();
  }
}

/** Reads one script to a system. */
class Player {
  readonly #sys: System;
  readonly #rooms = new Map<string, number>();

  constructor(sys: System) {
    this.#sys = sys;
  }
  #addr(place: string): number {
    const [label = '', offset = '0'] = place.split('+');
    const at = /^\d+$/.test(label) ? Number(label) : this.#rooms.get(label);
    if (at === undefined) throw new Error(`a script names memory that it has not: ${place}`);
    return at + Number(offset);
  }
  #arg(text: string): Arg {
    if (text.startsWith('@')) return this.#addr(text.slice(1));
    return text.endsWith('n') ? BigInt(text.slice(0, -1)) : Number(text);
  }
  #room(what: string, label: string, rest: readonly string[]): void {
    const content = rest.find((word) => word.startsWith('='));
    const bytes = content === undefined ? undefined : Uint8Array.from(Buffer.from(content.slice(1), 'hex'));
    const name = label.replace(/~\d+$/, '');
    if (what === 'fixed') {
      this.#rooms.set(label, this.#sys.fixed(bytes ?? new Uint8Array(), name));
      return;
    }
    const octets = Number(rest[0]);
    const word = rest[1]?.startsWith('=') === false ? rest[1] : undefined;
    const show = word === undefined ? undefined : SHOWS[word];
    const at = what === 'edge' ? this.#sys.edge(octets, name, show) : this.#sys.alloc(octets, name, show);
    this.#rooms.set(label, at);
    if (bytes !== undefined) this.#sys.write(at, bytes);
  }
  step(text: string): void {
    const [first = '', second = '', ...rest] = text.split(' ');
    switch (first) {
      case 'room':
      case 'edge':
      case 'fixed':
        return this.#room(first, second, rest);
      case 'put':
        return this.#sys.write(this.#addr(second), Uint8Array.from(Buffer.from(rest[0] ?? '', 'hex')));
      case 'thread':
        return void this.#sys.task(second);
      case 'fork':
        return void this.#sys.process(second);
      case 'signal':
        if (rest[0] === 'held') return this.#sys.interruptHeld(this.#sys.task(second));
        return this.#sys.interrupt(this.#sys.task(second), rest[0] === 'restart');
      case 'finish':
        return void this.#sys.task(second).finish();
      case 'sleep':
        return this.#sys.sleep(Number(second));
      default:
        this.#sys.task(first).start(second as SyscallName, ...rest.map((arg) => this.#arg(arg)));
    }
  }
}

export const bodyOf = ({ name, steps }: Script): Body => ({
  name,
  group: 'found',
  ...(steps.some((step) => /^signal \S+$/.test(step)) ? { interrupts: true as const } : {}),
  run: (sys) => {
    const player = new Player(sys);
    for (const step of steps) player.step(step);
  },
});
