/** cmsg(3): IP_PKTINFO, IP_TTL, SO_TIMESTAMP, both ways. */
import { conformance, type System } from '../body.ts';
import { inet, type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asText } from '../show.ts';

const group = 'control';

const int = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  c.i32.put(bytes, 0, value);
  return bytes;
};

const info = (specDst: number, ifindex: number): Uint8Array => {
  const bytes = new Uint8Array(12);
  c.inPktinfo.put(bytes, 0, { ifindex, specDst, addr: 0 });
  return bytes;
};

/** A UDP socket that is to report IP_PKTINFO and IP_TTL, with one message of its own waiting. */
function reporting(a: Kit): { readonly fd: number; readonly port: number } {
  const { fd, port } = a.udpBound();
  a.setInt(fd, c.SOL_IP, c.IP_PKTINFO, 1);
  a.setInt(fd, c.SOL_IP, c.IP_RECVTTL, 1);
  return { fd, port };
}
function receive(sys: System, a: Kit, fd: number, controllen: number, flags = 0): number {
  return a.task.call(
    'recvmsg',
    fd,
    a.msghdr({ iov: [[sys.alloc(8, 'in', asText), 8]], control: a.controlRoom(80), controllen }),
    flags | c.MSG_DONTWAIT,
  );
}

conformance('recvmsg reports IP_PKTINFO before IP_TTL', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = reporting(a);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  receive(sys, a, fd, 80);
  a.getInt(fd, c.SOL_IP, c.IP_PKTINFO);
  a.getInt(fd, c.SOL_IP, c.IP_RECVTTL);
});

conformance('recvmsg cuts control messages at every length', { group, pitfall: 21 }, (sys) => {
  const a = kit(sys);
  const { fd, port } = reporting(a);
  for (const room of [0, 1, 15, 16, 17, 20, 27, 28, 29, 31, 32, 40, 47, 48, 49, 51, 52, 53, 56, 64]) {
    a.sendTo(fd, 'x', '127.0.0.1', port);
    receive(sys, a, fd, room);
  }
});

conformance('recvmsg says MSG_CTRUNC when there is no room for control at all', { group, pitfall: 22 }, (sys) => {
  const a = kit(sys);
  const { fd, port } = reporting(a);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.task.call('recvmsg', fd, a.msghdr({ iov: [[sys.alloc(8, 'in'), 8]] }), 0);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.task.call('recvmsg', fd, a.msghdr({ iov: [[sys.alloc(8, 'in'), 8]], controllen: 80 }), c.MSG_DONTWAIT);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.task.call(
    'recvmsg',
    fd,
    a.msghdr({ iov: [[sys.alloc(8, 'in'), 8]], control: NOWHERE, controllen: 80 }),
    c.MSG_DONTWAIT,
  );
  a.recv(fd, 8, c.MSG_DONTWAIT);
});

conformance('recvmsg leaves MSG_CTRUNC out when nothing is pending', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'x', '127.0.0.1', port);
  receive(sys, a, fd, 80);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  receive(sys, a, fd, 0);
});

conformance('SO_TIMESTAMP comes with each message received after it was set', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMP, 1);
  a.getInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMP);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  receive(sys, a, fd, 80, c.MSG_PEEK);
  receive(sys, a, fd, 80);
  a.setInt(fd, c.SOL_IP, c.IP_RECVTTL, 1);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  receive(sys, a, fd, 80);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  receive(sys, a, fd, 20);
  a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMP, 0);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  receive(sys, a, fd, 80);
});

conformance('IP_TTL of a socket is what its peer is told', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = reporting(a);
  const out = a.udp();
  a.setInt(out, c.SOL_IP, c.IP_TTL, 7);
  a.sendTo(out, 'x', '127.0.0.1', port);
  receive(sys, a, fd, 80);
});

conformance('sendmsg honours IP_TTL and IP_PKTINFO', { group, pitfall: 28 }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('0.0.0.0');
  a.setInt(fd, c.SOL_IP, c.IP_PKTINFO, 1);
  a.setInt(fd, c.SOL_IP, c.IP_RECVTTL, 1);
  const to = a.octets(inet('127.0.0.1', port), 'addr');
  const out = a.udp();
  const control = a.control([
    { level: c.SOL_IP, type: c.IP_TTL, data: int(9) },
    { level: c.SOL_IP, type: c.IP_PKTINFO, data: info(0x7f000005, 0) },
  ]);
  const iov = [[a.octets('x', 'out'), 1]] as const;
  a.task.call(
    'sendmsg',
    out,
    a.msghdr({ name: to, namelen: 16, iov, control: control.at, controllen: control.len }),
    0,
  );
  a.recvFrom(fd, 8, c.MSG_PEEK);
  receive(sys, a, fd, 80);
});

