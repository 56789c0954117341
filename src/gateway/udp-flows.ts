/**
 * UDP from the guest (RFC 768): one connected host socket for each 5-tuple, so that replies come only from the peer that was asked, and the
 * kernel's errors about it can be told to the guest. A flow lives 180 s without traffic, 30 s while only one side has spoken (RFC 4787 REQ-5 asks for
 * two minutes of a mapping in use; the short time is for one-shot queries, as Linux's conntrack does it). The table is bounded, for
 * flows of the guest's and for clients of published ports by themselves: the flow of its kind that was idle longest makes room, and is counted.
 *
 * Datagrams beyond the link's MTU leave in fragments. Left out: batching (recvmmsg), TTL and TOS of the guest's datagrams, broadcast and multicast.
 */
import type { Alarm, Clock, Instant } from '../lib/clock.ts';
import { seconds, since } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { IpAddress } from '../netstack/address.ts';
import { FlowTable } from '../netstack/flow-table.ts';
import { IpProtocol } from '../netstack/ip/ip.ts';
import type { Packet } from '../netstack/packet.ts';
import * as wire from '../netstack/wire/udp.ts';
import type { Settings } from './config.ts';
import type { GatewayCounters } from './counters.ts';
import type { FlowIdentity, FlowLog, LoggedFlow } from './flow-log.ts';
import { type FrameWriter, sumOf } from './frames.ts';
import { Errno, Event, type Host, Sock, type Watched } from './host.ts';
import { type ErrorWriter, refusalError, type Unreachable } from './icmp.ts';
import type { FlowOwner } from './messages.ts';
import type { Reachability } from './reach.ts';

const STREAM_IDLE = seconds(180);
const ONE_SHOT_IDLE = seconds(30);
const SWEEP = seconds(5);
/** Datagrams of one socket a turn; the rest is read in the next. */
export const BURST = 64;
/** Largest payload of either family, read here first, since its size is known only then. */
export const SCRATCH_OCTETS = 65_536;
const NO_DESCRIPTOR = -1;

export class UdpFlow implements LoggedFlow, Watched {
  readonly protocol = 'udp';
  readonly origin: 'guest' | 'published';
  readonly id: number;
  readonly owner: FlowOwner | undefined;
  readonly guestAddress: IpAddress;
  readonly guestPort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  readonly client: FlowIdentity['client'];
  readonly fd: number;
  readonly addressTerm: number;
  /** The published port whose socket the flow shares with others; it has none of its own then. */
  readonly via: SharedSocket | undefined;
  readonly #flows: UdpFlows;
  octetsFromGuest = 0;
  octetsToGuest = 0;
  datagramsFromGuest = 0;
  datagramsToGuest = 0;
  /** Payload of the last datagram that was sent: an error that comes later is about it. */
  lastLen = 0;
  lastActivity: Instant = 0 as Instant;
  watchKey = -1;
  dirty = false;
  closed = false;
  /** Least recently used first. */
  older: UdpFlow | undefined = undefined;
  newer: UdpFlow | undefined = undefined;

  constructor(
    flows: UdpFlows,
    identity: FlowIdentity,
    id: number,
    owner: FlowOwner | undefined,
    fd: number,
    via?: SharedSocket,
  ) {
    this.#flows = flows;
    this.id = id;
    this.via = via;
    this.origin = identity.origin;
    this.owner = owner;
    this.guestAddress = identity.guestAddress;
    this.guestPort = identity.guestPort;
    this.remoteAddress = identity.remoteAddress;
    this.remotePort = identity.remotePort;
    this.client = identity.client;
    this.fd = fd;
    this.addressTerm = sumOf(identity.guestAddress) + sumOf(identity.remoteAddress);
  }
  hostEvent(events: number): void {
    if ((events & Event.Err) !== 0) this.#flows.socketError(this);
    if ((events & Event.In) !== 0) this.#flows.markDirty(this);
  }
  get idleLimit(): number {
    return this.datagramsFromGuest > 1 && this.datagramsToGuest > 1 ? STREAM_IDLE : ONE_SHOT_IDLE;
  }
}

