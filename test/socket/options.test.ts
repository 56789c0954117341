import test from 'ava';
import { Errno } from '../../src/abi/errno.ts';
import * as IN from '../../src/abi/in.ts';
import * as S from '../../src/abi/socket.ts';
import { linger, tcpInfo, timeval, ucred } from '../../src/abi/sockopt.ts';
import { i32, u64 } from '../../src/abi/struct.ts';
import * as T from '../../src/abi/transport.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import type { Credentials } from '../../src/socket/credentials.ts';
import type { InetSocket } from '../../src/socket/inet-socket.ts';
import { OPTIONS } from '../../src/socket/options/table.ts';
import { make, octets, ROOT, USER } from './fakes.ts';

const { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, SOL_IP, SOL_IPV6, SOL_SOCKET, SOL_TCP, SOL_UDP } = S;
const { EDOM, EINVAL, ENODEV, ENOENT, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPERM, EADDRNOTAVAIL } = Errno;

const int = (value: number): Uint8Array => {
  const out = new Uint8Array(4);
  i32.put(out, 0, value);
  return out;
};
const set = (s: InetSocket, level: number, option: number, value: number, who: Credentials = USER): number =>
  s.setOption(level, option, int(value), who);
/** The int read back, or 'E..' as a negative errno when it fails. */
const get = (s: InetSocket, level: number, option: number): number => {
  const out = new Uint8Array(4);
  const result = s.getOption(level, option, out);
  return result === 4 ? i32.get(out, 0) : result;
};
/** As a row of the measurement: for each value, the result of set and what is read then. */
const ranges = (s: InetSocket, level: number, option: number, values: number[]): [number, number][] =>
  values.map((value) => [set(s, level, option, value), get(s, level, option)]);

const address = (text: string): Uint8Array => {
  const out = new Uint8Array(4);
  IpAddress.of(text).write4(out, 0);
  return out;
};

const stream = (domain: number = AF_INET) => make(domain, SOCK_STREAM);
const datagram = (domain: number = AF_INET) => make(domain, SOCK_DGRAM);

test('levels that are not the socket’s: set ENOPROTOOPT; get EOPNOTSUPP on AF_INET, ENOPROTOOPT on AF_INET6', (t) => {
  for (const level of [SOL_IPV6, 58, 77, 255, SOL_UDP]) {
    t.is(set(stream().socket, level === SOL_IPV6 ? SOL_IPV6 : level, 1, 1), -ENOPROTOOPT);
    t.is(get(stream().socket, level, 1), -EOPNOTSUPP, `level ${level}`);
  }
  for (const level of [58, 77, 255, SOL_UDP]) t.is(get(stream(AF_INET6).socket, level, 1), -ENOPROTOOPT);
  t.is(get(datagram().socket, SOL_TCP, T.TCP_NODELAY), -EOPNOTSUPP);
  t.is(get(datagram(AF_INET6).socket, SOL_TCP, T.TCP_NODELAY), -ENOPROTOOPT);
  t.is(set(datagram().socket, SOL_TCP, T.TCP_NODELAY, 1), -ENOPROTOOPT);
});

test('an option nobody knows is ENOPROTOOPT; where an int is read first, a short one is EINVAL', (t) => {
  for (const { socket } of [stream(), stream(AF_INET6), datagram(), datagram(AF_INET6)]) {
    for (const level of [SOL_SOCKET, SOL_IP]) {
      t.is(set(socket, level, 250, 1), -ENOPROTOOPT);
      t.is(get(socket, level, 250), -ENOPROTOOPT);
    }
    t.is(socket.setOption(SOL_SOCKET, 250, octets('ab'), USER), -EINVAL);
    t.is(socket.setOption(SOL_IP, 250, octets('ab'), USER), -ENOPROTOOPT);
  }
  const { socket } = stream();
  t.is(set(socket, SOL_TCP, 250, 1), -ENOPROTOOPT);
  t.is(get(socket, SOL_TCP, 250), -ENOPROTOOPT);
  t.is(socket.setOption(SOL_TCP, 250, octets('ab'), USER), -EINVAL);
  t.is(set(datagram().socket, SOL_UDP, T.UDP_ENCAP, 2), -ENOPROTOOPT, 'no tunnel ends here');
  t.is(set(stream(AF_INET6).socket, SOL_IPV6, 250, 1), -ENOPROTOOPT);
});

