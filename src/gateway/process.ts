/**
 * The gateway on this machine: its interfaces joined to `src/host`, and the loop of its process. The loop blocks in epoll_wait, whose one edge-triggered
 * descriptor watches the link, the control channel and every host socket; Node's own loop never runs (measured: 3-12 % faster round trips than
 * under uv, and no promise or timer to wake it). A turn: wait, clock, events, control before frames, frames, flush.
 */
import { HostRandom, monotonic } from '../host/clock.ts';
import { confine } from '../host/confinement.ts';
import { EventPoller } from '../host/event-poller.ts';
import { BundleSocketIo } from '../host/fd-frame-io.ffi.ts';
import { addressOf } from '../host/libc.ffi.ts';
import { accept, receiveFrom, sendTo } from '../host/listener.ffi.ts';
import { MessageSocket } from '../host/message-socket.ts';
import { RoutingTable } from '../host/routes.ffi.ts';
import * as sockets from '../host/socket.ffi.ts';
import { type Instant, TimerHeap } from '../lib/clock.ts';
import { FramedLink } from '../netstack/link/framed.ts';
import { PacketPool } from '../netstack/packet.ts';
import { ConfigError, parseConfig, resolveConfig } from './config.ts';
import { type GatewayControl, gatewayControl } from './control.ts';
import { Gateway } from './gateway.ts';
import { Event, type Host, type HostSockets, mustWatch, type Watched } from './host.ts';
import { MESSAGE_LIMIT, type MessageToGateway } from './messages.ts';
import { GATEWAY_CONFINEMENT } from './own-calls.ts';

type ConfigMessage = Extract<MessageToGateway, { type: 'config' }>;

/** Frames a turn. */
const LINK_BUDGET = 64;
/** How long, after the sentry's death, octets of connections that the guest had ended are still offered to hosts. */
const LAST_OCTETS_US = 300_000;
/** epoll_wait takes an int of milliseconds; a day is as good as for ever. */
const LONGEST_WAIT_MS = 86_400_000;

const hostSockets: HostSockets = {
  openSocket: sockets.openSocket,
  prepareStream: sockets.prepareStream,
  prepareDatagram: sockets.prepareDatagram,
  connect: sockets.connect,
  send: sockets.send,
  receive: sockets.receive,
  shutdownWrite: sockets.shutdownWrite,
  takeError: sockets.takeError,
  setPeekOffset: sockets.setPeekOffset,
  closeSocket: sockets.closeSocket,
  closeStream: sockets.closeStream,
  closeWithReset: sockets.closeWithReset,
  accept,
  receiveFrom,
  sendTo,
};

/** Kept for the life of the process. */
let routes: RoutingTable | undefined;

/**
 * @param poller whose events the caller waits for and dispatches.
 * @throws HostError where netlink is forbidden
 */
export function localHost(poller: EventPoller): Host {
  const table = (routes ??= new RoutingTable());
  return { sockets: hostSockets, poller, isHostAddress: (address) => table.isLocal(address), addressOf };
}
export const hasPeekOffset = sockets.probePeekOffset;
/** The process ends a second after the thread that started it, should the link's end ever fail to tell. */
export const { endAfterParent } = sockets;

/** Remembers the events of one descriptor until the loop gets to it. */
class Ready implements Watched {
  watchKey = -1;
  readable = true;
  writable = false;
  hostEvent(events: number): void {
    if ((events & ~Event.Out) !== 0) this.readable = true;
    if ((events & Event.Out) !== 0) this.writable = true;
  }
}

/** Milliseconds until `next`, rounded up: waking early would spin. */
function waitFor(next: Instant | undefined): number {
  if (next === undefined) return -1;
  return Math.min(Math.max(Math.ceil((next - monotonic()) / 1000), 0), LONGEST_WAIT_MS);
}

/** Reads the configuration, the first message; what comes with it is kept. Undefined when the other side is gone. */
function awaitConfig(
  control: GatewayControl,
  poller: EventPoller,
  early: MessageToGateway[],
): ConfigMessage | undefined {
  control.receiver = (message) => early.push(message);
  for (;;) {
    while (control.poll());
    const first = early.shift();
    if (first?.type === 'config') return first;
    if (first !== undefined) throw new ConfigError(`the first message must be the configuration, not "${first.type}"`);
    if (control.malformed > 0) throw new ConfigError('the first message is not a configuration');
    if (control.closed) return undefined;
    poller.wait(-1);
  }
}

/**
 * Serves until the link or the control channel closes.
 * @param onStarted called when all is loaded that it needs, the last moment at which it may write files
 * @throws ConfigError
 */
