/** AF_NETLINK, NETLINK_ROUTE: names, requests, dumps, answers, errors, options. */
import { conformance, type System } from '../body.ts';
import { Kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asControl, asMsghdr } from '../show.ts';
import { asNetlink, asNetlinkName } from '../show-netlink.ts';

const group = 'netlink';
/** A port id that no process has. */
const OWN = 0x0512_3456;

interface Attribute {
  readonly type: number;
  readonly data: Uint8Array;
}
const u32 = (value: number): Uint8Array => {
  const b = new Uint8Array(4);
  c.u32.put(b, 0, value);
  return b;
};
const text = (value: string): Uint8Array => Buffer.from(`${value}\0`);
const quad = (...octets: number[]): Uint8Array => Uint8Array.from(octets);
const six = (...last: number[]): Uint8Array => Uint8Array.from([...Array<number>(16 - last.length).fill(0), ...last]);

/** A request with its attributes. */
function request(
  type: number,
  flags: number,
  body: Uint8Array,
  attributes: readonly Attribute[] = [],
  seq = 7,
): Uint8Array {
  const out = new c.NetlinkWriter();
  out.begin(type, flags, seq, 0);
  out.body(body);
  for (const one of attributes) out.attribute(one.type, one.data);
  out.end();
  return out.take();
}
const gen = (family: number): Uint8Array => c.rtgenmsg.encode({ family });
const link = (index = 0, flags = 0, family = 0): Uint8Array =>
  c.ifinfomsg.encode({ family, pad: 0, type: 0, index, flags, change: 0 });
const address = (family: number, index = 0, prefixlen = 0): Uint8Array =>
  c.ifaddrmsg.encode({ family, prefixlen, flags: 0, scope: 0, index });
const route = (family: number, more: Partial<ReturnType<typeof c.rtmsg.decode>> = {}): Uint8Array =>
  c.rtmsg.encode({ family, dstLen: 0, srcLen: 0, tos: 0, table: 0, protocol: 0, scope: 0, type: 0, flags: 0, ...more });

const named = (name: string): Attribute[] => [{ type: c.IFLA_IFNAME, data: text(name) }];

const DUMP = c.NLM_F_REQUEST | c.NLM_F_DUMP;
const GET = c.NLM_F_REQUEST;
const ROOM = 4096;

class NetlinkKit extends Kit {
  open(type: number = c.SOCK_RAW, flags = 0): number {
    return this.task.call('socket', c.AF_NETLINK, type | flags, c.NETLINK_ROUTE);
  }
  nl(pid: number, groups = 0, family: number = c.AF_NETLINK): number {
    return this.octets(c.sockaddrNl.encode({ family, pad: 0, pid, groups }), 'nl');
  }
  bindTo(fd: number, pid: number, groups = 0, len = 12): number {
    return this.task.call('bind', fd, this.nl(pid, groups), len);
  }
  nlName(fd: number, call: 'getsockname' | 'getpeername' = 'getsockname'): number {
    const at = this.sys.alloc(16, 'name', asNetlinkName);
    this.task.call(call, fd, at, this.int(16, 'namelen'));
    return this.sys.get(c.u32, at + 4);
  }
  ask(fd: number, octets: Uint8Array): number {
    return this.task.call('sendto', fd, this.octets(octets, 'out'), octets.length, 0, 0, 0);
  }
  answer(fd: number, flags: number = c.MSG_DONTWAIT, room = ROOM): number {
    return this.task.call('recvfrom', fd, this.sys.alloc(room, 'in', asNetlink), room, flags, 0, 0);
  }
  /** Asks, and reads until nothing comes. The lengths are not recorded: Linux says more of a link than is compared. */
  talk(fd: number, octets: Uint8Array): void {
    this.ask(fd, octets);
    const at = this.sys.alloc(ROOM, 'in');
    let more = true;
    while (more) {
      const { errors } = this.sys.quietly(() => this.task.call('recvfrom', fd, at, ROOM, c.MSG_DONTWAIT, 0, 0));
      const [error] = errors;
      more = error === undefined;
      const len = this.task.result();
      this.sys.record('answer', error ?? asNetlink(this.sys.read(at, len), { port: String, pid: String }));
    }
  }
  bound(): number {
    const fd = this.open();
    this.bindTo(fd, OWN);
    return fd;
  }
}
const kit = (sys: System): NetlinkKit => new NetlinkKit(sys, sys.task('a'));

