/** Sequences of calls made at random on TCP and UDP sockets of both families over loopback. */
import { Kit } from '../../src/conformance/kit.ts';
import * as c from '../../src/conformance/linux.ts';
import { common, type Family, type Operations, of } from './random-sequences.ts';

const FIRST_PORT = 7000;
/** Sequences that share a network find no port of an earlier one in TIME-WAIT. */
const PORT_SETS = 8000;
const PORT_COUNT = 3;
const OPTIONS = [c.SO_REUSEADDR, c.SO_KEEPALIVE];
const loopback = (six: boolean): string => (six ? '::1' : '127.0.0.1');
const wildcard = (six: boolean): string => (six ? '::' : '0.0.0.0');
const host = (six: boolean, x: number): string => (x < PORT_COUNT ? loopback(six) : wildcard(six));
const port = (own: number, x: number): number => FIRST_PORT + PORT_COUNT * (own % PORT_SETS) + (x % PORT_COUNT);
const family = (six: boolean): number => (six ? c.AF_INET6 : c.AF_INET);

const { dup, close, shutdown, send, recv, poll, pollWait, watch, ready, error, count } = common<boolean>();

/** Sockets are of two sorts: IPv4 and IPv6. The order counts: with it the sequences of a seed change. */
const OPERATIONS: Operations<Kit, boolean> = {
  tcp: { weight: 2, limit: 2, run: ({ a, add, flags }, x) => add(a.tcp(flags, family(x === 1)), x === 1) },
  udp: { weight: 1, limit: 2, run: ({ a, add, flags }, x) => add(a.udp(flags, family(x === 1)), x === 1) },
  bind: {
    weight: 4,
    limit: 2 * PORT_COUNT,
    run: ({ a, fd, sort: six, own }, x) => a.bind(fd, host(six, x), port(own, x)),
  },
  connect: {
    weight: 5,
    limit: 2 * PORT_COUNT,
    run: ({ a, fd, sort: six, own }, x) => a.connect(fd, host(six, x), port(own, x)),
  },
  listen: { weight: 3, limit: 4, run: ({ a, fd }, x) => a.listen(fd, x) },
  accept: {
    weight: 3,
    limit: 1,
    run: ({ a, fd, sort: six, add, flags }) => add(a.task.call('accept4', fd, 0, 0, flags), six),
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
  dup,
  close,
  shutdown,
  send,
  sendTo: {
    weight: 3,
    limit: 40 * PORT_COUNT,
    run: ({ a, fd, sort: six, own }, x) => a.sendTo(fd, 'y'.repeat(x % 40), loopback(six), port(own, x)),
  },
  recv,
  poll,
  pollWait,
  watch,
  ready,
  error,
  count,
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
};

export const inetFamily: Family<Kit, boolean> = {
  name: 'inet',
  operations: OPERATIONS,
  kit: (sys, task) => new Kit(sys, task),
  first: (a, flags) => ({ fd: a.tcp(flags), sort: false }),
};
