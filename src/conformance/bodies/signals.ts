/** Signals that files send to their owners (F_SETOWN, O_ASYNC), and the masks of ppoll(2), pselect6(2), epoll_pwait(2). */
import { conformance, type System, type Task } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'signals';
/** In a sandbox a signal comes once its supervisor has shown what there is. */
const LAG = 20;

/** The id of a thread or process, unrecorded. */
function idOf(sys: System, task: Task, call: 'gettid' | 'getpid'): number {
  let id = 0;
  sys.quietly(() => {
    id = task.call(call);
  });
  return id;
}
/** `task` owns the file; the ids themselves differ from run to run. */
function own(a: Kit, fd: number, task: Task): void {
  const { sys } = a;
  const at = sys.alloc(8, 'owner');
  const id = idOf(sys, task, 'gettid');
  const { errors } = sys.quietly(() => {
    sys.put(c.i32, at, c.F_OWNER_TID);
    sys.put(c.i32, at + 4, id);
    a.task.call('fcntl', fd, c.F_SETOWN_EX, at);
  });
  sys.record(`${task.name} owns`, `${fd} ${errors.join()}`);
}
const async = (a: Kit, fd: number, flags: number = c.O_ASYNC): number => a.task.call('fcntl', fd, c.F_SETFL, flags);

conformance('signals: SIGIO to the owner when a datagram comes', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'nobody owns it', '127.0.0.1', port);
  sys.sleep(LAG);
  own(a, fd, a.task);
  a.sendTo(fd, 'no O_ASYNC', '127.0.0.1', port);
  sys.sleep(LAG);
  async(a, fd);
  a.sendTo(fd, 'told', '127.0.0.1', port);
  sys.sleep(LAG);
  a.sendTo(fd, 'told again', '127.0.0.1', port);
  sys.sleep(LAG);
  a.recv(fd);
  async(a, fd, 0);
  a.sendTo(fd, 'not any more', '127.0.0.1', port);
  sys.sleep(LAG);
});

conformance('signals: SIGIO for a connection, its data and its end', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  own(a, fd, a.task);
  async(a, fd);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  sys.sleep(LAG);
  const server = a.accept(fd);
  a.send(client, 'not told: owner and O_ASYNC are not inherited');
  sys.sleep(LAG);
  own(a, server, a.task);
  async(a, server);
  a.recv(server);
  a.send(client, 'told');
  sys.sleep(LAG);
  a.recv(server);
  a.task.call('shutdown', client, c.SHUT_WR);
  sys.sleep(LAG);
});

conformance('signals: F_SETSIG names another signal', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  own(a, fd, a.task);
  async(a, fd);
  a.task.call('fcntl', fd, c.F_SETSIG, 40);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  sys.sleep(LAG);
  a.task.call('fcntl', fd, c.F_SETSIG, 0);
  a.sendTo(fd, 'y', '127.0.0.1', port);
  sys.sleep(LAG);
  a.task.call('fcntl', fd, c.F_SETOWN, 0);
  a.sendTo(fd, 'z', '127.0.0.1', port);
  sys.sleep(LAG);
});

conformance('signals: FIOASYNC and FIOSETOWN do the same', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.task.call('ioctl', fd, c.FIOASYNC, a.int(1));
  const pid = idOf(sys, a.task, 'getpid');
  const at = sys.alloc(4, 'pid');
  const got = sys.alloc(4, 'got');
  const { errors } = sys.quietly(() => {
    sys.put(c.i32, at, pid);
    a.task.call('ioctl', fd, c.FIOSETOWN, at);
    a.task.call('ioctl', fd, c.SIOCGPGRP, got);
  });
  sys.write(at, new Uint8Array(4));
  sys.record('errors', errors.length);
  sys.record('is told back', sys.get(c.i32, got) === pid);
  sys.write(got, new Uint8Array(4));
  a.sendTo(fd, 'x', '127.0.0.1', port);
  sys.sleep(LAG);
  a.task.call('ioctl', fd, c.FIOASYNC, a.int(0));
  a.sendTo(fd, 'y', '127.0.0.1', port);
  sys.sleep(LAG);
});

