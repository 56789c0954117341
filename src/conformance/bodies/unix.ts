/** AF_UNIX: socket, socketpair, names, connections (unix(7)). */
import { conformance } from '../body.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { CONNECTED, TYPES, typeName, UnixKit, unixKit } from './unix-kit.ts';

const group = 'unix';

conformance('unix: SOCK_RDM is ESOCKTNOSUPPORT, SOCK_RAW is datagrams', { group, pitfall: 3 }, (sys) => {
  const a = unixKit(sys);
  for (const type of [c.SOCK_RDM, 0, 6, 10, 11]) a.open(type);
  for (const protocol of [-1, 1, 2, 300]) a.task.call('socket', c.AF_UNIX, c.SOCK_STREAM, protocol);
  const raw = a.open(c.SOCK_RAW);
  a.getInt(raw, c.SOL_SOCKET, c.SO_TYPE);
});

for (const type of TYPES) {
  conformance(`unix: a fresh ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const fd = a.open(type, c.SOCK_NONBLOCK | c.SOCK_CLOEXEC);
    for (const option of [c.SO_TYPE, c.SO_DOMAIN, c.SO_PROTOCOL, c.SO_ERROR, c.SO_ACCEPTCONN, c.SO_SNDBUF]) {
      a.getInt(fd, c.SOL_SOCKET, option);
    }
    for (const option of [c.SO_PASSCRED, c.SO_PEEK_OFF, c.SO_RCVLOWAT, c.SO_SNDLOWAT]) {
      a.getInt(fd, c.SOL_SOCKET, option);
    }
    a.peerCredential(fd);
    a.cloexec(fd);
    a.task.call('fcntl', fd, c.F_GETFL, 0);
    a.poll(fd);
    a.unName(fd);
    a.unName(fd, 'getpeername');
    a.count(fd);
    a.count(fd, c.SIOCOUTQ);
    a.send(fd, 'x');
    a.take(fd);
    a.accept(fd);
    a.listen(fd);
    for (const how of [0, 1, 2]) {
      a.task.call('shutdown', fd, how);
      a.poll(fd);
    }
    a.send(fd, 'x');
    a.take(fd);
  });

  conformance(`unix: a pair of ${typeName(type)} sockets`, { group }, (sys) => {
    const a = unixKit(sys);
    const [one, other] = a.two(type, c.SOCK_CLOEXEC);
    a.cloexec(one);
    a.cloexec(other);
    a.poll(one);
    a.unName(one);
    a.unName(one, 'getpeername');
    a.peerCredential(one);
    a.send(one, 'hello');
    a.send(one, 'world');
    a.poll(other);
    a.count(other);
    a.count(one, c.SIOCOUTQ);
    a.recvUn(other, 7);
    a.count(one, c.SIOCOUTQ);
    a.recvUn(other, 7);
    a.take(other);
    a.count(one, c.SIOCOUTQ);
    a.connectTo(one, '\0x');
    a.listen(one);
    a.accept(one);
    a.getInt(one, c.SOL_SOCKET, c.SO_ACCEPTCONN);
  });

  conformance(`unix: names of ${typeName(type)} sockets`, { group }, (sys) => {
    const a = unixKit(sys);
    const path = a.named(type, 'path');
    a.unName(path);
    for (const room of [0, 2, 5, 7]) a.unName(path, 'getsockname', room);
    a.bindTo(path, 'other');
    a.bindTo(path, 'path');
    a.bindTo(path, '\0other');
    const second = a.open(type);
    a.bindTo(second, 'path');
    a.bindTo(second, '\0abstract');
    a.unName(second);
    const third = a.open(type);
    a.bindTo(third, '\0abstract');
    a.bindTo(third, '\0abstract\0');
    a.unName(third);
    for (const other of TYPES) a.named(other, '\0abstract');
    const fourth = a.named(type, '\0');
    a.unName(fourth);
    const chosen = a.open(type);
    a.bindTo(chosen, '');
    a.unName(chosen);
    a.bindTo(chosen, '');
    a.bindTo(chosen, '\0x');
    const tail = a.named(type, 'cut\0tail');
    a.unName(tail);
  });

  conformance(`unix: lengths of names of ${typeName(type)} sockets`, { group }, (sys) => {
    const a = unixKit(sys);
    const longest = a.named(type, 'p'.repeat(108));
    a.unName(longest);
    a.bindTo(a.open(type), 'q'.repeat(109));
    const abstract = a.named(type, `\0${'r'.repeat(107)}`);
    a.unName(abstract);
    a.bindTo(a.open(type), `\0${'s'.repeat(108)}`);
    const fd = a.open(type);
    const { at } = a.un('');
    for (const len of [0, 1, -1, 129]) a.task.call('bind', fd, at, len);
    a.task.call('bind', fd, NOWHERE, 4);
    for (const family of [c.AF_UNSPEC, c.AF_INET]) {
      a.bindTo(fd, 'x', family);
      a.bindTo(fd, '', family);
      a.connectTo(fd, 'x', family);
      a.connectTo(fd, '', family);
    }
    for (const len of [0, 1, 2, 111]) a.task.call('connect', fd, at, len);
  });

  conformance(`unix: a path outlives its ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const first = a.named(type, 'path');
    const client = a.open(type);
    a.connectTo(client, 'path');
    a.close(first);
    const second = a.open(type);
    a.connectTo(second, 'path');
    a.bindTo(second, 'path');
    a.unlink('path');
    a.unlink('path');
    a.connectTo(second, 'path');
    a.bindTo(second, './path');
    a.unName(second);
    a.unlink('path');
    a.named(type, 'path');
    a.close(second);
    a.connectTo(a.open(type), 'path');
    a.named(type, '\0gone');
    a.close(a.named(type, '\0free'));
    a.named(type, '\0free');
  });

  conformance(`unix: paths that no ${typeName(type)} socket can have`, { group }, (sys) => {
    const a = unixKit(sys);
    const fd = a.named(type, 'path');
    for (const path of ['path/', 'path/x', '.', './', '/', 'path/..', 'none/', '..']) {
      a.bindTo(a.open(type), path);
      a.connectTo(a.open(type), path);
      a.unlink(path);
    }
    a.connectTo(a.open(type), 'none');
    a.unlink('');
    a.unlink('none');
    a.task.call('unlink', NOWHERE);
    a.unName(fd);
  });

  conformance(`unix: ${typeName(type)} sockets of other types do not answer`, { group }, (sys) => {
    const a = unixKit(sys);
    const path = a.named(type, 'path');
    const abstract = a.named(type, '\0name');
    if (type !== c.SOCK_DGRAM) {
      a.listen(path);
      a.listen(abstract);
    }
    for (const other of TYPES) {
      const fd = a.open(other);
      a.connectTo(fd, 'path');
      a.connectTo(a.open(other), '\0name');
      a.unName(fd, 'getpeername');
    }
  });

  conformance(`unix: unlinkat for a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const fd = a.named(type, 'path');
    const path = a.octets('path\0', 'path');
    a.task.call('unlinkat', c.AT_FDCWD, path, 1);
    a.task.call('unlinkat', c.AT_FDCWD, path, c.AT_REMOVEDIR);
    a.task.call('unlinkat', 77, path, 0);
    a.task.call('unlinkat', fd, path, 0);
    a.task.call('unlinkat', c.AT_FDCWD, path, 0);
    a.task.call('unlinkat', c.AT_FDCWD, path, 0);
  });
}

conformance('unix: socketpair refuses', { group }, (sys) => {
  const a = unixKit(sys);
  const at = sys.alloc(8, 'pair');
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 0, NOWHERE);
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM | 0x100, 0, at);
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_RDM, 0, at);
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 2, at);
  a.task.call('socketpair', c.AF_INET, c.SOCK_STREAM, 0, at);
  a.task.call('socketpair', c.AF_UNIX, c.SOCK_STREAM, 0, sys.edge(4, 'edge'));
  a.open(c.SOCK_STREAM);
});

for (const type of CONNECTED) {
  conformance(`unix: a ${typeName(type)} connection`, { group }, (sys) => {
    const a = unixKit(sys);
    const listener = a.listening(type, 'path');
    a.poll(listener);
    a.peerCredential(listener);
    a.getInt(listener, c.SOL_SOCKET, c.SO_ACCEPTCONN);
    const client = a.named(type, '\0client');
    a.connectTo(client, 'path');
    a.poll(client);
    a.poll(listener);
    a.count(listener);
    a.send(client, 'early');
    a.unName(client, 'getpeername');
    a.connectTo(client, 'path');
    a.connectTo(client, 'none');
    a.listen(client);
    const name = sys.alloc(112, 'peer');
    const server = a.task.call('accept4', listener, name, a.int(112, 'namelen'), c.SOCK_CLOEXEC | c.SOCK_NONBLOCK);
    a.cloexec(server);
    a.task.call('fcntl', server, c.F_GETFL, 0);
    a.poll(listener);
    a.poll(server);
    a.unName(server);
    a.unName(server, 'getpeername');
    a.peerCredential(server);
    a.peerCredential(client);
    a.recvUn(server);
    a.send(server, 'answer');
    a.recvUn(client);
    a.send(listener, 'x');
    a.take(listener);
    a.connectTo(listener, 'path');
    a.bindTo(server, '\0another');
  });

  conformance(`unix: listen of a ${typeName(type)} socket`, { group }, (sys) => {
    const a = unixKit(sys);
    const fd = a.open(type);
    a.listen(fd);
    a.bindTo(fd, '\0name');
    a.accept(fd);
    a.listen(fd, -1);
    a.listen(fd, 0);
    a.dontWait(fd);
    a.accept(fd);
    a.task.call('shutdown', fd, c.SHUT_RD);
    a.poll(fd);
    a.accept(fd);
    a.connectTo(a.open(type), '\0name');
  });

  conformance(`unix: a backlog of n admits n + 1 ${typeName(type)} connections`, { group }, (sys) => {
    const a = unixKit(sys);
    const b = unixKit(sys, 'b');
    const listener = a.listening(type, '\0name', 1);
    for (let i = 0; i < 3; i++) a.connectTo(a.open(type, c.SOCK_NONBLOCK), '\0name');
    const late = a.open(type);
    b.startConnectTo(late, '\0name');
    a.accept(listener);
    b.task.finish();
    const impatient = a.open(type);
    a.setTimeout(impatient, c.SO_SNDTIMEO, 0, 300_000);
    b.startConnectTo(impatient, '\0name');
    b.task.finish();
    b.startConnectTo(a.open(type), '\0name');
    a.listen(listener, 5);
    b.task.finish();
    a.listen(listener, 0);
    b.startConnectTo(a.open(type), '\0name');
    a.close(listener);
    b.task.finish();
  });

  conformance(`unix: a signal while a ${typeName(type)} connect waits`, { group, interrupts: true }, (sys) => {
    const a = unixKit(sys);
    const b = unixKit(sys, 'b');
    const listener = a.listening(type, '\0name', 0);
    a.connectTo(a.open(type), '\0name');
    const fd = a.open(type);
    b.startConnectTo(fd, '\0name');
    sys.interrupt(b.task);
    b.startConnectTo(fd, '\0name');
    sys.interrupt(b.task, true);
    a.accept(listener);
    b.task.finish();
    a.poll(fd);
  });

  conformance(`unix: a listener closes with ${typeName(type)} connections that nobody accepted`, { group }, (sys) => {
    const a = unixKit(sys);
    const listener = a.listening(type, '\0name');
    const [one, two] = [a.open(type), a.open(type)];
    a.connectTo(one, '\0name');
    a.connectTo(two, '\0name');
    a.send(one, 'lost');
    a.close(listener);
    for (const fd of [one, two]) {
      a.poll(fd);
      a.take(fd);
      a.take(fd);
      a.send(fd, 'x');
      a.unName(fd, 'getpeername');
    }
  });

  conformance(`unix: the client of a ${typeName(type)} connection closes before accept`, { group }, (sys) => {
    const a = unixKit(sys);
    const listener = a.listening(type, '\0name');
    const client = a.named(type, '\0client');
    a.connectTo(client, '\0name');
    a.send(client, 'still');
    a.close(client);
    const server = a.accept(listener);
    a.poll(server);
    a.unName(server, 'getpeername');
    a.take(server);
    a.take(server);
    a.send(server, 'x');
  });

  conformance(`unix: accept of a ${typeName(type)} connection waits, and a bad name loses it`, { group }, (sys) => {
    const a = unixKit(sys);
    const b = unixKit(sys, 'b');
    const listener = a.listening(type, '\0name');
    b.task.start('accept', listener, 0, 0);
    const client = a.open(type);
    a.connectTo(client, '\0name');
    b.task.finish();
    const second = a.open(type);
    a.connectTo(second, '\0name');
    a.task.call('accept', listener, NOWHERE, a.int(100));
    a.poll(second);
    a.take(second);
    b.task.start('accept', listener, 0, 0);
    a.task.call('shutdown', listener, c.SHUT_RDWR);
    b.task.finish();
  });
}

conformance('unix: credentials of the processes that listened and connected', { group }, (sys) => {
  const a = unixKit(sys);
  const listener = a.listening(c.SOCK_STREAM, '\0name');
  const [one, other] = a.two(c.SOCK_DGRAM);
  const fd = a.open(c.SOCK_STREAM);
  const child = new UnixKit(sys, sys.process('child'));
  child.connectTo(fd, '\0name');
  child.peerCredential(fd);
  const server = a.accept(listener);
  a.peerCredential(server);
  a.peerCredential(fd);
  child.peerCredential(one);
  child.peerCredential(other);
  child.listen(listener);
  a.peerCredential(listener);
  const dgram = a.named(c.SOCK_DGRAM, '\0dgram');
  const client = a.open(c.SOCK_DGRAM);
  a.connectTo(client, '\0dgram');
  a.peerCredential(client);
  a.peerCredential(dgram);
});
