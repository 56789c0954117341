/** sendto(2), recvfrom(2), read(2), write(2) and their vectors. */
import { conformance } from '../body.ts';
import { inet, kit, pattern } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';

const send = 'send';
const recv = 'recv';
const udp = 'udp';
const rw = 'read-write';

conformance('a TCP stream keeps no message boundaries', { group: recv }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'one');
  a.send(client, 'two');
  a.recv(server, 4);
  a.recv(server, 100);
  a.recv(server, 100, c.MSG_DONTWAIT);
});

conformance('send on a TCP socket that is not connected', { group: send }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.send(fd, 'x');
  a.send(fd, 'x', c.MSG_NOSIGNAL);
  a.sendTo(fd, 'x', '127.0.0.1', 9, c.MSG_NOSIGNAL);
  a.recv(fd);
  const { fd: listener } = a.listener();
  a.send(listener, 'x', c.MSG_NOSIGNAL);
  a.recv(listener);
});

conformance('sendto ignores the name on a connected TCP socket', { group: send }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.sendTo(client, 'hello', '192.0.2.1', 1);
  a.recvFrom(server);
  const junk = a.octets('junk', 'addr');
  a.task.call('sendto', client, junk, 4, 0, junk, 4);
  a.task.call('sendto', client, junk, 4, 0, NOWHERE, 16);
  a.task.call('sendto', client, junk, 4, 0, junk, 129);
  a.task.call('sendto', client, junk, 4, 0, junk, -1);
});

conformance('zero octets over TCP', { group: send }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, '');
  a.task.call('sendto', client, NOWHERE, 0, 0, 0, 0);
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.recv(server, 0, c.MSG_DONTWAIT);
  a.send(client, 'x');
  a.task.call('recvfrom', server, NOWHERE, 0, 0, 0, 0);
  a.recv(server);
});

conformance('TCP send faults after what could be read', { group: send }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const edge = sys.edge(10, 'edge');
  sys.write(edge, '0123456789');
  a.task.call('sendto', client, edge, 20, 0, 0, 0);
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.task.call('sendto', client, NOWHERE, 20, 0, 0, 0);
  a.task.call('sendto', client, edge + 10, 1, 0, 0, 0);
  a.recv(server, 100, c.MSG_DONTWAIT);
});

conformance('TCP recv faults after what could be written', { group: recv }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abcdefghij');
  const edge = sys.edge(4, 'edge');
  a.task.call('recvfrom', server, edge, 20, 0, 0, 0);
  a.task.call('recvfrom', server, NOWHERE, 20, 0, 0, 0);
  a.task.call('recvfrom', server, sys.fixed(new Uint8Array(16), 'fixed'), 16, 0, 0, 0);
  a.recv(server, 100, c.MSG_DONTWAIT);
});

conformance('UDP recv that faults', { group: recv }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'abcdefghij', '127.0.0.1', port);
  const edge = sys.edge(4, 'edge');
  a.task.call('recvfrom', fd, edge, 20, c.MSG_DONTWAIT, 0, 0);
  a.recv(fd, 100, c.MSG_DONTWAIT);
  a.sendTo(fd, 'abcdefghij', '127.0.0.1', port);
  a.task.call('recvfrom', fd, NOWHERE, 20, c.MSG_DONTWAIT | c.MSG_PEEK, 0, 0);
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('UDP send that faults sends nothing', { group: send }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const name = a.name('127.0.0.1', port);
  const edge = sys.edge(10, 'edge');
  a.task.call('sendto', fd, edge, 20, 0, name.at, name.len);
  a.task.call('sendto', fd, NOWHERE, 20, 0, name.at, name.len);
  a.task.call('sendto', fd, edge, 10, 0, NOWHERE, 16);
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('MSG_PEEK leaves the octets', { group: recv }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abcdef');
  a.recv(server, 3, c.MSG_PEEK);
  a.recv(server, 100, c.MSG_PEEK);
  a.recv(server, 3);
  a.recv(server, 100, c.MSG_PEEK);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'first', '127.0.0.1', port);
  a.sendTo(fd, 'second', '127.0.0.1', port);
  a.recvFrom(fd, 100, c.MSG_PEEK);
  a.recvFrom(fd, 3, c.MSG_PEEK);
  a.recv(fd);
  a.recv(fd);
});

