/** epoll(7) with several who wait: whom an event wakes, what changes under a waiter, timeouts and masks. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { EPOLL_EVENT_OCTETS } from '../show.ts';

const group = 'epoll';

/** Kits on that many tasks, the first being `a`. */
const kits = (sys: System, names: string): Kit[] => names.split('').map((name) => kit(sys, name));
/** Waits in epoll_wait for one event. */
const startWait = (one: Kit, ep: number, timeoutMs = -1, max = 1): void =>
  one.task.start('epoll_wait', ep, one.eventRoom(max), max, timeoutMs);

conformance('epoll: EPOLLEXCLUSIVE wakes one of three epolls on one socket', { group }, (sys) => {
  const [a, b, d, e] = kits(sys, 'abde') as [Kit, Kit, Kit, Kit];
  const { fd, port } = a.udpBound();
  const eps = [a.epoll(), a.epoll(), a.epoll()] as const;
  for (const ep of eps) a.watch(ep, fd, c.EPOLLIN | c.EPOLLEXCLUSIVE);
  startWait(b, eps[0]);
  startWait(d, eps[1]);
  startWait(e, eps[2]);
  a.sendTo(fd, 'one', '127.0.0.1', port);
  a.sendTo(fd, 'two', '127.0.0.1', port);
  a.sendTo(fd, 'three', '127.0.0.1', port);
});

conformance('epoll: without EPOLLEXCLUSIVE every epoll on one socket wakes', { group }, (sys) => {
  const [a, b, d, e] = kits(sys, 'abde') as [Kit, Kit, Kit, Kit];
  const { fd, port } = a.udpBound();
  const eps = [a.epoll(), a.epoll(), a.epoll()] as const;
  a.watch(eps[0], fd, c.EPOLLIN | c.EPOLLEXCLUSIVE);
  a.watch(eps[1], fd, c.EPOLLIN);
  a.watch(eps[2], fd, c.EPOLLIN | c.EPOLLEXCLUSIVE);
  startWait(b, eps[0]);
  startWait(d, eps[1]);
  startWait(e, eps[2]);
  a.sendTo(fd, 'one', '127.0.0.1', port);
});

conformance('epoll: an exclusive epoll that nobody waits on is passed over', { group }, (sys) => {
  const [a, b, d] = kits(sys, 'abd') as [Kit, Kit, Kit];
  const { fd, port } = a.udpBound();
  const eps = [a.epoll(), a.epoll(), a.epoll()] as const;
  for (const ep of eps) a.watch(ep, fd, c.EPOLLIN | c.EPOLLEXCLUSIVE);
  startWait(b, eps[1]);
  startWait(d, eps[2]);
  a.sendTo(fd, 'one', '127.0.0.1', port);
  a.ready(eps[0]);
  a.ready(eps[2]);
});

conformance('epoll: EPOLLEXCLUSIVE on a listener wakes one for each connection', { group }, (sys) => {
  const [a, b, d] = kits(sys, 'abd') as [Kit, Kit, Kit];
  const { fd, port } = a.listener();
  const eps = [a.epoll(), a.epoll()] as const;
  for (const ep of eps) a.watch(ep, fd, c.EPOLLIN | c.EPOLLEXCLUSIVE);
  startWait(b, eps[0]);
  startWait(d, eps[1]);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.connect(a.tcp(), '127.0.0.1', port);
});

conformance('epoll: exclusive items for reading and for writing', { group }, (sys) => {
  const [a, b, d] = kits(sys, 'abd') as [Kit, Kit, Kit];
  const { client, server } = a.pair();
  const eps = [a.epoll(), a.epoll()] as const;
  a.watch(eps[0], server, c.EPOLLIN | c.EPOLLET | c.EPOLLEXCLUSIVE);
  a.watch(eps[1], server, c.EPOLLIN | c.EPOLLET | c.EPOLLEXCLUSIVE);
  startWait(b, eps[0]);
  startWait(d, eps[1]);
  a.send(client, 'x');
  a.send(client, 'y');
  a.close(client);
});

