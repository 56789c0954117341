/** The way out: the link to a gateway process of our own, and the control channel beside it. */

import {
  type Counters,
  type GatewayConfig,
  type GatewayProcess,
  type MessageFromGateway,
  PublishError,
  spawnGateway,
} from '../gateway/spawn.ts';
import { monotonic, realtimeOffset } from '../host/clock.ts';
import { EPOLLIN, EPOLLOUT } from '../host/epoll.ffi.ts';
import { SocketFrameIo } from '../host/fd-frame-io.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { IpAddress } from '../netstack/address.ts';
import { FramedLink } from '../netstack/link/framed.ts';
import type { LinkCounters } from '../netstack/link/link.ts';
import { type CaptureSink, CapturingLink } from '../netstack/link/pcapng.ts';
import type { Stack } from '../netstack/stack.ts';
import { AttributingLink, Comments } from './attribution.ts';
import { RunError } from './errors.ts';
import type { Loop } from './loop.ts';

const DNS_PORT = 53;
/** How long the gateway is given to tell its last counters. */
const COUNTERS_TIMEOUT_MS = 3000;

const macOf = (text: string): Uint8Array => Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));

function spawn(config: GatewayConfig): GatewayProcess {
  try {
    return spawnGateway(config);
  } catch (error) {
    if (error instanceof PublishError) throw new RunError('E_PUBLISH', error.what, error.remedy, error);
    throw error;
  }
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

export class Uplink {
  readonly link: AttributingLink;
  /** Every message of the gateway, as it arrives. */
  onMessage: ((message: MessageFromGateway) => void) | undefined = undefined;
  readonly #process: GatewayProcess;
  readonly #framed: FramedLink;
  readonly #capture: CapturingLink | undefined;
  #loop: Loop | undefined = undefined;
  #wantsOut = false;
  #ready = false;
  #answered: ((counters: Counters) => void) | undefined = undefined;

  /** @throws RunError, ConfigError, GatewayStartError, HostError */
  constructor(config: GatewayConfig, stack: Stack, capture?: Capture) {
    this.#process = spawn(config);
    const { linkFd, control } = this.#process;
    const { pool } = stack;
    this.#framed = new FramedLink({
      io: new SocketFrameIo(linkFd, pool),
      pool,
      linkAddress: macOf(this.#process.config.guestMac),
      mtu: this.#process.config.mtu,
    });
    this.#capture = capture === undefined ? undefined : this.#capturing(capture);
    this.link = new AttributingLink(this.#capture ?? this.#framed, (notice) => control.send(notice));
    control.receiver = (message) => this.#receive(message);
    this.#join(stack);
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
  #join(stack: Stack): void {
    const { guest4, prefix4, gateway4, guest6, prefix6, gateway6, guestNameservers } = this.#process.config;
    stack.addLink(this.link, {
      name: 'eth0',
      addresses: [
        { address: IpAddress.of(guest4), prefix: prefix4 },
        { address: IpAddress.of(guest6), prefix: prefix6 },
      ],
      gateways: [IpAddress.of(gateway4), IpAddress.of(gateway6)],
      // A name server on the guest's loopback (systemd-resolved's) is the host's, so it stands behind the link.
      services: guestNameservers
        .map((text) => IpAddress.of(text))
        .filter((address) => address.isLoopback)
        .map((address) => ({ address, port: DNS_PORT })),
    });
  }
  #receive(message: MessageFromGateway): void {
    if (message.type === 'ready') this.#ready = true;
    if (message.type === 'counters') this.#answered?.(message);
    this.onMessage?.(message);
  }

  attach(loop: Loop): void {
    this.#loop = loop;
    const { linkFd, controlFd, control } = this.#process;
    loop.add(linkFd, EPOLLIN, (events) => {
      if ((events & EPOLLOUT) !== 0) this.#framed.writable();
      this.#framed.poll();
    });
    loop.add(controlFd, EPOLLIN, () => {
      control.poll();
      if (control.closed) loop.remove(controlFd);
    });
  }
  /** At the end of a turn: what could not leave waits for the descriptor. */
  flush(): void {
    this.#capture?.flush();
    const wants = this.#framed.isBlocked;
    if (this.#framed.isClosed) this.#loop?.remove(this.#process.linkFd);
    else if (wants !== this.#wantsOut) this.#loop?.modify(this.#process.linkFd, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
    this.#wantsOut = wants;
    if (this.#process.control.queued > 0) this.#process.control.flush();
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
  get gatewayPid(): number {
    return this.#process.pid;
  }

  /** The gateway's own counters; undefined if it does not tell in time. */
  async gatewayCounters(): Promise<Counters | undefined> {
    // A guest that sent nothing need not wait until its gateway is up.
    if (this.#process.control.closed || (!this.#ready && this.counters.txFrames === 0)) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<Counters | undefined>((resolve) => {
      this.#answered = resolve;
      timer = setTimeout(() => resolve(undefined), COUNTERS_TIMEOUT_MS);
    });
    this.#process.control.send({ type: 'stats' });
    const counters = await answer;
    clearTimeout(timer);
    this.#answered = undefined;
    return counters;
  }
  /** Ends the gateway and waits for its end. */
  async close(): Promise<void> {
    this.#loop?.remove(this.#process.linkFd);
    this.#loop?.remove(this.#process.controlFd);
    this.#capture?.finish();
    this.#framed.close();
    close(this.#process.linkFd);
    close(this.#process.controlFd);
    if (!this.#ready) endProcess(this.#process.pid);
    await this.#process.exited.catch(() => undefined);
  }
}
