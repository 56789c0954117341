/** How much a mirrored stream moves and holds at once. */
import type { TcpEndpoint } from '../netstack/endpoint.ts';

/** Octets moved at once once a stream flows; below half of the buffer, or it stops and goes. */
export const BATCH = 131_072;
/** Octets asked for while messages are small: the ring grows by no more. */
export const SMALL_BATCH = 16_384;
/** SO_SNDBUF of both ends, which the kernel doubles. */
export const BUFFER = 1 << 20;
const LEAST_BUFFER = 4096;
/** Above it a reader's progress is worth a wake-up, since the window depends on it. */
const WATCHED_OCTETS = 131_072;

/** What the guest may write ahead: its own choice counts once it made one. */
export function guestBuffer({ settings }: TcpEndpoint): number {
  const { sendBufferLocked, sendBuffer } = settings;
  return sendBufferLocked ? Math.max(LEAST_BUFFER, Math.min(BUFFER, sendBuffer >> 1)) : BUFFER;
}
/** Half of what the window can be, where that is less: a peer that fills it waits for the reader. */
export function watchedOctets({ settings }: TcpEndpoint): number {
  const { receiveBufferLocked, receiveBuffer, windowClamp } = settings;
  const buffer = receiveBufferLocked ? receiveBuffer >> 1 : 2 * WATCHED_OCTETS;
  const window = windowClamp > 0 ? Math.min(buffer, windowClamp) : buffer;
  return Math.min(WATCHED_OCTETS, window >> 1);
}
