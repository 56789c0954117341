/** NETLINK_ROUTE over a stack with a loopback and an Ethernet interface. What Linux does alone on loopback is compared by the conformance bodies. */
import test from 'ava';
import * as fc from 'fast-check';
import * as c from '../../src/abi/index.ts';
import { seconds } from '../../src/lib/clock.ts';
import type { Credentials } from '../../src/socket/credentials.ts';
import { SocketFactory } from '../../src/socket/factory.ts';
import { Message } from '../../src/socket/message.ts';
import type { NetlinkSocket } from '../../src/socket/netlink/route-socket.ts';
import { ip, World } from '../support/stacks.ts';
import { ROOT, TestMemory, USER } from './fakes.ts';

const IN = 0x1000;
const OUT = 0x8000;
const { EBUSY, EOPNOTSUPP, EPERM, ENODEV, ENETUNREACH, EINVAL, ERANGE, ENOBUFS } = c.Errno;
const DUMP = c.NLM_F_REQUEST | c.NLM_F_DUMP;

interface Reply {
  readonly type: number;
  readonly flags: number;
  readonly at: number;
  readonly octets: Uint8Array;
  readonly attributes: ReadonlyMap<number, Uint8Array>;
}
const BODY: Readonly<Record<number, number>> = {
  [c.RTM_NEWLINK]: c.ifinfomsg.size,
  [c.RTM_NEWADDR]: c.ifaddrmsg.size,
  [c.RTM_NEWROUTE]: c.rtmsg.size,
  [c.RTM_NEWNEIGH]: c.ndmsg.size,
  [c.RTM_NEWRULE]: c.fibRuleHdr.size,
};

class Guest {
  readonly reports: string[] = [];
  readonly world = new World({ a: { gateways: [ip('10.0.0.2'), ip('fd00::2')] } });
  readonly factory = new SocketFactory(
    this.world.a,
    (at) => at,
    (...words) => this.reports.push(words.join(' ')),
  );
  readonly memory = new TestMemory();
  readonly message = new Message(this.memory);

  open(credentials: Credentials = ROOT): NetlinkSocket {
    const socket = this.factory.create(c.AF_NETLINK, c.SOCK_RAW, 0, 0, credentials);
    if (typeof socket === 'number') throw new Error(`errno ${socket}`);
    return socket.retain() as NetlinkSocket;
  }
  send(socket: NetlinkSocket, octets: Uint8Array): number {
    this.message.clear();
    this.memory.bytes.set(octets, IN);
    this.message.iov.push(IN, octets.length);
    const result = socket.send(this.message);
    if (result >= 0) socket.commit(socket.units);
    return result;
  }
  receive(socket: NetlinkSocket, room = 0x8000): Uint8Array | number {
    this.message.clear();
    this.message.iov.push(OUT, room);
    const result = socket.receive(this.message, 0);
    if (result < 0) return result;
    socket.commit(socket.units);
    return this.memory.bytes.slice(OUT, OUT + result);
  }
  /** All that a request is answered with, datagram by datagram. */
  ask(socket: NetlinkSocket, octets: Uint8Array): Reply[][] {
    this.send(socket, octets);
    const out: Reply[][] = [];
    for (let next = this.receive(socket); typeof next !== 'number'; next = this.receive(socket))
      out.push(replies(next));
    return out;
  }
}

function replies(octets: Uint8Array): Reply[] {
  const walker = new c.NetlinkWalker();
  const attributes = new c.AttributeWalker();
  const out: Reply[] = [];
  walker.begin(octets, octets.length);
  while (walker.next()) {
    const { at, length } = walker;
    const { type, flags } = c.nlmsghdr.get(octets, at);
    const found = new Map<number, Uint8Array>();
    const body = at + c.nlmsghdr.size;
    attributes.begin(octets, body + (BODY[type] ?? length), at + length);
    while (attributes.next())
      found.set(attributes.type, octets.slice(attributes.at, attributes.at + attributes.length));
    out.push({ type, flags, at: body, octets, attributes: found });
  }
  return out;
}
const request = (
  type: number,
  flags: number,
  body: Uint8Array,
  attributes: readonly (readonly [number, Uint8Array])[] = [],
) => {
  const out = new c.NetlinkWriter();
  out.begin(type, flags, 7, 0);
  out.body(body);
  for (const [name, value] of attributes) out.attribute(name, value);
  out.end();
  return out.take();
};
const gen = (family: number): Uint8Array => c.rtgenmsg.encode({ family });
const link = (index: number): Uint8Array =>
  c.ifinfomsg.encode({ family: 0, pad: 0, type: 0, index, flags: 0, change: 0 });
