/** The message without octets that tells an MTU: ipv6(7) IPV6_RECVPATHMTU, RFC 3542 11.3. Loopback of 65,536 octets is the path, so 65,488 go without being cut. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asMmsghdrs, asSockaddr, asText } from '../show.ts';

const group = 'path-mtu';
const FITS = 65_488;
const PORT = 9;

function receive(sys: System, a: Kit, fd: number, room: { octets?: number; control?: number; flags?: number } = {}) {
  const { octets = 32, control = 160, flags = 0 } = room;
  const iov = octets === 0 ? [] : ([[sys.alloc(octets, 'in', asText), octets]] as const);
  const name = sys.alloc(64, 'name', asSockaddr);
  const header = a.msghdr({ name, namelen: 64, iov, control: a.controlRoom(200), controllen: control });
  return a.task.call('recvmsg', fd, header, c.MSG_DONTWAIT | flags);
}
interface Sender {
  readonly fd: number;
  readonly send: (len: number) => number;
}
function sender(a: Kit, host = '::1', family: number = c.AF_INET6): Sender {
  const fd = a.udp(0, family);
  const to = a.name(host, PORT);
  const big = a.octets(new Uint8Array(65_536), 'big');
  return { fd, send: (len) => a.task.call('sendto', fd, big, len, 0, to.at, to.len) };
}
function asking(a: Kit): Sender {
  const made = sender(a);
  a.setInt(made.fd, c.SOL_IPV6, c.IPV6_RECVPATHMTU, 1);
  a.setInt(made.fd, c.SOL_IPV6, c.IPV6_DONTFRAG, 1);
  return made;
}

conformance('path MTU: told once to who asked, after a send that must not be cut', { group }, (sys) => {
  const a = kit(sys);
  const { fd, send } = asking(a);
  send(FITS);
  receive(sys, a, fd);
  send(FITS + 1);
  a.poll(fd);
  a.error(fd);
  receive(sys, a, fd);
  receive(sys, a, fd);
  send(65_527);
  receive(sys, a, fd);
  send(65_528);
  receive(sys, a, fd);
});
conformance('path MTU: only by IPV6_DONTFRAG, on the socket or the message', { group }, (sys) => {
  const a = kit(sys);
  const { fd, send } = asking(a);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_DONTFRAG, 0);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_MTU_DISCOVER, c.IP_PMTUDISC_DO);
  send(FITS + 1);
  receive(sys, a, fd);
  const to = a.name('::1', PORT);
  const iov = [[a.octets(new Uint8Array(65_536), 'big'), FITS + 2]] as const;
  for (const on of [0, 1]) {
    const control = a.control([{ level: c.SOL_IPV6, type: c.IPV6_DONTFRAG, data: Uint8Array.of(on, 0, 0, 0) }]);
    a.task.call(
      'sendmsg',
      fd,
      a.msghdr({ name: to.at, namelen: to.len, iov, control: control.at, controllen: control.len }),
      0,
    );
    receive(sys, a, fd);
  }
});
conformance('path MTU: without the option nothing is kept, and without it nothing is told', { group }, (sys) => {
  const a = kit(sys);
  const { fd, send } = asking(a);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVPATHMTU, 0);
  send(FITS + 1);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVPATHMTU, 1);
  receive(sys, a, fd);
  send(FITS + 1);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVPATHMTU, 0);
  receive(sys, a, fd);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVPATHMTU, 1);
  receive(sys, a, fd);
});
conformance('path MTU: the last is told, before datagrams and errors', { group }, (sys) => {
  const a = kit(sys);
  const { fd, send } = asking(a);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVERR, 1);
  a.bind(fd, '::1', 0);
  let port = 0;
  sys.quietly(() => {
    port = a.port(fd);
  });
  a.sendTo(fd, 'own', '::1', port);
  send(FITS + 1);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_MTU, 2000);
  send(2000);
  receive(sys, a, fd);
  receive(sys, a, fd, { flags: c.MSG_ERRQUEUE });
  receive(sys, a, fd, { flags: c.MSG_ERRQUEUE });
  receive(sys, a, fd);
  send(2000);
  a.sendTo(fd, 'refused', '::1', PORT);
  receive(sys, a, fd);
  receive(sys, a, fd);
});
conformance('path MTU: rooms too small, a peek takes it as well, and what else is asked for', { group }, (sys) => {
  const a = kit(sys);
  const { fd, send } = asking(a);
  const rooms = [
    { octets: 0 },
    { control: 0 },
    { control: 16 },
    { control: 30 },
    { control: 48 },
    { flags: c.MSG_PEEK },
    { flags: c.MSG_TRUNC },
    { flags: c.MSG_OOB },
  ];
  for (const room of rooms) {
    send(FITS + 1);
    receive(sys, a, fd, room);
    receive(sys, a, fd);
  }
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVPKTINFO, 1);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVHOPLIMIT, 1);
  send(FITS + 1);
  receive(sys, a, fd);
});
conformance('path MTU: by recvfrom and recvmmsg, and a receive that may wait does not', { group }, (sys) => {
  const a = kit(sys);
  const { fd, send } = asking(a);
  send(FITS + 1);
  a.recvFrom(fd, 16, 0);
  send(FITS + 1);
  const at = sys.alloc(64 * 2, 'mmsg', asMmsghdrs);
  for (let i = 0; i < 2; i++) a.putMsghdr(at + 64 * i, { iov: [[sys.alloc(8, 'in', asText), 8]] });
  a.task.call('recvmmsg', fd, at, 2, c.MSG_DONTWAIT, 0);
  a.recv(fd, 8, c.MSG_DONTWAIT);
  a.task.call('shutdown', fd, c.SHUT_RD);
  a.connect(fd, '::1', PORT);
  a.task.call('shutdown', fd, c.SHUT_RD);
  send(FITS + 1);
  receive(sys, a, fd);
  receive(sys, a, fd);
});
conformance('path MTU: a reader that waits is not woken', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, send } = asking(a);
  a.bind(fd, '::1', 0);
  let port = 0;
  sys.quietly(() => {
    port = a.port(fd);
  });
  b.startRecv(fd, 8);
  send(FITS + 1);
  a.sendTo(fd, 'own', '::1', port);
  b.task.finish();
  receive(sys, a, fd);
});
conformance('path MTU: which interface was chosen, and a connected socket', { group }, (sys) => {
  const a = kit(sys);
  const { fd, send } = asking(a);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_UNICAST_IF, 0x0100_0000);
  send(FITS + 1);
  receive(sys, a, fd);
  a.connect(fd, '::1', PORT);
  send(FITS + 1);
  receive(sys, a, fd);
});
conformance('path MTU: nothing of the kind over IPv4', { group }, (sys) => {
  const a = kit(sys);
  const { fd, send } = sender(a, '::ffff:127.0.0.1');
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVPATHMTU, 1);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_DONTFRAG, 1);
  a.setInt(fd, c.SOL_IP, c.IP_MTU_DISCOVER, c.IP_PMTUDISC_DO);
  send(65_508);
  receive(sys, a, fd);
});
