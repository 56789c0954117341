/** Control messages that octets of a stream bring (net/ipv4/tcp.c tcp_recv_timestamp, tcp_inq_hint): when they came, and how many are left. */
import { MSG_PEEK, SOL_TCP } from '../../abi/socket.ts';
import { SOF_TIMESTAMPING_SOFTWARE } from '../../abi/timestamping.ts';
import { TCP_CM_INQ } from '../../abi/transport.ts';
import { instant } from '../../lib/clock.ts';
import type { TcpEndpoint } from '../../netstack/endpoint.ts';
import type { SocketWorld } from '../inet-socket.ts';
import type { Message } from '../message.ts';
import type { OptionState } from '../options/target.ts';
import { beginControl, endControl, putStamping, putTimestamp, writer } from './report.ts';

/** Of a stream SOF_TIMESTAMPING_SOFTWARE alone asks for what came. */
const wantsStamping = ({ timestampingFlags }: OptionState): boolean =>
  (timestampingFlags & SOF_TIMESTAMPING_SOFTWARE) !== 0;

/** True if a receive on a stream with these options has anything to tell. */
export const wantsStreamControl = (options: OptionState): boolean =>
  options.receiveInq || options.timestamp !== 'none' || wantsStamping(options);

interface Stream {
  readonly options: OptionState;
  readonly tcp: TcpEndpoint;
}

/** For a receive that returns `len` octets, behind `taken` ones of the same call. */
export function writeStreamControl(
  message: Message,
  taken: number,
  len: number,
  { options, tcp }: Stream,
  { realtime }: SocketWorld,
): void {
  beginControl(message);
  if (len > 0 && tcp.lastReceiveAt > 0) {
    const realtimeUs = realtime(instant(tcp.lastReceiveAt));
    putTimestamp(writer, options, realtimeUs);
    if (wantsStamping(options)) putStamping(options, realtimeUs);
  }
  if (options.receiveInq) {
    const left = tcp.receivable - taken - ((message.flags & MSG_PEEK) === 0 ? len : 0);
    // The FIN counts: there is one more receive to make.
    writer.putInt(SOL_TCP, TCP_CM_INQ, tcp.finReceived ? left + 1 : left);
  }
  endControl(message);
}
