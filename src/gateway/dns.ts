/**
 * The name proxy: queries over UDP to the link's name server and to every address that the guest's resolv.conf names. One name is answered here (the host's);
 * all others go to the host's resolvers, one after the other, each with its time. Ids are rewritten with random ones and each query has a socket, and thus
 * a port, of its own, so that an answer cannot be guessed (RFC 5452). An answer of SERVFAIL, REFUSED or NOTIMP sends the query to the next resolver;
 * the last one's answer is passed on. All silent: SERVFAIL.
 *
 * A query that came over TCP (dns-stream.ts) is asked over TCP as well, since its answer may be of any size (RFC 7766 5).
 *
 * Left out: a cache (the host's resolver has one), and connections to resolvers that serve more than one query.
 */
import { u16 } from '../lib/bytes.ts';
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

/** Who asks. */
export interface DnsClient {
  /** Of the question beside its id and name: the same question again is a repetition. */
  readonly key: string;
  /** Largest answer; as the query says unless given. */
  readonly sizeLimit?: number;
  readonly overTcp: boolean;
  reply(octets: Uint8Array): void;
}

/** RFC 1035 4.2.2. */
const LENGTH_OCTETS = 2;

class Pending implements Watched {
  watchKey = -1;
  fd = NO_DESCRIPTOR;
  /** Index of the resolver being asked. */
  tried = 0;
  id = 0;
  /** The best that a resolver said so far. */
  answer: Uint8Array | undefined = undefined;
  readonly key: string;
  readonly client: DnsClient;
  /** Over TCP: whether the query was sent, and the answer behind its length, as far as it came. The buffer is as long as what is expected now. */
  sent = false;
  received = new Uint8Array(LENGTH_OCTETS);
  filled = 0;
  readonly query: message.Query;
  readonly alarm: Alarm;
  readonly #proxy: DnsProxy;

