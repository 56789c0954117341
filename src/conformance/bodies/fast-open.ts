/** TCP Fast Open (RFC 7413) as a program sees it where net.ipv4.tcp_fastopen is 1: clients ask for cookies, and no server gives one. */
import { conformance } from '../body.ts';
import { inet, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'fast open';
const { SOL_TCP, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE, MSG_FASTOPEN } = c;

const open = (a: Kit, fd: number, content: string, port: number, flags = 0): number =>
  a.sendTo(fd, content, '127.0.0.1', port, MSG_FASTOPEN | flags);
/** A listener that does not wait, and a port where nobody listens. */
function ports(a: Kit): { readonly fd: number; readonly port: number; readonly dead: number } {
  const gone = a.listener();
  a.close(gone.fd);
  const { fd, port } = a.listener();
  a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  return { fd, port, dead: gone.port };
}
/** What a listener has got. */
function taken(a: Kit, listener: number): void {
  const server = a.accept(listener);
  if (server >= 0) a.recv(server, 100, c.MSG_DONTWAIT);
}
/** Without a cookie the data waits for one. */
function deferred(a: Kit, flags = 0): number {
  const fd = a.tcp(flags);
  a.setInt(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
  a.setInt(fd, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
  return fd;
}

conformance('fast open: options of a fresh, a listening and a connected socket', { group }, (sys) => {
  const a = kit(sys);
  const { client, listener } = a.pair();
  for (const fd of [a.tcp(), listener, client]) {
    for (const option of [TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE]) {
      for (const value of [-1, 0, 1, 2, 5000]) {
        a.setInt(fd, SOL_TCP, option, value);
        a.getInt(fd, SOL_TCP, option);
      }
    }
    for (const octets of [0, 8, 16, 32, 48]) {
      a.task.call(
        'setsockopt',
        fd,
        SOL_TCP,
        TCP_FASTOPEN_KEY,
        a.octets(new Uint8Array(octets + 1).fill(7), 'key'),
        octets,
      );
      for (const room of [8, 64]) {
        a.task.call('getsockopt', fd, SOL_TCP, TCP_FASTOPEN_KEY, sys.alloc(room, 'key'), a.int(room, 'len'));
      }
    }
  }
});

conformance('fast open: an accepted socket has none of its options', { group }, (sys) => {
  const a = kit(sys);
  const listener = a.tcp();
  a.setInt(listener, SOL_TCP, TCP_FASTOPEN, 7);
  a.setInt(listener, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
  a.bind(listener, '127.0.0.1', 0);
  a.listen(listener);
  a.connect(a.tcp(), '127.0.0.1', a.port(listener));
  const server = a.accept(listener);
  a.getInt(server, SOL_TCP, TCP_FASTOPEN);
  a.getInt(server, SOL_TCP, TCP_FASTOPEN_NO_COOKIE);
  a.getInt(server, SOL_TCP, TCP_FASTOPEN_CONNECT);
});

conformance('fast open: MSG_FASTOPEN connects, waits and sends', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = ports(a);
  const client = a.tcp();
  open(a, client, 'hello', port);
  a.poll(client);
  a.peerName(client);
  taken(a, fd);
  open(a, client, 'again', port);
  a.send(client, 'x', MSG_FASTOPEN);
  a.connect(client, '127.0.0.1', port);
  a.send(client, 'plain');
});

conformance('fast open: MSG_FASTOPEN without waiting asks for a cookie', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = ports(a);
  const client = a.tcp(c.SOCK_NONBLOCK);
  open(a, client, 'lost', port);
  a.poll(client);
  open(a, client, 'sent', port);
  taken(a, fd);
  open(a, client, 'no', port);
  const other = a.tcp();
  open(a, other, 'lost', port, c.MSG_DONTWAIT);
  a.connect(other, '127.0.0.1', port);
  a.connect(other, '127.0.0.1', port);
  taken(a, fd);
});

conformance('fast open: MSG_FASTOPEN, refused', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port, dead } = ports(a);
  const client = a.tcp();
  open(a, client, 'x', dead);
  a.poll(client);
  open(a, client, 'hello', port);
  taken(a, fd);
  const other = a.tcp(c.SOCK_NONBLOCK);
  open(a, other, 'x', dead);
  a.poll(other);
  open(a, other, 'x', port);
  open(a, other, 'x', port);
});

conformance('fast open: MSG_FASTOPEN and names', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = ports(a);
  const client = a.tcp();
  a.send(client, 'x', MSG_FASTOPEN);
  const data = a.octets('hello', 'out');
  const names: ReadonlyArray<readonly [number, number]> = [
    [c.AF_UNSPEC, 16],
    [c.AF_INET6, 16],
    [c.AF_INET, 8],
    [c.AF_INET, 1],
    [c.AF_INET, 0],
  ];
  for (const [family, len] of names) {
    a.task.call('sendto', client, data, 5, MSG_FASTOPEN, a.octets(inet('127.0.0.1', port, family), 'addr'), len);
  }
  const name = a.name('127.0.0.1', port);
  a.task.call('sendto', client, 0x10, 5, MSG_FASTOPEN, name.at, name.len);
  a.poll(client);
  // The ACK of the handshake waits for the data that did not come (TCP_DELACK_MAX).
  sys.sleep(300);
  taken(a, fd);
  open(a, fd, 'x', port);
  a.sendTo(a.udp(), 'x', '127.0.0.1', port, MSG_FASTOPEN);
});

