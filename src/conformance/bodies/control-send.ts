/** Control messages on send, both families: ip(7), ipv6(7), udp(7), socket(7). */
import { conformance, type System } from '../body.ts';
import { type ControlMessage, inet, inet6, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asText } from '../show.ts';

const group = 'control';

const int = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  c.i32.put(bytes, 0, value);
  return bytes;
};
const info6 = (last: number, ifindex: number, first = 0): Uint8Array => {
  const bytes = new Uint8Array(20);
  bytes[0] = first;
  bytes[15] = last;
  c.i32.put(bytes, 16, ifindex);
  return bytes;
};
const info = (specDst: number, ifindex: number): Uint8Array => {
  const bytes = new Uint8Array(12);
  c.inPktinfo.put(bytes, 0, { ifindex, specDst, addr: 0 });
  return bytes;
};

const FAMILIES = [
  { name: 'IPv4', family: c.AF_INET, host: '127.0.0.1', any: '0.0.0.0' },
  { name: 'IPv6', family: c.AF_INET6, host: '::1', any: '::' },
] as const;
type Of = (typeof FAMILIES)[number];

/** A sender, and a reader that is told all about what comes. */
function scene(sys: System, { family, any, host }: Of) {
  const a = kit(sys);
  const { fd, port } = a.udpBound(any);
  const level = family === c.AF_INET ? c.SOL_IP : c.SOL_IPV6;
  const asked =
    family === c.AF_INET
      ? [c.IP_PKTINFO, c.IP_RECVTTL, c.IP_RECVTOS]
      : [c.IPV6_RECVPKTINFO, c.IPV6_RECVHOPLIMIT, c.IPV6_RECVTCLASS];
  for (const option of asked) a.setInt(fd, level, option, 1);
  const out = a.udp(0, family);
  const name = family === c.AF_INET ? inet(host, port) : inet6('::1', port);
  const to = a.octets(name, 'addr');
  const send = (...messages: ControlMessage[]): number => {
    const control = a.control(messages);
    const iov = [[a.octets('x', 'out'), 1]] as const;
    const msg = a.msghdr({ name: to, namelen: name.length, iov, control: control.at, controllen: control.len });
    return a.task.call('sendmsg', out, msg, 0);
  };
  const receive = (): number => receiveOn(sys, a, fd);
  return { a, fd, out, port, send, receive };
}
function receiveOn(sys: System, a: Kit, fd: number): number {
  const control = a.controlRoom(200);
  const iov = [[sys.alloc(8, 'in', asText), 8]] as const;
  return a.task.call('recvmsg', fd, a.msghdr({ iov, control, controllen: 200 }), c.MSG_DONTWAIT);
}

conformance('sendmsg over IPv4: IP_TOS in both forms, and its values', { group }, (sys) => {
  const { send, receive } = scene(sys, FAMILIES[0]);
  const data = [
    int(0x10),
    Uint8Array.of(0x20),
    int(0),
    int(255),
    int(256),
    int(-1),
    new Uint8Array(2),
    new Uint8Array(8),
  ];
  for (const one of data) {
    send({ level: c.SOL_IP, type: c.IP_TOS, data: one });
    receive();
  }
});
conformance('sendmsg over IPv4: IP_PROTOCOL and IP_RETOPTS', { group }, (sys) => {
  const { send, receive } = scene(sys, FAMILIES[0]);
  for (const data of [int(0), int(1), int(17), int(255), int(256), new Uint8Array(1)]) {
    send({ level: c.SOL_IP, type: c.IP_PROTOCOL, data });
    receive();
  }
});
conformance('sendmsg over IPv4: IP_PKTINFO names the way and the source', { group }, (sys) => {
  const { send, receive, a, fd } = scene(sys, FAMILIES[0]);
  for (const data of [
    info(0, 0),
    info(0x7f000009, 0),
    info(0, 1),
    info(0x7f000009, 1),
    info(0x0a000001, 1),
    info(0xe0000001, 1),
  ]) {
    send({ level: c.SOL_IP, type: c.IP_PKTINFO, data });
    a.recvFrom(fd, 8, c.MSG_PEEK | c.MSG_DONTWAIT);
    receive();
  }
});
conformance('sendmsg over IPv4: the last of several of a kind counts', { group }, (sys) => {
  const { send, receive } = scene(sys, FAMILIES[0]);
  send(
    { level: c.SOL_IP, type: c.IP_TTL, data: int(3) },
    { level: c.SOL_IP, type: c.IP_TTL, data: int(4) },
    { level: c.SOL_IP, type: c.IP_TOS, data: int(4) },
    { level: c.SOL_IP, type: c.IP_TOS, data: int(8) },
  );
  receive();
  send({ level: c.SOL_IP, type: c.IP_TTL, data: int(3) }, { level: c.SOL_IP, type: c.IP_TTL, data: int(0) });
  receive();
});

