/** bind(2), getsockname(2), getpeername(2): lengths, families, who may have which address. */
import { conformance } from '../body.ts';
import { inet, inet6, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';

const group = 'bind';

conformance('bind checks the length of the name', { group, pitfall: 10 }, (sys) => {
  const a = kit(sys);
  const name = a.octets(new Uint8Array(256), 'addr');
  sys.write(name, inet('127.0.0.1', 0));
  for (const len of [0, 1, 2, 8, 15, 17, 28, 128, 129, 200, -1]) {
    const fd = a.tcp();
    a.task.call('bind', fd, name, len);
    a.close(fd);
  }
});

conformance('bind of AF_INET6 takes names without the scope id', { group, pitfall: 12 }, (sys) => {
  const a = kit(sys);
  const name = a.octets(inet6('::1', 0), 'addr');
  for (const len of [16, 23, 24, 25, 27, 28]) {
    const fd = a.tcp(0, c.AF_INET6);
    a.task.call('bind', fd, name, len);
    a.close(fd);
  }
});

conformance('bind checks the family of the name', { group }, (sys) => {
  const a = kit(sys);
  const wrong = a.octets(inet('127.0.0.1', 0, 77), 'addr');
  a.task.call('bind', a.tcp(), wrong, 16);
  a.task.call('bind', a.tcp(0, c.AF_INET6), wrong, 16);
  const six = a.octets(inet6('::1', 0), 'addr');
  a.task.call('bind', a.tcp(), six, 28);
  const four = a.octets(inet('127.0.0.1', 0), 'addr');
  a.task.call('bind', a.tcp(0, c.AF_INET6), four, 16);
  const long = a.octets(new Uint8Array(28), 'addr');
  sys.write(long, inet('127.0.0.1', 0));
  a.task.call('bind', a.tcp(0, c.AF_INET6), long, 28);
});

conformance('bind of AF_INET takes AF_UNSPEC for the wildcard address only', { group, pitfall: 11 }, (sys) => {
  const a = kit(sys);
  const any = a.octets(inet('0.0.0.0', 7001, c.AF_UNSPEC), 'addr');
  const loopback = a.octets(inet('127.0.0.1', 7002, c.AF_UNSPEC), 'addr');
  const one = a.tcp();
  a.task.call('bind', one, any, 16);
  a.port(one);
  a.task.call('bind', a.udp(), any, 16);
  a.task.call('bind', a.tcp(), loopback, 16);
});

conformance('bind faults on a name that is not mapped', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.task.call('bind', fd, NOWHERE, 16);
  a.task.call('bind', fd, 0, 16);
  const short = sys.edge(15, 'addr');
  sys.write(short, inet('127.0.0.1', 0).subarray(0, 15));
  a.task.call('bind', fd, short, 16);
  a.task.call('bind', fd, 0, 0);
});

conformance('bind is done once', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.bind(fd, '127.0.0.1', 7003);
  a.bind(fd, '127.0.0.1', 7004);
  a.bind(fd, '127.0.0.1', 7003);
  const datagram = a.udp();
  a.bind(datagram, '127.0.0.1', 7003);
  a.bind(datagram, '127.0.0.1', 7004);
});

conformance('bind refuses addresses that are not ours', { group }, (sys) => {
  const a = kit(sys);
  a.bind(a.tcp(), '192.0.2.1', 7005);
  a.bind(a.udp(), '192.0.2.1', 7005);
  a.bind(a.tcp(), '127.9.8.7', 7005);
  a.bind(a.udp(), '127.9.8.7', 7005);
  a.bind(a.tcp(0, c.AF_INET6), 'fd00::9', 7005);
  a.bind(a.udp(0, c.AF_INET6), '::ffff:192.0.2.1', 7006);
});

conformance('bind of a port that is taken', { group }, (sys) => {
  const a = kit(sys);
  const one = a.tcp();
  a.bind(one, '127.0.0.1', 7007);
  a.bind(a.tcp(), '127.0.0.1', 7007);
  a.bind(a.tcp(), '0.0.0.0', 7007);
  a.bind(a.tcp(), '127.0.0.2', 7007);
  const udp = a.udp();
  a.bind(udp, '0.0.0.0', 7007);
  a.bind(a.udp(), '127.0.0.1', 7007);
  a.close(udp);
  a.bind(a.udp(), '127.0.0.1', 7007);
});

