/**
 * A socket of datagrams below the system calls, whose protocol (UDP: udp-endpoint.ts, echo: ping-endpoint.ts) adds headers, checksums and rules of its own
 * (RFC 1122 4.1; udp(7), ip(7), ipv6(7)). One class for both families: IPv4 is held IPv4-mapped, and an IPv6 endpoint without `v6Only` speaks both. Order of
 * refusals is Linux's udp_sendmsg: destination, size, route, broadcast permission, pending error, shutdown.
 *
 * Nothing waits on the way out: what the link's bounded queue does not take is lost and counted, so an endpoint is always writable. Linux reports such a
 * loss (ENOBUFS) only to sockets with IP_RECVERR, and holds a sender back by SO_SNDBUF, which has nothing to hold here.
 * A send may stand for several datagrams (UDP_SEGMENT): loopback passes it on whole, and it is cut where it is received unless the reader takes it whole (UDP_GRO); for other links it is cut
 * here. What became of a send comes back in the error queue: ICMP errors, errors of this host, timestamps. Left out: corking, which is the socket layer's.
 */

import type { Family, IpAddress } from '../address.ts';
import {
  type Datagram,
  type DatagramError,
  PathMtuDiscovery,
  type PathMtuNotice,
  type SendChoices,
  Shutdown,
  type SourceFilters,
  type UdpEndpoint,
} from '../endpoint.ts';
import { autoFlowLabel } from '../ip/flow-label.ts';
import { type IcmpError, isBeyondLink, type OutputOptions, type Route } from '../ip/ip.ts';
import type { NetError } from '../net-error.ts';
import { Gso, type Packet, SMALL_OCTETS } from '../packet.ts';
import { trim } from '../packet-filter.ts';
import { PortBinding } from '../ports.ts';
import { type Observer, Readiness } from '../readiness.ts';
import { foundGroup, leaveGroup, type ReuseGroup } from '../reuse-group.ts';
import { defaultUdpSettings } from '../settings.ts';
import { EtherType } from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import type { DatagramContext } from './datagram-context.ts';
import { icmpRecord, stampRecord, tooLongRecord } from './error-records.ts';
import { Memberships } from './memberships.ts';
import { anyOf, forbidsFragments, mayFragment, mtuOf, note, pathMtuOf, sourceOf } from './path.ts';
import { ReceiveQueue } from './receive-queue.ts';
import { RouteMemo } from './route-memo.ts';
import { refusesSegments, segmentAt } from './segments.ts';
import { STAMPS, Stamping, StampKind } from './stamping.ts';

const { In, Out, Err, Hup, RdNorm, WrNorm, RdHup } = Readiness;

export abstract class DatagramSocket implements UdpEndpoint {
  readonly id: number;
  readonly family: Family;
  readonly settings = defaultUdpSettings();
  readonly isListening = false;
  observer: Observer | undefined = undefined;
  localAddress: IpAddress;
  remoteAddress: IpAddress;
  remotePort = 0;
  isConnected = false;
  pathMtuNotice: PathMtuNotice | undefined = undefined;
  /** @internal */
  readonly binding: PortBinding<DatagramSocket> = new PortBinding<DatagramSocket>(this);

  /** @internal SO_REUSEPORT. */
  reuseGroup: ReuseGroup<DatagramSocket> | undefined = undefined;

  protected readonly context: DatagramContext;
  readonly #queue = new ReceiveQueue();
  readonly #groups: Memberships;
  #error: NetError | undefined = undefined;
  #shut = 0;
  #closed = false;
  /** Linux's SOCK_BINDADDR_LOCK and SOCK_BINDPORT_LOCK: what bind() named outlives disconnect. */
  #addressLocked = false;
  /** What connect() chose to send from where the socket is bound to an address that is no source (inet_saddr). */
  #chosen: IpAddress | undefined = undefined;
  #portLocked = false;
  readonly #routes: RouteMemo;
  readonly #output: OutputOptions & { ttl: number } = { ttl: 0, tos: 0, dontFragment: false };
  /** Number of the next timestamp (SOF_TIMESTAMPING_OPT_ID). */
  #stampIds = 0;
  #timestampingWas = 0;
  readonly #tap = (packet: Packet): void => this.#stamp(packet);

