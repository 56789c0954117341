/** Multicast membership over loopback: ip(7), ipv6(7). A fresh namespace has a route for no group, so the interface is always named. */
import { conformance, type System } from '../body.ts';
import { inet, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asText } from '../show.ts';

const group = 'multicast';
type Quad = readonly [number, number, number, number];
const GROUP: Quad = [239, 1, 2, 3];
const LO: Quad = [127, 0, 0, 1];
const ANY: Quad = [0, 0, 0, 0];

const mreq = (to: Quad, address: Quad): Uint8Array => Uint8Array.of(...to, ...address);
const mreqn = (to: Quad, address: Quad, index: number): Uint8Array => Uint8Array.of(...to, ...address, index, 0, 0, 0);
function mreq6(last: number, index: number, first = 0xff): Uint8Array {
  const out = new Uint8Array(20);
  out.set([first, 1]);
  out[15] = last;
  out[16] = index;
  return out;
}
const set = (a: Kit, fd: number, level: number, option: number, value: Uint8Array, len = value.length): number =>
  a.task.call('setsockopt', fd, level, option, a.octets(value, 'value'), len);
const join = (a: Kit, fd: number, value: Uint8Array): number => set(a, fd, c.SOL_IP, c.IP_ADD_MEMBERSHIP, value);
const leave = (a: Kit, fd: number, value: Uint8Array): number => set(a, fd, c.SOL_IP, c.IP_DROP_MEMBERSHIP, value);
const join6 = (a: Kit, fd: number, value: Uint8Array): number => set(a, fd, c.SOL_IPV6, c.IPV6_ADD_MEMBERSHIP, value);
const leave6 = (a: Kit, fd: number, value: Uint8Array): number => set(a, fd, c.SOL_IPV6, c.IPV6_DROP_MEMBERSHIP, value);

conformance('multicast: joining and leaving', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  join(a, fd, mreq(GROUP, ANY));
  join(a, fd, mreq(GROUP, [9, 9, 9, 9]));
  join(a, fd, mreqn(GROUP, ANY, 9));
  join(a, fd, mreqn([10, 0, 0, 1], ANY, 1));
  join(a, fd, mreqn(GROUP, ANY, 1));
  join(a, fd, mreqn(GROUP, ANY, 1));
  join(a, fd, mreq(GROUP, LO));
  leave(a, fd, mreqn([239, 9, 9, 9], ANY, 1));
  leave(a, fd, mreq(GROUP, [9, 9, 9, 9]));
  leave(a, fd, mreq(GROUP, ANY));
  leave(a, fd, mreq(GROUP, LO));
  leave(a, fd, mreq(GROUP, LO));
  leave(a, fd, mreqn(GROUP, ANY, 9));
  join(a, fd, mreq(GROUP, LO));
  leave(a, fd, mreqn(GROUP, ANY, 1));
});

conformance('multicast: lengths and kinds of sockets', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  for (const len of [0, 4, 7, 8, 11]) set(a, fd, c.SOL_IP, c.IP_ADD_MEMBERSHIP, mreqn(GROUP, LO, 0), len);
  join(a, a.tcp(), mreq(GROUP, LO));
  set(a, a.tcp(), c.SOL_IP, c.IP_ADD_MEMBERSHIP, mreq(GROUP, LO), 4);
  join(a, a.udp(0, c.AF_INET6), mreq(GROUP, LO));
  const six = a.udp(0, c.AF_INET6);
  for (const len of [0, 4, 19]) set(a, six, c.SOL_IPV6, c.IPV6_ADD_MEMBERSHIP, mreq6(5, 1), len);
  join6(a, a.tcp(0, c.AF_INET6), mreq6(5, 1));
  join6(a, a.udp(), mreq6(5, 1));
  a.task.call('getsockopt', fd, c.SOL_IP, c.IP_ADD_MEMBERSHIP, sys.alloc(8, 'value'), a.int(8, 'len'));
});

