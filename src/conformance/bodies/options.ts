/** getsockopt(2), setsockopt(2): socket(7), tcp(7), ip(7), ipv6(7). */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';

const group = 'sockopt';

/** Sets each value, reading back after each. */
function tryValues(a: Kit, fd: number, level: number, option: number, values: readonly number[]): void {
  a.getInt(fd, level, option);
  for (const value of values) {
    a.setInt(fd, level, option, value);
    a.getInt(fd, level, option);
  }
}
const families = [c.AF_INET, c.AF_INET6];
function readTime(sys: System, a: Kit, fd: number, option: number): void {
  a.task.call('getsockopt', fd, c.SOL_SOCKET, option, sys.alloc(16, 'timeval'), a.int(16, 'len'));
}

conformance('boolean socket options read back as 0 or 1', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp()]) {
    for (const option of [c.SO_REUSEADDR, c.SO_KEEPALIVE, c.SO_BROADCAST]) {
      tryValues(a, fd, c.SOL_SOCKET, option, [1, 0, 77, -1, 0]);
    }
  }
});

conformance('default sizes of buffers', { group, pitfall: 17 }, (sys) => {
  const a = kit(sys);
  for (const family of families) {
    for (const fd of [a.tcp(0, family), a.udp(0, family)]) {
      a.getInt(fd, c.SOL_SOCKET, c.SO_SNDBUF);
      a.getInt(fd, c.SOL_SOCKET, c.SO_RCVBUF);
    }
  }
});

conformance('SO_SNDBUF and SO_RCVBUF are doubled within bounds', { group, pitfall: 16 }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp()]) {
    for (const option of [c.SO_SNDBUF, c.SO_RCVBUF]) {
      tryValues(a, fd, c.SOL_SOCKET, option, [0, 1, 2303, 2304, 2305, 4608, 5000, 100_000, 212_992]);
      // The upper bound is a sysctl (net.core.wmem_max, rmem_max), so only that it is one is recorded.
      let bounds: number[] = [];
      sys.quietly(() => {
        bounds = [10_000_000, 0x7fff_ffff, -1].map((value) => {
          a.setInt(fd, c.SOL_SOCKET, option, value);
          return a.getInt(fd, c.SOL_SOCKET, option);
        });
      });
      sys.record('bounded', bounds[0] === bounds[1]);
      sys.record('and so is a negative value', bounds[0] === bounds[2]);
    }
  }
});

conformance('options that only report', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  for (const option of [c.SO_TYPE, c.SO_ERROR, c.SO_PROTOCOL, c.SO_DOMAIN, c.SO_ACCEPTCONN]) {
    a.getInt(fd, c.SOL_SOCKET, option);
    a.setInt(fd, c.SOL_SOCKET, option, 1);
  }
});

conformance('getsockopt cuts the value to the room', { group, pitfall: 18 }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  const options = [
    [c.SOL_SOCKET, c.SO_TYPE],
    [c.SOL_SOCKET, c.SO_SNDBUF],
    [c.SOL_SOCKET, c.SO_RCVTIMEO],
    [c.SOL_SOCKET, c.SO_LINGER],
    [c.SOL_TCP, c.TCP_NODELAY],
    [c.SOL_TCP, c.TCP_KEEPIDLE],
    [c.SOL_IP, c.IP_TTL],
    [c.SOL_IP, c.IP_TOS],
  ] as const;
  for (const [level, option] of options) {
    for (const room of [0, 1, 2, 3, 4, 8, 100, -1]) {
      a.task.call('getsockopt', fd, level, option, sys.alloc(16, 'value'), a.int(room, 'len'));
    }
  }
});

conformance('getsockopt of IPV6_V6ONLY cuts the value to the room', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp(0, c.AF_INET6);
  for (const room of [0, 1, 2, 3, 4, 8, -1]) {
    a.task.call('getsockopt', fd, c.SOL_IPV6, c.IPV6_V6ONLY, sys.alloc(16, 'value'), a.int(room, 'len'));
  }
});

