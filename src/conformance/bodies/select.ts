/** select(2), pselect6, ppoll: the sets in and out, the rest of the time, the order of checks. */
import { conformance, type Show, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';

const group = 'select';

const asSet: Show = (b) => {
  const fds = Array.from({ length: b.length * 8 }, (_, fd) => fd).filter(
    (fd) => ((b[fd >> 3] ?? 0) & (1 << (fd & 7))) !== 0,
  );
  return `{${fds.join(' ')}}`;
};
/** A time as it was given, or what is left of it up to the next second: how long the call took is the system's free choice. */
const asRest =
  (micros: number): Show =>
  (b) => {
    const [sec, fraction] = [c.i64.get(b, 0), c.i64.get(b, 8)];
    return sec < 0 || fraction < 0 ? `${sec} ${fraction}` : `rest ${Math.ceil(sec + fraction / micros)} s`;
  };

class Selector {
  readonly sys: System;
  readonly kit: Kit;

  constructor(sys: System, one: Kit = kit(sys)) {
    this.sys = sys;
    this.kit = one;
  }
  set(fds: readonly number[], octets = 128, name = 'set'): number {
    const bits = new Uint8Array(octets);
    for (const fd of fds) bits[fd >> 3] = (bits[fd >> 3] ?? 0) | (1 << (fd & 7));
    const at = this.sys.alloc(octets, name, asSet);
    this.sys.write(at, bits);
    return at;
  }
  timeval(sec: number, usec: number): number {
    const at = this.sys.alloc(16, 'timeval', asRest(1e6));
    this.sys.put(c.timeval, at, { sec, usec });
    return at;
  }
  timespec(sec: number, nsec: number): number {
    const at = this.sys.alloc(16, 'timespec', asRest(1e9));
    this.sys.put(c.timespec, at, { sec, nsec });
    return at;
  }
  /** struct { sigset_t *ss; size_t ss_len; } */
  pair(mask: number, size: number): number {
    const at = this.sys.alloc(16, 'pair');
    this.sys.put(c.u64, at, mask);
    this.sys.put(c.u64, at + 8, size);
    return at;
  }
  mask(): number {
    const at = this.sys.alloc(8, 'mask');
    this.sys.write(at, new Uint8Array(8));
    return at;
  }
}

conformance('select: what is ready stays in the sets', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const { client, server, listener } = a.pair();
  const all = [client, server, listener];
  const look = (): number => a.task.call('select', 16, s.set(all), s.set(all), s.set(all), s.timeval(0, 0));
  look();
  a.send(client, 'x');
  look();
  a.task.call('shutdown', client, c.SHUT_WR);
  look();
  a.close(server);
  a.task.call('select', 16, s.set([client]), s.set([client]), s.set([client]), s.timeval(0, 0));
});

conformance('select: a fresh TCP socket is readable by its POLLHUP, and nothing exceptional', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const fd = a.tcp();
  a.task.call('select', fd + 1, s.set([fd]), s.set([fd]), s.set([fd]), s.timeval(0, 0));
  const refused = a.tcp(c.SOCK_NONBLOCK);
  a.connect(refused, '127.0.0.1', 9);
  a.task.call('select', refused + 1, s.set([refused]), s.set([refused]), s.set([refused]), s.timeval(0, 0));
});

conformance('select: only what n covers is looked at and written', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const fd = a.udp();
  const other = a.udp();
  a.task.call('select', fd + 1, 0, s.set([fd, other, 40, 63, 64, 100]), 0, s.timeval(0, 0));
  a.task.call('select', fd, 0, s.set([fd, 40]), 0, s.timeval(0, 0));
  a.task.call('select', 0, 0, s.set([fd, 40]), 0, s.timeval(0, 0));
  a.task.call('select', 0, NOWHERE, NOWHERE, NOWHERE, s.timeval(0, 0));
});

