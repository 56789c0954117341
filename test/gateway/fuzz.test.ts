/** A hostile guest and a hostile host at once: no frame and no answer of a socket throws, leaks a buffer or a descriptor, or breaks a bound. */
import test from 'ava';
import * as fc from 'fast-check';
import { ConfigError, parseConfig } from '../../src/gateway/config.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { Errno, Event, type Host, type PeerName, type Watched } from '../../src/gateway/host.ts';
import { addressOf } from '../../src/host/libc.ffi.ts';
import { instant, seconds, TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { Csum, PacketPool } from '../../src/netstack/packet.ts';
import * as tcpWire from '../../src/netstack/wire/tcp.ts';
import {
  ALL_OFFLOADS,
  arpRequest,
  at,
  GATEWAY4,
  GATEWAY6,
  GUEST4,
  GUEST6,
  ipOf,
  TestLink,
  tcpFrame,
  udpFrame,
} from './support.ts';

const POOL = { large: 24, small: 64 } as const;

/** Sockets that answer what chance says. */
class ChanceHost implements Host {
  readonly open = new Set<number>();
  readonly watched = new Map<number, Watched>();
  readonly #ipv4 = new Set<number>();
  readonly #random: SeededRandom;
  #lastFd = 10;
  #lastKey = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }
  below(n: number): number {
    return this.#random.u32() % n;
  }
  #error(): number {
    const all = Object.values(Errno);
    return -(all[this.below(all.length)] as number);
  }
  #octets(len: number): number {
    const kind = this.below(8);
    if (kind === 0) return this.#error();
    if (kind === 1) return -Errno.EAGAIN;
    return kind === 2 ? 0 : this.below(len + 1);
  }
  readonly sockets = {
    openSocket: (): number => {
      if (this.below(20) === 0) return -Errno.EMFILE;
      this.open.add(++this.#lastFd);
      return this.#lastFd;
    },
    prepareStream: (): void => undefined,
    prepareDatagram: (): void => undefined,
    connect: (): number => (this.below(4) === 0 ? this.#error() : -Errno.EINPROGRESS * this.below(2)),
    send: (_fd: number, _address: number, len: number): number => this.#octets(len),
    receive: (_fd: number, _address: number, len: number): number => this.#octets(len),
    shutdownWrite: (): number => this.#error(),
    takeError: (): number => -this.#error() * this.below(2),
    setPeekOffset: (): number => 0,
    closeSocket: (fd: number): void => this.#close(fd),
    closeStream: (fd: number): void => this.#close(fd),
    closeWithReset: (fd: number): void => this.#close(fd),
    accept: (fd: number, name: PeerName): number => {
      this.#name(fd, name);
      if (this.below(3) === 0) return this.#error();
      this.open.add(++this.#lastFd);
      return this.#lastFd;
    },
    receiveFrom: (fd: number, _address: number, len: number, name: PeerName): number => {
      this.#name(fd, name);
      return this.#octets(len);
    },
    sendTo: (_fd: number, _address: number, len: number): number => this.#octets(len),
  };
  /** A descriptor that the gateway is given. */
  listener(isV4: boolean): number {
    this.open.add(++this.#lastFd);
    if (isV4) this.#ipv4.add(this.#lastFd);
    return this.#lastFd;
  }
  /** Few peers, so that they come again; of the family of the socket, which the kernel ensures. */
  #name(fd: number, name: PeerName): void {
    const isV4 = this.#ipv4.has(fd);
    name.peer0 = isV4 ? 0 : 0x2001_0db8;
    name.peer2 = isV4 ? 0xffff : 0;
    name.peer3 = isV4 ? 0x7f00_0001 + this.below(2) : this.below(3);
    name.peerPort = 1 + this.below(40);
  }
  #close(fd: number): void {
    if (!this.open.delete(fd)) throw new Error(`descriptor ${fd} is closed twice`);
  }
  readonly poller = {
    watch: (_fd: number, owner: Watched): number => {
      // Not what the gateway watches at its start.
      if (this.#lastKey >= 4 && this.below(10) === 0) return -Errno.ENOMEM;
      owner.watchKey = ++this.#lastKey;
      this.watched.set(owner.watchKey, owner);
      return 0;
    },
    forget: (owner: Watched): void => {
      this.watched.delete(owner.watchKey);
    },
  };
  isHostAddress(): boolean {
    return this.below(10) === 0;
  }
  addressOf(bytes: Uint8Array): number {
    return addressOf(bytes);
  }
  /** Random events for some of the watched. */
  stir(): void {
    const bits = [Event.In, Event.Pri, Event.Out, Event.Err, Event.Hup, Event.RdHup];
    for (const owner of Array.from(this.watched.values())) {
      if (this.below(3) === 0 || owner.watchKey < 0) continue;
      const good = this.below(2) === 0 ? Event.Out : Event.In | Event.Out;
      const any = bits.reduce((all, bit) => (this.below(3) === 0 ? all | bit : all), 0);
      owner.hostEvent(this.below(3) === 0 ? any : good);
    }
  }
}

const pool = new PacketPool(POOL);
const addresses = [
  GATEWAY4,
  GATEWAY6,
  IpAddress.of('203.0.113.9'),
  IpAddress.of('2001:db8:1::9'),
  IpAddress.of('10.0.2.3'),
];

interface Transport {
  readonly to: number;
  readonly port: number;
  readonly numbers: readonly number[];
  readonly len: number;
}
type Step =
  | ({ readonly kind: 'tcp' } & Transport)
  | ({ readonly kind: 'udp' } & Transport)
  | { readonly kind: 'raw'; readonly octets: Uint8Array }
  | { readonly kind: 'spoiled'; readonly to: number; readonly position: number; readonly value: number }
  | { readonly kind: 'arp' }
  | { readonly kind: 'stir' }
  | { readonly kind: 'time'; readonly us: number };

const int32 = fc.oneof(fc.integer(), fc.integer({ min: -3, max: 3 }));
const transport = {
  to: fc.nat(addresses.length - 1),
  port: fc.constantFrom(53, 80, 443),
  numbers: fc.array(int32, { minLength: 4, maxLength: 4 }),
  len: fc.oneof(fc.constant(0), fc.nat(2000)),
};
const kind = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: kind('tcp'), ...transport }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('udp'), ...transport }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('raw'), octets: fc.uint8Array({ maxLength: 120 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind('spoiled'),
      to: fc.nat(addresses.length - 1),
      position: fc.nat(70),
      value: fc.nat(255),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('arp') }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('stir') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('time'),
      us: fc.oneof(fc.nat(1000), fc.nat(2_000_000), fc.nat(400_000_000)),
    }),
  },
);

