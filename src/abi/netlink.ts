/**
 * AF_NETLINK and NETLINK_ROUTE: include/uapi/linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h, if.h (netlink(7), rtnetlink(7), RFC 3549).
 *
 * A datagram holds messages, each a header, a fixed body that its type says, and attributes (length, type, value), everything aligned to 4 octets and
 * in host byte order; addresses are in network order. The walkers read what a guest wrote: they never leave the octets that they were given.
 */
import { i32, octets, struct, type TypeOf, u8, u16, u32, u64 } from './struct.ts';

// Protocols of AF_NETLINK.
export const NETLINK_ROUTE = 0;
export const NETLINK_USERSOCK = 2;
export const NETLINK_FIREWALL = 3;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_NFLOG = 5;
export const NETLINK_XFRM = 6;
export const NETLINK_SELINUX = 7;
export const NETLINK_ISCSI = 8;
export const NETLINK_AUDIT = 9;
export const NETLINK_FIB_LOOKUP = 10;
export const NETLINK_CONNECTOR = 11;
export const NETLINK_NETFILTER = 12;
export const NETLINK_IP6_FW = 13;
export const NETLINK_DNRTMSG = 14;
export const NETLINK_KOBJECT_UEVENT = 15;
export const NETLINK_GENERIC = 16;
export const NETLINK_SCSITRANSPORT = 18;
export const NETLINK_ECRYPTFS = 19;
export const NETLINK_RDMA = 20;
export const NETLINK_CRYPTO = 21;
export const NETLINK_SMC = 22;
/** Protocols of AF_NETLINK are below. */
export const MAX_LINKS = 32;

// Options of SOL_NETLINK.
export const NETLINK_ADD_MEMBERSHIP = 1;
export const NETLINK_DROP_MEMBERSHIP = 2;
export const NETLINK_PKTINFO = 3;
export const NETLINK_BROADCAST_ERROR = 4;
export const NETLINK_NO_ENOBUFS = 5;
export const NETLINK_LISTEN_ALL_NSID = 8;
export const NETLINK_LIST_MEMBERSHIPS = 9;
export const NETLINK_CAP_ACK = 10;
export const NETLINK_EXT_ACK = 11;
export const NETLINK_GET_STRICT_CHK = 12;

export const nlmsghdr = struct('nlmsghdr', 16, { len: u32, type: u16, flags: u16, seq: u32, pid: u32 });
export type Nlmsghdr = TypeOf<typeof nlmsghdr>;
/** `struct nlmsgerr`: the error and the header it is about. */
export const nlmsgerr = struct('nlmsgerr', 20, { error: i32, msg: nlmsghdr });
export const nlattr = struct('nlattr', 4, { len: u16, type: u16 });
export const nlPktinfo = struct('nl_pktinfo', 4, { group: u32 });

export const NLM_F_REQUEST = 0x01;
export const NLM_F_MULTI = 0x02;
export const NLM_F_ACK = 0x04;
export const NLM_F_ECHO = 0x08;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP_FILTERED = 0x20;
export const NLM_F_ROOT = 0x100;
export const NLM_F_MATCH = 0x200;
export const NLM_F_DUMP = 0x300;
export const NLM_F_ATOMIC = 0x400;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const NLM_F_NONREC = 0x100;
export const NLM_F_BULK = 0x200;
/** Of an error message. */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_MIN_TYPE = 16;
export const NLMSGERR_ATTR_MSG = 1;
export const NLA_F_NESTED = 0x8000;
export const NLA_F_NET_BYTEORDER = 0x4000;

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;
export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;
export const RTM_NEWQDISC = 36;
export const RTM_DELQDISC = 37;
export const RTM_GETQDISC = 38;
export const RTM_GETTCLASS = 42;
export const RTM_GETTFILTER = 46;
export const RTM_GETACTION = 50;
export const RTM_GETMULTICAST = 58;
export const RTM_GETANYCAST = 62;
export const RTM_GETNEIGHTBL = 66;
export const RTM_GETADDRLABEL = 74;
export const RTM_GETDCB = 78;
export const RTM_GETNETCONF = 82;
export const RTM_GETMDB = 86;
export const RTM_GETNSID = 90;
export const RTM_GETSTATS = 94;
export const RTM_GETCHAIN = 102;
export const RTM_GETNEXTHOP = 106;
export const RTM_GETLINKPROP = 110;
export const RTM_GETVLAN = 114;
export const RTM_GETNEXTHOPBUCKET = 118;
export const RTM_GETTUNNEL = 122;
/** RTM_MAX of Linux 6.18: what is above is EOPNOTSUPP to everyone. */
export const RTM_LAST = 123;

