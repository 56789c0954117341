/** What the error queue tells of one entry (ip_recv_error, ipv6_recv_error): when, how the ICMP message came if that is asked for, and struct sock_extended_err with the offender's address. */
import { Errno } from '../../abi/errno.ts';
import { IP_RECVERR, IPV6_RECVERR } from '../../abi/in.ts';
import { sockaddrIn, sockaddrIn6 } from '../../abi/sockaddr.ts';
import { AF_INET, MSG_ERRQUEUE, MSG_TRUNC, SOL_IP, SOL_IPV6 } from '../../abi/socket.ts';
import {
  SO_EE_ORIGIN_ICMP,
  SO_EE_ORIGIN_ICMP6,
  SO_EE_ORIGIN_LOCAL,
  SO_EE_ORIGIN_TIMESTAMPING,
  sockExtendedErr,
} from '../../abi/sockopt.ts';
import { SOF_TIMESTAMPING_SOFTWARE } from '../../abi/timestamping.ts';
import type { DatagramError } from '../../netstack/endpoint.ts';
import { errnoOf } from '../errors.ts';
import { writeName } from '../inet-name.ts';
import type { Message } from '../message.ts';
import type { OptionState } from '../options/target.ts';
import {
  type Arrival,
  beginControl,
  endControl,
  putCommon,
  putIp,
  putIpv6,
  putStamping,
  putTimestamp,
  writer,
} from './report.ts';

const scratch = new Uint8Array(64);

function originOf({ origin, isV4 }: DatagramError): number {
  if (origin === 'icmp') return isV4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6;
  return origin === 'local' ? SO_EE_ORIGIN_LOCAL : SO_EE_ORIGIN_TIMESTAMPING;
}

/** The ICMP message as a datagram. Its transport header is taken to be where the payload is that it quotes. */
function arrivalOf(error: DatagramError): Arrival {
  const { payload, receiver, interfaceIndex, ttl, tos } = error;
  const destinationPort = payload.length < 4 ? -1 : ((payload[2] as number) << 8) | (payload[3] as number);
  const source = error.offender ?? receiver;
  return { source, destination: receiver, destinationPort, interfaceIndex, ttl, tos, isPlaced: true };
}

function writeErrorControl(
  message: Message,
  error: DatagramError,
  options: OptionState,
  domain: number,
  realtimeUs: number,
): void {
  beginControl(message);
  putTimestamp(writer, options, realtimeUs);
  if (error.origin === 'timestamp' && (options.timestampingFlags & SOF_TIMESTAMPING_SOFTWARE) !== 0) {
    putStamping(options, realtimeUs);
  }
  if (error.origin !== 'local' && error.offender !== undefined) {
    const arrival = arrivalOf(error);
    if (domain !== AF_INET) putCommon(arrival, options);
    // It was not received by this socket, so that there is no address to answer from (ip_cmsg_recv).
    if (error.isV4) putIp(arrival, options, undefined, undefined);
    else putIpv6(arrival, options, undefined);
  }
  sockExtendedErr.put(scratch, 0, {
    errno: error.error === undefined ? Errno.ENOMSG : errnoOf(error.error),
    origin: originOf(error),
    type: error.type,
    code: error.code,
    pad: 0,
    info: error.info,
    data: error.data,
  });
  const len = domain === AF_INET ? sockaddrIn.size : sockaddrIn6.size;
  const offender = scratch.subarray(sockExtendedErr.size);
  offender.fill(0, 0, len);
  if (error.offender !== undefined) writeName(offender, domain, error.offender, 0, error.interfaceIndex);
  if (domain === AF_INET) writer.put(SOL_IP, IP_RECVERR, scratch, 0, sockExtendedErr.size + len);
  else writer.put(SOL_IPV6, IPV6_RECVERR, scratch, 0, sockExtendedErr.size + len);
  endControl(message);
}

/** ip_recv_error, ipv6_recv_error: what the datagram bore, where it was sent, and what became of it. Octets copied, or -EFAULT. */
export function copyError(
  message: Message,
  error: DatagramError,
  options: OptionState,
  domain: number,
  realtimeUs: number,
): number {
  const { payload, destination, destinationPort, interfaceIndex } = error;
  const fits = Math.min(payload.length, message.iov.remaining);
  if (message.iov.copyOut(payload, 0, fits) < fits) return -Errno.EFAULT;
  if (fits < payload.length) message.outFlags |= MSG_TRUNC;
  message.outFlags |= MSG_ERRQUEUE;
  message.nameLength =
    destination === undefined ? 0 : writeName(message.name, domain, destination, destinationPort, interfaceIndex);
  writeErrorControl(message, error, options, domain, realtimeUs);
  return fits;
}
