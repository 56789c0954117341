/** SOL_IPV6: ipv6(7), net/ipv6/ipv6_sockglue.c; of AF_INET6 sockets only. */
import { Errno } from '../../abi/errno.ts';
import {
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_OMIT,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV6_2292DSTOPTS,
  IPV6_2292HOPLIMIT,
  IPV6_2292HOPOPTS,
  IPV6_2292PKTINFO,
  IPV6_2292RTHDR,
  IPV6_ADDR_PREFERENCES,
  IPV6_ADDRFORM,
  IPV6_AUTOFLOWLABEL,
  IPV6_DONTFRAG,
  IPV6_FLOWINFO,
  IPV6_FLOWINFO_SEND,
  IPV6_FREEBIND,
  IPV6_IPSEC_POLICY,
  IPV6_MINHOPCOUNT,
  IPV6_MTU,
  IPV6_MTU_DISCOVER,
  IPV6_PATHMTU,
  IPV6_PKTINFO,
  IPV6_PREFER_SRC_CGA,
  IPV6_PREFER_SRC_COA,
  IPV6_PREFER_SRC_HOME,
  IPV6_PREFER_SRC_NONCGA,
  IPV6_PREFER_SRC_PUBLIC,
  IPV6_PREFER_SRC_PUBTMP_DEFAULT,
  IPV6_PREFER_SRC_TMP,
  IPV6_RECVDSTOPTS,
  IPV6_RECVERR,
  IPV6_RECVERR_RFC4884,
  IPV6_RECVFRAGSIZE,
  IPV6_RECVHOPLIMIT,
  IPV6_RECVHOPOPTS,
  IPV6_RECVORIGDSTADDR,
  IPV6_RECVPATHMTU,
  IPV6_RECVPKTINFO,
  IPV6_RECVRTHDR,
  IPV6_RECVTCLASS,
  IPV6_ROUTER_ALERT,
  IPV6_ROUTER_ALERT_ISOLATE,
  IPV6_TCLASS,
  IPV6_TRANSPARENT,
  IPV6_UNICAST_HOPS,
  IPV6_UNICAST_IF,
  IPV6_V6ONLY,
  IPV6_XFRM_POLICY,
} from '../../abi/in.ts';
import { AF_INET, SOL_IPV6 } from '../../abi/socket.ts';
import { in6Pktinfo, ip6Mtuinfo } from '../../abi/sockopt.ts';
import {
  ECN_MASK,
  mayBeTransparent,
  pathMtu,
  peerMtu,
  policyLength,
  policyRefusal,
  SECURITY_POLICIES,
  unicastInterface,
} from './ip-level.ts';
import { MULTICAST6 } from './multicast6.ts';
import { flag, int, type OptionRow, refuseInt, writeInt } from './row.ts';
import type { OptionTarget } from './target.ts';
import { bounded, toggle } from './toggle.ts';

/** net.ipv6.conf.default.hop_limit. */
const DEFAULT_HOPS = 64;
/** IPV6_MIN_MTU. */
const MTU_MIN = 1280;

const isConnected = ({ tcp, udp }: OptionTarget): boolean =>
  udp === undefined ? tcp?.state === 'ESTABLISHED' : udp.isConnected;

/** Not of echo requests. */
const hasForms = ({ protocol }: OptionTarget): boolean => protocol === IPPROTO_TCP || protocol === IPPROTO_UDP;
/** A socket that is connected to an IPv4-mapped address becomes one of AF_INET (RFC 3542 has no more of it than its name). */
const addressForm: OptionRow = {
  ...int(SOL_IPV6, IPV6_ADDRFORM, 'IPV6_ADDRFORM', {
    set: (socket, value) => {
      if (value !== AF_INET) return -Errno.EINVAL;
      if (!hasForms(socket)) return -Errno.ENOPROTOOPT;
      if (socket.isMaking6 === true) return -Errno.EBUSY;
      if (!isConnected(socket)) return -Errno.ENOTCONN;
      const remote = (socket.tcp ?? socket.udp)?.remoteAddress;
      if (socket.settings.v6Only || remote?.isV4 !== true) return -Errno.EADDRNOTAVAIL;
      socket.becomeIpv4?.();
      return 0;
    },
  }),
  get: (socket, out) => {
    if (!hasForms(socket)) return -Errno.ENOPROTOOPT;
    return isConnected(socket) ? writeInt(SOL_IPV6, out, socket.domain) : -Errno.ENOTCONN;
  },
};

const packetInfo: OptionRow = {
  option: IPV6_PKTINFO,
  name: 'IPV6_PKTINFO',
  set: (socket, value) => {
    if (value.length < in6Pktinfo.size) return -Errno.EINVAL;
    const index = in6Pktinfo.fields.ifindex.get(value, in6Pktinfo.offset.ifindex);
    const { boundInterface } = socket.settings;
    if (boundInterface !== 0 && index !== boundInterface) return -Errno.EINVAL;
    socket.options.stickyInterface = index;
    socket.optionsChanged();
    return 0;
  },
};

