/**
 * The routing table: longest prefix first, then lowest metric, then the older entry (RFC 1812 5.2.4.3 as far as a host needs it). Few entries and looked
 * up once per flow, so a sorted array serves. Prefixes of IPv4 are kept in mapped form, 96 bits longer; callers give them as written (24 for a /24).
 */
import { IpAddress } from '../address.ts';

export interface RouteSpec {
  readonly destination: IpAddress;
  /** Bits of `destination` that count, 0..32 or 0..128. */
  readonly prefix: number;
  /** Next hop; undefined when the destination is on the link. */
  readonly gateway: IpAddress | undefined;
  readonly interfaceIndex: number;
  /** Source address to prefer. */
  readonly source?: IpAddress;
  readonly metric?: number;
  /** Octets of IP packet, below the link's. */
  readonly mtu?: number;
}

export const mappedPrefix = (address: IpAddress, prefix: number): number => (address.isV4 ? 96 + prefix : prefix);

const masked = (word: number, keep: number): number => (keep <= 0 ? 0 : keep >= 32 ? word : word & (-1 << (32 - keep)));
/** The address with all but its first `keep` bits cleared. */
const networkOf = (a: IpAddress, keep: number): IpAddress =>
  new IpAddress(masked(a.w0, keep), masked(a.w1, keep - 32), masked(a.w2, keep - 64), masked(a.w3, keep - 96));

/** Bits to compare for this entry. */
const bits = (r: RouteSpec): number => mappedPrefix(r.destination, r.prefix);
const before = (a: RouteSpec, b: RouteSpec): boolean =>
  bits(a) > bits(b) || (bits(a) === bits(b) && (a.metric ?? 0) < (b.metric ?? 0));

export class RouteTable {
  readonly #routes: RouteSpec[] = [];

  get routes(): readonly RouteSpec[] {
    return this.#routes;
  }
  /** @throws RangeError for a prefix outside its family. */
  add(route: RouteSpec): void {
    if (route.prefix < 0 || route.prefix > (route.destination.isV4 ? 32 : 128)) {
      throw new RangeError(`route ${route.destination.toString()}/${route.prefix}: no such prefix length`);
    }
    const own = { ...route, destination: networkOf(route.destination, bits(route)) };
    let i = 0;
    while (i < this.#routes.length && !before(own, this.#routes[i] as RouteSpec)) i++;
    this.#routes.splice(i, 0, own);
  }
  /** False when there is no such route. */
  remove(destination: IpAddress, prefix: number, interfaceIndex: number): boolean {
    const network = networkOf(destination, mappedPrefix(destination, prefix));
    const i = this.#routes.findIndex(
      (r) => r.prefix === prefix && r.interfaceIndex === interfaceIndex && r.destination.equals(network),
    );
    if (i >= 0) this.#routes.splice(i, 1);
    return i >= 0;
  }
  removeInterface(interfaceIndex: number): void {
    for (let i = this.#routes.length - 1; i >= 0; i--) {
      if (this.#routes[i]?.interfaceIndex === interfaceIndex) this.#routes.splice(i, 1);
    }
  }
  /** @param interfaceIndex 0 for any. */
  lookup(remote: IpAddress, interfaceIndex: number): RouteSpec | undefined {
    for (const r of this.#routes) {
      if (interfaceIndex !== 0 && r.interfaceIndex !== interfaceIndex) continue;
      if (r.destination.isV4 === remote.isV4 && r.destination.matches(remote, bits(r))) return r;
    }
    return undefined;
  }
}
