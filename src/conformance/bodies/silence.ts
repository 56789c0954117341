/**
 * TCP with a peer that has fallen silent, and segments that are lost: what ends an attempt or a connection then, and after how long. A filter on a socket drops what
 * comes to it (tcp_v4_rcv asks it first), which is as if the link did; it takes CAP_NET_ADMIN, and a body ends where it is refused. A full listener drops SYNs for all.
 */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { deafen, detach } from './filter-kit.ts';

const group = 'silence';

/** Runs `wait` and records whether it took about so long. */
function lasting(sys: System, least: number, most: number, wait: () => void): void {
  const from = sys.now();
  wait();
  const took = sys.now() - from;
  sys.record(`between ${least} and ${most} ms`, took >= least && took < most);
}
/** What is left of a connection that was given up. */
function remains(a: Kit, fd: number): void {
  a.poll(fd);
  a.error(fd);
  a.recv(fd, 10, c.MSG_DONTWAIT);
  a.send(fd, 'x', c.MSG_NOSIGNAL);
  a.peerName(fd);
}
function keepalive(a: Kit, fd: number, count: number): void {
  a.setInt(fd, c.SOL_TCP, c.TCP_KEEPIDLE, 1);
  a.setInt(fd, c.SOL_TCP, c.TCP_KEEPINTVL, 1);
  a.setInt(fd, c.SOL_TCP, c.TCP_KEEPCNT, count);
  a.setInt(fd, c.SOL_SOCKET, c.SO_KEEPALIVE, 1);
}

conformance('silence: keepalive gives up after TCP_KEEPCNT probes', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  keepalive(a, client, 1);
  if (deafen(a, server) < 0) return;
  lasting(sys, 1500, 4000, () => {
    b.startRecv(client);
    b.task.finish();
  });
  remains(a, client);
  a.poll(server);
});

conformance('silence: TCP_USER_TIMEOUT goes before the count of keepalive', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  keepalive(a, client, 9);
  a.setInt(client, c.SOL_TCP, c.TCP_USER_TIMEOUT, 1200);
  if (deafen(a, server) < 0) return;
  lasting(sys, 1500, 4000, () => {
    b.startRecv(client);
    b.task.finish();
  });
  remains(a, client);
});

conformance('silence: keepalive that is answered ends nothing', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  keepalive(a, client, 1);
  sys.sleep(2500);
  a.poll(client);
  a.send(server, 'still');
  a.recv(client);
});

conformance('silence: TCP_USER_TIMEOUT bounds how long data is unacknowledged', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_USER_TIMEOUT, 700);
  if (deafen(a, server) < 0) return;
  a.send(client, 'lost');
  lasting(sys, 500, 2500, () => {
    b.startRecv(client);
    b.task.finish();
  });
  remains(a, client);
});

conformance('silence: TCP_USER_TIMEOUT bounds how long the window stays shut', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_USER_TIMEOUT, 900);
  sys.quietly(() => {
    const octets = sys.alloc(65_536, 'much');
    while (a.task.call('sendto', client, octets, 65_536, c.MSG_DONTWAIT, 0, 0) > 0);
  });
  lasting(sys, 500, 5000, () => {
    b.task.start('poll', b.pollfds([[client, 0]]), 1, -1);
    b.task.finish();
  });
  remains(a, client);
});

conformance('silence: what was lost is sent again', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  if (deafen(a, server) < 0) return;
  a.send(client, 'lost');
  a.recv(server, 10, c.MSG_DONTWAIT);
  detach(a, server);
  lasting(sys, 100, 1500, () => {
    b.startRecv(server);
    b.task.finish();
  });
});

conformance('silence: the end of a stream that was lost is sent again', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  if (deafen(a, server) < 0) return;
  a.send(client, 'last');
  a.close(client);
  a.poll(server);
  detach(a, server);
  b.startRecv(server, 10, c.MSG_WAITALL);
  b.task.finish();
  a.recv(server);
});

