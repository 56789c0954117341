/** What options of the IP levels mean to a stream: ip(7) IP_MTU_DISCOVER and IP_MINTTL, ipv6(7) IPV6_MINHOPCOUNT. */
import { type IpSettings, PathMtuDiscovery } from '../endpoint.ts';
import type { Packet } from '../packet.ts';
import { EtherType } from '../wire/ethernet.ts';
import type { Tcb } from './tcb.ts';

/** ip_dont_fragment: a stream's segments fit the path anyway, so that WANT forbids routers to cut them as DO does. */
export const forbidsFragments = ({ pathMtuDiscovery }: IpSettings): boolean =>
  pathMtuDiscovery === PathMtuDiscovery.Want || pathMtuDiscovery === PathMtuDiscovery.Do;

/** RFC 5082: a segment that passed more routers than its receiver takes for possible is forged. */
export function isTooFar(packet: Packet, c: Tcb): boolean {
  const { minTtl, minHopCount } = c.settings;
  if (packet.ttl >= (packet.ethertype === EtherType.Ipv4 ? minTtl : minHopCount)) return false;
  c.context.ext.TCPMinTTLDrop++;
  return true;
}
