/** ioctl(2) about the socket itself: what is queued, who owns it, the urgent mark, when the last packet came. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asI32 } from '../show.ts';

const group = 'requests';

class Asker {
  readonly kit: Kit;
  readonly sys: System;
  constructor(sys: System) {
    this.sys = sys;
    this.kit = kit(sys);
  }
  /** A request that answers with an int. */
  ask(fd: number, request: number): number {
    const at = this.sys.alloc(4, 'int', asI32);
    const result = this.kit.task.call('ioctl', fd, request, at);
    return result === 0 ? this.sys.get(c.i32, at) : result;
  }
  set(fd: number, request: number, value: number): number {
    return this.kit.task.call('ioctl', fd, request, this.kit.int(value, 'value'));
  }
  queues(fd: number): void {
    for (const request of [c.SIOCINQ, c.SIOCOUTQ, c.SIOCOUTQNSD]) this.ask(fd, request);
  }
}

for (const [family, host] of [
  [c.AF_INET, '127.0.0.1'],
  [c.AF_INET6, '::1'],
] as const) {
  conformance(`requests: the queues of a TCP socket in each state, ${host}`, { group }, (sys) => {
    const q = new Asker(sys);
    const a = q.kit;
    const fresh = a.tcp(0, family);
    q.queues(fresh);
    a.bind(fresh, host, 0);
    q.queues(fresh);
    a.listen(fresh);
    q.queues(fresh);
    const { client, server } = a.pair(host);
    q.queues(client);
    a.send(client, 'hello');
    q.queues(server);
    a.recv(server, 2);
    q.queues(server);
    q.queues(client);
    // The acknowledgement of the end may be delayed, and until then it counts.
    a.task.call('shutdown', client, c.SHUT_WR);
    q.queues(server);
    a.recv(server);
    q.queues(server);
    a.task.call('shutdown', server, c.SHUT_WR);
    q.ask(server, c.SIOCINQ);
    q.ask(client, c.SIOCINQ);
    const refused = a.tcp(c.SOCK_NONBLOCK, family);
    a.connect(refused, host, 9);
    sys.sleep(30);
    q.queues(refused);
    a.error(refused);
    q.queues(refused);
    a.connect(refused, host, 9);
    q.queues(refused);
    // What this leaves is the distance of the next connection's sequence numbers.
    const blocking = a.tcp(0, family);
    a.connect(blocking, host, 9);
    q.queues(blocking);
    a.connect(blocking, host, 9);
    q.queues(blocking);
  });
  conformance(`requests: the queues of a UDP socket, ${host}`, { group }, (sys) => {
    const q = new Asker(sys);
    const a = q.kit;
    const { fd, port } = a.udpBound(host);
    q.queues(fd);
    a.sendTo(fd, 'hello', host, port);
    a.sendTo(fd, 'to you', host, port);
    q.queues(fd);
    a.recv(fd, 2);
    q.queues(fd);
    a.recv(fd);
    a.sendTo(fd, '', host, port);
    a.sendTo(fd, 'behind nothing', host, port);
    q.queues(fd);
    a.recv(fd);
    q.queues(fd);
    a.connect(fd, host, 9);
    a.send(fd, 'refused');
    q.queues(fd);
  });
}

conformance('requests: what a TCP peer has not read and not acknowledged', { group }, (sys) => {
  const q = new Asker(sys);
  const a = q.kit;
  const { client, server } = a.pair();
  a.task.call('fcntl', client, c.F_SETFL, c.O_NONBLOCK);
  const out = sys.alloc(100_000, 'out');
  let sent = 0;
  let inq = 0;
  let outq = 0;
  let unsent = 0;
  sys.quietly(() => {
    for (let i = 0; i < 400; i++) {
      const result = a.task.call('sendto', client, out, 100_000, 0, 0, 0);
      if (result < 0) break;
      sent += result;
    }
    inq = q.ask(server, c.SIOCINQ);
    outq = q.ask(client, c.SIOCOUTQ);
    unsent = q.ask(client, c.SIOCOUTQNSD);
  });
  // What has come and is not acknowledged yet is in both.
  sys.record('all of it is in one queue or the other', inq + outq >= sent && inq < sent && outq < sent);
  sys.record('some is not sent', unsent > 0 && unsent <= outq);
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 1);
});

