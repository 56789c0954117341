/** epoll(7) on epolls and pipes: how deep, how many ways, and how events travel; requests and calls that an epoll has or lacks. */
import { conformance } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asI32 } from '../show.ts';

const group = 'epoll';

/** A pipe: its two ends. */
function pipe(one: Kit, flags = 0): readonly [reader: number, writer: number] {
  const at = one.sys.alloc(8, 'pipe');
  one.task.call('pipe2', at, flags);
  return [one.sys.get(c.i32, at), one.sys.get(c.i32, at + 4)];
}
const write = (one: Kit, fd: number, text: string): number =>
  one.task.call('write', fd, one.octets(text, 'out'), text.length);
const read = (one: Kit, fd: number, octets = 16): number =>
  one.task.call('read', fd, one.sys.alloc(octets, 'in'), octets);

conformance('epoll: epolls nest five deep, counted from the top', { group }, (sys) => {
  const a = kit(sys);
  const eps = Array.from({ length: 7 }, () => a.epoll());
  for (let i = 0; i + 1 < eps.length; i++) a.watch(eps[i] as number, eps[i + 1] as number, c.EPOLLIN);
});

conformance('epoll: epolls nest five deep, counted from the bottom', { group }, (sys) => {
  const a = kit(sys);
  const eps = Array.from({ length: 7 }, () => a.epoll());
  for (let i = eps.length - 1; i > 0; i--) a.watch(eps[i - 1] as number, eps[i] as number, c.EPOLLIN);
});

conformance('epoll: two chains that would be too deep together', { group }, (sys) => {
  const a = kit(sys);
  const eps = Array.from({ length: 6 }, () => a.epoll());
  const link = (from: number, to: number): number => a.watch(eps[from] as number, eps[to] as number, c.EPOLLIN);
  link(0, 1);
  link(1, 2);
  link(3, 4);
  link(4, 5);
  link(2, 3);
  link(1, 3);
  link(0, 3);
  link(5, 0);
});

conformance('epoll: a socket below a chain of epolls', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const eps = Array.from({ length: 5 }, () => a.epoll());
  for (let i = 0; i + 1 < eps.length; i++) a.watch(eps[i] as number, eps[i + 1] as number, c.EPOLLIN);
  a.watch(eps[4] as number, fd, c.EPOLLOUT);
  a.ready(eps[0] as number);
  for (const ep of eps) a.poll(ep, c.POLLIN);
});

conformance('epoll: two cycles of two and three are ELOOP, a diamond is not', { group }, (sys) => {
  const a = kit(sys);
  const [top, left, right, bottom] = [a.epoll(), a.epoll(), a.epoll(), a.epoll()];
  a.watch(top, left, c.EPOLLIN);
  a.watch(top, right, c.EPOLLIN);
  a.watch(left, bottom, c.EPOLLIN);
  a.watch(right, bottom, c.EPOLLIN);
  a.watch(left, top, c.EPOLLIN);
  a.watch(bottom, top, c.EPOLLIN);
  a.watch(bottom, right, c.EPOLLIN);
  a.watch(left, right, c.EPOLLIN);
  a.watch(bottom, bottom, c.EPOLLIN);
});

conformance('epoll: a cycle is looked for before the item is', { group }, (sys) => {
  const a = kit(sys);
  const [one, two] = [a.epoll(), a.epoll()];
  a.watch(one, two, c.EPOLLIN);
  a.watch(one, two, c.EPOLLIN);
  a.watch(two, one, c.EPOLLIN);
  a.epollCtl(two, c.EPOLL_CTL_MOD, one, c.EPOLLIN);
  a.epollCtl(two, c.EPOLL_CTL_DEL, one, 0);
  a.epollCtl(one, c.EPOLL_CTL_DEL, two, 0);
  a.watch(two, one, c.EPOLLIN);
});

conformance('epoll: one event through a diamond is one in each list', { group }, (sys) => {
  const a = kit(sys);
  const [top, left, right] = [a.epoll(), a.epoll(), a.epoll()];
  const { fd, port } = a.udpBound();
  for (const ep of [left, right]) {
    a.watch(top, ep, c.EPOLLIN);
    a.watch(ep, fd, c.EPOLLIN);
  }
  a.ready(top);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.ready(top);
  a.ready(left);
  a.recv(fd);
  a.ready(top);
  a.ready(right);
});

