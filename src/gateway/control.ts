/**
 * One side of the control channel: messages are checked on arrival and wait in a bounded queue while the other side does not read. Records lost to a full
 * queue are counted, never waited for: the data path does not depend on who reads the records.
 */
import { type MessageFromGateway, type MessageToGateway, parseFromGateway, parseToGateway } from './messages.ts';

/** `src/host/message-socket.ts`. */
export interface MessageTransport {
  receive(): Uint8Array | 'empty' | 'closed' | 'oversize';
  send(octets: Uint8Array): 'sent' | 'full' | 'closed' | 'oversize';
}

const QUEUE_LIMIT = 1024;
/** Messages read before the frames have their turn. */
const BUDGET = 256;

export class MessageChannel<In, Out> {
  /** Messages that were none, and messages that could not be sent. */
  malformed = 0;
  lost = 0;
  closed = false;
  readonly #transport: MessageTransport;
  readonly #parse: (octets: Uint8Array) => In | undefined;
  readonly #encoder = new TextEncoder();
  readonly #queue: Uint8Array[] = [];
  /** Who gets what arrives; set before the first `poll`. */
  receiver: ((message: In) => void) | undefined = undefined;

  constructor(transport: MessageTransport, parse: (octets: Uint8Array) => In | undefined) {
    this.#transport = transport;
    this.#parse = parse;
  }

  /** Reads what waits. True when there may be more. */
  poll(): boolean {
    for (let i = 0; i < BUDGET; i++) {
      if (this.closed) return false;
      const octets = this.#transport.receive();
      if (octets === 'empty') return false;
      if (octets === 'closed') this.closed = true;
      else if (octets === 'oversize') this.malformed++;
      else this.#deliver(octets);
    }
    return true;
  }
  #deliver(octets: Uint8Array): void {
    const message = this.#parse(octets);
    if (message === undefined) this.malformed++;
    else this.receiver?.(message);
  }

  send(message: Out): void {
    if (this.closed) return;
    if (this.#queue.length >= QUEUE_LIMIT) {
      this.lost++;
      return;
    }
    this.#enqueue(message);
  }
  /** A message that must not be lost to a full queue, of which there are few: whoever closes the channel next flushes it until nothing is queued. */
  sendSurely(message: Out): void {
    if (!this.closed) this.#enqueue(message);
  }
  #enqueue(message: Out): void {
    this.#queue.push(this.#encoder.encode(JSON.stringify(message)));
    this.flush();
  }
  /** Sends what waits, as far as the other side has room. */
  flush(): void {
    let sent = 0;
    for (const octets of this.#queue) {
      const result = this.#transport.send(octets);
      if (result === 'full') break;
      if (result === 'closed') this.closed = true;
      if (result !== 'sent') this.lost++;
      sent++;
    }
    this.#queue.splice(0, sent);
  }
  /** Messages that wait for the other side. */
  get queued(): number {
    return this.#queue.length;
  }
}

export type GatewayControl = MessageChannel<MessageToGateway, MessageFromGateway>;
export type SentryControl = MessageChannel<MessageFromGateway, MessageToGateway>;
/** The gateway's side. */
export const gatewayControl = (transport: MessageTransport): GatewayControl =>
  new MessageChannel(transport, parseToGateway);
/** The sentry's side. */
export const sentryControl = (transport: MessageTransport): SentryControl =>
  new MessageChannel(transport, parseFromGateway);
