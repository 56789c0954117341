/**
 * UDP sockets (udp(7)) on a UdpEndpoint.
 *
 * A message to send is routed, allocated and filled at once and waits as a packet; commit transmits it, rollback gives the buffer back. Received
 * datagrams are looked at in place and leave the queue on commit. One system call may do either several times (sendmmsg, recvmmsg).
 */
import { Errno } from '../abi/errno.ts';
import { IPPROTO_UDP } from '../abi/in.ts';
import { SIOCINQ, SIOCOUTQ } from '../abi/ioctl.ts';
import { POLLERR, POLLIN, POLLPRI, POLLRDNORM } from '../abi/poll.ts';
import {
  AF_INET,
  MSG_DONTROUTE,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_MORE,
  MSG_PEEK,
  MSG_PROBE,
  MSG_TRUNC,
  SOCK_DGRAM,
} from '../abi/socket.ts';
import { instant } from '../lib/clock.ts';
import type { IpAddress } from '../netstack/address.ts';
import type { Datagram, UdpEndpoint } from '../netstack/endpoint.ts';
import type { Route } from '../netstack/ip/ip.ts';
import { Packet } from '../netstack/packet.ts';
import type { Committable } from './committable.ts';
import { copyError } from './control/error.ts';
import { receivePathMtu } from './control/path-mtu.ts';
import { wantsControl, writeControl } from './control/report.ts';
import { Choices, STAMPS } from './control/send.ts';
import { DatagramCork } from './cork.ts';
import { earlyRefusal, isByRoute, isOnLink, leadsHere, WRITE_SPACE, withBand } from './datagram-rules.ts';
import { applyDatagramOptions } from './datagram-settings.ts';
import { errnoOf, resultOf } from './errors.ts';
import { decodeDatagramPeer, decodeDestination, NO_NAME, writeName } from './inet-name.ts';
import { InetSocket, type SocketWorld } from './inet-socket.ts';
import type { MessageLender } from './lender.ts';
import type { Message } from './message.ts';
import { PeekPlace } from './options/peek.ts';
import { OptionState } from './options/target.ts';
import { StrayFlow } from './stray-flow.ts';

/** What `#sendWhole` answers when there is nothing to stage. */
const PROBED = 1;

type Staged = 'nothing' | 'send' | 'cork' | 'receive' | 'error';

const NO_ACCEPT: Committable = { commit: () => undefined, rollback: () => undefined, eventsAfter: () => 0 };

export class InetDatagramSocket extends InetSocket {
  readonly tcp = undefined;
  readonly udp: UdpEndpoint;
  protected readonly endpoint: UdpEndpoint;
  override readonly acceptCommittable = NO_ACCEPT;
  lender: MessageLender | undefined = undefined;

  /** When the last datagram that was received came. */
  #lastTime: number | undefined = undefined;
  #staged: Staged = 'nothing';
  readonly #packets: Packet[] = [];
  #sendCall = 0;
  readonly #choices = new Choices();
  /** The message in `#choose` named its destination, in `peerName`. */
  #hasName = false;
  /** It named no destination by AF_UNSPEC, and IPv6 looks for a way to the IPv4 peer (udpv6_sendmsg): there is none. */
  #isAstray6 = false;
  /** A datagram in the making (MSG_MORE, UDP_CORK), and whether the last packet staged is it. */
  readonly #cork = new DatagramCork();
  readonly #stray = new StrayFlow();
  #closesCork = false;
  readonly #peek = new PeekPlace();
  /** Received datagrams bring control messages. */
  #wantsControl = false;

  constructor(
    world: SocketWorld,
    domain: number,
    endpoint: UdpEndpoint,
    statusFlags: number,
    protocol: number = IPPROTO_UDP,
  ) {
    super(world, domain, SOCK_DGRAM, protocol, statusFlags, new OptionState());
    this.udp = this.endpoint = endpoint;
    endpoint.observer = this;
  }

  protected override released(): void {
    this.rollback();
    this.endpoint.observer = undefined;
    this.endpoint.close();
  }
  protected override get isInUse(): boolean {
    return this.endpoint.isConnected;
  }
  protected override get hasPeer(): boolean {
    return this.endpoint.isConnected && this.endpoint.remotePort !== 0;
  }