conformance('select: a descriptor that is not open is EBADF, beyond the table it is nothing', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const fd = a.udp();
  // How long the table is at first depends on what the process had open before.
  a.task.call('dup2', fd, 255);
  for (const bad of [40, 63, 64, 100, 127, 128, 200, 254, 256, 600, 1000]) {
    a.task.call('select', 1024, s.set([bad]), s.set([fd]), 0, s.timeval(0, 0));
  }
});

conformance('select: the table grows in powers of two', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const fd = a.udp();
  for (const high of [255, 256, 300, 600]) {
    a.task.call('dup2', fd, high);
    for (const bad of [high + 1, 200, 257, 400, 511, 512, 900]) {
      a.task.call('select', 1024, s.set([bad, high]), 0, 0, s.timeval(0, 0));
    }
    a.task.call('select', 1024, 0, s.set([high]), 0, s.timeval(0, 0));
  }
});

conformance('select: a descriptor beyond 1023 in a longer bitmap', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const limits = sys.alloc(16, 'rlimit');
  sys.put(c.u64, limits, 2048);
  sys.put(c.u64, limits + 8, 2048);
  a.task.call('prlimit64', 0, c.RLIMIT_NOFILE, limits, 0);
  const fd = a.udp();
  a.task.call('dup2', fd, 1500);
  a.task.call('select', 1501, 0, s.set([1500, 1400], 256), 0, s.timeval(0, 0));
  a.task.call('select', 1501, 0, s.set([1500], 256), 0, s.timeval(0, 0));
  a.task.call('select', 1500, 0, s.set([1500, fd], 256), 0, s.timeval(0, 0));
  a.poll(1500, c.POLLOUT);
});

conformance('select: n is checked after the time and before the sets', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  a.task.call('select', -1, 0, 0, 0, s.timeval(0, 0));
  a.task.call('select', -1, NOWHERE, 0, 0, s.timeval(-1, 0));
  a.task.call('select', -1, NOWHERE, 0, 0, NOWHERE);
  a.task.call('select', 8, NOWHERE, 0, 0, s.timeval(0, -1));
  a.task.call('select', 8, NOWHERE, 0, 0, s.timeval(0, 0));
  a.task.call('select', 8, 0, NOWHERE, 0, s.timeval(0, 0));
  a.task.call('select', 8, 0, 0, NOWHERE, s.timeval(0, 0));
  a.task.call('select', 0x7fff_ffff, 0, 0, 0, s.timeval(0, 0));
});

conformance('select: microseconds may exceed a second', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const fd = a.udp();
  a.task.call('select', 16, 0, s.set([fd]), 0, s.timeval(6, 4_500_000));
  a.task.call('select', 16, 0, s.set([fd]), 0, s.timeval(0, 1_000_000));
});

conformance('select: sets that cannot be written', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const fd = a.udp();
  const bits = new Uint8Array(8);
  bits[fd >> 3] = 1 << (fd & 7);
  a.task.call('select', 16, 0, sys.fixed(bits, 'fixed'), 0, s.timeval(0, 0));
  const edge = sys.edge(8, 'edge', asSet);
  sys.write(edge, bits);
  a.task.call('select', 16, 0, edge, 0, s.timeval(0, 0));
  a.task.call('select', 64, 0, edge, 0, s.timeval(0, 0));
  a.task.call('dup2', fd, 100);
  a.task.call('select', 65, 0, edge, 0, s.timeval(0, 0));
  sys.write(edge, bits);
  const time = sys.fixed(new Uint8Array(16), 'time');
  a.task.call('select', 16, 0, edge, 0, time);
});

conformance('select: the rest of the time is written back', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const { fd, port } = a.udpBound();
  a.task.call('select', 16, 0, s.set([fd]), 0, s.timeval(9, 1_000_000));
  a.task.start('select', 16, s.set([fd]), 0, 0, s.timeval(0, 400_000));
  a.task.finish();
  const b = new Selector(sys, kit(sys, 'b'));
  b.kit.task.start('select', 16, b.set([fd]), 0, 0, b.timeval(10, 0));
  sys.sleep(20);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  b.kit.task.start('pselect6', 16, 0, 0, b.set([fd]), b.timespec(0, 400_000_000), 0);
  b.kit.task.finish();
});

