/** listen(2), accept(2), connect(2). */
import { conformance } from '../body.ts';
import { inet, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';

const listen = 'listen';
const accept = 'accept';
const connect = 'connect';

conformance('listen binds a socket that has no name', { group: listen }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.listen(fd);
  a.port(fd);
  a.getInt(fd, c.SOL_SOCKET, c.SO_ACCEPTCONN);
  a.listen(fd, 3);
  a.poll(fd);
});

conformance('listen needs a stream socket that is not connected', { group: listen }, (sys) => {
  const a = kit(sys);
  a.listen(a.udp());
  a.listen(a.udp(0, c.AF_INET6));
  const { client, server } = a.pair();
  a.listen(client);
  a.listen(server);
});

conformance('listen(0) queues one connection', { group: listen, pitfall: 27 }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener('127.0.0.1', 0);
  const clients = [a.tcp(c.SOCK_NONBLOCK), a.tcp(c.SOCK_NONBLOCK)];
  for (const client of clients) {
    a.connect(client, '127.0.0.1', port);
    a.poll(client);
  }
  a.accept(fd);
  a.poll(fd);
});

conformance('listen takes its backlog as unsigned', { group: listen }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener('127.0.0.1', -1);
  for (let i = 0; i < 3; i++) a.connect(a.tcp(), '127.0.0.1', port);
  a.accept(fd);
});

conformance('accept on what does not listen', { group: accept }, (sys) => {
  const a = kit(sys);
  a.accept(a.tcp());
  a.accept(a.udp());
  const { client } = a.pair();
  a.accept(client);
  a.task.call('accept4', a.tcp(), 0, 0, 0x10);
});

conformance('accept with nothing queued', { group: accept }, (sys) => {
  const a = kit(sys);
  const { fd } = a.listener();
  a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  a.accept(fd);
  a.task.call('accept', fd, NOWHERE, NOWHERE);
});

conformance('accept gives the name of the client', { group: accept }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  for (const room of [128, 16, 7, 0]) {
    a.connect(a.tcp(), '127.0.0.1', port);
    const name = a.nameRoom(room);
    a.task.call('accept', fd, name.at, name.len);
  }
});

conformance('accept with a bad name loses the connection', { group: accept, pitfall: 9 }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  a.task.call('accept', fd, NOWHERE, a.int(16, 'namelen'));
  a.accept(fd);
  a.poll(client);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.task.call('accept', fd, sys.alloc(16, 'name'), a.int(-1, 'namelen'));
  a.accept(fd);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.task.call('accept', fd, sys.alloc(16, 'name'), NOWHERE);
  a.accept(fd);
});

conformance('accept4 sets flags, and none is inherited from the listener', { group: accept }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  a.task.call('fcntl', fd, c.F_SETFD, c.FD_CLOEXEC);
  for (const flags of [0, c.SOCK_NONBLOCK, c.SOCK_CLOEXEC]) {
    a.connect(a.tcp(), '127.0.0.1', port);
    const server = a.task.call('accept4', fd, 0, 0, flags);
    a.task.call('fcntl', server, c.F_GETFL, 0);
    a.task.call('fcntl', server, c.F_GETFD, 0);
  }
  a.connect(a.tcp(), '127.0.0.1', port);
  a.task.call('accept4', fd, 0, 0, 0x1);
  a.accept(fd);
});

conformance('an accepted socket has the options of its listener', { group: accept }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.setInt(fd, c.SOL_SOCKET, c.SO_KEEPALIVE, 1);
  a.setInt(fd, c.SOL_TCP, c.TCP_NODELAY, 1);
  a.setInt(fd, c.SOL_TCP, c.TCP_KEEPIDLE, 77);
  a.setInt(fd, c.SOL_IP, c.IP_TTL, 33);
  a.setInt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 30_000);
  a.setTimeout(fd, c.SO_RCVTIMEO, 9, 0);
  a.bind(fd, '127.0.0.1', 0);
  a.listen(fd);
  a.connect(a.tcp(), '127.0.0.1', a.port(fd));
  const server = a.accept(fd);
  a.getInt(server, c.SOL_SOCKET, c.SO_KEEPALIVE);
  a.getInt(server, c.SOL_TCP, c.TCP_NODELAY);
  a.getInt(server, c.SOL_TCP, c.TCP_KEEPIDLE);
  a.getInt(server, c.SOL_IP, c.IP_TTL);
  a.getInt(server, c.SOL_SOCKET, c.SO_RCVBUF);
  a.getInt(server, c.SOL_SOCKET, c.SO_ACCEPTCONN);
  a.task.call('getsockopt', server, c.SOL_SOCKET, c.SO_RCVTIMEO, sys.alloc(16, 'timeval'), a.int(16));
});

