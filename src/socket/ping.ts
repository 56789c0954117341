/**
 * Ping sockets (icmp(7), net/ipv4/ping.c, net/ipv6/ping.c): datagram sockets of IPPROTO_ICMP and IPPROTO_ICMPV6, for echo requests and the replies to them.
 *
 * Anybody may make one, as where net.ipv4.ping_group_range is `0 2147483647`, which most distributions set; what leaves the sandbox this way is the gateway's
 * to judge. Extended echo requests (RFC 8335) are refused with EINVAL, as by kernels before 5.13.
 */
import { Errno } from '../abi/errno.ts';
import { ICMP_ECHO, ICMPV6_ECHO_REQUEST } from '../abi/icmp.ts';
import { sockaddrIn, sockaddrIn6 } from '../abi/sockaddr.ts';
import { AF_INET, AF_INET6, MSG_OOB, MSG_PROBE } from '../abi/socket.ts';
import type { IpAddress } from '../netstack/address.ts';
import type { Credentials } from './credentials.ts';
import { InetDatagramSocket } from './inet-dgram.ts';
import { familyOf, needsScope } from './inet-name.ts';
import type { Message } from './message.ts';

/** sizeof(struct icmphdr), and of what icmp6hdr has in its place. */
const HEADER_OCTETS = 8;
const LENGTH_MAX = 0xffff;

const header = new Uint8Array(HEADER_OCTETS);

export class PingSocket extends InetDatagramSocket {
  /** sin6_scope_id of the name in bind(2), be it of an address that needs one or not. */
  #bindScope = 0;

  override get isPlain(): boolean {
    return false;
  }
  override get isUdp(): boolean {
    return false;
  }
  protected override get needsPort(): boolean {
    return false;
  }
  protected override get takesParts(): boolean {
    return false;
  }
  protected override get tellsLength(): boolean {
    return false;
  }
  /** ping_recvmsg does not look for it. */
  protected override get tellsPathMtu(): boolean {
    return false;
  }
  /** ping_rcv does without ipv4_pktinfo_prepare. */
  protected override get tellsAnswerFrom(): boolean {
    return false;
  }
  /** ping_v6_sendmsg does not know the flag. */
  protected override isProbe(flags: number): boolean {
    return this.domain === AF_INET && (flags & MSG_PROBE) !== 0;
  }

  /** ping_common_sendmsg. */
  protected override refusesEarly({ iov, flags }: Message): number {
    if (iov.remaining > LENGTH_MAX) return -Errno.EMSGSIZE;
    if (iov.remaining < HEADER_OCTETS) return -Errno.EINVAL;
    if ((flags & MSG_OOB) !== 0) return -Errno.EOPNOTSUPP;
    const { position } = iov;
    const copied = iov.copyIn(header, 0, HEADER_OCTETS);
    iov.seek(position);
    if (copied < HEADER_OCTETS) return -Errno.EFAULT;
    const echo = this.domain === AF_INET ? ICMP_ECHO : ICMPV6_ECHO_REQUEST;
    return header[0] === echo && header[1] === 0 ? 0 : -Errno.EINVAL;
  }
  /** Stricter than UDP: the family's own name in full, and no IPv4-mapped address. */
  protected override decodeDestination(message: Message): number {
    const { name, nameLength } = message;
    const isV4 = this.domain === AF_INET;
    if (nameLength < (isV4 ? sockaddrIn : sockaddrIn6).size) return -Errno.EINVAL;
    if (familyOf(name, nameLength) !== (isV4 ? AF_INET : AF_INET6)) return -Errno.EAFNOSUPPORT;
    if (isV4) return super.decodeDestination(message);
    this.peerName.read6(name, nameLength);
    const { address, scopeId } = this.peerName;
    const { boundInterface } = this.endpoint.settings;
    const index = scopeId || boundInterface;
    if ((index === 0 && needsScope(address)) || (boundInterface !== 0 && index !== boundInterface))
      return -Errno.EINVAL;
    return address.isV4 ? -Errno.EINVAL : 0;
  }
  /** The unspecified address is nowhere here, not this host (ping_v6_sendmsg). */
  protected override isReachable(destination: IpAddress, flags: number): boolean {
    return (destination.isV4 || !destination.isUnspecified) && super.isReachable(destination, flags);
  }

  /** ping_check_bind_addr: the name in full, whose interface is there. */
  override bind(name: Uint8Array, len: number, credentials: Credentials): number {
    const isNarrow = this.domain === AF_INET6 && len < sockaddrIn6.size;
    this.#bindScope = this.domain === AF_INET6 ? sockaddrIn6.fields.scopeId.get(name, sockaddrIn6.offset.scopeId) : 0;
    if (isNarrow) return -Errno.EINVAL;
    const { settings } = this.endpoint;
    const { boundInterface } = settings;
    const result = super.bind(name, len, credentials);
    if (result < 0) settings.boundInterface = boundInterface;
    return result;
  }
  /** There are no privileged ports, and that the socket is bound comes after all that there is to say of the address. */
  protected override bindRefusal(): number {
    if (this.domain === AF_INET) return 0;
    const { address } = this.peerName;
    const scope = this.#bindScope;
    if (address.isV4 || address.isMulticast || (scope === 0 && needsScope(address))) return -Errno.EINVAL;
    return scope === 0 || this.stack.interfaces.some(({ index }) => index === scope) ? 0 : -Errno.ENODEV;
  }

  /** ip6_datagram_connect_v6_only looks at the family before the length. */
  protected override decodePeer(name: Uint8Array, len: number): number {
    const isOther = this.domain === AF_INET6 && familyOf(name, len) !== AF_INET6;
    return isOther ? -Errno.EAFNOSUPPORT : super.decodePeer(name, len);
  }
  override receive(message: Message, taken: number): number {
    if ((message.flags & MSG_OOB) === 0) return super.receive(message, taken);
    this.units = 0;
    return -Errno.EOPNOTSUPP;
  }
  override ioctl(): number {
    return -Errno.ENOTTY;
  }
}
