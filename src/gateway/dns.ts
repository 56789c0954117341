/**
 * The name proxy: queries over UDP to the link's name server and to every address that the guest's resolv.conf names. One name is answered here (the host's);
 * all others go to the host's resolvers, one after the other, each with its time. Ids are rewritten with random ones and each query has a socket, and thus
 * a port, of its own, so that an answer cannot be guessed (RFC 5452). An answer of SERVFAIL, REFUSED or NOTIMP sends the query to the next resolver;
 * the last one's answer is passed on. All silent: SERVFAIL.
 *
 * Left out: a cache (the host's resolver has one), and TCP, which is translated as any other connection, to the host's first resolver.
 */
import type { Alarm, Clock } from '../lib/clock.ts';
import { millis } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { IpAddress } from '../netstack/address.ts';
import type { Packet } from '../netstack/packet.ts';
import * as udp from '../netstack/wire/udp.ts';
import type { Settings } from './config.ts';
import type { GatewayCounters } from './counters.ts';
import * as message from './dns-message.ts';
import { type FrameWriter, sumOf } from './frames.ts';
import { Errno, Event, type Host, Sock, type Watched } from './host.ts';

const SCRATCH_OCTETS = 65_536;
/** Datagrams read for one event: forged ones must not keep the true one away. */
const READS = 8;
const NO_DESCRIPTOR = -1;

interface Client {
  readonly address: IpAddress;
  readonly port: number;
  readonly server: IpAddress;
  readonly serverPort: number;
}

class Pending implements Watched {
  watchKey = -1;
  fd = NO_DESCRIPTOR;
  /** Index of the resolver being asked. */
  tried = 0;
  id = 0;
  /** The best that a resolver said so far. */
  answer: Uint8Array | undefined = undefined;
  readonly key: string;
  readonly client: Client;
  readonly query: message.Query;
  readonly alarm: Alarm;
  readonly #proxy: DnsProxy;

  constructor(proxy: DnsProxy, key: string, client: Client, query: message.Query, clock: Clock) {
    this.#proxy = proxy;
    this.key = key;
    this.client = client;
    this.query = query;
    this.alarm = clock.alarm(() => proxy.timedOut(this));
  }
  hostEvent(events: number): void {
    this.#proxy.hostEvent(this, events);
  }
}

export interface DnsParts {
  readonly settings: Settings;
  readonly frames: FrameWriter;
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: GatewayCounters;
}

export class DnsProxy {
  readonly #parts: DnsParts;
  readonly #pending = new Map<string, Pending>();
  readonly #scratch = new Uint8Array(SCRATCH_OCTETS);
  readonly #scratchAddress: number;

  constructor(parts: DnsParts) {
    this.#parts = parts;
    this.#scratchAddress = parts.host.addressOf(this.#scratch);
  }

