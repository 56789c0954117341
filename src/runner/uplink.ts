/**
 * The way out: a link to a gateway process of our own with the control channel beside it, or to whatever stands behind a tap or a descriptor (device-link.ts),
 * which gets no notice of who causes a flow.
 */

import {
  type Counters,
  type GatewayConfig,
  type GatewayExit,
  type GatewayProcess,
  type MessageFromGateway,
  PublishError,
  spawnGateway,
} from '../gateway/spawn.ts';
import { monotonic, realtimeOffset } from '../host/clock.ts';
import { EPOLLIN, EPOLLOUT } from '../host/epoll.ffi.ts';
import { BundleSocketIo } from '../host/fd-frame-io.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { IpAddress } from '../netstack/address.ts';
import type { FrameIo } from '../netstack/link/framed.ts';
import { FramedLink } from '../netstack/link/framed.ts';
import type { LinkCounters } from '../netstack/link/link.ts';
import { type CaptureSink, CapturingLink } from '../netstack/link/pcapng.ts';
import type { PacketPool } from '../netstack/packet.ts';
import type { LinkOptions, Stack } from '../netstack/stack.ts';
import { AttributingLink, Comments } from './attribution.ts';
import { RunError } from './errors.ts';
import type { Loop } from './loop.ts';

const DNS_PORT = 53;
/** How long the gateway is given to tell its last counters. */
const COUNTERS_TIMEOUT_MS = 3000;
/** The gateway ends by itself once its guest's last octets are delivered, for which it takes ten seconds at most. */
const EXIT_TIMEOUT_MS = 11_000;

const macOf = (text: string): Uint8Array => Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));

function spawn(config: GatewayConfig): GatewayProcess {
  try {
    return spawnGateway(config);
  } catch (error) {
    if (error instanceof PublishError) throw new RunError('E_PUBLISH', error.what, error.remedy, error);
    throw error;
  }
}

/** What stands behind the link, and how the guest's interface is configured. */
export interface Backend {
  /** Closed with the link. */
  readonly linkFd: number;
  readonly io: (pool: PacketPool) => FrameIo;
  readonly linkAddress: Uint8Array;
  readonly mtu: number;
  readonly options: Omit<LinkOptions, 'name'>;
  /** Undefined for a link without gateway of ours. */
  readonly gateway: GatewayProcess | undefined;
}

/** A gateway of our own, started here. @throws RunError, ConfigError, GatewayStartError, HostError */
export function startGateway(config: GatewayConfig): Backend {
  const gateway = spawn(config);
  const { guest4, prefix4, gateway4, dns4, guest6, prefix6, gateway6, dns6, guestNameservers } = gateway.config;
  const { guestMac, gatewayMac, mtu } = gateway.config;
  const behind = macOf(gatewayMac);
  return {
    gateway,
    linkFd: gateway.linkFd,
    io: (pool) => new BundleSocketIo(gateway.linkFd, pool),
    linkAddress: macOf(guestMac),
    mtu,
    options: {
      addresses: [
        { address: IpAddress.of(guest4), prefix: prefix4 },
        { address: IpAddress.of(guest6), prefix: prefix6 },
      ],
      gateways: [IpAddress.of(gateway4), IpAddress.of(gateway6)],
      // The link's descriptor holds what is sent before the gateway runs; a queue of frames that wait for its ARP answer would hold 64.
      neighbors: [gateway4, dns4, gateway6, dns6].map((text) => ({ address: IpAddress.of(text), linkAddress: behind })),
      // A name server on the guest's loopback (systemd-resolved's) is the host's, so it stands behind the link.
      services: guestNameservers
        .map((text) => IpAddress.of(text))
        .filter((address) => address.isLoopback)
        .map((address) => ({ address, port: DNS_PORT })),
    },
  };
}

/** A capture of the link. */
export interface Capture {
  readonly sink: CaptureSink;
  /** A call by its number. */
  readonly callName: (nr: number) => string;
}

/** One that has not heard of its end yet; it may have ended on its own. */
function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: nothing is left to end.
  }
}

/** Waits for a gateway whose link is closed; one that does not end in time (stopped, or stuck) is killed. */
export async function awaitExit(
  { pid, exited }: Pick<GatewayProcess, 'pid' | 'exited'>,
  timeoutMs = EXIT_TIMEOUT_MS,
): Promise<void> {
  const timer = setTimeout(() => endProcess(pid), timeoutMs);
  await exited.catch(() => undefined);
  clearTimeout(timer);
}

/** @param late the link was closed already */
type GatewayEnded = (pid: number, exit: GatewayExit, late: boolean) => void;

export class Uplink {
  readonly link: AttributingLink;
  /** Every message of the gateway, as it arrives. */
  onMessage: ((message: MessageFromGateway) => void) | undefined = undefined;
  readonly #backend: Backend;
  readonly #framed: FramedLink;
  readonly #capture: CapturingLink | undefined;
  #gatewayEnded: GatewayEnded | undefined = undefined;
  /** For who asks later. */
  #gatewayExit: GatewayExit | undefined = undefined;
  #loop: Loop | undefined = undefined;
  #wantsOut = false;
  #ready = false;
  /** Its end is ours to want. */
  #dismissed = false;
  #answered: ((counters: Counters | undefined) => void) | undefined = undefined;

