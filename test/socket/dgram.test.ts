import test from 'ava';
import { CMSG_SPACE, CmsgWalker, cmsghdr } from '../../src/abi/cmsg.ts';
import { Errno } from '../../src/abi/errno.ts';
import * as IN from '../../src/abi/in.ts';
import { SIOCATMARK, SIOCINQ, SIOCOUTQ } from '../../src/abi/ioctl.ts';
import * as S from '../../src/abi/socket.ts';
import { in6Pktinfo, inPktinfo, sockExtendedErr, timespec, timeval } from '../../src/abi/sockopt.ts';
import { i32 } from '../../src/abi/struct.ts';
import { UDP_CORK } from '../../src/abi/transport.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { Message } from '../../src/socket/message.ts';
import { type FakeUdp, make, message, name4, name6, ROOT, TestMemory, USER } from './fakes.ts';

const { AF_INET, AF_INET6, SOCK_DGRAM, SOL_IP, SOL_IPV6, SOL_SOCKET } = S;
const E = Errno;

const on = (level: number, option: number, socket: ReturnType<typeof make>['socket'], value = 1): number => {
  const octets = new Uint8Array(4);
  i32.put(octets, 0, value);
  return socket.setOption(level, option, octets, USER);
};

interface Fixture extends ReturnType<typeof make> {
  readonly memory: TestMemory;
  /** Stages `text`, with name, flags, control data. */
  send(text: string, to?: Uint8Array, flags?: number, ancillary?: Uint8Array): number;
  /** Receives into 1000 octets. */
  receive(flags?: number, len?: number, controlCapacity?: number, taken?: number): Message & { result: number };
}

function fixture(domain: number): Fixture {
  const made = make(domain, SOCK_DGRAM);
  const memory = new TestMemory();
  return {
    ...made,
    memory,
    send: (text, to, flags = 0, ancillary) => {
      memory.put(0, text);
      const m = message(memory, 0, text.length, flags);
      if (to !== undefined) {
        m.name.set(to);
        m.nameLength = to.length;
      }
      if (ancillary !== undefined) {
        m.control = ancillary;
        m.controlLength = ancillary.length;
      }
      return made.socket.send(m, 5);
    },
    receive: (flags = S.MSG_DONTWAIT, len = 1000, controlCapacity = 0, taken = 0) => {
      const m = message(memory, 8192, len, flags);
      m.controlCapacity = controlCapacity;
      m.control = new Uint8Array(controlCapacity);
      return Object.assign(m, { result: made.socket.receive(m, taken) });
    },
  };
}

/** Control messages, each padded. */
function control(...parts: [number, number, number | Uint8Array][]): Uint8Array {
  const out: number[] = [];
  for (const [level, type, data] of parts) {
    const payload = typeof data === 'number' ? new Uint8Array(4) : data;
    if (typeof data === 'number') i32.put(payload, 0, data);
    const padded = new Uint8Array(CMSG_SPACE(payload.length));
    cmsghdr.put(padded, 0, { len: 16 + payload.length, level, type });
    padded.set(payload, 16);
    out.push(...padded);
  }
  return Uint8Array.from(out);
}
const info6 = (text: string, ifindex: number): Uint8Array => {
  const addr = new Uint8Array(16);
  IpAddress.of(text).write6(addr, 0);
  return in6Pktinfo.encode({ addr, ifindex });
};
const info = (ifindex: number, specDst: number): Uint8Array => inPktinfo.encode({ ifindex, specDst, addr: 0 });
const A = name4('10.0.2.2', 53);
const A6 = name6('fd00::2', 53);

test('bind: length, family and order of errors as measured', (t) => {
  const bind = (domain: number, name: Uint8Array, len = name.length): number =>
    make(domain, SOCK_DGRAM).socket.bind(name, len, USER);
  const any = name4('0.0.0.0', 0);
  t.deepEqual(
    [0, 1, 2, 15, 16].map((n) => bind(AF_INET, any, n)),
    [-22, -22, -22, -22, 0],
  );
  const any6 = name6('::1', 0);
  t.deepEqual(
    [0, 16, 23, 24, 28].map((n) => bind(AF_INET6, any6, n)),
    [-22, -22, -22, 0, 0],
  );
  t.is(bind(AF_INET, name4('0.0.0.0', 0, 0)), 0);
  t.is(bind(AF_INET, name4('127.0.0.1', 0, 0)), -E.EAFNOSUPPORT);
  t.is(bind(AF_INET, name4('0.0.0.0', 0, 10)), -E.EAFNOSUPPORT);
  t.is(bind(AF_INET6, name6('::', 0, 0, 0)), -E.EAFNOSUPPORT);
  t.is(bind(AF_INET, name4('127.0.0.1', 80)), -E.EACCES);
  t.is(bind(AF_INET, name4('9.9.9.9', 80)), -E.EADDRNOTAVAIL, 'IPv4 looks at the address first');
  t.is(bind(AF_INET6, name6('2001:db8::9', 80)), -E.EACCES, 'IPv6 last');
  t.is(bind(AF_INET6, name6('fe80::15', 0)), -E.EINVAL);
  t.is(bind(AF_INET6, name6('fe80::15', 0, 99)), -E.ENODEV);
  t.is(bind(AF_INET6, name6('fe80::15', 0, 2)), 0);
  t.is(bind(AF_INET6, name6('ff02::1', 0)), -E.EINVAL);
  const twice = make(AF_INET, SOCK_DGRAM);
  t.is(twice.socket.bind(any, 16, USER), 0);
  t.is(twice.socket.bind(any, 16, USER), -E.EINVAL);
  t.is(twice.socket.bind(name4('9.9.9.9', 0), 16, USER), -E.EADDRNOTAVAIL);
  const taken = make(AF_INET, SOCK_DGRAM);
  taken.udp.answer = 'address-in-use';
  t.is(taken.socket.bind(any, 16, USER), -E.EADDRINUSE);
});

