/** SO_PEEK_OFF (socket(7), sk_set_peek_off): where MSG_PEEK begins, negative for the head of the queue. A peek moves it on by what it showed, a read back by what it took. */
import { Errno } from '../../abi/errno.ts';
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../abi/in.ts';
import { SO_PEEK_OFF, SOL_SOCKET } from '../../abi/socket.ts';
import type { Datagram, UdpEndpoint } from '../../netstack/endpoint.ts';
import { int, type OptionRow } from './row.ts';
import type { OptionState, OptionTarget } from './target.ts';

/**
 * The value now. What is read of a stream need not pass its socket (a mirror takes it for native readers), so it is brought up to what has left the queue
 * whenever it is looked at.
 */
export function peekOffset({
  options,
  tcp,
}: {
  readonly options: OptionState;
  readonly tcp: OptionTarget['tcp'];
}): number {
  if (tcp === undefined || options.peekOffset < 0) return options.peekOffset;
  options.peekOffset = Math.max(0, options.peekOffset - (tcp.octetsRead - options.peekOffsetAt));
  options.peekOffsetAt = tcp.octetsRead;
  return options.peekOffset;
}

/** Where a peek under SO_PEEK_OFF begins. */
export class PeekPlace {
  /** In its datagram. */
  from = 0;

  /** The datagram that the offset lies in (__skb_try_recv_from_queue), of those from `taken` on. */
  seek(endpoint: UdpEndpoint, offset: number, taken: number): Datagram | undefined {
    let left = offset;
    for (let i = taken; ; i++) {
      const datagram = endpoint.peek(i);
      const len = datagram === undefined ? 0 : datagram.packet.end - datagram.packet.at;
      if (datagram === undefined || left === 0 || left < len) {
        this.from = datagram === undefined ? 0 : left;
        return datagram;
      }
      left -= len;
    }
  }
}

export const PEEK_ROW: OptionRow = int(SOL_SOCKET, SO_PEEK_OFF, 'SO_PEEK_OFF', {
  internet: true,
  mayLack: true,
  // Ping sockets have no set_peek_off.
  get: (socket) => (isLacking(socket) ? -Errno.EOPNOTSUPP : peekOffset(socket)),
  set: (socket, value) => {
    if (isLacking(socket)) return -Errno.EOPNOTSUPP;
    const { options, tcp } = socket;
    options.peekOffset = value;
    options.peekOffsetAt = tcp?.octetsRead ?? 0;
    return 0;
  },
});
const isLacking = ({ protocol }: OptionTarget): boolean => protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6;
