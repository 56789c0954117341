/**
 * The emulator as a driver: dispatcher, socket layer and stack in this process, on virtual time. Each body gets a new stack with only a loopback interface.
 *
 * After each call the loop turns until nothing moves; time stands still meanwhile. It passes only when a body waits (`finish`, `sleep`), and then from
 * alarm to alarm.
 */
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.ts';
import { SIGUSR1, SIGUSR2 } from '../../abi/signal.ts';
import { after, type Instant, instant, millis, TimerHeap } from '../../lib/clock.ts';
import { SeededRandom } from '../../lib/random.ts';
import { PacketPool } from '../../netstack/packet.ts';
import { Stack } from '../../netstack/stack.ts';
import { TcpLayer } from '../../netstack/tcp/tcp-layer.ts';
import { EmulatedFdTable } from '../../socket/emulated-fd-table.ts';
import { SocketFactory } from '../../socket/factory.ts';
import { OpenFile } from '../../socket/file.ts';
import { ArenaMemory, Protection } from '../../syscalls/arena-memory.ts';
import { type EmulatedTask, Emulator, ROOT } from '../../syscalls/emulator.ts';
import type { Arg } from '../body.ts';
import { type Driver, type DriverTask, FILE_SIGNALS } from '../driver.ts';
import {
  DATA_BASE,
  DATA_OCTETS,
  EDGE_BASE,
  EDGE_COUNT,
  EDGE_STRIDE,
  EDGE_USABLE,
  FIXED_BASE,
  FIXED_OCTETS,
} from '../layout.ts';
import type { SyscallName } from '../linux.ts';

/** What descriptors 0 to 2 are: /dev/null, which is always ready and not for epoll. */
class Placeholder extends OpenFile {
  poll(): number {
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  }
  override get canPoll(): boolean {
    return false;
  }
  protected released(): void {
    // Nothing stands behind it.
  }
}

const FIRST_PID = 100;
const SEED = 20_261_120;
/** 2026-01-01: virtual time needs a date for SO_TIMESTAMP. */
const EPOCH_US = 1_767_225_600_000_000;
/** Virtual time after which a call that has not returned never will. */
const PATIENCE = millis(3_600_000);
/** Turns of the loop at one instant; more means that it never comes to rest. */
const TURNS = 100_000;

/** A handler threw, the loop did not come to rest, or buffers were lost: a bug of ours, whatever the transcript says. */
export class EmulatorFault extends Error {
  override readonly name = 'EmulatorFault';
}

class Adapter implements DriverTask {
  readonly task: EmulatedTask;
  readonly #emulator: Emulator;

  constructor(emulator: Emulator, task: EmulatedTask) {
    this.#emulator = emulator;
    this.task = task;
  }
  begin(call: SyscallName, args: readonly Arg[]): void {
    this.#emulator.begin(this.task, call, ...args);
  }
  get idle(): boolean {
    return this.task.idle;
  }
  get result(): number {
    return this.task.result ?? 0;
  }
}

interface World {
  readonly clock: TimerHeap;
  readonly stack: Stack;
  readonly emulator: Emulator;
  /** Of the first process. */
  readonly files: EmulatedFdTable;
  readonly tasks: Adapter[];
  /** Tasks that a file has sent a signal to, with it: the handler runs once the event that caused it is over. */
  readonly signalled: [EmulatedTask, number][];
}

export class EmulatorDriver implements Driver {
  readonly name = 'sandsock';
  readonly memory = new Uint8Array(DATA_OCTETS);
  readonly #arena = new ArenaMemory();
  readonly #pool = new PacketPool();
  readonly #buffers = this.#pool.available;
  #world: World | undefined = undefined;

  constructor() {
    this.#arena.map(DATA_BASE, this.memory);
    for (let i = 0; i < EDGE_COUNT; i++) {
      const hole = EDGE_BASE + i * EDGE_STRIDE + EDGE_USABLE;
      this.#arena.protect(hole, EDGE_STRIDE - EDGE_USABLE, Protection.None);
    }
    this.#arena.protect(FIXED_BASE, FIXED_OCTETS, Protection.Read);
  }

