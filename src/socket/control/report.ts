/**
 * What a received datagram brings with it as control messages, in the kernel's order: sock_recv_cmsgs, udp_cmsg_recv, ip_cmsg_recv_offset,
 * ip6_datagram_recv_common_ctl and ip6_datagram_recv_specific_ctl.
 *
 * IP_CHECKSUM passes on a sum that a network card made of the whole packet, which no link here does, loopback of Linux neither; IP_PASSSEC a label of a
 * security module: neither ever brings anything.
 */
import { CmsgWriter } from '../../abi/cmsg.ts';
import {
  IP_ORIGDSTADDR,
  IP_PKTINFO,
  IP_RECVFRAGSIZE,
  IP_TOS,
  IP_TTL,
  IPV6_2292HOPLIMIT,
  IPV6_2292PKTINFO,
  IPV6_HOPLIMIT,
  IPV6_ORIGDSTADDR,
  IPV6_PKTINFO,
  IPV6_RECVFRAGSIZE,
  IPV6_TCLASS,
} from '../../abi/in.ts';
import {
  AF_INET,
  AF_INET6,
  SCM_TIMESTAMPING,
  SO_MARK,
  SO_PRIORITY,
  SO_RXQ_OVFL,
  SO_TIMESTAMP,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMPING_NEW,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_UDP,
} from '../../abi/socket.ts';
import { in6Pktinfo, inPktinfo, timespec, timeval } from '../../abi/sockopt.ts';
import { i32, u32 } from '../../abi/struct.ts';
import { SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE } from '../../abi/timestamping.ts';
import { UDP_GRO } from '../../abi/transport.ts';
import { IpAddress } from '../../netstack/address.ts';
import type { Datagram, Netstack } from '../../netstack/endpoint.ts';
import { Gso, type Packet } from '../../netstack/packet.ts';
import { writeName } from '../inet-name.ts';
import type { Message } from '../message.ts';
import type { OptionState } from '../options/target.ts';
import { asksOfHeaders, putIpOptions, putIpv6Headers, putOldIpv6Headers } from './headers.ts';

/** All that a socket here can have to say about one datagram fits. */
const CONTROL_ROOM = 8192;

export const writer = new CmsgWriter();
const scratch = new Uint8Array(64);

export function beginControl(message: Message): void {
  if (message.control.length < Math.min(message.controlCapacity, CONTROL_ROOM)) {
    message.control = new Uint8Array(CONTROL_ROOM);
  }
  message.beginControl(writer);
}
export const endControl = (message: Message): void => message.endControl(writer);

/** How a packet came, as IP_PKTINFO and its like tell it. */
export type Arrival = Pick<
  Datagram,
  'source' | 'destination' | 'destinationPort' | 'interfaceIndex' | 'ttl' | 'tos' | 'isPlaced'
> & {
  /** -1 where the transport header is not there to be read. */
  readonly destinationPort: number;
};

const SOFTWARE = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;
const wantsStamping = (options: OptionState): boolean => (options.timestampingFlags & SOFTWARE) === SOFTWARE;

const asksOfSocket = (options: OptionState): boolean =>
  options.timestamp !== 'none' ||
  options.timestampingFlags !== 0 ||
  options.receiveDrops ||
  options.receiveMark ||
  options.receivePriority ||
  options.coalesce;
/** ip_cmsg_recv, of what can bring anything. */
export const asksOfIp = (options: OptionState): boolean =>
  options.packetInfo ||
  options.receiveTtl ||
  options.receiveTos ||
  options.receiveOptions ||
  options.returnOptions ||
  options.receiveOriginalDestination ||
  options.receiveFragmentSize;
const asksOfIpv6 = (options: OptionState): boolean =>
  options.packetInfo6 ||
  options.receiveHopLimit ||
  options.receiveTrafficClass ||
  asksOfHeaders(options) ||
  options.oldPacketInfo ||
  options.oldHopLimit ||
  options.receiveOriginalDestination6 ||
  options.receiveFragmentSize6;
