/** Datagrams from addresses that are nobody's here, and the interface that a message names beside the one its socket is bound to (ip6_datagram_send_ctl, ip_cmsg_send). */
import { conformance, type System } from '../body.ts';
import { type ControlMessage, inet, inet6, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asText } from '../show.ts';

const group = 'control';

const packetInfo6 = (host: '::' | '::1' | 'fd00::9' | 'fe80::1' | `::ffff:${string}`, ifindex = 0): ControlMessage => {
  const data = new Uint8Array(20);
  data.set(inet6(host, 0).subarray(8, 24));
  c.i32.put(data, 16, ifindex);
  return { level: c.SOL_IPV6, type: c.IPV6_PKTINFO, data };
};
const packetInfo = (host: string, ifindex = 0): ControlMessage => {
  const data = new Uint8Array(12);
  c.i32.put(data, 0, ifindex);
  data.set(inet(host, 0).subarray(4, 8), 4);
  return { level: c.SOL_IP, type: c.IP_PKTINFO, data };
};

function send(a: Kit, fd: number, name: Uint8Array | undefined, ...messages: readonly ControlMessage[]): number {
  const to = name === undefined ? 0 : a.octets(name, 'addr');
  const control = a.control(messages);
  const iov = [[a.octets('x', 'out'), 1]] as const;
  const msg = a.msghdr({ name: to, namelen: name?.length ?? 0, iov, control: control.at, controllen: control.len });
  return a.task.call('sendmsg', fd, msg, 0);
}
function receive(sys: System, a: Kit, fd: number): number {
  const room = a.nameRoom();
  return a.task.call('recvfrom', fd, sys.alloc(8, 'in', asText), 8, c.MSG_DONTWAIT, room.at, room.len);
}
const FREE = [
  ['IPV6_FREEBIND', c.SOL_IPV6, c.IPV6_FREEBIND],
  ['IP_FREEBIND', c.SOL_IP, c.IP_FREEBIND],
  ['IPV6_TRANSPARENT', c.SOL_IPV6, c.IPV6_TRANSPARENT],
] as const;

for (const [name, level, option] of FREE) {
  conformance(`IPV6_PKTINFO with a source that is nobody’s here, under ${name}`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound('::1');
    const out = a.udp(0, c.AF_INET6);
    const to = inet6('::1', port);
    for (const on of [0, 1]) {
      a.setInt(out, level, option, on);
      for (const host of ['fd00::9', 'fe80::1', '::ffff:10.9.9.9', '::'] as const) {
        send(a, out, to, packetInfo6(host));
        receive(sys, a, fd);
        send(a, out, to, packetInfo6(host, 1));
        receive(sys, a, fd);
      }
    }
    a.connect(out, '::1', port);
    send(a, out, undefined, packetInfo6('fd00::9'));
    receive(sys, a, fd);
  });
  conformance(`a datagram socket bound to an address that is nobody’s here sends, under ${name}`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound('::1');
    const out = a.udp(0, c.AF_INET6);
    a.setInt(out, level, option, 1);
    a.bind(out, 'fd00::9', 7001);
    a.sendTo(out, 'x', '::1', port);
    receive(sys, a, fd);
    a.setInt(out, level, option, 0);
    a.sendTo(out, 'x', '::1', port);
    receive(sys, a, fd);
    a.connect(out, '::1', port);
    a.port(out);
    a.send(out, 'y');
    receive(sys, a, fd);
  });
}
conformance(
  'IP_PKTINFO with a source that is nobody’s here, under IP_FREEBIND and IP_TRANSPARENT',
  { group },
  (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound();
    for (const option of [c.IP_FREEBIND, c.IP_TRANSPARENT]) {
      const out = a.udp();
      for (const on of [0, 1]) {
        a.setInt(out, c.SOL_IP, option, on);
        for (const host of ['10.9.9.9', '127.0.0.2', '0.0.0.0']) {
          send(a, out, inet('127.0.0.1', port), packetInfo(host));
          receive(sys, a, fd);
        }
      }
    }
  },
);

