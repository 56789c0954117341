/** Control messages on receive, both families: their order, what brings them, and since when. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asMmsghdrs, asText } from '../show.ts';

const group = 'control';

const FAMILIES = [
  {
    name: 'IPv4',
    family: c.AF_INET,
    host: '127.0.0.1',
    level: c.SOL_IP,
    options: [
      c.IP_RECVFRAGSIZE,
      c.IP_CHECKSUM,
      c.IP_RECVORIGDSTADDR,
      c.IP_PASSSEC,
      c.IP_RECVTOS,
      c.IP_RECVTTL,
      c.IP_PKTINFO,
    ],
  },
  {
    name: 'IPv6',
    family: c.AF_INET6,
    host: '::1',
    level: c.SOL_IPV6,
    options: [
      c.IPV6_RECVFRAGSIZE,
      c.IPV6_RECVORIGDSTADDR,
      c.IPV6_2292HOPLIMIT,
      c.IPV6_2292PKTINFO,
      c.IPV6_RECVTCLASS,
      c.IPV6_RECVHOPLIMIT,
      c.IPV6_RECVPKTINFO,
    ],
  },
] as const;
const OF_SOCKET = [c.SO_RCVPRIORITY, c.SO_RCVMARK, c.SO_RXQ_OVFL, c.SO_TIMESTAMP];

function receive(sys: System, a: Kit, fd: number, controllen = 300, flags = 0, octets = 8): number {
  const iov = [[sys.alloc(octets, 'in', octets <= 64 ? asText : undefined), octets]] as const;
  return a.task.call('recvmsg', fd, a.msghdr({ iov, control: a.controlRoom(300), controllen }), c.MSG_DONTWAIT | flags);
}

for (const { name, family, host, level, options } of FAMILIES) {
  conformance(`recvmsg over ${name}: one more option at a time, and the order of all`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    const out = a.udp(0, family);
    a.setInt(out, c.SOL_SOCKET, c.SO_MARK, 77);
    a.setInt(out, c.SOL_SOCKET, c.SO_PRIORITY, 5);
    const once = (): void => {
      a.sendTo(out, 'x', host, port);
      receive(sys, a, fd);
    };
    for (const option of options) {
      a.setInt(fd, level, option, 1);
      once();
    }
    for (const option of OF_SOCKET) {
      a.setInt(fd, c.SOL_SOCKET, option, 1);
      once();
    }
    for (const room of [0, 16, 40, 100, 130, 151, 200]) {
      a.sendTo(out, 'x', host, port);
      receive(sys, a, fd, room);
    }
  });
  conformance(`recvmsg over ${name}: options set and cleared while a datagram waits`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    a.sendTo(fd, 'early', host, port);
    for (const option of options) a.setInt(fd, level, option, 1);
    receive(sys, a, fd, 300, c.MSG_PEEK);
    receive(sys, a, fd);
    a.sendTo(fd, 'late', host, port);
    for (const option of options) a.setInt(fd, level, option, 0);
    receive(sys, a, fd, 300, c.MSG_PEEK);
    for (const option of options) a.setInt(fd, level, option, 1);
    receive(sys, a, fd);
  });
  conformance(`recvmmsg over ${name}: each message tells its own`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    for (const option of options) a.setInt(fd, level, option, 1);
    a.sendTo(fd, 'one', host, port);
    a.sendTo(fd, 'two', host, port);
    a.sendTo(fd, 'three', host, port);
    const at = sys.alloc(64 * 3, 'mmsg', asMmsghdrs);
    [300, 40, 0].forEach((controllen, i) => {
      const iov = [[sys.alloc(8, 'in', asText), 8]] as const;
      a.putMsghdr(at + 64 * i, { iov, control: a.controlRoom(300), controllen });
    });
    a.task.call('recvmmsg', fd, at, 3, c.MSG_DONTWAIT, 0);
  });
  conformance(`SO_RXQ_OVFL over ${name}: how many were lost before the one that is read`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    a.setInt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 2000);
    a.setInt(fd, c.SOL_SOCKET, c.SO_RXQ_OVFL, 1);
    for (let i = 0; i < 7; i++) a.sendTo(fd, String(i), host, port);
    for (let i = 0; i < 3; i++) receive(sys, a, fd);
    a.sendTo(fd, 'after', host, port);
    receive(sys, a, fd);
    receive(sys, a, fd);
    receive(sys, a, fd);
  });
  conformance(
    `SO_RCVMARK and SO_RCVPRIORITY over ${name}: of the socket and of the message that sent`,
    { group },
    (sys) => {
      const a = kit(sys);
      const { fd, port } = a.udpBound(host);
      a.setInt(fd, c.SOL_SOCKET, c.SO_RCVMARK, 1);
      a.setInt(fd, c.SOL_SOCKET, c.SO_RCVPRIORITY, 1);
      const out = a.udp(0, family);
      a.connect(out, host, port);
      a.send(out, 'plain');
      receive(sys, a, fd);
      a.setInt(out, c.SOL_SOCKET, c.SO_MARK, -1);
      a.setInt(out, c.SOL_SOCKET, c.SO_PRIORITY, 3);
      a.send(out, 'set');
      receive(sys, a, fd);
      const word = new Uint8Array(4);
      c.i32.put(word, 0, 6);
      const control = a.control([
        { level: c.SOL_SOCKET, type: c.SO_MARK, data: word },
        { level: c.SOL_SOCKET, type: c.SO_PRIORITY, data: word },
      ]);
      const iov = [[a.octets('x', 'out'), 1]] as const;
      a.task.call('sendmsg', out, a.msghdr({ iov, control: control.at, controllen: control.len }), 0);
      receive(sys, a, fd);
      if (family === c.AF_INET) {
        for (const tos of [0x10, 0x08, 0x18, 0x02, 0x60, 0]) {
          a.setInt(out, c.SOL_IP, c.IP_TOS, tos);
          a.getInt(out, c.SOL_SOCKET, c.SO_PRIORITY);
          a.send(out, 'tos');
          receive(sys, a, fd);
        }
      }
    },
  );
  conformance(`SO_PEEK_OFF over ${name}: where a peek begins in datagrams`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    a.setInt(fd, c.SOL_SOCKET, c.SO_PEEK_OFF, 0);
    a.sendTo(fd, 'abcdef', host, port);
    a.sendTo(fd, 'ghi', host, port);
    const offset = (): number => a.getInt(fd, c.SOL_SOCKET, c.SO_PEEK_OFF);
    const peek = (len: number, flags = 0): void => {
      a.recv(fd, len, c.MSG_PEEK | c.MSG_DONTWAIT | flags);
      offset();
    };
    peek(2);
    peek(2);
    peek(3);
    peek(3);
    peek(3);
    a.recv(fd, 4);
    offset();
    peek(2);
    a.setInt(fd, c.SOL_SOCKET, c.SO_PEEK_OFF, 1);
    peek(1, c.MSG_TRUNC);
    peek(9, c.MSG_TRUNC);
    a.setInt(fd, c.SOL_SOCKET, c.SO_PEEK_OFF, -1);
    peek(2);
    peek(9);
    a.setInt(fd, c.SOL_SOCKET, c.SO_PEEK_OFF, 2);
    a.recv(fd, 9);
    offset();
  });
  conformance(`recvmsg over ${name}: MSG_TRUNC, MSG_PEEK and rooms`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    for (let i = 0; i < 2; i++) a.sendTo(fd, 'abcdef', host, port);
    for (const flags of [c.MSG_PEEK, c.MSG_PEEK | c.MSG_TRUNC, c.MSG_TRUNC, 0]) {
      for (const octets of [0, 3, 6, 9]) {
        if (octets === 0 || (flags & c.MSG_PEEK) !== 0) receive(sys, a, fd, 0, flags | c.MSG_PEEK, octets);
      }
    }
    receive(sys, a, fd, 0, c.MSG_TRUNC, 3);
    receive(sys, a, fd, 0, 0, 3);
    a.poll(fd);
  });
}

conformance('IPV6_RECVFRAGSIZE and IP_RECVFRAGSIZE: of what came in pieces', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVFRAGSIZE, 1);
  const out = a.udp(0, c.AF_INET6);
  const to = a.name('::1', port);
  const big = sys.alloc(65_600, 'big');
  for (const [mtu, len] of [
    [0, 5000],
    [1280, 5000],
    [1280, 65_488],
    [1280, 65_489],
    [2000, 65_527],
    [0, 65_527],
  ] as const) {
    a.setInt(out, c.SOL_IPV6, c.IPV6_MTU, mtu);
    a.task.call('sendto', out, big, len, 0, to.at, to.len);
    receive(sys, a, fd, 100, 0, 1);
  }
});
conformance('recvmsg of an AF_INET6 socket: what IPv4 datagrams bring', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::');
  const out = a.udp();
  const once = (): void => {
    a.sendTo(out, 'x', '127.0.0.1', port);
    receive(sys, a, fd);
  };
  for (const option of FAMILIES[1].options) {
    a.setInt(fd, c.SOL_IPV6, option, 1);
    once();
  }
  for (const option of FAMILIES[0].options) {
    a.setInt(fd, c.SOL_IP, option, 1);
    once();
  }
  a.sendTo(a.udp(0, c.AF_INET6), 'six', '::1', port);
  receive(sys, a, fd);
});
conformance('IPV6_RECVPKTINFO: of IPv4 datagrams only those that came since know where', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::');
  const out = a.udp();
  a.sendTo(out, 'early', '127.0.0.1', port);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVPKTINFO, 1);
  a.sendTo(out, 'late', '127.0.0.1', port);
  receive(sys, a, fd);
  receive(sys, a, fd);
});
