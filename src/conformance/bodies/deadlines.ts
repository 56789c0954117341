/** Timeouts of calls: they count from the first try, whatever wakes the call in between, and what a part done makes of them. */
import { conformance, type System, type Task } from '../body.ts';
import { type Kit, kit, pattern } from '../kit.ts';
import * as c from '../linux.ts';
import { asMmsghdrs, asText } from '../show.ts';

const group = 'deadlines';

/** The timeout of each wait, when the call is disturbed, and what is certainly more than the one and less than both. */
const TIMEOUT = 1500;
const DISTURBED = 800;
const TOO_LATE = 2200;

function limited(one: Kit, fd: number, option: number = c.SO_RCVTIMEO, ms = TIMEOUT): void {
  one.setTimeout(fd, option, Math.floor(ms / 1000), (ms % 1000) * 1000);
}
/** Starts something that waits, disturbs it before its end, and tells whether it then ended in time. */
function disturbed(sys: System, task: Task, start: () => void, disturb: () => void): void {
  const from = sys.now();
  start();
  sys.sleep(DISTURBED);
  disturb();
  task.finish();
  const waited = sys.now() - from;
  sys.record('ended in time', waited >= TIMEOUT - 1 && waited < TOO_LATE);
}

conformance('deadlines: MSG_WAITALL keeps its time when a part comes', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { client, server } = a.pair();
  limited(a, server);
  disturbed(
    sys,
    b.task,
    () => b.startRecv(server, 10, c.MSG_WAITALL),
    () => a.send(client, 'abc'),
  );
});

conformance('deadlines: recv keeps its time when another took what came', { group }, (sys) => {
  const [a, b, d] = [kit(sys), kit(sys, 'b'), kit(sys, 'd')];
  const { fd, port } = a.udpBound();
  const copy = a.task.call('dup', fd);
  d.startRecv(fd);
  limited(a, fd);
  disturbed(
    sys,
    b.task,
    () => b.startRecv(copy),
    () => a.sendTo(fd, 'for the first', '127.0.0.1', port),
  );
});

conformance('deadlines: accept keeps its time when another took the connection', { group }, (sys) => {
  const [a, b, d] = [kit(sys), kit(sys, 'b'), kit(sys, 'd')];
  const { fd, port } = a.listener();
  const client = a.tcp();
  d.task.start('accept', fd, 0, 0);
  limited(a, fd);
  disturbed(
    sys,
    b.task,
    () => b.task.start('accept', fd, 0, 0),
    () => a.connect(client, '127.0.0.1', port),
  );
});

conformance('deadlines: poll keeps its time when what came is gone', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.udpBound();
  disturbed(
    sys,
    b.task,
    () => b.task.start('poll', b.pollfds([[fd, c.POLLPRI]]), 1, TIMEOUT),
    () => a.sendTo(fd, 'not urgent', '127.0.0.1', port),
  );
});

conformance('deadlines: a send tells what it sent when its time is over', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { client, server } = a.pair();
  // How much buffers take by themselves is the system's free choice.
  a.setInt(server, c.SOL_SOCKET, c.SO_RCVBUF, 65_536);
  a.setInt(client, c.SOL_SOCKET, c.SO_SNDBUF, 65_536);
  limited(a, client, c.SO_SNDTIMEO);
  const len = 3_900_000;
  const out = sys.alloc(len, 'out');
  const room = sys.alloc(65_536, 'in');
  const from = sys.now();
  let took = 0;
  const { errors } = sys.quietly(() => {
    b.task.start('sendto', client, out, len, 0, 0, 0);
    sys.sleep(DISTURBED);
    took = a.task.call('recvfrom', server, room, 65_536, 0, 0, 0);
    b.task.finish();
  });
  const waited = sys.now() - from;
  sys.record('errors', errors.length);
  sys.record('the reader got something', took > 0);
  sys.record('a part was sent', b.task.result() > 0 && b.task.result() < len);
  sys.record('ended in time', waited >= TIMEOUT - 1 && waited < TOO_LATE);
});

