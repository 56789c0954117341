/** What the rows of the option table see of a socket. */
import type { IpSettings, Netstack, TcpEndpoint, UdpEndpoint } from '../../netstack/endpoint.ts';
import { IpOptionState } from './ip-state.ts';

/** SO_TIMESTAMP and SO_TIMESTAMPNS exclude one another. */
export type TimestampKind = 'none' | 'microseconds' | 'nanoseconds';

/** Values that the socket keeps because the endpoint has no use for them, or has one field for two options. */
export class OptionState extends IpOptionState {
  /** SO_LINGER's l_linger survives l_onoff 0. */
  lingerOn = false;
  lingerSeconds = 0;
  keepAlive = false;
  oobInline = false;
  broadcast = false;
  noChecksum = false;
  receiveLowWater = 1;
  timestamp: TimestampKind = 'none';

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
  /** IPV6_ADDRFORM. */
  becomeIpv4?(): void;
  /** SO_ERROR: the pending errno, cleared; 0 for none. */
  takeErrno(): number;
  /** Values in `options` and `settings` changed: they take effect. */
  optionsChanged(): void;
}