conformance('epoll: the end of the stream wakes every exclusive item', { group }, (sys) => {
  const [a, b, d] = kits(sys, 'abd') as [Kit, Kit, Kit];
  const { client, server } = a.pair();
  const eps = [a.epoll(), a.epoll()] as const;
  for (const ep of eps) a.watch(ep, server, c.EPOLLIN | c.EPOLLEXCLUSIVE);
  startWait(b, eps[0]);
  startWait(d, eps[1]);
  a.task.call('shutdown', client, c.SHUT_WR);
});

conformance('epoll: waiters of one epoll are woken one by one, the newest first', { group }, (sys) => {
  const [a, b, d, e] = kits(sys, 'abde') as [Kit, Kit, Kit, Kit];
  const ep = a.epoll();
  const sockets = [a.udpBound(), a.udpBound(), a.udpBound()] as const;
  for (const { fd } of sockets) a.watch(ep, fd, c.EPOLLIN | c.EPOLLONESHOT);
  for (const one of [b, d, e]) startWait(one, ep);
  for (const { fd, port } of sockets) a.sendTo(fd, 'x', '127.0.0.1', port);
});

conformance('epoll: a level-triggered event wakes the waiters of one epoll in turn', { group }, (sys) => {
  const [a, b, d] = kits(sys, 'abd') as [Kit, Kit, Kit];
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN);
  startWait(b, ep);
  startWait(d, ep);
  a.sendTo(fd, 'x', '127.0.0.1', port);
});

conformance('epoll: a one-shot item wakes one waiter, and the next after it is modified', { group }, (sys) => {
  const [a, b, d] = kits(sys, 'abd') as [Kit, Kit, Kit];
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLONESHOT);
  startWait(b, ep);
  startWait(d, ep);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.sendTo(fd, 'y', '127.0.0.1', port);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLIN | c.EPOLLONESHOT);
});

conformance('epoll: EPOLL_CTL_MOD wakes who waits when the new events hold', { group }, (sys) => {
  const [a, b] = kits(sys, 'ab') as [Kit, Kit];
  const ep = a.epoll();
  const fd = a.udp();
  a.watch(ep, fd, c.EPOLLIN);
  startWait(b, ep);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLIN | c.EPOLLPRI);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLOUT);
});

conformance('epoll: an edge that passed before the wait is not lost', { group }, (sys) => {
  const [a, b] = kits(sys, 'ab') as [Kit, Kit];
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLET);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.sendTo(fd, 'y', '127.0.0.1', port);
  startWait(b, ep);
  startWait(b, ep);
  a.recv(fd);
  a.sendTo(fd, 'z', '127.0.0.1', port);
});

conformance('epoll: an event read away before the waiter runs is none', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLET);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.recv(fd);
  a.ready(ep);
  a.sendTo(fd, 'y', '127.0.0.1', port);
  a.ready(ep);
});

conformance('epoll: an edge of room after a full send buffer', { group }, (sys) => {
  const [a, b] = kits(sys, 'ab') as [Kit, Kit];
  const { client, server } = a.pair();
  const ep = a.epoll();
  a.watch(ep, client, c.EPOLLOUT | c.EPOLLET);
  a.ready(ep);
  const out = sys.alloc(100_000, 'out');
  sys.quietly(() => {
    for (let i = 0; i < 200; i++) if (a.task.call('sendto', client, out, 100_000, c.MSG_DONTWAIT, 0, 0) < 0) break;
  });
  startWait(b, ep);
  sys.quietly(() => {
    for (let i = 0; i < 200; i++) if (a.task.call('recvfrom', server, out, 100_000, c.MSG_DONTWAIT, 0, 0) < 0) break;
  });
  sys.record('woken with', b.task.result());
});

conformance('epoll: closed while another waits on it, it goes on', { group }, (sys) => {
  const [a, b] = kits(sys, 'ab') as [Kit, Kit];
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN);
  startWait(b, ep);
  a.close(ep);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  b.ready(ep);
});

