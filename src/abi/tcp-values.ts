/** Values of options of SOL_TCP beside TCP_INFO: include/uapi/linux/tcp.h, inet_diag.h. */
import { sockaddrStorage } from './sockaddr.ts';
import { i32, octets, struct, type TypeOf, u8, u16, u32, u64 } from './struct.ts';

/** TCP_CC_INFO, a union by congestion control: vegas. */
export const tcpvegasInfo = struct('tcpvegas_info', 16, { enabled: u32, rttcnt: u32, rtt: u32, minrtt: u32 });
export type TcpvegasInfo = TypeOf<typeof tcpvegasInfo>;
/** TCP_CC_INFO of dctcp. */
export const tcpDctcpInfo = struct('tcp_dctcp_info', 16, {
  enabled: u16,
  ceState: u16,
  alpha: u32,
  abEcn: u32,
  abTot: u32,
});
export type TcpDctcpInfo = TypeOf<typeof tcpDctcpInfo>;
/** TCP_CC_INFO of bbr. The bandwidth is in octets a second, in two words; gains are shifted left by 8. */
export const tcpBbrInfo = struct('tcp_bbr_info', 20, {
  bwLo: u32,
  bwHi: u32,
  minRtt: u32,
  pacingGain: u32,
  cwndGain: u32,
});
export type TcpBbrInfo = TypeOf<typeof tcpBbrInfo>;

/** TCP_ZEROCOPY_RECEIVE. Older kernels know a beginning of it. */
export const tcpZerocopyReceive = struct('tcp_zerocopy_receive', 64, {
  address: u64,
  length: u32,
  recvSkipHint: u32,
  inq: u32,
  err: i32,
  copybufAddress: u64,
  copybufLen: i32,
  flags: u32,
  msgControl: u64,
  msgControllen: u64,
  msgFlags: u32,
  reserved: u32,
});
export type TcpZerocopyReceive = TypeOf<typeof tcpZerocopyReceive>;
export const TCP_RECEIVE_ZEROCOPY_FLAG_TLB_CLEAN_HINT = 1;

export const TCP_MD5SIG_MAXKEYLEN = 80;
export const TCP_MD5SIG_FLAG_PREFIX = 1;
export const TCP_MD5SIG_FLAG_IFINDEX = 2;
/** TCP_MD5SIG and TCP_MD5SIG_EXT (RFC 2385). A key of no octets is deleted. */
export const tcpMd5sig = struct('tcp_md5sig', 216, {
  addr: sockaddrStorage,
  flags: u8,
  prefixlen: u8,
  keylen: u16,
  ifindex: i32,
  key: octets(TCP_MD5SIG_MAXKEYLEN),
});
export type TcpMd5sig = TypeOf<typeof tcpMd5sig>;

/** TCP_REPAIR_OPTIONS is an array of these. */
export const tcpRepairOpt = struct('tcp_repair_opt', 8, { code: u32, val: u32 });
export type TcpRepairOpt = TypeOf<typeof tcpRepairOpt>;
/** TCP_REPAIR_WINDOW. */
export const tcpRepairWindow = struct('tcp_repair_window', 20, {
  sndWl1: u32,
  sndWnd: u32,
  maxWindow: u32,
  rcvWnd: u32,
  rcvWup: u32,
});
export type TcpRepairWindow = TypeOf<typeof tcpRepairWindow>;
export const TCP_REPAIR_ON = 1;
export const TCP_REPAIR_OFF = 0;
export const TCP_REPAIR_OFF_NO_WP = -1;
export const TCP_NO_QUEUE = 0;
export const TCP_RECV_QUEUE = 1;
export const TCP_SEND_QUEUE = 2;
export const TCP_QUEUES_NR = 3;
