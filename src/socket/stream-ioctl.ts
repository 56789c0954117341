/** What ioctl(2) tells of a TCP socket: tcp_ioctl, tcp(7). */
import { Errno } from '../abi/errno.ts';
import { SIOCATMARK, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD } from '../abi/ioctl.ts';
import type { TcpEndpoint } from '../netstack/endpoint.ts';

export function streamIoctl(endpoint: TcpEndpoint, request: number): number {
  const listening = endpoint.state === 'LISTEN';
  const opening = endpoint.state === 'SYN-SENT' || endpoint.state === 'SYN-RECEIVED';
  switch (request) {
    case SIOCINQ:
      return listening ? -Errno.EINVAL : endpoint.unread;
    case SIOCOUTQ:
      if (listening) return -Errno.EINVAL;
      return opening ? 0 : endpoint.unacknowledged;
    case SIOCOUTQNSD:
      if (listening) return -Errno.EINVAL;
      return opening ? 0 : endpoint.unsent;
    case SIOCATMARK:
      return endpoint.octetsToMark === 0 ? 1 : 0;
    default:
      return -Errno.ENOTTY;
  }
}
