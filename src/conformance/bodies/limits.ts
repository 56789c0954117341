/** RLIMIT_NOFILE: what EMFILE takes with it at each call that makes a descriptor, and close_range(2). */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asControl, asText } from '../show.ts';

const group = 'limits';

/** No descriptor at or above `count` from now on. */
function limit(one: Kit, count: number, hard = 2048): number {
  const at = one.sys.alloc(16, 'rlimit');
  one.sys.put(c.u64, at, count);
  one.sys.put(c.u64, at + 8, hard);
  return one.task.call('prlimit64', 0, c.RLIMIT_NOFILE, at, 0);
}
const rights = (a: Kit, ...fds: number[]): { readonly at: number; readonly len: number } => {
  const data = new Uint8Array(4 * fds.length);
  fds.forEach((fd, i) => c.i32.put(data, 4 * i, fd));
  return a.control([{ level: c.SOL_SOCKET, type: c.SCM_RIGHTS, data }]);
};
function unixPair(a: Kit, type: number = c.SOCK_STREAM): readonly [number, number] {
  const at = a.sys.alloc(8, 'pair');
  a.task.call('socketpair', c.AF_UNIX, type, 0, at);
  return [a.sys.get(c.i32, at), a.sys.get(c.i32, at + 4)];
}
const receiveRights = (a: Kit, sys: System, fd: number, flags = 0): number =>
  a.task.call(
    'recvmsg',
    fd,
    a.msghdr({ iov: [[sys.alloc(8, 'in', asText), 8]], control: sys.alloc(64, 'control', asControl), controllen: 64 }),
    flags,
  );

conformance('limits: every call that makes a descriptor is EMFILE', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  limit(a, 4);
  a.tcp();
  a.task.call('socket', c.AF_INET, c.SOCK_STREAM, 99);
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 0, sys.alloc(8, 'pair'));
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 0, NOWHERE);
  a.task.call('dup', fd);
  a.task.call('fcntl', fd, c.F_DUPFD, 0);
  a.task.call('epoll_create1', 0);
  a.task.call('pipe2', sys.alloc(8, 'pipe'), 0);
  a.task.call('pipe2', NOWHERE, 0);
  a.task.call('memfd_create', a.octets('name\0', 'name'), 0);
  a.close(fd);
  a.udp();
});

conformance('limits: one descriptor left is not enough for a pair', { group }, (sys) => {
  const a = kit(sys);
  a.udp();
  limit(a, 5);
  const pair = sys.alloc(8, 'pair');
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 0, pair);
  a.task.call('pipe2', pair, 0);
  a.udp();
  a.udp();
});

conformance('limits: socketpair that cannot tell its numbers makes none', { group }, (sys) => {
  const a = kit(sys);
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 0, NOWHERE);
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 0, sys.fixed(new Uint8Array(8), 'fixed'));
  const edge = sys.edge(4, 'edge');
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 0, edge);
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM | 0x100, 0, NOWHERE);
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 77, NOWHERE);
  a.udp();
});

conformance('limits: socketpair of a family without pairs has told two numbers by then', { group }, (sys) => {
  const a = kit(sys);
  a.task.call('socketpair', c.AF_INET, c.SOCK_STREAM, 0, sys.alloc(8, 'pair'));
  a.task.call('socketpair', 99, c.SOCK_STREAM, 0, sys.alloc(8, 'pair'));
  a.task.call('socketpair', c.AF_INET6, c.SOCK_STREAM, 0, NOWHERE);
  a.udp();
  limit(a, 5);
  a.task.call('socketpair', c.AF_INET, c.SOCK_STREAM, 0, NOWHERE);
});

conformance('limits: accept at the limit looks at nothing else', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  a.connect(a.tcp(), '127.0.0.1', port);
  limit(a, 5);
  a.task.call('accept4', fd, NOWHERE, NOWHERE, 0);
  a.poll(fd);
  a.task.call('accept', 4, 0, 0);
});

conformance('limits: accept at the limit takes no connection, later it does', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  limit(a, 5);
  a.accept(fd);
  a.task.call('accept4', fd, 0, 0, 9);
  a.poll(fd);
  limit(a, 6);
  a.accept(fd);
});

conformance('limits: accept takes its number before it waits', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener();
  b.task.start('accept', fd, 0, 0);
  const client = a.tcp();
  limit(a, client);
  a.udp();
  a.connect(client, '127.0.0.1', port);
  a.task.call('accept', fd, 0, 0);
});

