/**
 * ICMP echo beyond the gateway (RFC 792, RFC 4443 4) through ping sockets (SOCK_DGRAM with IPPROTO_ICMP or IPPROTO_ICMPV6), which need no privilege where
 * net.ipv4.ping_group_range admits the user. One connected socket for each destination and identifier; the kernel puts its own identifier into requests, and
 * the guest's is put back into replies. A flow lives 60 s without traffic (RFC 5508 REQ-2); the table is bounded, the flow idle longest makes room.
 *
 * Left out: the guest's TTL (a trace ends at the gateway) and timestamp requests.
 */

import { i32, putU16, u16 } from '../lib/bytes.ts';
import type { Alarm, Clock, Instant } from '../lib/clock.ts';
import { seconds, since } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { IpAddress } from '../netstack/address.ts';
import { FlowTable } from '../netstack/flow-table.ts';
import { IpProtocol } from '../netstack/ip/ip.ts';
import type { Packet } from '../netstack/packet.ts';
import * as icmpv4 from '../netstack/wire/icmpv4.ts';
import * as icmpv6 from '../netstack/wire/icmpv6.ts';
import type { Settings } from './config.ts';
import type { GatewayCounters } from './counters.ts';
import type { FlowIdentity, FlowLog, LoggedFlow } from './flow-log.ts';
import type { FrameWriter } from './frames.ts';
import { Errno, Event, type Host, Sock, type Watched } from './host.ts';
import { type ErrorWriter, refusalError } from './icmp.ts';
import type { Reachability } from './reach.ts';
import { errorKind, SCRATCH_OCTETS } from './udp-flows.ts';

const IDLE = seconds(60);
const SWEEP = seconds(5);
/** Replies of one flow a turn. */
const BURST = 16;
/** Where an echo's identifier stands (RFC 792, RFC 4443 4.1). */
const IDENTIFIER = 4;

class EchoFlow implements LoggedFlow, Watched {
  readonly protocol = 'icmp';
  readonly origin = 'guest';
  readonly owner = undefined;
  readonly id: number;
  readonly guestAddress: IpAddress;
  /** The identifier. */
  readonly guestPort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort = 0;
  readonly fd: number;
  readonly #flows: EchoFlows;
  octetsFromGuest = 0;
  octetsToGuest = 0;
  /** Checksum and second word of the last request: what an error will be about. */
  lastChecksum = 0;
  lastWord = 0;
  lastActivity: Instant = 0 as Instant;
  watchKey = -1;
  ready = false;
  closed = false;

  constructor(flows: EchoFlows, identity: FlowIdentity, id: number, fd: number) {
    this.#flows = flows;
    this.id = id;
    this.guestAddress = identity.guestAddress;
    this.guestPort = identity.guestPort;
    this.remoteAddress = identity.remoteAddress;
    this.fd = fd;
  }
  hostEvent(events: number): void {
    if ((events & Event.Err) !== 0) this.#flows.socketError(this);
    if ((events & Event.In) !== 0) this.#flows.markReady(this);
  }
}

export interface EchoParts {
  readonly settings: Settings;
  readonly frames: FrameWriter;
  readonly errors: ErrorWriter;
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: GatewayCounters;
  readonly log: FlowLog;
  readonly reach: Reachability;
}

export class EchoFlows {
  readonly #parts: EchoParts;
  readonly #table: FlowTable<EchoFlow>;
  /** Least recently used first. */
  readonly #order = new Set<EchoFlow>();
  readonly #slab: number;
  readonly #scratch = new Uint8Array(SCRATCH_OCTETS);
  readonly #scratchAddress: number;
  readonly #sweep: Alarm;
  #ready: EchoFlow[] = [];

  constructor(parts: EchoParts) {
    this.#parts = parts;
    this.#table = new FlowTable({ random: parts.random, limit: parts.settings.icmpFlows });
    this.#slab = parts.host.addressOf(parts.frames.pool.bytes);
    this.#scratchAddress = parts.host.addressOf(this.#scratch);
    this.#sweep = parts.clock.alarm(() => this.#expire());
  }
  get size(): number {
    return this.#table.size;
  }