conformance('select: a signal leaves the sets and writes the rest back', { group, interrupts: true }, (sys) => {
  const a = kit(sys);
  const { fd } = a.udpBound();
  const b = new Selector(sys, kit(sys, 'b'));
  const interrupted = (restart: boolean, ...call: Parameters<Kit['task']['start']>): void => {
    b.kit.task.start(...call);
    sys.sleep(20);
    sys.interrupt(b.kit.task, restart);
  };
  interrupted(false, 'select', 16, b.set([fd]), 0, 0, b.timeval(10, 0));
  interrupted(true, 'select', 16, b.set([fd]), b.set([]), 0, 0);
  interrupted(true, 'pselect6', 16, b.set([fd]), 0, 0, b.timespec(10, 0), 0);
  interrupted(true, 'ppoll', b.kit.pollfds([[fd, c.POLLIN]]), 1, b.timespec(10, 0), 0, 0);
  interrupted(false, 'poll', b.kit.pollfds([[fd, c.POLLIN]]), 1, 10_000);
});

conformance('select: sleeps without any descriptor', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const from = sys.now();
  a.task.start('select', 0, 0, 0, 0, s.timeval(0, 400_000));
  a.task.finish();
  a.task.start('poll', 0, 0, 400);
  a.task.finish();
  a.task.start('ppoll', 0, 0, s.timespec(0, 400_000_000), 0, 0);
  a.task.finish();
  sys.record('waited', sys.now() - from >= 1199);
});

conformance('select: several tasks wait for one socket, all wake', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const [b, d] = [new Selector(sys, kit(sys, 'b')), new Selector(sys, kit(sys, 'd'))];
  const e = kit(sys, 'e');
  b.kit.task.start('select', 16, b.set([server]), 0, 0, 0);
  d.kit.task.start('pselect6', 16, d.set([server]), d.set([]), d.set([server]), 0, 0);
  e.task.start('poll', e.pollfds([[server, c.POLLRDHUP]]), 1, -1);
  a.send(client, 'x');
  a.task.call('shutdown', client, c.SHUT_WR);
});

conformance('pselect6: the mask comes as a pointer to a pointer and a size', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const fd = a.udp();
  const look = (time: number, pair: number, n = 16): number =>
    a.task.call('pselect6', n, 0, s.set([fd]), 0, time, pair);
  look(s.timespec(0, 0), s.pair(s.mask(), 8));
  look(s.timespec(0, 0), s.pair(0, 3));
  look(s.timespec(0, 0), s.pair(s.mask(), 7));
  look(s.timespec(0, 0), s.pair(NOWHERE, 8));
  look(s.timespec(0, 0), NOWHERE);
  look(s.timespec(0, 1_000_000_000), s.pair(s.mask(), 7));
  look(s.timespec(-1, 0), NOWHERE);
  look(NOWHERE, s.pair(s.mask(), 7), -1);
  look(s.timespec(0, 0), s.pair(s.mask(), 7), -1);
  look(s.timespec(0, 0), s.pair(s.mask(), 8), -1);
});

conformance('ppoll: the order of its checks, and the rest of the time', { group }, (sys) => {
  const a = kit(sys);
  const s = new Selector(sys, a);
  const fd = a.udp();
  const look = (time: number, mask: number, size: number, fds = a.pollfds([[fd, c.POLLOUT]]), n = 1): number =>
    a.task.call('ppoll', fds, n, time, mask, size);
  look(s.timespec(0, 0), s.mask(), 8);
  look(s.timespec(0, 0), s.mask(), 4);
  look(s.timespec(0, 0), 0, 4);
  look(s.timespec(0, 0), NOWHERE, 8);
  look(s.timespec(0, 1_000_000_000), NOWHERE, 8);
  look(s.timespec(0, -1), s.mask(), 8, NOWHERE);
  look(NOWHERE, s.mask(), 8, NOWHERE);
  look(s.timespec(0, 0), s.mask(), 8, NOWHERE);
  look(s.timespec(0, 0), s.mask(), 8, NOWHERE, 0x7fff_ffff);
  look(0, s.mask(), 8);
});

