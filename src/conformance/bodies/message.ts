/** sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2). */
import { conformance } from '../body.ts';
import { inet, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asMmsghdrs, asSockaddr, asText } from '../show.ts';

const group = 'message';
const mmsg = 'mmsg';

conformance('sendmsg gathers, recvmsg scatters and names the sender', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const to = a.octets(inet('127.0.0.1', port), 'addr');
  const iov = ['one ', '', 'two'].map((text) => [a.octets(text, 'out'), text.length] as const);
  a.task.call('sendmsg', fd, a.msghdr({ name: to, namelen: 16, iov }), 0);
  const rooms = [
    [sys.alloc(3, 'in'), 3],
    [sys.alloc(50, 'in'), 50],
  ] as const;
  a.task.call(
    'recvmsg',
    fd,
    a.msghdr({ name: sys.alloc(28, 'name', asSockaddr), namelen: 28, iov: rooms, flags: 0x55 }),
    0,
  );
});

conformance('recvmsg cuts the message and says MSG_TRUNC', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  for (const flags of [0, c.MSG_TRUNC, c.MSG_PEEK, 0]) {
    a.sendTo(fd, 'abcdef', '127.0.0.1', port);
    a.task.call('recvmsg', fd, a.msghdr({ iov: [[sys.alloc(4, 'in'), 4]] }), flags);
  }
});

conformance('recvmsg cuts the name', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  for (const namelen of [0, 4, 16, 128, 129, 1000]) {
    a.sendTo(fd, 'x', '127.0.0.1', port);
    const name = sys.alloc(128, 'name', asSockaddr);
    a.task.call('recvmsg', fd, a.msghdr({ name, namelen, iov: [[sys.alloc(4, 'in'), 4]] }), c.MSG_DONTWAIT);
  }
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.task.call('recvmsg', fd, a.msghdr({ name: sys.alloc(16, 'name'), namelen: -1 }), c.MSG_DONTWAIT);
  a.task.call('recvmsg', fd, a.msghdr({ name: NOWHERE, namelen: 16, iov: [[sys.alloc(4, 'in'), 4]] }), c.MSG_DONTWAIT);
  a.recv(fd, 10, c.MSG_DONTWAIT);
});

conformance('recvmsg on TCP leaves the name alone', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc');
  a.task.call(
    'recvmsg',
    server,
    a.msghdr({ name: sys.alloc(16, 'name'), namelen: 16, iov: [[sys.alloc(4, 'in'), 4]] }),
    0,
  );
});

conformance('sendmsg and recvmsg check the header', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const to = a.octets(inet('127.0.0.1', port), 'addr');
  const out = a.octets('x', 'out');
  a.task.call('sendmsg', fd, NOWHERE, 0);
  a.task.call('recvmsg', fd, NOWHERE, 0);
  const edge = sys.edge(55, 'edge');
  a.task.call('sendmsg', fd, edge, 0);
  a.task.call('sendmsg', fd, a.msghdr({ name: to, namelen: -1, iov: [[out, 1]] }), 0);
  a.task.call('sendmsg', fd, a.msghdr({ name: to, namelen: 129, iov: [[out, 1]] }), 0);
  a.task.call('sendmsg', fd, a.msghdr({ name: NOWHERE, namelen: 16, iov: [[out, 1]] }), 0);
  a.task.call('sendmsg', fd, a.msghdr({ name: 0, namelen: 16, iov: [[out, 1]] }), 0);
  a.task.call('sendmsg', fd, a.msghdr({ iov: [[out, 1]] }), 0);
  a.task.call('sendmsg', fd, a.msghdr({ name: to, namelen: 2, iov: [[out, 1]] }), 0);
  a.recv(fd, 10, c.MSG_DONTWAIT);
});

conformance('sendmsg and recvmsg check the vector', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const to = a.octets(inet('127.0.0.1', port), 'addr');
  const out = a.octets('x', 'out');
  const msg = a.msghdr({ name: to, namelen: 16 });
  const many = a.iovec(Array.from({ length: 1025 }, () => [out, 1] as const));
  for (const iovlen of [0, 1024, 1025, 0x1_0000_0000]) {
    sys.put(c.msghdr, msg, { name: to, namelen: 16, iov: many, iovlen, control: 0, controllen: 0, flags: 0 });
    a.task.call('sendmsg', fd, msg, 0);
    sys.put(c.msghdr, msg, { name: 0, namelen: 0, iov: many, iovlen, control: 0, controllen: 0, flags: 0 });
    a.task.call('recvmsg', fd, msg, c.MSG_DONTWAIT);
  }
  sys.put(c.msghdr, msg, { name: to, namelen: 16, iov: NOWHERE, iovlen: 1, control: 0, controllen: 0, flags: 0 });
  a.task.call('sendmsg', fd, msg, 0);
  a.task.call('recvmsg', fd, msg, c.MSG_DONTWAIT);
});

conformance('recvmsg into a header that cannot be written', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'x', '127.0.0.1', port);
  const fixed = sys.fixed(new Uint8Array(56), 'fixed');
  a.task.call('recvmsg', fd, fixed, c.MSG_DONTWAIT);
  a.recv(fd, 10, c.MSG_DONTWAIT);
});

