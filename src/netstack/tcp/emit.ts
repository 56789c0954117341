/**
 * Writing segments: header, options, checksum, attribution. RFC 9293 3.1; 3.9.1 (MSS option), RFC 7323 (window scale, timestamps), RFC 2018 (SACK blocks).
 * What to send is decided in output.ts.
 */
import { putU16, putU32 } from '../../lib/bytes.ts';
import type { IpAddress } from '../address.ts';
import { IpProtocol, isBeyondLink, type Route } from '../ip/ip.ts';
import { LinkCapability } from '../link/link.ts';
import type { NetError } from '../net-error.ts';
import { Gso, type Packet } from '../packet.ts';
import { ChecksumOffset, finishChecksum } from '../transport-checksum.ts';
import * as wire from '../wire/tcp.ts';
import { Flag, HEADER_LEN, Option, OptionLen } from '../wire/tcp.ts';
import type { Segment } from './segment.ts';
import { MAX_SACK_BLOCKS, TIMESTAMP_OCTETS, TIMESTAMP_WORD } from './segment.ts';
import { diff } from './seq.ts';
import { callAt, offerLimit, segmentPayload, type Tcb, type TcpContext, windowShift } from './tcb.ts';
import { putUrgent } from './urgent.ts';

/** Octets of IP total length, and of our frames, whatever the MTU says. */
const MAX_IP = 65_535;
const TWO_NOPS = (Option.NoOperation << 8) | Option.NoOperation;
const DEFAULT_OPTIONS = { ttl: 0, tos: 0, dontFragment: true };
const headerOf = (isV4: boolean): number => (isV4 ? 20 : 40);

/** The way to the peer, from the local address if that is known. */
export function routeOf({ context, remoteAddress, localAddress, remotePort, settings }: Tcb): Route | NetError {
  const { boundInterface, unicastInterface, unicastInterface6, transparent, dontRoute } = settings;
  const through = boundInterface || (remoteAddress.isV4 ? unicastInterface : unicastInterface6);
  const route = context.ip.route(remoteAddress, localAddress, through, IpProtocol.Tcp, remotePort, transparent);
  return dontRoute && typeof route !== 'string' && isBeyondLink(route) ? 'network-unreachable' : route;
}

/** Finds the route, and with it the MSS; false (and a soft error) when there is none now. */
export function refreshRoute(c: Tcb): boolean {
  const { route } = c;
  if (route !== undefined && route.generation === c.context.ip.generation) return true;
  const found = routeOf(c);
  if (typeof found === 'string') {
    // 'invalid': our own address is gone, with its interface.
    c.softError = found === 'invalid' ? 'network-unreachable' : found;
    return false;
  }
  c.route = found;
  updateMss(c);
  return true;
}

/** RFC 9293 3.7.1: what the peer takes, the path carries, and TCP_MAXSEG allows. */
export function updateMss(c: Tcb): void {
  c.mss = Math.max(Math.min(c.peerMss, localMss(c)), 64);
}
/** What the MTU of the way to the peer carries. */
function localMss(c: Tcb): number {
  const mtu = c.route?.mtu ?? 576;
  return Math.min(mtu, MAX_IP) - headerOf(c.remoteAddress.isV4) - HEADER_LEN;
}

/** The MSS to announce, which may be more than what fits our frames. */
export function announcedMss(c: Tcb): number {
  const mtu = c.route?.mtu ?? 576;
  const isV4 = c.remoteAddress.isV4;
  const mss = Math.min(mtu, isV4 ? MAX_IP : MAX_IP + headerOf(false)) - headerOf(isV4) - HEADER_LEN;
  return c.settings.maxSegment > 0 ? Math.min(c.settings.maxSegment, mss) : mss;
}