test('connect, disconnect, names', (t) => {
  const out = new Uint8Array(28);
  const { socket, udp } = make(AF_INET, SOCK_DGRAM);
  t.is(socket.getName(out, true), -E.ENOTCONN);
  t.is(socket.getName(out, false), 16);
  t.deepEqual([...out.subarray(0, 16)], [2, 0, ...Array<number>(14).fill(0)]);
  t.deepEqual(
    [0, 1, 2, 15].map((n) => socket.connect(A, n, USER)),
    [-22, -22, -22, -22],
  );
  t.is(socket.connect(name4('10.0.2.2', 53, 10), 16, USER), -E.EAFNOSUPPORT);
  t.is(socket.connect(A, 16, USER), 0);
  t.is(socket.connectResult(), 0);
  t.is(socket.getName(out, true), 16);
  t.deepEqual([...out.subarray(0, 8)], [2, 0, 0, 53, 10, 0, 2, 2]);
  t.is(socket.bind(name4('0.0.0.0', 0), 16, USER), -E.EINVAL, 'connected');
  t.is(socket.connect(new Uint8Array(2), 2, USER), 0, 'AF_UNSPEC dissolves the association');
  t.true(udp.calls.includes('disconnect'));
  t.is(socket.getName(out, true), -E.ENOTCONN);
  t.is(socket.connect(name4('0.0.0.0', 9), 16, USER), 0);
  t.is(udp.calls.at(-1), 'connect 0.0.0.0 9', 'which of its own addresses that is the route tells');
  udp.answer = 'permission';
  t.is(socket.connect(name4('255.255.255.255', 9), 16, USER), -E.EACCES);
  t.is(socket.listen(1, ROOT), -E.EOPNOTSUPP);
  t.is(socket.acceptPeek(), -E.EOPNOTSUPP);
});

test('an AF_INET6 socket: IPv4-mapped and plain AF_INET peers, V6ONLY, link-local ones', (t) => {
  const { socket, udp } = make(AF_INET6, SOCK_DGRAM);
  const out = new Uint8Array(28);
  t.is(socket.connect(name4('10.0.2.2', 9), 16, USER), 0);
  t.is(socket.connect(name4('10.0.2.2', 9), 15, USER), -E.EINVAL);
  t.is(socket.getName(out, true), 28);
  t.deepEqual([...out.subarray(0, 8), ...out.subarray(18, 24)], [10, 0, 0, 9, 0, 0, 0, 0, 255, 255, 10, 0, 2, 2]);
  t.is(socket.connect(name4('10.0.2.2', 9, 1), 28, USER), -E.EAFNOSUPPORT);
  t.is(socket.connect(name6('fe80::2', 9), 28, USER), -E.EINVAL);
  t.is(socket.connect(name6('fe80::2', 9, 2), 28, USER), 0);
  t.is(udp.settings.boundInterface, 2);
  t.is(socket.getName(out, true), 28);
  t.is(out[24], 2, 'scope id');
  t.is(socket.connect(name6('fe80::2', 9, 1), 28, USER), -E.EINVAL, 'bound to another');
  t.is(socket.connect(name6('::', 9), 28, USER), 0);
  t.is(udp.calls.at(-1), 'connect ::1 9');
  const only = make(AF_INET6, SOCK_DGRAM);
  on(SOL_IPV6, IN.IPV6_V6ONLY, only.socket);
  t.is(only.socket.connect(name4('10.0.2.2', 9), 16, USER), -E.EAFNOSUPPORT);
  t.is(only.socket.connect(name6('::ffff:10.0.2.2', 9), 28, USER), -E.ENETUNREACH);
  t.is(only.socket.bind(name6('::ffff:127.0.0.1', 0), 28, USER), -E.EINVAL);
});

