/** sin6_flowinfo of connect(2), under IPV6_FLOWINFO_SEND. */
import { conformance, type System } from '../body.ts';
import { inet6, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'ip-options';

const named = (a: Kit, port: number, flow: number): number => {
  const name = inet6('::1', port);
  c.be32.put(name, 4, flow);
  return a.octets(name, 'addr');
};
const connectTo = (a: Kit, fd: number, port: number, flow: number): number =>
  a.task.call('connect', fd, named(a, port, flow), 28);
const sendsFlow = (a: Kit, fd: number, on: number): number => a.setInt(fd, c.SOL_IPV6, c.IPV6_FLOWINFO_SEND, on);

conformance('getpeername tells the flow information of connect', { group }, (sys: System) => {
  const a = kit(sys);
  const { fd: listener, port } = a.listener('::1');
  const receiver = a.udpBound('::1');
  for (const type of [c.SOCK_STREAM, c.SOCK_DGRAM]) {
    sys.record('type', type);
    const to = type === c.SOCK_STREAM ? port : receiver.port;
    for (const flow of [0x12345, 0x0ab0_0000, 0xfff1_2345, 0]) {
      const fd = a.task.call('socket', c.AF_INET6, type, 0);
      sendsFlow(a, fd, 1);
      connectTo(a, fd, to, flow);
      a.peerName(fd);
      a.port(fd);
      sendsFlow(a, fd, 0);
      a.peerName(fd);
    }
    const plain = a.task.call('socket', c.AF_INET6, type, 0);
    connectTo(a, plain, to, 0x12345);
    a.peerName(plain);
    sendsFlow(a, plain, 1);
    a.peerName(plain);
    if (type === c.SOCK_STREAM) a.peerName(a.accept(listener));
  }
});

conformance('datagrams of a connected socket bear the flow label of connect', { group }, (sys: System) => {
  const a = kit(sys);
  const receiver = a.udpBound('::1');
  a.setInt(receiver.fd, c.SOL_IPV6, c.IPV6_FLOWINFO, 1);
  const fd = a.udp(0, c.AF_INET6);
  a.setInt(fd, c.SOL_IPV6, c.IPV6_AUTOFLOWLABEL, 0);
  sendsFlow(a, fd, 1);
  const told = (): void => {
    a.send(fd, 'x');
    a.task.call(
      'recvmsg',
      receiver.fd,
      a.msghdr({ iov: [[sys.alloc(4, 'in'), 4]], control: a.controlRoom(64), controllen: 64 }),
      c.MSG_DONTWAIT,
    );
  };
  connectTo(a, fd, receiver.port, 0x12345);
  told();
  sendsFlow(a, fd, 0);
  told();
  connectTo(a, fd, receiver.port, 0x54321);
  told();
  sendsFlow(a, fd, 1);
  connectTo(a, fd, receiver.port, 0x0200_0077);
  told();
  a.peerName(fd);
});
