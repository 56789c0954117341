/** sendmmsg(2), recvmmsg(2) in their corners; flags of sends and receives; RWF flags; SIGPIPE; which check comes first. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asMmsghdrs, asText } from '../show.ts';

const group = 'messages';

function messages(a: Kit, sys: System, texts: readonly string[]): number {
  const vec = sys.alloc(Math.max(1, texts.length) * 64, 'mmsg', asMmsghdrs);
  texts.forEach((text, i) => a.putMsghdr(vec + i * 64, { iov: [[a.octets(text, 'out'), text.length]] }));
  return vec;
}
function rooms(a: Kit, sys: System, count: number): number {
  const vec = sys.alloc(count * 64, 'mmsg', asMmsghdrs);
  for (let i = 0; i < count; i++) a.putMsghdr(vec + i * 64, { iov: [[sys.alloc(8, 'in', asText), 8]] });
  return vec;
}
function connected(a: Kit): number {
  const { fd, port } = a.udpBound();
  a.connect(fd, '127.0.0.1', port);
  return fd;
}

conformance('messages: no message is no error, and looks at the descriptor only', { group }, (sys) => {
  const a = kit(sys);
  const fd = connected(a);
  for (const call of ['sendmmsg', 'recvmmsg'] as const) {
    a.task.call(call, fd, 0, 0, 0, 0);
    a.task.call(call, fd, NOWHERE, 0, 0, 0);
    a.task.call(call, fd, NOWHERE, 1, c.MSG_DONTWAIT, 0);
    a.task.call(call, 99, NOWHERE, 0, 0, 0);
    a.task.call(call, 0, NOWHERE, 0, 0, 0);
  }
});

conformance('messages: sendmmsg clamps to 1024', { group }, (sys) => {
  const a = kit(sys);
  const fd = connected(a);
  const vec = sys.alloc(1100 * 64, 'mmsg');
  sys.write(vec, new Uint8Array(1100 * 64));
  let [sent, all] = [0, 0];
  sys.quietly(() => {
    sent = a.task.call('sendmmsg', fd, vec, 1100, 0);
    all = a.task.call('sendmmsg', fd, vec, -1, 0);
  });
  sys.record('sent', `${sent} ${all}`);
});

conformance('messages: sendmmsg stops at a bad name, and tells of the first alone', { group }, (sys) => {
  const a = kit(sys);
  const fd = connected(a);
  const vec = messages(a, sys, ['one', 'two', 'three']);
  sys.put(c.i32, vec + 64 + 8, -1);
  sys.put(c.u64, vec + 64, NOWHERE);
  a.task.call('sendmmsg', fd, vec, 3, 0);
  a.task.call('sendmmsg', fd, vec + 64, 2, 0);
  sys.put(c.i32, vec + 64 + 8, 16);
  a.task.call('sendmmsg', fd, vec + 64, 2, 0);
  sys.put(c.i32, vec + 64 + 8, 200);
  a.task.call('sendmmsg', fd, vec + 64, 2, 0);
  a.recv(fd, 8, c.MSG_DONTWAIT);
  a.recv(fd, 8, c.MSG_DONTWAIT);
});

conformance('messages: sendmmsg leaves the lengths behind a failure alone', { group }, (sys) => {
  const a = kit(sys);
  const fd = connected(a);
  const vec = messages(a, sys, ['one', 'two', 'three']);
  a.putMsghdr(vec + 64, { iov: [[sys.alloc(65_508, 'long'), 65_508]] });
  a.task.call('sendmmsg', fd, vec, 3, 0);
  a.task.call('sendmmsg', fd, vec + 64, 2, 0);
  a.error(fd);
});

conformance('messages: sendmmsg meets the error of a closed port', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.close(fd);
  const one = a.udp();
  a.connect(one, '127.0.0.1', port);
  const vec = messages(a, sys, ['one', 'two', 'three']);
  a.send(one, 'x');
  a.task.call('sendmmsg', one, vec, 1, 0);
  a.task.call('sendmmsg', one, vec, 1, 0);
  a.task.call('sendmmsg', one, vec, 1, 0);
});

conformance('messages: sendmmsg that waits for room tells what went', { group, interrupts: true }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { client, server } = a.pair();
  a.setInt(server, c.SOL_SOCKET, c.SO_RCVBUF, 65_536);
  a.setInt(client, c.SOL_SOCKET, c.SO_SNDBUF, 65_536);
  const vec = sys.alloc(3 * 64, 'mmsg');
  const out = sys.alloc(2_000_000, 'out');
  a.putMsghdr(vec, { iov: [[out, 10]] });
  a.putMsghdr(vec + 64, { iov: [[out, 2_000_000]] });
  a.putMsghdr(vec + 128, { iov: [[out, 10]] });
  sys.quietly(() => {
    b.task.start('sendmmsg', client, vec, 3, 0);
    sys.interrupt(b.task);
  });
  sys.record('told', b.task.result());
});

conformance('messages: recvmmsg checks the time before the descriptor', { group }, (sys) => {
  const a = kit(sys);
  const fd = connected(a);
  const time = (sec: number, nsec: number): number => {
    const at = sys.alloc(16, 'timespec');
    sys.put(c.timespec, at, { sec, nsec });
    return at;
  };
  const vec = rooms(a, sys, 1);
  for (const at of [time(0, 1_000_000_000), time(0, -1), time(-1, 0), NOWHERE]) {
    a.task.call('recvmmsg', 99, vec, 1, 0, at);
    a.task.call('recvmmsg', fd, vec, 0, 0, at);
  }
  a.task.call('recvmmsg', 99, vec, 1, 0, time(0, 0));
  a.task.call('recvmmsg', fd, vec, 1, c.MSG_DONTWAIT, time(1, 0));
});

conformance('messages: recvmmsg keeps an error behind messages for the next call', { group }, (sys) => {
  const a = kit(sys);
  const fd = connected(a);
  a.send(fd, 'one');
  a.send(fd, 'two');
  const vec = rooms(a, sys, 2);
  sys.put(c.u64, vec + 64 + 24, 1025);
  a.task.call('recvmmsg', fd, vec, 2, 0, 0);
  a.poll(fd);
  a.recv(fd, 8, c.MSG_DONTWAIT);
  a.recv(fd, 8, c.MSG_DONTWAIT);
});

conformance('messages: recvmmsg meets a pending error first', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.close(fd);
  const one = a.udp();
  a.connect(one, '127.0.0.1', port);
  a.send(one, 'x');
  const vec = rooms(a, sys, 2);
  a.task.call('recvmmsg', one, vec, 2, c.MSG_DONTWAIT, 0);
  a.task.call('recvmmsg', one, vec, 2, c.MSG_DONTWAIT, 0);
});

conformance('messages: MSG_WAITFORONE waits for the first and no other', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const fd = connected(a);
  const vec = rooms(a, sys, 3);
  b.task.start('recvmmsg', fd, vec, 3, c.MSG_WAITFORONE, 0);
  a.send(fd, 'one');
  a.send(fd, 'two');
  a.send(fd, 'three');
  a.task.call('recvmmsg', fd, rooms(a, sys, 3), 3, c.MSG_WAITFORONE, 0);
  a.task.call('recvmmsg', fd, vec, 3, c.MSG_WAITFORONE | c.MSG_DONTWAIT, 0);
});

conformance('messages: MSG_ERRQUEUE never waits, MSG_CMSG_CLOEXEC is told back', { group }, (sys) => {
  const a = kit(sys);
  const fd = connected(a);
  const room = sys.alloc(8, 'in', asText);
  a.recv(fd, 8, c.MSG_ERRQUEUE);
  a.task.call('recvmsg', fd, a.msghdr({ iov: [[room, 8]] }), c.MSG_ERRQUEUE);
  a.task.call('recvmmsg', fd, rooms(a, sys, 2), 2, c.MSG_ERRQUEUE, 0);
  a.send(fd, 'x');
  a.task.call('recvmsg', fd, a.msghdr({ iov: [[room, 8]], flags: 0x1234 }), c.MSG_CMSG_CLOEXEC);
  a.recv(a.tcp(), 8, c.MSG_ERRQUEUE);
});

conformance('messages: flags of a send that nobody knows, and those of the kernel’s own', { group }, (sys) => {
  const a = kit(sys);
  const fd = connected(a);
  const { client, server } = a.pair();
  for (const flags of [
    0x0008, 0x0200, 0x0400, 0x1000, 0x2_0000, 0x8_0000, 0x20_0000, 0x0100_0000, 0x0800_0000, 0x1000_0000,
  ]) {
    a.send(fd, 'u', flags | c.MSG_DONTWAIT);
    a.send(client, 't', flags | c.MSG_DONTWAIT);
  }
  a.recv(server);
  a.task.call('sendmsg', fd, a.msghdr({ iov: [] }), 0x8000_0000);
  a.task.call('recvmsg', fd, a.msghdr({ iov: [] }), 0x8000_0000);
  a.task.call('sendmmsg', fd, messages(a, sys, ['x']), 1, 0x8000_0000);
  a.task.call('recvmmsg', fd, rooms(a, sys, 1), 1, 0x8000_0000, 0);
});

conformance('messages: RWF flags on a socket', { group }, (sys) => {
  const a = kit(sys);
  const fd = connected(a);
  const room = sys.alloc(4, 'in', asText);
  for (const flags of [0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x30, 0x40, 0x80, 0x100, 0x200, -1]) {
    a.task.call('pwritev2', fd, a.iovec([[a.octets('x', 'out'), 1]]), 1, -1, 0, flags);
    a.task.call('preadv2', fd, a.iovec([[room, 4]]), 1, -1, 0, flags | 0x8);
  }
  a.task.call('preadv2', fd, a.iovec([[room, 4]]), 1, 0, 0, 0x8);
  a.task.call('preadv2', fd, a.iovec([[room, 4]]), 1, -2, 0, 0x8);
  a.task.call('preadv2', 99, NOWHERE, 1, -1, 0, 0x1000);
  a.task.call('preadv2', fd, NOWHERE, 1, -1, 0, 0x1000);
  a.task.call('preadv2', fd, NOWHERE, 1025, -1, 0, 0x8);
  a.task.call('preadv2', fd, 0, 0, -1, 0, 0x1000);
});

conformance('messages: SIGPIPE of each call that sends, and how it is kept away', { group }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  a.task.call('shutdown', client, c.SHUT_WR);
  const out = a.octets('x', 'out');
  a.task.call('sendto', client, out, 1, 0, 0, 0);
  a.task.call('sendto', client, out, 1, c.MSG_NOSIGNAL, 0, 0);
  a.task.call('write', client, out, 1);
  a.task.call('writev', client, a.iovec([[out, 1]]), 1);
  a.task.call('sendmsg', client, a.msghdr({ iov: [[out, 1]] }), 0);
  a.task.call('sendmsg', client, a.msghdr({ iov: [[out, 1]] }), c.MSG_NOSIGNAL);
  a.task.call('sendmmsg', client, messages(a, sys, ['x', 'y']), 2, 0);
  a.task.call('pwritev2', client, a.iovec([[out, 1]]), 1, -1, 0, 0x100);
  a.task.call('sendto', client, out, 0, 0, 0, 0);
  a.task.call('write', client, out, 0);
});

conformance('messages: which check comes first', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const file = a.task.call('memfd_create', a.octets('file\0', 'name'), 0);
  for (const one of [99, file, fd]) {
    a.task.call('bind', one, NOWHERE, 16);
    a.task.call('bind', one, NOWHERE, -1);
    a.task.call('connect', one, NOWHERE, 16);
    a.task.call('connect', one, NOWHERE, -1);
    a.task.call('listen', one, -1);
    a.task.call('accept4', one, NOWHERE, NOWHERE, 9);
    a.task.call('accept', one, NOWHERE, NOWHERE);
    a.task.call('shutdown', one, 9);
    a.task.call('getsockname', one, NOWHERE, NOWHERE);
    a.task.call('getpeername', one, NOWHERE, NOWHERE);
    a.task.call('sendto', one, NOWHERE, 1, -1, NOWHERE, 200);
    a.task.call('sendto', one, NOWHERE, -1, 0, NOWHERE, 16);
    a.task.call('recvfrom', one, NOWHERE, 1, c.MSG_DONTWAIT, NOWHERE, NOWHERE);
    a.task.call('sendmsg', one, NOWHERE, 0);
    a.task.call('recvmsg', one, NOWHERE, 0);
    a.task.call('setsockopt', one, -1, -1, NOWHERE, -1);
    a.task.call('getsockopt', one, -1, -1, NOWHERE, NOWHERE);
    a.task.call('ioctl', one, c.SIOCATMARK, NOWHERE);
    a.task.call('readv', one, NOWHERE, 1025);
    a.task.call('writev', one, NOWHERE, 1);
  }
});

conformance('messages: two tasks send to one stream, each whole while there is room', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { client, server } = a.pair();
  a.send(client, 'from a ');
  b.send(client, 'from b ');
  a.send(client, 'again a');
  a.recv(server);
  const child = sys.process('child');
  const out = b.octets('child', 'out');
  child.call('sendto', client, out, 5, 0, 0, 0);
  b.recv(server);
});

conformance('messages: two tasks wait to send to one stream', { group }, (sys) => {
  const [a, b, d] = [kit(sys), kit(sys, 'b'), kit(sys, 'd')];
  const { client, server } = a.pair();
  a.setInt(server, c.SOL_SOCKET, c.SO_RCVBUF, 65_536);
  a.setInt(client, c.SOL_SOCKET, c.SO_SNDBUF, 65_536);
  const out = sys.alloc(300_000, 'out');
  const room = sys.alloc(300_000, 'in');
  let received = 0;
  sys.quietly(() => {
    b.task.start('sendto', client, out, 300_000, 0, 0, 0);
    d.task.start('sendto', client, out, 300_000, 0, 0, 0);
    for (let i = 0; i < 4000 && received < 600_000; i++) {
      received += Math.max(0, a.task.call('recvfrom', server, room, 300_000, c.MSG_DONTWAIT, 0, 0));
      if (i % 100 === 99) sys.sleep(10);
    }
    b.task.finish();
    d.task.finish();
  });
  sys.record('sent', `${b.task.result()} ${d.task.result()}`);
  sys.record('received', received);
});
