/** Calls that block, what wakes them, and what ends them. */
import { conformance } from '../body.ts';
import { kit, pattern } from '../kit.ts';
import * as c from '../linux.ts';
import { asEpollEvents, asMmsghdrs, asText } from '../show.ts';

const group = 'blocking';

conformance('accept wakes with a connection', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener();
  const room = b.nameRoom();
  b.task.start('accept', fd, room.at, room.len);
  a.connect(a.tcp(), '127.0.0.1', port);
  b.task.finish();
});

conformance('recv on TCP wakes with data', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server);
  a.send(client, 'hello');
  b.startRecv(server);
  a.send(client, 'x');
});

conformance('recv on UDP wakes with a message, even an empty one', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.udpBound();
  b.startRecv(fd);
  a.sendTo(fd, 'hello', '127.0.0.1', port);
  b.startRecv(fd);
  a.sendTo(fd, '', '127.0.0.1', port);
});

conformance('recv wakes at the end of the stream', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server);
  a.task.call('shutdown', client, c.SHUT_WR);
  b.task.finish();
});

conformance('recv wakes with a reset', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server);
  const at = sys.alloc(8, 'linger');
  sys.put(c.linger, at, { onoff: 1, linger: 0 });
  a.task.call('setsockopt', client, c.SOL_SOCKET, c.SO_LINGER, at, 8);
  a.close(client);
  b.startRecv(server);
});

conformance('recv wakes when its own side is shut down', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { server } = a.pair();
  b.startRecv(server);
  a.task.call('shutdown', server, c.SHUT_RD);
  b.task.finish();
});

conformance('recv on UDP wakes when it is shut down', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd } = a.udpBound();
  b.startRecv(fd);
  a.task.call('shutdown', fd, c.SHUT_RD);
});

conformance('recv on a connected UDP socket wakes with ECONNREFUSED', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.udpBound();
  a.close(fd);
  const one = a.udp();
  a.connect(one, '127.0.0.1', port);
  b.startRecv(one);
  a.send(one, 'x');
});

conformance('MSG_WAITALL waits for all octets', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server, 6, c.MSG_WAITALL);
  a.send(client, 'abc');
  a.send(client, 'defgh');
  b.recv(server);
  b.startRecv(server, 6, c.MSG_WAITALL);
  a.send(client, 'abc');
  a.close(client);
});

conformance('MSG_WAITALL with MSG_PEEK waits for all octets', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server, 4, c.MSG_WAITALL | c.MSG_PEEK);
  a.send(client, 'abcdef');
  b.recv(server);
});

conformance('recv of zero octets on an empty stream waits', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  const room = sys.alloc(4, 'in');
  b.task.start('recvfrom', server, room, 0, 0, 0, 0);
  a.send(client, 'x');
});

conformance('one arrival wakes one of two readers', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const d = kit(sys, 'd');
  const { fd, port } = a.udpBound();
  b.startRecv(fd);
  d.startRecv(fd);
  a.sendTo(fd, 'first', '127.0.0.1', port);
  a.sendTo(fd, 'second', '127.0.0.1', port);
});

conformance('one connection wakes one of two that accept', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const d = kit(sys, 'd');
  const { fd, port } = a.listener();
  b.task.start('accept', fd, 0, 0);
  d.task.start('accept', fd, 0, 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.connect(a.tcp(), '127.0.0.1', port);
});

conformance('send wakes when the reader makes room', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  // How much buffers take by themselves is the system's free choice.
  a.setInt(server, c.SOL_SOCKET, c.SO_RCVBUF, 65_536);
  a.setInt(client, c.SOL_SOCKET, c.SO_SNDBUF, 65_536);
  const len = 3_000_000;
  const out = sys.alloc(len, 'out');
  sys.write(out, pattern(len));
  const room = sys.alloc(200_000, 'in');
  b.task.start('sendto', client, out, len, 0, 0, 0);
  let received = 0;
  const { errors } = sys.quietly(() => {
    for (let i = 0; i < 2000 && received < len; i++) {
      received += Math.max(0, a.task.call('recvfrom', server, room, 200_000, c.MSG_DONTWAIT, 0, 0));
      if (b.task.blocked && received === 0) break;
    }
  });
  sys.record('received', received);
  sys.record('errors other than EAGAIN', errors.filter((errno) => errno !== -c.Errno.EAGAIN).length);
  sys.record('sent', b.task.finish());
});

