/** Source filters of multicast groups (RFC 3678): ip(7), and the options that both families share. Over loopback, whose interface is always named. */
import { conformance, type System } from '../body.ts';
import { inet, inet6, type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { showOctets } from '../session.ts';

const group = 'multicast';
type Quad = readonly [number, number, number, number];
const GROUP: Quad = [239, 1, 2, 3];
const LO: Quad = [127, 0, 0, 1];
const NEAR: Quad = [127, 0, 0, 1];
const FAR: Quad = [127, 0, 0, 2];

const mreqSource = (source: Quad, to: Quad = GROUP, by: Quad = LO): Uint8Array =>
  Uint8Array.of(...to, ...by, ...source);
const set = (a: Kit, fd: number, level: number, option: number, value: Uint8Array, len = value.length): number =>
  a.task.call('setsockopt', fd, level, option, a.octets(value, 'value'), len);
const v4 = (a: Kit, fd: number, option: number, value: Uint8Array): number => set(a, fd, c.SOL_IP, option, value);

/** struct group_req, group_source_req. */
function groupReq(index: number, ...names: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(8 + 128 * names.length);
  c.u32.put(out, 0, index);
  names.forEach((name, i) => out.set(name, 8 + 128 * i));
  return out;
}
function group6(last: number): Uint8Array {
  const name = inet6('::', 0);
  name.set([0xff, 1], 8);
  name[23] = last;
  return name;
}
const source6 = (last: number): Uint8Array => {
  const name = inet6('::', 0);
  name[23] = last;
  return name;
};
const FAMILIES = [
  {
    name: 'IPv4',
    family: c.AF_INET,
    level: c.SOL_IP,
    to: inet('239.1.2.3', 0),
    one: inet('127.0.0.1', 0),
    two: inet('127.0.0.2', 0),
  },
  { name: 'IPv6', family: c.AF_INET6, level: c.SOL_IPV6, to: group6(5), one: source6(1), two: source6(2) },
] as const;

/** struct ip_msfilter. */
function msfilter(mode: number, sources: readonly Quad[], count = sources.length, to: Quad = GROUP): Uint8Array {
  const out = new Uint8Array(16 + 4 * sources.length);
  out.set([...to, ...LO]);
  c.u32.put(out, 8, mode);
  c.u32.put(out, 12, count);
  sources.forEach((source, i) => out.set(source, 16 + 4 * i));
  return out;
}
/** struct group_filter. */
function groupFilter(
  to: Uint8Array,
  mode: number,
  sources: readonly Uint8Array[],
  count = sources.length,
  index = 1,
): Uint8Array {
  const out = new Uint8Array(144 + 128 * sources.length);
  c.u32.put(out, 0, index);
  out.set(to, 8);
  c.u32.put(out, 136, mode);
  c.u32.put(out, 140, count);
  sources.forEach((source, i) => out.set(source, 144 + 128 * i));
  return out;
}
/** getsockopt of what is asked for by the buffer itself. */
function ask(
  sys: System,
  a: Kit,
  fd: number,
  level: number,
  option: number,
  question: Uint8Array,
  room = question.length,
): number {
  const at = sys.alloc(Math.max(room, question.length), 'answer', (b) => showOctets(b));
  sys.write(at, question);
  return a.task.call('getsockopt', fd, level, option, at, a.int(room, 'len'));
}

conformance(
  'source filters: IP_BLOCK_SOURCE wants a membership, IP_ADD_SOURCE_MEMBERSHIP makes one',
  { group },
  (sys) => {
    const a = kit(sys);
    const fd = a.udp();
    v4(a, fd, c.IP_BLOCK_SOURCE, mreqSource(NEAR));
    v4(a, fd, c.IP_UNBLOCK_SOURCE, mreqSource(NEAR));
    v4(a, fd, c.IP_DROP_SOURCE_MEMBERSHIP, mreqSource(NEAR));
    v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource(NEAR));
    v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource(NEAR));
    v4(a, fd, c.IP_BLOCK_SOURCE, mreqSource(NEAR));
    v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource(FAR));
    v4(a, fd, c.IP_ADD_MEMBERSHIP, Uint8Array.of(...GROUP, ...LO));
    v4(a, fd, c.IP_DROP_SOURCE_MEMBERSHIP, mreqSource(NEAR));
    v4(a, fd, c.IP_DROP_SOURCE_MEMBERSHIP, mreqSource(NEAR));
    v4(a, fd, c.IP_DROP_SOURCE_MEMBERSHIP, mreqSource(FAR));
    v4(a, fd, c.IP_DROP_SOURCE_MEMBERSHIP, mreqSource(FAR));
    v4(a, fd, c.IP_ADD_MEMBERSHIP, Uint8Array.of(...GROUP, ...LO));
    v4(a, fd, c.IP_BLOCK_SOURCE, mreqSource(NEAR));
    v4(a, fd, c.IP_BLOCK_SOURCE, mreqSource(NEAR));
    v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource(FAR));
    v4(a, fd, c.IP_UNBLOCK_SOURCE, mreqSource(NEAR));
    v4(a, fd, c.IP_UNBLOCK_SOURCE, mreqSource(NEAR));
    v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource(FAR));
    v4(a, fd, c.IP_DROP_MEMBERSHIP, Uint8Array.of(...GROUP, ...LO));
    v4(a, fd, c.IP_DROP_MEMBERSHIP, Uint8Array.of(...GROUP, ...LO));
  },
);
conformance('source filters: lengths, groups and interfaces that are none', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  for (const option of [c.IP_BLOCK_SOURCE, c.IP_ADD_SOURCE_MEMBERSHIP, c.IP_DROP_SOURCE_MEMBERSHIP]) {
    for (const len of [0, 8, 11, 13]) set(a, fd, c.SOL_IP, option, new Uint8Array(16), len);
    v4(a, fd, option, mreqSource(NEAR, [10, 0, 0, 1]));
    v4(a, fd, option, mreqSource(NEAR, GROUP, [9, 9, 9, 9]));
    v4(a, fd, option, mreqSource(NEAR, GROUP, [0, 0, 0, 0]));
  }
});
conformance('source filters: at most ten sources of IPv4 and twenty groups', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  for (let i = 1; i <= 11; i++) v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource([10, 0, 0, i]));
  for (let i = 1; i <= 21; i++) v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource([10, 0, 0, 1], [239, 0, 0, i]));
});
conformance('source filters: IP_MSFILTER both ways', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const set4 = (value: Uint8Array, len = value.length): number => set(a, fd, c.SOL_IP, c.IP_MSFILTER, value, len);
  const get = (question: Uint8Array, room?: number): number => ask(sys, a, fd, c.SOL_IP, c.IP_MSFILTER, question, room);
  set4(msfilter(c.MCAST_INCLUDE, [NEAR]));
  get(msfilter(0, [FAR]));
  v4(a, fd, c.IP_ADD_MEMBERSHIP, Uint8Array.of(...GROUP, ...LO));
  get(msfilter(7, [FAR, FAR]));
  set4(msfilter(c.MCAST_INCLUDE, [NEAR, FAR]));
  for (const room of [15, 16, 20, 24, 28]) get(msfilter(7, [LO, LO, LO]), room);
  get(msfilter(7, [LO, LO], 1));
  get(msfilter(7, [LO, LO], 0));
  set4(msfilter(c.MCAST_EXCLUDE, [FAR]));
  get(msfilter(7, [LO]));
  set4(msfilter(2, [FAR]));
  set4(msfilter(c.MCAST_EXCLUDE, [FAR], 2));
  set4(msfilter(c.MCAST_EXCLUDE, [FAR], 11));
  set4(msfilter(c.MCAST_EXCLUDE, [FAR]), 15);
  set4(msfilter(c.MCAST_EXCLUDE, [FAR], 1, [10, 0, 0, 1]));
  get(msfilter(7, [LO], 1, [10, 0, 0, 1]));
  set4(msfilter(c.MCAST_EXCLUDE, []));
  get(msfilter(7, [LO]));
  set4(msfilter(c.MCAST_INCLUDE, []));
  get(msfilter(7, [LO]));
  set4(msfilter(c.MCAST_INCLUDE, []));
});