conformance('setsockopt checks the length', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  const value = a.octets(new Uint8Array(32), 'value');
  sys.write(value, new Uint8Array([1]));
  const options = [
    [c.SOL_SOCKET, c.SO_REUSEADDR],
    [c.SOL_SOCKET, c.SO_SNDBUF],
    [c.SOL_SOCKET, c.SO_RCVTIMEO],
    [c.SOL_TCP, c.TCP_NODELAY],
    [c.SOL_TCP, c.TCP_KEEPCNT],
    [c.SOL_IP, c.IP_TTL],
    [c.SOL_IP, c.IP_TOS],
    [c.SOL_IP, c.IP_PKTINFO],
  ] as const;
  for (const [level, option] of options) {
    for (const len of [0, 1, 2, 3, 4, 5, 8, 15, 17, -1]) a.task.call('setsockopt', fd, level, option, value, len);
  }
});

conformance('options with pointers that fault', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_REUSEADDR, NOWHERE, 4);
  a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_REUSEADDR, 0, 4);
  a.task.call('setsockopt', fd, c.SOL_TCP, c.TCP_NODELAY, NOWHERE, 4);
  a.task.call('setsockopt', fd, c.SOL_IP, c.IP_TTL, NOWHERE, 4);
  a.task.call('setsockopt', fd, c.SOL_IP, c.IP_TTL, NOWHERE, 0);
  a.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_TYPE, NOWHERE, a.int(4, 'len'));
  a.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_TYPE, NOWHERE, a.int(0, 'len'));
  a.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_TYPE, sys.alloc(4, 'value'), NOWHERE);
  a.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_TYPE, sys.fixed(new Uint8Array(4), 'fixed'), a.int(4, 'len'));
  a.task.call(
    'getsockopt',
    fd,
    c.SOL_SOCKET,
    c.SO_TYPE,
    sys.alloc(4, 'value'),
    sys.fixed(new Uint8Array([4, 0, 0, 0]), 'fixed'),
  );
  a.task.call('getsockopt', fd, c.SOL_TCP, c.TCP_NODELAY, NOWHERE, a.int(4, 'len'));
});

conformance('an unknown option of a known level', { group, pitfall: 19 }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp(), a.tcp(0, c.AF_INET6)]) {
    for (const [level, option] of [
      [c.SOL_SOCKET, 9999],
      [c.SOL_SOCKET, -1],
      [c.SOL_IP, 999],
      [c.SOL_TCP, 999],
    ] as const) {
      a.setInt(fd, level, option, 1);
      a.getInt(fd, level, option);
    }
  }
});

conformance('an unknown level', { group, pitfall: 20 }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp(), a.tcp(0, c.AF_INET6), a.udp(0, c.AF_INET6)]) {
    for (const level of [77, -1, c.SOL_UDP, c.SOL_TCP]) {
      a.setInt(fd, level, 99, 1);
      a.getInt(fd, level, 99);
    }
  }
});

conformance('IPv6 options on an IPv4 socket', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp()]) {
    a.setInt(fd, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
    a.getInt(fd, c.SOL_IPV6, c.IPV6_V6ONLY);
  }
});

conformance('IPV6_V6ONLY only before bind', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp(0, c.AF_INET6);
  tryValues(a, fd, c.SOL_IPV6, c.IPV6_V6ONLY, [1, 0, 7, 0]);
  a.bind(fd, '::1', 0);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
  a.getInt(fd, c.SOL_IPV6, c.IPV6_V6ONLY);
});

conformance('SO_RCVTIMEO and SO_SNDTIMEO read back', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  for (const option of [c.SO_RCVTIMEO, c.SO_SNDTIMEO]) {
    readTime(sys, a, fd, option);
    for (const [sec, usec] of [
      [1, 500_000],
      [0, 20_000],
      [0, 980_000],
      [5, 0],
      [0, 1_000_000],
      [0, -1],
      [-1, 0],
      [-5, 5],
      [0, 0],
    ] as const) {
      a.setTimeout(fd, option, sec, usec);
      readTime(sys, a, fd, option);
    }
  }
});

