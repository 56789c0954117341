/**
 * A ping socket below the system calls (icmp(7), net/ipv4/ping.c): it sends echo requests and gets the replies to them, whole with their ICMP header, without any
 * privilege. The id of its messages is its local port, put in place of whatever its user wrote there; checksums are made here. Which messages may be sent is
 * the socket layer's to check. One family each: an IPv6 one never speaks IPv4.
 */
import { putU16, u16 } from '../../lib/bytes.ts';
import { finishSum } from '../../lib/checksum.ts';
import type { Family, IpAddress } from '../address.ts';
import { IpProtocol, type Route } from '../ip/ip.ts';
import type { NetError } from '../net-error.ts';
import type { Packet } from '../packet.ts';
import type { IcmpCounters } from '../stats.ts';
import { ChecksumOffset, computeChecksum } from '../transport-checksum.ts';
import type { DatagramContext } from '../udp/datagram-context.ts';
import { DatagramSocket } from '../udp/datagram-socket.ts';
import * as icmpv4 from '../wire/icmpv4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';

export interface PingContext extends DatagramContext {
  icmpCounters(isV4: boolean): IcmpCounters;
}

export class PingSocket extends DatagramSocket {
  /** The user writes the header himself. */
  protected override readonly headerLen = 0;
  protected override readonly needsPort = false;

  readonly #icmpCounters: IcmpCounters;

  constructor(context: PingContext, family: Family) {
    super(context, family);
    this.#icmpCounters = context.icmpCounters(family === 4);
    // ping_init_sock; and INET_PROTOSW_REUSE: several may have one id unless one of them declines.
    this.settings.v6Only = family === 6;
    this.settings.reuseAddress = true;
  }
  protected override protocolOf(isV4: boolean): number {
    return isV4 ? IpProtocol.Icmp : IpProtocol.IcmpV6;
  }
  protected override longest(isV4: boolean): number {
    return isV4 ? ipv4.MAX_LEN - ipv4.HEADER_LEN : ipv6.MAX_PAYLOAD;
  }
  /** The address is looked at whether or not it may still be bound (ping_bind). */
  override bind(address: IpAddress, port: number): NetError | undefined {
    return this.isBindable(address) ? super.bind(address, port) : 'address-not-available';
  }
  /** ping_check_bind_addr: one of ours, or any, or anybody's with IP_FREEBIND; never a group. */
  protected override isBindable(address: IpAddress): boolean {
    const { ip } = this.context;
    if (address.isUnspecified) return true;
    if (address.isMulticast || ip.isBroadcast(address)) return false;
    return this.settings.freeBind || this.settings.transparent || ip.isLocal(address);
  }
  protected override get fillsBeyond(): boolean {
    return true;
  }
  /** What stands where other protocols have a port (ip_cmsg_recv_dstaddr). */
  protected override destinationPortOf({ bytes, at, end }: Packet): number {
    return end - at < icmpv4.IDENTIFIER ? -1 : u16(bytes, at + icmpv4.CHECKSUM);
  }
  protected override emitHeader(): void {
    // Written by the user, completed by `seal`.
  }
  protected override seal(packet: Packet, route: Route): void {
    const { bytes, at } = packet;
    putU16(bytes, at + icmpv4.IDENTIFIER, this.localPort);
    this.#icmpCounters.OutMsgs++;
    this.#icmpCounters.OutEchos++;
    if (!route.remote.isV4) {
      computeChecksum(packet, route.local, route.remote, IpProtocol.IcmpV6, ChecksumOffset.IcmpV6);
      return;
    }
    putU16(bytes, at + icmpv4.CHECKSUM, 0);
    putU16(bytes, at + icmpv4.CHECKSUM, finishSum(packet.pool.checksum.sum(at, packet.length)));
  }
  /** ping_lookup: the peer of a connected socket plays no part. */
  override score(packet: Packet): number {
    const { boundInterface } = this.settings;
    if (!this.isForUs(packet)) return 0;
    return boundInterface === 0 || boundInterface === packet.interfaceIndex ? 1 : 0;
  }
}
