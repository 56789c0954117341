/** /proc/net/route and ipv6_route: the tables that netlink dumps, as text (net/ipv4/fib_trie.c fib_route_seq_show, net/ipv6/route.c ip6_route_seq). */
import { RT_TABLE_MAIN, RTN_LOCAL } from '../../abi/netlink.ts';
import { IpAddress } from '../../netstack/address.ts';
import type { Netstack } from '../../netstack/endpoint.ts';
import { type TableRoute, tableRoutes } from '../netlink/route-messages.ts';
import { address4, hex, hexLower, octets6, padded, right } from './format.ts';

/** include/uapi/linux/route.h, ipv6_route.h. */
const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
const RTF_HOST = 0x4;
const RTF_REJECT = 0x200;
const RTF_NONEXTHOP = 0x0020_0000;
const RTF_LOCAL = 0x8000_0000;

const LINE = 128;
const HEAD4 = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
const nameOf = (stack: Netstack, index: number): string =>
  stack.interfaces.find((link) => link.index === index)?.name ?? '*';
const mask4 = (prefix: number): IpAddress => IpAddress.v4(prefix === 0 ? 0 : -1 << (32 - prefix));

export function routeFile(stack: Netstack): string {
  const main = tableRoutes(stack, true).filter(({ table }) => table === RT_TABLE_MAIN);
  const lines = main.map(({ destination, prefix, gateway, interfaceIndex, metric }) => {
    const flags = RTF_UP | (gateway === undefined ? 0 : RTF_GATEWAY) | (prefix === 32 ? RTF_HOST : 0);
    const to = `${address4(destination)}\t${address4(gateway ?? IpAddress.ANY4)}\t${hex(flags, 4)}`;
    const line = `${nameOf(stack, interfaceIndex)}\t${to}\t0\t0\t${metric}\t${address4(mask4(prefix))}\t0\t0\t0`;
    return padded(line, LINE);
  });
  return padded(HEAD4, LINE) + lines.join('');
}

export function route6File(stack: Netstack): string {
  const routes = tableRoutes(stack, false);
  const main = routes.filter(({ table }) => table === RT_TABLE_MAIN);
  const local = routes.filter(({ table }) => table !== RT_TABLE_MAIN);
  const lines = main.map((route) => line6(stack, route));
  // Each table ends in a route that refuses, unless it has one for everything.
  if (!main.some(({ prefix }) => prefix === 0)) lines.push(NO_ROUTE);
  return [...lines, ...local.map((route) => line6(stack, route)), NO_ROUTE].join('');
}
const ANY6 = octets6(IpAddress.ANY6);
function line6(stack: Netstack, { destination, prefix, gateway, interfaceIndex, metric, type }: TableRoute): string {
  const isLocal = type === RTN_LOCAL;
  const flags = RTF_UP | (gateway === undefined ? 0 : RTF_GATEWAY) | (isLocal ? RTF_LOCAL | RTF_NONEXTHOP : 0);
  return fields6(
    octets6(destination),
    prefix,
    octets6(gateway ?? IpAddress.ANY6),
    metric,
    flags,
    nameOf(stack, interfaceIndex),
  );
}
/** Every route is held by its table alone. */
function fields6(
  destination: string,
  prefix: number,
  gateway: string,
  metric: number,
  flags: number,
  name: string,
): string {
  const numbers = [metric, 1, 0, flags].map((value) => hexLower(value, 8)).join(' ');
  return `${destination} ${hexLower(prefix, 2)} ${ANY6} 00 ${gateway} ${numbers} ${right(name, 8)}\n`;
}
/** fib6_null_entry. */
const NO_ROUTE = fields6(ANY6, 0, ANY6, 0xffff_ffff, RTF_REJECT | RTF_NONEXTHOP, 'lo');
