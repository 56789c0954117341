/** The gateway as a library: the module, its configuration and the process that runs it. */
export { type CompleteConfig, ConfigError, type GatewayConfig, type PublishedPort, parseConfig } from './config.ts';
export {
  type GatewayControl,
  gatewayControl,
  MessageChannel,
  type MessageTransport,
  type SentryControl,
  sentryControl,
} from './control.ts';
export type { ControlChannel } from './flow-log.ts';
export { Gateway, type GatewayOptions, type SteppedClock } from './gateway.ts';
export type { Host, HostSockets, PeerName, Poller, Watched } from './host.ts';
export { InlineGateway } from './inline.ts';
export { closeListeners, openListeners, PublishError } from './listeners.ts';
export type {
  Counters,
  FlowClosed,
  FlowMetadata,
  FlowOpened,
  FlowOwner,
  FlowRefused,
  Listener,
  MessageFromGateway,
  MessageToGateway,
} from './messages.ts';
export { localHost } from './process.ts';
export { type GatewayExit, type GatewayProcess, GatewayStartError, spawnGateway } from './spawn.ts';
