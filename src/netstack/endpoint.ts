/**
 * What the socket layer sees of the transports. Everything here is non-blocking: an operation is done, refused with a
 * `NetError`, or 'would-block'. Results are transactional: what a call takes out (octets, a datagram, a connection) is looked at first and
 * consumed only when the guest has it, and what it puts in is staged first and becomes part of the stream on commit.
 */
import type { ByteRing } from '../lib/byte-ring.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { Family, IpAddress } from './address.ts';
import type { Route } from './ip/ip.ts';
import type { RouteSpec } from './ip/route-table.ts';
import type { LinkCounters } from './link/link.ts';
import type { NetError } from './net-error.ts';
import type { Packet, PacketPool } from './packet.ts';
import type { PacketFilter } from './packet-filter.ts';
import type { Observer } from './readiness.ts';

/** RFC 9293 3.3.2. */
export type TcpState =
  | 'CLOSED'
  | 'LISTEN'
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT';
/** A connection in TIME-WAIT is no longer the socket's: to its user the socket is closed (tcp_time_wait). */
export const isClosed = (state: TcpState): boolean => state === 'CLOSED' || state === 'TIME-WAIT';

/**
 * What is done about the path MTU, the values of IP_MTU_DISCOVER. Dont: fragments where it must, and lets routers. Want: forbids them that, but fragments itself. Do: does neither.
 * Probe, Interface and Omit look at the link's MTU alone: Probe and Interface fragment nothing, Omit does; Probe forbids it to routers.
 */
export const PathMtuDiscovery = { Dont: 0, Want: 1, Do: 2, Probe: 3, Interface: 4, Omit: 5 } as const;

/** Settings common to both transports. A field may be changed at any time; `optionsChanged()` makes it take effect at once. */
export interface IpSettings {
  /** TTL or hop limit, 1..255; 0 for the default. */
  ttl: number;
  /** TOS or traffic class octet. */
  tos: number;
  /** For AF_INET6: no IPv4-mapped traffic. */
  v6Only: boolean;
  reuseAddress: boolean;
  reusePort: boolean;
  /** User id of who made the socket (sk_uid): SO_REUSEPORT shares among those of one user alone. */
  owner: number;
  /** Interface the endpoint is bound to (SO_BINDTODEVICE); 0 any. */
  boundInterface: number;
  /** IP_FREEBIND: bind() takes an address that is nobody's. */
  freeBind: boolean;
  /** IP_TRANSPARENT: as freeBind, and what is sent from such an address leaves. */
  transparent: boolean;
  /** IP_MINTTL and IPV6_MINHOPCOUNT: segments that came further are not for this stream. */
  minTtl: number;
  minHopCount: number;
  /** IP_LOCAL_PORT_RANGE: where a port is chosen from; the lowest, and the highest in the upper half, 0 of either being the system's. */
  localPortRange: number;
  /** IP_UNICAST_IF, IPV6_UNICAST_IF: the interface that leads to a remote address; 0 any. */
  unicastInterface: number;
  unicastInterface6: number;
  /**
   * IP_RECVERR: every ICMP error that quotes something of this socket's becomes its pending error (of datagrams connected or not, and those that Linux else ignores: host and network
   * unreachable), and of datagrams is kept in the error queue.
   */
  receiveErrors: boolean;
  /** IPV6_RECVERR: the same for IPv6. */
  receiveErrors6: boolean;
  /** IP_RECVERR_RFC4884, IPV6_RECVERR_RFC4884: the error queue tells where extensions of an ICMP message begin. */
  receiveExtensions: boolean;
  receiveExtensions6: boolean;
  /** IP_MTU_DISCOVER and IPV6_MTU_DISCOVER, values of PathMtuDiscovery. */
  pathMtuDiscovery: number;
  pathMtuDiscovery6: number;
  /** IP_BIND_ADDRESS_NO_PORT: bind() to port 0 leaves the choice of a port to connect(), listen() or the first datagram. */
  bindAddressNoPort: boolean;
  /** SO_DONTROUTE: only what is on a link of ours can be reached. */
  dontRoute: boolean;
  /** SO_ATTACH_FILTER: what it says 0 of is dropped. */
  filter: PacketFilter | undefined;
}

/** Congestion controls there are (TCP_CONGESTION). */
export type CongestionName = 'cubic' | 'reno';

