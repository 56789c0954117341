/** Values of socket options and payloads of control messages. */
import { sockaddrIn6 } from './sockaddr.ts';
import {
  be32,
  i32,
  i64,
  octets,
  readI64,
  record,
  struct,
  type TypeOf,
  u8,
  u16,
  u32,
  u64,
  withCodec,
  write64,
} from './struct.ts';

/** SO_LINGER: include/linux/socket.h. Seconds. */
export const linger = struct('linger', 8, { onoff: i32, linger: i32 });
export type Linger = TypeOf<typeof linger>;
/** `struct timeval` of 64-bit ABIs, where the old one, the new one (struct __kernel_sock_timeval) and the C library's are the same: SO_RCVTIMEO, SO_SNDTIMEO, SO_TIMESTAMP. */
export const timeval = withCodec(struct('timeval', 16, { sec: i64, usec: i64 }), {
  blank: record(function () {
    this.sec = 0;
    this.usec = 0;
  }),
  put: (b, at, { sec, usec }) => {
    write64(b, at, sec);
    write64(b, at + 8, usec);
  },
  load: (into, b, at) => {
    into.sec = readI64(b, at);
    into.usec = readI64(b, at + 8);
    return into;
  },
});
export type Timeval = TypeOf<typeof timeval>;
/** `struct timespec` of 64-bit ABIs, where the old one and the new one (struct __kernel_timespec) are the same: recvmmsg, ppoll, SO_TIMESTAMPNS. */
export const timespec = withCodec(struct('timespec', 16, { sec: i64, nsec: i64 }), {
  blank: record(function () {
    this.sec = 0;
    this.nsec = 0;
  }),
  put: (b, at, { sec, nsec }) => {
    write64(b, at, sec);
    write64(b, at + 8, nsec);
  },
  load: (into, b, at) => {
    into.sec = readI64(b, at);
    into.nsec = readI64(b, at + 8);
    return into;
  },
});
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
export const SO_EE_ORIGIN_TXSTATUS = 4;
export const SO_EE_ORIGIN_TIMESTAMPING = 4;
export const SO_EE_ORIGIN_ZEROCOPY = 5;
export const SO_EE_ORIGIN_TXTIME = 6;
export const SO_EE_CODE_ZEROCOPY_COPIED = 1;
export const SO_EE_CODE_TXTIME_INVALID_PARAM = 1;
export const SO_EE_CODE_TXTIME_MISSED = 2;
export const SO_EE_RFC4884_FLAG_INVALID = 1;
/** With IP_RECVERR_RFC4884: where the extensions of the ICMP message begin, in ee_data. */
export const sockEeDataRfc4884 = struct('sock_ee_data_rfc4884', 4, { len: u16, flags: u8, reserved: u8 });
export type SockEeDataRfc4884 = TypeOf<typeof sockEeDataRfc4884>;

/** IPV6_FLOWLABEL_MGR: include/uapi/linux/in6.h. */
export const in6FlowlabelReq = struct('in6_flowlabel_req', 32, {
  dst: octets(16),
  label: be32,
  action: u8,
  share: u8,
  flags: u16,
  expires: u16,
  linger: u16,
  pad: u32,
});
export type In6FlowlabelReq = TypeOf<typeof in6FlowlabelReq>;

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
