/** What the rows of the option table see of a socket. */
import type { IpSettings, Netstack, TcpEndpoint, UdpEndpoint } from '../../netstack/endpoint.ts';

/** SO_TIMESTAMP and SO_TIMESTAMPNS exclude one another. */
export type TimestampKind = 'none' | 'microseconds' | 'nanoseconds';

/** Values that the socket keeps because the endpoint has no use for them, or has one field for two options. */
export class OptionState {
  /** SO_LINGER's l_linger survives l_onoff 0. */
  lingerOn = false;
  lingerSeconds = 0;
  keepAlive = false;
  oobInline = false;
  broadcast = false;
  noChecksum = false;
  /** UDP_CORK; TCP_CORK is the endpoint's. */
  cork = false;
  receiveLowWater = 1;
  timestamp: TimestampKind = 'none';

  /** IPv4 and IPv6 values apart: an AF_INET6 socket has both, and sends IPv4 with the former. -1 is the default. */
  ttl = -1;
  tos = 0;
  hopLimit = -1;
  trafficClass = 0;
  /** IP_PMTUDISC_*; likewise apart in Linux, one for both here where they are set together by every known program. */
  mtuDiscover = 1;
  multicastInterfaceAddress = 0;
  /** IP_MULTICAST_ALL once set; until then it is on for AF_INET and off for AF_INET6 (inet6_create leaves it alone). */
  multicastAll: boolean | undefined = undefined;
  multicastAll6 = true;

  packetInfo = false;
  receiveTtl = false;
  receiveTos = false;
  receiveOriginalDestination = false;
  receiveErrors = false;
  packetInfo6 = false;
  receiveHopLimit = false;
  receiveTrafficClass = false;
  receiveOriginalDestination6 = false;
  receiveErrors6 = false;

  /** What an accepted connection gets of its listener. */
  static from(parent: OptionState): OptionState {
    return Object.assign(new OptionState(), parent);
  }
}

export interface OptionTarget {
  readonly domain: number;
  readonly type: number;
  readonly protocol: number;
  receiveTimeoutUs: number;
  sendTimeoutUs: number;
  readonly stack: Netstack;
  readonly options: OptionState;
  /** Settings of whichever endpoint it is. */
  readonly settings: IpSettings;
  /** The endpoint: one of the two is undefined. */
  readonly tcp: TcpEndpoint | undefined;
  readonly udp: UdpEndpoint | undefined;
  /** SO_ERROR: the pending errno, cleared; 0 for none. */
  takeErrno(): number;
  /** Values in `options` and `settings` changed: they take effect. */
  optionsChanged(): void;
}