export interface TcpSettings extends IpSettings {
  congestion: CongestionName;
  /** Of a listener: what its user wants back with each connection that it makes from now on. */
  inherited: object | undefined;
  noDelay: boolean;
  cork: boolean;
  keepAlive: boolean;
  keepIdleSeconds: number;
  keepIntervalSeconds: number;
  keepCount: number;
  /** TCP_USER_TIMEOUT, milliseconds; 0 for the RFC 9293 / Linux default. */
  userTimeoutMs: number;
  /** TCP_MAXSEG as set; 0 unset. */
  maxSegment: number;
  /** Retransmissions of a SYN before ETIMEDOUT (tcp_syn_retries, 6). */
  synRetries: number;
  /** SO_LINGER seconds, or -1 when off. 0 turns close() into a reset. */
  lingerSeconds: number;
  /** TCP_LINGER2 seconds in FIN-WAIT-2 for an orphan; -1 forever. */
  linger2Seconds: number;
  /** TCP_DEFER_ACCEPT, seconds as effective; 0 off. */
  deferAcceptSeconds: number;
  windowClamp: number;
  /** TCP_FASTOPEN: connections opened by a cookie that may wait for the end of their handshake; 0 off. */
  fastOpenQueue: number;
  /** TCP_FASTOPEN_CONNECT: connect() waits for data where it can. */
  fastOpenConnect: boolean;
  fastOpenNoCookie: boolean;
  /** TCP_FASTOPEN_KEY: one key of 16 octets or two. */
  fastOpenKey: Uint8Array | undefined;
  /** Octets of unsent and unacknowledged data the send ring may hold. */
  sendBuffer: number;
  /** Octets of receive ring, hence the largest window. */
  receiveBuffer: number;
  /** True once SO_SNDBUF or SO_RCVBUF fixed the size: no growth by itself. */
  sendBufferLocked: boolean;
  receiveBufferLocked: boolean;
  /** Urgent data stays in line (SO_OOBINLINE). */
  oobInline: boolean;
  /** Most octets a second that are sent (SO_MAX_PACING_RATE); Infinity for no bound. */
  pacingRate: number;
  /** Timeouts of a stream with little in flight do not double at first (TCP_THIN_LINEAR_TIMEOUTS). */
  thinLinear: boolean;
  /** Octets not yet sent, up to which there is room for more (TCP_NOTSENT_LOWAT); 0 for no bound. */
  notSentLowWater: number;
  /** Bounds of the retransmission timeout and of the delay of an ACK (TCP_RTO_MAX_MS, TCP_RTO_MIN_US, TCP_DELACK_MAX_US). */
  rtoMaxMs: number;
  rtoMinUs: number;
  delayedAckMaxUs: number;
  /** A listener keeps what opened each connection: 1 the headers from IP on, 2 those of the link as well (TCP_SAVE_SYN). */
  saveSyn: number;
}

/** State of a connection for its user's eyes (TCP_INFO). Times in microseconds, windows in octets unless segments are named. */
export interface TcpInfo {
  readonly state: TcpState;
  /** Fast recovery (RFC 6582, RFC 6675). */
  readonly inRecovery: boolean;
  /** Consecutive timeouts of the oldest segment. */
  readonly timeouts: number;
  readonly keepAliveProbes: number;
  readonly backoff: number;
  /** Negotiated: RFC 7323 timestamps and scaling, RFC 2018 SACK. */
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly windowScale: boolean;
  readonly sendShift: number;
  readonly receiveShift: number;
  readonly retransmissionTimeout: number;
  /** 0 before the first measurement. */
  readonly smoothedRoundTrip: number;
  readonly roundTripVariance: number;
  readonly leastRoundTrip: number;
  readonly sendMss: number;
  readonly receiveMss: number;
  /** 0 before a route is known. */
  readonly announcedMss: number;
  readonly segmentsInFlight: number;
  readonly segmentsSacked: number;
  readonly segmentsLost: number;
  /** Sent again and not yet acknowledged. */
  readonly segmentsResent: number;
  /** Something overtook something else, or was lost. */
  readonly isDisordered: boolean;
  readonly congestionWindow: number;
  readonly slowStartThreshold: number;
  /** Or since the connection was made; 0 before. */
  readonly sinceSend: number;
  readonly sinceReceive: number;
  readonly sinceAck: number;
  /** How long an ACK may wait; 0 before anything came. */
  readonly acknowledgmentDelay: number;
  /** 0 without route. */
  readonly pathMtu: number;
  readonly sendWindow: number;
  readonly receiveWindow: number;
  /** The window that the receive buffer would allow, and what the reader took in the last round trip that was measured. */
  readonly receiveLimit: number;
  readonly receiveSpace: number;
  /** Of a listener. */
  readonly backlog: number;
  readonly totals: TcpTotals;
}