conformance('send wakes with EPIPE or ECONNRESET when the peer goes', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  // How much buffers take by themselves is the system's free choice.
  a.setInt(server, c.SOL_SOCKET, c.SO_RCVBUF, 65_536);
  a.setInt(client, c.SOL_SOCKET, c.SO_SNDBUF, 65_536);
  const len = 4_000_000;
  const out = sys.alloc(len, 'out');
  b.task.start('sendto', client, out, len, 0, 0, 0);
  const { errors } = sys.quietly(() => a.close(server));
  sys.record('close failed', errors.length);
  // The octets taken before the reset are the system's free choice.
  sys.record('a part was sent', b.task.result() > 0 && b.task.result() < len);
  b.send(client, 'x', c.MSG_NOSIGNAL);
});

conformance('connect blocks while the backlog is full and goes on when there is room', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const client = b.tcp();
  b.startConnect(client, '127.0.0.1', port);
  a.poll(client);
  a.accept(fd);
  b.task.finish();
  b.peerName(client);
});

conformance('connect is EALREADY for another thread', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const client = a.tcp();
  a.setTimeout(client, c.SO_SNDTIMEO, 0, 300_000);
  b.startConnect(client, '127.0.0.1', port);
  a.task.call('fcntl', client, c.F_SETFL, c.O_NONBLOCK);
  a.connect(client, '127.0.0.1', port);
  b.task.finish();
});

conformance('SO_RCVTIMEO ends recv with EAGAIN', { group }, (sys) => {
  const a = kit(sys);
  const { server } = a.pair();
  a.setTimeout(server, c.SO_RCVTIMEO, 0, 300_000);
  const from = sys.now();
  a.startRecv(server);
  a.task.finish();
  sys.record('waited', sys.now() - from >= 299);
  const { fd } = a.udpBound();
  a.setTimeout(fd, c.SO_RCVTIMEO, 0, 300_000);
  a.startRecv(fd);
  a.task.finish();
});

conformance('SO_RCVTIMEO ends MSG_WAITALL with what there is', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.setTimeout(server, c.SO_RCVTIMEO, 0, 300_000);
  a.send(client, 'abc');
  b.startRecv(server, 10, c.MSG_WAITALL);
  b.task.finish();
});

conformance('SO_RCVTIMEO ends accept', { group }, (sys) => {
  const a = kit(sys);
  const { fd } = a.listener();
  a.setTimeout(fd, c.SO_RCVTIMEO, 0, 300_000);
  a.task.start('accept', fd, 0, 0);
  a.task.finish();
});

conformance('SO_SNDTIMEO ends connect with EINPROGRESS', { group }, (sys) => {
  const a = kit(sys);
  const { port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const client = a.tcp();
  a.setTimeout(client, c.SO_SNDTIMEO, 0, 300_000);
  a.startConnect(client, '127.0.0.1', port);
  a.task.finish();
  a.startConnect(client, '127.0.0.1', port);
  a.task.finish();
});

conformance('a negative SO_RCVTIMEO does not wait', { group }, (sys) => {
  const a = kit(sys);
  const { server } = a.pair();
  a.setTimeout(server, c.SO_RCVTIMEO, -1, 0);
  a.recv(server);
});

conformance('poll wakes with the event it waits for', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.task.start('poll', b.pollfds([[server, c.POLLIN]]), 1, -1);
  a.send(client, 'x');
  b.task.start(
    'poll',
    b.pollfds([
      [server, c.POLLRDHUP],
      [client, c.POLLIN],
    ]),
    2,
    -1,
  );
  a.send(client, 'y');
  a.task.call('shutdown', client, c.SHUT_WR);
  b.task.finish();
});

conformance('poll wakes with an error it did not ask for', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.udpBound();
  a.close(fd);
  const one = a.udp();
  a.connect(one, '127.0.0.1', port);
  b.task.start('poll', b.pollfds([[one, 0]]), 1, -1);
  a.send(one, 'x');
});

conformance('poll on a listener wakes with a connection', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener();
  b.task.start('poll', b.pollfds([[fd, c.POLLIN]]), 1, -1);
  a.connect(a.tcp(), '127.0.0.1', port);
  b.accept(fd);
});

