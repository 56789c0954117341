/** What stream and datagram sockets of AF_INET and AF_INET6 share: names, options, the pending error, and the way from endpoint events to waiters. */
import { Errno } from '../abi/errno.ts';
import { POLLERR, POLLOUT, POLLWRNORM } from '../abi/poll.ts';
import { AF_INET, AF_UNSPEC } from '../abi/socket.ts';
import type { Instant } from '../lib/clock.ts';
import type { IpSettings, Netstack, TcpEndpoint, UdpEndpoint } from '../netstack/endpoint.ts';
import { NO_HOPS } from '../netstack/ip/ip.ts';
import type { NetError } from '../netstack/net-error.ts';
import type { Observer } from '../netstack/readiness.ts';
import type { Credentials } from './credentials.ts';
import type { Devices } from './devices.ts';
import { errnoOf, resultOf } from './errors.ts';
import { decodeBind, familyOf, InetName, type NameContext, needsScope, writeName } from './inet-name.ts';
import { getOption, hasLevel, setOption } from './options/table.ts';
import type { OptionState, OptionTarget } from './options/target.ts';
import { Socket } from './socket.ts';

/** What sockets need of their surroundings. */
export interface SocketWorld {
  readonly stack: Netstack;
  readonly devices: Devices;
  /** CLOCK_REALTIME in microseconds at an instant of the stack's clock. */
  readonly realtime: (at: Instant) => number;
}

/** PROT_SOCK: ports below want CAP_NET_BIND_SERVICE (net.ipv4.ip_unprivileged_port_start). */
const FIRST_UNPRIVILEGED_PORT = 1024;

export abstract class InetSocket extends Socket implements OptionTarget, NameContext, Observer {
  readonly options: OptionState;
  abstract readonly tcp: TcpEndpoint | undefined;
  abstract readonly udp: UdpEndpoint | undefined;
  protected abstract readonly endpoint: TcpEndpoint | UdpEndpoint;
  protected readonly world: SocketWorld;
  /** Scratch for the name of one call. */
  protected readonly peerName = new InetName();
  /** An error a call put back (`setError`), as errno, in place of the endpoint's. */
  #storedErrno = 0;

  constructor(
    world: SocketWorld,
    domain: number,
    type: number,
    protocol: number,
    statusFlags: number,
    options: OptionState,
  ) {
    super(domain, type, protocol, statusFlags);
    this.world = world;
    this.options = options;
  }

  get stack(): Netstack {
    return this.world.stack;
  }
  override get devices(): Devices {
    return this.world.devices;
  }
  get settings(): IpSettings {
    return this.endpoint.settings;
  }
  get v6Only(): boolean {
    return this.endpoint.settings.v6Only;
  }
  get boundToV4(): boolean {
    return this.endpoint.localAddress.isV4;
  }

