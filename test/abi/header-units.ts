/** Which header has which struct and constant of src/abi, and under which name. */
import * as abi from '../../src/abi/index.ts';

export interface Layout {
  /** C type. */
  readonly c: string;
  readonly fields: Readonly<Record<string, { readonly size: number }>>;
  readonly offset: Readonly<Record<string, number>>;
  readonly size: number;
  readonly prefix: string;
  /** Fields whose C name is not prefix + name. */
  readonly rename?: Readonly<Record<string, string>>;
  /** Bit fields: no address; and octets of a union that are in no arm. */
  readonly skip?: readonly string[];
  /** The whole struct is newer than the installed headers may be. */
  readonly isNew?: true;
  /** Fields that older headers lack; the struct is then shorter. */
  readonly newer?: readonly string[];
}
export type Declared = Pick<Layout, 'fields' | 'offset' | 'size'> & { readonly name: string };

/** ifiIndex: ifi_index. */
const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const layout = (s: Declared, prefix: string, more: Partial<Layout> = {}): Layout => ({
  c: `struct ${s.name}`,
  fields: s.fields,
  offset: s.offset,
  size: s.size,
  prefix,
  ...more,
  rename: {
    ...Object.fromEntries(Object.keys(s.fields).map((name) => [name, prefix + snake(name)])),
    ...more.rename,
  },
});

export interface Unit {
  readonly headers: readonly string[];
  readonly layouts?: readonly Layout[];
  readonly constants?: Readonly<Record<string, unknown>>;
  /** Extra C conditions. */
  readonly also?: readonly string[];
}

/** Of the kernel's own headers, which programs do not get: include/linux, include/net, fs. */
const INTERNAL = `SOCK_TYPE_MASK SOCK_MAX MSG_PROBE MSG_CMSG_COMPAT UIO_MAXIOV MAX_RW_COUNT OPTMEM_MAX SCM_MAX_FD SCM_SECURITY EP_MAX_EVENTS ERESTARTSYS MAX_ERRNO
  SIN6_LEN_RFC2133 IPPROTO_MAX SOL_SMC SOL_MCTP SOL_DCCP SPLICE_F_ALL SOL_SCTP SOL_UDPLITE UDPLITE_SEND_CSCOV UDPLITE_RECV_CSCOV`;
/** Sizes of this package. */
const OURS = 'RTM_LAST CMSG_HEADER SOCKADDR_STORAGE_SIZE SIGSET_OCTETS';
/** Newer than Linux 6.1, whose headers Debian 12 installs, or than the C library's copies of them. */
const NEWER = `SO_PASSPIDFD SO_PEERPIDFD SO_DEVMEM_LINEAR SO_DEVMEM_DMABUF SO_DEVMEM_DONTNEED SO_RCVPRIORITY SO_PASSRIGHTS SO_INQ SCM_PIDFD SCM_TS_OPT_ID SCM_INQ
  SCM_DEVMEM_LINEAR SCM_DEVMEM_DMABUF IP_LOCAL_PORT_RANGE IP_PROTOCOL TCP_AO_ADD_KEY TCP_AO_DEL_KEY TCP_AO_INFO TCP_AO_GET_KEYS TCP_AO_REPAIR TCP_IS_MPTCP
  TCP_RTO_MAX_MS TCP_RTO_MIN_US TCP_DELACK_MAX_US F_DUPFD_QUERY F_CREATED_QUERY SOF_TIMESTAMPING_OPT_ID_TCP SOF_TIMESTAMPING_OPT_RX_FILTER
  SOF_TIMESTAMPING_TX_COMPLETION SCM_TSTAMP_COMPLETION PACKET_VNET_HDR_SZ TP_STATUS_GSO_TCP VIRTIO_NET_HDR_GSO_UDP_L4 IPPROTO_SMC SOL_MPTCP SOL_VSOCK SO_TXREHASH
  SO_RCVMARK F_GETOWNER_UIDS SOCK_TXREHASH_DISABLED SOCK_TXREHASH_ENABLED
  EPIOCSPARAMS EPIOCGPARAMS RWF_NOAPPEND RWF_ATOMIC RWF_DONTCACHE RWF_NOSIGNAL MFD_NOEXEC_SEAL MFD_EXEC`;

