/** Ping sockets: icmp(7), net/ipv4/ping.c. Their port is the id of their echo requests, so bodies that show octets choose it. */
import { conformance, type System } from '../body.ts';
import { inet, inet6, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asI32, asText } from '../show.ts';

const group = 'ping';
const ECHO = 8;
const ECHO6 = 128;
/** An id that the kernel puts in place of whatever stood there. */
const ID = 0x1234;

/** An ICMP message with a wrong checksum and an id of nobody's. */
function icmp(type: number, text = 'hello', code = 0): Uint8Array {
  const b = new Uint8Array(8 + text.length);
  b.set([type, code, 0xde, 0xad, 0x99, 0x99, 0, 7]);
  b.set(Buffer.from(text), 8);
  return b;
}
const echo = (host: string): Uint8Array => icmp(host.includes(':') ? ECHO6 : ECHO);

const open = (a: Kit, v6 = false, flags = 0): number =>
  a.task.call('socket', v6 ? c.AF_INET6 : c.AF_INET, c.SOCK_DGRAM | flags, v6 ? c.IPPROTO_ICMPV6 : c.IPPROTO_ICMP);
function bound(a: Kit, host: string, id = ID): number {
  const fd = open(a, host.includes(':'));
  a.bind(fd, host, id);
  return fd;
}
function receive(sys: System, a: Kit, fd: number, octets = 32, flags = 0, room = 64): number {
  const name = a.nameRoom();
  const message = a.msghdr({
    name: name.at,
    namelen: 128,
    iov: [[sys.alloc(octets, 'in', asText), octets]],
    control: a.controlRoom(room),
    controllen: room,
  });
  return a.task.call('recvmsg', fd, message, flags | c.MSG_DONTWAIT);
}