conformance('netlink: types and protocols', { group }, (sys) => {
  const { task } = kit(sys);
  for (const type of [c.SOCK_STREAM, c.SOCK_SEQPACKET, c.SOCK_RDM, 0, 11]) task.call('socket', c.AF_NETLINK, type, 0);
  for (const protocol of [-1, 31, 32, 999]) task.call('socket', c.AF_NETLINK, c.SOCK_RAW, protocol);
  for (const type of [c.SOCK_RAW, c.SOCK_DGRAM, c.SOCK_RAW | c.SOCK_CLOEXEC | c.SOCK_NONBLOCK]) {
    const fd = task.call('socket', c.AF_NETLINK, type, c.NETLINK_ROUTE);
    task.call('fcntl', fd, c.F_GETFL, 0);
  }
});

conformance('netlink: bind chooses the process id, the second socket something else', { group }, (sys) => {
  const a = kit(sys);
  const first = a.open();
  a.nlName(first);
  a.bindTo(first, 0);
  const pid = a.nlName(first);
  sys.record('a process id', pid > 0 && pid <= 4_194_304);
  const second = a.open();
  a.bindTo(second, 0);
  sys.record('negative', a.nlName(second) >= 0x8000_0000);
  a.bindTo(second, 0);
  a.bindTo(second, OWN);
  a.close(first);
  const third = a.open();
  a.bindTo(third, 0);
  sys.record('free again', a.nlName(third) === pid);
});

conformance('netlink: bind to a port id of one’s own', { group }, (sys) => {
  const a = kit(sys);
  const first = a.bound();
  a.nlName(first);
  a.bindTo(first, OWN);
  const second = a.open();
  a.bindTo(second, OWN);
  for (const len of [0, 2, 11]) a.bindTo(second, OWN + 1, 0, len);
  a.task.call('bind', second, a.nl(OWN + 1, 0, c.AF_INET), 12);
  a.bindTo(second, OWN + 1, 0x11, 12);
  a.nlName(second);
  a.bindTo(second, OWN + 1, 0);
  a.nlName(second);
});

conformance('netlink: names are cut to the room there is', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  for (const len of [0, 4, 11]) {
    const room = a.int(len, 'namelen');
    a.task.call('getsockname', fd, sys.alloc(16, 'name'), room);
  }
  a.nlName(fd, 'getpeername');
});

conformance('netlink: connect to the kernel, to another, to nobody', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.open();
  a.task.call('connect', fd, a.nl(0), 12);
  a.nlName(fd);
  a.nlName(fd, 'getpeername');
  a.task.call('connect', fd, a.nl(0), 11);
  a.task.call('connect', fd, a.nl(0), 1);
  a.task.call('connect', fd, a.nl(0, 0, c.AF_INET), 12);
  a.task.call('connect', fd, a.nl(OWN, 4), 12);
  a.nlName(fd, 'getpeername');
  a.ask(fd, request(c.RTM_GETLINK, DUMP, gen(0)));
  a.task.call('connect', fd, a.nl(0, 0, c.AF_UNSPEC), 2);
  a.nlName(fd, 'getpeername');
});

conformance('netlink: calls that it does not have', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  a.listen(fd);
  a.accept(fd);
  for (const how of [0, 1, 2]) a.task.call('shutdown', fd, how);
  a.recv(fd, 16, c.MSG_OOB);
  a.send(fd, 'x', c.MSG_OOB);
  a.send(fd, '');
  a.recv(fd, 16, c.MSG_DONTWAIT);
});

conformance('netlink: dump of links', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  a.talk(fd, request(c.RTM_GETLINK, DUMP, gen(c.AF_UNSPEC)));
  a.talk(fd, request(c.RTM_GETLINK, DUMP, link()));
  a.talk(fd, request(c.RTM_GETLINK, DUMP, link(99)));
  a.talk(fd, request(c.RTM_GETLINK, DUMP, gen(c.AF_PACKET)));
  a.talk(fd, request(c.RTM_GETLINK, DUMP, link(), [{ type: c.IFLA_EXT_MASK, data: u32(c.RTEXT_FILTER_SKIP_STATS) }]));
});

