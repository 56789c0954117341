/**
 * Control messages of internet sockets: what a send may choose by them (ip_cmsg_send, ip6_datagram_send_ctl, udp_cmsg_send, __sock_cmsg_send), and
 * what a received datagram brings with it (sock_recv_timestamp, ip_cmsg_recv_offset, ip6_datagram_recv_common_ctl and _specific_ctl), in the kernel's order.
 */
import { CmsgWalker, CmsgWriter } from '../abi/cmsg.ts';
import { Errno } from '../abi/errno.ts';
import {
  IP_ORIGDSTADDR,
  IP_PKTINFO,
  IP_RECVERR,
  IP_TOS,
  IP_TTL,
  IPV6_HOPLIMIT,
  IPV6_ORIGDSTADDR,
  IPV6_PKTINFO,
  IPV6_RECVERR,
  IPV6_TCLASS,
} from '../abi/in.ts';
import {
  AF_INET,
  AF_INET6,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_UDP,
} from '../abi/socket.ts';
import {
  in6Pktinfo,
  inPktinfo,
  SO_EE_ORIGIN_ICMP,
  SO_EE_ORIGIN_ICMP6,
  sockExtendedErr,
  timespec,
  timeval,
} from '../abi/sockopt.ts';
import { i32 } from '../abi/struct.ts';
import { IpAddress } from '../netstack/address.ts';
import type { Datagram, DatagramError, Netstack, SendChoices } from '../netstack/endpoint.ts';
import { errnoOf } from './errors.ts';
import { writeName } from './inet-name.ts';
import type { Message } from './message.ts';
import type { OptionState } from './options/target.ts';

/** All that a socket here can have to say about one datagram fits. */
const CONTROL_ROOM = 512;

const walker = new CmsgWalker();
const writer = new CmsgWriter();
const scratch = new Uint8Array(64);

/** SOL_SOCKET types that mean nothing to internet sockets and are ignored by them; any other is EINVAL. */
const isIgnoredSocketControl = (type: number): boolean => type === SCM_RIGHTS || type === SCM_CREDENTIALS;

/** Control data of a stream: only SOL_SOCKET is looked at. False is EINVAL. */
export function checkSocketControl(message: Message): boolean {
  walker.begin(message.control, message.controlLength);
  while (walker.next()) {
    if (walker.level === SOL_SOCKET && !isIgnoredSocketControl(walker.type)) return false;
  }
  return !walker.malformed;
}

/** What a message's control data chose. Reused by its socket. */
export class Choices implements SendChoices {
  source: IpAddress | undefined = undefined;
  interfaceIndex: number | undefined = undefined;
  ttl: number | undefined = undefined;
  tos: number | undefined = undefined;

  clear(): void {
    this.source = this.interfaceIndex = this.ttl = this.tos = undefined;
  }
  copy(): SendChoices {
    return { source: this.source, interfaceIndex: this.interfaceIndex, ttl: this.ttl, tos: this.tos };
  }
  get isEmpty(): boolean {
    return (
      this.source === undefined && this.interfaceIndex === undefined && this.ttl === undefined && this.tos === undefined
    );
  }

