/**
 * TCP of one stack: RFC 9293. Finds the connection or listener of a segment, answers what belongs to none, and keeps what connections share: ports, the flow
 * table, TIME-WAIT, budgets, counters. The parts: segment.ts and emit.ts (the wire), input.ts, receive.ts, acknowledge.ts and accept.ts (arrival),
 * output.ts, retransmit.ts, round-trip.ts and congestion.ts (departure), lifecycle.ts (ends), connection.ts (the user's side), tcb.ts (the variables).
 *
 * Also done: RFC 7323 (scaling, timestamps, PAWS), RFC 2018 and 6675 (SACK), RFC 5681 and 6582, RFC 6928, RFC 6298, RFC 5961, RFC 6528, RFC 6191, RFC 1337,
 * RFC 5927 (ICMP is believed only for what is in flight), RFC 6093 (urgent data as deployed), RFC 7413 (fast open), segmentation by the link (GSO) in both directions.
 * Left out: ECN (RFC 3168), SYN cookies (half-open connections are bounded instead), RACK-TLP, CUBIC, MD5 and AO. Their options are refused by the socket layer.
 *
 * Everything a stranger can grow is bounded: flows, half-open connections and accept queues (listener.ts), TIME-WAIT, out-of-order ranges, challenge ACKs, the memory of
 * all rings together.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { HalfSipHash13 } from '../../lib/siphash.ts';
import { type Family, IpAddress } from '../address.ts';
import { PathMtuDiscovery } from '../endpoint.ts';
import { FlowTable } from '../flow-table.ts';
import type { IcmpError, IpLayer } from '../ip/ip.ts';
import { IpProtocol } from '../ip/ip.ts';
import type { NetError } from '../net-error.ts';
import type { Packet, PacketPool } from '../packet.ts';
import { PortTable } from '../ports.ts';
import { Readiness } from '../readiness.ts';
import { isSister, joinGroup, leaveGroup } from '../reuse-group.ts';
import type { TcpRow } from '../rows.ts';
import { defaultTcpSettings } from '../settings.ts';
import type { TcpTransport, TransportEnvironment } from '../stack.ts';
import { checksumIsValid } from '../transport-checksum.ts';
import { destinationPort, sequence, sourcePort } from '../wire/tcp.ts';
import { Congestion } from './congestion.ts';
import { TcpConnection } from './connection.ts';
import { emitReset, refreshRoute } from './emit.ts';
import { FAST_OPEN_DEFAULT, FastOpen } from './fast-open.ts';
import { InitialSequence } from './initial-sequence.ts';
import { segmentArrives } from './input.ts';
import { forbidsFragments, isTooFar } from './ip-settings.ts';
import { fail, finish } from './lifecycle.ts';
import { armRetransmit, flush as flushConnection, sendAck } from './output.ts';
import { RingMemory } from './ring-memory.ts';
import { rowOf } from './row.ts';
import { Segment } from './segment.ts';
import { before } from './seq.ts';
import type { Tcb, TcpContext } from './tcb.ts';
import type { TcpCounters, TcpExtCounters } from './tcp-stats.ts';

export interface TcpLimits {
  /** Connections in all states. */
  readonly flows?: number;
  /** Connections in TIME-WAIT (tcp_max_tw_buckets). */
  readonly timeWait?: number;
  /** Octets of all send and receive rings (tcp_mem). */
  readonly memory?: number;
  /** Challenge ACKs per second (tcp_challenge_ack_limit of RFC 5961 7). */
  readonly challenges?: number;
  /** net.ipv4.tcp_fastopen: 1 for clients, 2 for servers. */
  readonly fastOpen?: number;
}

const FLOWS = 65_536;
export const TIME_WAIT_BUCKETS = 8192;
export const CHALLENGES = 1000;
const MEMORY = 512 << 20;

