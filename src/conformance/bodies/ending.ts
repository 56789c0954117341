/** shutdown(2), close(2), SO_LINGER: how connections end, and what each side then sees. */
import { conformance, type System } from '../body.ts';
import { inet, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const shutdown = 'shutdown';
const close = 'close';

function both(a: Kit, client: number, server: number): void {
  a.poll(client);
  a.poll(server);
}
function linger(sys: System, a: Kit, fd: number, onoff: number, seconds: number): number {
  const at = sys.alloc(8, 'linger');
  sys.put(c.linger, at, { onoff, linger: seconds });
  return a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_LINGER, at, 8);
}

conformance('shutdown checks its argument and the state', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  for (const how of [0, 1, 2, 3, -1]) a.task.call('shutdown', fd, how);
  const { client } = a.pair();
  a.task.call('shutdown', client, 3);
  a.task.call('shutdown', client, -1);
  const datagram = a.udp();
  for (const how of [0, 1, 2, 3]) a.task.call('shutdown', datagram, how);
});

conformance('shutdown of writing lets data arrive, then the end', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  both(a, client, server);
  a.send(client, 'last');
  a.task.call('shutdown', client, c.SHUT_WR);
  both(a, client, server);
  a.recv(server);
  a.recv(server);
  a.recv(server);
  a.send(client, 'x');
  a.send(client, 'x', c.MSG_NOSIGNAL);
  a.send(server, 'still open');
  a.recv(client);
  both(a, client, server);
});

conformance('shutdown of writing on both sides', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('shutdown', client, c.SHUT_WR);
  a.task.call('shutdown', server, c.SHUT_WR);
  both(a, client, server);
  a.recv(client);
  a.recv(server);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.task.call('shutdown', server, c.SHUT_RD);
  a.peerName(client);
  both(a, client, server);
});

conformance('shutdown of reading ends recv but not the stream', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('shutdown', server, c.SHUT_RD);
  both(a, client, server);
  a.recv(server);
  a.send(client, 'data after all');
  both(a, client, server);
  a.recv(server);
  a.recv(server);
  a.send(server, 'x');
  a.recv(client);
});

conformance('shutdown of both directions', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('shutdown', client, c.SHUT_RDWR);
  both(a, client, server);
  a.recv(client);
  a.recv(server);
  a.send(client, 'x', c.MSG_NOSIGNAL);
  a.task.call('shutdown', client, c.SHUT_RDWR);
  a.task.call('shutdown', client, c.SHUT_RD);
  a.send(server, 'x');
  both(a, client, server);
});

conformance('shutdown of reading, then of writing', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('shutdown', client, c.SHUT_RD);
  a.task.call('shutdown', client, c.SHUT_WR);
  both(a, client, server);
  a.recv(server);
  a.recv(client);
  a.error(client);
});

conformance('shutdown with unread data', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'unread');
  a.task.call('shutdown', server, c.SHUT_RDWR);
  both(a, client, server);
  a.recv(server);
  a.recv(server);
  a.recv(client);
  a.error(client);
});

conformance('shutdown of a listener', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const waiting = a.tcp();
  a.connect(waiting, '127.0.0.1', port);
  a.task.call('shutdown', fd, c.SHUT_WR);
  a.getInt(fd, c.SOL_SOCKET, c.SO_ACCEPTCONN);
  a.task.call('shutdown', fd, c.SHUT_RD);
  a.getInt(fd, c.SOL_SOCKET, c.SO_ACCEPTCONN);
  a.poll(fd);
  a.poll(waiting);
  a.accept(fd);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.listen(fd);
  a.connect(a.tcp(), '127.0.0.1', a.port(fd));
  a.accept(fd);
});

conformance('shutdown of a bound UDP socket takes effect and is ENOTCONN', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.task.call('shutdown', fd, c.SHUT_RD);
  a.poll(fd);
  a.recv(fd);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.recv(fd);
  a.task.call('shutdown', fd, c.SHUT_WR);
  a.poll(fd);
  a.sendTo(fd, 'x', '127.0.0.1', port, c.MSG_NOSIGNAL);
});

conformance('shutdown of a connected UDP socket', { group: shutdown }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const one = a.udp();
  a.connect(one, '127.0.0.1', port);
  a.task.call('shutdown', one, c.SHUT_WR);
  a.poll(one);
  a.send(one, 'x');
  a.sendTo(fd, 'x', '127.0.0.1', a.port(one));
  a.recv(one);
  a.task.call('shutdown', one, c.SHUT_RD);
  a.recv(one);
  a.poll(one);
});