export const rtgenmsg = struct('rtgenmsg', 1, { family: u8 });
export const ifinfomsg = struct('ifinfomsg', 16, {
  family: u8,
  pad: u8,
  type: u16,
  index: i32,
  flags: u32,
  change: u32,
});
export const ifaddrmsg = struct('ifaddrmsg', 8, { family: u8, prefixlen: u8, flags: u8, scope: u8, index: u32 });
export const rtmsg = struct('rtmsg', 12, {
  family: u8,
  dstLen: u8,
  srcLen: u8,
  tos: u8,
  table: u8,
  protocol: u8,
  scope: u8,
  type: u8,
  flags: u32,
});
export const ifaCacheinfo = struct('ifa_cacheinfo', 16, { prefered: u32, valid: u32, cstamp: u32, tstamp: u32 });
export const rtaCacheinfo = struct('rta_cacheinfo', 32, {
  clntref: u32,
  lastuse: u32,
  expires: i32,
  error: u32,
  used: u32,
  id: u32,
  ts: u32,
  tsage: u32,
});
/** The counters that `struct rtnl_link_stats` (u32) and `rtnl_link_stats64` (u64) have in common, in their order. */
const LINK_STATS = [
  'rxPackets',
  'txPackets',
  'rxBytes',
  'txBytes',
  'rxErrors',
  'txErrors',
  'rxDropped',
  'txDropped',
  'multicast',
  'collisions',
  'rxLengthErrors',
  'rxOverErrors',
  'rxCrcErrors',
  'rxFrameErrors',
  'rxFifoErrors',
  'rxMissedErrors',
  'txAbortedErrors',
  'txCarrierErrors',
  'txFifoErrors',
  'txHeartbeatErrors',
  'txWindowErrors',
  'rxCompressed',
  'txCompressed',
  'rxNohandler',
] as const;
type LinkStats = Readonly<Record<(typeof LINK_STATS)[number], number>>;
const all = <T>(value: T) => Object.fromEntries(LINK_STATS.map((name) => [name, value])) as Record<keyof LinkStats, T>;
export const rtnlLinkStats = struct('rtnl_link_stats', 96, all(u32));
export const rtnlLinkStats64 = struct('rtnl_link_stats64', 200, { ...all(u64), rxOtherhostDropped: u64 });
export const noLinkStats = (): Record<keyof LinkStats, number> => all(0);

export const IFLA_ADDRESS = 1;
export const IFLA_BROADCAST = 2;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_LINK = 5;
export const IFLA_QDISC = 6;
export const IFLA_STATS = 7;
export const IFLA_MASTER = 10;
export const IFLA_TXQLEN = 13;
export const IFLA_OPERSTATE = 16;
export const IFLA_LINKMODE = 17;
export const IFLA_LINKINFO = 18;
export const IFLA_STATS64 = 23;
export const IFLA_GROUP = 27;
export const IFLA_EXT_MASK = 29;
export const IFLA_PROMISCUITY = 30;
export const IFLA_NUM_TX_QUEUES = 31;
export const IFLA_NUM_RX_QUEUES = 32;
export const IFLA_CARRIER = 33;
export const IFLA_ALT_IFNAME = 53;
export const RTEXT_FILTER_SKIP_STATS = 1 << 3;