const split = (names: string): string[] => names.trim().split(/\s+/);
/** Constants that an installed header need not have: checked where it does. */
export const NOT_IN_HEADERS: ReadonlySet<string> = new Set([INTERNAL, OURS, NEWER].flatMap(split));
/** RTNLGRP_MAX grows with the kernel. SOMAXCONN is 4096 since Linux 5.4, which C libraries follow later; the C library counts one signal more, and keeps two real-time signals for itself. */
export const DIFFER_IN_LIBC: ReadonlySet<string> = new Set(['SOMAXCONN', 'NSIG', 'SIGRTMIN', 'RTNLGRP_MAX']);

const pick = (module: Readonly<Record<string, unknown>>, pattern: RegExp): Record<string, unknown> =>
  Object.fromEntries(Object.entries(module).filter(([name]) => pattern.test(name)));

const inMulticast = /^(MCAST_(EXCLUDE|INCLUDE))$/;
const inTcpValues =
  /^TCP_(RECEIVE_ZEROCOPY_|MD5SIG_(MAXKEYLEN|FLAG)|REPAIR_(ON|OFF)|NO_QUEUE|RECV_QUEUE|SEND_QUEUE|QUEUES_NR|NLA_)/;
const inSocketHeaders = /^(AF|SOCK|MSG|SHUT|SOL|SO|SCM|IPPROTO|IP|IPV6|MCAST|TCP|TCPI|UDP|UDPLITE|UIO|IP6T|INADDR)_/;
/** Of linux/in.h and its neighbours, in what stands for inSocketHeaders. */
const inNeighbours =
  /^(IP6T_|SO_ORIGINAL_DST|IPPROTO_(L2TP|ETHERNET|MPTCP|SMC)|UDP_(ENCAP_|NO_CHECK6|SEGMENT|GRO)|SOCK_(SNDBUF|RCVBUF|TXREHASH)|IPV6_(FL|PREFER_SRC)_)/;
const inErrqueue = /^(SCM_TSTAMP_|SO_EE_)/;
const isFromLinux = (name: string): boolean => FROM_LINUX.has(name);

/** Options and values that the C library's headers do not have, but the kernel's do. */
const FROM_LINUX = new Set(
  split(
    `IPV6_FLOWINFO IPV6_FLOWLABEL_MGR IPV6_FLOWINFO_SEND IPV6_MULTICAST_ALL IPV6_ROUTER_ALERT_ISOLATE IPV6_RECVERR_RFC4884 IP_RECVERR_RFC4884`,
  ),
);

const pickBut = (pattern: RegExp, ...not: readonly RegExp[]): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(pick(abi, pattern)).filter(([name]) => !isFromLinux(name) && !not.some((one) => one.test(name))),
  );

