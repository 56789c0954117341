/** What poll, select and epoll go on to show of a socket that changes what it is: refused and connected anew, a listener that is shut down, a connection dissolved, under every registration made before. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'readiness';
const HOST = '127.0.0.1';
const LEVEL = c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP;
const EDGE = LEVEL | c.EPOLLET;

/** A port on which nobody listens any more. */
function closedPort(a: Kit): number {
  const { fd, port } = a.listener();
  a.close(fd);
  return port;
}
function relisten(a: Kit, port: number): number {
  const fd = a.tcp();
  a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(fd, HOST, port);
  a.listen(fd);
  return fd;
}
const twice = (a: Kit, ep: number): void => {
  a.ready(ep);
  a.ready(ep);
};

for (const [kind, events] of [
  ['level', LEVEL],
  ['edge', EDGE],
] as const)
  conformance(`a refused socket is connected under its first registration: ${kind}`, { group }, (sys) => {
    const a = kit(sys);
    const ep = a.epoll();
    const port = closedPort(a);
    const fd = a.tcp(c.SOCK_NONBLOCK);
    a.watch(ep, fd, events);
    twice(a, ep);
    a.connect(fd, HOST, port);
    twice(a, ep);
    a.error(fd);
    twice(a, ep);
    const listener = relisten(a, port);
    a.connect(fd, HOST, port);
    twice(a, ep);
    a.connect(fd, HOST, port);
    twice(a, ep);
    const server = a.accept(listener);
    a.send(server, 'hello');
    twice(a, ep);
    a.recv(fd);
    twice(a, ep);
    a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLIN);
    a.ready(ep);
    a.close(server);
    a.ready(ep);
    a.epollCtl(ep, c.EPOLL_CTL_DEL, fd, 0);
    a.ready(ep);
  });

conformance('a socket is refused again and again under one registration', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const port = closedPort(a);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.watch(ep, fd, EDGE);
  for (let i = 0; i < 3; i++) {
    a.connect(fd, HOST, port);
    twice(a, ep);
    a.poll(fd);
    a.error(fd);
    a.poll(fd);
    a.connect(fd, HOST, port);
    a.poll(fd);
    twice(a, ep);
  }
});

conformance('a refusal told by connect leaves a fresh socket', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const port = closedPort(a);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.watch(ep, fd, EDGE);
  a.connect(fd, HOST, port);
  a.ready(ep);
  a.connect(fd, HOST, port);
  a.poll(fd);
  twice(a, ep);
  a.bind(fd, HOST, 0);
  a.listen(fd);
  a.poll(fd);
  twice(a, ep);
  const client = a.tcp();
  a.connect(client, HOST, a.port(fd));
  a.poll(fd);
  twice(a, ep);
  a.accept(fd);
  a.poll(fd);
  twice(a, ep);
});

conformance('a duplicate of a refused socket is one registration more, and connected too', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const port = closedPort(a);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  const twin = a.task.call('dup', fd);
  a.watch(ep, fd, LEVEL);
  a.watch(ep, twin, EDGE);
  a.ready(ep);
  a.connect(fd, HOST, port);
  twice(a, ep);
  a.error(twin);
  twice(a, ep);
  const listener = relisten(a, port);
  a.connect(twin, HOST, port);
  twice(a, ep);
  a.connect(twin, HOST, port);
  twice(a, ep);
  const server = a.accept(listener);
  a.send(server, 'x');
  twice(a, ep);
  a.recv(fd);
  twice(a, ep);
  a.close(fd);
  twice(a, ep);
  a.close(twin);
  a.ready(ep);
});

conformance('two epolls have a refused socket, and one of them inside the other', { group }, (sys) => {
  const a = kit(sys);
  const inner = a.epoll();
  const outer = a.epoll();
  const port = closedPort(a);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.watch(inner, fd, EDGE);
  a.watch(outer, inner, c.EPOLLIN);
  a.watch(outer, fd, c.EPOLLIN | c.EPOLLONESHOT);
  a.ready(outer);
  a.connect(fd, HOST, port);
  twice(a, outer);
  twice(a, inner);
  a.error(fd);
  const listener = relisten(a, port);
  a.connect(fd, HOST, port);
  a.connect(fd, HOST, port);
  twice(a, outer);
  twice(a, inner);
  const server = a.accept(listener);
  a.send(server, 'x');
  twice(a, outer);
  a.epollCtl(outer, c.EPOLL_CTL_MOD, fd, c.EPOLLIN | c.EPOLLONESHOT);
  twice(a, outer);
  twice(a, inner);
});

