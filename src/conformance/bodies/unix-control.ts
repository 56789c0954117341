/** AF_UNIX: descriptors and credentials that pass with a message (unix(7), cmsg(3)). */
import { conformance } from '../body.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asMsghdr } from '../show.ts';
import { ints, rights, TYPES, typeName, UnixKit, unixKit } from './unix-kit.ts';

const group = 'unix';

const credential = (pid: number, uid: number, gid: number) => ({
  level: c.SOL_SOCKET,
  type: c.SCM_CREDENTIALS,
  data: c.ucred.encode({ pid, uid, gid }),
});

for (const type of TYPES) {
  conformance(`unix: descriptors pass through a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    const pipe = sys.alloc(8, 'pipe');
    a.task.call('pipe2', pipe, c.O_CLOEXEC);
    const [reader, writer] = [sys.get(c.i32, pipe), sys.get(c.i32, pipe + 4)];
    const [p, q] = a.two(c.SOCK_STREAM);
    const udp = a.udp();
    a.passFds(one, 'ab', reader, p, udp, a.epoll());
    a.close(reader);
    a.close(p);
    a.task.call('write', writer, a.octets('through', 'out'), 7);
    a.send(q, 'to the one in flight');
    a.get(other);
    a.task.call('read', reader, sys.alloc(20, 'in'), 20);
    a.cloexec(reader);
    a.take(p);
    a.send(p, 'and back');
    a.take(q);
    a.getInt(11, c.SOL_SOCKET, c.SO_TYPE);
    a.passFds(one, 'c', one);
    a.get(other, 50, 64, c.MSG_CMSG_CLOEXEC);
    a.cloexec(13);
    a.task.call('fcntl', 13, c.F_DUPFD_QUERY, one);
    a.close(one);
    a.send(13, 'the same socket');
    a.take(other);
    a.close(13);
    a.poll(other);
  });

  conformance(`unix: descriptors that do not fit, ${typeName(type)}`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    const fds = [a.udp(), a.udp(), a.udp()];
    for (const room of [0, 4, 15, 16, 17, 19, 20, 23, 24, 27, 28, 29, 32]) {
      a.passFds(one, 'x', ...fds);
      a.get(other, 50, room);
    }
    a.passFds(one, 'y', ...fds);
    a.take(other);
    a.passFds(one, 'z', ...fds);
    a.task.call('read', other, sys.alloc(4, 'in'), 4);
    a.udp();
  });

  conformance(`unix: wrong SCM_RIGHTS at a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    a.passFds(one, 'a', 99);
    a.passFds(one, 'b', -1);
    a.passFds(one, 'c', one, 99);
    a.passFds(one, 'd');
    a.pass(one, 'e', [{ level: c.SOL_SOCKET, type: c.SCM_RIGHTS, data: new Uint8Array(3) }]);
    a.pass(one, 'f', [{ level: c.SOL_SOCKET, type: c.SCM_RIGHTS, data: new Uint8Array([one, 0, 0, 0, 1, 2]) }]);
    a.pass(one, 'g', [rights(one), rights(other)]);
    a.pass(one, 'h', [{ level: c.SOL_SOCKET, type: 77, data: ints(1) }]);
    a.pass(one, 'i', [{ level: 77, type: c.SCM_RIGHTS, data: ints(1) }]);
    a.pass(one, 'j', [{ ...rights(one), len: 15 }]);
    a.pass(one, 'k', [{ ...rights(one), len: 1000 }]);
    a.passFds(one, 'l', ...Array<number>(253).fill(one));
    a.passFds(one, 'm', ...Array<number>(254).fill(one));
    a.pass(one, 'n', [rights(...Array<number>(200).fill(one)), rights(...Array<number>(54).fill(one))]);
    for (let i = 0; i < 8; i++) a.get(other);
  });

  conformance(`unix: MSG_PEEK at descriptors, ${typeName(type)}`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    a.send(one, 'plain');
    a.passFds(one, 'with', one);
    a.send(one, 'after');
    a.get(other, 3, 64, c.MSG_PEEK);
    a.get(other, 50, 64, c.MSG_PEEK);
    a.get(other, 50, 16, c.MSG_PEEK);
    a.get(other, 5);
    a.get(other, 2, 64, c.MSG_PEEK);
    a.get(other, 2);
    a.get(other);
    a.get(other);
    a.udp();
  });

  conformance(`unix: credentials pass through a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    a.send(one, 'before');
    a.setInt(other, c.SOL_SOCKET, c.SO_PASSCRED, 1);
    a.send(one, 'after');
    a.get(other);
    a.get(other);
    a.send(one, 'cut');
    a.get(other, 50, 20);
    a.send(one, 'none');
    a.get(other, 50, 0);
    a.send(one, 'no control');
    a.take(other);
    a.passFds(one, 'both', one);
    a.get(other);
    a.setInt(other, c.SOL_SOCKET, c.SO_PASSCRED, 0);
    a.setInt(one, c.SOL_SOCKET, c.SO_PASSCRED, 1);
    a.send(one, 'the sender asks');
    a.setInt(other, c.SOL_SOCKET, c.SO_PASSCRED, 1);
    a.get(other);
  });

  conformance(`unix: claimed credentials at a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    a.setInt(other, c.SOL_SOCKET, c.SO_PASSCRED, 1);
    const at = sys.alloc(12, 'ucred');
    sys.quietly(() => a.task.call('getsockopt', one, c.SOL_SOCKET, c.SO_PEERCRED, at, a.int(12, 'len')));
    const { pid, uid, gid } = sys.get(c.ucred, at);
    // The claim holds a process id, which differs: it is not shown.
    const claim = (text: string, ...control: Parameters<UnixKit['control']>[0]) => {
      sys.quietly(() => a.pass(one, text, control));
      sys.record(text, a.task.result());
    };
    claim('own', credential(pid, uid, gid));
    a.get(other);
    claim('nobody', credential(pid, 0xffff_ffff, gid));
    claim('no group', credential(pid, uid, 0xffff_ffff));
    claim('no such process', credential(0x3fff_fff0, uid, gid));
    claim('short', { ...credential(pid, uid, gid), data: new Uint8Array(8) });
    claim('long', { ...credential(pid, uid, gid), data: new Uint8Array(16) });
    claim('with rights', rights(one), credential(pid, uid, gid));
    a.get(other);
    a.setInt(other, c.SOL_SOCKET, c.SO_PASSCRED, 0);
    claim('not asked', credential(pid, uid, gid));
    a.get(other);
  });

  conformance(`unix: SO_PASSRIGHTS of a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    a.setInt(other, c.SOL_SOCKET, c.SO_PASSRIGHTS, 0);
    a.passFds(one, 'refused', one);
    a.send(one, 'plain');
    a.setInt(other, c.SOL_SOCKET, c.SO_PASSRIGHTS, 1);
    a.passFds(one, 'taken', one);
    a.setInt(other, c.SOL_SOCKET, c.SO_PASSRIGHTS, 0);
    a.get(other);
    a.get(other);
  });

  conformance(`unix: a ${typeName(type)} socket in flight within itself`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    const [left, right] = a.two();
    // When the cycle goes the socket inside goes with it.
    a.passFds(one, 'itself', other, right);
    a.passFds(other, 'the other', one);
    a.close(right);
    a.poll(left);
    a.close(one);
    a.poll(left);
    a.close(other);
    // Linux collects at the next release of a socket.
    a.close(a.open(type));
    sys.sleep(300);
    a.poll(left);
  });

  conformance(`unix: descriptors of a ${typeName(type)} message that nobody receives`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    const [left, right] = a.two();
    a.passFds(one, 'never read', right);
    a.close(right);
    a.poll(left);
    a.close(other);
    sys.sleep(300);
    a.poll(left);
    a.poll(one);
  });

  conformance(`unix: control that cannot be written, ${typeName(type)}`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    a.passFds(one, 'x', one, other);
    const msg = sys.alloc(56, 'msg', asMsghdr);
    a.putMsghdr(msg, { iov: [[sys.alloc(4, 'in'), 4]], control: NOWHERE, controllen: 40 });
    a.task.call('recvmsg', other, msg, 0);
    a.udp();
    a.passFds(one, 'y', one, other);
    a.task.call('recvmsg', other, NOWHERE, 0);
    a.get(other);
  });

  conformance(`unix: what several processes write through a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type);
    const child = new UnixKit(sys, sys.process('child'));
    a.send(one, 'parent ');
    child.send(one, 'child ');
    child.send(one, 'child again');
    a.get(other, 8);
    a.setInt(other, c.SOL_SOCKET, c.SO_PASSCRED, 1);
    a.get(other);
    a.send(one, 'parent ');
    a.send(one, 'again ');
    child.send(one, 'child ');
    child.send(one, 'again');
    a.get(other, 50, 64, c.MSG_PEEK);
    a.get(other);
    a.get(other, 50, 64, c.MSG_WAITALL | c.MSG_DONTWAIT);
    child.passFds(one, 'from the child', one);
    a.get(other);
    a.task.call('shutdown', one, c.SHUT_WR);
    a.get(other);
  });
}

