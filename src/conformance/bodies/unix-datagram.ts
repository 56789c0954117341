/** AF_UNIX datagrams between sockets that are not a pair: names, peers, queues that are full (unix(7)). */
import { conformance } from '../body.ts';
import * as c from '../linux.ts';
import { unixKit } from './unix-kit.ts';

const group = 'unix';
const { SOCK_DGRAM } = c;

conformance('unix: datagrams by name', { group }, (sys) => {
  const a = unixKit(sys);
  const server = a.named(SOCK_DGRAM, 'server');
  const client = a.open(SOCK_DGRAM);
  a.sendUn(client, 'nameless', 'server');
  a.recvUn(server);
  a.bindTo(client, '\0client');
  a.sendUn(client, 'named', 'server');
  a.recvUn(server);
  a.sendUn(server, 'back', '\0client');
  a.recvUn(client);
  a.sendUn(client, 'x', 'none');
  a.sendUn(client, 'x', '\0none');
  a.sendUn(client, 'x', '');
  a.sendUn(client, 'x', 'server', c.MSG_OOB);
  a.send(client, 'x');
  a.task.call('sendto', client, a.octets('x', 'out'), 1, 0, a.un('server').at, 0);
  a.sendUn(server, 'to itself', 'server');
  a.recvUn(server);
  a.close(server);
  a.sendUn(client, 'x', 'server');
});

conformance('unix: a connected datagram socket takes only what its peer sends', { group }, (sys) => {
  const a = unixKit(sys);
  const server = a.named(SOCK_DGRAM, '\0server');
  const client = a.named(SOCK_DGRAM, '\0client');
  const other = a.open(SOCK_DGRAM);
  a.connectTo(client, '\0server');
  a.unName(client, 'getpeername');
  a.send(client, 'hello');
  a.recvUn(server);
  a.sendUn(server, 'answer', '\0client');
  a.recvUn(client);
  a.sendUn(other, 'stranger', '\0client');
  a.connectTo(other, '\0client');
  a.sendUn(client, 'elsewhere', '\0server');
  a.recvUn(server);
  a.connectTo(client, '\0client');
  a.poll(client);
  a.connectTo(client, '', c.AF_UNSPEC);
  a.unName(client, 'getpeername');
  a.send(client, 'x');
  a.sendUn(other, 'stranger', '\0client');
  a.recvUn(client);
  a.connectTo(client, '\0client');
  a.send(client, 'to myself');
  a.recvUn(client);
});

conformance('unix: the peer of a connected datagram socket is gone', { group }, (sys) => {
  const a = unixKit(sys);
  const server = a.named(SOCK_DGRAM, '\0server');
  const client = a.named(SOCK_DGRAM, '\0client');
  a.connectTo(client, '\0server');
  a.sendUn(server, 'kept?', '\0client');
  a.close(server);
  a.poll(client);
  a.unName(client, 'getpeername');
  a.named(SOCK_DGRAM, '\0server');
  a.send(client, 'x');
  a.poll(client);
  a.unName(client, 'getpeername');
  a.take(client);
  a.send(client, 'x');
});

conformance('unix: a datagram socket changes its peer', { group }, (sys) => {
  const a = unixKit(sys);
  const one = a.named(SOCK_DGRAM, '\0one');
  const two = a.named(SOCK_DGRAM, '\0two');
  const client = a.named(SOCK_DGRAM, '\0client');
  a.connectTo(client, '\0one');
  a.connectTo(one, '\0client');
  a.send(one, 'lost at the change');
  a.connectTo(client, '\0two');
  a.poll(one);
  a.take(client);
  a.take(one);
  a.take(one);
  a.send(one, 'x');
  a.sendUn(two, 'from two', '\0client');
  a.connectTo(client, '\0two');
  a.take(client);
  a.connectTo(client, '', c.AF_UNSPEC);
  a.sendUn(one, 'x', '\0client');
  a.take(client);
});