conformance('sendmsg checks the values of IP_TTL and IP_PKTINFO', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const to = a.octets(inet('127.0.0.1', port), 'addr');
  const iov = [[a.octets('x', 'out'), 1]] as const;
  const cases = [
    { type: c.IP_TTL, data: int(0) },
    { type: c.IP_TTL, data: int(256) },
    { type: c.IP_TTL, data: int(-1) },
    { type: c.IP_TTL, data: new Uint8Array([5, 0]) },
    { type: c.IP_PKTINFO, data: new Uint8Array(8) },
    { type: c.IP_PKTINFO, data: info(0xc0000201, 0) },
    { type: c.IP_PKTINFO, data: info(0, 99) },
    { type: c.IP_PKTINFO, data: info(0, 1) },
    { type: 99, data: int(1) },
  ];
  for (const { type, data } of cases) {
    const control = a.control([{ level: c.SOL_IP, type, data }]);
    a.task.call(
      'sendmsg',
      fd,
      a.msghdr({ name: to, namelen: 16, iov, control: control.at, controllen: control.len }),
      0,
    );
  }
});

conformance('sendmsg ignores control messages of foreign levels', { group, pitfall: 23 }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const to = a.octets(inet('127.0.0.1', port), 'addr');
  const iov = [[a.octets('x', 'out'), 1]] as const;
  const cases = [
    { level: 77, type: 1, data: int(1) },
    { level: c.SOL_SOCKET, type: c.SCM_RIGHTS, data: int(0) },
    { level: c.SOL_IPV6, type: c.IPV6_PKTINFO, data: new Uint8Array(20) },
    { level: c.SOL_SOCKET, type: c.SCM_TIMESTAMP, data: new Uint8Array(16) },
    { level: c.SOL_SOCKET, type: 99, data: int(1) },
  ];
  for (const message of cases) {
    const control = a.control([message]);
    a.task.call(
      'sendmsg',
      fd,
      a.msghdr({ name: to, namelen: 16, iov, control: control.at, controllen: control.len }),
      0,
    );
  }
  const short = a.octets(new Uint8Array(8), 'control');
  a.task.call('sendmsg', fd, a.msghdr({ name: to, namelen: 16, iov, control: short, controllen: 8 }), 0);
});

conformance('sendmsg checks the lengths of control messages', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const to = a.octets(inet('127.0.0.1', port), 'addr');
  const iov = [[a.octets('x', 'out'), 1]] as const;
  for (const len of [0, 8, 15, 16, 20, 24, 25, 1000]) {
    const control = a.control([{ level: c.SOL_IP, type: c.IP_TTL, data: int(5), len }]);
    a.task.call(
      'sendmsg',
      fd,
      a.msghdr({ name: to, namelen: 16, iov, control: control.at, controllen: control.len }),
      0,
    );
  }
  const control = a.control([{ level: c.SOL_IP, type: c.IP_TTL, data: int(5) }]);
  for (const controllen of [16, 19, 20, 23, 24]) {
    a.task.call('sendmsg', fd, a.msghdr({ name: to, namelen: 16, iov, control: control.at, controllen }), 0);
  }
  a.task.call('sendmsg', fd, a.msghdr({ name: to, namelen: 16, iov, control: NOWHERE, controllen: 24 }), 0);
  a.task.call('sendmsg', fd, a.msghdr({ name: to, namelen: 16, iov, control: 0, controllen: 24 }), 0);
});

conformance('sendmsg refuses control of absurd length', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const to = a.octets(inet('127.0.0.1', port), 'addr');
  const iov = [[a.octets('x', 'out'), 1]] as const;
  const control = sys.alloc(200_000, 'control');
  for (const controllen of [200_000, 0x8000_0000, 0x1_0000_0000]) {
    a.task.call('sendmsg', fd, a.msghdr({ name: to, namelen: 16, iov, control, controllen }), 0);
  }
});

conformance('TCP has no IP_PKTINFO to report and ignores it on send', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.setInt(server, c.SOL_IP, c.IP_PKTINFO, 1);
  a.setInt(server, c.SOL_IP, c.IP_RECVTTL, 1);
  const control = a.control([{ level: c.SOL_IP, type: c.IP_TTL, data: int(9) }]);
  const iov = [[a.octets('x', 'out'), 1]] as const;
  a.task.call('sendmsg', client, a.msghdr({ iov, control: control.at, controllen: control.len }), 0);
  receive(sys, a, server, 80);
});