conformance('unix: descriptors end a read of a stream, plain octets before them do not', { group }, (sys) => {
  const a = unixKit(sys);
  const [one, other] = a.two();
  a.send(one, 'plain ');
  a.passFds(one, 'with one ', one);
  a.passFds(one, 'with two ', one, one);
  a.send(one, 'plain');
  a.get(other);
  a.get(other, 5);
  a.get(other);
  a.get(other);
  a.passFds(one, '', one);
  a.get(other);
  a.passFds(one, 'abcdef', one);
  a.send(one, 'ghi');
  a.get(other, 9, 64, c.MSG_WAITALL);
  a.get(other, 9, 64, c.MSG_DONTWAIT);
});

conformance('unix: descriptors go with the first octets of a long send', { group }, (sys) => {
  const a = unixKit(sys);
  const [one, other] = a.two();
  const out = a.octets(new Uint8Array(90_000).fill(7), 'out');
  const { at, len } = a.control([rights(one)]);
  a.task.call('sendmsg', one, a.msghdr({ iov: [[out, 90_000]], control: at, controllen: len }), 0);
  const into = sys.alloc(90_000, 'in');
  for (let i = 0; i < 4; i++) {
    const msg = a.msghdr({ iov: [[into, 50_000]], control: a.controlRoom(40), controllen: 40 });
    a.task.call('recvmsg', other, msg, c.MSG_DONTWAIT);
  }
});

