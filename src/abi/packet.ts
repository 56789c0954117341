/** packet(7): options of SOL_PACKET, their values, and the rings of PACKET_RX_RING and PACKET_TX_RING (include/uapi/linux/if_packet.h). */
import { i32, octets, struct, type TypeOf, u16, u32, u64 } from './struct.ts';

// sll_pkttype.
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const PACKET_OUTGOING = 4;
export const PACKET_LOOPBACK = 5;
export const PACKET_USER = 6;
export const PACKET_KERNEL = 7;

// Options of level SOL_PACKET.
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_DROP_MEMBERSHIP = 2;
export const PACKET_RECV_OUTPUT = 3;
export const PACKET_RX_RING = 5;
export const PACKET_STATISTICS = 6;
export const PACKET_COPY_THRESH = 7;
export const PACKET_AUXDATA = 8;
export const PACKET_ORIGDEV = 9;
export const PACKET_VERSION = 10;
export const PACKET_HDRLEN = 11;
export const PACKET_RESERVE = 12;
export const PACKET_TX_RING = 13;
export const PACKET_LOSS = 14;
export const PACKET_VNET_HDR = 15;
export const PACKET_TX_TIMESTAMP = 16;
export const PACKET_TIMESTAMP = 17;
export const PACKET_FANOUT = 18;
export const PACKET_TX_HAS_OFF = 19;
export const PACKET_QDISC_BYPASS = 20;
export const PACKET_ROLLOVER_STATS = 21;
export const PACKET_FANOUT_DATA = 22;
export const PACKET_IGNORE_OUTGOING = 23;
export const PACKET_VNET_HDR_SZ = 24;

export const PACKET_FANOUT_HASH = 0;
export const PACKET_FANOUT_LB = 1;
export const PACKET_FANOUT_CPU = 2;
export const PACKET_FANOUT_ROLLOVER = 3;
export const PACKET_FANOUT_RND = 4;
export const PACKET_FANOUT_QM = 5;
export const PACKET_FANOUT_CBPF = 6;
export const PACKET_FANOUT_EBPF = 7;
export const PACKET_FANOUT_FLAG_ROLLOVER = 0x1000;
export const PACKET_FANOUT_FLAG_UNIQUEID = 0x2000;
export const PACKET_FANOUT_FLAG_DEFRAG = 0x8000;

export const PACKET_MR_MULTICAST = 0;
export const PACKET_MR_PROMISC = 1;
export const PACKET_MR_ALLMULTI = 2;
export const PACKET_MR_UNICAST = 3;
/** PACKET_ADD_MEMBERSHIP. */
export const packetMreq = struct('packet_mreq', 16, { ifindex: i32, type: u16, alen: u16, address: octets(8) });
export type PacketMreq = TypeOf<typeof packetMreq>;
/** PACKET_FANOUT. */
export const fanoutArgs = struct('fanout_args', 8, { id: u16, typeFlags: u16, maxNumMembers: u32 });
export type FanoutArgs = TypeOf<typeof fanoutArgs>;

/** PACKET_STATISTICS, which reading sets back; with TPACKET_V3 the longer one. */
export const tpacketStats = struct('tpacket_stats', 8, { packets: u32, drops: u32 });
export type TpacketStats = TypeOf<typeof tpacketStats>;
export const tpacketStatsV3 = struct('tpacket_stats_v3', 12, { packets: u32, drops: u32, freezeQCnt: u32 });
export type TpacketStatsV3 = TypeOf<typeof tpacketStatsV3>;
export const tpacketRolloverStats = struct('tpacket_rollover_stats', 24, { all: u64, huge: u64, failed: u64 });
export type TpacketRolloverStats = TypeOf<typeof tpacketRolloverStats>;
/** Control message PACKET_AUXDATA. */
export const tpacketAuxdata = struct('tpacket_auxdata', 20, {
  status: u32,
  len: u32,
  snaplen: u32,
  mac: u16,
  net: u16,
  vlanTci: u16,
  vlanTpid: u16,
});
export type TpacketAuxdata = TypeOf<typeof tpacketAuxdata>;

