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

const MAC_A = [2, 0, 0, 0, 0, 0x0a];
const MAC_B = [2, 0, 0, 0, 0, 0x0b];
/** An Ethernet frame from host a to host b, or to `to`. */
export const frame = (etherType: number, payload: ArrayLike<number>, to: readonly number[] = MAC_B): Uint8Array =>
  Uint8Array.of(...to, ...MAC_A, etherType >>> 8, etherType & 255, ...Array.from(payload));

/** The complement of RFC 1071's sum, octet by octet: not the code under test. */
export function checksum(octets: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i++) sum += (octets[i] as number) << (i % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
const hi = (x: number): number => (x >>> 8) & 255;
const lo = (x: number): number => x & 255;
export const word = (x: number): number[] => [x >>> 24, (x >>> 16) & 255, hi(x), lo(x)];
export const half = (x: number): number[] => [hi(x), lo(x)];

export interface Header4 {
  readonly src?: string;
  readonly dst?: string;
  readonly protocol: number;
  readonly ttl?: number;
  readonly id?: number;
  /** Flags and offset as they stand in the header. */
  readonly fragment?: number;
  readonly options?: readonly number[];
  readonly totalLen?: number;
  readonly version?: number;
  readonly checksum?: number;
}
/** An IPv4 packet; what is not given is right. */
export function packet4(h: Header4, payload: ArrayLike<number>): number[] {
  const options = h.options ?? [];
  const words = 5 + options.length / 4;
  const len = words * 4 + payload.length;
  const header = [
    ((h.version ?? 4) << 4) | words,
    0,
    ...half(h.totalLen ?? len),
    ...half(h.id ?? 0),
    ...half(h.fragment ?? 0),
    h.ttl ?? 64,
    h.protocol,
    0,
    0,
    ...word(ip(h.src ?? '10.0.0.1').w3),
    ...word(ip(h.dst ?? '10.0.0.2').w3),
    ...options,
  ];
  const sum = h.checksum ?? checksum(header);
  header[10] = hi(sum);
  header[11] = lo(sum);
  return [...header, ...Array.from(payload)];
}
export interface Header6 {
  readonly src?: string;
  readonly dst?: string;
  readonly next: number;
  readonly hops?: number;
  readonly payloadLen?: number;
}
export const address6 = (text: string): number[] => {
  const b = new Uint8Array(16);
  ip(text).write6(b, 0);
  return [...b];
};
export const packet6 = (h: Header6, payload: ArrayLike<number>): number[] => [
  ...word(0x6000_0000),
  ...half(h.payloadLen ?? payload.length),
  h.next,
  h.hops ?? 64,
  ...address6(h.src ?? 'fd00::1'),
  ...address6(h.dst ?? 'fd00::2'),
  ...Array.from(payload),
];
/** Fills in the checksum of an ICMP message at its octets 2 and 3; with addresses for ICMPv6. */
export function icmpMessage(octets: readonly number[], v6?: { src: string; dst: string }): number[] {
  const out = [...octets];
  const pseudo = v6 === undefined ? [] : [...address6(v6.src), ...address6(v6.dst), ...word(out.length), 0, 0, 0, 58];
  const sum = checksum([...pseudo, ...out]);
  out[2] = hi(sum);
  out[3] = lo(sum);
  return out;
}

/** Host b receives a frame. */
export function inject(w: World, octets: Uint8Array, change: (packet: Packet) => void = () => {}): void {
  const packet = packetOf(w.b.pool, octets);
  change(packet);
  w.b.ip.interfaces[1]?.receive(packet);
}
/** What host b sends from now on, frame by frame. */
export function sentByB(w: World): Uint8Array[] {
  const frames: Uint8Array[] = [];
  w.pair.b.tap = (p) => frames.push(octetsOf(p)) > 0;
  return frames;
}