/** Which do not look at the length first. */
const TAKES_LESS = new Set([
  'IPV6_RECVFRAGSIZE',
  'IPV6_DONTFRAG',
  'IPV6_AUTOFLOWLABEL',
  // Of streams they are refused before.
  'IPV6_MULTICAST_HOPS',
  'IPV6_MULTICAST_IF',
]);

test('every int option: short values refused as its level does, answers cut to the room', (t) => {
  for (const [level, rows] of OPTIONS) {
    for (const row of rows.values()) {
      const { socket } = row.only === 'datagram' ? datagram(AF_INET6) : stream(AF_INET6);
      const out = new Uint8Array(300);
      const whole = socket.getOption(level, row.option, out);
      if (whole !== 4) continue;
      t.is(socket.getOption(level, row.option, out.subarray(0, 0)), 0, row.name);
      t.is(socket.getOption(level, row.option, out.subarray(0, 1)), 1, row.name);
      t.is(socket.getOption(level, row.option, out.subarray(0, 4)), 4, row.name);
      if (row.set === undefined) t.is(set(socket, level, row.option, 1), -ENOPROTOOPT, row.name);
      else if (level !== SOL_IP && !TAKES_LESS.has(row.name))
        t.is(socket.setOption(level, row.option, octets('\x01'), ROOT), -EINVAL, row.name);
    }
  }
});

test('SOL_SOCKET flags: any value is on, kept, and reaches the endpoint', (t) => {
  const { socket, tcp } = stream();
  const flags: [number, () => boolean][] = [
    [S.SO_REUSEADDR, () => tcp.settings.reuseAddress],
    [S.SO_REUSEPORT, () => tcp.settings.reusePort],
    [S.SO_KEEPALIVE, () => tcp.settings.keepAlive],
    [S.SO_OOBINLINE, () => tcp.settings.oobInline],
  ];
  for (const [option, effect] of flags) {
    t.deepEqual(ranges(socket, SOL_SOCKET, option, [-1, 0, 1, 5]), [
      [0, 1],
      [0, 0],
      [0, 1],
      [0, 1],
    ]);
    t.true(effect());
  }
  const udp = datagram();
  t.is(set(udp.socket, SOL_SOCKET, S.SO_BROADCAST, 1), 0);
  t.true(udp.udp.settings.broadcast);
  t.deepEqual(ranges(udp.socket, SOL_SOCKET, S.SO_NO_CHECK, [5]), [[0, 1]]);
  t.true(udp.udp.settings.noChecksum);
});

test('SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ACCEPTCONN are read-only', (t) => {
  const { socket, tcp } = stream(AF_INET6);
  t.deepEqual(
    [S.SO_TYPE, S.SO_DOMAIN, S.SO_PROTOCOL, S.SO_ERROR, S.SO_ACCEPTCONN].map((o) => get(socket, SOL_SOCKET, o)),
    [SOCK_STREAM, AF_INET6, IN.IPPROTO_TCP, 0, 0],
  );
  tcp.state = 'LISTEN';
  t.is(get(socket, SOL_SOCKET, S.SO_ACCEPTCONN), 1);
  tcp.error = 'connection-refused';
  t.is(get(socket, SOL_SOCKET, S.SO_ERROR), Errno.ECONNREFUSED);
  t.is(get(socket, SOL_SOCKET, S.SO_ERROR), 0, 'reading clears it');
  socket.setError(Errno.EFAULT);
  tcp.error = 'timed-out';
  t.deepEqual(
    [0, 1].map(() => get(socket, SOL_SOCKET, S.SO_ERROR)),
    [Errno.ETIMEDOUT, 0],
    'the last error counts',
  );
  tcp.error = 'timed-out';
  socket.setError(Errno.EFAULT);
  t.deepEqual(
    [0, 1].map(() => get(socket, SOL_SOCKET, S.SO_ERROR)),
    [Errno.EFAULT, 0],
  );
});

