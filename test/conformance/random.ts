/**
 * Bodies made at random: sequences of calls on a few sockets over loopback. What two drivers make of the same sequence must be the same transcript,
 * whatever it is. `alone` is one task on non-blocking sockets; `together` is three tasks on blocking ones, and who is blocked is woken by what the others
 * do, or by a signal.
 */
import * as fc from 'fast-check';
import type { Arg, Body, System, Task } from './body.ts';
import { Kit } from './kit.ts';
import * as c from './linux.ts';
import { checksum } from './session.ts';

interface Made {
  readonly fd: number;
  readonly six: boolean;
}
/** What an operation works on. */
interface Place extends Made {
  readonly a: Kit;
  readonly sys: System;
  /** SOCK_NONBLOCK or 0. */
  readonly flags: number;
  /** An epoll descriptor. */
  readonly ep: number;
  /** The sequence's port number `x`. */
  readonly port: (x: number) => number;
  /** Adds a descriptor for later operations. */
  readonly add: (fd: number, six: boolean) => void;
}
interface Operation {
  readonly weight: number;
  /** `x` is 0 .. limit - 1. */
  readonly limit: number;
  readonly run: (place: Place, x: number) => void;
}

const FIRST_PORT = 7000;
/** Sequences that share a network find no port of an earlier one in TIME-WAIT. */
const PORT_SETS = 8000;
const PORT_COUNT = 3;
const FLAGS = [0, 0, c.MSG_PEEK, c.MSG_TRUNC, c.MSG_WAITALL, c.MSG_DONTWAIT];
const OPTIONS = [c.SO_REUSEADDR, c.SO_KEEPALIVE];
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
const loopback = (six: boolean): string => (six ? '::1' : '127.0.0.1');
const wildcard = (six: boolean): string => (six ? '::' : '0.0.0.0');
const host = (six: boolean, x: number): string => (x < PORT_COUNT ? loopback(six) : wildcard(six));
const family = (six: boolean): number => (six ? c.AF_INET6 : c.AF_INET);
const of = (list: readonly number[], x: number): number => list[x % list.length] as number;

const OPERATIONS = {
  tcp: { weight: 2, limit: 2, run: ({ a, add, flags }, x) => add(a.tcp(flags, family(x === 1)), x === 1) },
  udp: { weight: 1, limit: 2, run: ({ a, add, flags }, x) => add(a.udp(flags, family(x === 1)), x === 1) },
  bind: { weight: 4, limit: 2 * PORT_COUNT, run: ({ a, fd, six, port }, x) => a.bind(fd, host(six, x), port(x)) },
  connect: { weight: 5, limit: 2 * PORT_COUNT, run: ({ a, fd, six, port }, x) => a.connect(fd, host(six, x), port(x)) },
  listen: { weight: 3, limit: 4, run: ({ a, fd }, x) => a.listen(fd, x) },
  accept: {
    weight: 3,
    limit: 1,
    run: ({ a, fd, six, add, flags }) => add(a.task.call('accept4', fd, 0, 0, flags), six),
  },
  pair: {
    weight: 3,
    limit: 2,
    run: ({ a, add, flags }, x) => {
      const { client, server } = a.pair(loopback(x === 1));
      for (const fd of [client, server]) {
        if (flags !== 0) a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
        add(fd, x === 1);
      }
    },
  },
  dup: { weight: 1, limit: 1, run: ({ a, fd, six, add }) => add(a.task.call('dup', fd), six) },
  close: { weight: 2, limit: 1, run: ({ a, fd }) => a.close(fd) },
  shutdown: { weight: 2, limit: 3, run: ({ a, fd }, x) => a.task.call('shutdown', fd, x) },
  send: { weight: 4, limit: 40, run: ({ a, fd }, x) => a.send(fd, 'x'.repeat(x)) },
  sendTo: {
    weight: 3,
    limit: 40 * PORT_COUNT,
    run: ({ a, fd, six, port }, x) => a.sendTo(fd, 'y'.repeat(x % 40), loopback(six), port(x)),
  },
  recv: {
    weight: 5,
    limit: 50 * FLAGS.length,
    run: ({ a, sys, fd }, x) => a.task.call('recvfrom', fd, sys.alloc(50, 'in'), x % 50, of(FLAGS, x), 0, 0),
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
  name: { weight: 1, limit: 1, run: ({ a, fd }) => a.port(fd) },
  peer: { weight: 1, limit: 1, run: ({ a, fd }) => a.peerName(fd) },
  reset: {
    weight: 1,
    limit: 1,
    run: ({ a, sys, fd }) => {
      const value = sys.alloc(8, 'linger');
      sys.put(c.linger, value, { onoff: 1, linger: 0 });
      a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_LINGER, value, 8);
    },
  },
  option: {
    weight: 1,
    limit: 2 * OPTIONS.length,
    run: ({ a, fd }, x) => a.setInt(fd, c.SOL_SOCKET, of(OPTIONS, x), x >> 1),
  },
} satisfies Record<string, Operation>;
type OperationName = keyof typeof OPERATIONS;

/** `at` names one of the descriptors made so far and `who` a task, both modulo their count, so that any sequence makes sense. */
export type Step = readonly [operation: OperationName, at: number, x: number, who: number];

const MOST_DESCRIPTORS = 8;
const TASKS = ['a', 'b', 'd'];
const step: fc.Arbitrary<Step> = fc.oneof(
  ...Object.entries(OPERATIONS).map(([name, { weight, limit }]) => ({
    weight,
    arbitrary: fc.tuple(
      fc.constant(name as OperationName),
      fc.nat({ max: MOST_DESCRIPTORS - 1 }),
      fc.nat({ max: limit - 1 }),
      fc.nat({ max: TASKS.length - 1 }),
    ),
  })),
);
export const steps: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 3, maxLength: 40 });

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

function run(sys: System, sequence: readonly Step[], flags: number, kits: readonly Kit[]): void {
  const first = kits[0] as Kit;
  const firstPort = FIRST_PORT + PORT_COUNT * (checksum(Buffer.from(JSON.stringify(sequence))) % PORT_SETS);
  const port = (x: number): number => firstPort + (x % PORT_COUNT);
  const ep = first.epoll();
  const made: Made[] = [{ fd: first.tcp(flags), six: false }];
  const add = (fd: number, six: boolean): void => {
    if (fd >= 0 && made.length < MOST_DESCRIPTORS) made.push({ fd, six });
  };
  for (const [name, at, x, who] of sequence) {
    const operation: Operation = OPERATIONS[name];
    const order = kits.map((_, i) => kits[(who + i) % kits.length] as Kit);
    const a = order.find(({ task }) => !task.blocked);
    if (a !== undefined) operation.run({ a, sys, flags, ep, port, add, ...(made[at % made.length] as Made) }, x);
    else sys.interrupt(sys.task((order[0] as Kit).task.name), x % 2 === 1);
  }
}

/** The sequence as one task's calls on non-blocking sockets. */
export const alone = (sequence: readonly Step[]): Body => ({
  name: `alone ${JSON.stringify(sequence)}`,
  group: 'random',
  run: (sys) => run(sys, sequence, c.SOCK_NONBLOCK, [new Kit(sys, sys.task('a'))]),
});
/** The sequence as the calls of three tasks on blocking sockets. */
export const together = (sequence: readonly Step[]): Body => ({
  name: `together ${JSON.stringify(sequence)}`,
  group: 'random',
  interrupts: true,
  run: (sys) =>
    run(
      sys,
      sequence,
      0,
      TASKS.map((name) => new Kit(sys, new Starting(sys.task(name)))),
    ),
});
