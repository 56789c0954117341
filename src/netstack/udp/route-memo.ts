/** The route that a socket used last, good for the same destination for as long as nothing about routes changes. */
import type { IpAddress } from '../address.ts';
import type { IpLayer, Route } from '../ip/ip.ts';
import type { NetError } from '../net-error.ts';

export class RouteMemo {
  readonly #ip: IpLayer;
  #route: Route | undefined = undefined;
  #source: IpAddress | undefined = undefined;
  #remote: IpAddress | undefined = undefined;
  #interface = 0;
  #port = 0;

  constructor(ip: IpLayer) {
    this.#ip = ip;
  }
  forget(): void {
    this.#route = undefined;
  }
  /** As `IpLayer.route`. */
  find(
    remote: IpAddress,
    source: IpAddress | undefined,
    interfaceIndex: number,
    protocol: number,
    port: number,
    anySource: boolean,
  ): Route | NetError {
    const known = this.#route;
    if (
      known !== undefined &&
      known.generation === this.#ip.generation &&
      this.#remote?.equals(remote) === true &&
      this.#source === source &&
      this.#interface === interfaceIndex &&
      // Only a service behind a link depends on the port, and on who is bound here meanwhile.
      !remote.isLoopback &&
      this.#port === port
    ) {
      return known;
    }
    const route = this.#ip.route(remote, source, interfaceIndex, protocol, port, anySource);
    if (typeof route === 'string') return route;
    this.#route = route;
    this.#remote = remote;
    this.#source = source;
    this.#interface = interfaceIndex;
    this.#port = port;
    return route;
  }
}