conformance('limits: SCM_RIGHTS beyond the limit are lost, with MSG_CTRUNC', { group }, (sys) => {
  const a = kit(sys);
  const [left, right] = unixPair(a);
  const fd = a.udp();
  for (let i = 0; i < 2; i++) {
    const control = rights(a, fd, fd, fd);
    a.task.call(
      'sendmsg',
      left,
      a.msghdr({ iov: [[a.octets('x', 'out'), 1]], control: control.at, controllen: control.len }),
      0,
    );
  }
  limit(a, 7);
  receiveRights(a, sys, right);
  receiveRights(a, sys, right);
  a.task.call('fcntl', 6, c.F_GETFD, 0);
  limit(a, 9);
  a.udp();
});

conformance('limits: a peek at descriptors beyond the limit', { group }, (sys) => {
  const a = kit(sys);
  const [left, right] = unixPair(a, c.SOCK_DGRAM);
  const control = rights(a, left, right);
  a.task.call(
    'sendmsg',
    left,
    a.msghdr({ iov: [[a.octets('x', 'out'), 1]], control: control.at, controllen: control.len }),
    0,
  );
  limit(a, 6);
  receiveRights(a, sys, right, c.MSG_PEEK | c.MSG_CMSG_CLOEXEC);
  a.task.call('fcntl', 5, c.F_GETFD, 0);
  limit(a, 9);
  receiveRights(a, sys, right, c.MSG_CMSG_CLOEXEC);
  a.task.call('fcntl', 7, c.F_GETFD, 0);
});

conformance('limits: descriptors above a lowered limit stay', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const high = a.task.call('dup2', fd, 50);
  limit(a, 10);
  a.sendTo(high, 'x', '127.0.0.1', port);
  a.recv(high);
  a.task.call('dup2', fd, 50);
  a.task.call('dup2', high, 9);
  a.task.call('dup', high);
  a.close(high);
  a.task.call('dup2', fd, 50);
});

conformance('limits: prlimit64 checks what it is given', { group }, (sys) => {
  const a = kit(sys);
  limit(a, 30, 20);
  limit(a, 20, 20);
  const old = sys.alloc(16, 'old');
  a.task.call('prlimit64', 0, c.RLIMIT_NOFILE, 0, old);
  a.task.call('prlimit64', 0, 16, 0, old);
  a.task.call('prlimit64', 0, c.RLIMIT_NOFILE, NOWHERE, old);
  a.task.call('prlimit64', 0, c.RLIMIT_NOFILE, 0, NOWHERE);
  a.task.call('prlimit64', 0x7fff_0000, c.RLIMIT_NOFILE, 0, old);
});

conformance('limits: a child has its own, threads share one', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  limit(a, 12);
  const child = sys.process('child');
  limit(b, 4);
  a.udp();
  a.udp();
  child.call('socket', c.AF_INET, c.SOCK_DGRAM, 0);
  child.call('socket', c.AF_INET, c.SOCK_DGRAM, 0);
});

conformance('limits: dup2 onto a number that accept has taken', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener();
  b.task.start('accept', fd, 0, 0);
  a.task.call('dup2', fd, fd + 1);
  a.task.call('dup3', fd, fd + 1, c.O_CLOEXEC);
  a.close(fd + 1);
  a.task.call('fcntl', fd + 1, c.F_GETFD, 0);
  a.task.call('fcntl', fd, c.F_DUPFD, fd + 1);
  a.connect(a.tcp(), '127.0.0.1', port);
});

conformance('limits: close_range checks flags before the range', { group: 'close_range' }, (sys) => {
  const a = kit(sys);
  const fds = [a.udp(), a.udp(), a.udp()] as const;
  a.task.call('close_range', 9, 3, 1);
  a.task.call('close_range', 9, 3, 0);
  a.task.call('close_range', fds[1], fds[1], 8);
  a.task.call('close_range', fds[0], fds[1], 4);
  for (const fd of fds) a.task.call('fcntl', fd, c.F_GETFD, 0);
  a.task.call('close_range', fds[1], 0xffff_ffff, 0);
  for (const fd of fds) a.task.call('fcntl', fd, c.F_GETFD, 0);
  a.task.call('close_range', 500, 600, 0);
  a.task.call('close_range', -1, -1, 0);
});

conformance('limits: close_range ends a connection while another waits on it', { group: 'close_range' }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server, listener } = a.pair();
  b.startRecv(client);
  a.task.call('close_range', server, server, 0);
  b.task.finish();
  a.task.call('close_range', listener, client, 6);
  a.task.call('fcntl', client, c.F_GETFD, 0);
  b.task.call('fcntl', client, c.F_GETFD, 0);
});
