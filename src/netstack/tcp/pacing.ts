/**
 * Pacing of a stream below a rate that its user set (SO_MAX_PACING_RATE): no segment leaves before the time that the one before takes at that rate has passed, as Linux does by
 * itself where no queueing discipline does it (tcp_internal_pacing). Packets are no larger than what may leave in a millisecond. The first segments of a
 * connection are not held back.
 */
import { segmentPayload, type Tcb } from './tcb.ts';

const UNPACED_SEGMENTS = 10;
const CHUNKS_PER_SECOND = 1024;

const hasPace = (c: Tcb): boolean => c.settings.pacingRate !== Number.POSITIVE_INFINITY && c.settings.pacingRate > 0;

/** Octets of the largest packet that pacing allows. */
export const paceChunk = (c: Tcb): number =>
  hasPace(c)
    ? Math.max(2 * segmentPayload(c), Math.floor(c.settings.pacingRate / CHUNKS_PER_SECOND))
    : Number.POSITIVE_INFINITY;

/** Microseconds until the next segment may leave. */
export function paceDelay(c: Tcb): number {
  if (c.paceUntil === 0 || !hasPace(c)) return 0;
  return Math.max(0, Math.ceil(c.paceUntil - c.context.clock.now()));
}

/** `len` octets have left. */
export function pace(c: Tcb, now: number, len: number): void {
  if (len === 0 || !hasPace(c) || c.stats.dataSegmentsOut < UNPACED_SEGMENTS) return;
  c.paceUntil = Math.max(now, c.paceUntil) + (len * 1e6) / c.settings.pacingRate;
}