conformance('poll: a socket shut down, closed and reset while others poll it', { group }, (sys) => {
  const a = kit(sys);
  const [b, d] = [kit(sys, 'b'), kit(sys, 'd')];
  const { client, server } = a.pair();
  b.task.start('poll', b.pollfds([[server, 0]]), 1, -1);
  d.task.start('poll', d.pollfds([[server, c.POLLRDHUP | c.POLLHUP]]), 1, -1);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.task.call('shutdown', server, c.SHUT_WR);
});

conformance('poll: a descriptor closed meanwhile is POLLNVAL at the next look', { group }, (sys) => {
  const a = kit(sys);
  const [b, d] = [new Selector(sys, kit(sys, 'b')), kit(sys, 'd')];
  const { fd, port } = a.udpBound();
  a.task.call('dup', fd);
  d.task.start('poll', d.pollfds([[fd, c.POLLIN]]), 1, -1);
  b.kit.task.start('select', 16, b.set([fd]), b.set([]), 0, 0);
  a.close(fd);
  sys.sleep(20);
  const from = a.task.call('dup2', a.udp(), 9);
  a.sendTo(from, 'x', '127.0.0.1', port);
});

conformance('poll: a number that names another file meanwhile is looked at anew', { group }, (sys) => {
  const a = kit(sys);
  const [b, d] = [new Selector(sys, kit(sys, 'b')), kit(sys, 'd')];
  const { fd, port } = a.udpBound();
  const copy = a.task.call('dup', fd);
  d.task.start('poll', d.pollfds([[fd, c.POLLIN]]), 1, -1);
  b.kit.task.start('select', 16, b.set([fd]), 0, 0, 0);
  a.task.call('dup2', a.tcp(), fd);
  a.sendTo(a.udp(), 'x', '127.0.0.1', port);
  a.recv(copy);
});

conformance('poll: who polls holds the file, and its port', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.udpBound();
  b.task.start('poll', b.pollfds([[fd, c.POLLIN]]), 1, 400);
  a.close(fd);
  const other = a.udp();
  a.bind(other, '127.0.0.1', port);
  b.task.finish();
  a.bind(other, '127.0.0.1', port);
});

conformance('poll: nfds beyond RLIMIT_NOFILE is EINVAL, up to it the memory is looked at', { group }, (sys) => {
  const a = kit(sys);
  const limits = sys.alloc(16, 'rlimit');
  sys.put(c.u64, limits, 20);
  sys.put(c.u64, limits + 8, 2048);
  a.task.call('prlimit64', 0, c.RLIMIT_NOFILE, limits, 0);
  const fds = sys.alloc(8 * 20, 'pollfds');
  sys.write(fds, new Uint8Array(8 * 20).fill(255));
  a.task.call('poll', fds, 20, 0);
  a.task.call('poll', fds, 21, 0);
  a.task.call('poll', NOWHERE, 21, 0);
  a.task.call('poll', NOWHERE, 20, 0);
});

conformance('poll: entries after a page that cannot be written', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const edge = sys.edge(12, 'edge');
  sys.put(c.pollfd, edge, { fd, events: c.POLLOUT, revents: 0 });
  a.task.call('poll', edge, 2, 0);
  a.task.call('poll', edge, 1, 0);
  const whole = sys.edge(8, 'edge');
  sys.put(c.pollfd, whole, { fd, events: c.POLLOUT, revents: 0 });
  a.task.call('poll', whole, 1, 0);
});

conformance('poll: more entries than a page holds', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const count = 700;
  const fds = sys.alloc(8 * count, 'pollfds');
  for (let i = 0; i < count; i++)
    sys.put(c.pollfd, fds + 8 * i, { fd, events: i % 2 === 0 ? c.POLLIN : c.POLLPRI, revents: 7 });
  a.task.call('poll', fds, count, 0);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.task.call('poll', fds, count, 0);
});
