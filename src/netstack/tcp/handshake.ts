/** What both ways into ESTABLISHED share: the options of a SYN, and the first values of the variables. */
import { Readiness } from '../readiness.ts';
import { updateMss } from './emit.ts';
import { armKeepAlive } from './keep-alive.ts';
import { setState } from './lifecycle.ts';
import { stopRexmit } from './output.ts';
import type { Segment } from './segment.ts';
import { forgetWindow, noteWindow, SEND_LIMIT_MAX, segmentPayload, type Tcb, windowShift } from './tcb.ts';

/** From SYN-SENT or SYN-RECEIVED: the handshake is complete. */
export function establish(c: Tcb, window: number, s: Segment): void {
  const now = c.context.clock.now();
  setState(c, 'ESTABLISHED');
  stopRexmit(c);
  c.retries = 0;
  c.roundTrip.timing = false;
  c.sndWnd = window;
  noteWindow(c, window);
  c.sndWl1 = s.seq;
  c.sndWl2 = s.ack;
  c.unansweredSince = -1;
  c.heardAt = c.stats.establishedAt = now;
  c.stats.delivered = 1;
  c.stats.recovered(now);
  c.congestion.start(segmentPayload(c));
  if (c.retriedSyn) c.congestion.cwnd = segmentPayload(c);
  c.tuneAt = now;
  if (!c.settings.sendBufferLocked) c.settings.sendBuffer = Math.max(c.settings.sendBuffer, roomForWindow(c));
  if (c.settings.keepAlive) armKeepAlive(c);
  c.context.notify(c, Readiness.Out | Readiness.WrNorm);
}

/** What SO_SNDBUF tells from now on: two initial windows with all that Linux needs beside the octets (tcp_sndbuf_expand). */
function roomForWindow(c: Tcb): number {
  const octets = Math.max(c.peerMss, c.mss) + HEADERS + SHARED_INFO;
  return Math.min(SEND_LIMIT_MAX, 2 * INITIAL_WINDOW * (2 ** Math.ceil(Math.log2(octets)) + SK_BUFF));
}
/** MAX_TCP_HEADER, and struct skb_shared_info and struct sk_buff as a cache line aligns them. */
const HEADERS = 320;
const SHARED_INFO = 320;
const SK_BUFF = 256;
/** TCP_INIT_CWND. */
const INITIAL_WINDOW = 10;

/** RFC 7323 1.3, 2.2, 3.2; RFC 2018 2; RFC 9293 3.7.1 (536 or 1220 where the peer says nothing). */
export function takeHandshakeOptions(c: Tcb, s: Segment): void {
  c.peerMss = s.mss > 0 ? s.mss : c.remoteAddress.isV4 ? 536 : 1220;
  // TCP_MAXSEG counts for the handshake; set later it changes nothing (tcp_parse_options, mss_clamp).
  if (c.settings.maxSegment > 0) c.peerMss = Math.min(c.peerMss, c.settings.maxSegment);
  updateMss(c);
  c.receiveMss = Math.min(c.mss, 536);
  c.sackOn = s.sackPermitted;
  c.tsOn = s.hasTimestamp;
  if (s.hasTimestamp) rememberTimestamp(c, s);
  c.scaleOn = s.windowScale >= 0;
  c.sndShift = Math.max(0, s.windowScale);
  c.rcvShift = c.scaleOn ? windowShift(c) : 0;
  forgetWindow(c);
  c.sndWnd = s.window;
  noteWindow(c, s.window);
}

/** RFC 7323 4.3. */
export function rememberTimestamp(c: Tcb, s: Segment): void {
  c.tsRecent = s.tsVal;
  c.tsRecentAt = c.context.clock.now();
}
