/** Corners where sockets of the internet meet other calls: what is queued at the ends of a connection, datagrams without a peer's port, options at pointers that fault. */
import { conformance } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asI32, asText } from '../show.ts';

const group = 'corners';

/** What SIOCOUTQ, SIOCOUTQNSD and SIOCINQ say. */
function queues(a: Kit, fd: number): void {
  for (const request of [c.SIOCOUTQ, c.SIOCOUTQNSD, c.SIOCINQ]) {
    a.task.call('ioctl', fd, request, a.sys.alloc(4, 'octets', asI32));
  }
}

conformance('corners: what was sent to a closed end counts as unacknowledged', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  queues(a, client);
  a.close(server);
  queues(a, client);
  a.send(client, 'abc');
  queues(a, client);
  a.error(client);
  queues(a, client);
  a.recv(client);
  queues(a, client);
});
conformance('corners: what is queued at an end that was reset', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc');
  a.send(server, 'abcd');
  a.close(server);
  queues(a, client);
  a.recv(client);
  queues(a, client);
  a.close(client);
});
conformance('corners: what is queued in a listener that was shut', { group }, (sys) => {
  const a = kit(sys);
  const { fd } = a.listener();
  queues(a, fd);
  a.task.call('shutdown', fd, c.SHUT_RDWR);
  queues(a, fd);
  queues(a, a.tcp());
});
conformance('corners: what is queued after a connect that was refused', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.connect(fd, '127.0.0.1', 9);
  queues(a, fd);
  a.connect(fd, '127.0.0.1', 9);
  queues(a, fd);
  a.error(fd);
  queues(a, fd);
});

conformance('corners: an urgent octet with MSG_MORE, and octets behind it', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(server, 'ab', c.MSG_OOB | c.MSG_MORE);
  a.send(server, 'c');
  queues(a, client);
  a.recv(client, 1, c.MSG_DONTWAIT);
  a.recv(client, 1, c.MSG_DONTWAIT);
  a.recv(client, 1, c.MSG_DONTWAIT);
  queues(a, server);
});

conformance('corners: recvmmsg past an urgent octet', { group }, (sys) => {
  const a = kit(sys);
  for (const flags of [0, c.MSG_PEEK, c.MSG_TRUNC]) {
    const { client, server } = a.pair();
    a.send(server, 'ab', c.MSG_OOB);
    a.send(server, 'cde');
    const vector = sys.alloc(3 * 64, 'messages');
    for (let i = 0; i < 3; i++) a.putMsghdr(vector + i * 64, { iov: [[sys.alloc(2, 'in', asText), 2]] });
    a.poll(client);
    a.task.call('recvmmsg', client, vector, 3, c.MSG_WAITFORONE | flags, 0);
    a.poll(client);
    a.recv(client, 10, c.MSG_DONTWAIT);
    a.atMark(client);
  }
});

for (const [host, family] of [
  ['127.0.0.1', c.AF_INET],
  ['::1', c.AF_INET6],
] as const) {
  conformance(`corners: UDP connected to port 0 of ${host} hears every port`, { group }, (sys) => {
    const a = kit(sys);
    const fd = a.udp(0, family);
    a.bind(fd, host, 7000);
    a.connect(fd, host, 0);
    a.peerName(fd);
    const other = a.udp(0, family);
    a.bind(other, host, 7001);
    a.sendTo(other, 'abc', host, 7000);
    a.recvFrom(fd, 10, c.MSG_DONTWAIT);
    a.send(fd, 'x');
    const third = a.udp(0, family);
    a.setInt(third, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    a.connect(fd, host, 7001);
    a.sendTo(third, 'def', host, 7000);
    a.recv(fd, 10, c.MSG_DONTWAIT);
  });
}
conformance('corners: UDP connected to port 0 against one that is not connected', { group }, (sys) => {
  const a = kit(sys);
  const x = a.udp();
  const y = a.udp();
  for (const fd of [x, y]) {
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    a.bind(fd, '127.0.0.1', 7000);
  }
  a.connect(x, '127.0.0.1', 0);
  const other = a.udp();
  a.bind(other, '127.0.0.1', 7001);
  a.sendTo(other, 'abc', '127.0.0.1', 7000);
  a.recv(x, 10, c.MSG_DONTWAIT);
  a.recv(y, 10, c.MSG_DONTWAIT);
  a.connect(y, '127.0.0.1', 7001);
  a.sendTo(other, 'def', '127.0.0.1', 7000);
  a.recv(x, 10, c.MSG_DONTWAIT);
  a.recv(y, 10, c.MSG_DONTWAIT);
});
conformance('corners: a datagram in the making and shutdown', { group }, (sys) => {
  const a = kit(sys);
  const { fd: server, port } = a.udpBound();
  for (const how of [c.SHUT_WR, c.SHUT_RD, c.SHUT_RDWR]) {
    const fd = a.udp();
    a.connect(fd, '127.0.0.1', port);
    a.setInt(fd, c.SOL_UDP, c.UDP_CORK, 1);
    a.send(fd, 'ab');
    a.task.call('shutdown', fd, how);
    a.send(fd, 'cd');
    a.send(fd, '');
    a.recv(server, 10, c.MSG_DONTWAIT);
    a.setInt(fd, c.SOL_UDP, c.UDP_CORK, 0);
    a.recv(server, 10, c.MSG_DONTWAIT);
    a.send(fd, 'ef', c.MSG_MORE);
    a.send(fd, 'gh');
    a.recv(server, 10, c.MSG_DONTWAIT);
  }
});
conformance('corners: SO_PEEK_OFF of ping sockets', { group }, (sys) => {
  const a = kit(sys);
  for (const [family, protocol] of [
    [c.AF_INET, c.IPPROTO_ICMP],
    [c.AF_INET6, c.IPPROTO_ICMPV6],
  ] as const) {
    const fd = a.task.call('socket', family, c.SOCK_DGRAM, protocol);
    a.setInt(fd, c.SOL_SOCKET, c.SO_PEEK_OFF, 1);
    a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_PEEK_OFF, 0, 4);
    a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_PEEK_OFF, 0, 2);
    a.getInt(fd, c.SOL_SOCKET, c.SO_PEEK_OFF);
  }
});