/** What a connection has done so far (RFC 4898, TCP_INFO). Octets, segments, microseconds. */
export interface TcpTotals {
  /** Acknowledged, received in order, sent, sent again. The former two count SYN and FIN as Linux does. */
  readonly bytesAcked: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly bytesRetransmitted: number;
  readonly segmentsOut: number;
  readonly segmentsIn: number;
  readonly dataSegmentsOut: number;
  readonly dataSegmentsIn: number;
  readonly retransmissions: number;
  /** Segments that the peer has. */
  readonly delivered: number;
  /** Reports of what had arrived twice (RFC 2883). */
  readonly duplicateReports: number;
  /** Segments that came before their turn. */
  readonly outOfOrder: number;
  readonly timeouts: number;
  /** Recoveries that a timeout began, and the time they took, with the one under way. */
  readonly timeoutRecoveries: number;
  readonly timeoutTime: number;
  /** How long there was something to send, and how much of it for want of a window, or of more in the buffer. */
  readonly busyTime: number;
  readonly windowLimitedTime: number;
  readonly bufferLimitedTime: number;
  /** Octets a second at which the last measured flight arrived; the sender had no more to send meanwhile. */
  readonly deliveryRate: number;
  readonly isAppLimited: boolean;
}

/** How a stream is shut down, the values of shutdown(2). */
export const Shutdown = { Read: 1, Write: 2, Both: 3 } as const;

/** What is known of urgent data (tp->urg_data of Linux): nothing, announced, received, read out of band. */
export const Urgent = { None: 0, Pending: 1, Valid: 2, Read: 3 } as const;

/** A socket that may share its port. */
interface PortSharing {
  /** SO_REUSEPORT: the group whose program chooses among those that share the port, if it is in one. */
  readonly reuseGroup: { program: PacketFilter | undefined } | undefined;
  /** The group that it may give a program to, a new one if it may yet bind with others; undefined if there is none. */
  reuseGroupToSteer(): { program: PacketFilter | undefined } | undefined;
}

export interface TcpEndpoint extends PortSharing {
  /** Attribution id, unique in the stack, never 0. */
  readonly id: number;
  readonly family: Family;
  readonly settings: TcpSettings;
  observer: Observer | undefined;
  readonly state: TcpState;
  readonly localAddress: IpAddress;
  readonly localPort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  /** True after bind() or an implicit one. */
  readonly isBound: boolean;

  /** Bits of Readiness that hold now, as Linux's tcp_poll shows them (fresh: Out|Hup; listening: In when a connection is ready; ...). */
  readiness(): number;
  /** The pending error (sk_err): read and cleared. */
  takeError(): NetError | undefined;
  /** As takeError, not cleared. */
  readonly error: NetError | undefined;
  optionsChanged(): void;

  /** Port 0 chooses an ephemeral one. */
  bind(address: IpAddress, port: number): NetError | undefined;
  /** Backlog as Linux counts: one more connection than `backlog` is admitted. A second call changes it. */
  listen(backlog: number): NetError | undefined;
  /**
   * Starts a connection (state SYN-SENT, or an error at once). After a failure the endpoint is CLOSED with the error pending, and a
   * further connect() starts anew. Fails with 'already-connected' from any other state.
   * @param fastOpen data is about to follow (RFC 7413): with a cookie the connection is `deferred` until there is some, else it asks for one
   */
  connect(address: IpAddress, port: number, fastOpen?: boolean): NetError | undefined;
  /** In SYN-SENT, and the SYN goes out with the first data committed, of which `sendSpace` tells how much it takes. */
  readonly deferred: boolean;
  /** The SYN goes out now. */
  openDeferred(): void;
  /** The oldest connection ready for accept, left in the queue. */
  acceptPeek(): TcpEndpoint | undefined;
  /** Connections ready for accept; 0 unless listening. */
  readonly acceptable: number;
  /** Hops left to the segment that completed it, the interface it came by, and its TOS; 0 for a connection that was not accepted. */
  readonly arrivalHops: number;
  readonly arrivalInterface: number;
  readonly arrivalTos: number;
  /** Takes the connection `acceptPeek` showed. */
  acceptCommit(): void;

