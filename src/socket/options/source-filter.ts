/**
 * Which sources a socket takes in its groups (RFC 3678): IP_ADD_SOURCE_MEMBERSHIP and its opposites, IP_MSFILTER, and the MCAST_* options, which name interface and
 * addresses in the same way for both families (net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c).
 */
import { Errno } from '../../abi/errno.ts';
import {
  IP_ADD_SOURCE_MEMBERSHIP,
  IP_BLOCK_SOURCE,
  IP_DROP_SOURCE_MEMBERSHIP,
  IP_MSFILTER,
  IP_UNBLOCK_SOURCE,
  MCAST_BLOCK_SOURCE,
  MCAST_JOIN_GROUP,
  MCAST_JOIN_SOURCE_GROUP,
  MCAST_LEAVE_GROUP,
  MCAST_LEAVE_SOURCE_GROUP,
  MCAST_MSFILTER,
  MCAST_UNBLOCK_SOURCE,
} from '../../abi/in.ts';
import {
  GROUP_FILTER_SIZE,
  groupFilter,
  groupReq,
  groupSourceReq,
  IP_MSFILTER_SIZE,
  ipMreqSource,
  ipMsfilter,
  MCAST_EXCLUDE,
  MCAST_INCLUDE,
} from '../../abi/multicast.ts';
import { sockaddrIn, sockaddrIn6, sockaddrStorage } from '../../abi/sockaddr.ts';
import { AF_INET, AF_INET6 } from '../../abi/socket.ts';
import { be32, u16, u32 } from '../../abi/struct.ts';
import { IpAddress } from '../../netstack/address.ts';
import type { FilterMode, SourceFilter, UdpEndpoint } from '../../netstack/endpoint.ts';
import { resultOf } from '../errors.ts';
import { writeName } from '../inet-name.ts';
import type { OptionRow } from './row.ts';
import type { OptionTarget } from './target.ts';

/** net.ipv4.igmp_max_msf and net.ipv6.mld_max_msf. */
const MOST_V4 = 10;
const MOST_V6 = 64;
/** Streams have no groups here; Linux lets them join what they can never receive from, once it is a group. */
const noGroups = (group: IpAddress): number => (group.isMulticast ? -Errno.ENOPROTOOPT : -Errno.EINVAL);

/** What an option does with one source: the mode of the filter that it is of, whether it adds, and whether it joins first. */
interface Change {
  readonly option: number;
  readonly name: string;
  readonly mode: FilterMode;
  readonly adds: boolean;
  readonly joins: boolean;
}
const CHANGES4: readonly Change[] = [
  { option: IP_BLOCK_SOURCE, name: 'IP_BLOCK_SOURCE', mode: 'exclude', adds: true, joins: false },
  { option: IP_UNBLOCK_SOURCE, name: 'IP_UNBLOCK_SOURCE', mode: 'exclude', adds: false, joins: false },
  { option: IP_ADD_SOURCE_MEMBERSHIP, name: 'IP_ADD_SOURCE_MEMBERSHIP', mode: 'include', adds: true, joins: true },
  { option: IP_DROP_SOURCE_MEMBERSHIP, name: 'IP_DROP_SOURCE_MEMBERSHIP', mode: 'include', adds: false, joins: false },
];
const CHANGES: readonly Change[] = [
  { option: MCAST_BLOCK_SOURCE, name: 'MCAST_BLOCK_SOURCE', mode: 'exclude', adds: true, joins: false },
  { option: MCAST_UNBLOCK_SOURCE, name: 'MCAST_UNBLOCK_SOURCE', mode: 'exclude', adds: false, joins: false },
  { option: MCAST_JOIN_SOURCE_GROUP, name: 'MCAST_JOIN_SOURCE_GROUP', mode: 'include', adds: true, joins: true },
  { option: MCAST_LEAVE_SOURCE_GROUP, name: 'MCAST_LEAVE_SOURCE_GROUP', mode: 'include', adds: false, joins: false },
];

function change(
  udp: UdpEndpoint,
  { mode, adds, joins }: Change,
  group: IpAddress,
  source: IpAddress,
  index: number,
  address: IpAddress | undefined,
): number {
  if (joins) {
    const refused = udp.join(group, index, address, 'include');
    if (refused !== undefined && refused !== 'address-in-use') return resultOf(refused);
  }
  return resultOf(udp.sourceFilters.changeSource(group, source, index, address, mode, adds));
}