const sockets: Unit = {
  headers: [
    'sys/socket.h',
    'sys/un.h',
    'sys/time.h',
    'sys/uio.h',
    'time.h',
    'netinet/in.h',
    'netinet/tcp.h',
    'netinet/udp.h',
    'linux/errqueue.h',
    'linux/netlink.h',
    'linux/if_packet.h',
  ],
  layouts: [
    layout(abi.sockaddr, 'sa_'),
    layout(abi.sockaddrIn, 'sin_'),
    layout(abi.sockaddrIn6, 'sin6_'),
    layout(abi.sockaddrUn, 'sun_'),
    layout(abi.sockaddrNl, 'nl_'),
    layout(abi.sockaddrLl, 'sll_'),
    layout(abi.iovec, 'iov_'),
    layout(abi.msghdr, 'msg_'),
    layout(abi.mmsghdr, 'msg_'),
    layout(abi.cmsghdr, 'cmsg_'),
    layout(abi.linger, 'l_'),
    layout(abi.timeval, 'tv_'),
    layout(abi.timespec, 'tv_'),
    layout(abi.inPktinfo, 'ipi_'),
    layout(abi.in6Pktinfo, 'ipi6_'),
    layout(abi.ipMreq, 'imr_'),
    layout(abi.ipMreqn, 'imr_'),
    layout(abi.ipv6Mreq, 'ipv6mr_'),
    layout(abi.ipMreqSource, 'imr_'),
    layout(abi.ipMsfilter, 'imsf_'),
    layout(abi.groupReq, 'gr_'),
    layout(abi.groupSourceReq, 'gsr_'),
    layout(abi.groupFilter, 'gf_'),
    layout(abi.ucred, ''),
    layout(abi.sockExtendedErr, 'ee_'),
    layout(abi.sockEeDataRfc4884, '', { skip: ['flags', 'reserved'] }),
    layout(abi.scmTimestamping, ''),
    layout(abi.ip6Mtuinfo, 'ip6m_'),
  ],
  constants: {
    ...pickBut(inSocketHeaders, inMulticast, inTcpValues, inNeighbours, /^TCPI_/),
    ...pick(
      abi,
      /^(SOMAXCONN|MAX_RW_COUNT|OPTMEM_MAX|MAX_ERRNO|ERESTARTSYS|SIN6_LEN_RFC2133|MCAST_EXCLUDE|MCAST_INCLUDE)$/,
    ),
    ...pick(abi, inErrqueue),
    ...pick(abi, /^(CMSG_HEADER|SOCKADDR_STORAGE_SIZE)$/),
  },
  also: [
    `sizeof(struct sockaddr_storage) == ${abi.sockaddrStorage.size}`,
    `_Alignof(struct sockaddr_storage) == ${abi.sockaddrStorage.align}`,
    `sizeof(struct cmsghdr) == ${abi.CMSG_HEADER}`,
    ...[0, 1, 4, 8, 12, 13].flatMap((n) => [
      `CMSG_LEN(${n}) == ${abi.CMSG_LEN(n)}`,
      `CMSG_SPACE(${n}) == ${abi.CMSG_SPACE(n)}`,
      `CMSG_ALIGN(${n}) == ${abi.CMSG_ALIGN(n)}`,
    ]),
    ...[0, 1, 5].flatMap((n) => [
      `IP_MSFILTER_SIZE(${n}) == ${abi.IP_MSFILTER_SIZE(n)}`,
      `GROUP_FILTER_SIZE(${n}) == ${abi.GROUP_FILTER_SIZE(n)}`,
    ]),
  ],
};

const RTNETLINK =
  /^(NLM|NLMSG|NLMSGERR|NLA|RTM|IFLA|IFF|IFA|IFAPROT|RT|RTA|RTAX|RTN|RTPROT|RTCF|RTEXT|ARPHRD|IF_OPER|IFNAMSIZ|NDA|NUD|FRA|FR)(_|$)/;
const netlink: Unit = {
  headers: [
    'linux/netlink.h',
    'linux/rtnetlink.h',
    'linux/if_link.h',
    'linux/if_addr.h',
    'linux/if_arp.h',
    'linux/if.h',
    'linux/in_route.h',
    'linux/neighbour.h',
    'linux/fib_rules.h',
    'linux/route.h',
    'linux/ethtool.h',
  ],
  layouts: [
    layout(abi.nlmsghdr, 'nlmsg_'),
    layout(abi.nlmsgerr, ''),
    layout(abi.nlattr, 'nla_'),
    layout(abi.nlPktinfo, ''),
    layout(abi.rtgenmsg, 'rtgen_'),
    layout(abi.ifinfomsg, 'ifi_', { rename: { pad: '__ifi_pad' } }),
    layout(abi.ifaddrmsg, 'ifa_'),
    layout(abi.rtmsg, 'rtm_'),
    layout(abi.ifaCacheinfo, 'ifa_', { rename: { cstamp: 'cstamp', tstamp: 'tstamp' } }),
    layout(abi.rtaCacheinfo, 'rta_'),
    layout(abi.ndmsg, 'ndm_'),
    layout(abi.fibRuleHdr, ''),
    layout(abi.rtnlLinkStats, ''),
    layout(abi.rtnlLinkStats64, '', { newer: ['rxOtherhostDropped'] }),
    layout(abi.ifreq, 'ifr_', { rename: { ifru: 'ifr_ifru' } }),
    layout(abi.ifreqAddr, 'ifr_', { skip: ['rest'] }),
    layout(abi.ifreqFlags, 'ifr_', { skip: ['rest'] }),
    layout(abi.ifreqInt, 'ifr_', { skip: ['rest'], rename: { value: 'ifr_metric' } }),
    layout(abi.ifreqMap, 'ifr_'),
    layout(abi.ifreqNewname, 'ifr_', { skip: ['rest'] }),
    layout(abi.ifreqData, 'ifr_', { skip: ['rest'] }),
    layout(abi.ifmap, ''),
    layout(abi.ifconf, 'ifc_'),
    layout(abi.rtentry, 'rt_'),
    layout(abi.arpreq, 'arp_'),
    layout(abi.ethtoolValue, ''),
  ],
  constants: {
    ...pick(abi, RTNETLINK),
    ...pick(abi, /^(NETLINK_.*|MAX_LINKS|RTNLGRP_.*|RTMGRP_.*|RTF_.*|ATF_.*|NTF_.*|ETHTOOL_.*|ETH_.*)$/),
  },
};

