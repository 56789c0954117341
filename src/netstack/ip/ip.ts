/** What a transport protocol and the IP layer know of each other. */
import type { IpAddress } from '../address.ts';
import type { NetError } from '../net-error.ts';
import type { Packet } from '../packet.ts';

export const IpProtocol = { Icmp: 1, Tcp: 6, Udp: 17, IcmpV6: 58 } as const;

/**
 * A resolved way to a destination. Cached by an endpoint for as long as `generation` equals the layer's
 * (it moves whenever addresses, routes or links change).
 */
export interface Route {
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly interfaceIndex: number;
  /** Path MTU, octets of IP packet; lowered by ICMP (RFC 1191, RFC 8201). */
  readonly mtu: number;
  /** Octets of IP packet that the outgoing link takes. */
  readonly linkMtu: number;
  /** LinkCapability bits of the outgoing link; loopback has all. */
  readonly capabilities: number;
  readonly isLoopback: boolean;
  readonly isBroadcast: boolean;
  /** The router, or `remote` itself. */
  readonly nextHop: IpAddress;
  readonly generation: number;
}
/** SO_DONTROUTE and MSG_DONTROUTE, which are IPv4's: the destination is on no link of ours. */
export const isBeyondLink = ({ remote, nextHop, isLoopback }: Route): boolean =>
  remote.isV4 && !isLoopback && !nextHop.equals(remote);

/** Per-packet choices of the sender; the same object may serve every packet of an endpoint. */
export interface OutputOptions {
  /** TTL or hop limit, 1..255; 0 for the stack's default (64), NO_HOPS for 0. */
  ttl: number;
  /** TOS or traffic class octet. */
  tos: number;
  /** True to set DF (IPv4) and never fragment: TCP, and UDP with path-MTU discovery. */
  dontFragment: boolean;
  /** False keeps a multicast from reaching members on this host (IP_MULTICAST_LOOP). */
  multicastLoop?: boolean;
  /** IPv6: RFC 6437; 0 for none. */
  flowLabel?: number;
  /** Told of the packet once it has its header; does not own it. */
  tap?: ((packet: Packet) => void) | undefined;
  /** Fragments are no longer than this instead of the route's MTU; 0 unset. */
  mtu?: number;
}

/** An ICMP error about a packet we sent (RFC 792, RFC 4443). */
export interface IcmpError {
  readonly kind: NetError;
  /** False where Linux reports it only to those who asked for errors (IP_RECVERR) or are still connecting: it may pass. */
  readonly isHard: boolean;
  readonly type: number;
  readonly code: number;
  /** Of a fragmentation-needed or packet-too-big message. */
  readonly mtu: number;
  /** What the message says besides as Linux passes it on: IPv4 an MTU or a pointer, IPv6 the second word whatever it is. */
  readonly info: number;
  /** Octets of the quote, where extensions may follow it (RFC 4884); 0 where that is not told. */
  readonly quoteOctets: number;
  /** Who reported it, and to which address of ours. */
  readonly offender: IpAddress;
  readonly receiver: IpAddress;
}

/** Who has joined a group, and from whom it takes what is sent there. */
export interface GroupMember {
  /** The source by its words. */
  takes(w0: number, w1: number, w2: number, w3: number): boolean;
}

/** A TTL or hop limit of 0, where 0 stands for the default. */
export const NO_HOPS = 256;

export interface IpLayer {
  readonly generation: number;
  /**
   * Route lookup with source selection. `source` unspecified lets the layer choose; a chosen source must be local
   * (weak host model, as Linux). `interfaceIndex` 0 for any. The route's remote is the address to put into headers: the unspecified address stands
   * for loopback; with `anySource` the source may be anybody's. `protocol` and `port` name the service asked for, since some addresses of loopback may be served across a link (see LinkService).
   */
  route(
    remote: IpAddress,
    source: IpAddress | undefined,
    interfaceIndex: number,
    protocol?: number,
    port?: number,
    anySource?: boolean,
  ): Route | NetError;
  /**
   * Sends a packet whose `at` stands on the transport header, complete (or Csum.Partial). Writes the IP header in front,
   * fragments where permitted, resolves the next hop and hands it to the link. Owns the packet.
   */
  output(packet: Packet, route: Route, protocol: number, options: OutputOptions): NetError | undefined;
  /** True for an address of one of our interfaces, or within 127.0.0.0/8. */
  isLocal(address: IpAddress): boolean;
  /** True for an address that may be bound: local, unspecified, multicast or broadcast (RFC 1122 leaves the latter to us; we follow Linux). */
  isBindable(address: IpAddress): boolean;
  /** True for 255.255.255.255 and the broadcast address of a subnet of ours. */
  isBroadcast(address: IpAddress): boolean;
  /** Index of the interface for a membership: as given, else of the address, else where the route to the group leads; 0 for none. */
  groupInterface(group: IpAddress, interfaceIndex: number, interfaceAddress: IpAddress | undefined): number;
  /** Takes in what is sent to `group` on the interface, until it was left as often as joined. */
  joinGroup(group: IpAddress, interfaceIndex: number, member: GroupMember): void;
  leaveGroup(group: IpAddress, interfaceIndex: number, member: GroupMember): void;
  register(protocol: number, transport: TransportProtocol): void;
  /**
   * Notes a smaller path MTU, to be called by a transport once it has found that the ICMP message quotes a packet it really sent and that may be in
   * flight (RFC 5927 7). Moves `generation` if it changes anything, so routes are looked up again.
   */
  lowerPathMtu(remote: IpAddress, mtu: number): void;
  /**
   * Answers `packet` (its `l3` stands on the IP header) with a port or protocol unreachable message, within the rate limit,
   * and never for multicast, broadcast or loops (RFC 1122 3.2.2, RFC 4443 2.4). Does not take the packet over.
   */
  unreachable(packet: Packet, reason: 'port' | 'protocol'): void;
}

export interface TransportProtocol {
  /** `packet.at` stands on the transport header, `end` is the end of the IP payload; addresses are in src*, dst*. Owns the packet. */
  receive(packet: Packet): void;
  /** An ICMP error that quotes one of our packets: at least the ports are readable at `l4` of `quoted`, whose src* is ours and dst* the peer. Does not own it. */
  icmpError(quoted: Packet, error: IcmpError): void;
  /** Whether a local endpoint would take what is sent to `address` and `port`. */
  isBound?(address: IpAddress, port: number): boolean;
}

/**
 * An address of loopback whose service stands at the far end of a link (a nameserver at 127.0.0.53 that the host's resolv.conf names). Unless a local
 * endpoint is bound there, `route` leads to it across the link, from the interface's own address, and what it sends is taken in.
 */
export interface LinkService {
  readonly address: IpAddress;
  readonly port: number;
}
