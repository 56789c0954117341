/**
 * The endpoint as the socket layer sees it (endpoint.ts): RFC 9293 3.10.1 to 3.10.6, the user's calls, with Linux's results. What arrives from the network is in input.ts.
 */
import { IpAddress } from '../address.ts';
import type { TcpEndpoint, TcpInfo } from '../endpoint.ts';
import { Shutdown, Urgent } from '../endpoint.ts';
import type { Route } from '../ip/ip.ts';
import type { NetError } from '../net-error.ts';
import { Readiness } from '../readiness.ts';
import { foundGroup, type ReuseGroup } from '../reuse-group.ts';
import { Flag } from '../wire/tcp.ts';
import { stopListening } from './accept.ts';
import { Chrono, ConnectionStats } from './connection-stats.ts';
import { emitSyn, routeOf, timestampNow, updateMss, windowToOffer } from './emit.ts';
import { openDeferred, prepareFastOpen, synRoom } from './fast-open.ts';
import { infoOf } from './info.ts';
import { stopKeepAlive } from './keep-alive.ts';
import { abort, armFinWait2, finish, leaveFlows, leaveTimeWait, setState } from './lifecycle.ts';
import { Listener } from './listener.ts';
import { armRetransmit, output, sendAck } from './output.ts';
import { rexmitFired } from './retransmit.ts';
import { FLOOR } from './ring-memory.ts';
import { add, diff } from './seq.ts';
import { applySettings } from './settings-change.ts';
import {
  addMark,
  endOfData,
  forgetWindow,
  owed,
  owedUnsent,
  RECEIVE_LIMIT_MAX,
  RECEIVE_SHUT,
  receiveLimit,
  SEGMENT_DEFAULT,
  SEND_SHUT,
  segmentPayload,
  sendLimit,
  Tcb,
  unsent,
} from './tcb.ts';
import { markUrgent, octetsToMark, passMark, readTo, receivable, unreadOctets } from './urgent.ts';
import { isWriteable, unsentRoom } from './write-room.ts';

const { In, Out, Err, Hup, Pri, RdNorm, WrNorm, RdHup } = Readiness;