const route = (family: number, flags = 0): Uint8Array =>
  c.rtmsg.encode({ family, dstLen: 0, srcLen: 0, tos: 0, table: 0, protocol: 0, scope: 0, type: 0, flags });
const octets = (text: string): Uint8Array => {
  const address = ip(text);
  const out = new Uint8Array(address.isV4 ? 4 : 16);
  if (address.isV4) address.write4(out, 0);
  else address.write6(out, 0);
  return out;
};
const text = (value: Uint8Array | undefined): string =>
  Buffer.from(value ?? [])
    .toString('latin1')
    .replace(/\0$/, '');
const number = (value: Uint8Array | undefined): number | undefined =>
  value === undefined ? undefined : c.u32.get(value, 0);
const show = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString('hex');
const six = (address: string): string => show(octets(address)) ?? '';
const errorOf = (answer: Reply[][]): number | undefined => {
  const reply = answer[0]?.[0];
  return reply?.type === c.NLMSG_ERROR ? c.i32.get(reply.octets, reply.at) : undefined;
};

test('links tell name, kind, state, MTU and what passed through them', (t) => {
  const guest = new Guest();
  const { a } = guest.world;
  const udp = a.createUdp(4);
  const packet = udp.prepare(ip('127.0.0.1'), 9, 10, undefined);
  if (typeof packet === 'string') throw new Error(packet);
  udp.transmit(packet, 1);
  const [links, done] = guest.ask(guest.open(), request(c.RTM_GETLINK, DUMP, gen(0)));
  t.deepEqual(
    links?.map(({ attributes }) => text(attributes.get(c.IFLA_IFNAME))),
    ['lo', 'eth0'],
  );
  t.deepEqual(
    done?.map(({ type }) => type),
    [c.NLMSG_DONE],
  );
  const [lo, eth] = links ?? [];
  if (lo === undefined || eth === undefined) throw new Error('two links');
  const head = c.ifinfomsg.get(eth.octets, eth.at);
  t.is(head.index, 2);
  t.is(head.type, c.ARPHRD_ETHER);
  t.is(head.flags, c.IFF_UP | c.IFF_BROADCAST | c.IFF_RUNNING | c.IFF_MULTICAST | c.IFF_LOWER_UP);
  t.is(number(eth.attributes.get(c.IFLA_MTU)), a.interfaces[1]?.mtu);
  t.deepEqual(eth.attributes.get(c.IFLA_ADDRESS), a.interfaces[1]?.linkAddress);
  t.is(show(eth.attributes.get(c.IFLA_BROADCAST)), 'ffffffffffff');
  const counted = c.rtnlLinkStats64.decode(lo.attributes.get(c.IFLA_STATS64) as Uint8Array);
  t.deepEqual([counted.txPackets, counted.txBytes], [1, 38]);
});

test('addresses tell scope, broadcast and interface', (t) => {
  const guest = new Guest();
  const found = guest.ask(guest.open(), request(c.RTM_GETADDR, DUMP, gen(0))).flat();
  const lines = found
    .filter(({ type }) => type === c.RTM_NEWADDR)
    .map(({ octets: o, at, attributes }) => {
      const { prefixlen, scope, index } = c.ifaddrmsg.get(o, at);
      return [show(attributes.get(c.IFA_ADDRESS)), prefixlen, scope, index, show(attributes.get(c.IFA_BROADCAST))];
    });
  const linkLocal = guest.world.a.interfaces[1]?.addresses.find(({ address }) => address.isLinkLocal)?.address;
  t.deepEqual(lines, [
    ['7f000001', 8, 254, 1, undefined],
    ['0a000001', 24, 0, 2, '0a0000ff'],
    [show(octets('::1')), 128, 254, 1, undefined],
    [show(octets('fd00::1')), 64, 0, 2, undefined],
    [show(octets(String(linkLocal))), 64, 253, 2, undefined],
  ]);
});