  /** A datagram for a name server; `packet.at` stands on its UDP header. Does not own it. */
  query(packet: Packet, payloadAt: number, end: number): void {
    const { counters, settings, clock } = this.#parts;
    const client: Client = {
      address: new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3),
      port: udp.sourcePort(packet.bytes, packet.at),
      server: new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3),
      serverPort: udp.destinationPort(packet.bytes, packet.at),
    };
    const octets = packet.bytes.slice(payloadAt, Math.min(end, payloadAt + message.QUERY_LIMIT + 1));
    const query = message.parseQuery(octets);
    counters.dnsQueries++;
    if (query === undefined) return counters.drop('dns-malformed');
    if (typeof query === 'number') {
      counters.drop('dns-malformed');
      return this.#reply(client, message.emptyAnswer(octets, message.HEADER_LEN, query));
    }
    if (query.name === settings.hostName.toLowerCase()) {
      counters.event('dns-local-answers');
      return this.#reply(client, message.localAnswer(query, settings.gateway4, settings.gateway6));
    }
    const key = `${client.address.toString()} ${client.port} ${client.server.toString()} ${query.id} ${query.name}`;
    if (this.#pending.has(key)) return counters.event('dns-repeated');
    if (this.#pending.size >= settings.dnsQueries) {
      counters.event('dns-table-full');
      return this.#fail(client, query);
    }
    const pending = new Pending(this, key, client, query, clock);
    this.#pending.set(key, pending);
    counters.dnsOpen++;
    this.#ask(pending);
  }

  /** Asks the resolvers from `tried` on until one takes the query. */
  #ask(pending: Pending): void {
    const { settings, host, random, clock, counters } = this.#parts;
    this.#closeSocket(pending);
    for (; pending.tried < settings.nameservers.length; pending.tried++) {
      const server = settings.nameservers[pending.tried] as IpAddress;
      const fd = host.sockets.openSocket(server.isV4 ? Sock.Inet : Sock.Inet6, Sock.Datagram);
      if (fd < 0) {
        counters.drop('no-descriptor');
        break;
      }
      pending.fd = fd;
      pending.id = random.u32() & 0xffff;
      const { octets } = pending.query;
      this.#scratch.set(octets);
      this.#scratch[0] = pending.id >>> 8;
      this.#scratch[1] = pending.id;
      const connected = host.sockets.connect(fd, server, settings.nameserverPort) === 0;
      if (connected && host.sockets.send(fd, this.#scratchAddress, octets.length) >= 0) {
        counters.event('dns-forwarded');
        host.poller.watch(fd, pending);
        pending.alarm.set(clock.in(millis(settings.dnsTimeoutMs)));
        return;
      }
      host.sockets.closeSocket(fd);
      pending.fd = NO_DESCRIPTOR;
    }
    this.#finish(pending);
  }

  timedOut(pending: Pending): void {
    this.#parts.counters.event('dns-timeouts');
    this.#next(pending);
  }
  #next(pending: Pending): void {
    pending.tried++;
    this.#ask(pending);
  }

  hostEvent(pending: Pending, events: number): void {
    const { host, counters } = this.#parts;
    if (pending.fd === NO_DESCRIPTOR) return;
    if ((events & Event.In) === 0 && (events & Event.Err) === 0) return;
    for (let i = 0; i < READS; i++) {
      const n = host.sockets.receive(pending.fd, this.#scratchAddress, SCRATCH_OCTETS, 0);
      if (n === -Errno.EAGAIN) return;
      // Refused or unreachable: this resolver will not answer.
      if (n < 0) return this.#next(pending);
      const answer = this.#scratch.subarray(0, n);
      if (!message.answers(pending.query, pending.id, answer)) {
        counters.drop('dns-forged');
        continue;
      }
      return this.#answered(pending, answer);
    }
    // Too many that do not match: the next resolver's turn, rather than reading for ever.
    this.#next(pending);
  }
  #answered(pending: Pending, answer: Uint8Array): void {
    const adapted = message.adaptAnswer(pending.query, answer);
    const rcode = message.rcodeOf(answer);
    pending.answer = adapted;
    const failed =
      rcode === message.Rcode.ServFail || rcode === message.Rcode.Refused || rcode === message.Rcode.NotImp;
    if (failed) this.#next(pending);
    else this.#finish(pending);
  }

  #finish(pending: Pending): void {
    this.#forget(pending);
    if (pending.answer === undefined) this.#fail(pending.client, pending.query);
    else this.#reply(pending.client, pending.answer);
  }
  #fail(client: Client, query: message.Query): void {
    this.#parts.counters.event('dns-failures');
    this.#reply(client, message.emptyAnswer(query.octets, query.questionEnd, message.Rcode.ServFail));
  }
  #forget(pending: Pending): void {
    pending.alarm.cancel();
    this.#closeSocket(pending);
    if (this.#pending.delete(pending.key)) this.#parts.counters.dnsOpen--;
  }
  #closeSocket(pending: Pending): void {
    if (pending.fd === NO_DESCRIPTOR) return;
    this.#parts.host.poller.forget(pending);
    this.#parts.host.sockets.closeSocket(pending.fd);
    pending.fd = NO_DESCRIPTOR;
  }

  #reply(client: Client, octets: Uint8Array): void {
    const { frames, counters } = this.#parts;
    const packet = frames.pool.alloc(octets.length);
    if (packet === undefined) return counters.drop('no-buffer');
    packet.bytes.set(octets, packet.at);
    packet.end = packet.at + octets.length;
    const addresses = sumOf(client.server) + sumOf(client.address);
    frames.sendUdp(packet, client.server, client.serverPort, client.address, client.port, addresses);
  }

  shutdown(): void {
    for (const pending of this.#pending.values()) this.#forget(pending);
  }
}