  /** An echo request to an address that is not ours, checked; `packet.at` stands on the ICMP header. Does not own it. */
  receive(packet: Packet): void {
    const { bytes: b, at } = packet;
    const { host, counters } = this.#parts;
    const flow =
      this.#table.find(
        packet.src0,
        packet.src1,
        packet.src2,
        packet.src3,
        u16(b, at + IDENTIFIER),
        packet.dst0,
        packet.dst1,
        packet.dst2,
        packet.dst3,
        0,
      ) ?? this.#open(packet);
    if (flow === undefined) return;
    const len = packet.length;
    flow.octetsFromGuest += len - icmpv4.HEADER_LEN;
    flow.lastChecksum = u16(b, at + icmpv4.CHECKSUM);
    flow.lastWord = i32(b, at + IDENTIFIER);
    this.#touch(flow);
    let n = host.sockets.send(flow.fd, this.#slab + at, len);
    if (n < 0 && this.#tell(flow, -n)) n = host.sockets.send(flow.fd, this.#slab + at, len);
    if (n >= 0 || this.#tell(flow, -n)) return;
    if (n === -Errno.EMSGSIZE) counters.drop('icmp-too-big');
    else counters.drop(n === -Errno.EAGAIN ? 'icmp-host-full' : 'icmp-host-error');
  }

  #open(packet: Packet): EchoFlow | undefined {
    const { log, reach, errors, counters, host } = this.#parts;
    const identity: FlowIdentity = {
      protocol: 'icmp',
      origin: 'guest',
      guestAddress: new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3),
      guestPort: u16(packet.bytes, packet.at + IDENTIFIER),
      remoteAddress: new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3),
      remotePort: 0,
    };
    const { isV4 } = identity.remoteAddress;
    const reason = reach.refusesEcho(identity.remoteAddress);
    if (reason !== undefined) {
      log.refused(identity, reason);
      const error = refusalError(reason);
      if (error !== undefined) errors.unreachable(packet, error === 'port' ? 'prohibited' : error);
      return undefined;
    }
    const fd = host.sockets.openSocket(
      isV4 ? Sock.Inet : Sock.Inet6,
      Sock.Datagram,
      isV4 ? IpProtocol.Icmp : IpProtocol.IcmpV6,
    );
    if (fd === -Errno.EACCES || fd === -Errno.EPERM) {
      log.refused(identity, 'ping-sockets-forbidden');
      errors.unreachable(packet, 'prohibited');
      return undefined;
    }
    if (fd < 0) {
      if (fd === -Errno.EAFNOSUPPORT) errors.unreachable(packet, 'net');
      else counters.drop('no-descriptor');
      return undefined;
    }
    const result = host.sockets.connect(fd, identity.remoteAddress, 0);
    if (result < 0) {
      host.sockets.closeSocket(fd);
      counters.event('icmp-connect-failed');
      errors.unreachable(packet, errorKind(-result) ?? 'host');
      return undefined;
    }
    return this.#insert(new EchoFlow(this, identity, log.nextId(), fd));
  }
  #insert(flow: EchoFlow): EchoFlow | undefined {
    const { counters, host, log, clock } = this.#parts;
    if (host.poller.watch(flow.fd, flow, false) < 0) {
      host.sockets.closeSocket(flow.fd);
      counters.drop('no-watch');
      return undefined;
    }
    if (this.#table.size >= this.#table.limit) this.#evict();
    this.#table.insert(flow.guestAddress, flow.guestPort, flow.remoteAddress, flow.remotePort, flow);
    if (!this.#sweep.armed) this.#sweep.set(clock.in(SWEEP));
    counters.icmpFlows++;
    counters.icmpOpen++;
    log.opened(flow);
    return flow;
  }

  socketError(flow: EchoFlow): void {
    this.#tell(flow, this.#parts.host.sockets.takeError(flow.fd));
  }
  /** Passes on what the host learned about a request. False for errors that are not about it. */
  #tell(flow: EchoFlow, error: number): boolean {
    const kind = errorKind(error);
    if (kind === undefined) return false;
    const { guestAddress, remoteAddress } = flow;
    const { isV4 } = guestAddress;
    this.#parts.counters.event('icmp-errors');
    // The quoted header: type, code and checksum stand where ports do.
    const quoted = {
      protocol: 'icmp',
      origin: 'guest',
      guestAddress,
      guestPort: (isV4 ? icmpv4.Type.Echo : icmpv6.Type.Echo) << 8,
      remoteAddress,
      remotePort: flow.lastChecksum,
    } as const;
    const protocol = isV4 ? IpProtocol.Icmp : IpProtocol.IcmpV6;
    this.#parts.errors.unreachableFlow(quoted, protocol, kind === 'port' ? 'host' : kind, flow.lastWord);
    return true;
  }

  markReady(flow: EchoFlow): void {
    if (flow.ready) return;
    flow.ready = true;
    this.#ready.push(flow);
  }
  /** Reads replies. True when there are more. */
  flush(): boolean {
    if (this.#ready.length === 0) return false;
    const list = this.#ready;
    this.#ready = [];
    for (const flow of list) {
      flow.ready = false;
      if (!this.#read(flow)) this.markReady(flow);
    }
    return this.#ready.length > 0;
  }
  /** False when the burst ended before the socket was empty. */
  #read(flow: EchoFlow): boolean {
    const { host } = this.#parts;
    for (let i = 0; i < BURST; i++) {
      if (flow.closed) return true;
      const n = host.sockets.receive(flow.fd, this.#scratchAddress, SCRATCH_OCTETS, 0);
      if (n === -Errno.EAGAIN) return true;
      if (n >= icmpv4.HEADER_LEN) this.#reply(flow, n);
      else if (n >= 0 || !this.#tell(flow, -n)) return true;
    }
    return false;
  }
  #reply(flow: EchoFlow, n: number): void {
    const { counters, frames, errors } = this.#parts;
    const type = flow.guestAddress.isV4 ? icmpv4.Type.EchoReply : icmpv6.Type.EchoReply;
    if (this.#scratch[0] !== type) return counters.drop('icmp-other');
    const packet = frames.pool.alloc(n);
    if (packet === undefined) return counters.drop('no-buffer');
    packet.bytes.set(this.#scratch.subarray(0, n), packet.at);
    packet.end = packet.at + n;
    putU16(packet.bytes, packet.at + IDENTIFIER, flow.guestPort);
    flow.octetsToGuest += n - icmpv4.HEADER_LEN;
    this.#touch(flow);
    errors.sendMessage(packet, flow.remoteAddress, flow.guestAddress);
  }

  #touch(flow: EchoFlow): void {
    flow.lastActivity = this.#parts.clock.now();
    this.#order.delete(flow);
    this.#order.add(flow);
  }
  #evict(): void {
    const oldest = this.#order.values().next();
    if (oldest.done === true) return;
    this.#parts.counters.event('icmp-evictions');
    this.#close(oldest.value, 'evicted');
  }
  #expire(): void {
    const now = this.#parts.clock.now();
    for (const flow of this.#order) {
      if (since(now, flow.lastActivity) < IDLE) break;
      this.#close(flow, 'idle');
    }
    if (this.#order.size > 0) this.#sweep.set(this.#parts.clock.in(SWEEP));
  }
  #close(flow: EchoFlow, reason: string): void {
    flow.closed = true;
    const { host, counters, log } = this.#parts;
    this.#order.delete(flow);
    this.#table.delete(flow.guestAddress, flow.guestPort, flow.remoteAddress, flow.remotePort);
    host.poller.forget(flow);
    host.sockets.closeSocket(flow.fd);
    counters.icmpOpen--;
    log.closed(flow, reason);
  }
  shutdown(): void {
    for (const flow of this.#order) this.#close(flow, 'link closed');
    this.#sweep.cancel();
  }
}
