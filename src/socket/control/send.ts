/** What a send on an internet socket may choose by control messages: ip_cmsg_send, ip6_datagram_send_ctl, udp_cmsg_send, __sock_cmsg_send. */
import { CmsgWalker } from '../../abi/cmsg.ts';
import { Errno } from '../../abi/errno.ts';
import {
  IP_PKTINFO,
  IP_PROTOCOL,
  IP_RETOPTS,
  IP_TOS,
  IP_TTL,
  IPV6_2292DSTOPTS,
  IPV6_2292HOPLIMIT,
  IPV6_2292HOPOPTS,
  IPV6_2292PKTINFO,
  IPV6_2292RTHDR,
  IPV6_DONTFRAG,
  IPV6_DSTOPTS,
  IPV6_FLOWINFO,
  IPV6_HOPLIMIT,
  IPV6_HOPOPTS,
  IPV6_PKTINFO,
  IPV6_RTHDR,
  IPV6_RTHDRDSTOPTS,
  IPV6_TCLASS,
} from '../../abi/in.ts';
import {
  AF_INET6,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SCM_TS_OPT_ID,
  SCM_TXTIME,
  SO_MARK,
  SO_PRIORITY,
  SO_TIMESTAMPING,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_UDP,
} from '../../abi/socket.ts';
import { in6Pktinfo, inPktinfo } from '../../abi/sockopt.ts';
import { be32, i32, u16, u32, u64 } from '../../abi/struct.ts';
import {
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_TX_ACK,
  SOF_TIMESTAMPING_TX_COMPLETION,
  SOF_TIMESTAMPING_TX_HARDWARE,
  SOF_TIMESTAMPING_TX_SCHED,
  SOF_TIMESTAMPING_TX_SOFTWARE,
} from '../../abi/timestamping.ts';
import { UDP_SEGMENT } from '../../abi/transport.ts';
import { IpAddress } from '../../netstack/address.ts';
import type { IpSettings, Netstack, SendChoices } from '../../netstack/endpoint.ts';
import { NO_HOPS } from '../../netstack/ip/ip.ts';
import type { Message } from '../message.ts';
import { tosPriority } from '../options/ip-level.ts';
import type { OptionState } from '../options/target.ts';

const walker = new CmsgWalker();

/** SOF_TIMESTAMPING_TX_RECORD_MASK: which stamps a message can ask for by itself. */
export const STAMPS =
  SOF_TIMESTAMPING_TX_HARDWARE |
  SOF_TIMESTAMPING_TX_SOFTWARE |
  SOF_TIMESTAMPING_TX_SCHED |
  SOF_TIMESTAMPING_TX_ACK |
  SOF_TIMESTAMPING_TX_COMPLETION;
/** net.ipv4.ip_default_ttl. */
const DEFAULT_TTL = 64;
/** Priorities above are not everybody's (sk_set_prio_allowed). */
const PRIORITY_FREE = 6;
/** IPV6_FLOWLABEL_MASK. */
const FLOW_LABEL = 0x000f_ffff;

/** What Linux takes of IPv4 and IPv6 and is refused here, as by a kernel that does not know it: IP options and extension headers. */
const LACKING: ReadonlyMap<number, readonly number[]> = new Map([
  [SOL_IP, [IP_RETOPTS]],
  [
    SOL_IPV6,
    [IPV6_HOPOPTS, IPV6_2292HOPOPTS, IPV6_DSTOPTS, IPV6_2292DSTOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR, IPV6_2292RTHDR],
  ],
]);
/** True for a control message of a send that is refused here and not on Linux. */
export const lacksControl = (level: number, type: number): boolean => LACKING.get(level)?.includes(type) === true;

/** The socket that a message is sent on. */
export interface Sender {
  readonly domain: number;
  readonly options: OptionState;
  readonly stack: Netstack;
  readonly settings: IpSettings;
  /** SOL_UDP means something to it. */
  readonly isUdp: boolean;
  /** The interface that a message leaves by if its control data says nothing of one; 0 for none. */
  readonly sendInterface: number;
}

