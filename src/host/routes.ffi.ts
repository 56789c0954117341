/**
 * The host's routing tables, asked as `ip route get` asks them: one RTM_GETROUTE on a kept netlink socket (rtnetlink(7)), which needs no privilege and which the
 * kernel answers before send(2) returns. Only the tables know all that is delivered to this machine: addresses of interfaces without carrier, local routes,
 * broadcast addresses, and the anycast addresses of an IPv6 router (RFC 4291 2.6.1). bind(2) takes no anycast address, and with net.ipv4.ip_nonlocal_bind every other.
 */
import * as netlink from '../abi/netlink.ts';
import { i32 } from '../abi/struct.ts';
import type { IpAddress } from '../netstack/address.ts';
import { arena, HostError } from './libc.ffi.ts';
import { AF_INET, AF_INET6, closeSocket, openSocket, receive, SOCK_DGRAM, send } from './socket.ffi.ts';

const AF_NETLINK = 16;
const ENETUNREACH = 101;
const EHOSTUNREACH = 113;
const EACCES = 13;
/** A route with all its attributes takes some hundred octets. */
const ANSWER_OCTETS = 8192;
/** Datagrams looked at for one answer. */
const READS = 4;

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

  /** @throws HostError where netlink is forbidden */
  constructor() {
    this.#fd = openSocket(AF_NETLINK, SOCK_DGRAM, netlink.NETLINK_ROUTE);
    if (this.#fd < 0)
      throw new HostError('socket', -this.#fd, 'netlink is needed to ask which addresses are this host’s own');
  }

  /** Whether what is sent to `address` would be delivered on this host; true as well when the tables do not tell. */
  isLocal(address: IpAddress): boolean {
    const request = this.#request(address);
    this.#memory.bytes.set(request);
    if (send(this.#fd, this.#memory.address, request.length) !== request.length) return true;
    for (let i = 0; i < READS; i++) {
      const n = receive(this.#fd, this.#memory.address, ANSWER_OCTETS, 0);
      if (n <= 0) return true;
      const elsewhere = this.#leadsElsewhere(n);
      if (elsewhere !== undefined) return !elsewhere;
    }
    return true;
  }
  close(): void {
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