conformance('netlink: one link by index or name', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  for (const family of [c.AF_UNSPEC, c.AF_INET, c.AF_INET6])
    a.talk(fd, request(c.RTM_GETLINK, GET, link(1, 0, family)));
  a.talk(fd, request(c.RTM_GETLINK, GET | c.NLM_F_ACK, link(1)));
  a.talk(fd, request(c.RTM_GETLINK, GET, link(), named('lo')));
  a.talk(fd, request(c.RTM_GETLINK, GET, link(), named('nope')));
  a.talk(fd, request(c.RTM_GETLINK, GET, link(), named('muchtoolonganame')));
  a.talk(fd, request(c.RTM_GETLINK, GET, link(77)));
  a.talk(fd, request(c.RTM_GETLINK, GET, link(-1)));
  a.talk(fd, request(c.RTM_GETLINK, GET, link()));
  a.talk(fd, request(c.RTM_GETLINK, GET, gen(0)));
});

conformance('netlink: dump of addresses', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  for (const family of [c.AF_UNSPEC, c.AF_INET, c.AF_INET6, 99]) {
    a.talk(fd, request(c.RTM_GETADDR, DUMP, gen(family)));
    a.talk(fd, request(c.RTM_GETADDR, DUMP, address(family, 1)));
  }
});

conformance('netlink: dump of routes', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  for (const family of [c.AF_UNSPEC, c.AF_INET, c.AF_INET6]) a.talk(fd, request(c.RTM_GETROUTE, DUMP, route(family)));
  a.talk(fd, request(c.RTM_GETROUTE, DUMP, gen(c.AF_INET)));
  a.talk(fd, request(c.RTM_GETROUTE, DUMP, route(c.AF_INET, { flags: c.RTM_F_CLONED })));
});

conformance('netlink: dumps with strict checking', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  a.setInt(fd, c.SOL_NETLINK, c.NETLINK_GET_STRICT_CHK, 1);
  a.talk(fd, request(c.RTM_GETLINK, DUMP, link()));
  a.talk(fd, request(c.RTM_GETLINK, DUMP, link(1)));
  a.talk(fd, request(c.RTM_GETLINK, DUMP, gen(0)));
  a.talk(fd, request(c.RTM_GETLINK, DUMP, link(), [{ type: c.IFLA_MTU, data: u32(1) }]));
  a.talk(fd, request(c.RTM_GETADDR, DUMP, address(0, 1)));
  a.talk(fd, request(c.RTM_GETADDR, DUMP, address(c.AF_INET, 1)));
  a.talk(fd, request(c.RTM_GETADDR, DUMP, address(c.AF_INET, 44)));
  a.talk(fd, request(c.RTM_GETADDR, DUMP, address(c.AF_INET, 0, 8)));
  a.talk(fd, request(c.RTM_GETADDR, DUMP, gen(c.AF_INET)));
  for (const family of [c.AF_INET, c.AF_INET6]) {
    const table = (value: number): Attribute[] => [{ type: c.RTA_TABLE, data: u32(value) }];
    a.talk(fd, request(c.RTM_GETROUTE, DUMP, route(family), table(c.RT_TABLE_LOCAL)));
    a.talk(fd, request(c.RTM_GETROUTE, DUMP, route(family, { protocol: c.RTPROT_BOOT })));
    a.talk(fd, request(c.RTM_GETROUTE, DUMP, route(family, { type: c.RTN_BROADCAST })));
    a.talk(fd, request(c.RTM_GETROUTE, DUMP, route(family, { dstLen: 8 })));
    a.talk(fd, request(c.RTM_GETROUTE, DUMP, route(family), [{ type: c.RTA_OIF, data: u32(1) }]));
    a.talk(fd, request(c.RTM_GETROUTE, DUMP, route(family), [{ type: c.RTA_OIF, data: u32(9) }]));
    a.talk(fd, request(c.RTM_GETROUTE, DUMP, route(family), table(77)));
  }
});

