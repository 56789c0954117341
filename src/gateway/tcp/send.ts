/**
 * Segments toward the guest. Data goes out within the guest's window, in frames of up to 64 KiB that the link or the guest cuts (GSO), and stays with the
 * source until acknowledged; loss is answered by going back to the first unacknowledged octet (RFC 6298 timer, RFC 5681 duplicate acknowledgments).
 *
 * Left out: SACK, congestion control and timestamps. The link is one hop without reordering; what it cannot take it refuses audibly.
 * Urgent pointers do not cross: the host socket reads urgent octets in line, as Linux does with SO_OOBINLINE.
 */
import { putU16 } from '../../lib/bytes.ts';
import { micros } from '../../lib/clock.ts';
import { IpProtocol } from '../../netstack/ip/ip.ts';
import { LinkCapability } from '../../netstack/link/link.ts';
import { Gso, HEADROOM, type Packet, SMALL_OCTETS } from '../../netstack/packet.ts';
import * as wire from '../../netstack/wire/tcp.ts';
import { Errno } from '../host.ts';
import type { TcpContext } from './context.ts';
import { CAP, NO_SCALE_WINDOW, Seen, type TcpFlow, WINDOW_SCALE } from './flow.ts';
import { hostAnswered } from './waiting-acks.ts';

/** Payload of one frame: 65,535 of IP less the largest headers used here. */
const FRAME_PAYLOAD = 65_535 - 60;
const SMALL_PAYLOAD = SMALL_OCTETS - HEADROOM;
/** Frames a flow may send before the others have their turn. */
const BURST = 16;
/** Frames waiting in the link at which it counts as full: what is peeked beyond that is only peeked again. */
export const LINK_HIGH = 16;
/** RFC 6298 asks for 1 s before a measurement; on a link of microseconds 200 ms, Linux's minimum, is already late. */
const RTO_US = 200_000;
const RTO_MOST_US = 60_000_000;
const SYN_RTO_US = 1_000_000;
const OPTIONS_LEN = 8;

const MSS_HEADERS_V4 = 40;
const MSS_HEADERS_V6 = 60;

/** What we ask the guest to send at most, RFC 9293 3.7.1. */
export const offeredMss = (mtu: number, isV4: boolean): number => mtu - (isV4 ? MSS_HEADERS_V4 : MSS_HEADERS_V6);

/** Moves the right edge as far as memory allows, and returns the window field for a segment that acknowledges `rcv`. */
function advertise(context: TcpContext, flow: TcpFlow): number {
  const { budget } = context;
  const most = flow.ownShift === 0 ? NO_SCALE_WINDOW : CAP;
  const candidate = (flow.rcv + budget.capFor(most) - flow.held) | 0;
  // RFC 9293 3.8.6.2.2: not by less than a segment, or the guest sends small ones for ever.
  if (((candidate - flow.edge) | 0) >= Math.min(offeredMss(context.frames.link.mtu, true), most >>> 2))
    flow.edge = candidate;
  const offered = Math.min(Math.max((flow.edge - flow.rcv) | 0, 0) >>> flow.ownShift, NO_SCALE_WINDOW);
  settlePromise(context, flow);
  flow.acked = flow.rcv;
  flow.clear(Seen.AckDue);
  if (flow.has(Seen.AckWaits)) context.acks.remove(flow);
  return offered;
}
/** Brings the global budget up to date with the flow. A ring that was full keeps its storage until it is empty. */
export function settlePromise(context: TcpContext, flow: TcpFlow): void {
  const promised = Math.max(Math.max((flow.edge - flow.rcv) | 0, 0) + flow.held, flow.hold?.bytes.length ?? 0);
  context.budget.used += promised - flow.promised;
  flow.promised = promised;
}
/** How far the edge could move now. */
function windowGrowth(context: TcpContext, flow: TcpFlow): number {
  const most = flow.ownShift === 0 ? NO_SCALE_WINDOW : CAP;
  return (flow.rcv + context.budget.capFor(most) - flow.held - flow.edge) | 0;
}
/** Worth a segment of its own: a window that was below half grew by a quarter, or one of less than a segment became one. */
export function windowUpdateDue(context: TcpContext, flow: TcpFlow): boolean {
  // The SYN's unscaled window is enough to begin with; the first acknowledgment opens it.
  if (flow.rcv === ((flow.irs + 1) | 0)) return false;
  const growth = windowGrowth(context, flow);
  const open = (flow.edge - flow.rcv) | 0;
  const most = flow.ownShift === 0 ? NO_SCALE_WINDOW : CAP;
  const mss = offeredMss(context.frames.link.mtu, true);
  return (open < most >>> 1 && growth >= most >>> 2) || (open < mss && open + growth >= mss);
}

