/**
 * TCP sockets (tcp(7)) on a TcpEndpoint.
 *
 * Beside the endpoint's state a socket has the older one of the BSD interface (struct socket's state): it decides between EALREADY, EISCONN and a fresh attempt,
 * and it is why the first connect(2) after a failure reports that failure and only the next one tries anew (net/ipv4/af_inet.c, __inet_stream_connect).
 *
 * Octets are staged straight from guest memory behind the tail of the send ring and join the stream on commit; they are read from the receive ring
 * straight to guest memory and leave it on commit.
 */
import { Errno } from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fcntl.ts';
import { IPPROTO_TCP } from '../abi/in.ts';
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import {
  AF_UNSPEC,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_ERRQUEUE,
  MSG_FASTOPEN,
  MSG_MORE,
  MSG_OOB,
  MSG_PEEK,
  SOCK_STREAM,
  SOMAXCONN,
} from '../abi/socket.ts';
import { isClosed, type TcpEndpoint, Urgent } from '../netstack/endpoint.ts';
import type { Committable } from './committable.ts';
import { checkSocketControl } from './control/send.ts';
import { wantsStreamControl, writeStreamControl } from './control/stream.ts';
import type { Credentials } from './credentials.ts';
import { resultOf } from './errors.ts';
import { decodeStreamPeer, familyOf } from './inet-name.ts';
import { InetSocket, type SocketWorld } from './inet-socket.ts';
import { Inherited, inheritArrival } from './inherited.ts';
import type { Lender } from './lender.ts';
import type { Message } from './message.ts';
import { OPEN, Opening } from './opening.ts';
import { peekOffset } from './options/peek.ts';
import { OptionState } from './options/target.ts';
import { copyOut } from './ring-copy.ts';
import type { Socket } from './socket.ts';
import { streamIoctl } from './stream-ioctl.ts';
import { copyUrgent } from './urgent.ts';

/** enum socket_state (include/uapi/linux/net.h). */
type Association = 'unconnected' | 'connecting' | 'connected' | 'disconnecting';

/** What a commit is about. */
type Staged = 'nothing' | 'send' | 'receive' | 'urgent';

/**
 * Linux copies a send in pieces of a page fragment and drops the piece that faults; so a short message with a bad address is EFAULT and sends
 * nothing (32 KiB: net/core/sock.c SKB_FRAG_PAGE_ORDER).
 */
const COPY_PIECE = 32_768;
/** The ECN bits of sin6_flowinfo. */
const FLOW_ECN = 0x30_0000;
/** Octets of one send that the buffer may have too many. */
const BEYOND_LIMIT = 262_144;
/** Octets that the receive buffer holds unread with room to spare (it starts with 1 MiB), until SO_RCVBUF says otherwise. */
const HELD_UNREAD = 131_072;

export class InetStreamSocket extends InetSocket {
  readonly tcp: TcpEndpoint;
  readonly udp = undefined;
  protected readonly endpoint: TcpEndpoint;
  readonly acceptCommittable: Committable;
  lender: Lender | undefined = undefined;
  #association: Association = 'unconnected';
  /** Waits in a listener's queue: the endpoint is still the listener's to close. */
  #queued = false;
  /** Listening: the socket made for the oldest connection, to which the queue holds a reference. */
  #candidate: InetStreamSocket | undefined = undefined;

  #staged: Staged = 'nothing';
  /** Octets behind the tail of the send ring. */
  #stagedOctets = 0;
  /** Of them, where messages of sendmmsg(2) but the first begin: each is sent for itself, so that Nagle's algorithm holds back the second of two small ones. */
  readonly #starts: number[] = [];
  /** Of the octets that the call has taken, those that have left the ring before it ended. */
  #readEarly = 0;
  #sendFlags = 0;
  #sendCall = 0;

  constructor(
    world: SocketWorld,
    domain: number,
    endpoint: TcpEndpoint,
    statusFlags: number,
    options = new OptionState(),
  ) {
    super(world, domain, SOCK_STREAM, IPPROTO_TCP, statusFlags, options);
    this.tcp = this.endpoint = endpoint;
    this.acceptCommittable = {
      commit: (amount) => this.#acceptCommit(amount),
      rollback: () => undefined,
      eventsAfter: (amount) => this.#eventsAfterAccept(amount),
    };
    endpoint.observer = this;
  }

