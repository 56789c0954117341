/**
 * Segments from the guest (RFC 9293 3.10.7.4, with the checks of RFC 5961 against blind resets). Segments are taken in order only: the link neither loses
 * nor reorders, and on one that does (a tap, a faulty decorator) the guest's retransmission brings what is missing.
 *
 * The guest is as hostile as any peer: an acknowledgment of what was never sent, data beyond the window and flags in any
 * combination get an answer or nothing, and never cost more than a segment.
 */
import type { Packet } from '../../netstack/packet.ts';
import * as wire from '../../netstack/wire/tcp.ts';
import type { TcpContext } from './context.ts';
import { Seen, type TcpFlow, WINDOW_SCALE } from './flow.ts';
import { take } from './host-side.ts';
import { armTimer, offeredMss, rewind, sendSyn, sendSynAck, synWindow } from './send.ts';

const DUPLICATES = 3;
/** RFC 7323 2.3. */
const MOST_SHIFT = 14;
const DEFAULT_MSS_V4 = 536;
const DEFAULT_MSS_V6 = 1220;
const LEAST_MSS = 88;

/** Values of the options of a SYN; a malformed option ends the reading. */
export function readSynOptions(flow: TcpFlow, b: Uint8Array, at: number, mostMss: number): boolean {
  let mss = flow.guestAddress.isV4 ? DEFAULT_MSS_V4 : DEFAULT_MSS_V6;
  let scaled = false;
  const end = at + wire.headerLen(b, at);
  for (let i = at + wire.HEADER_LEN; i < end; ) {
    const kind = b[i] as number;
    if (kind === wire.Option.End) break;
    if (kind === wire.Option.NoOperation) {
      i++;
      continue;
    }
    const len = i + 1 < end ? (b[i + 1] as number) : 0;
    if (len < 2 || i + len > end) break;
    if (kind === wire.Option.MaxSegment && len === wire.OptionLen.MaxSegment) {
      mss = ((b[i + 2] as number) << 8) | (b[i + 3] as number);
    } else if (kind === wire.Option.WindowScale && len === wire.OptionLen.WindowScale) {
      flow.windowShift = Math.min(b[i + 2] as number, MOST_SHIFT);
      scaled = true;
    }
    i += len;
  }
  flow.mss = Math.min(Math.max(mss, LEAST_MSS), mostMss);
  return scaled;
}

/** @param packet stands on the TCP header; `end` is the end of the segment. */
export function segmentArrived(context: TcpContext, flow: TcpFlow, packet: Packet): void {
  const b = packet.bytes;
  const { at } = packet;
  const flags = wire.flags(b, at);
  const seq = wire.sequence(b, at);
  flow.lastActivity = context.clock.now();
  if (flow.has(Seen.Connecting)) {
    // Only the SYN has been seen, and it was not answered: a reset means that the guest gave up.
    if ((flags & wire.Flag.Rst) !== 0) context.close(flow, 'abandoned by guest', true);
    return;
  }
  if (flow.has(Seen.SynSent)) return synSent(context, flow, packet);
  context.markDirty(flow);
  if ((flags & wire.Flag.Rst) !== 0) return resetArrived(context, flow, seq);
  if ((flags & wire.Flag.Syn) !== 0) return synArrived(context, flow, seq);
  if ((flags & wire.Flag.Ack) === 0) return context.counters.drop('tcp-no-ack');
  const payloadAt = at + wire.headerLen(b, at);
  const len = packet.end - payloadAt;
  if (!sequenceAcceptable(flow, seq, len + (flags & wire.Flag.Fin))) {
    flow.set(Seen.AckDue);
    // A keep-alive or window probe begins before the window; its acknowledgment is as good as any.
    if (((seq - flow.rcv) | 0) > 0) return;
  }
  if (!acknowledged(context, flow, packet, seq, len)) return;
  if (len > 0 || (flags & wire.Flag.Fin) !== 0) dataArrived(context, flow, b, payloadAt, seq, len, flags);
}

/** RFC 9293 3.10.7.3: the answer of a guest's port to a client of the host's. */
function synSent(context: TcpContext, flow: TcpFlow, packet: Packet): void {
  const b = packet.bytes;
  const { at } = packet;
  const flags = wire.flags(b, at);
  const hasAck = (flags & wire.Flag.Ack) !== 0;
  if (hasAck && wire.acknowledgment(b, at) !== flow.max) {
    if ((flags & wire.Flag.Rst) === 0) unacceptable(context, flow, packet);
    return;
  }
  if ((flags & wire.Flag.Rst) !== 0) {
    if (hasAck) context.guestRefused(flow);
    else context.counters.drop('tcp-stray-reset');
    return;
  }
  if ((flags & wire.Flag.Syn) === 0) return context.counters.drop('tcp-no-syn');
  flow.irs = wire.sequence(b, at);
  flow.rcv = (flow.irs + 1) | 0;
  const most = offeredMss(context.frames.link.mtu, flow.guestAddress.isV4);
  flow.ownShift = readSynOptions(flow, b, at, most) ? WINDOW_SCALE : 0;
  flow.clear(Seen.SynSent);
  flow.retries = 0;
  // What the SYN promised, counted from the guest's own number.
  synWindow(context, flow);
  if (!hasAck) {
    // Both opened at once.
    flow.set(Seen.SynReceived);
    sendSynAck(context, flow);
  } else {
    flow.set(Seen.Established | Seen.AckDue);
    flow.una = flow.nxt = flow.max;
    flow.retransmission.cancel();
    noteWindow(flow, wire.window(b, at), flow.irs, flow.max);
    context.markDirty(flow);
  }
  context.guestAccepted(flow);
}
/**
 * The guest's port still knows an older connection with these numbers (TIME-WAIT, or one of which the gateway knows nothing any more), and answers with what it
 * expects. The reset ends that connection; the first time the SYN follows at once (as Linux's does), later by its timer.
 */