export const IF_OPER_UNKNOWN = 0;
export const IF_OPER_DOWN = 2;
export const IF_OPER_UP = 6;
export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_DEBUG = 0x4;
export const IFF_LOOPBACK = 0x8;
export const IFF_POINTOPOINT = 0x10;
export const IFF_NOTRAILERS = 0x20;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_MASTER = 0x400;
export const IFF_SLAVE = 0x800;
export const IFF_MULTICAST = 0x1000;
export const IFF_PORTSEL = 0x2000;
export const IFF_AUTOMEDIA = 0x4000;
export const IFF_DYNAMIC = 0x8000;
export const IFF_LOWER_UP = 0x1_0000;
export const IFF_DORMANT = 0x2_0000;
export const IFF_ECHO = 0x4_0000;
export const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;
export const ARPHRD_NONE = 0xfffe;

export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_LABEL = 3;
export const IFA_BROADCAST = 4;
export const IFA_CACHEINFO = 6;
export const IFA_FLAGS = 8;
export const IFA_PROTO = 11;
export const IFAPROT_UNSPEC = 0;
export const IFAPROT_KERNEL_LO = 1;
export const IFAPROT_KERNEL_LL = 3;
export const IFA_F_PERMANENT = 0x80;

export const ndmsg = struct('ndmsg', 12, {
  family: u8,
  pad1: u8,
  pad2: u16,
  ifindex: i32,
  state: u16,
  flags: u8,
  type: u8,
});
export const NDA_DST = 1;
export const NDA_LLADDR = 2;
export const NDA_PROBES = 4;
export const NDA_IFINDEX = 8;
export const NUD_INCOMPLETE = 0x01;
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_DELAY = 0x08;
export const NUD_PROBE = 0x10;
export const NUD_PERMANENT = 0x80;
export const fibRuleHdr = struct('fib_rule_hdr', 12, {
  family: u8,
  dstLen: u8,
  srcLen: u8,
  tos: u8,
  table: u8,
  res1: u8,
  res2: u8,
  action: u8,
  flags: u32,
});
export const FRA_PRIORITY = 6;
export const FRA_TABLE = 15;
export const FRA_PROTOCOL = 21;
export const FR_ACT_TO_TBL = 1;

export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
export const RT_TABLE_UNSPEC = 0;
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;
export const RTPROT_UNSPEC = 0;
export const RTPROT_KERNEL = 2;
export const RTPROT_BOOT = 3;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_ANYCAST = 4;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;
export const RTM_F_CLONED = 0x200;
export const RTM_F_LOOKUP_TABLE = 0x1000;
export const RTM_F_FIB_MATCH = 0x2000;
export const RTCF_BROADCAST = 0x1000_0000;
export const RTCF_MULTICAST = 0x2000_0000;
export const RTCF_LOCAL = 0x8000_0000;
export const RTA_DST = 1;
export const RTA_SRC = 2;
export const RTA_IIF = 3;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_PRIORITY = 6;
export const RTA_PREFSRC = 7;
export const RTA_METRICS = 8;
export const RTA_CACHEINFO = 12;
export const RTA_TABLE = 15;
export const RTA_MARK = 16;
export const RTA_PREF = 20;
export const RTA_UID = 25;
export const RTAX_MTU = 2;

/** Groups that RTNLGRP_* number; their members are told of changes. */
export const RTNLGRP_IPV4_MROUTE_R = 30;
export const RTNLGRP_IPV6_MROUTE_R = 31;
export const RTNLGRP_MAX = 38;

/** NLMSG_ALIGN, NLA_ALIGN. */
export const NLMSG_ALIGN = (len: number): number => (len + 3) & ~3;

/** Messages one after the other in `bytes[0..length]`. */
export class NetlinkWalker {
  #bytes: Uint8Array = new Uint8Array(0);
  #next = 0;
  #end = 0;
  /** Offset of the message's header, and its length with it. */
  at = 0;
  length = 0;

  begin(bytes: Uint8Array, length: number): void {
    this.#bytes = bytes;
    this.#next = 0;
    this.#end = length;
  }
  /** Moves to the next message; false at the end or where a header says less than a header or more than there is (netlink_rcv_skb). */
  next(): boolean {
    const left = this.#end - this.#next;
    if (left < nlmsghdr.size) return false;
    const length = u32.get(this.#bytes, this.#next);
    if (length < nlmsghdr.size || length > left) return false;
    this.at = this.#next;
    this.length = length;
    this.#next += Math.min(NLMSG_ALIGN(length), left);
    return true;
  }
}

/** Attributes of one message, or of a nested attribute. */
export class AttributeWalker {
  #bytes: Uint8Array = new Uint8Array(0);
  #next = 0;
  #end = 0;
  type = 0;
  /** Offset and length of the value. */
  at = 0;
  length = 0;

