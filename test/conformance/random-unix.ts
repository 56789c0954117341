/** Sequences of calls made at random on AF_UNIX sockets. Descriptors that pass are those of a UDP socket: when Linux collects a cycle of sockets in flight is its own affair. */
import { TYPES, UnixKit } from '../../src/conformance/bodies/unix-kit.ts';
import * as c from '../../src/conformance/linux.ts';
import { common, type Family, type Operations, of } from './random-sequences.ts';

const NAMES = ['\0a', '\0b', 'c', 'd'];
const LARGE = 20_000;
const CONTROL_ROOMS = [0, 16, 20, 24, 28, 48, 64];
const RECEIVE_FLAGS = [0, 0, c.MSG_PEEK, c.MSG_TRUNC, c.MSG_WAITALL, c.MSG_CMSG_CLOEXEC];
const FLAGS = [c.SO_PASSCRED, c.SO_PASSRIGHTS];

/** Sockets are of the three types. */
const OPERATIONS: Operations<UnixKit, number> = {
  open: { weight: 3, limit: 3, run: ({ a, add, flags }, x) => add(a.open(of(TYPES, x), flags), of(TYPES, x)) },
  pair: {
    weight: 3,
    limit: 3,
    run: ({ a, add, flags }, x) => {
      for (const fd of a.two(of(TYPES, x), flags)) add(fd, of(TYPES, x));
    },
  },
  bind: { weight: 4, limit: NAMES.length + 1, run: ({ a, fd }, x) => a.bindTo(fd, NAMES[x] ?? '') },
  connect: { weight: 5, limit: NAMES.length, run: ({ a, fd }, x) => a.connectTo(fd, of(NAMES, x)) },
  dissolve: { weight: 1, limit: 1, run: ({ a, fd }) => a.connectTo(fd, '', c.AF_UNSPEC) },
  unlink: { weight: 1, limit: NAMES.length, run: ({ a }, x) => a.unlink(of(NAMES, x)) },
  listen: { weight: 3, limit: 3, run: ({ a, fd }, x) => a.listen(fd, x) },
  accept: {
    weight: 3,
    limit: 1,
    run: ({ a, fd, sort, add, flags }) => add(a.task.call('accept4', fd, 0, 0, flags), sort),
  },
  sendTo: {
    weight: 4,
    limit: 40 * NAMES.length,
    run: ({ a, fd }, x) => a.sendUn(fd, 'y'.repeat(x % 40), of(NAMES, x)),
  },
  sendLarge: {
    weight: 2,
    limit: LARGE,
    run: ({ a, fd }, x) => a.task.call('sendto', fd, a.octets('z'.repeat(x), 'large'), x, 0, 0, 0),
  },
  receiveLarge: {
    weight: 2,
    limit: LARGE,
    run: ({ a, fd, sys }, x) => a.task.call('recvfrom', fd, sys.alloc(x + 1, 'large'), x + 1, 0, 0, 0),
  },
  pass: {
    weight: 3,
    limit: 9,
    run: ({ a, fd }, x) => {
      const udp = a.udp();
      a.passFds(fd, 'passed'.slice(0, x), udp, ...(x % 2 === 0 ? [udp] : []));
      a.close(udp);
    },
  },
  get: {
    weight: 4,
    limit: CONTROL_ROOMS.length * RECEIVE_FLAGS.length * 20,
    run: ({ a, fd }, x) =>
      a.get(fd, (x % 20) + 1, of(CONTROL_ROOMS, x), of(RECEIVE_FLAGS, Math.floor(x / CONTROL_ROOMS.length))),
  },
  from: { weight: 2, limit: 20, run: ({ a, fd, flags }, x) => a.recvUn(fd, x, flags === 0 ? 0 : c.MSG_DONTWAIT) },
  name: { weight: 1, limit: 1, run: ({ a, fd }) => a.unName(fd) },
  peer: { weight: 1, limit: 1, run: ({ a, fd }) => a.unName(fd, 'getpeername') },
  credential: { weight: 1, limit: 1, run: ({ a, fd }) => a.peerCredential(fd) },
  sent: { weight: 1, limit: 1, run: ({ a, fd }) => a.count(fd, c.SIOCOUTQ) },
  buffer: { weight: 2, limit: 2, run: ({ a, fd }, x) => a.setInt(fd, c.SOL_SOCKET, c.SO_SNDBUF, x * 9000) },
  option: { weight: 2, limit: 4, run: ({ a, fd }, x) => a.setInt(fd, c.SOL_SOCKET, of(FLAGS, x), x >> 1) },
  lowWater: { weight: 1, limit: 40, run: ({ a, fd }, x) => a.setInt(fd, c.SOL_SOCKET, c.SO_RCVLOWAT, x) },
  peekOffset: { weight: 1, limit: 6, run: ({ a, fd }, x) => a.setInt(fd, c.SOL_SOCKET, c.SO_PEEK_OFF, x - 1) },
  ...common(),
};

export const unixFamily: Family<UnixKit, number> = {
  name: 'unix',
  operations: OPERATIONS,
  kit: (sys, task) => new UnixKit(sys, task),
  first: (a, flags) => ({ fd: a.open(c.SOCK_STREAM, flags), sort: c.SOCK_STREAM }),
};