conformance('silence: TCP_SYNCNT of 1 gives up after three seconds', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd: listener, port } = a.fullListener();
  const fd = a.tcp();
  a.setInt(fd, c.SOL_TCP, c.TCP_SYNCNT, 1);
  lasting(sys, 2500, 4500, () => {
    b.startConnect(fd, '127.0.0.1', port);
    b.task.finish();
  });
  a.poll(fd);
  a.error(fd);
  a.peerName(fd);
  a.accept(listener);
  a.connect(fd, '127.0.0.1', port);
  a.accept(listener);
});

conformance('silence: without blocking the attempt ends as an error', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { port } = a.fullListener();
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.setInt(fd, c.SOL_TCP, c.TCP_USER_TIMEOUT, 500);
  a.connect(fd, '127.0.0.1', port);
  b.task.start('poll', b.pollfds([[fd, c.POLLOUT]]), 1, -1);
  b.task.finish();
  a.error(fd);
  a.error(fd);
  a.connect(fd, '127.0.0.1', port);
});

conformance('silence: a SYN that was lost is sent again', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd: listener, port } = a.listener();
  if (deafen(a, listener) < 0) return;
  const fd = a.tcp();
  lasting(sys, 500, 2500, () => {
    b.startConnect(fd, '127.0.0.1', port);
    detach(a, listener);
    b.task.finish();
  });
  a.accept(listener);
});

conformance('silence: an answer to the SYN that was lost is sent again', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd: listener, port } = a.listener();
  const fd = a.tcp();
  if (deafen(a, fd) < 0) return;
  b.startConnect(fd, '127.0.0.1', port);
  a.poll(listener);
  detach(a, fd);
  b.task.finish();
  a.poll(listener);
  a.accept(listener);
});

/** A socket whose SYN was dropped by a full listener that is gone, and one with that listener's name. */
function crossing(a: Kit, b: Kit): { readonly first: number; readonly second: number; readonly port: number } {
  const listener = a.fullListener();
  const first = a.tcp();
  a.bind(first, '127.0.0.1', 0);
  const port = a.port(first);
  b.startConnect(first, '127.0.0.1', listener.port);
  a.close(listener.fd);
  const second = a.tcp(c.SOCK_NONBLOCK);
  a.bind(second, '127.0.0.1', listener.port);
  return { first, second, port };
}

conformance('simultaneous open: both connect, nobody accepts', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { first, second, port } = crossing(a, b);
  a.connect(second, '127.0.0.1', port);
  b.task.finish();
  for (const fd of [first, second]) {
    a.poll(fd);
    a.peerName(fd);
  }
  a.send(first, 'from the first');
  a.recv(second);
  a.send(second, 'from the second');
  a.recv(first);
  a.close(first);
  a.recv(second);
});

conformance('simultaneous open: the answers are lost at first', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { first, second, port } = crossing(a, b);
  if (deafen(a, second) < 0) return;
  a.connect(second, '127.0.0.1', port);
  a.poll(first);
  a.poll(second);
  detach(a, second);
  b.task.finish();
  a.send(first, 'open');
  b.task.start('poll', b.pollfds([[second, c.POLLIN]]), 1, -1);
  b.task.finish();
  a.recv(second);
  a.poll(first);
});

conformance('simultaneous open: shutdown before it is done sends the end when it is', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { first, second, port } = crossing(a, b);
  if (deafen(a, second) < 0) return;
  a.connect(second, '127.0.0.1', port);
  a.task.call('shutdown', first, c.SHUT_WR);
  a.poll(first);
  detach(a, second);
  b.task.finish();
  a.send(first, 'x', c.MSG_NOSIGNAL);
  b.task.start('poll', b.pollfds([[second, c.POLLRDHUP]]), 1, -1);
  b.task.finish();
  a.recv(second);
  a.poll(second);
});