conformance('IPV6_PKTINFO beside the interface that the socket is bound to, be it there or not', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  for (const bound of [1, 77]) {
    const out = a.udp(0, c.AF_INET6);
    a.setInt(out, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, bound);
    for (const ifindex of [0, 1, 77, 78]) {
      for (const host of ['::', '::1', 'fd00::9', 'fe80::1'] as const) {
        send(a, out, inet6('::1', port), packetInfo6(host, ifindex));
        receive(sys, a, fd);
      }
      send(a, out, inet6('::ffff:127.0.0.1', port), packetInfo6('::ffff:127.0.0.1', ifindex));
    }
  }
  const scoped = a.udp(0, c.AF_INET6);
  for (const ifindex of [0, 1, 77]) send(a, scoped, inet6('fe80::1', port, 1), packetInfo6('::1', ifindex));
});
conformance('IP_PKTINFO beside the interface that the socket is bound to, be it there or not', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  for (const bound of [0, 1, 77]) {
    const out = a.udp();
    a.setInt(out, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, bound);
    for (const ifindex of [0, 1, 77, 78]) {
      for (const host of ['0.0.0.0', '127.0.0.1', '10.9.9.9', '224.0.0.9', '255.255.255.255', '0.1.2.3']) {
        send(a, out, inet('127.0.0.1', port), packetInfo(host, ifindex));
        receive(sys, a, fd);
      }
      send(a, out, inet('127.0.0.1', port), packetInfo('0.0.0.0', ifindex), {
        level: c.SOL_IP,
        type: c.IP_TTL,
        data: new Uint8Array(4),
      });
    }
  }
});
conformance('a send with a length of control data and no place for it', { group }, (sys) => {
  const a = kit(sys);
  for (const [family, host] of [
    [c.AF_INET, '127.0.0.1'],
    [c.AF_INET6, '::1'],
  ] as const) {
    const { port } = a.udpBound(host);
    for (const type of [c.SOCK_DGRAM, c.SOCK_STREAM]) {
      const out = a.task.call('socket', family, type, 0);
      const name = a.name(host, port);
      for (const controllen of [1, 15, 16, 24, 100_000, 200_000]) {
        const iov = [[a.octets('x', 'out'), 1]] as const;
        const msg = a.msghdr({ name: name.at, namelen: name.len, iov, control: 0, controllen });
        a.task.call('sendmsg', out, msg, c.MSG_NOSIGNAL);
      }
    }
  }
});
conformance('IP_PKTINFO with 0.0.0.0 does not send from where the socket is bound', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const out = a.udp();
  a.bind(out, '127.0.0.2', 0);
  for (const to of ['127.0.0.1', '224.0.0.9', '255.255.255.255']) {
    send(a, out, inet(to, port));
    send(a, out, inet(to, port), packetInfo('0.0.0.0'));
    receive(sys, a, fd);
    receive(sys, a, fd);
  }
});
conformance('a socket bound to a group or to everybody sends from elsewhere once it is connected', { group }, (sys) => {
  const a = kit(sys);
  const { port } = a.udpBound();
  for (const own of ['127.255.255.255', '224.0.0.9', '127.0.0.2'] as const) {
    const out = a.udp();
    a.bind(out, own, 0);
    for (const round of [1, 2]) {
      for (const to of ['224.0.0.9', '255.255.255.255', '127.0.0.1']) send(a, out, inet(to, port + round - 1));
      a.connect(out, '127.0.0.1', port);
    }
  }
  for (const own of ['::ffff:224.0.0.9', '::ffff:127.255.255.255'] as const) {
    const out = a.udp(0, c.AF_INET6);
    a.bind(out, own, 0);
    for (const to of ['::1', '::ffff:127.0.0.1'] as const) send(a, out, inet6(to, port));
  }
});
conformance('MSG_PROBE looks for a route and for nothing else', { group }, (sys) => {
  const a = kit(sys);
  for (const host of ['127.0.0.1', '::1']) {
    const { port } = a.udpBound(host);
    const out = a.udp(0, host === '::1' ? c.AF_INET6 : c.AF_INET);
    a.sendTo(out, 'x', host, port, c.MSG_PROBE);
    a.task.call('shutdown', out, c.SHUT_RDWR);
    a.sendTo(out, 'x', host, port, c.MSG_PROBE);
    a.sendTo(out, 'x', host, port);
    a.sendTo(out, new Uint8Array(65_530), host, port, c.MSG_PROBE);
    a.sendTo(out, 'x', host, 0, c.MSG_PROBE);
    a.sendTo(out, 'x', host === '::1' ? 'fd00::9' : '10.9.9.9', port, c.MSG_PROBE);
  }
});
conformance('ping over IPv6: where echo requests may not go', { group: 'ping' }, (sys) => {
  const a = kit(sys);
  const fd = a.task.call('socket', c.AF_INET6, c.SOCK_DGRAM, c.IPPROTO_ICMPV6);
  const request = Uint8Array.of(128, 0, 0, 0, 0, 0, 0, 1);
  for (const name of [inet6('::', 7), inet6('::ffff:127.0.0.1', 7), inet6('fe80::1', 7), inet6('fd00::9', 7)]) {
    a.task.call('sendto', fd, a.octets(request, 'out'), 8, 0, a.octets(name, 'addr'), name.length);
  }
  const scoped = inet6('fe80::1', 7, 1);
  a.task.call('bind', fd, a.octets(scoped, 'addr'), scoped.length);
  a.connect(fd, 'fe80::1', 7);
});