/** Control data of a stream: only SOL_SOCKET is looked at, and what it chooses is no matter of octets. Returns 0 or a negative errno. */
export function checkSocketControl(message: Message, options: OptionState): number {
  choicesOfStream.clear();
  walker.begin(message.control, message.controlLength);
  while (walker.next()) {
    if (walker.level !== SOL_SOCKET) continue;
    const error = choicesOfStream.readSocket(message, options, true);
    if (error !== 0) return error;
  }
  return walker.malformed ? -Errno.EINVAL : 0;
}

const mayMark = ({ caller }: Message): boolean =>
  caller !== undefined && (caller.credentials.netRaw || caller.credentials.netAdmin);

/** What a message's control data chose. Reused by its socket. */
export class Choices implements SendChoices {
  source: IpAddress | undefined = undefined;
  interfaceIndex: number | undefined = undefined;
  ttl: number | undefined = undefined;
  tos: number | undefined = undefined;
  flowLabel: number | undefined = undefined;
  dontFragment: boolean | undefined = undefined;
  mark: number | undefined = undefined;
  priority: number | undefined = undefined;
  segment: number | undefined = undefined;
  stamps: number | undefined = undefined;
  stampId: number | undefined = undefined;
  isPart: boolean | undefined = undefined;
  /** Any of them was chosen. */
  isEmpty = true;

  clear(): void {
    if (this.isEmpty) return;
    this.source = this.interfaceIndex = this.ttl = this.tos = this.dontFragment = undefined;
    this.flowLabel = undefined;
    this.mark = this.priority = this.segment = this.stamps = this.stampId = this.isPart = undefined;
    this.isEmpty = true;
  }
  copy(): SendChoices {
    const { source, interfaceIndex, ttl, tos, flowLabel, dontFragment, mark, priority, segment, stamps, stampId } =
      this;
    return { source, interfaceIndex, ttl, tos, flowLabel, dontFragment, mark, priority, segment, stamps, stampId };
  }