conformance('sendmsg over IPv6: IPV6_HOPLIMIT by both names, 0 and the default too', { group }, (sys) => {
  const { send, receive } = scene(sys, FAMILIES[1]);
  for (const type of [c.IPV6_HOPLIMIT, c.IPV6_2292HOPLIMIT]) {
    for (const value of [0, 1, 255, -1, 256, -2, 0x1_0001]) {
      send({ level: c.SOL_IPV6, type, data: int(value) });
      receive();
    }
    send({ level: c.SOL_IPV6, type, data: new Uint8Array(2) });
  }
});
conformance('sendmsg over IPv6: IPV6_TCLASS and its values', { group }, (sys) => {
  const { send, receive, a, out } = scene(sys, FAMILIES[1]);
  a.setInt(out, c.SOL_IPV6, c.IPV6_TCLASS, 0x44);
  for (const data of [int(0), int(0x10), int(255), int(-1), int(256), int(-2), Uint8Array.of(1), new Uint8Array(8)]) {
    send({ level: c.SOL_IPV6, type: c.IPV6_TCLASS, data });
    receive();
  }
});
conformance('sendmsg over IPv6: IPV6_PKTINFO by both names', { group }, (sys) => {
  const { send, receive, a, fd } = scene(sys, FAMILIES[1]);
  for (const type of [c.IPV6_PKTINFO, c.IPV6_2292PKTINFO]) {
    for (const data of [
      info6(0, 0),
      info6(1, 0),
      info6(1, 1),
      info6(0, 1),
      info6(0, 99),
      info6(9, 0, 0xfd),
      info6(5, 0, 0xfe),
    ]) {
      send({ level: c.SOL_IPV6, type, data });
      a.recvFrom(fd, 8, c.MSG_PEEK | c.MSG_DONTWAIT);
      receive();
    }
    send({ level: c.SOL_IPV6, type, data: new Uint8Array(19) });
  }
});
conformance('sendmsg over IPv6: IPV6_DONTFRAG against the socket', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  a.setInt(fd, c.SOL_IPV6, c.IPV6_MTU, 1280);
  const to = a.octets(inet6('::1', port), 'addr');
  const big = sys.alloc(2000, 'big');
  const send = (data: Uint8Array): void => {
    const control = a.control([{ level: c.SOL_IPV6, type: c.IPV6_DONTFRAG, data }]);
    const msg = a.msghdr({ name: to, namelen: 28, iov: [[big, 2000]], control: control.at, controllen: control.len });
    a.task.call('sendmsg', fd, msg, 0);
    a.recv(fd, 1, c.MSG_DONTWAIT | c.MSG_TRUNC);
  };
  for (const on of [0, 1]) {
    a.setInt(fd, c.SOL_IPV6, c.IPV6_DONTFRAG, on);
    for (const value of [0, 1, 2, -1]) send(int(value));
    send(new Uint8Array(1));
  }
});
conformance('sendmsg over IPv6: types that do not exist', { group }, (sys) => {
  const { send } = scene(sys, FAMILIES[1]);
  for (const type of [0, 1, 7, 9, 26, 53, 60, 61, 74, 99]) send({ level: c.SOL_IPV6, type, data: int(1) });
  send({ level: c.SOL_IP, type: c.IP_TTL, data: int(0) });
  send({ level: c.SOL_TCP, type: 1, data: int(0) });
});
conformance('sendmsg of an AF_INET6 socket over IPv4 reads SOL_IP and IPV6_PKTINFO alone', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('127.0.0.1');
  a.setInt(fd, c.SOL_IP, c.IP_RECVTTL, 1);
  a.setInt(fd, c.SOL_IP, c.IP_RECVTOS, 1);
  const out = a.udp(0, c.AF_INET6);
  const to = a.octets(inet6('::ffff:127.0.0.1', port), 'addr');
  const mapped = new Uint8Array(20);
  mapped.set([0xff, 0xff, 127, 0, 0, 7], 10);
  const cases: ControlMessage[] = [
    { level: c.SOL_IP, type: c.IP_TTL, data: int(5) },
    { level: c.SOL_IP, type: c.IP_TOS, data: int(4) },
    { level: c.SOL_IPV6, type: c.IPV6_HOPLIMIT, data: int(5) },
    { level: c.SOL_IPV6, type: c.IPV6_TCLASS, data: int(5) },
    { level: c.SOL_IPV6, type: c.IPV6_PKTINFO, data: info6(1, 0) },
    { level: c.SOL_IPV6, type: c.IPV6_PKTINFO, data: mapped },
    { level: c.SOL_IPV6, type: 99, data: int(5) },
  ];
  for (const one of cases) {
    const control = a.control([one]);
    const iov = [[a.octets('x', 'out'), 1]] as const;
    a.task.call(
      'sendmsg',
      out,
      a.msghdr({ name: to, namelen: 28, iov, control: control.at, controllen: control.len }),
      0,
    );
    a.recvFrom(fd, 8, c.MSG_PEEK | c.MSG_DONTWAIT);
    receiveOn(sys, a, fd);
  }
});