export const TPACKET_V1 = 0;
export const TPACKET_V2 = 1;
export const TPACKET_V3 = 2;
export const TPACKET_ALIGNMENT = 16;
/** PACKET_RX_RING, PACKET_TX_RING; with TPACKET_V3 the longer one. */
export const tpacketReq = struct('tpacket_req', 16, { blockSize: u32, blockNr: u32, frameSize: u32, frameNr: u32 });
export type TpacketReq = TypeOf<typeof tpacketReq>;
export const tpacketReq3 = struct('tpacket_req3', 28, {
  blockSize: u32,
  blockNr: u32,
  frameSize: u32,
  frameNr: u32,
  retireBlkTov: u32,
  sizeofPriv: u32,
  featureReqWord: u32,
});
export type TpacketReq3 = TypeOf<typeof tpacketReq3>;

/** A frame of TPACKET_V1. */
export const tpacketHdr = struct('tpacket_hdr', 32, {
  status: u64,
  len: u32,
  snaplen: u32,
  mac: u16,
  net: u16,
  sec: u32,
  usec: u32,
});
export type TpacketHdr = TypeOf<typeof tpacketHdr>;
/** A frame of TPACKET_V2. */
export const tpacket2Hdr = struct('tpacket2_hdr', 32, {
  status: u32,
  len: u32,
  snaplen: u32,
  mac: u16,
  net: u16,
  sec: u32,
  nsec: u32,
  vlanTci: u16,
  vlanTpid: u16,
  padding: octets(4),
});
export type Tpacket2Hdr = TypeOf<typeof tpacket2Hdr>;
export const tpacketHdrVariant1 = struct('tpacket_hdr_variant1', 12, {
  rxhash: u32,
  vlanTci: u32,
  vlanTpid: u16,
  padding: u16,
});
/** A frame of TPACKET_V3. */
export const tpacket3Hdr = struct('tpacket3_hdr', 48, {
  nextOffset: u32,
  sec: u32,
  nsec: u32,
  snaplen: u32,
  len: u32,
  status: u32,
  mac: u16,
  net: u16,
  hv1: tpacketHdrVariant1,
  padding: octets(8),
});
export type Tpacket3Hdr = TypeOf<typeof tpacket3Hdr>;
export const tpacketBdTs = struct('tpacket_bd_ts', 8, { sec: u32, nsec: u32 });
export const tpacketHdrV1 = struct('tpacket_hdr_v1', 40, {
  blockStatus: u32,
  numPkts: u32,
  offsetToFirstPkt: u32,
  blkLen: u32,
  seqNum: u64,
  tsFirstPkt: tpacketBdTs,
  tsLastPkt: tpacketBdTs,
});
/** A block of TPACKET_V3: its frames begin at offsetToFirstPkt. */
export const tpacketBlockDesc = struct('tpacket_block_desc', 48, {
  version: u32,
  offsetToPriv: u32,
  hdr: tpacketHdrV1,
});
export type TpacketBlockDesc = TypeOf<typeof tpacketBlockDesc>;

export const TP_STATUS_KERNEL = 0;
export const TP_STATUS_USER = 0x1;
export const TP_STATUS_COPY = 0x2;
export const TP_STATUS_LOSING = 0x4;
export const TP_STATUS_CSUMNOTREADY = 0x8;
export const TP_STATUS_VLAN_VALID = 0x10;
export const TP_STATUS_BLK_TMO = 0x20;
export const TP_STATUS_VLAN_TPID_VALID = 0x40;
export const TP_STATUS_CSUM_VALID = 0x80;
export const TP_STATUS_GSO_TCP = 0x100;
export const TP_STATUS_AVAILABLE = 0;
export const TP_STATUS_SEND_REQUEST = 0x1;
export const TP_STATUS_SENDING = 0x2;
export const TP_STATUS_WRONG_FORMAT = 0x4;
export const TP_STATUS_TS_SOFTWARE = 0x20000000;
export const TP_STATUS_TS_SYS_HARDWARE = 0x40000000;
export const TP_STATUS_TS_RAW_HARDWARE = 0x80000000;
export const TP_FT_REQ_FILL_RXHASH = 0x1;
