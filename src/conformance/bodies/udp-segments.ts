/** UDP_SEGMENT and UDP_GRO: sends that stand for several datagrams, and receives of them (udp(7)). */
import { conformance, type System } from '../body.ts';
import { type Kit, kit, pattern } from '../kit.ts';
import * as c from '../linux.ts';
import { asText } from '../show.ts';
import { attach, program, RETURN_A } from './filter-kit.ts';

const group = 'udp';

const FAMILIES = [
  { name: 'IPv4', family: c.AF_INET, host: '127.0.0.1' },
  { name: 'IPv6', family: c.AF_INET6, host: '::1' },
] as const;

function receive(sys: System, a: Kit, fd: number, octets = 16, controllen = 64, flags = 0): number {
  return a.task.call(
    'recvmsg',
    fd,
    a.msghdr({
      iov: [[sys.alloc(octets, 'in', octets <= 64 ? asText : undefined), octets]],
      control: a.controlRoom(64),
      controllen,
    }),
    c.MSG_DONTWAIT | flags,
  );
}

for (const { name, family, host } of FAMILIES) {
  conformance(`UDP_SEGMENT over ${name}: each piece is a datagram of its own`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    const out = a.udp(0, family);
    for (const segment of [3, 5, 10, 11]) {
      a.setInt(out, c.SOL_UDP, c.UDP_SEGMENT, segment);
      a.sendTo(out, 'abcdefghij', host, port);
      for (let i = 0; i < 5; i++) a.recvFrom(fd, 16, c.MSG_DONTWAIT);
    }
    a.setInt(out, c.SOL_UDP, c.UDP_SEGMENT, 0);
    a.sendTo(out, 'abcdefghij', host, port);
    a.recv(fd, 16, c.MSG_DONTWAIT);
  });
  conformance(`UDP_SEGMENT over ${name}: how many pieces, and how long`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    a.setInt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 1_000_000);
    const out = a.udp(0, family);
    const big = sys.alloc(66_000, 'big');
    const to = a.name(host, port);
    for (const [segment, len] of [
      [1, 64],
      [1, 65],
      [1, 128],
      [1, 129],
      [500, 64_000],
      [500, 64_001],
      [1000, 65_507],
      [1000, 65_508],
      [65_535, 65_507],
      [65_400, 65_500],
      [60_000, 65_507],
    ] as const) {
      a.setInt(out, c.SOL_UDP, c.UDP_SEGMENT, segment);
      a.task.call('sendto', out, big, len, 0, to.at, to.len);
      let count = 0;
      sys.quietly(() => {
        while (a.recv(fd, 1, c.MSG_DONTWAIT) >= 0) count++;
      });
      sys.record('datagrams', count);
    }
  });
  conformance(`UDP_GRO over ${name}: what was cut comes whole, with the length of its pieces`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    a.setInt(fd, c.SOL_UDP, c.UDP_GRO, 1);
    const out = a.udp(0, family);
    a.setInt(out, c.SOL_UDP, c.UDP_SEGMENT, 4);
    a.sendTo(out, 'abcdefghij', host, port);
    receive(sys, a, fd);
    a.sendTo(out, 'abcd', host, port);
    receive(sys, a, fd);
    a.sendTo(out, 'abcdefgh', host, port);
    receive(sys, a, fd, 16, 20);
    a.sendTo(out, 'abcdefgh', host, port);
    receive(sys, a, fd, 6, 64);
    a.sendTo(out, 'abcdefgh', host, port);
    receive(sys, a, fd, 6, 64, c.MSG_TRUNC | c.MSG_PEEK);
    a.setInt(fd, c.SOL_UDP, c.UDP_GRO, 0);
    receive(sys, a, fd);
    a.sendTo(out, 'abcdefgh', host, port);
    a.setInt(fd, c.SOL_UDP, c.UDP_GRO, 1);
    receive(sys, a, fd);
    receive(sys, a, fd);
  });
  conformance(`UDP_SEGMENT over ${name}: connected, by write, and put together from parts`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    const out = a.udp(0, family);
    a.connect(out, host, port);
    a.setInt(out, c.SOL_UDP, c.UDP_SEGMENT, 4);
    a.task.call('write', out, a.octets('abcdefghij', 'out'), 10);
    for (let i = 0; i < 4; i++) a.recv(fd, 16, c.MSG_DONTWAIT);
    a.send(out, 'abcdef', c.MSG_MORE);
    a.send(out, 'ghijkl');
    for (let i = 0; i < 4; i++) a.recv(fd, 16, c.MSG_DONTWAIT);
  });
  conformance(`UDP_SEGMENT over ${name}: with SO_NO_CHECK and UDP_NO_CHECK6_TX`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    const out = a.udp(0, family);
    a.setInt(out, c.SOL_UDP, c.UDP_SEGMENT, 4);
    a.setInt(out, c.SOL_SOCKET, c.SO_NO_CHECK, 1);
    a.sendTo(out, 'abcdefgh', host, port);
    a.setInt(out, c.SOL_SOCKET, c.SO_NO_CHECK, 0);
    a.setInt(out, c.SOL_UDP, c.UDP_NO_CHECK6_TX, 1);
    a.sendTo(out, 'abcdefgh', host, port);
    for (let i = 0; i < 4; i++) a.recv(fd, 16, c.MSG_DONTWAIT);
  });
  conformance(`UDP_GRO over ${name}: a reader that waits gets all of it at once`, { group }, (sys) => {
    const a = kit(sys);
    const b = kit(sys, 'b');
    const { fd, port } = a.udpBound(host);
    a.setInt(fd, c.SOL_UDP, c.UDP_GRO, 1);
    const out = a.udp(0, family);
    a.setInt(out, c.SOL_UDP, c.UDP_SEGMENT, 1000);
    const to = a.name(host, port);
    const big = a.octets(pattern(4500), 'big');
    const control = b.controlRoom(64);
    b.task.start('recvmsg', fd, b.msghdr({ iov: [[sys.alloc(8000, 'in'), 8000]], control, controllen: 64 }), 0);
    a.task.call('sendto', out, big, 4500, 0, to.at, to.len);
    b.task.finish();
  });
  conformance(
    `UDP_SEGMENT over ${name}: a reader that waits gets the first, and poll tells of the rest`,
    { group },
    (sys) => {
      const a = kit(sys);
      const b = kit(sys, 'b');
      const { fd, port } = a.udpBound(host);
      const out = a.udp(0, family);
      a.setInt(out, c.SOL_UDP, c.UDP_SEGMENT, 4);
      b.startRecv(fd, 16);
      a.sendTo(out, 'abcdefghij', host, port);
      b.task.finish();
      for (let i = 0; i < 3; i++) {
        a.poll(fd);
        a.recv(fd, 16, c.MSG_DONTWAIT);
      }
    },
  );
  conformance(`the receive buffer over ${name}: how many datagrams of each length it holds`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    const out = a.udp(0, family);
    const big = sys.alloc(30_000, 'big');
    const to = a.name(host, port);
    for (const buffer of [1152, 2000, 5000, 20_000]) {
      a.setInt(fd, c.SOL_SOCKET, c.SO_RCVBUF, buffer);
      for (const len of [0, 1, 184, 185, 198, 600, 640, 1000, 3000, 10_000, 20_000]) {
        let count = 0;
        sys.quietly(() => {
          for (let i = 0; i < 60; i++) a.task.call('sendto', out, big, len, 0, to.at, to.len);
          while (a.recv(fd, 1, c.MSG_DONTWAIT) >= 0) count++;
        });
        sys.record(`${len} octets in ${buffer}`, count);
      }
    }
  });
}