for (const { name, family, level, to, one, two } of FAMILIES) {
  conformance(`source filters: MCAST_JOIN_GROUP and its like over ${name}`, { group }, (sys) => {
    const a = kit(sys);
    const fd = a.udp(0, family);
    const other = family === c.AF_INET ? group6(5) : inet('239.1.2.3', 0);
    const join = (value: Uint8Array): number => set(a, fd, level, c.MCAST_JOIN_GROUP, value);
    const leave = (value: Uint8Array): number => set(a, fd, level, c.MCAST_LEAVE_GROUP, value);
    join(groupReq(1, other));
    leave(groupReq(1, other));
    join(groupReq(9, to));
    join(groupReq(1, one));
    set(a, fd, level, c.MCAST_JOIN_GROUP, groupReq(1, to), 135);
    join(groupReq(1, to));
    join(groupReq(1, to));
    const change = (option: number, source: Uint8Array, index = 1, into: Uint8Array = to): number =>
      set(a, fd, level, option, groupReq(index, into, source));
    change(c.MCAST_BLOCK_SOURCE, one);
    change(c.MCAST_BLOCK_SOURCE, one);
    change(c.MCAST_BLOCK_SOURCE, two, 9);
    change(c.MCAST_BLOCK_SOURCE, two, 1, one);
    change(c.MCAST_BLOCK_SOURCE, other);
    change(c.MCAST_JOIN_SOURCE_GROUP, two);
    change(c.MCAST_UNBLOCK_SOURCE, two);
    change(c.MCAST_UNBLOCK_SOURCE, one);
    change(c.MCAST_JOIN_SOURCE_GROUP, two);
    change(c.MCAST_JOIN_SOURCE_GROUP, one);
    change(c.MCAST_LEAVE_SOURCE_GROUP, two);
    change(c.MCAST_LEAVE_SOURCE_GROUP, one);
    leave(groupReq(1, to));
    change(c.MCAST_JOIN_SOURCE_GROUP, one);
    leave(groupReq(1, to));
    leave(groupReq(1, to));
    set(a, fd, level, c.MCAST_BLOCK_SOURCE, groupReq(1, to, one), 263);
  });
  conformance(`source filters: MCAST_MSFILTER both ways over ${name}`, { group }, (sys) => {
    const a = kit(sys);
    const fd = a.udp(0, family);
    const put = (value: Uint8Array, len = value.length): number => set(a, fd, level, c.MCAST_MSFILTER, value, len);
    const get = (question: Uint8Array, room?: number): number =>
      ask(sys, a, fd, level, c.MCAST_MSFILTER, question, room);
    put(groupFilter(to, c.MCAST_INCLUDE, [one]));
    get(groupFilter(to, 7, [one]));
    set(a, fd, level, c.MCAST_JOIN_GROUP, groupReq(1, to));
    get(groupFilter(to, 7, [one]));
    put(groupFilter(to, c.MCAST_INCLUDE, [one, two]));
    for (const room of [143, 144, 271, 272, 400]) get(groupFilter(to, 7, [one, two]), room);
    put(groupFilter(to, c.MCAST_EXCLUDE, [two]));
    get(groupFilter(to, 7, [one, one], 1));
    put(groupFilter(to, 2, [two]));
    put(groupFilter(to, c.MCAST_EXCLUDE, [two], 2));
    put(groupFilter(to, c.MCAST_EXCLUDE, [two], 65));
    put(groupFilter(one, c.MCAST_EXCLUDE, [two]));
    put(groupFilter(to, c.MCAST_EXCLUDE, [two]), 143);
    put(groupFilter(to, c.MCAST_INCLUDE, []));
    get(groupFilter(to, 7, []));
  });
}