  constructor(proxy: DnsProxy, key: string, client: DnsClient, query: message.Query, clock: Clock) {
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
    const address = new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3);
    const port = udp.sourcePort(packet.bytes, packet.at);
    const server = new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3);
    const serverPort = udp.destinationPort(packet.bytes, packet.at);
    const client: DnsClient = {
      key: `${address.toString()} ${port} ${server.toString()}`,
      overTcp: false,
      reply: (octets) => this.#sendDatagram(octets, server, serverPort, address, port),
    };
    this.ask(client, packet.bytes.slice(payloadAt, Math.min(end, payloadAt + message.QUERY_LIMIT + 1)));
  }
  /** False for what deserves no answer; everything else gets one, now or later. */
  ask(client: DnsClient, octets: Uint8Array): boolean {
    const { counters, settings, clock } = this.#parts;
    const query = message.parseQuery(octets);
    counters.dnsQueries++;
    if (query === undefined) {
      counters.drop('dns-malformed');
      return false;
    }
    if (typeof query === 'number') {
      counters.drop('dns-malformed');
      client.reply(message.emptyAnswer(octets, message.HEADER_LEN, query));
      return true;
    }
    if (query.name === settings.hostName.toLowerCase()) {
      counters.event('dns-local-answers');
      client.reply(message.localAnswer(query, settings.gateway4, settings.gateway6));
      return true;
    }
    const key = `${client.key} ${query.id} ${query.name}`;
    if (this.#pending.has(key)) {
      counters.event('dns-repeated');
      return true;
    }
    if (this.#pending.size >= settings.dnsQueries) {
      counters.event('dns-table-full');
      this.#fail(client, query);
      return true;
    }
    const pending = new Pending(this, key, client, query, clock);
    this.#pending.set(key, pending);
    counters.dnsOpen++;
    this.#ask(pending);
    return true;
  }

  /** Asks the resolvers from `tried` on until one takes the query. */
  #ask(pending: Pending): void {
    const { settings, host, random, clock, counters } = this.#parts;
    this.#closeSocket(pending);
    for (; pending.tried < settings.nameservers.length; pending.tried++) {
      const server = settings.nameservers[pending.tried] as IpAddress;
      const { overTcp } = pending.client;
      const type = overTcp ? Sock.Stream : Sock.Datagram;
      const fd = host.sockets.openSocket(server.isV4 ? Sock.Inet : Sock.Inet6, type);
      if (fd < 0) {
        counters.drop('no-descriptor');
        break;
      }
      pending.fd = fd;
      pending.id = random.u32() & 0xffff;
      const connected = host.sockets.connect(fd, server, settings.nameserverPort);
      const takesIt = overTcp
        ? connected === 0 || connected === -Errno.EINPROGRESS
        : connected === 0 && this.#send(pending);
      if (takesIt && host.poller.watch(fd, pending) === 0) {
        counters.event('dns-forwarded');
        pending.alarm.set(clock.in(millis(settings.dnsTimeoutMs)));
        return;
      }
      host.sockets.closeSocket(fd);
      pending.fd = NO_DESCRIPTOR;
    }
    this.#finish(pending);
  }

  /** The query under its new id, behind its length over TCP. */
  #send(pending: Pending): boolean {
    const { octets } = pending.query;
    const prefix = pending.client.overTcp ? LENGTH_OCTETS : 0;
    this.#scratch[0] = octets.length >>> 8;
    this.#scratch[1] = octets.length;
    this.#scratch.set(octets, prefix);
    this.#scratch[prefix] = pending.id >>> 8;
    this.#scratch[prefix + 1] = pending.id;
    const len = prefix + octets.length;
    return this.#parts.host.sockets.send(pending.fd, this.#scratchAddress, len) === len;
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
    if (pending.client.overTcp) return this.#streamEvent(pending, events);
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
  /** Over TCP: the query leaves when the connection stands, and the answer is complete when its length says so. */
  #streamEvent(pending: Pending, events: number): void {
    const { host } = this.#parts;
    if ((events & Event.Err) !== 0) return this.#next(pending);
    if (!pending.sent && (events & Event.Out) !== 0) {
      pending.sent = true;
      // A fresh socket has room for a query many times over.
      if (!this.#send(pending)) return this.#next(pending);
    }
    if ((events & (Event.In | Event.RdHup | Event.Hup)) === 0) return;
    const ended = (events & (Event.RdHup | Event.Hup)) !== 0;
    for (;;) {
      const missing = Math.min(pending.received.length - pending.filled, SCRATCH_OCTETS);
      const n = host.sockets.receive(pending.fd, this.#scratchAddress, missing, 0);
      if (n === -Errno.EAGAIN) return;
      if (n <= 0) return this.#next(pending);
      pending.received.set(this.#scratch.subarray(0, n), pending.filled);
      pending.filled += n;
      if (this.#isWhole(pending)) return this.#streamAnswer(pending);
      // Less than was asked for is all there was (epoll(7)); what follows is an event of its own, but an end that was told already is not.
      if (n < missing && !ended) return;
    }
  }
  /** The length being known, the buffer is made for the message behind it. */
  #isWhole(pending: Pending): boolean {
    const { received, filled } = pending;
    if (filled < received.length) return false;
    if (filled > LENGTH_OCTETS) return true;
    const whole = new Uint8Array(LENGTH_OCTETS + u16(received, 0));
    whole.set(received);
    pending.received = whole;
    return filled === whole.length;
  }
  #streamAnswer(pending: Pending): void {
    const answer = pending.received.subarray(LENGTH_OCTETS);
    if (message.answers(pending.query, pending.id, answer)) this.#answered(pending, answer);
    else this.#next(pending);
  }
  #answered(pending: Pending, answer: Uint8Array): void {
    const adapted = message.adaptAnswer(pending.query, answer, pending.client.sizeLimit);
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
    else pending.client.reply(pending.answer);
  }
  #fail(client: DnsClient, query: message.Query): void {
    this.#parts.counters.event('dns-failures');
    client.reply(message.emptyAnswer(query.octets, query.questionEnd, message.Rcode.ServFail));
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
    pending.sent = false;
    pending.received = new Uint8Array(LENGTH_OCTETS);
    pending.filled = 0;
  }

  #sendDatagram(octets: Uint8Array, server: IpAddress, serverPort: number, address: IpAddress, port: number): void {
    const { frames, counters } = this.#parts;
    const packet = frames.pool.alloc(octets.length);
    if (packet === undefined) return counters.drop('no-buffer');
    packet.bytes.set(octets, packet.at);
    packet.end = packet.at + octets.length;
    frames.sendUdp(packet, server, serverPort, address, port, sumOf(server) + sumOf(address));
  }

  shutdown(): void {
    for (const pending of this.#pending.values()) this.#forget(pending);
  }
}
