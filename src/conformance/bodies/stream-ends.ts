/** How a stream ends for both sides: half-closes in every order, resets and who is told, SO_LINGER, orphans. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'stream ends';

function linger(sys: System, a: Kit, fd: number, seconds: number): void {
  const at = sys.alloc(8, 'linger');
  sys.put(c.linger, at, { onoff: 1, linger: seconds });
  a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_LINGER, at, 8);
}
/** The peer of `fd` is reset. */
function reset(sys: System, a: Kit, fd: number): void {
  linger(sys, a, fd, 0);
  a.close(fd);
}

type Step = 'client WR' | 'server WR' | 'client RD' | 'server RD';
const ORDERS: ReadonlyArray<readonly Step[]> = [
  ['client WR', 'server WR'],
  ['client RD', 'client WR', 'server WR'],
  ['client WR', 'client RD', 'server WR'],
  ['server RD', 'client WR', 'server WR'],
  ['client RD', 'server RD', 'client WR', 'server WR'],
  ['server WR', 'server RD', 'client RD', 'client WR'],
];
for (const order of ORDERS) {
  conformance(`stream ends: shut in the order ${order.join(', ')}`, { group }, (sys) => {
    const a = kit(sys);
    const { client, server } = a.pair();
    for (const step of order) {
      const fd = step.startsWith('client') ? client : server;
      a.task.call('shutdown', fd, step.endsWith('WR') ? c.SHUT_WR : c.SHUT_RD);
      a.poll(client);
      a.poll(server);
    }
    for (const fd of [client, server]) {
      a.recv(fd, 10, c.MSG_DONTWAIT);
      a.send(fd, 'x', c.MSG_NOSIGNAL);
      a.peerName(fd);
      a.error(fd);
    }
  });
}

conformance('stream ends: data crosses in each half until it is shut', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server);
  a.send(client, 'one');
  b.task.finish();
  a.task.call('shutdown', client, c.SHUT_WR);
  b.startRecv(client);
  a.recv(server);
  a.send(server, 'two');
  b.task.finish();
  b.startRecv(client);
  a.task.call('shutdown', server, c.SHUT_WR);
  b.task.finish();
  b.recv(client);
});

for (const first of ['recv', 'send', 'SO_ERROR', 'poll'] as const) {
  conformance(`stream ends: a reset told by ${first} first`, { group }, (sys) => {
    const a = kit(sys);
    const { client, server } = a.pair();
    a.send(server, 'unread');
    reset(sys, a, server);
    if (first === 'recv') a.recv(client, 10);
    if (first === 'send') a.send(client, 'x', c.MSG_NOSIGNAL);
    if (first === 'SO_ERROR') a.error(client);
    a.poll(client);
    a.recv(client, 10);
    a.send(client, 'x', c.MSG_NOSIGNAL);
    a.send(client, 'x');
    a.recv(client, 10);
    a.poll(client);
    a.error(client);
    a.peerName(client);
    a.task.call('shutdown', client, c.SHUT_WR);
  });
}

conformance('stream ends: a reset behind data wakes who waits for more', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(client, 10, c.MSG_WAITALL);
  a.send(server, 'some');
  reset(sys, a, server);
  b.task.finish();
  b.recv(client);
  b.recv(client);
});

conformance('stream ends: a reset wakes poll and epoll', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const d = kit(sys, 'd');
  const { client, server } = a.pair();
  const ep = a.epoll();
  a.watch(ep, client, c.EPOLLIN | c.EPOLLET);
  b.task.start('poll', b.pollfds([[client, c.POLLIN]]), 1, -1);
  d.task.start('epoll_wait', ep, d.eventRoom(4), 4, -1);
  reset(sys, a, server);
  b.task.finish();
  d.task.finish();
  a.ready(ep);
});

conformance('stream ends: a reset after both sides shut their half', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('shutdown', client, c.SHUT_WR);
  a.send(server, 'for the client');
  reset(sys, a, server);
  a.poll(client);
  a.recv(client);
  a.recv(client);
  a.recv(client);
});

