import test from 'ava';
import { Errno } from '../../src/abi/errno.ts';
import * as S from '../../src/abi/socket.ts';
import { UDP_CORK } from '../../src/abi/transport.ts';
import { SocketFactory } from '../../src/socket/factory.ts';
import { PingSocket } from '../../src/socket/ping.ts';
import { FakeStack, type FakeUdp, message, name4, name6, TestMemory, USER } from './fakes.ts';

const { EAFNOSUPPORT, EDESTADDRREQ, EFAULT, EINVAL, EMSGSIZE, ENOPROTOOPT, ENOTTY, EOPNOTSUPP } = Errno;

function fixture(domain: number) {
  const stack = new FakeStack();
  const made = new SocketFactory(stack).create(domain, S.SOCK_DGRAM, domain === S.AF_INET ? 1 : 58, 0, USER);
  if (!(made instanceof PingSocket)) throw new RangeError('no ping socket');
  const socket = made.retain();
  const memory = new TestMemory();
  /** Sends `octets` from address 0, or what lies at `at`. */
  const send = (octets: readonly number[], to?: Uint8Array, flags = 0, at = 0): number => {
    memory.put(0, String.fromCharCode(...octets));
    const m = message(memory, at, octets.length, flags);
    if (to !== undefined) {
      m.name.set(to);
      m.nameLength = to.length;
    }
    const result = socket.send(m, 5);
    if (result >= 0) socket.commit(socket.units);
    return result;
  };
  return { socket, memory, send, udp: stack.udps[0] as FakeUdp };
}

for (const [domain, echo, other, to] of [
  [S.AF_INET, 8, 128, name4('127.0.0.1', 0)],
  [S.AF_INET6, 128, 8, name6('::1', 0)],
] as const) {
  const title = domain === S.AF_INET ? 'ICMP' : 'ICMPv6';
  const request = [echo, 0, 0, 0, 0, 0, 0, 1];

  test(`${title}: an echo request is sent, in whole, to a name without a port`, (t) => {
    const { send, udp } = fixture(domain);
    t.is(send([...request, 65, 66], to), 10);
    t.is(udp.transmitted.length, 1);
    t.regex(udp.transmitted[0] as string, /AB$/);
    t.is(send(request, to, S.MSG_MORE), 8);
    t.is(udp.transmitted.length, 2);
    t.is(send(request, to, S.MSG_PROBE), 8);
    t.is(udp.transmitted.length, domain === S.AF_INET ? 2 : 3);
  });

  test(`${title}: what is no echo request is refused before its destination is looked at`, (t) => {
    const { send, memory, udp } = fixture(domain);
    t.is(send(request.slice(0, 7)), -EINVAL);
    t.is(send(Array<number>(65_536).fill(echo)), -EMSGSIZE);
    t.is(send(request, undefined, S.MSG_OOB), -EOPNOTSUPP);
    t.is(send(request, undefined, 0, memory.bytes.length - 4), -EFAULT);
    t.is(send([other, ...request.slice(1)]), -EINVAL);
    t.is(send([echo, 1, ...request.slice(2)]), -EINVAL);
    t.is(send(request), -EDESTADDRREQ);
    t.is(send(request, to.subarray(0, to.length - 1)), -EINVAL);
    t.is(send(request, to.slice().fill(0, 0, 2)), -EAFNOSUPPORT);
    t.deepEqual(udp.transmitted, []);
  });

  test(`${title}: replies are given whole, and MSG_TRUNC tells no length`, (t) => {
    const { socket, memory, udp } = fixture(domain);
    udp.deliver('reply of the host', { sourcePort: 0 });
    const receive = (flags: number) => socket.receive(message(memory, 8192, 5, flags), 0);
    t.is(receive(S.MSG_PEEK), 5);
    t.is(receive(S.MSG_PEEK | S.MSG_TRUNC), 5);
    t.is(receive(S.MSG_OOB), -EOPNOTSUPP);
  });

  test(`${title}: neither UDP's options nor its ioctls, and any id may be bound`, (t) => {
    const { socket, udp } = fixture(domain);
    t.is(socket.setOption(S.SOL_UDP, UDP_CORK, new Uint8Array(4), USER), -ENOPROTOOPT);
    t.is(socket.ioctl(), -ENOTTY);
    t.false(socket.isPlain);
    const name = to.slice();
    name[3] = 5;
    t.is(socket.bind(name, name.length, USER), 0);
    t.is(udp.localPort, 5);
  });
}

test('an IPv6 ping socket takes no IPv4-mapped destination', (t) => {
  const { send } = fixture(S.AF_INET6);
  t.is(send([128, 0, 0, 0, 0, 0, 0, 1], name6('::ffff:127.0.0.1', 0)), -EINVAL);
});
