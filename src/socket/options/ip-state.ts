/**
 * Values of SOL_IP, SOL_IPV6 and SOL_UDP that a socket keeps. IPv4 and IPv6 have fields of their own wherever Linux has (struct inet_sock, struct ipv6_pinfo): an AF_INET6
 * socket has both, and its IPv4 side goes by the former.
 */
import { IPV6_PREFER_SRC_HOME, IPV6_PREFER_SRC_PUBTMP_DEFAULT } from '../../abi/in.ts';

export class IpOptionState {
  /** -1 is the default. */
  ttl = -1;
  tos = 0;
  hopLimit = -1;
  trafficClass = 0;
  /** IP_PMTUDISC_*. */
  mtuDiscover = 1;
  mtuDiscover6 = 1;
  /** IP_MINTTL and IPV6_MINHOPCOUNT. */
  minTtl = 0;
  minHopCount = 0;
  transparent = false;
  /** IP_LOCAL_PORT_RANGE: the lowest port, and the highest in the upper half; 0 of either is the system's. */
  localPortRange = 0;
  /** IP_UNICAST_IF and IPV6_UNICAST_IF, indexes. */
  unicastInterface = 0;
  unicastInterface6 = 0;

  multicastTtl = 1;
  multicastLoop = true;
  /** IP_MULTICAST_IF: an index and the address it was named by. */
  multicastInterface = 0;
  multicastInterfaceAddress = 0;
  /** IP_MULTICAST_ALL once set; until then it is on for AF_INET and off for AF_INET6 (inet6_create leaves it alone). */
  multicastAll: boolean | undefined = undefined;
  multicastHops = 1;
  multicastLoop6 = true;
  multicastInterface6 = 0;
  multicastAll6 = true;

  /** IP_PKTINFO and what else is to come with datagrams. */
  packetInfo = false;
  receiveTtl = false;
  receiveTos = false;
  receiveOptions = false;
  returnOptions = false;
  receiveOriginalDestination = false;
  receiveChecksum = false;
  receiveFragmentSize = false;
  /** IP_PASSSEC: there is no label to pass where no security module gives one. */
  passSecurity = false;
  receiveErrors = false;
  receiveErrorsRfc4884 = false;

  packetInfo6 = false;
  receiveHopLimit = false;
  receiveTrafficClass = false;
  receiveOriginalDestination6 = false;
  receiveFragmentSize6 = false;
  receiveFlowInfo = false;
  receivePathMtu = false;
  receiveHopOptions = false;
  receiveDestinationOptions = false;
  receiveRouting = false;
  /** The same by the names of RFC 2292. */
  oldPacketInfo = false;
  oldHopLimit = false;
  oldHopOptions = false;
  oldDestinationOptions = false;
  oldRouting = false;
  receiveErrors6 = false;
  receiveErrors6Rfc4884 = false;

  dontFragment6 = false;
  /** IPV6_MTU: no fragment is longer; 0 unset. */
  fragmentSize6 = 0;
  autoFlowLabel = true;
  sendFlowInfo = false;
  routerAlertIsolate = false;
  /** IPV6_ADDR_PREFERENCES as read back. No address here is temporary, of a home agent or cryptographic, so that any preference picks the same one. */
  addressPreferences = IPV6_PREFER_SRC_PUBTMP_DEFAULT | IPV6_PREFER_SRC_HOME;
  /** IPV6_PKTINFO: the interface that datagrams leave by. */
  stickyInterface = 0;

  /** UDP_CORK; TCP_CORK is the endpoint's. */
  cork = false;
  /** UDP_CORK was set to 0, which sends what MSG_MORE holds back too. */
  uncork = false;
  /** UDP_SEGMENT: octets of each datagram that a send is cut into; 0 for one. */
  segment = 0;
  /** UDP_GRO. */
  coalesce = false;
  noChecksum6Sent = false;
  noChecksum6Received = false;
}