/** True if any option asks for control messages: the common case is that none does. */
export const wantsControl = (options: OptionState): boolean =>
  asksOfSocket(options) || asksOfIp(options) || asksOfIpv6(options);

/** Control messages of a received datagram. `realtimeUs` is its arrival in CLOCK_REALTIME; without `stack` IP_PKTINFO names no address to answer from. */
export function writeControl(
  message: Message,
  datagram: Datagram,
  options: OptionState,
  domain: number,
  stack: Netstack | undefined,
  realtimeUs: number,
): void {
  const { packet } = datagram;
  beginControl(message);
  putTimestamp(writer, options, realtimeUs);
  if (wantsStamping(options)) putStamping(options, realtimeUs);
  putOfSocket(datagram, options);
  if (options.coalesce && packet.gsoType === Gso.UdpL4) writer.putInt(SOL_UDP, UDP_GRO, packet.gsoSize);
  if (domain === AF_INET6) putCommon(datagram, options);
  if (datagram.destination.isV4) putIp(datagram, options, stack, packet);
  else putIpv6(datagram, options, packet);
  endControl(message);
}
/** sock_recv_drops, sock_recv_mark, sock_recv_priority. */
function putOfSocket({ drops, packet }: Datagram, options: OptionState): void {
  if (options.receiveDrops && drops !== 0) putWord(SO_RXQ_OVFL, drops);
  if (options.receiveMark) putWord(SO_MARK, packet.mark);
  if (options.receivePriority) putWord(SO_PRIORITY, packet.priority);
}
function putWord(type: number, value: number): void {
  u32.put(scratch, 0, value >>> 0);
  writer.put(SOL_SOCKET, type, scratch, 0, u32.size);
}

/** SO_TIMESTAMP and SO_TIMESTAMPNS. */
export function putTimestamp(to: CmsgWriter, options: OptionState, realtimeUs: number): void {
  if (options.timestamp === 'none') return;
  const { timestampNew: isNew } = options;
  const sec = Math.floor(realtimeUs / 1e6);
  const us = Math.floor(realtimeUs - sec * 1e6);
  if (options.timestamp === 'microseconds') {
    timeval.put(scratch, 0, { sec, usec: us });
    to.put(SOL_SOCKET, isNew ? SO_TIMESTAMP_NEW : SO_TIMESTAMP, scratch, 0, timeval.size);
  } else {
    timespec.put(scratch, 0, { sec, nsec: us * 1000 });
    to.put(SOL_SOCKET, isNew ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS, scratch, 0, timespec.size);
  }
}
/** `struct scm_timestamping`: of software, an old kind that is no more, and of hardware, which there is none of. */
export function putStamping(options: OptionState, realtimeUs: number): void {
  const sec = Math.floor(realtimeUs / 1e6);
  scratch.fill(0, 0, timespec.size * 3);
  timespec.put(scratch, 0, { sec, nsec: Math.floor(realtimeUs - sec * 1e6) * 1000 });
  writer.put(SOL_SOCKET, options.timestampNew ? SO_TIMESTAMPING_NEW : SCM_TIMESTAMPING, scratch, 0, timespec.size * 3);
}