test('SO_SNDBUF and SO_RCVBUF double, with floor and cap; the forced ones want CAP_NET_ADMIN', (t) => {
  const values = [-1, 0, 1000, 3000, 1_000_000];
  const { socket, tcp } = stream();
  t.is(get(socket, SOL_SOCKET, S.SO_SNDBUF), 16_384);
  t.is(get(socket, SOL_SOCKET, S.SO_RCVBUF), 131_072);
  t.deepEqual(
    ranges(socket, SOL_SOCKET, S.SO_SNDBUF, values).map(([, v]) => v),
    [8_388_608, 4608, 4608, 6000, 2_000_000],
  );
  t.deepEqual(
    ranges(socket, SOL_SOCKET, S.SO_RCVBUF, values).map(([, v]) => v),
    [8_388_608, 2304, 2304, 6000, 2_000_000],
  );
  t.true(tcp.settings.sendBufferLocked && tcp.settings.receiveBufferLocked);
  t.is(set(socket, SOL_SOCKET, S.SO_RCVBUFFORCE, 5_000_000), -EPERM);
  t.is(set(socket, SOL_SOCKET, S.SO_SNDBUFFORCE, 5_000_000, USER), -EPERM);
  t.is(set(socket, SOL_SOCKET, S.SO_RCVBUFFORCE, 5_000_000, ROOT), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_RCVBUF), 10_000_000);
  t.is(set(socket, SOL_SOCKET, S.SO_SNDBUFFORCE, -1, ROOT), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_SNDBUF), 4608);
  const udp = datagram();
  t.deepEqual(ranges(udp.socket, SOL_SOCKET, S.SO_RCVBUF, [3000]), [[0, 6000]]);
  t.is(udp.udp.settings.receiveBuffer, 6000);
  t.deepEqual(ranges(udp.socket, SOL_SOCKET, S.SO_SNDBUF, [3000]), [[0, 6000]]);
});

test('SO_LINGER: l_linger survives l_onoff 0; {1,0} makes close a reset', (t) => {
  const { socket, tcp } = stream();
  const put = (onoff: number, seconds: number): number =>
    socket.setOption(SOL_SOCKET, S.SO_LINGER, linger.encode({ onoff, linger: seconds }), USER);
  const read = (): unknown => {
    const out = new Uint8Array(8);
    t.is(socket.getOption(SOL_SOCKET, S.SO_LINGER, out), 8);
    return linger.decode(out);
  };
  t.is(put(5, 5), 0);
  t.deepEqual(read(), { onoff: 1, linger: 5 });
  t.is(tcp.settings.lingerSeconds, 5);
  t.is(put(0, 9), 0);
  t.deepEqual(read(), { onoff: 0, linger: 5 });
  t.is(tcp.settings.lingerSeconds, -1);
  t.is(put(1, 0), 0);
  t.is(tcp.settings.lingerSeconds, 0);
  t.is(put(1, -1), 0);
  t.true(tcp.settings.lingerSeconds > 1e9);
  t.is(socket.setOption(SOL_SOCKET, S.SO_LINGER, int(1), USER), -EINVAL);
});

test('SO_RCVTIMEO and SO_SNDTIMEO: ticks of 4 ms, EDOM, negative seconds mean at once and read 0', (t) => {
  const { socket } = stream();
  for (const option of [S.SO_RCVTIMEO, S.SO_SNDTIMEO]) {
    const put = (sec: number, usec: number): number =>
      socket.setOption(SOL_SOCKET, option, timeval.encode({ sec, usec }), USER);
    const read = (): unknown => {
      const out = new Uint8Array(16);
      t.is(socket.getOption(SOL_SOCKET, option, out), 16);
      return timeval.decode(out);
    };
    const us = (): number => (option === S.SO_RCVTIMEO ? socket.receiveTimeoutUs : socket.sendTimeoutUs);
    t.deepEqual(read(), { sec: 0, usec: 0 });
    t.is(put(0, 1), 0);
    t.deepEqual(read(), { sec: 0, usec: 4000 });
    t.is(put(0, 999_999), 0);
    t.deepEqual(read(), { sec: 1, usec: 0 });
    t.is(us(), 1e6);
    t.is(put(1, 500_000), 0);
    t.deepEqual(read(), { sec: 1, usec: 500_000 });
    t.is(put(0, -1), -EDOM);
    t.is(put(0, 1_000_000), -EDOM);
    t.is(us(), 1.5e6);
    t.is(put(-1, 5), 0);
    t.deepEqual(read(), { sec: 0, usec: 0 });
    t.true(us() < 0);
    t.is(put(2 ** 40, 0), 0);
    t.is(us(), 0);
    t.is(socket.setOption(SOL_SOCKET, option, new Uint8Array(15), USER), -EINVAL);
  }
});

