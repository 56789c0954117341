/** What options of SOL_IP, SOL_IPV6 and SOL_UDP do besides being read back. */
import { conformance, type System } from '../body.ts';
import { inet, inet6, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'ip-options';

const FAMILIES = [
  { name: 'IPv4', family: c.AF_INET, host: '127.0.0.1', any: '0.0.0.0' },
  { name: 'IPv6', family: c.AF_INET6, host: '::1', any: '::' },
] as const;

function range(a: Kit, fd: number, lowest: number, highest: number): number {
  return a.task.call('setsockopt', fd, c.SOL_IP, c.IP_LOCAL_PORT_RANGE, a.int(lowest | (highest << 16), 'range'), 4);
}
/** The port chosen, relative to `lowest`, if it lies in the range. */
function within(sys: System, a: Kit, fd: number, lowest: number, highest: number): void {
  let port = 0;
  sys.quietly(() => {
    port = a.port(fd);
  });
  sys.record('in the range', port >= lowest && port <= highest);
}

for (const { name, host, family } of FAMILIES) {
  conformance(`IP_LOCAL_PORT_RANGE bounds the port that bind chooses over ${name}`, { group }, (sys) => {
    const a = kit(sys);
    for (const make of [() => a.tcp(0, family), () => a.udp(0, family)]) {
      const fds = [make(), make(), make(), make()];
      for (const fd of fds) {
        range(a, fd, 40_000, 40_002);
        a.bind(fd, host, 0);
      }
      for (const fd of fds.slice(0, 3)) within(sys, a, fd, 40_000, 40_002);
    }
  });
  conformance(`IP_LOCAL_PORT_RANGE bounds the port that connect chooses over ${name}`, { group }, (sys) => {
    const a = kit(sys);
    const { port } = a.listener(host);
    for (let i = 0; i < 3; i++) {
      const fd = a.tcp(0, family);
      range(a, fd, 41_000, 41_001);
      a.connect(fd, host, port);
      if (i < 2) within(sys, a, fd, 41_000, 41_001);
    }
    const datagram = a.udp(0, family);
    range(a, datagram, 41_100, 41_100);
    a.connect(datagram, host, 9);
    within(sys, a, datagram, 41_100, 41_100);
  });
  conformance(`a minimum of hops keeps what came further from a stream over ${name}`, { group }, (sys) => {
    const [level, least, hops] =
      family === c.AF_INET ? [c.SOL_IP, c.IP_MINTTL, c.IP_TTL] : [c.SOL_IPV6, c.IPV6_MINHOPCOUNT, c.IPV6_UNICAST_HOPS];
    const a = kit(sys);
    const { client, server } = a.pair(host);
    a.setInt(server, level, least, 100);
    a.send(client, 'too far');
    a.recv(server, 20, c.MSG_DONTWAIT);
    a.setInt(client, level, hops, 100);
    a.send(client, 'near');
    a.recv(server, 4, c.MSG_WAITALL);
  });
  conformance(`a transparent socket is bound to an address of nobody's over ${name}`, { group }, (sys) => {
    const a = kit(sys);
    const [level, option] = family === c.AF_INET ? [c.SOL_IP, c.IP_TRANSPARENT] : [c.SOL_IPV6, c.IPV6_TRANSPARENT];
    const foreign = family === c.AF_INET ? inet('192.0.2.7', 4000) : inet6('fd00::9', 4000);
    for (const type of [c.SOCK_STREAM, c.SOCK_DGRAM]) {
      const fd = a.task.call('socket', family, type, 0);
      a.task.call('bind', fd, a.octets(foreign, 'addr'), foreign.length);
      a.setInt(fd, level, option, 1);
      a.task.call('bind', fd, a.octets(foreign, 'addr'), foreign.length);
      const room = a.nameRoom();
      a.task.call('getsockname', fd, room.at, room.len);
    }
  });
}

conformance('IPV6_ADDRFORM makes a connected IPv4-mapped UDP socket one of AF_INET', { group }, (sys) => {
  const a = kit(sys);
  const { fd: server, port } = a.udpBound();
  const fd = a.udp(0, c.AF_INET6);
  a.connect(fd, '::ffff:127.0.0.1', port);
  a.getInt(fd, c.SOL_IPV6, c.IPV6_ADDRFORM);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_ADDRFORM, c.AF_INET6);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_ADDRFORM, c.AF_INET);
  a.getInt(fd, c.SOL_IPV6, c.IPV6_ADDRFORM);
  a.getInt(fd, c.SOL_SOCKET, c.SO_DOMAIN);
  a.peerName(fd);
  a.port(fd);
  a.send(fd, 'hello');
  a.recvFrom(server);
  a.sendTo(fd, 'four', '127.0.0.1', port);
  a.sendTo(fd, 'six', '::1', port);
  a.recvFrom(server);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
});
conformance('IPV6_ADDRFORM makes an IPv4-mapped connection one of AF_INET', { group }, (sys) => {
  const a = kit(sys);
  const { fd: listener, port } = a.listener();
  const fd = a.tcp(0, c.AF_INET6);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_ADDRFORM, c.AF_INET);
  a.connect(fd, '::ffff:127.0.0.1', port);
  const server = a.accept(listener);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_ADDRFORM, c.AF_INET);
  a.getInt(fd, c.SOL_SOCKET, c.SO_DOMAIN);
  a.peerName(fd);
  a.port(fd);
  a.send(fd, 'x');
  a.recv(server);
  a.send(server, 'y');
  a.recv(fd);
});