conformance('netlink: the way to one destination', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  const dst = (...octets: number[]): Attribute => ({ type: c.RTA_DST, data: quad(...octets) });
  const to4 = (flags: number, ...attributes: Attribute[]): void =>
    a.talk(fd, request(c.RTM_GETROUTE, GET, route(c.AF_INET, { dstLen: 32, flags }), attributes));
  to4(c.RTM_F_LOOKUP_TABLE, dst(127, 0, 0, 1));
  to4(0, dst(127, 0, 0, 1));
  to4(c.RTM_F_LOOKUP_TABLE, dst(127, 3, 4, 5));
  to4(c.RTM_F_LOOKUP_TABLE, dst(127, 255, 255, 255));
  to4(c.RTM_F_LOOKUP_TABLE, dst(0, 0, 0, 0));
  to4(c.RTM_F_LOOKUP_TABLE, dst(1, 1, 1, 1));
  to4(c.RTM_F_LOOKUP_TABLE, dst(224, 0, 0, 5));
  to4(c.RTM_F_LOOKUP_TABLE, dst(127, 0, 0, 1), { type: c.RTA_SRC, data: quad(127, 0, 0, 9) });
  to4(c.RTM_F_LOOKUP_TABLE, dst(127, 0, 0, 1), { type: c.RTA_SRC, data: quad(9, 9, 9, 9) });
  to4(c.RTM_F_LOOKUP_TABLE, dst(127, 0, 0, 1), { type: c.RTA_OIF, data: u32(1) });
  to4(c.RTM_F_LOOKUP_TABLE, dst(127, 0, 0, 1), { type: c.RTA_OIF, data: u32(9) });
  const to6 = (data: Uint8Array): void =>
    a.talk(fd, request(c.RTM_GETROUTE, GET, route(c.AF_INET6, { dstLen: 128 }), [{ type: c.RTA_DST, data }]));
  to6(six(1));
  to6(Uint8Array.from([0x20, 1, ...six(1).subarray(2)]));
  a.talk(fd, request(c.RTM_GETROUTE, GET, route(c.AF_UNSPEC), [dst(127, 0, 0, 1)]));
  a.talk(fd, request(c.RTM_GETROUTE, GET, gen(c.AF_INET)));
  a.setInt(fd, c.SOL_NETLINK, c.NETLINK_GET_STRICT_CHK, 1);
  to4(c.RTM_F_LOOKUP_TABLE, dst(127, 0, 0, 1));
  a.talk(fd, request(c.RTM_GETROUTE, GET, route(c.AF_INET), [dst(127, 0, 0, 1)]));
  a.talk(fd, request(c.RTM_GETROUTE, GET, route(c.AF_INET, { dstLen: 24 }), [dst(127, 0, 0, 1)]));
});

conformance('netlink: MSG_PEEK with MSG_TRUNC tells the size, a short buffer cuts', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  a.ask(fd, request(c.RTM_GETADDR, DUMP, gen(c.AF_INET)));
  a.task.call('recvfrom', fd, 0, 0, c.MSG_PEEK | c.MSG_TRUNC, 0, 0);
  a.task.call('recvfrom', fd, sys.alloc(20, 'short', asNetlink), 20, c.MSG_PEEK | c.MSG_TRUNC, 0, 0);
  const name = sys.alloc(16, 'from', asNetlinkName);
  const msg = sys.alloc(56, 'msg', asMsghdr);
  a.putMsghdr(msg, { name, namelen: 16, iov: [[sys.alloc(20, 'short', asNetlink), 20]] });
  a.task.call('recvmsg', fd, msg, 0);
  a.answer(fd);
  a.answer(fd);
});

conformance('netlink: several messages in one datagram', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  const one = request(c.RTM_GETLINK, GET, link(77), [], 1);
  const two = request(c.RTM_GETADDR, DUMP, gen(c.AF_INET), [], 2);
  const three = request(c.RTM_GETADDR, DUMP, gen(c.AF_INET), [], 3);
  a.talk(fd, Buffer.concat([one, Buffer.concat([two, Buffer.alloc(3)]).subarray(0, (two.length + 3) & ~3), three]));
  a.talk(fd, Buffer.concat([one, Buffer.from([1, 2, 3, 4])]));
});