  reset(): void {
    this.end();
    // Not 0: an instant before the first is asked for by what lasts a while already.
    const clock = new TimerHeap(instant(1e9));
    const random = new SeededRandom(SEED);
    const stack = new Stack({ clock, random, pool: this.#pool, tcp: (env) => new TcpLayer(env) });
    const sockets = new SocketFactory(stack, (at) => EPOCH_US + at);
    const files = new EmulatedFdTable();
    for (let fd = 0; fd < 3; fd++) files.install(new Placeholder(0), false);
    const emulator = new Emulator({ clock, sockets });
    const signalled: World['signalled'] = [];
    emulator.onSignal = (task, signal) => signalled.push([task, signal]);
    this.#world = { clock, stack, emulator, files, tasks: [], signalled };
  }
  get #running(): World {
    if (this.#world === undefined) throw new Error('reset comes first');
    return this.#world;
  }

  thread(): DriverTask {
    const { tasks, files } = this.#running;
    return this.#add(tasks.length === 0 ? files : files.share(), FIRST_PID);
  }
  process(): DriverTask {
    return this.#add(this.#running.files.fork(), FIRST_PID + this.#running.tasks.length);
  }
  #add(files: EmulatedFdTable, pid: number): Adapter {
    const { emulator, tasks } = this.#running;
    // The agent on the host is who runs the suite.
    const credentials = { ...ROOT, pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    const task = new Adapter(emulator, emulator.task({ memory: this.#arena, files, credentials }));
    tasks.push(task);
    return task;
  }

  settle(): void {
    const { clock, stack, emulator, signalled } = this.#running;
    for (let turn = 0; turn < TURNS; turn++) {
      stack.step(clock.now());
      emulator.dispatcher.run();
      for (const [task, signal] of signalled.splice(0)) if (!task.idle) emulator.interrupt(task, true, signal);
      const isDue = (clock.next() ?? Infinity) <= clock.now();
      if (!isDue && !emulator.dispatcher.hasWork && stack.loopback.queued === 0) return;
    }
    throw new EmulatorFault('the emulator does not come to rest');
  }
  /** Goes to the next alarm, if there is one by `end`. */
  #nextAlarm(end: Instant): boolean {
    const { clock, stack } = this.#running;
    const next = clock.next();
    if (next === undefined || next > end) return false;
    stack.step(next);
    this.settle();
    return true;
  }
  waitFor(task: DriverTask): boolean {
    const { clock } = this.#running;
    const end = after(clock.now(), PATIENCE);
    this.settle();
    while (!task.idle) if (!this.#nextAlarm(end)) return false;
    return true;
  }
  sleep(ms: number): void {
    const { clock, stack } = this.#running;
    const end = after(clock.now(), millis(ms));
    this.settle();
    while (this.#nextAlarm(end));
    stack.step(end);
    this.settle();
  }
  now(): number {
    return (this.#world?.clock.now() ?? 0) / 1000;
  }
  interrupt(task: DriverTask, restart: boolean): void {
    this.#running.emulator.interrupt((task as Adapter).task, restart, restart ? SIGUSR2 : SIGUSR1);
  }
  fileSignals(): readonly number[] {
    const { tasks } = this.#running;
    return FILE_SIGNALS.map((signal) => tasks.reduce((sum, { task }) => sum + (task.received.get(signal) ?? 0), 0));
  }
  sigpipes(): number {
    return this.#running.tasks.reduce((sum, { task }) => sum + task.sigpipes, 0);
  }

  end(): void {
    const world = this.#world;
    if (world === undefined) return;
    for (const { task } of world.tasks) world.emulator.exit(task);
    this.settle();
    this.#world = undefined;
    const crash = world.emulator.crashes[0];
    if (crash !== undefined) throw new EmulatorFault(`${crash.call} threw`, { cause: crash.error });
    if (this.#lostBuffers > 0) throw new EmulatorFault(`${this.#lostBuffers} packet buffers were not given back`);
  }
  close(): void {
    this.end();
  }
  get #lostBuffers(): number {
    const { large, small } = this.#pool.available;
    return this.#buffers.large - large + this.#buffers.small - small;
  }
}
