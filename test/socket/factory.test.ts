import test from 'ava';
import { Errno } from '../../src/abi/errno.ts';
import { SocketFactory } from '../../src/socket/factory.ts';
import { InetDatagramSocket } from '../../src/socket/inet-dgram.ts';
import { InetStreamSocket } from '../../src/socket/inet-stream.ts';
import { PingSocket } from '../../src/socket/ping.ts';
import { FakeStack, ROOT, USER } from './fakes.ts';

const { EAFNOSUPPORT, EINVAL, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } = Errno;
const NONBLOCK = 0x800;

test('what there is: TCP and UDP of both families, by name or by protocol 0', (t) => {
  const factory = new SocketFactory(new FakeStack());
  for (const domain of [2, 10]) {
    for (const protocol of [0, 6]) {
      const socket = factory.create(domain, 1, protocol, NONBLOCK, USER);
      t.true(socket instanceof InetStreamSocket);
      if (socket instanceof InetStreamSocket) {
        t.deepEqual([socket.domain, socket.type, socket.protocol, socket.statusFlags], [domain, 1, 6, 2 | NONBLOCK]);
        t.is(socket.tcp.family, domain === 2 ? 4 : 6);
      }
    }
    for (const protocol of [0, 17]) {
      const socket = factory.create(domain, 2, protocol, 0, USER);
      t.true(socket instanceof InetDatagramSocket);
      if (socket instanceof InetDatagramSocket) t.deepEqual([socket.type, socket.protocol], [2, 17]);
    }
    const ping = domain === 2 ? 1 : 58;
    const socket = factory.create(domain, 2, ping, 0, USER);
    t.true(socket instanceof PingSocket);
    if (socket instanceof PingSocket) t.deepEqual([socket.type, socket.protocol], [2, ping]);
  }
});

// [domain, type, protocol, errno], each measured on Linux 6.18, but for families and types that are not provided.
const REFUSED: [number, number, number, number][] = [
  [2, 3, 0, EPROTONOSUPPORT],
  [10, 3, 0, EPROTONOSUPPORT],
  [2, 1, 17, EPROTONOSUPPORT],
  [2, 1, 1, EPROTONOSUPPORT],
  [2, 2, 6, EPROTONOSUPPORT],
  [10, 2, 1, EPROTONOSUPPORT],
  [2, 4, 0, ESOCKTNOSUPPORT],
  [2, 5, 0, ESOCKTNOSUPPORT],
  [2, 5, 132, ESOCKTNOSUPPORT],
  [2, 6, 0, ESOCKTNOSUPPORT],
  [2, 0, 0, ESOCKTNOSUPPORT],
  [10, 10, 0, ESOCKTNOSUPPORT],
  [2, 11, 0, EINVAL],
  [2, -1, 0, EINVAL],
  [2, 1, -1, EINVAL],
  [2, 1, 263, EINVAL],
  [2, 1, 999, EINVAL],
  [99, 1, 0, EAFNOSUPPORT],
  [-1, 1, 0, EAFNOSUPPORT],
  [40, 99, 0, EINVAL],
  [40, 1, 0, EAFNOSUPPORT],
  [1, 4, 0, ESOCKTNOSUPPORT],
  [1, 99, 0, EINVAL],
  [1, 1, 2, EPROTONOSUPPORT],
  [16, 1, 0, ESOCKTNOSUPPORT],
  [16, 99, 0, EINVAL],
  [16, 3, 16, EPROTONOSUPPORT],
  [16, 3, -1, EPROTONOSUPPORT],
  [17, 3, 0, EAFNOSUPPORT],
  [2, 10, 0, EAFNOSUPPORT],
];
test('what there is not, with Linux’s errno', (t) => {
  const factory = new SocketFactory(new FakeStack());
  for (const [domain, type, protocol, errno] of REFUSED) {
    t.is(factory.create(domain, type, protocol, 0, ROOT), -errno, `socket(${domain}, ${type}, ${protocol})`);
  }
  t.is(factory.create(2, 3, 1, 0, USER), -EPERM);
  t.is(factory.create(2, 3, 1, 0, ROOT), -EPROTONOSUPPORT);
});