conformance('netlink: what is no request, too short, or unknown', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  a.talk(fd, request(c.RTM_GETLINK, 0, link(77)));
  a.talk(fd, request(c.RTM_GETLINK, c.NLM_F_ACK, link(77)));
  a.talk(fd, request(c.NLMSG_NOOP, GET | c.NLM_F_ACK, link()));
  a.talk(fd, request(c.RTM_GETLINK, GET | c.NLM_F_ACK, new Uint8Array(0)));
  a.talk(fd, request(60_000, GET, link()));
  a.talk(fd, Uint8Array.from([1, 2, 3]));
  const wrong = request(c.RTM_GETLINK, GET, link(77));
  c.u32.put(wrong, 0, wrong.length + 4);
  a.talk(fd, wrong);
  c.u32.put(wrong, 0, 15);
  a.talk(fd, wrong);
});

conformance('netlink: NETLINK_CAP_ACK leaves the request out of an error', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  a.setInt(fd, c.SOL_NETLINK, c.NETLINK_CAP_ACK, 1);
  a.talk(fd, request(c.RTM_GETLINK, GET, link(77)));
});

conformance('netlink: readiness', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.open();
  a.poll(fd);
  const epfd = a.epoll();
  a.watch(epfd, fd, c.EPOLLIN | c.EPOLLET);
  a.ready(epfd);
  a.ask(fd, request(c.RTM_GETADDR, DUMP, gen(c.AF_INET)));
  a.poll(fd);
  a.ready(epfd);
  a.answer(fd);
  a.poll(fd);
  a.ready(epfd);
  a.answer(fd);
  a.poll(fd);
});

conformance('netlink: a receive waits for the answer', { group }, (sys) => {
  const a = kit(sys);
  const b = new NetlinkKit(sys, sys.task('b'));
  const fd = a.bound();
  b.task.start('recvfrom', fd, sys.alloc(ROOM, 'in', asNetlink), ROOM, 0, 0, 0);
  a.ask(fd, request(c.RTM_GETLINK, GET, link(77)));
  a.setTimeout(fd, c.SO_RCVTIMEO, 0, 300_000);
  b.task.start('recvfrom', fd, sys.alloc(ROOM, 'in', asNetlink), ROOM, 0, 0, 0);
  b.task.finish();
});

conformance('netlink: a send names the kernel', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  const ask = request(c.RTM_GETLINK, GET, link(77));
  const out = a.octets(ask, 'out');
  a.task.call('sendto', fd, out, ask.length, 0, a.nl(0), 12);
  a.answer(fd);
  a.task.call('sendto', fd, out, ask.length, 0, a.nl(0), 11);
  a.task.call('sendto', fd, out, ask.length, 0, a.nl(0, 0, c.AF_INET), 12);
  a.task.call('sendto', fd, out, ask.length, 0, a.nl(OWN + 5), 12);
  a.task.call('sendto', fd, out, 300_000, 0, a.nl(0), 12);
  a.task.call('sendto', fd, 0x3fff_0000, 20, 0, 0, 0);
  a.answer(fd);
});

conformance('netlink: from one socket to another', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  const to = a.open();
  a.bindTo(to, OWN + 1);
  const out = a.octets('hello', 'out');
  a.task.call('sendto', fd, out, 5, 0, a.nl(OWN + 1), 12);
  a.poll(to);
  const room = sys.alloc(16, 'from', asNetlinkName);
  a.task.call('recvfrom', to, sys.alloc(8, 'in'), 8, 0, room, a.int(16, 'namelen'));
  a.task.call('connect', to, a.nl(0), 12);
  a.task.call('sendto', fd, out, 5, 0, a.nl(OWN + 1), 12);
});

conformance('netlink: bind to groups', { group }, (sys) => {
  const a = kit(sys);
  for (const groups of [0x1, 0x2000_0000, 0x4000_0000, 0x2000_0001]) {
    const fd = a.open();
    a.task.call('bind', fd, a.nl(0, groups), 12);
    a.nlName(fd);
  }
});

