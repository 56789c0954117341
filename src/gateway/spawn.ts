/**
 * Starts the gateway's process. Link and control channel are SEQPACKET pairs; our ends are close-on-exec, so that no other child, and least of all a guest,
 * keeps the gateway alive or speaks to it. The child gets a session of its own: Ctrl-C is for the guest.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { seqpacketPair } from '../host/fd-frame-io.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { MessageSocket } from '../host/message-socket.ts';
import { type CompleteConfig, type GatewayConfig, parseConfig } from './config.ts';
import { type SentryControl, sentryControl } from './control.ts';
import { closeListeners, openListeners } from './listeners.ts';
import { MESSAGE_LIMIT } from './messages.ts';

export { type CompleteConfig, type GatewayConfig, macOf, type PublishedPort } from './config.ts';
export { PublishError } from './listeners.ts';
export type { Counters, FlowClosed, FlowMetadata, FlowOpened, FlowRefused, MessageFromGateway } from './messages.ts';

/** Behind the three standard ones, the link and the control channel. */
const FIRST_LISTENER = 5;

export interface GatewayExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}
export interface GatewayProcess {
  readonly pid: number;
  /** The configuration with its defaults: the addresses of both sides. */
  readonly config: CompleteConfig;
  /** Our end of the link, non-blocking. Closing it ends the gateway. */
  readonly linkFd: number;
  /** Our end of the control channel: to be watched for reading; `control` reads it. */
  readonly controlFd: number;
  readonly control: SentryControl;
  readonly exited: Promise<GatewayExit>;
}

/** The gateway could not be started. */
export class GatewayStartError extends Error {
  override readonly name = 'GatewayStartError';
  readonly code = 'ERR_GATEWAY_START';
}

/**
 * The link may be used at once: frames wait in it until the gateway is up. `{ type: 'ready' }` on the control channel tells when it is.
 * @throws ConfigError, PublishError, GatewayStartError, HostError
 */
export function spawnGateway(config: GatewayConfig): GatewayProcess {
  const complete = parseConfig(config);
  const listeners = openListeners(complete.published);
  const link = seqpacketPair();
  const channel = seqpacketPair();
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const child = spawn(process.execPath, [main], {
    stdio: ['ignore', 'ignore', 'inherit', link.fds[1], channel.fds[1], ...listeners.map(({ fd }) => fd)],
    detached: true,
  });
  const exited = new Promise<GatewayExit>((resolve, reject) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', (cause) =>
      reject(new GatewayStartError('the gateway process could not be started', { cause })),
    );
  });
  close(link.fds[1]);
  close(channel.fds[1]);
  closeListeners(listeners);
  if (child.pid === undefined) {
    // The promise carries the reason; here it is only kept from counting as unhandled.
    exited.catch(() => undefined);
    close(link.fds[0]);
    close(channel.fds[0]);
    throw new GatewayStartError(`the gateway process could not be started: is ${process.execPath} executable?`);
  }
  const control = sentryControl(new MessageSocket(channel.fds[0], MESSAGE_LIMIT));
  // The child's descriptors stand in the order of `stdio`.
  const inherited = listeners.map((listener, i) => ({ ...listener, fd: FIRST_LISTENER + i }));
  control.send({ type: 'config', config: complete, pid: process.pid, listeners: inherited });
  return { pid: child.pid, config: complete, linkFd: link.fds[0], controlFd: channel.fds[0], control, exited };
}
