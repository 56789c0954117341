/**
 * DNS over TCP (RFC 7766) for the guest: connections to a name server's address end here, and each query goes to the host's resolvers as those over UDP do. Queries
 * may follow each other without waiting, and answers come in the order in which they arrive. A connection without a query for 10 s is closed.
 */
import { putU16, u16 } from '../lib/bytes.ts';
import type { Alarm, Clock } from '../lib/clock.ts';
import { seconds } from '../lib/clock.ts';
import type { GatewayCounters } from './counters.ts';
import type { DnsClient, DnsProxy } from './dns.ts';
import { QUERY_LIMIT } from './dns-message.ts';
import type { FlowIdentity } from './flow-log.ts';
import { type FlowService, type ServiceHost, ServiceSource } from './tcp/service.ts';

/** RFC 1035 4.2.2. */
const LENGTH_OCTETS = 2;
const LARGEST_ANSWER = 65_535;
/** Connections at once, queries of one under way, and octets of answers that it has not taken, beyond which it waits. */
const STREAMS = 64;
const PIPELINE = 8;
const UNREAD = 65_536;
const IDLE = seconds(10);

export interface DnsStreamParts {
  readonly clock: Clock;
  readonly counters: GatewayCounters;
  readonly dns: DnsProxy;
}

export class DnsStreams implements ServiceHost {
  readonly #parts: DnsStreamParts;
  #open = 0;
  #last = 0;

  constructor(parts: DnsStreamParts) {
    this.#parts = parts;
  }
  open(_flow: FlowIdentity, wake: () => void): FlowService | undefined {
    const { counters } = this.#parts;
    if (this.#open >= STREAMS) {
      counters.event('dns-streams-full');
      return undefined;
    }
    this.#open++;
    this.#last++;
    counters.event('dns-streams');
    return new DnsStream(this.#parts, `stream ${this.#last}`, wake, () => this.#open--);
  }
}

class DnsStream implements FlowService {
  readonly source = new ServiceSource();
  readonly #parts: DnsStreamParts;
  readonly #name: string;
  readonly #wake: () => void;
  readonly #gone: () => void;
  readonly #idle: Alarm;
  /** The message being received, its length in front. */
  readonly #message = new Uint8Array(LENGTH_OCTETS + QUERY_LIMIT);
  #received = 0;
  #underWay = 0;
  #asked = 0;
  #guestEnded = false;
  #closed = false;

  constructor(parts: DnsStreamParts, name: string, wake: () => void, gone: () => void) {
    this.#parts = parts;
    this.#name = name;
    this.#wake = wake;
    this.#gone = gone;
    this.#idle = parts.clock.alarm(() => this.#endIfDone());
    this.#idle.set(parts.clock.in(IDLE));
  }

  take(bytes: Uint8Array, at: number, len: number): number {
    this.#idle.set(this.#parts.clock.in(IDLE));
    let taken = 0;
    while (taken < len) {
      if (this.#underWay >= PIPELINE || this.source.length > UNREAD) return taken;
      const n = Math.min(this.#missing(), len - taken);
      this.#message.set(bytes.subarray(at + taken, at + taken + n), this.#received);
      this.#received += n;
      taken += n;
      const missing = this.#missing();
      if (missing < 0 || (missing === 0 && !this.#ask())) return -1;
    }
    return taken;
  }
  /** Octets to the end of the length, or of the message behind it; negative for a message that no query is. */
  #missing(): number {
    if (this.#received < LENGTH_OCTETS) return LENGTH_OCTETS - this.#received;
    const len = u16(this.#message, 0);
    return len === 0 || len > QUERY_LIMIT ? -1 : LENGTH_OCTETS + len - this.#received;
  }
  #ask(): boolean {
    const octets = this.#message.slice(LENGTH_OCTETS, this.#received);
    this.#received = 0;
    const client: DnsClient = {
      key: `${this.#name} ${this.#asked++}`,
      sizeLimit: LARGEST_ANSWER,
      overTcp: true,
      reply: (answer) => this.#reply(answer),
    };
    this.#underWay++;
    return this.#parts.dns.ask(client, octets);
  }
  #reply(answer: Uint8Array): void {
    this.#underWay--;
    if (this.#closed) return;
    const framed = new Uint8Array(LENGTH_OCTETS + answer.length);
    putU16(framed, 0, answer.length);
    framed.set(answer, LENGTH_OCTETS);
    this.source.append(framed);
    this.#idle.set(this.#parts.clock.in(IDLE));
    if (this.#guestEnded) this.#endIfDone();
    this.#wake();
  }

  guestEnded(): void {
    this.#guestEnded = true;
    this.#endIfDone();
  }
  /** Without anything under way the stream ends; what was answered is sent before. */
  #endIfDone(): void {
    if (this.#underWay > 0) return;
    this.source.end();
    this.#wake();
  }
  closed(): void {
    this.#closed = true;
    this.#idle.cancel();
    this.#gone();
  }
}