export class TcpLayer implements TcpTransport, TcpContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly pool: PacketPool;
  readonly ip: IpLayer;
  readonly tcp: TcpCounters;
  readonly ext: TcpExtCounters;
  readonly ports: PortTable<Tcb>;
  readonly flows: FlowTable<Tcb>;
  readonly rings: RingMemory;
  readonly fastOpen: FastOpen;
  readonly #nextId: () => number;
  readonly #timeWaitLimit: number;
  readonly #challengeLimit: number;
  readonly #initialSequence: InitialSequence;
  readonly #spreadHash: HalfSipHash13;
  readonly #listeners = new Map<number, Tcb[]>();
  readonly #segment = new Segment();
  readonly #withheld: Tcb[] = [];
  readonly #changed: Tcb[] = [];
  #depth = 0;
  #telling = false;
  #timeWaitCount = 0;
  #challengeSecond = 0;
  #challengesLeft = 0;

  constructor(env: TransportEnvironment, limits: TcpLimits = {}) {
    this.clock = env.clock;
    this.random = env.random;
    this.pool = env.pool;
    this.ip = env.ip;
    this.tcp = env.stats.Tcp;
    this.ext = env.stats.TcpExt;
    this.#nextId = () => env.nextSocketId();
    this.ports = new PortTable<Tcb>(env.random, undefined, true);
    this.flows = new FlowTable<Tcb>({ random: env.random, limit: limits.flows ?? FLOWS });
    this.#timeWaitLimit = limits.timeWait ?? TIME_WAIT_BUCKETS;
    this.rings = new RingMemory(limits.memory ?? MEMORY);
    this.fastOpen = new FastOpen(env.random, limits.fastOpen ?? FAST_OPEN_DEFAULT);
    this.#challengeLimit = limits.challenges ?? CHALLENGES;
    this.#initialSequence = new InitialSequence(env.clock, env.random);
    this.#spreadHash = HalfSipHash13.random(env.random);
  }

  createEndpoint(family: Family): TcpConnection {
    const settings = defaultTcpSettings();
    return new TcpConnection(this, this.#nextId(), family, settings, new Congestion(settings.congestion));
  }

  // From the IP layer.
  receive(packet: Packet): void {
    this.tcp.InSegs++;
    this.begin();
    this.#receive(packet);
    packet.release();
    this.end();
  }
  #receive(packet: Packet): void {
    const s = this.#segment;
    if (!s.parse(packet)) {
      this.tcp.InErrs++;
      return;
    }
    if (!checksumIsValid(packet, IpProtocol.Tcp)) {
      this.tcp.InErrs++;
      this.tcp.InCsumErrors++;
      return;
    }
    const { src0, src1, src2, src3, dst0, dst1, dst2, dst3 } = packet;
    const c = this.flows.find(dst0, dst1, dst2, dst3, s.destinationPort, src0, src1, src2, src3, s.sourcePort);
    if (c !== undefined && comesBy(c, packet.interfaceIndex)) {
      if (!isTooFar(packet, c) && mayPass(c, packet, s)) segmentArrives(c, s);
      return;
    }
    // RFC 9293 3.9.2.3 (MUST-57): nothing opens, and nothing is refused, toward a group.
    if (packet.linkMulticast) return;
    const local = new IpAddress(dst0, dst1, dst2, dst3);
    const remote = new IpAddress(src0, src1, src2, src3);
    if (local.isMulticast || local.isLimitedBroadcast) return;
    const listener = this.findListener(local, s.destinationPort, packet.interfaceIndex, remote, s.sourcePort, s);
    if (listener !== undefined) {
      if (!isTooFar(packet, listener) && mayPass(listener, packet, s)) segmentArrives(listener, s);
    } else emitReset(this, local, remote, s);
  }

  /** RFC 5927 4.1: only an error about octets in flight is believed. RFC 9293 3.9.2.2: soft errors do not abort; RFC 1191 for "too big". */
  icmpError(quoted: Packet, error: IcmpError): void {
    const { bytes, l4 } = quoted;
    const c = this.flows.find(
      quoted.src0,
      quoted.src1,
      quoted.src2,
      quoted.src3,
      sourcePort(bytes, l4),
      quoted.dst0,
      quoted.dst1,
      quoted.dst2,
      quoted.dst3,
      destinationPort(bytes, l4),
    );
    if (c === undefined || c.state === 'TIME-WAIT') return;
    const seq = sequence(bytes, l4);
    if (quoted.end - l4 < 8 || before(seq, c.sndUna) || !before(seq, c.sndMax)) {
      this.ext.OutOfWindowIcmps++;
      return;
    }
    this.begin();
    if (error.kind === 'message-size') this.#tooBig(c, error.mtu);
    else if (c.state === 'SYN-SENT' || (c.state === 'SYN-RECEIVED' && c.parent === undefined)) fail(c, error.kind);
    else this.#softError(c, error.kind);
    this.end();
  }
  /** IP_RECVERR: who asks for errors is told at once, and the connection goes on (tcp_v4_err). */
  #softError(c: Tcb, kind: NetError): void {
    c.softError = kind;
    if (!(c.remoteAddress.isV4 ? c.settings.receiveErrors : c.settings.receiveErrors6)) return;
    c.error = kind;
    this.notify(c, Readiness.Err);
  }
  #tooBig(c: Tcb, mtu: number): void {
    const was = c.mss;
    const { pathMtuDiscovery, pathMtuDiscovery6 } = c.settings;
    // ip_sk_accept_pmtu: INTERFACE and OMIT go by the link alone.
    const discovery = c.remoteAddress.isV4 ? pathMtuDiscovery : pathMtuDiscovery6;
    if (discovery >= PathMtuDiscovery.Interface) return;
    this.ip.lowerPathMtu(c.remoteAddress, mtu);
    if (!refreshRoute(c) || c.mss >= was || c.state === 'SYN-SENT' || c.state === 'SYN-RECEIVED') return;
    // What is in flight in larger pieces will not arrive: send it again in smaller ones (RFC 1191 6.4); that is no congestion.
    c.sndNxt = c.sndUna;
    c.roundTrip.timing = false;
    c.scoreboard.clear();
    flushConnection(c);
    armRetransmit(c);
  }

  /**
   * A link is closed, never to come back, and the peers behind it are out of reach for ever. Waiting for each connection to time out would tell nobody for a quarter of an
   * hour, so they end as if each peer had reset.
   */
  interfaceClosed(interfaceIndex: number): void {
    this.begin();
    for (const c of this.flows.values()) {
      if (c.route?.interfaceIndex !== interfaceIndex) continue;
      const halfOpen = c.state === 'SYN-RECEIVED' && c.parent !== undefined;
      if (c.state === 'TIME-WAIT' || halfOpen) finish(c);
      else fail(c, c.state === 'SYN-SENT' ? 'network-unreachable' : 'connection-reset');
    }
    this.end();
  }

  isBound(address: IpAddress, port: number): boolean {
    return this.findListener(address, port, 0, IpAddress.ANY4, 0) !== undefined;
  }

  /** Listeners, then connections in all states. */
  *rows(): IterableIterator<TcpRow> {
    for (const list of this.#listeners.values()) for (const c of list) yield rowOf(c);
    for (const c of this.flows.values()) yield rowOf(c);
  }
  get memory(): number {
    return this.rings.used;
  }

  /** At the end of each turn: ACKs that waited for more to acknowledge. */
  flush(): void {
    if (this.#withheld.length === 0) return;
    this.begin();
    for (const c of this.#withheld) {
      c.ackWithheld = false;
      if (c.ackOctets > 0 && c.state !== 'CLOSED') sendAck(c);
    }
    this.#withheld.length = 0;
    this.end();
  }

  // For connections.
  initialSequence(c: Tcb): number {
    return this.#initialSequence.next(c.localAddress, c.localPort, c.remoteAddress, c.remotePort);
  }
  timestampOffset(c: Tcb): number {
    return this.#initialSequence.timestampOffset(c.localAddress, c.localPort, c.remoteAddress, c.remotePort);
  }
  child(listener: Tcb): Tcb {
    // These are about the queue (inet_csk_clone_lock clears it).
    const settings = { ...listener.settings, deferAcceptSeconds: 0, fastOpenQueue: 0 };
    const congestion = new Congestion(settings.congestion);
    const child = new TcpConnection(this, this.#nextId(), listener.family, settings, congestion);
    child.outputOptions.ttl = settings.ttl;
    child.outputOptions.tos = settings.tos;
    child.outputOptions.dontFragment = forbidsFragments(settings);
    child.roundTrip.bound(settings.rtoMinUs, settings.rtoMaxMs * 1000);
    return child;
  }
  addListener(c: Tcb): void {
    const list = this.#listeners.get(c.localPort);
    if (list === undefined) this.#listeners.set(c.localPort, [c]);
    else list.push(c);
    if (c.settings.reusePort) {
      joinGroup(
        c,
        list?.find((other) => isSister(c, other)),
      );
    }
  }
  removeListener(c: Tcb): void {
    leaveGroup(c);
    const list = this.#listeners.get(c.localPort);
    const at = list?.indexOf(c) ?? -1;
    if (list === undefined || at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) this.#listeners.delete(c.localPort);
  }
  /** Linux: a bound interface counts more than an address, an address more than none; equals (SO_REUSEPORT) share by a hash of who calls. */
  findListener(
    local: IpAddress,
    port: number,
    interfaceIndex: number,
    remote: IpAddress,
    remotePort: number,
    s?: Segment,
  ): Tcb | undefined {
    const list = this.#listeners.get(port);
    if (list === undefined) return undefined;
    let best: Tcb | undefined;
    let bestScore = -1;
    let equals = 0;
    for (const c of list) {
      const score = listenerScore(c, local, interfaceIndex);
      if (score > bestScore) {
        best = c;
        bestScore = score;
        equals = 1;
      } else if (score === bestScore && score >= 0) equals++;
    }
    if (equals <= 1 || best === undefined) return best;
    const steered = s?.packet === undefined ? undefined : best.reuseGroup?.choose(s.packet, s.dataAt);
    if (steered !== undefined) return steered;
    let chosen = (this.#spread(remote, remotePort) >>> 0) % equals;
    for (const c of list) if (listenerScore(c, local, interfaceIndex) === bestScore && chosen-- === 0) return c;
    return best;
  }
  #spread(remote: IpAddress, remotePort: number): number {
    const h = this.#spreadHash;
    h.begin();
    h.add(remote.w0);
    h.add(remote.w1);
    h.add(remote.w2);
    h.add(remote.w3);
    h.add(remotePort);
    return h.finish();
  }
  enterTimeWait(): boolean {
    if (this.#timeWaitCount >= this.#timeWaitLimit) return false;
    this.#timeWaitCount++;
    return true;
  }
  leaveTimeWait(): void {
    this.#timeWaitCount--;
  }
  get timeWaitCount(): number {
    return this.#timeWaitCount;
  }
  mayChallenge(): boolean {
    const second = Math.floor(this.clock.now() / 1e6);
    if (second !== this.#challengeSecond) {
      this.#challengeSecond = second;
      this.#challengesLeft = this.#challengeBudget();
    }
    return this.#challengesLeft-- > 0;
  }
  /** Half to one and a half of the limit, at random: with a constant one, a stranger who counts the challenges left for him learns of those that others caused (CVE-2016-5696). */
  #challengeBudget(): number {
    const limit = this.#challengeLimit;
    return Math.ceil(limit / 2) + (this.random.u32() % limit);
  }
  acknowledgeLater(c: Tcb): void {
    this.#withheld.push(c);
  }
  notify(c: Tcb, events: number): void {
    if (c.observer === undefined) return;
    if (c.pendingEvents === 0) this.#changed.push(c);
    c.pendingEvents |= events;
  }
  begin(): void {
    this.#depth++;
  }
  /** The outermost end tells observers, one after the other: what they do in turn is told in the same loop, so the stack does not deepen. */
  end(): void {
    if (--this.#depth > 0 || this.#telling || this.#changed.length === 0) return;
    this.#telling = true;
    try {
      for (let c = this.#changed.shift(); c !== undefined; c = this.#changed.shift()) {
        const events = c.pendingEvents;
        c.pendingEvents = 0;
        c.observer?.endpointChanged(events);
      }
    } finally {
      this.#telling = false;
    }
  }
}

/** A connection bound to one interface knows nothing of what comes by another (inet_match). */
const comesBy = ({ settings: { boundInterface } }: Tcb, interfaceIndex: number): boolean =>
  boundInterface === 0 || boundInterface === interfaceIndex;

/** -1 if `c` does not take connections to `local`. */
function listenerScore(c: Tcb, local: IpAddress, interfaceIndex: number): number {
  const bound = c.settings.boundInterface;
  if (bound !== 0 && bound !== interfaceIndex) return -1;
  const own = c.localAddress;
  let score = bound === 0 ? 0 : 4;
  if (own.isUnspecified) {
    if (own.isV4 !== local.isV4 && (own.isV4 || c.settings.v6Only)) return -1;
    // 0.0.0.0 before :: for IPv4.
    score += own.isV4 === local.isV4 ? 1 : 0;
  } else if (own.equals(local)) score += 2;
  else return -1;
  return score;
}

/** SO_ATTACH_FILTER: false drops the segment; a filter may also shorten it, but not its header (tcp_filter). */
function mayPass(c: Tcb, packet: Packet, s: Segment): boolean {
  const { filter } = c.settings;
  if (filter === undefined) return true;
  const octets = filter.run(packet);
  s.len = Math.min(s.len, Math.max(0, packet.at + octets - s.dataAt));
  return octets > 0;
}