const pathMtuInfo: OptionRow = {
  option: IPV6_PATHMTU,
  name: 'IPV6_PATHMTU',
  get: (socket, out) => {
    if (out.length < ip6Mtuinfo.size) return -Errno.EINVAL;
    const mtu = peerMtu(socket);
    if (mtu === undefined) return -Errno.ENOTCONN;
    out.fill(0, 0, ip6Mtuinfo.size);
    ip6Mtuinfo.fields.mtu.put(out, ip6Mtuinfo.offset.mtu, mtu);
    return ip6Mtuinfo.size;
  },
};

const TEMPORARY = IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_PUBTMP_DEFAULT;
const HOME = IPV6_PREFER_SRC_HOME | IPV6_PREFER_SRC_COA;
const CRYPTOGRAPHIC = IPV6_PREFER_SRC_CGA | IPV6_PREFER_SRC_NONCGA;
const atMostOne = (bits: number): boolean => (bits & (bits - 1)) === 0;

/** ip6_sock_set_addr_preferences: one of each pair at most; what is not preferred is the default. */
const addressPreferences = int(SOL_IPV6, IPV6_ADDR_PREFERENCES, 'IPV6_ADDR_PREFERENCES', {
  get: ({ options }) => options.addressPreferences,
  set: ({ options }, value) => {
    if (!atMostOne(value & TEMPORARY) || !atMostOne(value & HOME) || !atMostOne(value & CRYPTOGRAPHIC)) {
      return -Errno.EINVAL;
    }
    const temporary = value & (IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_TMP);
    options.addressPreferences =
      (temporary || IPV6_PREFER_SRC_PUBTMP_DEFAULT) | (value & IPV6_PREFER_SRC_COA || IPV6_PREFER_SRC_HOME);
    return 0;
  },
});

/** Of raw sockets alone. */
const routerAlert: OptionRow = {
  option: IPV6_ROUTER_ALERT,
  name: 'IPV6_ROUTER_ALERT',
  get: (_socket, out) => writeInt(SOL_IPV6, out, 0),
  set: refuseInt(Errno.ENOPROTOOPT),
};

/** What is to come with datagrams, as they came and by the names of RFC 2292. */
const REPORTS: readonly OptionRow[] = [
  toggle(SOL_IPV6, IPV6_RECVPKTINFO, 'IPV6_RECVPKTINFO', 'packetInfo6'),
  toggle(SOL_IPV6, IPV6_RECVHOPLIMIT, 'IPV6_RECVHOPLIMIT', 'receiveHopLimit'),
  toggle(SOL_IPV6, IPV6_RECVTCLASS, 'IPV6_RECVTCLASS', 'receiveTrafficClass'),
  toggle(SOL_IPV6, IPV6_RECVORIGDSTADDR, 'IPV6_RECVORIGDSTADDR', 'receiveOriginalDestination6'),
  toggle(SOL_IPV6, IPV6_RECVFRAGSIZE, 'IPV6_RECVFRAGSIZE', 'receiveFragmentSize6', 0),
  toggle(SOL_IPV6, IPV6_FLOWINFO, 'IPV6_FLOWINFO', 'receiveFlowInfo'),
  toggle(SOL_IPV6, IPV6_RECVPATHMTU, 'IPV6_RECVPATHMTU', 'receivePathMtu'),
  toggle(SOL_IPV6, IPV6_RECVHOPOPTS, 'IPV6_RECVHOPOPTS', 'receiveHopOptions'),
  toggle(SOL_IPV6, IPV6_RECVDSTOPTS, 'IPV6_RECVDSTOPTS', 'receiveDestinationOptions'),
  toggle(SOL_IPV6, IPV6_RECVRTHDR, 'IPV6_RECVRTHDR', 'receiveRouting'),
  toggle(SOL_IPV6, IPV6_2292PKTINFO, 'IPV6_2292PKTINFO', 'oldPacketInfo'),
  toggle(SOL_IPV6, IPV6_2292HOPLIMIT, 'IPV6_2292HOPLIMIT', 'oldHopLimit'),
  toggle(SOL_IPV6, IPV6_2292HOPOPTS, 'IPV6_2292HOPOPTS', 'oldHopOptions'),
  toggle(SOL_IPV6, IPV6_2292DSTOPTS, 'IPV6_2292DSTOPTS', 'oldDestinationOptions'),
  toggle(SOL_IPV6, IPV6_2292RTHDR, 'IPV6_2292RTHDR', 'oldRouting'),
  int(SOL_IPV6, IPV6_RECVERR, 'IPV6_RECVERR', {
    get: ({ options }) => (options.receiveErrors6 ? 1 : 0),
    set: ({ options, udp }, value) => {
      options.receiveErrors6 = value !== 0;
      if (value === 0) udp?.purgeErrors();
    },
  }),
  int(SOL_IPV6, IPV6_RECVERR_RFC4884, 'IPV6_RECVERR_RFC4884', {
    get: ({ options }) => (options.receiveErrors6Rfc4884 ? 1 : 0),
    set: ({ options }, value) => {
      if (value < 0 || value > 1) return -Errno.EINVAL;
      options.receiveErrors6Rfc4884 = value === 1;
      return 0;
    },
  }),
];

