/** LISTEN: RFC 9293 3.10.7.2, with Linux's bounds on what a stranger can make us remember. */

import { IpAddress } from '../address.ts';
import { Readiness } from '../readiness.ts';
import { Flag } from '../wire/tcp.ts';
import { emitReset, emitSyn, refreshRoute } from './emit.ts';
import { opensFast } from './fast-open.ts';
import { takeHandshakeOptions } from './handshake.ts';
import { abort, finish, setState } from './lifecycle.ts';
import { armRetransmit } from './output.ts';
import { receive } from './receive.ts';
import type { Segment } from './segment.ts';
import { add } from './seq.ts';
import { receiveLimit, type Tcb } from './tcb.ts';

export function onListen(c: Tcb, s: Segment): void {
  const { packet } = s;
  const { ext } = c.context;
  if (packet === undefined || s.has(Flag.Rst)) return;
  const local = new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3);
  const remote = new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3);
  if (s.has(Flag.Ack)) {
    emitReset(c.context, local, remote, s);
    return;
  }
  // A SYN with FIN is nobody's honest opening (Linux drops it as well).
  if (!s.has(Flag.Syn) || s.has(Flag.Fin)) return;
  const { listener } = c;
  if (listener === undefined || listener.isFull) {
    ext.ListenOverflows++;
    ext.ListenDrops++;
    return;
  }
  if (listener.isHalfOpenFull) {
    ext.TCPReqQFullDrop++;
    ext.ListenDrops++;
    return;
  }
  open(c, s, local, remote);
}

function open(c: Tcb, s: Segment, local: IpAddress, remote: IpAddress): void {
  const { context } = c;
  const child = context.child(c);
  child.parent = c;
  child.localAddress = local;
  child.localPort = s.destinationPort;
  child.remoteAddress = remote;
  child.remotePort = s.sourcePort;
  // sk_clone leaves SOCK_BINDADDR_LOCK, not SOCK_BINDPORT_LOCK.
  child.addressBound = c.addressBound;
  child.pingPong = c.pingPong;
  if (!refreshRoute(child) || !context.flows.insert(local, child.localPort, remote, child.remotePort, child)) {
    context.ext.ListenDrops++;
    return;
  }
  child.inFlowTable = true;
  context.ports.share(child.binding, local, child.localPort);
  child.openedAt = context.clock.now();
  child.irs = s.seq;
  child.rcvNxt = add(s.seq, 1);
  child.rcvAcked = child.rcvNxt;
  child.iss = context.initialSequence(child);
  child.tsOffset = context.timestampOffset(child);
  child.sndUna = child.iss;
  child.sndNxt = child.sndMax = child.sendHead = child.sndSmall = child.sndRecord = add(child.iss, 1);
  child.stats.firstSent = child.stats.segmentsIn = 1;
  setState(child, 'SYN-RECEIVED');
  takeHandshakeOptions(child, s);
  if (c.settings.saveSyn > 0) child.savedSyn = headersOf(s, c.settings.saveSyn > 1 && child.route?.isLoopback === true);
  if (opensFast(c, child, s)) takeSynData(c, child, s);
  else c.listener?.halfOpen.add(child);
  emitSyn(child, Flag.Syn | Flag.Ack);
  armRetransmit(child);
}

/** IP and TCP header of a SYN; for the one that came over our loopback, the link's as well, which Linux's has too. */
function headersOf(s: Segment, withLink: boolean): Uint8Array | undefined {
  const { packet } = s;
  if (packet === undefined) return undefined;
  const headers = packet.bytes.slice(packet.l3, s.dataAt);
  if (!withLink) return headers;
  const all = new Uint8Array(ETHERNET_HEADER + headers.length);
  all[ETHERNET_HEADER - 2] = packet.ethertype >> 8;
  all[ETHERNET_HEADER - 1] = packet.ethertype & 0xff;
  all.set(headers, ETHERNET_HEADER);
  return all;
}
const ETHERNET_HEADER = 14;

/** RFC 7413 4.2.2: the connection can be accepted, and its data read, before the handshake is complete. */
function takeSynData(c: Tcb, child: Tcb, s: Segment): void {
  const { context } = c;
  child.fastOpener = c;
  c.listener?.fastOpen.add(child);
  child.rcvAdv = add(child.rcvNxt, Math.min(receiveLimit(child), 65_535));
  receive(child, s);
  context.ext.TCPFastOpenPassive++;
  queueForAccept(child, c, s);
}
export function queueForAccept(c: Tcb, parent: Tcb, { packet }: Segment): void {
  c.arrivalHops = packet?.ttl ?? 0;
  c.arrivalInterface = packet?.interfaceIndex ?? 0;
  c.arrivalTos = packet?.tos ?? 0;
  c.context.tcp.PassiveOpens++;
  parent.listener?.halfOpen.delete(c);
  parent.listener?.push(c);
  c.context.notify(parent, Readiness.In | Readiness.RdNorm);
}

/** The listener is closed: half-open connections are forgotten, those nobody accepted are reset. */
export function stopListening(c: Tcb): void {
  const { listener } = c;
  if (listener === undefined) return;
  c.context.removeListener(c);
  c.listener = undefined;
  for (const child of listener.halfOpen) finish(child);
  for (let child = listener.shift(); child !== undefined; child = listener.shift()) {
    child.parent = undefined;
    child.orphan = true;
    if (child.state === 'CLOSED') finish(child);
    else abort(child);
  }
}
