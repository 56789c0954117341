/** A gateway in a process of its own, with the control channel beside the link (docs/decisions/0007). */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Counters,
  type FlowMetadata,
  type GatewayConfig,
  type GatewayExit,
  type GatewayProcess,
  type MessageFromGateway,
  macOf,
  spawnGateway,
} from '../gateway/spawn.ts';
import { EPOLLIN } from '../host/epoll.ffi.ts';
import { BundleSocketIo } from '../host/fd-frame-io.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import type { PacketPool } from '../netstack/packet.ts';
import type { GatewayEnded, GatewayPeer } from './carrier.ts';
import { DescriptorCarrier } from './descriptor-carrier.ts';
import { interfaceOptions, startError } from './gateway-settings.ts';
import type { Loop } from './loop.ts';

/** How long the gateway is given to tell its last counters. */
const COUNTERS_TIMEOUT_MS = 3000;
/** The gateway ends by itself once its guest's last octets are delivered, for which it takes ten seconds at most. */
const EXIT_TIMEOUT_MS = 11_000;
/** How long the gateway is given to take what was said to it before its end, and how often that is tried. */
const LAST_WORD_MS = 1000;
const LAST_WORD_STEP_MS = 5;

/** Without the word `end` a gateway takes the closed link for its supervisor's death. */
export async function dismiss(
  control: Pick<GatewayProcess['control'], 'sendSurely' | 'flush' | 'queued' | 'closed'>,
): Promise<void> {
  control.sendSurely({ type: 'end' });
  for (let waited = 0; waited < LAST_WORD_MS && control.queued > 0 && !control.closed; waited += LAST_WORD_STEP_MS) {
    await delay(LAST_WORD_STEP_MS);
    control.flush();
  }
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

/** @throws RunError, ConfigError, GatewayStartError, HostError */
export function startGatewayProcess(config: GatewayConfig, pool: PacketPool): GatewayProcessCarrier {
  try {
    return new GatewayProcessCarrier(spawnGateway(config), pool);
  } catch (error) {
    throw startError(error);
  }
}

class GatewayProcessCarrier extends DescriptorCarrier implements GatewayPeer {
  onMessage: ((message: MessageFromGateway) => void) | undefined = undefined;
  readonly #process: GatewayProcess;
  #watcher: GatewayEnded | undefined = undefined;
  /** For who asks later. */
  #exit: GatewayExit | undefined = undefined;
  #loop: Loop | undefined = undefined;
  #ready = false;
  /** Its end is ours to want. */
  #dismissed = false;
  #answered: ((counters: Counters | undefined) => void) | undefined = undefined;

  constructor(gateway: GatewayProcess, pool: PacketPool) {
    const { linkFd, config, control, exited } = gateway;
    super(
      {
        linkFd,
        io: (slab) => new BundleSocketIo(linkFd, slab),
        linkAddress: macOf(config.guestMac),
        mtu: config.mtu,
        options: interfaceOptions(config),
      },
      pool,
    );
    this.#process = gateway;
    control.receiver = (message) => this.#receive(message);
    void exited.then(
      (exit) => this.#ended(exit),
      () => undefined, // it was never started, which `spawnGateway` has thrown
    );
  }
  override get gateway(): GatewayPeer {
    return this;
  }
  get wantsFlows(): boolean {
    return this.#process.config.flowRecords;
  }
  #receive(message: MessageFromGateway): void {
    if (message.type === 'ready') this.#ready = true;
    if (message.type === 'counters') this.#answered?.(message);
    this.onMessage?.(message);
  }
  #ended(exit: GatewayExit): void {
    this.#answered?.(undefined);
    this.#exit = exit;
    if (!this.#dismissed || (exit.code !== 0 && this.#ready)) this.#watcher?.(this.#process.pid, exit, this.#dismissed);
  }
  watch(ended: GatewayEnded): void {
    this.#watcher = ended;
    if (this.#exit !== undefined) this.#ended(this.#exit);
  }
  announce(flow: FlowMetadata): void {
    this.#process.control.send(flow);
  }

  override attach(loop: Loop): void {
    super.attach(loop);
    this.#loop = loop;
    const { controlFd, control } = this.#process;
    loop.add(controlFd, EPOLLIN, () => {
      control.poll();
      if (control.closed) loop.remove(controlFd);
    });
  }
  override flush(): boolean {
    const { control } = this.#process;
    if (control.queued > 0) control.flush();
    return super.flush();
  }

  async counters(): Promise<Counters | undefined> {
    // A guest that sent nothing need not wait until its gateway is up.
    const { control } = this.#process;
    if (control.closed || (!this.#ready && this.endpoint.counters.txFrames === 0)) return undefined;
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
  override async close(): Promise<void> {
    const { controlFd, control, pid } = this.#process;
    this.#loop?.remove(controlFd);
    this.#dismissed = true;
    await dismiss(control);
    await super.close();
    close(controlFd);
    if (!this.#ready) endProcess(pid);
    await awaitExit(this.#process);
  }
}

export type { GatewayProcessCarrier };