conformance('a one-shot registration sleeps through refusal and success', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const port = closedPort(a);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.connect(fd, HOST, port);
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLONESHOT);
  twice(a, ep);
  a.error(fd);
  const listener = relisten(a, port);
  a.connect(fd, HOST, port);
  a.connect(fd, HOST, port);
  const server = a.accept(listener);
  a.send(server, 'x');
  a.ready(ep);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLOUT | c.EPOLLONESHOT);
  twice(a, ep);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, EDGE);
  twice(a, ep);
});

conformance('a registration follows a socket from fresh to listening and out of it', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const fd = a.tcp();
  a.watch(ep, fd, EDGE);
  twice(a, ep);
  a.bind(fd, HOST, 0);
  twice(a, ep);
  a.listen(fd);
  twice(a, ep);
  const port = a.port(fd);
  const first = a.tcp();
  a.connect(first, HOST, port);
  twice(a, ep);
  const second = a.tcp();
  a.connect(second, HOST, port);
  twice(a, ep);
  a.accept(fd);
  twice(a, ep);
  a.poll(fd);
  a.accept(fd);
  a.poll(fd);
  twice(a, ep);
  a.task.call('shutdown', fd, c.SHUT_RD);
  a.poll(fd);
  twice(a, ep);
  a.getInt(fd, c.SOL_SOCKET, c.SO_ACCEPTCONN);
  a.accept(fd);
});

conformance('a listener that was shut down listens again', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { fd, port } = a.listener();
  a.watch(ep, fd, LEVEL);
  a.ready(ep);
  a.task.call('shutdown', fd, c.SHUT_RDWR);
  a.poll(fd);
  twice(a, ep);
  a.connect(a.tcp(), HOST, port);
  a.listen(fd);
  a.poll(fd);
  twice(a, ep);
  const client = a.tcp();
  a.connect(client, HOST, port);
  a.poll(fd);
  twice(a, ep);
  const server = a.accept(fd);
  a.poll(fd);
  a.ready(ep);
  a.send(server, 'x');
  a.recv(client);
});

conformance('shutdown of a listener with connections waiting resets them', { group }, (sys) => {
  const a = kit(sys);
  const [ep, other] = [a.epoll(), a.epoll()];
  const { fd, port } = a.listener();
  const client = a.tcp();
  a.connect(client, HOST, port);
  a.watch(ep, fd, LEVEL);
  a.watch(other, client, LEVEL);
  a.ready(ep);
  a.ready(other);
  a.task.call('shutdown', fd, c.SHUT_RD);
  twice(a, ep);
  twice(a, other);
  a.poll(fd);
  a.poll(client);
  a.recv(client);
  a.listen(fd);
  a.poll(fd);
  a.accept(fd);
});

conformance('a listener that was shut down connects', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { fd } = a.listener();
  const other = a.listener();
  a.watch(ep, fd, EDGE);
  a.ready(ep);
  a.task.call('shutdown', fd, c.SHUT_RD);
  twice(a, ep);
  a.connect(fd, HOST, other.port);
  a.poll(fd);
  twice(a, ep);
  const server = a.accept(other.fd);
  a.send(server, 'x');
  twice(a, ep);
  a.recv(fd);
  a.close(server);
  twice(a, ep);
});

function dissolved(sys: System, events: number): void {
  const a = kit(sys);
  const ep = a.epoll();
  const { client, server, listener, port } = a.pair();
  a.watch(ep, client, events);
  twice(a, ep);
  a.send(server, 'lost');
  a.ready(ep);
  a.connect(client, HOST, port);
  const none = a.octets(new Uint8Array(16), 'unspecified');
  a.task.call('connect', client, none, 16);
  a.peerName(client);
  a.error(client);
  a.poll(client);
  a.connect(client, HOST, port);
  a.poll(client);
  twice(a, ep);
  const again = a.accept(listener);
  a.send(again, 'kept');
  twice(a, ep);
  a.recv(client);
  twice(a, ep);
}
conformance('a dissolved connection is made anew under its registration: level', { group }, (sys) => {
  dissolved(sys, LEVEL);
});
conformance('a dissolved connection is made anew under its registration: edge', { group }, (sys) => {
  dissolved(sys, EDGE);
});

conformance('a UDP socket keeps its registration through connect, error and AF_UNSPEC', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const gone = a.udpBound();
  a.close(gone.fd);
  const { fd, port } = a.udpBound();
  const other = a.udpBound();
  a.watch(ep, fd, EDGE);
  twice(a, ep);
  a.connect(fd, HOST, gone.port);
  a.send(fd, 'x');
  a.poll(fd);
  twice(a, ep);
  a.error(fd);
  a.poll(fd);
  twice(a, ep);
  a.send(fd, 'x');
  twice(a, ep);
  a.error(fd);
  const none = a.octets(new Uint8Array(16), 'unspecified');
  a.task.call('connect', fd, none, 16);
  a.poll(fd);
  a.sendTo(other.fd, 'y', HOST, port);
  a.poll(fd);
  twice(a, ep);
  a.recv(fd);
  a.poll(fd);
  twice(a, ep);
});