  protected override released(): void {
    if (this.endpoint.settings.lingerSeconds <= 0) this.endpoint.observer = undefined;
    this.#dropCandidate();
    if (!this.#queued) this.endpoint.close();
  }
  /** SO_LINGER (sk_stream_wait_close). */
  override get lingersUs(): number {
    const { state, settings } = this.endpoint;
    const isSending = state === 'FIN-WAIT-1' || state === 'CLOSING' || state === 'LAST-ACK';
    return isSending && this.references === 0 ? Math.max(0, settings.lingerSeconds * 1e6) : 0;
  }
  override get staysHere(): boolean {
    return this.stack.isLocal(this.endpoint.remoteAddress);
  }
  protected override get isInUse(): boolean {
    return !isClosed(this.endpoint.state);
  }
  protected override get hasPeer(): boolean {
    const { remotePort, state } = this.endpoint;
    // To accept(2) it has one even where a reset came first (inet_getname with peer 2).
    if (this.#queued) return remotePort !== 0;
    return remotePort !== 0 && !isClosed(state) && state !== 'LISTEN' && state !== 'SYN-SENT';
  }

  // Connections

  override listen(backlog: number): number {
    if (this.#association !== 'unconnected') return -Errno.EINVAL;
    const { state } = this.endpoint;
    if (state !== 'CLOSED' && state !== 'LISTEN') return -Errno.EINVAL;
    const refused = this.endpoint.listen(Math.min(backlog >>> 0, SOMAXCONN));
    if (refused === undefined) this.endpoint.settings.inherited = new Inherited(this);
    return resultOf(refused);
  }
  override setOption(level: number, option: number, value: Uint8Array, credentials: Credentials): number {
    const result = super.setOption(level, option, value, credentials);
    if (result === 0 && this.endpoint.state === 'LISTEN') this.endpoint.settings.inherited = new Inherited(this);
    return result;
  }

  override connect(name: Uint8Array, len: number): number {
    if (len < 2) return -Errno.EINVAL;
    if (this.asksToDisconnect(name, len)) return this.#disconnect();
    if (this.#association === 'connected') return -Errno.EISCONN;
    if (this.#association === 'disconnecting') return -Errno.EINVAL;
    if (this.#association === 'connecting') {
      const result = this.connectResult();
      if (result !== -Errno.EINPROGRESS) return result;
      if (!this.endpoint.deferred) return -Errno.EALREADY;
      // Somebody else may send what opens it.
      return (this.statusFlags & O_NONBLOCK) === 0 ? result : -Errno.EISCONN;
    }
    const { fastOpenConnect } = this.endpoint.settings;
    return this.#start(name, len, fastOpenConnect) || (this.endpoint.deferred ? 0 : -Errno.EINPROGRESS);
  }
  /** A first attempt, or one after another failed. */
  #start(name: Uint8Array, len: number, fastOpen: boolean): number {
    if (this.endpoint.state !== 'CLOSED') return -Errno.EISCONN;
    const error = decodeStreamPeer(name, len, this, this.peerName) || this.bindScope();
    if (error !== 0) return error;
    this.useFamily(this.peerName.address.isV4);
    const refused = this.endpoint.connect(this.peerName.address, this.peerName.port, fastOpen);
    if (refused !== undefined) return resultOf(refused);
    // IP6_ECN_flow_init: the ECN bits of the traffic class are TCP's.
    this.connectedFlow = this.options.sendFlowInfo ? this.peerName.flowInfo & ~FLOW_ECN : 0;
    this.#association = 'connecting';
    return 0;
  }
  override connectResult(): number {
    if (this.#association === 'connected') return 0;
    const { state } = this.endpoint;
    if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') return -Errno.EINPROGRESS;
    if (isClosed(state)) {
      // The failure is told once; the socket is then as fresh, and may connect again.
      const errno = this.takeErrno() || Errno.ECONNABORTED;
      this.#disconnect();
      return -errno;
    }
    this.#association = 'connected';
    return 0;
  }
  #disconnects = 0;
  override get disconnects(): number {
    return this.#disconnects;
  }
  #disconnect(): number {
    this.#disconnects++;
    this.#dropCandidate();
    this.endpoint.disconnect();
    this.#association = 'unconnected';
    // As in shutdown(); sk_error_report.
    this.arrive();
    this.endpointChanged(POLLERR);
    return 0;
  }

  override acceptPeek(): Socket | number {
    if (this.endpoint.state !== 'LISTEN') return -Errno.EINVAL;
    const connection = this.endpoint.acceptPeek();
    if (connection === undefined) return -Errno.EAGAIN;
    if (this.#candidate?.endpoint === connection) return this.#candidate;
    this.#dropCandidate();
    const { inherited } = connection.settings;
    const from = inherited instanceof Inherited ? inherited : new Inherited(this);
    const socket = new InetStreamSocket(this.world, this.domain, connection, 0, OptionState.from(from.options));
    socket.#queued = true;
    socket.#association = 'connected';
    inheritArrival(socket);
    socket.receiveTimeoutUs = from.receiveTimeoutUs;
    socket.sendTimeoutUs = from.sendTimeoutUs;
    this.#candidate = socket.retain();
    return socket;
  }
  #acceptCommit(amount: number): void {
    const socket = this.#candidate;
    if (amount === 0 || socket === undefined) return;
    this.#candidate = undefined;
    this.endpoint.acceptCommit();
    socket.#queued = false;
    socket.optionsChanged();
    socket.release();
  }
  #dropCandidate(): void {
    this.#candidate?.release();
    this.#candidate = undefined;
  }
  #eventsAfterAccept(amount: number): number {
    const events = this.poll();
    return amount > 0 && this.endpoint.acceptable <= amount ? events & ~(POLLIN | POLLRDNORM) : events;
  }

  override shutdown(how: number): number {
    const { state } = this.endpoint;
    if (this.#association === 'connecting') {
      const isOpen = !isClosed(state) && state !== 'SYN-SENT' && state !== 'SYN-RECEIVED';
      this.#association = isOpen ? 'connected' : 'disconnecting';
    }
    // On Linux's loopback the FIN reaches the other end before this one's state changes.
    const error = this.endpoint.shutdown(how + 1, this.staysHere ? () => this.arrive() : undefined);
    // A listener that stops listening and an attempt given up leave a fresh socket (inet_shutdown).
    if (state === 'SYN-SENT' || (state === 'LISTEN' && this.endpoint.state !== 'LISTEN')) {
      this.#dropCandidate();
      this.#association = 'unconnected';
    }
    return resultOf(error);
  }

  // Octets out

  override send(message: Message, callId: number): number {
    this.units = 0;
    const { iov } = message;
    if (this.endpoint.deferred || (message.flags & MSG_FASTOPEN) !== 0 || message.passing instanceof Opening) {
      const result = this.#fastOpen(message, callId);
      if (result !== undefined) return result;
    }
    const refusal = this.#sendRefusal(message);
    if (refusal !== 0) return refusal;
    if (iov.remaining === 0) return 0;
    return this.#send(message, callId);
  }
  #send(message: Message, callId: number): number {
    const { iov } = message;
    const isFirst = this.#stagedOctets === 0;
    const space = isFirst && this.lender?.hasEarlier === true ? 0 : this.#sendSpace(message);
    if (space <= 0) return -Errno.EAGAIN;
    const wanted = Math.min(space, iov.remaining, message.limit);
    const from = iov.position;
    const taken = this.#stage(message, wanted);
    if (taken === 0) return -Errno.EFAULT;
    if (isFirst) this.#starts.length = 0;
    else if (from === 0) this.#starts.push(this.#stagedOctets);
    this.#staged = 'send';
    this.#stagedOctets += taken;
    this.#sendFlags = message.flags;
    this.#sendCall = callId;
    this.units = taken;
    return taken;
  }
  /** tcp_sendmsg_fastopen: data that opens the connection. Undefined once it is open, for what is left. */
  #fastOpen(message: Message, callId: number): number | undefined {
    const { endpoint } = this;
    const waits = (message.flags & MSG_DONTWAIT) === 0;
    if (message.passing instanceof Opening) return this.#opened(message, message.passing);
    const error = endpoint.deferred ? 0 : this.#startFast(message);
    if (error > 0) message.passing = OPEN;
    if (error !== 0) return error > 0 ? undefined : error;
    if (endpoint.deferred && !waits && message.iov.remaining > 0) return this.#send(message, callId);
    let taken = 0;
    if (endpoint.deferred) {
      taken = message.iov.remaining === 0 ? 0 : this.#send(message, callId);
      // What went with the SYN is on its way, whatever becomes of the call.
      if (taken > 0) this.commit(taken);
      this.units = 0;
      endpoint.openDeferred();
      if (taken < 0) return taken;
    }
    if (!waits) return -Errno.EINPROGRESS;
    message.passing = new Opening(taken);
    return -Errno.EAGAIN;
  }
  /** 0 when the attempt has begun, 1 when the connection is there already. */
  #startFast({ name, nameLength, flags }: Message): number {
    if (nameLength >= 2 && familyOf(name, nameLength) === AF_UNSPEC) return -Errno.EOPNOTSUPP;
    if (this.#association === 'connected') return -Errno.EISCONN;
    if (this.#association === 'disconnecting') return -Errno.EINVAL;
    if (this.#association === 'unconnected') {
      if (nameLength < 2) return -Errno.EINVAL;
      return this.#start(name, nameLength, true);
    }
    const result = this.connectResult();
    if (result !== -Errno.EINPROGRESS) return result || 1;
    return (flags & MSG_DONTWAIT) === 0 ? 0 : -Errno.EALREADY;
  }
  /** A call that waits for the connection has it, or not. */
  #opened(message: Message, opening: Opening): number | undefined {
    if (opening === OPEN) return undefined;
    const { taken } = opening;
    const result = this.connectResult();
    if (result === -Errno.EINPROGRESS) return -Errno.EAGAIN;
    message.passing = OPEN;
    if (result !== 0) return result;
    this.#staged = 'nothing';
    return taken > 0 ? taken : undefined;
  }
  /** For octets that are not staged yet. */
  #sendSpace({ iov, isWhole }: Message): number {
    const staged = this.#stagedOctets;
    const wanted = staged + iov.remaining;
    const space = this.endpoint.sendSpace(wanted) - staged;
    if (!isWhole || iov.remaining > BEYOND_LIMIT) return space;
    return Math.max(space, this.endpoint.sendSpaceBeyond(wanted) - staged);
  }
  /** State, control data and pending error, in tcp_sendmsg's order; 0 if octets may be staged. */
  #sendRefusal(message: Message): number {
    const { state, deferred } = this.endpoint;
    if (state !== 'ESTABLISHED' && state !== 'CLOSE-WAIT' && !deferred) {
      const errno = this.takeErrno();
      if (errno !== 0) return -errno;
      return state === 'SYN-SENT' || state === 'SYN-RECEIVED' ? -Errno.EAGAIN : -Errno.EPIPE;
    }
    const control = message.controlLength > 0 ? checkSocketControl(message, this.options) : 0;
    if (control !== 0) return control;
    if (this.hasError || this.endpoint.sendEnded) return -(this.takeErrno() || Errno.EPIPE);
    return 0;
  }
  /** Copies `wanted` octets behind what is staged already; returns how many of them count. */
  #stage(message: Message, wanted: number): number {
    const ring = this.endpoint.sendRing;
    const from = message.iov.position;
    let done = 0;
    while (done < wanted) {
      const offset = ring.length + this.#stagedOctets + done;
      const run = ring.run(offset, wanted - done);
      const moved = message.iov.copyIn(ring.bytes, ring.index(offset), run);
      done += moved;
      if (moved === run) continue;
      done -= done % COPY_PIECE;
      message.iov.seek(from + done);
      break;
    }
    return done;
  }

  // Octets in

  override receive(message: Message, count: number): number {
    this.units = 0;
    message.nameLength = 0;
    const taken = this.#readUpToMark(message, count);
    const { endpoint } = this;
    const { flags, iov } = message;
    if ((flags & MSG_ERRQUEUE) !== 0) return -Errno.EAGAIN;
    if (endpoint.state === 'LISTEN') return -Errno.ENOTCONN;
    if ((flags & MSG_OOB) !== 0) return this.#receiveUrgent(message);
    this.lender?.recall((flags & MSG_PEEK) === 0 ? taken + iov.remaining : 0);
    const stop = this.#stopAtMark(message, taken);
    if (stop !== undefined) return stop;
    const result = this.#receiveOctets(message, taken);
    if (result >= 0 && wantsStreamControl(this.options)) writeStreamControl(message, taken, result, this, this.world);
    return result;
  }
  #receiveOctets(message: Message, taken: number): number {
    const { flags, iov } = message;
    const peeks = (flags & MSG_PEEK) !== 0;
    // SO_PEEK_OFF: what lies before was looked at already.
    const from = peeks ? taken + Math.max(0, peekOffset(this)) : taken;
    const available = this.endpoint.receivable - from;
    if (available <= 0) return iov.remaining === 0 && this.#isBeforeUrgent(taken) ? 0 : this.#receiveNothing(taken);
    if (!message.takesLess && this.#isTooLittle(available + from, flags, iov.remaining)) return -Errno.EAGAIN;
    const len = Math.min(available, iov.remaining);
    if (!copyOut(this.endpoint.receiveRing, message, from, len)) return -Errno.EFAULT;
    if (!peeks) {
      this.#staged = 'receive';
      this.units = len;
    } else if (this.options.peekOffset >= 0) this.options.peekOffset += len;
    return len;
  }
  /**
   * recvmmsg: what earlier messages took is read for good once they have come to the mark, since the next one passes it.
   * @returns how many octets are taken and still in the ring
   */
  #readUpToMark({ flags, iov, isSplice }: Message, count: number): number {
    const taken = count - this.#readEarly;
    const { endpoint } = this;
    if (taken === 0 || iov.position > 0 || isSplice || (flags & (MSG_PEEK | MSG_OOB)) !== 0) return taken;
    if (endpoint.octetsToMark !== taken) return taken;
    endpoint.consume(taken);
    this.#readEarly = count;
    return 0;
  }
  /** An urgent octet stands behind the `taken` ones: it is something to read for who asks for nothing. */
  #isBeforeUrgent(taken: number): boolean {
    return this.endpoint.isMarkUnread || this.endpoint.receiveRing.length > taken;
  }
  /** At urgent data a call ends that has something; one that has nothing passes the mark. */
  #stopAtMark({ iov, flags, isSplice }: Message, taken: number): number | undefined {
    const { endpoint } = this;
    if (endpoint.urgent === Urgent.None || endpoint.octetsToMark !== taken) return undefined;
    if (iov.position > 0) return 0;
    if (isSplice) {
      // tcp_splice_read: what lies in the queue must not make it loop.
      const result = this.#receiveNothing(taken);
      const waits = result === -Errno.EAGAIN && (flags & MSG_DONTWAIT) === 0;
      return waits && this.#isBeforeUrgent(taken) ? 0 : result;
    }
    if (endpoint.isMarkUnread && iov.remaining > 0 && (flags & MSG_PEEK) === 0) endpoint.passMark();
    return undefined;
  }
  /** Nothing to read: end of file, error, or wait; in the order of tcp_recvmsg_locked. */
  #receiveNothing(taken: number): number {
    const { endpoint } = this;
    if (endpoint.finReceived) return 0;
    // An error belongs to the next call if this one has octets already.
    if (this.hasError) return taken + this.#readEarly > 0 ? 0 : -this.takeErrno();
    if (endpoint.receiveEnded) return 0;
    if (isClosed(endpoint.state)) return -Errno.ENOTCONN;
    return -Errno.EAGAIN;
  }
  /** SO_RCVLOWAT: a call that may wait does so until that much is there, or all it wants. */
  #isTooLittle(available: number, flags: number, wanted: number): boolean {
    const { receiveLowWater } = this.options;
    if (receiveLowWater === 1 || (flags & MSG_DONTWAIT) !== 0) return false;
    if (available >= Math.min(receiveLowWater, wanted) || this.endpoint.octetsToMark === available) return false;
    if (available > 0 && this.endpoint.isReceiveShort) return false;
    return !this.endpoint.receiveEnded && !this.hasError && this.endpoint.state !== 'CLOSED';
  }
  override get collects(): number {
    const { receiveLowWater } = this.options;
    return receiveLowWater === 1 ? 0 : receiveLowWater;
  }
  override holdsUnread(octets: number): boolean {
    const { receiveBufferLocked, receiveBuffer } = this.endpoint.settings;
    return octets <= (receiveBufferLocked ? Math.min(HELD_UNREAD, receiveBuffer >> 2) : HELD_UNREAD);
  }
  /** MSG_OOB (tcp_recv_urg). */
  #receiveUrgent(message: Message): number {
    const { endpoint } = this;
    const { flags } = message;
    if (this.options.oobInline || endpoint.urgent === Urgent.None || endpoint.urgent === Urgent.Read)
      return -Errno.EINVAL;
    if (endpoint.state === 'CLOSED' && !endpoint.finReceived) return -Errno.ENOTCONN;
    if (endpoint.urgent === Urgent.Pending) return endpoint.receiveEnded ? 0 : -Errno.EAGAIN;
    const result = copyUrgent(message, endpoint.urgentOctet);
    message.outFlags |= MSG_OOB;
    if ((flags & MSG_PEEK) !== 0) return result;
    if (result === 1) {
      this.#staged = 'urgent';
      this.units = 1;
    } else endpoint.takeUrgent(); // It counts as read nevertheless.
    return result;
  }

  // Commit

  override commit(amount: number): void {
    const staged = this.#staged;
    this.#staged = 'nothing';
    const stagedOctets = this.#stagedOctets;
    const readEarly = this.#readEarly;
    this.#stagedOctets = this.#readEarly = 0;
    if (amount <= 0) return;
    switch (staged) {
      case 'send':
        this.#commitSend(Math.min(amount, stagedOctets));
        return;
      case 'receive':
        this.endpoint.consume(amount - readEarly);
        return;
      case 'urgent':
        this.endpoint.takeUrgent();
        return;
      case 'nothing':
        return;
    }
  }
  #commitSend(octets: number): void {
    const more = (this.#sendFlags & MSG_MORE) !== 0;
    const urgent = (this.#sendFlags & MSG_OOB) !== 0;
    const record = (this.#sendFlags & MSG_EOR) !== 0;
    let done = 0;
    for (const start of this.#starts) {
      if (start >= octets) break;
      this.endpoint.commitSend(start - done, this.#sendCall, more, urgent, record);
      done = start;
    }
    this.endpoint.commitSend(octets - done, this.#sendCall, more, urgent, record);
  }
  override rollback(): void {
    this.#staged = 'nothing';
    this.#stagedOctets = this.#readEarly = 0;
  }
  override leaving(amount: number): number {
    return this.#staged === 'receive' ? amount : 0;
  }
  override eventsAfter(count: number): number {
    const amount = count - this.#readEarly;
    const events = this.poll();
    const { endpoint } = this;
    if (this.#staged === 'send') {
      return endpoint.writableAfter(amount) ? events : events & ~(POLLOUT | POLLWRNORM);
    }
    if (this.#staged === 'urgent') return events & ~POLLPRI;
    if (this.#staged !== 'receive') return events;
    const isLifted = endpoint.octetsToMark === amount && !this.options.oobInline;
    const left = endpoint.receiveRing.length - amount - Number(isLifted);
    return left >= this.options.receiveLowWater || this.#isAtEnd ? events : events & ~(POLLIN | POLLRDNORM);
  }

  // Readiness

  get #isAtEnd(): boolean {
    return this.endpoint.receiveEnded || this.endpoint.state === 'CLOSED';
  }
  override poll(): number {
    const events = super.poll();
    return this.#isBelowLowWater() ? events & ~(POLLIN | POLLRDNORM) : events;
  }
  override endpointChanged(events: number): void {
    const held = this.#isBelowLowWater();
    if (held) this.lender?.held();
    super.endpointChanged(held ? events & ~(POLLIN | POLLRDNORM) : events);
  }
  /** SO_RCVLOWAT moves readability as well (tcp_stream_is_readable). */
  #isBelowLowWater(): boolean {
    const { receiveLowWater } = this.options;
    if (receiveLowWater === 1 || this.endpoint.state === 'LISTEN') return false;
    const { length } = this.endpoint.receiveRing;
    return length < receiveLowWater && !this.#isAtEnd && !(length > 0 && this.endpoint.isReceiveShort);
  }

  override ioctl(request: number): number {
    return streamIoctl(this.endpoint, request);
  }
}