conformance('epoll_wait wakes with data', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  const ep = a.epoll();
  a.watch(ep, server, c.EPOLLIN | c.EPOLLET);
  b.task.start('epoll_wait', ep, b.eventRoom(), 8, -1);
  a.send(client, 'x');
  b.task.start('epoll_wait', ep, b.eventRoom(), 8, -1);
  a.send(client, 'y');
});

conformance('epoll_wait wakes when an item is added that is ready', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const ep = a.epoll();
  b.task.start('epoll_wait', ep, sys.alloc(12, 'events', asEpollEvents), 1, -1);
  a.watch(ep, a.udp(), c.EPOLLOUT);
});

conformance('a connected pair of epoll readers: one event wakes one', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const d = kit(sys, 'd');
  const { fd, port } = a.udpBound();
  const ep = a.epoll();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLET);
  b.task.start('epoll_wait', ep, b.eventRoom(1), 1, -1);
  d.task.start('epoll_wait', ep, d.eventRoom(1), 1, -1);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.sendTo(fd, 'y', '127.0.0.1', port);
});

conformance('close does not wake a blocked recv', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server);
  a.close(server);
  a.poll(client);
  a.send(client, 'still read');
  b.task.finish();
  a.recv(client);
});

conformance('close does not wake a blocked accept', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener();
  b.task.start('accept', fd, 0, 0);
  a.close(fd);
  a.connect(a.tcp(), '127.0.0.1', port);
});

conformance('shutdown of a listener wakes accept with EINVAL', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd } = a.listener();
  b.task.start('accept', fd, 0, 0);
  a.task.call('shutdown', fd, c.SHUT_RD);
});

conformance('a signal ends recv with EINTR', { group, interrupts: true }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.udpBound();
  b.startRecv(fd);
  sys.interrupt(b.task);
  b.startRecv(fd);
  sys.interrupt(b.task, true);
  a.sendTo(fd, 'x', '127.0.0.1', port);
});

conformance('a signal ends recv with a timeout by EINTR, whatever SA_RESTART says', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd } = a.udpBound();
  a.setTimeout(fd, c.SO_RCVTIMEO, 5, 0);
  b.startRecv(fd);
  sys.interrupt(b.task, true);
});

conformance('a signal ends MSG_WAITALL with what there is', { group, interrupts: true }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server, 10, c.MSG_WAITALL);
  a.send(client, 'abc');
  sys.interrupt(b.task);
});

conformance('a signal ends accept, connect and poll', { group, interrupts: true }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener('127.0.0.1', 0);
  b.task.start('accept', fd, 0, 0);
  sys.interrupt(b.task);
  b.task.start('accept', fd, 0, 0);
  sys.interrupt(b.task, true);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.connect(a.tcp(), '127.0.0.1', port);
  const client = a.tcp();
  b.startConnect(client, '127.0.0.1', port);
  sys.interrupt(b.task);
  b.task.start('poll', b.pollfds([[fd, c.POLLPRI]]), 1, -1);
  sys.interrupt(b.task, true);
});

conformance('a signal ends epoll_wait', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const ep = a.epoll();
  b.task.start('epoll_wait', ep, b.eventRoom(), 8, -1);
  sys.interrupt(b.task, true);
});

conformance('recvmmsg waits for the first, with MSG_WAITFORONE for no more', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.udpBound();
  const vec = sys.alloc(3 * 64, 'mmsg', asMmsghdrs);
  for (let i = 0; i < 3; i++) a.putMsghdr(vec + i * 64, { iov: [[sys.alloc(8, 'in', asText), 8]] });
  b.task.start('recvmmsg', fd, vec, 3, c.MSG_WAITFORONE, 0);
  a.sendTo(fd, 'one', '127.0.0.1', port);
  b.task.start('recvmmsg', fd, vec, 2, 0, 0);
  a.sendTo(fd, 'two', '127.0.0.1', port);
  a.sendTo(fd, 'three', '127.0.0.1', port);
});

conformance('a blocked call of one process is served by another', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const child = sys.process('child');
  child.start('recvfrom', server, sys.alloc(16, 'in'), 16, 0, 0, 0);
  a.send(client, 'hello');
  child.finish();
});

conformance('O_NONBLOCK set while a call is blocked does not end it', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.udpBound();
  b.startRecv(fd);
  a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  a.sendTo(fd, 'x', '127.0.0.1', port);
});
