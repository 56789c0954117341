/**
 * TCP between the guest and the host (RFC 9293 on the guest's side, a host socket on the other).
 *
 * A SYN starts a non-blocking connect, and is answered only when that succeeded: refused becomes RST, unreachable becomes ICMP, and a connect that the
 * host gives up on stays silent, so that the guest sees its own time-out. After that the flow moves octets both ways, and each direction's
 * end crosses by itself: FIN becomes shutdown(2), the host's end of stream becomes FIN, a reset becomes a reset.
 *
 * A client that the host accepted at a published port is the same flow, opened by our SYN; until the guest's answer its socket is left alone.
 *
 * A turn: events and frames only set bits and mark flows dirty; `flush` then visits each dirty flow once, so that one acknowledgment answers all frames of
 * the turn. A flow that used up its burst stays dirty.
 */
import type { Alarm, Clock } from '../../lib/clock.ts';
import { micros, millis, seconds, since } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { IpAddress } from '../../netstack/address.ts';
import { FlowTable } from '../../netstack/flow-table.ts';
import { IpProtocol } from '../../netstack/ip/ip.ts';
import type { Packet } from '../../netstack/packet.ts';
import { InitialSequence } from '../../netstack/tcp/initial-sequence.ts';
import * as wire from '../../netstack/wire/tcp.ts';
import type { Settings } from '../config.ts';
import type { GatewayCounters } from '../counters.ts';
import type { FlowIdentity, FlowLog } from '../flow-log.ts';
import { type FrameWriter, sumOf } from '../frames.ts';
import { Errno, type Host, Sock } from '../host.ts';
import { type ErrorWriter, refusalError } from '../icmp.ts';
import type { Reachability } from '../reach.ts';
import { PromiseBudget, type TcpContext } from './context.ts';
import { CAP, Seen, TcpFlow, WINDOW_SCALE } from './flow.ts';
import { dropHold, finish, flush, hostEvent } from './host-side.ts';
import { readSynOptions, segmentArrived } from './receive.ts';
import { RingPool } from './ring-pool.ts';
import {
  armTimer,
  hostGone,
  isShut,
  LINK_HIGH,
  offeredMss,
  pump,
  rewind,
  sendProbe,
  sendReset,
  sendSyn,
  sendSynAck,
} from './send.ts';
import type { ServiceHost } from './service.ts';
import { QueueBudget, type QueueParts, SocketSource } from './source.ts';
import { ackIsLate, WaitingAcks } from './waiting-acks.ts';

const PROMISE_LIMIT = 1 << 27;
const QUEUE_LIMIT = 1 << 27;
const NO_DESCRIPTOR = -1;
const SCRATCH_OCTETS = 1 << 16;
const SYN_TRIES = 6;
const DATA_TRIES = 8;
const IDLE = seconds(7200);
/** For octets that the host has yet to take when the link is gone. */
const LINGER = seconds(10);
/** Without traffic after both ends of stream were seen. */
const CLOSING_IDLE = seconds(60);

export interface TranslatorParts {
  readonly settings: Settings;
  readonly frames: FrameWriter;
  readonly errors: ErrorWriter;
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: GatewayCounters;
  readonly log: FlowLog;
  readonly reach: Reachability;
  /** Answers connections to a name server's address. */
  readonly nameService: ServiceHost;
  /** Bulk data may stay in the socket buffers (SO_PEEK_OFF). */
  readonly peek: boolean;
}

export class TcpTranslator implements TcpContext {
  readonly frames: FrameWriter;
  readonly host: Host;
  readonly clock: Clock;
  readonly counters: GatewayCounters;
  readonly budget = new PromiseBudget(PROMISE_LIMIT);
  readonly slab: number;
  readonly scratch: { readonly bytes: Uint8Array; readonly address: number };
  readonly rings = new RingPool();
  readonly acks: WaitingAcks;
  readonly #parts: TranslatorParts;
  readonly #table: FlowTable<TcpFlow>;
  /** Octets from hosts that the guest called, and from clients of its published ports: neither takes the other's memory. */
  readonly #queues: { readonly guest: QueueParts; readonly published: QueueParts };
  readonly #isn: InitialSequence;
  readonly #linger: Alarm;
  #linkGone = false;
  /** Flows of published ports. */
  #published = 0;
  #dirty: TcpFlow[] = [];
  #flushing: TcpFlow[] = [];
  #blocked: TcpFlow[] = [];