test('sendto: what the name may be, as measured', (t) => {
  const f = fixture(AF_INET);
  t.deepEqual(
    [0, 1, 15].map((n) => f.send('x', A.subarray(0, n))),
    [-22, -22, -22],
  );
  t.is(f.send('x', name4('10.0.2.2', 53, 0)), 1, 'AF_UNSPEC is AF_INET here');
  t.is(f.send('x', name4('10.0.2.2', 53, 10)), -E.EAFNOSUPPORT);
  t.is(f.send('x', name4('10.0.2.2', 0)), -E.EINVAL);
  t.is(f.send('x'), -E.EDESTADDRREQ);
  t.is(f.send('x', A, S.MSG_OOB), -E.EOPNOTSUPP);
  t.is(f.send('x', undefined, S.MSG_OOB), -E.EOPNOTSUPP, 'before the missing name');
  t.is(f.send('x', A, S.MSG_DONTROUTE), 1, 'on the link');
  t.is(f.send('x', name4('127.0.0.1', 53), S.MSG_DONTROUTE), 1);
  t.is(f.send('x', name4('192.0.2.1', 53), S.MSG_DONTROUTE), -E.ENETUNREACH, 'behind a gateway');
  f.udp.answer = 'message-size';
  t.is(f.send('x', A), -E.EMSGSIZE);
  const long = message(f.memory, 0, 65_536);
  t.is(f.socket.send(long, 1), -E.EMSGSIZE, 'even without a name');
  f.udp.answer = 'permission';
  t.is(f.send('x', name4('255.255.255.255', 9)), -E.EACCES);

  const six = fixture(AF_INET6);
  t.deepEqual(
    [0, 1, 2, 16, 23].map((n) => six.send('x', A6.subarray(0, n))),
    [-22, -22, -22, -22, -22],
  );
  t.is(six.send('x', A6.subarray(0, 24)), 1);
  t.is(six.send('x', A), 1);
  t.is(six.udp.destination, '10.0.2.2 53');
  t.is(six.send('x', A.subarray(0, 15)), -E.EINVAL);
  t.is(six.send('x', name6('fd00::2', 53, 0, 0)), -E.EDESTADDRREQ, 'AF_UNSPEC is no name');
  t.is(six.send('x', name6('fd00::2', 53, 0, 1)), -E.EINVAL);
  t.is(six.send('x', name6('fd00::2', 0)), -E.EINVAL);
  t.is(six.send('x', A6, S.MSG_OOB), 1, 'IPv6 does not look');
  t.is(six.send('x', A, S.MSG_OOB), -E.EOPNOTSUPP);
  t.is(six.send('x', name6('fe80::2', 53, 2)), 1);
  t.is(six.udp.chosen?.interfaceIndex, 2);
  on(SOL_IPV6, IN.IPV6_V6ONLY, fixture(AF_INET6).socket);
  const only = fixture(AF_INET6);
  on(SOL_IPV6, IN.IPV6_V6ONLY, only.socket);
  t.is(only.send('x', A), -E.ENETUNREACH);
  t.is(only.send('x', name6('::ffff:10.0.2.2', 53)), -E.ENETUNREACH);
});

test('a message is sent by commit, and only by commit', (t) => {
  const f = fixture(AF_INET);
  const free = f.stack.pool.available.small;
  t.is(f.send('one', A), 3);
  t.is(f.socket.units, 1);
  t.deepEqual(f.udp.transmitted, []);
  f.socket.rollback(1);
  t.deepEqual(f.udp.transmitted, []);
  t.is(f.stack.pool.available.small, free, 'the buffer is back');
  f.send('one', A);
  f.send('two', A);
  f.send('three', A);
  f.socket.commit(2);
  t.deepEqual(f.udp.transmitted, ['5 one', '5 two']);
  t.is(f.stack.pool.available.small, free);
  t.is(f.send('', A), 0);
  t.is(f.socket.units, 1, 'an empty datagram is a message');
  f.socket.commit(1);
  t.is(f.udp.transmitted.at(-1), '5 ');
  f.send('late', A);
  f.socket.release();
  t.is(f.stack.pool.available.small, free, 'close drops what was staged');
  t.true(f.udp.calls.includes('close'));
});

test('a pending error is returned first, once; a shut direction is EPIPE; a fault is EFAULT', (t) => {
  const f = fixture(AF_INET);
  f.socket.connect(A, 16, USER);
  f.udp.error = 'connection-refused';
  t.is(f.send('x', name4('10.0.2.2', 0)), -E.EINVAL, 'the name comes before the error');
  t.is(f.send('x'), -E.ECONNREFUSED);
  t.is(f.send('x'), 1);
  f.socket.rollback(1);
  f.socket.setError(E.EFAULT);
  t.is(f.send('x'), -E.EFAULT);
  f.udp.sendEnded = true;
  t.is(f.send('x'), -E.EPIPE);
  f.udp.sendEnded = false;
  f.memory.holes.add(1);
  const m = message(f.memory, 4090, 10);
  t.is(f.socket.send(m, 1), -E.EFAULT);
  t.is(f.stack.pool.available.small, 64);
});

