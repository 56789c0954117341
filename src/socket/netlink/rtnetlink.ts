/**
 * The kernel's side of NETLINK_ROUTE: what a request is answered with (net/netlink/af_netlink.c netlink_rcv_skb and netlink_ack, net/core/rtnetlink.c
 * rtnetlink_rcv_msg, rtnl_getlink, rtnl_dump_ifinfo; net/ipv4/devinet.c inet_dump_ifaddr; net/ipv4/fib_frontend.c inet_dump_fib; net/ipv4/route.c inet_rtm_getroute).
 *
 * Served are dumps of links, addresses, routes, neighbours and rules, one link by index or name, and the way to one destination. The network of a guest is configured by who
 * runs it, so every request that would change it is EPERM without CAP_NET_ADMIN, as everywhere, and EOPNOTSUPP with it. Other tables that can be asked for
 * (queueing disciplines, next hops, ...) are EOPNOTSUPP. Both are reported.
 */
import { Errno } from '../../abi/errno.ts';
import {
  IFLA_ALT_IFNAME,
  IFLA_EXT_MASK,
  IFLA_IFNAME,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFNAMSIZ,
  ifaddrmsg,
  ifinfomsg,
  NetlinkWalker,
  NetlinkWriter,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  NLMSG_MIN_TYPE,
  NLMSGERR_ATTR_MSG,
  type Nlmsghdr,
  nlmsgerr,
  nlmsghdr,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETNEIGH,
  RTM_GETROUTE,
  RTM_GETRULE,
  RTM_LAST,
  RTM_NEWADDR,
  RTM_NEWLINK,
} from '../../abi/netlink.ts';
import { AF_BRIDGE, AF_INET, AF_INET6 } from '../../abi/socket.ts';
import type { InterfaceInfo, Netstack } from '../../netstack/endpoint.ts';
import { writeAddress, writeLink } from './link-messages.ts';
import { dumpNeighbors, dumpRules } from './neighbor-requests.ts';
import { Attributes, Dump, familiesOf, GET, type Request, type Requester, refuse } from './request.ts';
import { dumpRoutes, getRoute } from './route-requests.ts';

const FIXED = 'the network of this sandbox is configured from outside and cannot be changed from within';

export class RouteNetlink {
  readonly #stack: Netstack;

  constructor(stack: Netstack) {
    this.#stack = stack;
  }