const changeRow4 = (what: Change): OptionRow => ({
  option: what.option,
  name: what.name,
  set: ({ udp }, value) => {
    if (value.length !== ipMreqSource.size) return -Errno.EINVAL;
    const group = IpAddress.read4(value, ipMreqSource.offset.multiaddr);
    if (udp === undefined) return noGroups(group);
    const source = IpAddress.read4(value, ipMreqSource.offset.sourceaddr);
    return change(udp, what, group, source, 0, addressAt(value, ipMreqSource.offset.interface));
  },
});
/** An interface by its address; none for 0.0.0.0. */
function addressAt(value: Uint8Array, at: number): IpAddress | undefined {
  const address = IpAddress.read4(value, at);
  return address.isUnspecified ? undefined : address;
}

/** A `struct sockaddr_storage` of the level's family; undefined if it is of another. */
function nameAt(value: Uint8Array, at: number, isV4: boolean): IpAddress | undefined {
  if (u16.get(value, at) !== (isV4 ? AF_INET : AF_INET6)) return undefined;
  return isV4
    ? IpAddress.read4(value, at + sockaddrIn.offset.addr)
    : IpAddress.read6(value, at + sockaddrIn6.offset.addr);
}
const indexAt = (value: Uint8Array): number => u32.get(value, 0);

const groupRow = (option: number, name: string, isV4: boolean, joins: boolean): OptionRow => ({
  option,
  name,
  set: ({ udp }, value) => {
    if (value.length < groupReq.size) return -Errno.EINVAL;
    const group = nameAt(value, groupReq.offset.group, isV4);
    // The two levels disagree about the errno.
    if (group === undefined) return isV4 ? -Errno.EINVAL : -Errno.EADDRNOTAVAIL;
    if (udp === undefined) return noGroups(group);
    const index = indexAt(value);
    return resultOf(joins ? udp.join(group, index, undefined) : udp.leave(group, index, undefined));
  },
});
const changeRow = (what: Change, isV4: boolean): OptionRow => ({
  option: what.option,
  name: what.name,
  // The two levels disagree about longer ones (copy_group_source_from_sockptr).
  lengths: (octets) => (isV4 && octets !== groupSourceReq.size ? -Errno.EINVAL : 0),
  set: ({ udp }, value) => {
    if (value.length < groupSourceReq.size) return -Errno.EINVAL;
    const group = nameAt(value, groupSourceReq.offset.group, isV4);
    const source = nameAt(value, groupSourceReq.offset.source, isV4);
    if (group === undefined || source === undefined) return -Errno.EADDRNOTAVAIL;
    if (udp === undefined) return noGroups(group);
    return change(udp, what, group, source, indexAt(value), undefined);
  },
});

const modeOf = (value: number): FilterMode | undefined =>
  value === MCAST_INCLUDE ? 'include' : value === MCAST_EXCLUDE ? 'exclude' : undefined;
const valueOf = (mode: FilterMode): number => (mode === 'include' ? MCAST_INCLUDE : MCAST_EXCLUDE);

/** IP_MSFILTER. */
function setFilter4({ udp }: OptionTarget, value: Uint8Array): number {
  if (value.length < ipMsfilter.offset.slist) return -Errno.EINVAL;
  const count = u32.get(value, ipMsfilter.offset.numsrc);
  if (count > MOST_V4) return -Errno.ENOBUFS;
  if (IP_MSFILTER_SIZE(count) > value.length) return -Errno.EINVAL;
  const mode = modeOf(u32.get(value, ipMsfilter.offset.fmode));
  const group = IpAddress.read4(value, ipMsfilter.offset.multiaddr);
  if (udp === undefined) return noGroups(group);
  if (mode === undefined || !group.isMulticast) return -Errno.EINVAL;
  const sources = Array.from({ length: count }, (_, i) =>
    IpAddress.read4(value, ipMsfilter.offset.slist + i * be32.size),
  );
  const address = addressAt(value, ipMsfilter.offset.interface);
  return resultOf(udp.sourceFilters.setFilter(group, 0, address, { mode, sources }));
}
/** `out` holds what the guest asks for; answered in place. */
function getFilter4({ udp, stack }: OptionTarget, out: Uint8Array): number {
  if (out.length < ipMsfilter.offset.slist) return -Errno.EINVAL;
  const group = IpAddress.read4(out, ipMsfilter.offset.multiaddr);
  const asked = u32.get(out, ipMsfilter.offset.numsrc);
  const by = addressAt(out, ipMsfilter.offset.interface);
  if (!group.isMulticast) return -Errno.EINVAL;
  if (by !== undefined && !stack.isLocal(by)) return -Errno.ENODEV;
  const filter = udp?.sourceFilters.filterOf(group, 0, by) ?? 'address-not-available';
  if (typeof filter === 'string') return resultOf(filter);
  u32.put(out, ipMsfilter.offset.fmode, valueOf(filter.mode));
  u32.put(out, ipMsfilter.offset.numsrc, filter.sources.length);
  const told = toldOf(filter, asked, Math.floor((out.length - ipMsfilter.offset.slist) / be32.size));
  for (let i = 0; i < told; i++) filter.sources[i]?.write4(out, ipMsfilter.offset.slist + i * be32.size);
  return IP_MSFILTER_SIZE(told);
}
const toldOf = ({ sources }: SourceFilter, asked: number, room: number): number =>
  Math.min(sources.length, asked, room);