conformance('netlink: options', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  const options = [
    c.NETLINK_PKTINFO,
    c.NETLINK_BROADCAST_ERROR,
    c.NETLINK_NO_ENOBUFS,
    c.NETLINK_LISTEN_ALL_NSID,
    c.NETLINK_CAP_ACK,
    c.NETLINK_EXT_ACK,
    c.NETLINK_GET_STRICT_CHK,
  ];
  for (const option of options) {
    a.getInt(fd, c.SOL_NETLINK, option);
    a.setInt(fd, c.SOL_NETLINK, option, 5);
    a.getInt(fd, c.SOL_NETLINK, option);
    a.task.call('setsockopt', fd, c.SOL_NETLINK, option, a.int(1, 'value'), 2);
    a.getInt(fd, c.SOL_NETLINK, option);
  }
  a.task.call('getsockopt', fd, c.SOL_NETLINK, c.NETLINK_EXT_ACK, sys.alloc(4, 'value'), a.int(3, 'len'));
  for (const member of [0, 1, 5, 30, 31, 999]) a.setInt(fd, c.SOL_NETLINK, c.NETLINK_ADD_MEMBERSHIP, member);
  a.task.call('getsockopt', fd, c.SOL_NETLINK, c.NETLINK_LIST_MEMBERSHIPS, sys.alloc(4, 'value'), a.int(4, 'len'));
  a.nlName(fd);
  a.setInt(fd, c.SOL_NETLINK, c.NETLINK_DROP_MEMBERSHIP, 5);
  a.nlName(fd);
  for (const [level, option] of [
    [c.SOL_NETLINK, 77],
    [c.SOL_TCP, 1],
    [c.SOL_IP, 1],
  ] as const) {
    a.setInt(fd, level, option, 1);
    a.getInt(fd, level, option);
  }
});

conformance('netlink: SOL_SOCKET', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  for (const option of [c.SO_TYPE, c.SO_DOMAIN, c.SO_PROTOCOL, c.SO_ERROR, c.SO_ACCEPTCONN, c.SO_PASSCRED]) {
    a.getInt(fd, c.SOL_SOCKET, option);
  }
  for (const option of [c.SO_RCVBUF, c.SO_SNDBUF, c.SO_RCVBUFFORCE, c.SO_SNDBUFFORCE]) {
    for (const value of [1, 32_768, 1_048_576]) a.setInt(fd, c.SOL_SOCKET, option, value);
  }
  for (const option of [c.SO_RCVBUF, c.SO_SNDBUF]) a.getInt(fd, c.SOL_SOCKET, option);
  a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.getInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR);
  a.setInt(fd, c.SOL_SOCKET, 4000, 1);
});

conformance('netlink: credentials and packet information beside an answer', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  a.setInt(fd, c.SOL_SOCKET, c.SO_PASSCRED, 1);
  a.setInt(fd, c.SOL_NETLINK, c.NETLINK_PKTINFO, 1);
  a.ask(fd, request(c.RTM_GETLINK, GET, link(77)));
  const msg = sys.alloc(56, 'msg', asMsghdr);
  const control = sys.alloc(96, 'control', asControl);
  a.putMsghdr(msg, { control, controllen: 96, iov: [[sys.alloc(200, 'in', asNetlink), 200]] });
  a.task.call('recvmsg', fd, msg, 0);
});

conformance('netlink: a full receive buffer', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  a.setInt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 1);
  sys.quietly(() => {
    for (let i = 0; i < 40; i++) a.ask(fd, request(c.RTM_GETLINK, GET, link(77), [], i));
  });
  a.poll(fd);
  a.answer(fd);
  const rest = sys.alloc(ROOM, 'rest');
  sys.quietly(() => {
    for (let i = 0; i < 40 && a.task.call('recvfrom', fd, rest, ROOM, c.MSG_DONTWAIT, 0, 0) > 0; i++);
  });
  a.talk(fd, request(c.RTM_GETLINK, GET, link(77)));
});

conformance('netlink: dump of neighbours where there are none', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.bound();
  a.talk(fd, request(c.RTM_GETNEIGH, DUMP, gen(0)));
  a.setInt(fd, c.SOL_NETLINK, c.NETLINK_GET_STRICT_CHK, 1);
  a.talk(fd, request(c.RTM_GETNEIGH, DUMP, gen(0)));
  const head = { family: c.AF_INET, pad1: 0, pad2: 0, state: 0, flags: 0, type: 0 };
  for (const ifindex of [0, 1]) a.talk(fd, request(c.RTM_GETNEIGH, DUMP, c.ndmsg.encode({ ...head, ifindex })));
});
