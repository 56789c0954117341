/** What an accepted connection has of its listener, and what descriptors of one socket share. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { showOctets } from '../session.ts';

const group = 'inheritance';

type Choice = readonly [level: number, option: number, value: number];
const socket = (option: number, value: number): Choice => [c.SOL_SOCKET, option, value];
const tcp = (option: number, value: number): Choice => [c.SOL_TCP, option, value];

const OF_SOCKET: readonly Choice[] = [
  socket(c.SO_REUSEADDR, 1),
  socket(c.SO_REUSEPORT, 1),
  socket(c.SO_DONTROUTE, 1),
  socket(c.SO_BROADCAST, 1),
  socket(c.SO_KEEPALIVE, 1),
  socket(c.SO_OOBINLINE, 1),
  socket(c.SO_NO_CHECK, 1),
  socket(c.SO_PRIORITY, 5),
  socket(c.SO_RCVLOWAT, 7),
  socket(c.SO_SNDBUF, 20_000),
  socket(c.SO_RCVBUF, 30_000),
  socket(c.SO_TIMESTAMP, 1),
  socket(c.SO_RXQ_OVFL, 1),
  socket(c.SO_WIFI_STATUS, 1),
  socket(c.SO_PEEK_OFF, 3),
  socket(c.SO_NOFCS, 1),
  socket(c.SO_LOCK_FILTER, 1),
  socket(c.SO_SELECT_ERR_QUEUE, 1),
  socket(c.SO_BUSY_POLL, 50),
  socket(c.SO_MAX_PACING_RATE, 1_000_000),
  socket(c.SO_TIMESTAMPING, c.SOF_TIMESTAMPING_RX_SOFTWARE),
  socket(c.SO_TXREHASH, 0),
  socket(c.SO_RCVMARK, 1),
  socket(c.SO_RCVPRIORITY, 1),
  socket(c.SO_BINDTOIFINDEX, 1),
];
const OF_TCP: readonly Choice[] = [
  tcp(c.TCP_NODELAY, 1),
  tcp(c.TCP_CORK, 1),
  tcp(c.TCP_KEEPIDLE, 100),
  tcp(c.TCP_KEEPINTVL, 11),
  tcp(c.TCP_KEEPCNT, 3),
  tcp(c.TCP_SYNCNT, 2),
  tcp(c.TCP_LINGER2, 5),
  tcp(c.TCP_WINDOW_CLAMP, 5000),
  tcp(c.TCP_QUICKACK, 0),
  tcp(c.TCP_THIN_LINEAR_TIMEOUTS, 1),
  tcp(c.TCP_USER_TIMEOUT, 12_000),
  tcp(c.TCP_NOTSENT_LOWAT, 9000),
  tcp(c.TCP_SAVE_SYN, 1),
  tcp(c.TCP_INQ, 1),
  tcp(c.TCP_TX_DELAY, 10),
  tcp(c.TCP_RTO_MAX_MS, 5000),
  tcp(c.TCP_RTO_MIN_US, 100_000),
  tcp(c.TCP_DELACK_MAX_US, 20_000),
];

function compare(sys: System, choices: readonly Choice[]): void {
  const a = kit(sys);
  const { fd, port } = a.listener();
  for (const choice of choices) a.setInt(fd, ...choice);
  a.connect(a.tcp(), '127.0.0.1', port);
  const accepted = a.accept(fd);
  for (const [level, option] of choices) a.getInt(accepted, level, option);
}
conformance('an accepted connection has the options of SOL_SOCKET of its listener', { group }, (sys) => {
  compare(sys, OF_SOCKET);
});
conformance('an accepted connection has the options of SOL_TCP of its listener', { group }, (sys) => {
  compare(sys, OF_TCP);
});

const readLong = (sys: System, a: Kit, fd: number, level: number, option: number): number =>
  a.task.call('getsockopt', fd, level, option, sys.alloc(16, 'value', showOctets), a.int(16, 'len'));

conformance(
  'an accepted connection has the times, the linger and the congestion control of its listener',
  { group },
  (sys) => {
    const a = kit(sys);
    const { fd, port } = a.listener();
    a.setTimeout(fd, c.SO_RCVTIMEO, 3, 0);
    a.setTimeout(fd, c.SO_SNDTIMEO, 4, 500_000);
    const linger = sys.alloc(8, 'linger');
    sys.put(c.linger, linger, { onoff: 1, linger: 9 });
    a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_LINGER, linger, 8);
    a.task.call('setsockopt', fd, c.SOL_TCP, c.TCP_CONGESTION, a.octets('reno', 'name'), 4);
    a.connect(a.tcp(), '127.0.0.1', port);
    const accepted = a.accept(fd);
    for (const option of [c.SO_RCVTIMEO, c.SO_SNDTIMEO, c.SO_LINGER]) readLong(sys, a, accepted, c.SOL_SOCKET, option);
    readLong(sys, a, accepted, c.SOL_TCP, c.TCP_CONGESTION);
  },
);

conformance('what is set on a listener comes too late for who waits already', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  a.connect(a.tcp(), '127.0.0.1', port);
  const late: readonly Choice[] = [
    socket(c.SO_KEEPALIVE, 1),
    socket(c.SO_PRIORITY, 5),
    socket(c.SO_RCVLOWAT, 7),
    socket(c.SO_TIMESTAMP, 1),
    tcp(c.TCP_NODELAY, 1),
    tcp(c.TCP_KEEPIDLE, 100),
    tcp(c.TCP_INQ, 1),
  ];
  for (const choice of late) a.setInt(fd, ...choice);
  a.setTimeout(fd, c.SO_RCVTIMEO, 3, 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  for (const when of ['before', 'after']) {
    sys.record('connected', when);
    const accepted = a.accept(fd);
    for (const [level, option] of late) a.getInt(accepted, level, option);
    readLong(sys, a, accepted, c.SOL_SOCKET, c.SO_RCVTIMEO);
  }
});

conformance('a listener goes its own way once a connection is accepted', { group }, (sys) => {
  const a = kit(sys);
  const { server, listener } = a.pair();
  a.setInt(server, c.SOL_SOCKET, c.SO_BUSY_POLL, 7);
  a.getInt(listener, c.SOL_SOCKET, c.SO_BUSY_POLL);
  a.setInt(listener, c.SOL_SOCKET, c.SO_BUSY_POLL, 9);
  a.getInt(server, c.SOL_SOCKET, c.SO_BUSY_POLL);
});

conformance('descriptors of one socket share its options', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  for (const fd of [a.tcp(), a.udp()]) {
    const other = a.task.call('dup', fd);
    for (const [option, value] of [
      [c.SO_KEEPALIVE, 1],
      [c.SO_PRIORITY, 3],
      [c.SO_BUF_LOCK, 3],
      [c.SO_TIMESTAMPNS_NEW, 1],
    ] as const) {
      a.setInt(other, c.SOL_SOCKET, option, value);
      b.getInt(fd, c.SOL_SOCKET, option);
    }
    a.close(other);
    a.getInt(fd, c.SOL_SOCKET, c.SO_PRIORITY);
  }
});

conformance('TCP_CONGESTION is a name that there is', { group }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  const set = (fd: number, name: string) =>
    a.task.call('setsockopt', fd, c.SOL_TCP, c.TCP_CONGESTION, a.octets(name, 'name'), name.length);
  for (const fd of [a.tcp(), client]) {
    for (const name of ['reno', 'nosuch', 'reno\0cubic', 'ren', 'renoo', 'reno-with-a-very-long-tail']) {
      set(fd, name);
      readLong(sys, a, fd, c.SOL_TCP, c.TCP_CONGESTION);
    }
  }
});
