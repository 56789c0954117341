/** Where the datagrams of a connected socket go that was used for others meanwhile: Linux keeps one IPv4 flow for connect(2) and for datagrams in the making (inet->cork.fl). */
import { conformance, type System } from '../body.ts';
import { inet, inet6, type Kit, kit, pattern } from '../kit.ts';
import * as c from '../linux.ts';
import { asI32, asText } from '../show.ts';

const group = 'udp parts';

/** A sender that is connected to one of two readers. */
function scene(sys: System, family: number = c.AF_INET, host = '127.0.0.1') {
  const a = kit(sys);
  const peer = a.udpBound(host);
  const other = a.udpBound(host);
  const out = a.udp(0, family);
  const mapped = family === c.AF_INET6 && host !== '::1' ? `::ffff:${host}` : host;
  a.connect(out, mapped, peer.port);
  const heard = (text: string): void => {
    a.send(out, text);
    for (const { fd } of [peer, other]) a.recv(fd, 16, c.MSG_DONTWAIT);
    a.error(out);
  };
  const corked = (port: number): void => {
    a.sendTo(out, 'a', mapped, port, c.MSG_MORE);
    heard('b');
  };
  return { a, peer, other, out, to: mapped, heard, corked };
}
function sendWithTtl(a: Kit, fd: number): void {
  const ttl = new Uint8Array(4);
  c.i32.put(ttl, 0, 9);
  const control = a.control([{ level: c.SOL_IP, type: c.IP_TTL, data: ttl }]);
  const iov = [[a.octets('t', 'out'), 1]] as const;
  a.task.call('sendmsg', fd, a.msghdr({ iov, control: control.at, controllen: control.len }), 0);
}

const FAMILIES = [
  ['IPv4', c.AF_INET, '127.0.0.1'],
  ['IPv6', c.AF_INET6, '::1'],
  ['IPv4 of an AF_INET6 socket', c.AF_INET6, '127.0.0.1'],
] as const;
for (const [name, family, host] of FAMILIES) {
  conformance(`${name}: after a datagram in parts for someone else, those without a name`, { group }, (sys) => {
    const { a, other, peer, out, heard, corked } = scene(sys, family, host);
    corked(other.port);
    for (const text of ['c', 'd']) heard(text);
    sendWithTtl(a, out);
    for (const { fd } of [peer, other]) a.recv(fd, 16, c.MSG_DONTWAIT);
    a.send(out, 'e', c.MSG_DONTROUTE);
    for (const { fd } of [peer, other]) a.recv(fd, 16, c.MSG_DONTWAIT);
    heard('f');
    a.setInt(out, c.SOL_IP, c.IP_TTL, 33);
    heard('g');
    a.setInt(out, c.SOL_IP, c.IP_TOS, 16);
    for (const text of ['h', 'i']) heard(text);
    a.setInt(out, c.SOL_SOCKET, c.SO_MARK, 3);
    for (const text of ['j', 'k']) heard(text);
    a.send(out, 'l', c.MSG_MORE);
    for (const text of ['m', 'n']) heard(text);
  });
}
conformance('after a datagram in parts for nobody, or for everybody, those without a name', { group }, (sys) => {
  const { a, out, heard, corked } = scene(sys);
  corked(9);
  heard('c');
  a.setInt(out, c.SOL_SOCKET, c.SO_BROADCAST, 1);
  for (const to of ['127.255.255.255', '127.0.0.2']) {
    a.sendTo(out, 'a', to, 9, c.MSG_MORE);
    heard('b');
    heard('c');
  }
});
conformance('after a connect that failed, datagrams without a name', { group }, (sys) => {
  for (const to of [
    inet('10.9.9.9', 7),
    inet('255.255.255.255', 7),
    inet('127.255.255.255', 7),
    inet('0.0.0.0', 7, 77),
  ]) {
    const { a, out, heard } = scene(sys);
    a.task.call('connect', out, a.octets(to, 'addr'), to.length);
    for (const text of ['a', 'b', 'c']) heard(text);
    a.peerName(out);
  }
});
conformance('IPv6: after a connect that failed, datagrams without a name', { group }, (sys) => {
  for (const to of [inet6('fd00::9', 7), inet6('::ffff:10.9.9.9', 7)]) {
    const { a, out, heard } = scene(sys, c.AF_INET6, '::1');
    a.task.call('connect', out, a.octets(to, 'addr'), to.length);
    for (const text of ['a', 'b', 'c']) heard(text);
    a.peerName(out);
  }
});
for (const [name, family, host] of FAMILIES) {
  conformance(`${name}: a datagram in the making while its socket is connected to others`, { group }, (sys) => {
    const { a, peer, other, out, to } = scene(sys, family, host);
    const names = (): void => {
      for (const { fd } of [peer, other]) {
        const room = a.nameRoom(28);
        a.task.call('recvfrom', fd, sys.alloc(8, 'in', asText), 8, c.MSG_DONTWAIT, room.at, room.len);
      }
    };
    a.send(out, 'a', c.MSG_MORE);
    a.connect(out, to, other.port);
    a.send(out, 'b');
    names();
    a.send(out, 'c', c.MSG_MORE);
    const nowhere = family === c.AF_INET ? inet('10.9.9.9', 7) : inet6('fd00::9', 7);
    a.task.call('connect', out, a.octets(nowhere, 'addr'), nowhere.length);
    a.send(out, 'd');
    names();
    a.sendTo(out, 'e', to, other.port, c.MSG_MORE);
    a.connect(out, to, peer.port);
    a.setInt(out, c.SOL_UDP, c.UDP_CORK, 1);
    a.setInt(out, c.SOL_UDP, c.UDP_CORK, 0);
    names();
  });
}
conformance('IPV6_ADDRFORM: of which sockets it is, and while a datagram is in the making', { group }, (sys) => {
  const a = kit(sys);
  const fds = [
    a.udp(0, c.AF_INET6),
    a.tcp(0, c.AF_INET6),
    a.task.call('socket', c.AF_INET6, c.SOCK_DGRAM, c.IPPROTO_ICMPV6),
  ];
  const ask = (fd: number): void => {
    a.getInt(fd, c.SOL_IPV6, c.IPV6_ADDRFORM);
    for (const value of [c.AF_INET6, c.AF_INET]) a.setInt(fd, c.SOL_IPV6, c.IPV6_ADDRFORM, value);
  };
  for (const fd of fds) ask(fd);
  const { fd, port } = a.udpBound('::');
  const [out = 0] = fds;
  a.sendTo(out, 'a', '::1', port, c.MSG_MORE);
  ask(out);
  a.connect(out, '::ffff:127.0.0.1', port);
  ask(out);
  a.send(out, 'b');
  a.recv(fd, 8, c.MSG_DONTWAIT);
  a.send(out, 'c', c.MSG_MORE);
  ask(out);
  a.send(out, 'd');
  a.recv(fd, 8, c.MSG_DONTWAIT);
});
conformance('IPv6 datagrams without a checksum to nobody are not refused', { group }, (sys) => {
  const a = kit(sys);
  const out = a.udp(0, c.AF_INET6);
  a.connect(out, '::1', 9);
  for (const on of [1, 0]) {
    a.setInt(out, c.SOL_UDP, c.UDP_NO_CHECK6_TX, on);
    a.send(out, 'x');
    a.error(out);
  }
});
conformance('SIOCOUTQ tells of the memory of a datagram in the making', { group }, (sys) => {
  for (const [host, family] of [
    ['127.0.0.1', c.AF_INET],
    ['::1', c.AF_INET6],
  ] as const) {
    const a = kit(sys);
    const { port } = a.udpBound(host);
    const tell = (fd: number): number => a.task.call('ioctl', fd, c.SIOCOUTQ, sys.alloc(4, 'queued', asI32));
    for (const first of [1, 100, 600, 1400, 3000]) {
      const out = a.udp(0, family);
      a.connect(out, host, port);
      for (const octets of [first, 1, 500, 0]) {
        a.send(out, pattern(octets), c.MSG_MORE);
        tell(out);
      }
      a.send(out, 'x');
      tell(out);
    }
  }
});

