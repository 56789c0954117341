/** Entries of the error queue of a datagram socket: what an ICMP message says, what this host says (ip_local_error, ipv6_local_error), and stamps (__skb_tstamp_tx). */
import type { Instant } from '../../lib/clock.ts';
import type { IpAddress } from '../address.ts';
import type { DatagramError } from '../endpoint.ts';
import { extensionsOf } from '../icmp/extensions.ts';
import { sourceOf } from '../ip/header.ts';
import type { IcmpError, Route } from '../ip/ip.ts';
import type { Packet } from '../packet.ts';
import { EtherType } from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { frameOf } from './stamping.ts';

const NOTHING = new Uint8Array(0);

/** `quoted` is the datagram that the message is about, its payload at `payload`; `tellsExtensions` as the settings say. What stands behind the quote is kept with it. */
export function icmpRecord(
  error: IcmpError,
  quoted: Packet,
  payload: number,
  destination: IpAddress,
  destinationPort: number,
  tellsExtensions: boolean,
  time: Instant,
): DatagramError {
  return {
    origin: 'icmp',
    error: error.kind,
    type: error.type,
    code: error.code,
    info: error.info,
    data: tellsExtensions ? extensionsOf(quoted, payload, error.quoteOctets) : 0,
    offender: error.offender,
    destination,
    destinationPort,
    isV4: destination.isV4,
    payload: quoted.bytes.slice(payload, Math.max(payload, quoted.end)),
    receiver: error.receiver,
    interfaceIndex: quoted.interfaceIndex,
    ttl: quoted.ttl,
    tos: quoted.tos,
    time,
  };
}

/** A datagram that is too long for its route. */
export function tooLongRecord(
  { remote, local }: Route,
  mtu: number,
  destinationPort: number,
  time: Instant,
): DatagramError {
  return {
    origin: 'local',
    error: 'message-size',
    type: 0,
    code: 0,
    info: remote.isV4 ? Math.min(mtu, ipv4.MAX_LEN) : mtu,
    data: 0,
    offender: undefined,
    destination: remote,
    destinationPort,
    isV4: remote.isV4,
    payload: NOTHING,
    receiver: local,
    interfaceIndex: 0,
    ttl: 0,
    tos: 0,
    time,
  };
}

/** `packet`, its IP header in front, is about to leave; without `isWhole` no octet of it is told. */
export function stampRecord(packet: Packet, kind: number, id: number, isWhole: boolean, time: Instant): DatagramError {
  return {
    origin: 'timestamp',
    error: undefined,
    type: 0,
    code: 0,
    info: kind,
    data: id,
    // Of IPv6 the packet tells who it is from, if it is there (ip6_datagram_support_cmsg).
    offender: isWhole && packet.ethertype === EtherType.Ipv6 ? sourceOf(packet) : undefined,
    destination: undefined,
    destinationPort: 0,
    isV4: packet.ethertype === EtherType.Ipv4,
    payload: isWhole ? frameOf(packet) : NOTHING,
    receiver: sourceOf(packet),
    interfaceIndex: 0,
    ttl: packet.ttl,
    tos: packet.tos,
    time,
  };
}