  constructor(backend: Backend, stack: Stack, capture?: Capture) {
    this.#backend = backend;
    const { linkAddress, mtu, gateway, options } = backend;
    const { pool } = stack;
    this.#framed = new FramedLink({ io: backend.io(pool), pool, linkAddress, mtu });
    this.#capture = capture === undefined ? undefined : this.#capturing(capture);
    this.link = new AttributingLink(
      this.#capture ?? this.#framed,
      stack.random,
      gateway?.config.flowRecords === true ? (notice) => gateway.control.send(notice) : undefined,
    );
    if (gateway !== undefined) {
      gateway.control.receiver = (message) => this.#receive(message);
      void gateway.exited.then(
        (exit) => this.#ended(gateway.pid, exit),
        () => undefined, // it was never started, which `spawnGateway` has thrown
      );
    }
    stack.addLink(this.link, { name: 'eth0', ...options });
  }
  #capturing({ sink, callName }: Capture): CapturingLink {
    const offset = realtimeOffset();
    const comments = new Comments(callName);
    return new CapturingLink(this.#framed, {
      sink,
      name: 'eth0',
      realtimeUs: () => monotonic() + offset,
      describe: (socketId, callId) => comments.of(this.link.callerOf(socketId), callId),
    });
  }
  #receive(message: MessageFromGateway): void {
    if (message.type === 'ready') this.#ready = true;
    if (message.type === 'counters') this.#answered?.(message);
    this.onMessage?.(message);
  }

  #ended(pid: number, exit: GatewayExit): void {
    this.#answered?.(undefined);
    this.#gatewayExit = exit;
    if (!this.#dismissed || (exit.code !== 0 && this.#ready)) this.#gatewayEnded?.(pid, exit, this.#dismissed);
  }
  /** `ended` is called when the gateway has ended before its time or, late, not well. */
  watchGateway(ended: GatewayEnded): void {
    const { gateway } = this.#backend;
    this.#gatewayEnded = ended;
    if (gateway !== undefined && this.#gatewayExit !== undefined) this.#ended(gateway.pid, this.#gatewayExit);
  }

  attach(loop: Loop): void {
    this.#loop = loop;
    const { linkFd, gateway } = this.#backend;
    loop.add(linkFd, EPOLLIN, (events) => {
      if ((events & EPOLLOUT) !== 0) this.#framed.writable();
      this.#framed.poll();
    });
    if (gateway === undefined) return;
    const { controlFd, control } = gateway;
    loop.add(controlFd, EPOLLIN, () => {
      control.poll();
      if (control.closed) loop.remove(controlFd);
    });
  }
  /** At the end of a turn: what could not leave waits for the descriptor. */
  flush(): void {
    this.#capture?.flush();
    this.#framed.flush();
    const wants = this.#framed.isBlocked;
    if (this.#framed.isClosed) this.#loop?.remove(this.#backend.linkFd);
    else if (wants !== this.#wantsOut) this.#loop?.modify(this.#backend.linkFd, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
    this.#wantsOut = wants;
    const control = this.#backend.gateway?.control;
    if (control !== undefined && control.queued > 0) control.flush();
  }

  get counters(): LinkCounters {
    return this.#framed.counters;
  }
  get flows(): number {
    return this.link.flows;
  }
  get isClosed(): boolean {
    return this.#framed.isClosed;
  }
  /** Undefined without a gateway of ours. */
  get gatewayPid(): number | undefined {
    return this.#backend.gateway?.pid;
  }

  /** The gateway's own counters; undefined if it does not tell in time. */
  async gatewayCounters(): Promise<Counters | undefined> {
    // A guest that sent nothing need not wait until its gateway is up.
    const control = this.#backend.gateway?.control;
    if (control === undefined || control.closed || (!this.#ready && this.counters.txFrames === 0)) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<Counters | undefined>((resolve) => {
      this.#answered = resolve;
      timer = setTimeout(() => resolve(undefined), COUNTERS_TIMEOUT_MS);
    });
    control.send({ type: 'stats' });
    const counters = await answer;
    clearTimeout(timer);
    this.#answered = undefined;
    return counters;
  }
  /** Ends the link; a gateway of ours ends with it and is waited for. */
  async close(): Promise<void> {
    const { linkFd, gateway } = this.#backend;
    this.#loop?.remove(linkFd);
    if (gateway !== undefined) this.#loop?.remove(gateway.controlFd);
    this.#capture?.finish();
    this.#dismissed = true;
    gateway?.control.send({ type: 'end' });
    this.#framed.close();
    close(linkFd);
    if (gateway === undefined) return;
    close(gateway.controlFd);
    if (!this.#ready) endProcess(gateway.pid);
    await awaitExit(gateway);
  }
}