/** Octets of payload in the largest packet for this connection's link: many segments where the link segments them, else one. */
export function packetPayload(c: Tcb): number {
  const payload = segmentPayload(c);
  const isV4 = c.remoteAddress.isV4;
  const offload = isV4 ? LinkCapability.Tso4 : LinkCapability.Tso6;
  if (c.route === undefined || (c.route.capabilities & offload) === 0) return payload;
  // Each segment has an urgent pointer of its own (tcp_write_xmit).
  if (c.sndUrgent) return payload;
  const room = MAX_IP - headerOf(isV4) - wire.MAX_HEADER_LEN;
  return Math.max(payload, room - (room % payload));
}

/** RFC 7323 4.2: milliseconds, from a random start. */
export const timestampNow = (c: Tcb): number => (Math.floor(c.context.clock.now() / 1000) + c.tsOffset) | 0;

/** Window that may be offered now, octets. RFC 9293 3.8.6.2.2: it never shrinks, and grows only by a worthwhile step. */
export function windowToOffer(c: Tcb): number {
  const limit = offerLimit(c);
  const current = Math.max(0, diff(c.rcvAdv, c.rcvNxt));
  const free = limit - c.receiveRing.length;
  let window = current;
  if (free > current && free - current >= Math.min(limit >> 1, c.mss)) window = free;
  // The header cannot say every number: round down, but never below what was promised.
  const unit = 1 << c.rcvShift;
  const down = window & -unit;
  window = down < current ? (current + unit - 1) & -unit : down;
  return Math.min(window, 65_535 << c.rcvShift);
}
/** As windowToOffer, and the right edge moves with it. */
function advertise(c: Tcb): number {
  const window = windowToOffer(c);
  const wasZero = c.rcvAdv === c.rcvAcked;
  if (wasZero !== (window === 0)) {
    if (wasZero) c.context.ext.TCPFromZeroWindowAdv++;
    else c.context.ext.TCPToZeroWindowAdv++;
  }
  c.rcvAdv = (c.rcvNxt + window) | 0;
  return window;
}

/**
 * Sends one segment of an established (or closing) connection: `len` octets of the send ring from `seq`, and `flags`.
 * @returns false if no buffer or no route was to be had: the segment counts as lost.
 */
export function emitSegment(c: Tcb, seq: number, len: number, flags: number): boolean {
  const { context } = c;
  if (!refreshRoute(c) || c.route === undefined) return false;
  const packet = context.pool.alloc(len);
  if (packet === undefined) return false;
  if (len > 0) fill(c, packet, seq, len);
  const isReset = (flags & Flag.Rst) !== 0;
  const blocks = isReset ? 0 : sackBlocks(c, len);
  const options = (c.tsOn ? TIMESTAMP_OCTETS : 0) + (blocks > 0 ? 4 + 8 * blocks : 0);
  const window = isReset ? 0 : advertise(c) >>> c.rcvShift;
  const at = begin(c, packet, seq, flags, options, window);
  const b = packet.bytes;
  if (c.tsOn) putTimestamp(c, b, at + HEADER_LEN);
  if (blocks > 0) putSack(c, b, at + HEADER_LEN + (c.tsOn ? TIMESTAMP_OCTETS : 0), blocks);
  if (c.sndUrgent) putUrgent(c, b, at, seq);
  if ((flags & Flag.Ack) !== 0) acknowledged(c);
  countSent(c, len);
  return deliver(context, packet, c.route, c);
}

function countSent(c: Tcb, len: number): void {
  const { stats } = c;
  const payload = segmentPayload(c);
  const segments = len <= payload ? 1 : Math.ceil(len / payload);
  stats.segmentsOut += segments;
  if (len === 0) return;
  stats.dataSegmentsOut += segments;
  stats.bytesSent += len;
}

/** The payload, its segmentation and whose call it is. */
function fill(c: Tcb, packet: Packet, seq: number, len: number): void {
  c.sendRing.read(diff(seq, c.sendHead), packet.bytes, packet.at, len);
  packet.end = packet.at + len;
  packet.callId = callAt(c, seq);
  const payload = segmentPayload(c);
  if (len <= payload) return;
  packet.gsoType = c.remoteAddress.isV4 ? Gso.TcpV4 : Gso.TcpV6;
  packet.gsoSize = payload;
  c.context.tcp.OutSegs += Math.ceil(len / payload) - 1;
}