conformance('unix: eleven datagrams wait, the twelfth does not find room', { group }, (sys) => {
  const a = unixKit(sys);
  const server = a.named(SOCK_DGRAM, '\0server');
  const client = a.open(SOCK_DGRAM, c.SOCK_NONBLOCK);
  const connected = a.open(SOCK_DGRAM, c.SOCK_NONBLOCK);
  a.connectTo(connected, '\0server');
  for (let i = 0; i < 12; i++) a.sendUn(client, `datagram ${i}`, '\0server');
  a.poll(client);
  a.poll(connected);
  a.send(connected, 'x');
  const epfd = a.epoll();
  a.watch(epfd, connected, c.EPOLLOUT | c.EPOLLET);
  a.ready(epfd);
  a.take(server);
  a.ready(epfd);
  a.ready(epfd);
  a.poll(connected);
  a.send(connected, 'fits');
  a.send(connected, 'no more');
  a.ready(epfd);
  a.take(server);
  a.ready(epfd);
  a.sendUn(server, 'to itself', '\0server');
  a.sendUn(server, 'always', '\0server');
  a.take(server, 50, c.MSG_PEEK);
  a.ready(epfd);
});

conformance(
  'unix: datagram senders wait at the receiver, first come first served',
  { group, interrupts: true },
  (sys) => {
    const a = unixKit(sys);
    const b = unixKit(sys, 'b');
    const d = unixKit(sys, 'd');
    const server = a.named(SOCK_DGRAM, '\0server');
    const client = a.open(SOCK_DGRAM);
    const second = a.open(SOCK_DGRAM);
    a.connectTo(second, '\0server');
    for (let i = 0; i < 11; i++) a.sendUn(client, String(i), '\0server');
    const { at, len } = b.un('\0server');
    b.task.start('sendto', client, b.octets('from b', 'out'), 6, 0, at, len);
    d.task.start('sendto', second, d.octets('from d', 'out'), 6, 0, 0, 0);
    a.take(server);
    a.take(server);
    b.task.finish();
    d.task.finish();
    for (let i = 0; i < 12; i++) a.take(server);
    for (let i = 0; i < 11; i++) a.sendUn(client, String(i), '\0server');
    a.setTimeout(client, c.SO_SNDTIMEO, 0, 300_000);
    b.task.start('sendto', client, b.octets('from b', 'out'), 6, 0, at, len);
    b.task.finish();
    d.task.start('sendto', second, d.octets('from d', 'out'), 6, 0, 0, 0);
    sys.interrupt(d.task);
    d.task.start('sendto', second, d.octets('from d', 'out'), 6, 0, 0, 0);
    a.close(server);
    d.task.finish();
  },
);

conformance('unix: a receiver that shuts down refuses datagrams', { group }, (sys) => {
  const a = unixKit(sys);
  const b = unixKit(sys, 'b');
  const server = a.named(SOCK_DGRAM, '\0server');
  const client = a.open(SOCK_DGRAM);
  a.sendUn(client, 'before', '\0server');
  a.task.call('shutdown', server, c.SHUT_RD);
  a.poll(server);
  a.sendUn(client, 'after', '\0server');
  a.take(server);
  a.take(server);
  b.task.call('recvfrom', server, sys.alloc(9, 'in'), 9, 0, 0, 0);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.poll(client);
  a.sendUn(client, 'x', '\0server');
  a.sendUn(client, 'x', '\0none');
});

conformance('unix: datagrams carry the time of their arrival', { group }, (sys) => {
  const a = unixKit(sys);
  const [one, other] = a.two(SOCK_DGRAM);
  a.setInt(other, c.SOL_SOCKET, c.SO_TIMESTAMP, 1);
  a.send(one, 'x');
  a.get(other);
  a.send(one, 'y');
  a.get(other, 50, 20);
  a.send(one, 'z');
  a.get(other, 50, 0);
});

conformance('unix: SO_PASSCRED makes datagrams come from a chosen name', { group }, (sys) => {
  const a = unixKit(sys);
  const server = a.named(SOCK_DGRAM, '\0server');
  const client = a.open(SOCK_DGRAM);
  a.setInt(client, c.SOL_SOCKET, c.SO_PASSCRED, 1);
  a.sendUn(client, 'x', '\0server');
  a.recvUn(server);
  const second = a.open(SOCK_DGRAM);
  a.setInt(second, c.SOL_SOCKET, c.SO_PASSCRED, 1);
  a.connectTo(second, '\0server');
  a.unName(second);
  a.send(second, 'y');
  a.recvUn(server);
  const stream = a.open(c.SOCK_STREAM);
  a.setInt(stream, c.SOL_SOCKET, c.SO_PASSCRED, 1);
  a.connectTo(stream, '\0none');
  a.unName(stream);
});