test('routes come in Linux’s order: main and local table, IPv4 then IPv6, the default of IPv6 last', (t) => {
  const guest = new Guest();
  const lines = guest
    .ask(guest.open(), request(c.RTM_GETROUTE, DUMP, gen(0)))
    .flat()
    .filter(({ type }) => type === c.RTM_NEWROUTE)
    .map(({ octets: o, at, attributes }) => {
      const { dstLen, table, protocol, type } = c.rtmsg.get(o, at);
      const to =
        attributes.get(c.RTA_DST)?.length === 4
          ? attributes.get(c.RTA_DST)?.join('.')
          : show(attributes.get(c.RTA_DST));
      return `${table} ${type} ${to ?? 'default'}/${dstLen} proto ${protocol} oif ${number(attributes.get(c.RTA_OIF))} via ${show(attributes.get(c.RTA_GATEWAY)) ?? '-'} metric ${number(attributes.get(c.RTA_PRIORITY)) ?? '-'}`;
    });
  const linkLocal = String(guest.world.a.interfaces[1]?.addresses.find(({ address }) => address.isLinkLocal)?.address);
  t.deepEqual(lines, [
    '254 1 default/0 proto 3 oif 2 via 0a000002 metric -',
    '254 1 10.0.0.0/24 proto 2 oif 2 via - metric -',
    '255 2 10.0.0.1/32 proto 2 oif 2 via - metric -',
    '255 3 10.0.0.255/32 proto 2 oif 2 via - metric -',
    '255 2 127.0.0.0/8 proto 2 oif 1 via - metric -',
    '255 2 127.0.0.1/32 proto 2 oif 1 via - metric -',
    '255 3 127.255.255.255/32 proto 2 oif 1 via - metric -',
    `254 1 ${six('fd00::')}/64 proto 2 oif 2 via - metric 256`,
    `254 1 ${six('fe80::')}/64 proto 2 oif 2 via - metric 256`,
    `254 1 default/0 proto 3 oif 2 via ${six('fd00::2')} metric 1024`,
    `255 2 ${six('::1')}/128 proto 2 oif 1 via - metric 0`,
    `255 2 ${six('fd00::1')}/128 proto 2 oif 2 via - metric 0`,
    `255 2 ${six(linkLocal)}/128 proto 2 oif 2 via - metric 0`,
    `255 5 ${six('ff00::')}/8 proto 2 oif 2 via - metric 256`,
  ]);
});

test('a route with an MTU and a metric shows both', (t) => {
  const guest = new Guest();
  guest.world.a.addRoute({
    destination: ip('192.0.2.0'),
    prefix: 24,
    gateway: ip('10.0.0.9'),
    interfaceIndex: 2,
    metric: 50,
    mtu: 1400,
  });
  const found = guest
    .ask(guest.open(), request(c.RTM_GETROUTE, DUMP, gen(c.AF_INET)))
    .flat()
    .find(({ attributes }) => number(attributes.get(c.RTA_PRIORITY)) === 50);
  t.is(show(found?.attributes.get(c.RTA_METRICS)), '0800020078050000');
});

