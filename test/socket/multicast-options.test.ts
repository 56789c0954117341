/** Options of membership and binding as setsockopt reads them; what they do is the stack's, tested there and by the conformance bodies. */
import test from 'ava';
import * as c from '../../src/abi/index.ts';
import { SocketFactory } from '../../src/socket/factory.ts';
import type { Socket } from '../../src/socket/socket.ts';
import { World } from '../support/stacks.ts';
import { ROOT } from './fakes.ts';

const world = new World();
const factory = new SocketFactory(world.a);
function open(domain: number, type: number): Socket {
  const socket = factory.create(domain, type, 0, 0, ROOT);
  if (typeof socket === 'number') throw new Error(`errno ${socket}`);
  return socket.retain();
}
const set = (socket: Socket, level: number, option: number, ...value: readonly number[]): number =>
  socket.setOption(level, option, Uint8Array.from(value), ROOT);
function get(socket: Socket, level: number, option: number): number {
  const out = new Uint8Array(4);
  const length = socket.getOption(level, option, out);
  return length < 0 ? length : c.i32.get(out, 0);
}
const GROUP = [239, 1, 2, 3] as const;
const { EPROTO, EINVAL, ENODEV, EADDRINUSE, EADDRNOTAVAIL, ENOPROTOOPT } = c.Errno;

test('IPv4 membership by address or index', (t) => {
  const udp = open(c.AF_INET, c.SOCK_DGRAM);
  t.is(set(udp, c.SOL_IP, c.IP_ADD_MEMBERSHIP, ...GROUP), -EINVAL);
  t.is(set(udp, c.SOL_IP, c.IP_ADD_MEMBERSHIP, ...GROUP, 10, 0, 0, 9), -ENODEV);
  t.is(set(udp, c.SOL_IP, c.IP_ADD_MEMBERSHIP, ...GROUP, 10, 0, 0, 1), 0);
  t.is(set(udp, c.SOL_IP, c.IP_ADD_MEMBERSHIP, ...GROUP, 0, 0, 0, 0, 2, 0, 0, 0), -EADDRINUSE);
  t.is(set(udp, c.SOL_IP, c.IP_DROP_MEMBERSHIP, ...GROUP, 0, 0, 0, 0, 2, 0, 0, 0), 0);
  t.is(set(udp, c.SOL_IP, c.IP_DROP_MEMBERSHIP, ...GROUP, 10, 0, 0, 1), -EADDRNOTAVAIL);
  t.is(set(open(c.AF_INET, c.SOCK_STREAM), c.SOL_IP, c.IP_ADD_MEMBERSHIP, ...GROUP, 10, 0, 0, 1), -EPROTO);
  t.is(get(udp, c.SOL_IP, c.IP_ADD_MEMBERSHIP), -ENOPROTOOPT);
  udp.release();
});

test('IPv6 membership', (t) => {
  const udp = open(c.AF_INET6, c.SOCK_DGRAM);
  const group = [0xff, 5, ...Array<number>(13).fill(0), 5];
  t.is(set(udp, c.SOL_IPV6, c.IPV6_ADD_MEMBERSHIP, ...group), -EINVAL);
  t.is(set(udp, c.SOL_IPV6, c.IPV6_ADD_MEMBERSHIP, ...group, 2, 0, 0, 0), 0);
  t.is(set(udp, c.SOL_IPV6, c.IPV6_ADD_MEMBERSHIP, ...group, 0, 0, 0, 0), -EADDRINUSE);
  t.is(set(udp, c.SOL_IPV6, c.IPV6_DROP_MEMBERSHIP, ...group, 0, 0, 0, 0), 0);
  t.is(set(udp, c.SOL_IPV6, c.IPV6_DROP_MEMBERSHIP, ...group, 0, 0, 0, 0), -EADDRNOTAVAIL);
  const mapped = [...Array<number>(10).fill(0), 0xff, 0xff, ...GROUP];
  t.is(set(udp, c.SOL_IPV6, c.IPV6_ADD_MEMBERSHIP, ...mapped, 2, 0, 0, 0), -EINVAL);
  t.is(set(open(c.AF_INET6, c.SOCK_STREAM), c.SOL_IPV6, c.IPV6_ADD_MEMBERSHIP, ...group, 2, 0, 0, 0), -EPROTO);
});

test('flags read back, with the defaults of their family', (t) => {
  const [v4, v6] = [open(c.AF_INET, c.SOCK_DGRAM), open(c.AF_INET6, c.SOCK_DGRAM)];
  t.deepEqual([get(v4, c.SOL_IP, c.IP_MULTICAST_ALL), get(v6, c.SOL_IP, c.IP_MULTICAST_ALL)], [1, 0]);
  t.is(set(v6, c.SOL_IP, c.IP_MULTICAST_ALL, 1, 0, 0, 0), 0);
  t.is(get(v6, c.SOL_IP, c.IP_MULTICAST_ALL), 1);
  t.is(set(v4, c.SOL_IP, c.IP_MULTICAST_ALL, 2, 0, 0, 0), -EINVAL);
  t.is(get(v6, c.SOL_IPV6, c.IPV6_MULTICAST_ALL), 1);
  t.is(set(v6, c.SOL_IPV6, c.IPV6_MULTICAST_ALL, 0, 0, 0, 0), 0);
  t.is(get(v6, c.SOL_IPV6, c.IPV6_MULTICAST_ALL), 0);
  t.is(set(v6, c.SOL_IPV6, c.IPV6_FREEBIND, 1, 0, 0, 0), 0);
  t.deepEqual([get(v6, c.SOL_IP, c.IP_FREEBIND), get(v6, c.SOL_IPV6, c.IPV6_FREEBIND)], [1, 1]);
  t.is(set(v4, c.SOL_IP, c.IP_FREEBIND), -EINVAL);
  t.is(set(v4, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT, 1), 0);
  t.is(get(v4, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT), 1);
});
