/** A route as the IP layer resolves it: what the transports see of it, and the way to the next hop. */
import type { IpAddress } from '../address.ts';
import type { NetInterface } from './interface.ts';
import type { Route } from './ip.ts';
import type { Neighbor } from './neighbor.ts';

export interface RouteFields {
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly nextHop: IpAddress;
  readonly mtu: number;
  readonly linkMtu: number;
  readonly isBroadcast: boolean;
  readonly generation: number;
}

export class ResolvedRoute implements Route {
  readonly iface: NetInterface;
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly nextHop: IpAddress;
  readonly mtu: number;
  readonly linkMtu: number;
  readonly isBroadcast: boolean;
  readonly generation: number;
  /** Kept between packets; looked up again once it left the cache. */
  neighbor: Neighbor | undefined = undefined;

  constructor(iface: NetInterface, fields: RouteFields) {
    this.iface = iface;
    this.local = fields.local;
    this.remote = fields.remote;
    this.nextHop = fields.nextHop;
    this.mtu = fields.mtu;
    this.linkMtu = fields.linkMtu;
    this.isBroadcast = fields.isBroadcast;
    this.generation = fields.generation;
  }
  get interfaceIndex(): number {
    return this.iface.index;
  }
  get capabilities(): number {
    return this.iface.link.capabilities;
  }
  get isLoopback(): boolean {
    return this.iface.isLoopback;
  }
}