test('send: control messages that are honoured', (t) => {
  const f = fixture(AF_INET);
  const source = info(2, 0x0a00_020f);
  const all = control(
    [SOL_IP, IN.IP_PKTINFO, source],
    [SOL_IP, IN.IP_TTL, 7],
    [SOL_IP, IN.IP_TOS, Uint8Array.of(16)],
    [SOL_IPV6, IN.IPV6_TCLASS, 99],
    [77, 1, 1],
    [SOL_SOCKET, S.SCM_RIGHTS, 3],
  );
  t.is(f.send('x', A, 0, all), 1);
  t.is(f.udp.chosen?.source?.toString(), '10.0.2.15');
  t.deepEqual([f.udp.chosen?.interfaceIndex, f.udp.chosen?.ttl, f.udp.chosen?.tos], [2, 7, 16]);
  t.is(f.send('x', A, 0, control([SOL_IP, IN.IP_TOS, 32])), 1);
  t.deepEqual([f.udp.chosen?.tos, f.udp.chosen?.ttl], [32, undefined], 'of this message alone');

  const six = fixture(AF_INET6);
  t.is(
    six.send(
      'x',
      A6,
      0,
      control(
        [SOL_IPV6, IN.IPV6_PKTINFO, info6('fd00::15', 2)],
        [SOL_IPV6, IN.IPV6_HOPLIMIT, 9],
        [SOL_IPV6, IN.IPV6_TCLASS, 8],
        [SOL_IP, IN.IP_TTL, 0],
      ),
    ),
    1,
    'SOL_IP means nothing to what leaves by IPv6',
  );
  t.is(six.udp.chosen?.source?.toString(), 'fd00::15');
  t.deepEqual([six.udp.chosen?.interfaceIndex, six.udp.chosen?.ttl, six.udp.chosen?.tos], [2, 9, 8]);
});

test('send: -1 is the default hop limit, and no default traffic class', (t) => {
  const six = fixture(AF_INET6);
  t.is(six.send('x', A6, 0, control([SOL_IPV6, IN.IPV6_HOPLIMIT, -1], [SOL_IPV6, IN.IPV6_TCLASS, -1])), 1);
  t.deepEqual([six.udp.chosen?.ttl, six.udp.chosen?.tos], [undefined, 255], 'as Linux takes them');
  const mapped = control([SOL_IPV6, IN.IPV6_PKTINFO, info6('::ffff:10.0.2.15', 0)]);
  t.is(six.send('x', A, 0, mapped), 1);
  t.is(six.udp.chosen?.source?.toString(), '10.0.2.15');
  t.is(six.send('x', A, 0, control([SOL_IPV6, IN.IPV6_PKTINFO, info6('fd00::15', 0)])), -E.EINVAL);
});

test('send: control messages that are refused', (t) => {
  const f = fixture(AF_INET);
  const cases: [string, [number, number, number | Uint8Array], number][] = [
    ['unknown type of a known level', [SOL_IP, 99, 1], E.EINVAL],
    ['TTL 0', [SOL_IP, IN.IP_TTL, 0], E.EINVAL],
    ['TTL 256', [SOL_IP, IN.IP_TTL, 256], E.EINVAL],
    ['TTL of one octet', [SOL_IP, IN.IP_TTL, Uint8Array.of(1)], E.EINVAL],
    ['TOS 256', [SOL_IP, IN.IP_TOS, 256], E.EINVAL],
    ['TOS of two octets', [SOL_IP, IN.IP_TOS, Uint8Array.of(1, 0)], E.EINVAL],
    ['short pktinfo', [SOL_IP, IN.IP_PKTINFO, new Uint8Array(8)], E.EINVAL],
    ['timestamp', [SOL_SOCKET, S.SO_TIMESTAMP, 1], E.EINVAL],
    ['a type of SOL_UDP that is no choice', [S.SOL_UDP, 104, Uint8Array.of(1, 1)], E.EINVAL],
    ['segments of an int', [S.SOL_UDP, 103, 1000], E.EINVAL],
  ];
  for (const [what, part, errno] of cases) t.is(f.send('x', A, 0, control(part)), -errno, what);
  const six = fixture(AF_INET6);
  const cases6: [number, number, number | Uint8Array][] = [
    [SOL_IPV6, IN.IPV6_HOPLIMIT, -2],
    [SOL_IPV6, IN.IPV6_HOPLIMIT, 256],
    [SOL_IPV6, IN.IPV6_HOPLIMIT, Uint8Array.of(1)],
    [SOL_IPV6, IN.IPV6_TCLASS, 256],
    [SOL_IPV6, IN.IPV6_TCLASS, Uint8Array.of(1)],
    [SOL_IPV6, IN.IPV6_PKTINFO, new Uint8Array(8)],
    [SOL_IPV6, 199, 1],
  ];
  for (const part of cases6) t.is(six.send('x', A6, 0, control(part)), -E.EINVAL, `type ${part[1]}`);
  const bad = control([SOL_IP, IN.IP_TTL, 5]);
  bad[0] = 99;
  t.is(f.send('x', A, 0, bad), -E.EINVAL, 'cmsg_len beyond the buffer');
  bad[0] = 8;
  t.is(f.send('x', A, 0, bad), -E.EINVAL, 'cmsg_len below the header');
  t.is(f.send('x', A, 0, new Uint8Array(8)), 1, 'less than a header is nothing');
});

