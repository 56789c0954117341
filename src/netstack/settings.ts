/** What a new endpoint has: the values that getsockopt(2) reports on Linux. */
import type { IpSettings, TcpSettings, UdpSettings } from './endpoint.ts';

export const defaultIpSettings = (): IpSettings => ({
  ttl: 0,
  tos: 0,
  v6Only: false,
  reuseAddress: false,
  reusePort: false,
  boundInterface: 0,
  freeBind: false,
  bindAddressNoPort: false,
});

export const defaultTcpSettings = (): TcpSettings => ({
  ...defaultIpSettings(),
  noDelay: false,
  cork: false,
  keepAlive: false,
  keepIdleSeconds: 7200,
  keepIntervalSeconds: 75,
  keepCount: 9,
  userTimeoutMs: 0,
  maxSegment: 0,
  synRetries: 6,
  lingerSeconds: -1,
  linger2Seconds: 60,
  quickAck: true,
  deferAcceptSeconds: 0,
  windowClamp: 0,
  sendBuffer: 16_384,
  receiveBuffer: 131_072,
  sendBufferLocked: false,
  receiveBufferLocked: false,
  oobInline: false,
});

export const defaultUdpSettings = (): UdpSettings => ({
  ...defaultIpSettings(),
  broadcast: false,
  receiveBuffer: 212_992,
  sendBuffer: 212_992,
  // ip_no_pmtu_disc 0: IP_PMTUDISC_WANT.
  dontFragment: true,
  neverFragment: false,
  receiveErrors: false,
  receiveErrors6: false,
  noChecksum: false,
  multicastTtl: 1,
  multicastLoop: true,
  multicastInterface: 0,
  multicastSource: undefined,
  multicastAll: true,
  multicastAll6: true,
});
