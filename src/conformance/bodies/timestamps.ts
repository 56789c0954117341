/** SO_TIMESTAMP and its like on receive, SO_TIMESTAMPING both ways: Documentation/networking/timestamping.rst. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asSockaddr, asText } from '../show.ts';

const group = 'timestamps';
const { SOF_TIMESTAMPING_SOFTWARE: SOFTWARE, SOF_TIMESTAMPING_RX_SOFTWARE: RX, SOF_TIMESTAMPING_TX_SOFTWARE: TX } = c;
const { SOF_TIMESTAMPING_TX_SCHED: SCHED, SOF_TIMESTAMPING_OPT_ID: ID, SOF_TIMESTAMPING_OPT_TSONLY: ONLY } = c;

const FAMILIES = [
  { name: 'IPv4', family: c.AF_INET, host: '127.0.0.1' },
  { name: 'IPv6', family: c.AF_INET6, host: '::1' },
] as const;

function receive(sys: System, a: Kit, fd: number, flags = 0): number {
  const iov = [[sys.alloc(8, 'in', asText), 8]] as const;
  const name = sys.alloc(64, 'name', asSockaddr);
  const control = a.controlRoom(300);
  return a.task.call(
    'recvmsg',
    fd,
    a.msghdr({ name, namelen: 64, iov, control, controllen: 300 }),
    c.MSG_DONTWAIT | flags,
  );
}
/** What lies in the error queue, until it is empty. */
function stamps(sys: System, a: Kit, fd: number): void {
  while (receive(sys, a, fd, c.MSG_ERRQUEUE) >= 0);
}
const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  c.i32.put(bytes, 0, value);
  return bytes;
};