conformance('close sends what is queued, then the end', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'last words');
  a.close(client);
  a.poll(server);
  a.recv(server);
  a.poll(server);
  a.recv(server);
  a.send(server, 'x');
  a.poll(server);
  a.send(server, 'y');
  a.recv(server);
});

conformance('close with unread data resets', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'unread');
  a.send(server, 'to be read');
  a.close(server);
  a.poll(client);
  a.recv(client);
  a.recv(client);
  a.recv(client);
  a.send(client, 'x');
  a.error(client);
  a.poll(client);
});

conformance('a reset is reported once by recv', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  linger(sys, a, server, 1, 0);
  a.close(server);
  a.poll(client);
  a.recv(client);
  a.recv(client);
  a.send(client, 'x');
  a.send(client, 'x', c.MSG_NOSIGNAL);
  a.poll(client);
  a.peerName(client);
  a.task.call('shutdown', client, c.SHUT_RDWR);
});

conformance('a reset is reported once by send, then EPIPE', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  linger(sys, a, server, 1, 0);
  a.close(server);
  a.send(client, 'x');
  a.send(client, 'x');
  a.recv(client);
});

conformance('a reset is reported once by SO_ERROR', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  linger(sys, a, server, 1, 0);
  a.close(server);
  a.error(client);
  a.error(client);
  a.poll(client);
  a.recv(client);
});

conformance('a reset drops what was not read', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(server, 'before the reset');
  linger(sys, a, server, 1, 0);
  a.close(server);
  a.poll(client);
  a.recv(client);
  a.recv(client);
});

conformance('SO_LINGER reads back and checks its length', { group: close }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  const room = () => a.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_LINGER, sys.alloc(8, 'linger'), a.int(8, 'len'));
  room();
  linger(sys, a, fd, 1, 5);
  room();
  linger(sys, a, fd, 0, 9);
  room();
  linger(sys, a, fd, 7, 0);
  room();
  const at = sys.alloc(8, 'linger');
  for (const len of [0, 4, 7]) a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_LINGER, at, len);
});

conformance('close with SO_LINGER waits no longer than for the end to be acknowledged', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  linger(sys, a, client, 1, 5);
  const from = sys.now();
  // Whether the acknowledgment comes at once or is delayed is the peer's choice (RFC 9293, 3.8.6.3).
  sys.quietly(() => {
    a.task.start('close', client);
    a.task.finish();
  });
  sys.record('close', a.task.result());
  sys.record('in less than a second', sys.now() - from < 1000);
  a.recv(server);
});

conformance('close of a listener resets what was not accepted', { group: close }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  a.close(fd);
  a.poll(client);
  a.recv(client);
  a.connect(a.tcp(), '127.0.0.1', port);
});

conformance('close of one duplicate ends nothing', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const copy = a.task.call('dup', client);
  a.close(client);
  a.poll(server);
  a.send(copy, 'still here');
  a.recv(server);
  a.close(copy);
  a.recv(server);
});

conformance('close frees a UDP port at once', { group: close }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  a.close(fd);
  a.bind(a.udp(), '127.0.0.1', port);
});

for (const reuse of [0, 1]) {
  const port = 7200 + reuse;
  const what = reuse === 0 ? 'keeps the port of the side that closed first' : 'gives the port to SO_REUSEADDR';
  conformance(`TIME-WAIT ${what}`, { group: close }, (sys) => {
    const a = kit(sys);
    const first = a.tcp();
    a.setInt(first, c.SOL_SOCKET, c.SO_REUSEADDR, reuse);
    a.bind(first, '127.0.0.1', port);
    a.listen(first);
    const client = a.tcp();
    a.connect(client, '127.0.0.1', port);
    const server = a.accept(first);
    a.close(server);
    a.recv(client);
    a.close(client);
    a.close(first);
    a.bind(a.tcp(), '127.0.0.1', port);
    const second = a.tcp();
    a.setInt(second, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    a.bind(second, '127.0.0.1', port);
    a.listen(second);
    a.port(second);
    a.connect(a.tcp(c.SOCK_NONBLOCK), '127.0.0.1', port);
    a.poll(second, c.POLLIN);
  });
}

conformance('connect to AF_UNSPEC resets the peer', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('connect', client, a.octets(inet('0.0.0.0', 0, c.AF_UNSPEC), 'addr'), 16);
  a.poll(server);
  a.recv(server);
  a.recv(server);
});

conformance('descriptors of a process end when the last holder closes', { group: close }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const child = sys.process('child');
  a.close(client);
  a.poll(server);
  const out = a.octets('from the child', 'out');
  child.call('write', client, out, 14);
  a.recv(server);
  child.call('close', client);
  a.poll(server);
  a.recv(server);
});
