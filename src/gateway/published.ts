/** Clients of published ports, as the guest sees them: what TCP and UDP share. */
import type { Random } from '../lib/random.ts';
import type { IpAddress } from '../netstack/address.ts';
import type { PeerName } from './host.ts';
import type { Reachability } from './reach.ts';

/** RFC 6335 6: where a port is found for a client whose own is taken. */
const FIRST_DYNAMIC = 49_152;
const PORT_TRIES = 16;

/** What the guest sees of a client. */
export interface Shown {
  readonly address: IpAddress;
  readonly port: number;
}

/** As `Reachability.clientAs` has it, with another port if some flow of the guest's has that one: several clients may show as the gateway. Undefined with no port left. */
export function showClient(
  peer: IpAddress,
  peerPort: number,
  reach: Reachability,
  random: Random,
  isTaken: (shown: IpAddress, port: number) => boolean,
): Shown | undefined {
  const address = reach.clientAs(peer);
  let port = peerPort;
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    if (!isTaken(address, port)) return { address, port };
    port = FIRST_DYNAMIC + (random.u32() % (65_536 - FIRST_DYNAMIC));
  }
  return undefined;
}

export const newPeerName = (): PeerName => ({
  peer0: 0,
  peer1: 0,
  peer2: 0,
  peer3: 0,
  peerPort: 0,
  scope: 0,
  local0: 0,
  local1: 0,
  local2: 0,
  local3: 0,
});
