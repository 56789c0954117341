/**
 * The transmission control block: every variable of one connection, under the names of RFC 9293 3.3.1. The functions of the other files
 * (input, output, timers ...) work on it; `TcpEndpoint` (connection.ts) is its public face.
 *
 * Units: sequence numbers are int32; windows, limits and the ring's lengths are octets; times are microseconds.
 * The send ring begins at `sendHead`, its end (`endOfData`) is where FIN goes; the receive ring ends at `rcvNxt` (before the FIN).
 */
import { ByteRing } from '../../lib/byte-ring.ts';
import type { Alarm, Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { type Family, IpAddress } from '../address.ts';
import { type TcpSettings, type TcpState, Urgent } from '../endpoint.ts';
import type { FlowTable } from '../flow-table.ts';
import type { IpLayer, OutputOptions, Route } from '../ip/ip.ts';
import type { NetError } from '../net-error.ts';
import type { PacketPool } from '../packet.ts';
import { PortBinding, type PortTable } from '../ports.ts';
import type { Observer } from '../readiness.ts';
import type { ReuseGroup } from '../reuse-group.ts';
import { HEADER_LEN } from '../wire/tcp.ts';
import { AppliedSettings } from './applied-settings.ts';
import type { Congestion } from './congestion.ts';
import { ConnectionStats } from './connection-stats.ts';
import type { FastOpen } from './fast-open.ts';
import type { Listener } from './listener.ts';
import { OutOfOrder } from './out-of-order.ts';
import type { RingMemory } from './ring-memory.ts';
import { RoundTrip } from './round-trip.ts';
import { Scoreboard } from './scoreboard.ts';
import type { Segment } from './segment.ts';
import { diff } from './seq.ts';
import type { TcpCounters, TcpExtCounters } from './tcp-stats.ts';

/** What a connection may ask of its layer. */
export interface TcpContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly pool: PacketPool;
  readonly ip: IpLayer;
  readonly tcp: TcpCounters;
  readonly ext: TcpExtCounters;
  readonly ports: PortTable<Tcb>;
  readonly flows: FlowTable<Tcb>;
  /** RFC 6528. */
  initialSequence(c: Tcb): number;
  /** RFC 7323 7.1: where this connection's timestamps start. */
  timestampOffset(c: Tcb): number;
  readonly fastOpen: FastOpen;
  /** An endpoint for a connection that `listener` is about to accept. */
  child(listener: Tcb): Tcb;
  addListener(c: Tcb): void;
  removeListener(c: Tcb): void;
  /** The listener for a segment's destination; who sends it, or the program of a group that gets to see it, chooses among equals. */
  findListener(
    local: IpAddress,
    port: number,
    interfaceIndex: number,
    remote: IpAddress,
    remotePort: number,
    s?: Segment,
  ): Tcb | undefined;
  /** False when the table of TIME-WAIT is full: the connection is then forgotten at once. */
  enterTimeWait(c: Tcb): boolean;
  leaveTimeWait(c: Tcb): void;
  /** True while the layer's budget of challenge ACKs lasts (RFC 5961 7). */
  mayChallenge(): boolean;
  /** Octets were received whose ACK is withheld until the end of this turn. */
  acknowledgeLater(c: Tcb): void;
  /** The observer of `c` is told when the current segment, timer or call has been dealt with. */
  notify(c: Tcb, events: number): void;
  readonly rings: RingMemory;
  /** Brackets whatever may send or tell observers; calls nest. */
  begin(): void;
  end(): void;
}

/** Octets the buffers may grow to by themselves (tcp_rmem[2], tcp_wmem[2]). */
export const RECEIVE_LIMIT_MAX = 6 << 20;
export const SEND_LIMIT_MAX = 4 << 20;
/** Where they start: more than Linux does, so that a link with 64 KiB frames and a round trip of a turn is never limited by the window. */
const LIMIT_START = 1 << 20;
/** What a window opens with, half of tcp_rmem[1], and the octets that it takes to be worth more. */
const FIRST_WINDOW = 65_536;
const OPENS_AFTER = 4096;
/** The shift for RECEIVE_LIMIT_MAX: the least with which 65,535 covers it. */
const SHIFT_MAX_BUFFER = 7;

/** What the retransmission alarm stands for: the two never run together. */
export const Rexmit = { None: 0, Retransmit: 1, Persist: 2 } as const;
/** What the state alarm stands for. */
export const Pending = { None: 0, FinWait2: 1, TimeWait: 2 } as const;

/** TCP_MSS_DEFAULT. */
export const SEGMENT_DEFAULT = 536;

