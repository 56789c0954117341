/** Control messages that octets of a stream bring (net/ipv4/tcp.c tcp_recv_timestamp, tcp_inq_hint): when they came, and how many are left. */
import { SOL_TCP } from '../../abi/socket.ts';
import { SOF_TIMESTAMPING_SOFTWARE } from '../../abi/timestamping.ts';
import { TCP_CM_INQ } from '../../abi/transport.ts';
import type { Message } from '../message.ts';
import type { OptionState } from '../options/target.ts';
import { beginControl, endControl, putStamping, putTimestamp, writer } from './report.ts';

/** Of a stream SOF_TIMESTAMPING_SOFTWARE alone asks for what came. */
const wantsStamping = ({ timestampingFlags }: OptionState): boolean =>
  (timestampingFlags & SOF_TIMESTAMPING_SOFTWARE) !== 0;

/** True if a receive on a stream with these options has anything to tell. */
export const wantsStreamControl = (options: OptionState): boolean =>
  options.receiveInq || options.timestamp !== 'none' || wantsStamping(options);

/** `realtimeUs` is when the octets came, undefined for none of them; `left` what a further receive would find. */
export function writeStreamControl(
  message: Message,
  options: OptionState,
  realtimeUs: number | undefined,
  left: number,
): void {
  beginControl(message);
  if (realtimeUs !== undefined) {
    putTimestamp(writer, options, realtimeUs);
    if (wantsStamping(options)) putStamping(options, realtimeUs);
  }
  if (options.receiveInq) writer.putInt(SOL_TCP, TCP_CM_INQ, left);
  endControl(message);
}