conformance('epoll: an edge-triggered epoll inside an epoll', { group }, (sys) => {
  const a = kit(sys);
  const [outer, inner] = [a.epoll(), a.epoll()];
  const { fd, port } = a.udpBound();
  a.watch(inner, fd, c.EPOLLIN);
  a.watch(outer, inner, c.EPOLLIN | c.EPOLLET);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.ready(outer);
  a.ready(outer);
  a.sendTo(fd, 'y', '127.0.0.1', port);
  a.ready(outer);
  a.ready(inner);
  a.ready(outer);
});

conformance('epoll: edge-triggered in an epoll that is level-triggered above', { group }, (sys) => {
  const a = kit(sys);
  const [outer, inner] = [a.epoll(), a.epoll()];
  const { fd, port } = a.udpBound();
  a.watch(inner, fd, c.EPOLLIN | c.EPOLLET);
  a.watch(outer, inner, c.EPOLLIN);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.ready(outer);
  a.ready(outer);
  a.ready(inner);
  a.ready(outer);
  a.poll(inner, c.POLLIN);
});

conformance('epoll: a wait on the outer wakes by what the inner watches', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const [outer, inner] = [a.epoll(), a.epoll()];
  const { fd, port } = a.udpBound();
  a.watch(outer, inner, c.EPOLLIN);
  b.task.start('epoll_wait', outer, b.eventRoom(), 8, -1);
  a.watch(inner, fd, c.EPOLLIN);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.recv(fd);
  b.task.start('epoll_wait', outer, b.eventRoom(), 8, -1);
  a.epollCtl(inner, c.EPOLL_CTL_MOD, fd, c.EPOLLOUT);
});

conformance('epoll: poll and select on an epoll wake by what it watches', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const d = kit(sys, 'd');
  const ep = a.epoll();
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN);
  b.task.start('poll', b.pollfds([[ep, c.POLLIN]]), 1, -1);
  const set = sys.alloc(8, 'set');
  sys.write(set, new Uint8Array(8));
  sys.put(c.u32, set, 2 ** ep);
  d.task.start('select', ep + 1, set, 0, 0, 0);
  a.sendTo(fd, 'x', '127.0.0.1', port);
});

conformance('epoll: an inner epoll that closes leaves the outer', { group }, (sys) => {
  const a = kit(sys);
  const [outer, inner] = [a.epoll(), a.epoll()];
  const { fd, port } = a.udpBound();
  a.watch(inner, fd, c.EPOLLIN);
  a.watch(outer, inner, c.EPOLLIN);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.close(inner);
  a.ready(outer);
  a.epollCtl(outer, c.EPOLL_CTL_DEL, inner, 0);
});

conformance('epoll: hundreds of epolls may watch one socket', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const inner = a.epoll();
  const outers = Array.from({ length: 12 }, () => a.epoll());
  const { errors } = sys.quietly(() => {
    for (let i = 0; i < 600; i++) a.watch(a.epoll(), fd, c.EPOLLIN);
  });
  sys.record('refused', errors.length);
  for (const outer of outers) a.watch(outer, inner, c.EPOLLIN);
  a.watch(inner, fd, c.EPOLLIN);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  for (const outer of outers) a.ready(outer);
});

conformance('epoll: too many ways of three and more steps are EINVAL', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const [one, two, three, four] = [a.epoll(), a.epoll(), a.epoll(), a.epoll()];
  a.watch(one, fd, c.EPOLLIN);
  a.watch(two, one, c.EPOLLIN);
  a.watch(three, two, c.EPOLLIN);
  a.watch(four, three, c.EPOLLIN);
  const { errors } = sys.quietly(() => {
    for (let i = 0; i < 120; i++) a.watch(a.epoll(), four, c.EPOLLIN);
  });
  sys.record('refused', errors.length);
  sys.record('with', [...new Set(errors)].join());
});

conformance('epoll: both ends of a pipe', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const [reader, writer] = pipe(a);
  const all = c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP | c.EPOLLPRI;
  a.watch(ep, reader, all);
  a.watch(ep, writer, all);
  a.ready(ep);
  write(a, writer, 'abc');
  a.ready(ep);
  a.close(writer);
  a.ready(ep);
  read(a, reader);
  a.ready(ep);
  a.close(reader);
  a.ready(ep);
});

