/** What a TCP socket's receive buffer and the options about it let through, and how long a peer that does not read is borne. */
import { conformance } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'tcp-buffers';

const CLAMP = 4000;
const setClamp = (a: Kit, fd: number): number => a.setInt(fd, c.SOL_TCP, c.TCP_WINDOW_CLAMP, CLAMP);
/** Records whether the clamp is the one that was set; what follows from the buffer depends on the memory behind each segment. */
function showClamp(a: Kit, fd: number): void {
  let clamp = 0;
  a.sys.quietly(() => {
    clamp = a.getInt(fd, c.SOL_TCP, c.TCP_WINDOW_CLAMP);
  });
  a.sys.record('clamp', clamp === CLAMP ? CLAMP : clamp > CLAMP ? 'more' : clamp);
}

conformance('tcp: TCP_WINDOW_CLAMP lasts until segments are larger than any before', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.getInt(a.tcp(), c.SOL_TCP, c.TCP_WINDOW_CLAMP);
  showClamp(a, server);
  setClamp(a, server);
  for (const octets of [100, 536, 537, 10]) {
    a.send(client, new Uint8Array(octets));
    a.recv(server, octets, c.MSG_WAITALL);
    showClamp(a, server);
  }
  setClamp(a, server);
  a.send(client, new Uint8Array(300));
  a.recv(server, 300, c.MSG_WAITALL);
  showClamp(a, server);
  a.send(client, new Uint8Array(9000));
  a.recv(server, 9000, c.MSG_WAITALL);
  showClamp(a, server);
});

/** SO_RCVBUF or a clamp made small on a connection that promised more before, whose peer has a lot to send. */
function shrunk(a: Kit, level: number, option: number, value: number): void {
  const { sys } = a;
  const { client, server } = a.pair();
  a.setInt(server, level, option, value);
  const total = 400_000;
  const from = sys.now();
  let got = 0;
  sys.quietly(() => {
    let sent = 0;
    const room = sys.alloc(65_536, 'octets');
    while (got < total && sys.now() - from < 5000) {
      const before = got + sent;
      sent += Math.max(0, a.task.call('sendto', client, room, Math.min(65_536, total - sent), c.MSG_DONTWAIT, 0, 0));
      got += Math.max(0, a.task.call('recvfrom', server, room, 65_536, c.MSG_DONTWAIT, 0, 0));
      if (got + sent === before) sys.sleep(5);
    }
  });
  sys.record('octets', got);
  sys.record('in time', sys.now() - from < 1500);
}
conformance('tcp: a small window after a large one lets a stream go on', { group }, (sys) => {
  const a = kit(sys);
  shrunk(a, c.SOL_TCP, c.TCP_WINDOW_CLAMP, 1152);
  shrunk(a, c.SOL_TCP, c.TCP_WINDOW_CLAMP, 20_000);
  shrunk(a, c.SOL_SOCKET, c.SO_RCVBUF, 16_384);
});

/** Writes until nothing more is taken. */
function fill(a: Kit, fd: number): void {
  a.sys.quietly(() => {
    const room = a.sys.alloc(65_536, 'octets');
    while (a.task.call('sendto', fd, room, 65_536, c.MSG_DONTWAIT, 0, 0) > 0);
  });
}
for (const [kind, buffer] of [
  ['closed', 0],
  ['small', 2304],
] as const) {
  conformance(
    `tcp: TCP_USER_TIMEOUT ends a connection whose peer answers probes of a ${kind} window`,
    { group },
    (sys) => {
      const a = kit(sys);
      const { client, server } = a.pair();
      if (buffer > 0) a.setInt(server, c.SOL_SOCKET, c.SO_RCVBUF, buffer);
      a.setInt(client, c.SOL_TCP, c.TCP_USER_TIMEOUT, 300);
      fill(a, client);
      const from = sys.now();
      a.task.start('poll', a.pollfds([[client, c.POLLIN]]), 1, 3000);
      a.task.finish();
      const took = sys.now() - from;
      sys.record('in time', took >= 300 && took < 2000);
      a.error(client);
      a.poll(client);
      a.send(client, 'more', c.MSG_NOSIGNAL);
    },
  );
}

conformance('tcp: SO_RCVLOWAT beyond half of the buffer makes it grow, unless it was chosen', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const show = (fd: number): void => {
    a.getInt(fd, c.SOL_SOCKET, c.SO_RCVLOWAT);
    a.getInt(fd, c.SOL_SOCKET, c.SO_RCVBUF);
  };
  for (const octets of [65_536, 65_537, 300_000, 1000]) {
    a.setInt(server, c.SOL_SOCKET, c.SO_RCVLOWAT, octets);
    show(server);
  }
  a.setInt(server, c.SOL_SOCKET, c.SO_RCVLOWAT, 300_000);
  a.setInt(client, c.SOL_SOCKET, c.SO_RCVBUF, 40_000);
  a.setInt(client, c.SOL_SOCKET, c.SO_RCVLOWAT, -1);
  show(client);
  a.send(client, new Uint8Array(200_000));
  sys.sleep(20);
  a.poll(server, c.POLLIN);
  a.send(client, new Uint8Array(100_000));
  a.task.call('poll', a.pollfds([[server, c.POLLIN]]), 1, 1000);
});

conformance('tcp: SO_RCVLOWAT does not keep octets from a socket that does not block', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.setInt(server, c.SOL_SOCKET, c.SO_RCVLOWAT, 10);
  a.task.call('fcntl', server, c.F_SETFL, c.O_NONBLOCK);
  a.send(client, 'abcd');
  sys.sleep(20);
  a.poll(server, c.POLLIN);
  a.recv(server);
});
