/** connect(2), listen(2) and accept(2) where they wait, are refused, interrupted, repeated and given up. */
import { conformance } from '../body.ts';
import { inet, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'connecting';

/** connect to AF_UNSPEC. */
const dissolve = (a: Kit, fd: number): number =>
  a.task.call('connect', fd, a.octets(inet('0.0.0.0', 0, c.AF_UNSPEC), 'nowhere'), 16);
/** A port where nobody listens. */
function deadPort(a: Kit): number {
  const { fd, port } = a.listener();
  a.close(fd);
  return port;
}

conformance(
  'connecting: refused, the error read by SO_ERROR: ECONNABORTED once, then a fresh try',
  { group },
  (sys) => {
    const a = kit(sys);
    const port = deadPort(a);
    const fd = a.tcp(c.SOCK_NONBLOCK);
    a.connect(fd, '127.0.0.1', port);
    a.error(fd);
    a.connect(fd, '127.0.0.1', port);
    a.connect(fd, '127.0.0.1', port);
    a.connect(fd, '127.0.0.1', port);
    const listener = a.tcp();
    a.bind(listener, '127.0.0.1', port);
    a.listen(listener);
    a.connect(fd, '127.0.0.1', port);
    a.connect(fd, '127.0.0.1', port);
    a.poll(fd);
  },
);

conformance('connecting: refused, the error told by recv, send, and connect', { group }, (sys) => {
  const a = kit(sys);
  const port = deadPort(a);
  for (const first of ['recv', 'send', 'poll'] as const) {
    const fd = a.tcp(c.SOCK_NONBLOCK);
    a.connect(fd, '127.0.0.1', port);
    if (first === 'recv') a.recv(fd);
    if (first === 'send') a.send(fd, 'x', c.MSG_NOSIGNAL);
    if (first === 'poll') a.poll(fd);
    a.recv(fd);
    a.send(fd, 'x', c.MSG_NOSIGNAL);
    a.error(fd);
    a.poll(fd);
    a.connect(fd, '127.0.0.1', port);
    a.peerName(fd);
  }
});

conformance('connecting: refused, the socket keeps the name that bind gave it', { group }, (sys) => {
  const a = kit(sys);
  const port = deadPort(a);
  const bound = a.tcp();
  a.bind(bound, '127.0.0.1', 0);
  a.port(bound);
  a.connect(bound, '127.0.0.1', port);
  a.port(bound);
  a.bind(bound, '127.0.0.1', 0);
  a.listen(bound);
  const wildcard = a.tcp();
  a.bind(wildcard, '0.0.0.0', 0);
  a.connect(wildcard, '127.0.0.1', port);
  a.port(wildcard);
});

conformance('connecting: refused, the blocking and the next blocking try', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const port = deadPort(a);
  const fd = a.tcp();
  a.connect(fd, '127.0.0.1', port);
  a.poll(fd);
  a.connect(fd, '127.0.0.1', port);
  const listener = a.fullListener();
  b.startConnect(fd, '127.0.0.1', listener.port);
  a.accept(listener.fd);
  b.task.finish();
  b.peerName(fd);
});

conformance('connecting: shutdown(2) of a fresh socket, then connect', { group }, (sys) => {
  const a = kit(sys);
  const { fd: listener, port } = a.listener();
  for (const how of [c.SHUT_RD, c.SHUT_WR, c.SHUT_RDWR]) {
    const fd = a.tcp();
    a.task.call('shutdown', fd, how);
    a.poll(fd);
    a.connect(fd, '127.0.0.1', port);
    a.poll(fd);
    const server = a.accept(listener);
    a.poll(server);
    a.recv(server, 10, c.MSG_DONTWAIT);
    a.send(server, 'hello', c.MSG_NOSIGNAL);
    a.recv(fd, 10, c.MSG_DONTWAIT);
    a.send(fd, 'x', c.MSG_NOSIGNAL);
    a.poll(fd);
  }
});