conformance('unix: descriptors wait with their send', { group }, (sys) => {
  const a = unixKit(sys);
  const b = unixKit(sys, 'b');
  const [one, other] = a.two();
  const udp = a.udp();
  a.setInt(one, c.SOL_SOCKET, c.SO_SNDBUF, 5000);
  const out = a.octets(new Uint8Array(20_000).fill(7), 'out');
  a.task.call('sendto', one, out, 20_000, c.MSG_DONTWAIT, 0, 0);
  const { at, len } = a.control([rights(udp)]);
  b.task.start('sendmsg', one, a.msghdr({ iov: [[out, 4]], control: at, controllen: len }), 0);
  a.close(udp);
  a.task.call('recvfrom', other, sys.alloc(20_000, 'in'), 20_000, c.MSG_DONTWAIT, 0, 0);
  b.task.finish();
  a.get(other);
});

conformance('unix: a listener passes on what was sent before accept', { group }, (sys) => {
  const a = unixKit(sys);
  const listener = a.listening(c.SOCK_STREAM, '\0name');
  a.setInt(listener, c.SOL_SOCKET, c.SO_PASSCRED, 1);
  const client = a.open(c.SOCK_STREAM);
  a.connectTo(client, '\0name');
  a.passFds(client, 'early', client);
  const server = a.accept(listener);
  a.getInt(server, c.SOL_SOCKET, c.SO_PASSCRED);
  a.get(server);
  a.send(client, 'late');
  a.get(server);
});

conformance('unix: a listener in flight to itself, through a connection that nobody accepted', { group }, (sys) => {
  const a = unixKit(sys);
  const [left, right] = a.two();
  const listener = a.listening(c.SOCK_STREAM, '\0name');
  const client = a.open(c.SOCK_STREAM);
  a.connectTo(client, '\0name');
  a.passFds(client, 'x', listener, right);
  a.close(right);
  a.poll(client);
  a.close(listener);
  a.close(a.open(c.SOCK_STREAM));
  sys.sleep(300);
  a.poll(left);
  a.poll(client);
});
