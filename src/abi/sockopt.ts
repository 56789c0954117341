/** Values of socket options and payloads of control messages. */
import { sockaddrIn6 } from './sockaddr.ts';
import { be32, i32, i64, octets, struct, type TypeOf, u8, u16, u32, u64 } from './struct.ts';

/** SO_LINGER: include/linux/socket.h. Seconds. */
export const linger = struct('linger', 8, { onoff: i32, linger: i32 });
export type Linger = TypeOf<typeof linger>;
/** `struct timeval` of 64-bit ABIs: SO_RCVTIMEO, SO_SNDTIMEO, SO_TIMESTAMP. */
export const timeval = struct('timeval', 16, { sec: i64, usec: i64 });
export type Timeval = TypeOf<typeof timeval>;
/** `struct timespec` of 64-bit ABIs: recvmmsg, ppoll, SO_TIMESTAMPNS. */
export const timespec = struct('timespec', 16, { sec: i64, nsec: i64 });
export type Timespec = TypeOf<typeof timespec>;

/** IP_PKTINFO: include/uapi/linux/in.h. `specDst` is the local address, `addr` the header's destination. */
export const inPktinfo = struct('in_pktinfo', 12, { ifindex: i32, specDst: be32, addr: be32 });
export type InPktinfo = TypeOf<typeof inPktinfo>;
/** IPV6_PKTINFO: include/uapi/linux/ipv6.h. */
export const in6Pktinfo = struct('in6_pktinfo', 20, { addr: octets(16), ifindex: i32 });
export type In6Pktinfo = TypeOf<typeof in6Pktinfo>;
/** IP_ADD_MEMBERSHIP, short form. */
export const ipMreq = struct('ip_mreq', 8, { multiaddr: be32, interface: be32 });
export type IpMreq = TypeOf<typeof ipMreq>;
/** IP_ADD_MEMBERSHIP and IP_MULTICAST_IF, by index. */
export const ipMreqn = struct('ip_mreqn', 12, { multiaddr: be32, address: be32, ifindex: i32 });
export type IpMreqn = TypeOf<typeof ipMreqn>;
/** IPV6_ADD_MEMBERSHIP. */
export const ipv6Mreq = struct('ipv6_mreq', 20, { multiaddr: octets(16), interface: u32 });
export type Ipv6Mreq = TypeOf<typeof ipv6Mreq>;
/** SO_TXTIME: include/uapi/linux/net_tstamp.h. */
export const sockTxtime = struct('sock_txtime', 8, { clockid: i32, flags: u32 });
export type SockTxtime = TypeOf<typeof sockTxtime>;
/** SO_ATTACH_FILTER: include/uapi/linux/filter.h. `filter` points to `len` instructions of the guest's. */
export const sockFprog = struct('sock_fprog', 16, { len: u16, filter: u64 });
export type SockFprog = TypeOf<typeof sockFprog>;
/** One instruction of classic BPF. */
export const sockFilter = struct('sock_filter', 8, { code: u16, jt: u8, jf: u8, k: u32 });
export type SockFilter = TypeOf<typeof sockFilter>;
/** SO_PEERCRED, SCM_CREDENTIALS: include/linux/socket.h. */
export const ucred = struct('ucred', 12, { pid: i32, uid: u32, gid: u32 });
export type Ucred = TypeOf<typeof ucred>;

/** IP_RECVERR, IPV6_RECVERR: include/uapi/linux/errqueue.h. The offender's sockaddr follows it. */
export const sockExtendedErr = struct('sock_extended_err', 16, {
  errno: u32,
  origin: u8,
  type: u8,
  code: u8,
  pad: u8,
  info: u32,
  data: u32,
});
export type SockExtendedErr = TypeOf<typeof sockExtendedErr>;
export const SO_EE_ORIGIN_NONE = 0;
export const SO_EE_ORIGIN_LOCAL = 1;
export const SO_EE_ORIGIN_ICMP = 2;
export const SO_EE_ORIGIN_ICMP6 = 3;
export const SO_EE_ORIGIN_ZEROCOPY = 5;

/** IPV6_PATHMTU: `struct ip6_mtuinfo`, include/uapi/linux/ipv6.h: a sockaddr_in6 and the path MTU. */
export const ip6Mtuinfo = struct('ip6_mtuinfo', 32, { addr: sockaddrIn6, mtu: u32 });
export type Ip6Mtuinfo = TypeOf<typeof ip6Mtuinfo>;