test('the way to a destination: gateway, source, type', (t) => {
  const guest = new Guest();
  const socket = guest.open();
  const way = (to: string, ...more: (readonly [number, Uint8Array])[]) => {
    const family = to.includes(':') ? c.AF_INET6 : c.AF_INET;
    const answer = guest.ask(
      socket,
      request(c.RTM_GETROUTE, c.NLM_F_REQUEST, route(family), [[c.RTA_DST, octets(to)], ...more]),
    );
    const reply = answer[0]?.[0];
    if (reply?.type !== c.RTM_NEWROUTE) return errorOf(answer);
    const { attributes, octets: o, at } = reply;
    const { type, table, protocol } = c.rtmsg.get(o, at);
    return `${type} ${table} ${protocol} oif ${number(attributes.get(c.RTA_OIF))} src ${show(attributes.get(c.RTA_PREFSRC))} via ${show(attributes.get(c.RTA_GATEWAY)) ?? '-'}`;
  };
  t.is(way('1.1.1.1'), '1 254 0 oif 2 src 0a000001 via 0a000002');
  t.is(way('10.0.0.7'), '1 254 0 oif 2 src 0a000001 via -');
  t.is(way('10.0.0.1'), '2 254 0 oif 1 src 0a000001 via -');
  t.is(way('10.0.0.255'), '3 254 0 oif 2 src 0a000001 via -');
  t.is(way('224.0.0.5'), '5 254 0 oif 2 src 0a000001 via -');
  t.is(way('2001:db8::1'), `1 254 3 oif 2 src ${six('fd00::1')} via ${six('fd00::2')}`);
  t.is(way('fd00::7'), `1 254 2 oif 2 src ${six('fd00::1')} via -`);
  t.is(way('fd00::1'), `2 255 2 oif 1 src ${six('fd00::1')} via -`);
  t.is(way('1.1.1.1', [c.RTA_SRC, octets('9.9.9.9')]), -ENETUNREACH);
  t.is(way('1.1.1.1', [c.RTA_OIF, Uint8Array.of(9, 0, 0, 0)]), -ENODEV);
  t.is(way('1.1.1.1', [c.RTA_OIF, Uint8Array.of(9)]), -ERANGE);
  t.is(way('1.1.1.1', [c.RTA_IIF, Uint8Array.of(1, 0, 0, 0)]), -EOPNOTSUPP);
});

test('what would change the network is refused by right, then by nature, and reported', (t) => {
  const guest = new Guest();
  const add = request(c.RTM_NEWADDR, c.NLM_F_REQUEST | c.NLM_F_CREATE, new Uint8Array(8));
  t.is(errorOf(guest.ask(guest.open(USER), add)), -EPERM);
  t.is(errorOf(guest.ask(guest.open(), add)), -EOPNOTSUPP);
  t.is(errorOf(guest.ask(guest.open(), request(c.RTM_GETQDISC, DUMP, gen(0)))), -EOPNOTSUPP);
  t.deepEqual(guest.reports, [
    'netlink RTM_NEWADDR EPERM',
    'netlink RTM_NEWADDR EOPNOTSUPP',
    'netlink RTM_GETQDISC dump EOPNOTSUPP',
  ]);
});

test('NETLINK_EXT_ACK adds the reason in words', (t) => {
  const guest = new Guest();
  const socket = guest.open();
  socket.setOption(c.SOL_NETLINK, c.NETLINK_EXT_ACK, Uint8Array.of(1, 0, 0, 0), ROOT);
  const [reply] = guest.ask(socket, request(c.RTM_NEWLINK, c.NLM_F_REQUEST, link(0)))[0] ?? [];
  t.is((reply?.flags ?? 0) & c.NLM_F_ACK_TLVS, c.NLM_F_ACK_TLVS);
  t.regex(text(reply?.octets), /configured from outside/);
});

test('strict checking refuses what it does not know', (t) => {
  const guest = new Guest();
  const socket = guest.open();
  socket.setOption(c.SOL_NETLINK, c.NETLINK_GET_STRICT_CHK, Uint8Array.of(1, 0, 0, 0), ROOT);
  const way = (...attributes: (readonly [number, Uint8Array])[]): number | undefined =>
    errorOf(guest.ask(socket, request(c.RTM_GETROUTE, c.NLM_F_REQUEST, route(c.AF_INET), attributes)));
  t.is(way([99, octets('1.1.1.1')]), -EINVAL);
  t.is(way([c.RTA_DST, octets('1.1.1.1')]), -EINVAL);
  t.is(way(), undefined);
});

test('a dump is one datagram after the other, and one at a time', (t) => {
  const guest = new Guest();
  for (let i = 0; i < 200; i++) {
    guest.world.a.addRoute({ destination: ip(`192.0.${i}.0`), prefix: 24, gateway: ip('10.0.0.9'), interfaceIndex: 2 });
  }
  const socket = guest.open();
  guest.send(socket, request(c.RTM_GETROUTE, DUMP, gen(c.AF_INET)));
  t.true(socket.isDumping);
  guest.send(socket, request(c.RTM_GETLINK, DUMP, gen(0)));
  const all: Reply[][] = [];
  for (let next = guest.receive(socket); typeof next !== 'number'; next = guest.receive(socket))
    all.push(replies(next));
  t.is(all.flat().filter(({ type }) => type === c.RTM_NEWROUTE).length, 207);
  t.true(all.length > 3);
  t.true(all.every((datagram) => (datagram[0]?.octets.length ?? 0) <= 3776));
  const busy = all.flat().find(({ type }) => type === c.NLMSG_ERROR);
  t.is(busy === undefined ? 0 : c.i32.get(busy.octets, busy.at), -EBUSY);
  t.is(all.at(-1)?.at(-1)?.type, c.NLMSG_DONE);
  t.false(socket.isDumping);
});