conformance('a hop limit of 0 reaches this host', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVHOPLIMIT, 1);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_UNICAST_HOPS, 0);
  a.sendTo(fd, 'x', '::1', port);
  const control = a.controlRoom(64);
  a.task.call('recvmsg', fd, a.msghdr({ iov: [[sys.alloc(8, 'in'), 8]], control, controllen: 64 }), c.MSG_DONTWAIT);
});

const DISCOVERY = ['DONT', 'WANT', 'DO', 'PROBE', 'INTERFACE', 'OMIT'];
for (const { name, host, family } of FAMILIES) {
  conformance(`path MTU discovery over ${name}: what is longer than the link takes`, { group }, (sys) => {
    const a = kit(sys);
    const [level, option] = family === c.AF_INET ? [c.SOL_IP, c.IP_MTU_DISCOVER] : [c.SOL_IPV6, c.IPV6_MTU_DISCOVER];
    const { fd, port } = a.udpBound(host);
    a.setInt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 400_000);
    const big = sys.alloc(65_600, 'big');
    const to = a.name(host, port);
    DISCOVERY.forEach((mode, value) => {
      sys.record('mode', mode);
      a.setInt(fd, level, option, value);
      for (const len of [65_450, 65_507, 65_509, 65_527, 65_528]) {
        a.task.call('sendto', fd, big, len, 0, to.at, to.len);
        a.recv(fd, 65_600, c.MSG_DONTWAIT | c.MSG_TRUNC);
      }
    });
  });
}
conformance('IPV6_DONTFRAG and IPV6_MTU: what would have to be cut', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  const big = sys.alloc(65_600, 'big');
  const to = a.name('::1', port);
  const send = (len: number): void => {
    a.task.call('sendto', fd, big, len, 0, to.at, to.len);
    a.recv(fd, 1, c.MSG_DONTWAIT | c.MSG_TRUNC);
  };
  a.setInt(fd, c.SOL_IPV6, c.IPV6_MTU, 1280);
  for (const len of [1232, 1233, 4000]) send(len);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_DONTFRAG, 1);
  for (const len of [1232, 1233, 4000]) send(len);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_MTU, 0);
  for (const len of [1233, 65_487, 65_488, 65_489]) send(len);
});

conformance('UDP_NO_CHECK6_TX sends without a checksum what only UDP_NO_CHECK6_RX takes', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  const out = a.udp(0, c.AF_INET6);
  const both = [0, 1];
  for (const sent of both) {
    for (const taken of both) {
      a.setInt(out, c.SOL_UDP, c.UDP_NO_CHECK6_TX, sent);
      a.setInt(fd, c.SOL_UDP, c.UDP_NO_CHECK6_RX, taken);
      a.sendTo(out, `${sent}${taken}`, '::1', port);
      a.recv(fd, 8, c.MSG_DONTWAIT);
    }
  }
});

conformance('UDP_ENCAP: what is no tunnel', { group }, (sys) => {
  const a = kit(sys);
  for (const family of [c.AF_INET, c.AF_INET6]) {
    const fd = a.udp(0, family);
    for (const value of [0, 1, 4, 7, -1]) a.setInt(fd, c.SOL_UDP, c.UDP_ENCAP, value);
    a.getInt(fd, c.SOL_UDP, c.UDP_ENCAP);
  }
});

conformance('IP_UNICAST_IF and IPV6_UNICAST_IF name the way', { group }, (sys) => {
  const a = kit(sys);
  const index = a.octets(Uint8Array.of(0, 0, 0, 1), 'index');
  const { fd, port } = a.udpBound();
  const out = a.udp();
  a.task.call('setsockopt', out, c.SOL_IP, c.IP_UNICAST_IF, index, 4);
  a.getInt(out, c.SOL_IP, c.IP_UNICAST_IF);
  a.sendTo(out, 'x', '127.0.0.1', port);
  a.recv(fd);
  const six = a.udpBound('::1');
  const out6 = a.udp(0, c.AF_INET6);
  a.task.call('setsockopt', out6, c.SOL_IPV6, c.IPV6_UNICAST_IF, index, 4);
  a.getInt(out6, c.SOL_IPV6, c.IPV6_UNICAST_IF);
  a.sendTo(out6, 'x', '::1', six.port);
  a.recv(six.fd);
});

conformance('IPV6_PATHMTU of a connected socket, and its room', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  a.connect(fd, '::1', port);
  for (const len of [31, 32, 40]) {
    a.task.call('getsockopt', fd, c.SOL_IPV6, c.IPV6_PATHMTU, sys.alloc(40, 'info'), a.int(len, 'len'));
  }
});
