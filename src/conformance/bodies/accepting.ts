/** The queue of a listener: how many wait, in what order, what a new backlog, shutdown, close and TCP_DEFER_ACCEPT do to them. */
import { conformance } from '../body.ts';
import { kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'accepting';

for (const backlog of [0, 1, 3]) {
  conformance(`accepting: listen(${backlog}) admits one more`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.listener('127.0.0.1', backlog);
    const clients: number[] = [];
    for (let i = 0; i < backlog + 3; i++) {
      const client = a.tcp(c.SOCK_NONBLOCK);
      a.connect(client, '127.0.0.1', port);
      clients.push(client);
    }
    for (const client of clients) a.poll(client);
    a.accept(fd);
    for (const client of clients) a.connect(client, '127.0.0.1', port);
  });
}

conformance('accepting: a larger backlog lets those in that wait, a smaller one puts nobody out', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const client = a.tcp();
  b.startConnect(client, '127.0.0.1', port);
  a.listen(fd, 3);
  b.task.finish();
  a.listen(fd, 0);
  const late = a.tcp(c.SOCK_NONBLOCK);
  a.connect(late, '127.0.0.1', port);
  a.poll(late);
  a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  a.accept(fd);
  a.accept(fd);
  a.accept(fd);
});

conformance('accepting: shutdown of a listener resets who waits, and it can listen again', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener();
  const waiting = a.tcp();
  a.connect(waiting, '127.0.0.1', port);
  a.send(waiting, 'hello');
  b.startRecv(waiting);
  a.task.call('shutdown', fd, c.SHUT_RD);
  b.task.finish();
  a.poll(fd);
  a.accept(fd);
  a.port(fd);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.listen(fd);
  a.port(fd);
  a.connect(a.tcp(), '127.0.0.1', port);
});

conformance('accepting: shutdown of writing does nothing to a listener', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  a.task.call('shutdown', fd, c.SHUT_WR);
  a.poll(fd);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.accept(fd);
});

conformance('accepting: two that wait, close of the listener by its last descriptor', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const [one, two] = [a.tcp(), a.tcp()];
  a.connect(one, '127.0.0.1', port);
  a.connect(two, '127.0.0.1', port);
  a.send(two, 'x');
  const ep = a.epoll();
  for (const client of [one, two]) a.watch(ep, client, c.EPOLLIN | c.EPOLLRDHUP);
  a.close(fd);
  a.ready(ep);
  a.recv(one);
  a.recv(two);
  a.send(two, 'x', c.MSG_NOSIGNAL);
});

conformance('accepting: a connection that was reset while it waited', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  const linger = sys.alloc(8, 'linger');
  sys.put(c.linger, linger, { onoff: 1, linger: 0 });
  a.task.call('setsockopt', client, c.SOL_SOCKET, c.SO_LINGER, linger, 8);
  a.close(client);
  a.poll(fd);
  const server = a.accept(fd);
  a.poll(server);
  a.peerName(server);
  a.send(server, 'x', c.MSG_NOSIGNAL);
  a.recv(server);
});

conformance('accepting: a connection with data and its end in the queue', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  a.send(client, 'early');
  a.close(client);
  const server = a.accept(fd);
  a.poll(server);
  a.recv(server);
  a.recv(server);
  a.send(server, 'late');
  a.poll(server);
});

conformance('accepting: TCP_DEFER_ACCEPT waits for data', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener();
  a.setInt(fd, c.SOL_TCP, c.TCP_DEFER_ACCEPT, 30);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  a.poll(client);
  a.poll(fd);
  b.task.start('accept4', fd, 0, 0, c.SOCK_NONBLOCK);
  a.send(client, 'now');
  const server = b.task.finish();
  a.recv(server);
  a.getInt(server, c.SOL_TCP, c.TCP_DEFER_ACCEPT);
});

conformance('accepting: TCP_DEFER_ACCEPT, an end without data', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  a.setInt(fd, c.SOL_TCP, c.TCP_DEFER_ACCEPT, 30);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  a.poll(fd);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.poll(fd);
});

conformance('accepting: TCP_DEFER_ACCEPT, set after the connection came', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  a.connect(a.tcp(), '127.0.0.1', port);
  a.setInt(fd, c.SOL_TCP, c.TCP_DEFER_ACCEPT, 30);
  a.poll(fd);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.accept(fd);
  a.poll(fd);
});

conformance('accepting: TCP_DEFER_ACCEPT, the listener closes while it waits', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  a.setInt(fd, c.SOL_TCP, c.TCP_DEFER_ACCEPT, 30);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  a.close(fd);
  a.poll(client);
  a.send(client, 'x');
  a.poll(client);
  a.recv(client);
});

conformance('accepting: two processes accept from one queue', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const child = sys.process('child');
  child.start('accept4', fd, 0, 0, c.SOCK_CLOEXEC);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  const server = child.finish();
  a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  a.accept(fd);
  child.call('sendto', server, a.octets('from the child', 'out'), 14, 0, 0, 0);
  a.recv(client);
});

conformance('accepting: the names of both ends, with room for all and for some', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  for (const room of [16, 8, 2, 0]) {
    a.connect(a.tcp(), '127.0.0.1', port);
    const name = a.nameRoom(room);
    a.task.call('accept', fd, name.at, name.len);
  }
});
