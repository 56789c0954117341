import test from 'ava';
import * as fc from 'fast-check';
import { Errno } from '../../src/abi/errno.ts';
import { SIOCATMARK, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD } from '../../src/abi/ioctl.ts';
import * as S from '../../src/abi/socket.ts';
import { linger, tcpInfo } from '../../src/abi/sockopt.ts';
import { i32 } from '../../src/abi/struct.ts';
import { TCP_ESTABLISHED, TCP_INFO } from '../../src/abi/transport.ts';
import { TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { Stack } from '../../src/netstack/stack.ts';
import { SocketFactory } from '../../src/socket/factory.ts';
import type { InetStreamSocket } from '../../src/socket/inet-stream.ts';
import { Waiter } from '../../src/socket/wait-queue.ts';
import { FakeTcp, make, message, name4, name6, ROOT, TestMemory, USER } from './fakes.ts';

const { AF_INET, AF_INET6, SOCK_STREAM, SOL_SOCKET } = S;
const E = Errno;
const IN = 0x41;
const OUT = 0x104;
const ERR = 0x8;
const HUP = 0x10;
const RDHUP = 0x2000;
const PRI = 0x2;

/** One stack, its loopback, sockets on it. */
class Host {
  readonly clock = new TimerHeap();
  readonly stack = new Stack({ clock: this.clock, random: new SeededRandom(5) });
  readonly factory = new SocketFactory(this.stack);
  readonly memory = new TestMemory(256);

  socket(domain: number = AF_INET): InetStreamSocket {
    return (this.factory.create(domain, SOCK_STREAM, 0, 0, ROOT) as InetStreamSocket).retain();
  }
  settle(): void {
    for (let i = 0; i < 100; i++) {
      this.stack.step(this.clock.now());
      if (this.stack.loopback.queued === 0) return;
    }
    throw new Error('the stack never comes to rest');
  }
  run(ms: number): void {
    for (const end = this.clock.now() + ms * 1000; ; ) {
      this.settle();
      const next = this.clock.next();
      if (next === undefined || next > end) {
        this.clock.step(end as typeof next & number);
        break;
      }
      this.clock.step(next);
    }
    this.settle();
  }
  listener(domain: number = AF_INET, backlog = 5): { socket: InetStreamSocket; name: Uint8Array } {
    const socket = this.socket(domain);
    const name = domain === AF_INET ? name4('127.0.0.1', 0) : name6('::1', 0);
    if (socket.bind(name, name.length, ROOT) !== 0 || socket.listen(backlog) !== 0) throw new Error('no listener');
    const own = new Uint8Array(28);
    return { socket, name: own.slice(0, socket.getName(own, false)) };
  }
  accept(from: InetStreamSocket): InetStreamSocket {
    const socket = from.acceptPeek();
    if (typeof socket === 'number') throw new Error(`accept: ${socket}`);
    socket.retain();
    from.acceptCommittable.commit(1);
    return socket as InetStreamSocket;
  }
  pair(domain: number = AF_INET): { a: InetStreamSocket; b: InetStreamSocket; listener: InetStreamSocket } {
    const { socket: listener, name } = this.listener(domain);
    const a = this.socket(domain);
    a.connect(name, name.length);
    this.settle();
    if (a.connectResult() !== 0) throw new Error('not connected');
    return { a, b: this.accept(listener), listener };
  }
  /** send(2), committed. */
  send(socket: InetStreamSocket, text: string, flags = 0): number {
    this.memory.put(0, text);
    const result = socket.send(message(this.memory, 0, text.length, flags), 3);
    if (result > 0) socket.commit(socket.units);
    this.settle();
    return result;
  }
  /** recv(2), committed: the octets, or the error. */
  receive(socket: InetStreamSocket, len = 100_000, flags = S.MSG_DONTWAIT): string | number {
    const result = socket.receive(message(this.memory, 0, len, flags), 0);
    if (result > 0) socket.commit(socket.units);
    this.settle();
    return result > 0 && (flags & S.MSG_TRUNC) === 0 ? this.memory.text(0, result) : result;
  }
}

const set = (socket: InetStreamSocket, option: number, value: number): number => {
  const octets = new Uint8Array(4);
  i32.put(octets, 0, value);
  return socket.setOption(SOL_SOCKET, option, octets, USER);
};
const get = (socket: InetStreamSocket, option: number): number => {
  const octets = new Uint8Array(4);
  socket.getOption(SOL_SOCKET, option, octets);
  return i32.get(octets, 0);
};

/** getsockname or getpeername as text, or the error. */
const nameOf = (socket: InetStreamSocket, peer: boolean): string => {
  const octets = new Uint8Array(28);
  const len = socket.getName(octets, peer);
  return len < 0 ? String(len) : octets.subarray(0, len).toString();
};
const info = (socket: InetStreamSocket): ReturnType<typeof tcpInfo.decode> => {
  const out = new Uint8Array(tcpInfo.size);
  socket.getOption(S.SOL_TCP, TCP_INFO, out);
  return tcpInfo.decode(out);
};
/** Octet `i` of a test stream. */
const octet = (i: number): number => (i * 7 + (i >>> 8)) & 255;

test('poll masks along a connection’s life', (t) => {
  const h = new Host();
  const fresh = h.socket();
  t.is(fresh.poll(), OUT | HUP);
  const { socket: listener, name } = h.listener();
  t.is(listener.poll(), 0);
  t.is(fresh.connect(name, 16), -E.EINPROGRESS);
  t.is(fresh.poll(), 0, 'SYN-SENT: nothing');
  h.settle();
  t.is(fresh.poll(), OUT);
  t.is(listener.poll(), IN);
  const peer = h.accept(listener);
  t.is(listener.poll(), 0);
  h.send(peer, 'x');
  t.is(fresh.poll(), IN | OUT);
  t.is(peer.shutdown(S.SHUT_WR), 0);
  h.settle();
  t.is(fresh.poll(), IN | OUT | RDHUP);
  t.is(h.receive(fresh), 'x');
  t.is(h.receive(fresh), 0);
  t.is(fresh.shutdown(S.SHUT_WR), 0);
  h.settle();
  t.is(fresh.poll(), IN | OUT | RDHUP | HUP);
});

test('connect: in progress, already, 0 once, then EISCONN', (t) => {
  const h = new Host();
  const { name, socket: listener } = h.listener();
  const s = h.socket();
  t.is(s.connectResult(), -E.ECONNABORTED, 'nothing was started');
  t.is(s.connect(name, 16), -E.EINPROGRESS);
  t.is(s.connect(name, 16), -E.EALREADY);
  t.is(s.connectResult(), -E.EINPROGRESS);
  h.settle();
  t.is(s.connect(name, 16), 0);
  t.is(s.connect(name, 16), -E.EISCONN);
  t.is(s.connectResult(), 0);
  t.is(s.listen(1), -E.EINVAL);
  t.is(s.bind(name4('127.0.0.1', 0), 16, USER), -E.EINVAL);
  t.is(listener.connect(name, 16), -E.EISCONN, 'on a listener');
  t.is(h.accept(listener).connect(name, 16), -E.EISCONN);
});

test('connect: what the name may be, as measured', (t) => {
  const h = new Host();
  const to = name4('127.0.0.1', 9);
  const to6 = name6('::1', 9);
  t.deepEqual(
    [0, 1, 2, 15].map((n) => h.socket().connect(to, n)),
    [-22, -22, -22, -22],
  );
  t.deepEqual(
    [0, 1, 2, 16, 23].map((n) => h.socket(AF_INET6).connect(to6, n)),
    [-22, -22, -22, -22, -22],
  );
  t.is(h.socket(AF_INET6).connect(to6, 24), -E.EINPROGRESS);
  t.is(h.socket().connect(name4('127.0.0.1', 9, 10), 16), -E.EAFNOSUPPORT);
  t.is(h.socket().connect(name4('224.0.0.1', 9), 16), -E.ENETUNREACH);
  t.is(h.socket().connect(name4('255.255.255.255', 9), 16), -E.ENETUNREACH);
  t.is(h.socket().connect(name4('203.0.113.1', 9), 16), -E.ENETUNREACH, 'no route');
  t.is(h.socket().connect(name4('0.0.0.0', 9), 16), -E.EINPROGRESS, 'this host');
  t.is(h.socket(AF_INET6).connect(name6('::', 9), 28), -E.EINPROGRESS);
  t.is(h.socket(AF_INET6).connect(name6('fe80::1', 9), 28), -E.EINVAL, 'which interface?');
  t.is(h.socket(AF_INET6).connect(name6('ff02::1', 9), 28), -E.ENETUNREACH);
  t.is(h.socket(AF_INET6).connect(to, 16), -E.EINVAL);
  const sixteen = new Uint8Array(28);
  sixteen.set(to);
  t.is(h.socket(AF_INET6).connect(sixteen, 28), -E.EAFNOSUPPORT);
});

test('refused: told once by connect, then a fresh attempt; SO_ERROR read first gives ECONNABORTED', (t) => {
  const h = new Host();
  const { name, socket: listener } = h.listener();
  listener.release();
  const s = h.socket();
  t.is(s.connect(name, 16), -E.EINPROGRESS);
  h.settle();
  t.is(s.poll(), IN | OUT | ERR | HUP | RDHUP);
  t.is(s.connect(name, 16), -E.ECONNREFUSED);
  t.is(s.poll(), OUT | HUP, 'fresh again');
  t.is(s.connect(name, 16), -E.EINPROGRESS);
  h.settle();
  t.is(get(s, S.SO_ERROR), E.ECONNREFUSED);
  t.is(s.poll(), IN | OUT | HUP | RDHUP);
  t.is(s.connect(name, 16), -E.ECONNABORTED);
  t.is(s.connect(name, 16), -E.EINPROGRESS);
  h.settle();
  t.is(h.receive(s), -E.ECONNREFUSED, 'or by recv');
  t.is(h.receive(s), 0);
  t.is(s.connectResult(), -E.ECONNABORTED);
});

test('AF_UNSPEC dissolves a connection; the socket can connect again', (t) => {
  const h = new Host();
  const { a, b, listener } = h.pair();
  const own = new Uint8Array(16);
  const unspec = new Uint8Array(2);
  t.is(a.connect(unspec, 2), 0);
  h.settle();
  t.is(a.getName(own, true), -E.ENOTCONN);
  t.is(h.receive(b), -E.ECONNRESET);
  listener.getName(own, false);
  get(a, S.SO_ERROR);
  t.is(a.connect(own, 16), -E.EINPROGRESS);
  h.settle();
  t.is(a.connectResult(), 0);
});

test('names of both ends, of both families', (t) => {
  const h = new Host();
  for (const domain of [AF_INET, AF_INET6]) {
    const { a, b, listener } = h.pair(domain);
    t.is(nameOf(a, false), nameOf(b, true));
    t.is(nameOf(a, true), nameOf(b, false));
    t.is(nameOf(listener, true), String(-E.ENOTCONN));
    t.is(nameOf(h.socket(domain), true), String(-E.ENOTCONN));
  }
  const six = h.socket(AF_INET6);
  t.is(six.bind(name6('::', 0), 28, USER), 0);
  t.is(six.listen(1), 0);
  const own = new Uint8Array(28);
  six.getName(own, false);
  const client = h.socket();
  t.is(client.connect(name4('127.0.0.1', (own[2] as number) * 256 + (own[3] as number)), 16), -E.EINPROGRESS);
  h.settle();
  const served = h.accept(six);
  t.is(served.getName(own, true), 28);
  t.deepEqual([...own.subarray(8, 24)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1], 'IPv4-mapped');
});

test('listen: binds by itself, caps the backlog, may be called again; only a stream accepts', (t) => {
  const h = new Host();
  const s = h.socket();
  t.is(s.acceptPeek(), -E.EINVAL);
  t.is(s.listen(5), 0);
  const own = new Uint8Array(16);
  s.getName(own, false);
  t.true((own[2] as number) > 0);
  t.is(s.acceptPeek(), -E.EAGAIN);
  t.is(s.listen(-1), 0);
  t.is(get(s, S.SO_ACCEPTCONN), 1);
  const { socket, tcp } = make(AF_INET, SOCK_STREAM);
  socket.listen(-1, ROOT);
  t.deepEqual(tcp.calls, ['listen 4096']);
  tcp.state = 'CLOSED';
  tcp.answer = 'address-in-use';
  t.is(socket.listen(0, ROOT), -E.EADDRINUSE);
});

test('accept: the connection stays queued until commit, and is one and the same socket till then', (t) => {
  const h = new Host();
  const { socket: listener, name } = h.listener();
  listener.receiveTimeoutUs = 5;
  set(listener, S.SO_KEEPALIVE, 1);
  const clients = [h.socket(), h.socket()];
  for (const client of clients) client.connect(name, 16);
  h.settle();
  const first = listener.acceptPeek() as InetStreamSocket;
  t.is(listener.acceptPeek(), first);
  first.retain();
  listener.acceptCommittable.rollback(1);
  first.release();
  t.is(listener.acceptPeek(), first, 'given back, not closed');
  t.is(listener.acceptCommittable.eventsAfter(1) & 1, 1, 'another waits');
  const a = h.accept(listener);
  t.is(a, first);
  t.is(a.references, 1);
  t.is(get(a, S.SO_KEEPALIVE), 1, 'options are inherited');
  t.is(a.receiveTimeoutUs, 5);
  t.is(listener.acceptCommittable.eventsAfter(1) & 1, 0);
  t.is(listener.acceptCommittable.eventsAfter(0) & 1, 1);
  const b = h.accept(listener);
  t.not(b, a);
  h.send(clients[0] as InetStreamSocket, 'one');
  h.send(clients[1] as InetStreamSocket, 'two');
  t.is(h.receive(a), 'one');
  t.is(h.receive(b), 'two');
  listener.acceptCommittable.commit(0);
  t.is(listener.acceptPeek(), -E.EAGAIN);
});

test('a listener that is closed resets what waited, peeked at or not', (t) => {
  const h = new Host();
  const { socket: listener, name } = h.listener();
  const client = h.socket();
  client.connect(name, 16);
  h.settle();
  listener.acceptPeek();
  listener.release();
  h.settle();
  t.is(client.connectResult(), -E.ECONNRESET);
});

test('octets reach the stream on commit and leave it on commit', (t) => {
  const h = new Host();
  const { a, b } = h.pair();
  h.memory.put(0, 'lost');
  t.is(a.send(message(h.memory, 0, 4), 1), 4);
  t.is(a.units, 4);
  a.rollback();
  h.settle();
  t.is(h.receive(b), -E.EAGAIN);
  h.memory.put(0, 'abcdef');
  const m = message(h.memory, 0, 3);
  t.is(a.send(m, 1), 3);
  t.is(a.send(message(h.memory, 3, 3), 1), 3, 'a second part of the same call');
  a.commit(5);
  h.settle();
  const r = message(h.memory, 4096, 3, S.MSG_DONTWAIT);
  t.is(b.receive(r, 0), 3);
  b.rollback();
  t.is(b.receive(message(h.memory, 4096, 3), 0), 3);
  t.is(b.receive(message(h.memory, 4099, 30), 3), 2, 'behind what the call has already');
  t.is(h.memory.text(4096, 5), 'abcde');
  t.is(b.eventsAfter(5) & 1, 0);
  t.is(b.eventsAfter(4) & 1, 1);
  b.commit(5);
  t.is(h.receive(b), -E.EAGAIN);
  a.commit(3);
  h.settle();
  t.is(h.receive(b), -E.EAGAIN, 'nothing staged, nothing sent');
});

test('MSG_PEEK, MSG_TRUNC, and the two together', (t) => {
  const h = new Host();
  const { a, b } = h.pair();
  h.send(a, 'abcdef');
  t.is(h.receive(b, 3, S.MSG_PEEK), 'abc');
  t.is(b.units, 0);
  h.memory.put(0, '......');
  t.is(h.receive(b, 100, S.MSG_PEEK | S.MSG_TRUNC), 6);
  t.is(h.receive(b, 2, S.MSG_TRUNC), 2, 'discards');
  t.is(h.memory.text(0, 6), '......');
  t.is(h.receive(b), 'cdef');
});

test('a fault: nothing is sent of a short message, nothing is consumed', (t) => {
  const h = new Host();
  const { a, b } = h.pair();
  const last = 256 * 4096;
  t.is(a.send(message(h.memory, last - 5, 10), 1), -E.EFAULT);
  t.is(a.send(message(h.memory, last, 10), 1), -E.EFAULT);
  t.is(a.units, 0);
  const long = a.send(message(h.memory, last - 70_000, 80_000), 1);
  t.is(long, 65_536, 'whole pieces of 32 KiB count');
  a.rollback();
  h.send(a, 'abcdef');
  t.is(b.receive(message(h.memory, last - 3, 6), 0), -E.EFAULT);
  t.is(h.receive(b), 'abcdef');
});

test('send: EAGAIN without room, OUT falls before and rises after', (t) => {
  const h = new Host();
  const { a, b } = h.pair();
  const chunk = 200_000;
  let total = 0;
  for (;;) {
    const m = message(h.memory, 0, chunk);
    const sent = a.send(m, 1);
    if (sent === -E.EAGAIN) break;
    total += sent;
    const after = a.eventsAfter(sent);
    a.commit(a.units);
    t.is(a.poll(), after, 'what was shown before the answer holds after it');
    h.settle();
  }
  t.is(a.poll() & OUT, 0);
  const woken: number[] = [];
  a.waiters.add(new Waiter((events) => woken.push(events)), OUT);
  for (let left = total; left > 0; ) {
    const got = b.receive(message(h.memory, 0, chunk, S.MSG_DONTWAIT), 0);
    if (got <= 0) {
      h.run(1000);
      continue;
    }
    b.commit(b.units);
    left -= got;
    h.settle();
  }
  t.is(a.poll() & OUT, OUT);
  t.true(woken.some((events) => (events & 4) !== 0));
});

test('errors of send and receive by state, as measured', (t) => {
  const h = new Host();
  const fresh = h.socket();
  t.is(h.send(fresh, 'x'), -E.EPIPE);
  t.is(h.receive(fresh), -E.ENOTCONN);
  t.is(h.receive(fresh, 1, S.MSG_OOB), -E.EINVAL);
  t.is(h.receive(fresh, 1, S.MSG_ERRQUEUE), -E.EAGAIN);
  t.is(fresh.shutdown(S.SHUT_RD), -E.ENOTCONN);
  const { socket: listener, name } = h.listener();
  t.is(h.receive(listener), -E.ENOTCONN);
  t.is(h.send(listener, 'x'), -E.EPIPE);
  const opening = h.socket();
  opening.connect(name, 16);
  t.is(opening.send(message(h.memory, 0, 1), 1), -E.EAGAIN);
  t.is(opening.receive(message(h.memory, 0, 1), 0), -E.EAGAIN);
  const { a, b } = h.pair();
  t.is(h.send(a, 'x', S.MSG_FASTOPEN), -E.EISCONN);
  t.is(h.send(a, ''), 0);
  const m = message(h.memory, 0, 1);
  m.control = new Uint8Array(16);
  m.control.set([16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 29]);
  m.controlLength = 16;
  t.is(a.send(m, 1), -E.EINVAL, 'an unknown type of SOL_SOCKET');
  m.control[8] = 0;
  t.is(a.send(m, 1), 1, 'SOL_IP means nothing to a stream');
  a.rollback();
  a.setError(E.EFAULT);
  t.is(a.poll() & ERR, ERR);
  t.is(a.receive(message(h.memory, 0, 1), 0), -E.EFAULT);
  t.is(a.shutdown(S.SHUT_WR), 0);
  t.is(h.send(a, 'x'), -E.EPIPE);
  h.settle();
  t.is(h.receive(b), 0);
});

test('reset by the peer: data, ECONNRESET once, then 0; send EPIPE', (t) => {
  const h = new Host();
  const { a, b } = h.pair();
  h.send(b, 'last words');
  t.is(b.setOption(SOL_SOCKET, S.SO_LINGER, linger.encode({ onoff: 1, linger: 0 }), USER), 0);
  b.release();
  h.settle();
  t.is(a.poll(), IN | OUT | ERR | HUP | RDHUP);
  t.is(h.receive(a), 'last words');
  t.is(h.receive(a), -E.ECONNRESET);
  t.is(h.receive(a), 0);
  t.is(h.send(a, 'x'), -E.EPIPE);
});

test('shutdown: half closed, read side alone, of a listener', (t) => {
  const h = new Host();
  const { a, b, listener } = h.pair();
  t.is(a.shutdown(S.SHUT_RD), 0);
  t.is(h.receive(a), 0);
  h.send(b, 'still');
  t.is(h.receive(a), 'still', 'what arrives can be read');
  t.is(h.receive(a), 0);
  t.is(a.shutdown(S.SHUT_WR), 0);
  h.settle();
  t.is(h.receive(b), 0);
  t.is(listener.shutdown(S.SHUT_WR), 0);
  t.is(get(listener, S.SO_ACCEPTCONN), 1);
  t.is(listener.shutdown(S.SHUT_RD), 0);
  t.is(get(listener, S.SO_ACCEPTCONN), 0);
  t.is(listener.listen(1), 0, 'and can listen again');
});

test('shutdown of an attempt gives it up', (t) => {
  const h = new Host();
  const { name } = h.listener();
  const s = h.socket();
  s.connect(name, 16);
  t.is(s.shutdown(S.SHUT_RDWR), 0);
  get(s, S.SO_ERROR);
  t.is(s.connect(name, 16), -E.EINPROGRESS);
});

test('urgent data: out of band once, at the mark, or in line', (t) => {
  const h = new Host();
  const { a, b } = h.pair();
  h.send(a, 'abX', S.MSG_OOB);
  t.is(b.poll() & PRI, PRI);
  t.is(b.ioctl(SIOCATMARK), 0);
  t.is(h.receive(b), 'ab');
  t.is(b.ioctl(SIOCATMARK), 1);
  t.is(h.receive(b, 1, S.MSG_OOB | S.MSG_PEEK), 'X');
  const empty = message(h.memory, 0, 0, S.MSG_OOB);
  t.is(b.receive(empty, 0), 0);
  t.is(empty.outFlags, S.MSG_OOB | S.MSG_TRUNC);
  t.is(h.receive(b, 1, S.MSG_OOB), -E.EINVAL, 'taken by a call without room');
  h.send(a, 'X', S.MSG_OOB);
  t.is(b.receive(message(h.memory, 256 * 4096, 1, S.MSG_OOB), 0), -E.EFAULT);
  t.is(h.receive(b, 1, S.MSG_OOB), -E.EINVAL, 'taken by a call that faults');
  h.send(a, 'X', S.MSG_OOB);
  const m = message(h.memory, 0, 5, S.MSG_OOB);
  t.is(b.receive(m, 0), 1);
  t.is(m.outFlags, S.MSG_OOB);
  b.commit(b.units);
  t.is(h.receive(b, 1, S.MSG_OOB), -E.EINVAL, 'taken');
  set(b, S.SO_OOBINLINE, 1);
  h.send(a, 'Y', S.MSG_OOB);
  t.is(h.receive(b, 1, S.MSG_OOB), -E.EINVAL);
  t.is(h.receive(b), 'X');
  t.is(h.receive(b), 'Y');
});

test('SO_RCVLOWAT: readable, and worth a wake-up, only from there on', (t) => {
  const h = new Host();
  const { a, b } = h.pair();
  set(b, S.SO_RCVLOWAT, 4);
  const woken: number[] = [];
  b.waiters.add(new Waiter((events) => woken.push(events)), IN);
  h.send(a, 'abc');
  t.is(b.poll() & 1, 0);
  t.deepEqual(woken, []);
  t.is(h.receive(b, 100, S.MSG_PEEK | S.MSG_DONTWAIT), 'abc', 'a call that does not wait takes what there is');
  t.is(h.receive(b, 100, 0), -E.EAGAIN);
  t.is(h.receive(b, 3, S.MSG_PEEK), 'abc', 'it wants no more');
  h.send(a, 'd');
  t.is(b.poll() & 1, 1);
  t.is(woken.length, 1);
  t.is(b.receive(message(h.memory, 0, 2), 0), 2);
  t.is(b.eventsAfter(2) & 1, 0);
  b.commit(2);
  a.shutdown(S.SHUT_WR);
  h.settle();
  t.is(b.poll() & 1, 1, 'the end is always readable');
  t.is(h.receive(b, 100, 0), 'cd');
});

test('SO_RCVLOWAT: where memory is short nobody waits for more', (t) => {
  const h = new Host();
  const { a, b } = h.pair();
  set(b, S.SO_RCVLOWAT, 4);
  Object.defineProperty(b.tcp, 'isReceiveShort', { value: true });
  t.is(b.poll() & 1, 0);
  t.is(h.receive(b, 100, 0), -E.EAGAIN);
  h.send(a, 'abc');
  t.is(b.poll() & 1, 1);
  t.is(h.receive(b, 100, 0), 'abc');
});

test('ioctl by state', (t) => {
  const h = new Host();
  const all = [SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK, 0x9999];
  const { a, b, listener } = h.pair();
  t.deepEqual(
    all.map((r) => h.socket().ioctl(r)),
    [0, 0, 0, 0, -E.ENOTTY],
  );
  t.deepEqual(
    all.map((r) => listener.ioctl(r)),
    [-22, -22, -22, 0, -E.ENOTTY],
  );
  h.send(a, 'abc');
  t.deepEqual(
    all.map((r) => b.ioctl(r)),
    [3, 0, 0, 0, -E.ENOTTY],
  );
  h.memory.put(0, 'z'.repeat(10));
  a.send(message(h.memory, 0, 10), 1);
  a.commit(10);
  t.is(a.ioctl(SIOCOUTQ), 10);
  const { socket, tcp } = make(AF_INET, SOCK_STREAM);
  tcp.state = 'SYN-SENT';
  tcp.unacknowledged = 9;
  t.deepEqual(
    [SIOCOUTQ, SIOCOUTQNSD].map((r) => socket.ioctl(r)),
    [0, 0],
  );
});

test('what a send says reaches the endpoint: call, MSG_MORE, MSG_OOB', (t) => {
  const { socket, tcp } = make(AF_INET, SOCK_STREAM);
  const memory = new TestMemory();
  tcp.state = 'ESTABLISHED';
  memory.put(0, 'abc');
  socket.send(message(memory, 0, 3, S.MSG_MORE), 42);
  socket.commit(3);
  socket.send(message(memory, 0, 1, S.MSG_OOB), 43);
  socket.commit(1);
  t.deepEqual(tcp.calls, ['commitSend 3 42 true false', 'commitSend 1 43 false true']);
  t.is(tcp.sent, 'abca');
  tcp.error = 'timed-out';
  t.is(socket.send(message(memory, 0, 1), 1), -E.ETIMEDOUT);
  tcp.deliver('xy');
  tcp.error = 'timed-out';
  t.is(socket.receive(message(memory, 0, 1), 2), 0, 'an error behind data is the next call’s');
  t.is(tcp.error, 'timed-out');
  tcp.queue = [new FakeTcp(4)];
  tcp.state = 'LISTEN';
  const peeked = socket.acceptPeek();
  tcp.queue = [new FakeTcp(4)];
  t.not(socket.acceptPeek(), peeked, 'the connection died in the queue');
});

test('TCP_INFO of a real connection', (t) => {
  const h = new Host();
  const { a, b } = h.pair();
  h.send(a, 'x'.repeat(1000));
  const own = info(a);
  t.is(own.state, TCP_ESTABLISHED);
  t.is(own.options, 7, 'timestamps, SACK, scaling');
  t.is(own.pmtu, 65_535);
  t.true(own.rto >= 200_000 && own.snd_cwnd >= 10 && own.snd_wnd > 0 && own.rcv_wnd > 0);
  t.is(own.snd_wnd, info(b).rcv_wnd);
  t.is(own.wscale & 15, info(b).wscale >>> 4);
});

test('any split of a stream arrives once and in order, whatever is rolled back', (t) => {
  const step = fc.record({ len: fc.integer({ min: 1, max: 9000 }), commit: fc.boolean(), read: fc.nat(9000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const h = new Host();
      const { a, b } = h.pair();
      let sent = 0;
      let got = 0;
      const drain = (len: number, commit: boolean): void => {
        const result = b.receive(message(h.memory, 500_000, len, S.MSG_DONTWAIT), 0);
        if (result <= 0) return;
        for (let i = 0; i < result; i++) {
          if (h.memory.bytes[500_000 + i] !== octet(got + i)) throw new Error(`octet ${got + i} is wrong`);
        }
        if (commit) {
          b.commit(result);
          got += result;
        } else b.rollback();
        h.settle();
      };
      for (const { len, commit, read } of steps) {
        for (let i = 0; i < len; i++) h.memory.bytes[i] = octet(sent + i);
        const result = a.send(message(h.memory, 0, len), 1);
        if (result > 0 && commit) {
          a.commit(result);
          sent += result;
        } else a.rollback();
        h.settle();
        if (read > 0) drain(read, commit);
      }
      for (let i = 0; i < 1000; i++) {
        if (got === sent) break;
        drain(100_000, true);
        h.run(50);
      }
      t.is(got, sent);
    }),
    { seed: 3, numRuns: 40 },
  );
});