  constructor(context: DatagramContext, family: Family) {
    this.context = context;
    this.family = family;
    this.id = context.nextSocketId();
    this.#groups = new Memberships(context.ip);
    this.#routes = new RouteMemo(context.ip);
    this.settings.multicastAll = family === 4;
    this.localAddress = this.remoteAddress = anyOf(family);
  }
  /** Number of the protocol in IP headers. */
  protected abstract protocolOf(isV4: boolean): number;
  /** Octets of the protocol's header in front of what the user sends and gets. */
  protected abstract readonly headerLen: number;
  /** Octets that the user may send at once. */
  protected abstract longest(isV4: boolean): number;
  /** Whether a destination has a port. */
  protected abstract readonly needsPort: boolean;
  /** Writes the header in front of `packet.at`. */
  protected abstract emitHeader(packet: Packet, port: number, len: number): void;
  /** The last datagram may be more than the receive buffer has room for. */
  protected get fillsBeyond(): boolean {
    return false;
  }
  /** The port that a received message names as its destination, or -1. */
  protected destinationPortOf(_packet: Packet): number {
    return this.localPort;
  }
  /** Where a message goes whose header stands in front of `packet.at`. */
  protected portOf(_packet: Packet): number {
    return 0;
  }
  /** Completes the message, on whose header `packet.at` stands. */
  protected abstract seal(packet: Packet, route: Route): void;
  /**
   * @internal How well this socket fits a datagram, 0 not at all.
   */
  abstract score(packet: Packet, remotePort: number): number;