test('an unconnected AF_INET6 socket sends IPv4 with IPv4’s TTL and TOS', (t) => {
  const f = fixture(AF_INET6);
  on(SOL_IP, IN.IP_TTL, f.socket, 5);
  on(SOL_IPV6, IN.IPV6_TCLASS, f.socket, 32);
  t.is(f.send('x', A), 1);
  t.deepEqual([f.udp.chosen?.ttl, f.udp.chosen?.tos], [5, 0]);
  t.is(f.send('x', A6), 1);
  t.is(f.udp.chosen, undefined);
  t.is(f.udp.settings.tos, 32);
});

test('receive: name, truncation, MSG_TRUNC, MSG_PEEK, several in one call', (t) => {
  const f = fixture(AF_INET);
  t.is(f.receive().result, -E.EAGAIN);
  f.udp.deliver('hello');
  f.udp.deliver('');
  f.udp.deliver('third');
  t.is(f.socket.poll() & 0x41, 0x41);
  let m = f.receive(S.MSG_PEEK, 3);
  t.is(m.result, 3);
  t.is(f.socket.units, 0);
  t.is(m.outFlags, S.MSG_TRUNC);
  t.deepEqual([...m.name.subarray(0, m.nameLength)], [2, 0, 0, 53, 10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
  t.is(f.memory.text(8192, 3), 'hel');
  m = f.receive(S.MSG_TRUNC, 2);
  t.is(m.result, 5, 'the real length');
  t.is(m.outFlags, S.MSG_TRUNC);
  t.is(f.receive(0, 10, 0, 1).result, 0, 'the empty one');
  t.is(f.receive(0, 10, 0, 2).result, 5);
  t.is(f.receive(S.MSG_DONTWAIT, 10, 0, 3).result, -E.EAGAIN);
  t.is(f.socket.ioctl(SIOCINQ), 5);
  f.receive(0, 10, 0, 0);
  f.receive(0, 10, 0, 1);
  t.is(f.socket.eventsAfter(2) & 1, 1);
  t.is(f.socket.eventsAfter(3) & 1, 0);
  f.socket.rollback(2);
  t.is(f.udp.queued, 3, 'nothing lost');
  f.receive(0, 10, 0, 0);
  f.socket.commit(1);
  t.is(f.udp.queued, 2);
  t.is(f.socket.ioctl(SIOCINQ), 0, 'an empty datagram first');
  t.is(f.socket.ioctl(SIOCOUTQ), 0);
  t.is(f.socket.ioctl(SIOCATMARK), -E.ENOTTY);
});

test('receive: a fault loses the datagram, as Linux does, and only that one', (t) => {
  const f = fixture(AF_INET);
  for (const text of ['0123456789', 'b', 'c', 'd']) f.udp.deliver(text);
  f.memory.holes.add(3);
  const at = (addr: number, flags: number, taken: number): number =>
    f.socket.receive(message(f.memory, addr, 10, flags), taken);
  t.is(at(3 * 4096 - 5, S.MSG_PEEK, 0), -E.EFAULT);
  t.is(f.udp.queued, 4);
  t.is(at(3 * 4096 - 5, 0, 0), -E.EFAULT);
  f.socket.rollback(f.socket.units);
  t.is(f.udp.queued, 4, 'the reader was not told');
  t.is(at(3 * 4096 - 5, 0, 0), -E.EFAULT);
  f.socket.commit(f.socket.units);
  t.is(f.udp.queued, 3);
  t.is(at(0, 0, 0), 1);
  t.is(at(3 * 4096, 0, 1), -E.EFAULT);
  f.socket.commit(1 + f.socket.units);
  t.is(f.udp.queued, 1);
  t.is(at(0, 0, 0), 1);
  t.is(f.memory.text(0, 1), 'd');
});

test('receive: errors first, once; shutdown ends a wait but is EAGAIN at once', (t) => {
  const f = fixture(AF_INET);
  f.udp.deliver('x');
  f.udp.error = 'connection-refused';
  t.is(f.receive(0, 10, 0, 1).result, -E.EAGAIN, 'not in the middle of a call');
  t.is(f.receive().result, -E.ECONNREFUSED);
  t.is(f.receive().result, 1);
  f.socket.commit(1);
  t.is(f.socket.shutdown(S.SHUT_RD), -E.ENOTCONN, 'and takes effect');
  t.is(f.receive(0).result, 0);
  t.is(f.receive(S.MSG_DONTWAIT).result, -E.EAGAIN);
});

/** Control messages of what was received: [level, type, payload octets]. */
function received(m: Message): [number, number, number[]][] {
  const walker = new CmsgWalker().begin(m.control, m.controlLength);
  const out: [number, number, number[]][] = [];
  while (walker.next()) {
    out.push([walker.level, walker.type, [...m.control.subarray(walker.data, walker.data + walker.dataLength)]]);
  }
  return out;
}

test('receive: IPv4 control messages in Linux’s order', (t) => {
  const f = fixture(AF_INET);
  for (const o of [IN.IP_PKTINFO, IN.IP_RECVTTL, IN.IP_RECVTOS, IN.IP_RECVORIGDSTADDR]) on(SOL_IP, o, f.socket);
  on(SOL_SOCKET, S.SO_TIMESTAMP, f.socket);
  f.udp.deliver('x');
  const m = f.receive(0, 10, 500);
  t.is(m.outFlags, 0);
  const list = received(m);
  t.deepEqual(
    list.map(([level, type]) => [level, type]),
    [
      [SOL_SOCKET, S.SO_TIMESTAMP],
      [SOL_IP, IN.IP_PKTINFO],
      [SOL_IP, IN.IP_TTL],
      [SOL_IP, IN.IP_TOS],
      [SOL_IP, IN.IP_ORIGDSTADDR],
    ],
  );
  t.deepEqual(timeval.decode(Uint8Array.from(list[0]?.[2] ?? [])), { sec: 1_700_000_001, usec: 500_000 });
  t.deepEqual(list[1]?.[2], [2, 0, 0, 0, 10, 0, 2, 15, 10, 0, 2, 15]);
  t.deepEqual(list[2]?.[2], [61, 0, 0, 0]);
  t.deepEqual(list[3]?.[2], [16]);
  t.deepEqual(list[4]?.[2].slice(0, 8), [2, 0, 0x0f, 0xa0, 10, 0, 2, 15]);
  on(SOL_SOCKET, S.SO_TIMESTAMPNS, f.socket);
  const ns = received(f.receive(0, 10, 500))[0];
  t.is(ns?.[1], S.SO_TIMESTAMPNS);
  t.deepEqual(timespec.decode(Uint8Array.from(ns?.[2] ?? [])), { sec: 1_700_000_001, nsec: 500_000_000 });
});

test('receive: a broadcast’s ipi_spec_dst is the interface’s own address', (t) => {
  const f = fixture(AF_INET);
  on(SOL_IP, IN.IP_PKTINFO, f.socket);
  f.udp.deliver('x', { destination: IpAddress.BROADCAST4 });
  t.deepEqual(received(f.receive(0, 10, 500))[0]?.[2], [2, 0, 0, 0, 10, 0, 2, 15, 255, 255, 255, 255]);
});

test('receive: control data cut as put_cmsg cuts it', (t) => {
  const f = fixture(AF_INET);
  on(SOL_IP, IN.IP_PKTINFO, f.socket);
  on(SOL_IP, IN.IP_RECVTTL, f.socket);
  f.udp.deliver('x');
  const at = (capacity: number): [number, boolean] => {
    const m = f.receive(0, 10, capacity);
    return [m.controlLength, (m.outFlags & S.MSG_CTRUNC) !== 0];
  };
  t.deepEqual(at(0), [0, true]);
  t.deepEqual(at(15), [0, true]);
  t.deepEqual(at(16), [16, true]);
  t.deepEqual(at(27), [27, true]);
  t.deepEqual(at(28), [28, true]);
  t.deepEqual(at(47), [32, true]);
  t.deepEqual(at(48), [48, true]);
  t.deepEqual(at(52), [52, false]);
  t.deepEqual(at(56), [56, false]);
});

test('receive: IPv6 control messages, and those of IPv4 datagrams on an AF_INET6 socket', (t) => {
  const f = fixture(AF_INET6);
  for (const o of [IN.IPV6_RECVPKTINFO, IN.IPV6_RECVHOPLIMIT, IN.IPV6_RECVTCLASS, IN.IPV6_RECVORIGDSTADDR]) {
    on(SOL_IPV6, o, f.socket);
  }
  on(SOL_IP, IN.IP_RECVTTL, f.socket);
  f.udp.deliver('x', { source: IpAddress.of('fe80::2'), destination: IpAddress.of('fd00::15') });
  let m = f.receive(0, 10, 500);
  t.is(m.nameLength, 28);
  t.is(m.name[24], 2, 'scope of a link-local sender');
  t.deepEqual(
    received(m).map(([level, type]) => [level, type]),
    [
      [SOL_IPV6, IN.IPV6_PKTINFO],
      [SOL_IPV6, IN.IPV6_HOPLIMIT],
      [SOL_IPV6, IN.IPV6_TCLASS],
      [SOL_IPV6, IN.IPV6_ORIGDSTADDR],
    ],
  );
  t.deepEqual(received(m)[0]?.[2].slice(14), [0, 0x15, 2, 0, 0, 0]);
  f.socket.commit(1);
  f.udp.deliver('y');
  m = f.receive(0, 10, 500);
  t.deepEqual([...m.name.subarray(18, 24)], [255, 255, 10, 0, 2, 2]);
  t.deepEqual(
    received(m).map(([level, type]) => [level, type]),
    [
      [SOL_IPV6, IN.IPV6_PKTINFO],
      [SOL_IP, IN.IP_TTL],
    ],
  );
  t.is(received(new Message(f.memory)).length, 0);
});

const refused = (destination: string, offender: string): FakeUdp['errors'][number] => ({
  origin: 'icmp',
  error: 'connection-refused',
  type: 3,
  code: 3,
  info: 0,
  data: 0,
  offender: IpAddress.of(offender),
  destination: IpAddress.of(destination),
  destinationPort: 53,
  isV4: IpAddress.of(destination).isV4,
  payload: Uint8Array.of(1, 2, 3),
  receiver: IpAddress.of(destination),
  interfaceIndex: 2,
  ttl: 61,
  tos: 0xc0,
  time: 1_500_000,
});

test('MSG_ERRQUEUE: the payload sent, where it was sent, and who complained', (t) => {
  const f = fixture(AF_INET);
  t.is(f.receive(S.MSG_ERRQUEUE).result, -E.EAGAIN);
  f.udp.errors.push(refused('10.0.2.2', '10.0.2.1'));
  t.is(f.socket.poll() & 8, 8);
  const m = f.receive(S.MSG_ERRQUEUE, 2, 500);
  t.is(m.result, 2);
  t.is(m.outFlags, S.MSG_ERRQUEUE | S.MSG_TRUNC);
  t.deepEqual([...m.name.subarray(0, 8)], [2, 0, 0, 53, 10, 0, 2, 2]);
  const [level, type, payload] = received(m)[0] ?? [0, 0, []];
  t.deepEqual([level, type, payload.length], [SOL_IP, IN.IP_RECVERR, 32]);
  const error = sockExtendedErr.decode(Uint8Array.from(payload));
  t.deepEqual([error.errno, error.origin, error.type, error.code], [E.ECONNREFUSED, 2, 3, 3]);
  t.deepEqual(payload.slice(16, 24), [2, 0, 0, 0, 10, 0, 2, 1]);
  f.socket.rollback(1);
  t.is(f.udp.errors.length, 1);
  f.receive(S.MSG_ERRQUEUE);
  t.is(f.socket.eventsAfter(1) & 8, 0);
  f.socket.commit(1);
  t.is(f.udp.errors.length, 0);

  const six = fixture(AF_INET6);
  six.udp.errors.push(refused('fd00::2', 'fd00::1'));
  const parts = received(six.receive(S.MSG_ERRQUEUE, 10, 500))[0];
  t.deepEqual([parts?.[0], parts?.[1], parts?.[2].length, parts?.[2][4]], [SOL_IPV6, IN.IPV6_RECVERR, 44, 3]);
});

test('[RFC3542 11.3] IPV6_RECVPATHMTU: a message without octets tells the MTU, before data, once, and to nobody who waits already', (t) => {
  const f = fixture(AF_INET6);
  const notice = { destination: IpAddress.of('fd00::2'), interfaceIndex: 2, mtu: 1280 };
  f.udp.deliver('x');
  f.udp.pathMtuNotice = notice;
  t.is(f.receive(S.MSG_PEEK).result, 1, 'nobody asked');
  on(SOL_IPV6, IN.IPV6_RECVPATHMTU, f.socket);
  t.true(f.udp.settings.receivePathMtu);
  const m = f.receive(S.MSG_PEEK, 10, 500);
  t.deepEqual([m.result, m.outFlags, m.nameLength, f.socket.units], [0, 0, 28, 0]);
  const [level, type, payload] = received(m)[0] ?? [0, 0, []];
  t.deepEqual([level, type, payload.length], [SOL_IPV6, IN.IPV6_PATHMTU, 32]);
  t.deepEqual(payload.slice(0, 28), [...m.name.subarray(0, 28)]);
  t.deepEqual(payload.slice(24), [2, 0, 0, 0, 0, 5, 0, 0]);
  t.is(f.receive().result, 1);
  f.socket.commit(1);
  const waiting = message(f.memory, 8192, 10, 0);
  t.is(f.socket.receive(waiting, 0), -E.EAGAIN);
  f.udp.pathMtuNotice = notice;
  t.is(f.socket.receive(waiting, 0), -E.EAGAIN);
  t.is(f.receive().result, 0);
});

test('clearing IP_RECVERR drops the queue and keeps the pending error', (t) => {
  const f = fixture(AF_INET);
  on(SOL_IP, IN.IP_RECVERR, f.socket);
  f.udp.errors.push(refused('10.0.2.2', '10.0.2.1'), refused('10.0.2.2', '10.0.2.1'));
  f.udp.error = 'connection-refused';
  on(SOL_IP, IN.IP_RECVERR, f.socket, 0);
  t.is(f.udp.errors.length, 0);
  t.is(f.socket.poll() & 8, 8);
  t.is(f.receive().result, -E.ECONNREFUSED);
  t.is(f.receive().result, -E.EAGAIN);
});

test('MSG_PROBE asks whether a message could be sent and sends nothing', (t) => {
  const f = fixture(AF_INET);
  t.is(f.send('ab', A, S.MSG_PROBE), 2);
  t.is(f.socket.units, 0);
  t.is(f.stack.pool.available.small, 64);
  f.udp.answer = 'network-unreachable';
  t.is(f.send('ab', A, S.MSG_PROBE), -E.ENETUNREACH);
});

test('MSG_MORE: parts become one datagram, whose name is the first’s', (t) => {
  const f = fixture(AF_INET);
  const B = name4('10.0.2.3', 99);
  t.is(f.send('q', undefined, S.MSG_MORE), -E.EDESTADDRREQ);
  t.is(f.send('ab', A, S.MSG_MORE), 2);
  t.is(f.socket.units, 1);
  f.socket.commit(1);
  t.is(f.send('cd', B, S.MSG_MORE), 2);
  f.socket.rollback(1);
  t.is(f.send('CD', B, S.MSG_MORE), 2);
  f.socket.commit(1);
  t.is(f.send('x', B, S.MSG_OOB), -E.EOPNOTSUPP, 'which leaves the parts');
  t.is(f.send('ef'), 2);
  t.is(f.udp.destination, '10.0.2.2 53');
  f.socket.rollback(1);
  t.deepEqual(f.udp.transmitted, []);
  t.is(f.send('EF'), 2);
  f.socket.commit(1);
  t.deepEqual(f.udp.transmitted, ['5 abCDEF']);
  t.is(f.send('z', A), 1);
  f.socket.commit(1);
  t.is(f.udp.transmitted.at(-1), '5 z');
  t.is(f.stack.pool.available.small, 64);
});

test('MSG_MORE: too long or unreadable gives the whole datagram up', (t) => {
  const f = fixture(AF_INET);
  const part = (len: number, flags: number): number => {
    const m = message(f.memory, 0, len, flags);
    m.name.set(A);
    m.nameLength = 16;
    const result = f.socket.send(m, 5);
    if (result >= 0) f.socket.commit(1);
    return result;
  };
  t.is(part(40_000, S.MSG_MORE), 40_000);
  t.is(part(40_000, S.MSG_MORE), -E.EMSGSIZE);
  t.is(part(1, 0), 1);
  t.is(f.udp.transmitted.length, 1);
  t.is(f.udp.transmitted[0]?.length, '5 x'.length);
  t.is(part(65_507, S.MSG_MORE), 65_507);
  t.is(part(0, 0), 0);
  t.is(f.udp.transmitted[1]?.length, 65_507 + 2);
  t.is(part(5, S.MSG_MORE), 5);
  f.memory.holes.add(0);
  t.is(part(5, 0), -E.EFAULT);
  f.memory.holes.clear();
  t.is(part(1, 0), 1);
  t.is(f.udp.transmitted[2]?.length, '5 x'.length);
  t.is(part(0, S.MSG_MORE), 0);
  t.is(part(1, 0), 1, 'an empty part counts');
  f.udp.answer = 'network-unreachable';
  t.is(part(5, S.MSG_MORE), -E.ENETUNREACH, 'the route is the first part’s to find');
});

test('UDP_CORK: every send is a part until it is cleared', (t) => {
  const f = fixture(AF_INET);
  t.is(on(S.SOL_UDP, UDP_CORK, f.socket), 0);
  for (const text of ['1', '2']) {
    f.send(text, A);
    f.socket.commit(1);
  }
  t.deepEqual(f.udp.transmitted, []);
  t.is(on(S.SOL_UDP, UDP_CORK, f.socket, 0), 0);
  t.deepEqual(f.udp.transmitted, ['5 12']);
  t.is(f.send('3', A), 1);
  f.socket.commit(1);
  t.is(f.udp.transmitted.at(-1), '5 3');
});
