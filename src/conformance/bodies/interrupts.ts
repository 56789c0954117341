/** What a caught signal makes of a call that waits: signal(7), with and without SA_RESTART, with and without a timeout, with and without a part done. */
import { conformance, type System, type Task } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { DATA_BASE } from '../layout.ts';
import * as c from '../linux.ts';
import { asMmsghdrs, asText } from '../show.ts';

const group = 'interrupts';

interface Waiting {
  readonly name: string;
  /** Starts the call on `b`. */
  readonly start: (b: Kit, fd: number, sys: System) => void;
}
const vector = (b: Kit, sys: System): number => {
  const at = sys.alloc(64, 'mmsg', asMmsghdrs);
  b.putMsghdr(at, { iov: [[sys.alloc(8, 'in', asText), 8]] });
  return at;
};
/** Calls that receive. */
const RECEIVING: readonly Waiting[] = [
  { name: 'recvfrom', start: (b, fd) => b.startRecv(fd, 8) },
  { name: 'read', start: (b, fd, sys) => b.task.start('read', fd, sys.alloc(8, 'in', asText), 8) },
  { name: 'readv', start: (b, fd, sys) => b.task.start('readv', fd, b.iovec([[sys.alloc(8, 'in', asText), 8]]), 1) },
  {
    name: 'recvmsg',
    start: (b, fd, sys) => b.task.start('recvmsg', fd, b.msghdr({ iov: [[sys.alloc(8, 'in', asText), 8]] }), 0),
  },
  { name: 'recvmmsg', start: (b, fd, sys) => b.task.start('recvmmsg', fd, vector(b, sys), 1, 0, 0) },
];

for (const { name, start } of RECEIVING) {
  conformance(`interrupts: ${name} ends with EINTR or goes on`, { group, interrupts: true }, (sys) => {
    const [a, b] = [kit(sys), kit(sys, 'b')];
    const { fd, port } = a.udpBound();
    start(b, fd, sys);
    sys.interrupt(b.task);
    start(b, fd, sys);
    sys.interrupt(b.task, true);
    sys.interrupt(b.task, true);
    a.sendTo(fd, 'x', '127.0.0.1', port);
    a.setTimeout(fd, c.SO_RCVTIMEO, 5, 0);
    start(b, fd, sys);
    sys.interrupt(b.task, true);
    start(b, fd, sys);
    sys.interrupt(b.task);
  });
}

/** A socket whose connection is not there yet, since the backlog is full: a send waits for it. */
function connecting(a: Kit): { readonly listener: number; readonly client: number } {
  const { fd, port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const client = a.tcp(c.SOCK_NONBLOCK);
  a.connect(client, '127.0.0.1', port);
  a.task.call('fcntl', client, c.F_SETFL, 0);
  return { listener: fd, client };
}
const SENDING: readonly {
  readonly name: string;
  readonly start: (task: Task, b: Kit, fd: number, out: number) => void;
}[] = [
  { name: 'sendto', start: (task, _b, fd, out) => task.start('sendto', fd, out, 100, 0, 0, 0) },
  { name: 'write', start: (task, _b, fd, out) => task.start('write', fd, out, 100) },
  { name: 'writev', start: (task, b, fd, out) => task.start('writev', fd, b.iovec([[out, 100]]), 1) },
  { name: 'sendmsg', start: (task, b, fd, out) => task.start('sendmsg', fd, b.msghdr({ iov: [[out, 100]] }), 0) },
];
for (const { name, start } of SENDING) {
  conformance(
    `interrupts: ${name} that waits for its connection ends with EINTR or goes on`,
    { group, interrupts: true },
    (sys) => {
      const [a, b] = [kit(sys), kit(sys, 'b')];
      const { client } = connecting(a);
      const out = b.octets('x'.repeat(100), 'out');
      a.task.call('sendto', client, out, 100, c.MSG_DONTWAIT, 0, 0);
      start(b.task, b, client, out);
      sys.interrupt(b.task);
      a.setTimeout(client, c.SO_SNDTIMEO, 5, 0);
      start(b.task, b, client, out);
      sys.interrupt(b.task, true);
      a.setTimeout(client, c.SO_SNDTIMEO, 0, 0);
      start(b.task, b, client, out);
      sys.interrupt(b.task, true);
    },
  );
}

conformance('interrupts: a send that waits for its connection sends when it is there', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { client, listener } = connecting(a);
  b.task.start('sendto', client, b.octets('at last', 'out'), 7, 0, 0, 0);
  a.accept(listener);
  b.task.finish();
  a.recv(a.accept(listener));
});

conformance(
  'interrupts: a send that has sent a part tells it, SA_RESTART or not',
  { group, interrupts: true },
  (sys) => {
    const [a, b] = [kit(sys), kit(sys, 'b')];
    for (const restart of [false, true]) {
      const { client, server } = a.pair();
      a.setInt(server, c.SOL_SOCKET, c.SO_RCVBUF, 65_536);
      a.setInt(client, c.SOL_SOCKET, c.SO_SNDBUF, 65_536);
      const len = 3_900_000;
      sys.record('restart', restart);
      sys.quietly(() => {
        b.task.start('sendto', client, DATA_BASE, len, 0, 0, 0);
        sys.interrupt(b.task, restart);
      });
      sys.record('a part was sent', b.task.result() > 0 && b.task.result() < len);
    }
  },
);

conformance(
  'interrupts: MSG_WAITALL that has a part tells it, SA_RESTART or not',
  { group, interrupts: true },
  (sys) => {
    const [a, b] = [kit(sys), kit(sys, 'b')];
    const { client, server } = a.pair();
    for (const restart of [false, true]) {
      b.startRecv(server, 10, c.MSG_WAITALL);
      a.send(client, 'abc');
      sys.interrupt(b.task, restart);
      b.startRecv(server, 10, c.MSG_WAITALL);
      sys.interrupt(b.task, restart);
      if (restart) a.send(client, '0123456789');
    }
  },
);

