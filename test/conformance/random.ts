/**
 * Bodies made at random: sequences of calls on a few sockets, all of them non-blocking, over loopback. What two drivers make of the same sequence must
 * be the same transcript, whatever it is.
 */
import * as fc from 'fast-check';
import type { Body, System } from './body.ts';
import { type Kit, kit } from './kit.ts';
import * as c from './linux.ts';

interface Made {
  readonly fd: number;
  readonly six: boolean;
}
/** What an operation works on. */
interface Place extends Made {
  readonly a: Kit;
  readonly sys: System;
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
const PORT_COUNT = 3;
const FLAGS = [0, 0, c.MSG_PEEK, c.MSG_TRUNC, c.MSG_WAITALL];
const OPTIONS = [c.SO_REUSEADDR, c.SO_KEEPALIVE];
const loopback = (six: boolean): string => (six ? '::1' : '127.0.0.1');
const wildcard = (six: boolean): string => (six ? '::' : '0.0.0.0');
const host = (six: boolean, x: number): string => (x < PORT_COUNT ? loopback(six) : wildcard(six));
const port = (x: number): number => FIRST_PORT + (x % PORT_COUNT);
const family = (six: boolean): number => (six ? c.AF_INET6 : c.AF_INET);

const OPERATIONS = {
  tcp: { weight: 2, limit: 2, run: ({ a, add }, x) => add(a.tcp(c.SOCK_NONBLOCK, family(x === 1)), x === 1) },
  udp: { weight: 1, limit: 2, run: ({ a, add }, x) => add(a.udp(c.SOCK_NONBLOCK, family(x === 1)), x === 1) },
  bind: { weight: 4, limit: 2 * PORT_COUNT, run: ({ a, fd, six }, x) => a.bind(fd, host(six, x), port(x)) },
  connect: { weight: 5, limit: 2 * PORT_COUNT, run: ({ a, fd, six }, x) => a.connect(fd, host(six, x), port(x)) },
  listen: { weight: 3, limit: 4, run: ({ a, fd }, x) => a.listen(fd, x) },
  accept: {
    weight: 3,
    limit: 1,
    run: ({ a, fd, six, add }) => add(a.task.call('accept4', fd, 0, 0, c.SOCK_NONBLOCK), six),
  },
  pair: {
    weight: 3,
    limit: 2,
    run: ({ a, add }, x) => {
      const { client, server } = a.pair(loopback(x === 1));
      for (const fd of [client, server]) {
        a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
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
    run: ({ a, fd, six }, x) => a.sendTo(fd, 'y'.repeat(x % 40), loopback(six), port(x)),
  },
  recv: {
    weight: 5,
    limit: 50 * FLAGS.length,
    run: ({ a, sys, fd }, x) =>
      a.task.call('recvfrom', fd, sys.alloc(50, 'in'), x % 50, FLAGS[x % FLAGS.length] as number, 0, 0),
  },
  poll: { weight: 4, limit: 1, run: ({ a, fd }) => a.poll(fd) },
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
    run: ({ a, fd }, x) => a.setInt(fd, c.SOL_SOCKET, OPTIONS[x % OPTIONS.length] as number, x >> 1),
  },
} satisfies Record<string, Operation>;
type OperationName = keyof typeof OPERATIONS;

/** `at` names one of the descriptors made so far, modulo their count, so that any sequence makes sense. */
export type Step = readonly [operation: OperationName, at: number, x: number];

const MOST_DESCRIPTORS = 8;
const step: fc.Arbitrary<Step> = fc.oneof(
  ...Object.entries(OPERATIONS).map(([name, { weight, limit }]) => ({
    weight,
    arbitrary: fc.tuple(
      fc.constant(name as OperationName),
      fc.nat({ max: MOST_DESCRIPTORS - 1 }),
      fc.nat({ max: limit - 1 }),
    ),
  })),
);
export const steps: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 3, maxLength: 40 });

/** The sequence as a body. */
export const randomBody = (sequence: readonly Step[]): Body => ({
  name: 'a random sequence',
  group: 'random',
  run: (sys) => {
    const a = kit(sys);
    const made: Made[] = [{ fd: a.tcp(c.SOCK_NONBLOCK), six: false }];
    const add = (fd: number, six: boolean): void => {
      if (fd >= 0 && made.length < MOST_DESCRIPTORS) made.push({ fd, six });
    };
    for (const [name, at, x] of sequence) {
      const operation: Operation = OPERATIONS[name];
      operation.run({ a, sys, add, ...(made[at % made.length] as Made) }, x);
    }
  },
});