  /** Reads the control data of a datagram. `toV4` says which protocol it leaves by; `domain` is the socket's. Returns 0 or a negative errno. */
  read(message: Message, domain: number, toV4: boolean, stack: Netstack): number {
    walker.begin(message.control, message.controlLength);
    while (walker.next()) {
      const error = this.#readOne(message.control, domain, toV4, stack);
      if (error !== 0) return error;
    }
    return walker.malformed ? -Errno.EINVAL : 0;
  }
  #readOne(control: Uint8Array, domain: number, toV4: boolean, stack: Netstack): number {
    switch (walker.level) {
      case SOL_SOCKET:
        return isIgnoredSocketControl(walker.type) ? 0 : -Errno.EINVAL;
      // UDP_SEGMENT is not offered, so it is an unknown type of a known level.
      case SOL_UDP:
        return -Errno.EINVAL;
      case SOL_IP:
        return toV4 ? this.#readIp(control, stack) : 0;
      case SOL_IPV6:
        if (!toV4) return this.#readIpv6(control, stack);
        return domain === AF_INET6 && walker.type === IPV6_PKTINFO ? this.#readMappedPacketInfo(control, stack) : 0;
      default:
        return 0;
    }
  }

  #readIp(control: Uint8Array, stack: Netstack): number {
    const { data, dataLength } = walker;
    switch (walker.type) {
      case IP_PKTINFO:
        if (dataLength !== inPktinfo.size) return -Errno.EINVAL;
        return this.#choose(
          IpAddress.read4(control, data + inPktinfo.offset.specDst),
          i32.get(control, data + inPktinfo.offset.ifindex),
          stack,
        );
      case IP_TTL:
        return this.#chooseTtl(control, 1);
      case IP_TOS: {
        if (dataLength !== 4 && dataLength !== 1) return -Errno.EINVAL;
        const tos = dataLength === 4 ? i32.get(control, data) : (control[data] as number);
        if (tos < 0 || tos > 255) return -Errno.EINVAL;
        this.tos = tos;
        return 0;
      }
      default:
        return -Errno.EINVAL;
    }
  }
  #readIpv6(control: Uint8Array, stack: Netstack): number {
    const { data, dataLength } = walker;
    switch (walker.type) {
      case IPV6_PKTINFO:
        if (dataLength < in6Pktinfo.size) return -Errno.EINVAL;
        return this.#choose(
          IpAddress.read6(control, data + in6Pktinfo.offset.addr),
          i32.get(control, data + in6Pktinfo.offset.ifindex),
          stack,
        );
      case IPV6_HOPLIMIT:
        return this.#chooseTtl(control, -1);
      case IPV6_TCLASS: {
        if (dataLength !== 4) return -Errno.EINVAL;
        const tclass = i32.get(control, data);
        if (tclass < -1 || tclass > 255) return -Errno.EINVAL;
        if (tclass >= 0) this.tos = tclass;
        return 0;
      }
      default:
        return -Errno.EINVAL;
    }
  }
  /** IPV6_PKTINFO on a message that leaves by IPv4: the source must be IPv4-mapped. */
  #readMappedPacketInfo(control: Uint8Array, stack: Netstack): number {
    if (walker.dataLength < in6Pktinfo.size) return -Errno.EINVAL;
    const source = IpAddress.read6(control, walker.data + in6Pktinfo.offset.addr);
    if (!source.isV4) return -Errno.EINVAL;
    return this.#choose(source, i32.get(control, walker.data + in6Pktinfo.offset.ifindex), stack);
  }
  #chooseTtl(control: Uint8Array, least: number): number {
    if (walker.dataLength !== 4) return -Errno.EINVAL;
    const value = i32.get(control, walker.data);
    // The hop limit is looked at as 16 bits (struct ipcm6_cookie), the TTL as it is.
    const ttl = least < 0 ? (value << 16) >> 16 : value;
    if (ttl < least || ttl > 255) return -Errno.EINVAL;
    if (ttl > 0) this.ttl = ttl;
    // A hop limit of 0 dies on the way out; -1 is the default.
    return ttl === 0 ? -Errno.EINVAL : 0;
  }
  #choose(source: IpAddress, interfaceIndex: number, stack: Netstack): number {
    if (interfaceIndex !== 0) {
      if (!stack.interfaces.some((i) => i.index === interfaceIndex)) return -Errno.ENODEV;
      this.interfaceIndex = interfaceIndex;
    } else if (!source.isV4 && source.isLinkLocal) return -Errno.EINVAL;
    if (source.isUnspecified) {
      this.source = undefined;
      return 0;
    }
    // IPv6 wants an address of ours at once (ip6_datagram_send_ctl), IPv4 when it looks for a route.
    if (!source.isV4 && !stack.isLocal(source)) return -Errno.EINVAL;
    this.source = source;
    return 0;
  }
}

function begin(message: Message): void {
  if (message.control.length < Math.min(message.controlCapacity, CONTROL_ROOM)) {
    message.control = new Uint8Array(CONTROL_ROOM);
  }
  writer.begin(message.control, message.controlCapacity);
}
function end(message: Message): void {
  message.controlLength = writer.length;
  message.outFlags |= writer.flags;
}

/** True if any option asks for control messages: the common case is that none does. */
export const wantsControl = (options: OptionState): boolean =>
  options.timestamp !== 'none' ||
  options.packetInfo ||
  options.receiveTtl ||
  options.receiveTos ||
  options.receiveOriginalDestination ||
  options.packetInfo6 ||
  options.receiveHopLimit ||
  options.receiveTrafficClass ||
  options.receiveOriginalDestination6;