conformance('accept takes connections in the order of their completion', { group: accept }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const clients = [a.tcp(), a.tcp(), a.tcp()];
  clients.forEach((client, i) => {
    a.connect(client, '127.0.0.1', port);
    a.send(client, `client ${i}`);
  });
  for (let i = 0; i < clients.length; i++) a.recv(a.accept(fd));
});

conformance('accept of a connection whose client is gone', { group: accept }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  a.send(client, 'last words');
  a.close(client);
  const server = a.accept(fd);
  a.poll(server);
  a.recv(server);
  a.recv(server);
});

conformance('connect checks the name', { group: connect }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  const name = a.octets(new Uint8Array(200), 'addr');
  sys.write(name, inet('127.0.0.1', 1));
  for (const len of [0, 1, 2, 15, 129, -1]) a.task.call('connect', fd, name, len);
  a.task.call('connect', fd, NOWHERE, 16);
  a.task.call('connect', fd, a.octets(inet('127.0.0.1', 1, 77), 'addr'), 16);
  const six = a.tcp(0, c.AF_INET6);
  for (const len of [2, 16, 23]) a.task.call('connect', six, name, len);
  const datagram = a.udp();
  for (const len of [0, 1, 2, 15]) a.task.call('connect', datagram, name, len);
  a.task.call('connect', datagram, a.octets(inet('127.0.0.1', 1, 77), 'addr'), 16);
});

conformance('connect is refused where nobody listens', { group: connect }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.connect(fd, '127.0.0.1', 9);
  a.error(fd);
  a.poll(fd);
  const six = a.tcp(0, c.AF_INET6);
  a.connect(six, '::1', 9);
});

conformance('a duplicate is connected too where the first try was refused', { group: connect }, (sys) => {
  const a = kit(sys);
  const { fd: listener, port } = a.listener();
  const gone = a.listener();
  a.close(gone.fd);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  const ep = a.epoll();
  const copy = a.task.call('dup', fd);
  a.watch(ep, copy, c.EPOLLIN | c.EPOLLOUT);
  a.connect(fd, '127.0.0.1', gone.port);
  a.poll(copy);
  a.connect(fd, '127.0.0.1', port);
  a.connect(fd, '127.0.0.1', port);
  a.poll(fd);
  a.poll(copy);
  a.ready(ep);
  const server = a.accept(listener);
  a.send(copy, 'by the other number');
  a.recv(server);
  a.close(fd);
  a.send(server, 'still there');
  a.recv(copy);
  a.ready(ep);
});
conformance('connect again after it was refused', { group: connect, pitfall: 7 }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.connect(fd, '127.0.0.1', 7100);
  a.poll(fd);
  a.error(fd);
  a.poll(fd);
  a.connect(fd, '127.0.0.1', 7100);
  a.connect(fd, '127.0.0.1', 7100);
  a.error(fd);
});

conformance('connect after a refused one, to a listener that has come up', { group: connect }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.connect(fd, '127.0.0.1', 7101);
  const listener = a.tcp();
  a.bind(listener, '127.0.0.1', 7101);
  a.listen(listener);
  a.connect(fd, '127.0.0.1', 7101);
  a.send(fd, 'again');
  a.recv(a.accept(listener));
});

conformance('connect without blocking goes through EINPROGRESS, 0 and EISCONN', { group: connect }, (sys) => {
  const a = kit(sys);
  const { port } = a.listener();
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.connect(fd, '127.0.0.1', port);
  a.poll(fd);
  a.connect(fd, '127.0.0.1', port);
  a.connect(fd, '127.0.0.1', port);
  a.error(fd);
  const refused = a.tcp(c.SOCK_NONBLOCK);
  a.connect(refused, '127.0.0.1', 9);
  a.connect(refused, '127.0.0.1', 9);
});