conformance('MSG_TRUNC on TCP drops octets without copying them', { group: recv }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abcdef');
  a.recv(server, 2, c.MSG_TRUNC);
  a.task.call('recvfrom', server, NOWHERE, 2, c.MSG_TRUNC, 0, 0);
  a.recv(server, 100, c.MSG_TRUNC | c.MSG_PEEK);
  a.recv(server);
});

conformance('MSG_WAITALL returns less at the end of the stream', { group: recv }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc');
  a.task.call('shutdown', client, c.SHUT_WR);
  a.recv(server, 10, c.MSG_WAITALL);
  a.recv(server, 10, c.MSG_WAITALL);
});

conformance('MSG_WAITALL with MSG_DONTWAIT returns what is there', { group: recv }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc');
  a.recv(server, 10, c.MSG_WAITALL | c.MSG_DONTWAIT);
  a.recv(server, 10, c.MSG_WAITALL | c.MSG_DONTWAIT);
});

conformance('recv ignores flags that it does not know', { group: recv }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'abc', '127.0.0.1', port);
  a.recv(fd, 10, 0x0800_0000);
  a.recv(fd, 10, c.MSG_DONTWAIT | 0x0800_0000);
  a.recv(fd, 10, c.MSG_ERRQUEUE);
  const { client, server } = a.pair();
  a.send(client, 'abc', 0x0800_0000);
  a.recv(server, 10, 0x0800_0000);
  a.recv(server, 10, c.MSG_ERRQUEUE);
});

conformance('MSG_OOB with nothing urgent', { group: recv, pitfall: 26 }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.recv(server, 1, c.MSG_OOB);
  a.send(client, 'x');
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server);
});

conformance('UDP keeps message boundaries and cuts what does not fit', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  for (const text of ['one', 'second', 'third message']) a.sendTo(fd, text, '127.0.0.1', port);
  a.recvFrom(fd, 100);
  a.recvFrom(fd, 3);
  a.recv(fd, 3, c.MSG_TRUNC);
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('UDP messages of zero octets', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, '', '127.0.0.1', port);
  a.poll(fd);
  a.task.call('ioctl', fd, c.FIONREAD, a.int(-1));
  a.recvFrom(fd, 100);
  a.recv(fd, 100, c.MSG_DONTWAIT);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.recvFrom(fd, 0);
  a.recv(fd, 100, c.MSG_DONTWAIT);
});

conformance('UDP without a destination', { group: udp }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  a.send(fd, 'x');
  a.sendTo(fd, 'x', '127.0.0.1', 0);
  const name = a.octets(inet('127.0.0.1', 9), 'addr');
  for (const len of [0, 1, 2, 8, 15, 129]) a.task.call('sendto', fd, name, 1, 0, name, len);
  a.task.call('sendto', fd, name, 1, 0, a.octets(inet('127.0.0.1', 9, 77), 'addr'), 16);
  const six = a.udp(0, c.AF_INET6);
  a.send(six, 'x');
  a.task.call('sendto', six, name, 1, 0, name, 16);
  a.task.call('sendto', six, name, 1, 0, name, 23);
});

conformance('UDP messages too long', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const name = a.name('127.0.0.1', port);
  const big = a.octets(pattern(65_600), 'big');
  for (const len of [65_507, 65_508, 65_535, 65_600]) a.task.call('sendto', fd, big, len, 0, name.at, name.len);
  a.recv(fd, 65_600, c.MSG_DONTWAIT);
  a.recv(fd, 65_600, c.MSG_DONTWAIT);
});

conformance('UDP over IPv6 of the greatest length', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('::1');
  const name = a.name('::1', port);
  const big = a.octets(pattern(65_600), 'big');
  for (const len of [65_487, 65_488, 65_507, 65_527, 65_528]) {
    a.task.call('sendto', fd, big, len, 0, name.at, name.len);
    a.recv(fd, 65_600, c.MSG_DONTWAIT);
  }
});

conformance('a UDP socket learns of a closed port at its next call', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.close(fd);
  const one = a.udp();
  a.connect(one, '127.0.0.1', port);
  a.send(one, 'x');
  a.poll(one);
  a.send(one, 'y');
  a.poll(one);
  a.send(one, 'z');
  a.recv(one, 10, c.MSG_DONTWAIT);
  a.recv(one, 10, c.MSG_DONTWAIT);
  a.send(one, 'z');
  a.error(one);
  a.error(one);
});

