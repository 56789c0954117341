/** Two stacks joined by an in-memory link, in virtual time, and what tests of any layer need to look at packets. */
import { type Duration, type Instant, TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { LinkPair, type PairOptions } from '../../src/netstack/link/pair.ts';
import { type Packet, PacketPool } from '../../src/netstack/packet.ts';
import { type LinkOptions, Stack, type StackOptions } from '../../src/netstack/stack.ts';

export const ip = (text: string): IpAddress => IpAddress.of(text);
const link = (n: number): LinkOptions => ({
  name: 'eth0',
  addresses: [
    { address: ip(`10.0.0.${n}`), prefix: 24 },
    { address: ip(`fd00::${n}`), prefix: 64 },
  ],
});
export const SMALL_POOL = { large: 24, small: 400 } as const;

export interface WorldOptions extends PairOptions {
  readonly seed?: number;
  readonly tcp?: StackOptions['tcp'];
  readonly a?: Partial<LinkOptions>;
  readonly b?: Partial<LinkOptions>;
}

/** Host a is 10.0.0.1 and fd00::1, host b 10.0.0.2 and fd00::2, on one link. */
export class World {
  readonly clock = new TimerHeap();
  readonly pair: LinkPair;
  readonly a: Stack;
  readonly b: Stack;

  constructor(options: WorldOptions = {}) {
    const make = (seed: number): Stack =>
      new Stack({
        clock: this.clock,
        random: new SeededRandom(seed),
        pool: new PacketPool(SMALL_POOL),
        ...(options.tcp === undefined ? {} : { tcp: options.tcp }),
      });
    this.pair = new LinkPair(options);
    this.a = make(options.seed ?? 1);
    this.b = make((options.seed ?? 1) + 1000);
    this.a.addLink(this.pair.a, { ...link(1), ...options.a });
    this.b.addLink(this.pair.b, { ...link(2), ...options.b });
  }

  /** Lets everything happen that needs no time. */
  settle(): void {
    for (let turn = 0; turn < 10_000; turn++) {
      this.a.step(this.clock.now());
      this.b.step(this.clock.now());
      if (this.pair.pump() === 0 && this.a.loopback.queued + this.b.loopback.queued === 0) return;
    }
    throw new Error('the two stacks never come to rest');
  }
  /** Virtual time passes; at each instant at which something is due, all its consequences happen. */
  run(by: Duration): void {
    const end = (this.clock.now() + by) as Instant;
    this.settle();
    for (let next = this.clock.next(); next !== undefined && next <= end; next = this.clock.next()) {
      this.clock.step(next);
      this.settle();
    }
    this.clock.step(end);
    this.settle();
  }
  /** Every packet buffer of both stacks is back in its pool. */
  leaks(): number {
    return [this.a, this.b]
      .map(({ pool: { available } }) => SMALL_POOL.large + SMALL_POOL.small - available.large - available.small)
      .reduce((x, y) => x + y, 0);
  }
}

/** The octets of a packet from `at`. */
export const octetsOf = (packet: Packet): Uint8Array => packet.bytes.slice(packet.at, packet.end);
/** A packet that holds `octets` from `at`. */
export function packetOf(pool: PacketPool, octets: Uint8Array): Packet {
  const packet = pool.alloc(Math.max(0, octets.length - 64));
  if (packet === undefined) throw new Error('the pool is empty');
  packet.at -= 64;
  packet.end = packet.at + octets.length;
  packet.bytes.set(octets, packet.at);
  return packet;
}
