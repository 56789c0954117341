/** Parts of the IP header of a received datagram that control messages bring whole: IPv4 options (ip(7) IP_RECVOPTS, IP_RETOPTS), IPv6 extension headers and flow information (RFC 3542 8). */
import type { CmsgWriter } from '../../abi/cmsg.ts';
import {
  IP_RECVOPTS,
  IP_RETOPTS,
  IPV6_2292DSTOPTS,
  IPV6_2292HOPOPTS,
  IPV6_2292RTHDR,
  IPV6_DSTOPTS,
  IPV6_FLOWINFO,
  IPV6_HOPOPTS,
  IPV6_RTHDR,
} from '../../abi/in.ts';
import { SOL_IP, SOL_IPV6 } from '../../abi/socket.ts';
import { putU32, u32 } from '../../lib/bytes.ts';
import type { Packet } from '../../netstack/packet.ts';
import * as ipv4 from '../../netstack/wire/ipv4.ts';
import * as ipv6 from '../../netstack/wire/ipv6.ts';
import type { OptionState } from '../options/target.ts';

/** RFC 791 3.1: end of the list, no operation, record route, timestamp. */
const Option = { End: 0, NoOperation: 1, RecordRoute: 7, Timestamp: 68 } as const;
/** IPV6_FLOWINFO_MASK: traffic class and flow label. */
const FLOW_INFO = 0x0fff_ffff;
const scratch = new Uint8Array(40);

/** What asks for the header to be kept with the datagram. */
export const asksOfHeaders = (options: OptionState): boolean =>
  options.receiveOptions ||
  options.returnOptions ||
  options.receiveFlowInfo ||
  options.receiveHopOptions ||
  options.receiveDestinationOptions ||
  options.receiveRouting ||
  options.oldHopOptions ||
  options.oldDestinationOptions ||
  options.oldRouting;

/** ip_cmsg_recv_opts, ip_cmsg_recv_retopts. */
export function putIpOptions(writer: CmsgWriter, { bytes, l3 }: Packet, options: OptionState): void {
  const len = ipv4.headerLen(bytes, l3) - ipv4.HEADER_LEN;
  if (len <= 0) return;
  const at = l3 + ipv4.HEADER_LEN;
  if (options.receiveOptions) writer.put(SOL_IP, IP_RECVOPTS, bytes, at, len);
  if (options.returnOptions) writer.put(SOL_IP, IP_RETOPTS, scratch, 0, echo(bytes, at, at + len));
}
/** ip_options_echo: what an answer would carry, in `scratch`, padded. Routes of the source's choice are not gone back here (accept_source_route 0). */
function echo(bytes: Uint8Array, from: number, to: number): number {
  let out = 0;
  for (let at = from; at + 1 < to && bytes[at] !== Option.End; ) {
    const type = bytes[at] as number;
    const len = type === Option.NoOperation ? 1 : (bytes[at + 1] as number);
    if (len < 1 || at + len > to) break;
    if (type === Option.RecordRoute || type === Option.Timestamp) {
      for (let i = 0; i < len; i++) scratch[out++] = bytes[at + i] as number;
    }
    at += len;
  }
  while ((out & 3) !== 0) scratch[out++] = Option.End;
  return out;
}

/** Flow information, where there is any, and the extension headers in the order in which they came. */
export function putIpv6Headers(writer: CmsgWriter, packet: Packet, options: OptionState): void {
  const { bytes, l3 } = packet;
  const flow = u32(bytes, l3) & FLOW_INFO;
  if (options.receiveFlowInfo && flow !== 0) {
    putU32(scratch, 0, flow);
    writer.put(SOL_IPV6, IPV6_FLOWINFO, scratch, 0, 4);
  }
  forEachExtension(packet, (next, at, len) => {
    if (next === ipv6.NextHeader.HopByHop && options.receiveHopOptions) put(writer, IPV6_HOPOPTS, bytes, at, len);
    if (next === ipv6.NextHeader.DestinationOptions && options.receiveDestinationOptions) {
      put(writer, IPV6_DSTOPTS, bytes, at, len);
    }
    if (next === ipv6.NextHeader.Routing && options.receiveRouting) put(writer, IPV6_RTHDR, bytes, at, len);
  });
}
/** The same by the names of RFC 2292. */
export function putOldIpv6Headers(writer: CmsgWriter, packet: Packet, options: OptionState): void {
  const { bytes } = packet;
  forEachExtension(packet, (next, at, len) => {
    if (next === ipv6.NextHeader.HopByHop && options.oldHopOptions) put(writer, IPV6_2292HOPOPTS, bytes, at, len);
    if (next === ipv6.NextHeader.DestinationOptions && options.oldDestinationOptions) {
      put(writer, IPV6_2292DSTOPTS, bytes, at, len);
    }
    if (next === ipv6.NextHeader.Routing && options.oldRouting) put(writer, IPV6_2292RTHDR, bytes, at, len);
  });
}
const put = (writer: CmsgWriter, type: number, bytes: Uint8Array, at: number, len: number): void =>
  writer.put(SOL_IPV6, type, bytes, at, len);

/** The headers between the IPv6 header and the transport's; input.ts has found them sound. */
function forEachExtension({ bytes, l3, l4 }: Packet, visit: (next: number, at: number, len: number) => void): void {
  let next = ipv6.nextHeader(bytes, l3);
  for (let at = l3 + ipv6.HEADER_LEN; at + 8 <= l4; ) {
    const len = next === ipv6.NextHeader.Fragment ? ipv6.FRAGMENT_HEADER_LEN : ipv6.extensionLen(bytes, at);
    if (at + len > l4) return;
    visit(next, at, len);
    next = bytes[at] as number;
    at += len;
  }
}
