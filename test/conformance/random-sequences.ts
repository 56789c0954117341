/**
 * Sequences of calls made at random, of whatever operations a family of sockets has. `alone` is one task on non-blocking sockets; `together` is three tasks on blocking ones, and
 * who is blocked is woken by what the others do, or by a signal.
 */
import * as fc from 'fast-check';
import type { Arg, Body, System, Task } from '../../src/conformance/body.ts';
import type { Kit } from '../../src/conformance/kit.ts';
import * as c from '../../src/conformance/linux.ts';

/** A descriptor that operations work on, and what sort of socket it is. */
export interface Made<S> {
  readonly fd: number;
  readonly sort: S;
}
/** What an operation works on. */
export interface Place<K, S> extends Made<S> {
  readonly a: K;
  readonly sys: System;
  /** SOCK_NONBLOCK or 0. */
  readonly flags: number;
  /** An epoll descriptor. */
  readonly ep: number;
  /** A number that few other sequences have: those that share a network name things by it. */
  readonly own: number;
  /** Adds a descriptor for later operations. */
  readonly add: (fd: number, sort: S) => void;
}
export interface Operation<K, S> {
  readonly weight: number;
  /** `x` is 0 .. limit - 1. */
  readonly limit: number;
  readonly run: (place: Place<K, S>, x: number) => void;
}
export type Operations<K, S> = Readonly<Record<string, Operation<K, S>>>;

export const of = <T>(list: readonly T[], x: number): T => list[x % list.length] as T;

export const RECEIVE_FLAGS = [0, 0, c.MSG_PEEK, c.MSG_TRUNC, c.MSG_WAITALL, c.MSG_DONTWAIT];
const EPOLL_OPS = [c.EPOLL_CTL_ADD, c.EPOLL_CTL_ADD, c.EPOLL_CTL_MOD, c.EPOLL_CTL_DEL];
const EPOLL_EVENTS = [
  c.EPOLLIN,
  c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP,
  c.EPOLLIN | c.EPOLLET,
  c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP | c.EPOLLET,
  c.EPOLLIN | c.EPOLLONESHOT,
  0,
];
const POLL_EVENTS = [c.POLLIN, c.POLLOUT, c.POLLRDHUP, 0];

/** What sockets of every family do. */
type Common =
  | 'dup'
  | 'close'
  | 'shutdown'
  | 'send'
  | 'recv'
  | 'poll'
  | 'pollWait'
  | 'watch'
  | 'ready'
  | 'error'
  | 'count';
export const common = <S>(): Readonly<Record<Common, Operation<Kit, S>>> => ({
  dup: { weight: 1, limit: 1, run: ({ a, fd, sort, add }) => add(a.task.call('dup', fd), sort) },
  close: { weight: 2, limit: 1, run: ({ a, fd }) => a.close(fd) },
  shutdown: { weight: 2, limit: 3, run: ({ a, fd }, x) => a.task.call('shutdown', fd, x) },
  send: { weight: 4, limit: 40, run: ({ a, fd }, x) => a.send(fd, 'x'.repeat(x)) },
  recv: {
    weight: 5,
    limit: 50 * RECEIVE_FLAGS.length,
    run: ({ a, sys, fd }, x) => a.task.call('recvfrom', fd, sys.alloc(50, 'in'), x % 50, of(RECEIVE_FLAGS, x), 0, 0),
  },
  poll: { weight: 4, limit: 1, run: ({ a, fd }) => a.poll(fd) },
  pollWait: {
    weight: 1,
    limit: POLL_EVENTS.length,
    run: ({ a, fd, flags }, x) => a.task.call('poll', a.pollfds([[fd, of(POLL_EVENTS, x)]]), 1, flags === 0 ? -1 : 0),
  },
  watch: {
    weight: 3,
    limit: EPOLL_OPS.length * EPOLL_EVENTS.length,
    run: ({ a, fd, ep }, x) =>
      a.epollCtl(ep, of(EPOLL_OPS, Math.floor(x / EPOLL_EVENTS.length)), fd, of(EPOLL_EVENTS, x)),
  },
  ready: {
    weight: 3,
    limit: 4,
    run: ({ a, ep, flags }, x) =>
      a.task.call('epoll_wait', ep, a.eventRoom(x + 1), x + 1, flags === 0 && x < 2 ? -1 : 0),
  },
  error: { weight: 1, limit: 1, run: ({ a, fd }) => a.error(fd) },
  count: { weight: 1, limit: 1, run: ({ a, fd }) => a.task.call('ioctl', fd, c.FIONREAD, a.int(-1, 'count')) },
});