test('SO_BINDTODEVICE and SO_BINDTOIFINDEX: unknown ENODEV, empty unbinds, rebinding wants CAP_NET_RAW', (t) => {
  const { socket, tcp } = stream();
  const out = new Uint8Array(16);
  const bind = (name: string, who = USER): number => socket.setOption(SOL_SOCKET, S.SO_BINDTODEVICE, octets(name), who);
  t.is(socket.getOption(SOL_SOCKET, S.SO_BINDTODEVICE, out), 0);
  t.is(bind('nope\0'), -ENODEV);
  t.is(bind('eth0'), 0);
  t.is(tcp.settings.boundInterface, 2);
  t.is(socket.getOption(SOL_SOCKET, S.SO_BINDTODEVICE, out.subarray(0, 15)), -EINVAL);
  t.is(socket.getOption(SOL_SOCKET, S.SO_BINDTODEVICE, out), 5);
  t.is(String.fromCharCode(...out.subarray(0, 5)), 'eth0\0');
  t.is(bind(''), -EPERM);
  t.is(bind('lo', ROOT), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_BINDTOIFINDEX), 1);
  t.is(bind('\0', ROOT), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_BINDTOIFINDEX), 0);
  t.is(set(socket, SOL_SOCKET, S.SO_BINDTOIFINDEX, -1), -EINVAL);
  t.is(set(socket, SOL_SOCKET, S.SO_BINDTOIFINDEX, 2), 0);
  t.is(set(socket, SOL_SOCKET, S.SO_BINDTOIFINDEX, 1), -EPERM);
});

test('SO_RCVLOWAT: 0 is 1, negative is the most; the buffer of a stream grows for it, unless it was chosen', (t) => {
  const { socket } = stream();
  t.deepEqual(ranges(socket, SOL_SOCKET, S.SO_RCVLOWAT, [0, 100, 65_536]), [
    [0, 1],
    [0, 100],
    [0, 65_536],
  ]);
  t.is(get(socket, SOL_SOCKET, S.SO_RCVBUF), 131_072);
  t.deepEqual(ranges(socket, SOL_SOCKET, S.SO_RCVLOWAT, [65_537]), [[0, 65_537]]);
  t.is(get(socket, SOL_SOCKET, S.SO_RCVBUF), 131_074);
  t.deepEqual(ranges(socket, SOL_SOCKET, S.SO_RCVLOWAT, [-1, 1e6]), [
    [0, 16_777_216],
    [0, 1e6],
  ]);
  t.is(get(socket, SOL_SOCKET, S.SO_RCVBUF), 33_554_432);
  set(socket, SOL_SOCKET, S.SO_RCVBUF, 40_000);
  t.deepEqual(ranges(socket, SOL_SOCKET, S.SO_RCVLOWAT, [-1]), [[0, 40_000]]);
  t.is(get(socket, SOL_SOCKET, S.SO_RCVBUF), 80_000);
  t.deepEqual(ranges(datagram().socket, SOL_SOCKET, S.SO_RCVLOWAT, [-1]), [[0, 0x7fff_ffff]]);
  t.is(get(socket, SOL_SOCKET, S.SO_SNDLOWAT), 1);
  t.is(set(socket, SOL_SOCKET, S.SO_SNDLOWAT, 1), -ENOPROTOOPT);
});

test('SO_TIMESTAMP and SO_TIMESTAMPNS exclude one another, under the old names and the new', (t) => {
  const { socket } = datagram();
  t.is(set(socket, SOL_SOCKET, S.SO_TIMESTAMP, 1), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_TIMESTAMP), 1);
  t.is(set(socket, SOL_SOCKET, S.SO_TIMESTAMPNS, 1), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_TIMESTAMP), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_TIMESTAMPNS), 1);
  t.is(set(socket, SOL_SOCKET, S.SO_TIMESTAMPNS_NEW, 1), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_TIMESTAMPNS), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_TIMESTAMPNS_NEW), 1);
  t.is(get(socket, SOL_SOCKET, S.SO_TIMESTAMP_NEW), 1);
});