conformance('SO_REUSEADDR shares a TCP port until someone listens', { group }, (sys) => {
  const a = kit(sys);
  const make = () => {
    const fd = a.tcp();
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    return fd;
  };
  const one = make();
  a.bind(one, '127.0.0.1', 7008);
  const two = make();
  a.bind(two, '127.0.0.1', 7008);
  a.listen(one);
  a.bind(make(), '127.0.0.1', 7008);
  a.listen(two);
  const plain = a.tcp();
  a.bind(plain, '127.0.0.1', 7008);
});

conformance('SO_REUSEADDR shares a UDP port', { group }, (sys) => {
  const a = kit(sys);
  const make = (reuse: number) => {
    const fd = a.udp();
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, reuse);
    return fd;
  };
  a.bind(make(1), '127.0.0.1', 7009);
  a.bind(make(1), '127.0.0.1', 7009);
  a.bind(make(0), '127.0.0.1', 7009);
});

conformance('bind of the IPv6 wildcard takes the IPv4 port as well', { group }, (sys) => {
  const a = kit(sys);
  const six = a.tcp(0, c.AF_INET6);
  a.bind(six, '::', 7010);
  a.bind(a.tcp(), '0.0.0.0', 7010);
  a.bind(a.tcp(), '127.0.0.1', 7010);
  a.bind(a.tcp(0, c.AF_INET6), '::1', 7010);
  const only = a.tcp(0, c.AF_INET6);
  a.setInt(only, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
  a.bind(only, '::', 7011);
  a.bind(a.tcp(), '0.0.0.0', 7011);
});

conformance('bind of an IPv4-mapped name', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp(0, c.AF_INET6);
  a.bind(fd, '::ffff:127.0.0.1', 7012);
  a.port(fd);
  a.bind(a.tcp(), '127.0.0.1', 7012);
  const only = a.tcp(0, c.AF_INET6);
  a.setInt(only, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
  a.bind(only, '::ffff:127.0.0.1', 7013);
});

conformance('getsockname before and after bind', { group }, (sys) => {
  const a = kit(sys);
  for (const family of [c.AF_INET, c.AF_INET6]) {
    for (const fd of [a.tcp(0, family), a.udp(0, family)]) {
      a.port(fd);
      a.bind(fd, family === c.AF_INET ? '127.0.0.1' : '::1', 0);
      a.port(fd);
      a.peerName(fd);
    }
  }
});

conformance('getsockname cuts the name to the room and reports its full length', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.bind(fd, '127.0.0.1', 7014);
  for (const room of [0, 1, 3, 15, 16, 17]) {
    const name = sys.alloc(32, 'name');
    a.task.call('getsockname', fd, name, a.int(room, 'namelen'));
  }
  const name = sys.alloc(32, 'name');
  a.task.call('getsockname', fd, name, a.int(-1, 'namelen'));
  a.task.call('getsockname', fd, name, NOWHERE);
  a.task.call('getsockname', fd, NOWHERE, a.int(16, 'namelen'));
  a.task.call('getsockname', fd, NOWHERE, a.int(0, 'namelen'));
  a.task.call('getsockname', fd, name, sys.fixed(new Uint8Array([16, 0, 0, 0]), 'fixed'));
});

conformance('getpeername of a connection', { group }, (sys) => {
  const a = kit(sys);
  const { client, server, listener } = a.pair();
  a.peerName(client);
  a.port(client);
  a.peerName(server);
  a.port(server);
  a.peerName(listener);
  const room = a.nameRoom(5);
  a.task.call('getpeername', client, room.at, room.len);
});

conformance('a dual-stack listener sees IPv4 clients as mapped', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener('::');
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  const room = a.nameRoom();
  const server = a.task.call('accept', fd, room.at, room.len);
  a.port(server);
  a.peerName(client);
});

conformance('an IPv6 socket reaches an IPv4 listener by its mapped address', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener('127.0.0.1');
  const client = a.tcp(0, c.AF_INET6);
  a.connect(client, '::ffff:127.0.0.1', port);
  a.port(client);
  a.peerName(client);
  const room = a.nameRoom();
  a.task.call('accept', fd, room.at, room.len);
  const only = a.tcp(0, c.AF_INET6);
  a.setInt(only, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
  a.connect(only, '::ffff:127.0.0.1', port);
});

conformance('a link-local name needs its interface', { group }, (sys) => {
  const a = kit(sys);
  const name = a.octets(inet6('fe80::1', 7015), 'addr');
  a.task.call('bind', a.tcp(0, c.AF_INET6), name, 28);
  a.task.call('connect', a.tcp(0, c.AF_INET6), name, 28);
});
