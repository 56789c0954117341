/** Options that change what bind(2) takes and by which interface packets go: IP_FREEBIND, IP_BIND_ADDRESS_NO_PORT, SO_BINDTODEVICE, SO_BINDTOIFINDEX; IP_MTU. */
import { conformance, type System } from '../body.ts';
import { inet6, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asText } from '../show.ts';

const group = 'binding';

conformance('binding: IP_FREEBIND takes any address', { group }, (sys) => {
  const a = kit(sys);
  for (const make of [() => a.tcp(), () => a.udp(), () => a.udp(0, c.AF_INET6)]) {
    const fd = make();
    a.getInt(fd, c.SOL_IP, c.IP_FREEBIND);
    a.setInt(fd, c.SOL_IP, c.IP_FREEBIND, 7);
    a.getInt(fd, c.SOL_IP, c.IP_FREEBIND);
  }
  for (const fd of [a.tcp(), a.udp()]) {
    a.bind(fd, '9.9.9.9', 7001);
    a.setInt(fd, c.SOL_IP, c.IP_FREEBIND, 1);
    a.bind(fd, '9.9.9.9', 7001);
    a.port(fd);
    a.bind(fd, '9.9.9.8', 7001);
  }
  for (const fd of [a.tcp(0, c.AF_INET6), a.udp(0, c.AF_INET6)]) {
    a.bind(fd, 'fd00::9', 7001);
    a.setInt(fd, c.SOL_IPV6, c.IPV6_FREEBIND, 1);
    a.getInt(fd, c.SOL_IP, c.IP_FREEBIND);
    a.bind(fd, 'fd00::9', 7001);
    a.port(fd);
  }
  const fd = a.tcp();
  a.setInt(fd, c.SOL_IP, c.IP_FREEBIND, 1);
  a.bind(fd, '9.9.9.7', 7002);
  a.listen(fd);
  a.task.call('setsockopt', fd, c.SOL_IP, c.IP_FREEBIND, a.int(1), 0);
});

conformance('binding: from an address that is nobody’s there is no way', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp()]) {
    a.setInt(fd, c.SOL_IP, c.IP_FREEBIND, 1);
    a.bind(fd, '9.9.9.9', 0);
    a.connect(fd, '127.0.0.1', 9);
  }
});

conformance('binding: IP_BIND_ADDRESS_NO_PORT leaves the port to connect', { group }, (sys) => {
  const a = kit(sys);
  const { fd: listener, port } = a.listener();
  for (const fd of [a.tcp(), a.udp()]) {
    a.getInt(fd, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT);
    a.setInt(fd, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT, 1);
    a.getInt(fd, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT);
    a.bind(fd, '127.0.0.5', 0);
    sys.record('port', a.port(fd));
    a.bind(fd, '127.0.0.6', 0);
    a.connect(fd, '127.0.0.1', port);
    sys.record('port chosen', a.port(fd) > 0);
    a.bind(fd, '127.0.0.7', 0);
  }
  a.accept(listener);
});

conformance('binding: IP_BIND_ADDRESS_NO_PORT, listen and send', { group }, (sys) => {
  const a = kit(sys);
  const tcp = a.tcp();
  a.setInt(tcp, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT, 1);
  a.bind(tcp, '127.0.0.5', 0);
  a.listen(tcp);
  a.port(tcp);
  const reader = a.udpBound();
  const udp = a.udp();
  a.setInt(udp, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT, 1);
  a.bind(udp, '127.0.0.5', 0);
  a.sendTo(udp, 'x', '127.0.0.1', reader.port);
  a.port(udp);
  a.recvFrom(reader.fd);
});

const setDevice = (a: Kit, fd: number, name: string, len = name.length): number =>
  a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, a.octets(name.padEnd(16, '\0'), 'device'), len);
function getDevice(sys: System, a: Kit, fd: number, len = 16): void {
  a.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, sys.alloc(16, 'device', asText), a.int(len, 'len'));
}

