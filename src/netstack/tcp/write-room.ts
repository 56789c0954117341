/** Whether a writer has room: Linux's sk_stream_is_writeable and tcp_stream_memory_free. */
import { Readiness } from '../readiness.ts';
import { segmentPayload, sendLimit, type Tcb, unsent } from './tcb.ts';

/** The free part of the buffer is at least half the used one, and little enough was never sent. */
export const isWriteable = (c: Tcb, limit: number, used = c.sendRing.length, notSent = -1): boolean =>
  limit - used >= used >> 1 && limit > used && isUnsentLow(c, notSent);

/** TCP_NOTSENT_LOWAT: a writer is woken when half of it is left. */
function isUnsentLow(c: Tcb, notSent: number): boolean {
  const { notSentLowWater } = c.settings;
  return notSentLowWater === 0 || (notSent < 0 ? unsent(c) : notSent) * 2 < notSentLowWater;
}
/** Octets that TCP_NOTSENT_LOWAT leaves room for: up to the mark, and a segment at least while below it (tcp_sendmsg looks before each). */
export function unsentRoom(c: Tcb): number {
  const { notSentLowWater } = c.settings;
  if (notSentLowWater === 0) return Number.POSITIVE_INFINITY;
  const room = notSentLowWater - unsent(c);
  return room <= 0 ? 0 : Math.max(room, segmentPayload(c));
}
/** Told after what waited was sent, where only TCP_NOTSENT_LOWAT kept the writer waiting. */
export function tellUnsentLow(c: Tcb): void {
  if (!c.sendBlocked || c.settings.notSentLowWater === 0 || !isWriteable(c, sendLimit(c))) return;
  c.sendBlocked = false;
  c.context.notify(c, Readiness.Out | Readiness.WrNorm);
}