function setFilter({ udp }: OptionTarget, value: Uint8Array, isV4: boolean): number {
  if (value.length < groupFilter.offset.slist) return -Errno.EINVAL;
  const count = u32.get(value, groupFilter.offset.numsrc);
  if (count > (isV4 ? MOST_V4 : MOST_V6)) return -Errno.ENOBUFS;
  if (GROUP_FILTER_SIZE(count) > value.length) return -Errno.EINVAL;
  const group = nameAt(value, groupFilter.offset.group, isV4);
  const sources: IpAddress[] = [];
  for (let i = 0; i < count; i++) {
    const source = nameAt(value, groupFilter.offset.slist + i * sockaddrStorage.size, isV4);
    if (source === undefined) return -Errno.EADDRNOTAVAIL;
    sources.push(source);
  }
  if (group === undefined) return isV4 ? -Errno.EADDRNOTAVAIL : -Errno.EINVAL;
  const mode = modeOf(u32.get(value, groupFilter.offset.fmode));
  if (mode === undefined || !group.isMulticast) return -Errno.EINVAL;
  if (udp === undefined) return noGroups(group);
  return resultOf(udp.sourceFilters.setFilter(group, indexAt(value), undefined, { mode, sources }));
}
function getFilter({ udp }: OptionTarget, out: Uint8Array, isV4: boolean): number {
  if (out.length < groupFilter.offset.slist) return -Errno.EINVAL;
  const group = nameAt(out, groupFilter.offset.group, isV4);
  if (group === undefined || !group.isMulticast) return -Errno.EINVAL;
  const asked = u32.get(out, groupFilter.offset.numsrc);
  const filter = udp?.sourceFilters.filterOf(group, indexAt(out), undefined) ?? 'address-not-available';
  if (typeof filter === 'string') return resultOf(filter);
  u32.put(out, groupFilter.offset.fmode, valueOf(filter.mode));
  u32.put(out, groupFilter.offset.numsrc, filter.sources.length);
  const { slist } = groupFilter.offset;
  const told = toldOf(filter, asked, Math.floor((out.length - slist) / sockaddrStorage.size));
  for (let i = 0; i < told; i++) {
    const at = slist + i * sockaddrStorage.size;
    out.fill(0, at, at + sockaddrStorage.size);
    const source = filter.sources[i];
    if (source !== undefined) writeName(out.subarray(at), isV4 ? AF_INET : AF_INET6, source, 0, 0);
  }
  return GROUP_FILTER_SIZE(told);
}

/** net.core.optmem_max. */
const OPTMEM_MAX = 0x2_0000;
function filterLength(least: number): (octets: number) => number {
  return (octets) => (octets < least ? -Errno.EINVAL : octets > OPTMEM_MAX ? -Errno.ENOBUFS : 0);
}

const ofBoth = (isV4: boolean): OptionRow[] => [
  groupRow(MCAST_JOIN_GROUP, 'MCAST_JOIN_GROUP', isV4, true),
  groupRow(MCAST_LEAVE_GROUP, 'MCAST_LEAVE_GROUP', isV4, false),
  ...CHANGES.map((what) => changeRow(what, isV4)),
  {
    option: MCAST_MSFILTER,
    name: 'MCAST_MSFILTER',
    lengths: filterLength(groupFilter.offset.slist),
    question: { least: groupFilter.offset.slist, most: GROUP_FILTER_SIZE(MOST_V6) },
    get: (socket, out) => getFilter(socket, out, isV4),
    set: (socket, value) => setFilter(socket, value, isV4),
  },
];
export const SOURCE_FILTERS4: readonly OptionRow[] = [
  ...CHANGES4.map((what) => changeRow4(what)),
  {
    option: IP_MSFILTER,
    name: 'IP_MSFILTER',
    lengths: filterLength(ipMsfilter.offset.slist),
    question: { least: ipMsfilter.offset.slist, most: IP_MSFILTER_SIZE(MOST_V4) },
    get: getFilter4,
    set: setFilter4,
  },
  ...ofBoth(true),
];
export const SOURCE_FILTERS6: readonly OptionRow[] = ofBoth(false);
