/**
 * Which host address a guest's destination stands for, or why there is none. The rule is closed by default toward the host itself: its loopback is
 * reached only at the gateway's addresses and only at ports that were asked for, and its own addresses on other interfaces count as the host too.
 * Link-local addresses are refused (169.254.169.254 serves cloud credentials), those that serve them elsewhere, and everything that names no single host. An IPv6
 * address with an IPv4 one inside is as closed as that one.
 */
import { IpAddress } from '../netstack/address.ts';
import type { Settings } from './config.ts';
import { embeddedAddresses } from './embedded.ts';

/** Why a destination is refused; each is a counter. */
export type RefusalReason =
  /** A port of the host, or of the gateway itself, that is not open. */
  | 'host-closed'
  /** Loopback as a destination on a link (RFC 1122 3.2.1.3). */
  | 'loopback'
  | 'link-local'
  | 'metadata'
  | 'multicast'
  | 'broadcast'
  /** 0.0.0.0/8, 240.0.0.0/4, ::, and IPv4 addresses written as IPv6. */
  | 'reserved'
  /** An address of the link's own subnet where nobody lives. */
  | 'absent';

export interface Reach {
  /** Where the host connects to; undefined when refused. */
  readonly host: IpAddress | undefined;
  readonly port: number;
  /** Where to connect when `host` refuses. */
  readonly alternative: IpAddress | undefined;
  readonly refused: RefusalReason | undefined;
  /** Queries to this destination are the name proxy's. */
  readonly isNameServer: boolean;
}

/** Addresses that serve a machine's credentials and are not link-local, as the clouds' manuals give them. */
const METADATA = [
  IpAddress.of('fd00:ec2::254'), // AWS EC2, instance metadata over IPv6
  IpAddress.of('fd00:ec2::23'), // AWS EKS, Pod Identity agent over IPv6
  IpAddress.of('fd20:ce::254'), // Google Compute Engine, metadata server over IPv6
  IpAddress.of('fd00:42::42'), // Scaleway, instance metadata over IPv6
  IpAddress.of('100.100.100.200'), // Alibaba ECS, instance metadata
  IpAddress.of('192.0.0.192'), // Oracle Cloud, classic metadata
  IpAddress.of('168.63.129.16'), // Azure, wire server
];
const DNS_PORT = 53;

const refuse = (refused: RefusalReason): Reach => ({
  host: undefined,
  port: 0,
  alternative: undefined,
  refused,
  isNameServer: false,
});
const allow = (host: IpAddress, port: number, alternative?: IpAddress): Reach => ({
  host,
  port,
  alternative,
  refused: undefined,
  isNameServer: false,
});

const prefixBits4 = (prefix: number): number => 96 + prefix;

export class Reachability {
  readonly #settings: Settings;
  readonly #openPorts: ReadonlySet<number>;
  readonly #isHostAddress: (address: IpAddress) => boolean;
  readonly #nameServers: readonly IpAddress[];

  constructor(settings: Settings, isHostAddress: (address: IpAddress) => boolean) {
    this.#settings = settings;
    this.#openPorts = new Set(settings.hostPorts);
    this.#isHostAddress = isHostAddress;
    this.#nameServers = [settings.dns4, settings.dns6, ...settings.guestNameservers];
  }

  /** An address that answers echo requests itself. */
  isOwn(address: IpAddress): boolean {
    const s = this.#settings;
    return [s.gateway4, s.gateway6, s.dns4, s.dns6].some((own) => own.equals(address));
  }

  /**
   * How a client of the host's shows to the guest: as itself, unless that is an address that the guest could not answer (loopback and link-local ones, those of
   * the link's own subnet): then as the gateway.
   */
  clientAs(peer: IpAddress): IpAddress {
    if (!this.isOwn(peer) && this.#ruleAgainst(peer) === undefined) return peer;
    return peer.isV4 ? this.#settings.gateway4 : this.#settings.gateway6;
  }

  /** @param destination in the form it had in the packet: an IPv6 packet's IPv4-mapped address never gets here. */
  resolve(destination: IpAddress, port: number): Reach {
    if (port === DNS_PORT && this.#nameServers.some((server) => server.equals(destination))) {
      return { host: undefined, port, alternative: undefined, refused: undefined, isNameServer: true };
    }
    if (this.isOwn(destination)) return this.#own(destination, port);
    const refused = this.#ruleAgainst(destination);
    if (refused !== undefined) return refuse(refused);
    if (this.#openPorts.has(port) || !this.#isHost(destination)) return allow(destination, port);
    return refuse('host-closed');
  }

  /** Why a destination may not be asked for an echo; undefined when it may. The host itself is as closed as its ports. */
  refusesEcho(destination: IpAddress): RefusalReason | undefined {
    return this.#ruleAgainst(destination) ?? (this.#isHost(destination) ? 'host-closed' : undefined);
  }

  #isHost(destination: IpAddress): boolean {
    return (
      this.#isHostAddress(destination) || embeddedAddresses(destination).some((inner) => this.#isHostAddress(inner))
    );
  }
  #own(destination: IpAddress, port: number): Reach {
    const s = this.#settings;
    if (!this.#openPorts.has(port)) return refuse('host-closed');
    if (destination.equals(s.gateway4)) return allow(IpAddress.LOOPBACK4, port, IpAddress.LOOPBACK6);
    if (destination.equals(s.gateway6)) return allow(IpAddress.LOOPBACK6, port, IpAddress.LOOPBACK4);
    return refuse('host-closed');
  }

  #ruleAgainst(destination: IpAddress): RefusalReason | undefined {
    if (destination.isLoopback) return 'loopback';
    if (destination.isMulticast) return 'multicast';
    if (destination.isLimitedBroadcast || this.#isSubnetBroadcast(destination)) return 'broadcast';
    if (destination.isLinkLocal) return 'link-local';
    if (METADATA.some((address) => address.equals(destination))) return 'metadata';
    if (isReserved(destination)) return 'reserved';
    for (const inner of embeddedAddresses(destination)) {
      // 0.0.0.0/8 is what the octets around a shorter form say.
      const refused = isReserved(inner) ? undefined : this.#ruleAgainst(inner);
      if (refused !== undefined) return refused;
    }
    const s = this.#settings;
    const onLink = destination.isV4
      ? destination.matches(s.guest4, prefixBits4(s.prefix4))
      : destination.matches(s.guest6, s.prefix6);
    return onLink ? 'absent' : undefined;
  }

  #isSubnetBroadcast(destination: IpAddress): boolean {
    const { guest4, prefix4 } = this.#settings;
    const hostMask = 0xffff_ffff >>> prefix4;
    return (
      destination.isV4 && destination.matches(guest4, prefixBits4(prefix4)) && (destination.w3 & hostMask) === hostMask
    );
  }
}

function isReserved(address: IpAddress): boolean {
  if (address.isV4) return address.w3 >>> 24 === 0 || address.w3 >>> 28 === 0xf;
  // ::/96 holds the unspecified address and the retired IPv4-compatible ones (RFC 4291 2.5.5.1), which Linux still routes as IPv6.
  return address.w0 === 0 && address.w1 === 0 && address.w2 === 0;
}
