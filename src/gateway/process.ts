/** The gateway on this machine: its interfaces joined to `src/host`. Apart from main.ts, so that a program can run one in its own loop. */
import { networkInterfaces } from 'node:os';
import type { EventPoller } from '../host/event-poller.ts';
import { addressOf } from '../host/libc.ffi.ts';
import * as sockets from '../host/socket.ffi.ts';
import { IpAddress } from '../netstack/address.ts';
import type { Host } from './host.ts';

/** Documentation addresses (RFC 5737, RFC 3849): nobody has them. */
const FOREIGN = [IpAddress.of('192.0.2.1'), IpAddress.of('2001:db8::1')];

const isListed = (wanted: IpAddress): boolean =>
  Object.values(networkInterfaces()).some((all) =>
    all?.some(({ address }) => IpAddress.parse(address)?.equals(wanted) === true),
  );

/** @param poller whose events the caller waits for and dispatches. */
export function localHost(poller: EventPoller): Host {
  const local = new sockets.LocalAddresses(FOREIGN, isListed);
  return { sockets, poller, isHostAddress: (address) => local.has(address), addressOf };
}
export const hasPeekOffset = sockets.probePeekOffset;