  /** What follows is the first part of a datagram. */
  beginPart(): void {
    this.isPart = true;
    this.isEmpty = false;
  }
  /** Reads the control data of a datagram. `toV4` says which protocol it leaves by. Returns 0 or a negative errno. */
  read(message: Message, sender: Sender, toV4: boolean): number {
    this.isEmpty = false;
    const refused = sender.isUdp ? this.#readUdp(message) : 0;
    if (refused !== 0) return refused;
    walker.begin(message.control, message.controlLength);
    while (walker.next()) {
      const error = this.#readOne(message, sender, toV4);
      if (error !== 0) return error;
    }
    return walker.malformed ? -Errno.EINVAL : 0;
  }
  /** udp_cmsg_send looks for its own before the others are looked at. */
  #readUdp(message: Message): number {
    walker.begin(message.control, message.controlLength);
    while (walker.next()) {
      if (walker.level !== SOL_UDP) continue;
      if (walker.type !== UDP_SEGMENT || walker.dataLength !== u16.size) return -Errno.EINVAL;
      this.segment = u16.get(message.control, walker.data);
    }
    return walker.malformed ? -Errno.EINVAL : 0;
  }
  #readOne(message: Message, sender: Sender, toV4: boolean): number {
    const { control } = message;
    switch (walker.level) {
      case SOL_SOCKET:
        return this.readSocket(message, sender.options, false);
      case SOL_IP:
        return toV4 ? this.#readIp(control) : 0;
      case SOL_IPV6:
        if (!toV4) return this.#readIpv6(control, sender);
        return sender.domain === AF_INET6 && walker.type === IPV6_PKTINFO ? this.#readMappedPacketInfo(control) : 0;
      default:
        return 0;
    }
  }

  /** __sock_cmsg_send, of the message that the walk stands on. */
  readSocket(message: Message, options: OptionState, isStream: boolean): number {
    this.isEmpty = false;
    switch (walker.type) {
      // They mean nothing to internet sockets.
      case SCM_RIGHTS:
      case SCM_CREDENTIALS:
        return 0;
      case SO_MARK:
        if (!mayMark(message)) return -Errno.EPERM;
        return this.#chooseWord(message, 'mark');
      case SO_PRIORITY:
        return this.#choosePriority(message);
      case SO_TIMESTAMPING:
        return this.#chooseStamps(message);
      case SCM_TS_OPT_ID:
        if (isStream || (options.timestampingFlags & SOF_TIMESTAMPING_OPT_ID) === 0) return -Errno.EINVAL;
        return this.#chooseWord(message, 'stampId');
      case SCM_TXTIME:
        // Without a queue that keeps it until then it leaves at once (as on Linux with any other discipline than etf and fq).
        return options.txTimeFlags < 0 || walker.dataLength !== u64.size ? -Errno.EINVAL : 0;
      default:
        return -Errno.EINVAL;
    }
  }
  #chooseWord({ control }: Message, what: 'mark' | 'priority' | 'stamps' | 'stampId'): number {
    if (walker.dataLength !== u32.size) return -Errno.EINVAL;
    this[what] = u32.get(control, walker.data);
    return 0;
  }
  #chooseStamps(message: Message): number {
    const error = this.#chooseWord(message, 'stamps');
    return error === 0 && ((this.stamps ?? 0) & ~STAMPS) !== 0 ? -Errno.EINVAL : error;
  }
  #choosePriority(message: Message): number {
    const error = this.#chooseWord(message, 'priority');
    if (error !== 0) return error;
    return (this.priority ?? 0) > PRIORITY_FREE && !mayMark(message) ? -Errno.EPERM : 0;
  }
  #readIp(control: Uint8Array): number {
    const { data, dataLength } = walker;
    switch (walker.type) {
      case IP_PKTINFO:
        if (dataLength !== inPktinfo.size) return -Errno.EINVAL;
        return this.#choose4(
          IpAddress.read4(control, data + inPktinfo.offset.specDst),
          i32.get(control, data + inPktinfo.offset.ifindex),
        );
      case IP_TTL:
        return this.#chooseTtl(control, 1);
      case IP_TOS: {
        if (dataLength !== 4 && dataLength !== 1) return -Errno.EINVAL;
        const tos = dataLength === 4 ? i32.get(control, data) : (control[data] as number);
        if (tos < 0 || tos > 255) return -Errno.EINVAL;
        this.tos = tos;
        this.priority = tosPriority(tos);
        return 0;
      }
      case IP_PROTOCOL: {
        // Of raw sockets; others only look whether it could be one.
        const isOne = dataLength === i32.size && i32.get(control, data) >= 1 && i32.get(control, data) <= 255;
        return isOne ? 0 : -Errno.EINVAL;
      }
      default:
        return -Errno.EINVAL;
    }
  }
  #readIpv6(control: Uint8Array, sender: Sender): number {
    const { data, dataLength } = walker;
    switch (walker.type) {
      case IPV6_PKTINFO:
      case IPV6_2292PKTINFO:
        if (dataLength < in6Pktinfo.size) return -Errno.EINVAL;
        return this.#choose6(
          IpAddress.read6(control, data + in6Pktinfo.offset.addr),
          i32.get(control, data + in6Pktinfo.offset.ifindex),
          sender,
        );
      case IPV6_HOPLIMIT:
      case IPV6_2292HOPLIMIT:
        return this.#chooseTtl(control, -1);
      case IPV6_FLOWINFO:
        if (dataLength < be32.size) return -Errno.EINVAL;
        this.chooseFlow(be32.get(control, data));
        return 0;
      case IPV6_TCLASS:
        return this.#chooseClass(control);
      case IPV6_DONTFRAG: {
        const on = dataLength === i32.size ? i32.get(control, data) : -1;
        if (on < 0 || on > 1) return -Errno.EINVAL;
        this.dontFragment = on === 1;
        return 0;
      }
      default:
        return -Errno.EINVAL;
    }
  }
  /** An unconnected AF_INET6 socket sends by either protocol: what its endpoint is set to may be the other's. */
  fill(toV4: boolean, scopeId: number, { domain, options }: Sender): void {
    if (scopeId !== 0) {
      this.interfaceIndex ??= scopeId;
      this.isEmpty = false;
    }
    if (domain !== AF_INET6 || !toV4) return;
    if (options.tos === options.trafficClass && options.ttl === options.hopLimit) return;
    this.tos ??= options.tos;
    this.ttl ??= options.ttl < 0 ? DEFAULT_TTL : options.ttl;
    this.isEmpty = false;
  }
  /** Of the flow information only the label counts: the traffic class is chosen apart (ip6_make_flowinfo). */
  chooseFlow(info: number): void {
    this.isEmpty = false;
    this.flowLabel = info & FLOW_LABEL;
  }
  #chooseClass(control: Uint8Array): number {
    if (walker.dataLength !== i32.size) return -Errno.EINVAL;
    const value = i32.get(control, walker.data);
    if (value < -1 || value > 255) return -Errno.EINVAL;
    // As an option -1 is the default, here it is no exception to taking the lowest octet.
    this.tos = value & 0xff;
    return 0;
  }
  /** IPV6_PKTINFO on a message that leaves by IPv4: the source must be IPv4-mapped. */
  #readMappedPacketInfo(control: Uint8Array): number {
    if (walker.dataLength < in6Pktinfo.size) return -Errno.EINVAL;
    const source = IpAddress.read6(control, walker.data + in6Pktinfo.offset.addr);
    if (!source.isV4) return -Errno.EINVAL;
    return this.#choose4(source, i32.get(control, walker.data + in6Pktinfo.offset.ifindex));
  }
  #chooseTtl(control: Uint8Array, least: number): number {
    if (walker.dataLength !== 4) return -Errno.EINVAL;
    const value = i32.get(control, walker.data);
    // The hop limit is looked at as 16 bits (struct ipcm6_cookie), the TTL as it is.
    const ttl = least < 0 ? (value << 16) >> 16 : value;
    if (ttl < least || ttl > 255) return -Errno.EINVAL;
    // -1 is the default.
    if (ttl >= 0) this.ttl = ttl || NO_HOPS;
    return 0;
  }
  /** What there is of it is looked at when a route is looked for. */
  #choose4(source: IpAddress, interfaceIndex: number): number {
    if (interfaceIndex !== 0) this.interfaceIndex = interfaceIndex;
    // None is chosen by 0.0.0.0, the one that the socket is bound to neither.
    this.source = source;
    return 0;
  }
  /** ip6_datagram_send_ctl: an interface that does not contradict the one chosen before, and an address of ours, of that interface if it has no meaning elsewhere. */
  #choose6(source: IpAddress, interfaceIndex: number, sender: Sender): number {
    const index = this.#interfaceOf(interfaceIndex, sender);
    if (index < 0) return index;
    if (!source.isV4 && source.isUnspecified) return 0;
    if (index === 0 && !source.isV4 && source.isLinkLocal) return -Errno.EINVAL;
    const { freeBind, transparent } = sender.settings;
    return freeBind || transparent || isOurs6(source, index, sender.stack) ? this.#chooseSource(source) : -Errno.EINVAL;
  }
  /** The interface that the message leaves by, 0 for any, or a negative errno. */
  #interfaceOf(chosen: number, { sendInterface, stack }: Sender): number {
    const before = this.interfaceIndex ?? sendInterface;
    if (chosen !== 0 && before !== 0 && before !== chosen) return -Errno.EINVAL;
    const index = chosen || before;
    if (index !== 0 && !stack.interfaces.some((i) => i.index === index)) return -Errno.ENODEV;
    if (chosen !== 0) this.interfaceIndex = chosen;
    return index;
  }
  #chooseSource(source: IpAddress): number {
    this.source = source;
    return 0;
  }
}
/** ipv6_chk_addr: link-local addresses and that of loopback are of one interface. */
function isOurs6(source: IpAddress, interfaceIndex: number, stack: Netstack): boolean {
  if (source.isV4) return false;
  if (interfaceIndex === 0 || !(source.isLinkLocal || source.isLoopback)) return stack.isLocal(source);
  const device = stack.interfaces.find((i) => i.index === interfaceIndex);
  return device?.addresses.some(({ address }) => address.equals(source)) === true;
}
const choicesOfStream = new Choices();
