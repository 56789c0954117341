/** AF_UNIX: how octets and messages go from one socket to the other, how they end, and who waits (unix(7)). */
import { conformance } from '../body.ts';
import { pattern } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { CONNECTED, TYPES, typeName, unixKit } from './unix-kit.ts';

const group = 'unix';

conformance('unix: a stream joins sends, and reads any part of them', { group }, (sys) => {
  const a = unixKit(sys);
  const [one, other] = a.two();
  for (const text of ['ab', 'cde', 'f', 'ghij']) a.send(one, text);
  a.count(other);
  a.take(other, 1);
  a.take(other, 4, c.MSG_PEEK);
  a.take(other, 50, c.MSG_PEEK);
  a.take(other, 3);
  a.take(other, 0);
  a.count(other);
  a.count(one, c.SIOCOUTQ);
  a.take(other, 50, c.MSG_TRUNC);
  a.send(one, '');
  a.take(other);
  a.send(one, 'z');
  a.task.call('recvfrom', other, NOWHERE, 10, 0, 0, 0);
  a.task.call('recvfrom', other, sys.edge(1, 'edge'), 10, 0, 0, 0);
  a.send(one, 'xyz');
  a.task.call('recvfrom', other, sys.edge(2, 'edge'), 10, c.MSG_DONTWAIT, 0, 0);
  a.take(other);
});

conformance('unix: readv and writev on a stream', { group }, (sys) => {
  const a = unixKit(sys);
  const [one, other] = a.two();
  const out = a.iovec([
    [a.octets('abc', 'x'), 3],
    [a.octets('defg', 'y'), 4],
  ]);
  a.task.call('writev', one, out, 2);
  const [p, q] = [sys.alloc(2, 'p'), sys.alloc(9, 'q')];
  const into = a.iovec([
    [p, 2],
    [q, 9],
  ]);
  a.task.call('readv', other, into, 2);
  a.task.call('write', one, a.octets('zz', 'z'), 2);
  a.task.call('read', other, sys.alloc(9, 'r'), 9);
  a.task.call('write', one, NOWHERE, 2);
  a.task.call('pread64', other, p, 2, 0);
  a.task.call('lseek', other, 0, 0);
});

for (const type of [c.SOCK_DGRAM, c.SOCK_SEQPACKET] as const) {
  conformance(`unix: ${typeName(type)} messages keep their boundaries`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    for (const text of ['ab', '', 'cdefgh', 'ij', 'k', 'lmn']) a.send(one, text);
    a.count(other);
    a.take(other, 1);
    a.count(other);
    a.take(other);
    a.take(other, 50, c.MSG_PEEK);
    a.take(other, 3, c.MSG_TRUNC | c.MSG_PEEK);
    a.get(other, 3);
    a.take(other, 0);
    a.task.call('recvfrom', other, NOWHERE, 10, 0, 0, 0);
    a.take(other);
    a.take(other);
    a.count(one, c.SIOCOUTQ);
    a.send(one, 'x', c.MSG_EOR);
    a.get(other);
    a.task.call('sendto', one, NOWHERE, 3, 0, 0, 0);
    a.task.call('sendto', one, sys.edge(2, 'edge'), 3, 0, 0, 0);
    a.take(other);
  });

  conformance(`unix: many ${typeName(type)} messages in one call`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    const count = 4;
    const out = sys.alloc(64 * count, 'out');
    for (let i = 0; i < count; i++) {
      a.putMsghdr(out + 64 * i, { iov: [[a.octets('abcdefgh'.slice(0, i * 2), 'piece'), i * 2]] });
    }
    a.task.call('sendmmsg', one, out, count, 0);
    const into = sys.alloc(64 * count, 'in');
    for (let i = 0; i < count; i++) a.putMsghdr(into + 64 * i, { iov: [[sys.alloc(5, 'into'), 5]] });
    a.task.call('recvmmsg', other, into, count, c.MSG_DONTWAIT, 0);
    a.task.call('recvmmsg', other, into, count, c.MSG_DONTWAIT, 0);
  });
}

