/**
 * /proc/net/snmp, netstat, snmp6, sockstat, sockstat6 and protocols: the stack's counters under Linux 6.18's names, in its order (net/ipv4/proc.c, net/ipv6/proc.c). A name that the stack counts
 * nothing under is 0: what it stands for does not happen here. MPTCP's lines are left out, as by a kernel without it.
 */
import type { DatagramRow, TcpRow } from '../../netstack/rows.ts';
import type { Stack } from '../../netstack/stack.ts';
import { left, right } from './format.ts';

type Counters = Readonly<Record<string, number>>;
const words = (text: string): readonly string[] => text.split(/\s+/).filter(Boolean);

const IP =
  words(`InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs
  ReasmFails FragOKs FragFails FragCreates OutTransmits`);
const ICMP =
  words(`InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks
  InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps
  OutTimestampReps OutAddrMasks OutAddrMaskReps`);
const TCP = words(
  'ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors',
);
const UDP = words(
  'InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors',
);
/** Types of the ICMP messages that are counted by type as well (RFC 792). */
const ICMP_TYPES = [
  [0, 'EchoReps'],
  [3, 'DestUnreachs'],
  [5, 'Redirects'],
  [8, 'Echos'],
  [11, 'TimeExcds'],
  [12, 'ParmProbs'],
] as const;

const group = (
  title: string,
  names: readonly string[],
  counters: Counters,
  first: readonly [string, number][] = [],
): string => {
  const all = [...first, ...names.map((name): readonly [string, number] => [name, counters[name] ?? 0])];
  return `${title}: ${all.map(([name]) => name).join(' ')}\n${title}: ${all.map(([, value]) => value).join(' ')}\n`;
};
/** Packets given to a link: what was to be sent without what was not, in pieces where it was cut. */
const transmitted = (c: Counters): number =>
  Math.max(
    0,
    (c['OutRequests'] ?? 0) -
      (c['OutDiscards'] ?? 0) -
      (c['FragFails'] ?? 0) -
      (c['FragOKs'] ?? 0) +
      (c['FragCreates'] ?? 0),
  );

export function snmpFile({ stats }: Stack): string {
  const byType: [string, number][] = [];
  for (const side of ['In', 'Out'] as const) {
    for (const [type, name] of ICMP_TYPES) {
      const count = (stats.Icmp as Counters)[`${side}${name}`] ?? 0;
      if (count > 0) byType.push([`${side}Type${type}`, count]);
    }
  }
  return [
    // No packet is forwarded, and where nobody says otherwise each leaves with 64 hops to go.
    group('Ip', IP, { ...stats.Ip, OutTransmits: transmitted(stats.Ip) }, [
      ['Forwarding', 2],
      ['DefaultTTL', 64],
    ]),
    group('Icmp', ICMP, stats.Icmp),
    byType.length === 0 ? '' : group('IcmpMsg', [], {}, byType),
    // RFC 4022: the timeout is "other", its bounds are in milliseconds, and connections are bounded by memory alone.
    group('Tcp', TCP, stats.Tcp, [
      ['RtoAlgorithm', 1],
      ['RtoMin', 200],
      ['RtoMax', 120_000],
      ['MaxConn', -1],
    ]),
    group('Udp', UDP, stats.Udp),
    group('UdpLite', UDP, {}),
  ].join('');
}

const TCP_EXT =
  words(`SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps LockDroppedIcmps ArpFilter TW TWRecycled TWKilled
  PAWSActive PAWSEstab BeyondWindow TSEcrRejected PAWSOldAck PAWSTimewait DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops TCPHPHits TCPPureAcks TCPHPAcks
  TCPRenoRecovery TCPSackRecovery TCPSACKReneging TCPSACKReorder TCPRenoReorder TCPTSReorder TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo TCPLostRetransmit TCPRenoFailures
  TCPSackFailures TCPLossFailures TCPFastRetrans TCPSlowStartRetrans TCPTimeouts TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail TCPSackRecoveryFail TCPRcvCollapsed
  TCPBacklogCoalesce TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed
  TCPMemoryPressures TCPMemoryPressuresChrono TCPSACKDiscard TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo TCPSpuriousRTOs TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted
  TCPSackMerged TCPSackShiftFallback TCPBacklogDrop PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop IPReversePathFilter TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop
  TCPRetransFail TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail
  TCPFastOpenListenOverflow TCPFastOpenCookieReqd TCPFastOpenBlackhole TCPSpuriousRtxHostQueues BusyPollRxPackets TCPAutoCorking TCPFromZeroWindowAdv TCPToZeroWindowAdv
  TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent TCPHystartTrainDetect TCPHystartTrainCwnd TCPHystartDelayDetect TCPHystartDelayCwnd TCPACKSkippedSynRecv TCPACKSkippedPAWS
  TCPACKSkippedSeq TCPACKSkippedFinWait2 TCPACKSkippedTimeWait TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail TCPMTUPSuccess TCPDelivered TCPDeliveredCE
  TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig TCPFastOpenPassiveAltKey TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs TCPDSACKIgnoredDubious
  TCPMigrateReqSuccess TCPMigrateReqFailure TCPPLBRehash TCPAORequired TCPAOBad TCPAOKeyNotFound TCPAOGood TCPAODroppedIcmps`);
const IP_EXT =
  words(`InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets
  InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps`);

export const netstatFile = ({ stats }: Stack): string =>
  group('TcpExt', TCP_EXT, stats.TcpExt) +
  group('IpExt', IP_EXT, { ...stats.IpExt, InTruncatedPkts: stats.Ip.InTruncatedPkts });