/** Writes the header before what `packet` holds and sends it. Owns the packet. */
function emit(
  context: TcpContext,
  flow: TcpFlow,
  packet: Packet,
  seq: number,
  flags: number,
  headerLen: number,
): boolean {
  const at = packet.push(wire.HEADER_LEN);
  const b = packet.bytes;
  wire.setPorts(b, at, flow.remotePort, flow.guestPort);
  wire.setNumbers(b, at, seq, flow.rcv);
  const window = (flags & wire.Flag.Syn) === 0 ? advertise(context, flow) : synWindow(context, flow);
  wire.setControl(b, at, headerLen, flags, window);
  context.frames.finishTransport(packet, wire.CHECKSUM, flow.addressTerm, IpProtocol.Tcp);
  return context.frames.sendIp(packet, flow.remoteAddress, flow.guestAddress, IpProtocol.Tcp);
}
/** The window of a SYN is never scaled (RFC 7323 2.2). */
export function synWindow(context: TcpContext, flow: TcpFlow): number {
  flow.edge = (flow.rcv + NO_SCALE_WINDOW) | 0;
  flow.acked = flow.rcv;
  settlePromise(context, flow);
  return NO_SCALE_WINDOW;
}

export const sendSynAck = (context: TcpContext, flow: TcpFlow): void =>
  sendSynSegment(context, flow, wire.Flag.Syn | wire.Flag.Ack);
/** To a guest's port that is published. */
export const sendSyn = (context: TcpContext, flow: TcpFlow): void => sendSynSegment(context, flow, wire.Flag.Syn);

function sendSynSegment(context: TcpContext, flow: TcpFlow, flags: number): void {
  const packet = context.frames.pool.alloc(0);
  armTimer(context, flow, SYN_RTO_US);
  if (packet === undefined) return context.counters.drop('no-buffer');
  const scaled = flow.ownShift !== 0;
  const at = packet.push(scaled ? OPTIONS_LEN : wire.OptionLen.MaxSegment);
  const b = packet.bytes;
  b[at] = wire.Option.MaxSegment;
  b[at + 1] = wire.OptionLen.MaxSegment;
  putU16(b, at + 2, offeredMss(context.frames.link.mtu, flow.guestAddress.isV4));
  if (scaled) {
    b[at + 4] = wire.Option.NoOperation;
    b[at + 5] = wire.Option.WindowScale;
    b[at + 6] = wire.OptionLen.WindowScale;
    b[at + 7] = WINDOW_SCALE;
  }
  emit(context, flow, packet, flow.iss, flags, wire.HEADER_LEN + packet.length);
}

/** A segment without data. */
export function sendControl(context: TcpContext, flow: TcpFlow, seq: number, flags: number): void {
  const packet = context.frames.pool.alloc(0);
  if (packet === undefined) return context.counters.drop('no-buffer');
  emit(context, flow, packet, seq, flags, wire.HEADER_LEN);
}
export const sendAck = (context: TcpContext, flow: TcpFlow): void =>
  sendControl(context, flow, flow.nxt, wire.Flag.Ack);