  constructor(parts: TranslatorParts) {
    this.#parts = parts;
    this.frames = parts.frames;
    this.host = parts.host;
    this.clock = parts.clock;
    this.counters = parts.counters;
    this.slab = parts.host.addressOf(parts.frames.pool.bytes);
    const bytes = new Uint8Array(SCRATCH_OCTETS);
    this.scratch = { bytes, address: parts.host.addressOf(bytes) };
    this.#table = new FlowTable({ random: parts.random, limit: 2 * parts.settings.tcpFlows });
    this.#linger = parts.clock.alarm(() => this.abandon());
    this.acks = new WaitingAcks(parts.clock, (flow) => ackIsLate(this, flow));
    this.#isn = new InitialSequence(parts.clock, parts.random);
    this.#queues = { guest: this.#newQueues(), published: this.#newQueues() };
  }

  #newQueues(): QueueParts {
    return { budget: new QueueBudget(QUEUE_LIMIT), limit: CAP, rings: this.rings, peek: this.#parts.peek };
  }

  get size(): number {
    return this.#table.size;
  }
  get #isFull(): boolean {
    return this.size - this.#published >= this.#parts.settings.tcpFlows;
  }

  /** A segment from the guest, addresses and checksum checked; `packet.at` stands on its header. Does not own it. */
  receive(packet: Packet): void {
    const b = packet.bytes;
    const { at } = packet;
    const flow = this.#table.find(
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
    );
    const flags = wire.flags(b, at);
    const isSyn = (flags & (wire.Flag.Syn | wire.Flag.Ack | wire.Flag.Rst | wire.Flag.Fin)) === wire.Flag.Syn;
    if (flow !== undefined) {
      // The guest gave up and tries again with a new sequence number.
      if (!isSyn || !flow.has(Seen.Connecting) || wire.sequence(b, at) === flow.irs) {
        segmentArrived(this, flow, packet);
        return;
      }
      this.close(flow, 'abandoned by guest', true);
    }
    if (isSyn) this.#open(packet);
    else if ((flags & wire.Flag.Rst) === 0) this.refuseSegment(packet);
  }

  #open(packet: Packet): void {
    const b = packet.bytes;
    const identity: FlowIdentity = {
      protocol: 'tcp',
      origin: 'guest',
      guestAddress: new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3),
      guestPort: wire.sourcePort(b, packet.at),
      remoteAddress: new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3),
      remotePort: wire.destinationPort(b, packet.at),
    };
    const { log, reach, errors } = this.#parts;
    const { host, port, refused, alternative, isNameServer } = reach.resolve(
      identity.remoteAddress,
      identity.remotePort,
    );
    if (isNameServer) return this.#terminate(identity, packet);
    if (refused !== undefined || host === undefined) {
      log.refused(identity, refused ?? 'host-closed');
      const error = refusalError(refused ?? 'host-closed');
      if (error === 'port') this.refuseSegment(packet);
      else if (error !== undefined) errors.unreachable(packet, error);
      return;
    }
    if (this.#isFull) return this.counters.drop('tcp-table-full');
    const fd = this.#socketFor(host);
    if (fd === -Errno.EAFNOSUPPORT) return errors.unreachable(packet, 'net');
    // The guest sends its SYN again, and may find room then.
    if (fd < 0) return this.counters.drop('no-descriptor');
    const flow = new TcpFlow(identity, log.nextId(), log.takeOwner(identity), fd, this.clock, this);
    flow.alternative = alternative;
    flow.toLoopback = alternative !== undefined;
    this.#start(flow, packet);
    this.#connect(flow, host, port);
  }
  /** A connection that ends here. */
  #terminate(identity: FlowIdentity, packet: Packet): void {
    const { log, nameService } = this.#parts;
    if (this.#isFull) return this.counters.drop('tcp-table-full');
    const flow = new TcpFlow(identity, log.nextId(), log.takeOwner(identity), NO_DESCRIPTOR, this.clock, this);
    flow.service = nameService.open(identity, () => {
      flow.set(Seen.Readable);
      flow.clear(Seen.HostFull);
      this.markDirty(flow);
    });
    if (flow.service === undefined) return this.refuseSegment(packet);
    flow.source = flow.service.source;
    this.#start(flow, packet);
    flow.clear(Seen.Connecting);
    flow.set(Seen.SynReceived);
    sendSynAck(this, flow);
  }
  #socketFor(host: IpAddress): number {
    const fd = this.host.sockets.openSocket(host.isV4 ? Sock.Inet : Sock.Inet6, Sock.Stream);
    if (fd >= 0) this.host.sockets.prepareStream(fd);
    return fd;
  }
  #connect(flow: TcpFlow, host: IpAddress, port: number): void {
    const { sockets, poller } = this.host;
    this.#giveSource(flow);
    const result = sockets.connect(flow.fd, host, port);
    if (result < 0 && result !== -Errno.EINPROGRESS) return this.connectFailed(flow, -result);
    // Watched only now: before connect(2) the socket reports a hangup.
    const watched = poller.watch(flow.fd, flow);
    if (watched < 0) this.connectFailed(flow, -watched);
  }
  #giveSource(flow: TcpFlow): void {
    flow.source = new SocketSource(this.host.sockets, flow.fd, this.slab, this.#queues[flow.origin]);
  }
  /** Many servers listen on one of the host's two loopbacks only: the other is tried before the guest is refused. */
  #tryAlternative(flow: TcpFlow): boolean {
    const { alternative } = flow;
    if (alternative === undefined) return false;
    flow.alternative = undefined;
    const fd = this.#socketFor(alternative);
    if (fd < 0) return false;
    this.counters.event('tcp-other-loopback');
    this.host.poller.forget(flow);
    this.host.sockets.closeSocket(flow.fd);
    flow.fd = fd;
    this.#connect(flow, alternative, flow.remotePort);
    return true;
  }
  #start(flow: TcpFlow, packet: Packet): void {
    const b = packet.bytes;
    const { at } = packet;
    flow.irs = wire.sequence(b, at);
    flow.rcv = flow.acked = flow.edge = (flow.irs + 1) | 0;
    const scaled = readSynOptions(flow, b, at, offeredMss(this.frames.link.mtu, flow.guestAddress.isV4));
    flow.ownShift = scaled ? WINDOW_SCALE : 0;
    this.#begin(flow);
  }
  #begin(flow: TcpFlow): void {
    flow.iss = this.#isn.next(flow.remoteAddress, flow.remotePort, flow.guestAddress, flow.guestPort);
    flow.una = flow.iss;
    flow.nxt = flow.max = (flow.iss + 1) | 0;
    flow.answers = this.acks.answersOf(flow);
    this.#table.insert(flow.guestAddress, flow.guestPort, flow.remoteAddress, flow.remotePort, flow);
    flow.idleness.set(this.clock.in(IDLE));
    this.counters.tcpFlows++;
    this.counters.tcpOpen++;
    if (flow.origin === 'published') this.#published++;
    this.#parts.log.opened(flow);
  }

  /** True while there is room for a client of the host's. */
  get hasRoom(): boolean {
    return this.#published < this.#parts.settings.tcpFlows;
  }
  isTaken(guest: IpAddress, guestPort: number, remote: IpAddress, remotePort: number): boolean {
    return this.#table.get(guest, guestPort, remote, remotePort) !== undefined;
  }
  /**
   * A connection that the host accepted for a port of the guest's; `fd`, prepared as its listener was, is this translator's from now on. The client counts as connected already, so that all
   * it can be told of a refusal is a reset.
   */
  openToGuest(fd: number, identity: FlowIdentity, otherGuest: IpAddress | undefined): void {
    const flow = new TcpFlow(identity, this.#parts.log.nextId(), undefined, fd, this.clock, this);
    flow.state = Seen.SynSent;
    flow.otherGuest = otherGuest;
    flow.ownShift = WINDOW_SCALE;
    this.#begin(flow);
    this.counters.event('tcp-published');
    sendSyn(this, flow);
  }
  /** The host socket is watched only now. What most clients have said by then goes out with the acknowledgment that is due: it is read without waiting for the event. */
  guestAccepted(flow: TcpFlow): void {
    this.#giveSource(flow);
    flow.set(Seen.Readable);
    if (this.host.poller.watch(flow.fd, flow) === 0) return;
    sendReset(this, flow);
    this.close(flow, 'host cannot watch more sockets', true);
  }
  guestRefused(flow: TcpFlow): void {
    this.counters.event('tcp-published-refused');
    const { fd, otherGuest, guestPort, remotePort, client } = flow;
    if (otherGuest === undefined) return this.close(flow, 'refused by guest', true);
    flow.fd = NO_DESCRIPTOR;
    this.close(flow, 'refused by guest', false);
    const { gateway4, gateway6 } = this.#parts.settings;
    const remoteAddress = otherGuest.isV4 ? gateway4 : gateway6;
    const identity = {
      protocol: 'tcp',
      origin: 'published',
      guestAddress: otherGuest,
      guestPort,
      remoteAddress,
      remotePort,
      client,
    } as const;
    if (this.isTaken(otherGuest, guestPort, remoteAddress, remotePort)) return this.host.sockets.closeWithReset(fd);
    this.counters.event('tcp-other-family');
    this.openToGuest(fd, identity, undefined);
  }

  connectFailed(flow: TcpFlow, reported: number): void {
    if (this.#tryAlternative(flow)) return;
    // Whatever keeps us from a loopback of the host (it may lack a family), its port is closed to the guest.
    const error = flow.toLoopback ? Errno.ECONNREFUSED : reported;
    this.counters.event(error === Errno.ECONNREFUSED ? 'tcp-connect-refused' : 'tcp-connect-failed');
    this.close(flow, `connect: ${connectReason(error)}`, false);
    const { errors } = this.#parts;
    const seq = flow.irs;
    switch (error) {
      case Errno.ECONNREFUSED:
        return this.#resetSyn(flow);
      case Errno.ENETUNREACH:
      case Errno.ENETDOWN:
        return errors.unreachableFlow(flow, IpProtocol.Tcp, 'net', seq);
      case Errno.EHOSTUNREACH:
      case Errno.EHOSTDOWN:
        return errors.unreachableFlow(flow, IpProtocol.Tcp, 'host', seq);
      case Errno.EACCES:
      case Errno.EPERM:
        return errors.unreachableFlow(flow, IpProtocol.Tcp, 'prohibited', seq);
      case Errno.ETIMEDOUT:
      case Errno.EADDRNOTAVAIL:
        // Silence: the guest's own time-out, or its next try, decides.
        return;
      default:
        return this.#resetSyn(flow);
    }
  }

  /** RST to a SYN: sequence 0, acknowledging the SYN (RFC 9293 3.10.7.1). */
  #resetSyn(flow: TcpFlow): void {
    this.#reset(flow.guestAddress, flow.guestPort, flow.remoteAddress, flow.remotePort, 0, (flow.irs + 1) | 0, true);
  }
  refuseSegment(packet: Packet): void {
    const b = packet.bytes;
    const { at } = packet;
    const flags = wire.flags(b, at);
    const hasAck = (flags & wire.Flag.Ack) !== 0;
    const len = packet.end - at - wire.headerLen(b, at) + (flags & wire.Flag.Fin) + ((flags & wire.Flag.Syn) >>> 1);
    this.#reset(
      new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3),
      wire.sourcePort(b, at),
      new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3),
      wire.destinationPort(b, at),
      hasAck ? wire.acknowledgment(b, at) : 0,
      hasAck ? 0 : (wire.sequence(b, at) + len) | 0,
      !hasAck,
    );
  }
  #reset(
    guest: IpAddress,
    guestPort: number,
    remote: IpAddress,
    remotePort: number,
    seq: number,
    ack: number,
    withAck: boolean,
  ): void {
    const packet = this.frames.pool.alloc(0);
    if (packet === undefined) return this.counters.drop('no-buffer');
    this.counters.event('tcp-resets-sent');
    const at = packet.push(wire.HEADER_LEN);
    wire.setPorts(packet.bytes, at, remotePort, guestPort);
    wire.setNumbers(packet.bytes, at, seq, ack);
    wire.setControl(packet.bytes, at, wire.HEADER_LEN, wire.Flag.Rst | (withAck ? wire.Flag.Ack : 0), 0);
    this.frames.finishTransport(packet, wire.CHECKSUM, sumOf(guest) + sumOf(remote), IpProtocol.Tcp);
    this.frames.sendIp(packet, remote, guest, IpProtocol.Tcp);
  }

  hostEvent(flow: TcpFlow, events: number): void {
    hostEvent(this, flow, events);
  }
  markDirty(flow: TcpFlow): void {
    if (flow.has(Seen.Dirty | Seen.Closed)) return;
    flow.set(Seen.Dirty);
    this.#dirty.push(flow);
  }
  block(flow: TcpFlow): void {
    if (flow.has(Seen.LinkBlocked)) return;
    flow.set(Seen.LinkBlocked);
    this.#blocked.push(flow);
  }

  /** The end of a turn. True when flows have more to do at once. */
  flush(): boolean {
    if (this.#blocked.length > 0 && this.frames.link.queued < LINK_HIGH) this.#unblock();
    const list = this.#dirty;
    this.#dirty = this.#flushing;
    this.#flushing = list;
    for (const flow of list) {
      flow.clear(Seen.Dirty);
      if (this.#linkGone) finish(this, flow);
      else if (!flush(this, flow)) this.markDirty(flow);
    }
    list.length = 0;
    return this.#dirty.length > 0;
  }
  #unblock(): void {
    const list = this.#blocked;
    this.#blocked = [];
    for (const flow of list) {
      flow.clear(Seen.LinkBlocked);
      this.markDirty(flow);
    }
  }
  /** True while flows wait for the link or for packet buffers. */
  get waiting(): boolean {
    return this.#blocked.length > 0;
  }

  /** The retransmission timer of a flow. */
  retransmit(flow: TcpFlow): void {
    flow.retries++;
    if (flow.has(Seen.SynReceived | Seen.SynSent)) {
      if (flow.retries > SYN_TRIES) return this.close(flow, 'no answer to SYN', true);
      return flow.has(Seen.SynSent) ? sendSyn(this, flow) : sendSynAck(this, flow);
    }
    if (flow.retries > DATA_TRIES) {
      sendReset(this, flow);
      return this.close(flow, 'guest does not answer', true);
    }
    if (isShut(flow)) return hostGone(this, flow);
    if (flow.has(Seen.Probing)) {
      sendProbe(this, flow);
      armTimer(this, flow);
      return;
    }
    if (flow.una === flow.max) return this.markDirty(flow);
    this.counters.event('tcp-timeouts');
    rewind(this, flow);
    if (flow.window === 0) sendProbe(this, flow);
    armTimer(this, flow);
    if (!pump(this, flow)) this.markDirty(flow);
  }

  idle(flow: TcpFlow): void {
    const quiet = since(this.clock.now(), flow.lastActivity);
    const closing = flow.has(Seen.HostEnded) && flow.has(Seen.GuestEnded);
    if (closing && quiet >= CLOSING_IDLE) return this.close(flow, 'idle after both ends', true);
    if (quiet >= IDLE && flow.has(Seen.Established) && !flow.retransmission.armed) {
      flow.set(Seen.Probing);
      sendProbe(this, flow);
      armTimer(this, flow);
    }
    const most = closing ? CLOSING_IDLE : IDLE;
    flow.idleness.set(this.clock.in(micros(Math.max(most - quiet, millis(1000)))));
  }

  close(flow: TcpFlow, reason: string, reset: boolean): void {
    if (flow.has(Seen.Closed)) return;
    flow.set(Seen.Closed);
    flow.retransmission.cancel();
    flow.idleness.cancel();
    if (flow.has(Seen.AckWaits)) this.acks.remove(flow);
    this.#table.delete(flow.guestAddress, flow.guestPort, flow.remoteAddress, flow.remotePort);
    this.budget.used -= flow.promised;
    flow.promised = 0;
    dropHold(this, flow);
    flow.source?.close();
    flow.source = undefined;
    this.host.poller.forget(flow);
    flow.service?.closed();
    flow.service = undefined;
    if (flow.fd !== NO_DESCRIPTOR) {
      if (reset) this.host.sockets.closeWithReset(flow.fd);
      else this.host.sockets.closeStream(flow.fd);
    }
    this.counters.tcpOpen--;
    if (flow.origin === 'published') this.#published--;
    this.#parts.log.closed(flow, reason);
  }

  /**
   * The link is gone. Connections that the guest had ended still get the octets that it was told were taken, within LINGER; every other ends with
   * RST, since nobody can tell what the guest would have sent.
   */
  shutdown(): void {
    this.#linkGone = true;
    for (const flow of Array.from(this.#table.values())) {
      flow.retransmission.cancel();
      if (flow.has(Seen.GuestEnded)) finish(this, flow);
      else this.close(flow, 'link closed', true);
    }
    if (this.size > 0) this.#linger.set(this.clock.in(LINGER));
  }
  /** Octets of ended connections that hosts did not take until now are given up. */
  abandon(): void {
    for (const flow of Array.from(this.#table.values())) this.close(flow, 'link closed, octets undelivered', true);
  }
}

function connectReason(error: number): string {
  return Object.entries(Errno).find(([, value]) => value === error)?.[0] ?? `errno ${error}`;
}
