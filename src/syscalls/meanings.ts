/**
 * What a refusal means for the program that met it, in a sentence for a person. By the first name in what was refused that has one (`SOL_TCP/TCP_MD5SIG` has TCP_MD5SIG, a socket
 * its family, type or protocol), then by the call, then by its kind. A test holds that every option which Linux offers has at least the sentence of its group.
 */
import type { Refusal } from './dispatch.ts';

export type RefusalKind = 'option' | 'flag' | 'request' | 'command' | 'socket' | 'netlink' | 'control message' | 'call';

const KINDS: ReadonlyMap<string, RefusalKind> = new Map([
  ['getsockopt', 'option'],
  ['setsockopt', 'option'],
  ['ioctl', 'request'],
  ['fcntl', 'command'],
  ['socket', 'socket'],
  ['socketpair', 'socket'],
  ['netlink', 'netlink'],
]);

/** What was asked for: an option, a flag of a send or receive, an ioctl request, a fcntl command, a socket, a netlink message, a control message, else the call itself. */
export function kindOf({ call, what }: Pick<Refusal, 'call' | 'what'>): RefusalKind {
  if (/(^|\|)MSG_/.test(what)) return 'flag';
  if (/^(send|recv)m?msg$/.test(call) && what.includes('/')) return 'control message';
  return KINDS.get(call) ?? 'call';
}

const BY_KIND: Readonly<Record<RefusalKind, string>> = {
  option:
    'The socket works without it; the program sees an error where this option is set or asked for, and most go on.',
  flag: 'The transfer works without this flag; with it the program sees an error, or no effect.',
  request: 'The program learns nothing by this request, or cannot change by it what it wanted to.',
  command: 'The descriptor keeps the properties it has.',
  socket: 'No such socket can be made; the program has to do without, or by another family or protocol.',
  netlink: 'The network of the sandbox does not tell this.',
  'control message': 'The whole send fails; without this control message it works.',
  call: 'The call does not exist here; a program that can do without falls back.',
};

const RAW =
  'No raw sockets: ping falls back to ICMP datagram sockets where it can, traceroute -I, nmap and hand-made packets do not work.';
const FILTER = 'The kernel filters no packets for the socket: the program sees all that arrive and must choose itself.';
const NETFILTER = 'There is no packet filter in the sandbox: iptables and what reads its tables do not work.';
const NAMESPACE =
  'No namespaces within the sandbox: containers, sandboxed browsers and systemd units with isolation must run without their own.';
const MOUNT = 'No file systems can be mounted within the sandbox.';
const URING = 'Programs fall back to epoll and plain calls, which is slower for some (databases), never wrong.';
const ZEROCOPY = 'Octets are copied instead: the program is as right and somewhat slower.';
const STAMP =
  'No time stamps of this kind: time synchronisation and measurements use the time of their own reading, which is less exact.';
const ROUTING = 'Packets are sent without IPv6 extension headers; those of packets received are shown.';
const MROUTE = 'The sandbox routes no multicast for others: mrouted, smcroute and pimd do not work.';
const INTERFACES =
  'The interfaces, addresses and routes of the sandbox are set when it starts; programs that configure the network cannot.';
const REPAIR = 'Connections can be neither saved nor restored: CRIU does not work on them.';
const OWNER = 'No SIGIO or SIGURG is sent when the socket becomes ready: the program must poll.';
const KERNEL_CRYPTO = 'The program does its cryptography itself, as it would without the module.';

