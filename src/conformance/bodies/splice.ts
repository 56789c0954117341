/** sendfile(2) and splice(2) between sockets, files and pipes. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit, pattern } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asI32 } from '../show.ts';

const group = 'splice';

function file(a: Kit, content: Uint8Array | string): number {
  const fd = a.task.call('memfd_create', a.octets('file\0', 'filename'), 0);
  a.task.call('write', fd, a.octets(content, 'content'), content.length);
  a.task.call('lseek', fd, 0, 0);
  return fd;
}
function pipe(a: Kit, sys: System, flags = 0): { readonly r: number; readonly w: number } {
  const at = sys.alloc(8, 'fds', asI32);
  a.task.call('pipe2', at, flags);
  return { r: sys.get(c.i32, at), w: sys.get(c.i32, at + 4) };
}
function offset(sys: System, value: number): number {
  const at = sys.alloc(8, 'offset', (bytes) => `${c.u64.get(bytes, 0)}`);
  sys.put(c.u64, at, value);
  return at;
}
const read = (a: Kit, sys: System, fd: number, len = 100): number => a.task.call('read', fd, sys.alloc(len, 'in'), len);
const put = (a: Kit, fd: number, text: string): number => a.task.call('write', fd, a.octets(text, 'out'), text.length);

conformance('sendfile moves the position of the file, or that of the caller', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const fd = file(a, '0123456789');
  a.task.call('sendfile', client, fd, 0, 4);
  a.recv(server);
  a.task.call('lseek', fd, 0, 1);
  const at = offset(sys, 7);
  a.task.call('sendfile', client, fd, at, 2);
  a.recv(server);
  a.task.call('lseek', fd, 0, 1);
  a.task.call('sendfile', client, fd, at, 100);
  a.recv(server);
  a.task.call('sendfile', client, fd, at, 100);
  a.task.call('sendfile', client, fd, 0, 0);
});

conformance('what sendfile refuses', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const fd = file(a, '0123456789');
  const { r, w } = pipe(a, sys);
  const at = offset(sys, 0);
  a.task.call('sendfile', client, fd, NOWHERE, 4);
  a.task.call('sendfile', client, 99, at, 4);
  a.task.call('sendfile', 99, fd, at, 4);
  a.task.call('sendfile', client, r, at, 4);
  a.task.call('sendfile', client, r, 0, 4);
  a.task.call('sendfile', client, w, 0, 4);
  a.task.call('sendfile', client, server, at, 4);
  a.task.call('sendfile', client, server, 0, 4);
  a.task.call('sendfile', fd, client, 0, 4);
  a.task.call('sendfile', client, fd, 0, -1);
  a.task.call('sendfile', client, fd, offset(sys, 2 ** 53 - 1), 4);
  const negative = a.octets(new Uint8Array(8).fill(255), 'negative');
  a.task.call('sendfile', client, fd, negative, 4);
  a.task.call('sendfile', client, fd, sys.fixed(new Uint8Array(8), 'fixed'), 4);
  a.recv(server);
  a.task.call('fcntl', client, c.F_SETFL, c.O_APPEND);
  a.task.call('sendfile', client, fd, 0, 4);
  a.task.call('sendfile', a.tcp(), fd, 0, 4);
});

conformance('sendfile to a UDP socket is one datagram', { group }, (sys) => {
  const a = kit(sys);
  const receiver = a.udp();
  a.bind(receiver, '127.0.0.1', 7000);
  const sender = a.udp();
  const fd = file(a, 'a datagram');
  a.task.call('sendfile', sender, fd, 0, 10);
  a.connect(sender, '127.0.0.1', 7000);
  a.task.call('sendfile', sender, fd, 0, 10);
  a.recv(receiver);
});

conformance('sendfile waits for room and tells all that it sent', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  const fd = file(a, pattern(65_536));
  a.setInt(client, c.SOL_SOCKET, c.SO_SNDBUF, 4608);
  const room = sys.alloc(65_536, 'room');
  b.task.start('recvfrom', server, room, 65_536, c.MSG_WAITALL, 0, 0);
  a.task.call('sendfile', client, fd, 0, 65_536);
  a.task.call('lseek', fd, 0, 1);
  b.task.finish();
});

conformance('splice from a pipe to a TCP socket', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  const { r, w } = pipe(a, sys);
  put(a, w, 'through the pipe');
  a.task.call('splice', r, 0, client, 0, 7, 0);
  a.recv(server);
  a.task.call('splice', r, 0, client, 0, 100, c.SPLICE_F_MOVE);
  a.recv(server);
  a.task.call('splice', r, 0, client, 0, 100, c.SPLICE_F_NONBLOCK);
  b.task.start('splice', r, 0, client, 0, 100, 0);
  put(a, w, 'late');
  a.recv(server);
  b.task.start('splice', r, 0, client, 0, 100, 0);
  a.close(w);
  a.task.call('splice', r, 0, client, 0, 100, 0);
});

conformance('splice from a TCP socket to a pipe', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  const { r, w } = pipe(a, sys);
  a.send(client, 'through the pipe');
  a.task.call('splice', server, 0, w, 0, 7, 0);
  read(a, sys, r);
  a.task.call('splice', server, 0, w, 0, 100, 0);
  read(a, sys, r);
  b.task.start('splice', server, 0, w, 0, 100, c.SPLICE_F_NONBLOCK);
  a.send(client, 'late');
  read(a, sys, r);
  a.task.call('fcntl', server, c.F_SETFL, c.O_NONBLOCK);
  a.task.call('splice', server, 0, w, 0, 100, 0);
  a.send(client, 'kept');
  a.task.call('sendfile', w, server, 0, 100);
  read(a, sys, r);
  a.task.call('shutdown', client, 1);
  a.task.call('splice', server, 0, w, 0, 100, 0);
});

conformance('a splice that a signal interrupts', { group, interrupts: true }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  const { r, w } = pipe(a, sys);
  b.task.start('splice', r, 0, client, 0, 100, 0);
  sys.interrupt(b.task);
  b.task.start('splice', server, 0, w, 0, 100, 0);
  sys.interrupt(b.task);
  b.task.start('splice', server, 0, w, 0, 100, 0);
  sys.interrupt(b.task, true);
  a.send(client, 'at last');
  read(a, sys, r);
});

conformance('a splice to a pipe that nobody reads is EPIPE and takes nothing', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const { r, w } = pipe(a, sys);
  a.close(r);
  a.send(client, 'stays');
  a.task.call('splice', server, 0, w, 0, 100, 0);
  a.recv(server);
});
conformance('a splice to a socket that has been shut down is EPIPE and leaves the pipe as it was', { group }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  const { r, w } = pipe(a, sys);
  put(a, w, 'stays');
  a.task.call('shutdown', client, 1);
  a.task.call('splice', r, 0, client, 0, 100, 0);
  read(a, sys, r);
  a.task.call('splice', r, 0, a.tcp(), 0, 100, c.SPLICE_F_NONBLOCK);
});

conformance('what splice, tee and vmsplice refuse', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const { r, w } = pipe(a, sys);
  const at = offset(sys, 0);
  a.task.call('splice', 99, 0, 98, 0, 0, 0xff);
  a.task.call('splice', r, 0, client, 0, 1, 0x10);
  a.task.call('splice', 99, 0, client, 0, 1, 0);
  a.task.call('splice', r, 0, 99, 0, 1, 0);
  a.task.call('splice', r, at, client, 0, 1, 0);
  a.task.call('splice', r, NOWHERE, client, 0, 1, 0);
  a.task.call('splice', r, 0, client, NOWHERE, 1, 0);
  a.task.call('splice', r, 0, client, at, 1, 0);
  a.task.call('splice', server, at, w, 0, 1, 0);
  a.task.call('splice', server, 0, w, at, 1, 0);
  a.task.call('splice', w, 0, client, 0, 1, 0);
  a.task.call('splice', server, 0, r, 0, 1, 0);
  a.task.call('splice', server, 0, client, 0, 1, 0);
  a.task.call('splice', r, 0, client, 0, -1, 0);
  a.task.call('tee', r, client, 1, 0);
  a.task.call('tee', server, w, 1, 0);
  a.task.call('tee', 99, w, 1, 0);
  a.task.call('tee', r, client, 0, 0);
  a.task.call('tee', r, client, 1, 0x10);
  a.task.call('vmsplice', client, 0, 0, 0);
  a.task.call('vmsplice', 99, 0, 0, 0);
  a.task.call('vmsplice', client, a.iovec([[at, 4]]), 1, 0);
  a.task.call('vmsplice', client, NOWHERE, 1, 0);
  a.task.call('vmsplice', client, 0, 0, 0x10);
});

conformance('a datagram spliced to a pipe loses its boundary', { group }, (sys) => {
  const a = kit(sys);
  const receiver = a.udp();
  a.bind(receiver, '127.0.0.1', 7000);
  const sender = a.udp();
  a.sendTo(sender, 'one', '127.0.0.1', 7000);
  a.sendTo(sender, 'two', '127.0.0.1', 7000);
  const { r, w } = pipe(a, sys);
  a.task.call('splice', receiver, 0, w, 0, 2, 0);
  a.task.call('splice', receiver, 0, w, 0, 100, 0);
  read(a, sys, r);
  put(a, w, 'back');
  a.connect(sender, '127.0.0.1', 7000);
  a.task.call('splice', r, 0, sender, 0, 100, 0);
  a.recv(receiver);
});