for (const of of FAMILIES) {
  conformance(`sendmsg over ${of.name}: messages of SOL_SOCKET`, { group }, (sys) => {
    const { send, receive } = scene(sys, of);
    const types = [
      c.SO_MARK,
      c.SO_PRIORITY,
      c.SO_TIMESTAMPING,
      c.SCM_TXTIME,
      c.SCM_TS_OPT_ID,
      c.SCM_RIGHTS,
      c.SCM_CREDENTIALS,
    ];
    for (const type of [...types, c.SO_TIMESTAMP, c.SO_BROADCAST, 99]) {
      for (const data of [int(1), new Uint8Array(3), new Uint8Array(8)]) {
        sys.record('type', type);
        send({ level: c.SOL_SOCKET, type, data });
        receive();
      }
    }
    for (const value of [6, 7, 0x7fff_ffff, -1]) send({ level: c.SOL_SOCKET, type: c.SO_PRIORITY, data: int(value) });
    for (const value of [0, 2, 0x100, 8, 0x10, 0x4_0000, -1]) {
      send({ level: c.SOL_SOCKET, type: c.SO_TIMESTAMPING, data: int(value) });
    }
  });
  conformance(`sendmsg over ${of.name}: UDP_SEGMENT by message`, { group }, (sys) => {
    const { a, fd, out, port } = scene(sys, of);
    const name = of.family === c.AF_INET ? inet(of.host, port) : inet6('::1', port);
    const to = a.octets(name, 'addr');
    const send = (data: Uint8Array, len: number): void => {
      const control = a.control([{ level: c.SOL_UDP, type: c.UDP_SEGMENT, data }]);
      const iov = [[a.octets('abcdefghij', 'out'), len]] as const;
      const msg = a.msghdr({ name: to, namelen: name.length, iov, control: control.at, controllen: control.len });
      a.task.call('sendmsg', out, msg, 0);
      for (let i = 0; i < 5; i++) a.recv(fd, 16, c.MSG_DONTWAIT);
    };
    const two = (value: number): Uint8Array => int(value).subarray(0, 2);
    send(two(4), 10);
    send(two(5), 10);
    send(two(10), 10);
    send(two(20), 10);
    send(two(0), 10);
    send(two(3), 0);
    send(int(4), 10);
    send(new Uint8Array(1), 10);
  });
  conformance(`sendmsg over ${of.name}: control messages choose for all of a corked datagram`, { group }, (sys) => {
    const { a, out, port, receive } = scene(sys, of);
    const name = of.family === c.AF_INET ? inet(of.host, port) : inet6('::1', port);
    const to = a.octets(name, 'addr');
    const level = of.family === c.AF_INET ? c.SOL_IP : c.SOL_IPV6;
    const type = of.family === c.AF_INET ? c.IP_TTL : c.IPV6_HOPLIMIT;
    const send = (value: number, flags: number): void => {
      const control = a.control([{ level, type, data: int(value) }]);
      const iov = [[a.octets('ab', 'out'), 2]] as const;
      const msg = a.msghdr({ name: to, namelen: name.length, iov, control: control.at, controllen: control.len });
      a.task.call('sendmsg', out, msg, flags);
    };
    send(9, c.MSG_MORE);
    send(5, 0);
    receive();
  });
  conformance(`sendmmsg over ${of.name}: each message has choices of its own`, { group }, (sys) => {
    const { a, out, port, receive } = scene(sys, of);
    const name = of.family === c.AF_INET ? inet(of.host, port) : inet6('::1', port);
    const to = a.octets(name, 'addr');
    const level = of.family === c.AF_INET ? c.SOL_IP : c.SOL_IPV6;
    const type = of.family === c.AF_INET ? c.IP_TTL : c.IPV6_HOPLIMIT;
    const at = sys.alloc(64 * 4, 'mmsg');
    [7, 300, 8, 9].forEach((value, i) => {
      const control = a.control([{ level, type, data: int(value) }]);
      const iov = [[a.octets('ab', 'out'), 2]] as const;
      a.putMsghdr(at + 64 * i, { name: to, namelen: name.length, iov, control: control.at, controllen: control.len });
    });
    a.task.call('sendmmsg', out, at, 4, 0);
    a.task.call('sendmmsg', out, at + 64, 3, 0);
    a.task.call('sendmmsg', out, at + 128, 2, 0);
    for (let i = 0; i < 4; i++) receive();
  });
}
conformance('sendmsg on a stream: messages of SOL_SOCKET', { group }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  const types = [c.SO_MARK, c.SO_PRIORITY, c.SO_TIMESTAMPING, c.SCM_TXTIME, c.SCM_TS_OPT_ID, c.SCM_RIGHTS, 99];
  for (const type of types) {
    for (const data of [int(1), int(2), new Uint8Array(3)]) {
      const control = a.control([{ level: c.SOL_SOCKET, type, data }]);
      const iov = [[a.octets('x', 'out'), 1]] as const;
      a.task.call('sendmsg', client, a.msghdr({ iov, control: control.at, controllen: control.len }), 0);
    }
  }
});