for (const type of TYPES) {
  conformance(`unix: what a send of each length is charged, ${typeName(type)}`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type, c.SOCK_NONBLOCK);
    const out = a.octets(pattern(230_000), 'out');
    const into = sys.alloc(230_000, 'in');
    const lengths = [1, 192, 193, 704, 705, 1728, 1729, 3776, 3777, 4288, 4289, 7872, 7873, 8192, 16_064, 16_065];
    for (const len of [
      ...lengths,
      36_544,
      36_545,
      65_536,
      85_696,
      85_697,
      106_000,
      150_000,
      212_959,
      212_960,
      212_961,
    ]) {
      a.task.call('sendto', one, out, len, 0, 0, 0);
      a.count(one, c.SIOCOUTQ);
      a.poll(one);
      a.task.call('recvfrom', other, into, 230_000, 0, 0, 0);
    }
    a.count(one, c.SIOCOUTQ);
  });

  conformance(`unix: SO_SNDBUF of a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type, c.SOCK_NONBLOCK);
    const out = a.octets(pattern(100_000), 'out');
    const into = sys.alloc(100_000, 'in');
    for (const size of [0, 5000, 40_000]) {
      a.setInt(one, c.SOL_SOCKET, c.SO_SNDBUF, size);
      a.getInt(one, c.SOL_SOCKET, c.SO_SNDBUF);
      for (const len of [100_000, 9999, 4609, 4576, 1]) {
        for (let i = 0; i < 3; i++) a.task.call('sendto', one, out, len, 0, 0, 0);
        a.count(one, c.SIOCOUTQ);
        a.poll(one);
        for (let i = 0; i < 4; i++) {
          a.task.call('recvfrom', other, into, 3000, 0, 0, 0);
          a.poll(one);
        }
        sys.quietly(() => {
          while (a.task.call('recvfrom', other, into, 100_000, 0, 0, 0) > 0);
        });
      }
    }
  });

  conformance(`unix: one end of a pair of ${typeName(type)} sockets closes`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    a.send(one, 'last words');
    a.close(one);
    a.poll(other);
    a.take(other, 4);
    a.take(other);
    a.take(other);
    a.poll(other);
    a.error(other);
    a.send(other, 'x');
    a.send(other, 'x', c.MSG_NOSIGNAL);
    a.send(other, '');
    a.unName(other, 'getpeername');
  });

  conformance(`unix: one end of a pair of ${typeName(type)} sockets closes with octets unread`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    a.send(other, 'unread');
    a.send(one, 'last words');
    a.close(one);
    a.poll(other);
    a.take(other, 4);
    a.take(other);
    a.take(other);
    a.poll(other);
    a.send(other, 'x');
    a.count(other, c.SIOCOUTQ);
  });

  conformance(
    `unix: ECONNRESET of a ${typeName(type)} socket is told once, to whoever asks first`,
    { group },
    (sys) => {
      const a = unixKit(sys);
      for (const ask of ['send', 'error', 'take', 'poll'] as const) {
        const [one, other] = a.two(type);
        a.send(other, 'unread');
        a.close(one);
        if (ask === 'send') a.send(other, 'x', c.MSG_NOSIGNAL);
        else a[ask](other);
        a.poll(other);
        a.take(other);
        a.send(other, 'x', c.MSG_NOSIGNAL);
      }
    },
  );

  for (const how of [c.SHUT_RD, c.SHUT_WR, c.SHUT_RDWR]) {
    conformance(`unix: shutdown ${how} of a pair of ${typeName(type)} sockets`, { group }, (sys) => {
      const a = unixKit(sys);
      const [one, other] = a.two(type, c.SOCK_NONBLOCK);
      a.send(one, 'abc');
      a.send(other, 'def');
      a.task.call('shutdown', one, how);
      for (const fd of [one, other]) a.poll(fd);
      for (const fd of [one, other]) a.send(fd, 'x');
      for (const fd of [one, other, one, other]) a.take(fd);
      for (const fd of [one, other]) a.poll(fd);
      a.task.call('shutdown', other, c.SHUT_RDWR);
      for (const fd of [one, other]) a.poll(fd);
      for (const fd of [one, other]) a.take(fd);
    });

    conformance(`unix: shutdown ${how} wakes who waits at a ${typeName(type)} socket`, { group }, (sys) => {
      const a = unixKit(sys);
      const b = unixKit(sys, 'b');
      const d = unixKit(sys, 'd');
      const [one, other] = a.two(type);
      b.startRecv(one);
      d.startRecv(other);
      a.task.call('shutdown', one, how);
      a.send(one, 'to wake');
      a.send(other, 'to wake');
      a.task.call('shutdown', other, c.SHUT_RDWR);
      a.close(one);
    });
  }

  conformance(`unix: a receive at a ${typeName(type)} socket waits`, { group, interrupts: true }, (sys) => {
    const a = unixKit(sys);
    const b = unixKit(sys, 'b');
    const [one, other] = a.two(type);
    b.startRecv(other);
    a.send(one, 'come');
    b.startRecv(other, 10, c.MSG_WAITALL);
    a.send(one, 'first');
    if (b.task.blocked) a.send(one, 'second');
    a.take(other);
    a.setTimeout(other, c.SO_RCVTIMEO, 0, 300_000);
    b.startRecv(other);
    b.task.finish();
    b.startRecv(other);
    sys.interrupt(b.task, true);
    a.setTimeout(other, c.SO_RCVTIMEO, 0, 0);
    b.startRecv(other);
    sys.interrupt(b.task);
    b.startRecv(other);
    sys.interrupt(b.task, true);
    a.close(one);
  });

  conformance(`unix: a send at a ${typeName(type)} socket waits for room`, { group, interrupts: true }, (sys) => {
    const a = unixKit(sys);
    const b = unixKit(sys, 'b');
    const [one, other] = a.two(type);
    const out = a.octets(pattern(60_000), 'out');
    const into = sys.alloc(60_000, 'in');
    a.setInt(one, c.SOL_SOCKET, c.SO_SNDBUF, 15_000);
    const len = type === c.SOCK_STREAM ? 60_000 : 20_000;
    a.task.call('sendto', one, out, 20_000, 0, 0, 0);
    if (type !== c.SOCK_STREAM) a.task.call('sendto', one, out, 20_000, c.MSG_DONTWAIT, 0, 0);
    b.task.start('sendto', one, out, len, 0, 0, 0);
    for (let i = 0; i < 8; i++) a.task.call('recvfrom', other, into, 10_000, c.MSG_DONTWAIT, 0, 0);
    b.task.finish();
    b.task.start('sendto', one, out, len, 0, 0, 0);
    sys.interrupt(b.task);
    b.task.start('sendto', one, out, len, 0, 0, 0);
    a.close(other);
    a.send(one, 'x');
  });

  conformance(`unix: epoll at a pair of ${typeName(type)} sockets`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    const epfd = a.epoll();
    const all = c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP;
    a.watch(epfd, one, all | c.EPOLLET);
    a.watch(epfd, other, all);
    a.ready(epfd);
    a.ready(epfd);
    a.send(one, 'abc');
    a.ready(epfd);
    a.take(other);
    a.ready(epfd);
    a.send(other, 'def');
    a.ready(epfd);
    a.send(other, 'ghi');
    a.ready(epfd);
    a.task.call('shutdown', one, c.SHUT_WR);
    a.ready(epfd);
    a.ready(epfd);
    a.close(other);
    a.ready(epfd);
    a.ready(epfd);
  });

  conformance(`unix: options of a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const fd = a.open(type);
    for (const level of [c.SOL_TCP, c.SOL_IP, c.SOL_IPV6, c.SOL_UDP, 0, 77]) {
      a.setInt(fd, level, 1, 1);
      a.getInt(fd, level, 1);
    }
    const served = [c.SO_PASSCRED, c.SO_PASSRIGHTS, c.SO_PEEK_OFF, c.SO_TIMESTAMP, c.SO_TIMESTAMPNS, c.SO_PEERCRED];
    for (const option of [...served, c.SO_REUSEADDR, c.SO_KEEPALIVE, c.SO_BROADCAST, c.SO_RCVLOWAT, 9999]) {
      for (const value of [1, 7, -1, -5, 0]) {
        a.setInt(fd, c.SOL_SOCKET, option, value);
        a.getInt(fd, c.SOL_SOCKET, option);
      }
    }
    a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_PASSCRED, a.int(1), 3);
    a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_PASSCRED, NOWHERE, 4);
    a.task.call('setsockopt', fd, c.SOL_TCP, 1, NOWHERE, 4);
    a.task.call('getsockopt', fd, c.SOL_TCP, 1, NOWHERE, NOWHERE);
  });
}