/**
 * TCP_INFO: include/uapi/linux/tcp.h, 280 octets since Linux 6.18. Older kernels end earlier; getsockopt truncates to what the caller has room for.
 * Two octets are bit fields: `wscale` is snd in the low 4 bits, rcv in the high 4; `flags` is delivery_rate_app_limited in bit 0 and
 * fastopen_client_fail in bits 1-2.
 */
export const tcpInfo = struct('tcp_info', 280, {
  state: u8,
  ca_state: u8,
  retransmits: u8,
  probes: u8,
  backoff: u8,
  options: u8,
  wscale: u8,
  flags: u8,
  rto: u32,
  ato: u32,
  snd_mss: u32,
  rcv_mss: u32,
  unacked: u32,
  sacked: u32,
  lost: u32,
  retrans: u32,
  fackets: u32,
  last_data_sent: u32,
  last_ack_sent: u32,
  last_data_recv: u32,
  last_ack_recv: u32,
  pmtu: u32,
  rcv_ssthresh: u32,
  rtt: u32,
  rttvar: u32,
  snd_ssthresh: u32,
  snd_cwnd: u32,
  advmss: u32,
  reordering: u32,
  rcv_rtt: u32,
  rcv_space: u32,
  total_retrans: u32,
  pacing_rate: u64,
  max_pacing_rate: u64,
  bytes_acked: u64,
  bytes_received: u64,
  segs_out: u32,
  segs_in: u32,
  notsent_bytes: u32,
  min_rtt: u32,
  data_segs_in: u32,
  data_segs_out: u32,
  delivery_rate: u64,
  busy_time: u64,
  rwnd_limited: u64,
  sndbuf_limited: u64,
  delivered: u32,
  delivered_ce: u32,
  bytes_sent: u64,
  bytes_retrans: u64,
  dsack_dups: u32,
  reord_seen: u32,
  rcv_ooopack: u32,
  snd_wnd: u32,
  rcv_wnd: u32,
  rehash: u32,
  total_rto: u16,
  total_rto_recoveries: u16,
  total_rto_time: u32,
  received_ce: u32,
  delivered_e1_bytes: u32,
  delivered_e0_bytes: u32,
  delivered_ce_bytes: u32,
  received_e1_bytes: u32,
  received_e0_bytes: u32,
  received_ce_bytes: u32,
  accecn_fail_mode: u16,
  accecn_opt_seen: u16,
});
export type TcpInfo = TypeOf<typeof tcpInfo>;

// SO_TIMESTAMPING (include/uapi/linux/net_tstamp.h).
export const SOF_TIMESTAMPING_TX_HARDWARE = 1 << 0;
export const SOF_TIMESTAMPING_TX_SOFTWARE = 1 << 1;
export const SOF_TIMESTAMPING_RX_HARDWARE = 1 << 2;
export const SOF_TIMESTAMPING_RX_SOFTWARE = 1 << 3;
export const SOF_TIMESTAMPING_SOFTWARE = 1 << 4;
export const SOF_TIMESTAMPING_SYS_HARDWARE = 1 << 5;
export const SOF_TIMESTAMPING_RAW_HARDWARE = 1 << 6;
export const SOF_TIMESTAMPING_OPT_ID = 1 << 7;
export const SOF_TIMESTAMPING_TX_SCHED = 1 << 8;
export const SOF_TIMESTAMPING_TX_ACK = 1 << 9;
export const SOF_TIMESTAMPING_OPT_CMSG = 1 << 10;
export const SOF_TIMESTAMPING_OPT_TSONLY = 1 << 11;
export const SOF_TIMESTAMPING_OPT_STATS = 1 << 12;
export const SOF_TIMESTAMPING_OPT_PKTINFO = 1 << 13;
export const SOF_TIMESTAMPING_OPT_TX_SWHW = 1 << 14;
export const SOF_TIMESTAMPING_BIND_PHC = 1 << 15;
export const SOF_TIMESTAMPING_OPT_ID_TCP = 1 << 16;
export const SOF_TIMESTAMPING_OPT_RX_FILTER = 1 << 17;
export const SOF_TIMESTAMPING_TX_COMPLETION = 1 << 18;

// SO_BUF_LOCK (include/uapi/linux/socket.h).
export const SOCK_SNDBUF_LOCK = 1;
export const SOCK_RCVBUF_LOCK = 2;