conformance('who is bound to ::ffff:0.0.0.0 or connected from it has no way to IPv6', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  const other = a.udpBound();
  const bound = a.udp(0, c.AF_INET6);
  a.bind(bound, '::ffff:0.0.0.0', 7001);
  const connected = a.udp(0, c.AF_INET6);
  // A bind that fails binds the interface all the same, and from loopback a group has no source.
  const name = a.octets(inet6('fe80::1', 7002, 1), 'addr');
  a.task.call('bind', connected, name, 28);
  a.connect(connected, '::ffff:224.0.0.9', 7000);
  a.port(connected);
  for (const out of [bound, connected]) {
    a.sendTo(out, 'x', '::1', port);
    a.sendTo(out, 'y', '::', port);
    a.sendTo(out, 'z', '::ffff:127.0.0.1', other.port);
    receive(sys, a, fd);
    receive(sys, a, other.fd);
    a.connect(out, '::1', port);
    a.port(out);
  }
});

conformance('0.0.0.0 is the address that the socket sends from, :: is always loopback', { group }, (sys) => {
  const a = kit(sys);
  const readers = [a.udpBound('127.0.0.2'), a.udpBound('127.0.0.1')];
  const listening = a.listener('127.0.0.2');
  const out = a.udp();
  a.bind(out, '127.0.0.2', 7000);
  const out6 = a.udp(0, c.AF_INET6);
  a.bind(out6, '::ffff:127.0.0.2', 7001);
  const heard = () => {
    for (const { fd } of readers) a.recv(fd, 8, c.MSG_DONTWAIT);
  };
  for (const [fd, host] of [
    [out, '0.0.0.0'],
    [out6, '::'],
    [out6, '::ffff:0.0.0.0'],
  ] as const) {
    for (const { port } of readers) {
      for (const flags of [0, c.MSG_DONTROUTE]) a.sendTo(fd, 'x', host, port, flags);
      heard();
      a.sendTo(fd, 'a', host, port, c.MSG_MORE);
      a.send(fd, 'b');
      heard();
      a.connect(fd, host, port);
      a.peerName(fd);
      a.send(fd, 'y');
      heard();
    }
  }
  for (const [family, own, host] of [
    [c.AF_INET, '127.0.0.2', '0.0.0.0'],
    [c.AF_INET6, '::ffff:127.0.0.2', '::'],
    [c.AF_INET6, '::ffff:127.0.0.2', '::ffff:0.0.0.0'],
  ] as const) {
    const stream = a.task.call('socket', family, c.SOCK_STREAM, 0);
    a.bind(stream, own, 0);
    a.connect(stream, host, listening.port);
    a.peerName(stream);
  }
});