conformance('connect without blocking is EALREADY while the handshake lasts', { group: connect }, (sys) => {
  const a = kit(sys);
  const { port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.connect(fd, '127.0.0.1', port);
  a.connect(fd, '127.0.0.1', port);
  a.poll(fd);
  a.error(fd);
  a.send(fd, 'x');
  a.recv(fd);
  a.peerName(fd);
});

conformance('connect of a blocking socket that is connected or listens', { group: connect, pitfall: 8 }, (sys) => {
  const a = kit(sys);
  const { client, server, listener, port } = a.pair();
  a.connect(client, '127.0.0.1', port);
  a.connect(client, '127.0.0.1', 9);
  a.connect(server, '127.0.0.1', port);
  a.connect(listener, '127.0.0.1', port);
});

conformance('connect to AF_UNSPEC dissolves a TCP connection', { group: connect }, (sys) => {
  const a = kit(sys);
  const { client, server, port } = a.pair();
  const none = a.octets(inet('0.0.0.0', 0, c.AF_UNSPEC), 'addr');
  a.task.call('connect', client, none, 16);
  a.poll(client);
  a.peerName(client);
  a.port(client);
  a.recv(server);
  a.connect(client, '127.0.0.1', port);
  a.peerName(client);
});

conformance('connect to AF_UNSPEC dissolves a UDP association', { group: connect }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const client = a.udp();
  a.connect(client, '127.0.0.1', port);
  a.peerName(client);
  a.task.call('connect', client, a.octets(new Uint8Array(2), 'addr'), 2);
  a.peerName(client);
  a.port(client);
  a.send(client, 'x');
  a.sendTo(client, 'y', '127.0.0.1', port);
  a.recv(fd);
  a.task.call('connect', client, a.octets(new Uint8Array(2), 'addr'), 1);
});

conformance('connect to itself', { group: connect }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.bind(fd, '127.0.0.1', 7102);
  a.connect(fd, '127.0.0.1', 7102);
  a.peerName(fd);
  a.send(fd, 'echo');
  a.recv(fd);
  a.task.call('shutdown', fd, c.SHUT_WR);
  a.recv(fd);
});

conformance('connect to the wildcard address reaches loopback', { group: connect }, (sys) => {
  const a = kit(sys);
  const { port } = a.listener();
  const fd = a.tcp();
  a.connect(fd, '0.0.0.0', port);
  a.peerName(fd);
  a.port(fd);
  const six = a.listener('::');
  const client = a.tcp(0, c.AF_INET6);
  a.connect(client, '::', six.port);
  a.peerName(client);
});

conformance('connect where no route leads', { group: connect }, (sys) => {
  const a = kit(sys);
  a.connect(a.tcp(), '192.0.2.1', 80);
  a.connect(a.udp(), '192.0.2.1', 80);
  a.connect(a.tcp(0, c.AF_INET6), 'fd00::9', 80);
  a.connect(a.udp(0, c.AF_INET6), 'fd00::9', 80);
  a.connect(a.tcp(), '255.255.255.255', 80);
  a.connect(a.udp(), '255.255.255.255', 80);
});

conformance('connect of a UDP socket filters senders', { group: connect }, (sys) => {
  const a = kit(sys);
  const one = a.udpBound();
  const two = a.udpBound();
  const fd = a.udpBound();
  a.connect(fd.fd, '127.0.0.1', one.port);
  a.sendTo(two.fd, 'stranger', '127.0.0.1', fd.port);
  a.sendTo(one.fd, 'friend', '127.0.0.1', fd.port);
  a.recvFrom(fd.fd);
  a.recv(fd.fd, 100, c.MSG_DONTWAIT);
  a.connect(fd.fd, '127.0.0.1', two.port);
  a.peerName(fd.fd);
});

conformance('connect chooses the source address', { group: connect }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound('0.0.0.0');
  const one = a.udp();
  a.connect(one, '127.0.0.9', port);
  a.port(one);
  a.send(one, 'x');
  a.recvFrom(fd);
  const bound = a.tcp();
  a.bind(bound, '127.0.0.5', 0);
  const listener = a.listener('0.0.0.0');
  a.connect(bound, '127.0.0.1', listener.port);
  a.port(bound);
  a.peerName(bound);
});

conformance('a port freed by its last socket can be connected from again', { group: connect }, (sys) => {
  const a = kit(sys);
  const { listener, client, server, port } = a.pair();
  a.close(server);
  a.close(client);
  a.close(listener);
  const again = a.tcp();
  a.bind(again, '127.0.0.1', port);
  const other = a.tcp();
  a.setInt(other, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(other, '127.0.0.1', port);
  a.listen(other);
});
