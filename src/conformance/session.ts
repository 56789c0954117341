/** One run of one body on one driver: keeps the transcript. */
import { errnoName } from '../abi/index.ts';
import type { Arg, Body, Codec, Names, Show, System, Task } from './body.ts';
import { type Driver, type DriverTask, FILE_SIGNAL_NAMES } from './driver.ts';
import {
  DATA_BASE,
  EDGE_BASE,
  EDGE_COUNT,
  EDGE_STRIDE,
  EDGE_USABLE,
  FILL,
  FIXED_BASE,
  FIXED_OCTETS,
  HEAP_OCTETS,
} from './layout.ts';
import type { SyscallName } from './linux.ts';
import { RunNames } from './normalise.ts';

/** Ends a body early; the transcript has said why. */
class BodyEnded extends Error {
  override readonly name = 'BodyEnded';
}

interface Allocation {
  readonly name: string;
  readonly at: number;
  readonly octets: number;
  readonly show: Show | undefined;
}

/** What sessions on one driver leave to the next, since clearing and taking all of the memory costs more than a short body. */
interface View {
  readonly known: Uint8Array;
  /** One for each block, and one behind them. */
  readonly changed: Uint8Array;
  /** Octets of the heap that were handed out. */
  heap: number;
}
const views = new WeakMap<Driver, View>();
/** Changes are looked for in pieces of so much. */
const BLOCK_BITS = 12;
const newView = (octets: number): View => ({
  known: new Uint8Array(octets),
  changed: new Uint8Array((octets >> BLOCK_BITS) + 1),
  heap: octets,
});
/** Behind what was handed out: a call may write more than it was given room for. */
const MARGIN = 0x4_0000;

const ALIGN = 16;
const SHOWN_OCTETS = 64;

class SessionTask implements Task {
  readonly name: string;
  readonly raw: DriverTask;
  /** Text of the call under way or returned but not yet recorded. */
  running: string | undefined = undefined;
  last = 0;
  readonly #session: Session;

  constructor(session: Session, name: string, raw: DriverTask) {
    this.#session = session;
    this.name = name;
    this.raw = raw;
  }
  call(call: SyscallName, ...args: Arg[]): number {
    return this.#session.call(this, call, args);
  }
  start(call: SyscallName, ...args: Arg[]): void {
    this.#session.start(this, call, args);
  }
  finish(): number {
    return this.#session.finish(this);
  }
  result(): number {
    return this.last;
  }
  get blocked(): boolean {
    return this.running !== undefined;
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** FNV-1a. */
function checksum(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const octet of bytes) sum = Math.imul(sum ^ octet, 0x01000193);
  return sum >>> 0;
}
/** Octets as text: whole when short, else length, checksum and head. */
export function showOctets(bytes: Uint8Array): string {
  if (bytes.length <= SHOWN_OCTETS) return hex(bytes);
  return `${hex(bytes.subarray(0, 16))}.. ${bytes.length} octets, sum ${checksum(bytes).toString(16)}`;
}

export class Session implements System {
  readonly transcript: string[] = [];
  readonly #driver: Driver;
  readonly #names: Names = new RunNames();
  readonly #tasks = new Map<string, SessionTask>();
  readonly #allocations: Allocation[] = [];
  /** How many have each name. */
  readonly #counts = new Map<string, number>();
  readonly #view: View;
  /** Memory as the transcript knows it. */
  readonly #known: Uint8Array;
  #heap = 0;
  #edges = 0;
  #fixed = 0;
  #sigpipes = 0;
  #told: readonly number[] = [];
  /** Where negative results go while calls are not recorded. */
  #errors: number[] | undefined = undefined;
  #began = 0;
  #interrupts = false;

