/** Flags and lengths of sends and receives on a stream: MSG_MORE, MSG_EOR, MSG_ZEROCOPY, MSG_PEEK, MSG_TRUNC, nothing at all, and small buffers. */
import { conformance } from '../body.ts';
import { kit, pattern } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'stream flags';

conformance('stream flags: MSG_MORE holds back until there is no more', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'a ', c.MSG_MORE);
  a.send(client, 'b ', c.MSG_MORE);
  a.recv(server, 10, c.MSG_DONTWAIT);
  a.send(client, 'c');
  a.recv(server, 10);
});

conformance('stream flags: MSG_MORE gives up after 200 ms', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server);
  const from = sys.now();
  a.send(client, 'late', c.MSG_MORE);
  b.task.finish();
  const took = sys.now() - from;
  sys.record('about 200 ms', took >= 150 && took < 1000);
});

conformance('stream flags: TCP_CORK holds back until it is cleared', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 1);
  a.send(client, 'one ');
  a.recv(server, 10, c.MSG_DONTWAIT);
  b.startRecv(server);
  a.send(client, 'two');
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 0);
  b.task.finish();
});

conformance('stream flags: TCP_NODELAY lets a corked stream go', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 1);
  a.send(client, 'held');
  a.setInt(client, c.SOL_TCP, c.TCP_NODELAY, 1);
  a.recv(server, 10, c.MSG_DONTWAIT);
});

conformance('stream flags: what is held back goes with the end', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.send(client, 'held', c.MSG_MORE);
  b.startRecv(server, 10, c.MSG_WAITALL);
  a.task.call('shutdown', client, c.SHUT_WR);
  b.task.finish();
});

conformance('stream flags: MSG_EOR marks nothing on TCP', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'one', c.MSG_EOR);
  a.send(client, 'two', c.MSG_EOR);
  const room = sys.alloc(10, 'room');
  a.task.call('recvmsg', server, a.msghdr({ iov: [[room, 10]], flags: 0x7777 }), 0);
});

conformance('stream flags: MSG_ZEROCOPY without SO_ZEROCOPY copies', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'copied', c.MSG_ZEROCOPY);
  a.recv(server);
  a.poll(client);
  a.recv(client, 10, c.MSG_ERRQUEUE);
});

conformance('stream flags: MSG_PEEK with MSG_TRUNC counts and takes nothing', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'twelve octet');
  a.recv(server, 5, c.MSG_PEEK | c.MSG_TRUNC);
  a.recv(server, 50, c.MSG_PEEK | c.MSG_TRUNC);
  a.recv(server, 5, c.MSG_TRUNC);
  a.recv(server, 50);
  a.task.call('recvfrom', server, 0, 5, c.MSG_TRUNC | c.MSG_DONTWAIT, 0, 0);
  a.send(client, 'more');
  a.task.call('recvfrom', server, 0, 3, c.MSG_TRUNC, 0, 0);
  a.recv(server, 50);
});

conformance('stream flags: MSG_PEEK waits as any receive, and sees more each time', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server, 10, c.MSG_PEEK);
  a.send(client, 'one');
  b.task.finish();
  a.send(client, ' two');
  b.recv(server, 10, c.MSG_PEEK);
  b.startRecv(server, 10, c.MSG_PEEK | c.MSG_WAITALL);
  a.send(client, ' three');
  b.task.finish();
  b.recv(server, 20);
});

conformance('stream flags: MSG_WAITALL over several iovecs', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  const [one, two] = [sys.alloc(3, 'one'), sys.alloc(4, 'two')];
  const msg = b.msghdr({
    iov: [
      [one, 3],
      [two, 4],
    ],
  });
  b.task.start('recvmsg', server, msg, c.MSG_WAITALL);
  a.send(client, 'ab');
  a.send(client, 'cdefgh');
  b.task.finish();
  a.recv(server);
});

conformance('stream flags: calls about nothing', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  for (const flags of [0, c.MSG_DONTWAIT, c.MSG_MORE]) a.send(client, '', flags);
  a.task.call('sendto', client, 0, 0, 0, 0, 0);
  a.task.call('write', client, 0, 0);
  a.task.call('writev', client, 0, 0);
  a.poll(server);
  a.task.call('read', server, 0, 0);
  a.task.call('readv', server, 0, 0);
  a.recv(server, 0, c.MSG_DONTWAIT);
  a.send(client, 'x');
  a.recv(server, 0);
  a.recv(server, 0, c.MSG_PEEK);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.recv(server);
  a.recv(server, 0);
});

for (const octets of [4096, 16_384]) {
  conformance(`stream flags: SO_RCVBUF of ${octets} and a sender that waits`, { group }, (sys) => {
    const a = kit(sys);
    const b = kit(sys, 'b');
    const listener = a.tcp();
    a.setInt(listener, c.SOL_SOCKET, c.SO_RCVBUF, octets);
    a.bind(listener, '127.0.0.1', 0);
    a.listen(listener);
    const client = a.tcp();
    a.setInt(client, c.SOL_SOCKET, c.SO_SNDBUF, octets);
    a.connect(client, '127.0.0.1', a.port(listener));
    const server = a.accept(listener);
    const total = 100_000;
    const out = a.octets(pattern(total), 'out');
    const room = sys.alloc(total, 'room', () => 'octets');
    let got = 0;
    sys.quietly(() => {
      b.task.start('sendto', client, out, total, 0, 0, 0);
      while (got < total) {
        const n = a.task.call('recvfrom', server, room + got, 3000, 0, 0, 0);
        if (n <= 0) break;
        got += n;
      }
      b.task.finish();
    });
    sys.record('sent', b.task.result());
    sys.record('received', got);
    sys.record(
      'as sent',
      sys.read(room, total).every((octet, i) => octet === ((i * 7 + (i >> 8)) & 255)),
    );
  });
}

conformance('stream flags: a full connection, poll and a send that waits', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.task.call('fcntl', client, c.F_SETFL, c.O_NONBLOCK);
  const big = sys.alloc(65_536, 'big');
  let sent = 0;
  sys.quietly(() => {
    for (;;) {
      const n = a.task.call('sendto', client, big, 65_536, 0, 0, 0);
      if (n <= 0) break;
      sent += n;
    }
  });
  a.poll(client);
  a.send(client, 'x');
  b.task.start('poll', b.pollfds([[client, c.POLLOUT]]), 1, -1);
  const room = sys.alloc(65_536, 'room');
  let got = 0;
  sys.quietly(() => {
    while (got < sent) got += Math.max(1, a.task.call('recvfrom', server, room, 65_536, 0, 0, 0));
  });
  b.task.finish();
  sys.record('all there', got === sent);
});

for (const all of [0, c.MSG_WAITALL]) {
  for (const lowWater of [1, 8]) {
    const how = `${all === 0 ? '' : ' with MSG_WAITALL'} and SO_RCVLOWAT ${lowWater}`;
    conformance(`stream flags: MSG_TRUNC${how} waits as any receive`, { group, interrupts: true }, (sys) => {
      const a = kit(sys);
      const b = kit(sys, 'b');
      const { client, server } = a.pair();
      a.setInt(server, c.SOL_SOCKET, c.SO_RCVLOWAT, lowWater);
      for (const peek of [0, c.MSG_PEEK]) {
        a.send(client, 'hello');
        a.startRecv(server, 10, c.MSG_TRUNC | all | peek);
        if (a.task.blocked) b.send(client, 'world!');
        if (a.task.blocked) sys.interrupt(a.task);
        b.recv(server, 20, c.MSG_DONTWAIT);
      }
    });
  }
}