conformance('a UDP socket learns of a closed port each time', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.close(fd);
  const one = a.udp();
  a.connect(one, '127.0.0.1', port);
  for (let round = 0; round < 3; round++) {
    a.send(one, 'x');
    a.poll(one);
    a.recv(one, 10, c.MSG_DONTWAIT);
    a.poll(one);
  }
  a.send(one, 'x');
  a.task.call('shutdown', one, c.SHUT_WR);
  a.poll(one);
  a.error(one);
  a.poll(one);
  a.send(one, 'x');
});

conformance('an unconnected UDP socket does not learn of a closed port', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.close(fd);
  const one = a.udp();
  a.sendTo(one, 'x', '127.0.0.1', port);
  a.poll(one);
  a.error(one);
  a.sendTo(one, 'x', '127.0.0.1', port);
});

conformance('UDP to a broadcast address needs SO_BROADCAST', { group: udp }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  a.sendTo(fd, 'x', '127.255.255.255', 9);
  a.setInt(fd, c.SOL_SOCKET, c.SO_BROADCAST, 1);
  a.getInt(fd, c.SOL_SOCKET, c.SO_BROADCAST);
  a.sendTo(fd, 'x', '127.255.255.255', 9);
});

conformance('UDP with MSG_MORE corks, with MSG_OOB is refused', { group: udp, pitfall: 25 }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.sendTo(fd, 'x', '127.0.0.1', port, c.MSG_OOB);
  a.sendTo(fd, 'one ', '127.0.0.1', port, c.MSG_MORE);
  a.poll(fd, c.POLLIN);
  a.sendTo(fd, 'two', '127.0.0.1', port);
  a.recvFrom(fd);
  a.recv(fd, 10, c.MSG_OOB | c.MSG_DONTWAIT);
});

conformance('UDP between families through mapped addresses', { group: udp }, (sys) => {
  const a = kit(sys);
  const six = a.udpBound('::');
  const four = a.udpBound('127.0.0.1');
  a.sendTo(four.fd, 'four to six', '127.0.0.1', six.port);
  a.recvFrom(six.fd);
  a.sendTo(six.fd, 'six to four', '::ffff:127.0.0.1', four.port);
  a.recvFrom(four.fd);
  const only = a.udp(0, c.AF_INET6);
  a.setInt(only, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
  a.sendTo(only, 'x', '::ffff:127.0.0.1', four.port);
  a.sendTo(six.fd, 'six to six', '::1', six.port);
  a.recvFrom(six.fd);
});

conformance('UDP binds itself on the first send', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const one = a.udp();
  a.port(one);
  a.sendTo(one, 'x', '127.0.0.1', port);
  a.port(one);
  a.recvFrom(fd);
});

conformance('UDP receive buffers drop what does not fit', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.setInt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 1);
  const name = a.name('127.0.0.1', port);
  const out = a.octets(pattern(1000), 'out');
  for (let i = 0; i < 5; i++) a.task.call('sendto', fd, out, 1000, 0, name.at, name.len);
  let got = 0;
  const room = sys.alloc(1000, 'in');
  // How many fit depends on what a buffer costs the system beyond its octets.
  sys.quietly(() => {
    while (a.task.call('recvfrom', fd, room, 1000, c.MSG_DONTWAIT, 0, 0) > 0) got++;
  });
  sys.record('some arrived, not all', got > 0 && got < 5);
});

conformance('read and write are recv and send without flags', { group: rw }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('write', client, a.octets('hello', 'out'), 5);
  a.task.call('read', server, sys.alloc(10, 'in'), 10);
  a.task.call('write', client, NOWHERE, 0);
  a.task.call('read', server, NOWHERE, 0);
  a.task.call('read', server, sys.alloc(10, 'in'), 0);
  a.task.call('write', client, NOWHERE, 5);
  const one = a.udp();
  a.task.call('write', one, a.octets('x', 'out'), 1);
});