conformance('unix: MSG_WAITALL on a stream', { group, interrupts: true }, (sys) => {
  const a = unixKit(sys);
  const b = unixKit(sys, 'b');
  const [one, other] = a.two();
  a.send(one, 'abc');
  b.startRecv(other, 8, c.MSG_WAITALL);
  a.count(other);
  a.send(one, 'def');
  a.send(one, 'ghi');
  a.take(other, 8, c.MSG_WAITALL);
  b.startRecv(other, 8, c.MSG_WAITALL);
  a.send(one, 'jk');
  sys.interrupt(b.task);
  b.startRecv(other, 8, c.MSG_WAITALL);
  a.send(one, 'lm');
  a.task.call('shutdown', one, c.SHUT_WR);
  b.task.finish();
  a.take(other, 8, c.MSG_WAITALL);
});

conformance('unix: SO_RCVLOWAT of a stream is taken while it is waited for', { group, interrupts: true }, (sys) => {
  const a = unixKit(sys);
  const b = unixKit(sys, 'b');
  const [one, other] = a.two();
  a.setInt(other, c.SOL_SOCKET, c.SO_RCVLOWAT, 5);
  a.send(one, 'ab');
  a.poll(other);
  b.startRecv(other, 50);
  a.count(other);
  a.send(one, 'cd');
  a.send(one, 'efg');
  a.send(one, 'hi');
  a.take(other);
  a.send(one, 'jk');
  a.take(other, 2, 0);
  a.send(one, 'l');
  b.startRecv(other, 50);
  sys.interrupt(b.task);
  a.send(one, 'm');
  a.take(other, 50, c.MSG_PEEK);
  b.startRecv(other, 50);
  a.task.call('shutdown', one, c.SHUT_WR);
  a.take(other);
});