/** Linux's view of a half-close, sk_shutdown: the values of `Shutdown`. */
export const RECEIVE_SHUT = 1;
export const SEND_SHUT = 2;

const UNBOUNDED = 0x7fff_ffff;
/** TCP_MSS_DEFAULT: a window up to this is one segment. */
const WHOLE_WINDOW_MAX = 536;
/** Octets of headers and payload that a segment has at least, however small the window (tcp_bound_to_half_wnd). */
const SEGMENT_MIN = 68;

/** Most (sequence, call) pairs kept for attribution; beyond it a call's octets count for the call before. */
const MAX_MARKS = 32;

export abstract class Tcb {
  readonly id: number;
  readonly family: Family;
  readonly settings: TcpSettings;
  readonly context: TcpContext;
  observer: Observer | undefined = undefined;
  /** Events not yet told to the observer. */
  pendingEvents = 0;

  state: TcpState = 'CLOSED';
  localAddress: IpAddress;
  localPort = 0;
  remoteAddress: IpAddress;
  remotePort = 0;
  /** True once the 4-tuple stands in the flow table. */
  inFlowTable = false;
  readonly binding: PortBinding<Tcb>;
  /** SO_REUSEPORT. */
  reuseGroup: ReuseGroup<Tcb> | undefined = undefined;
  /** bind() chose the address, so disconnect() keeps it. */
  addressBound = false;
  /** bind() named the port, so it outlives the connection until close(). */
  portLocked = false;
  route: Route | undefined = undefined;
  readonly outputOptions: OutputOptions = { ttl: 0, tos: 0, dontFragment: true };

  error: NetError | undefined = undefined;
  /** What ICMP said meanwhile: the reason given if the connection times out (RFC 9293 3.9.2.2). */
  softError: NetError | undefined = undefined;
  shut = 0;
  /** A connection has been and is gone: `shut` is its doing. */
  ended = false;
  /** close() was called: no observer, and the connection finishes alone. */
  orphan = false;

  listener: Listener<Tcb> | undefined = undefined;
  /** Of a connection in SYN-RECEIVED or in the accept queue. */
  parent: Tcb | undefined = undefined;
  /** A bare ACK completed the handshake while TCP_DEFER_ACCEPT waits for data, or while the accept queue was full. */
  handshakeDone = false;
  openedAt = 0;
  /** The SYN or SYN-ACK had to be sent again. */
  retriedSyn = false;

  // Fast open (fast-open.ts).
  /** SYN-SENT, and the SYN waits for data. */
  deferred = false;
  /** It wants a cookie. */
  asksFastOpen = false;
  /** The cookie of the next SYN or SYN-ACK, empty to ask for one. */
  synOption: Uint8Array | undefined = undefined;
  /** Octets that went with the SYN. */
  synData = 0;
  /** Of a connection that a cookie opened, until its handshake is complete. */
  fastOpener: Tcb | undefined = undefined;

  // Send sequence space.
  iss = 0;
  sndUna = 0;
  /** Next to send; behind `sndMax` while resending after a timeout. */
  sndNxt = 0;
  /** One past the highest sequence number ever sent. */
  sndMax = 0;
  sndWnd = 0;
  sndWl1 = 0;
  sndWl2 = 0;
  sndShift = 0;
  maxSndWnd = 0;
  /** Most octets per segment that `maxSndWnd` makes sensible. */
  windowBound = UNBOUNDED;
  /** One past the last urgent octet to send. */
  sndUp = 0;
  sndUrgent = false;
  /** One past the last octet of a record (MSG_EOR), with which its segment ends: SND.UNA or before it for none. */
  sndRecord = 0;
  /** One past the last segment sent that was smaller than the MSS (Minshall's variant of Nagle). */
  sndSmall = 0;
  readonly sendRing = new ByteRing();
  sendHead = 0;
  sendLimit = LIMIT_START;
  finQueued = false;
  /** What `owed` and `owedUnsent` were when the connection ended: Linux's numbers stay as they are until the next one begins. */
  leftOwed = 0;
  leftUnsent = 0;
  /** A writer found no room and waits for Readiness.Out. */
  sendBlocked = false;
  arrivalHops = 0;
  arrivalInterface = 0;
  arrivalTos = 0;
  /** Something has come from the peer since the last commit. */
  heard = false;
  /** The last commit was MSG_MORE. */
  more = false;
  /** The cork alarm fired, or an option was cleared: what waits goes out. */
  pushOut = false;
  /** Octets per segment without options: what the peer's MSS, the path MTU and TCP_MAXSEG allow. */
  mss = 536;
  peerMss = 536;
  lastSendAt = 0;
  markCount = 0;
  markSeq: Int32Array | undefined = undefined;
  markCall: number[] | undefined = undefined;