/** RST behind all that was ever sent: the guest keeps the data before it, and takes it at once if it has that data (RFC 5961 3.2). */
export const sendReset = (context: TcpContext, flow: TcpFlow): void =>
  sendControl(context, flow, flow.max, wire.Flag.Rst | wire.Flag.Ack);

/** An octet before the window, which every TCP answers with its state (RFC 9293 3.8.6.1 as Linux does it, and 3.8.4). */
export function sendProbe(context: TcpContext, flow: TcpFlow): void {
  context.counters.event('tcp-probes');
  sendControl(context, flow, (flow.una - 1) | 0, wire.Flag.Ack);
}

export function armTimer(context: TcpContext, flow: TcpFlow, first = RTO_US): void {
  flow.retransmission.set(context.clock.in(micros(Math.min(first * 2 ** flow.retries, RTO_MOST_US))));
}

/** Sends again from the first octet that the guest did not acknowledge. */
export function rewind(context: TcpContext, flow: TcpFlow): void {
  if (flow.nxt === flow.una) return;
  flow.nxt = flow.una;
  flow.source?.rewind();
  flow.set(Seen.Readable);
  context.counters.event('tcp-rewinds');
}

/** Octets that one frame may carry now; 0 when the flow must wait. */
function room(context: TcpContext, flow: TcpFlow): number {
  const inFlight = (flow.nxt - flow.una) | 0;
  const usable = flow.window - inFlight;
  // Sender's silly-window avoidance (RFC 9293 3.8.6.2.1): part of a segment only when nothing is in flight, or half the largest window is open.
  if (usable <= 0 || (usable < flow.mss && inFlight > 0 && usable < flow.maxWindow >>> 1)) return 0;
  const { link } = context.frames;
  const gso = (link.capabilities & (flow.guestAddress.isV4 ? LinkCapability.Tso4 : LinkCapability.Tso6)) !== 0;
  const segments = gso ? Math.max(1, Math.floor(FRAME_PAYLOAD / flow.mss)) : 1;
  return Math.min(usable, segments * flow.mss);
}

/** Sends what the host has and the guest takes. False when the flow has more for its next turn. */
export function pump(context: TcpContext, flow: TcpFlow): boolean {
  for (let i = 0; i < BURST; i++) {
    if (!flow.has(Seen.Established) || flow.has(Seen.Closed)) return true;
    if (flow.has(Seen.HostEnded) && flow.nxt === flow.finSeq) {
      sendFin(context, flow);
      return true;
    }
    if (behindFin(flow)) {
      // The peer reset a connection whose FIN the guest already has: only EPOLLERR told.
      if (flow.has(Seen.HostReset)) hostGone(context, flow);
      return true;
    }
    if (!flow.has(Seen.Readable)) return true;
    if (context.frames.link.queued >= LINK_HIGH) {
      context.block(flow);
      return true;
    }
    const len = room(context, flow);
    if (len === 0) {
      if (isShut(flow) && flow.has(Seen.Refused)) hostGone(context, flow);
      else waitForWindow(context, flow);
      return true;
    }
    if (!sendSome(context, flow, len)) return true;
  }
  return false;
}
const behindFin = (flow: TcpFlow): boolean => flow.has(Seen.HostEnded) && ((flow.nxt - flow.finSeq) | 0) > 0;

/** With nothing in flight no acknowledgment will come: the guest is asked for its window (RFC 9293 3.8.6.1). */
function waitForWindow(context: TcpContext, flow: TcpFlow): void {
  if (flow.nxt !== flow.una || flow.retransmission.armed) return;
  flow.set(Seen.Probing);
  armTimer(context, flow);
}

