/** Memory that ends half way, and lengths beyond reason: what a call has done by then, and what it tells. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit, pattern } from '../kit.ts';
import { DATA_BASE, NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asControl, asMmsghdrs, asMsghdr, asSockaddr, asText } from '../show.ts';

const group = 'faults';

/** Memory of `octets` before a hole, filled with a pattern. */
function edge(sys: System, octets: number, name = 'edge'): number {
  const at = sys.edge(octets, name);
  sys.write(at, pattern(octets));
  return at;
}
const GOOD = 'good';
const sendv = (a: Kit, fd: number, ...pieces: (readonly [number, number])[]): number =>
  a.task.call('sendmsg', fd, a.msghdr({ iov: pieces }), 0);
const recvv = (a: Kit, fd: number, flags: number, ...pieces: (readonly [number, number])[]): number =>
  a.task.call('recvmsg', fd, a.msghdr({ iov: pieces }), flags);

conformance('faults: TCP sends what stands before a bad piece', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const good = a.octets(GOOD, 'good');
  sendv(a, client, [good, 4], [NOWHERE, 4], [good, 4]);
  a.recv(server);
  sendv(a, client, [NOWHERE, 4], [good, 4]);
  sendv(a, client, [good, 4], [edge(sys, 3), 8]);
  a.recv(server);
  sendv(a, client, [good, 0], [NOWHERE, 0], [good, 4]);
  a.recv(server);
  a.task.call(
    'writev',
    client,
    a.iovec([
      [good, 4],
      [NOWHERE, 4],
    ]),
    2,
  );
  a.recv(server);
});

conformance('faults: a long TCP send ends at the page that is not there', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const long = edge(sys, 12_000);
  a.task.call('sendto', client, long, 20_000, 0, 0, 0);
  a.recv(server, 20_000);
  a.task.call('write', client, long + 11_000, 5000);
  a.recv(server, 20_000);
  a.task.call('sendto', client, long + 12_000, 1, 0, 0, 0);
});

conformance('faults: UDP sends all or nothing', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.connect(fd, '127.0.0.1', port);
  const good = a.octets(GOOD, 'good');
  sendv(a, fd, [good, 4], [NOWHERE, 4]);
  sendv(a, fd, [good, 4], [edge(sys, 3), 8]);
  a.task.call('sendto', fd, edge(sys, 3), 4, 0, 0, 0);
  a.recv(fd, 100, c.MSG_DONTWAIT);
  sendv(a, fd, [good, 4], [NOWHERE, 0]);
  a.recv(fd);
});

conformance('faults: TCP receives into what stands before a bad piece', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const room = sys.alloc(8, 'in', asText);
  a.send(client, 'abcdefghij');
  recvv(a, server, 0, [room, 2], [NOWHERE, 2]);
  recvv(a, server, 0, [NOWHERE, 2], [room, 2]);
  recvv(a, server, 0, [room, 2], [sys.edge(1, 'edge', asText), 4]);
  recvv(a, server, c.MSG_PEEK, [room, 2], [NOWHERE, 2]);
  recvv(a, server, 0, [sys.fixed(new Uint8Array(4), 'fixed'), 4]);
  a.recv(server);
});

conformance('faults: MSG_PEEK over an edge takes nothing', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abcdefghij');
  a.task.call('recvfrom', server, sys.edge(4, 'edge', asText), 10, c.MSG_PEEK, 0, 0);
  a.task.call('recvfrom', server, NOWHERE, 10, c.MSG_PEEK, 0, 0);
  a.recv(server);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'a datagram', '127.0.0.1', port);
  a.task.call('recvfrom', fd, sys.edge(4, 'edge', asText), 10, c.MSG_PEEK, 0, 0);
  a.task.call('recvfrom', fd, NOWHERE, 10, c.MSG_PEEK, 0, 0);
  a.recv(fd);
});

