/**
 * Random calls on a whole emulated system: dispatcher, sockets of every family, stack, pipes and epolls, by three threads and another process, some of whose calls wait, are interrupted, or have answers that are not taken. A batch
 * begins with sockets in most states; at its end all tasks go, an hour passes, and everything must be as if they had never been: no alarm, every packet buffer back.
 */
import { instant, micros, millis, TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { Stack } from '../../src/netstack/stack.ts';
import { TcpLayer } from '../../src/netstack/tcp/tcp-layer.ts';
import { EmulatedFdTable } from '../../src/socket/emulated-fd-table.ts';
import { EpollFile } from '../../src/socket/epoll.ts';
import { SocketFactory } from '../../src/socket/factory.ts';
import { Socket } from '../../src/socket/socket.ts';
import { ArenaMemory, PAGE, Protection } from '../../src/syscalls/arena-memory.ts';
import { type EmulatedTask, Emulator, ROOT } from '../../src/syscalls/emulator.ts';
import { StraceFormatter } from '../../src/syscalls/strace.ts';
import { type Architecture, systemCalls } from '../../src/syscalls/table.ts';
import { Arguments, DATA, DATA_OCTETS, READ_ONLY } from './fuzz-arguments.ts';

/** Numbers that are looked at; what the table lacks is ENOSYS. */
const MOST_NUMBERS = 600;
/** Turns of the loop at one instant; more means that it never comes to rest. */
const TURNS = 10_000;
const ALARMS = 1_000_000;
const AN_HOUR = millis(3_600_000);
/** So often in a hundred calls. */
const REFUSED = 2;
const TRACED = 5;
const MAX_ERRNO = 4095;
/** Made as often as others, they leave descriptors of nothing but pipes and epolls, or none. */
const SELDOM: ReadonlySet<string> = new Set(
  'close_range close dup dup2 dup3 pipe pipe2 epoll_create epoll_create1 memfd_create shutdown'.split(' '),
);

/** What must not be. */
export class Fault extends Error {
  override readonly name = 'Fault';
}

const pool = new PacketPool();
const whole = pool.available;
const memory = new Uint8Array(DATA_OCTETS + PAGE);
const arena = new ArenaMemory();
arena.map(DATA, memory);
arena.protect(DATA + DATA_OCTETS, PAGE, Protection.None);
arena.map(READ_ONLY, new Uint8Array(PAGE), Protection.Read);

class Batch {
  readonly #random: SeededRandom;
  readonly #arguments: Arguments;
  readonly #clock = new TimerHeap(instant(1e9));
  readonly #stack: Stack;
  readonly #emulator: Emulator;
  readonly #tasks: EmulatedTask[];
  readonly #table: ReturnType<typeof systemCalls>;
  readonly #numbers: readonly number[];

  constructor(seed: number, architecture: Architecture) {
    this.#random = new SeededRandom(seed);
    this.#arguments = new Arguments(this.#random, memory.subarray(0, DATA_OCTETS));
    this.#stack = new Stack({ clock: this.#clock, random: this.#random, pool, tcp: (world) => new TcpLayer(world) });
    const sockets = new SocketFactory(this.#stack, (at) => 1e15 + at);
    this.#emulator = new Emulator({ clock: this.#clock, sockets, architecture });
    this.#table = systemCalls({ architecture, sockets, descriptors: true });
    this.#numbers = [...this.#table.keys()];
    const files = new EmulatedFdTable();
    const task = (table: EmulatedFdTable, pid: number): EmulatedTask =>
      this.#emulator.task({ memory: arena, files: table, credentials: { ...ROOT, pid } });
    this.#tasks = [task(files, 1), task(files.share(), 1), task(files.share(), 1)];
    const strace = new StraceFormatter(architecture);
    this.#emulator.dispatcher.observer = {
      answering: (one, result) => {
        if (this.#below(100) < TRACED) strace.call(one, result);
      },
      answered: () => undefined,
    };
    this.#prepare();
    this.#tasks.push(task(files.fork(), 2));
  }
  #below(n: number): number {
    return this.#random.u32() % n;
  }

  /** Sockets that listen, are connected, bound, fresh; pairs, a pipe, an epoll with one of them. */
  #prepare(): void {
    const [task] = this.#tasks as [EmulatedTask];
    const call = (name: string, ...args: number[]): number => {
      this.#emulator.begin(task, name, ...args);
      this.#settle();
      return task.result ?? -1;
    };
    const words = new Uint32Array(memory.buffer, 0, 8);
    const inet = (port: number): number => {
      words.set([0x0000_0002 | ((port & 0xff) << 24) | ((port >> 8) << 16), 0x0100_007f, 0, 0]);
      return DATA;
    };
    for (const port of [1000, 1001]) {
      const listener = call('socket', 2, 1 | (port === 1000 ? 0 : 0o4000), 0);
      call('bind', listener, inet(port), 16);
      call('listen', listener, 4);
      const client = call('socket', 2, 1, 0);
      call('connect', client, inet(port), 16);
      if (port === 1000) call('accept4', listener, 0, 0, 0o4000);
    }
    const first = call('socket', 2, 2, 0);
    call('bind', first, inet(1002), 16);
    const second = call('socket', 10, 2, 0);
    call('connect', second, inet(1002), 16);
    call('socket', 10, 1, 0);
    call('socket', 16, 3, 0);
    call('socketpair', 1, 1, 0, DATA);
    call('socketpair', 1, 5, 0, DATA);
    call('pipe2', DATA, 0o4000);
    const epoll = call('epoll_create1', 0);
    words.set([5, 1, 2]);
    call('epoll_ctl', epoll, 1, 4, DATA);
  }

  run(calls: number): void {
    for (let i = 0; i < calls; i++) this.#step();
    this.#end();
  }
  #step(): void {
    const task = this.#idleTask();
    const nr = this.#below(16) === 0 ? this.#unknown() : (this.#numbers[this.#below(this.#numbers.length)] as number);
    const entry = this.#table.get(nr);
    if (SELDOM.has(entry?.name ?? '') && this.#below(8) !== 0) return;
    if (this.#below(16) === 0) this.#look(task);
    task.refuse = this.#below(100) < REFUSED;
    task.restarts = this.#below(2) === 0;
    task.result = undefined;
    this.#emulator.dispatcher.begin(
      task,
      nr,
      this.#arguments.fill(entry?.argList ?? [], entry?.name.startsWith('epoll_') === true),
    );
    this.#settle();
    if (task.idle) task.refuse = false;
    for (const one of this.#tasks) this.#judge(one, nr);
    if (this.#below(32) === 0) this.#pass(micros(this.#below(300_000)));
  }
  #look({ files }: EmulatedTask): void {
    this.#arguments.sockets = [...files].filter((fd) => files.get(fd) instanceof Socket);
    this.#arguments.epolls = [...files].filter((fd) => files.get(fd) instanceof EpollFile);
  }
  #unknown(): number {
    return this.#below(8) === 0 ? this.#random.u32() : this.#below(MOST_NUMBERS);
  }
  #idleTask(): EmulatedTask {
    for (;;) {
      const task = this.#tasks[this.#below(this.#tasks.length)] as EmulatedTask;
      if (task.idle) return task;
      if (this.#below(3) === 0) this.#wake(task);
      else if (this.#below(2) === 0) this.#pass(millis(1));
    }
  }
  #wake(task: EmulatedTask): void {
    this.#emulator.interrupt(task, this.#below(4) === 0);
    this.#settle();
  }
  #judge(task: EmulatedTask, nr: number): void {
    const { result } = task;
    if (!task.idle || result === undefined) return;
    if (!Number.isInteger(result) || result < -MAX_ERRNO) throw new Fault(`call ${nr} gave ${result}`);
    const [crash] = this.#emulator.crashes;
    if (crash !== undefined) throw new Fault(`${crash.call} threw`, { cause: crash.error });
  }
  #settle(): void {
    const { dispatcher } = this.#emulator;
    for (let turn = 0; turn < TURNS; turn++) {
      this.#stack.step(this.#clock.now());
      dispatcher.run();
      const isDue = (this.#clock.next() ?? Infinity) <= this.#clock.now();
      if (!isDue && !dispatcher.hasWork && this.#stack.loopback.queued === 0) return;
    }
    throw new Fault('the system does not come to rest');
  }
  #pass(time: ReturnType<typeof millis>): void {
    const end = this.#clock.in(time);
    for (let alarms = 0; ; alarms++) {
      const next = this.#clock.next();
      if (next === undefined || next > end) break;
      if (alarms > ALARMS) throw new Fault('alarms never end');
      this.#stack.step(next);
      this.#settle();
    }
    this.#stack.step(end);
    this.#settle();
  }
  #end(): void {
    for (const task of this.#tasks) {
      for (let signals = 0; !task.idle; signals++) {
        if (signals > 100) throw new Fault(`call ${task.nr} cannot be interrupted`);
        this.#emulator.interrupt(task, false);
        this.#settle();
      }
      for (const fd of task.files)
        if (task.files.get(fd) === undefined) throw new Fault(`descriptor ${fd} leads nowhere`);
      this.#emulator.exit(task);
    }
    this.#pass(AN_HOUR);
    const { large, small } = pool.available;
    if (large !== whole.large || small !== whole.small) {
      throw new Fault(
        `${whole.large - large} large and ${whole.small - small} small packet buffers were not given back`,
      );
    }
    const next = this.#clock.next();
    if (next !== undefined) throw new Fault(`an alarm is left, ${next - this.#clock.now()} us after all tasks`);
  }
}

/** One batch; the same seed makes the same calls. @throws Fault */
export function fuzz(seed: number, calls: number): void {
  memory.fill(0);
  new Batch(seed, seed % 4 === 0 ? 'arm64' : 'x86_64').run(calls);
}