/** SYN or SYN-ACK with the options of the handshake (RFC 9293 3.7.1, RFC 7323 1.3: echo nothing that the peer did not offer), and with `len` octets (RFC 7413). */
export function emitSyn(c: Tcb, flags: number, len = 0): boolean {
  const { context } = c;
  if (!refreshRoute(c) || c.route === undefined) return false;
  const packet = context.pool.alloc(len);
  if (packet === undefined) return false;
  if (len > 0) fill(c, packet, (c.iss + 1) | 0, len);
  const offers = c.state === 'SYN-SENT';
  const timestamps = offers || c.tsOn;
  const sack = offers || c.sackOn;
  const scale = offers || c.scaleOn;
  const cookie = c.synOption;
  c.synOption = undefined;
  const options =
    OptionLen.MaxSegment + (timestamps ? TIMESTAMP_OCTETS : sack ? 4 : 0) + (scale ? 4 : 0) + fastOpenOctets(cookie);
  // RFC 7323 2.2: the window of a SYN is never scaled.
  const window = synWindow(c, timestamps ? TIMESTAMP_OCTETS * Number(!offers) : 0);
  const at = begin(c, packet, c.iss, flags, options, window);
  c.rcvAdv = (c.rcvNxt + window) | 0;
  putSynOptions(c, packet.bytes, at + HEADER_LEN, timestamps, sack, scale);
  putFastOpen(packet.bytes, at + HEADER_LEN + options - fastOpenOctets(cookie), cookie);
  if ((flags & Flag.Ack) !== 0) acknowledged(c);
  // A SYN-ACK is nobody's yet (Linux: of the request, not of the socket).
  if (offers) c.stats.segmentsOut++;
  return deliver(context, packet, c.route, c);
}
/** Whole segments, if there is room for one (tcp_select_initial_window); what each of them has of options is known to who answers. */
function synWindow(c: Tcb, options: number): number {
  const limit = offerLimit(c);
  const mss = announcedMss(c) - options;
  return Math.min(limit > mss ? limit - (limit % mss) : limit, 65_535);
}
function putSynOptions(c: Tcb, b: Uint8Array, at: number, timestamps: boolean, sack: boolean, scale: boolean): void {
  let o = at;
  b[o] = Option.MaxSegment;
  b[o + 1] = OptionLen.MaxSegment;
  putU16(b, o + 2, announcedMss(c));
  o += OptionLen.MaxSegment;
  if (timestamps) {
    putTimestamp(c, b, o);
    if (sack) putU16(b, o, (Option.SackPermitted << 8) | OptionLen.SackPermitted);
    o += TIMESTAMP_OCTETS;
  } else if (sack) {
    putU32(b, o, (TWO_NOPS << 16) | (Option.SackPermitted << 8) | OptionLen.SackPermitted);
    o += 4;
  }
  if (!scale) return;
  b[o] = Option.NoOperation;
  b[o + 1] = Option.WindowScale;
  b[o + 2] = OptionLen.WindowScale;
  b[o + 3] = windowShift(c);
}

const fastOpenOctets = (cookie: Uint8Array | undefined): number =>
  cookie === undefined ? 0 : (2 + cookie.length + 3) & ~3;
function putFastOpen(b: Uint8Array, at: number, cookie: Uint8Array | undefined): void {
  if (cookie === undefined) return;
  const octets = fastOpenOctets(cookie);
  b.fill(Option.NoOperation, at, at + octets);
  const from = at + octets - 2 - cookie.length;
  b[from] = Option.FastOpen;
  b[from + 1] = 2 + cookie.length;
  b.set(cookie, from + 2);
}

