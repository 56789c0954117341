/** Urgent data (tcp(7), RFC 6093): MSG_OOB, SO_OOBINLINE, SIOCATMARK and what polls, peeks, waits and splices see of it. */
import { conformance, type System } from '../body.ts';
import { Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asI32 } from '../show.ts';

const group = 'urgent';

/** FIONREAD. */
function unread(sys: System, a: Kit, fd: number): void {
  a.task.call('ioctl', fd, c.FIONREAD, sys.alloc(4, 'unread', asI32));
}

conformance('urgent: one octet, out of band', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.poll(server);
  a.send(client, 'x', c.MSG_OOB);
  a.poll(server);
  a.atMark(server);
  unread(sys, a, server);
  a.recv(server, 10, c.MSG_OOB);
  a.poll(server);
  a.atMark(server);
  a.recv(server, 10, c.MSG_OOB);
  a.recv(server, 10, c.MSG_DONTWAIT);
  a.atMark(server);
});

conformance('urgent: a read stops at the mark, the next one goes on behind it', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc', c.MSG_OOB);
  a.send(client, 'def');
  a.poll(server);
  unread(sys, a, server);
  a.atMark(server);
  a.recv(server);
  a.atMark(server);
  a.poll(server);
  unread(sys, a, server);
  a.recv(server, 1, c.MSG_OOB);
  a.atMark(server);
  a.recv(server);
  a.atMark(server);
  a.recv(server, 1, c.MSG_OOB);
});

conformance('urgent: read past the mark, the octet is lost', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc', c.MSG_OOB);
  a.send(client, 'def');
  a.recv(server);
  a.recv(server, 1);
  a.poll(server);
  a.atMark(server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server);
});

conformance('urgent: in line, a read stops in front of it and SIOCATMARK says so', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.urgentInline(server);
  a.send(client, 'abc', c.MSG_OOB);
  a.send(client, 'def');
  a.poll(server);
  unread(sys, a, server);
  a.recv(server, 1, c.MSG_OOB);
  a.atMark(server);
  a.recv(server);
  a.atMark(server);
  a.poll(server);
  a.recv(server);
  a.atMark(server);
  a.poll(server);
});

conformance('urgent: in line, octet by octet', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.urgentInline(server);
  a.send(client, 'ab', c.MSG_OOB);
  a.send(client, 'c');
  for (let i = 0; i < 4; i++) {
    a.atMark(server);
    a.poll(server);
    a.recv(server, 1, c.MSG_DONTWAIT);
  }
  a.atMark(server);
});

conformance('urgent: SO_OOBINLINE set and cleared while the octet waits', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc', c.MSG_OOB);
  a.urgentInline(server);
  a.recv(server, 1, c.MSG_OOB);
  a.urgentInline(server, 0);
  a.recv(server, 1, c.MSG_OOB | c.MSG_PEEK);
  a.urgentInline(server);
  a.recv(server);
  a.recv(server);
  a.send(client, 'def', c.MSG_OOB);
  a.recv(server);
  a.urgentInline(server, 0);
  a.atMark(server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server, 10, c.MSG_DONTWAIT);
});

conformance('urgent: a second one makes the first plain data', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abC', c.MSG_OOB);
  a.send(client, 'deF', c.MSG_OOB);
  a.send(client, 'g');
  a.poll(server);
  unread(sys, a, server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server);
  a.atMark(server);
  a.recv(server);
  a.recv(server, 1, c.MSG_OOB);
});

conformance('urgent: one read out of band, another comes', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, '1', c.MSG_OOB);
  a.recv(server, 1, c.MSG_OOB);
  a.send(client, '2', c.MSG_OOB);
  a.poll(server);
  unread(sys, a, server);
  a.atMark(server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server, 5, c.MSG_DONTWAIT);
  a.send(client, 'x');
  a.recv(server);
});