conformance('multicast: at most twenty groups of IPv4', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  for (let i = 1; i <= 21; i++) join(a, fd, mreqn([239, 0, 0, i], ANY, 1));
});

conformance('multicast: joining and leaving over IPv6', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp(0, c.AF_INET6);
  join6(a, fd, mreq6(5, 0));
  join6(a, fd, mreq6(5, 9));
  join6(a, fd, mreq6(5, 1, 0xfd));
  join6(a, fd, mreq6(5, 1));
  join6(a, fd, mreq6(5, 1));
  join6(a, fd, mreq6(5, 0));
  leave6(a, fd, mreq6(6, 1));
  leave6(a, fd, mreq6(5, 9));
  leave6(a, fd, mreq6(5, 1, 0xfd));
  leave6(a, fd, mreq6(5, 0));
  leave6(a, fd, mreq6(5, 1));
});

/** A sender whose groups leave by loopback, and readers on one port. */
function worldOf(sys: System) {
  const a = kit(sys);
  const sender = a.udp();
  set(a, sender, c.SOL_IP, c.IP_MULTICAST_IF, mreqn(ANY, ANY, 1));
  const reader = (host = '0.0.0.0', port = 4000): number => {
    const fd = a.udp(c.SOCK_NONBLOCK);
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    a.bind(fd, host, port);
    return fd;
  };
  const send = (text: string, to = '239.1.2.3'): number => a.sendTo(sender, text, to, 4000);
  return { a, sender, reader, send };
}

conformance('multicast: delivered to members, and to who shares their interface', { group }, (sys) => {
  const { a, reader, send } = worldOf(sys);
  const [member, other, strict, bound] = [reader(), reader(), reader(), reader('239.1.2.3')];
  a.setInt(strict, c.SOL_IP, c.IP_MULTICAST_ALL, 0);
  send('nobody');
  for (const fd of [member, other, strict, bound]) a.recv(fd);
  join(a, member, mreq(GROUP, LO));
  send('one');
  for (const fd of [member, other, strict, bound]) a.recvFrom(fd);
  join(a, strict, mreq(GROUP, LO));
  send('two');
  for (const fd of [member, other, strict, bound]) a.recv(fd);
  leave(a, strict, mreq(GROUP, LO));
  send('three');
  for (const fd of [member, other, strict, bound]) a.recv(fd);
  a.close(member);
  send('four');
  for (const fd of [other, strict, bound]) a.recv(fd);
});

conformance('multicast: IP_MULTICAST_LOOP does not count on loopback', { group }, (sys) => {
  const { a, sender, reader, send } = worldOf(sys);
  const member = reader();
  join(a, member, mreq(GROUP, LO));
  a.setInt(sender, c.SOL_IP, c.IP_MULTICAST_LOOP, 0);
  send('one');
  a.recv(member);
});

conformance('multicast: IP_PKTINFO and the TTL of what arrives', { group }, (sys) => {
  const { a, sender, reader, send } = worldOf(sys);
  const member = reader();
  join(a, member, mreq(GROUP, LO));
  a.setInt(member, c.SOL_IP, c.IP_PKTINFO, 1);
  a.setInt(member, c.SOL_IP, c.IP_RECVTTL, 1);
  a.setInt(sender, c.SOL_IP, c.IP_MULTICAST_TTL, 7);
  send('one');
  const room = a.controlRoom(128);
  a.task.call(
    'recvmsg',
    member,
    a.msghdr({ control: room, controllen: 128, iov: [[sys.alloc(8, 'in', asText), 8]] }),
    0,
  );
});

conformance('multicast: connected to a group', { group }, (sys) => {
  const { a, sender, reader } = worldOf(sys);
  const member = reader();
  join(a, member, mreq(GROUP, LO));
  a.connect(sender, '239.1.2.3', 4000);
  a.send(sender, 'hello');
  a.recvFrom(member);
});

