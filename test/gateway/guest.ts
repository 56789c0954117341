/** A guest made of the real stack, and its sockets as scripts that send, receive and end. */

import { HostRandom } from '../../src/host/clock.ts';
import type { TimerHeap } from '../../src/lib/clock.ts';
import type { Random } from '../../src/lib/random.ts';
import type { IpAddress } from '../../src/netstack/address.ts';
import { Shutdown, type TcpEndpoint, type UdpEndpoint } from '../../src/netstack/endpoint.ts';
import type { LinkEndpoint } from '../../src/netstack/link/link.ts';
import type { NetError } from '../../src/netstack/net-error.ts';
import type { PacketPool } from '../../src/netstack/packet.ts';
import { Readiness } from '../../src/netstack/readiness.ts';
import { Stack } from '../../src/netstack/stack.ts';
import { TcpLayer } from '../../src/netstack/tcp/tcp-layer.ts';
import { GATEWAY4, GATEWAY6, GUEST4, GUEST6 } from './support.ts';

export class Guest {
  readonly stack: Stack;

  constructor(clock: TimerHeap, pool: PacketPool, link: LinkEndpoint, random: Random = new HostRandom()) {
    this.stack = new Stack({ clock, random, pool, tcp: (env) => new TcpLayer(env) });
    this.stack.addLink(link, {
      name: 'eth0',
      addresses: [
        { address: GUEST4, prefix: 24 },
        { address: GUEST6, prefix: 64 },
      ],
      gateways: [GATEWAY4, GATEWAY6],
    });
  }
  tcp(address: IpAddress, port: number): GuestStream {
    return new GuestStream(this.stack.createTcp(address.family), address, port);
  }
  listen(address: IpAddress, port: number): TcpEndpoint {
    const endpoint = this.stack.createTcp(address.family);
    const error = endpoint.bind(address, port) ?? endpoint.listen(64);
    if (error !== undefined) throw new Error(error);
    return endpoint;
  }
  udp(address: IpAddress): UdpEndpoint {
    return this.stack.createUdp(address.family);
  }
}

/** A connection of the guest's: `pump` moves what can be moved. */
export class GuestStream {
  readonly endpoint: TcpEndpoint;
  readonly received: Uint8Array[] = [];
  receivedOctets = 0;
  ended = false;
  error: NetError | undefined;
  connected = false;
  /** Stops reading, so that the window closes. */
  paused = false;
  /** Received octets are counted and dropped. */
  discards = false;
  #toSend: Uint8Array = new Uint8Array(0);
  #sent = 0;
  #endAfter = false;

  /** Without an address, a connection that was accepted. */
  constructor(endpoint: TcpEndpoint, address?: IpAddress, port = 0) {
    this.endpoint = endpoint;
    endpoint.settings.noDelay = true;
    if (address === undefined) this.connected = true;
    else this.error = endpoint.connect(address, port);
  }
  send(octets: Uint8Array): void {
    const left = this.#toSend.subarray(this.#sent);
    const all = new Uint8Array(left.length + octets.length);
    all.set(left);
    all.set(octets, left.length);
    this.#toSend = all;
    this.#sent = 0;
  }
  /** shutdown(SHUT_WR) once everything was handed over. */
  end(): void {
    this.#endAfter = true;
  }
  get unsent(): number {
    return this.#toSend.length - this.#sent;
  }
  get octets(): Buffer {
    return Buffer.concat(this.received);
  }
  pump(): void {
    const { endpoint } = this;
    this.error ??= endpoint.takeError();
    if ((endpoint.readiness() & Readiness.Out) !== 0 && endpoint.state !== 'CLOSED') this.connected = true;
    if (!this.connected || this.error !== undefined) return;
    this.#push();
    if (!this.paused) this.#pull();
  }
  #push(): void {
    const { endpoint } = this;
    while (this.unsent > 0) {
      const len = Math.min(endpoint.sendSpace(), this.unsent, 1 << 18);
      if (len <= 0) return;
      endpoint.sendRing.write(endpoint.sendRing.length, this.#toSend, this.#sent, len);
      endpoint.commitSend(len, 1, false, false);
      this.#sent += len;
    }
    if (this.#endAfter) {
      this.#endAfter = false;
      endpoint.shutdown(Shutdown.Write);
    }
  }
  #pull(): void {
    const { endpoint } = this;
    const len = endpoint.receivable;
    if (len > 0) {
      if (!this.discards) {
        const octets = new Uint8Array(len);
        endpoint.receiveRing.read(0, octets, 0, len);
        this.received.push(octets);
      }
      this.receivedOctets += len;
      endpoint.consume(len);
    }
    if (endpoint.receiveEnded && endpoint.receivable === 0) this.ended = true;
  }
}