/** What differs between x86_64 and arm64. */
export interface Target {
  readonly epollEvent: Declared;
  readonly numbers: Readonly<Record<string, number>>;
  readonly openFlags: Readonly<Record<string, number>>;
}
export const AMD64: Target = { epollEvent: abi.epollEventAmd64, numbers: abi.NR_AMD64, openFlags: abi.O_AMD64 };
export const ARM64: Target = { epollEvent: abi.epollEventArm64, numbers: abi.NR_ARM64, openFlags: abi.O_ARM64 };
/** The C library of a 64-bit machine has 0 for it. */
const WITHOUT_LARGEFILE = /^O_(?!LARGEFILE)/;

export const units = ({ epollEvent, numbers, openFlags }: Target): readonly Unit[] => [
  { headers: ['errno.h'], constants: { ...abi.Errno } },
  {
    headers: ['linux/icmp.h', 'linux/icmpv6.h'],
    layouts: [layout(abi.icmpFilter, ''), layout(abi.icmp6Filter, '')],
    constants: pick(abi, /^ICMP(V6)?_/),
  },
  {
    headers: ['asm/unistd.h'],
    constants: Object.fromEntries(Object.entries(numbers).map(([name, nr]) => [`__NR_${name}`, nr])),
  },
  sockets,
  netlink,
  {
    headers: [
      'sys/socket.h',
      'linux/in.h',
      'linux/in6.h',
      'linux/ipv6.h',
      'linux/udp.h',
      'linux/netfilter_ipv4.h',
      'linux/netfilter_ipv6/ip6_tables.h',
      'linux/socket.h',
    ],
    layouts: [layout(abi.in6FlowlabelReq, 'flr_', { rename: { pad: '__flr_pad' } })],
    constants: {
      ...pick(abi, inNeighbours),
      ...Object.fromEntries(Object.entries(abi).filter(([name]) => isFromLinux(name))),
    },
  },
  {
    headers: ['linux/tcp.h', 'linux/inet_diag.h'],
    layouts: [
      layout(abi.tcpInfo, 'tcpi_', {
        skip: ['wscale', 'flags'],
        newer: Object.keys(abi.tcpInfo.fields).slice(Object.keys(abi.tcpInfo.fields).indexOf('rcv_wnd')),
      }),
      layout(abi.tcpvegasInfo, 'tcpv_'),
      layout(abi.tcpDctcpInfo, 'dctcp_'),
      layout(abi.tcpBbrInfo, 'bbr_'),
      layout(abi.tcpZerocopyReceive, ''),
      layout(abi.tcpMd5sig, 'tcpm_'),
      layout(abi.tcpRepairOpt, 'opt_'),
      layout(abi.tcpRepairWindow, ''),
    ],
    constants: { ...pick(abi, inTcpValues), ...pick(abi, /^TCPI_OPT_/) },
  },
  {
    headers: ['linux/net_tstamp.h'],
    layouts: [
      layout(abi.soTimestamping, ''),
      layout(abi.scmTsPktinfo, ''),
      layout(abi.sockTxtime, ''),
      layout(abi.hwtstampConfig, ''),
    ],
    constants: pick(abi, /^(SOF_|HWTSTAMP_)/),
  },
  {
    headers: ['linux/filter.h'],
    layouts: [layout(abi.sockFilter, ''), layout(abi.sockFprog, '')],
    constants: pick(abi, /^(BPF|SKF)_/),
  },
  {
    headers: ['linux/if_packet.h'],
    layouts: [
      layout(abi.packetMreq, 'mr_'),
      layout(abi.fanoutArgs, ''),
      layout(abi.tpacketStats, 'tp_'),
      layout(abi.tpacketStatsV3, 'tp_'),
      layout(abi.tpacketRolloverStats, 'tp_'),
      layout(abi.tpacketAuxdata, 'tp_'),
      layout(abi.tpacketReq, 'tp_'),
      layout(abi.tpacketReq3, 'tp_'),
      layout(abi.tpacketHdr, 'tp_'),
      layout(abi.tpacket2Hdr, 'tp_'),
      layout(abi.tpacketHdrVariant1, 'tp_'),
      layout(abi.tpacket3Hdr, 'tp_', { rename: { hv1: 'hv1' } }),
      layout(abi.tpacketBdTs, 'ts_'),
      layout(abi.tpacketHdrV1, ''),
      layout(abi.tpacketBlockDesc, ''),
    ],
    constants: pick(abi, /^(PACKET|TPACKET|TP)_/),
  },
  {
    headers: ['linux/virtio_net.h'],
    layouts: [layout(abi.virtioNetHdr, ''), layout(abi.virtioNetHdrMrgRxbuf, '')],
    constants: pick(abi, /^VIRTIO_NET_/),
  },
  {
    headers: ['sys/socket.h', 'linux/vm_sockets.h'],
    layouts: [layout(abi.sockaddrVm, 'svm_')],
    constants: pick(abi, /^VMADDR_/),
  },
  {
    headers: ['linux/openat2.h'],
    layouts: [layout(abi.openHow, '')],
    constants: pick(abi, /^RESOLVE_/),
  },
  {
    headers: ['linux/time_types.h'],
    // The old and the new ones are alike where a long has 64 bits.
    layouts: [
      ...['__kernel_sock_timeval', '__kernel_old_timeval'].map((name) => layout({ ...abi.timeval, name }, 'tv_')),
      ...['__kernel_timespec', '__kernel_old_timespec'].map((name) => layout({ ...abi.timespec, name }, 'tv_')),
    ],
  },
  { headers: ['poll.h'], layouts: [layout(abi.pollfd, '')], constants: pick(abi, /^POLL/) },
  { headers: ['sys/select.h'], constants: pick(abi, /^FD_SETSIZE$/) },
  {
    headers: ['sys/epoll.h'],
    layouts: [layout(epollEvent, ''), layout(abi.epollParams, '', { isNew: true, rename: { pad: '__pad' } })],
    constants: pick(abi, /^(EPOLL|EP_|EPIOC)/),
    also: ['sizeof(epoll_data_t) == 8'],
  },
  {
    headers: ['fcntl.h'],
    constants: { ...pick(abi, /^((F|FD|O|AT)_(?!SETSIZE)|SPLICE_)/), ...pick(openFlags, WITHOUT_LARGEFILE) },
  },
  { headers: ['asm/fcntl.h'], constants: openFlags },
  { headers: ['linux/un.h'], constants: pick(abi, /^UNIX_PATH_MAX$/) },
  { headers: ['sys/ioctl.h', 'linux/sockios.h'], constants: pick(abi, /^(FIO|SIOC|TIOC|TCGETS)/) },
  {
    headers: ['linux/fs.h', 'linux/fiemap.h', 'linux/close_range.h', 'linux/memfd.h'],
    constants: pick(abi, /^(FIGETBSZ|FS_IOC_|RWF_|CLOSE_RANGE_|MFD_)/),
  },
  { headers: ['sys/resource.h'], layouts: [layout(abi.rlimit, 'rlim_')], constants: pick(abi, /^(RLIMIT|RLIM)_/) },
  { headers: ['linux/sched.h'], constants: pick(abi, /^CLONE_/) },
  { headers: ['signal.h'], constants: pick(abi, /^(SIG|SA_|NSIG)/) },
];