/** A sender over IPv6 and a reader that is told the flow information. */
function flowScene(sys: System) {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  a.setInt(fd, c.SOL_IPV6, c.IPV6_FLOWINFO, 1);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVTCLASS, 1);
  const out = a.udp(0, c.AF_INET6);
  a.setInt(out, c.SOL_IPV6, c.IPV6_AUTOFLOWLABEL, 0);
  const send = (flowInfo: number, messages: readonly ControlMessage[] = []): void => {
    const name = inet6('::1', port);
    c.be32.put(name, 4, flowInfo);
    const control = a.control(messages);
    const iov = [[a.octets('x', 'out'), 1]] as const;
    const to = a.octets(name, 'addr');
    const msg = a.msghdr({ name: to, namelen: 28, iov, control: control.at, controllen: control.len });
    a.task.call('sendmsg', out, msg, 0);
    receiveOn(sys, a, fd);
  };
  return { a, fd, out, port, send };
}
const be32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  c.be32.put(bytes, 0, value);
  return bytes;
};
conformance('IPV6_FLOWINFO: the label and the class that a message has', { group }, (sys) => {
  const { a, out, send } = flowScene(sys);
  send(0);
  a.setInt(out, c.SOL_IPV6, c.IPV6_TCLASS, 0x20);
  send(0);
  for (const flow of [0x12345, 0x0ff_12345, 0x010_00000, 0]) {
    send(0, [{ level: c.SOL_IPV6, type: c.IPV6_FLOWINFO, data: be32(flow) }]);
  }
  send(0, [
    { level: c.SOL_IPV6, type: c.IPV6_FLOWINFO, data: be32(0x010_00001) },
    { level: c.SOL_IPV6, type: c.IPV6_TCLASS, data: int(4) },
  ]);
  send(0, [{ level: c.SOL_IPV6, type: c.IPV6_FLOWINFO, data: new Uint8Array(3) }]);
});
conformance('IPV6_FLOWINFO_SEND: the flow information of the name counts', { group }, (sys) => {
  const { a, out, send } = flowScene(sys);
  send(0x12345);
  a.setInt(out, c.SOL_IPV6, c.IPV6_FLOWINFO_SEND, 1);
  for (const flow of [0x12345, 0x0aa_54321, 0x010_00000, 0]) send(flow);
  send(0x12345, [{ level: c.SOL_IPV6, type: c.IPV6_FLOWINFO, data: be32(0x777) }]);
  a.setInt(out, c.SOL_IPV6, c.IPV6_FLOWINFO_SEND, 0);
  send(0x12345);
});
conformance('IPV6_AUTOFLOWLABEL: the datagrams of a flow have one label', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  a.setInt(fd, c.SOL_IPV6, c.IPV6_FLOWINFO, 1);
  const out = a.udp(0, c.AF_INET6);
  a.connect(out, '::1', port);
  const label = (): number => {
    const room = sys.alloc(64, 'control', () => 'control');
    a.send(out, 'x');
    a.task.call(
      'recvmsg',
      fd,
      a.msghdr({ iov: [[sys.alloc(4, 'in'), 4]], control: room, controllen: 64 }),
      c.MSG_DONTWAIT,
    );
    return sys.get(c.be32, room + 16);
  };
  const [first, second] = [label(), label()];
  sys.record('the same', first === second);
  sys.record('a label', first > 0 && first < 0x10_0000);
  a.setInt(out, c.SOL_IPV6, c.IPV6_AUTOFLOWLABEL, 0);
  label();
});
