/**
 * Published TCP ports: clients that the host accepts become connections to the guest. Clients wait in the kernel's queue while the table of flows is full, no
 * descriptor is left or accept(2) fails for a reason that stays; that is looked at again after a moment, since the listener's edge is not repeated.
 */
import type { Alarm, Clock } from '../lib/clock.ts';
import { millis } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { IpAddress } from '../netstack/address.ts';
import type { Settings } from './config.ts';
import type { GatewayCounters } from './counters.ts';
import type { FlowIdentity } from './flow-log.ts';
import { Errno, Event, type Host, mustWatch, type Watched } from './host.ts';
import type { Listener } from './messages.ts';
import { newPeerName, showClient } from './published.ts';
import type { Reachability } from './reach.ts';

/**
 * Errors of the connection that accept(2) was about to hand out, which is taken off the queue with them; the man page's EOPNOTSUPP and EPERM are not among them, since
 * a listener that answers so does it for ever.
 */
const GONE: ReadonlySet<number> = new Set([
  Errno.ECONNABORTED,
  Errno.EPROTO,
  Errno.ENOPROTOOPT,
  Errno.ENETDOWN,
  Errno.ENETUNREACH,
  Errno.EHOSTDOWN,
  Errno.EHOSTUNREACH,
  Errno.ENONET,
]);
/** Clients of one port a turn. */
const BATCH = 64;
const PAUSE = millis(100);

export interface PublishedTcpParts {
  readonly settings: Settings;
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: GatewayCounters;
  readonly reach: Reachability;
  readonly tcp: {
    readonly hasRoom: boolean;
    isTaken(guest: IpAddress, guestPort: number, remote: IpAddress, remotePort: number): boolean;
    openToGuest(fd: number, identity: FlowIdentity, otherGuest: IpAddress | undefined): void;
  };
}

class Port implements Watched {
  watchKey = -1;
  ready = false;
  readonly fd: number;
  readonly guest: IpAddress;
  readonly otherGuest: IpAddress;
  readonly guestPort: number;
  constructor(listener: Listener, { guest4, guest6 }: Settings) {
    this.fd = listener.fd;
    this.guest = listener.isV4 ? guest4 : guest6;
    this.otherGuest = listener.isV4 ? guest6 : guest4;
    this.guestPort = listener.guestPort;
  }
  hostEvent(events: number): void {
    if ((events & Event.In) !== 0) this.ready = true;
  }
}

export class PublishedTcp {
  readonly #parts: PublishedTcpParts;
  readonly #ports: readonly Port[];
  readonly #name = newPeerName();
  readonly #retry: Alarm;

  constructor(parts: PublishedTcpParts, listeners: readonly Listener[]) {
    this.#parts = parts;
    this.#ports = listeners.map((listener) => new Port(listener, parts.settings));
    for (const port of this.#ports) mustWatch(parts.host.poller, port.fd, port);
    this.#retry = parts.clock.alarm(() => {
      for (const port of this.#ports) port.ready = true;
    });
  }

  /** Accepts who waits. True when there may be more. */
  flush(): boolean {
    let more = false;
    for (const port of this.#ports) {
      if (!port.ready) continue;
      port.ready = this.#accept(port);
      more ||= port.ready;
    }
    return more;
  }
  #accept(port: Port): boolean {
    const { tcp, host, counters, clock } = this.#parts;
    for (let i = 0; i < BATCH; i++) {
      const fd = tcp.hasRoom ? host.sockets.accept(port.fd, this.#name) : -Errno.EMFILE;
      if (fd === -Errno.EAGAIN) return false;
      if (fd < 0 && !GONE.has(-fd)) {
        counters.event('tcp-accept-paused');
        this.#retry.set(clock.in(PAUSE));
        return false;
      }
      if (fd >= 0) this.#serve(port, fd);
    }
    return true;
  }
  #serve(port: Port, fd: number): void {
    const { tcp, host, reach, random, counters } = this.#parts;
    const name = this.#name;
    const peer = new IpAddress(name.peer0, name.peer1, name.peer2, name.peer3);
    const { guest: guestAddress, guestPort } = port;
    const shown = showClient(peer, name.peerPort, reach, random, (address, remotePort) =>
      tcp.isTaken(guestAddress, guestPort, address, remotePort),
    );
    if (shown === undefined) {
      counters.drop('tcp-no-client-port');
      return host.sockets.closeWithReset(fd);
    }
    const identity: FlowIdentity = {
      protocol: 'tcp',
      origin: 'published',
      guestAddress,
      guestPort,
      remoteAddress: shown.address,
      remotePort: shown.port,
      client: { address: peer, port: name.peerPort },
    };
    tcp.openToGuest(fd, identity, peer.isLoopback ? port.otherGuest : undefined);
  }

  shutdown(): void {
    this.#retry.cancel();
    for (const port of this.#ports) {
      this.#parts.host.poller.forget(port);
      this.#parts.host.sockets.closeSocket(port.fd);
    }
  }
}
