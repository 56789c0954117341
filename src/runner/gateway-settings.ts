/** The guest's interface on a link to a gateway of ours. */
import { type CompleteConfig, macOf, PublishError } from '../gateway/spawn.ts';
import { IpAddress } from '../netstack/address.ts';
import type { LinkOptions } from '../netstack/stack.ts';
import { RunError } from './errors.ts';

const DNS_PORT = 53;

export function interfaceOptions(config: CompleteConfig): Omit<LinkOptions, 'name'> {
  const { guest4, prefix4, gateway4, dns4, guest6, prefix6, gateway6, dns6, guestNameservers, gatewayMac } = config;
  const behind = macOf(gatewayMac);
  return {
    addresses: [
      { address: IpAddress.of(guest4), prefix: prefix4 },
      { address: IpAddress.of(guest6), prefix: prefix6 },
    ],
    gateways: [IpAddress.of(gateway4), IpAddress.of(gateway6)],
    // The link's descriptor holds what is sent before the gateway runs; a queue of frames that wait for its ARP answer would hold 64.
    neighbors: [gateway4, dns4, gateway6, dns6].map((text) => ({ address: IpAddress.of(text), linkAddress: behind })),
    // A name server on the guest's loopback (systemd-resolved's) is the host's, so it stands behind the link.
    services: guestNameservers
      .map((text) => IpAddress.of(text))
      .filter((address) => address.isLoopback)
      .map((address) => ({ address, port: DNS_PORT })),
  };
}

/** What a gateway's start throws, as the run's user is told it. */
export function startError(error: unknown): unknown {
  return error instanceof PublishError ? new RunError('E_PUBLISH', error.what, error.remedy, error) : error;
}