test('the small ones of SOL_SOCKET: cookie, peer credentials, what cannot be passed or detached', (t) => {
  const { socket } = stream();
  const out = new Uint8Array(20);
  t.is(socket.getOption(SOL_SOCKET, S.SO_COOKIE, out.subarray(0, 4)), -EINVAL);
  t.is(socket.getOption(SOL_SOCKET, S.SO_COOKIE, out), 8);
  t.is(u64.get(out, 0), 7);
  t.is(socket.getOption(SOL_SOCKET, S.SO_PEERCRED, out), 12);
  t.deepEqual(ucred.decode(out), { pid: 0, uid: 0xffff_ffff, gid: 0xffff_ffff });
  t.is(set(socket, SOL_SOCKET, S.SO_PASSCRED, 1), -EOPNOTSUPP);
  t.is(get(socket, SOL_SOCKET, S.SO_PASSCRED), -EOPNOTSUPP);
  t.is(set(socket, SOL_SOCKET, S.SO_PEEK_OFF, 1), 0);
  t.is(get(socket, SOL_SOCKET, S.SO_PEEK_OFF), 1);
  t.is(set(socket, SOL_SOCKET, S.SO_DETACH_FILTER, 0), -ENOENT);
  t.is(set(socket, SOL_SOCKET, S.SO_ATTACH_FILTER, 0), -EPERM);
  t.is(set(socket, SOL_SOCKET, S.SO_ATTACH_FILTER, 0, ROOT), -EINVAL);
});

test('SOL_TCP: ranges and read-backs as measured', (t) => {
  const { socket, tcp } = stream();
  const rows: [number, number[], [number, number][]][] = [
    [
      T.TCP_NODELAY,
      [-1, 0, 87],
      [
        [0, 1],
        [0, 0],
        [0, 1],
      ],
    ],
    [
      T.TCP_CORK,
      [-1, 0, 87],
      [
        [0, 1],
        [0, 0],
        [0, 1],
      ],
    ],
    [
      T.TCP_MAXSEG,
      [-1, 0, 87, 88, 32_767, 32_768],
      [
        [-22, 536],
        [0, 536],
        [-22, 536],
        [0, 88],
        [0, 32_767],
        [-22, 32_767],
      ],
    ],
    [
      T.TCP_KEEPIDLE,
      [-1, 0, 1, 32_767, 32_768],
      [
        [-22, 7200],
        [-22, 7200],
        [0, 1],
        [0, 32_767],
        [-22, 32_767],
      ],
    ],
    [
      T.TCP_KEEPINTVL,
      [0, 1, 32_768],
      [
        [-22, 75],
        [0, 1],
        [-22, 1],
      ],
    ],
    [
      T.TCP_KEEPCNT,
      [0, 127, 128],
      [
        [-22, 9],
        [0, 127],
        [-22, 127],
      ],
    ],
    [
      T.TCP_SYNCNT,
      [0, 127, 128],
      [
        [-22, 6],
        [0, 127],
        [-22, 127],
      ],
    ],
    [
      T.TCP_LINGER2,
      [-1, 0, 88, 127],
      [
        [0, -1],
        [0, 60],
        [0, 88],
        [0, 120],
      ],
    ],
    [
      T.TCP_DEFER_ACCEPT,
      [-1, 0, 1, 5, 60, 1000, 32_767, 100_000],
      [
        [0, 0],
        [0, 0],
        [0, 1],
        [0, 7],
        [0, 63],
        [0, 1087],
        [0, 29_887],
        [0, 29_887],
      ],
    ],
    [
      T.TCP_WINDOW_CLAMP,
      [-1, 0, 1, 32_768],
      [
        [0, 1152],
        [0, 0],
        [0, 1152],
        [0, 32_768],
      ],
    ],
    [
      T.TCP_QUICKACK,
      [0, 5],
      [
        [0, 0],
        [0, 1],
      ],
    ],
    [
      T.TCP_USER_TIMEOUT,
      [-1, 0, 30_000],
      [
        [-22, 0],
        [0, 0],
        [0, 30_000],
      ],
    ],
  ];
  for (const [option, values, expected] of rows) {
    t.deepEqual(ranges(socket, SOL_TCP, option, values), expected, `option ${option}`);
  }
  t.true(!tcp.pingPong && tcp.settings.cork && tcp.settings.noDelay);
  t.is(tcp.settings.userTimeoutMs, 30_000);
  tcp.state = 'ESTABLISHED';
  t.is(get(socket, SOL_TCP, T.TCP_MAXSEG), 1448, 'once connected: the effective one');
  t.is(set(socket, SOL_TCP, T.TCP_WINDOW_CLAMP, 0), -EINVAL);
  t.is(set(socket, SOL_TCP, T.TCP_FASTOPEN, 5), -EINVAL, 'once connected');
  t.is(set(socket, SOL_TCP, T.TCP_MD5SIG, 1), -EINVAL);
  t.is(socket.setOption(SOL_TCP, T.TCP_MD5SIG, new Uint8Array(216), ROOT), -ENOPROTOOPT, 'not honoured, so not taken');
  t.is(set(socket, SOL_TCP, T.TCP_NOTSENT_LOWAT, -1), 0);
  t.is(tcp.settings.notSentLowWater, 0xffff_ffff);
});