function unacceptable(context: TcpContext, flow: TcpFlow, packet: Packet): void {
  context.counters.event('tcp-syn-answered-by-old');
  context.refuseSegment(packet);
  if (flow.retries > 0) return;
  flow.retries++;
  sendSyn(context, flow);
}

/** RFC 9293 3.10.7.4, first check. `len` counts a FIN. */
function sequenceAcceptable(flow: TcpFlow, seq: number, len: number): boolean {
  const window = (flow.edge - flow.rcv) | 0;
  const offset = (seq - flow.rcv) | 0;
  if (len === 0) return offset === 0 || (offset > 0 && offset < window);
  return offset < window && offset + len > 0;
}

function resetArrived(context: TcpContext, flow: TcpFlow, seq: number): void {
  const offset = (seq - flow.rcv) | 0;
  if (offset === 0) return context.close(flow, 'reset by guest', true);
  // RFC 5961 3.2.
  if (offset > 0 && offset < ((flow.edge - flow.rcv) | 0)) flow.set(Seen.AckDue);
  else context.counters.drop('tcp-stray-reset');
}
function synArrived(context: TcpContext, flow: TcpFlow, seq: number): void {
  if (flow.has(Seen.SynReceived) && seq === flow.irs) return sendSynAck(context, flow);
  // RFC 5961 4.2.
  flow.set(Seen.AckDue);
}

/** The acknowledgment and window of a segment. False when the rest of it must be ignored. */
function acknowledged(context: TcpContext, flow: TcpFlow, packet: Packet, seq: number, len: number): boolean {
  const ack = wire.acknowledgment(packet.bytes, packet.at);
  if (flow.has(Seen.SynReceived)) {
    if (ack !== flow.max) {
      context.refuseSegment(packet);
      return false;
    }
    flow.clear(Seen.SynReceived);
    flow.set(Seen.Established);
    flow.una = flow.nxt = ack;
    flow.retries = 0;
    flow.retransmission.cancel();
    setWindow(flow, packet, seq, ack);
    return true;
  }
  if (((ack - flow.max) | 0) > 0) {
    flow.set(Seen.AckDue);
    return false;
  }
  const fresh = (ack - flow.una) | 0;
  if (fresh < 0) return true;
  flow.retries = 0;
  const before = flow.window;
  if (((seq - flow.wl1) | 0) > 0 || (seq === flow.wl1 && ((ack - flow.wl2) | 0) >= 0))
    setWindow(flow, packet, seq, ack);
  if (fresh > 0) advance(context, flow, ack, fresh);
  else if (len === 0 && flow.window === before && flow.nxt !== flow.una) duplicate(context, flow);
  return true;
}
function setWindow(flow: TcpFlow, packet: Packet, seq: number, ack: number): void {
  noteWindow(flow, wire.window(packet.bytes, packet.at) << flow.windowShift, seq, ack);
}
function noteWindow(flow: TcpFlow, window: number, seq: number, ack: number): void {
  flow.window = window;
  flow.wl1 = seq;
  flow.wl2 = ack;
  if (flow.window > flow.maxWindow) flow.maxWindow = flow.window;
  if (flow.window > 0 && flow.has(Seen.Probing)) {
    flow.clear(Seen.Probing);
    if (flow.nxt === flow.una) flow.retransmission.cancel();
  }
}
function advance(context: TcpContext, flow: TcpFlow, ack: number, fresh: number): void {
  flow.una = ack;
  if (((flow.nxt - ack) | 0) < 0) flow.nxt = ack;
  flow.dupAcks = 0;
  const finAcked = flow.has(Seen.HostEnded) && ack === ((flow.finSeq + 1) | 0);
  if (finAcked) flow.set(Seen.FinAcked);
  const octets = finAcked ? fresh - 1 : fresh;
  if (octets > 0) flow.source?.acknowledge(octets);
  if (flow.nxt === flow.una) flow.retransmission.cancel();
  else armTimer(context, flow);
}
function duplicate(context: TcpContext, flow: TcpFlow): void {
  flow.dupAcks++;
  if (flow.dupAcks === DUPLICATES) rewind(context, flow);
}

function dataArrived(
  context: TcpContext,
  flow: TcpFlow,
  b: Uint8Array,
  payloadAt: number,
  seq: number,
  len: number,
  flags: number,
): void {
  const old = (flow.rcv - seq) | 0;
  if (old < 0 || flow.has(Seen.GuestEnded)) {
    // A gap, or octets behind the FIN (which the guest may repeat).
    flow.set(Seen.AckDue);
    if (old < 0) context.counters.event('tcp-gaps');
    return;
  }
  const skip = Math.min(old, len);
  const open = (flow.edge - flow.rcv) | 0;
  const fresh = Math.min(len - skip, Math.max(open, 0));
  if (fresh > 0) take(context, flow, b, payloadAt + skip, fresh);
  const whole = skip + fresh === len;
  if (!whole || fresh < len) flow.set(Seen.AckDue);
  if ((flags & wire.Flag.Fin) !== 0 && whole && ((seq + len - flow.rcv) | 0) === 0) {
    flow.rcv = (flow.rcv + 1) | 0;
    flow.set(Seen.GuestEnded);
  }
}