export class TcpConnection extends Tcb implements TcpEndpoint {
  readiness(): number {
    if (this.state === 'LISTEN') return this.listener !== undefined && this.listener.readyCount > 0 ? In | RdNorm : 0;
    let mask = 0;
    if (this.shut === Shutdown.Both || this.state === 'CLOSED') mask |= Hup;
    if ((this.shut & RECEIVE_SHUT) !== 0) mask |= In | RdNorm | RdHup;
    if (this.state !== 'SYN-SENT' && this.state !== 'SYN-RECEIVED') mask |= this.#transferable();
    else if (this.deferred) mask |= Out | WrNorm;
    // Opened by a cookie: what came with it can be read.
    else if (this.fastOpener !== undefined && this.receiveRing.length > 0) mask |= In | RdNorm;
    if (this.error !== undefined) mask |= Err;
    return mask;
  }
  #transferable(): number {
    let mask = 0;
    if (this.receiveRing.length > 0) mask |= In | RdNorm;
    if ((this.shut & SEND_SHUT) !== 0 || isWriteable(this, sendLimit(this))) mask |= Out | WrNorm;
    else this.sendBlocked = true;
    return this.urgent === Urgent.Valid ? mask | Pri : mask;
  }
  takeError(): NetError | undefined {
    const { error } = this;
    this.error = undefined;
    return error;
  }

  /** What is in TIME-WAIT is the socket's no more: it has the port that bind() named, or none (tcp_time_wait, inet_put_port). */
  get isBound(): boolean {
    return this.binding.port !== 0 && (this.state !== 'TIME-WAIT' || this.portLocked);
  }

  bind(address: IpAddress, port: number): NetError | undefined {
    if (this.state === 'TIME-WAIT' && !this.isBound) leaveTimeWait(this);
    if (this.state !== 'CLOSED' || this.isBound) return 'invalid';
    if (!this.#accepts(address)) return 'invalid';
    const { freeBind, transparent, bindAddressNoPort } = this.settings;
    if (!freeBind && !transparent && !this.context.ip.isBindable(address)) return 'address-not-available';
    const noPort = bindAddressNoPort && port === 0;
    const refused = noPort ? undefined : this.context.ports.bind(this.binding, address, port);
    if (refused !== undefined) return refused;
    this.localAddress = address;
    this.localPort = this.binding.port;
    this.addressBound = !address.isUnspecified;
    this.portLocked = port !== 0;
    return undefined;
  }
  /** An AF_INET socket speaks IPv4 only; an AF_INET6 one IPv6, and IPv4 unless IPV6_V6ONLY. */
  #accepts(address: IpAddress): boolean {
    if (this.family === 4) return address.isV4;
    return !address.isV4 || !this.settings.v6Only;
  }

  reuseGroupToSteer(): ReuseGroup<Tcb> | undefined {
    if (this.state !== 'CLOSED') return this.reuseGroup;
    return this.settings.reusePort ? foundGroup<Tcb>(this) : undefined;
  }

  listen(backlog: number): NetError | undefined {
    if (this.state === 'LISTEN' && this.listener !== undefined) {
      this.listener.backlog = backlog;
      return undefined;
    }
    if (this.state !== 'CLOSED') return 'invalid';
    if (!this.isBound) {
      // An address that bind() chose outlives a port it did not (after shutdown(Read) of a listener).
      if (!this.addressBound) this.localAddress = this.family === 4 ? IpAddress.ANY4 : IpAddress.ANY6;
      const refused = this.context.ports.bind(this.binding, this.localAddress, 0);
      if (refused !== undefined) return refused;
      this.localPort = this.binding.port;
    } else if (!this.context.ports.mayListen(this.binding)) return 'address-in-use';
    this.#renew();
    setState(this, 'LISTEN');
    this.listener = new Listener<Tcb>(backlog);
    this.context.addListener(this);
    return undefined;
  }

  connect(address: IpAddress, port: number, fastOpen = false): NetError | undefined {
    if (this.state !== 'CLOSED') return 'already-connected';
    const route = this.#routeTo(address, port);
    const refused = typeof route === 'string' ? route : this.#takeTuple(route, port);
    if (refused !== undefined) {
      this.remotePort = 0;
      return refused;
    }
    const { pingPong } = this;
    this.#renew();
    this.pingPong = pingPong;
    // tcp_connect_init, and nothing else, forgets what is pending.
    this.error = undefined;
    this.leftOwed = this.leftUnsent = 0;
    // The end of an earlier connection is over; a shutdown() before any connection still counts (Linux).
    if (this.ended) this.shut = 0;
    this.ended = false;
    const { context } = this;
    context.begin();
    context.tcp.ActiveOpens++;
    this.openedAt = context.clock.now();
    this.iss = context.initialSequence(this);
    this.tsOffset = context.timestampOffset(this);
    this.sndUna = this.iss;
    this.sndNxt = this.sndMax = this.sendHead = this.sndSmall = this.sndRecord = add(this.iss, 1);
    setState(this, 'SYN-SENT');
    updateMss(this);
    this.stats.firstSent = 1;
    if (fastOpen) prepareFastOpen(this);
    if (!this.deferred) {
      emitSyn(this, Flag.Syn);
      armRetransmit(this);
    }
    context.end();
    return undefined;
  }

  #routeTo(address: IpAddress, port: number): Route | NetError {
    if (this.family === 4 && !address.isV4) return 'address-family';
    if (!this.#accepts(address)) return 'network-unreachable';
    const { localAddress } = this;
    // inet_saddr is 0 beside a group or a broadcast address (__inet_bind; __inet6_bind leaves it).
    const isGroup = this.family === 4 && (localAddress.isMulticast || this.context.ip.isBroadcast(localAddress));
    if (!this.addressBound || isGroup) this.localAddress = address.isV4 ? IpAddress.ANY4 : IpAddress.ANY6;
    else if (this.localAddress.isV4 !== address.isV4) return 'network-unreachable';
    this.remoteAddress = address;
    this.remotePort = port;
    const route = routeOf(this);
    if (typeof route !== 'string' && (route.isBroadcast || route.remote.isMulticast)) return 'network-unreachable';
    return route;
  }
  /** The 4-tuple becomes this connection's, with an ephemeral port if bind() named none. */
  #takeTuple(route: Route, port: number): NetError | undefined {
    const { context, binding } = this;
    this.localAddress = route.local;
    this.remoteAddress = route.remote;
    this.remotePort = port;
    this.route = route;
    const isFree = (from: number): boolean => this.#isTupleFree(route, from, port);
    if (!this.isBound) {
      const chosen = context.ports.bindForConnect(binding, route.local, route.remote, port, isFree);
      if (chosen === 0) return 'address-not-available';
      this.localPort = chosen;
      this.portLocked = false;
    } else if (isFree(this.localPort))
      binding.address = route.local; // inet_bhash2_update_saddr
    else return 'address-not-available';
    this.inFlowTable = context.flows.insert(route.local, this.localPort, route.remote, port, this);
    if (this.inFlowTable) return undefined;
    if (!this.portLocked) context.ports.release(binding);
    return 'no-buffers';
  }
  /** A connection in TIME-WAIT on loopback gives way after a second, its timestamps keeping old segments out (RFC 6191; tcp_tw_reuse 2). */
  #isTupleFree(route: Route, localPort: number, port: number): boolean {
    const holder = this.context.flows.get(route.local, localPort, route.remote, port);
    if (holder === undefined) return true;
    if (holder.state !== 'TIME-WAIT' || !route.isLoopback || !holder.tsOn) return false;
    if (this.context.clock.now() - holder.tsRecentAt <= 1e6) return false;
    finish(holder);
    return true;
  }

  acceptPeek(): TcpEndpoint | undefined {
    return this.listener?.peek() as TcpConnection | undefined;
  }
  get acceptable(): number {
    return this.listener?.readyCount ?? 0;
  }
  acceptCommit(): void {
    const child = this.listener?.shift();
    if (child !== undefined) child.parent = undefined;
  }

  sendSpace(wanted = Number.POSITIVE_INFINITY): number {
    if (this.sendEnded) return 0;
    const limit = this.deferred ? synRoom(this) : sendLimit(this);
    const space = Math.min(wanted, limit - this.sendRing.length, unsentRoom(this));
    if (space <= 0) {
      this.sendBlocked = true;
      return 0;
    }
    const { rings } = this.context;
    if (rings.reserve(this.sendRing, this.sendRing.length + space)) return space;
    // No memory for a larger ring: what it has, or the least that every one gets, must do.
    rings.reserve(this.sendRing, FLOOR);
    const rest = this.sendRing.bytes.length - this.sendRing.length;
    if (rest === 0) this.sendBlocked = true;
    return rest;
  }
  sendSpaceBeyond(wanted: number): number {
    if (this.sendEnded || !this.context.rings.reserve(this.sendRing, this.sendRing.length + wanted)) return 0;
    return wanted;
  }
  writableAfter(len: number): boolean {
    return this.sendEnded || isWriteable(this, sendLimit(this), this.sendRing.length + len, unsent(this) + len);
  }
  commitSend(len: number, callId: number, more: boolean, urgent: boolean, record = false): void {
    if (len <= 0 || this.sendEnded) return;
    this.context.begin();
    addMark(this, endOfData(this), callId);
    if (this.sendRing.length === 0) this.stats.turnTo(Chrono.Busy, this.context.clock.now());
    this.sendRing.append(len);
    this.more = more;
    this.heard = false;
    if (urgent) markUrgent(this, endOfData(this));
    if (this.deferred) openDeferred(this);
    else output(this);
    // Behind that: it is what comes next that makes an earlier record go.
    if (record) this.sndRecord = endOfData(this);
    this.context.end();
  }
  openDeferred(): void {
    if (!this.deferred) return;
    this.context.begin();
    openDeferred(this);
    this.context.end();
  }
  get sendEnded(): boolean {
    return (this.shut & SEND_SHUT) !== 0;
  }
  get unacknowledged(): number {
    return owed(this);
  }
  get unsent(): number {
    return owedUnsent(this);
  }

  get receivable(): number {
    return receivable(this);
  }
  get segmentPayload(): number {
    return segmentPayload(this);
  }
  get receiveEnded(): boolean {
    return (this.shut & RECEIVE_SHUT) !== 0;
  }
  consume(len: number): void {
    if (len <= 0) return;
    this.context.begin();
    this.receiveRing.consume(len);
    readTo(this);
    if (this.receiveRing.length === 0 && this.outOfOrder.count === 0) this.context.rings.rest(this.receiveRing);
    this.octetsRead += len;
    this.#growReceiveLimit(len);
    this.#offerWindow();
    this.context.end();
  }
  /** Receive-buffer moderation: a reader that takes more than half the buffer in a round trip gets one of twice that. */
  #growReceiveLimit(len: number): void {
    if (this.settings.receiveBufferLocked) return;
    this.tuneOctets += len;
    const now = this.context.clock.now();
    if (now - this.tuneAt < Math.max(1000, this.roundTrip.smoothed)) return;
    if (this.tuneOctets * 2 > this.receiveLimit) {
      this.receiveLimit = Math.min(RECEIVE_LIMIT_MAX, this.tuneOctets * 2);
      // The clamp follows (tcp_rcvbuf_grow).
      this.settings.windowClamp = 0;
    }
    this.stats.receiveSpace = this.tuneOctets;
    this.tuneOctets = 0;
    this.tuneAt = now;
  }
  /** Tells the peer of a window that has become much larger (Linux tcp_cleanup_rbuf: no more than half was left, and now it is twice as much). */
  #offerWindow(): void {
    if (this.state !== 'ESTABLISHED' && this.state !== 'FIN-WAIT-1' && this.state !== 'FIN-WAIT-2') return;
    const now = Math.max(0, diff(this.rcvAdv, this.rcvNxt));
    const limit = receiveLimit(this);
    const next = now * 2 > limit ? 0 : windowToOffer(this);
    if ((next > 0 && next >= 2 * now) || this.#isAckDue()) sendAck(this);
  }
  /** The reader has all there is, so nothing is gained by delaying the ACK, unless it is about to reply (Linux tcp_cleanup_rbuf). */
  #isAckDue(): boolean {
    if (!this.ackAlarm.armed || this.ackOctets === 0) return false;
    return this.ackOctets > this.receiveMss || (this.receiveRing.length === 0 && !this.pingPong);
  }
  handedOver(): void {
    if (!this.ackAlarm.armed || this.ackOctets === 0 || this.pingPong) return;
    this.context.begin();
    sendAck(this);
    this.context.end();
  }
  get unread(): number {
    return unreadOctets(this);
  }
  get isReceiveShort(): boolean {
    return this.context.rings.underPressure;
  }
  get octetsToMark(): number {
    return octetsToMark(this);
  }
  get isMarkUnread(): boolean {
    return this.urgentLifted;
  }
  passMark(): void {
    passMark(this);
  }
  takeUrgent(): void {
    if (this.urgent === Urgent.Valid) this.urgent = Urgent.Read;
  }

  quickAcknowledge(value: number): void {
    this.pingPong = value === 0;
    const isOpen = this.state === 'ESTABLISHED' || this.state === 'CLOSE-WAIT';
    if (this.pingPong || !isOpen || !this.ackAlarm.armed) return;
    this.context.begin();
    if (this.receiveRing.length === 0 || this.ackOctets > this.receiveMss) sendAck(this);
    this.context.end();
    this.pingPong = (value & 1) === 0;
  }
  info(): TcpInfo {
    return infoOf(this);
  }
  forgetSavedSyn(): void {
    this.savedSyn = undefined;
  }
  get timestamp(): number {
    return timestampNow(this);
  }

  shutdown(how: number, sent?: () => void): NetError | undefined {
    const { state, context } = this;
    // inet_shutdown: reading from a listener and an attempt under way are given up; writing to a listener is nothing.
    const givesUp = state === 'SYN-SENT' || (state === 'LISTEN' && (how & Shutdown.Read) !== 0);
    if (state === 'LISTEN' && !givesUp) return undefined;
    context.begin();
    if (givesUp) this.disconnect();
    else {
      this.shut |= how;
      if ((how & Shutdown.Write) !== 0) this.#sendFin();
    }
    context.end();
    sent?.();
    context.begin();
    context.notify(this, this.readiness());
    context.end();
    // What waits in TIME-WAIT is closed to its user.
    return state === 'CLOSED' || state === 'TIME-WAIT' ? 'not-connected' : undefined;
  }

  disconnect(): void {
    this.context.begin();
    const isReset = this.#wantsReset();
    if (this.state === 'LISTEN') {
      stopListening(this);
      setState(this, 'CLOSED');
    } else if (this.state === 'TIME-WAIT') leaveTimeWait(this);
    else if (isReset) abort(this);
    else if (this.state !== 'CLOSED') finish(this);
    leaveFlows(this);
    // tcp_disconnect: where the next connection's numbers would begin, out of reach of this one's.
    const beyond = this.maxSndWnd + 2;
    const { leftOwed, leftUnsent } = this;
    this.#renew();
    this.leftOwed = leftOwed + beyond;
    this.leftUnsent = leftUnsent + beyond;
    this.shut = 0;
    this.ended = false;
    // tcp_disconnect leaves it for whoever asks next.
    if (isReset) this.error = 'connection-reset';
    this.receiveRing.consume(this.receiveRing.length);
    this.context.rings.release(this.receiveRing);
    this.remoteAddress = this.family === 4 ? IpAddress.ANY4 : IpAddress.ANY6;
    this.remotePort = 0;
    this.#forgetImplicitBinding();
    this.context.end();
  }
  /** tcp_need_reset; after both ends have said FIN, only for want of what was never sent. */
  #wantsReset(): boolean {
    const { state } = this;
    if (state === 'CLOSING' || state === 'LAST-ACK') return owedUnsent(this) > 0;
    return state !== 'CLOSED' && state !== 'LISTEN' && state !== 'TIME-WAIT';
  }
  #forgetImplicitBinding(): void {
    if (!this.addressBound) this.localAddress = this.family === 4 ? IpAddress.ANY4 : IpAddress.ANY6;
    // inet_bhash2_reset_saddr.
    this.binding.address = this.localAddress;
    if (this.portLocked) return;
    // The name keeps the port for getsockname(2), although it is free (inet_put_port leaves inet_sport).
    this.context.ports.release(this.binding);
  }

  close(): void {
    const { context, state } = this;
    if (this.orphan) return;
    context.begin();
    // Who lingers is told when all is acknowledged.
    if (this.settings.lingerSeconds <= 0) this.observer = undefined;
    this.orphan = true;
    const unread = this.receiveRing.length > 0 || this.urgentLifted;
    if (state === 'LISTEN') stopListening(this);
    if (state === 'LISTEN' || state === 'CLOSED' || state === 'SYN-SENT') finish(this);
    else if (state !== 'TIME-WAIT' && unread) {
      // RFC 9293 3.6.1 (SHLD-3), RFC 2525 2.17: the peer must learn that what it sent was not read.
      context.ext.TCPAbortOnClose++;
      abort(this);
    } else if (state !== 'TIME-WAIT' && this.settings.lingerSeconds === 0) {
      context.ext.TCPAbortOnData++;
      abort(this);
    } else if (state !== 'TIME-WAIT') {
      this.shut = RECEIVE_SHUT | SEND_SHUT;
      this.#sendFin();
      if (this.isFinWait2) armFinWait2(this);
    }
    stopKeepAlive(this);
    this.receiveRing.consume(this.receiveRing.length);
    this.context.rings.release(this.receiveRing);
    context.end();
  }
  private get isFinWait2(): boolean {
    return this.state === 'FIN-WAIT-2';
  }
  abort(): void {
    this.context.begin();
    if (this.state === 'LISTEN') {
      stopListening(this);
      setState(this, 'CLOSED');
    } else if (this.state !== 'CLOSED') {
      abort(this);
      this.context.notify(this, In | Out | Hup | RdNorm | WrNorm | RdHup);
    }
    this.context.end();
  }

  /** 3.10.4: the FIN goes behind what is queued. */
  #sendFin(): void {
    if (this.finQueued) return;
    if (this.state === 'ESTABLISHED' || this.state === 'SYN-RECEIVED') {
      this.finQueued = true;
      if (this.state === 'ESTABLISHED') setState(this, 'FIN-WAIT-1');
    } else if (this.state === 'CLOSE-WAIT') {
      this.finQueued = true;
      setState(this, 'LAST-ACK');
    } else return;
    this.more = false;
    output(this);
  }

  optionsChanged(): void {
    this.context.begin();
    applySettings(this);
    output(this);
    this.context.end();
  }

  /** Variables of a connection that starts (again). */
  #renew(): void {
    this.softError = undefined;
    this.finQueued = this.finReceived = this.more = this.pushOut = this.sendBlocked = false;
    this.sackOn = this.tsOn = this.scaleOn = this.retriedSyn = this.handshakeDone = false;
    this.sndShift = this.rcvShift = this.retries = this.dupAcks = this.keepProbes = 0;
    forgetWindow(this);
    this.rcvNxt = this.rcvAdv = this.lastSendAt = this.lastReceiveAt = 0;
    this.sndUrgent = this.pingPong = false;
    passMark(this);
    this.deferred = this.asksFastOpen = false;
    this.synOption = undefined;
    this.synData = 0;
    this.peerMss = 65_535;
    this.tsRecent = 0;
    this.quickAcks = this.ackOctets = 0;
    this.largestSegment = SEGMENT_DEFAULT;
    this.paceUntil = 0;
    this.unansweredSince = -1;
    this.stats = new ConnectionStats();
    this.roundTrip.reset();
  }

  protected override rexmitFired(): void {
    this.context.begin();
    rexmitFired(this);
    this.context.end();
  }
  protected override ackFired(): void {
    this.context.begin();
    this.context.ext.DelayedACKs++;
    // No reply came in time (tcp_delack_timer_handler).
    this.pingPong = false;
    if (this.state !== 'CLOSED') sendAck(this);
    this.context.end();
  }
}