  override listen(): number {
    return -Errno.EOPNOTSUPP;
  }
  override acceptPeek(): number {
    return -Errno.EOPNOTSUPP;
  }
  override connect(name: Uint8Array, len: number): number {
    if (len < 2) return -Errno.EINVAL;
    if (this.asksToDisconnect(name, len)) {
      this.endpoint.disconnect();
      this.optionsChanged();
      return 0;
    }
    const wasBound = this.endpoint.isBound;
    // A name that is refused has bound the socket by then (inet_dgram_connect).
    if (!wasBound && !this.#autobind()) return -Errno.EAGAIN;
    const error = this.decodePeer(name, len) || this.bindScope();
    if (error !== 0) return error;
    const refused = this.endpoint.connect(this.peerName.address, this.peerName.port);
    // No port left to bind it to by itself (inet_autobind).
    if (refused === 'address-in-use' && !wasBound) return -Errno.EAGAIN;
    if (this.peerName.address.isV4) this.#flowChanged(refused === undefined);
    if (refused === undefined) {
      if (!this.peerName.address.isV4) this.connectedFlow = this.options.sendFlowInfo ? this.peerName.flowInfo : 0;
      this.optionsChanged();
    }
    return resultOf(refused);
  }
  /** connect(2) has put the flow of IPv4 to `peerName`, whether it leads there or not: a datagram in the making goes there too. */
  #flowChanged(isPeer: boolean): void {
    const { address, port } = this.peerName;
    if (isPeer) this.#stray.clear();
    else this.#strays(address, port, false);
    if (this.#cork.isOpen && this.#cork.to.isV4) this.#cork.redirect(address, port, leadsHere(this.stack, address));
  }
  /** The flow that the next datagrams take is not the peer's. */
  #strays(to: IpAddress, port: number, hasRoute: boolean): void {
    const { isConnected, settings } = this.endpoint;
    if (isConnected && this.domain === AF_INET) this.#stray.set(to, port, hasRoute, settings);
  }
  override connectResult(): number {
    return 0;
  }
  override optionsChanged(): void {
    const { options } = this;
    const { settings } = this.endpoint;
    this.#wantsControl = wantsControl(options);
    applyDatagramOptions(options, settings, this.domain);
    super.optionsChanged();
    this.#stray.changed(settings);
    if (options.uncork && this.#cork.isOpen && this.#staged === 'nothing') this.#uncork();
    options.uncork = false;
  }
  override shutdown(how: number): number {
    return resultOf(this.endpoint.shutdown(how + 1));
  }

  // Datagrams out

  /** What is sent next with neither name nor flags is a datagram as it is. */
  get isPlain(): boolean {
    const { cork, segment, timestampingFlags } = this.options;
    const choosesNothing = !cork && segment === 0 && (timestampingFlags & STAMPS) === 0 && this.connectedFlow === 0;
    return choosesNothing && !this.#cork.isOpen && this.#stray.to === undefined;
  }
  /** What comes before the name is looked at: 0 or a negative errno. IPv6 looks only once the message turns out to leave by IPv4. */
  protected refusesEarly(message: Message): number {
    return this.domain === AF_INET ? earlyRefusal(message, message.iov.remaining) : 0;
  }
  /** Reads the name that a message is sent to, into `peerName`. */
  protected decodeDestination(message: Message): number {
    return decodeDestination(message.name, message.nameLength, this, this.peerName);
  }
  /** Reads the name of a peer, into `peerName`. */
  protected decodePeer(name: Uint8Array, len: number): number {
    return decodeDatagramPeer(name, len, this, this.peerName);
  }
  /** A port belongs to the name. */
  protected get needsPort(): boolean {
    return true;
  }
  /** A message may be part of a datagram. */
  protected get takesParts(): boolean {
    return true;
  }
  /** MSG_PROBE: only asks whether it could be sent. */
  protected isProbe(flags: number): boolean {
    return (flags & MSG_PROBE) !== 0;
  }
  /** IP_PKTINFO names the address to answer from (ipi_spec_dst). */
  protected get tellsAnswerFrom(): boolean {
    return true;
  }
  /** IPV6_RECVPATHMTU has an effect. */
  protected get tellsPathMtu(): boolean {
    return true;
  }
  /** MSG_TRUNC asks a receive for the length of what it cut. */
  protected get tellsLength(): boolean {
    return true;
  }
  override send(message: Message, callId: number): number {
    this.units = 0;
    const len = message.iov.remaining;
    const isPart = this.takesParts && ((message.flags & MSG_MORE) !== 0 || this.options.cork);
    const corked = isPart || (this.#cork.isOpen && !this.#closesCork);
    const result = corked ? this.#sendCorked(message, isPart) : this.#sendWhole(message);
    if (result === PROBED) return len;
    if (result !== 0) return result;
    this.#sendCall = callId;
    this.units = 1;
    return len;
  }
  #sendWhole(message: Message): number {
    const len = message.iov.remaining;
    const chosen = this.#choose(message);
    if (chosen !== 0) return chosen;
    const isStray = this.#stray.to !== undefined && !this.#hasName && isByRoute(message, this.endpoint.settings);
    const isProbe = this.isProbe(message.flags);
    // Of a probe only the route is looked for, with permission to use it (ip_make_skb).
    const packet = isStray && !isProbe ? this.#routeAstray(len) : this.#route(isProbe ? 0 : len, isProbe);
    if (typeof packet === 'number') return packet;
    if (isProbe) {
      packet.release();
      return PROBED;
    }
    if (message.iov.copyIn(packet.bytes, packet.at, len) < len) {
      packet.release();
      return this.givesBack(Errno.EFAULT);
    }
    this.#packets.push(packet);
    this.#staged = 'send';
    return 0;
  }
  /** Adds to the datagram in the making, and with the last part makes it a packet. Any failure gives it up (udp_flush_pending_frames). */
  #sendCorked(message: Message, isPart: boolean): number {
    const cork = this.#cork;
    const refusal = cork.isOpen ? this.#corkRefusal(message) : this.#beginCork(message);
    if (refusal !== 0) return refusal;
    if (this.isProbe(message.flags)) {
      // Nothing is put to it (ip_append_data); what there was is sent.
      if (!cork.isOpen || isPart) return PROBED;
      message.iov.skip(message.iov.remaining);
    }
    if (cork.length + message.iov.remaining > cork.limit) return this.#giveUpCork(Errno.EMSGSIZE);
    if (!cork.append(message.iov)) return this.#giveUpCork(Errno.EFAULT);
    if (isPart) {
      this.#staged = 'cork';
      return 0;
    }
    const packet = this.endpoint.prepare(cork.to, cork.port, cork.length, cork.choices, true);
    if (!(packet instanceof Packet)) return this.#giveUpCork(errnoOf(packet));
    cork.copyTo(packet.bytes, packet.at);
    if (cork.isLost) packet.route = undefined;
    this.#packets.push(packet);
    this.#staged = 'send';
    this.#closesCork = true;
    return 0;
  }
  /** A further part has no name to go to, but IPv6 looks at the one it has, and by IPv4 no part of an IPv6 datagram leaves (udpv6_sendmsg, udp_sendmsg). */
  #corkRefusal(message: Message): number {
    const { isV4 } = this.#cork.to;
    const len = message.iov.remaining;
    if (this.domain === AF_INET) return earlyRefusal(message, len);
    if (message.nameLength >= 0) {
      const error = this.decodeDestination(message);
      if (error < 0) return error;
      if (error !== NO_NAME && this.peerName.address.isV4) {
        return earlyRefusal(message, len) || (isV4 ? 0 : -Errno.EINVAL);
      }
    }
    return isV4 ? earlyRefusal(message, len) : 0;
  }
  #beginCork(message: Message): number {
    const chosen = this.#choose(message);
    if (chosen !== 0) return chosen;
    // Route, permission and pending error are the first part's to find, of which a probe is none.
    const isProbe = this.isProbe(message.flags);
    this.#choices.beginPart();
    const probe = this.#route(isProbe ? 0 : message.iov.remaining, isProbe);
    if (typeof probe === 'number') return probe;
    // Where it goes, where from and which way stays, whatever other calls say meanwhile (struct inet_cork).
    const route = probe.route as Route | undefined;
    probe.release();
    const to = this.#hasName ? this.peerName.address : this.endpoint.remoteAddress;
    const port = this.#hasName ? this.peerName.port : this.endpoint.remotePort;
    if (this.#hasName) this.#strays(to, port, true);
    else this.#stray.clear();
    if (isProbe) return 0;
    const choices = this.#choices.copy();
    this.#cork.begin(to, port, { ...choices, route, segment: choices.segment ?? this.endpoint.settings.segment });
    return 0;
  }
  #giveUpCork(errno: number): number {
    const hasBuffer = errno === Errno.EFAULT || this.#cork.length > 0;
    this.#cork.clear();
    if (this.#staged === 'cork') this.#staged = 'nothing';
    return hasBuffer ? this.givesBack(errno) : -errno;
  }
  /** UDP_CORK was cleared: what there is goes out, and nobody is told if it cannot (udp_push_pending_frames). */
  #uncork(): void {
    const cork = this.#cork;
    const packet = this.endpoint.prepare(cork.to, cork.port, cork.length, cork.choices, true);
    if (packet instanceof Packet) {
      cork.copyTo(packet.bytes, packet.at);
      if (cork.isLost) packet.route = undefined;
      this.endpoint.transmit(packet, this.#sendCall);
    }
    cork.clear();
  }

  /** Destination and choices of a message, with the checks of udp_sendmsg and udpv6_sendmsg in their order: 0 or a negative errno. */
  #choose(message: Message): number {
    const { endpoint, peerName: to } = this;
    const len = message.iov.remaining;
    if (!this.#autobind()) {
      // Nobody waits for a port (inet_send_prepare).
      message.flags |= MSG_DONTWAIT;
      return -Errno.EAGAIN;
    }
    const early = this.refusesEarly(message);
    if (early !== 0) return early;
    const error = this.#readName(message);
    if (error !== 0) return error;
    const destination = this.#hasName ? to.address : endpoint.remoteAddress;
    const toV4 = destination.isV4 && !this.#isAstray6;
    const refusal = toV4 ? earlyRefusal(message, len) : 0;
    if (refusal !== 0) return refusal;
    if (this.#hasName && to.port === 0 && this.needsPort) return -Errno.EINVAL;
    const chosen = this.#readChoices(message, toV4);
    if (chosen !== 0) return chosen;
    return !this.#isAstray6 && this.isReachable(destination, message.flags) ? 0 : -Errno.ENETUNREACH;
  }
  protected isReachable(destination: IpAddress, flags: number): boolean {
    const iface = this.#choices.interfaceIndex ?? this.endpoint.settings.boundInterface;
    return (flags & MSG_DONTROUTE) === 0 || isOnLink(this.stack, destination, iface);
  }
  #readChoices(message: Message, toV4: boolean): number {
    const choices = this.#choices;
    choices.clear();
    const flow = this.#hasName ? this.peerName.flowInfo : this.connectedFlow;
    const isChosen = this.#hasName ? this.options.sendFlowInfo : flow !== 0;
    if (isChosen && !toV4) choices.chooseFlow(flow);
    return message.controlLength === 0 ? 0 : choices.read(message, this, toV4);
  }
  get isMaking6(): boolean {
    return this.#cork.isOpen && !this.#cork.to.isV4;
  }
  get sendInterface(): number {
    const scope = this.#hasName ? this.peerName.scopeId : 0;
    return scope || this.endpoint.settings.boundInterface || this.options.stickyInterface;
  }
  /** SOL_UDP means something to it. */
  get isUdp(): boolean {
    return true;
  }
  /** The message's name, if it has one, or that the socket has a peer. */
  #readName(message: Message): number {
    this.#hasName = message.nameLength >= 0;
    this.#isAstray6 = false;
    if (this.#hasName) {
      const error = this.decodeDestination(message);
      if (error < 0) return error;
      this.#hasName = error !== NO_NAME;
      this.#isAstray6 = error === NO_NAME && this.endpoint.isConnected && this.endpoint.remoteAddress.isV4;
    }
    return this.#hasName || this.endpoint.isConnected ? 0 : -Errno.EDESTADDRREQ;
  }
  /** inet_send_prepare: a port first, whatever comes of the message. */
  #autobind(): boolean {
    return this.endpoint.autobind() === undefined;
  }
  #routeAstray(len: number): Packet | number {
    const { peerName } = this;
    const to = this.#stray.next();
    if (to === undefined) return this.#route(len);
    const arrives = leadsHere(this.stack, to);
    this.#hasName = arrives;
    if (arrives) {
      peerName.address = to;
      peerName.port = this.#stray.port;
      peerName.scopeId = 0;
    }
    const packet = this.#route(len);
    if (!arrives && typeof packet !== 'number') packet.route = undefined;
    return packet;
  }
  /** A packet of `len` octets for what `#choose` found, or a negative errno. */
  #route(len: number, isProbe = false): Packet | number {
    const { endpoint, peerName: to } = this;
    const choices = this.#choices;
    if (this.#hasName) choices.fill(to.address.isV4, to.scopeId, this);
    const packet = endpoint.prepare(
      this.#hasName ? to.address : undefined,
      this.#hasName ? to.port : 0,
      len,
      choices.isEmpty ? undefined : choices,
      isProbe,
    );
    // sock_alloc_send_skb: an error, then the end, after the checks of the message and before it takes any of it.
    if (packet === 'broken-pipe') return -(this.takeErrno() || Errno.EPIPE);
    if (!(packet instanceof Packet)) return -errnoOf(packet);
    if (isProbe || (!this.hasError && !endpoint.sendEnded)) return packet;
    packet.release();
    return -(this.takeErrno() || Errno.EPIPE);
  }
  // Datagrams in

  settle(): void {
    this.lender?.settle();
  }

  override get staysHere(): boolean {
    return (this.#packets.at(-1)?.route as Route | undefined)?.isLoopback === true;
  }

  override receive(message: Message, taken: number): number {
    this.units = 0;
    if ((message.flags & MSG_ERRQUEUE) !== 0) return this.#receiveError(message, taken);
    const asks = this.options.receivePathMtu && this.tellsPathMtu;
    if (asks && receivePathMtu(message, this.endpoint, this.options, this.world)) return 0;
    return this.#receiveDatagram(message, taken);
  }
  #receiveDatagram(message: Message, taken: number): number {
    // An error belongs to the next call if this one has datagrams already.
    if (this.hasError) return taken > 0 ? -Errno.EAGAIN : -this.takeErrno();
    const isPeek = (message.flags & MSG_PEEK) !== 0;
    this.lender?.recall(isPeek ? 0 : taken + 1);
    const hasOffset = this.options.peekOffset >= 0;
    const datagram =
      hasOffset && isPeek ? this.#peek.seek(this.endpoint, this.options.peekOffset, taken) : this.endpoint.peek(taken);
    if (datagram === undefined) {
      // A call that may wait ends at shutdown; one that may not is told to try again (__skb_recv_udp).
      return this.endpoint.receiveEnded && (message.flags & MSG_DONTWAIT) === 0 ? 0 : -Errno.EAGAIN;
    }
    // Linux has taken it off the queue by then: a datagram whose reader gave a bad address is lost, once the reader is told so.
    if (!isPeek) {
      this.#staged = 'receive';
      this.units = 1;
    }
    const result = this.#copyOut(message, datagram);
    if (result < 0) return result;
    if (hasOffset) this.#movePeek(isPeek ? result : -result);
    this.#describe(message, datagram);
    return result;
  }
  /** Who sent it, and what is asked for besides. */
  #describe(message: Message, datagram: Datagram): void {
    const { source, sourcePort, interfaceIndex, time } = datagram;
    this.#lastTime = time;
    message.nameLength = writeName(message.name, this.domain, source, sourcePort, interfaceIndex);
    if (!this.#wantsControl) return;
    const realtimeUs = this.world.realtime(instant(time));
    const stack = this.tellsAnswerFrom ? this.stack : undefined;
    writeControl(message, datagram, this.options, this.domain, stack, realtimeUs);
  }
  /** sk_peek_offset_fwd, sk_peek_offset_bwd. */
  #movePeek(octets: number): void {
    const { options } = this;
    options.peekOffset = Math.max(options.peekOffset + octets, 0);
    this.#peek.from = 0;
  }
  #copyOut(message: Message, datagram: Datagram): number {
    const { packet } = datagram;
    const len = packet.end - packet.at;
    const from = (message.flags & MSG_PEEK) === 0 ? 0 : this.#peek.from;
    const fits = Math.min(len - from, message.iov.remaining);
    if (message.iov.copyOut(packet.bytes, packet.at + from, fits) < fits) return -Errno.EFAULT;
    if (fits < len - from) message.outFlags |= MSG_TRUNC;
    return (message.flags & MSG_TRUNC) === 0 || !this.tellsLength ? fits : len;
  }
  /** MSG_ERRQUEUE (ip_recv_error): never waits. */
  #receiveError(message: Message, taken: number): number {
    const error = this.endpoint.peekError(taken);
    if (error === undefined) return -Errno.EAGAIN;
    // It has left the queue by then: one whose reader gave a bad address is lost.
    this.#staged = 'error';
    this.units = 1;
    return copyError(message, error, this.options, this.domain, this.world.realtime(instant(error.time)));
  }

  // Commit

  override commit(amount: number): void {
    const staged = this.#staged;
    this.#staged = 'nothing';
    if (staged === 'send') {
      for (let i = 0; i < this.#packets.length; i++) {
        const packet = this.#packets[i] as Packet;
        if (i < amount) this.endpoint.transmit(packet, this.#sendCall);
        else packet.release();
      }
      this.#packets.length = 0;
      // A packet that has left its queue makes room, whether there was any or not (sock_wfree): an edge for epoll.
      if (amount > 0 && !this.waiters.isEmpty) this.waiters.wake(WRITE_SPACE);
      if (this.#closesCork && amount > 0) this.#cork.clear();
      else this.#cork.rollback();
      this.#closesCork = false;
    } else if (staged === 'cork') this.#cork.commit(amount);
    else if (staged === 'receive') this.endpoint.consume(amount);
    else if (staged === 'error') for (let i = 0; i < amount; i++) this.endpoint.consumeError();
  }
  override rollback(): void {
    this.#staged = 'nothing';
    for (const packet of this.#packets) packet.release();
    this.#packets.length = 0;
    this.#closesCork = false;
    this.#cork.rollback();
  }
  override poll(): number {
    return this.#shown(super.poll());
  }
  override endpointChanged(events: number): void {
    super.endpointChanged(this.#shown(events));
  }
  /** SO_SELECT_ERR_QUEUE: select(2) sees errors among what is exceptional. */
  #shown(events: number): number {
    const isUrgent = this.options.selectErrorQueue && (events & POLLERR) !== 0;
    return withBand(isUrgent ? events | POLLPRI : events);
  }
  override leaving(amount: number): number {
    return this.#staged === 'receive' ? amount : 0;
  }
  override eventsAfter(amount: number): number {
    const events = this.poll();
    if (this.#staged === 'error') return events & ~POLLERR;
    if (this.#staged !== 'receive' || this.endpoint.receiveEnded) return events;
    return this.endpoint.queued > amount ? events : events & ~(POLLIN | POLLRDNORM);
  }

  /** `count` datagrams from the place `from` on were taken without a call of ours. */
  consumed(count: number, from: number): void {
    if (this.options.peekOffset > 0) {
      for (let i = from; i < from + count; i++) this.#movePeek(-(this.endpoint.peek(i)?.packet.length ?? 0));
    }
    if (count > 0) this.#lastTime = this.endpoint.peek(from + count - 1)?.time ?? this.#lastTime;
    this.endpoint.consume(count, from);
  }
  override get lastReceivedUs(): number | undefined {
    return this.#lastTime === undefined ? undefined : this.world.realtime(instant(this.#lastTime));
  }
  override ioctl(request: number): number {
    switch (request) {
      // Of the first datagram, 0 for an empty one as for none (udp_ioctl).
      case SIOCINQ: {
        const first = this.endpoint.peek(0);
        return first === undefined ? 0 : first.packet.end - first.packet.at;
      }
      // A datagram sent is a frame at once; what is kept is one in the making.
      case SIOCOUTQ:
        return this.#cork.charged;
      default:
        return -Errno.ENOTTY;
    }
  }
}