conformance('connecting: to itself, after shutdown(2) of the fresh socket', { group }, (sys) => {
  const a = kit(sys);
  for (const how of [c.SHUT_RD, c.SHUT_WR, c.SHUT_RDWR]) {
    for (const refused of [false, true]) {
      const fd = a.tcp();
      if (refused) a.connect(fd, '127.0.0.1', deadPort(a));
      a.bind(fd, '127.0.0.1', 0);
      const port = a.port(fd);
      a.task.call('shutdown', fd, how);
      a.connect(fd, '127.0.0.1', port);
      a.poll(fd);
      a.connect(fd, '127.0.0.1', port);
      a.error(fd);
    }
  }
});

conformance('connecting: to itself, what it sends it receives, and it ends by itself', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const fd = a.tcp();
  a.bind(fd, '127.0.0.1', 0);
  const port = a.port(fd);
  a.connect(fd, '127.0.0.1', port);
  a.peerName(fd);
  b.startRecv(fd);
  a.send(fd, 'me');
  b.task.finish();
  b.startRecv(fd);
  a.task.call('shutdown', fd, c.SHUT_WR);
  b.task.finish();
  a.poll(fd);
  a.connect(fd, '127.0.0.1', port);
});

conformance('connecting: AF_UNSPEC, in every state', { group }, (sys) => {
  const a = kit(sys);
  const fresh = a.tcp();
  dissolve(a, fresh);
  a.poll(fresh);
  const bound = a.tcp();
  a.bind(bound, '127.0.0.1', 0);
  dissolve(a, bound);
  a.port(bound);
  const { client, server, port } = a.pair();
  a.send(server, 'unread');
  dissolve(a, client);
  a.poll(client);
  a.port(client);
  a.peerName(client);
  a.error(client);
  a.recv(client);
  a.error(server);
  a.connect(client, '127.0.0.1', port);
  a.poll(client);
});

conformance('connecting: AF_UNSPEC of a connection with a bound name', { group }, (sys) => {
  const a = kit(sys);
  const { fd: listener, port } = a.listener();
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const fd = a.tcp();
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    a.bind(fd, host, 0);
    a.connect(fd, '127.0.0.1', port);
    dissolve(a, fd);
    a.port(fd);
    a.error(fd);
    a.connect(fd, '127.0.0.1', port);
    a.port(fd);
    a.accept(listener);
    a.accept(listener);
  }
});

conformance('connecting: AF_UNSPEC ends a listener, and who waits for it', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener();
  const client = a.tcp();
  b.task.start('accept', fd, 0, 0);
  dissolve(a, fd);
  b.task.finish();
  a.connect(client, '127.0.0.1', port);
  a.port(fd);
  a.accept(fd);
  a.getInt(fd, c.SOL_SOCKET, c.SO_ACCEPTCONN);
  a.listen(fd);
  a.connect(client, '127.0.0.1', port);
  a.connect(client, '127.0.0.1', port);
});

conformance('connecting: AF_UNSPEC gives up an attempt, and who waits for it', { group }, (sys) => {
  const a = kit(sys);
  const { port } = a.fullListener();
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.connect(fd, '127.0.0.1', port);
  dissolve(a, fd);
  a.poll(fd);
  a.error(fd);
  a.port(fd);
  a.connect(fd, '127.0.0.1', port);
  a.connect(fd, '127.0.0.1', port);
});

conformance('connecting: shutdown(2) gives up an attempt', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  for (const how of [c.SHUT_RD, c.SHUT_WR, c.SHUT_RDWR]) {
    const { port } = a.fullListener();
    const fd = a.tcp();
    b.startConnect(fd, '127.0.0.1', port);
    a.task.call('shutdown', fd, how);
    b.task.finish();
    a.poll(fd);
    a.error(fd);
  }
});

conformance('connecting: interrupted, repeated, and done meanwhile', { group, interrupts: true }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd: listener, port } = a.fullListener();
  const fd = a.tcp();
  b.startConnect(fd, '127.0.0.1', port);
  sys.interrupt(b.task);
  b.startConnect(fd, '127.0.0.1', port);
  sys.interrupt(b.task);
  b.startConnect(fd, '127.0.0.1', port);
  a.accept(listener);
  b.task.finish();
  b.connect(fd, '127.0.0.1', port);
  a.peerName(fd);
});

