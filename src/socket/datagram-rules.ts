/** What a datagram may not be sent for whatever its socket (udp_sendmsg), and what poll(2) says of one that may (datagram_poll). */
import { Errno } from '../abi/errno.ts';
import { POLLOUT, POLLWRBAND, POLLWRNORM } from '../abi/poll.ts';
import { MSG_DONTROUTE, MSG_OOB } from '../abi/socket.ts';
import type { IpAddress } from '../netstack/address.ts';
import type { Netstack, UdpSettings } from '../netstack/endpoint.ts';
import type { Message } from './message.ts';

/** Longer is EMSGSIZE before anything else is looked at (udp_sendmsg); what fits a datagram is the endpoint's to say. */
const LENGTH_MAX = 0xffff;

/** datagram_poll: room to write is room for out-of-band data as well. */
export const WRITE_SPACE = POLLOUT | POLLWRNORM | POLLWRBAND;
export const withBand = (events: number): number => ((events & POLLOUT) === 0 ? events : events | POLLWRBAND);

/** MSG_DONTROUTE: true for what needs no gateway (RT_SCOPE_LINK). */
export function isOnLink(stack: Netstack, destination: IpAddress, interfaceIndex: number): boolean {
  // Who names an interface is taken at his word (ip_route_output_key_hash_rcu).
  if (destination.isV4 && interfaceIndex !== 0) return true;
  if (destination.isUnspecified || destination.isMulticast || destination.isLimitedBroadcast || destination.isLinkLocal)
    return true;
  const bits = destination.isV4 ? 96 : 0;
  return stack.interfaces.some((i) =>
    i.addresses.some((a) => a.address.isV4 === destination.isV4 && a.address.matches(destination, a.prefix + bits)),
  );
}

/** Length and flags, for what leaves by IPv4 (udp_sendmsg). */
export function earlyRefusal(message: Message, len: number): number {
  if (len > LENGTH_MAX) return -Errno.EMSGSIZE;
  return (message.flags & MSG_OOB) === 0 ? 0 : -Errno.EOPNOTSUPP;
}

/** Without a name, by the route that a connected socket knows, if it knows one. */
export const isByRoute = ({ controlLength, flags }: Message, settings: UdpSettings): boolean =>
  controlLength === 0 && (flags & MSG_DONTROUTE) === 0 && !settings.dontRoute;

/** Of what a route to this host is used for, whether it arrives. */
export function leadsHere(stack: Netstack, to: IpAddress): boolean {
  const path = stack.path(to, undefined, 0);
  return typeof path !== 'string' && path.isLoopback && !path.isBroadcast;
}