conformance('epoll: the writer of a pipe learns that nobody reads', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const ep = a.epoll();
  const [reader, writer] = pipe(a);
  a.watch(ep, writer, 0);
  b.task.start('epoll_wait', ep, b.eventRoom(), 8, -1);
  a.close(reader);
  a.ready(ep);
});

conformance('epoll: edges of a pipe come with each write', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const ep = a.epoll();
  const [reader, writer] = pipe(a);
  a.watch(ep, reader, c.EPOLLIN | c.EPOLLET);
  b.task.start('epoll_wait', ep, b.eventRoom(), 8, -1);
  write(a, writer, 'abc');
  a.ready(ep);
  write(a, writer, 'def');
  a.ready(ep);
  read(a, reader, 2);
  a.ready(ep);
  write(a, writer, 'g');
  a.ready(ep);
});

conformance('epoll: files that cannot be polled are EPERM, whatever the operation', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const name = a.octets('file\0', 'name');
  const file = a.task.call('memfd_create', name, 0);
  for (const op of [c.EPOLL_CTL_ADD, c.EPOLL_CTL_MOD, c.EPOLL_CTL_DEL, 7]) a.epollCtl(ep, op, file, c.EPOLLIN);
  a.watch(file, ep, c.EPOLLIN);
  a.watch(file, file, c.EPOLLIN);
});

conformance('epoll: calls that an epoll does not have', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const room = sys.alloc(16, 'room');
  a.task.call('read', ep, room, 16);
  a.task.call('write', ep, room, 16);
  a.task.call('read', ep, NOWHERE, 16);
  a.task.call('lseek', ep, 5, 0);
  a.task.call('recvfrom', ep, room, 16, 0, 0, 0);
  a.task.call('fcntl', ep, c.F_GETFL, 0);
  a.task.call('fcntl', ep, c.F_SETFL, c.O_NONBLOCK);
  a.task.call('fcntl', ep, c.F_GETFL, 0);
  a.task.call('ioctl', ep, c.FIONREAD, room);
  a.task.call('ioctl', ep, c.SIOCGIFCONF, room);
  a.task.call('ioctl', ep, c.TCGETS, room);
});

conformance('epoll: EPIOCSPARAMS and EPIOCGPARAMS', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  const params = (usecs: number, budget: number, prefer: number, pad: number): number => {
    const at = sys.alloc(8, 'params');
    sys.put(c.u32, at, usecs);
    sys.put(c.u16, at + 4, budget);
    sys.write(at + 6, Uint8Array.of(prefer, pad));
    return at;
  };
  const get = (fd = ep): number => a.task.call('ioctl', fd, c.EPIOCGPARAMS, sys.alloc(8, 'out'));
  const set = (at: number, fd = ep): number => a.task.call('ioctl', fd, c.EPIOCSPARAMS, at);
  get();
  set(params(50, 8, 1, 0));
  get();
  set(params(50, 8, 2, 0));
  set(params(50, 8, 1, 1));
  set(params(0x8000_0000, 8, 1, 0));
  set(params(0x7fff_ffff, 64, 0, 0));
  get();
  set(params(50, 65, 1, 0));
  set(NOWHERE);
  a.task.call('ioctl', ep, c.EPIOCGPARAMS, NOWHERE);
  get(a.udp());
  set(params(1, 1, 1, 0), a.tcp());
});

conformance('epoll: FIONBIO, FIOCLEX and FIOASYNC on an epoll', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  a.task.call('ioctl', ep, c.FIOCLEX, 0);
  a.task.call('fcntl', ep, c.F_GETFD, 0);
  a.task.call('ioctl', ep, c.FIONBIO, a.int(1));
  a.task.call('fcntl', ep, c.F_GETFL, 0);
  a.task.call('ioctl', ep, c.FIOASYNC, a.int(1));
  a.task.call('ioctl', ep, c.FIOASYNC, a.int(0));
  a.task.call('ioctl', ep, c.FIONCLEX, sys.alloc(4, 'unused', asI32));
  a.task.call('fcntl', ep, c.F_GETFD, 0);
});