/** ip_cmsg_recv_offset. */
export function putIp(
  arrival: Arrival,
  options: OptionState,
  stack: Netstack | undefined,
  packet: Packet | undefined,
): void {
  if (!asksOfIp(options)) return;
  const { destination, destinationPort } = arrival;
  if (options.packetInfo) {
    const { isPlaced } = arrival;
    i32.put(scratch, inPktinfo.offset.ifindex, isPlaced ? arrival.interfaceIndex : 0);
    const answerFrom = stack === undefined || !isPlaced ? IpAddress.ANY4 : specificDestination(arrival, stack);
    answerFrom.write4(scratch, inPktinfo.offset.specDst);
    destination.write4(scratch, inPktinfo.offset.addr);
    writer.put(SOL_IP, IP_PKTINFO, scratch, 0, inPktinfo.size);
  }
  if (options.receiveTtl) writer.putInt(SOL_IP, IP_TTL, arrival.ttl);
  if (options.receiveTos) {
    scratch[0] = arrival.tos;
    writer.put(SOL_IP, IP_TOS, scratch, 0, 1);
  }
  if (packet !== undefined) putIpOptions(writer, packet, options);
  if (options.receiveOriginalDestination && destinationPort >= 0) {
    const len = writeName(scratch, AF_INET, destination, destinationPort, 0);
    writer.put(SOL_IP, IP_ORIGDSTADDR, scratch, 0, len);
  }
  const fragmentSize = packet?.fragmentSize ?? 0;
  if (options.receiveFragmentSize && fragmentSize !== 0) writer.putInt(SOL_IP, IP_RECVFRAGSIZE, fragmentSize);
}
/** ip6_datagram_recv_common_ctl: of an IPv4 datagram it tells what IP_PKTINFO would. */
export function putCommon({ destination, interfaceIndex, isPlaced }: Arrival, options: OptionState): void {
  if (!options.packetInfo6) return;
  putPacketInfo(IPV6_PKTINFO, destination, isPlaced || !destination.isV4 ? interfaceIndex : 0);
}
function putPacketInfo(type: number, destination: IpAddress, interfaceIndex: number): void {
  destination.write6(scratch, in6Pktinfo.offset.addr);
  i32.put(scratch, in6Pktinfo.offset.ifindex, interfaceIndex);
  writer.put(SOL_IPV6, type, scratch, 0, in6Pktinfo.size);
}
/** ip6_datagram_recv_specific_ctl. */
export function putIpv6(arrival: Arrival, options: OptionState, packet: Packet | undefined): void {
  if (!asksOfIpv6(options)) return;
  const { destination, destinationPort, interfaceIndex } = arrival;
  if (options.receiveHopLimit) writer.putInt(SOL_IPV6, IPV6_HOPLIMIT, arrival.ttl);
  if (options.receiveTrafficClass) writer.putInt(SOL_IPV6, IPV6_TCLASS, arrival.tos);
  const hasHeaders = packet !== undefined && asksOfHeaders(options);
  if (hasHeaders) putIpv6Headers(writer, packet, options);
  if (options.oldPacketInfo) putPacketInfo(IPV6_2292PKTINFO, destination, interfaceIndex);
  if (options.oldHopLimit) writer.putInt(SOL_IPV6, IPV6_2292HOPLIMIT, arrival.ttl);
  if (hasHeaders) putOldIpv6Headers(writer, packet, options);
  if (options.receiveOriginalDestination6 && destinationPort >= 0) {
    const len = writeName(scratch, AF_INET6, destination, destinationPort, interfaceIndex);
    writer.put(SOL_IPV6, IPV6_ORIGDSTADDR, scratch, 0, len);
  }
  const fragmentSize = packet?.fragmentSize ?? 0;
  if (options.receiveFragmentSize6 && fragmentSize !== 0) writer.putInt(SOL_IPV6, IPV6_RECVFRAGSIZE, fragmentSize);
}
/** ipi_spec_dst: the address to answer from. For a broadcast or multicast that is the interface's own. */
function specificDestination({ destination, interfaceIndex, source }: Arrival, stack: Netstack): IpAddress {
  if (stack.isLocal(destination)) return destination;
  const device = stack.interfaces.find((i) => i.index === interfaceIndex);
  // Loopback's address has host scope: none to answer an unnamed sender from (fib_compute_spec_dst).
  if (device?.isLoopback === true && source.isUnspecified) return source;
  return device?.addresses.find((a) => a.address.isV4)?.address ?? destination;
}