  get localPort(): number {
    return this.binding.port;
  }
  get isBound(): boolean {
    return this.binding.port !== 0;
  }
  get queued(): number {
    return this.#queue.count;
  }
  get charged(): number {
    return this.#queue.charged;
  }
  get drops(): number {
    return this.#queue.drops;
  }
  get error(): NetError | undefined {
    return this.#error;
  }
  get receiveEnded(): boolean {
    return (this.#shut & Shutdown.Read) !== 0;
  }
  get sendEnded(): boolean {
    return (this.#shut & Shutdown.Write) !== 0;
  }

  /** Linux's datagram_poll. */
  readiness(): number {
    let mask = Out | WrNorm;
    if (this.#error !== undefined || this.#queue.firstError !== undefined) mask |= Err;
    if (this.receiveEnded) mask |= RdHup | In | RdNorm;
    if (this.#shut === Shutdown.Both) mask |= Hup;
    if (this.#queue.count > 0) mask |= In | RdNorm;
    return mask;
  }
  takeError(): NetError | undefined {
    const error = this.#error;
    this.#error = undefined;
    return error;
  }
  optionsChanged(): void {
    this.#routes.forget();
    const { timestamping } = this.settings;
    // The numbers begin anew whenever they are asked for (sock_set_timestamping).
    if ((timestamping & ~this.#timestampingWas & Stamping.OptId) !== 0) this.#stampIds = 0;
    this.#timestampingWas = timestamping;
  }

  bind(address: IpAddress, port: number): NetError | undefined {
    if (this.isBound) return 'invalid';
    const refusal = this.#refusesFamily(address, 'invalid');
    if (refusal !== undefined) return refusal;
    const { bindAddressNoPort } = this.settings;
    if (!this.isBindable(address)) return 'address-not-available';
    const failure = bindAddressNoPort && port === 0 ? undefined : this.#take(address, port);
    if (failure !== undefined) return failure;
    this.localAddress = address;
    this.#addressLocked = !address.isUnspecified;
    this.#portLocked = port !== 0;
    return undefined;
  }
  protected isBindable(address: IpAddress): boolean {
    return this.settings.freeBind || this.settings.transparent || this.context.ip.isBindable(address);
  }
  /** An IPv4 endpoint takes no IPv6 address, one with `v6Only` no IPv4 one. */
  #refusesFamily(address: IpAddress, whenV6Only: NetError): NetError | undefined {
    if (this.family === 4) return address.isV4 ? undefined : 'address-family';
    return address.isV4 && this.settings.v6Only ? whenV6Only : undefined;
  }
  /** Linux answers EAGAIN when no port is left for an implicit bind. */
  autobind(): NetError | undefined {
    if (this.isBound) return undefined;
    return this.#take(this.localAddress, 0) === undefined ? undefined : 'would-block';
  }
  #take(address: IpAddress, port: number): NetError | undefined {
    const refused = this.context.ports.bind(this.binding, address, port);
    if (refused === undefined && this.settings.reusePort) this.joinsPort();
    return refused;
  }
  #giveBack(): void {
    leaveGroup<DatagramSocket>(this);
    this.context.ports.release(this.binding);
  }
  /** It has a port now, which it may share. */
  protected joinsPort(): void {
    // Without groups there is nothing to join.
  }
  reuseGroupToSteer(): ReuseGroup<unknown> | undefined {
    if (this.isBound) return this.reuseGroup;
    return this.settings.reusePort ? foundGroup<DatagramSocket>(this) : undefined;
  }

  connect(address: IpAddress, port: number): NetError | undefined {
    const refusal = this.#refusesFamily(address, 'network-unreachable') ?? this.autobind();
    if (refusal !== undefined) return refusal;
    const { settings } = this;
    const iface = this.#interfaceFor(address, 0);
    const source = this.#sourceFor(address);
    const protocol = this.protocolOf(address.isV4);
    const route = this.context.ip.route(address, source, iface, protocol, port, settings.transparent);
    if (typeof route === 'string') return route;
    if (settings.dontRoute && isBeyondLink(route)) return 'network-unreachable';
    if (route.isBroadcast && !settings.broadcast) return 'permission';
    // As Linux: an address once chosen stays over a further connect() until disconnect().
    if (this.localAddress.isUnspecified) this.localAddress = this.binding.address = route.local;
    else if (!this.localAddress.isV4 || this.family === 4) this.#chosen ??= route.local;
    // Who is connected has a table of his own (udp_lib_hash4).
    leaveGroup<DatagramSocket>(this);
    this.remoteAddress = route.remote;
    this.remotePort = port;
    this.isConnected = true;
    return undefined;
  }
  disconnect(): void {
    this.isConnected = false;
    this.remoteAddress = anyOf(this.family);
    this.remotePort = 0;
    // Whoever chose it (__udp_disconnect).
    this.settings.boundInterface = 0;
    if (!this.#addressLocked) this.localAddress = this.binding.address = anyOf(this.family);
    if (!this.#portLocked) this.#giveBack();
  }

  /**
   * The address to send to `remote` from, if bind() or connect() fixed one; a group bound to is none (RFC 1112 6.1), and an IPv6 address that connect() chose is
   * none for IPv4. From an IPv4 address there is no way to an IPv6 one, which is the router's to find.
   */
  #sourceFor(remote: IpAddress): IpAddress | undefined {
    const { localAddress } = this;
    // ::ffff:0.0.0.0 is an IPv4 address like any other.
    if (this.family === 6 && localAddress.isV4 && !remote.isV4) return localAddress;
    const isNone = localAddress.isMulticast || this.context.ip.isBroadcast(localAddress);
    // Of an IPv4-mapped one bind() does not see what it is (__inet6_bind): it leads nowhere.
    if (localAddress.isUnspecified || (isNone && localAddress.isV4 === (this.family === 4))) {
      if (this.#chosen?.isV4 === remote.isV4) return this.#chosen;
      return remote.isMulticast && remote.isV4 ? this.settings.multicastSource : undefined;
    }
    return localAddress.isV4 || !remote.isV4 ? localAddress : undefined;
  }
  #interfaceFor(remote: IpAddress, chosen: number): number {
    const { settings } = this;
    const wanted = chosen || settings.boundInterface;
    if (wanted !== 0) return wanted;
    if (remote.isV4) return remote.isMulticast ? settings.multicastInterface : settings.unicastInterface;
    return remote.isMulticast ? settings.multicastInterface6 : settings.unicastInterface6;
  }

  prepare(
    to: IpAddress | undefined,
    port: number,
    len: number,
    choices: SendChoices | undefined,
    isBegun = false,
  ): Packet | NetError {
    const remote = to ?? (this.isConnected ? this.remoteAddress : undefined);
    if (remote === undefined) return 'destination-required';
    const remotePort = to === undefined ? this.remotePort : port;
    if (to !== undefined && !isBegun && remotePort === 0 && this.needsPort) return 'invalid';
    const refusal = this.#refusesFamily(remote, 'network-unreachable') ?? this.autobind();
    if (refusal !== undefined) return refusal;
    const route = this.#routeTo(remote, remotePort, choices);
    if (typeof route === 'string') return route;
    const refused =
      this.#refusesRoute(route, len, remotePort, choices) ?? this.#refusesSend(route, len, choices, isBegun);
    return refused ?? this.#allocate(route, remotePort, len, choices);
  }

  #routeTo(remote: IpAddress, port: number, choices: SendChoices | undefined): Route | NetError {
    if (choices?.route !== undefined) return choices.route;
    const source =
      choices?.source === undefined ? this.#sourceFor(remote) : sourceOf(choices.source, remote, this.settings);
    const iface = this.#interfaceFor(remote, choices?.interfaceIndex ?? 0);
    const protocol = this.protocolOf(remote.isV4);
    return this.#routes.find(remote, source, iface, protocol, port, this.settings.transparent);
  }
  #refusesRoute(route: Route, len: number, port: number, choices: SendChoices | undefined): NetError | undefined {
    const { settings } = this;
    if (choices?.route === undefined) {
      if (settings.dontRoute && isBeyondLink(route)) return 'network-unreachable';
      if (route.isBroadcast && !settings.broadcast) return 'permission';
    }
    if (len > this.longest(route.remote.isV4)) return this.#tooLong(route, port, choices);
    if ((choices?.segment ?? settings.segment) !== 0) return undefined;
    if (this.#size(route, len) > mtuOf(route, settings) && !mayFragment(route, settings, choices)) {
      return this.#tooLong(route, port, choices);
    }
    return undefined;
  }
  /** What there is of errors, and of cutting it: only what is whole is cut, and looked at then (udp_send_skb). */
  #refusesSend(route: Route, len: number, choices: SendChoices | undefined, isBegun: boolean): NetError | undefined {
    const refused = isBegun ? undefined : (this.takeError() ?? (this.sendEnded ? 'broken-pipe' : undefined));
    const segment = choices?.segment ?? this.settings.segment;
    if (refused !== undefined || segment === 0 || choices?.isPart === true) return refused;
    return refusesSegments(this.#size(route, Math.min(len, segment)), len, segment, route, this.settings);
  }
  /** Who asks for errors, or for path MTUs (ipv6_local_rxpmtu), is told the MTU. */
  #tooLong(route: Route, port: number, choices: SendChoices | undefined): NetError {
    const { settings, remotePort } = this;
    const { isV4 } = route.remote;
    if (!isV4 && settings.receivePathMtu && (choices?.dontFragment ?? settings.dontFragment6)) {
      const interfaceIndex = this.#interfaceFor(route.remote, choices?.interfaceIndex ?? 0);
      this.pathMtuNotice = { destination: route.remote, interfaceIndex, mtu: mtuOf(route, settings) };
    }
    if (isV4 ? settings.receiveErrors : settings.receiveErrors6) {
      // Linux names the port that an IPv4 socket is connected to.
      const told = isV4 ? remotePort : port;
      this.queueError(tooLongRecord(route, mtuOf(route, settings), told, this.context.clock.now()));
    }
    return 'message-size';
  }
  #size(route: Route, len: number): number {
    return len + this.headerLen + (route.remote.isV4 ? ipv4.HEADER_LEN : ipv6.HEADER_LEN);
  }
  #allocate(route: Route, port: number, len: number, choices: SendChoices | undefined): Packet | NetError {
    const packet = this.context.pool.alloc(len);
    if (packet === undefined) {
      this.context.counters(route.remote.isV4).SndbufErrors++;
      return 'no-buffers';
    }
    packet.end = packet.at + len;
    const { settings } = this;
    // Several may be prepared before the first leaves (sendmmsg), so each carries what was decided: its header stands in the headroom already.
    this.emitHeader(packet, port, len);
    note(packet, route.remote, len, settings, choices);
    const stamps = (choices?.stamps ?? settings.timestamping) & STAMPS;
    if (stamps !== 0) {
      packet.stamps = stamps;
      packet.stampId = choices?.stampId ?? ((settings.timestamping & Stamping.OptId) === 0 ? 0 : this.#stampIds++);
    }
    packet.route = route;
    packet.socketId = this.id;
    return packet;
  }

  transmit(packet: Packet, callId: number): void {
    const route = packet.route as Route | undefined;
    if (route === undefined || packet.socketId !== this.id || this.#closed) {
      packet.release();
      return;
    }
    packet.route = undefined;
    packet.callId = callId;
    packet.time = this.context.clock.now();
    this.context.counters(route.remote.isV4).OutDatagrams++;
    if (packet.gsoType === Gso.UdpL4 && !route.isLoopback) this.#transmitSegments(packet, route);
    else this.#send(packet, route);
  }
  /** What no link cuts is cut here. */
  #transmitSegments(packet: Packet, route: Route): void {
    const port = this.portOf(packet);
    for (let at = packet.at; at < packet.end; at += packet.gsoSize) {
      const segment = segmentAt(packet, at);
      if (segment === undefined) break;
      this.emitHeader(segment, port, segment.length);
      this.#send(segment, route);
    }
    packet.release();
  }
  #send(packet: Packet, route: Route): void {
    const { settings } = this;
    const isV4 = route.remote.isV4;
    // IPV6_MTU says how long the pieces are, but what the path takes is not cut (ip6_finish_output).
    const fits = this.#size(route, packet.length) <= pathMtuOf(route, settings);
    const output = this.#output;
    output.ttl = packet.ttl;
    output.tos = packet.tos;
    output.dontFragment = isV4 && forbidsFragments(settings, fits);
    output.multicastLoop = isV4 ? settings.multicastLoop : settings.multicastLoop6;
    output.mtu = fits ? pathMtuOf(route, settings) : mtuOf(route, settings);
    output.flowLabel = isV4 ? 0 : packet.flowLabel || this.#ownLabel(route.remote);
    output.tap = packet.stamps === 0 ? undefined : this.#tap;
    packet.push(this.headerLen);
    this.seal(packet, route);
    if (this.context.ip.output(packet, route, this.protocolOf(isV4), output) === 'no-buffers') {
      this.context.counters(isV4).SndbufErrors++;
    }
  }

  #ownLabel(remote: IpAddress): number {
    return this.settings.autoFlowLabel ? autoFlowLabel(this.context.flowKey, remote, this.localPort) : 0;
  }

  peek(index: number): Datagram | undefined {
    return this.#queue.at(index);
  }
  consume(count: number, from = 0): void {
    this.#queue.consume(count, from);
  }
  peekError(index = 0): DatagramError | undefined {
    return this.#queue.errorAt(index);
  }
  /** Linux's sock_dequeue_err_skb: the pending error is that of the ICMP message at the head of the queue, and goes with the last of them. */
  consumeError(): void {
    const gone = this.#queue.firstError;
    this.#queue.dropError();
    const next = this.#queue.firstError;
    if (next?.origin === 'icmp') this.#error = next.error;
    else if (gone?.origin === 'icmp') this.#error = undefined;
    if (next !== undefined) this.observer?.endpointChanged(Err);
  }
  purgeErrors(): void {
    this.#queue.purgeErrors();
  }
  queueError(error: DatagramError): boolean {
    if (!this.#queue.pushError(error, this.settings.receiveBuffer)) return false;
    this.observer?.endpointChanged(Err);
    return true;
  }

  shutdown(how: number): NetError | undefined {
    this.#shut |= how;
    this.observer?.endpointChanged(this.readiness());
    return this.isConnected ? undefined : 'not-connected';
  }
  join(...how: Parameters<Memberships['join']>): NetError | undefined {
    return this.#groups.join(...how);
  }
  get sourceFilters(): SourceFilters {
    return this.#groups;
  }
  leave(group: IpAddress, interfaceIndex: number, interfaceAddress: IpAddress | undefined): NetError | undefined {
    return this.#groups.leave(group, interfaceIndex, interfaceAddress);
  }
  /** @internal Whether a datagram sent to a group or to everyone is for this socket, as far as memberships say. */
  takesGroup(packet: Packet): boolean {
    return this.#groups.takes(packet, this.settings.multicastAll, this.settings.multicastAll6);
  }

  close(): void {
    this.#groups.clear();
    this.#closed = true;
    this.observer = undefined;
    this.#queue.clear();
    if (this.isBound) this.#giveBack();
  }

  /** Whether a datagram to these addresses is for this socket, as far as its own address says. */
  protected isForUs(packet: Packet): boolean {
    const { localAddress: l } = this;
    if (!l.isUnspecified) {
      return l.w3 === packet.dst3 && l.w2 === packet.dst2 && l.w1 === packet.dst1 && l.w0 === packet.dst0;
    }
    if (packet.ethertype === EtherType.Ipv4) return l.isV4 || !this.settings.v6Only;
    return !l.isV4;
  }

  /** @internal `packet.at` .. `end` is the payload. Owns the packet. */
  deliver(packet: Packet, sourcePort: number): void {
    if (packet.gsoType !== Gso.UdpL4 || this.settings.coalesce) {
      this.#enqueue(packet, sourcePort);
      return;
    }
    // What finds no buffer is lost.
    for (let at = packet.at; at < packet.end; at += packet.gsoSize) {
      const segment = segmentAt(packet, at);
      if (segment === undefined) break;
      this.#enqueue(segment, sourcePort);
    }
    packet.release();
  }
  #enqueue(packet: Packet, sourcePort: number): void {
    const counters = this.context.counters(packet.ethertype === EtherType.Ipv4);
    if (this.settings.filter !== undefined && !trim(packet, this.settings.filter, this.headerLen)) {
      counters.InErrors++;
      packet.release();
      return;
    }
    let hasRoom = this.#hasRoomFor(packet);
    if (!hasRoom && this.observer?.settle !== undefined) {
      this.observer.settle();
      hasRoom = this.#hasRoomFor(packet);
    }
    const kept = hasRoom ? this.#small(packet) : undefined;
    if (kept === undefined) {
      this.#queue.drops = (this.#queue.drops + 1) >>> 0;
      counters.InErrors++;
      counters.RcvbufErrors++;
      packet.release();
      return;
    }
    counters.InDatagrams++;
    this.#queue.push(kept, sourcePort, this.destinationPortOf(kept), this.settings.placesDatagrams);
    this.observer?.endpointChanged(In | RdNorm);
  }
  #hasRoomFor(packet: Packet): boolean {
    // What lies unread here must not starve the rest of the stack of buffers.
    if (this.context.pool.isLow && this.#queue.count > 0) return false;
    const { receiveBuffer } = this.settings;
    return this.fillsBeyond ? this.#queue.isBelow(receiveBuffer) : this.#queue.hasRoomFor(packet, receiveBuffer);
  }
  /** A short datagram does not keep a buffer of 64 KiB. */
  #small(packet: Packet): Packet {
    if (packet.limit - packet.base <= SMALL_OCTETS || packet.length > SMALL_OCTETS / 2) return packet;
    const { at } = packet;
    const front = this.settings.keepsHeaders ? at - packet.l3 : 0;
    packet.at -= front;
    const copy = packet.copyTo(packet.pool);
    packet.at = at;
    if (copy === undefined) return packet;
    copy.at += front;
    packet.release();
    return copy;
  }

  /** The packet, its header in front, is about to leave: what was asked for is noted in the error queue (__skb_tstamp_tx). */
  #stamp(packet: Packet): void {
    const { stamps, stampId } = packet;
    packet.stamps = 0;
    if ((stamps & Stamping.TxSched) !== 0) this.#queueStamp(packet, StampKind.Sched, stampId);
    if ((stamps & Stamping.TxSoftware) !== 0) this.#queueStamp(packet, StampKind.Sent, stampId);
  }
  #queueStamp(packet: Packet, kind: number, id: number): void {
    const { timestamping } = this.settings;
    const number = (timestamping & Stamping.OptId) === 0 ? 0 : id >>> 0;
    const isWhole = (timestamping & Stamping.OptTsOnly) === 0;
    this.queueError(stampRecord(packet, kind, number, isWhole, this.context.clock.now()));
  }

  /** @internal An ICMP error that quotes a datagram of ours; `quoted.l4` on its header. Linux's __udp4_lib_err and ping_err. */
  icmpError(quoted: Packet, destination: IpAddress, destinationPort: number, error: IcmpError): void {
    const { settings } = this;
    const tooBig = error.kind === 'message-size';
    if (tooBig) {
      const discovery = destination.isV4 ? settings.pathMtuDiscovery : settings.pathMtuDiscovery6;
      // ip_sk_accept_pmtu.
      if (discovery < PathMtuDiscovery.Interface) this.context.ip.lowerPathMtu(destination, error.mtu);
      // The next one will simply be fragmented.
      if (discovery === PathMtuDiscovery.Dont) return;
    }
    if (destination.isV4 ? settings.receiveErrors : settings.receiveErrors6) {
      const payload = quoted.l4 + this.headerLen;
      const extensions = destination.isV4 ? settings.receiveExtensions : settings.receiveExtensions6;
      const now = this.context.clock.now();
      this.queueError(icmpRecord(error, quoted, payload, destination, destinationPort, extensions, now));
    } else if (!error.isHard || !this.isConnected) return;
    this.#error = error.kind;
    this.observer?.endpointChanged(Err);
  }
}