conformance('epoll: the only watched socket closes while another waits', { group }, (sys) => {
  const [a, b] = kits(sys, 'ab') as [Kit, Kit];
  const ep = a.epoll();
  const { client, server } = a.pair();
  a.watch(ep, server, c.EPOLLIN);
  startWait(b, ep, 400);
  a.close(server);
  a.close(client);
  b.task.finish();
});

conformance('epoll: a watched socket deleted while another waits', { group }, (sys) => {
  const [a, b] = kits(sys, 'ab') as [Kit, Kit];
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN);
  startWait(b, ep, 400);
  a.epollCtl(ep, c.EPOLL_CTL_DEL, fd, 0);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  b.task.finish();
});

conformance('epoll: a duplicate of the epoll waits on the same list', { group }, (sys) => {
  const [a, b] = kits(sys, 'ab') as [Kit, Kit];
  const ep = a.epoll();
  const copy = a.task.call('dup', ep);
  const { fd, port } = a.udpBound();
  a.watch(copy, fd, c.EPOLLIN | c.EPOLLET);
  a.watch(ep, fd, c.EPOLLIN);
  startWait(b, ep);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.ready(copy);
  a.close(ep);
  a.sendTo(fd, 'y', '127.0.0.1', port);
  a.ready(copy);
});

conformance('epoll: a forked process shares the epoll, and what it closes stays watched', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLET);
  const child = sys.process('child');
  child.start('epoll_wait', ep, a.eventRoom(), 8, -1);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  child.call('close', fd);
  a.sendTo(fd, 'y', '127.0.0.1', port);
  a.ready(ep);
  a.close(fd);
  a.ready(ep);
});

conformance('epoll: the parent closes its descriptor, the child still has the socket', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN);
  const child = sys.process('child');
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.close(fd);
  a.ready(ep);
  child.call('close', fd);
  a.ready(ep);
});

conformance('epoll: a fault at the first event is EFAULT, at a later one ends the list', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const sockets = [a.udp(), a.udp(), a.udp()];
  for (const fd of sockets) a.watch(ep, fd, c.EPOLLOUT | c.EPOLLET);
  a.task.call('epoll_wait', ep, NOWHERE, 8, 0);
  a.task.call('epoll_wait', ep, sys.edge(EPOLL_EVENT_OCTETS + 4, 'events'), 8, 0);
  a.ready(ep);
  a.ready(ep);
});

conformance('epoll: a fault keeps a one-shot item armed', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  a.watch(ep, a.udp(), c.EPOLLOUT | c.EPOLLONESHOT);
  a.task.call('epoll_wait', ep, NOWHERE, 1, 0);
  a.ready(ep);
  a.ready(ep);
});

conformance('epoll: epoll_pwait2 counts in nanoseconds and checks the time', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const time = (sec: number, nsec: number): number => {
    const at = sys.alloc(16, 'timespec');
    sys.put(c.timespec, at, { sec, nsec });
    return at;
  };
  const wait = (at: number, ...mask: number[]): number =>
    a.task.call('epoll_pwait2', ep, a.eventRoom(), 8, at, ...mask);
  wait(time(0, 0));
  wait(time(0, 1_000_000_000));
  wait(time(0, -1));
  wait(time(-1, 0));
  wait(NOWHERE);
  wait(time(0, 0), sys.alloc(8, 'mask'), 7);
  wait(time(0, 0), NOWHERE, 8);
  wait(time(0, 0), 0, 3);
  a.task.start('epoll_pwait2', ep, a.eventRoom(), 8, time(0, 400_000_000), 0, 8);
  a.task.finish();
  a.watch(ep, a.udp(), c.EPOLLOUT);
  wait(0);
  a.task.call('epoll_pwait2', ep, a.eventRoom(), 0, time(0, 0), 0, 8);
  a.task.call('epoll_pwait2', 99, a.eventRoom(), 0, time(0, -5), 0, 8);
});