test('what finds no room is lost and said once; NETLINK_NO_ENOBUFS keeps silent', (t) => {
  for (const silent of [false, true]) {
    const guest = new Guest();
    const socket = guest.open();
    socket.setOption(c.SOL_SOCKET, c.SO_RCVBUF, Uint8Array.of(1, 0, 0, 0), ROOT);
    if (silent) socket.setOption(c.SOL_NETLINK, c.NETLINK_NO_ENOBUFS, Uint8Array.of(1, 0, 0, 0), ROOT);
    for (let i = 0; i < 20; i++) guest.send(socket, request(c.RTM_GETLINK, c.NLM_F_REQUEST, link(77)));
    const first = guest.receive(socket);
    t.is(first === -ENOBUFS, !silent);
    let left = 0;
    while (typeof guest.receive(socket) !== 'number') left++;
    t.true(left < 20);
    t.is(errorOf(guest.ask(socket, request(c.RTM_GETLINK, c.NLM_F_REQUEST, link(77)))), -ENODEV);
  }
});

test('a member of a group gets what another sends to it', (t) => {
  const guest = new Guest();
  const member = guest.open();
  member.setOption(c.SOL_NETLINK, c.NETLINK_ADD_MEMBERSHIP, Uint8Array.of(5, 0, 0, 0), ROOT);
  member.bind(c.sockaddrNl.encode({ family: c.AF_NETLINK, pad: 0, pid: 900, groups: 0x10 }), 12, ROOT);
  const sender = guest.open();
  sender.connect(c.sockaddrNl.encode({ family: c.AF_NETLINK, pad: 0, pid: 0, groups: 0x10 }), 12, ROOT);
  guest.send(sender, request(c.RTM_GETLINK, c.NLM_F_REQUEST, link(77)));
  const got = guest.receive(member);
  t.true(typeof got !== 'number');
  t.is(c.sockaddrNl.decode(guest.message.name).groups, 0x10);
  t.is(member.poll() & c.POLLIN, 0);
});

test('what was sent but not taken is not answered; what was not read is there again', (t) => {
  const guest = new Guest();
  const socket = guest.open();
  guest.message.iov.push(IN, 0);
  const ask = request(c.RTM_GETLINK, c.NLM_F_REQUEST, link(77));
  guest.memory.bytes.set(ask, IN);
  guest.message.clear();
  guest.message.iov.push(IN, ask.length);
  t.is(socket.send(guest.message), ask.length);
  socket.rollback();
  t.is(socket.poll() & c.POLLIN, 0);
  guest.send(socket, ask);
  guest.message.clear();
  guest.message.iov.push(OUT, 1000);
  t.true(socket.receive(guest.message, 0) > 0);
  t.is(socket.eventsAfter(1) & c.POLLIN, 0);
  socket.rollback();
  t.is(socket.poll() & c.POLLIN, c.POLLIN);
});

test('a socket that is gone frees its port; an address that faults loses the datagram', (t) => {
  const guest = new Guest();
  const first = guest.open();
  const name = c.sockaddrNl.encode({ family: c.AF_NETLINK, pad: 0, pid: 900, groups: 0 });
  t.is(first.bind(name, 12, ROOT), 0);
  t.is(guest.open().bind(name, 12, ROOT), -c.Errno.EADDRINUSE);
  first.release();
  const second = guest.open();
  t.is(second.bind(name, 12, ROOT), 0);
  guest.send(second, request(c.RTM_GETLINK, c.NLM_F_REQUEST, link(77)));
  guest.memory.holes.add(OUT / 4096);
  t.is(guest.receive(second), -c.Errno.EFAULT);
  second.commit(second.units);
  guest.memory.holes.clear();
  t.is(guest.receive(second), -c.Errno.EAGAIN);
});