conformance('faults: a datagram whose second piece is bad is lost', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const room = sys.alloc(8, 'in', asText);
  for (const text of ['first one', 'second one', 'third']) a.sendTo(fd, text, '127.0.0.1', port);
  recvv(a, fd, 0, [room, 2], [NOWHERE, 2]);
  recvv(a, fd, 0, [room, 2], [sys.edge(1, 'edge', asText), 4]);
  recvv(a, fd, 0, [room, 8], [NOWHERE, 2]);
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('faults: a datagram that needs no more than what is there', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'abc', '127.0.0.1', port);
  a.task.call('recvfrom', fd, sys.edge(3, 'edge', asText), 100, 0, 0, 0);
  a.sendTo(fd, '', '127.0.0.1', port);
  a.task.call('recvfrom', fd, NOWHERE, 100, 0, 0, 0);
  a.sendTo(fd, 'abc', '127.0.0.1', port);
  a.task.call('recvfrom', fd, NOWHERE, 0, 0, 0, 0);
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('faults: the sender’s name cannot be written', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const len = a.int(16, 'len');
  const sendOne = (): number => a.sendTo(fd, 'x', '127.0.0.1', port);
  const room = sys.alloc(4, 'in', asText);
  sendOne();
  a.task.call('recvfrom', fd, room, 4, 0, NOWHERE, len);
  sendOne();
  a.task.call('recvfrom', fd, room, 4, 0, sys.alloc(16, 'name', asSockaddr), NOWHERE);
  sendOne();
  a.task.call('recvfrom', fd, room, 4, 0, sys.alloc(16, 'name', asSockaddr), a.int(-1, 'len'));
  sendOne();
  a.task.call('recvfrom', fd, room, 4, 0, sys.edge(6, 'edge', asSockaddr), len);
  sendOne();
  a.task.call(
    'recvfrom',
    fd,
    room,
    4,
    0,
    sys.alloc(16, 'name', asSockaddr),
    sys.fixed(Uint8Array.of(16, 0, 0, 0), 'fixed'),
  );
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('faults: recvmsg cannot write name, control or header', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.setInt(fd, c.SOL_IP, c.IP_RECVTTL, 1);
  const sendOne = (): number => a.sendTo(fd, 'x', '127.0.0.1', port);
  const iov: readonly (readonly [number, number])[] = [[sys.alloc(4, 'in', asText), 4]];
  const receive = (parts: Parameters<Kit['msghdr']>[0]): number =>
    a.task.call('recvmsg', fd, a.msghdr({ iov, ...parts }), 0);
  sendOne();
  receive({ name: NOWHERE, namelen: 16 });
  sendOne();
  receive({ control: NOWHERE, controllen: 64 });
  sendOne();
  receive({ control: sys.edge(18, 'edge', asControl), controllen: 64 });
  sendOne();
  const bytes = new Uint8Array(56);
  c.msghdr.put(bytes, 0, { name: 0, namelen: 0, iov: a.iovec(iov), iovlen: 1, control: 0, controllen: 0, flags: 0 });
  a.task.call('recvmsg', fd, sys.fixed(bytes, 'fixed'), 0);
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('faults: a header that ends half way is not looked at', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.connect(fd, '127.0.0.1', port);
  const bytes = new Uint8Array(56);
  c.msghdr.put(bytes, 0, { name: 0, namelen: 0, iov: 0, iovlen: 0, control: 0, controllen: 0, flags: 0 });
  const half = sys.edge(40, 'half');
  sys.write(half, bytes.subarray(0, 40));
  a.task.call('sendmsg', fd, half, 0);
  a.task.call('recvmsg', fd, half, c.MSG_DONTWAIT);
  const whole = sys.edge(56, 'whole', asMsghdr);
  sys.write(whole, bytes);
  a.task.call('sendmsg', fd, whole, 0);
  a.task.call('recvmsg', fd, whole, 0);
});

conformance('faults: sendmmsg and recvmmsg whose later headers are not there', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.connect(fd, '127.0.0.1', port);
  const out = a.octets('x', 'out');
  const vec = sys.edge(2 * 64 - 20, 'vec', asMmsghdrs);
  a.putMsghdr(vec, { iov: [[out, 1]] });
  a.task.call('sendmmsg', fd, vec, 2, 0);
  a.task.call('sendmmsg', fd, vec + 64, 1, 0);
  a.putMsghdr(vec, { iov: [[sys.alloc(4, 'in', asText), 4]] });
  a.send(fd, 'y');
  a.task.call('recvmmsg', fd, vec, 2, 0, 0);
  a.error(fd);
  a.recv(fd, 100, c.MSG_DONTWAIT);
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('faults: a message length that cannot be told', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.connect(fd, '127.0.0.1', port);
  const bytes = new Uint8Array(64);
  c.msghdr.put(bytes, 0, {
    name: 0,
    namelen: 0,
    iov: a.iovec([[a.octets('x', 'out'), 1]]),
    iovlen: 1,
    control: 0,
    controllen: 0,
    flags: 0,
  });
  a.task.call('sendmmsg', fd, sys.fixed(bytes, 'fixed'), 1, 0);
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('faults: lengths of 4 GiB and below zero', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const { fd, port } = a.udpBound();
  a.connect(fd, '127.0.0.1', port);
  const four = 0x1_0000_0000n;
  const text = edge(sys, 6, 'text');
  for (const len of [four, four + 4n, -1n, -4096n, 0x7fff_ffff_ffff_ffffn]) {
    a.task.call('sendto', client, text, len, c.MSG_DONTWAIT, 0, 0);
    a.task.call('write', client, text, len);
    a.task.call('sendto', fd, text, len, c.MSG_DONTWAIT, 0, 0);
    a.task.call('write', fd, text, len);
  }
  a.recv(server, 200);
  a.send(client, 'abc');
  a.send(fd, 'abc');
  const room = sys.edge(3, 'room', asText);
  for (const len of [four, -1n, 0x7fff_ffff_ffff_ffffn]) {
    a.task.call('read', server, room, len);
    a.task.call('recvfrom', server, room, len, c.MSG_DONTWAIT, 0, 0);
    a.task.call('read', fd, room, len);
    a.task.call('recvfrom', fd, room, len, c.MSG_DONTWAIT, 0, 0);
    a.send(client, 'abc');
    a.send(fd, 'abc');
  }
});

conformance('faults: pointers at the end of the address space', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc');
  for (const at of [0x7fff_ffff_f000n, 0x7fff_ffff_efffn, 0x8000_0000_0000n, -1n, -4096n, 0xffff_8000_0000_0000n]) {
    a.task.call('sendto', client, at, 1, 0, 0, 0);
    a.task.call('sendto', client, at, 0, 0, 0, 0);
    a.task.call('write', client, at, 1);
    a.task.call('write', client, at, 0);
    a.task.call('recvfrom', server, at, 1, c.MSG_DONTWAIT, 0, 0);
    a.task.call('read', server, at, 0);
    a.task.call('sendmsg', client, at, 0);
    a.task.call('getsockname', client, at, at);
    a.task.call('setsockopt', client, c.SOL_SOCKET, c.SO_REUSEADDR, at, 4);
    a.task.call('connect', client, at, 16);
  }
  a.recv(server);
});

conformance('faults: nothing to send and nowhere to receive', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const { fd, port } = a.udpBound();
  a.connect(fd, '127.0.0.1', port);
  for (const one of [client, fd]) {
    a.task.call('sendto', one, NOWHERE, 0, 0, 0, 0);
    a.task.call('writev', one, 0, 0);
    a.task.call('writev', one, a.iovec([[NOWHERE, 0]]), 1);
    a.task.call('sendmsg', one, a.msghdr({}), 0);
  }
  for (let i = 0; i < 5; i++) a.task.call('recvfrom', fd, NOWHERE, 0, c.MSG_DONTWAIT, 0, 0);
  a.task.call('readv', server, 0, 0);
  a.task.call('readv', server, a.iovec([[NOWHERE, 0]]), 1);
  a.task.call('recvmsg', server, a.msghdr({}), c.MSG_DONTWAIT);
  a.task.call('recvmsg', fd, a.msghdr({}), c.MSG_DONTWAIT);
  a.task.call('read', fd, DATA_BASE, 0);
});

conformance('faults: writes while a reader waits with a bad buffer', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { client, server } = a.pair();
  b.task.start('recvfrom', server, NOWHERE, 10, 0, 0, 0);
  a.send(client, 'abc');
  b.recv(server);
  const { fd, port } = a.udpBound();
  b.task.start('recvfrom', fd, sys.edge(2, 'edge', asText), 10, 0, 0, 0);
  a.sendTo(fd, 'lost', '127.0.0.1', port);
  b.recv(fd, 10, c.MSG_DONTWAIT);
});
