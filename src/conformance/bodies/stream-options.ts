/** What options of a stream do to its octets: SO_PEEK_OFF, TCP_INQ, SO_TIMESTAMP, SO_ATTACH_FILTER, TCP_NOTSENT_LOWAT, TCP_SAVE_SYN and the like. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asText } from '../show.ts';
import { attach, type Instruction, program } from './filter-kit.ts';

const group = 'stream-options';

function receive(sys: System, a: Kit, fd: number, octets: number, flags = 0, controllen = 128): number {
  return a.task.call(
    'recvmsg',
    fd,
    a.msghdr({ iov: [[sys.alloc(octets, 'in', asText), octets]], control: a.controlRoom(128), controllen }),
    flags | c.MSG_DONTWAIT,
  );
}

conformance('SO_PEEK_OFF moves with every peek and every read of a stream', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const offset = () => a.getInt(server, c.SOL_SOCKET, c.SO_PEEK_OFF);
  a.send(client, 'abcdefghij');
  a.recv(server, 3, c.MSG_PEEK);
  offset();
  a.setInt(server, c.SOL_SOCKET, c.SO_PEEK_OFF, 0);
  a.recv(server, 3, c.MSG_PEEK);
  offset();
  a.recv(server, 3, c.MSG_PEEK);
  offset();
  a.recv(server, 2);
  offset();
  a.recv(server, 20, c.MSG_PEEK);
  offset();
  a.recv(server, 3, c.MSG_PEEK | c.MSG_DONTWAIT);
  a.poll(server);
  a.recv(server, 20);
  offset();
  a.send(client, 'kl');
  a.recv(server, 9, c.MSG_PEEK);
  a.setInt(server, c.SOL_SOCKET, c.SO_PEEK_OFF, 1);
  a.recv(server, 9, c.MSG_PEEK);
  a.setInt(server, c.SOL_SOCKET, c.SO_PEEK_OFF, -1);
  a.recv(server, 9, c.MSG_PEEK);
  offset();
});

conformance('a peek behind SO_PEEK_OFF waits for more', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.setInt(server, c.SOL_SOCKET, c.SO_PEEK_OFF, 4);
  a.send(client, 'abcd');
  b.startRecv(server, 9, c.MSG_PEEK);
  a.send(client, 'ef');
  b.task.finish();
});

conformance('TCP_INQ tells how much is left', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.setInt(server, c.SOL_TCP, c.TCP_INQ, 1);
  a.send(client, 'abcdefghij');
  receive(sys, a, server, 3);
  receive(sys, a, server, 3, c.MSG_PEEK);
  receive(sys, a, server, 3, 0, 19);
  receive(sys, a, server, 3, 0, 0);
  receive(sys, a, server, 3);
  receive(sys, a, server, 3);
  a.send(client, 'kl');
  a.task.call('shutdown', client, c.SHUT_WR);
  receive(sys, a, server, 1);
  receive(sys, a, server, 1);
  receive(sys, a, server, 1);
});

conformance('SO_TIMESTAMP and its like on a stream', { group }, (sys) => {
  const a = kit(sys);
  // The first socket that asks makes the kernel stamp all packets, a while later.
  a.setInt(a.udp(), c.SOL_SOCKET, c.SO_TIMESTAMP, 1);
  sys.sleep(100);
  const { client, server } = a.pair();
  const options = [c.SO_TIMESTAMP, c.SO_TIMESTAMPNS, c.SO_TIMESTAMP_NEW, c.SO_TIMESTAMPNS_NEW];
  for (const option of options) {
    a.setInt(server, c.SOL_SOCKET, option, 1);
    a.send(client, 'abc');
    sys.record('option', option);
    const control = sys.alloc(
      64,
      'control',
      (b) => `${b.subarray(0, 16).join(' ')}, a time of ${b.length - 16} octets`,
    );
    a.task.call('recvmsg', server, a.msghdr({ iov: [[sys.alloc(8, 'in', asText), 8]], control, controllen: 64 }), 0);
    a.setInt(server, c.SOL_SOCKET, option, 0);
  }
  a.setInt(server, c.SOL_SOCKET, c.SO_TIMESTAMPING, c.SOF_TIMESTAMPING_SOFTWARE | c.SOF_TIMESTAMPING_RX_SOFTWARE);
  a.send(client, 'abc');
  const control = sys.alloc(64, 'control', (b) => b.subarray(0, 16).join(' '));
  a.task.call('recvmsg', server, a.msghdr({ iov: [[sys.alloc(8, 'in', asText), 8]], control, controllen: 64 }), 0);
});

conformance('a filter cuts datagrams and drops them', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const sender = a.udp();
  const exchange = (text: string) => {
    a.sendTo(sender, text, '127.0.0.1', port);
    a.recv(fd, 100, c.MSG_DONTWAIT | c.MSG_TRUNC);
  };
  // The first octet of the payload decides: 'a' all of it, 'b' two octets, else nothing. Offsets count from the header of UDP.
  attach(
    a,
    fd,
    program(
      [0x30, 0, 0, 8],
      [0x15, 2, 0, 0x61],
      [0x15, 2, 0, 0x62],
      [0x06, 0, 0, 0],
      [0x06, 0, 0, 0xffff],
      [0x06, 0, 0, 10],
    ),
  );
  for (const text of ['abcdef', 'bcdefg', 'cdefgh', 'a', 'b', '']) exchange(text);
  a.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_ATTACH_FILTER, sys.alloc(64, 'filter'), a.int(8, 'len'));
  a.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_ATTACH_FILTER, sys.alloc(64, 'filter'), a.int(5, 'len'));
  a.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_ATTACH_FILTER, sys.alloc(64, 'filter'), a.int(0, 'len'));
  a.setInt(fd, c.SOL_SOCKET, c.SO_LOCK_FILTER, 1);
  a.setInt(fd, c.SOL_SOCKET, c.SO_DETACH_FILTER, 0);
  attach(a, fd, program([0x06, 0, 0, 0]));
  a.setInt(fd, c.SOL_SOCKET, c.SO_LOCK_FILTER, 0);
  exchange('cdef');
});

conformance('a filter calculates, remembers and jumps', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const sender = a.udp();
  const lengthOf = (name: string, ...code: readonly Instruction[]) => {
    sys.record('program', name);
    if (attach(a, fd, program(...code)) !== 0) return;
    a.sendTo(sender, 'abcdefghijklmnop', '127.0.0.1', port);
    a.recv(fd, 100, c.MSG_DONTWAIT);
  };
  lengthOf('the length', [0x80, 0, 0, 0], [0x16, 0, 0, 0]);
  lengthOf('half the length', [0x80, 0, 0, 0], [0x34, 0, 0, 2], [0x16, 0, 0, 0]);
  lengthOf('by memory', [0x00, 0, 0, 11], [0x02, 0, 0, 3], [0x00, 0, 0, 0], [0x60, 0, 0, 3], [0x16, 0, 0, 0]);
  lengthOf('by X', [0x01, 0, 0, 3], [0x00, 0, 0, 4], [0x2c, 0, 0, 0], [0x16, 0, 0, 0]);
  lengthOf('division by X of 0 drops', [0x01, 0, 0, 0], [0x00, 0, 0, 9], [0x3c, 0, 0, 0], [0x16, 0, 0, 0]);
  lengthOf('indirect', [0x01, 0, 0, 6], [0x50, 0, 0, 3], [0x14, 0, 0, 0x58], [0x16, 0, 0, 0]);
  lengthOf('beyond the packet drops', [0x20, 0, 0, 100], [0x06, 0, 0, 0xffff]);
  lengthOf('header length', [0xb1, 0, 0, 8], [0x87, 0, 0, 0], [0x16, 0, 0, 0]);
  lengthOf('the network header', [0x30, 0, 0, -0x100000], [0x54, 0, 0, 0xf], [0x04, 0, 0, 8], [0x16, 0, 0, 0]);
  lengthOf('the protocol', [0x20, 0, 0, -0x1000], [0x15, 0, 1, 0x800], [0x06, 0, 0, 12], [0x06, 0, 0, 13]);
  lengthOf('the interface', [0x20, 0, 0, -0x1000 + 8], [0x04, 0, 0, 9], [0x16, 0, 0, 0]);
  lengthOf('negative and shifts', [0x00, 0, 0, -64], [0x84, 0, 0, 0], [0x74, 0, 0, 2], [0x16, 0, 0, 0]);
  lengthOf('unsigned comparison', [0x00, 0, 0, -1], [0x25, 0, 1, 5], [0x06, 0, 0, 9], [0x06, 0, 0, 10]);
});

conformance('a program that may not run is no filter', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  attach(a, fd, program([0x06, 0, 0, 1]), { len: 0 });
  attach(a, fd, program([0x06, 0, 0, 1]), { len: 4097 });
  attach(a, fd, program([0x00, 0, 0, 1]));
  attach(a, fd, program([0x05, 0, 0, 1], [0x06, 0, 0, 1]));
  attach(a, fd, program([0x15, 0, 1, 1], [0x06, 0, 0, 1]));
  attach(a, fd, program([0x60, 0, 0, 3], [0x16, 0, 0, 0]));
  attach(a, fd, program([0x15, 0, 1, 0], [0x02, 0, 0, 3], [0x60, 0, 0, 3], [0x16, 0, 0, 0]));
  attach(a, fd, program([0x02, 0, 0, 16], [0x16, 0, 0, 0]));
  attach(a, fd, program([0x34, 0, 0, 0], [0x16, 0, 0, 0]));
  attach(a, fd, program([0x64, 0, 0, 32], [0x16, 0, 0, 0]));
  attach(a, fd, program([0x07, 0, 0, 0], [0x0e, 0, 0, 0]));
  attach(a, fd, program([0xff, 0, 0, 0], [0x16, 0, 0, 0]));
  const bad = sys.alloc(16, 'fprog');
  sys.put(c.sockFprog, bad, { len: 2, filter: 8 });
  a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_ATTACH_FILTER, bad, 16);
});

conformance('TCP_SAVE_SYN keeps the headers of the SYN for who accepts', { group }, (sys) => {
  const a = kit(sys);
  for (const mode of [1, 2]) {
    for (const host of ['127.0.0.1', '::1']) {
      const { fd, port } = a.listener(host);
      a.setInt(fd, c.SOL_TCP, c.TCP_SAVE_SYN, mode);
      const client = a.tcp(0, host === '::1' ? c.AF_INET6 : c.AF_INET);
      a.connect(client, host, port);
      const server = a.accept(fd);
      a.getInt(server, c.SOL_TCP, c.TCP_SAVE_SYN);
      // The second octet of IPv6 begins the flow label, which is random.
      const first = mode === 2 ? 15 : 1;
      const syn = () => sys.alloc(128, 'syn', (b) => `begins ${b.subarray(0, first).join(' ')}`);
      a.task.call('getsockopt', server, c.SOL_TCP, c.TCP_SAVED_SYN, syn(), a.int(20, 'len'));
      a.task.call('getsockopt', server, c.SOL_TCP, c.TCP_SAVED_SYN, syn(), a.int(128, 'len'));
      a.task.call('getsockopt', server, c.SOL_TCP, c.TCP_SAVED_SYN, syn(), a.int(128, 'len'));
      a.task.call('getsockopt', client, c.SOL_TCP, c.TCP_SAVED_SYN, syn(), a.int(128, 'len'));
    }
  }
});

conformance('TCP_NOTSENT_LOWAT keeps a stream from being writable', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_NOTSENT_LOWAT, 1000);
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 1);
  a.send(client, 'x'.repeat(499));
  a.poll(client, c.POLLOUT);
  a.send(client, 'x');
  a.poll(client, c.POLLOUT);
  a.setInt(client, c.SOL_TCP, c.TCP_NOTSENT_LOWAT, 1002);
  a.poll(client, c.POLLOUT);
  a.setInt(client, c.SOL_TCP, c.TCP_NOTSENT_LOWAT, 1000);
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 0);
  a.poll(client, c.POLLOUT);
  a.recv(server, 1000);
});

conformance('SO_DONTROUTE does not hinder what is near', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const near = a.tcp();
  a.setInt(near, c.SOL_SOCKET, c.SO_DONTROUTE, 1);
  a.connect(near, '127.0.0.1', port);
  const far = a.udp();
  a.setInt(far, c.SOL_SOCKET, c.SO_DONTROUTE, 1);
  a.sendTo(far, 'x', '203.0.113.9', 9);
  a.accept(fd);
});

conformance('TCP_SYNCNT is 1..127', { group, pitfall: 13 }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  for (const value of [0, 1, 127, 128, 255, -1]) {
    a.setInt(fd, c.SOL_TCP, c.TCP_SYNCNT, value);
    a.getInt(fd, c.SOL_TCP, c.TCP_SYNCNT);
  }
});

conformance('TCP_DEFER_ACCEPT reads back in steps of retransmission', { group, pitfall: 15 }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  for (const value of [0, 1, 2, 3, 4, 5, 7, 8, 60, 63, 64, 1000, 1087, 1088, 100_000, -1]) {
    a.setInt(fd, c.SOL_TCP, c.TCP_DEFER_ACCEPT, value);
    a.getInt(fd, c.SOL_TCP, c.TCP_DEFER_ACCEPT);
  }
});
