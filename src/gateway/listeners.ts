/**
 * The host's side of published ports, bound before the gateway's process starts: what cannot be had is said at once, no guest runs without its ports, and
 * clients wait in the kernel's queue until the gateway serves them.
 *
 * Without an address a port is opened on all addresses of the host, IPv4 and IPv6, as docker and pasta do; on a host without IPv6 on IPv4 alone.
 */

import { errnoName } from '../host/libc.ffi.ts';
import { bindListener } from '../host/listener.ffi.ts';
import { closeSocket } from '../host/socket.ffi.ts';
import { IpAddress } from '../netstack/address.ts';
import type { CompleteConfig } from './config.ts';
import { Errno } from './host.ts';
import type { Listener } from './messages.ts';

type Published = CompleteConfig['published'][number];

/** A port of the host cannot be opened. */
export class PublishError extends Error {
  override readonly name = 'PublishError';
  readonly code = 'ERR_GATEWAY_PUBLISH';
  readonly what: string;
  readonly remedy: string;
  constructor(what: string, remedy: string) {
    super(`${what}: ${remedy}`);
    this.what = what;
    this.remedy = remedy;
  }
}

const FIRST_UNPRIVILEGED = 1024;

function failure(published: Published, address: IpAddress, error: number): PublishError {
  const { protocol, hostPort } = published;
  const host = address.isV4 ? address.toString() : `[${address.toString()}]`;
  const what = `port ${hostPort}/${protocol} of ${host} cannot be published`;
  const tool = `ss -${protocol === 'tcp' ? 'tl' : 'ua'}np 'sport = :${hostPort}'`;
  switch (error) {
    case Errno.EADDRINUSE:
      return new PublishError(`${what}, it is taken`, `choose another, or end the program that has it (${tool})`);
    case Errno.EACCES:
      return new PublishError(
        `${what}, this user may not open it`,
        hostPort < FIRST_UNPRIVILEGED
          ? `choose a port from ${FIRST_UNPRIVILEGED} on, or set sysctl net.ipv4.ip_unprivileged_port_start=${hostPort}`
          : 'choose another',
      );
    case Errno.EADDRNOTAVAIL:
      return new PublishError(
        `${what}, this host has no such address`,
        'name one that ip address lists, or none for all',
      );
    case Errno.EAFNOSUPPORT:
      return new PublishError(
        `${what}, this host has no IPv${address.isV4 ? 4 : 6}`,
        'name an address of the other family',
      );
    default:
      return new PublishError(`${what} (${errnoName(error)})`, 'choose another port or address');
  }
}

/** All that is to be opened, or nothing. @throws PublishError */
export function openListeners(published: CompleteConfig['published']): Listener[] {
  const listeners: Listener[] = [];
  try {
    for (const port of published) open(port, listeners);
  } catch (error) {
    closeListeners(listeners);
    throw error;
  }
  return listeners;
}
function open(published: Published, listeners: Listener[]): void {
  const { protocol, hostAddress, hostPort, guestPort } = published;
  const everywhere = hostAddress === undefined;
  const addresses = everywhere ? [IpAddress.ANY4, IpAddress.ANY6] : [IpAddress.of(hostAddress)];
  for (const address of addresses) {
    const fd = bindListener(protocol, address, hostPort);
    const isAbsent = fd === -Errno.EAFNOSUPPORT || fd === -Errno.EADDRNOTAVAIL;
    if (fd < 0 && everywhere && !address.isV4 && isAbsent) continue;
    if (fd < 0) throw failure(published, address, -fd);
    listeners.push({ fd, protocol, guestPort, isV4: address.isV4 });
  }
}
export function closeListeners(listeners: readonly Listener[]): void {
  for (const { fd } of listeners) closeSocket(fd);
}