  /** netlink_rcv_skb: a datagram from a guest. */
  receive(bytes: Uint8Array, from: Requester): void {
    const walker = new NetlinkWalker();
    walker.begin(bytes, bytes.length);
    while (walker.next()) {
      const { at, length } = walker;
      const header = nlmsghdr.get(bytes, at);
      const request = { header, bytes, at: at + nlmsghdr.size, end: at + length, from };
      const result = this.#isRequest(header) ? this.#serve(request) : 0;
      // A dump acknowledges itself.
      if (result === 'dumping') continue;
      if ((header.flags & NLM_F_ACK) !== 0 || result !== 0) acknowledge(request, at, result);
    }
  }
  #isRequest({ flags, type }: Nlmsghdr): boolean {
    return (flags & NLM_F_REQUEST) !== 0 && type >= NLMSG_MIN_TYPE;
  }

  /** rtnetlink_rcv_msg: 0, a negative errno, or 'dumping'. */
  #serve(request: Request): number | 'dumping' {
    const { header, bytes, at, end, from } = request;
    const { type, flags } = header;
    if (type > RTM_LAST) return -Errno.EOPNOTSUPP;
    if (end - at < 1) return 0;
    const family = bytes[at] as number;
    if ((type & 3) !== GET) return refuse(request, from.netAdmin ? Errno.EOPNOTSUPP : Errno.EPERM);
    if (family === AF_BRIDGE) return refuse(request, Errno.EOPNOTSUPP);
    return this.#get(request, family, (flags & NLM_F_DUMP) !== 0);
  }
  #get(request: Request, family: number, dumps: boolean): number | 'dumping' {
    switch (request.header.type) {
      case RTM_GETLINK:
        // IPv6 has a dump of its own (inet6_dump_ifinfo); one link is everybody's.
        if (!dumps) return this.#getLink(request);
        return family === AF_INET6 ? refuse(request, Errno.EOPNOTSUPP) : this.#dump(request, this.#dumpLinks);
      case RTM_GETADDR:
        return dumps ? this.#dump(request, this.#dumpAddresses) : refuse(request, Errno.EOPNOTSUPP);
      case RTM_GETROUTE:
        if (dumps) return this.#dump(request, (asked, dump) => dumpRoutes(this.#stack, asked, dump));
        return family === AF_INET || family === AF_INET6 ? getRoute(this.#stack, request) : -Errno.EOPNOTSUPP;
      default:
        return dumps ? this.#dumpOther(request) : refuse(request, Errno.EOPNOTSUPP);
    }
  }
  #dumpOther(request: Request): number | 'dumping' {
    if (request.header.type === RTM_GETRULE) return this.#dump(request, dumpRules);
    if (request.header.type !== RTM_GETNEIGH) return refuse(request, Errno.EOPNOTSUPP);
    return this.#dump(request, (asked, dump) => dumpNeighbors(this.#stack, asked, dump));
  }

  #dump(request: Request, fill: (request: Request, dump: Dump) => number): number | 'dumping' {
    const { header, from } = request;
    if (from.isDumping) return -Errno.EBUSY;
    const dump = new Dump(header, from.portId, from.dumpRoom);
    // These say by themselves that they are complete; the others are asked once more (netlink_dump).
    const isAddresses6 = header.type === RTM_GETADDR && request.bytes[request.at] === AF_INET6;
    const joined = isAddresses6 || header.type === RTM_GETNEIGH || header.type === RTM_GETRULE;
    from.dump(dump.finish(fill(request, dump), joined));
    return 'dumping';
  }

  /** rtnl_dump_ifinfo. A malformed request is an error only with strict checking; else all links are meant. */
  readonly #dumpLinks = (request: Request, dump: Dump): number => {
    const { bytes, at, end, from } = request;
    const asked = new Attributes();
    const strict = from.strictCheck;
    if (end - at >= ifinfomsg.size) {
      const { pad, type, index, flags, change } = ifinfomsg.get(bytes, at);
      if (strict && (pad | type | index | flags | change) !== 0) return -Errno.EINVAL;
      const allowed = strict ? [IFLA_EXT_MASK, IFLA_MASTER, IFLA_LINKINFO] : undefined;
      if (!asked.read(bytes, at + ifinfomsg.size, end, allowed)) return -Errno.EINVAL;
    } else if (strict) {
      return -Errno.EINVAL;
    }
    // No link here has a master or a kind, so a filter by these leaves none.
    const none = asked.has(IFLA_MASTER) || asked.has(IFLA_LINKINFO);
    if (none) dump.filtered();
    for (const link of none ? [] : this.#stack.interfaces) {
      dump.add(RTM_NEWLINK, (out) => writeLink(out, link));
    }
    return 0;
  };

  /** rtnl_getlink. */
  #getLink(request: Request): number {
    const { header, bytes, at, end, from } = request;
    if (end - at < ifinfomsg.size) return -Errno.EINVAL;
    const { pad, type, index, flags, change } = ifinfomsg.get(bytes, at);
    const strict = from.strictCheck;
    if (strict && (pad | type | flags | change) !== 0) return -Errno.EINVAL;
    const asked = new Attributes();
    const allowed = strict ? [IFLA_IFNAME, IFLA_ALT_IFNAME, IFLA_EXT_MASK] : undefined;
    if (!asked.read(bytes, at + ifinfomsg.size, end, allowed)) return -Errno.EINVAL;
    const name = asked.text(IFLA_IFNAME);
    if (name !== undefined && name.length >= IFNAMSIZ) return -Errno.ERANGE;
    const wanted = name ?? asked.text(IFLA_ALT_IFNAME);
    if (index <= 0 && wanted === undefined) return -Errno.EINVAL;
    const link = this.#stack.interfaces.find((i) => (index > 0 ? i.index === index : i.name === wanted));
    if (link === undefined) return -Errno.ENODEV;
    from.reply(linkMessage(link, header.seq, from.portId));
    return 0;
  }

  /** inet_dump_ifaddr and inet6_dump_addr. */
  readonly #dumpAddresses = (request: Request, dump: Dump): number => {
    const { bytes, at, end, from } = request;
    const family = bytes[at] as number;
    let wanted = 0;
    if (from.strictCheck) {
      if (end - at < ifaddrmsg.size) return -Errno.EINVAL;
      const { prefixlen, flags, scope, index } = ifaddrmsg.get(bytes, at);
      if ((prefixlen | flags | scope) !== 0) return -Errno.EINVAL;
      if (!new Attributes().read(bytes, at + ifaddrmsg.size, end, [])) return -Errno.EINVAL;
      wanted = index;
      if (wanted !== 0) dump.filtered();
      if (wanted !== 0 && !this.#stack.interfaces.some((i) => i.index === wanted)) return -Errno.ENODEV;
    }
    for (const isV4 of familiesOf(family)) {
      for (const link of this.#stack.interfaces) {
        if (wanted !== 0 && link.index !== wanted) continue;
        for (const own of link.addresses) {
          if (own.address.isV4 === isV4) dump.add(RTM_NEWADDR, (out) => writeAddress(out, link, own));
        }
      }
    }
    return 0;
  };
}
/** One link as a datagram. */
function linkMessage(link: InterfaceInfo, seq: number, portId: number): Uint8Array {
  const out = new NetlinkWriter();
  out.begin(RTM_NEWLINK, 0, seq, portId);
  writeLink(out, link);
  out.end();
  return out.take();
}

/** netlink_ack: the error with the request it is about, the whole of it unless the socket asked for less (NETLINK_CAP_ACK). */
function acknowledge({ header, bytes, end, from }: Request, at: number, error: number): void {
  const capped = error === 0 || from.capAck;
  const text = from.extAck && error !== 0 && (header.type & 3) !== GET ? FIXED : undefined;
  const out = new NetlinkWriter();
  const flags = (capped ? NLM_F_CAPPED : 0) | (text === undefined ? 0 : NLM_F_ACK_TLVS);
  out.begin(NLMSG_ERROR, flags, header.seq, from.portId);
  out.body(nlmsgerr.encode({ error, msg: header }));
  if (!capped) out.body(bytes.subarray(at + nlmsghdr.size, end));
  if (text !== undefined) out.text(NLMSGERR_ATTR_MSG, text);
  out.end();
  from.reply(out.take());
}