/** SKF_NET_OFF. */
const NET = -0x10_0000;
/** `ldb [k]`, and of its value two bits as the length of what the socket gets beside the header. */
const tellBits = (k: number, shift: number): Uint8Array =>
  program([0x30, 0, 0, k], [0x74, 0, 0, shift], [0x54, 0, 0, 3], [0x04, 0, 0, 8], RETURN_A);
for (const { name, family, host } of FAMILIES) {
  // Not the identification of IPv4, nor checksums.
  const ofNetwork = family === c.AF_INET ? [0, 2, 3, 6, 8, 9, 15, 19] : [0, 4, 5, 6, 7, 23, 39];
  conformance(`UDP_SEGMENT over ${name}: a filter sees the headers of each piece`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    const out = a.udp(0, family);
    a.setInt(out, c.SOL_UDP, c.UDP_SEGMENT, 4);
    for (const k of [4, 5, 8, 11, ...ofNetwork.map((at) => NET + at)]) {
      for (const shift of [0, 2, 4, 6]) {
        attach(a, fd, tellBits(k, shift));
        a.sendTo(out, 'abcdefghijkl', host, port);
        for (let i = 0; i < 3; i++) a.recv(fd, 16, c.MSG_DONTWAIT);
      }
    }
    attach(a, fd, program([0x80, 0, 0, 0], RETURN_A));
    a.sendTo(out, 'abcdefghij', host, port);
    for (let i = 0; i < 4; i++) a.recv(fd, 16, c.MSG_DONTWAIT);
    attach(a, fd, program([0x80, 0, 0, 0], [0x14, 0, 0, 1], RETURN_A));
    a.sendTo(out, 'abcdefghij', host, port);
    for (let i = 0; i < 4; i++) a.recv(fd, 16, c.MSG_DONTWAIT);
  });
}