for (const { name, family, host } of FAMILIES) {
  conformance(`timestamps over ${name}: each by its own name`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    for (const option of [c.SO_TIMESTAMP, c.SO_TIMESTAMPNS, c.SO_TIMESTAMP_NEW, c.SO_TIMESTAMPNS_NEW]) {
      a.setInt(fd, c.SOL_SOCKET, option, 1);
      a.sendTo(fd, 'x', host, port);
      receive(sys, a, fd);
      a.setInt(fd, c.SOL_SOCKET, option, 0);
      a.sendTo(fd, 'x', host, port);
      receive(sys, a, fd);
    }
  });
  conformance(`timestamps over ${name}: SO_TIMESTAMPING of what is received`, { group }, (sys) => {
    const a = kit(sys);
    const { fd, port } = a.udpBound(host);
    // Linux begins to stamp packets a moment after the first socket asks (net_enable_timestamp).
    a.setInt(a.udp(0, family), c.SOL_SOCKET, c.SO_TIMESTAMPING, RX);
    sys.sleep(100);
    for (const option of [c.SO_TIMESTAMPING, c.SO_TIMESTAMPING_NEW]) {
      for (const flags of [RX, SOFTWARE | RX, 0]) {
        a.setInt(fd, c.SOL_SOCKET, option, flags);
        a.sendTo(fd, 'x', host, port);
        receive(sys, a, fd);
      }
    }
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, SOFTWARE | RX);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPNS, 1);
    a.sendTo(fd, 'both', host, port);
    receive(sys, a, fd);
  });
  conformance(`timestamps over ${name}: of what is sent, in the error queue`, { group }, (sys) => {
    const a = kit(sys);
    const { port } = a.udpBound(host);
    const fd = a.udp(0, family);
    for (const flags of [TX, SCHED, TX | SCHED, ONLY | TX, ONLY | TX | SCHED | SOFTWARE]) {
      sys.record('flags', flags);
      a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, flags | ONLY);
      a.sendTo(fd, 'x', host, port);
      a.error(fd);
      stamps(sys, a, fd);
    }
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, 0);
    a.sendTo(fd, 'x', host, port);
    stamps(sys, a, fd);
  });
  conformance(`timestamps over ${name}: numbered sends`, { group }, (sys) => {
    const a = kit(sys);
    const { port } = a.udpBound(host);
    const fd = a.udp(0, family);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, ID | ONLY | SOFTWARE);
    a.sendTo(fd, 'not stamped', host, port);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, TX | ID | ONLY | SOFTWARE);
    a.sendTo(fd, 'a', host, port);
    a.sendTo(fd, 'b', host, port);
    stamps(sys, a, fd);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, TX | ONLY | SOFTWARE);
    a.sendTo(fd, 'c', host, port);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, TX | SCHED | ID | ONLY | SOFTWARE);
    a.sendTo(fd, 'd', host, port);
    a.sendTo(fd, 'e', host, port);
    stamps(sys, a, fd);
  });
  conformance(`timestamps over ${name}: asked for by a message, under a number of its own`, { group }, (sys) => {
    const a = kit(sys);
    const { port } = a.udpBound(host);
    const fd = a.udp(0, family);
    a.connect(fd, host, port);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, ID | ONLY | SOFTWARE);
    const send = (...messages: { readonly type: number; readonly value: number }[]): void => {
      const control = a.control(messages.map(({ type, value }) => ({ level: c.SOL_SOCKET, type, data: word(value) })));
      const iov = [[a.octets('x', 'out'), 1]] as const;
      a.task.call('sendmsg', fd, a.msghdr({ iov, control: control.at, controllen: control.len }), 0);
    };
    send({ type: c.SO_TIMESTAMPING, value: TX });
    send({ type: c.SO_TIMESTAMPING, value: SCHED }, { type: c.SCM_TS_OPT_ID, value: 4711 });
    send({ type: c.SCM_TS_OPT_ID, value: 5 });
    send({ type: c.SO_TIMESTAMPING, value: 0 });
    send({ type: c.SO_TIMESTAMPING, value: TX });
    stamps(sys, a, fd);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, TX | ID | ONLY | SOFTWARE);
    send({ type: c.SO_TIMESTAMPING, value: 0 });
    send({ type: c.SO_TIMESTAMPING, value: SCHED });
    stamps(sys, a, fd);
  });
  conformance(`timestamps over ${name}: a poller is told of them`, { group }, (sys) => {
    const a = kit(sys);
    const b = kit(sys, 'b');
    const { port } = a.udpBound(host);
    const fd = a.udp(0, family);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, TX | ONLY | SOFTWARE);
    b.task.start('poll', b.pollfds([[fd, c.POLLIN]]), 1, -1);
    a.sendTo(fd, 'x', host, port);
    b.task.finish();
    stamps(sys, a, fd);
    a.poll(fd);
  });
  conformance(`SO_SELECT_ERR_QUEUE over ${name}: stamps are urgent`, { group }, (sys) => {
    const a = kit(sys);
    const { port } = a.udpBound(host);
    const fd = a.udp(0, family);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, TX | ONLY | SOFTWARE);
    a.setInt(fd, c.SOL_SOCKET, c.SO_SELECT_ERR_QUEUE, 1);
    a.sendTo(fd, 'x', host, port);
    a.poll(fd);
    stamps(sys, a, fd);
    a.poll(fd);
  });
  conformance(`timestamps over ${name}: errors and stamps in one queue`, { group }, (sys) => {
    const a = kit(sys);
    const fd = a.udp(0, family);
    const [level, option] = family === c.AF_INET ? [c.SOL_IP, c.IP_RECVERR] : [c.SOL_IPV6, c.IPV6_RECVERR];
    a.setInt(fd, level, option, 1);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, TX | ID | ONLY);
    a.sendTo(fd, 'x', host, 9);
    a.error(fd);
    a.sendTo(fd, 'y', host, 9);
    for (let i = 0; i < 5; i++) {
      receive(sys, a, fd, c.MSG_ERRQUEUE);
      a.error(fd);
    }
  });
}
conformance('timestamps: the stamp brings the packet unless it is told not to', { group }, (sys) => {
  const a = kit(sys);
  for (const { family, host } of FAMILIES) {
    const { port } = a.udpBound(host);
    const fd = a.udp(0, family);
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPING, TX | SOFTWARE);
    a.sendTo(fd, 'hello', host, port);
    const room = sys.alloc(100, 'in', () => 'a packet');
    const msg = a.msghdr({ iov: [[room, 100]], control: a.controlRoom(200), controllen: 200 });
    a.task.call('recvmsg', fd, msg, c.MSG_ERRQUEUE);
    const octets = sys.read(room, 100);
    sys.record('link header', Buffer.from(octets.subarray(0, 14)).toString('hex'));
    sys.record('version', octets[14] ?? -1);
    const at = family === c.AF_INET ? 42 : 62;
    sys.record('payload', Buffer.from(octets.subarray(at, at + 5)).toString('latin1'));
  }
});
