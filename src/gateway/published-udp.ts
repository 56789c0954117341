/**
 * Published UDP ports: one host socket a port, one flow a client. A client is known by its address, its port and the address of the host that it wrote to; what the
 * guest answers leaves from that address and the published port, so that the client's socket takes it, connected or not.
 *
 * The flows live among those of `UdpFlows`, with its time limits and its bound.
 */
import type { Random } from '../lib/random.ts';
import { IpAddress } from '../netstack/address.ts';
import { FlowTable } from '../netstack/flow-table.ts';
import type { Settings } from './config.ts';
import type { GatewayCounters } from './counters.ts';
import type { FlowIdentity } from './flow-log.ts';
import { Errno, Event, type Host, mustWatch, type PeerName, type Watched } from './host.ts';
import type { Listener } from './messages.ts';
import { newPeerName, showClient } from './published.ts';
import type { Reachability } from './reach.ts';
import { BURST, SCRATCH_OCTETS, type SharedSocket, type UdpFlow, type UdpFlows } from './udp-flows.ts';

export interface PublishedUdpParts {
  readonly settings: Settings;
  readonly host: Host;
  readonly random: Random;
  readonly counters: GatewayCounters;
  readonly reach: Reachability;
  readonly udp: UdpFlows;
}

/** A client of one port. */
class Client implements SharedSocket {
  flow: UdpFlow | undefined = undefined;
  readonly #port: Port;
  readonly #name: PeerName;
  readonly #host: Host;
  constructor(port: Port, name: PeerName, host: Host) {
    this.#port = port;
    this.#name = { ...name };
    this.#host = host;
  }
  get local(): IpAddress {
    const { local0, local1, local2, local3 } = this.#name;
    return new IpAddress(local0, local1, local2, local3);
  }
  get peer(): IpAddress {
    const { peer0, peer1, peer2, peer3 } = this.#name;
    return new IpAddress(peer0, peer1, peer2, peer3);
  }
  get peerPort(): number {
    return this.#name.peerPort;
  }
  send(address: number, len: number): number {
    return this.#host.sockets.sendTo(this.#port.fd, address, len, this.#name);
  }
  closed(): void {
    this.#port.clients.delete(this.local, this.#name.scope & 0xffff, this.peer, this.peerPort);
  }
}

class Port implements Watched {
  watchKey = -1;
  ready = false;
  readonly fd: number;
  readonly guest: IpAddress;
  readonly guestPort: number;
  /** By local address, interface of a link-local peer, peer and its port. */
  readonly clients: FlowTable<Client>;
  constructor(listener: Listener, { guest4, guest6, udpFlows }: Settings, random: Random) {
    this.fd = listener.fd;
    this.guest = listener.isV4 ? guest4 : guest6;
    this.guestPort = listener.guestPort;
    this.clients = new FlowTable({ random, limit: udpFlows });
  }
  hostEvent(events: number): void {
    if ((events & (Event.In | Event.Err)) !== 0) this.ready = true;
  }
}

export class PublishedUdp {
  readonly #parts: PublishedUdpParts;
  readonly #ports: readonly Port[];
  readonly #name = newPeerName();
  readonly #scratch = new Uint8Array(SCRATCH_OCTETS);
  readonly #scratchAddress: number;

  constructor(parts: PublishedUdpParts, listeners: readonly Listener[]) {
    this.#parts = parts;
    this.#scratchAddress = parts.host.addressOf(this.#scratch);
    this.#ports = listeners.map((listener) => new Port(listener, parts.settings, parts.random));
    for (const port of this.#ports) mustWatch(parts.host.poller, port.fd, port);
  }

  /** Takes in what clients sent. True when there may be more. */
  flush(): boolean {
    let more = false;
    for (const port of this.#ports) {
      if (!port.ready) continue;
      port.ready = this.#read(port);
      more ||= port.ready;
    }
    return more;
  }
  #read(port: Port): boolean {
    const { host, udp } = this.#parts;
    const name = this.#name;
    for (let i = 0; i < BURST; i++) {
      const n = host.sockets.receiveFrom(port.fd, this.#scratchAddress, SCRATCH_OCTETS, name);
      if (n === -Errno.EAGAIN) return false;
      // An error of an earlier answer; taken by being reported.
      if (n < 0) continue;
      const flow =
        port.clients.find(
          name.local0,
          name.local1,
          name.local2,
          name.local3,
          name.scope & 0xffff,
          name.peer0,
          name.peer1,
          name.peer2,
          name.peer3,
          name.peerPort,
        )?.flow ?? this.#open(port);
      if (flow !== undefined) udp.deliver(flow, this.#scratch, n);
    }
    return true;
  }
  #open(port: Port): UdpFlow | undefined {
    const { udp, host, reach, random, counters } = this.#parts;
    const client = new Client(port, this.#name, host);
    const { guest: guestAddress, guestPort } = port;
    const shown = showClient(client.peer, client.peerPort, reach, random, (address, remotePort) =>
      udp.isTaken(guestAddress, guestPort, address, remotePort),
    );
    if (shown === undefined) {
      counters.drop('udp-no-client-port');
      return undefined;
    }
    const identity: FlowIdentity = {
      protocol: 'udp',
      origin: 'published',
      guestAddress,
      guestPort,
      remoteAddress: shown.address,
      remotePort: shown.port,
      client: { address: client.peer, port: client.peerPort },
    };
    client.flow = udp.openShared(identity, client);
    if (client.flow === undefined) return undefined;
    port.clients.insert(client.local, this.#name.scope & 0xffff, client.peer, client.peerPort, client);
    return client.flow;
  }

  shutdown(): void {
    for (const port of this.#ports) {
      this.#parts.host.poller.forget(port);
      this.#parts.host.sockets.closeSocket(port.fd);
    }
  }
}