for (const host of ['127.0.0.1', '::1']) {
  const family = host === '::1' ? 'ICMPv6' : 'ICMP';

  conformance(`${family}: the id is the socket's port, and the reply comes whole`, { group }, (sys) => {
    const a = kit(sys);
    const fd = bound(a, host);
    a.port(fd);
    a.peerName(fd);
    a.poll(fd);
    a.sendTo(fd, echo(host), host, 99);
    a.poll(fd);
    a.recvFrom(fd);
    a.poll(fd);
    a.recv(fd, 100, c.MSG_DONTWAIT);
  });

  conformance(`${family}: nothing but echo requests is sent`, { group }, (sys) => {
    const a = kit(sys);
    const v6 = host === '::1';
    const fd = bound(a, host);
    for (const type of v6 ? [129, ECHO, 1, 135, 161] : [0, ECHO6, 3, 13, 43]) a.sendTo(fd, icmp(type), host, 0);
    a.sendTo(fd, icmp(v6 ? ECHO6 : ECHO, 'x', 1), host, 0);
    a.sendTo(fd, echo(host).subarray(0, 7), host, 0);
    a.sendTo(fd, '', host, 0);
    a.sendTo(fd, echo(host), host, 0, c.MSG_OOB);
    a.sendTo(fd, '1234567', host, 0, c.MSG_OOB);
    a.send(fd, echo(host));
    a.send(fd, icmp(0));
    a.task.call('sendto', fd, 16, 20, 0, 0, 0);
    a.sendTo(fd, echo(host), v6 ? '127.0.0.1' : '::1', 0);
    a.sendTo(fd, echo(host).subarray(0, 8), host, 0);
    a.recvFrom(fd);
    a.sendTo(fd, echo(host), host, 0, c.MSG_MORE);
    a.sendTo(fd, echo(host), host, 0, c.MSG_PROBE);
    a.recv(fd);
    a.recv(fd, 100, c.MSG_DONTWAIT);
  });

  conformance(`${family}: an id may be shared unless one declines, whatever address and family`, { group }, (sys) => {
    const a = kit(sys);
    const fd = open(a, host === '::1');
    a.getInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR);
    a.bind(fd, host, ID);
    bound(a, host);
    bound(a, '127.0.0.2');
    bound(a, '::1');
    for (const other of [host, '127.0.0.2', '::1', '0.0.0.0']) {
      const alone = open(a, other.includes(':'));
      a.setInt(alone, c.SOL_SOCKET, c.SO_REUSEADDR, 0);
      a.bind(alone, other, ID);
      a.bind(alone, other, ID + 1);
    }
    a.bind(fd, host, 6);
    a.port(fd);
    bound(a, host, ID + 1);
  });

  conformance(`${family}: connected, and apart again`, { group }, (sys) => {
    const a = kit(sys);
    const fd = bound(a, host === '::1' ? '::' : '0.0.0.0');
    a.connect(fd, host, 77);
    a.port(fd);
    const room = a.nameRoom(28);
    a.task.call('getpeername', fd, room.at, room.len);
    a.send(fd, echo(host));
    a.recvFrom(fd);
    a.connect(fd, host, 0);
    a.peerName(fd);
    a.send(fd, echo(host));
    a.recv(fd);
    const apart = a.octets(new Uint8Array(16), 'unspecified');
    a.task.call('connect', fd, apart, 16);
    a.port(fd);
    a.send(fd, echo(host));
  });

  conformance(`${family}: control messages and options of the header`, { group }, (sys) => {
    const a = kit(sys);
    const v6 = host === '::1';
    const fd = bound(a, host);
    const level = v6 ? c.SOL_IPV6 : c.SOL_IP;
    a.setInt(fd, level, v6 ? c.IPV6_RECVHOPLIMIT : c.IP_RECVTTL, 1);
    a.setInt(fd, level, v6 ? c.IPV6_RECVPKTINFO : c.IP_PKTINFO, 1);
    a.setInt(fd, level, v6 ? c.IPV6_RECVTCLASS : c.IP_RECVTOS, 1);
    a.setInt(fd, level, v6 ? c.IPV6_UNICAST_HOPS : c.IP_TTL, 9);
    a.setInt(fd, level, v6 ? c.IPV6_TCLASS : c.IP_TOS, 0x10);
    a.sendTo(fd, echo(host), host, 0);
    receive(sys, a, fd, 32, 0, 128);
  });
}

conformance('what is longer than the buffer is cut, and MSG_TRUNC as a flag tells no length', { group }, (sys) => {
  const a = kit(sys);
  const fd = bound(a, '127.0.0.1');
  a.sendTo(fd, echo('127.0.0.1'), '127.0.0.1', 0);
  a.recv(fd, 10, c.MSG_PEEK);
  a.recv(fd, 10, c.MSG_PEEK | c.MSG_TRUNC);
  receive(sys, a, fd, 9, c.MSG_PEEK);
  receive(sys, a, fd, 9, c.MSG_TRUNC);
  a.recv(fd, 10, c.MSG_DONTWAIT);
  a.sendTo(fd, echo('127.0.0.1'), '127.0.0.1', 0);
  a.recv(fd, 0);
  a.recv(fd, 10, c.MSG_DONTWAIT);
  a.recv(fd, 10, c.MSG_OOB | c.MSG_DONTWAIT);
  receive(sys, a, fd, 9, c.MSG_ERRQUEUE);
});

conformance('a short message of another type is refused before its name is looked at', { group }, (sys) => {
  const a = kit(sys);
  const fd = open(a);
  const request = a.octets(echo('127.0.0.1'), 'out');
  const wrong = a.octets(icmp(0), 'wrong');
  const name = a.name('127.0.0.1', 0);
  const unspecified = a.octets(new Uint8Array(16), 'unspecified');
  for (const out of [request, wrong]) {
    for (const len of [1, 2, 15]) a.task.call('sendto', fd, out, 13, 0, name.at, len);
    a.task.call('sendto', fd, out, 13, 0, unspecified, 16);
  }
  const six = open(a, true);
  const request6 = a.octets(echo('::1'), 'out6');
  const name6 = a.name('::1', 0);
  for (const len of [1, 2, 23, 24, 27]) a.task.call('sendto', six, request6, 13, 0, name6.at, len);
  a.task.call('sendto', six, request6, 13, 0, unspecified, 16);
  a.task.call('sendto', six, request6, 13, 0, a.octets(new Uint8Array(28), 'unspecified6'), 28);
  a.sendTo(six, echo('::1'), '::ffff:127.0.0.1', 0);
});