conformance('requests: a FIN that waits behind octets is one more', { group }, (sys) => {
  const q = new Asker(sys);
  const a = q.kit;
  const { fd, port } = a.listener();
  a.setInt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 4096);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  const server = a.accept(fd);
  const out = sys.alloc(100_000, 'out');
  let before = 0;
  let after = 0;
  sys.quietly(() => {
    a.task.call('sendto', client, out, 100_000, 0, 0, 0);
    sys.sleep(50);
    before = q.ask(client, c.SIOCOUTQNSD);
    a.task.call('shutdown', client, c.SHUT_WR);
    after = q.ask(client, c.SIOCOUTQNSD);
  });
  sys.record('more', after - before);
  a.setInt(server, c.SOL_TCP, c.TCP_CORK, 1);
  a.send(server, 'held');
  q.ask(server, c.SIOCOUTQ);
  q.ask(server, c.SIOCOUTQNSD);
});

conformance('requests: what a reset leaves unacknowledged stays so until the next attempt', { group }, (sys) => {
  const q = new Asker(sys);
  const a = q.kit;
  const { client, server } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 1);
  a.send(client, 'held back');
  const linger = sys.alloc(8, 'linger');
  sys.put(c.linger, linger, { onoff: 1, linger: 0 });
  a.task.call('setsockopt', server, c.SOL_SOCKET, c.SO_LINGER, linger, 8);
  a.close(server);
  q.queues(client);
  a.error(client);
  q.queues(client);
  const fresh = a.tcp();
  const unspec = sys.alloc(16, 'unspec');
  sys.write(unspec, new Uint8Array(16));
  for (let i = 0; i < 2; i++) {
    a.task.call('connect', fresh, unspec, 16);
    q.queues(fresh);
  }
});

conformance('requests: octets held back by TCP_CORK are not sent', { group }, (sys) => {
  const q = new Asker(sys);
  const a = q.kit;
  const { client, server } = a.pair();
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 1);
  a.send(client, 'held back');
  q.queues(client);
  q.queues(server);
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 0);
  q.queues(client);
  q.queues(server);
});

conformance('requests: FIONREAD after MSG_PEEK, MSG_TRUNC and partial reads', { group }, (sys) => {
  const q = new Asker(sys);
  const a = q.kit;
  const { client, server } = a.pair();
  a.send(client, 'abcdef');
  a.recv(server, 2, c.MSG_PEEK);
  q.ask(server, c.FIONREAD);
  a.recv(server, 2, c.MSG_TRUNC);
  q.ask(server, c.FIONREAD);
  a.recv(server, 0);
  q.ask(server, c.FIONREAD);
  a.recv(server);
  a.task.call('shutdown', server, c.SHUT_RD);
  q.ask(server, c.FIONREAD);
});

conformance('requests: FIONREAD after a reset', { group }, (sys) => {
  const q = new Asker(sys);
  const a = q.kit;
  const { client, server } = a.pair();
  a.send(client, 'abc');
  const at = sys.alloc(8, 'linger');
  sys.put(c.linger, at, { onoff: 1, linger: 0 });
  a.task.call('setsockopt', client, c.SOL_SOCKET, c.SO_LINGER, at, 8);
  a.close(client);
  q.queues(server);
  a.recv(server);
  q.queues(server);
});

conformance('requests: pointers that fault, and a length that nobody gives', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.udp(), a.tcp(), a.tcp(0, c.AF_INET6)]) {
    for (const request of [c.FIONREAD, c.SIOCOUTQ, c.FIONBIO, c.FIOASYNC, c.FIOSETOWN, c.FIOGETOWN, c.SIOCATMARK]) {
      a.task.call('ioctl', fd, request, NOWHERE);
    }
    a.task.call('ioctl', fd, c.FIONREAD, sys.fixed(new Uint8Array(4), 'fixed'));
    a.task.call('ioctl', fd, c.FIONREAD, sys.edge(3, 'edge'));
  }
});

conformance('requests: the number is taken as an unsigned int', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  a.task.call('ioctl', fd, 0x1_0000_0000n + BigInt(c.FIONREAD), sys.alloc(4, 'int', asI32));
  a.task.call('ioctl', fd, 0xffff_ffff_0000_0000n + BigInt(c.FIOCLEX), 0);
  a.task.call('fcntl', fd, c.F_GETFD, 0);
  a.task.call('ioctl', 99, c.FIONREAD, NOWHERE);
});

conformance('requests: SIOCATMARK without urgent data', { group }, (sys) => {
  const q = new Asker(sys);
  const a = q.kit;
  q.ask(a.tcp(), c.SIOCATMARK);
  q.ask(a.udp(), c.SIOCATMARK);
  q.ask(a.udp(0, c.AF_INET6), c.SIOCATMARK);
  const { client, server, listener } = a.pair();
  q.ask(listener, c.SIOCATMARK);
  q.ask(server, c.SIOCATMARK);
  a.send(client, 'x');
  q.ask(server, c.SIOCATMARK);
});