for (const type of TYPES) {
  conformance(`unix: SO_PEEK_OFF of a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    const where = () => a.getInt(other, c.SOL_SOCKET, c.SO_PEEK_OFF);
    for (const text of ['abcd', 'efgh', 'ij']) a.send(one, text);
    a.setInt(other, c.SOL_SOCKET, c.SO_PEEK_OFF, 0);
    for (const len of [2, 3, 50]) {
      a.take(other, len, c.MSG_PEEK | c.MSG_DONTWAIT);
      where();
    }
    a.take(other, 50, c.MSG_PEEK | c.MSG_DONTWAIT);
    where();
    a.take(other, 3);
    where();
    a.setInt(other, c.SOL_SOCKET, c.SO_PEEK_OFF, 3);
    a.take(other, 2, c.MSG_PEEK | c.MSG_DONTWAIT);
    where();
    a.take(other, 2, c.MSG_PEEK | c.MSG_DONTWAIT | c.MSG_TRUNC);
    where();
    a.setInt(other, c.SOL_SOCKET, c.SO_PEEK_OFF, -1);
    a.take(other, 2, c.MSG_PEEK);
    where();
  });
}

for (const type of CONNECTED) {
  conformance(`unix: a second thread's shutdown while a ${typeName(type)} send waits`, { group }, (sys) => {
    const a = unixKit(sys);
    const b = unixKit(sys, 'b');
    const [one, other] = a.two(type);
    const out = a.octets(pattern(20_000), 'out');
    a.setInt(one, c.SOL_SOCKET, c.SO_SNDBUF, 5000);
    a.setTimeout(one, c.SO_SNDTIMEO, 0, 300_000);
    sys.quietly(() => {
      for (let i = 0; i < 5; i++) a.task.call('sendto', one, out, 5000, c.MSG_DONTWAIT, 0, 0);
    });
    b.task.start('sendto', one, out, 5000, 0, 0, 0);
    b.task.finish();
    a.setTimeout(one, c.SO_SNDTIMEO, 0, 0);
    b.task.start('sendto', one, out, 5000, c.MSG_NOSIGNAL, 0, 0);
    a.task.call('shutdown', other, c.SHUT_RDWR);
    b.task.finish();
  });

  conformance(`unix: SIGPIPE of a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    a.task.call('shutdown', one, c.SHUT_WR);
    a.send(one, 'x');
    a.send(one, '');
    a.send(one, 'x', c.MSG_NOSIGNAL);
    a.task.call('write', one, a.octets('x', 'out'), 1);
    a.task.call('shutdown', one, c.SHUT_RD);
    a.send(other, 'x');
    a.task.call('write', other, a.octets('x', 'out'), 1);
    a.task.call('sendmsg', other, a.msghdr({ iov: [[a.octets('x', 'out'), 1]] }), 0);
  });
}

conformance('unix: sendfile and splice with a stream', { group }, (sys) => {
  const a = unixKit(sys);
  const [one, other] = a.two();
  const file = a.task.call('memfd_create', a.octets('file\0', 'filename'), 0);
  a.task.call('write', file, a.octets('contents', 'content'), 8);
  a.task.call('lseek', file, 0, 0);
  a.task.call('sendfile', one, file, 0, 5);
  a.take(other);
  const pipe = sys.alloc(8, 'pipe');
  a.task.call('pipe', pipe);
  const [reader, writer] = [sys.get(c.i32, pipe), sys.get(c.i32, pipe + 4)];
  a.task.call('write', writer, a.octets('through a pipe', 'out'), 14);
  a.task.call('splice', reader, 0, one, 0, 10, 0);
  a.take(other, 4);
  a.task.call('splice', other, 0, writer, 0, 100, 0);
  a.task.call('read', reader, sys.alloc(50, 'in'), 50);
  a.passFds(one, 'with', one);
  a.task.call('splice', other, 0, writer, 0, 100, 0);
  a.task.call('read', reader, sys.alloc(50, 'in'), 50);
  a.setInt(other, c.SOL_SOCKET, c.SO_PASSCRED, 1);
  a.task.call('write', writer, a.octets('x', 'out'), 1);
  a.task.call('splice', reader, 0, one, 0, 10, 0);
  a.get(other);
});

conformance('unix: splice with datagrams', { group }, (sys) => {
  const a = unixKit(sys);
  const [one, other] = a.two(c.SOCK_DGRAM);
  const pipe = sys.alloc(8, 'pipe');
  a.task.call('pipe', pipe);
  const [reader, writer] = [sys.get(c.i32, pipe), sys.get(c.i32, pipe + 4)];
  a.send(one, 'first');
  a.send(one, 'second');
  a.task.call('splice', other, 0, writer, 0, 100, 0);
  a.task.call('splice', reader, 0, one, 0, 3, 0);
  a.take(other);
  a.take(other);
  a.task.call('shutdown', one, c.SHUT_WR);
  a.task.call('splice', reader, 0, one, 0, 3, 0);
});