  constructor(driver: Driver) {
    this.#driver = driver;
    this.#view = views.get(driver) ?? newView(driver.memory.length);
    views.set(driver, this.#view);
    this.#known = this.#view.known;
  }

  run(body: Body): string[] {
    this.#clear();
    this.#driver.reset(body);
    this.#began = this.#driver.now();
    this.#interrupts = body.interrupts === true;
    try {
      body.run(this);
      for (const task of this.#tasks.values()) {
        if (task.running !== undefined) this.#line(`at the end ${task.name} is still in ${task.running}`);
      }
    } catch (error) {
      if (!(error instanceof BodyEnded)) throw error;
    } finally {
      this.#driver.end();
    }
    return this.transcript;
  }

  #clear(): void {
    for (const bytes of [this.#driver.memory, this.#known]) {
      bytes.fill(0, 0, this.#view.heap + MARGIN);
      bytes.fill(0, EDGE_BASE - DATA_BASE);
    }
    this.#view.heap = 0;
  }

  task(name: string): Task {
    return this.#tasks.get(name) ?? this.#add(name, this.#driver.thread());
  }
  process(name: string): Task {
    return this.#add(name, this.#driver.process());
  }
  #add(name: string, raw: DriverTask): Task {
    const task = new SessionTask(this, name, raw);
    this.#tasks.set(name, task);
    return task;
  }

  alloc(octets: number, name: string, show?: Show): number {
    const at = this.#heap;
    this.#heap += Math.ceil((octets + ALIGN) / ALIGN) * ALIGN;
    this.#view.heap = this.#heap;
    if (this.#heap > HEAP_OCTETS) throw new RangeError('a body allocated more than the heap holds');
    return this.#allocated(name, at, octets, show);
  }
  edge(octets: number, name: string, show?: Show): number {
    if (octets > EDGE_USABLE || this.#edges === EDGE_COUNT) throw new RangeError('no such edge');
    const at = EDGE_BASE - DATA_BASE + this.#edges++ * EDGE_STRIDE + EDGE_USABLE - octets;
    return this.#allocated(name, at, octets, show);
  }
  fixed(content: Uint8Array, name: string): number {
    const at = FIXED_BASE - DATA_BASE + this.#fixed;
    this.#fixed += Math.ceil(content.length / ALIGN) * ALIGN;
    if (this.#fixed > FIXED_OCTETS) throw new RangeError('too much read-only memory');
    const addr = this.#allocated(name, at, content.length, undefined);
    this.write(addr, content);
    return addr;
  }
  #allocated(name: string, at: number, octets: number, show: Show | undefined): number {
    const count = this.#counts.get(name) ?? 0;
    this.#counts.set(name, count + 1);
    this.#allocations.push({ name: count === 0 ? name : `${name}~${count + 1}`, at, octets, show });
    this.#driver.memory.fill(FILL, at, at + octets);
    this.#known.fill(FILL, at, at + octets);
    return DATA_BASE + at;
  }
  write(addr: number, content: Uint8Array | string): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    this.#driver.memory.set(bytes, addr - DATA_BASE);
    this.#known.set(bytes, addr - DATA_BASE);
  }
  read(addr: number, octets: number): Uint8Array {
    return this.#driver.memory.slice(addr - DATA_BASE, addr - DATA_BASE + octets);
  }
  put<T>(codec: Codec<T>, addr: number, value: T): void {
    const bytes = this.read(addr, codec.size);
    codec.put(bytes, 0, value);
    this.write(addr, bytes);
  }
  get<T>(codec: Codec<T>, addr: number): T {
    return codec.get(this.read(addr, codec.size), 0);
  }

  quietly(steps: () => void): { readonly errors: readonly number[] } {
    const errors: number[] = [];
    const from = this.transcript.length;
    this.#errors = errors;
    steps();
    this.#errors = undefined;
    this.transcript.length = from;
    return { errors };
  }
  record(label: string, value: string | number | boolean): void {
    this.#line(`${label}: ${value}`);
  }
  interrupt(task: Task, restart = false): void {
    if (!restart && !this.#interrupts)
      throw new Error('a body that interrupts without SA_RESTART declares `interrupts`');
    this.#line(`signal for ${task.name}${restart ? ', SA_RESTART' : ''}`);
    this.#driver.interrupt((task as SessionTask).raw, restart, false);
    this.#settle('');
  }
  interruptHeld(task: Task): void {
    this.#line(`signal for ${task.name}, held back`);
    this.#driver.interrupt((task as SessionTask).raw, true, true);
    this.#settle('');
  }
  sleep(ms: number): void {
    this.#driver.sleep(ms);
    this.#settle('');
  }
  now(): number {
    return this.#driver.now() - this.#began;
  }

  /** @internal */
  call(task: SessionTask, call: SyscallName, args: readonly Arg[]): number {
    this.#begin(task, call, args);
    this.#settle('');
    if (task.running === undefined) return task.last;
    this.#line(`${task.running} blocks, which the body did not expect`);
    throw new BodyEnded();
  }
  /** @internal */
  start(task: SessionTask, call: SyscallName, args: readonly Arg[]): void {
    this.#begin(task, call, args);
    this.#settle('');
    if (task.running !== undefined) this.#line(`${task.running} blocks`);
  }
  /** @internal */
  finish(task: SessionTask): number {
    if (task.running === undefined) return task.last;
    const text = task.running;
    if (!this.#driver.waitFor(task.raw)) {
      this.#line(`${text} never returns`);
      throw new BodyEnded();
    }
    this.#settle(' after a while');
    return task.last;
  }

  #begin(task: SessionTask, call: SyscallName, args: readonly Arg[]): void {
    if (task.running !== undefined) throw new Error(`task ${task.name} is still in ${task.running}`);
    task.running = `${task.name}: ${call}(${args.map((arg) => this.#showArg(arg)).join(', ')})`;
    task.raw.begin(call, args);
  }
  /** Waits until nothing moves, then records who has returned and what changed in memory. */
  #settle(note: string): void {
    this.#driver.settle();
    for (const task of this.#tasks.values()) {
      if (task.running === undefined || !task.raw.idle) continue;
      task.last = task.raw.result;
      const errno = task.last < 0 ? ` ${errnoName(task.last)}` : '';
      this.#line(`${task.running} = ${task.last}${errno}${note}`);
      if (task.last < 0) this.#errors?.push(task.last);
      task.running = undefined;
    }
    const sigpipes = this.#driver.sigpipes();
    if (sigpipes !== this.#sigpipes) this.#line(`  SIGPIPE ${sigpipes - this.#sigpipes}`);
    this.#sigpipes = sigpipes;
    const told = this.#driver.fileSignals();
    // How often says nothing: while one is pending no other of its kind is.
    FILE_SIGNAL_NAMES.forEach((name, i) => {
      if ((told[i] ?? 0) > (this.#told[i] ?? 0)) this.#line(`  ${name}`);
    });
    this.#told = told;
    this.#changes();
  }
  #changes(): void {
    const memory = this.#driver.memory;
    const isHeapAlone = this.#edges + this.#fixed === 0;
    if (this.#isSame(0, this.#heap) && (isHeapAlone || this.#isSame(EDGE_BASE - DATA_BASE, memory.length))) return;
    const changed = this.#changedBlocks();
    for (const { name, at, octets, show } of this.#allocations) {
      let first = at;
      let end = at + octets;
      if (changed.indexOf(1, at >> BLOCK_BITS) > (end - 1) >> BLOCK_BITS || this.#isSame(first, end)) continue;
      while (memory[first] === this.#known[first]) first++;
      while (memory[end - 1] === this.#known[end - 1]) end--;
      const text =
        show === undefined
          ? `${name}[${first - at}..${end - at}] ${showOctets(memory.slice(first, end))}`
          : `${name} ${show(memory.slice(at, at + octets), this.#names)}`;
      if (text !== `${name} `) this.#line(`  ${text}`);
      this.#known.set(memory.subarray(at, at + octets), at);
    }
  }
  /** Which blocks of the memory are not as they are known; the last is always. */
  #changedBlocks(): Uint8Array {
    const count = this.#known.length >> BLOCK_BITS;
    const changed = this.#view.changed.fill(0);
    changed[count] = 1;
    const heapEnd = this.#heap >> BLOCK_BITS;
    for (let block = 0; block < count; block++) {
      if (block > heapEnd && block < (EDGE_BASE - DATA_BASE) >> BLOCK_BITS) continue;
      if (!this.#isSame(block << BLOCK_BITS, (block + 1) << BLOCK_BITS)) changed[block] = 1;
    }
    return changed;
  }
  #isSame(first: number, end: number): boolean {
    const { memory } = this.#driver;
    return Buffer.compare(memory.subarray(first, end), this.#known.subarray(first, end)) === 0;
  }
  #showArg(arg: Arg): string {
    if (typeof arg === 'bigint') return `0x${arg.toString(16)}`;
    const at = arg - DATA_BASE;
    // Most are of what was made last.
    const owner = at < 0 ? undefined : this.#allocations.findLast((one) => at >= one.at && at < one.at + one.octets);
    if (owner !== undefined) return at === owner.at ? owner.name : `${owner.name}+${at - owner.at}`;
    return Math.abs(arg) < 0x1_0000 ? String(arg) : `0x${arg.toString(16)}`;
  }
  #line(text: string): void {
    this.transcript.push(text);
  }
}