/** Of segments: mostly those that make a connection go on. */
const FLAGS = [0x02, 0x02, 0x10, 0x10, 0x10, 0x18, 0x18, 0x11, 0x04, 0x14, 0x12, 0x3f, 0x00, 0x19];

const near = (x: number): number => (x % 5 === 0 ? x % 3000 : 0);
/** A query for x.test, type A. */
const QUERY = Uint8Array.from(Buffer.from('123401000001000000000000017804746573740000010001', 'hex'));

class Run {
  readonly host: ChanceHost;
  readonly link = new TestLink(65_520, ALL_OFFLOADS);
  readonly clock = new TimerHeap();
  readonly gateway: Gateway;
  #now = 0;

  constructor(seed: number, source: 'peek' | 'queue') {
    this.host = new ChanceHost(seed);
    this.gateway = new Gateway({
      config: parseConfig({
        source,
        tcpFlows: 8,
        udpFlows: 4,
        dnsQueries: 3,
        nameservers: ['203.0.113.1', '203.0.113.2'],
        hostPorts: [80],
      }),
      link: this.link,
      pool,
      host: this.host,
      clock: this.clock,
      random: new SeededRandom(seed),
      control: { malformed: 0, lost: 0, poll: () => undefined, send: () => undefined },
      listeners: [
        { fd: this.host.listener(true), protocol: 'tcp', guestPort: 80, isV4: true },
        { fd: this.host.listener(false), protocol: 'tcp', guestPort: 80, isV4: false },
        { fd: this.host.listener(true), protocol: 'udp', guestPort: 53, isV4: true },
        { fd: this.host.listener(false), protocol: 'udp', guestPort: 53, isV4: false },
      ],
      hasPeekOffset: true,
    });
  }
  inject(frame: Uint8Array, csum: number): void {
    const packet = pool.alloc(frame.length);
    if (packet === undefined) throw new Error('a buffer leaked');
    packet.bytes.set(frame, packet.at);
    packet.end = packet.at + frame.length;
    packet.csum = csum;
    this.gateway.receive(packet);
  }
  frameOf(s: Step): Uint8Array {
    if (s.kind === 'raw') return s.octets;
    if (s.kind === 'arp' || s.kind === 'stir' || s.kind === 'time') return arpRequest(GUEST4.w3, GATEWAY4.w3);
    const address = addresses[s.to] as IpAddress;
    const guest = at(address.isV4 ? GUEST4 : GUEST6, 1000 + (s.kind === 'spoiled' ? 0 : s.len % 2));
    if (s.kind === 'udp') {
      const payload = s.port === 53 && s.len % 3 > 0 ? QUERY : new Uint8Array(s.len).fill(s.numbers[0] as number);
      return udpFrame(guest, at(address, s.port), payload);
    }
    if (s.kind === 'tcp') return this.segment(s, guest, at(address, s.port));
    const frame = tcpFrame(guest, at(address, 80), { seq: 1, flags: 2 });
    frame[Math.min(s.position, frame.length - 1)] = s.value;
    return frame;
  }
  /** Of the flow that the gateway spoke of last, with numbers at or near the right ones; or of any, with any. */
  segment(s: Transport, guest: ReturnType<typeof at>, remote: ReturnType<typeof at>): Uint8Array {
    const [a, b, flags, window] = s.numbers as [number, number, number, number];
    const last =
      a % 4 === 0 ? undefined : this.link.frames.map((frame) => ipOf(frame)).findLast((ip) => ip?.protocol === 6);
    const own = { flags: FLAGS[(flags >>> 0) % FLAGS.length] as number, payload: new Uint8Array(s.len) };
    if (last === undefined) return tcpFrame(guest, remote, { seq: a, ack: b, window: window & 0xffff, ...own });
    const header = last.data;
    const len = header.length - tcpWire.headerLen(header, 0);
    const counts = (tcpWire.flags(header, 0) & 3) === 0 ? 0 : 1;
    return tcpFrame(at(last.dst, tcpWire.destinationPort(header, 0)), at(last.src, tcpWire.sourcePort(header, 0)), {
      seq: (tcpWire.acknowledgment(header, 0) + near(b)) | 0,
      ack: (tcpWire.sequence(header, 0) + len + counts + near(flags)) | 0,
      window: window % 3 === 0 ? 0 : 0xffff,
      ...own,
    });
  }
  step(s: Step): void {
    if (s.kind === 'stir') this.host.stir();
    else if (s.kind === 'time') this.#now += s.us;
    else this.inject(this.frameOf(s), this.host.below(2) === 0 ? Csum.Full : Csum.Partial);
    this.gateway.begin(instant(this.#now));
    this.gateway.step();
    if (this.link.frames.length > 1000) this.link.frames.length = 0;
  }
}

for (const source of ['peek', 'queue'] as const) {
  test(`${source}: a hostile guest on a hostile host`, (t) => {
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { minLength: 20, maxLength: 120 }), (seed, steps) => {
        const run = new Run(seed, source);
        for (const s of steps) run.step(s);
        const { gateway, host } = run;
        const { flows } = gateway.stats();
        const bounded = gateway.tcp.size <= 2 * 8 && gateway.udp.size <= 2 * 4 && flows.dnsOpen <= 3;
        const counted = flows.tcpOpen === gateway.tcp.size && flows.udpOpen === gateway.udp.size;
        gateway.linkClosed('over');
        for (let i = 0; i < 3 && gateway.isLingering; i++) run.step({ kind: 'stir' });
        run.clock.advance(seconds(11));
        const clean = host.open.size === 0 && host.watched.size === 0 && gateway.tcp.budget.used === 0;
        const { large, small } = pool.available;
        return bounded && counted && clean && large === POOL.large && small === POOL.small;
      }),
      {
        numRuns: Number(process.env['FUZZ_RUNS'] ?? 300),
        ...(process.env['FUZZ_RUNS'] === undefined ? { seed: 7 } : {}),
      },
    );
    t.pass();
  });
}

test('what the kernel lacks is said, not ignored', (t) => {
  const options = {
    config: parseConfig({ source: 'peek' }),
    link: new TestLink(1500, ALL_OFFLOADS),
    pool,
    host: new ChanceHost(1),
    clock: new TimerHeap(),
    random: new SeededRandom(1),
    control: { malformed: 0, lost: 0, poll: () => undefined, send: () => undefined },
  };
  t.throws(() => new Gateway({ ...options, hasPeekOffset: false }), {
    instanceOf: ConfigError,
    message: /Linux .*6\.9/,
  });
  t.notThrows(() => new Gateway({ ...options, config: parseConfig({}), hasPeekOffset: false }));
});