  // Loss and time.
  readonly congestion: Congestion;
  readonly roundTrip = new RoundTrip();
  readonly scoreboard = new Scoreboard();
  sackOn = false;
  dupAcks = 0;
  retries = 0;
  /** When the first retransmission or probe since the last progress was due (a SYN: when it was first sent), or -1: TCP_USER_TIMEOUT counts from it. */
  unansweredSince = -1;
  rexmit: number = Rexmit.None;

  // Receive sequence space.
  irs = 0;
  rcvNxt = 0;
  /** Right edge of the window last advertised: it never moves back. */
  rcvAdv = 0;
  /** `rcvNxt` when the last ACK was sent. */
  rcvAcked = 0;
  rcvShift = 0;
  /** Both sides offered a window scale. */
  scaleOn = false;
  readonly receiveRing = new ByteRing();
  receiveLimit = LIMIT_START;
  readonly outOfOrder = new OutOfOrder();
  finReceived = false;
  /** Of the urgent octet that the reader has not passed (urgent.ts). */
  urgent: number = Urgent.None;
  urgentSeq = 0;
  urgentOctet = 0;
  /** It is next in the stream, and no longer in the ring. */
  urgentLifted = false;

  // Acknowledging.
  ackNow = false;
  /** Octets received since the last ACK. */
  ackOctets = 0;
  /** Immediate ACKs left of those granted at the start of a stream. */
  quickAcks = 0;
  /** The connection is interactive: data went out soon after data came in, so an ACK may wait for a reply. */
  pingPong = false;
  lastReceiveAt = 0;
  octetsRead = 0;
  /** When the last trustworthy segment came, for keepalive. */
  heardAt = 0;
  /** The largest segment the peer sent, as an estimate of its full size. */
  receiveMss = 536;
  /** The largest segment that came in sequence, or TCP_MSS_DEFAULT. */
  largestSegment = SEGMENT_DEFAULT;
  ackWithheld = false;
  /** The receive window measured over one round trip, for its growth. */
  tuneOctets = 0;
  tuneAt = 0;

  // RFC 7323 timestamps.
  tsOn = false;
  tsOffset = 0;
  tsRecent = 0;
  tsRecentAt = 0;

  // Rate limits of answers to segments that must not be trusted; far in the past, so the first is answered.
  lastChallengeAt = -1e12;
  lastOutOfWindowAckAt = -1e12;

  /** Not before this may the next segment leave (SO_MAX_PACING_RATE). */
  paceUntil = 0;
  /** What a listener with TCP_SAVE_SYN kept of the segment that opened this connection. */
  savedSyn: Uint8Array | undefined = undefined;
  readonly applied = new AppliedSettings();
  stats = new ConnectionStats();

  keepProbes = 0;
  readonly rexmitAlarm: Alarm;
  readonly ackAlarm: Alarm;
  /** Made when first needed: most connections never do. */
  keepAlarm: Alarm | undefined = undefined;
  corkAlarm: Alarm | undefined = undefined;
  paceAlarm: Alarm | undefined = undefined;
  stateAlarm: Alarm | undefined = undefined;
  statePending: number = Pending.None;

  constructor(context: TcpContext, id: number, family: Family, settings: TcpSettings, congestion: Congestion) {
    this.context = context;
    this.id = id;
    this.family = family;
    this.settings = settings;
    this.congestion = congestion;
    this.localAddress = this.remoteAddress = family === 4 ? IpAddress.ANY4 : IpAddress.ANY6;
    this.binding = new PortBinding<Tcb>(this);
    this.rexmitAlarm = context.clock.alarm(() => this.rexmitFired());
    this.ackAlarm = context.clock.alarm(() => this.ackFired());
  }

  protected abstract rexmitFired(): void;
  protected abstract ackFired(): void;

  get isListening(): boolean {
    return this.state === 'LISTEN';
  }
}

/** Where the stream's octets end and FIN stands. */
export const endOfData = (c: Tcb): number => (c.sendHead + c.sendRing.length) | 0;
/** Sequence number of the first unread octet. */
export const receiveHead = (c: Tcb): number => (c.rcvNxt - (c.finReceived ? 1 : 0) - c.receiveRing.length) | 0;
/** Octets of options on every segment. */
export const optionOctets = (c: Tcb): number => (c.tsOn ? 12 : 0);
/** Payload octets of a full segment. */
export const segmentPayload = (c: Tcb): number => Math.min(c.mss - optionOctets(c), c.windowBound);