  begin(bytes: Uint8Array, at: number, end: number): void {
    this.#bytes = bytes;
    this.#next = at;
    this.#end = end;
  }
  /** False at the end, or where an attribute does not fit (nla_ok): what follows is ignored, as Linux does. */
  next(): boolean {
    const left = this.#end - this.#next;
    if (left < nlattr.size) return false;
    const length = u16.get(this.#bytes, this.#next);
    if (length < nlattr.size || length > left) return false;
    this.type = u16.get(this.#bytes, this.#next + 2) & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
    this.at = this.#next + nlattr.size;
    this.length = length - nlattr.size;
    this.#next += Math.min(NLMSG_ALIGN(length), left);
    return true;
  }
}

/** Writes messages one after the other; grows as needed. For what we make ourselves, whose size our own tables bound. */
export class NetlinkWriter {
  #bytes = new Uint8Array(2048);
  #length = 0;
  #message = 0;

  /** Octets written. */
  get length(): number {
    return this.#length;
  }
  /** A copy of what was written since the last `take`. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }
  /** Room of `size` octets, zeroed and aligned; returns where. */
  #reserve(size: number): number {
    const at = this.#length;
    const end = at + NLMSG_ALIGN(size);
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.fill(0, at, end);
    this.#length = end;
    return at;
  }
  begin(type: number, flags: number, seq: number, pid: number): void {
    this.#message = this.#reserve(nlmsghdr.size);
    nlmsghdr.put(this.#bytes, this.#message, { len: 0, type, flags, seq, pid });
  }
  /** Octets as they are, padded: a fixed body, or what an error message quotes. */
  body(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
  }
  attribute(type: number, value: Uint8Array): void {
    const at = this.#reserve(nlattr.size + value.length);
    nlattr.put(this.#bytes, at, { len: nlattr.size + value.length, type });
    this.#bytes.set(value, at + nlattr.size);
  }
  u32(type: number, value: number): void {
    const at = this.#reserve(nlattr.size + 4);
    nlattr.put(this.#bytes, at, { len: nlattr.size + 4, type });
    u32.put(this.#bytes, at + nlattr.size, value);
  }
  u8(type: number, value: number): void {
    const at = this.#reserve(nlattr.size + 1);
    nlattr.put(this.#bytes, at, { len: nlattr.size + 1, type });
    this.#bytes[at + nlattr.size] = value;
  }
  /** A string with its NUL; of Latin-1 characters, as interface names and our texts are. */
  text(type: number, value: string): void {
    this.attribute(
      type,
      Uint8Array.from(`${value}\0`, (c) => c.charCodeAt(0)),
    );
  }
  /** The message is complete: its length goes into its header. */
  end(): void {
    u32.put(this.#bytes, this.#message, this.#length - this.#message);
  }
}

// Interfaces by ioctl(2): netdevice(7), include/uapi/linux/if.h.
/** `struct arpreq` of SIOCGARP (linux/if_arp.h): protocol address, link address, flags, mask, device. */
export const arpreq = struct('arpreq', 68, {
  pa: octets(16),
  ha: octets(16),
  flags: i32,
  netmask: octets(16),
  dev: octets(16),
});
export const ATF_COM = 0x02;
export const ATF_PERM = 0x04;
export const ATF_PUBL = 0x08;
export const ATF_USETRAILERS = 0x10;
export const ATF_NETMASK = 0x20;
export const ATF_DONTPUB = 0x40;
export const IFNAMSIZ = 16;
/** `struct ifreq`: a name and a union of 24 octets. */
export const ifreq = struct('ifreq', 40, { name: octets(IFNAMSIZ), ifru: octets(24) });
/** `struct ifconf`: room, and where the array of struct ifreq goes. */
export const ifconf = struct('ifconf', 16, { len: i32, buf: u64 });
