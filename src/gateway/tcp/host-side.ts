/**
 * The host socket of a flow: what it takes, what it does not take, and how it ends. What it refuses for lack of room goes to the flow's hold ring, never back to
 * the guest as loss: dropping it would cost the guest whole retransmission timeouts (measured +1630 ms for 5 MB against a paused reader; +8 ms with the
 * ring). The window promised to the guest always fits the ring.
 */
import { Errno, Event } from '../host.ts';
import type { TcpContext } from './context.ts';
import { Seen, type TcpFlow } from './flow.ts';
import { pump, sendAck, sendSynAck, settlePromise, windowUpdateDue } from './send.ts';
import { guestSpoke, mayWait } from './waiting-acks.ts';

/**
 * Octets in order from the guest at `at` of the slab go to the host; what it does not take is held. The window was checked. Once the host has reset the
 * connection nothing is taken any more, nor acknowledged: the guest must not believe that it arrived.
 */
export function take(context: TcpContext, flow: TcpFlow, bytes: Uint8Array, at: number, len: number): void {
  let taken = 0;
  if (flow.held === 0 && !flow.has(Seen.HostFull | Seen.HostReset))
    taken = offer(context, flow, bytes, at, context.slab + at, len);
  if (flow.has(Seen.HostReset)) return flow.set(Seen.Refused);
  flow.rcv = (flow.rcv + len) | 0;
  flow.octetsFromGuest += len;
  guestSpoke(context, flow);
  if (taken === len) return;
  flow.hold ??= context.rings.take(len - taken);
  flow.hold.reserve(flow.hold.length + len - taken);
  flow.hold.write(flow.hold.length, bytes, at + taken, len - taken);
  flow.hold.append(len - taken);
  context.counters.event('tcp-holds');
}

/** Octets the socket took. Less than `len` sets HostFull or HostReset. */
function offer(
  context: TcpContext,
  flow: TcpFlow,
  bytes: Uint8Array,
  at: number,
  address: number,
  len: number,
): number {
  const n = flow.service?.take(bytes, at, len) ?? context.host.sockets.send(flow.fd, address, len);
  if (n === len) return n;
  if (n >= 0) {
    flow.set(Seen.HostFull);
    return n;
  }
  if (n === -Errno.EAGAIN) flow.set(Seen.HostFull);
  else hostFailed(context, flow);
  return 0;
}
/** The pending error was eaten by a call: latched. Reading goes on to the end of the data. */
function hostFailed(context: TcpContext, flow: TcpFlow): void {
  flow.set(Seen.HostReset | Seen.Readable | Seen.EndAhead);
  dropHold(context, flow);
}

/** Forgets what is held. */
export function dropHold(context: TcpContext, flow: TcpFlow): void {
  if (flow.hold !== undefined) context.rings.give(flow.hold);
  flow.hold = undefined;
}

/** Offers what is held until the ring is empty or the socket full. */
function drain(context: TcpContext, flow: TcpFlow): void {
  const { scratch } = context;
  while (flow.hold !== undefined && !flow.has(Seen.HostFull)) {
    const len = Math.min(flow.hold.length, scratch.bytes.length);
    flow.hold.read(0, scratch.bytes, 0, len);
    const n = offer(context, flow, scratch.bytes, 0, scratch.address, len);
    if (flow.has(Seen.HostReset)) return;
    flow.hold.consume(n);
    if (flow.hold.length === 0) dropHold(context, flow);
  }
}

/** @param events of epoll(7), edge-triggered: they set bits, and the flush at the end of the turn acts. */
export function hostEvent(context: TcpContext, flow: TcpFlow, events: number): void {
  if (flow.has(Seen.Closed)) return;
  if (flow.has(Seen.Connecting)) {
    if ((events & (Event.Out | Event.Err | Event.Hup)) !== 0) connectEnded(context, flow, events);
    return;
  }
  noteReadable(flow, events);
  if ((events & Event.Err) !== 0) hostFailed(context, flow);
  if ((events & Event.Out) !== 0) flow.clear(Seen.HostFull);
  context.markDirty(flow);
}

/** What comes after these events were gathered raises new ones; what was there before is in them. */
function noteReadable(flow: TcpFlow, events: number): void {
  if ((events & (Event.In | Event.RdHup | Event.Hup)) !== 0) flow.set(Seen.Readable);
  if ((events & (Event.Pri | Event.Hup | Event.Err)) !== 0) flow.set(Seen.EndAhead);
  else if ((events & Event.RdHup) !== 0) flow.set(Seen.FinAhead);
}

function connectEnded(context: TcpContext, flow: TcpFlow, events: number): void {
  const error = (events & (Event.Err | Event.Hup)) === 0 ? 0 : context.host.sockets.takeError(flow.fd);
  // Reset after it was accepted: the guest sees a connection that is reset, as it would on the host.
  const lived = error === 0 || error === Errno.ECONNRESET || error === Errno.EPIPE;
  if (!lived) {
    context.connectFailed(flow, error);
    return;
  }
  flow.clear(Seen.Connecting);
  flow.set(Seen.SynReceived);
  if (error !== 0) hostFailed(context, flow);
  noteReadable(flow, events);
  sendSynAck(context, flow);
}

/** Everything a flow has to do after the events and frames of a turn. False when it used up its burst and wants another turn. */
export function flush(context: TcpContext, flow: TcpFlow): boolean {
  if (flow.has(Seen.Closed) || !flow.has(Seen.Established)) return true;
  if (flow.hold !== undefined) {
    drain(context, flow);
    settlePromise(context, flow);
  }
  const ends = flow.has(Seen.GuestEnded) && flow.hold === undefined && !flow.has(Seen.ShutDone);
  if (ends) flow.set(Seen.ShutDone);
  // With the host's end acknowledged the flow is closed below, and close(2) sends the FIN.
  if (ends && !flow.has(Seen.FinAcked)) {
    if (flow.service === undefined) context.host.sockets.shutdownWrite(flow.fd);
    else flow.service.guestEnded();
  }
  const done = pump(context, flow);
  if (flow.has(Seen.Closed)) return true;
  acknowledgeGuest(context, flow);
  if (flow.has(Seen.FinAcked) && flow.has(Seen.ShutDone)) context.close(flow, 'closed', false);
  return done;
}

/** What the guest has to be told at the end of a turn, if no data told it. */
function acknowledgeGuest(context: TcpContext, flow: TcpFlow): void {
  const isNews = flow.has(Seen.AckDue) || (flow.acked === flow.rcv && windowUpdateDue(context, flow));
  if (isNews) return sendAck(context, flow);
  if (flow.acked === flow.rcv) return;
  if (mayWait(context, flow)) return context.acks.add(flow);
  if (((flow.rcv - flow.acked) | 0) < flow.mss) flow.set(Seen.Unanswered);
  sendAck(context, flow);
}

/** With the link gone only the guest's last octets are left to deliver. The kernel delivers what it has taken. */
export function finish(context: TcpContext, flow: TcpFlow): void {
  if (flow.hold !== undefined) drain(context, flow);
  settlePromise(context, flow);
  if (flow.hold === undefined) context.close(flow, 'link closed', flow.has(Seen.HostReset));
}
