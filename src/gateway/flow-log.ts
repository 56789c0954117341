/**
 * Who caused a flow, and the records of flows. The sentry announces a flow on the control channel before the flow's first frame; the two
 * channels are read independently, so the channel is read once more when a flow begins unannounced.
 */
import type { IpAddress } from '../netstack/address.ts';
import type { GatewayCounters } from './counters.ts';
import type { FlowMetadata, FlowOwner, MessageFromGateway } from './messages.ts';

export type FlowProtocol = 'tcp' | 'udp' | 'icmp';

/** Announcements kept for flows that have not begun; the oldest is forgotten and counted. */
const PENDING_LIMIT = 1024;

/** What all kinds of flow have in common; addresses as the guest sees them. An echo flow has the identifier for the guest's port, and 0 for the other. */
export interface FlowIdentity {
  readonly protocol: FlowProtocol;
  /** Whether the guest opened it, or a client of the host's through a published port. */
  readonly origin: 'guest' | 'published';
  readonly guestAddress: IpAddress;
  readonly guestPort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  /** Of a published port: the client as the host knows it; the remote address is what it shows as. */
  readonly client?: Client | undefined;
}
export interface Client {
  readonly address: IpAddress;
  readonly port: number;
}
export interface LoggedFlow extends FlowIdentity {
  readonly id: number;
  readonly owner: FlowOwner | undefined;
  /** Payload octets. */
  octetsFromGuest: number;
  octetsToGuest: number;
}

export interface ControlChannel {
  /** Reads what waits, handing announcements to `FlowLog.announce`. */
  poll(): unknown;
  send(message: MessageFromGateway): void;
  /** Messages received that were none, and messages that found no room. */
  readonly malformed: number;
  readonly lost: number;
}

const keyOf = (protocol: string, guest: string, guestPort: number, remote: string, remotePort: number): string =>
  `${protocol} ${guest} ${guestPort} ${remote} ${remotePort}`;

const clientOf = ({ client }: FlowIdentity) =>
  client === undefined ? undefined : { address: client.address.toString(), port: client.port };

const ends = (flow: FlowIdentity) => ({
  protocol: flow.protocol,
  local: { address: flow.guestAddress.toString(), port: flow.guestPort },
  remote: { address: flow.remoteAddress.toString(), port: flow.remotePort },
});

export class FlowLog {
  readonly #pending = new Map<string, FlowOwner>();
  readonly #counters: GatewayCounters;
  readonly #control: ControlChannel;
  readonly #recorded: boolean;
  #lastId = 0;

  /** @param recorded whether records are sent; without them owners are of no use either. */
  constructor(counters: GatewayCounters, control: ControlChannel, recorded = true) {
    this.#counters = counters;
    this.#control = control;
    this.#recorded = recorded;
  }

  announce(m: FlowMetadata): void {
    const key = keyOf(m.protocol, m.local.address, m.local.port, m.remote.address, m.remote.port);
    this.#pending.delete(key);
    this.#pending.set(key, {
      pid: m.pid,
      tid: m.tid,
      fd: m.fd,
      socketId: m.socketId,
      callId: m.callId,
      command: m.command,
    });
    if (this.#pending.size <= PENDING_LIMIT) return;
    const oldest = this.#pending.keys().next();
    if (oldest.done !== true) this.#pending.delete(oldest.value);
    this.#counters.event('announcements-forgotten');
  }

  nextId(): number {
    this.#lastId = (this.#lastId + 1) & 0x7fff_ffff;
    return this.#lastId;
  }
  /** The announced owner of a flow that begins. */
  takeOwner(flow: FlowIdentity): FlowOwner | undefined {
    // The sentry announces ports alone.
    if (flow.protocol === 'icmp' || !this.#recorded) return undefined;
    const key = keyOf(
      flow.protocol,
      flow.guestAddress.toString(),
      flow.guestPort,
      flow.remoteAddress.toString(),
      flow.remotePort,
    );
    if (!this.#pending.has(key)) this.#control.poll();
    const owner = this.#pending.get(key);
    if (owner === undefined) this.#counters.event('flows-unannounced');
    else this.#pending.delete(key);
    return owner;
  }

  opened(flow: LoggedFlow): void {
    if (!this.#recorded) return;
    this.#control.send({
      type: 'flow-opened',
      id: flow.id,
      origin: flow.origin,
      ...ends(flow),
      client: clientOf(flow),
      owner: flow.owner,
    });
  }
  closed(flow: LoggedFlow, reason: string): void {
    if (!this.#recorded) return;
    this.#control.send({
      type: 'flow-closed',
      id: flow.id,
      origin: flow.origin,
      ...ends(flow),
      client: clientOf(flow),
      owner: flow.owner,
      octets: { fromGuest: flow.octetsFromGuest, toGuest: flow.octetsToGuest },
      reason,
    });
  }
  refused(flow: FlowIdentity, reason: string): void {
    this.#counters.refuse(reason);
    if (!this.#recorded) return;
    this.#control.send({ type: 'flow-refused', ...ends(flow), owner: this.takeOwner(flow), reason });
  }
}