/** Flows of one kind by their last use. */
class UseOrder {
  oldest: UdpFlow | undefined = undefined;
  size = 0;
  #newest: UdpFlow | undefined = undefined;

  append(flow: UdpFlow): void {
    this.size++;
    flow.older = this.#newest;
    flow.newer = undefined;
    if (this.#newest === undefined) this.oldest = flow;
    else this.#newest.newer = flow;
    this.#newest = flow;
  }
  unlink(flow: UdpFlow): void {
    this.size--;
    if (flow.older === undefined) this.oldest = flow.newer;
    else flow.older.newer = flow.newer;
    if (flow.newer === undefined) this.#newest = flow.older;
    else flow.newer.older = flow.older;
  }
  touch(flow: UdpFlow): void {
    if (this.#newest === flow) return;
    this.unlink(flow);
    this.append(flow);
  }
}

/** How a flow without a socket of its own sends and ends. */
export interface SharedSocket {
  /** Octets, or -errno. */
  send(address: number, len: number): number;
  closed(flow: UdpFlow): void;
}

export interface UdpParts {
  readonly settings: Settings;
  readonly frames: FrameWriter;
  readonly errors: ErrorWriter;
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: GatewayCounters;
  readonly log: FlowLog;
  readonly reach: Reachability;
  /** Queries for a name server's address. */
  readonly nameServer: { query(packet: Packet, payloadAt: number, end: number): void };
}

export class UdpFlows {
  readonly #parts: UdpParts;
  readonly #table: FlowTable<UdpFlow>;
  readonly #slab: number;
  readonly #scratch = new Uint8Array(SCRATCH_OCTETS);
  readonly #scratchAddress: number;
  readonly #sweep: Alarm;
  readonly #used = { guest: new UseOrder(), published: new UseOrder() };
  #dirty: UdpFlow[] = [];
  #reading: UdpFlow[] = [];

  constructor(parts: UdpParts) {
    this.#parts = parts;
    this.#table = new FlowTable({ random: parts.random, limit: 2 * parts.settings.udpFlows });
    this.#slab = parts.host.addressOf(parts.frames.pool.bytes);
    this.#scratchAddress = parts.host.addressOf(this.#scratch);
    this.#sweep = parts.clock.alarm(() => this.#expire());
  }

  get size(): number {
    return this.#table.size;
  }

  /** A datagram of the guest, checked; `packet.at` stands on the UDP header. Does not own it. */
  receive(packet: Packet): void {
    const b = packet.bytes;
    const { at } = packet;
    const payloadAt = at + wire.HEADER_LEN;
    const len = wire.length(b, at) - wire.HEADER_LEN;
    const flow =
      this.#table.find(
        packet.src0,
        packet.src1,
        packet.src2,
        packet.src3,
        wire.sourcePort(b, at),
        packet.dst0,
        packet.dst1,
        packet.dst2,
        packet.dst3,
        wire.destinationPort(b, at),
      ) ?? this.#open(packet, payloadAt, len);
    if (flow === undefined) return;
    flow.datagramsFromGuest++;
    flow.octetsFromGuest += len;
    this.#touch(flow);
    this.#send(flow, payloadAt, len);
  }

  #open(packet: Packet, payloadAt: number, len: number): UdpFlow | undefined {
    const { log, reach, errors, counters, host, nameServer } = this.#parts;
    const identity: FlowIdentity = {
      protocol: 'udp',
      origin: 'guest',
      guestAddress: new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3),
      guestPort: wire.sourcePort(packet.bytes, packet.at),
      remoteAddress: new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3),
      remotePort: wire.destinationPort(packet.bytes, packet.at),
    };
    const target = reach.resolve(identity.remoteAddress, identity.remotePort);
    if (target.isNameServer) {
      nameServer.query(packet, payloadAt, payloadAt + len);
      return undefined;
    }
    if (target.refused !== undefined || target.host === undefined) {
      const reason = target.refused ?? 'host-closed';
      log.refused(identity, reason);
      const error = refusalError(reason);
      if (error !== undefined) errors.unreachable(packet, error);
      return undefined;
    }
    this.#makeRoom('guest');
    const fd = host.sockets.openSocket(target.host.isV4 ? Sock.Inet : Sock.Inet6, Sock.Datagram);
    if (fd < 0) {
      if (fd === -Errno.EAFNOSUPPORT) errors.unreachable(packet, 'net');
      else counters.drop('no-descriptor');
      return undefined;
    }
    host.sockets.prepareDatagram(fd, target.host.isV4 ? Sock.Inet : Sock.Inet6);
    const result = host.sockets.connect(fd, target.host, target.port);
    if (result < 0) {
      host.sockets.closeSocket(fd);
      counters.event('udp-connect-failed');
      errors.unreachable(packet, errorKind(-result) ?? 'host');
      return undefined;
    }
    return this.#insert(new UdpFlow(this, identity, log.nextId(), log.takeOwner(identity), fd));
  }
  #makeRoom(origin: UdpFlow['origin']): void {
    const { oldest, size } = this.#used[origin];
    if (size < this.#parts.settings.udpFlows || oldest === undefined) return;
    this.#parts.counters.event(origin === 'guest' ? 'udp-evictions' : 'udp-published-evictions');
    this.#close(oldest, 'evicted');
  }
  isTaken(guest: IpAddress, guestPort: number, remote: IpAddress, remotePort: number): boolean {
    return this.#table.get(guest, guestPort, remote, remotePort) !== undefined;
  }
  /** A client of the host's at a published port. */
  openShared(identity: FlowIdentity, via: SharedSocket): UdpFlow | undefined {
    this.#makeRoom('published');
    this.#parts.counters.event('udp-published');
    return this.#insert(new UdpFlow(this, identity, this.#parts.log.nextId(), undefined, NO_DESCRIPTOR, via));
  }
  #insert(flow: UdpFlow): UdpFlow | undefined {
    const { counters, host, log, clock } = this.#parts;
    if (flow.via === undefined && host.poller.watch(flow.fd, flow, false) < 0) {
      host.sockets.closeSocket(flow.fd);
      counters.drop('no-watch');
      return undefined;
    }
    this.#table.insert(flow.guestAddress, flow.guestPort, flow.remoteAddress, flow.remotePort, flow);
    this.#used[flow.origin].append(flow);
    if (!this.#sweep.armed) this.#sweep.set(clock.in(SWEEP));
    counters.udpFlows++;
    counters.udpOpen++;
    log.opened(flow);
    return flow;
  }

  #send(flow: UdpFlow, payloadAt: number, len: number): void {
    const { host, counters } = this.#parts;
    flow.lastLen = len;
    if (flow.via !== undefined) {
      const sent = flow.via.send(this.#slab + payloadAt, len);
      if (sent < 0) counters.drop(sent === -Errno.EAGAIN ? 'udp-host-full' : 'udp-host-error');
      return;
    }
    let n = host.sockets.send(flow.fd, this.#slab + payloadAt, len);
    if (n < 0 && errorKind(-n) !== undefined) {
      // The error of an earlier datagram, reported instead of sending this one.
      this.#tell(flow, -n);
      n = host.sockets.send(flow.fd, this.#slab + payloadAt, len);
    }
    if (n >= 0) return;
    if (errorKind(-n) !== undefined) this.#tell(flow, -n);
    else if (-n === Errno.EMSGSIZE) counters.drop('udp-too-big');
    else counters.drop(-n === Errno.EAGAIN ? 'udp-host-full' : 'udp-host-error');
  }

  /** EPOLLERR: the error is taken, which also lets the socket send again. */
  socketError(flow: UdpFlow): void {
    const error = this.#parts.host.sockets.takeError(flow.fd);
    if (error !== 0) this.#tell(flow, error);
  }
  /** Tells the guest what the host learned about its datagrams. */
  #tell(flow: UdpFlow, error: number): void {
    const kind = errorKind(error);
    if (kind === undefined) return;
    this.#parts.counters.event('udp-errors');
    const lengthAndChecksum = (flow.lastLen + wire.HEADER_LEN) << 16;
    this.#parts.errors.unreachableFlow(flow, IpProtocol.Udp, kind, lengthAndChecksum);
  }

  markDirty(flow: UdpFlow): void {
    if (flow.dirty) return;
    flow.dirty = true;
    this.#dirty.push(flow);
  }
  /** Reads what arrived for the guest. True when there is more. */
  flush(): boolean {
    const list = this.#dirty;
    this.#dirty = this.#reading;
    this.#reading = list;
    for (const flow of list) {
      flow.dirty = false;
      if (!this.#read(flow)) this.markDirty(flow);
    }
    list.length = 0;
    return this.#dirty.length > 0;
  }
  /** False when the burst ended before the socket was empty. */
  #read(flow: UdpFlow): boolean {
    const { host } = this.#parts;
    for (let i = 0; i < BURST; i++) {
      if (flow.closed) return true;
      const n = host.sockets.receive(flow.fd, this.#scratchAddress, SCRATCH_OCTETS, 0);
      if (n === -Errno.EAGAIN) return true;
      if (n < 0) {
        if (errorKind(-n) === undefined) return true;
        this.#tell(flow, -n);
        continue;
      }
      this.deliver(flow, this.#scratch, n);
    }
    return false;
  }
  /** The first `n` of `octets` go to the guest. */
  deliver(flow: UdpFlow, octets: Uint8Array, n: number): void {
    const { counters, frames } = this.#parts;
    flow.datagramsToGuest++;
    flow.octetsToGuest += n;
    const packet = frames.pool.alloc(n);
    if (packet === undefined) return counters.drop('no-buffer');
    packet.bytes.set(octets.subarray(0, n), packet.at);
    packet.end = packet.at + n;
    frames.sendUdp(packet, flow.remoteAddress, flow.remotePort, flow.guestAddress, flow.guestPort, flow.addressTerm);
    this.#touch(flow);
  }

  #touch(flow: UdpFlow): void {
    flow.lastActivity = this.#parts.clock.now();
    this.#used[flow.origin].touch(flow);
  }
  #expire(): void {
    const now = this.#parts.clock.now();
    this.#expireAll(this.#used.guest, now);
    this.#expireAll(this.#used.published, now);
    if (this.size > 0) this.#sweep.set(this.#parts.clock.in(SWEEP));
  }
  #expireAll(used: UseOrder, now: Instant): void {
    for (let flow = used.oldest; flow !== undefined; ) {
      const quiet = since(now, flow.lastActivity);
      if (quiet < ONE_SHOT_IDLE) break;
      const { newer } = flow;
      if (quiet >= flow.idleLimit) this.#close(flow, 'idle');
      flow = newer;
    }
  }
  #close(flow: UdpFlow, reason: string): void {
    if (flow.closed) return;
    flow.closed = true;
    const { host, counters, log } = this.#parts;
    this.#used[flow.origin].unlink(flow);
    this.#table.delete(flow.guestAddress, flow.guestPort, flow.remoteAddress, flow.remotePort);
    if (flow.via === undefined) {
      host.poller.forget(flow);
      host.sockets.closeSocket(flow.fd);
    } else {
      flow.via.closed(flow);
    }
    counters.udpOpen--;
    log.closed(flow, reason);
  }
  shutdown(): void {
    for (const used of Object.values(this.#used)) {
      while (used.oldest !== undefined) this.#close(used.oldest, 'link closed');
    }
    this.#sweep.cancel();
  }
}

/** How an errno of a datagram socket shows to the guest; undefined when it is not about the destination. */
export function errorKind(error: number): Unreachable | undefined {
  switch (error) {
    case Errno.ECONNREFUSED:
      return 'port';
    case Errno.EHOSTUNREACH:
    case Errno.EHOSTDOWN:
      return 'host';
    case Errno.ENETUNREACH:
    case Errno.ENETDOWN:
      return 'net';
    case Errno.EACCES:
    case Errno.EPERM:
      return 'prohibited';
    default:
      return undefined;
  }
}