test('TCP_CONGESTION is cubic or reno', (t) => {
  const { socket } = stream();
  const out = new Uint8Array(30).fill(0xee);
  t.is(socket.getOption(SOL_TCP, T.TCP_CONGESTION, out), 16);
  t.is(String.fromCharCode(...out.subarray(0, 16)), `cubic${'\0'.repeat(11)}`);
  t.is(socket.getOption(SOL_TCP, T.TCP_CONGESTION, out.subarray(0, 4)), 4);
  const put = (name: string): number => socket.setOption(SOL_TCP, T.TCP_CONGESTION, octets(name), USER);
  t.deepEqual(['reno', 'cubic\0xx', 'nope', '', 'r'.repeat(40)].map(put), [0, 0, -ENOENT, -EINVAL, -ENOENT]);
});

test('TCP_INFO tells the state, and of a connection what is known', (t) => {
  const { socket, tcp } = stream();
  const out = new Uint8Array(tcpInfo.size);
  t.is(socket.getOption(SOL_TCP, T.TCP_INFO, out), tcpInfo.size);
  t.is(tcpInfo.decode(out).state, T.TCP_CLOSE);
  tcp.state = 'CLOSE-WAIT';
  tcp.unsent = 99;
  t.is(socket.getOption(SOL_TCP, T.TCP_INFO, out), tcpInfo.size);
  const info = tcpInfo.decode(out);
  t.deepEqual([info.state, info.snd_mss, info.notsent_bytes], [T.TCP_CLOSE_WAIT, 1448, 99]);
  t.is(socket.getOption(SOL_TCP, T.TCP_INFO, out.subarray(0, 10)), 10);
  tcp.details = {
    timestamps: true,
    sack: true,
    windowScale: true,
    sendShift: 7,
    receiveShift: 10,
    smoothedRoundTrip: 24,
    sinceSend: 5999,
    inRecovery: true,
  };
  socket.getOption(SOL_TCP, T.TCP_INFO, out);
  const more = tcpInfo.decode(out);
  t.deepEqual(
    [more.options, more.wscale, more.rtt, more.last_data_sent, more.rto, more.ca_state, more.snd_cwnd],
    [7, 0xa7, 24, 5, 1_000_000, T.TCP_CA_Recovery, 10],
  );
  tcp.details = { timeouts: 3 };
  socket.getOption(SOL_TCP, T.TCP_INFO, out);
  t.deepEqual([out[1], out[2]], [T.TCP_CA_Loss, 3]);
  tcp.state = 'LISTEN';
  socket.getOption(SOL_TCP, T.TCP_INFO, out);
  t.is(tcpInfo.decode(out).snd_mss, 0);
});

