/**
 * Initial sequence numbers: RFC 6528, a clock plus a keyed hash of the 4-tuple, so that a stranger cannot guess them and a reused tuple still moves on.
 * The clock ticks every 64 ns as Linux's. The same hash with other bits gives each tuple's start of timestamps (RFC 7323 7.1).
 */

import { putU16 } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { SipHash24 } from '../../lib/siphash.ts';
import type { IpAddress } from '../address.ts';

const NS_PER_TICK = 64;
const TUPLE_OCTETS = 36;

export class InitialSequence {
  readonly #clock: Clock;
  readonly #hash: SipHash24;
  readonly #tuple = new Uint8Array(TUPLE_OCTETS);

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#hash = SipHash24.random(random);
  }
  /** int32. */
  next(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): number {
    this.#digest(local, localPort, remote, remotePort);
    const ticks = Math.floor((this.#clock.now() * 1000) / NS_PER_TICK) % 2 ** 32;
    return (this.#hash.low + ticks) | 0;
  }
  timestampOffset(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): number {
    this.#digest(local, localPort, remote, remotePort);
    return this.#hash.high;
  }
  #digest(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): void {
    const t = this.#tuple;
    local.write6(t, 0);
    remote.write6(t, 16);
    putU16(t, 32, localPort);
    putU16(t, 34, remotePort);
    this.#hash.hash(t, 0, TUPLE_OCTETS);
  }
}