/** One frame of data. False when there is nothing more to send now. */
function sendSome(context: TcpContext, flow: TcpFlow, most: number): boolean {
  // Frames wait for the link in what they were read to, and of large buffers there are few.
  const len = flow.source?.isShort === true ? Math.min(most, SMALL_PAYLOAD) : most;
  const packet = context.frames.pool.alloc(len);
  if (packet === undefined || flow.source === undefined) {
    packet?.release();
    context.block(flow);
    return false;
  }
  const n = flow.source.read(packet, len);
  if (n > 0) {
    packet.end = packet.at + n;
    if (flow.source.drained) drained(flow, n);
    sendData(context, flow, packet, n, n < len);
    return true;
  }
  packet.release();
  return readEnded(context, flow, n);
}
/** A read of `n` octets emptied the socket: nothing more is there before an event tells so, except for an end that was announced. */
function drained(flow: TcpFlow, n: number): void {
  if (flow.has(Seen.EndAhead)) return;
  flow.clear(Seen.Readable);
  if (!flow.has(Seen.FinAhead)) return;
  flow.set(Seen.HostEnded);
  flow.finSeq = (flow.nxt + n) | 0;
}
function sendData(context: TcpContext, flow: TcpFlow, packet: Packet, n: number, last: boolean): void {
  const { nxt } = flow;
  hostAnswered(context, flow);
  if (n > flow.mss) {
    packet.gsoType = flow.guestAddress.isV4 ? Gso.TcpV4 : Gso.TcpV6;
    packet.gsoSize = flow.mss;
  }
  flow.nxt = (nxt + n) | 0;
  if (((flow.nxt - flow.max) | 0) > 0) {
    flow.octetsToGuest += (flow.nxt - flow.max) | 0;
    flow.max = flow.nxt;
  }
  let flags = wire.Flag.Ack | (last ? wire.Flag.Psh : 0);
  if (flow.has(Seen.HostEnded) && flow.nxt === flow.finSeq && n <= flow.mss) {
    flags |= wire.Flag.Fin;
    finSent(flow);
  }
  if (!flow.retransmission.armed) armTimer(context, flow);
  emit(context, flow, packet, nxt, flags, wire.HEADER_LEN);
}
/** @param n 0 or -errno. True to try once more. */
function readEnded(context: TcpContext, flow: TcpFlow, n: number): boolean {
  if (n === -Errno.EAGAIN) {
    flow.clear(Seen.Readable);
    if (flow.has(Seen.HostReset)) hostGone(context, flow);
    return false;
  }
  if (n === -Errno.ENOBUFS) {
    // The queue is full. Acknowledgments make room; where none is due the timer looks again.
    if (!flow.retransmission.armed) armTimer(context, flow);
    return false;
  }
  if (n < 0) {
    // Reported once; the data before it can still be read, and then a false clean end follows.
    if (flow.has(Seen.HostReset)) hostGone(context, flow);
    flow.set(Seen.HostReset);
    return true;
  }
  if (flow.has(Seen.HostReset)) {
    hostGone(context, flow);
    return false;
  }
  flow.set(Seen.HostEnded);
  flow.finSeq = flow.nxt;
  return true;
}
/**
 * The host reset the connection, and the guest's window is closed over what it sent before. Linux tells a reset at once and drops what no receive buffer
 * took; here the guest has a moment to read on, until it sends more or the first probe is due.
 */
export const isShut = (flow: TcpFlow): boolean => flow.has(Seen.HostReset) && flow.window === 0;
export function hostGone(context: TcpContext, flow: TcpFlow): void {
  if (flow.has(Seen.Closed)) return;
  sendReset(context, flow);
  context.close(flow, 'reset by host', true);
}
function finSent(flow: TcpFlow): void {
  flow.nxt = (flow.finSeq + 1) | 0;
  if (((flow.nxt - flow.max) | 0) > 0) flow.max = flow.nxt;
}
function sendFin(context: TcpContext, flow: TcpFlow): void {
  hostAnswered(context, flow);
  finSent(flow);
  if (!flow.retransmission.armed) armTimer(context, flow);
  sendControl(context, flow, flow.finSeq, wire.Flag.Fin | wire.Flag.Ack);
}