const IP6 =
  words(`InReceives InHdrErrors InTooBigErrors InNoRoutes InAddrErrors InUnknownProtos InTruncatedPkts InDiscards InDelivers OutForwDatagrams OutRequests OutDiscards
  OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates InMcastPkts OutMcastPkts InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets
  OutBcastOctets InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts OutTransmits`);
const ICMP6_TOTALS = words('InMsgs InErrors OutMsgs OutErrors InCsumErrors OutRateLimitHost');
/** After their types (RFC 4443, 4861, 2710, 3810), and the stack's name where it is another. */
const ICMP6_TYPES =
  words(`DestUnreachs PktTooBigs TimeExcds ParmProblems Echos EchoReplies GroupMembQueries GroupMembResponses GroupMembReductions RouterSolicits
  RouterAdvertisements NeighborSolicits NeighborAdvertisements Redirects MLDv2Reports`);
const ICMP6_OTHER_NAMES: Readonly<Record<string, string>> = { ParmProblems: 'ParmProbs', EchoReplies: 'EchoReps' };
const UDP_LITE6 = UDP.filter((name) => name !== 'IgnoredMulti');

export function snmp6File({ stats }: Stack): string {
  const lines: string[] = [];
  const put = (prefix: string, names: readonly string[], counters: Counters): void => {
    for (const name of names) lines.push(`${left(prefix + name, 32)}\t${counters[name] ?? 0}\n`);
  };
  put('Ip6', IP6, { ...stats.Ip6, ...stats.Ip6Ext, OutTransmits: transmitted(stats.Ip6) });
  put('Icmp6', ICMP6_TOTALS, stats.Icmp6);
  for (const side of ['In', 'Out'] as const) {
    const counters = Object.fromEntries(
      ICMP6_TYPES.map((name) => [
        side + name,
        (stats.Icmp6 as Counters)[side + (ICMP6_OTHER_NAMES[name] ?? name)] ?? 0,
      ]),
    );
    put(
      'Icmp6',
      ICMP6_TYPES.map((name) => side + name),
      counters,
    );
  }
  put('Udp6', UDP, stats.Udp6);
  put('UdpLite6', UDP_LITE6, {});
  return lines.join('');
}

const PAGE = 4096;
const pages = (octets: number): number => Math.floor(octets / PAGE);
const count = <T>(rows: Iterable<T>, is: (row: T) => boolean): number => {
  let n = 0;
  for (const row of rows) if (is(row)) n++;
  return n;
};
const memoryOf = (rows: readonly DatagramRow[]): number => pages(rows.reduce((sum, row) => sum + row.receiveQueue, 0));
const inUse = (family: number) => (row: TcpRow) => row.family === family && row.kind === 'socket' && !row.isOrphan;
const ofFamily = (family: number) => (row: DatagramRow) => row.family === family;

/** @param sockets how many there are of all kinds. */
export function sockstatFile(stack: Stack, sockets: number): string {
  const { tcpRows, udpRows, tcpMemory } = stack;
  const rows = [...tcpRows];
  const orphans = count(rows, (row) => row.isOrphan && row.kind === 'socket');
  const waiting = count(rows, (row) => row.kind === 'time-wait');
  const alive = count(rows, (row) => row.kind === 'socket');
  const datagrams = [...udpRows];
  return `sockets: used ${sockets}
TCP: inuse ${count(rows, inUse(4))} orphan ${orphans} tw ${waiting} alloc ${alive} mem ${pages(tcpMemory)}
UDP: inuse ${count(datagrams, ofFamily(4))} mem ${memoryOf(datagrams)}
UDPLITE: inuse 0
RAW: inuse 0
FRAG: inuse 0 memory 0
`;
}
export const sockstat6File = ({ tcpRows, udpRows }: Stack): string => `TCP6: inuse ${count(tcpRows, inUse(6))}
UDP6: inuse ${count(udpRows, ofFamily(6))}
UDPLITE6: inuse 0
RAW6: inuse 0
FRAG6: inuse 0 memory 0
`;

/**
 * The kernel's list, with the stack's sockets and memory in the lines of the protocols that it serves (net/core/sock.c proto_seq_printf).
 * @param kernels what the kernel says
 */
export function protocolsFile(
  kernels: string,
  { tcpRows, udpRows, pingRows, tcpMemory }: Stack,
  netlink: number,
): string {
  const rows = [...tcpRows];
  const datagrams = [...udpRows];
  const pings = [...pingRows];
  const own = new Map<string, readonly [sockets: number, memory: number]>([
    ['TCP', [count(rows, inUse(4)), pages(tcpMemory)]],
    ['TCPv6', [count(rows, inUse(6)), pages(tcpMemory)]],
    ['UDP', [count(datagrams, ofFamily(4)), memoryOf(datagrams)]],
    ['UDPv6', [count(datagrams, ofFamily(6)), memoryOf(datagrams)]],
    ['PING', [count(pings, ofFamily(4)), NOT_COUNTED]],
    ['PINGv6', [count(pings, ofFamily(6)), NOT_COUNTED]],
    ['NETLINK', [netlink, NOT_COUNTED]],
  ]);
  return kernels.replaceAll(/^(\S+)( +\d+) +\d+ +-?\d+/gm, (line: string, name: string, size: string) => {
    const values = own.get(name);
    return values === undefined ? line : `${name}${size} ${right(values[0], 6)}  ${right(values[1], 6)}`;
  });
}
const NOT_COUNTED = -1;