conformance('fast open: sendmsg with MSG_FASTOPEN gathers', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = ports(a);
  const name = a.name('127.0.0.1', port);
  const one = a.octets('one ', 'one');
  const two = a.octets('two', 'two');
  for (const noCookie of [0, 1]) {
    const client = a.tcp();
    a.setInt(client, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, noCookie);
    const msg = a.msghdr({
      name: name.at,
      namelen: name.len,
      iov: [
        [one, 4],
        [two, 3],
      ],
    });
    a.task.call('sendmsg', client, msg, MSG_FASTOPEN);
    taken(a, fd);
  }
});

conformance('fast open: of no octets', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = ports(a);
  for (const flags of [0, c.SOCK_NONBLOCK]) {
    for (const noCookie of [0, 1]) {
      const client = a.tcp(flags);
      a.setInt(client, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, noCookie);
      open(a, client, '', port);
      a.poll(client);
    }
  }
  // The ACK of the handshake may wait for data that did not come (TCP_DELACK_MAX).
  sys.sleep(300);
  for (let i = 0; i < 4; i++) taken(a, fd);
});

conformance('fast open: TCP_FASTOPEN_NO_COOKIE sends data with the SYN', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port, dead } = ports(a);
  for (const flags of [0, c.SOCK_NONBLOCK]) {
    const client = a.tcp(flags);
    a.setInt(client, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
    open(a, client, 'hello', port);
    a.poll(client);
    a.send(client, ' more');
    taken(a, fd);
    a.connect(client, '127.0.0.1', port);
    const refused = a.tcp(flags);
    a.setInt(refused, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
    open(a, refused, 'hello', dead);
    a.poll(refused);
    a.recv(refused, 10, c.MSG_DONTWAIT);
  }
});

conformance('fast open: TCP_FASTOPEN_CONNECT without a cookie connects', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = ports(a);
  const client = a.tcp();
  a.setInt(client, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
  a.connect(client, '127.0.0.1', port);
  a.poll(client);
  a.send(client, 'x');
  taken(a, fd);
});

conformance('fast open: TCP_FASTOPEN_CONNECT waits for data', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = ports(a);
  const client = deferred(a, c.SOCK_NONBLOCK);
  a.connect(client, '127.0.0.1', port);
  a.accept(fd);
  a.poll(client);
  a.connect(client, '127.0.0.1', port);
  a.peerName(client);
  a.recv(client, 10, c.MSG_DONTWAIT);
  a.error(client);
  a.send(client, 'hello');
  a.poll(client);
  taken(a, fd);
  a.connect(client, '127.0.0.1', port);
  a.connect(client, '127.0.0.1', port);
});

conformance('fast open: TCP_FASTOPEN_CONNECT, opened by write and by a send of nothing', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port, dead } = ports(a);
  const written = deferred(a);
  a.connect(written, '127.0.0.1', port);
  a.task.call('write', written, a.octets('written', 'out'), 7);
  taken(a, fd);
  const empty = deferred(a);
  a.connect(empty, '127.0.0.1', port);
  a.send(empty, '');
  a.poll(empty);
  taken(a, fd);
  const refused = deferred(a);
  a.connect(refused, '127.0.0.1', dead);
  a.send(refused, 'x', c.MSG_NOSIGNAL);
  a.poll(refused);
  a.send(refused, 'x', c.MSG_NOSIGNAL);
});

conformance('fast open: TCP_FASTOPEN_CONNECT, given up before there was data', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = ports(a);
  const shut = deferred(a);
  a.connect(shut, '127.0.0.1', port);
  a.task.call('shutdown', shut, c.SHUT_WR);
  a.poll(shut);
  const dissolved = deferred(a);
  a.connect(dissolved, '127.0.0.1', port);
  a.task.call('connect', dissolved, a.octets(inet('0.0.0.0', 0, c.AF_UNSPEC), 'nowhere'), 16);
  const closed = deferred(a);
  a.connect(closed, '127.0.0.1', port);
  a.close(closed);
  a.accept(fd);
});

conformance('fast open: a reader waits while another thread opens the connection', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = ports(a);
  const client = deferred(a);
  a.connect(client, '127.0.0.1', port);
  b.startRecv(client);
  a.send(client, 'question');
  const server = a.accept(fd);
  a.recv(server);
  a.send(server, 'answer');
  b.task.finish();
});

conformance('fast open: a send waits for room in the queue of the listener', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { fd, port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  for (const noCookie of [0, 1]) {
    const client = a.tcp();
    a.setInt(client, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, noCookie);
    const name = b.name('127.0.0.1', port);
    b.task.start('sendto', client, b.octets('late', 'out'), 4, MSG_FASTOPEN, name.at, name.len);
    a.accept(fd);
    b.task.finish();
  }
  a.recv(a.accept(fd));
});