conformance('EPOLLEXCLUSIVE: one connection wakes one of two epolls', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const one = a.epoll();
  const two = a.epoll();
  for (const ep of [one, two]) a.watch(ep, fd, c.EPOLLIN | c.EPOLLEXCLUSIVE);
  const [b, d] = [kit(sys, 'b'), kit(sys, 'd')];
  b.task.start('epoll_wait', one, b.eventRoom(), 8, -1);
  d.task.start('epoll_wait', two, d.eventRoom(), 8, -1);
  const client = a.tcp();
  a.connect(client, HOST, port);
  sys.record('asleep', Number(b.task.blocked) + Number(d.task.blocked));
  const second = a.tcp();
  a.connect(second, HOST, port);
  sys.record('asleep', Number(b.task.blocked) + Number(d.task.blocked));
});

conformance('every waiter of its own epoll wakes with data, exclusive or not', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const [one, two] = [a.epoll(), a.epoll()];
  a.watch(one, server, EDGE);
  a.watch(two, server, c.EPOLLIN);
  a.ready(one);
  const [b, d] = [kit(sys, 'b'), kit(sys, 'd')];
  b.task.start('epoll_wait', one, b.eventRoom(), 8, -1);
  d.task.start('epoll_wait', two, d.eventRoom(), 8, -1);
  a.send(client, 'x');
  b.task.finish();
  d.task.finish();
});

conformance('an edge of OUT comes when a full connection has room again', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { client, server } = a.pair();
  a.watch(ep, client, c.EPOLLOUT | c.EPOLLET);
  twice(a, ep);
  const piece = a.octets(new Uint8Array(65_536), 'piece');
  const room = sys.alloc(65_536, 'room', () => 'octets');
  const { errors } = sys.quietly(() => {
    while (a.task.call('sendto', client, piece, 65_536, c.MSG_DONTWAIT, 0, 0) > 0);
  });
  sys.record('ended with', errors.join(' '));
  a.poll(client);
  twice(a, ep);
  for (let i = 0; i < 20; i++) {
    sys.quietly(() => {
      while (a.task.call('recvfrom', server, room, 65_536, c.MSG_DONTWAIT, 0, 0) > 0);
    });
    sys.sleep(5);
  }
  a.poll(client);
  twice(a, ep);
});

conformance('each datagram is an edge, and reading is none', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  const other = a.udp();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLET);
  for (let i = 0; i < 3; i++) {
    a.sendTo(other, `${i}`, HOST, port);
    twice(a, ep);
  }
  a.recv(fd, 10, c.MSG_PEEK);
  a.ready(ep);
  for (let i = 0; i < 3; i++) {
    a.recv(fd);
    a.ready(ep);
  }
  a.sendTo(other, '', HOST, port);
  twice(a, ep);
});

conformance('POLLRDHUP alone wakes at the end of the stream and not with data', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const b = kit(sys, 'b');
  b.task.start('poll', b.pollfds([[server, c.POLLRDHUP]]), 1, -1);
  a.send(client, 'x');
  sys.record('still asleep', b.task.blocked);
  a.task.call('shutdown', client, c.SHUT_WR);
  b.task.finish();
});

conformance('select sees readable and writable through the life of a connection', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const select = (fd: number): void => {
    const sets = ['readable', 'writable', 'exceptional'].map((name) => {
      const at = sys.alloc(128, name);
      const bits = new Uint8Array(128);
      bits[fd >> 3] = 1 << (fd & 7);
      sys.write(at, bits);
      return at;
    });
    a.task.call('select', fd + 1, ...sets, a.timeval(0, 0));
  };
  select(server);
  a.send(client, 'x');
  select(server);
  a.recv(server);
  select(server);
  a.close(client);
  select(server);
});

conformance('registrations of another process see what becomes of the socket', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const ep = a.epoll();
  a.watch(ep, server, EDGE);
  const other = sys.process('child');
  const room = sys.alloc(96, 'events of the child');
  other.call('epoll_wait', ep, room, 8, 0);
  a.send(client, 'x');
  other.call('epoll_wait', ep, room, 8, 0);
  a.close(server);
  a.send(client, 'y');
  other.call('epoll_wait', ep, room, 8, 0);
  other.call('close', server);
  other.call('epoll_wait', ep, room, 8, 0);
});