conformance('multicast: IP_MULTICAST_ALL is 0 or 1', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.udp(), a.tcp()]) {
    a.getInt(fd, c.SOL_IP, c.IP_MULTICAST_ALL);
    for (const value of [0, 2, -1, 1]) a.setInt(fd, c.SOL_IP, c.IP_MULTICAST_ALL, value);
    a.setInt(fd, c.SOL_IP, c.IP_MULTICAST_ALL, 0);
    a.getInt(fd, c.SOL_IP, c.IP_MULTICAST_ALL);
  }
  for (const fd of [a.udp(0, c.AF_INET6), a.tcp(0, c.AF_INET6)]) {
    a.getInt(fd, c.SOL_IPV6, c.IPV6_MULTICAST_ALL);
    for (const value of [2, -1, 0]) a.setInt(fd, c.SOL_IPV6, c.IPV6_MULTICAST_ALL, value);
    a.getInt(fd, c.SOL_IPV6, c.IPV6_MULTICAST_ALL);
  }
});

conformance('multicast: over IPv6, delivered by membership', { group }, (sys) => {
  const a = kit(sys);
  const sender = a.udp(0, c.AF_INET6);
  a.setInt(sender, c.SOL_IPV6, c.IPV6_MULTICAST_IF, 1);
  const reader = (): number => {
    const fd = a.udp(c.SOCK_NONBLOCK, c.AF_INET6);
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    a.bind(fd, '::', 4000);
    return fd;
  };
  const [member, other, strict] = [reader(), reader(), reader()];
  a.setInt(strict, c.SOL_IPV6, c.IPV6_MULTICAST_ALL, 0);
  const name = new Uint8Array(28);
  c.u16.put(name, 0, c.AF_INET6);
  c.be16.put(name, 2, 4000);
  name.set([0xff, 1], 8);
  name[23] = 5;
  const send = (text: string): number =>
    a.task.call('sendto', sender, a.octets(text, 'out'), text.length, 0, a.octets(name, 'to'), 28);
  join6(a, member, mreq6(5, 1));
  send('one');
  for (const fd of [member, other, strict]) a.recv(fd);
  join6(a, strict, mreq6(5, 1));
  send('two');
  for (const fd of [member, other, strict]) a.recv(fd);
  leave6(a, member, mreq6(5, 1));
  leave6(a, strict, mreq6(5, 1));
  send('three');
  for (const fd of [member, other, strict]) a.recv(fd);
});

conformance('multicast: a socket of AF_INET6 hears the IPv4 groups that it joined', { group }, (sys) => {
  const { a, send } = worldOf(sys);
  const reader = (): number => {
    const fd = a.udp(c.SOCK_NONBLOCK, c.AF_INET6);
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    a.bind(fd, '::', 4000);
    return fd;
  };
  const [member, other] = [reader(), reader()];
  a.getInt(other, c.SOL_IP, c.IP_MULTICAST_ALL);
  join(a, member, mreq(GROUP, LO));
  send('one');
  for (const fd of [member, other]) a.recv(fd);
  a.setInt(other, c.SOL_IP, c.IP_MULTICAST_ALL, 1);
  send('two');
  for (const fd of [member, other]) a.recv(fd);
});
conformance(
  'groups are left by the interface that the way to them leads by, be they groups or not',
  { group },
  (sys) => {
    const a = kit(sys);
    const fd = a.udp();
    for (const host of ['127.0.0.0', '127.0.0.1', '10.9.9.9', '224.0.0.9', '255.255.255.255', '0.0.0.0']) {
      const value = new Uint8Array(12);
      value.set(inet(host, 0).subarray(4, 8));
      const at = a.octets(value, 'mreq');
      for (const len of [8, 12]) {
        for (const option of [c.IP_DROP_MEMBERSHIP, c.IP_ADD_MEMBERSHIP, c.IP_DROP_MEMBERSHIP]) {
          a.task.call('setsockopt', fd, c.SOL_IP, option, at, len);
        }
      }
    }
  },
);
