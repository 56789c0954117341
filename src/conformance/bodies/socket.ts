/** socket(2): its checks and their order, descriptors, flags. */
import { conformance } from '../body.ts';
import { kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'socket';

conformance('socket takes the lowest free descriptor', { group }, (sys) => {
  const a = kit(sys);
  a.tcp();
  const second = a.udp();
  a.tcp(0, c.AF_INET6);
  a.close(second);
  a.udp(0, c.AF_INET6);
});

conformance('socket refuses unknown type flags before it looks at the family', { group }, (sys) => {
  const { task } = kit(sys);
  task.call('socket', c.AF_INET, c.SOCK_STREAM | 0x1000, 0);
  task.call('socket', 999, c.SOCK_STREAM | 0x10, 0);
  task.call('socket', 999, c.SOCK_STREAM, 0);
  task.call('socket', -1, c.SOCK_STREAM, 0);
  task.call('socket', c.AF_UNSPEC, c.SOCK_STREAM, 0);
  task.call('socket', c.AF_MAX, c.SOCK_STREAM, 0);
});

conformance('socket refuses types that no family has, then types that this family lacks', { group }, (sys) => {
  const { task } = kit(sys);
  // 10 is SOCK_PACKET, which Linux takes for AF_PACKET.
  for (const type of [0, 6, 9, 11, 15]) task.call('socket', c.AF_INET, type, 0);
  for (const type of [6, 10, 11]) task.call('socket', c.AF_INET6, type, 0);
  task.call('socket', 999, 11, 0);
});

conformance('socket of AF_INET has neither SOCK_RDM nor SOCK_SEQPACKET', { group, pitfall: 2 }, (sys) => {
  const { task } = kit(sys);
  for (const family of [c.AF_INET, c.AF_INET6]) {
    task.call('socket', family, c.SOCK_RDM, 0);
    task.call('socket', family, c.SOCK_SEQPACKET, 0);
  }
});

conformance('socket of AF_PACKET: who may, then the type', { group, pitfall: 4 }, (sys) => {
  const { task } = kit(sys);
  for (const type of [c.SOCK_STREAM, c.SOCK_RDM, c.SOCK_SEQPACKET, 6, 9, 11]) task.call('socket', c.AF_PACKET, type, 0);
  task.call('socket', c.AF_PACKET, c.SOCK_STREAM, -1);
});

conformance('socket refuses a protocol of another type', { group, pitfall: 1 }, (sys) => {
  const { task } = kit(sys);
  for (const family of [c.AF_INET, c.AF_INET6]) {
    task.call('socket', family, c.SOCK_STREAM, c.IPPROTO_UDP);
    task.call('socket', family, c.SOCK_DGRAM, c.IPPROTO_TCP);
    task.call('socket', family, c.SOCK_STREAM, c.IPPROTO_TCP);
    task.call('socket', family, c.SOCK_DGRAM, c.IPPROTO_UDP);
  }
});

conformance('socket refuses protocols out of range', { group }, (sys) => {
  const { task } = kit(sys);
  for (const protocol of [-1, 263, 999, 0x7fff_ffff]) task.call('socket', c.AF_INET, c.SOCK_STREAM, protocol);
  for (const protocol of [-1, 263, 999]) task.call('socket', c.AF_INET6, c.SOCK_DGRAM, protocol);
  task.call('socket', c.AF_INET, c.SOCK_STREAM, 77);
});

conformance('socket looks at the low 32 bits of its arguments', { group }, (sys) => {
  const { task } = kit(sys);
  task.call('socket', 0x1_0000_0002n, 0x7_0000_0001n, 0x100_0000_0000n);
});

conformance('socket for ping is refused outside ping_group_range', { group, pitfall: 5 }, (sys) => {
  const { task } = kit(sys);
  task.call('socket', c.AF_INET, c.SOCK_DGRAM, c.IPPROTO_ICMP);
  task.call('socket', c.AF_INET6, c.SOCK_DGRAM, c.IPPROTO_ICMPV6);
});

conformance('socket sets O_NONBLOCK and FD_CLOEXEC when asked', { group }, (sys) => {
  const { task } = kit(sys);
  for (const flags of [0, c.SOCK_NONBLOCK, c.SOCK_CLOEXEC, c.SOCK_NONBLOCK | c.SOCK_CLOEXEC]) {
    const fd = task.call('socket', c.AF_INET, c.SOCK_STREAM | flags, 0);
    task.call('fcntl', fd, c.F_GETFL, 0);
    task.call('fcntl', fd, c.F_GETFD, 0);
  }
});

conformance('socket reports its domain, type and protocol', { group }, (sys) => {
  const a = kit(sys);
  const { task } = a;
  const fds = [
    task.call('socket', c.AF_INET, c.SOCK_STREAM | c.SOCK_NONBLOCK, 0),
    task.call('socket', c.AF_INET6, c.SOCK_DGRAM, 0),
    task.call('socket', c.AF_INET6, c.SOCK_STREAM, c.IPPROTO_TCP),
    task.call('socket', c.AF_INET, c.SOCK_DGRAM, c.IPPROTO_UDP),
  ];
  for (const fd of fds) {
    a.getInt(fd, c.SOL_SOCKET, c.SO_DOMAIN);
    a.getInt(fd, c.SOL_SOCKET, c.SO_TYPE);
    a.getInt(fd, c.SOL_SOCKET, c.SO_PROTOCOL);
    a.getInt(fd, c.SOL_SOCKET, c.SO_ACCEPTCONN);
  }
});

conformance('calls on a descriptor that is not open', { group }, (sys) => {
  const a = kit(sys);
  const { task } = a;
  const room = a.nameRoom();
  for (const fd of [77, -1, 0x7fff_ffff]) {
    a.bind(fd, '127.0.0.1', 0);
    a.listen(fd);
    a.accept(fd);
    a.connect(fd, '127.0.0.1', 1);
    a.send(fd, 'x');
    a.recv(fd);
    task.call('shutdown', fd, 0);
    task.call('getsockname', fd, room.at, room.len);
    task.call('getpeername', fd, room.at, room.len);
    a.getInt(fd, c.SOL_SOCKET, c.SO_TYPE);
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    task.call('sendmsg', fd, a.msghdr({}), 0);
    task.call('recvmsg', fd, a.msghdr({}), 0);
    task.call('read', fd, room.at, 1);
    task.call('write', fd, room.at, 1);
    task.call('close', fd);
  }
});

conformance('socket calls on a descriptor that is no socket', { group }, (sys) => {
  const a = kit(sys);
  const { task } = a;
  const fd = a.epoll();
  const room = a.nameRoom();
  a.bind(fd, '127.0.0.1', 0);
  a.listen(fd);
  a.accept(fd);
  a.connect(fd, '127.0.0.1', 1);
  a.send(fd, 'x');
  a.recv(fd);
  task.call('shutdown', fd, 0);
  task.call('getsockname', fd, room.at, room.len);
  a.getInt(fd, c.SOL_SOCKET, c.SO_TYPE);
  a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  task.call('sendmsg', fd, a.msghdr({}), 0);
  task.call('recvmsg', fd, a.msghdr({}), 0);
});
