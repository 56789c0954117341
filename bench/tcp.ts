/**
 * `node build/bench/tcp.js`: the TCP alone, in one process, without system calls: octets per second over loopback and over a pair of links, the round trip of one
 * octet, and a connection's whole life. What a run of the sandbox can reach lies below these.
 */
import { monotonic } from '../src/host/clock.ts';
import { TimerHeap } from '../src/lib/clock.ts';
import { SeededRandom } from '../src/lib/random.ts';
import { IpAddress } from '../src/netstack/address.ts';
import type { TcpEndpoint } from '../src/netstack/endpoint.ts';
import { ALL_CAPABILITIES, LinkPair } from '../src/netstack/link/pair.ts';
import { type LinkOptions, Stack } from '../src/netstack/stack.ts';
import { TcpLayer } from '../src/netstack/tcp/tcp-layer.ts';

const PORT = 80;
const SERVER = IpAddress.of('10.0.0.2');

const linkOptions = (address: IpAddress): LinkOptions => ({ name: 'eth0', addresses: [{ address, prefix: 24 }] });

/** A connection and how to let time pass for it. */
class Setup {
  readonly client: Stack;
  readonly server: Stack;
  readonly pair: LinkPair | undefined;
  readonly listener: TcpEndpoint;

  /** @param mtu of a link between two stacks; undefined for loopback in one. */
  constructor(mtu: number | undefined, capabilities = ALL_CAPABILITIES) {
    const clock = new TimerHeap(monotonic());
    const make = (seed: number): Stack =>
      new Stack({ clock, random: new SeededRandom(seed), tcp: (env) => new TcpLayer(env) });
    this.client = make(1);
    this.server = mtu === undefined ? this.client : make(2);
    if (mtu !== undefined) {
      this.pair = new LinkPair({ mtu, capabilities, addresses: null });
      this.client.addLink(this.pair.a, linkOptions(IpAddress.of('10.0.0.1')));
      this.server.addLink(this.pair.b, linkOptions(SERVER));
    }
    this.listener = this.server.createTcp(4);
    this.listener.bind(IpAddress.ANY4, PORT);
    this.listener.listen(10);
  }
  turn(): void {
    this.client.step(monotonic());
    if (this.pair === undefined) return;
    this.server.step(monotonic());
    this.pair.pump();
  }
  connect(): { readonly client: TcpEndpoint; readonly server: TcpEndpoint } {
    const client = this.client.createTcp(4);
    client.connect(this.pair === undefined ? IpAddress.LOOPBACK4 : SERVER, PORT);
    for (;;) {
      const server = this.listener.acceptPeek();
      if (server !== undefined) {
        this.listener.acceptCommit();
        return { client, server };
      }
      this.turn();
    }
  }
}

const write = (endpoint: TcpEndpoint, len: number): void =>
  endpoint.commitSend(Math.min(len, endpoint.sendSpace(len)), 1, false, false);
const report = (title: string, value: string): void => void process.stdout.write(`${title.padEnd(52)} ${value}\n`);

function bulk(title: string, setup: Setup, piece: number, microseconds: number): void {
  const { client, server } = setup.connect();
  const start = monotonic();
  let octets = 0;
  while (monotonic() - start < microseconds) {
    write(client, piece);
    setup.turn();
    const ready = server.receivable;
    server.consume(ready);
    octets += ready;
  }
  const seconds = (monotonic() - start) / 1e6;
  const segments = setup.server.stats.Tcp.InSegs;
  const perPacket = ((seconds * 1e6) / segments).toFixed(2);
  report(title, `${((octets * 8) / seconds / 1e9).toFixed(1)} Gbit/s, ${perPacket} us per packet received`);
}

function roundTrip(rounds: number): void {
  const setup = new Setup(undefined);
  const { client, server } = setup.connect();
  let start = monotonic();
  for (let i = -rounds; i < rounds; i++) {
    if (i === 0) start = monotonic();
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      write(from, 1);
      while (to.receivable === 0) setup.turn();
      to.consume(1);
    }
  }
  report('round trip of 1 octet, loopback', `${((monotonic() - start) / rounds).toFixed(2)} us`);
}

function lives(count: number): void {
  const setup = new Setup(undefined);
  let start = monotonic();
  for (let i = -count; i < count; i++) {
    if (i === 0) start = monotonic();
    const { client, server } = setup.connect();
    write(client, 100);
    setup.turn();
    server.consume(server.receivable);
    server.close();
    setup.turn();
    client.close();
    setup.turn();
  }
  report('connect, 100 octets, close at both ends', `${((monotonic() - start) / count).toFixed(1)} us`);
}

const time = process.argv.includes('--smoke') ? 50_000 : 2_000_000;
bulk('loopback, 64 KiB a write', new Setup(undefined), 65_536, time);
bulk('loopback, 256 KiB a write', new Setup(undefined), 262_144, time);
bulk('pair of links, MTU 65520, 256 KiB a write', new Setup(65_520), 262_144, time);
bulk('pair of links, MTU 1500 with GSO, 256 KiB a write', new Setup(1500), 262_144, time);
bulk('pair of links, MTU 1500, no offload', new Setup(1500, 0), 65_536, time);
roundTrip(time / 40);
lives(time / 400);