conformance('corners: options of one source, and values longer than theirs', { group }, (sys) => {
  const a = kit(sys);
  for (const [family, level] of [
    [c.AF_INET, c.SOL_IP],
    [c.AF_INET6, c.SOL_IPV6],
  ] as const) {
    const fd = a.udp(0, family);
    const value = sys.alloc(1024, 'zero');
    for (const option of [c.MCAST_JOIN_GROUP, c.MCAST_LEAVE_GROUP, c.MCAST_BLOCK_SOURCE, c.MCAST_JOIN_SOURCE_GROUP]) {
      for (const len of [135, 136, 137, 263, 264, 265, 300, 0x3fff_0000]) {
        a.task.call('setsockopt', fd, level, option, value, len);
      }
    }
  }
});
conformance(
  'corners: getsockopt of levels that the socket does not have, at lengths that are none',
  { group },
  (sys) => {
    const a = kit(sys);
    for (const family of [c.AF_INET, c.AF_INET6]) {
      for (const fd of [a.tcp(0, family), a.udp(0, family)]) {
        for (const level of [c.SOL_SOCKET, c.SOL_IP, c.SOL_IPV6, c.SOL_TCP, c.SOL_UDP, 999]) {
          for (const option of [1, 33, 999]) {
            a.task.call('getsockopt', fd, level, option, sys.alloc(4, 'value'), a.int(-1, 'len'));
            a.task.call('getsockopt', fd, level, option, sys.alloc(4, 'value'), 16);
          }
        }
      }
    }
  },
);
conformance('corners: names of other families for sockets of datagrams', { group }, (sys) => {
  const a = kit(sys);
  for (const [family, protocol] of [
    [c.AF_INET, c.IPPROTO_ICMP],
    [c.AF_INET6, c.IPPROTO_ICMPV6],
    [c.AF_INET, 0],
    [c.AF_INET6, 0],
  ] as const) {
    for (const other of [77, c.AF_INET, c.AF_INET6]) {
      for (const len of [1, 2, 8, 16, 24, 28]) {
        const name = sys.alloc(28, 'name');
        sys.put(c.u16, name, other);
        a.task.call('connect', a.task.call('socket', family, c.SOCK_DGRAM, protocol), name, len);
      }
    }
  }
});

/** Of every sort: an int, a text, a structure, and one that nobody has. */
const OPTIONS: readonly (readonly [level: number, options: readonly number[]])[] = [
  [c.SOL_SOCKET, [c.SO_REUSEADDR, c.SO_LINGER, c.SO_RCVTIMEO, c.SO_BINDTODEVICE, c.SO_ATTACH_FILTER, 999]],
  [c.SOL_IP, [c.IP_TTL, c.IP_OPTIONS, c.IP_MSFILTER, c.MCAST_MSFILTER, c.IP_IPSEC_POLICY, c.IP_XFRM_POLICY, 999]],
  [c.SOL_IPV6, [c.IPV6_UNICAST_HOPS, c.MCAST_MSFILTER, c.IPV6_IPSEC_POLICY, c.IPV6_XFRM_POLICY, 999]],
  [c.SOL_TCP, [c.TCP_NODELAY, c.TCP_CONGESTION, c.TCP_ULP, c.TCP_FASTOPEN_KEY, c.TCP_REPAIR_OPTIONS, 999]],
  [c.SOL_UDP, [c.UDP_CORK, c.UDP_SEGMENT, c.UDP_ENCAP, 999]],
];
for (const [name, make] of [
  ['TCP', (a: Kit) => a.tcp()],
  ['TCP over IPv6', (a: Kit) => a.tcp(0, c.AF_INET6)],
  ['UDP', (a: Kit) => a.udp()],
  ['UDP over IPv6', (a: Kit) => a.udp(0, c.AF_INET6)],
  ['ICMP', (a: Kit) => a.task.call('socket', c.AF_INET, c.SOCK_DGRAM, c.IPPROTO_ICMP)],
] as const) {
  for (const [level, options] of OPTIONS) {
    conformance(`corners: setsockopt at pointers that fault, level ${level}, ${name}`, { group }, (sys) => {
      const a = kit(sys);
      const fd = make(a);
      const value = sys.alloc(64, 'zero');
      for (const option of options) {
        for (const len of [0, 1, 3, 4, 8, 16, 300, 0x3fff_0000]) {
          a.task.call('setsockopt', fd, level, option, 16, len);
          // SOL_IPV6 and the policies take a null pointer for one that is not given.
          if (level !== c.SOL_IPV6 && option !== c.IP_IPSEC_POLICY && option !== c.IP_XFRM_POLICY) {
            a.task.call('setsockopt', fd, level, option, 0, len);
          }
          if (len === 0x3fff_0000) a.task.call('setsockopt', fd, level, option, value, len);
        }
      }
    });
  }
}