conformance('write and read on a TCP socket that is not connected', { group: rw }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.task.call('write', fd, a.octets('x', 'out'), 1);
  a.task.call('read', fd, sys.alloc(10, 'in'), 10);
  a.task.call('read', fd, sys.alloc(10, 'in'), 0);
});

conformance('writev gathers and readv scatters', { group: rw }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const pieces = ['one', '', 'three', 'x'].map((text) => [a.octets(text, 'out'), text.length] as const);
  a.task.call('writev', client, a.iovec(pieces), 4);
  const rooms = [2, 0, 4, 100].map((len) => [sys.alloc(Math.max(1, len), 'in'), len] as const);
  a.task.call('readv', server, a.iovec(rooms), 4);
});

conformance('limits of an iovec', { group: rw }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const out = a.octets('x', 'out');
  const many = a.iovec(Array.from({ length: 1025 }, () => [out, 1] as const));
  for (const count of [0, 1024, 1025, -1]) a.task.call('writev', client, many, count);
  a.recv(server, 2000, c.MSG_DONTWAIT);
  a.task.call('readv', server, many, 1025);
  a.task.call('readv', server, many, 0);
  a.task.call('writev', client, NOWHERE, 1);
  a.task.call('writev', client, NOWHERE, 0);
});

conformance('an iovec with impossible lengths', { group: rw }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const iov = sys.alloc(32, 'iov');
  const out = a.octets('abc', 'out');
  sys.put(c.iovec, iov, { base: out, len: 3 });
  sys.put(c.i64, iov + 16, out);
  sys.put(c.i64, iov + 24, -1);
  a.task.call('writev', client, iov, 2);
  a.task.call('readv', server, iov, 2);
  a.recv(server, 10, c.MSG_DONTWAIT);
});

conformance('an iovec that faults half way', { group: rw }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const out = a.octets('abcdef', 'out');
  a.task.call(
    'writev',
    client,
    a.iovec([
      [out, 6],
      [NOWHERE, 4],
    ]),
    2,
  );
  a.recv(server, 100, c.MSG_DONTWAIT);
  a.send(client, '0123456789');
  a.task.call(
    'readv',
    server,
    a.iovec([
      [sys.alloc(4, 'in'), 4],
      [NOWHERE, 4],
    ]),
    2,
  );
  a.recv(server, 100, c.MSG_DONTWAIT);
});

conformance('pread, pwrite and lseek find a socket not seekable', { group: rw }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  const memory = sys.alloc(16, 'memory');
  a.task.call('pread64', client, memory, 1, 0);
  a.task.call('pwrite64', client, memory, 1, 0);
  a.task.call('lseek', client, 0, 0);
});

conformance('a large transfer through small buffers arrives whole', { group: send }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const len = 300_000;
  const out = a.octets(pattern(len), 'out');
  const room = sys.alloc(len, 'in');
  a.task.call('fcntl', client, c.F_SETFL, c.O_NONBLOCK);
  // How much each call moves is the kernel's buffering, so only the sum is recorded.
  let sent = 0;
  let received = 0;
  const quiet = sys.quietly(() => {
    for (let i = 0; i < 1000 && received < len; i++) {
      if (sent < len) sent += Math.max(0, a.task.call('sendto', client, out + sent, len - sent, 0, 0, 0));
      received += Math.max(0, a.task.call('recvfrom', server, room + received, 50_000, c.MSG_DONTWAIT, 0, 0));
    }
  });
  sys.record(
    'calls that failed otherwise than by EAGAIN',
    quiet.errors.filter((errno) => errno !== -c.Errno.EAGAIN).length,
  );
  sys.record('received', received);
});

conformance('UDP broadcast on loopback reaches the wildcard, and no TCP', { group: udp }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('0.0.0.0');
  const other = a.udp();
  a.bind(other, '127.0.0.1', port);
  const out = a.udp();
  a.setInt(out, c.SOL_SOCKET, c.SO_BROADCAST, 1);
  a.sendTo(out, 'to everyone', '127.255.255.255', port);
  a.recvFrom(fd, 100, c.MSG_DONTWAIT);
  a.bind(a.udp(), '127.255.255.255', 7300);
  a.bind(a.tcp(), '127.255.255.255', 7300);
  a.connect(a.udp(), '127.255.255.255', port);
  a.connect(a.tcp(), '127.255.255.255', port);
});
