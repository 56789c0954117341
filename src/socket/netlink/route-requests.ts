/** What RTM_GETROUTE is answered with: a dump of the tables, or the way to one destination (net/ipv4/fib_frontend.c inet_dump_fib, net/ipv4/route.c inet_rtm_getroute). */
import { Errno } from '../../abi/errno.ts';
import {
  NetlinkWriter,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_IIF,
  RTA_MARK,
  RTA_OIF,
  RTA_SRC,
  RTA_TABLE,
  RTA_UID,
  RTM_F_CLONED,
  RTM_F_FIB_MATCH,
  RTM_F_LOOKUP_TABLE,
  RTM_NEWROUTE,
  rtmsg,
} from '../../abi/netlink.ts';
import { AF_INET, AF_INET6 } from '../../abi/socket.ts';
import { IpAddress } from '../../netstack/address.ts';
import type { Netstack } from '../../netstack/endpoint.ts';
import { errnoOf } from '../errors.ts';
import { Attributes, type Dump, familiesOf, type Request, refuse } from './request.ts';
import {
  type PathQuestion,
  type TableRoute,
  tableRoutes,
  writePath4,
  writePath6,
  writeRoute,
} from './route-messages.ts';

/** RTM_F_NOTIFY. */
const RTM_F_NOTIFY = 0x100;
/** RTM_F_PREFIX: routes that router advertisements made, of which there are none. */
const RTM_F_PREFIX = 0x800;
const TABLES: readonly number[] = [RT_TABLE_MAIN, RT_TABLE_LOCAL];

/** struct fib_dump_filter; 0 for any. */
interface Filter {
  flags: number;
  table: number;
  protocol: number;
  type: number;
  index: number;
}

/** inet_dump_fib and inet6_dump_fib. Filters count with strict checking only. */
export function dumpRoutes(stack: Netstack, request: Request, dump: Dump): number {
  const { bytes, at, end, from } = request;
  const family = bytes[at] as number;
  const filter: Filter = { flags: 0, table: 0, protocol: 0, type: 0, index: 0 };
  if (from.strictCheck) {
    const error = readFilter(stack, request, filter);
    if (error !== 0) return error;
    if ((filter.flags | filter.table | filter.protocol | filter.type | filter.index) !== 0) dump.filtered();
  } else if (end - at >= rtmsg.size) {
    filter.flags = rtmsg.get(bytes, at).flags & RTM_F_PREFIX;
  }
  // Cached routes and those of router advertisements: none.
  if ((filter.flags & (RTM_F_PREFIX | RTM_F_CLONED)) !== 0) return 0;
  if (filter.table !== 0 && !TABLES.includes(filter.table)) {
    return family === AF_INET || family === AF_INET6 ? -Errno.ENOENT : 0;
  }
  for (const isV4 of familiesOf(family)) {
    for (const route of tableRoutes(stack, isV4)) {
      if (passes(filter, route)) dump.add(RTM_NEWROUTE, (out) => writeRoute(out, route));
    }
  }
  return 0;
}
const passes = (filter: Filter, route: TableRoute): boolean =>
  (filter.table === 0 || route.table === filter.table) &&
  (filter.protocol === 0 || route.protocol === filter.protocol) &&
  (filter.type === 0 || route.type === filter.type) &&
  (filter.index === 0 || route.interfaceIndex === filter.index);

const exists = (stack: Netstack, index: number): boolean => stack.interfaces.some((i) => i.index === index);

/** ip_valid_fib_dump_req. */
function readFilter(stack: Netstack, { bytes, at, end }: Request, filter: Filter): number {
  if (end - at < rtmsg.size) return -Errno.EINVAL;
  const { dstLen, srcLen, tos, scope, flags, protocol, type, table } = rtmsg.get(bytes, at);
  if ((dstLen | srcLen | tos | scope) !== 0 || (flags & ~(RTM_F_CLONED | RTM_F_PREFIX)) !== 0) return -Errno.EINVAL;
  const asked = new Attributes();
  if (!asked.read(bytes, at + rtmsg.size, end, [RTA_TABLE, RTA_OIF])) return -Errno.EINVAL;
  const index = asked.number(RTA_OIF);
  const named = asked.has(RTA_TABLE) ? asked.number(RTA_TABLE) : table;
  if (index === undefined || named === undefined) return -Errno.ERANGE;
  if (asked.has(RTA_OIF) && !exists(stack, index)) return -Errno.ENODEV;
  Object.assign(filter, { flags, protocol, type, table: named, index });
  return 0;
}

