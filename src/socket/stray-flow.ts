/**
 * Where the datagrams of a connected IPv4 socket go (udp_sendmsg). Linux keeps one flow (inet->cork.fl) for connect(2) and for datagrams in the making, and what is sent without a name and without choices takes it from
 * there as long as the socket knows a route: so after a datagram put together for someone else, or a connect that failed, they go to him and not to the peer. The first one that has to look for a route
 * anew goes to the peer.
 */
import type { IpAddress } from '../netstack/address.ts';
import type { UdpSettings } from '../netstack/endpoint.ts';

export class StrayFlow {
  to: IpAddress | undefined = undefined;
  port = 0;
  #hasRoute = true;
  #tos = 0;
  #mark = 0;
  #interface = 0;

  /** The peer's flow. */
  clear(): void {
    this.to = undefined;
  }
  /** The socket may know a route, or may have to look for it anew. */
  set(to: IpAddress, port: number, hasRoute: boolean, settings: UdpSettings): void {
    this.to = to;
    this.port = port;
    this.#hasRoute = hasRoute;
    this.#note(settings);
  }
  /** sk_dst_reset: of another kind the known route is of no use. */
  changed(settings: UdpSettings): void {
    const { tos, mark, boundInterface } = settings;
    if (this.#tos !== tos || this.#mark !== mark || this.#interface !== boundInterface) this.#hasRoute = false;
    this.#note(settings);
  }
  #note({ tos, mark, boundInterface }: UdpSettings): void {
    this.#tos = tos;
    this.#mark = mark;
    this.#interface = boundInterface;
  }
  /** Where the next datagram goes, if not to the peer. */
  next(): IpAddress | undefined {
    if (this.#hasRoute) return this.to;
    this.#hasRoute = true;
    return undefined;
  }
}