  /** Octets to send: staged data is written behind the tail at offset `sendRing.length + staged`; see `commitSend`. */
  readonly sendRing: ByteRing;
  /**
   * Octets that may be staged now, no more than `wanted`; 0 when the buffer is full (then Readiness.Out is down and rises when a third is free, as Linux).
   * Reserves that room in the ring, so say how much is wanted: without it the whole limit is reserved.
   */
  sendSpace(wanted?: number): number;
  /** As `sendSpace`, past the limit: for octets that the user was already told are on their way, which are bounded elsewhere. 0 when there is no memory. */
  sendSpaceBeyond(wanted: number): number;
  /** True if Readiness.Out will hold once `len` staged octets have joined the stream. */
  writableAfter(len: number): boolean;
  /**
   * `len` staged octets join the stream, attributed to `callId`. `more` (MSG_MORE) holds back a partial segment; `urgent` marks the last octet (MSG_OOB). Nothing joins a segment behind a
   * `record` (MSG_EOR).
   */
  commitSend(len: number, callId: number, more: boolean, urgent: boolean, record?: boolean): void;

  /** Octets received in order begin at offset 0 of this ring; `receivable` of them may be read. */
  readonly receiveRing: ByteRing;
  readonly receivable: number;
  /** Octets that were ever consumed. */
  readonly octetsRead: number;
  /** When octets last came, microseconds of the stack's clock; 0 for never. */
  readonly lastReceiveAt: number;
  /** True when the peer's FIN follows the receivable octets, shutdown(Read) was called, or the connection is gone. */
  readonly receiveEnded: boolean;
  /** True when it is the peer's FIN: the end of the stream then comes before any error. */
  readonly finReceived: boolean;
  /** The guest got `len` octets: they leave the ring and the window may open. */
  consume(len: number): void;
  /** The reader holds copies of all that is receivable; it is consumed once it is known to be read. An ACK need not wait for that. */
  handedOver(): void;
  /** True after shutdown(Write) or close. */
  readonly sendEnded: boolean;
  /** Octets and FIN not yet acknowledged, sent or not (SIOCOUTQ), and those among them not yet sent (SIOCOUTQNSD). */
  readonly unacknowledged: number;
  readonly unsent: number;
  /** Octets of payload and options in a full segment. */
  readonly mss: number;
  /** Octets of payload alone (TCP_MAXSEG once connected). */
  readonly segmentPayload: number;
  /** FIONREAD: octets up to the mark of an urgent octet that is read out of band, else all. */
  readonly unread: number;
  /** A value of `Urgent`. */
  readonly urgent: number;
  /** Its sequence number, and the octet once it was received. */
  readonly urgentSeq: number;
  readonly urgentOctet: number;
  /** Memory for what is received is short, so that a reader may wait in vain for more (tcp_rmem_pressure). */
  readonly isReceiveShort: boolean;
  /** Octets that can be read before the urgent one, or -1 without one. At 0 the reader is at the mark (SIOCATMARK). */
  readonly octetsToMark: number;
  /** The octet was received, is next in the stream, and is read out of band: a read that takes nothing before it passes it. */
  readonly isMarkUnread: boolean;
  /** The reader is behind the mark: the octet is lost if it was not read. */
  passMark(): void;
  /** The octet was read out of band. */
  takeUrgent(): void;

  /**
   * 'not-connected' as Linux, where it takes effect nevertheless; in SYN-SENT and (for reading) LISTEN as `disconnect`.
   * @param how a value of Shutdown
   * @param sent is called when the FIN has been sent, before the observer is told
   */
  shutdown(how: number, sent?: () => void): NetError | undefined;
  /** connect(AF_UNSPEC), of which the observer is not told: back to CLOSED with RST as RFC 9293 ABORT; a bound port stays. What was connected or about to be has 'connection-reset' pending. */
  disconnect(): void;
  /** Last reference gone: FIN, or RST if octets were unread or lingerSeconds is 0; the connection finishes without an observer. */
  close(): void;
  /** RST now (RFC 9293 ABORT). */
  abort(): void;
  /** ACKs wait for replies that they can go with, since replies come soon (Linux's pingpong mode). */
  readonly pingPong: boolean;
  /** TCP_QUICKACK: leaves that mode, or enters it; not lasting, the traffic decides from here on. An even number leaves it for the one ACK that is due. */
  quickAcknowledge(value: number): void;
  info(): TcpInfo;
  /** What the listener's `saveSyn` kept, until `forgetSavedSyn`. */
  readonly savedSyn: Uint8Array | undefined;
  forgetSavedSyn(): void;
  /** The clock of RFC 7323 as this connection's segments show it, milliseconds. */
  readonly timestamp: number;
}

