/**
 * The stack's counters under the names of /proc/net/snmp, snmp6 and netstat (RFC 4293, 4022, 4113; Linux for the Ext groups), so that those files can be
 * printed from it. One object per stack; layers increment its fields directly. A counter that nothing here can move is not listed.
 */
import { tcpCounters, tcpExtCounters } from './tcp/tcp-stats.ts';

export class Stats {
  /** IPv4. */
  readonly Ip = ipCounters();
  /** IPv6, which snmp6 prints with the prefix Ip6. */
  readonly Ip6 = ipCounters();
  readonly Icmp = icmpCounters();
  readonly Icmp6 = icmpCounters();
  readonly Udp = udpCounters();
  readonly Udp6 = udpCounters();
  readonly Tcp = tcpCounters();
  readonly IpExt = { InMcastPkts: 0, OutMcastPkts: 0, InBcastPkts: 0, OutBcastPkts: 0, InOctets: 0, OutOctets: 0 };
  /** Which snmp6 prints among those of Ip6. */
  readonly Ip6Ext = { InMcastPkts: 0, OutMcastPkts: 0, InOctets: 0, OutOctets: 0 };
  readonly TcpExt = tcpExtCounters();
  /** What Linux has no name for: bounded tables and hostile input. */
  readonly Sandsock = {
    /** Frames too short, of an unknown ethertype, or for another station. */
    LinkMalformed: 0,
    LinkUnknownType: 0,
    LinkOtherHost: 0,
    ArpIn: 0,
    ArpOut: 0,
    ArpInvalid: 0,
    NdIn: 0,
    NdOut: 0,
    NdInvalid: 0,
    NeighborEvictions: 0,
    NeighborFailures: 0,
    NeighborQueueDrops: 0,
    /** Source or destination addresses that must not come over this link. */
    Martians: 0,
    ReassemblyEvictions: 0,
    ReassemblyOverlaps: 0,
    PathMtuEvictions: 0,
    /** ICMP errors not sent because of the rate limit, or because the rules forbid them. */
    IcmpRateLimited: 0,
    /** ICMP errors received whose quoted packet makes no sense. */
    IcmpBadQuote: 0,
  };
}

const ipCounters = () => ({
  InReceives: 0,
  InHdrErrors: 0,
  InAddrErrors: 0,
  InTruncatedPkts: 0,
  InUnknownProtos: 0,
  InDiscards: 0,
  InDelivers: 0,
  OutRequests: 0,
  OutDiscards: 0,
  OutNoRoutes: 0,
  ReasmTimeout: 0,
  ReasmReqds: 0,
  ReasmOKs: 0,
  ReasmFails: 0,
  FragOKs: 0,
  FragFails: 0,
  FragCreates: 0,
});
const icmpCounters = () => ({
  InMsgs: 0,
  InErrors: 0,
  InCsumErrors: 0,
  InDestUnreachs: 0,
  InTimeExcds: 0,
  InParmProbs: 0,
  InRedirects: 0,
  InEchos: 0,
  InEchoReps: 0,
  InPktTooBigs: 0,
  OutMsgs: 0,
  OutErrors: 0,
  OutDestUnreachs: 0,
  OutTimeExcds: 0,
  OutParmProbs: 0,
  OutEchos: 0,
  OutEchoReps: 0,
});
const udpCounters = () => ({
  InDatagrams: 0,
  NoPorts: 0,
  InErrors: 0,
  OutDatagrams: 0,
  RcvbufErrors: 0,
  SndbufErrors: 0,
  InCsumErrors: 0,
});

export type IpCounters = ReturnType<typeof ipCounters>;
export type IcmpCounters = ReturnType<typeof icmpCounters>;
export type UdpCounters = ReturnType<typeof udpCounters>;