conformance('addresses that may be bound, and ids below 1024', { group }, (sys) => {
  const a = kit(sys);
  for (const host of ['0.0.0.0', '127.0.0.5', '10.9.9.9', '224.0.0.1', '255.255.255.255', '127.255.255.255']) {
    a.close(bound(a, host, 7));
  }
  for (const host of ['::', '::1', 'fd00::9', '::ffff:127.0.0.1', 'fe80::1']) a.close(bound(a, host, 7));
  const fd = open(a);
  const name = a.name('127.0.0.1', 3);
  for (const len of [1, 2, 15, 16]) a.task.call('bind', fd, name.at, len);
  const other = open(a);
  const six = a.name('::1', 3);
  a.task.call('bind', other, six.at, six.len);
  const free = open(a);
  a.setInt(free, c.SOL_IP, c.IP_FREEBIND, 1);
  a.bind(free, '10.9.9.9', 8);
});

conformance('of several with one id the newest gets the reply', { group }, (sys) => {
  const a = kit(sys);
  const fds = [open(a), open(a), open(a)];
  for (const fd of fds) a.bind(fd, '127.0.0.1', ID);
  a.sendTo(fds[0] as number, echo('127.0.0.1'), '127.0.0.1', 0);
  for (const fd of fds) a.poll(fd);
});

conformance('a socket bound to an address hears what is sent to that address', { group }, (sys) => {
  const a = kit(sys);
  const fd = bound(a, '127.0.0.1');
  a.sendTo(fd, echo('127.0.0.1'), '127.0.0.9', 0);
  a.recvFrom(fd);
  const other = open(a);
  a.connect(other, '127.0.0.9', 1);
  a.send(other, echo('127.0.0.1'));
  a.poll(other);
  a.sendTo(other, echo('127.0.0.1'), '127.0.0.3', 0);
  a.poll(other);
});

conformance('what a ping socket is, and what it is not', { group }, (sys) => {
  const a = kit(sys);
  for (const v6 of [false, true]) {
    const fd = open(a, v6);
    for (const option of [c.SO_TYPE, c.SO_DOMAIN, c.SO_PROTOCOL, c.SO_ACCEPTCONN, c.SO_ERROR])
      a.getInt(fd, c.SOL_SOCKET, option);
    a.getInt(fd, c.SOL_UDP, c.UDP_CORK);
    a.setInt(fd, c.SOL_UDP, c.UDP_CORK, 1);
    a.getInt(fd, c.SOL_TCP, c.TCP_NODELAY);
    a.task.call('ioctl', fd, c.SIOCINQ, sys.alloc(4, 'octets', asI32));
    a.task.call('ioctl', fd, c.SIOCOUTQ, sys.alloc(4, 'octets', asI32));
    a.listen(fd);
    a.accept(fd);
    a.task.call('shutdown', fd, c.SHUT_RD);
  }
  a.task.call('socket', c.AF_INET, c.SOCK_DGRAM, c.IPPROTO_ICMPV6);
  a.task.call('socket', c.AF_INET6, c.SOCK_DGRAM, c.IPPROTO_ICMP);
  a.task.call('socket', c.AF_INET, c.SOCK_STREAM, c.IPPROTO_ICMP);
});