conformance('TCP_NODELAY', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  tryValues(a, fd, c.SOL_TCP, c.TCP_NODELAY, [1, 0, 77, -1]);
  const { client, server } = a.pair();
  tryValues(a, client, c.SOL_TCP, c.TCP_NODELAY, [1]);
  a.getInt(server, c.SOL_TCP, c.TCP_NODELAY);
});

conformance('TCP keepalive options and their ranges', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  tryValues(a, fd, c.SOL_TCP, c.TCP_KEEPIDLE, [1, 60, 32_767, 32_768, 0, -1]);
  tryValues(a, fd, c.SOL_TCP, c.TCP_KEEPINTVL, [1, 10, 32_767, 32_768, 0, -1]);
  tryValues(a, fd, c.SOL_TCP, c.TCP_KEEPCNT, [1, 5, 127, 128, 0, -1]);
});

conformance('TCP_MAXSEG before a connection', { group, pitfall: 14 }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  tryValues(a, fd, c.SOL_TCP, c.TCP_MAXSEG, [1, 87, 88, 536, 1400, 32_767, 32_768, 65_535, 0, -1]);
});

conformance('TCP_MAXSEG limits the segments of a connection', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const client = a.tcp();
  a.setInt(client, c.SOL_TCP, c.TCP_MAXSEG, 1000);
  a.connect(client, '127.0.0.1', port);
  const server = a.accept(fd);
  a.getInt(client, c.SOL_TCP, c.TCP_MAXSEG);
  a.getInt(server, c.SOL_TCP, c.TCP_MAXSEG);
  a.setInt(client, c.SOL_TCP, c.TCP_MAXSEG, 500);
  a.getInt(client, c.SOL_TCP, c.TCP_MAXSEG);
});

conformance('TCP options on a UDP socket', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.udp(), a.udp(0, c.AF_INET6)]) {
    for (const option of [c.TCP_NODELAY, c.TCP_MAXSEG, c.TCP_KEEPIDLE]) {
      a.setInt(fd, c.SOL_TCP, option, 1);
      a.getInt(fd, c.SOL_TCP, option);
    }
  }
});

conformance('IP_TTL and its range', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp()]) {
    tryValues(a, fd, c.SOL_IP, c.IP_TTL, [1, 128, 255, 256, 0, -1, -2]);
  }
});

conformance('IP_TOS and the ECN bits', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp()]) {
    tryValues(a, fd, c.SOL_IP, c.IP_TOS, [0x10, 0xff, 0x03, 0x100, -1, 0]);
  }
});

conformance('ip(7) options take one octet or four', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const value = a.octets(new Uint8Array([33, 1, 0, 0]), 'value');
  for (const len of [1, 2, 3, 4]) {
    a.task.call('setsockopt', fd, c.SOL_IP, c.IP_TTL, value, len);
    a.getInt(fd, c.SOL_IP, c.IP_TTL);
    a.task.call('getsockopt', fd, c.SOL_IP, c.IP_TTL, sys.alloc(4, 'short'), a.int(1, 'len'));
  }
});

conformance('IP options on an IPv6 socket', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(0, c.AF_INET6), a.udp(0, c.AF_INET6)]) {
    tryValues(a, fd, c.SOL_IP, c.IP_TTL, [5]);
    tryValues(a, fd, c.SOL_IP, c.IP_TOS, [0x20]);
  }
});

conformance('SO_ERROR is cleared by reading it', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.connect(fd, '127.0.0.1', 9);
  a.error(fd);
  a.error(fd);
});

conformance('SO_ACCEPTCONN follows listen', { group }, (sys) => {
  const a = kit(sys);
  const { client, server, listener } = a.pair();
  for (const fd of [client, server, listener]) a.getInt(fd, c.SOL_SOCKET, c.SO_ACCEPTCONN);
});