conformance('epoll: epoll_pwait checks the size of its mask before the descriptor', { group }, (sys) => {
  const a = kit(sys);
  const mask = sys.alloc(8, 'mask');
  sys.write(mask, new Uint8Array(8));
  for (const size of [0, 4, 7, 9, 128]) a.task.call('epoll_pwait', 99, a.eventRoom(), 8, 0, mask, size);
  a.task.call('epoll_pwait', 99, a.eventRoom(), 8, 0, mask, 8);
  a.task.call('epoll_pwait', 99, a.eventRoom(), 8, 0, NOWHERE, 8);
  a.task.call('epoll_pwait', a.epoll(), a.eventRoom(), 8, 0, mask, 8);
});

conformance('epoll: a signal ends epoll_wait with a timeout, SA_RESTART or not', { group, interrupts: true }, (sys) => {
  const [a, b] = kits(sys, 'ab') as [Kit, Kit];
  const ep = a.epoll();
  startWait(b, ep, 5000);
  sys.interrupt(b.task);
  startWait(b, ep, 5000);
  sys.interrupt(b.task, true);
  b.task.start('epoll_pwait', ep, b.eventRoom(), 8, -1, 0, 8);
  sys.interrupt(b.task);
});

conformance('epoll: the timeout is not counted anew when an event was taken by another', { group }, (sys) => {
  const [a, b] = kits(sys, 'ab') as [Kit, Kit];
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN);
  const from = sys.now();
  startWait(b, ep, 1500);
  sys.sleep(800);
  a.epollCtl(ep, c.EPOLL_CTL_MOD, fd, c.EPOLLPRI);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  b.task.finish();
  const waited = sys.now() - from;
  sys.record('waited', waited >= 1499 && waited < 2200);
});

conformance('epoll: all 64 bits of the data come back, and EPOLLWAKEUP is taken', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const fd = a.udp();
  const event = sys.alloc(EPOLL_EVENT_OCTETS, 'event');
  const put = (events: number, ...data: number[]): void => {
    sys.put(c.u32, event, events);
    sys.write(event + 4, Uint8Array.from(data));
  };
  put(c.EPOLLOUT | c.EPOLLWAKEUP, 1, 2, 3, 4, 5, 6, 7, 0xff);
  a.task.call('epoll_ctl', ep, c.EPOLL_CTL_ADD, fd, event);
  a.task.call('epoll_wait', ep, sys.alloc(EPOLL_EVENT_OCTETS, 'out'), 1, 0);
  put(c.EPOLLOUT, 0, 0, 0, 0x80, 0, 0, 0, 0x80);
  a.task.call('epoll_ctl', ep, c.EPOLL_CTL_MOD, fd, event);
  a.task.call('epoll_wait', ep, sys.alloc(EPOLL_EVENT_OCTETS, 'out'), 1, 0);
});

conformance('epoll: what is asked for beyond the known events', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const { client, server } = a.pair();
  a.watch(ep, server, 0x0fff_ffff);
  a.ready(ep);
  a.send(client, 'x');
  a.ready(ep);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.ready(ep);
  const unix = sys.alloc(8, 'pair');
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 0, unix);
  a.watch(ep, sys.get(c.i32, unix), 0);
  a.close(sys.get(c.i32, unix + 4));
  a.ready(ep);
});

conformance('epoll: a listener and its connection on one epoll, served by two tasks', { group }, (sys) => {
  const [a, b, d] = kits(sys, 'abd') as [Kit, Kit, Kit];
  const ep = a.epoll();
  const { fd, port } = a.listener();
  a.watch(ep, fd, c.EPOLLIN | c.EPOLLET);
  startWait(b, ep);
  startWait(d, ep);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  const server = a.accept(fd);
  a.watch(ep, server, c.EPOLLIN | c.EPOLLONESHOT);
  a.send(client, 'x');
  startWait(b, ep, 400);
  b.task.finish();
});