conformance('urgent: one unread at the mark, another comes', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, '1', c.MSG_OOB);
  a.atMark(server);
  a.send(client, '2', c.MSG_OOB);
  a.atMark(server);
  unread(sys, a, server);
  a.recv(server, 5, c.MSG_DONTWAIT);
  a.recv(server, 5, c.MSG_DONTWAIT);
  a.recv(server, 5, c.MSG_OOB);
  a.send(client, 'end');
  a.recv(server);
});

conformance('urgent: three in line', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.urgentInline(server);
  for (const octet of ['1', '2', '3']) a.send(client, octet, c.MSG_OOB);
  for (let i = 0; i < 3; i++) {
    a.atMark(server);
    a.recv(server, 5, c.MSG_DONTWAIT);
  }
});

conformance('urgent: peeks, at the octet and at the stream', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc', c.MSG_OOB);
  a.send(client, 'def');
  a.recv(server, 1, c.MSG_OOB | c.MSG_PEEK);
  a.recv(server, 1, c.MSG_OOB | c.MSG_PEEK);
  a.poll(server);
  a.recv(server, 10, c.MSG_PEEK);
  a.recv(server, 10);
  a.recv(server, 10, c.MSG_PEEK);
  a.atMark(server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server, 10, c.MSG_PEEK);
  a.recv(server, 10);
});

conformance('urgent: peeks in line', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.urgentInline(server);
  a.send(client, 'abc', c.MSG_OOB);
  a.send(client, 'def');
  a.recv(server, 10, c.MSG_PEEK);
  a.recv(server, 10);
  a.recv(server, 10, c.MSG_PEEK);
  a.atMark(server);
  a.recv(server, 10);
});

conformance('urgent: MSG_OOB with other flags and lengths', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.recv(server, 0, c.MSG_OOB);
  a.recv(server, 1, c.MSG_OOB | c.MSG_WAITALL);
  a.send(client, 'x', c.MSG_OOB);
  a.recv(server, 0, c.MSG_OOB);
  a.recv(server, 10, c.MSG_OOB | c.MSG_TRUNC | c.MSG_PEEK);
  a.recv(server, 10, c.MSG_OOB | c.MSG_WAITALL | c.MSG_PEEK);
  a.recv(server, 10, c.MSG_OOB | c.MSG_TRUNC);
  a.recv(server, 10, c.MSG_OOB);
  const room = sys.alloc(4, 'in');
  a.send(client, 'y', c.MSG_OOB);
  a.task.call('recvfrom', server, 0x10, 4, c.MSG_OOB, 0, 0);
  const msg = a.msghdr({ iov: [[room, 4]], flags: 0x7777 });
  a.task.call('recvmsg', server, msg, c.MSG_OOB);
  a.send(client, 'z', c.MSG_OOB);
  const none = a.msghdr({ iov: [], flags: 0x7777 });
  a.task.call('recvmsg', server, none, c.MSG_OOB);
  const named = a.nameRoom();
  a.task.call('recvfrom', server, room, 4, c.MSG_OOB, named.at, named.len);
});

conformance('urgent: sends of no octets and of many', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, '', c.MSG_OOB);
  a.poll(server);
  a.send(client, 'many octets, the last urgent!', c.MSG_OOB);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server);
  a.send(client, 'more', c.MSG_OOB | c.MSG_MORE);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server);
  a.setInt(client, c.SOL_TCP, c.TCP_CORK, 1);
  a.send(client, 'corked', c.MSG_OOB);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server);
});

conformance('urgent: on sockets without a connection', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  a.recv(fd, 1, c.MSG_OOB);
  a.send(fd, 'x', c.MSG_OOB | c.MSG_NOSIGNAL);
  a.atMark(fd);
  const listener = a.listener();
  a.recv(listener.fd, 1, c.MSG_OOB);
  a.atMark(listener.fd);
  const datagram = a.udp();
  a.atMark(datagram);
});

