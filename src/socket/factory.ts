/**
 * socket(2): which sockets there are, and the errno for those there are not, in the order of the kernel's checks (net/socket.c __sock_create,
 * net/ipv4/af_inet.c inet_create; the flag bits of the type argument are the caller's).
 */
import { Errno } from '../abi/errno.ts';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_MAX, IPPROTO_TCP, IPPROTO_UDP } from '../abi/in.ts';
import { NETLINK_ROUTE } from '../abi/netlink.ts';
import {
  AF_INET,
  AF_INET6,
  AF_MAX,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  SOCK_DGRAM,
  SOCK_MAX,
  SOCK_PACKET,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from '../abi/socket.ts';
import type { Instant } from '../lib/clock.ts';
import type { Netstack } from '../netstack/endpoint.ts';
import type { Credentials } from './credentials.ts';
import { Devices } from './devices.ts';
import { InetDatagramSocket } from './inet-dgram.ts';
import type { SocketWorld } from './inet-socket.ts';
import { InetStreamSocket } from './inet-stream.ts';
import { NetlinkPorts } from './netlink/ports.ts';
import { NetlinkSocket, type NetlinkWorld } from './netlink/route-socket.ts';
import { RouteNetlink } from './netlink/rtnetlink.ts';
import { PingSocket } from './ping.ts';
import type { Socket } from './socket.ts';
import { connectPair } from './unix/connect.ts';
import { InFlight } from './unix/in-flight.ts';
import { UnixMessageSocket } from './unix/message.ts';
import { UnixNames } from './unix/names.ts';
import { UnixStreamSocket } from './unix/stream.ts';
import { Census, UnixSocket, type UnixWorld } from './unix/unix-socket.ts';

export class SocketFactory {
  /** Interfaces, for requests on sockets that are not made here. */
  readonly devices: Devices;
  readonly #world: SocketWorld;
  readonly #netlink: NetlinkWorld;
  readonly #unix: UnixWorld;

  /**
   * @param realtime CLOCK_REALTIME in microseconds at an instant of the stack's clock, for SO_TIMESTAMP; virtual time is its own.
   * @param unsupported is told of requests inside messages that were refused; those of calls are counted by the call.
   */
  constructor(
    stack: Netstack,
    realtime: (at: Instant) => number = (at) => at,
    unsupported: (call: string, what: string, errno: string) => void = () => undefined,
  ) {
    this.devices = new Devices(stack);
    this.#world = { stack, devices: this.devices, realtime };
    this.#netlink = {
      stack,
      devices: this.devices,
      ports: new NetlinkPorts(stack.random),
      kernel: new RouteNetlink(stack),
      unsupported: (what, errno) => unsupported('netlink', what, errno),
    };
    this.#unix = {
      stack,
      devices: this.devices,
      names: new UnixNames(stack.random),
      census: new Census(),
      inFlight: new InFlight((file) => file instanceof UnixSocket),
      realtime,
    };
  }

  create(
    domain: number,
    type: number,
    protocol: number,
    statusFlags: number,
    credentials: Credentials,
  ): Socket | number {
    if (domain === AF_UNIX) return this.#createUnix(type, protocol, statusFlags);
    if (domain === AF_NETLINK) return this.#createNetlink(type, protocol, statusFlags, credentials);
    if (domain === AF_PACKET) return packetRefusal(type, credentials);
    return this.#createInet(domain, type, protocol, statusFlags, credentials);
  }
  /** socketpair(2): two connected sockets, or a negative errno. Only AF_UNIX has pairs. */
  createPair(
    domain: number,
    type: number,
    protocol: number,
    statusFlags: number,
    credentials: Credentials,
  ): readonly [Socket, Socket] | number {
    const first = this.create(domain, type, protocol, statusFlags, credentials);
    if (typeof first === 'number') return first;
    const second = this.create(domain, type, protocol, statusFlags, credentials);
    if (first instanceof UnixSocket && second instanceof UnixSocket) {
      connectPair(first, second, credentials);
      return [first, second];
    }
    const error = typeof second === 'number' ? second : -Errno.EOPNOTSUPP;
    for (const socket of [first, second]) if (typeof socket !== 'number') socket.retain().release();
    return error;
  }
  /** unlink(2): takes the name of an AF_UNIX socket away. */
  unlink(path: Uint8Array): number {
    return this.#unix.names.unlink(path);
  }

  /** inet_create, inet6_create. */
  #createInet(
    domain: number,
    type: number,
    protocol: number,
    statusFlags: number,
    credentials: Credentials,
  ): Socket | number {
    const refusal = refusalOf(domain, type, protocol);
    if (refusal !== 0) return refusal;
    const family = domain === AF_INET ? 4 : 6;
    switch (type) {
      case SOCK_STREAM:
        if (protocol !== IPPROTO_IP && protocol !== IPPROTO_TCP) return -Errno.EPROTONOSUPPORT;
        return new InetStreamSocket(
          this.#world,
          domain,
          owned(this.#world.stack.createTcp(family), credentials),
          statusFlags,
        );
      case SOCK_DGRAM:
        if (protocol === (family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
          return new PingSocket(
            this.#world,
            domain,
            owned(this.#world.stack.createPing(family), credentials),
            statusFlags,
            protocol,
          );
        }
        if (protocol !== IPPROTO_IP && protocol !== IPPROTO_UDP) return -Errno.EPROTONOSUPPORT;
        return new InetDatagramSocket(
          this.#world,
          domain,
          owned(this.#world.stack.createUdp(family), credentials),
          statusFlags,
        );
      case SOCK_RAW:
        if (protocol === IPPROTO_IP) return -Errno.EPROTONOSUPPORT;
        return credentials.netRaw ? -Errno.EPROTONOSUPPORT : -Errno.EPERM;
      default:
        return -Errno.ESOCKTNOSUPPORT;
    }
  }

  /** unix_create. */
  #createUnix(type: number, protocol: number, statusFlags: number): UnixSocket | number {
    if (type < 0 || type >= SOCK_MAX) return -Errno.EINVAL;
    if (protocol !== 0 && protocol !== AF_UNIX) return -Errno.EPROTONOSUPPORT;
    if (!this.#unix.census.hasRoomForSocket) return -Errno.ENFILE;
    switch (type) {
      case SOCK_STREAM:
        return new UnixStreamSocket(this.#unix, statusFlags);
      case SOCK_SEQPACKET:
        return new UnixMessageSocket(this.#unix, SOCK_SEQPACKET, statusFlags);
      // As BSD had it.
      case SOCK_RAW:
      case SOCK_DGRAM:
        return new UnixMessageSocket(this.#unix, SOCK_DGRAM, statusFlags);
      default:
        return -Errno.ESOCKTNOSUPPORT;
    }
  }

  /** netlink_create. */
  #createNetlink(
    type: number,
    protocol: number,
    statusFlags: number,
    credentials: Credentials,
  ): NetlinkSocket | number {
    if (type < 0 || type >= SOCK_MAX) return -Errno.EINVAL;
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return -Errno.ESOCKTNOSUPPORT;
    if (protocol !== NETLINK_ROUTE) return -Errno.EPROTONOSUPPORT;
    return new NetlinkSocket(this.#netlink, type, statusFlags, credentials);
  }
}

/** sk_uid, which stays as it was when the socket was made. */
function owned<E extends { readonly settings: { owner: number } }>(endpoint: E, { uid }: Credentials): E {
  endpoint.settings.owner = uid;
  return endpoint;
}

/** packet_create (net/packet/af_packet.c): who may, then the type. What it would make, none of which is served, is refused as by a kernel without the family. */
function packetRefusal(type: number, { netRaw }: Credentials): number {
  if (type < 0 || type >= SOCK_MAX) return -Errno.EINVAL;
  if (!netRaw) return -Errno.EPERM;
  const isPacket = type === SOCK_DGRAM || type === SOCK_RAW || type === SOCK_PACKET;
  return isPacket ? -Errno.EAFNOSUPPORT : -Errno.ESOCKTNOSUPPORT;
}

/** The checks that come before the protocol's own: 0 or a negative errno. */
function refusalOf(domain: number, type: number, protocol: number): number {
  if (domain < 0 || domain >= AF_MAX) return -Errno.EAFNOSUPPORT;
  if (type < 0 || type >= SOCK_MAX) return -Errno.EINVAL;
  if (domain !== AF_INET && domain !== AF_INET6) return -Errno.EAFNOSUPPORT;
  // Linux 2.0's way to ask for a packet socket: the kernel turns it into AF_PACKET.
  if (domain === AF_INET && type === SOCK_PACKET) return -Errno.EAFNOSUPPORT;
  return protocol < 0 || protocol >= IPPROTO_MAX ? -Errno.EINVAL : 0;
}