export interface UdpSettings extends IpSettings {
  broadcast: boolean;
  /** Octets of received payload and overhead that may wait (SO_RCVBUF, 212992). */
  receiveBuffer: number;
  sendBuffer: number;
  /** IPV6_DONTFRAG: a datagram larger than the path MTU is 'message-size' instead of fragmented. */
  dontFragment6: boolean;
  /** IPV6_RECVPATHMTU: such a datagram leaves a `PathMtuNotice`. */
  receivePathMtu: boolean;
  /** IPV6_AUTOFLOWLABEL: datagrams of a flow have a label that is the same for all of them and tells nothing else (RFC 6437). */
  autoFlowLabel: boolean;
  /** IPV6_MTU: fragments are no longer; 0 unset. */
  fragmentSize6: number;
  /** IP_PKTINFO or IPV6_RECVPKTINFO: it is noted where datagrams of IPv4 come in. */
  placesDatagrams: boolean;
  /** The IP header stays in front of a datagram, from `packet.l3` on, be it short or not. */
  keepsHeaders: boolean;
  /** SO_NO_CHECK. */
  noChecksum: boolean;
  /** SO_MARK and SO_PRIORITY. */
  mark: number;
  priority: number;
  /** UDP_SEGMENT: octets of each datagram that a send is cut into; 0 for one. */
  segment: number;
  /** UDP_GRO: what was cut by its sender is taken as it was. */
  coalesce: boolean;
  /** SO_TIMESTAMPING: SOF_TIMESTAMPING_*. */
  timestamping: number;
  /** UDP_NO_CHECK6_TX, and UDP_NO_CHECK6_RX: IPv6 datagrams without a checksum are sent, and taken (RFC 6936). */
  noChecksum6: boolean;
  takesNoChecksum6: boolean;
  multicastTtl: number;
  multicastLoop: boolean;
  multicastInterface: number;
  multicastHops: number;
  multicastLoop6: boolean;
  multicastInterface6: number;
  /** Where IPv4 multicasts come from when nothing else is bound (IP_MULTICAST_IF by address). */
  multicastSource: IpAddress | undefined;
  /** IP_MULTICAST_ALL (on at first for AF_INET alone), IPV6_MULTICAST_ALL: take what any socket joined, not this one's groups alone. */
  multicastAll: boolean;
  multicastAll6: boolean;
}

/** A datagram that waits for the reader. Its payload is `packet.at` .. `packet.end`. */
export interface Datagram {
  readonly packet: Packet;
  readonly source: IpAddress;
  readonly sourcePort: number;
  /** Destination of its header (IP_PKTINFO ipi_addr, IP_RECVORIGDSTADDR). */
  readonly destination: IpAddress;
  readonly destinationPort: number;
  readonly interfaceIndex: number;
  readonly ttl: number;
  readonly tos: number;
  /** Arrival, microseconds of the stack's clock. */
  readonly time: number;
  /** Where it came in, and the address to answer from, were asked for when it came (IP_PKTINFO): of what came before nothing is known. */
  readonly isPlaced: boolean;
  /** Datagrams of this socket that had been lost for want of room when it came (SO_RXQ_OVFL). */
  readonly drops: number;
}

/** Who says that something happened to what was sent: an ICMP message, this host, or the clock that it passed by (SO_EE_ORIGIN_*). */
export type ErrorOrigin = 'icmp' | 'local' | 'timestamp';

