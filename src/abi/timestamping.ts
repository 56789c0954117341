/**
 * Time stamps of packets and times to send them at: SO_TIMESTAMPING, SCM_TIMESTAMPING, SO_TXTIME and hardware's configuration
 * (include/uapi/linux/net_tstamp.h, errqueue.h; Documentation/networking/timestamping.rst).
 */
import { timespec } from './sockopt.ts';
import { array, i32, struct, type TypeOf, u32 } from './struct.ts';

export const SOF_TIMESTAMPING_TX_HARDWARE = 0x1;
export const SOF_TIMESTAMPING_TX_SOFTWARE = 0x2;
export const SOF_TIMESTAMPING_RX_HARDWARE = 0x4;
export const SOF_TIMESTAMPING_RX_SOFTWARE = 0x8;
export const SOF_TIMESTAMPING_SOFTWARE = 0x10;
export const SOF_TIMESTAMPING_SYS_HARDWARE = 0x20;
export const SOF_TIMESTAMPING_RAW_HARDWARE = 0x40;
export const SOF_TIMESTAMPING_OPT_ID = 0x80;
export const SOF_TIMESTAMPING_TX_SCHED = 0x100;
export const SOF_TIMESTAMPING_TX_ACK = 0x200;
export const SOF_TIMESTAMPING_OPT_CMSG = 0x400;
export const SOF_TIMESTAMPING_OPT_TSONLY = 0x800;
export const SOF_TIMESTAMPING_OPT_STATS = 0x1000;
export const SOF_TIMESTAMPING_OPT_PKTINFO = 0x2000;
export const SOF_TIMESTAMPING_OPT_TX_SWHW = 0x4000;
export const SOF_TIMESTAMPING_BIND_PHC = 0x8000;
export const SOF_TIMESTAMPING_OPT_ID_TCP = 0x10000;
export const SOF_TIMESTAMPING_OPT_RX_FILTER = 0x20000;
export const SOF_TIMESTAMPING_TX_COMPLETION = 0x40000;

/** What a time stamp in the error queue says, as ee_info. */
export const SCM_TSTAMP_SND = 0;
export const SCM_TSTAMP_SCHED = 1;
export const SCM_TSTAMP_ACK = 2;
export const SCM_TSTAMP_COMPLETION = 3;

/** SO_TIMESTAMPING with SOF_TIMESTAMPING_BIND_PHC; without it an int is enough. */
export const soTimestamping = struct('so_timestamping', 8, { flags: i32, bindPhc: i32 });
export type SoTimestamping = TypeOf<typeof soTimestamping>;
/** SCM_TIMESTAMPING: by software, none (once by hardware, in system time), by hardware. */
export const scmTimestamping = struct('scm_timestamping', 48, { ts: array(timespec, 3) });
export type ScmTimestamping = TypeOf<typeof scmTimestamping>;
/** SCM_TIMESTAMPING_PKTINFO: the interface and the length of the packet on the wire. */
export const scmTsPktinfo = struct('scm_ts_pktinfo', 16, { ifIndex: u32, pktLength: u32, reserved: array(u32, 2) });
export type ScmTsPktinfo = TypeOf<typeof scmTsPktinfo>;

export const SOF_TXTIME_DEADLINE_MODE = 1;
export const SOF_TXTIME_REPORT_ERRORS = 2;
/** SO_TXTIME: the clock that SCM_TXTIME counts on, in nanoseconds. */
export const sockTxtime = struct('sock_txtime', 8, { clockid: i32, flags: u32 });
export type SockTxtime = TypeOf<typeof sockTxtime>;

/** SIOCSHWTSTAMP, SIOCGHWTSTAMP: what ifr_data points to. */
export const hwtstampConfig = struct('hwtstamp_config', 12, { flags: i32, txType: i32, rxFilter: i32 });
export type HwtstampConfig = TypeOf<typeof hwtstampConfig>;
export const HWTSTAMP_TX_OFF = 0;
export const HWTSTAMP_TX_ON = 1;
export const HWTSTAMP_TX_ONESTEP_SYNC = 2;
export const HWTSTAMP_TX_ONESTEP_P2P = 3;
export const HWTSTAMP_FILTER_NONE = 0;
export const HWTSTAMP_FILTER_ALL = 1;
export const HWTSTAMP_FILTER_SOME = 2;
