/** epoll(7). */
import { conformance } from '../body.ts';
import { kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';

const group = 'epoll';

conformance('epoll_create checks its argument', { group }, (sys) => {
  const { task } = kit(sys);
  task.call('epoll_create', 0);
  task.call('epoll_create', -1);
  task.call('epoll_create', 1);
  const fd = task.call('epoll_create1', c.EPOLL_CLOEXEC);
  task.call('fcntl', fd, c.F_GETFD, 0);
  task.call('fcntl', fd, c.F_GETFL, 0);
  task.call('epoll_create1', 1);
  task.call('epoll_create1', c.SOCK_NONBLOCK);
});

conformance('epoll_ctl refuses what does not fit the list', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const fd = a.udp();
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLIN);
  a.epollCtl(ep, c.EPOLL_CTL_DEL, fd, 0);
  a.watch(ep, fd, c.EPOLLIN);
  a.watch(ep, fd, c.EPOLLIN);
  a.epollCtl(ep, 9, fd, 0);
  a.task.call('epoll_ctl', ep, c.EPOLL_CTL_DEL, fd, 0);
  a.task.call('epoll_ctl', ep, c.EPOLL_CTL_ADD, fd, 0);
  a.task.call('epoll_ctl', ep, c.EPOLL_CTL_ADD, fd, NOWHERE);
});

conformance('epoll_ctl refuses wrong descriptors', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const fd = a.udp();
  a.watch(77, fd, c.EPOLLIN);
  a.watch(ep, 77, c.EPOLLIN);
  a.watch(77, 78, c.EPOLLIN);
  a.watch(ep, ep, c.EPOLLIN);
  a.watch(fd, ep, c.EPOLLIN);
  a.watch(fd, fd, c.EPOLLIN);
});

conformance('epoll_ctl refuses cycles', { group }, (sys) => {
  const a = kit(sys);
  const one = a.epoll();
  const two = a.epoll();
  const three = a.epoll();
  a.watch(one, two, c.EPOLLIN);
  a.watch(two, three, c.EPOLLIN);
  a.watch(three, one, c.EPOLLIN);
  a.watch(two, one, c.EPOLLIN);
});

conformance('epoll_ctl and EPOLLEXCLUSIVE', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const fd = a.udp();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLEXCLUSIVE | c.EPOLLONESHOT);
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLEXCLUSIVE | c.EPOLLRDHUP);
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLEXCLUSIVE | c.EPOLLET);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLIN);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLIN | c.EPOLLEXCLUSIVE);
  a.watch(ep, a.epoll(), c.EPOLLIN | c.EPOLLEXCLUSIVE);
});

conformance('epoll_wait checks its arguments', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const room = a.eventRoom();
  for (const max of [0, -1, -0x8000_0000, 178_956_971]) a.task.call('epoll_wait', ep, room, max, 0);
  a.task.call('epoll_wait', ep, room, 8, 0);
  a.task.call('epoll_wait', ep, NOWHERE, 8, 0);
  a.task.call('epoll_wait', 77, room, 8, 0);
  a.task.call('epoll_wait', a.udp(), room, 8, 0);
  a.watch(ep, a.udp(), c.EPOLLOUT);
  a.task.call('epoll_wait', ep, NOWHERE, 8, 0);
  a.task.call('epoll_wait', ep, room, 8, 0);
});

conformance('a level-triggered item stays while the level holds', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN);
  a.ready(ep);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.ready(ep);
  a.ready(ep);
  a.recv(fd);
  a.ready(ep);
});

conformance('an edge-triggered item comes once for each arrival', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { client, server } = a.pair();
  a.watch(ep, server, c.EPOLLIN | c.EPOLLET);
  a.ready(ep);
  a.send(client, 'abc');
  a.ready(ep);
  a.ready(ep);
  a.recv(server, 1);
  a.ready(ep);
  a.send(client, 'def');
  a.ready(ep);
  a.ready(ep);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, server, c.EPOLLIN | c.EPOLLET);
  a.ready(ep);
  a.recv(server);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.ready(ep);
  a.ready(ep);
});

conformance('an edge-triggered item is ready when added in a ready state', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { client, server } = a.pair();
  a.send(client, 'x');
  a.watch(ep, server, c.EPOLLIN | c.EPOLLOUT | c.EPOLLET | c.EPOLLRDHUP);
  a.ready(ep);
  a.ready(ep);
});