/** What became of a datagram sent, as the error queue keeps it (ip(7), IP_RECVERR; SO_TIMESTAMPING). */
export interface DatagramError {
  readonly origin: ErrorOrigin;
  /** Undefined with a timestamp. */
  readonly error: NetError | undefined;
  /** ICMP type and code. */
  readonly type: number;
  readonly code: number;
  /** The MTU where that is what it is about; of a timestamp which it is (SCM_TSTAMP_*). */
  readonly info: number;
  /**
   * Of a timestamp the number of the send. Of an ICMP message, if it was asked for, where in `payload` its extensions (RFC 4884) begin, with 0x10000 if they are broken; 0 without any.
   */
  readonly data: number;
  /** Who reported it, with an ICMP message alone. */
  readonly offender: IpAddress | undefined;
  /** Where the datagram was sent; undefined where that is not told. */
  readonly destination: IpAddress | undefined;
  readonly destinationPort: number;
  readonly isV4: boolean;
  /** What is told of it: the payload as the message quotes it, or all that left. */
  readonly payload: Uint8Array;
  /** Of the ICMP message: where it was sent to and how it came. */
  readonly receiver: IpAddress;
  readonly interfaceIndex: number;
  readonly ttl: number;
  readonly tos: number;
  /** Microseconds of the stack's clock. */
  readonly time: number;
}

/** RFC 3542 11.3: what a datagram was too long for that must not be cut. */
export interface PathMtuNotice {
  readonly destination: IpAddress;
  /** That was chosen for it; 0 for any. */
  readonly interfaceIndex: number;
  readonly mtu: number;
}

/** Per-message choices from control messages; undefined fields fall back to the endpoint's settings. */
export interface SendChoices {
  readonly source?: IpAddress | undefined;
  readonly interfaceIndex?: number | undefined;
  readonly ttl?: number | undefined;
  readonly tos?: number | undefined;
  /** Flow label of IPv6 (IPV6_FLOWINFO, sin6_flowinfo); 0 or undefined leaves it to IPV6_AUTOFLOWLABEL. */
  readonly flowLabel?: number | undefined;
  /** IPV6_DONTFRAG. */
  readonly dontFragment?: boolean | undefined;
  readonly mark?: number | undefined;
  readonly priority?: number | undefined;
  /** UDP_SEGMENT; 0 for a datagram as it is. */
  readonly segment?: number | undefined;
  /** Which timestamps are wanted of it, and under which number (SOF_TIMESTAMPING_TX_*). */
  readonly stamps?: number | undefined;
  readonly stampId?: number | undefined;
  /** It was found, and allowed, before. */
  readonly route?: Route | undefined;
  /** It is the first part of what will be more: how it is cut (`segment`) is not looked at yet. */
  readonly isPart?: boolean | undefined;
}

/** RFC 3678: only those sources, or all but those. */
export type FilterMode = 'include' | 'exclude';
export interface SourceFilter {
  readonly mode: FilterMode;
  readonly sources: readonly IpAddress[];
}

/** The source filters of a socket's memberships; 'no-device' where the interface is not there. */
export interface SourceFilters {
  /** One source more or less in the filter of a membership ('invalid' without one). */
  changeSource(
    group: IpAddress,
    source: IpAddress,
    interfaceIndex: number,
    interfaceAddress: IpAddress | undefined,
    mode: FilterMode,
    adds: boolean,
  ): NetError | undefined;
  /** The whole filter of a membership. */
  setFilter(
    group: IpAddress,
    interfaceIndex: number,
    interfaceAddress: IpAddress | undefined,
    filter: SourceFilter,
  ): NetError | undefined;
  filterOf(group: IpAddress, interfaceIndex: number, interfaceAddress: IpAddress | undefined): SourceFilter | NetError;
}

export interface UdpEndpoint extends PortSharing {
  readonly id: number;
  readonly family: Family;
  readonly settings: UdpSettings;
  observer: Observer | undefined;
  readonly localAddress: IpAddress;
  readonly localPort: number;
  /** Unspecified with port 0 while not connected. */
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  readonly isBound: boolean;
  readonly isConnected: boolean;

  readiness(): number;
  takeError(): NetError | undefined;
  readonly error: NetError | undefined;
  optionsChanged(): void;

  bind(address: IpAddress, port: number): NetError | undefined;
  connect(address: IpAddress, port: number): NetError | undefined;
  disconnect(): void;
  /** A port, if it has none yet; 'would-block' when none is left (inet_autobind). */
  autobind(): NetError | undefined;
  /**
   * Checks, routes and allocates for one datagram. The caller fills `packet.at` .. `packet.at + len`, then `transmit`s it or `release()`s it.
   * `to` undefined sends to the connected peer ('destination-required' if there is none). `len` over 65,507 (65,527 on IPv6) is 'message-size'.
   * @param isBegun its first part was taken before: neither a pending error nor shutdown stops it (only a new skb asks, sock_alloc_send_skb)
   */
  prepare(
    to: IpAddress | undefined,
    port: number,
    len: number,
    choices: SendChoices | undefined,
    isBegun?: boolean,
  ): Packet | NetError;
  /** Sends what `prepare` made. Owns the packet. */
  transmit(packet: Packet, callId: number): void;