/** `at` names one of the descriptors made so far and `who` a task, both modulo their count, so that any sequence makes sense. */
export type Step = readonly [operation: string, at: number, x: number, who: number];

const MOST_DESCRIPTORS = 8;
const TASKS = ['a', 'b', 'd'];

export const stepsOf = <K, S>(operations: Operations<K, S>): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      ...Object.entries(operations).map(([name, { weight, limit }]) => ({
        weight,
        arbitrary: fc.tuple(
          fc.constant(name),
          fc.nat({ max: MOST_DESCRIPTORS - 1 }),
          fc.nat({ max: limit - 1 }),
          fc.nat({ max: TASKS.length - 1 }),
        ),
      })),
    ),
    { minLength: 3, maxLength: 40 },
  );

/** What `call` returns when the task is blocked now; no call returns it. */
const BLOCKED = -1_000_000;
const isBlocked = (task: Task): boolean => task.blocked;
/** A task whose calls may block. */
class Starting implements Task {
  readonly #task: Task;
  constructor(task: Task) {
    this.#task = task;
  }
  get name(): string {
    return this.#task.name;
  }
  call(call: c.SyscallName, ...args: Arg[]): number {
    if (!this.blocked) this.#task.start(call, ...args);
    return isBlocked(this.#task) ? BLOCKED : this.#task.result();
  }
  start(call: c.SyscallName, ...args: Arg[]): void {
    this.#task.start(call, ...args);
  }
  finish(): number {
    return this.#task.finish();
  }
  result(): number {
    return this.#task.result();
  }
  get blocked(): boolean {
    return this.#task.blocked;
  }
}

/** A family of sockets: its operations, a kit for a task, and the first socket. */
export interface Family<K extends Kit, S> {
  readonly name: string;
  readonly operations: Operations<K, S>;
  readonly kit: (sys: System, task: Task) => K;
  readonly first: (a: K, flags: number) => Made<S>;
}

function run<K extends Kit, S>(
  { operations, first: begin }: Family<K, S>,
  sys: System,
  sequence: readonly Step[],
  own: number,
  flags: number,
  kits: readonly K[],
): void {
  const first = kits[0] as K;
  const ep = first.epoll();
  const made: Made<S>[] = [begin(first, flags)];
  const add = (fd: number, sort: S): void => {
    if (fd >= 0 && made.length < MOST_DESCRIPTORS) made.push({ fd, sort });
  };
  for (const [name, at, x, who] of sequence) {
    const order = kits.map((_, i) => of(kits, who + i));
    const a = order.find(({ task }) => !task.blocked);
    if (a !== undefined) operations[name]?.run({ a, sys, flags, ep, own, add, ...of(made, at) }, x);
    else sys.interrupt(sys.task((order[0] as K).task.name), x % 2 === 1);
  }
}

/** The sequence as one task's calls on non-blocking sockets. `place` is its number among those that share a network. */
export const alone =
  <K extends Kit, S>(family: Family<K, S>) =>
  (sequence: readonly Step[], place: number = 0): Body => ({
    name: `${family.name} alone ${JSON.stringify(sequence)}`,
    group: 'random',
    run: (sys) => run(family, sys, sequence, 2 * place, c.SOCK_NONBLOCK, [family.kit(sys, sys.task('a'))]),
  });
/** The sequence as the calls of three tasks on blocking sockets. */
export const together =
  <K extends Kit, S>(family: Family<K, S>) =>
  (sequence: readonly Step[], place: number = 0): Body => ({
    name: `${family.name} together ${JSON.stringify(sequence)}`,
    group: 'random',
    interrupts: true,
    run: (sys) =>
      run(
        family,
        sys,
        sequence,
        2 * place + 1,
        0,
        TASKS.map((name) => family.kit(sys, new Starting(sys.task(name)))),
      ),
  });