conformance('deadlines: a send that waits for its connection is EAGAIN', { group }, (sys) => {
  const a = kit(sys);
  const { port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const client = a.tcp(c.SOCK_NONBLOCK);
  a.connect(client, '127.0.0.1', port);
  a.task.call('fcntl', client, c.F_SETFL, 0);
  limited(a, client, c.SO_SNDTIMEO, 400);
  const out = a.octets('x', 'out');
  a.task.start('sendto', client, out, 1, 0, 0, 0);
  a.task.finish();
  a.task.start('write', client, out, 1);
  a.task.finish();
  a.task.call('sendto', client, out, 1, c.MSG_DONTWAIT, 0, 0);
});

conformance('deadlines: each of recv, read, readv, recvmsg and recvmmsg', { group }, (sys) => {
  const a = kit(sys);
  const { fd } = a.udpBound();
  limited(a, fd, c.SO_RCVTIMEO, 400);
  const room = sys.alloc(8, 'in');
  const vec = sys.alloc(64, 'mmsg', asMmsghdrs);
  a.putMsghdr(vec, { iov: [[room, 8]] });
  a.task.start('read', fd, room, 8);
  a.task.finish();
  a.task.start('readv', fd, a.iovec([[room, 8]]), 1);
  a.task.finish();
  a.task.start('recvmsg', fd, a.msghdr({ iov: [[room, 8]] }), 0);
  a.task.finish();
  a.task.start('recvmmsg', fd, vec, 1, 0, 0);
  a.task.finish();
  a.task.call('recvfrom', fd, room, 8, c.MSG_DONTWAIT, 0, 0);
  a.task.call('preadv2', fd, a.iovec([[room, 8]]), 1, -1, 0, 8);
});

conformance('deadlines: recvmmsg looks at its time only after a message', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.udpBound();
  const vec = sys.alloc(3 * 64, 'mmsg', asMmsghdrs);
  for (let i = 0; i < 3; i++) a.putMsghdr(vec + i * 64, { iov: [[sys.alloc(8, 'in', asText), 8]] });
  const time = sys.alloc(16, 'timespec', (bytes) => (c.i64.get(bytes, 0) === 0 ? 'nothing left' : 'something left'));
  sys.put(c.timespec, time, { sec: 0, nsec: 300_000_000 });
  b.task.start('recvmmsg', fd, vec, 3, 0, time);
  a.sendTo(fd, 'one', '127.0.0.1', port);
  sys.sleep(500);
  a.sendTo(fd, 'two', '127.0.0.1', port);
  b.task.finish();
});

conformance(
  'deadlines: recvmmsg without time left has one message, and with SO_RCVTIMEO ends by that',
  { group },
  (sys) => {
    const [a, b] = [kit(sys), kit(sys, 'b')];
    const { fd, port } = a.udpBound();
    const vec = sys.alloc(2 * 64, 'mmsg', asMmsghdrs);
    for (let i = 0; i < 2; i++) a.putMsghdr(vec + i * 64, { iov: [[sys.alloc(8, 'in', asText), 8]] });
    const time = sys.alloc(16, 'timespec');
    sys.put(c.timespec, time, { sec: 0, nsec: 0 });
    a.sendTo(fd, 'one', '127.0.0.1', port);
    a.sendTo(fd, 'two', '127.0.0.1', port);
    a.task.call('recvmmsg', fd, vec, 2, 0, time);
    limited(a, fd, c.SO_RCVTIMEO, 400);
    b.task.start('recvmmsg', fd, vec, 2, 0, 0);
    b.task.finish();
    a.error(fd);
  },
);

conformance('deadlines: SO_RCVTIMEO set during a wait is for the next', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.udpBound();
  b.startRecv(fd);
  limited(a, fd, c.SO_RCVTIMEO, 400);
  sys.sleep(600);
  a.sendTo(fd, 'x', '127.0.0.1', port);
  b.startRecv(fd);
  b.task.finish();
});

conformance('deadlines: O_NONBLOCK goes before a timeout, and a timeout of nothing is none', { group }, (sys) => {
  const [a, b] = [kit(sys), kit(sys, 'b')];
  const { fd, port } = a.udpBound();
  limited(a, fd);
  a.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  a.recv(fd);
  a.task.call('fcntl', fd, c.F_SETFL, 0);
  limited(a, fd, c.SO_RCVTIMEO, 0);
  b.startRecv(fd);
  sys.sleep(200);
  a.sendTo(fd, 'x', '127.0.0.1', port);
});

conformance('deadlines: connect to a full backlog keeps its time when it is called again', { group }, (sys) => {
  const a = kit(sys);
  const { port } = a.listener('127.0.0.1', 0);
  a.connect(a.tcp(), '127.0.0.1', port);
  const client = a.tcp();
  limited(a, client, c.SO_SNDTIMEO, 400);
  for (let i = 0; i < 3; i++) {
    a.startConnect(client, '127.0.0.1', port);
    a.task.finish();
  }
  a.error(client);
});

conformance('deadlines: the timeout is the file’s, whichever descriptor and process waits', { group }, (sys) => {
  const a = kit(sys);
  const { fd } = a.udpBound();
  const child = sys.process('child');
  limited(a, fd, c.SO_RCVTIMEO, 400);
  child.start('recvfrom', fd, sys.alloc(8, 'in'), 8, 0, 0, 0);
  child.finish();
  a.task.start('recvfrom', a.task.call('dup', fd), sys.alloc(8, 'in'), 8, 0, 0, 0);
  a.task.finish();
});

conformance('deadlines: MSG_PEEK waits as long, and MSG_PEEK with MSG_WAITALL', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  limited(a, server, c.SO_RCVTIMEO, 400);
  a.startRecv(server, 8, c.MSG_PEEK);
  a.task.finish();
  sys.write(sys.alloc(4, 'unused'), pattern(4));
  a.send(client, 'abc');
  a.recv(server, 8, c.MSG_PEEK);
  a.startRecv(server, 8, c.MSG_PEEK | c.MSG_WAITALL);
  a.task.finish();
});