test('SOL_IP: ranges, one-octet forms and read-backs as measured', (t) => {
  const udp = datagram();
  t.deepEqual(ranges(udp.socket, SOL_IP, IN.IP_TOS, [-1, 0, 5, 255, 300]), [
    [0, 255],
    [0, 0],
    [0, 5],
    [0, 255],
    [0, 44],
  ]);
  t.deepEqual(ranges(stream().socket, SOL_IP, IN.IP_TOS, [-1, 5, 255, 300]), [
    [0, 252],
    [0, 4],
    [0, 252],
    [0, 44],
  ]);
  t.deepEqual(ranges(udp.socket, SOL_IP, IN.IP_TTL, [-1, 0, 1, 255, 256]), [
    [0, 64],
    [-22, 64],
    [0, 1],
    [0, 255],
    [-22, 255],
  ]);
  t.is(udp.udp.settings.ttl, 255);
  t.is(udp.udp.settings.tos, 44);
  for (const option of [IN.IP_PKTINFO, IN.IP_RECVTTL, IN.IP_RECVTOS, IN.IP_RECVORIGDSTADDR, IN.IP_RECVERR]) {
    t.deepEqual(ranges(udp.socket, SOL_IP, option, [-1, 0, 300]), [
      [0, 1],
      [0, 0],
      [0, 1],
    ]);
  }
  t.true(udp.udp.settings.receiveErrors);
  const one = octets('\x05');
  const none = new Uint8Array(0);
  const out = new Uint8Array(4);
  t.is(udp.socket.setOption(SOL_IP, IN.IP_TTL, one, USER), 0);
  t.is(udp.socket.getOption(SOL_IP, IN.IP_TTL, out.subarray(0, 2)), 1);
  t.is(out[0], 5);
  t.is(udp.socket.setOption(SOL_IP, IN.IP_TTL, none, USER), -EINVAL);
  t.is(udp.socket.setOption(SOL_IP, IN.IP_TOS, none, USER), 0);
  t.is(get(udp.socket, SOL_IP, IN.IP_TOS), 0);
});

test('IP_MTU_DISCOVER: each mode reaches the endpoint, apart from that of IPv6', (t) => {
  const { socket, udp } = datagram(AF_INET6);
  t.is(get(socket, SOL_IP, IN.IP_MTU_DISCOVER), IN.IP_PMTUDISC_WANT);
  for (let mode = IN.IP_PMTUDISC_DONT; mode <= IN.IP_PMTUDISC_OMIT; mode++) {
    t.is(set(socket, SOL_IP, IN.IP_MTU_DISCOVER, mode), 0);
    t.is(udp.settings.pathMtuDiscovery, mode);
  }
  t.is(udp.settings.pathMtuDiscovery6, IN.IP_PMTUDISC_WANT);
  t.is(set(socket, SOL_IPV6, IN.IPV6_MTU_DISCOVER, IN.IP_PMTUDISC_PROBE), 0);
  t.deepEqual(
    [udp.settings.pathMtuDiscovery, udp.settings.pathMtuDiscovery6],
    [IN.IP_PMTUDISC_OMIT, IN.IP_PMTUDISC_PROBE],
  );
  t.is(set(socket, SOL_IP, IN.IP_MTU_DISCOVER, 6), -EINVAL);
  t.is(set(socket, SOL_IP, IN.IP_MTU_DISCOVER, -1), -EINVAL);
  t.is(set(stream().socket, SOL_IP, IN.IP_MTU_DISCOVER, IN.IP_PMTUDISC_DONT), 0);
});

test('IP_MTU and IPV6_MTU: of the route, once connected', (t) => {
  const { socket, udp, stack } = datagram(AF_INET6);
  t.is(get(socket, SOL_IP, IN.IP_MTU), -ENOTCONN);
  t.is(get(socket, SOL_IPV6, IN.IPV6_MTU), -ENOTCONN);
  udp.isConnected = true;
  t.is(get(socket, SOL_IP, IN.IP_MTU), 1500);
  t.is(get(socket, SOL_IPV6, IN.IPV6_MTU), 1500);
  stack.mtu = undefined;
  t.is(get(socket, SOL_IP, IN.IP_MTU), -ENOTCONN);
});