for (const [name, family, host] of FAMILIES) {
  conformance(`a message of ${name} to AF_UNSPEC goes to the peer, if IPv6 knows a way to it`, { group }, (sys) => {
    const { a, out, heard } = scene(sys, family, host);
    const nowhere = a.octets(new Uint8Array(16), 'addr');
    for (const flags of [0, c.MSG_DONTROUTE, c.MSG_MORE]) {
      a.task.call('sendto', out, a.octets('n', 'out'), 1, flags, nowhere, 16);
      heard('p');
    }
  });
}

for (const [name, family, host] of FAMILIES) {
  conformance(`a socket of ${name} that is disconnected is bound to no interface`, { group }, (sys) => {
    const { a, out } = scene(sys, family, host);
    for (const index of [1, 10]) {
      a.setInt(out, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, index);
      a.task.call('connect', out, a.octets(new Uint8Array(16), 'addr'), 16);
      a.getInt(out, c.SOL_SOCKET, c.SO_BINDTOIFINDEX);
    }
  });
}

conformance('MSG_DONTROUTE over an interface that is named', { group }, (sys) => {
  const a = kit(sys);
  for (const index of [0, 1, 3]) {
    const out = a.udp();
    a.setInt(out, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, index);
    for (const host of ['10.9.9.9', '127.0.0.1']) {
      for (const flags of [0, c.MSG_DONTROUTE]) a.sendTo(out, 'x', host, 7000, flags);
    }
  }
});

conformance('a datagram in the making keeps its way and its permission', { group }, (sys) => {
  const a = kit(sys);
  const reader = a.udpBound();
  const everybody = a.udpBound('0.0.0.0');
  const out = a.udp();
  for (const [host, { fd, port }] of [
    ['127.0.0.1', reader],
    ['127.255.255.255', everybody],
  ] as const) {
    a.setInt(out, c.SOL_SOCKET, c.SO_BROADCAST, 1);
    a.sendTo(out, 'a', host, port, c.MSG_MORE);
    a.setInt(out, c.SOL_SOCKET, c.SO_BROADCAST, 0);
    a.setInt(out, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, 2);
    a.sendTo(out, 'b', host, port);
    a.recv(fd, 8, c.MSG_DONTWAIT);
    a.setInt(out, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, 0);
  }
});