export const IPV6_LEVEL: readonly OptionRow[] = [
  addressForm,
  flag(
    SOL_IPV6,
    IPV6_V6ONLY,
    'IPV6_V6ONLY',
    ({ settings }) => settings.v6Only,
    ({ settings, tcp, udp }, on) => {
      if (tcp?.isBound === true || udp?.isBound === true) return -Errno.EINVAL;
      settings.v6Only = on;
      return 0;
    },
  ),
  int(SOL_IPV6, IPV6_UNICAST_HOPS, 'IPV6_UNICAST_HOPS', {
    get: ({ options }) => (options.hopLimit < 0 ? DEFAULT_HOPS : options.hopLimit),
    set: ({ options }, value) => {
      if (value < -1 || value > 255) return -Errno.EINVAL;
      options.hopLimit = value;
      return 0;
    },
  }),
  int(SOL_IPV6, IPV6_TCLASS, 'IPV6_TCLASS', {
    get: ({ options }) => options.trafficClass,
    set: ({ options, tcp }, value) => {
      if (value < -1 || value > 255) return -Errno.EINVAL;
      const octet = Math.max(value, 0);
      options.trafficClass = tcp === undefined ? octet : (octet & ~ECN_MASK) | (options.trafficClass & ECN_MASK);
      return 0;
    },
  }),
  ...REPORTS,
  bounded(SOL_IPV6, IPV6_MTU_DISCOVER, 'IPV6_MTU_DISCOVER', 'mtuDiscover6', {
    min: IP_PMTUDISC_DONT,
    max: IP_PMTUDISC_OMIT,
  }),
  {
    ...int(SOL_IPV6, IPV6_MTU, 'IPV6_MTU', {
      set: ({ options }, value) => {
        if (value !== 0 && value < MTU_MIN) return -Errno.EINVAL;
        options.fragmentSize6 = value;
        return 0;
      },
    }),
    get: (socket, out) => pathMtu(SOL_IPV6, socket, out),
  },
  pathMtuInfo,
  packetInfo,
  toggle(SOL_IPV6, IPV6_DONTFRAG, 'IPV6_DONTFRAG', 'dontFragment6', 0),
  toggle(SOL_IPV6, IPV6_AUTOFLOWLABEL, 'IPV6_AUTOFLOWLABEL', 'autoFlowLabel', 0),
  toggle(SOL_IPV6, IPV6_FLOWINFO_SEND, 'IPV6_FLOWINFO_SEND', 'sendFlowInfo'),
  addressPreferences,
  bounded(SOL_IPV6, IPV6_MINHOPCOUNT, 'IPV6_MINHOPCOUNT', 'minHopCount', { min: 0, max: 255 }),
  unicastInterface(SOL_IPV6, IPV6_UNICAST_IF, 'IPV6_UNICAST_IF', 'unicastInterface6'),
  // One flag for both levels.
  flag(
    SOL_IPV6,
    IPV6_FREEBIND,
    'IPV6_FREEBIND',
    ({ settings }) => settings.freeBind,
    ({ settings }, on) => {
      settings.freeBind = on;
    },
  ),
  int(SOL_IPV6, IPV6_TRANSPARENT, 'IPV6_TRANSPARENT', {
    get: ({ options }) => (options.transparent ? 1 : 0),
    set: ({ options }, value, credentials) => {
      if (value !== 0 && !mayBeTransparent(credentials)) return -Errno.EPERM;
      options.transparent = value !== 0;
      return 0;
    },
  }),
  routerAlert,
  toggle(SOL_IPV6, IPV6_ROUTER_ALERT_ISOLATE, 'IPV6_ROUTER_ALERT_ISOLATE', 'routerAlertIsolate'),
  SECURITY_POLICIES.of(IPV6_IPSEC_POLICY, 'IPV6_IPSEC_POLICY'),
  {
    option: IPV6_XFRM_POLICY,
    name: 'IPV6_XFRM_POLICY',
    lengths: policyLength,
    set: (_socket, value, { netAdmin }) => policyRefusal(value, netAdmin) || -Errno.EINVAL,
  },
  ...MULTICAST6,
];