conformance('urgent: after the end of the stream', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc', c.MSG_OOB);
  a.task.call('shutdown', client, c.SHUT_WR);
  a.poll(server);
  a.recv(server);
  a.recv(server);
  a.atMark(server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server);
  a.poll(server);
});

conformance('urgent: at the end of the stream with nothing urgent', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('shutdown', client, c.SHUT_WR);
  a.recv(server, 1, c.MSG_OOB);
  a.task.call('shutdown', server, c.SHUT_WR);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(client, 1, c.MSG_OOB);
});

conformance('urgent: after a reset', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abc', c.MSG_OOB);
  a.send(server, 'unread');
  a.close(client);
  a.poll(server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server, 10);
  a.recv(server, 10);
  a.atMark(server);
});

conformance('urgent: after shutdown of reading', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('shutdown', server, c.SHUT_RD);
  a.send(client, 'abc', c.MSG_OOB);
  a.poll(server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server, 10);
  a.atMark(server);
});

conformance('urgent: an unread urgent octet is unread data for close', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'x', c.MSG_OOB);
  a.poll(server);
  a.recv(server, 1, c.MSG_OOB);
  a.close(server);
  a.poll(client);
  a.recv(client);
  a.send(client, 'x', c.MSG_NOSIGNAL);
});

conformance('urgent: close with the octet in line and unread', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.urgentInline(server);
  a.send(client, 'x', c.MSG_OOB);
  a.poll(server);
  a.close(server);
  a.poll(client);
  a.recv(client);
});

conformance('urgent: SO_RCVLOWAT and MSG_OOB', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.setInt(server, c.SOL_SOCKET, c.SO_RCVLOWAT, 4);
  a.send(client, 'abX', c.MSG_OOB);
  a.poll(server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server, 10, c.MSG_DONTWAIT);
});

conformance('urgent: MSG_TRUNC discards up to the mark', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abX', c.MSG_OOB);
  a.send(client, 'def');
  a.recv(server, 10, c.MSG_TRUNC);
  a.atMark(server);
  a.recv(server, 2, c.MSG_TRUNC);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server);
});

conformance('urgent: a read of nothing at the mark', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'X', c.MSG_OOB);
  a.recv(server, 0);
  a.recv(server, 0, c.MSG_DONTWAIT);
  a.atMark(server);
  a.recv(server, 1, c.MSG_OOB);
  a.recv(server, 0, c.MSG_DONTWAIT);
});

conformance('urgent: splice stops at the mark', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const pipe = sys.alloc(8, 'pipe');
  a.task.call('pipe2', pipe, 0);
  const reader = sys.get(c.i32, pipe);
  const writer = sys.get(c.i32, pipe + 4);
  a.send(client, 'abX', c.MSG_OOB);
  a.send(client, 'def');
  a.task.call('splice', server, 0, writer, 0, 100, 0);
  a.poll(server);
  a.task.call('splice', server, 0, writer, 0, 100, c.SPLICE_F_NONBLOCK);
  a.task.call('read', reader, sys.alloc(20, 'out'), 20);
  a.atMark(server);
  a.recv(server, 1, c.MSG_OOB);
});

conformance('urgent: readv and read across the mark', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.send(client, 'abcX', c.MSG_OOB);
  a.send(client, 'def');
  const one = sys.alloc(2, 'one');
  const two = sys.alloc(4, 'two');
  const pieces = a.iovec([
    [one, 2],
    [two, 4],
  ]);
  a.task.call('readv', server, pieces, 2);
  a.task.call('readv', server, pieces, 2);
  a.recv(server, 1, c.MSG_OOB);
});

conformance('urgent: another process reads the octet', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const child = new Kit(sys, sys.process('child'));
  a.send(client, 'abX', c.MSG_OOB);
  child.recv(server, 1, c.MSG_OOB);
  a.recv(server, 1, c.MSG_OOB);
  a.poll(server);
  child.startRecv(server, 10);
  child.task.finish();
});
