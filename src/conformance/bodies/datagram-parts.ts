/** udp(7): datagrams made of parts, the error queue, and sends that only ask. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asI32, asText } from '../show.ts';

const parts = 'udp parts';
const errors = 'error queue';
/** discard(9): nobody listens. */
const NOBODY = 9;

/** recvmsg with room for name and control data, without waiting. */
function receive(sys: System, a: Kit, fd: number, flags: number, octets = 16, room = 64): number {
  const name = a.nameRoom();
  return a.task.call(
    'recvmsg',
    fd,
    a.msghdr({
      name: name.at,
      namelen: 128,
      iov: [[sys.alloc(octets, 'in', asText), octets]],
      control: a.controlRoom(room),
      controllen: room,
    }),
    flags | c.MSG_DONTWAIT,
  );
}

conformance('the names of later parts are ignored, bad ones too', { group: parts }, (sys) => {
  const a = kit(sys);
  const x = a.udpBound();
  const y = a.udpBound();
  const fd = a.udp();
  a.sendTo(fd, 'ab', '127.0.0.1', x.port, c.MSG_MORE);
  a.sendTo(fd, 'cd', '127.0.0.1', y.port, c.MSG_MORE);
  a.sendTo(fd, 'ef', '127.0.0.1', 0);
  a.recv(x.fd, 100, c.MSG_DONTWAIT);
  a.recv(y.fd, 100, c.MSG_DONTWAIT);
  a.send(fd, 'x', c.MSG_MORE);
  a.send(fd, 'x');
});

conformance('a part that makes the datagram too long gives it up', { group: parts }, (sys) => {
  const a = kit(sys);
  const { fd: server, port } = a.udpBound();
  const fd = a.udp();
  const part = new Uint8Array(40_000).fill(0x2e);
  a.sendTo(fd, part, '127.0.0.1', port, c.MSG_MORE);
  a.sendTo(fd, part, '127.0.0.1', port, c.MSG_MORE);
  a.sendTo(fd, 'z', '127.0.0.1', port);
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.recv(server, 100, c.MSG_DONTWAIT);
});

conformance('empty parts count; MSG_OOB leaves the parts alone', { group: parts }, (sys) => {
  const a = kit(sys);
  const { fd: server, port } = a.udpBound();
  const fd = a.udp();
  a.sendTo(fd, '', '127.0.0.1', port, c.MSG_MORE);
  a.send(fd, 'q');
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.sendTo(fd, 'p', '127.0.0.1', port, c.MSG_MORE);
  a.sendTo(fd, 'no', '127.0.0.1', port, c.MSG_OOB);
  a.send(fd, 'r');
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.recv(server, 100, c.MSG_DONTWAIT);
});

conformance('UDP_CORK holds until it is cleared', { group: parts }, (sys) => {
  const a = kit(sys);
  const { fd: server, port } = a.udpBound();
  const fd = a.udp();
  a.getInt(fd, c.SOL_UDP, c.UDP_CORK);
  a.setInt(fd, c.SOL_UDP, c.UDP_CORK, 5);
  a.getInt(fd, c.SOL_UDP, c.UDP_CORK);
  a.sendTo(fd, '1', '127.0.0.1', port);
  a.sendTo(fd, '2', '127.0.0.1', port);
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.setInt(fd, c.SOL_UDP, c.UDP_CORK, 0);
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.setInt(a.tcp(), c.SOL_UDP, c.UDP_CORK, 1);
});

conformance('MSG_PROBE sends nothing, MSG_CONFIRM as ever', { group: parts }, (sys) => {
  const a = kit(sys);
  const { fd: server, port } = a.udpBound();
  const fd = a.udp();
  a.sendTo(fd, 'ab', '127.0.0.1', port, c.MSG_PROBE);
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.sendTo(fd, 'ab', '127.0.0.1', port, c.MSG_CONFIRM);
  a.recv(server, 100, c.MSG_DONTWAIT);
});

conformance(
  'IP_RECVERR: an unconnected socket hears of refusals, and keeps what was refused',
  { group: errors },
  (sys) => {
    const a = kit(sys);
    const fd = a.udp();
    a.setInt(fd, c.SOL_IP, c.IP_RECVERR, 1);
    receive(sys, a, fd, c.MSG_ERRQUEUE);
    a.sendTo(fd, 'hello', '127.0.0.1', NOBODY);
    a.poll(fd);
    a.recv(fd, 10, c.MSG_DONTWAIT);
    a.recv(fd, 10, c.MSG_DONTWAIT);
    a.poll(fd);
    receive(sys, a, fd, c.MSG_ERRQUEUE);
    a.poll(fd);
    receive(sys, a, fd, c.MSG_ERRQUEUE);
  },
);

conformance(
  'IP_RECVERR: reading the queue takes the pending error along; a send takes it as well',
  { group: errors },
  (sys) => {
    const a = kit(sys);
    const fd = a.udp();
    a.setInt(fd, c.SOL_IP, c.IP_RECVERR, 1);
    a.sendTo(fd, 'hello', '127.0.0.1', NOBODY);
    receive(sys, a, fd, c.MSG_ERRQUEUE, 3);
    a.error(fd);
    a.sendTo(fd, 'again', '127.0.0.1', NOBODY);
    a.sendTo(fd, 'x', '127.0.0.1', NOBODY);
    receive(sys, a, fd, c.MSG_ERRQUEUE, 16, 20);
  },
);

