/** The netstack as a library: `sandsock/netstack`. */
export {
  type Alarm,
  type Clock,
  type Duration,
  type Instant,
  micros,
  millis,
  seconds,
  TimerHeap,
} from '../lib/clock.ts';
export { type Random, SeededRandom } from '../lib/random.ts';
export { type Family, formatEndpoint, IpAddress } from './address.ts';
export type {
  Datagram,
  DatagramError,
  InterfaceInfo,
  Netstack,
  SendChoices,
  TcpEndpoint,
  TcpSettings,
  TcpState,
  UdpEndpoint,
  UdpSettings,
} from './endpoint.ts';
export { Shutdown, Urgent } from './endpoint.ts';
export {
  type IcmpError,
  type IpLayer,
  IpProtocol,
  type LinkService,
  type OutputOptions,
  type Route,
  type TransportProtocol,
} from './ip/ip.ts';
export type { RouteSpec } from './ip/route-table.ts';
export { type Faults, FaultyLink } from './link/faults.ts';
export { FramedLink, type FramedOptions, type FrameIo, FrameStatus } from './link/framed.ts';
export { LinkCapability, type LinkCounters, type LinkEndpoint, type LinkReceiver } from './link/link.ts';
export { LoopbackLink } from './link/loopback.ts';
export { LinkPair, type PairOptions } from './link/pair.ts';
export type { NetError } from './net-error.ts';
export { Csum, Gso, Packet, PacketPool, type PoolOptions } from './packet.ts';
export { type Observer, Readiness } from './readiness.ts';
export { type LinkOptions, Stack, type StackOptions, type TcpTransport, type TransportEnvironment } from './stack.ts';
export { Stats } from './stats.ts';
export { TcpLayer, type TcpLimits } from './tcp/tcp-layer.ts';
export { checksumIsValid, finishChecksum } from './transport-checksum.ts';
