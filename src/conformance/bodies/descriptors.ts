/** dup(2), fcntl(2), ioctl(2), and who shares what. */
import { conformance } from '../body.ts';
import { kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';

const dup = 'dup';
const fcntl = 'fcntl';
const ioctl = 'ioctl';

conformance('dup takes the lowest free descriptor', { group: dup }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const second = a.task.call('dup', fd);
  a.task.call('dup', fd);
  a.close(second);
  a.task.call('dup', fd);
  a.task.call('dup', 77);
  a.task.call('dup', -1);
});

conformance('dup2 closes what stood there', { group: dup }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const other = a.udp();
  a.task.call('dup2', other, client);
  a.recv(server);
  a.getInt(client, c.SOL_SOCKET, c.SO_TYPE);
  a.task.call('dup2', other, other);
  a.task.call('dup2', 77, other);
  a.task.call('dup2', 77, 77);
  a.task.call('dup2', other, -1);
  a.task.call('dup2', other, 50);
  a.getInt(50, c.SOL_SOCKET, c.SO_TYPE);
});

conformance('dup3 sets FD_CLOEXEC and refuses the same descriptor', { group: dup }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  a.task.call('dup3', fd, 20, c.O_CLOEXEC);
  a.task.call('fcntl', 20, c.F_GETFD, 0);
  a.task.call('dup3', fd, 21, 0);
  a.task.call('fcntl', 21, c.F_GETFD, 0);
  a.task.call('dup3', fd, fd, 0);
  a.task.call('dup3', fd, 22, 1);
  a.task.call('dup3', 77, 22, 0);
  a.task.call('dup3', 77, 77, 0);
});

conformance('duplicates share O_NONBLOCK, not FD_CLOEXEC', { group: dup }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp(c.SOCK_CLOEXEC);
  const copy = a.task.call('dup', fd);
  a.task.call('fcntl', copy, c.F_GETFD, 0);
  a.task.call('fcntl', copy, c.F_SETFL, c.O_NONBLOCK);
  a.task.call('fcntl', fd, c.F_GETFL, 0);
  a.task.call('fcntl', copy, c.F_SETFD, c.FD_CLOEXEC);
  a.task.call('fcntl', copy, c.F_SETFD, 0);
  a.task.call('fcntl', fd, c.F_GETFD, 0);
});

conformance('fcntl duplicates from a least descriptor', { group: fcntl }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  a.task.call('fcntl', fd, c.F_DUPFD, 0);
  a.task.call('fcntl', fd, c.F_DUPFD, 30);
  a.task.call('fcntl', fd, c.F_DUPFD, 30);
  const copy = a.task.call('fcntl', fd, c.F_DUPFD_CLOEXEC, 10);
  a.task.call('fcntl', copy, c.F_GETFD, 0);
  a.task.call('fcntl', fd, c.F_DUPFD, -1);
  a.task.call('fcntl', fd, c.F_DUPFD, 0x7fff_ffff);
});

conformance('fcntl changes only the flags that may change', { group: fcntl }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.task.call('fcntl', fd, c.F_GETFL, 0);
  for (const flags of [c.O_NONBLOCK, c.O_NONBLOCK | c.O_WRONLY, c.O_APPEND, c.O_CREAT, 0]) {
    a.task.call('fcntl', fd, c.F_SETFL, flags);
    a.task.call('fcntl', fd, c.F_GETFL, 0);
  }
  a.task.call('fcntl', fd, c.F_SETFD, 0xfe);
  a.task.call('fcntl', fd, c.F_GETFD, 0);
  a.task.call('fcntl', fd, c.F_SETFD, 0xff);
  a.task.call('fcntl', fd, c.F_GETFD, 0);
});

conformance('fcntl with commands it does not know', { group: fcntl }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.task.call('fcntl', fd, 9999, 0);
  a.task.call('fcntl', fd, -1, 0);
  a.task.call('fcntl', fd, c.F_GETPIPE_SZ, 0);
  a.task.call('fcntl', 77, c.F_GETFL, 0);
  a.task.call('fcntl', 77, 9999, 0);
});

conformance('FIONBIO sets the flag that fcntl shows', { group: ioctl }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  for (const value of [1, 0, 77]) {
    a.task.call('ioctl', fd, c.FIONBIO, a.int(value));
    a.task.call('fcntl', fd, c.F_GETFL, 0);
  }
  a.task.call('ioctl', fd, c.FIONBIO, NOWHERE);
  a.task.call('ioctl', 77, c.FIONBIO, a.int(1));
});

conformance('FIOCLEX and FIONCLEX set FD_CLOEXEC', { group: ioctl }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.task.call('ioctl', fd, c.FIOCLEX, 0);
  a.task.call('fcntl', fd, c.F_GETFD, 0);
  a.task.call('ioctl', fd, c.FIONCLEX, 0);
  a.task.call('fcntl', fd, c.F_GETFD, 0);
});

conformance('FIONREAD of TCP is what is queued', { group: ioctl }, (sys) => {
  const a = kit(sys);
  const { client, server, listener } = a.pair();
  const count = (fd: number) => a.task.call('ioctl', fd, c.FIONREAD, a.int(-1, 'count'));
  count(server);
  a.send(client, 'abc');
  a.send(client, 'defg');
  count(server);
  a.recv(server, 2);
  count(server);
  a.task.call('shutdown', client, c.SHUT_WR);
  count(server);
  count(listener);
  count(a.tcp());
  a.task.call('ioctl', server, c.FIONREAD, NOWHERE);
});

conformance('FIONREAD of UDP is the first message', { group: ioctl }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const count = () => a.task.call('ioctl', fd, c.FIONREAD, a.int(-1, 'count'));
  count();
  a.sendTo(fd, 'first', '127.0.0.1', port);
  a.sendTo(fd, 'the second', '127.0.0.1', port);
  count();
  a.recv(fd, 2);
  count();
});

conformance('ioctl requests that a socket does not know', { group: ioctl }, (sys) => {
  const a = kit(sys);
  const memory = sys.alloc(64, 'memory');
  for (const fd of [a.tcp(), a.udp()]) {
    a.task.call('ioctl', fd, 0x1234_5678, memory);
    a.task.call('ioctl', fd, c.TCGETS, memory);
    a.task.call('ioctl', fd, c.TIOCGWINSZ, memory);
  }
});

conformance('a forked process has its own descriptors of the same sockets', { group: dup }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const child = sys.process('child');
  child.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  a.task.call('fcntl', fd, c.F_GETFL, 0);
  const own = child.call('socket', c.AF_INET, c.SOCK_DGRAM, 0);
  a.task.call('fcntl', own, c.F_GETFL, 0);
  a.sendTo(fd, 'to whoever reads first', '127.0.0.1', port);
  child.call('recvfrom', fd, sys.alloc(32, 'in'), 32, 0, 0, 0);
  a.recv(fd);
});

conformance('close_range with CLOSE_RANGE_UNSHARE closes for its own thread alone', { group: 'close_range' }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const first = a.tcp();
  const second = a.tcp();
  a.task.call('close_range', first, first, 2);
  a.task.call('fcntl', first, c.F_GETFD, 0);
  b.task.call('fcntl', first, c.F_GETFD, 0);
  a.close(second);
  b.task.call('fcntl', second, c.F_GETFD, 0);
  b.tcp();
  a.tcp();
  a.task.call('close_range', 0, 0xffff_ffff, 6);
  a.task.call('fcntl', first, c.F_GETFD, 0);
  a.task.call('close_range', 1, 0, 2);
});