conformance('signals: a duplicate shares owner and O_ASYNC, the last close ends both', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const copy = a.task.call('dup', fd);
  own(a, copy, a.task);
  async(a, fd);
  a.close(fd);
  const from = a.udp();
  a.sendTo(from, 'x', '127.0.0.1', port);
  sys.sleep(LAG);
  a.close(copy);
  a.sendTo(from, 'y', '127.0.0.1', port);
  sys.sleep(LAG);
});

conformance('signals: a child may be the owner', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const child = sys.process('child');
  own(a, fd, child);
  async(a, fd);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  sys.sleep(LAG);
});

conformance('signals: SIGIO interrupts what its owner waits for', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.udpBound();
  const other = a.udpBound();
  own(a, fd, b.task);
  async(a, fd);
  b.task.start('poll', b.pollfds([[other.fd, c.POLLIN]]), 1, -1);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  sys.sleep(LAG);
  b.startRecv(other.fd);
  a.sendTo(fd, 'y', '127.0.0.1', port);
  sys.sleep(LAG);
  a.sendTo(other.fd, 'z', '127.0.0.1', other.port);
  sys.sleep(LAG);
});

conformance('signals: SIGIO for both ends of a pipe', { group }, (sys) => {
  const a = kit(sys);
  const at = sys.alloc(8, 'pipe');
  a.task.call('pipe2', at, c.O_NONBLOCK);
  const [reader, writer] = [sys.get(c.i32, at), sys.get(c.i32, at + 4)];
  own(a, reader, a.task);
  async(a, reader, c.O_ASYNC | c.O_NONBLOCK);
  a.task.call('write', writer, a.octets('x', 'out'), 1);
  sys.sleep(LAG);
  a.task.call('read', reader, sys.alloc(4, 'in'), 4);
  a.close(writer);
  sys.sleep(LAG);
});

conformance('signals: SIGURG to the owner, O_ASYNC or not', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'x', c.MSG_OOB);
  sys.sleep(LAG);
  own(a, server, a.task);
  a.send(client, 'y', c.MSG_OOB);
  sys.sleep(LAG);
  a.send(client, 'z');
  sys.sleep(LAG);
});

conformance('signals: a mask holds a signal back while the call lasts', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.udpBound();
  const ep = a.epoll();
  a.watch(ep, fd, c.EPOLLIN);
  const mask = sys.alloc(8, 'mask');
  sys.write(mask, new Uint8Array(8).fill(255));
  const pair = sys.alloc(16, 'pair');
  sys.put(c.u64, pair, mask);
  sys.put(c.u64, pair + 8, 8);
  const set = sys.alloc(8, 'set');
  sys.write(set, Uint8Array.of(1 << fd, 0, 0, 0, 0, 0, 0, 0));
  const starts = [
    () => b.task.start('ppoll', b.pollfds([[fd, c.POLLIN]]), 1, 0, mask, 8),
    () => b.task.start('pselect6', 8, set, 0, 0, 0, pair),
    () => b.task.start('epoll_pwait', ep, b.eventRoom(), 8, -1, mask, 8),
    () => b.task.start('epoll_pwait2', ep, b.eventRoom(), 8, 0, mask, 8),
  ];
  for (const start of starts) {
    start();
    sys.interruptHeld(b.task);
    a.sendTo(fd, 'x', '127.0.0.1', port);
    a.recv(fd);
  }
});

conformance('signals: a mask of other signals holds nothing back', { group, interrupts: true }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd } = a.udpBound();
  const mask = sys.alloc(8, 'mask');
  // SIGUSR1 alone, then SIGUSR2 alone.
  for (const [bit, restart] of [
    [1 << 9, true],
    [1 << 11, false],
  ] as const) {
    sys.put(c.u64, mask, bit);
    b.task.start('ppoll', b.pollfds([[fd, c.POLLIN]]), 1, 0, mask, 8);
    sys.interrupt(b.task, restart);
  }
});

conformance('signals: what was held back interrupts no later call', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.udpBound();
  const mask = sys.alloc(8, 'mask');
  sys.write(mask, new Uint8Array(8).fill(255));
  const time = sys.alloc(16, 'timespec', () => 'rest');
  sys.put(c.timespec, time, { sec: 0, nsec: 400_000_000 });
  b.task.start('ppoll', b.pollfds([[fd, c.POLLIN]]), 1, time, mask, 8);
  sys.interruptHeld(b.task);
  b.task.finish();
  b.startRecv(fd);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  sys.sleep(LAG);
});
