/**
 * One TCP connection of the guest, translated to a host socket: its variables, named as RFC 9293 names them where it does. Its state is a set of
 * events that happened, not a ladder of states: each direction ends by itself, and the order of ends is the peers' choice.
 */
import type { ByteRing } from '../../lib/byte-ring.ts';
import type { Alarm, Instant } from '../../lib/clock.ts';
import type { IpAddress } from '../../netstack/address.ts';
import type { FlowIdentity, LoggedFlow } from '../flow-log.ts';
import { sumOf } from '../frames.ts';
import type { Watched } from '../host.ts';
import type { FlowOwner } from '../messages.ts';
import type { FlowService } from './service.ts';
import type { HostSource } from './source.ts';

export const Seen = {
  /** The host socket is connecting; the guest's SYN is unanswered. */
  Connecting: 1 << 0,
  /** Our SYN is unacknowledged. */
  SynReceived: 1 << 1,
  Established: 1 << 2,
  /** The host's stream ended at `finSeq`: our FIN occupies it, sent or not. */
  HostEnded: 1 << 3,
  FinAcked: 1 << 4,
  /** The guest's FIN arrived in order. */
  GuestEnded: 1 << 5,
  /** ... and was passed to the host with shutdown(2), unless close(2) could. */
  ShutDone: 1 << 6,
  /**
   * The host socket reported an error. It does so once, and any call may eat it (a later recv shows a false clean end), so it is
   * latched here: at the end of the data goes RST, never FIN.
   */
  HostReset: 1 << 7,
  /** Octets of the guest came behind the host's reset: they were neither taken nor acknowledged. */
  Refused: 1 << 8,
  /** The host socket may have something to read; false only after EAGAIN, or after a read that emptied it. */
  Readable: 1 << 9,
  /** send(2) took less than offered; EPOLLOUT follows. */
  HostFull: 1 << 10,
  /** Waits for the link to drain. */
  LinkBlocked: 1 << 11,
  /** Stands in the list of flows to flush at the end of this turn. */
  Dirty: 1 << 12,
  /** The guest must get an acknowledgment, even if it says nothing new. */
  AckDue: 1 << 13,
  /** A probe is out: of a zero window, or of an idle guest. */
  Probing: 1 << 14,
  Closed: 1 << 15,
  /** Our SYN is out to a guest's port that is published; the client's host socket waits. */
  SynSent: 1 << 16,
  /** A reset, an urgent mark or both ends were announced, which may stand behind data: a short read says nothing, and reading goes on to 0 or an error. */
  EndAhead: 1 << 17,
  /** The host's FIN was announced: it stands behind what there is to read. */
  FinAhead: 1 << 20,
  /** What the guest sent is to be acknowledged by what the host answers; stands in the list of those that wait. */
  AckWaits: 1 << 18,
  /** What the guest sent was acknowledged, by a segment that carried nothing else. */
  Unanswered: 1 << 19,
} as const;

/** Octets a flow may have promised: window offered plus octets held. */
export const CAP = 1 << 20;
/** Our window scale: enough for CAP. */
export const WINDOW_SCALE = 7;
export const NO_SCALE_WINDOW = 65_535;

export interface FlowOwnerHooks {
  /** Host event: see `Watched`. */
  hostEvent(flow: TcpFlow, events: number): void;
  retransmit(flow: TcpFlow): void;
  idle(flow: TcpFlow): void;
}

export class TcpFlow implements LoggedFlow, Watched {
  readonly protocol = 'tcp';
  readonly origin: 'guest' | 'published';
  readonly id: number;
  readonly owner: FlowOwner | undefined;
  readonly guestAddress: IpAddress;
  readonly guestPort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  readonly client: FlowIdentity['client'];
  octetsFromGuest = 0;
  octetsToGuest = 0;
  watchKey = -1;
  fd: number;
  /** Where to connect when the first address refuses. */
  alternative: IpAddress | undefined = undefined;
  toLoopback = false;
  /** The guest's other address, for a client of the host's loopback whom this one refuses: the client may have chosen the family by a name. */
  otherGuest: IpAddress | undefined = undefined;
  /** Both addresses as a term of the pseudo-header. */
  readonly addressTerm: number;

  /** Bits of Seen. */
  state: number = Seen.Connecting;
  /** Toward the guest: oldest unacknowledged, next to send, one past the highest ever sent. */
  una = 0;
  nxt = 0;
  max = 0;
  iss = 0;
  finSeq = 0;
  /** The guest's window in octets, and the segment that set it (RFC 9293 3.10.7.4). */
  window = 0;
  wl1 = 0;
  wl2 = 0;
  maxWindow = 0;
  windowShift = 0;
  /** Payload octets of a segment toward the guest. */
  mss = 536;
  dupAcks = 0;

  /** From the guest: initial, next expected, last acknowledged to it, and one past the last octet it may send. The edge never moves back. */
  irs = 0;
  rcv = 0;
  acked = 0;
  edge = 0;
  /** Octets of the guest's that the host answered in time, in a row; when they came; and when their acknowledgment waits no longer. */
  answers = 0;
  spokeAt: Instant;
  ackAt: Instant;
  previousAck: TcpFlow | undefined = undefined;
  nextAck: TcpFlow | undefined = undefined;
  /** Our window scale: 0 when the guest offered none. */
  ownShift = 0;
  /** What was counted against the global budget. */
  promised = 0;
  /** Octets that the host socket did not take; undefined while there are none. */
  hold: ByteRing | undefined = undefined;

  source: HostSource | undefined = undefined;
  /** Who answers in place of a host socket, which there is none of then. */
  service: FlowService | undefined = undefined;
  /** Retransmissions and probes without an answer. */
  retries = 0;
  lastActivity: Instant;
  readonly retransmission: Alarm;
  readonly idleness: Alarm;
  readonly #hooks: FlowOwnerHooks;

  constructor(
    identity: FlowIdentity,
    id: number,
    owner: FlowOwner | undefined,
    fd: number,
    clock: { now(): Instant; alarm(fire: (now: Instant) => void): Alarm },
    hooks: FlowOwnerHooks,
  ) {
    this.id = id;
    this.origin = identity.origin;
    this.owner = owner;
    this.guestAddress = identity.guestAddress;
    this.guestPort = identity.guestPort;
    this.remoteAddress = identity.remoteAddress;
    this.remotePort = identity.remotePort;
    this.client = identity.client;
    this.fd = fd;
    this.addressTerm = sumOf(identity.guestAddress) + sumOf(identity.remoteAddress);
    this.lastActivity = this.spokeAt = this.ackAt = clock.now();
    this.retransmission = clock.alarm(() => hooks.retransmit(this));
    this.idleness = clock.alarm(() => hooks.idle(this));
    this.#hooks = hooks;
  }

  get held(): number {
    return this.hold?.length ?? 0;
  }
  has(bit: number): boolean {
    return (this.state & bit) !== 0;
  }
  set(bit: number): void {
    this.state |= bit;
  }
  clear(bit: number): void {
    this.state &= ~bit;
  }
  hostEvent(events: number): void {
    this.#hooks.hostEvent(this, events);
  }
}
