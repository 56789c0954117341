/** The guest's real stack and the gateway, in one process, turned by the test. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayConfig } from '../../src/gateway/config.ts';
import { parseConfig } from '../../src/gateway/config.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { openListeners } from '../../src/gateway/listeners.ts';
import { hasPeekOffset, localHost } from '../../src/gateway/process.ts';
import { HostRandom, monotonic } from '../../src/host/clock.ts';
import { EventPoller } from '../../src/host/event-poller.ts';
import { type Instant, TimerHeap } from '../../src/lib/clock.ts';
import type { IpAddress } from '../../src/netstack/address.ts';
import { FaultyLink } from '../../src/netstack/link/faults.ts';
import { ALL_CAPABILITIES, LinkPair } from '../../src/netstack/link/pair.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { Guest, type GuestStream } from './guest.ts';
import { GATEWAY_MAC, GUEST_MAC } from './support.ts';

/** Both ends of the link in one process: the guest's real stack, and the gateway on real host sockets. */
export class StackWorld {
  readonly clock = new TimerHeap(monotonic());
  readonly pool = new PacketPool({ large: 200, small: 800 });
  readonly poller = new EventPoller();
  readonly pair: LinkPair;
  readonly gateway: Gateway;
  readonly guest: Guest;
  readonly streams: GuestStream[] = [];
  /** Set to stop time: it passes by `clock.advance` alone then. */
  time: () => Instant = monotonic;

  constructor(config: GatewayConfig = {}, faults?: ConstructorParameters<typeof FaultyLink>[1]) {
    const complete = parseConfig(config);
    this.pair = new LinkPair({
      mtu: complete.mtu,
      capabilities: ALL_CAPABILITIES,
      addresses: [GUEST_MAC, GATEWAY_MAC],
    });
    const random = new HostRandom();
    const wrap = (end: LinkPair['a']) =>
      faults === undefined ? end : new FaultyLink(end, faults, { clock: this.clock, random });
    this.gateway = new Gateway({
      config: complete,
      link: wrap(this.pair.b),
      pool: this.pool,
      host: localHost(this.poller),
      clock: this.clock,
      random,
      control: { malformed: 0, lost: 0, poll: () => undefined, send: () => undefined },
      hasPeekOffset: hasPeekOffset(),
      listeners: openListeners(complete.published),
    });
    this.guest = new Guest(this.clock, this.pool, wrap(this.pair.a));
  }
  connect(address: IpAddress, port: number): GuestStream {
    const stream = this.guest.tcp(address, port);
    this.streams.push(stream);
    return stream;
  }
  turn(): void {
    const count = this.poller.wait(0);
    this.gateway.begin(this.time());
    this.poller.dispatch(count);
    this.pair.pump();
    for (const stream of this.streams) stream.pump();
    this.guest.stack.step();
    this.pair.pump();
    this.gateway.step();
    this.pair.pump();
  }
  async until(what: string, done: () => boolean, timeoutMs = 10_000): Promise<void> {
    const end = monotonic() + timeoutMs * 1000;
    for (let turns = 0; !done(); turns++) {
      this.turn();
      if (monotonic() > end) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
      await sleep(turns % 8 === 7 ? 1 : 0);
    }
  }
  close(): void {
    this.gateway.linkClosed('test over');
    this.poller.close();
  }
}