conformance('a one-shot item sleeps until it is modified', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLONESHOT);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.ready(ep);
  a.ready(ep);
  a.sendTo(fd, 'y', '127.0.0.1', port);
  a.ready(ep);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLIN | c.EPOLLONESHOT);
  a.ready(ep);
  a.watch(ep, fd, c.EPOLLIN);
});

conformance('epoll reports ERR and HUP unasked', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const fresh = a.tcp();
  a.watch(ep, fresh, 0);
  a.ready(ep);
  a.close(fresh);
  const refused = a.tcp(c.SOCK_NONBLOCK);
  a.watch(ep, refused, 0);
  a.connect(refused, '127.0.0.1', 9);
  a.ready(ep);
});

conformance('masks of epoll through the life of a connection', { group }, (sys) => {
  const a = kit(sys);
  const { client, server, listener } = a.pair();
  const ep = a.epoll();
  const all = c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP | c.EPOLLPRI;
  for (const fd of [client, server, listener]) a.watch(ep, fd, all);
  a.ready(ep);
  a.send(client, 'x');
  a.ready(ep);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.ready(ep);
  a.task.call('shutdown', server, c.SHUT_WR);
  a.ready(ep);
});

conformance('the ready list is first in, first out, and rotates', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const sockets = [a.udpBound(), a.udpBound(), a.udpBound()];
  for (const { fd } of sockets) a.watch(ep, fd, c.EPOLLIN);
  for (const { fd, port } of sockets.toReversed()) a.sendTo(fd, 'x', '127.0.0.1', port);
  for (let i = 0; i < 4; i++) a.ready(ep, 1);
  for (let i = 0; i < 2; i++) a.ready(ep, 2);
  a.ready(ep);
});

conformance('closing the last descriptor removes the item, a duplicate keeps it', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  const copy = a.task.call('dup', fd);
  a.close(fd);
  a.ready(ep);
  a.task.call('epoll_ctl', ep, c.EPOLL_CTL_DEL, fd, 0);
  a.task.call('epoll_ctl', ep, c.EPOLL_CTL_DEL, copy, 0);
  a.close(copy);
  a.ready(ep);
});

conformance('one socket under two descriptors is two items', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const fd = a.udp();
  const copy = a.task.call('dup', fd);
  a.watch(ep, fd, c.EPOLLOUT);
  a.watch(ep, copy, c.EPOLLOUT);
  a.ready(ep);
  a.task.call('epoll_ctl', ep, c.EPOLL_CTL_DEL, fd, 0);
  a.ready(ep);
});

conformance('an epoll inside an epoll', { group }, (sys) => {
  const a = kit(sys);
  const inner = a.epoll();
  const outer = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(inner, fd, c.EPOLLIN);
  a.watch(outer, inner, c.EPOLLIN);
  a.ready(outer);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.ready(outer);
  a.ready(inner);
  a.recv(fd);
  a.ready(outer);
});

conformance('EPOLL_CTL_MOD changes data and events', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const fd = a.udp();
  a.watch(ep, fd, c.EPOLLIN);
  a.ready(ep);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLOUT);
  a.ready(ep);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, 0);
  a.ready(ep);
});

conformance('epoll_wait waits its timeout out', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const from = sys.now();
  a.task.start('epoll_wait', ep, a.eventRoom(), 8, 300);
  a.task.finish();
  sys.record('waited', sys.now() - from >= 299);
});

conformance('epoll_pwait takes an empty mask', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  a.watch(ep, a.udp(), c.EPOLLOUT);
  a.task.call('epoll_pwait', ep, a.eventRoom(), 8, 0, 0, 8);
});
conformance('a datagram socket that has sent tells an edge-triggered epoll that it may send', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const out = a.udp();
  const epoll = a.epoll();
  for (const [one, events] of [
    [out, c.EPOLLOUT | c.EPOLLIN | c.EPOLLET],
    [fd, c.EPOLLOUT | c.EPOLLIN | c.EPOLLET],
  ] as const) {
    a.watch(epoll, one, events >>> 0);
  }
  a.ready(epoll);
  a.ready(epoll);
  a.sendTo(out, 'x', '127.0.0.1', port);
  a.ready(epoll);
  a.sendTo(out, 'x', '127.0.0.1', port, c.MSG_MORE);
  a.ready(epoll);
  a.sendTo(out, 'x', '127.0.0.1', port);
  a.ready(epoll);
  a.sendTo(out, 'x', '127.0.0.1', 9);
  a.ready(epoll);
  a.sendTo(out, 'x', '127.0.0.1', 0);
  a.ready(epoll);
});