interface PathRequest extends PathQuestion {
  readonly index: number;
}

/** inet_rtm_getroute, inet6_rtm_getroute. */
export function getRoute(stack: Netstack, request: Request): number {
  const { header, bytes, at, end, from } = request;
  if (end - at < rtmsg.size) return -Errno.EINVAL;
  const { family, flags } = rtmsg.get(bytes, at);
  const isV4 = family === AF_INET;
  const asked = new Attributes();
  const allowed = [RTA_DST, RTA_SRC, RTA_OIF, RTA_UID, RTA_MARK];
  if (!asked.read(bytes, at + rtmsg.size, end, from.strictCheck ? allowed : undefined)) {
    return refuse(request, Errno.EINVAL);
  }
  if (from.strictCheck && !isStrict(rtmsg.get(bytes, at), asked, isV4 ? 32 : 128)) return -Errno.EINVAL;
  if ((flags & RTM_F_FIB_MATCH) !== 0 || asked.has(RTA_IIF)) return refuse(request, Errno.EOPNOTSUPP);
  const question = readQuestion(asked, isV4, flags, from.uid);
  if (question === undefined) return -Errno.ERANGE;
  if (question.index !== 0 && !exists(stack, question.index)) return -Errno.ENODEV;
  const path = pathOf(stack, question);
  if (typeof path === 'number') return path;
  const out = new NetlinkWriter();
  out.begin(RTM_NEWROUTE, 0, header.seq, from.portId);
  if (isV4) writePath4(out, question, path);
  else writePath6(out, question, path, stack);
  out.end();
  from.reply(out.take());
  return 0;
}
/** Undefined when an attribute is too short for what it says. */
function readQuestion(asked: Attributes, isV4: boolean, flags: number, ownUid: number): PathRequest | undefined {
  const destination = asked.address(RTA_DST, isV4) ?? (isV4 ? IpAddress.ANY4 : IpAddress.ANY6);
  const source = asked.address(RTA_SRC, isV4);
  const index = asked.number(RTA_OIF);
  const uid = asked.has(RTA_UID) ? asked.number(RTA_UID) : ownUid;
  if (destination === false || source === false || index === undefined || uid === undefined) return undefined;
  return { destination, source, flags, uid, index };
}
function pathOf(stack: Netstack, { destination, source, index }: PathRequest) {
  // The loopback interface leads to nothing but ourselves, and there the way is asked for, not the device.
  const isLoopback = stack.interfaces.some((i) => i.index === index && i.isLoopback);
  const path = stack.path(destination, source, isLoopback ? 0 : index);
  if (typeof path !== 'string') return path;
  // From an address that is not ours no way leads out (ip_route_output_key_hash_rcu).
  return path === 'invalid' && source !== undefined ? -Errno.ENETUNREACH : -errnoOf(path);
}

/** inet_rtm_valid_getroute_req. */
function isStrict(header: ReturnType<typeof rtmsg.decode>, asked: Attributes, bits: number): boolean {
  const { srcLen, dstLen, table, protocol, scope, type, flags } = header;
  if ((srcLen !== 0 && srcLen !== bits) || (dstLen !== 0 && dstLen !== bits)) return false;
  if ((table | protocol | scope | type) !== 0) return false;
  if ((flags & ~(RTM_F_NOTIFY | RTM_F_LOOKUP_TABLE | RTM_F_FIB_MATCH)) !== 0) return false;
  return (srcLen !== 0 || !asked.has(RTA_SRC)) && (dstLen !== 0 || !asked.has(RTA_DST));
}
