/** What of a datagram its path and its sender's settings allow: ip(7) IP_MTU_DISCOVER, ipv6(7) IPV6_MTU_DISCOVER, IPV6_DONTFRAG, IPV6_MTU. */

import { type Family, IpAddress } from '../address.ts';
import { PathMtuDiscovery, type SendChoices, type UdpSettings } from '../endpoint.ts';
import { NO_HOPS, type Route } from '../ip/ip.ts';
import { Gso, type Packet } from '../packet.ts';

/** ip_sk_use_pmtu: PROBE, INTERFACE and OMIT go by the link alone. */
export function pathMtuOf(route: Route, settings: UdpSettings): number {
  const discovery = route.remote.isV4 ? settings.pathMtuDiscovery : settings.pathMtuDiscovery6;
  return discovery >= PathMtuDiscovery.Probe ? route.linkMtu : route.mtu;
}
/** What a datagram is measured by that must not be cut. */
export function mtuOf(route: Route, settings: UdpSettings): number {
  const { fragmentSize6 } = settings;
  const mtu = pathMtuOf(route, settings);
  return route.remote.isV4 || fragmentSize6 === 0 ? mtu : Math.min(mtu, fragmentSize6);
}
/** ip_sk_ignore_df. */
export function mayFragment(route: Route, settings: UdpSettings, choices: SendChoices | undefined): boolean {
  const discovery = route.remote.isV4 ? settings.pathMtuDiscovery : settings.pathMtuDiscovery6;
  if (discovery >= PathMtuDiscovery.Do && discovery !== PathMtuDiscovery.Omit) return false;
  return route.remote.isV4 || !(choices?.dontFragment ?? settings.dontFragment6);
}
/** DF, which IPv4 alone has: DO and PROBE set it, WANT where nothing has to be cut (__ip_make_skb). */
export function forbidsFragments({ pathMtuDiscovery: discovery }: UdpSettings, fits: boolean): boolean {
  if (discovery === PathMtuDiscovery.Want) return fits;
  return discovery === PathMtuDiscovery.Do || discovery === PathMtuDiscovery.Probe;
}

function hopsTo(remote: IpAddress, settings: UdpSettings): number {
  if (!remote.isMulticast) return settings.ttl;
  return (remote.isV4 ? settings.multicastTtl : settings.multicastHops) || NO_HOPS;
}
/** Notes on the packet what its message and its socket chose: several may wait (sendmmsg) before the first leaves. */
export function note(
  packet: Packet,
  remote: IpAddress,
  len: number,
  settings: UdpSettings,
  choices: SendChoices | undefined,
): void {
  packet.ttl = choices?.ttl ?? hopsTo(remote, settings);
  packet.tos = choices?.tos ?? settings.tos;
  packet.flowLabel = choices?.flowLabel ?? 0;
  packet.mark = choices?.mark ?? settings.mark;
  packet.priority = choices?.priority ?? settings.priority;
  const segment = choices?.segment ?? settings.segment;
  if (segment === 0 || len <= segment) return;
  packet.gsoType = Gso.UdpL4;
  packet.gsoSize = segment;
}

export const anyOf = (family: Family): IpAddress => (family === 4 ? IpAddress.ANY4 : IpAddress.ANY6);
/** The source that control data chose: 0.0.0.0 is none, and for a group IP_MULTICAST_IF has its say (udp_sendmsg). */
export const sourceOf = (chosen: IpAddress, remote: IpAddress, settings: UdpSettings): IpAddress | undefined =>
  chosen.isUnspecified && chosen.isV4 && remote.isMulticast ? settings.multicastSource : chosen;