conformance('no way, and no permission', { group }, (sys) => {
  const a = kit(sys);
  const fd = open(a);
  a.sendTo(fd, echo('127.0.0.1'), '10.9.9.9', 0);
  a.sendTo(fd, icmp(0), '10.9.9.9', 0);
  a.sendTo(fd, echo('127.0.0.1'), '127.255.255.255', 0);
  a.sendTo(fd, new Uint8Array(65_516).fill(ECHO, 0, 1), '127.0.0.1', 0);
  a.sendTo(fd, new Uint8Array(65_536).fill(ECHO, 0, 1), '127.0.0.1', 0);
  a.connect(fd, '10.9.9.9', 0);
  a.sendTo(fd, echo('127.0.0.1'), '0.0.0.0', 0);
  a.poll(fd);
});

conformance('a recv that waits gets the reply; after shutdown it ends', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const fd = bound(a, '127.0.0.1');
  a.startRecv(fd);
  b.sendTo(fd, echo('127.0.0.1'), '127.0.0.1', 0);
  a.task.finish();
  a.connect(fd, '127.0.0.1', 0);
  a.startRecv(fd);
  b.task.call('shutdown', fd, c.SHUT_RD);
  a.task.finish();
  a.recv(fd, 10, c.MSG_DONTWAIT);
  a.poll(fd);
  b.task.call('shutdown', fd, c.SHUT_WR);
  a.send(fd, echo('127.0.0.1'));
});

conformance('sendmmsg and recvmmsg of echoes', { group }, (sys) => {
  const a = kit(sys);
  const fd = bound(a, '127.0.0.1');
  a.connect(fd, '127.0.0.1', 0);
  const vector = (name: string, first: number, octets: number): number => {
    const at = sys.alloc(2 * 64, name);
    for (const i of [0, 1]) {
      a.putMsghdr(at + i * 64, { iov: [[first + i * octets, octets]] });
      sys.put(c.u32, at + i * 64 + 56, 0);
    }
    return at;
  };
  const out = a.octets(Buffer.concat([echo('127.0.0.1'), icmp(ECHO, 'again')]), 'out');
  a.task.call('sendmmsg', fd, vector('sent', out, 13), 2, 0);
  const room = sys.alloc(40, 'in', asText);
  a.task.call('recvmmsg', fd, vector('received', room, 20), 2, 0, 0);
  const half = a.octets(Buffer.concat([echo('127.0.0.1'), icmp(0, 'wrong')]), 'out');
  a.task.call('sendmmsg', fd, vector('sent', half, 13), 2, 0);
  a.recv(fd);
  a.recv(fd, 10, c.MSG_DONTWAIT);
});

for (const host of ['127.0.0.1', '::1']) {
  const v6 = host === '::1';
  const family = v6 ? 'ICMPv6' : 'ICMP';
  conformance(`${family}: the checksum stands for the port of the original destination`, { group }, (sys) => {
    const a = kit(sys);
    const fd = bound(a, host);
    const [level, option] = v6 ? [c.SOL_IPV6, c.IPV6_RECVORIGDSTADDR] : [c.SOL_IP, c.IP_RECVORIGDSTADDR];
    a.setInt(fd, level, option, 1);
    a.sendTo(fd, echo(host), host, 0);
    receive(sys, a, fd);
  });
  conformance(`${family}: control data is looked at before where the unspecified address is`, { group }, (sys) => {
    const a = kit(sys);
    const fd = bound(a, host);
    const to = a.octets(v6 ? inet6('::', 7000) : inet('0.0.0.0', 7000), 'addr');
    const iov = [[a.octets(echo(host), 'out'), 13]] as const;
    for (const data of [new Uint8Array(3), new Uint8Array(4)]) {
      const control = a.control([{ level: c.SOL_SOCKET, type: c.SO_MARK, data }]);
      const message = { name: to, namelen: v6 ? 28 : 16, iov, control: control.at, controllen: control.len };
      a.task.call('sendmsg', fd, a.msghdr(message), 0);
    }
    receive(sys, a, fd);
  });
}