/** Sentences by the names that they are for. */
const SENTENCES: readonly (readonly [names: string, sentence: string])[] = [
  ['SOCK_RAW SOCK_PACKET', RAW],
  [
    'AF_PACKET',
    'No packet sockets: tcpdump, arping, DHCP clients and LLDP daemons cannot see or send frames; --pcap captures the link from outside.',
  ],
  ['AF_VSOCK', 'No channel to a hypervisor: guest agents of virtual machines have nobody to talk to.'],
  ['AF_ALG', KERNEL_CRYPTO],
  ['AF_XDP', 'No XDP: programs that bypass the network stack (DPDK, Suricata) must use another backend.'],
  ['AF_BLUETOOTH', 'No Bluetooth.'],
  ['AF_CAN', 'No CAN bus.'],
  ['AF_TIPC AF_RDS AF_SMC AF_KCM AF_RXRPC', 'No cluster transports: programs fall back to TCP where they can.'],
  ['IPPROTO_SCTP', 'No SCTP; telephony signalling and lksctp programs do not work, others fall back to TCP.'],
  ['IPPROTO_SMC', 'The connection is plain TCP, as where the other side has no RDMA.'],
  [
    'IPPROTO_MPTCP',
    'Connections are plain TCP, as where the other side knows no MPTCP; programs fall back to IPPROTO_TCP.',
  ],
  ['IPPROTO_UDPLITE', 'No UDP-Lite (Linux is about to remove it too).'],
  ['AF_KEY', 'No IPsec: keys and policies cannot be set.'],
  [
    'AF_NETLINK',
    'Only the routing family of netlink exists: device events, audit, connection tracking, generic netlink and packet filters are out of reach.',
  ],
  [
    'TCP_MD5SIG TCP_MD5SIG_EXT TCP_AO_ADD_KEY TCP_AO_DEL_KEY TCP_AO_INFO TCP_AO_GET_KEYS TCP_AO_REPAIR',
    'Segments cannot be signed (RFC 2385, RFC 5925): BGP sessions and others with a password do not come up.',
  ],
  ['TCP_CONGESTION', 'The connection keeps its congestion control; throughput on long or lossy paths may differ.'],
  [
    'TCP_ULP',
    'No kernel TLS or other layer on the connection: the library encrypts itself, as it would without the module.',
  ],
  ['TCP_REPAIR TCP_REPAIR_QUEUE TCP_QUEUE_SEQ TCP_REPAIR_OPTIONS TCP_REPAIR_WINDOW TCP_TIMESTAMP', REPAIR],
  ['TCP_ZEROCOPY_RECEIVE SO_ZEROCOPY MSG_ZEROCOPY SO_DEVMEM_LINEAR SO_DEVMEM_DMABUF SO_DEVMEM_DONTNEED', ZEROCOPY],
  ['TCP_SAVE_SYN TCP_SAVED_SYN', 'The SYN of a connection cannot be looked at: fingerprints of clients are missing.'],
  ['TCP_CC_INFO', 'Details of the congestion control are not told; TCP_INFO is.'],
  [
    'TCP_TX_DELAY TCP_RTO_MAX_MS TCP_RTO_MIN_US TCP_DELACK_MAX_US',
    'Timers of the connection stay as they are by default.',
  ],
  ['TCP_INQ', 'The octets that wait are not told with each receive; FIONREAD tells them.'],
  ['TCP_THIN_LINEAR_TIMEOUTS TCP_THIN_DUPACK', 'Thin streams retransmit as any other.'],
  ['UDP_SEGMENT', 'Each datagram is sent by itself: QUIC and others send as right, with more calls.'],
  ['UDP_GRO', 'Each datagram is received by itself: QUIC and others receive as right, with more calls.'],
  ['UDP_ENCAP', 'No ESP or L2TP within UDP by the kernel: IPsec with NAT traversal does not work.'],
  ['UDP_NO_CHECK6_TX UDP_NO_CHECK6_RX', 'Datagrams over IPv6 have their checksum, and must have it.'],
  ['SO_ATTACH_FILTER SO_ATTACH_BPF SO_LOCK_FILTER', FILTER],
  [
    'SO_ATTACH_REUSEPORT_CBPF SO_ATTACH_REUSEPORT_EBPF SO_DETACH_REUSEPORT_BPF',
    'Connections are spread over the sockets of a port by their addresses, not by the program’s own rule.',
  ],
  [
    'SO_MARK SO_RCVMARK',
    'Packets carry no mark, so policy routing by mark has no effect; the sandbox has one way out.',
  ],
  ['SO_TXTIME SCM_TXTIME', 'Packets leave when they are sent, not at a time set: pacing by the kernel is missing.'],
  ['SO_MAX_PACING_RATE', 'The connection is not paced to a rate of the program’s.'],
  [
    'SO_TIMESTAMP SO_TIMESTAMPNS SO_TIMESTAMPING SO_TIMESTAMP_NEW SO_TIMESTAMPNS_NEW SO_TIMESTAMPING_NEW SIOCGSTAMP_OLD SIOCGSTAMPNS_OLD SIOCSHWTSTAMP SIOCGHWTSTAMP',
    STAMP,
  ],
  [
    'SO_BUSY_POLL SO_PREFER_BUSY_POLL SO_BUSY_POLL_BUDGET SO_INCOMING_CPU SO_INCOMING_NAPI_ID',
    'There is no network card to poll or to steer; latency is that of the sandbox.',
  ],
  [
    'SO_PASSPIDFD SO_PEERPIDFD SCM_PIDFD',
    'The process behind a unix socket is known by its number only (SO_PEERCRED), as before Linux 6.5.',
  ],
  ['SO_PASSSEC SO_PEERSEC', 'There are no security labels.'],
  ['SO_PEEK_OFF', 'MSG_PEEK always looks at the head of the queue.'],
  ['SO_RESERVE_MEM SO_BUF_LOCK', 'Buffers grow and shrink by the stack’s own rules.'],
  [
    'SO_ORIGINAL_DST IP6T_SO_ORIGINAL_DST',
    'There is no address translation in the sandbox, so no original destination: transparent proxies must know it otherwise.',
  ],
  ['IP_TRANSPARENT IPV6_TRANSPARENT', 'Foreign addresses cannot be bound: transparent proxies do not work.'],
  [
    'IP_OPTIONS IP_RETOPTS IP_RECVOPTS IP_ROUTER_ALERT IPV6_ROUTER_ALERT',
    'Packets are sent without IP options; those of packets received are shown.',
  ],
  [
    'IP_RECVERR IPV6_RECVERR IP_RECVERR_RFC4884 IPV6_RECVERR_RFC4884',
    'Errors that come as ICMP are told without their details.',
  ],
  [
    'IPV6_HOPOPTS IPV6_RTHDR IPV6_RTHDRDSTOPTS IPV6_DSTOPTS IPV6_RECVHOPOPTS IPV6_RECVRTHDR IPV6_RECVDSTOPTS IPV6_2292HOPOPTS IPV6_2292RTHDR IPV6_2292DSTOPTS',
    ROUTING,
  ],
  [
    'IPV6_FLOWLABEL_MGR',
    'No flow label can be leased: the one that a program sends with is used as it is, else the stack chooses.',
  ],
  [
    'IP_MSFILTER MCAST_MSFILTER IP_ADD_SOURCE_MEMBERSHIP IP_BLOCK_SOURCE MCAST_JOIN_SOURCE_GROUP MCAST_BLOCK_SOURCE',
    'All senders of a multicast group are received; the program must choose itself.',
  ],
  [
    'IP_IPSEC_POLICY IP_XFRM_POLICY IPV6_IPSEC_POLICY IPV6_XFRM_POLICY',
    'No IPsec: policies cannot be set on a socket.',
  ],
  ['MRT_INIT MRT_ADD_VIF SIOCGETVIFCNT SIOCGETSGCNT', MROUTE],
  [
    'SIOCSIFFLAGS SIOCSIFADDR SIOCSIFNETMASK SIOCSIFBRDADDR SIOCSIFDSTADDR SIOCSIFMTU SIOCSIFHWADDR SIOCSIFNAME SIOCSIFTXQLEN SIOCSIFMETRIC SIOCADDRT SIOCDELRT SIOCDIFADDR SIOCADDMULTI SIOCDELMULTI SIOCSIFMAP SIOCSIFSLAVE SIOCSIFHWBROADCAST',
    INTERFACES,
  ],
  ['SIOCSARP SIOCDARP', 'Neighbours are found by ARP; entries cannot be set.'],
  [
    'SIOCETHTOOL SIOCGMIIPHY SIOCGMIIREG SIOCSMIIREG',
    'The interface has no hardware: ethtool and mii-tool learn nothing of a link, its speed or its offloads.',
  ],
  [
    'SIOCGIFSLAVE SIOCBONDENSLAVE SIOCBRADDBR SIOCBRDELBR SIOCGIFVLAN SIOCSIFVLAN',
    'There are no bonds, bridges or VLANs in the sandbox.',
  ],
  [
    'TUNSETIFF',
    'No interfaces of its own: VPN clients and user-space networks (openvpn, wireguard-go, slirp4netns) do not work within the sandbox.',
  ],
  ['FIOASYNC FIOSETOWN SIOCSPGRP F_SETOWN F_SETOWN_EX F_SETSIG F_SETFL/O_ASYNC', OWNER],
  ['F_SETLEASE F_NOTIFY', 'Changes of the file are not told.'],
  ['MSG_OOB SIOCATMARK', 'No urgent data on this socket.'],
  ['MSG_CONFIRM', 'A hint without effect: the neighbour is probed as for any other datagram.'],
  ['unshare setns clone', NAMESPACE],
  ['open', 'The network of the sandbox cannot be tuned: its settings can be read, and stay as they are.'],
  ['mount umount2 pivot_root open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr', MOUNT],
  ['io_uring_setup io_uring_enter io_uring_register', URING],
  [
    'userfaultfd USERFAULTFD_IOC_NEW',
    'No page faults handled by the program: live migration of virtual machines, CRIU and some garbage collectors fall back.',
  ],
  ['add_key request_key keyctl', 'Keys are not kept by the kernel: programs keep them in memory or in files.'],
  ['bpf', 'No programs in the kernel: tracers and filters of this kind do not work.'],
  ['perf_event_open', 'No performance counters: perf does not work, profilers by timer do.'],
  ['TIOCSTI TIOCLINUX', 'What the user types cannot be feigned.'],
  ['VHOST', 'No devices of virtual machines by the kernel: hypervisors use their own.'],
  [
    'syscall',
    'An entry point (32 bit, x32) or a number that is not known here: programs for this architecture do not use the one, and have a way without the other.',
  ],
  ['epoll_ctl_old epoll_wait_old', 'No Linux since 2.6 has these calls.'],
  [
    'splice tee vmsplice sendfile',
    'Neither side is a socket, and there is no kernel here to move the octets: only `sandsock run` has one.',
  ],
];
/** Protocols of AF_NETLINK. */
const NETLINK_PROTOCOLS: ReadonlyMap<string, string> = new Map([
  ['NETLINK_SOCK_DIAG', 'ss and its like read /proc/net instead, and show less of each socket.'],
  ['NETLINK_NETFILTER', NETFILTER],
  ['NETLINK_XFRM', 'No IPsec: keys and policies cannot be set.'],
  ['NETLINK_KOBJECT_UEVENT', 'No events of devices: udev and libusb see none come or go.'],
  ['NETLINK_AUDIT', 'No audit records: sudo, sshd and PAM write theirs to the system log alone.'],
  [
    'NETLINK_GENERIC',
    'No generic netlink: wireless, WireGuard, devlink, ethtool’s netlink and taskstats are out of reach.',
  ],
]);
const BY_NAME: ReadonlyMap<string, string> = new Map(
  SENTENCES.flatMap(([names, sentence]) => names.split(' ').map((name) => [name, sentence] as const)),
);