export function serve(linkFd: number, controlFd: number, onStarted: () => void): void {
  const poller = new EventPoller();
  const control = gatewayControl(new MessageSocket(controlFd, MESSAGE_LIMIT));
  const controlReady = new Ready();
  mustWatch(poller, controlFd, controlReady);
  const early: MessageToGateway[] = [];
  try {
    const given = awaitConfig(control, poller, early);
    if (given === undefined) return;
    const gateway = assemble(given, linkFd, poller, control);
    onStarted();
    gateway.run(early, controlReady);
  } catch (error) {
    control.send({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

function assemble(given: ConfigMessage, linkFd: number, poller: EventPoller, control: GatewayControl): Loop {
  const config = parseConfig(given.config);
  const pool = new PacketPool();
  const link = new FramedLink({
    io: new BundleSocketIo(linkFd, pool),
    pool,
    linkAddress: resolveConfig(config).gatewayMac,
    mtu: config.mtu,
  });
  const gateway = new Gateway({
    config,
    link,
    pool,
    host: localHost(poller),
    clock: new TimerHeap(monotonic()),
    random: new HostRandom(),
    control,
    listeners: given.listeners,
    hasPeekOffset: hasPeekOffset(),
  });
  const linkReady = new Ready();
  mustWatch(poller, linkFd, linkReady, false);
  return new Loop({ gateway, link, linkFd, linkReady, poller, control, sentry: given.pid });
}

/** Nobody else of the run is left to tell. @param open count of the connections that there were */
function reportDeath(supervisor: number, open: number): void {
  const cut = open === 0 ? 'no connection to the host was open' : `${open} of its connections to the host were cut`;
  process.stderr.write(
    `sandsock: the supervisor (process ${supervisor}) was killed, crashed or left without ending its run: the guest ended with it, and ${cut}; if nobody killed it, look for the out-of-memory killer in dmesg\n`,
  );
}

interface LoopParts {
  readonly gateway: Gateway;
  readonly link: FramedLink;
  readonly linkFd: number;
  readonly linkReady: Ready;
  readonly poller: EventPoller;
  readonly control: GatewayControl;
  /** Its process. */
  readonly sentry: number;
}
class Loop {
  readonly #gateway: Gateway;
  readonly #link: FramedLink;
  readonly #linkFd: number;
  readonly #linkReady: Ready;
  readonly #poller: EventPoller;
  readonly #control: GatewayControl;
  /** Its process. */
  readonly #sentry: number;
  /** Counters are asked for. */
  #asked = false;
  /** The sentry said that it closes the link. */
  #dismissed = false;
  /** When lingering ends, after the sentry's death. */
  #lingersUntil: number | undefined = undefined;
  #awaitsRoom = false;

  constructor({ gateway, link, linkFd, linkReady, poller, control, sentry }: LoopParts) {
    this.#sentry = sentry;
    this.#gateway = gateway;
    this.#link = link;
    this.#linkFd = linkFd;
    this.#linkReady = linkReady;
    this.#poller = poller;
    this.#control = control;
  }

  run(early: readonly MessageToGateway[], controlReady: Ready): void {
    const gateway = this.#gateway;
    const control = this.#control;
    const receive = (message: MessageToGateway): void => {
      if (message.type === 'stats') this.#asked = true;
      else if (message.type === 'end') this.#dismissed = true;
      else gateway.message(message);
    };
    control.receiver = receive;
    early.forEach(receive);
    control.send({ type: 'ready', pid: process.pid, confined: confine(GATEWAY_CONFINEMENT) });
    let timeout = 0;
    while (gateway.closed === undefined || gateway.isLingering) {
      const open = gateway.tcp.size;
      const count = this.#poller.wait(timeout);
      gateway.begin(monotonic());
      this.#poller.dispatch(count);
      if (controlReady.writable) control.flush();
      controlReady.writable = false;
      if (controlReady.readable) controlReady.readable = control.poll();
      const busy = this.#frames();
      if (!busy) this.#drained();
      const next = gateway.step();
      this.#flush();
      timeout = busy || controlReady.readable ? 0 : waitFor(next);
      if (gateway.closed !== undefined && !this.#dismissed) timeout = this.#unlessBereaved(timeout, open);
    }
    control.send(gateway.stats());
  }
  /** How long the next turn may wait. A link that closed without a word had a sentry that died: that is told once, and lingering is short. */
  #unlessBereaved(timeout: number, open: number): number {
    while (this.#control.poll());
    if (this.#dismissed) return timeout;
    if (this.#lingersUntil === undefined) reportDeath(this.#sentry, open);
    this.#lingersUntil ??= monotonic() + LAST_OCTETS_US;
    const rest = Math.max(Math.ceil((this.#lingersUntil - monotonic()) / 1000), 0);
    if (rest === 0) this.#gateway.abort();
    return timeout < 0 ? rest : Math.min(timeout, rest);
  }
  #flush(): void {
    const link = this.#link;
    link.flush();
    if (link.isBlocked === this.#awaitsRoom) return;
    this.#awaitsRoom = link.isBlocked;
    this.#poller.setWriting(this.#linkFd, this.#linkReady, link.isBlocked);
  }
  /** What the control channel said meant the frames sent before it as well: a guest may send and end before this process runs. */
  #drained(): void {
    const gateway = this.#gateway;
    if (this.#asked) this.#control.send(gateway.stats());
    this.#asked = false;
    if (this.#control.closed && gateway.closed === undefined) gateway.linkClosed('control channel closed');
  }
  /** True when frames may still wait. */
  #frames(): boolean {
    const ready = this.#linkReady;
    if (ready.writable) this.#link.writable();
    ready.writable = false;
    if (!ready.readable) return false;
    const busy = this.#link.poll(LINK_BUDGET) === LINK_BUDGET;
    // Without a buffer to read to nothing was read, and no event will tell again: it is tried in every turn.
    ready.readable = busy || this.#gateway.isStarved;
    return busy;
  }
}
