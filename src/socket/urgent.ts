/** Urgent data on its way to the guest (tcp_recv_urg). */
import { Errno } from '../abi/errno.ts';
import { MSG_TRUNC } from '../abi/socket.ts';
import type { Message } from './message.ts';

const urgent = new Uint8Array(1);
/** Copies the octet out: 1, 0 where there is no room for it, or -EFAULT. */
export function copyUrgent(message: Message, octet: number): number {
  const { iov, flags } = message;
  if (iov.remaining === 0) {
    message.outFlags |= MSG_TRUNC;
    return 0;
  }
  urgent[0] = octet;
  return (flags & MSG_TRUNC) !== 0 || iov.copyOut(urgent, 0, 1) === 1 ? 1 : -Errno.EFAULT;
}