conformance('recvmsg at the end of a stream', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.close(client);
  a.task.call('recvmsg', server, a.msghdr({ iov: [[sys.alloc(4, 'in'), 4]], flags: 0x55 }), 0);
  a.task.call('recvmsg', server, a.msghdr({}), 0);
});

conformance('recvmsg without any room takes the message away', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'abc', '127.0.0.1', port);
  a.task.call('recvmsg', fd, a.msghdr({}), 0);
  a.recv(fd, 10, c.MSG_DONTWAIT);
});

conformance('sendmmsg sends until one fails', { group: mmsg }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const to = a.octets(inet('127.0.0.1', port), 'addr');
  const big = sys.alloc(65_508, 'big');
  const vec = sys.alloc(3 * 64, 'mmsg', asMmsghdrs);
  const put = (i: number, base: number, len: number) =>
    a.putMsghdr(vec + i * 64, { name: to, namelen: 16, iov: [[base, len]] });
  put(0, a.octets('one', 'out'), 3);
  put(1, big, 65_508);
  put(2, a.octets('three', 'out'), 5);
  a.task.call('sendmmsg', fd, vec, 3, 0);
  a.recv(fd, 10, c.MSG_DONTWAIT);
  a.recv(fd, 10, c.MSG_DONTWAIT);
  a.task.call('sendmmsg', fd, vec + 64, 2, 0);
  a.task.call('sendmmsg', fd, vec, 0, 0);
  a.task.call('sendmmsg', fd, NOWHERE, 0, 0);
  a.task.call('sendmmsg', fd, NOWHERE, 1, 0);
  a.task.call('sendmmsg', 77, vec, 0, 0);
});

conformance('recvmmsg takes what is there', { group: mmsg }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  for (const text of ['one', 'two two', '']) a.sendTo(fd, text, '127.0.0.1', port);
  const vec = sys.alloc(5 * 64, 'mmsg', asMmsghdrs);
  for (let i = 0; i < 5; i++) {
    a.putMsghdr(vec + i * 64, {
      name: sys.alloc(16, 'name', asSockaddr),
      namelen: 16,
      iov: [[sys.alloc(5, 'in', asText), 5]],
    });
  }
  a.task.call('recvmmsg', fd, vec, 5, c.MSG_DONTWAIT, 0);
  a.task.call('recvmmsg', fd, vec, 5, c.MSG_DONTWAIT, 0);
  a.task.call('recvmmsg', fd, vec, 0, c.MSG_DONTWAIT, 0);
});

conformance('recvmmsg with MSG_PEEK, MSG_WAITFORONE and unknown flags', { group: mmsg, pitfall: 24 }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'one', '127.0.0.1', port);
  a.sendTo(fd, 'two', '127.0.0.1', port);
  const vec = sys.alloc(3 * 64, 'mmsg', asMmsghdrs);
  for (let i = 0; i < 3; i++) a.putMsghdr(vec + i * 64, { iov: [[sys.alloc(5, 'in', asText), 5]] });
  a.task.call('recvmmsg', fd, vec, 3, c.MSG_PEEK | c.MSG_DONTWAIT, 0);
  a.task.call('recvmmsg', fd, vec, 3, c.MSG_WAITFORONE, 0);
  a.sendTo(fd, 'three', '127.0.0.1', port);
  a.task.call('recvmmsg', fd, vec, 1, 0x0800_0000, 0);
});

conformance('recvmmsg checks its timeout', { group: mmsg }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const vec = sys.alloc(64, 'mmsg', asMmsghdrs);
  a.putMsghdr(vec, { iov: [[sys.alloc(5, 'in', asText), 5]] });
  for (const [sec, nsec] of [
    [0, 1e9],
    [0, -1],
    [-1, 0],
  ] as const) {
    a.sendTo(fd, 'x', '127.0.0.1', port);
    a.task.call('recvmmsg', fd, vec, 1, c.MSG_DONTWAIT, a.timeval(sec, nsec));
  }
  a.task.call('recvmmsg', fd, vec, 1, c.MSG_DONTWAIT, NOWHERE);
});

conformance('recvmmsg returns what it has when a later header is bad', { group: mmsg }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  for (const text of ['one', 'two', 'three']) a.sendTo(fd, text, '127.0.0.1', port);
  const vec = sys.edge(2 * 64, 'mmsg', asMmsghdrs);
  for (let i = 0; i < 2; i++) a.putMsghdr(vec + i * 64, { iov: [[sys.alloc(5, 'in', asText), 5]] });
  a.task.call('recvmmsg', fd, vec, 3, c.MSG_DONTWAIT, 0);
  a.error(fd);
  a.recv(fd, 10, c.MSG_DONTWAIT);
});

conformance('sendmmsg over TCP', { group: mmsg }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const vec = sys.alloc(2 * 64, 'mmsg', asMmsghdrs);
  a.putMsghdr(vec, { iov: [[a.octets('one', 'out'), 3]] });
  a.putMsghdr(vec + 64, { iov: [[a.octets('two', 'out'), 3]] });
  a.task.call('sendmmsg', client, vec, 2, 0);
  const room = sys.alloc(2 * 64, 'mmsg', asMmsghdrs);
  a.putMsghdr(room, { iov: [[sys.alloc(4, 'in', asText), 4]] });
  a.putMsghdr(room + 64, { iov: [[sys.alloc(4, 'in', asText), 4]] });
  a.task.call('recvmmsg', server, room, 2, c.MSG_DONTWAIT, 0);
});