conformance('connecting: a deadline that passes, then another try waits for the same attempt', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd: listener, port } = a.fullListener();
  const fd = a.tcp();
  a.setTimeout(fd, c.SO_SNDTIMEO, 0, 200_000);
  b.startConnect(fd, '127.0.0.1', port);
  b.task.finish();
  a.error(fd);
  a.poll(fd);
  a.setTimeout(fd, c.SO_SNDTIMEO, 0, 0);
  b.startConnect(fd, '127.0.0.1', port);
  a.accept(listener);
  b.task.finish();
  b.connect(fd, '127.0.0.1', port);
});

conformance('connecting: TCP_USER_TIMEOUT gives up with ETIMEDOUT', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { port } = a.fullListener();
  const fd = a.tcp();
  a.setInt(fd, c.SOL_TCP, c.TCP_USER_TIMEOUT, 500);
  const from = sys.now();
  b.startConnect(fd, '127.0.0.1', port);
  b.task.finish();
  const took = sys.now() - from;
  sys.record('in a second or two', took >= 400 && took < 3500);
  a.error(fd);
  a.poll(fd);
});

conformance('connecting: poll and epoll wait for the outcome', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd: listener, port } = a.fullListener();
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.connect(fd, '127.0.0.1', port);
  const ep = a.epoll();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP | c.EPOLLET);
  a.ready(ep);
  b.task.start('epoll_wait', ep, b.eventRoom(4), 4, -1);
  a.accept(listener);
  b.task.finish();
  a.error(fd);
  a.ready(ep);
  a.connect(fd, '127.0.0.1', port);
});

conformance('connecting: the listener goes while a connect waits for room', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd: listener, port } = a.fullListener();
  const fd = a.tcp();
  b.startConnect(fd, '127.0.0.1', port);
  a.close(listener);
  b.task.finish();
  a.error(fd);
});

conformance('connecting: to a listener by the wildcard, by name, and over IPv6', { group }, (sys) => {
  const a = kit(sys);
  const listener = a.tcp(0, c.AF_INET6);
  a.bind(listener, '::', 0);
  a.listen(listener);
  const port = a.port(listener);
  for (const [family, host] of [
    [c.AF_INET, '127.0.0.1'],
    [c.AF_INET, '0.0.0.0'],
    [c.AF_INET6, '::1'],
    [c.AF_INET6, '::'],
    [c.AF_INET6, '::ffff:127.0.0.1'],
    [c.AF_INET6, '::ffff:0.0.0.0'],
  ] as const) {
    const client = a.tcp(0, family);
    a.connect(client, host, port);
    a.peerName(client);
    const room = a.nameRoom();
    const server = a.task.call('accept', listener, room.at, room.len);
    a.port(server);
    a.send(server, 'x');
    a.recv(client);
  }
});

conformance('connecting: IPV6_V6ONLY listeners take no IPv4', { group }, (sys) => {
  const a = kit(sys);
  const listener = a.tcp(0, c.AF_INET6);
  a.setInt(listener, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
  a.bind(listener, '::', 0);
  a.listen(listener);
  const port = a.port(listener);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.connect(a.tcp(0, c.AF_INET6), '::ffff:127.0.0.1', port);
  a.connect(a.tcp(0, c.AF_INET6), '::1', port);
  const only = a.tcp(0, c.AF_INET6);
  a.setInt(only, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
  a.connect(only, '::ffff:127.0.0.1', port);
});

conformance('connecting: of two listeners the one with the nearer name takes it', { group }, (sys) => {
  const a = kit(sys);
  const four = a.tcp(c.SOCK_NONBLOCK);
  a.bind(four, '127.0.0.1', 0);
  const port = a.port(four);
  const six = a.tcp(c.SOCK_NONBLOCK, c.AF_INET6);
  for (const fd of [four, six]) a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  a.setInt(six, c.SOL_IPV6, c.IPV6_V6ONLY, 0);
  a.bind(six, '::', port);
  a.listen(four);
  a.listen(six);
  for (const host of ['127.0.0.1', '127.0.0.2']) {
    a.connect(a.tcp(), host, port);
    a.accept(four);
    a.accept(six);
  }
  a.close(four);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.accept(six);
});
