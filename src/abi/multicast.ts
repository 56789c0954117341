/** Values of the options that join multicast groups and choose their sources: include/uapi/linux/in.h (RFC 3678). */
import { sockaddrStorage } from './sockaddr.ts';
import { array, be32, struct, type TypeOf, u32 } from './struct.ts';

export const MCAST_EXCLUDE = 0;
export const MCAST_INCLUDE = 1;

/** IP_ADD_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE and their opposites. */
export const ipMreqSource = struct('ip_mreq_source', 12, { multiaddr: be32, interface: be32, sourceaddr: be32 });
export type IpMreqSource = TypeOf<typeof ipMreqSource>;

/** IP_MSFILTER. `numsrc` addresses follow the first 16 octets; the struct has room for one. */
export const ipMsfilter = struct('ip_msfilter', 20, {
  multiaddr: be32,
  interface: be32,
  fmode: u32,
  numsrc: u32,
  slist: array(be32, 1),
});
export type IpMsfilter = TypeOf<typeof ipMsfilter>;
/** Octets of an IP_MSFILTER with `count` sources. */
export const IP_MSFILTER_SIZE = (count: number): number => ipMsfilter.offset.slist + count * be32.size;

/** MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP. `interface` is an index. */
export const groupReq = struct('group_req', 136, { interface: u32, group: sockaddrStorage });
export type GroupReq = TypeOf<typeof groupReq>;
/** MCAST_JOIN_SOURCE_GROUP, MCAST_BLOCK_SOURCE and their opposites. */
export const groupSourceReq = struct('group_source_req', 264, {
  interface: u32,
  group: sockaddrStorage,
  source: sockaddrStorage,
});
export type GroupSourceReq = TypeOf<typeof groupSourceReq>;
/** MCAST_MSFILTER. `numsrc` addresses follow the first 144 octets; the struct has room for one. */
export const groupFilter = struct('group_filter', 272, {
  interface: u32,
  group: sockaddrStorage,
  fmode: u32,
  numsrc: u32,
  slist: array(sockaddrStorage, 1),
});
export type GroupFilter = TypeOf<typeof groupFilter>;
/** Octets of an MCAST_MSFILTER with `count` sources. */
export const GROUP_FILTER_SIZE = (count: number): number => groupFilter.offset.slist + count * sockaddrStorage.size;