conformance('stream ends: a reset in CLOSE-WAIT is EPIPE', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('shutdown', server, c.SHUT_WR);
  a.poll(client);
  reset(sys, a, server);
  a.poll(client);
  a.error(client);
  a.recv(client);
  a.send(client, 'x', c.MSG_NOSIGNAL);
});

conformance('stream ends: an orphan that gets data resets', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.close(client);
  a.recv(server);
  a.send(server, 'into the void');
  a.poll(server);
  a.send(server, 'x', c.MSG_NOSIGNAL);
  a.send(server, 'x', c.MSG_NOSIGNAL);
  a.recv(server);
});

conformance('stream ends: shut both ways, data draws a reset', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('shutdown', client, c.SHUT_RDWR);
  a.poll(server);
  a.send(server, 'x');
  a.poll(server);
  a.poll(client);
  a.error(client);
  a.error(server);
});

conformance('stream ends: SO_LINGER waits for what the peer does not read', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('fcntl', client, c.F_SETFL, c.O_NONBLOCK);
  const big = sys.alloc(65_536, 'big');
  sys.quietly(() => {
    while (a.task.call('sendto', client, big, 65_536, 0, 0, 0) > 0);
  });
  linger(sys, a, client, 1);
  const from = sys.now();
  sys.quietly(() => {
    a.task.start('close', client);
    a.task.finish();
  });
  sys.record('close', a.task.result());
  const took = sys.now() - from;
  sys.record('waited about a second', took >= 900 && took < 2500);
  a.poll(server);
});

conformance('stream ends: SO_LINGER ends as soon as the peer has read all', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.task.call('fcntl', client, c.F_SETFL, c.O_NONBLOCK);
  const big = sys.alloc(65_536, 'big');
  sys.quietly(() => {
    while (a.task.call('sendto', client, big, 65_536, 0, 0, 0) > 0);
  });
  linger(sys, a, client, 10);
  const from = sys.now();
  b.task.start('close', client);
  const room = sys.alloc(65_536, 'room');
  sys.quietly(() => {
    while (a.task.call('recvfrom', server, room, 65_536, 0, 0, 0) > 0);
    b.task.finish();
  });
  sys.record('close', b.task.result());
  sys.record('soon', sys.now() - from < 5000);
});

conformance('stream ends: SO_LINGER of 0 drops what waits', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 1);
  a.send(client, 'held back');
  reset(sys, a, client);
  a.poll(server);
  a.recv(server);
  a.recv(server);
});

conformance('stream ends: SO_LINGER at shutdown changes nothing', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  linger(sys, a, client, 0);
  a.send(client, 'all of it');
  a.task.call('shutdown', client, c.SHUT_RDWR);
  a.poll(server);
  a.recv(server);
  a.recv(server);
});

conformance('stream ends: the last descriptor of two processes', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  const child = sys.process('child');
  a.close(client);
  b.startRecv(server);
  child.call('sendto', client, a.octets('from the child', 'out'), 14, 0, 0, 0);
  b.task.finish();
  b.startRecv(server);
  child.call('close', client);
  b.task.finish();
});

conformance('stream ends: with TCP_LINGER2 of -1 nobody waits for the end of the peer', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_LINGER2, -1);
  a.task.call('shutdown', client, c.SHUT_WR);
  // By now the end is acknowledged.
  sys.sleep(100);
  a.poll(server);
  a.close(client);
  a.poll(server);
  a.recv(server);
  a.send(server, 'x', c.MSG_NOSIGNAL);
});

conformance('stream ends: a port in TIME-WAIT and one that connects from it', { group }, (sys) => {
  const a = kit(sys);
  const { fd: listener, port } = a.listener();
  const client = a.tcp();
  a.bind(client, '127.0.0.1', 0);
  const own = a.port(client);
  a.connect(client, '127.0.0.1', port);
  const server = a.accept(listener);
  a.close(client);
  a.recv(server);
  a.close(server);
  for (const reuse of [0, 1]) {
    const again = a.tcp();
    a.setInt(again, c.SOL_SOCKET, c.SO_REUSEADDR, reuse);
    a.bind(again, '127.0.0.1', own);
    if (reuse === 1) a.connect(again, '127.0.0.1', port);
  }
});