for (const name of ['recvmsg', 'recvmmsg', 'recvfrom'] as const) {
  conformance(
    `interrupts: ${name} with MSG_WAITALL that has a part writes all else too`,
    { group, interrupts: true },
    (sys) => {
      const [a, b] = [kit(sys), kit(sys, 'b')];
      const { client, server } = a.pair();
      a.setInt(server, c.SOL_SOCKET, c.SO_TIMESTAMP, 1);
      // The first of a host is switched on by a worker of the kernel (net_enable_timestamp): what arrives before has none.
      sys.sleep(100);
      const room = { at: sys.alloc(128, 'name'), len: b.int(128, 'namelen') };
      const vec = sys.alloc(64, 'mmsg', asMmsghdrs);
      b.putMsghdr(vec, { name: room.at, namelen: 128, iov: [[sys.alloc(8, 'in', asText), 8]], flags: -1 });
      if (name === 'recvmsg') b.task.start(name, server, vec, c.MSG_WAITALL);
      else if (name === 'recvmmsg') b.task.start(name, server, vec, 1, c.MSG_WAITALL, 0);
      else b.task.start(name, server, sys.alloc(8, 'in', asText), 8, c.MSG_WAITALL, room.at, room.len);
      a.send(client, 'abc');
      sys.interrupt(b.task);
      a.recv(server, 8, c.MSG_DONTWAIT);
    },
  );
}

conformance('interrupts: recvmmsg that has messages tells them', { group, interrupts: true }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.udpBound();
  const vec = sys.alloc(3 * 64, 'mmsg', asMmsghdrs);
  for (let i = 0; i < 3; i++) a.putMsghdr(vec + i * 64, { iov: [[sys.alloc(8, 'in', asText), 8]] });
  b.task.start('recvmmsg', fd, vec, 3, 0, 0);
  a.sendTo(fd, 'one', '127.0.0.1', port);
  sys.interrupt(b.task);
});

conformance('interrupts: accept with a timeout, and without', { group, interrupts: true }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd } = a.listener();
  b.task.start('accept4', fd, 0, 0, c.SOCK_CLOEXEC);
  sys.interrupt(b.task);
  a.setTimeout(fd, c.SO_RCVTIMEO, 5, 0);
  b.task.start('accept', fd, 0, 0);
  sys.interrupt(b.task, true);
});

conformance('interrupts: connect goes on in the background', { group, interrupts: true }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const client = a.tcp();
  b.startConnect(client, '127.0.0.1', port);
  sys.interrupt(b.task);
  a.task.call('fcntl', client, c.F_SETFL, c.O_NONBLOCK);
  a.connect(client, '127.0.0.1', port);
  a.task.call('fcntl', client, c.F_SETFL, 0);
  a.setTimeout(client, c.SO_SNDTIMEO, 5, 0);
  b.startConnect(client, '127.0.0.1', port);
  sys.interrupt(b.task, true);
  b.startConnect(client, '127.0.0.1', port);
  a.accept(fd);
  b.task.finish();
  b.connect(client, '127.0.0.1', port);
});

conformance('interrupts: each of poll, ppoll, select, pselect6, epoll_wait and epoll_pwait', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd } = a.udpBound();
  const ep = a.epoll();
  a.watch(ep, fd, c.EPOLLIN);
  const set = (): number => {
    const at = sys.alloc(8, 'set');
    sys.write(at, Uint8Array.of(1 << fd, 0, 0, 0, 0, 0, 0, 0));
    return at;
  };
  const starts = [
    () => b.task.start('poll', b.pollfds([[fd, c.POLLIN]]), 1, -1),
    () => b.task.start('ppoll', b.pollfds([[fd, c.POLLIN]]), 1, 0, 0, 0),
    () => b.task.start('select', 8, set(), 0, 0, 0),
    () => b.task.start('pselect6', 8, set(), 0, 0, 0, 0),
    () => b.task.start('epoll_wait', ep, b.eventRoom(), 8, -1),
    () => b.task.start('epoll_pwait', ep, b.eventRoom(), 8, -1, 0, 8),
    () => b.task.start('epoll_pwait2', ep, b.eventRoom(), 8, 0, 0, 8),
  ];
  for (const start of starts) {
    start();
    sys.interrupt(b.task, true);
  }
});

conformance('interrupts: one of two that wait for one socket', { group, interrupts: true }, (sys) => {
  const [a, b, d] = [kit(sys), kit(sys, 'b'), kit(sys, 'd')];
  const { fd, port } = a.udpBound();
  b.startRecv(fd);
  d.startRecv(fd);
  sys.interrupt(b.task);
  a.sendTo(fd, 'for the other', '127.0.0.1', port);
});

conformance('interrupts: who is interrupted and restarted waits anew, behind the others', { group }, (sys) => {
  const [a, b, d] = [kit(sys), kit(sys, 'b'), kit(sys, 'd')];
  const { fd, port } = a.udpBound();
  b.startRecv(fd);
  d.startRecv(fd);
  sys.interrupt(b.task, true);
  a.sendTo(fd, 'first', '127.0.0.1', port);
  a.sendTo(fd, 'second', '127.0.0.1', port);
});

conformance('interrupts: a signal to an idle task changes no later call', { group, interrupts: true }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.udpBound();
  b.recv(fd, 8, c.MSG_DONTWAIT);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  b.recv(fd, 8);
  b.startRecv(fd, 8);
  a.sendTo(fd, 'y', '127.0.0.1', port);
});
