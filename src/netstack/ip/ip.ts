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
  /** LinkCapability bits of the outgoing link; loopback has all. */
  readonly capabilities: number;
  readonly isLoopback: boolean;
  readonly isBroadcast: boolean;
  readonly generation: number;
}

/** Per-packet choices of the sender; the same object may serve every packet of an endpoint. */
export interface OutputOptions {
  /** TTL or hop limit, 1..255; 0 for the stack's default (64). */
  ttl: number;
  /** TOS or traffic class octet. */
  tos: number;
  /** True to set DF (IPv4) and never fragment: TCP, and UDP with path-MTU discovery. */
  dontFragment: boolean;
}

/** An ICMP error about a packet we sent (RFC 792, RFC 4443). */
export interface IcmpError {
  readonly kind: NetError;
  readonly type: number;
  readonly code: number;
  /** Of a fragmentation-needed or packet-too-big message. */
  readonly mtu: number;
  /** Who reported it. */
  readonly offender: IpAddress;
}

export interface IpLayer {
  readonly generation: number;
  /**
   * Route lookup with source selection. `source` unspecified lets the layer choose; a chosen source must be local
   * (weak host model, as Linux). `interfaceIndex` 0 for any.
   */
  route(remote: IpAddress, source: IpAddress | undefined, interfaceIndex: number): Route | NetError;
  /**
   * Sends a packet whose `at` stands on the transport header, complete (or Csum.Partial). Writes the IP header in front,
   * fragments where permitted, resolves the next hop and hands it to the link. Owns the packet.
   */
  output(packet: Packet, route: Route, protocol: number, options: OutputOptions): NetError | undefined;
  /** True for an address of one of our interfaces, or within 127.0.0.0/8. */
  isLocal(address: IpAddress): boolean;
  /** True for an address that may be bound: local, unspecified, multicast or broadcast (RFC 1122 leaves the latter to us; we follow Linux). */
  isBindable(address: IpAddress): boolean;
  register(protocol: number, transport: TransportProtocol): void;
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
}