conformance('requests: owners are processes, groups and nobody', { group }, (sys) => {
  const q = new Asker(sys);
  const a = q.kit;
  for (const fd of [a.udp(), a.tcp(0, c.AF_INET6)]) {
    q.ask(fd, c.FIOGETOWN);
    q.ask(fd, c.SIOCGPGRP);
    q.set(fd, c.FIOSETOWN, 0);
    q.set(fd, c.SIOCSPGRP, 0x7fff_0000);
    q.set(fd, c.FIOSETOWN, -0x7fff_0000);
    q.set(fd, c.FIOSETOWN, -0x8000_0000);
    q.ask(fd, c.FIOGETOWN);
    a.task.call('fcntl', fd, c.F_GETOWN, 0);
  }
});

conformance('requests: FIOASYNC shows as O_ASYNC, FIONBIO as O_NONBLOCK', { group }, (sys) => {
  const q = new Asker(sys);
  const a = q.kit;
  for (const fd of [a.udp(), a.tcp(0, c.AF_INET6)]) {
    for (const request of [c.FIOASYNC, c.FIONBIO]) {
      q.set(fd, request, 7);
      a.task.call('fcntl', fd, c.F_GETFL, 0);
      q.set(fd, request, 7);
      q.set(fd, request, 0);
      a.task.call('fcntl', fd, c.F_GETFL, 0);
    }
  }
});

conformance('requests: SIOCGSTAMP is ENOENT before any packet', { group }, (sys) => {
  const a = kit(sys);
  const requests = [c.SIOCGSTAMP_OLD, c.SIOCGSTAMPNS_OLD, c.SIOCGSTAMP_NEW, c.SIOCGSTAMPNS_NEW];
  for (const fd of [a.udp(), a.tcp(), a.udp(0, c.AF_INET6)]) {
    for (const request of requests) a.task.call('ioctl', fd, request, sys.alloc(16, 'stamp'));
    a.task.call('ioctl', fd, c.SIOCGSTAMP_OLD, NOWHERE);
  }
});

/** Seconds and so many parts of one; when is not the point. */
const asStamp =
  (fraction: number) =>
  (b: Uint8Array): string => {
    const [sec, part] = [c.i64.get(b, 0), c.i64.get(b, 8)];
    return sec > 1_500_000_000 && sec < 4_000_000_000 && part >= 0 && part < fraction ? 'a time' : `${sec} ${part}`;
  };

conformance('requests: SIOCGSTAMP tells of the last packet received', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.udpBound();
  const stamps = (): void => {
    for (const [request, fraction] of [
      [c.SIOCGSTAMP_OLD, 1e6],
      [c.SIOCGSTAMPNS_OLD, 1e9],
      [c.SIOCGSTAMP_NEW, 1e6],
      [c.SIOCGSTAMPNS_NEW, 1e9],
    ] as const) {
      a.task.call('ioctl', fd, request, sys.alloc(16, 'stamp', asStamp(fraction)));
    }
  };
  a.sendTo(fd, 'before anybody asks', '127.0.0.1', port);
  stamps();
  a.recv(fd);
  stamps();
  a.sendTo(fd, 'and after', '127.0.0.1', port);
  a.recv(fd);
  stamps();
  a.task.call('ioctl', fd, c.SIOCGSTAMP_OLD, NOWHERE);
});

conformance('requests: what neither a socket nor its family knows', { group }, (sys) => {
  const a = kit(sys);
  const requests = [
    0,
    1,
    0x5401,
    0x5412,
    0x5413,
    0x541c,
    0x5420,
    0x5460,
    0x1260,
    0x80041272,
    0x6601,
    0x8900,
    0x8908,
    0x890a,
    0x890d,
    0x890e,
    0x8910 + 0xef,
    0x89e0,
    0x89ef,
    0x89f0,
    0x89ff,
    0x8a00,
    0xffff_ffff,
  ];
  for (const fd of [a.udp(), a.tcp(), a.udp(0, c.AF_INET6)]) {
    for (const request of requests) a.task.call('ioctl', fd, request, sys.alloc(40, 'arg'));
  }
});

conformance('requests: requests of the file system on a socket', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const room = sys.alloc(64, 'arg');
  // FIBMAP, FIGETBSZ, FS_IOC_RESVSP, FIOQSIZE, FS_IOC_GETFLAGS, FS_IOC_FIEMAP.
  for (const request of [1, 2, 0x40305828, 0x5460, 0x80086601, 0xc020660b]) {
    a.task.call('ioctl', fd, request, room);
    a.task.call('ioctl', fd, request, NOWHERE);
  }
});