test('multicast options: TTL, loop and interface, of datagram sockets', (t) => {
  const { socket, udp } = datagram();
  t.deepEqual(ranges(socket, SOL_IP, IN.IP_MULTICAST_TTL, [-1, 0, 255, 256]), [
    [0, 1],
    [0, 0],
    [0, 255],
    [-22, 255],
  ]);
  t.is(set(stream().socket, SOL_IP, IN.IP_MULTICAST_TTL, 1), -EINVAL);
  t.deepEqual(ranges(socket, SOL_IP, IN.IP_MULTICAST_LOOP, [0, 5]), [
    [0, 0],
    [0, 1],
  ]);
  const put = (value: Uint8Array): number => socket.setOption(SOL_IP, IN.IP_MULTICAST_IF, value, USER);
  t.is(put(address('10.0.2.15')), 0);
  t.is(udp.settings.multicastInterface, 2);
  const out = new Uint8Array(12);
  t.is(socket.getOption(SOL_IP, IN.IP_MULTICAST_IF, out), 4);
  t.deepEqual([...out.subarray(0, 4)], [10, 0, 2, 15]);
  t.is(put(address('9.9.9.9')), -EADDRNOTAVAIL);
  t.is(put(octets('ab')), -EINVAL);
  const byIndex = new Uint8Array(12);
  byIndex[8] = 1;
  t.is(put(byIndex), 0);
  t.is(udp.settings.multicastInterface, 1);
  byIndex[8] = 77;
  t.is(put(byIndex), -EADDRNOTAVAIL);
  t.is(put(new Uint8Array(8)), 0);
  t.is(udp.settings.multicastInterface, 0);

  const six = datagram(AF_INET6);
  t.deepEqual(ranges(six.socket, SOL_IPV6, IN.IPV6_MULTICAST_IF, [2, 5, 0]), [
    [0, 2],
    [-ENODEV, 2],
    [0, 0],
  ]);
  t.deepEqual(ranges(six.socket, SOL_IPV6, IN.IPV6_MULTICAST_HOPS, [-2, -1, 0, 256]), [
    [-22, 1],
    [0, 1],
    [0, 0],
    [-22, 0],
  ]);
  t.deepEqual(ranges(six.socket, SOL_IPV6, IN.IPV6_MULTICAST_LOOP, [-1, 0, 1, 2]), [
    [-22, 1],
    [0, 0],
    [0, 1],
    [-22, 1],
  ]);
  t.is(set(stream(AF_INET6).socket, SOL_IPV6, IN.IPV6_MULTICAST_HOPS, 1), -ENOPROTOOPT);
});

test('SOL_IPV6: V6ONLY only while unbound, hop limit, traffic class without the ECN bits on a stream', (t) => {
  const { socket, tcp } = stream(AF_INET6);
  t.deepEqual(ranges(socket, SOL_IPV6, IN.IPV6_V6ONLY, [1, 0, -1]), [
    [0, 1],
    [0, 0],
    [0, 1],
  ]);
  tcp.isBound = true;
  t.is(set(socket, SOL_IPV6, IN.IPV6_V6ONLY, 0), -EINVAL);
  t.is(get(socket, SOL_IPV6, IN.IPV6_V6ONLY), 1);
  t.deepEqual(ranges(socket, SOL_IPV6, IN.IPV6_UNICAST_HOPS, [-2, -1, 1, 255, 256]), [
    [-22, 64],
    [0, 64],
    [0, 1],
    [0, 255],
    [-22, 255],
  ]);
  t.is(tcp.settings.ttl, 255);
  t.deepEqual(ranges(socket, SOL_IPV6, IN.IPV6_TCLASS, [-2, -1, 5, 255, 256]), [
    [-22, 0],
    [0, 0],
    [0, 4],
    [0, 252],
    [-22, 252],
  ]);
  t.is(tcp.settings.tos, 252);
  t.is(get(socket, SOL_IP, IN.IP_TOS), 0, 'IPv4’s own');
  const udp = datagram(AF_INET6);
  t.deepEqual(ranges(udp.socket, SOL_IPV6, IN.IPV6_TCLASS, [5, 255]), [
    [0, 5],
    [0, 255],
  ]);
  for (const option of [
    IN.IPV6_RECVPKTINFO,
    IN.IPV6_RECVHOPLIMIT,
    IN.IPV6_RECVTCLASS,
    IN.IPV6_RECVORIGDSTADDR,
    IN.IPV6_RECVERR,
  ]) {
    t.deepEqual(ranges(udp.socket, SOL_IPV6, option, [1, 0, -2]), [
      [0, 1],
      [0, 0],
      [0, 1],
    ]);
  }
  t.true(udp.udp.settings.receiveErrors6);
  t.false(udp.udp.settings.receiveErrors, 'which is IPv4’s');
  t.deepEqual(ranges(udp.socket, SOL_IPV6, IN.IPV6_MTU_DISCOVER, [2, 6]), [
    [0, 2],
    [-22, 2],
  ]);
});
