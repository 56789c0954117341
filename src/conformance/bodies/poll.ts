/** poll(2), select(2): every state of a socket as its events, and the arguments. */
import { conformance } from '../body.ts';
import { kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { EVERY_EVENT } from '../show.ts';

const group = 'poll';

conformance('poll of a fresh and of a bound TCP socket', { group, pitfall: 6 }, (sys) => {
  const a = kit(sys);
  for (const family of [c.AF_INET, c.AF_INET6]) {
    const fd = a.tcp(0, family);
    a.poll(fd);
    a.bind(fd, family === c.AF_INET ? '127.0.0.1' : '::1', 0);
    a.poll(fd);
    a.poll(fd, 0);
  }
});

conformance('poll of a UDP socket', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  a.poll(fd);
  a.bind(fd, '127.0.0.1', 0);
  a.sendTo(fd, 'x', '127.0.0.1', a.port(fd));
  a.poll(fd);
  a.poll(fd, c.POLLIN);
  a.poll(fd, c.POLLOUT);
  a.poll(fd, 0);
});

conformance('poll of a listener', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  a.poll(fd);
  a.connect(a.tcp(), '127.0.0.1', port);
  a.poll(fd);
  a.accept(fd);
  a.poll(fd);
});

conformance('poll of a connection', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.poll(client);
  a.send(client, 'x');
  a.poll(server);
  a.poll(server, c.POLLIN);
  a.poll(server, c.POLLOUT);
  a.recv(server);
  a.poll(server);
});

conformance('poll of a refused connection', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp(c.SOCK_NONBLOCK);
  a.connect(fd, '127.0.0.1', 9);
  a.poll(fd);
  a.poll(fd, 0);
  a.error(fd);
  a.poll(fd);
  a.recv(fd);
});

conformance('poll of a full send buffer', { group }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  a.task.call('fcntl', client, c.F_SETFL, c.O_NONBLOCK);
  const out = sys.alloc(100_000, 'out');
  const { errors } = sys.quietly(() => {
    for (let i = 0; i < 200; i++) if (a.task.call('sendto', client, out, 100_000, 0, 0, 0) < 0) break;
  });
  sys.record('ended with', errors.join());
  a.poll(client);
});

conformance('poll of descriptors that are negative or not open', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const fds = a.pollfds([
    [-1, EVERY_EVENT],
    [77, EVERY_EVENT],
    [fd, c.POLLOUT],
    [-5, 0],
    [77, 0],
  ]);
  a.task.call('poll', fds, 5, 0);
});

conformance('poll checks its arguments', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  a.task.call('poll', NOWHERE, 1, 0);
  a.task.call('poll', NOWHERE, 0, 0);
  a.task.call('poll', 0, 0, 0);
  a.task.call('poll', a.pollfds([[fd, c.POLLOUT]]), 0x7fff_ffff, 0);
  a.task.call('poll', a.pollfds([[fd, c.POLLOUT]]), -1, 0);
  const fixed = new Uint8Array(8);
  c.pollfd.put(fixed, 0, { fd, events: c.POLLOUT, revents: 0 });
  a.task.call('poll', sys.fixed(fixed, 'fixed'), 1, 0);
});

conformance('poll reports one descriptor as often as it is named', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  a.task.call(
    'poll',
    a.pollfds([
      [fd, c.POLLOUT],
      [fd, c.POLLIN],
      [fd, c.POLLOUT | c.POLLIN],
    ]),
    3,
    0,
  );
});

conformance('poll with a timeout of zero clears revents', { group }, (sys) => {
  const a = kit(sys);
  const { fd } = a.udpBound();
  a.task.call('poll', a.pollfds([[fd, c.POLLIN]]), 1, 0);
});

conformance('poll waits its timeout out', { group }, (sys) => {
  const a = kit(sys);
  const { fd } = a.udpBound();
  const from = sys.now();
  a.task.start('poll', a.pollfds([[fd, c.POLLIN]]), 1, 300);
  a.task.finish();
  sys.record('waited', sys.now() - from >= 299);
});

conformance('poll of an epoll descriptor', { group }, (sys) => {
  const a = kit(sys);
  const ep = a.epoll();
  a.poll(ep);
  const { fd, port } = a.udpBound();
  a.watch(ep, fd, c.EPOLLIN);
  a.poll(ep);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  a.poll(ep);
});