  /** Count of datagrams waiting, the memory that is charged for them and for the error queue, and how many were lost for want of it. */
  readonly queued: number;
  readonly charged: number;
  readonly drops: number;
  /** The datagram `index` places from the head, undefined beyond the last. */
  peek(index: number): Datagram | undefined;
  /** Drops `count` datagrams from the head, or from the place `from`. */
  consume(count: number, from?: number): void;
  /** The entry of the error queue `index` places from the oldest (bounded; only with `receiveErrors` or `receiveErrors6`). While there is one, Readiness.Err holds. */
  peekError(index?: number): DatagramError | undefined;
  /** Drops that entry. */
  consumeError(): void;
  /** IP_RECVERR was switched off: what it kept goes, all but timestamps. The pending error stays. */
  purgeErrors(): void;
  /** Puts one in; false when there is no room. */
  queueError(error: DatagramError): boolean;
  /** The last that was not told yet; who tells it clears it. */
  pathMtuNotice: PathMtuNotice | undefined;
  /**
   * Membership in a group on an interface, by its index, else by an address of it, else where the group's route leads. 'invalid' when it is no group, 'no-device',
   * 'address-in-use' when joined already, 'no-buffers' beyond the limit; leaving: 'address-not-available' when not joined.
   */
  join(
    group: IpAddress,
    interfaceIndex: number,
    interfaceAddress: IpAddress | undefined,
    mode?: FilterMode,
  ): NetError | undefined;
  leave(group: IpAddress, interfaceIndex: number, interfaceAddress: IpAddress | undefined): NetError | undefined;
  readonly sourceFilters: SourceFilters;
  /** 'not-connected' as Linux, which applies it nevertheless on a bound socket. */
  shutdown(how: number): NetError | undefined;
  readonly receiveEnded: boolean;
  readonly sendEnded: boolean;
  close(): void;
}

/** A neighbour on a link, and what is known of it (RFC 4861 7.3.2; IPv4 likewise). */
export interface NeighborInfo {
  readonly address: IpAddress;
  readonly linkAddress: Uint8Array;
  readonly state: 'INCOMPLETE' | 'REACHABLE' | 'STALE' | 'DELAY' | 'PROBE' | 'PERMANENT';
}

/** One network interface of the stack as the guest may see it. */
export interface InterfaceInfo {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  readonly linkAddress: Uint8Array | undefined;
  readonly isLoopback: boolean;
  readonly isUp: boolean;
  /** Frames that the transmit queue holds; 0 for none. */
  readonly queueLimit: number;
  readonly counters: LinkCounters;
  readonly neighborEntries: Iterable<NeighborInfo>;
  readonly addresses: ReadonlyArray<{ readonly address: IpAddress; readonly prefix: number }>;
}

/** The way to a destination as the guest may ask for it. */
export interface PathInfo {
  readonly local: IpAddress;
  /** The destination as it would stand in a header. */
  readonly remote: IpAddress;
  /** The router, or `remote` itself on the link. */
  readonly nextHop: IpAddress;
  readonly interfaceIndex: number;
  readonly isLoopback: boolean;
  readonly isBroadcast: boolean;
}

/** The stack as the socket layer sees it. */
export interface Netstack {
  readonly clock: Clock;
  readonly random: Random;
  readonly pool: PacketPool;
  readonly interfaces: readonly InterfaceInfo[];
  /** The routing table; ways to our own addresses are not in it. */
  readonly routes: readonly RouteSpec[];
  /** Where a packet to `remote` would go. `interfaceIndex` 0 for any. */
  path(remote: IpAddress, source: IpAddress | undefined, interfaceIndex: number): PathInfo | NetError;
  createTcp(family: Family): TcpEndpoint;
  createUdp(family: Family): UdpEndpoint;
  /** For echo requests and the replies to them: ports are ids, and what is sent and received begins with the ICMP header. */
  createPing(family: Family): UdpEndpoint;
  isLocal(address: IpAddress): boolean;
  /** What was sent to this host arrives now, with all that it causes. Not to be called by what that may cause. */
  deliver(): void;
  /** Path MTU of a connected endpoint's route (IP_MTU); undefined without route. */
  pathMtu(remote: IpAddress): number | undefined;
}