/** Answers a segment that belongs to no connection (RFC 9293 3.10.7.1): never a RST to a RST, nor to a broadcast. */
export function emitReset(context: TcpContext, local: IpAddress, remote: IpAddress, s: Segment): void {
  if (s.has(Flag.Rst) || remote.isMulticast || remote.isLimitedBroadcast || remote.isUnspecified) return;
  const route = context.ip.route(remote, local, 0);
  if (typeof route === 'string' || route.isBroadcast) return;
  const packet = context.pool.alloc(0);
  if (packet === undefined) return;
  const at = packet.push(HEADER_LEN);
  const hasAck = s.has(Flag.Ack);
  wire.setPorts(packet.bytes, at, s.destinationPort, s.sourcePort);
  wire.setNumbers(packet.bytes, at, hasAck ? s.ack : 0, hasAck ? 0 : s.end);
  wire.setControl(packet.bytes, at, HEADER_LEN, hasAck ? Flag.Rst : Flag.Rst | Flag.Ack, 0);
  packet.l4 = at;
  context.tcp.OutRsts++;
  deliver(context, packet, route, undefined);
}

/** The fixed header in front of the payload. Returns where it begins. */
function begin(c: Tcb, packet: Packet, seq: number, flags: number, options: number, window: number): number {
  const header = HEADER_LEN + options;
  const at = packet.push(header);
  const b = packet.bytes;
  wire.setPorts(b, at, c.localPort, c.remotePort);
  wire.setNumbers(b, at, seq, (flags & Flag.Ack) !== 0 ? c.rcvNxt : 0);
  wire.setControl(b, at, header, flags, Math.min(window, 65_535));
  packet.l4 = at;
  packet.socketId = c.id;
  return at;
}

function deliver(context: TcpContext, packet: Packet, route: Route, c: Tcb | undefined): boolean {
  packet.protocol = IpProtocol.Tcp;
  packet.time = context.clock.now();
  finishChecksum(packet, route, IpProtocol.Tcp, ChecksumOffset.Tcp);
  context.tcp.OutSegs++;
  const failed = context.ip.output(packet, route, IpProtocol.Tcp, c === undefined ? DEFAULT_OPTIONS : c.outputOptions);
  if (failed !== undefined && c !== undefined) c.softError = failed;
  return failed === undefined;
}

function putTimestamp(c: Tcb, b: Uint8Array, at: number): void {
  putU32(b, at, TIMESTAMP_WORD);
  putU32(b, at + 4, timestampNow(c));
  putU32(b, at + 8, c.tsRecent);
}
/** How many reports fit beside `len` octets: a full segment has room for none, so what must be reported goes ahead of data (output.ts, flush). */
function sackBlocks(c: Tcb, len: number): number {
  if (!c.sackOn || c.outOfOrder.count === 0) return 0;
  const room = (segmentPayload(c) - len - 4) >> 3;
  return Math.max(0, Math.min(c.outOfOrder.count, room, c.tsOn ? MAX_SACK_BLOCKS - 1 : MAX_SACK_BLOCKS));
}
/** RFC 2018 4: the range that changed last goes first. */
function putSack(c: Tcb, b: Uint8Array, at: number, blocks: number): void {
  const { outOfOrder } = c;
  putU32(b, at, (TWO_NOPS << 16) | (Option.Sack << 8) | (2 + 8 * blocks));
  let o = at + 4;
  let range = outOfOrder.latest;
  for (let i = 0; i < blocks; i++, o += 8) {
    putU32(b, o, outOfOrder.start(range));
    putU32(b, o + 4, outOfOrder.end(range));
    range = range === 0 ? outOfOrder.count - 1 : range - 1;
  }
}

/** An ACK of everything received is on its way: nothing is owed any more. */
function acknowledged(c: Tcb): void {
  c.rcvAcked = c.rcvNxt;
  c.ackNow = false;
  c.ackOctets = 0;
  if (c.quickAcks > 0) c.quickAcks--;
  if (c.ackAlarm.armed) c.ackAlarm.cancel();
}