conformance('binding: SO_BINDTODEVICE', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp(), a.udp(0, c.AF_INET6)]) {
    getDevice(sys, a, fd);
    setDevice(a, fd, 'nope');
    setDevice(a, fd, 'lo');
    for (const len of [16, 15, 4, 0, 64]) getDevice(sys, a, fd, len);
    a.getInt(fd, c.SOL_SOCKET, c.SO_BINDTOIFINDEX);
    setDevice(a, fd, 'l', 1);
    setDevice(a, fd, 'lo', 16);
    setDevice(a, fd, 'lo', 1);
    setDevice(a, fd, '', 0);
    getDevice(sys, a, fd);
    setDevice(a, fd, 'lo\0rest', 7);
    setDevice(a, fd, '', 1);
    a.getInt(fd, c.SOL_SOCKET, c.SO_BINDTOIFINDEX);
    a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, 0x3fff_0000, 4);
    a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, 0x3fff_0000, 0);
  }
});

conformance('binding: SO_BINDTOIFINDEX', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.tcp(), a.udp()]) {
    for (const index of [1, -1, 0, 9]) {
      a.setInt(fd, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, index);
      a.getInt(fd, c.SOL_SOCKET, c.SO_BINDTOIFINDEX);
    }
    getDevice(sys, a, fd);
    a.connect(fd, '127.0.0.1', 9);
  }
  const fd = a.udp();
  a.setInt(fd, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, 9);
  a.sendTo(fd, 'x', '127.0.0.1', 9);
  for (const six of [a.udp(0, c.AF_INET6), a.tcp(0, c.AF_INET6)]) {
    a.setInt(six, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, 9);
    a.connect(six, '::1', 9);
    a.connect(six, '::ffff:127.0.0.1', 9);
  }
});

conformance('binding: a device takes what comes by it', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  setDevice(a, fd, 'lo');
  const sender = a.udp();
  setDevice(a, sender, 'lo');
  a.sendTo(sender, 'x', '127.0.0.1', port);
  a.recv(fd);
  a.setInt(fd, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, 9);
  a.sendTo(sender, 'y', '127.0.0.1', port);
  a.recv(fd, 8, c.MSG_DONTWAIT);
  const listener = a.listener();
  setDevice(a, listener.fd, 'lo');
  a.connect(a.tcp(), '127.0.0.1', listener.port);
  const accepted = a.accept(listener.fd);
  getDevice(sys, a, accepted);
  const deaf = a.listener();
  a.setInt(deaf.fd, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, 9);
  a.connect(a.tcp(), '127.0.0.1', deaf.port);
});

conformance('binding: IP_MTU of a connected socket alone', { group }, (sys) => {
  const a = kit(sys);
  const { port } = a.listener();
  for (const fd of [a.tcp(), a.udp()]) {
    a.getInt(fd, c.SOL_IP, c.IP_MTU);
    a.bind(fd, '127.0.0.1', 0);
    a.getInt(fd, c.SOL_IP, c.IP_MTU);
    a.connect(fd, '127.0.0.1', port);
    a.getInt(fd, c.SOL_IP, c.IP_MTU);
    a.setInt(fd, c.SOL_IP, c.IP_MTU, 1500);
  }
  const fd = a.udp(0, c.AF_INET6);
  a.getInt(fd, c.SOL_IPV6, c.IPV6_MTU);
  a.connect(fd, '::1', 9);
  a.getInt(fd, c.SOL_IPV6, c.IPV6_MTU);
});
conformance('IPv4 to where no route leads, by an interface that is named', { group }, (sys) => {
  const a = kit(sys);
  const send = (fd: number, host: string): void => {
    a.sendTo(fd, 'x', host, 7);
    const isConnected = a.connect(fd, host, 7) === 0;
    a.port(fd);
    if (isConnected) a.send(fd, 'x');
    a.error(fd);
  };
  for (const host of ['10.9.9.9', '255.255.255.255', '224.0.0.9']) {
    const bound = a.udp();
    a.setInt(bound, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, 1);
    send(bound, host);
    const local = a.udp();
    a.setInt(local, c.SOL_SOCKET, c.SO_BINDTOIFINDEX, 1);
    a.bind(local, '127.0.0.1', 0);
    send(local, host);
    const unicast = a.udp();
    const index = a.sys.alloc(4, 'index');
    a.sys.put(c.be32, index, 1);
    a.task.call('setsockopt', unicast, c.SOL_IP, c.IP_UNICAST_IF, index, 4);
    send(unicast, host);
    const free = a.udp();
    send(free, host);
  }
  const six = a.udp(0, c.AF_INET6);
  const scoped = inet6('fe80::1', 7, 1);
  a.task.call('connect', six, a.octets(scoped, 'addr'), scoped.length);
  a.connect(six, '::ffff:10.9.9.9', 7);
  a.port(six);
  a.connect(six, 'fd00::9', 7);
});
