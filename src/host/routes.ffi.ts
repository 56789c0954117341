/**
 * The host's routing tables, asked as `ip route get` asks them: one RTM_GETROUTE on a kept netlink socket (rtnetlink(7)), which needs no privilege and which the
 * kernel answers before send(2) returns. Only the tables know all that is delivered to this machine: addresses of interfaces without carrier, local routes,
 * broadcast addresses, and the anycast addresses of an IPv6 router (RFC 4291 2.6.1). bind(2) takes no anycast address, and with net.ipv4.ip_nonlocal_bind every other.
 *
 * Answers are kept until the kernel tells of a change of addresses, routes, rules or links: it queues that before the call that made the change returns, and the
 * queue is looked at before each answer, so that none is older than the question. Asking costs 5.1 us, looking 0.5.
 */
import * as netlink from '../abi/netlink.ts';
import { i32 } from '../abi/struct.ts';
import type { IpAddress } from '../netstack/address.ts';
import { arena, HostError, native } from './libc.ffi.ts';
import { AF_INET, AF_INET6, closeSocket, openSocket, receive, SOCK_DGRAM, send } from './socket.ffi.ts';

const AF_NETLINK = 16;
const ENETUNREACH = 101;
const EHOSTUNREACH = 113;
const bind = native<(fd: number, address: number, len: number) => number>(
  'int bind(int fd, uintptr_t address, unsigned int len)',
);
const EACCES = 13;
const EAGAIN = 11;
const ENOBUFS = 105;
/** A route with all its attributes takes some hundred octets. */
const ANSWER_OCTETS = 8192;
/** Datagrams looked at for one answer. */
const READS = 4;
/** linux/rtnetlink.h: RTNLGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE, as bind(2) takes them. */
const CHANGES = [1, 5, 7, 8, 9, 11, 19].reduce((mask, group) => mask | (1 << (group - 1)), 0);
/** `struct sockaddr_nl`: family, pad, port, groups. */
const NAME_OCTETS = 12;
/** Answers kept; a guest that asks for more addresses asks the tables again. */
const KEPT = 1024;

/** What leaves this machine, or goes nowhere at all and says so to connect(2). Everything else counts as the machine itself, types yet to be invented included. */
const ELSEWHERE: ReadonlySet<number> = new Set([
  netlink.RTN_UNICAST,
  netlink.RTN_BLACKHOLE,
  netlink.RTN_UNREACHABLE,
  netlink.RTN_PROHIBIT,
]);
/** Answers in place of a route: there is none, or one that refuses. */
const NO_ROUTE: ReadonlySet<number> = new Set([ENETUNREACH, EHOSTUNREACH, EACCES]);

export class RoutingTable {
  readonly #fd: number;
  readonly #memory = arena(ANSWER_OCTETS);
  readonly #writer = new netlink.NetlinkWriter();
  readonly #walker = new netlink.NetlinkWalker();
  #seq = 0;
  /** Questions that the kernel was asked. */
  asked = 0;
  /** Where changes are told; -1 where they are not, and nothing is kept. */
  #changes: number;
  /** By an IPv4 address's word, or an IPv6 address's text. */
  readonly #kept = new Map<number | string, boolean>();

  /** @throws HostError where netlink is forbidden */
  constructor() {
    this.#fd = openSocket(AF_NETLINK, SOCK_DGRAM, netlink.NETLINK_ROUTE);
    if (this.#fd < 0)
      throw new HostError('socket', -this.#fd, 'netlink is needed to ask which addresses are this host’s own');
    this.#changes = openSocket(AF_NETLINK, SOCK_DGRAM, netlink.NETLINK_ROUTE);
    // The port is the kernel's to choose: a socket without one is told nothing.
    new Uint32Array(this.#memory.bytes.buffer, this.#memory.bytes.byteOffset, 3).set([AF_NETLINK, 0, CHANGES]);
    const joined = bind(this.#changes, this.#memory.address, NAME_OCTETS) === 0;
    if (!joined) this.#keepNothing();
  }
  #keepNothing(): void {
    if (this.#changes >= 0) closeSocket(this.#changes);
    this.#changes = -1;
    this.#kept.clear();
  }

  /** Whether what is sent to `address` would be delivered on this host; true as well when the tables do not tell. */
  isLocal(address: IpAddress): boolean {
    const key = address.isV4 ? address.w3 : address.toString();
    this.#noteChanges();
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const elsewhere = this.#ask(address);
    if (elsewhere !== undefined && this.#changes >= 0) {
      if (this.#kept.size >= KEPT) this.#kept.clear();
      this.#kept.set(key, !elsewhere);
    }
    return elsewhere !== true;
  }
  /** What changed does not matter, only that something did; also when so much did that the queue ran over (ENOBUFS). */
  #noteChanges(): void {
    if (this.#changes < 0) return;
    for (let i = 0; i < READS; i++) {
      const n = receive(this.#changes, this.#memory.address, ANSWER_OCTETS, 0);
      if (n === -EAGAIN) return;
      this.#kept.clear();
      if (n <= 0 && n !== -ENOBUFS) return this.#keepNothing();
    }
  }
  /** Whether what is sent there would leave this machine; undefined when the tables do not tell. */
  #ask(address: IpAddress): boolean | undefined {
    this.asked++;
    const request = this.#request(address);
    this.#memory.bytes.set(request);
    if (send(this.#fd, this.#memory.address, request.length) !== request.length) return undefined;
    for (let i = 0; i < READS; i++) {
      const n = receive(this.#fd, this.#memory.address, ANSWER_OCTETS, 0);
      if (n <= 0) return undefined;
      const elsewhere = this.#leadsElsewhere(n);
      if (elsewhere !== undefined) return elsewhere;
    }
    return undefined;
  }
  close(): void {
    this.#keepNothing();
    closeSocket(this.#fd);
  }

  /** What the first `length` octets of the memory say; undefined when they answer another question. */
  #leadsElsewhere(length: number): boolean | undefined {
    const b = this.#memory.bytes;
    const walker = this.#walker;
    walker.begin(b, Math.min(length, ANSWER_OCTETS));
    while (walker.next()) {
      const { type, seq } = netlink.nlmsghdr.get(b, walker.at);
      if (seq !== this.#seq) continue;
      const body = walker.at + netlink.nlmsghdr.size;
      const room = walker.length - netlink.nlmsghdr.size;
      if (type === netlink.RTM_NEWROUTE && room >= netlink.rtmsg.size)
        return ELSEWHERE.has(netlink.rtmsg.get(b, body).type);
      return type === netlink.NLMSG_ERROR && room >= netlink.nlmsgerr.size && NO_ROUTE.has(-i32.get(b, body));
    }
    return undefined;
  }
  #request(address: IpAddress): Uint8Array {
    this.#seq = (this.#seq + 1) & 0x7fff_ffff;
    const { isV4 } = address;
    const octets = new Uint8Array(isV4 ? 4 : 16);
    if (isV4) address.write4(octets, 0);
    else address.write6(octets, 0);
    const body = new Uint8Array(netlink.rtmsg.size);
    body[0] = isV4 ? AF_INET : AF_INET6;
    body[1] = octets.length * 8;
    this.#writer.begin(netlink.RTM_GETROUTE, netlink.NLM_F_REQUEST, this.#seq, 0);
    this.#writer.body(body);
    this.#writer.attribute(netlink.RTA_DST, octets);
    this.#writer.end();
    return this.#writer.take();
  }
}
