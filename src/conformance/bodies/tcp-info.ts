/** TCP_INFO: the fields that do not depend on how fast or how large things are, in the states of a connection. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asTcpInfo, TCP_INFO_COUNTS, type TcpInfoField } from '../tcp-fields.ts';

const group = 'tcp-info';

/** Those, and what else a socket has that was never connected. */
const FRESH: readonly TcpInfoField[] = [
  ...TCP_INFO_COUNTS,
  'wscale',
  'rto',
  'ato',
  'snd_mss',
  'rttvar',
  'snd_cwnd',
  'min_rtt',
  'rtt',
];

function info(sys: System, a: Kit, fd: number, fields = TCP_INFO_COUNTS): void {
  const at = sys.alloc(c.tcpInfo.size, 'info', asTcpInfo(fields));
  a.task.call('getsockopt', fd, c.SOL_TCP, c.TCP_INFO, at, a.int(c.tcpInfo.size, 'len'));
}

conformance('TCP_INFO of a socket that was never connected, and of a listener', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  info(sys, a, fd, FRESH);
  const { fd: listener, port } = a.listener('127.0.0.1', 3);
  info(sys, a, listener, FRESH);
  for (let i = 0; i < 2; i++) a.connect(a.tcp(), '127.0.0.1', port);
  info(sys, a, listener, FRESH);
  a.accept(listener);
  info(sys, a, listener, FRESH);
});

conformance('TCP_INFO counts the handshake, what is sent and the end', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const both = () => {
    info(sys, a, client);
    info(sys, a, server);
  };
  both();
  a.send(client, 'x'.repeat(1000));
  both();
  a.recv(server, 600);
  both();
  a.send(server, 'abc');
  a.recv(client, 3);
  both();
  a.recv(server, 500);
  // Nagle would hold the second back for as long as the ACK of the first is delayed.
  a.setInt(client, c.SOL_TCP, c.TCP_NODELAY, 1);
  for (let i = 0; i < 3; i++) {
    a.send(client, 'y');
    a.recv(server, 500);
  }
  sys.sleep(100);
  both();
  a.task.call('shutdown', client, c.SHUT_WR);
  // The ACK of the FIN is delayed on Linux.
  sys.sleep(100);
  both();
  a.recv(server);
  a.close(server);
  info(sys, a, client);
});

conformance('TCP_INFO tells what was never sent', { group }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 1);
  a.send(client, 'abc');
  info(sys, a, client);
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 0);
  info(sys, a, client);
});

conformance('TCP_INFO of an attempt to connect, and after it was refused', { group }, (sys) => {
  const a = kit(sys);
  const { port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const waits = a.tcp(c.SOCK_NONBLOCK);
  a.connect(waits, '127.0.0.1', port);
  info(sys, a, waits);
  const refused = a.tcp();
  a.connect(refused, '127.0.0.1', 1);
  // Linux leaves its sequence numbers as they fall, so that something seems unsent.
  const fields = TCP_INFO_COUNTS.filter((field) => field !== 'notsent_bytes');
  info(sys, a, refused, fields);
});

conformance('TCP_INFO of the rate that was asked for', { group }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  a.setInt(client, c.SOL_SOCKET, c.SO_MAX_PACING_RATE, 125_000);
  info(sys, a, client);
  const wide = sys.alloc(8, 'rate');
  sys.put(c.u64, wide, 10_000_000_000);
  a.task.call('setsockopt', client, c.SOL_SOCKET, c.SO_MAX_PACING_RATE, wide, 8);
  info(sys, a, client);
  a.getInt(client, c.SOL_SOCKET, c.SO_MAX_PACING_RATE);
});

conformance('TCP_INFO is 280 octets, cut to the room', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  for (const room of [0, 1, 8, 279, 280, 281, 512]) {
    const len = a.int(room, 'len');
    a.task.call(
      'getsockopt',
      fd,
      c.SOL_TCP,
      c.TCP_INFO,
      sys.alloc(512, 'info', () => ''),
      len,
    );
    sys.record(`told of ${room}`, sys.get(c.i32, len));
  }
});

conformance('a backlog is 4096 at most', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  for (const backlog of [4095, 4096, 4097, 0x7fff_ffff, -1, 0]) {
    a.listen(fd, backlog);
    // What a listener tells in this field is sk_max_ack_backlog.
    info(sys, a, fd, ['sacked']);
  }
});