/** A sender on each of two addresses of loopback, and readers on one port. */
function worldOf(sys: System) {
  const a = kit(sys);
  const near = a.udp();
  const far = a.udp();
  a.bind(far, '127.0.0.2', 0);
  a.bind(near, '127.0.0.1', 0);
  for (const fd of [near, far]) {
    v4(a, fd, c.IP_MULTICAST_IF, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0));
  }
  const reader = (): number => {
    const fd = a.udp(c.SOCK_NONBLOCK);
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    a.bind(fd, '0.0.0.0', 4000);
    return fd;
  };
  const send = (): void => {
    a.sendTo(near, 'near', '239.1.2.3', 4000);
    a.sendTo(far, 'far', '239.1.2.3', 4000);
  };
  const drain = (...fds: readonly number[]): void => {
    for (const fd of fds) while (a.recv(fd) >= 0);
  };
  return { a, reader, send, drain };
}
conformance('source filters: only those included are received', { group }, (sys) => {
  const { a, reader, send, drain } = worldOf(sys);
  const fd = reader();
  v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource(NEAR));
  send();
  drain(fd);
  v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource(FAR));
  send();
  drain(fd);
  v4(a, fd, c.IP_DROP_SOURCE_MEMBERSHIP, mreqSource(NEAR));
  send();
  drain(fd);
});
conformance('source filters: those blocked are not received', { group }, (sys) => {
  const { a, reader, send, drain } = worldOf(sys);
  const fd = reader();
  v4(a, fd, c.IP_ADD_MEMBERSHIP, Uint8Array.of(...GROUP, ...LO));
  v4(a, fd, c.IP_BLOCK_SOURCE, mreqSource(FAR));
  send();
  drain(fd);
  set(a, fd, c.SOL_IP, c.IP_MSFILTER, msfilter(c.MCAST_EXCLUDE, [NEAR, FAR]));
  send();
  drain(fd);
  v4(a, fd, c.IP_UNBLOCK_SOURCE, mreqSource(NEAR));
  send();
  drain(fd);
});
conformance('source filters: who is no member gets what any member lets in', { group }, (sys) => {
  const { a, reader, send, drain } = worldOf(sys);
  const [one, two, other] = [reader(), reader(), reader()];
  v4(a, one, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource(NEAR));
  send();
  drain(one, two, other);
  v4(a, two, c.IP_ADD_MEMBERSHIP, Uint8Array.of(...GROUP, ...LO));
  v4(a, two, c.IP_BLOCK_SOURCE, mreqSource(NEAR));
  send();
  drain(one, two, other);
  a.close(one);
  send();
  drain(two, other);
});
conformance('source filters: a reader that waits is not woken by a source that it blocks', { group }, (sys) => {
  const { a, send } = worldOf(sys);
  const b = kit(sys, 'b');
  const fd = a.udp();
  a.bind(fd, '0.0.0.0', 4000);
  v4(a, fd, c.IP_ADD_SOURCE_MEMBERSHIP, mreqSource(FAR));
  b.startRecv(fd, 8);
  send();
  b.task.finish();
});
