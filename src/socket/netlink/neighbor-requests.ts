/** RTM_GETNEIGH and RTM_GETRULE dumps (net/core/neighbour.c neigh_dump_info, net/core/fib_rules.c fib_nl_dumprule). */
import { Errno } from '../../abi/errno.ts';
import {
  FR_ACT_TO_TBL,
  FRA_PRIORITY,
  FRA_PROTOCOL,
  FRA_TABLE,
  fibRuleHdr,
  NDA_DST,
  NDA_IFINDEX,
  NDA_LLADDR,
  NDA_PROBES,
  type NetlinkWriter,
  NUD_DELAY,
  NUD_INCOMPLETE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  ndmsg,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTM_NEWNEIGH,
  RTM_NEWRULE,
  RTN_UNICAST,
  RTPROT_KERNEL,
} from '../../abi/netlink.ts';
import { AF_INET, AF_INET6 } from '../../abi/socket.ts';
import type { InterfaceInfo, NeighborInfo, Netstack } from '../../netstack/endpoint.ts';
import { addressOctets, familyOf } from './link-messages.ts';
import { Attributes, type Dump, familiesOf, type Request } from './request.ts';

const NUD: Readonly<Record<NeighborInfo['state'], number>> = {
  INCOMPLETE: NUD_INCOMPLETE,
  REACHABLE: NUD_REACHABLE,
  STALE: NUD_STALE,
  DELAY: NUD_DELAY,
  PROBE: NUD_PROBE,
  PERMANENT: NUD_PERMANENT,
};

export function dumpNeighbors(stack: Netstack, { bytes, at, end, from }: Request, dump: Dump): number {
  const asked = new Attributes();
  if (from.strictCheck) {
    if (end - at < ndmsg.size) return -Errno.EINVAL;
    const { pad1, pad2, ifindex, state, type, flags } = ndmsg.get(bytes, at);
    if ((pad1 | pad2 | ifindex | state | type | flags) !== 0) return -Errno.EINVAL;
    if (!asked.read(bytes, at + ndmsg.size, end, [NDA_IFINDEX])) return -Errno.EINVAL;
  } else if (end - at >= ndmsg.size) asked.read(bytes, at + ndmsg.size, end, undefined);
  const wanted = asked.number(NDA_IFINDEX);
  if (wanted === undefined) return -Errno.EINVAL;
  if (wanted !== 0) dump.filtered();
  for (const isV4 of familiesOf(bytes[at] as number)) {
    for (const link of stack.interfaces) {
      if (wanted !== 0 && link.index !== wanted) continue;
      for (const neighbor of link.neighborEntries) {
        if (neighbor.address.isV4 === isV4) dump.add(RTM_NEWNEIGH, (out) => writeNeighbor(out, link, neighbor));
      }
    }
  }
  return 0;
}
function writeNeighbor(out: NetlinkWriter, link: InterfaceInfo, { address, linkAddress, state }: NeighborInfo): void {
  const family = familyOf(address);
  out.body(
    ndmsg.encode({ family, pad1: 0, pad2: 0, ifindex: link.index, state: NUD[state], flags: 0, type: RTN_UNICAST }),
  );
  out.attribute(NDA_DST, addressOctets(address));
  if (state !== 'INCOMPLETE') out.attribute(NDA_LLADDR, linkAddress);
  out.u32(NDA_PROBES, 0);
}

/** The order in which the stack decides, as rules: its own addresses, then the routing table. There is no table "default". */
const RULES = [
  { table: RT_TABLE_LOCAL, priority: 0 },
  { table: RT_TABLE_MAIN, priority: 32_766 },
] as const;

export function dumpRules({ bytes, at }: Request, dump: Dump): number {
  for (const isV4 of familiesOf(bytes[at] as number)) {
    for (const { table, priority } of RULES) {
      dump.add(RTM_NEWRULE, (out) => writeRule(out, isV4 ? AF_INET : AF_INET6, table, priority));
    }
  }
  return 0;
}
function writeRule(out: NetlinkWriter, family: number, table: number, priority: number): void {
  const none = { dstLen: 0, srcLen: 0, tos: 0, res1: 0, res2: 0, flags: 0 };
  out.body(fibRuleHdr.encode({ family, table, action: FR_ACT_TO_TBL, ...none }));
  out.u32(FRA_TABLE, table);
  out.u8(FRA_PROTOCOL, RTPROT_KERNEL);
  if (priority !== 0) out.u32(FRA_PRIORITY, priority);
}