/** Of what the sandbox keeps out of reach, in the order they are looked for. */
const WALLS: readonly (readonly [beginning: string, sentence: string])[] = [
  [
    'a unix socket of the host',
    'Services of the host (Docker, D-Bus, X11, a database on a unix socket) are out of reach: only what guests bind can be connected to.',
  ],
  [
    'an abstract unix name',
    'This host has no network namespace for the guest, and abstract names would reach the host’s programs.',
  ],
  ['a socket inherited', 'A socket of the host’s network that came with the program keeps the peer it has.'],
];

/** What the refusal means for the program. */
export function meaningOf(refusal: Pick<Refusal, 'call' | 'what' | 'onLinuxToo'>): string {
  if (refusal.onLinuxToo) return 'Linux refuses it as well: the program is no worse off here.';
  const { call, what } = refusal;
  for (const [beginning, sentence] of WALLS) if (what.startsWith(beginning)) return sentence;
  if (call === 'netlink' && /^RTM_(NEW|DEL|SET)/.test(what)) return INTERFACES;
  const names = what.split(/[/ |]/);
  if (names[0] === 'AF_NETLINK') {
    const sentence = NETLINK_PROTOCOLS.get(names.at(-1) ?? '');
    if (sentence !== undefined) return sentence;
  }
  for (const name of [what, ...names, call]) {
    const sentence = BY_NAME.get(name);
    if (sentence !== undefined) return sentence;
  }
  return what.startsWith('SOL_IP') && /0x[4-6][0-9a-f]$/.test(what) ? NETFILTER : BY_KIND[kindOf(refusal)];
}