  override bind(name: Uint8Array, len: number, credentials: Credentials): number {
    const { endpoint, peerName: to } = this;
    const error = decodeBind(name, len, this, to);
    if (error !== 0) return error;
    const early = this.bindRefusal(credentials);
    if (early !== 0) return early;
    if (to.scopeId !== 0) {
      if (!this.stack.interfaces.some((i) => i.index === to.scopeId)) return -Errno.ENODEV;
      endpoint.settings.boundInterface = to.scopeId;
    }
    const refused = endpoint.bind(to.address, to.port);
    // An IPv6 address was named, so IPv4 is out (__inet6_bind).
    if (refused === undefined && !to.address.isV4 && !to.address.isUnspecified) endpoint.settings.v6Only = true;
    return resultOf(refused);
  }
  /** The checks that come before the port is looked at; IPv4 looks at the address first, IPv6 last (__inet_bind, __inet6_bind). */
  protected bindRefusal(credentials: Credentials): number {
    const { port } = this.peerName;
    const privileged = port !== 0 && port < FIRST_UNPRIVILEGED_PORT && !credentials.netBindService;
    const used = this.endpoint.isBound || this.isInUse;
    if (privileged || used) {
      if (this.domain === AF_INET && !this.#isBindable4()) return -Errno.EADDRNOTAVAIL;
      return privileged ? -Errno.EACCES : -Errno.EINVAL;
    }
    return this.domain === AF_INET ? 0 : this.#bindRefusal6();
  }
  #bindRefusal6(): number {
    const { address, scopeId } = this.peerName;
    if (address.isV4) return this.v6Only ? -Errno.EINVAL : 0;
    if (address.isMulticast && this.tcp !== undefined) return -Errno.EINVAL;
    const noInterface = scopeId === 0 && this.endpoint.settings.boundInterface === 0;
    return noInterface && needsScope(address) ? -Errno.EINVAL : 0;
  }
  #isBindable4(): boolean {
    const { address } = this.peerName;
    if (address.isUnspecified || address.isMulticast || address.isLimitedBroadcast) return true;
    if (this.endpoint.settings.freeBind || this.options.transparent) return true;
    return this.stack.isLocal(address);
  }
  /** True in a state in which bind(2) is refused even without a bound port. */
  protected abstract readonly isInUse: boolean;

  /** The name of connect(2) asks to dissolve the association (AF_UNSPEC). */
  protected asksToDisconnect(name: Uint8Array, len: number): boolean {
    return familyOf(name, len) === AF_UNSPEC;
  }
  /** The interface that a link-local peer in `peerName` needs: bound to, or refused. */
  protected bindScope(): number {
    const { address, scopeId } = this.peerName;
    const { settings } = this.endpoint;
    if (!needsScope(address)) return 0;
    if (scopeId !== 0) {
      if (settings.boundInterface !== 0 && settings.boundInterface !== scopeId) return -Errno.EINVAL;
      settings.boundInterface = scopeId;
    }
    return settings.boundInterface === 0 ? -Errno.EINVAL : 0;
  }

  /** @param isOver the peer of a connection that is no more counts as well */
  override getName(out: Uint8Array, peer: boolean, isOver = false): number {
    const { endpoint } = this;
    const { boundInterface } = endpoint.settings;
    if (!peer) return writeName(out, this.domain, endpoint.localAddress, endpoint.localPort, boundInterface);
    if (isOver ? endpoint.remotePort === 0 : !this.hasPeer) return -Errno.ENOTCONN;
    const flow = this.options.sendFlowInfo ? this.connectedFlow : 0;
    return writeName(out, this.domain, endpoint.remoteAddress, endpoint.remotePort, boundInterface, flow);
  }
  protected abstract readonly hasPeer: boolean;
  /** sin6_flowinfo of connect(2) under IPV6_FLOWINFO_SEND (np->flow_label). */
  protected connectedFlow = 0;

  override setError(errno: number): void {
    // Nobody is told (do_recvmmsg). There is one place for errors (sk_err): the last one counts.
    this.endpoint.takeError();
    this.#storedErrno = errno;
  }
  takeErrno(): number {
    const stored = this.#storedErrno;
    this.#storedErrno = 0;
    const error: NetError | undefined = this.endpoint.takeError();
    return error === undefined ? stored : errnoOf(error);
  }
  /** An error waits for the next call. */
  get hasError(): boolean {
    return this.#storedErrno !== 0 || this.endpoint.error !== undefined;
  }

  override arrive(): void {
    this.stack.deliver();
  }
  becomeIpv4(): void {
    this.domain = AF_INET;
    this.optionsChanged();
  }

  override poll(): number {
    const events = this.endpoint.readiness();
    return this.#storedErrno === 0 ? events : events | POLLERR;
  }
  /** A datagram failed behind its buffer, which is given back: an edge as if it had been sent (sock_wfree). */
  protected givesBack(errno: number): number {
    this.endpointChanged(POLLOUT | POLLWRNORM);
    return -errno;
  }
  endpointChanged(events: number): void {
    if (!this.waiters.isEmpty) this.waiters.wake(events);
  }

  override hasLevel(level: number): boolean {
    return hasLevel(this, level);
  }
  override setOption(level: number, option: number, value: Uint8Array, credentials: Credentials): number {
    return setOption(this, level, option, value, credentials);
  }
  override getOption(level: number, option: number, out: Uint8Array, credentials?: Credentials): number {
    return getOption(this, level, option, out, credentials);
  }
  optionsChanged(): void {
    const { remoteAddress, remotePort } = this.endpoint;
    this.useFamily(this.domain === AF_INET || (remotePort !== 0 && remoteAddress.isV4));
  }
  /** An endpoint has one TTL and one TOS; the socket keeps those of both families and sets it to the one it is about to use. */
  protected useFamily(v4: boolean): void {
    const { endpoint, options } = this;
    const { settings } = endpoint;
    const hops = v4 ? options.ttl : options.hopLimit;
    settings.tos = v4 ? options.tos : options.trafficClass;
    settings.ttl = hops === 0 ? NO_HOPS : Math.max(hops, 0);
    settings.transparent = options.transparent;
    settings.minTtl = options.minTtl;
    settings.minHopCount = options.minHopCount;
    settings.localPortRange = options.localPortRange;
    settings.unicastInterface = options.unicastInterface;
    settings.unicastInterface6 = options.unicastInterface6 || options.stickyInterface;
    settings.receiveErrors = options.receiveErrors;
    settings.receiveErrors6 = options.receiveErrors6;
    settings.receiveExtensions = options.receiveErrorsRfc4884;
    settings.receiveExtensions6 = options.receiveErrors6Rfc4884;
    settings.pathMtuDiscovery = options.mtuDiscover;
    settings.pathMtuDiscovery6 = options.mtuDiscover6;
    endpoint.optionsChanged();
  }
}