conformance('IP_RECVERR cleared: the queue goes, the error stays', { group: errors }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  a.setInt(fd, c.SOL_IP, c.IP_RECVERR, 1);
  a.sendTo(fd, 'hello', '127.0.0.1', NOBODY);
  a.setInt(fd, c.SOL_IP, c.IP_RECVERR, 0);
  receive(sys, a, fd, c.MSG_ERRQUEUE);
  a.poll(fd);
  a.recv(fd, 10, c.MSG_DONTWAIT);
  a.poll(fd);
  a.sendTo(fd, 'hello', '127.0.0.1', NOBODY);
  a.poll(fd);
});

conformance('IPV6_RECVERR is for IPv6, IP_RECVERR for the mapped side', { group: errors }, (sys) => {
  const a = kit(sys);
  const fd = a.udp(0, c.AF_INET6);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVERR, 1);
  a.sendTo(fd, 'six', '::1', NOBODY);
  a.recv(fd, 10, c.MSG_DONTWAIT);
  receive(sys, a, fd, c.MSG_ERRQUEUE);
  a.sendTo(fd, 'four', '::ffff:127.0.0.1', NOBODY);
  a.recv(fd, 10, c.MSG_DONTWAIT);
  receive(sys, a, fd, c.MSG_ERRQUEUE);
  a.setInt(fd, c.SOL_IP, c.IP_RECVERR, 1);
  a.sendTo(fd, 'four', '::ffff:127.0.0.1', NOBODY);
  a.recv(fd, 10, c.MSG_DONTWAIT);
  receive(sys, a, fd, c.MSG_ERRQUEUE);
});

conformance('an AF_INET6 socket connected to ::1 still sends to IPv4', { group: 'udp' }, (sys) => {
  const a = kit(sys);
  const { fd: server, port } = a.udpBound();
  const fd = a.udp(0, c.AF_INET6);
  a.connect(fd, '::1', NOBODY);
  a.sendTo(fd, 'by name', '127.0.0.1', port);
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.connect(fd, '::ffff:127.0.0.1', port);
  a.peerName(fd);
  const four = a.udp(0, c.AF_INET6);
  a.connect(four, '::ffff:127.0.0.1', port);
  a.sendTo(four, 'six', '::1', port);
  a.connect(four, '::1', port);
});

conformance('SO_RCVLOWAT holds back poll and a recv that may wait', { group: 'recv' }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.setInt(server, c.SOL_SOCKET, c.SO_RCVLOWAT, 4);
  a.getInt(server, c.SOL_SOCKET, c.SO_RCVLOWAT);
  a.send(client, 'abc');
  a.poll(server);
  a.recv(server, 100, c.MSG_DONTWAIT | c.MSG_PEEK);
  a.recv(server, 2);
  a.send(client, 'def');
  a.poll(server);
  a.recv(server, 100);
  a.send(client, 'g');
  a.poll(server);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.poll(server);
  a.recv(server, 100);
});

for (const [host, to] of [
  ['127.0.0.1', '127.0.0.1'],
  ['127.0.0.1', '::ffff:127.0.0.1'],
  ['::1', '::1'],
] as const) {
  conformance(`MSG_PROBE puts nothing to a datagram in the making, to ${to}`, { group: parts }, (sys) => {
    const a = kit(sys);
    const { fd: server, port } = a.udpBound(host);
    const fd = a.udp(0, to.includes(':') ? c.AF_INET6 : c.AF_INET);
    a.sendTo(fd, 'probe', to, port, c.MSG_MORE | c.MSG_PROBE);
    a.task.call('ioctl', fd, c.SIOCOUTQ, sys.alloc(4, 'waiting', asI32));
    a.sendTo(fd, 'ab', to, port, c.MSG_MORE);
    a.send(fd, 'cd', c.MSG_MORE | c.MSG_PROBE);
    a.send(fd, 'ef', c.MSG_PROBE);
    receive(sys, a, server, 0);
  });
  conformance(`how a datagram is cut is looked at once it is whole, to ${to}`, { group: parts }, (sys) => {
    const a = kit(sys);
    const { fd: server, port } = a.udpBound(host);
    const fd = a.udp(0, to.includes(':') ? c.AF_INET6 : c.AF_INET);
    a.setInt(fd, c.IPPROTO_UDP, c.UDP_SEGMENT, 10);
    a.setInt(fd, c.SOL_SOCKET, c.SO_NO_CHECK, 1);
    if (to === '::1') a.setInt(fd, c.IPPROTO_UDP, c.UDP_NO_CHECK6_TX, 1);
    a.sendTo(fd, 'x', to, port);
    a.sendTo(fd, 'x', to, port, c.MSG_MORE);
    a.task.call('ioctl', fd, c.SIOCOUTQ, sys.alloc(4, 'waiting', asI32));
    a.send(fd, new Uint8Array(30).fill(0x2e), c.MSG_MORE);
    a.task.call('ioctl', fd, c.SIOCOUTQ, sys.alloc(4, 'waiting', asI32));
    a.sendTo(fd, 'z', to, port);
    receive(sys, a, server, 0);
  });
}

conformance('how a datagram is cut is looked at behind shutdown', { group: parts }, (sys) => {
  const a = kit(sys);
  const { port } = a.udpBound();
  const fd = a.udp();
  a.setInt(fd, c.IPPROTO_UDP, c.UDP_SEGMENT, 10);
  a.setInt(fd, c.SOL_SOCKET, c.SO_NO_CHECK, 1);
  a.task.call('shutdown', fd, c.SHUT_WR);
  a.sendTo(fd, 'x', '127.0.0.1', port);
});