test('a link that is gone shows as down, without routes', (t) => {
  const guest = new Guest();
  guest.world.pair.b.close();
  guest.world.run(seconds(1));
  const socket = guest.open();
  const [[eth] = []] = guest.ask(socket, request(c.RTM_GETLINK, c.NLM_F_REQUEST, link(2)));
  if (eth === undefined) throw new Error('a link');
  t.is(c.ifinfomsg.get(eth.octets, eth.at).flags & c.IFF_UP, 0);
  const routes = guest.ask(socket, request(c.RTM_GETROUTE, DUMP, gen(0))).flat();
  t.true(routes.every(({ attributes }) => number(attributes.get(c.RTA_OIF)) !== 2));
});

test('no request makes it fail, whatever its octets', (t) => {
  const guest = new Guest();
  const kinds = fc.constantFrom(c.RTM_GETLINK, c.RTM_GETADDR, c.RTM_GETROUTE, c.RTM_NEWLINK, c.RTM_GETRULE, 0xffff, 1);
  const message = fc.record({
    type: kinds,
    flags: fc.constantFrom(1, 5, 0x301, 0x305, 0xffff, 0),
    body: fc.uint8Array({ maxLength: 60 }),
    family: fc.constantFrom(0, 2, 10, 7, 255),
    strict: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 4 }), fc.uint8Array({ maxLength: 20 }), (messages, tail) => {
      const socket = guest.open();
      const strict = Uint8Array.of(messages[0]?.strict === true ? 1 : 0, 0, 0, 0);
      socket.setOption(c.SOL_NETLINK, c.NETLINK_GET_STRICT_CHK, strict, ROOT);
      const parts = messages.map(({ type, flags, body, family }) => {
        if (body.length > 0) body[0] = family;
        return request(type, flags, body);
      });
      const answers = guest.ask(socket, Buffer.concat([...parts, tail]));
      for (const { octets: o } of answers.flat()) t.true(o.length >= c.nlmsghdr.size);
      t.false(socket.isDumping);
      socket.release();
    }),
    { seed: 20_261_120, numRuns: 500 },
  );
});

test('neighbours as the caches know them, and the two rules by which the stack decides', (t) => {
  const guest = new Guest();
  const { a } = guest.world;
  const udp = a.createUdp(4);
  const packet = udp.prepare(ip('10.0.0.2'), 9, 1, undefined);
  if (typeof packet === 'string') throw new Error(packet);
  udp.transmit(packet, 1);
  guest.world.settle();
  const socket = guest.open();
  const found = guest.ask(socket, request(c.RTM_GETNEIGH, DUMP, gen(c.AF_INET)));
  t.is(found.length, 1);
  const [neighbor, done] = found[0] ?? [];
  if (neighbor === undefined) throw new Error('a neighbour');
  const { family, ifindex, state } = c.ndmsg.get(neighbor.octets, neighbor.at);
  t.deepEqual([family, ifindex, state], [c.AF_INET, 2, c.NUD_REACHABLE]);
  t.deepEqual(neighbor.attributes.get(c.NDA_LLADDR), guest.world.b.interfaces[1]?.linkAddress);
  t.is(done?.type, c.NLMSG_DONE);
  const rules = guest.ask(socket, request(c.RTM_GETRULE, DUMP, gen(0))).flat();
  t.deepEqual(
    rules.filter(({ type }) => type === c.RTM_NEWRULE).map(({ octets: o, at }) => c.fibRuleHdr.get(o, at).table),
    [255, 254, 255, 254],
  );
  socket.setOption(c.SOL_NETLINK, c.NETLINK_GET_STRICT_CHK, Uint8Array.of(1, 0, 0, 0), ROOT);
  const one = (index: number): Uint8Array =>
    request(c.RTM_GETNEIGH, DUMP, new Uint8Array(12), [[c.NDA_IFINDEX, Uint8Array.of(index, 0, 0, 0)]]);
  t.is(guest.ask(socket, one(2)).flat().length, 2);
  t.is(guest.ask(socket, one(1)).flat().length, 1);
  const short = guest.ask(socket, request(c.RTM_GETNEIGH, DUMP, gen(0))).flat()[0];
  t.is(short === undefined ? 0 : c.i32.get(short.octets, short.at), -EINVAL);
});