/**
 * The peer offers `window`. Two segments at least are to fit the largest window it ever showed, else it would hold back the second half of what
 * is one segment to us (tcp_bound_to_half_wnd); this is where loopback has its 32 KiB segments from.
 */
export function noteWindow(c: Tcb, window: number): void {
  if (window <= c.maxSndWnd) return;
  const { congestion } = c;
  const was = segmentPayload(c);
  c.maxSndWnd = window;
  c.windowBound = Math.max(
    window > WHOLE_WINDOW_MAX ? window >> 1 : window,
    SEGMENT_MIN - HEADER_LEN - optionOctets(c),
  );
  // Linux counts the congestion window in segments, so it grows with them.
  const now = segmentPayload(c);
  if (now > was && !congestion.inRecovery) congestion.cwnd = Math.floor((congestion.cwnd / was) * now);
}
/** Nothing is known of the peer's window. */
export function forgetWindow(c: Tcb): void {
  c.sndWnd = c.maxSndWnd = 0;
  c.windowBound = UNBOUNDED;
}

/** The send buffer's limit as it is now (SO_SNDBUF counts overhead: about half is payload). */
export function sendLimit(c: Tcb): number {
  return c.settings.sendBufferLocked ? Math.max(2048, c.settings.sendBuffer >> 1) : c.sendLimit;
}
/** Octets that were never sent. */
export const unsent = (c: Tcb): number => Math.max(0, diff(endOfData(c), c.sndMax));
/** The sequence number after all that is to be sent. */
const writeSeq = (c: Tcb): number => (endOfData(c) + Number(c.finQueued)) | 0;
/** Sequence numbers in use and not acknowledged, FIN's among them (write_seq - snd_una). */
export const owed = (c: Tcb): number => (c.state === 'CLOSED' ? c.leftOwed : Math.max(0, diff(writeSeq(c), c.sndUna)));
/** Those of them that were never sent. */
export const owedUnsent = (c: Tcb): number =>
  c.state === 'CLOSED' ? c.leftUnsent : Math.max(0, diff(writeSeq(c), c.sndMax));
/** The receive buffer's limit as it is now. */
export function receiveLimit(c: Tcb): number {
  const { receiveBufferLocked, receiveBuffer } = c.settings;
  const limit = receiveBufferLocked ? Math.max(1024, receiveBuffer >> 1) : Math.max(c.receiveLimit, receiveBuffer);
  return c.settings.windowClamp > 0 ? Math.min(limit, c.settings.windowClamp) : limit;
}
/** As much of it as may be offered: a stream that brings next to nothing is not shown all (rcv_ssthresh of Linux grows with full segments). */
export function offerLimit(c: Tcb): number {
  const limit = receiveLimit(c);
  return c.stats.bytesReceived > OPENS_AFTER ? limit : Math.min(limit, FIRST_WINDOW);
}
/** RFC 7323 2.3: the shift to offer on a SYN, which cannot change later. */
export function windowShift(c: Tcb): number {
  if (!c.settings.receiveBufferLocked) return SHIFT_MAX_BUFFER;
  let shift = 0;
  while (shift < 14 && 65_535 << shift < receiveLimit(c)) shift++;
  return shift;
}

/** Octets from `seq` on were written by call `callId`. */
export function addMark(c: Tcb, seq: number, callId: number): void {
  c.markSeq ??= new Int32Array(MAX_MARKS);
  c.markCall ??= [];
  if (c.markCount === MAX_MARKS || (c.markCount > 0 && c.markCall[c.markCount - 1] === callId)) return;
  c.markSeq[c.markCount] = seq;
  c.markCall[c.markCount] = callId;
  c.markCount++;
}
/** The call whose octet stands at `seq`; 0 where none is known. */
export function callAt(c: Tcb, seq: number): number {
  let call = 0;
  for (let i = 0; i < c.markCount && c.markSeq !== undefined; i++) {
    if (((seq - (c.markSeq[i] as number)) | 0) < 0) break;
    call = c.markCall?.[i] ?? 0;
  }
  return call;
}
/** Forgets marks whose octets are all before `seq`. */
export function dropMarks(c: Tcb, seq: number): void {
  const { markSeq, markCall } = c;
  if (markSeq === undefined || markCall === undefined) return;
  let gone = 0;
  while (gone + 1 < c.markCount && (((markSeq[gone + 1] as number) - seq) | 0) <= 0) gone++;
  if (gone === 0) return;
  markSeq.copyWithin(0, gone, c.markCount);
  for (let i = gone; i < c.markCount; i++) markCall[i - gone] = markCall[i] as number;
  c.markCount -= gone;
}