/** Control messages of a received datagram. `realtimeUs` is its arrival in CLOCK_REALTIME; without `stack` IP_PKTINFO names no address to answer from. */
export function writeControl(
  message: Message,
  datagram: Datagram,
  options: OptionState,
  domain: number,
  stack: Netstack | undefined,
  realtimeUs: number,
): void {
  begin(message);
  putTimestamp(writer, options, realtimeUs);
  const isV4 = datagram.destination.isV4;
  if (domain === AF_INET6 && options.packetInfo6) {
    datagram.destination.write6(scratch, in6Pktinfo.offset.addr);
    i32.put(scratch, in6Pktinfo.offset.ifindex, datagram.interfaceIndex);
    writer.put(SOL_IPV6, IPV6_PKTINFO, scratch, 0, in6Pktinfo.size);
  }
  if (isV4) putIp(datagram, options, stack);
  else putIpv6(datagram, options);
  end(message);
}

/** SO_TIMESTAMP and SO_TIMESTAMPNS. */
export function putTimestamp(to: CmsgWriter, options: OptionState, realtimeUs: number): void {
  if (options.timestamp === 'none') return;
  const sec = Math.floor(realtimeUs / 1e6);
  const us = Math.floor(realtimeUs - sec * 1e6);
  if (options.timestamp === 'microseconds') {
    timeval.put(scratch, 0, { sec, usec: us });
    to.put(SOL_SOCKET, SO_TIMESTAMP, scratch, 0, timeval.size);
  } else {
    timespec.put(scratch, 0, { sec, nsec: us * 1000 });
    to.put(SOL_SOCKET, SO_TIMESTAMPNS, scratch, 0, timespec.size);
  }
}
function putIp(datagram: Datagram, options: OptionState, stack: Netstack | undefined): void {
  if (options.packetInfo) {
    i32.put(scratch, inPktinfo.offset.ifindex, datagram.interfaceIndex);
    const answerFrom = stack === undefined ? IpAddress.ANY4 : specificDestination(datagram, stack);
    answerFrom.write4(scratch, inPktinfo.offset.specDst);
    datagram.destination.write4(scratch, inPktinfo.offset.addr);
    writer.put(SOL_IP, IP_PKTINFO, scratch, 0, inPktinfo.size);
  }
  if (options.receiveTtl) writer.putInt(SOL_IP, IP_TTL, datagram.ttl);
  if (options.receiveTos) {
    scratch[0] = datagram.tos;
    writer.put(SOL_IP, IP_TOS, scratch, 0, 1);
  }
  if (options.receiveOriginalDestination) {
    const len = writeName(scratch, AF_INET, datagram.destination, datagram.destinationPort, 0);
    writer.put(SOL_IP, IP_ORIGDSTADDR, scratch, 0, len);
  }
}
function putIpv6(datagram: Datagram, options: OptionState): void {
  if (options.receiveHopLimit) writer.putInt(SOL_IPV6, IPV6_HOPLIMIT, datagram.ttl);
  if (options.receiveTrafficClass) writer.putInt(SOL_IPV6, IPV6_TCLASS, datagram.tos);
  if (options.receiveOriginalDestination6) {
    const { destination, destinationPort, interfaceIndex } = datagram;
    const len = writeName(scratch, AF_INET6, destination, destinationPort, interfaceIndex);
    writer.put(SOL_IPV6, IPV6_ORIGDSTADDR, scratch, 0, len);
  }
}
/** ipi_spec_dst: the address to answer from. For a broadcast or multicast that is the interface's own. */
function specificDestination(datagram: Datagram, stack: Netstack): IpAddress {
  const { destination, interfaceIndex, source } = datagram;
  if (stack.isLocal(destination)) return destination;
  const device = stack.interfaces.find((i) => i.index === interfaceIndex);
  // Loopback's address has host scope: none to answer an unnamed sender from (fib_compute_spec_dst).
  if (device?.isLoopback === true && source.isUnspecified) return source;
  return device?.addresses.find((a) => a.address.isV4)?.address ?? destination;
}

/** The one control message of the error queue: struct sock_extended_err and the offender's address. */
export function writeErrorControl(message: Message, error: DatagramError, domain: number): void {
  begin(message);
  const isV4 = error.destination.isV4;
  sockExtendedErr.put(scratch, 0, {
    errno: errnoOf(error.error),
    origin: isV4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6,
    type: error.type,
    code: error.code,
    pad: 0,
    info: error.info,
    data: 0,
  });
  const offender = scratch.subarray(sockExtendedErr.size);
  const len = writeName(offender, domain, error.offender, 0, 0);
  if (domain === AF_INET) writer.put(SOL_IP, IP_RECVERR, scratch, 0, sockExtendedErr.size + len);
  else writer.put(SOL_IPV6, IPV6_RECVERR, scratch, 0, sockExtendedErr.size + len);
  end(message);
}
