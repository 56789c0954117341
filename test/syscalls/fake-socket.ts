/** A socket whose answers a test has written down, and which records what it was asked. */
import { AF_INET, SOCK_STREAM, SOL_IPV6 } from '../../src/abi/socket.ts';
import type { Committable } from '../../src/socket/committable.ts';
import type { Credentials } from '../../src/socket/credentials.ts';
import type { Message } from '../../src/socket/message.ts';
import { Socket } from '../../src/socket/socket.ts';

type Answer<A extends unknown[]> = number | ((...args: A) => number);

/** Answers in order; the last one stays. */
export class Script<A extends unknown[]> {
  #answers: Answer<A>[] = [];
  says(...answers: Answer<A>[]): void {
    this.#answers.push(...answers);
  }
  next(...args: A): number {
    const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
    if (answer === undefined) throw new Error('the script has no answer');
    return typeof answer === 'number' ? answer : answer(...args);
  }
}

export class FakeSocket extends Socket {
  readonly log: string[] = [];

  /** Those that Linux numbers. */
  override hasLevel(level: number): boolean {
    return level >= 0 && level <= SOL_IPV6;
  }
  readonly onBind = new Script<[Uint8Array]>();
  readonly onListen = new Script<[number]>();
  readonly onConnect = new Script<[Uint8Array]>();
  readonly onConnectResult = new Script<[]>();
  readonly onSend = new Script<[Message]>();
  readonly onReceive = new Script<[Message, number]>();
  readonly onShutdown = new Script<[number]>();
  readonly onSetOption = new Script<[number, number, Uint8Array]>();
  readonly onGetOption = new Script<[number, number, Uint8Array]>();
  readonly onIoctl = new Script<[number]>();
  events = 0;
  /** Connections that wait for accept; an errno once it is empty. */
  readonly backlog: FakeSocket[] = [];
  acceptError = -11;
  name: Uint8Array = new Uint8Array(0);
  peerName: Uint8Array | number = -107;
  pendingError = 0;
  wasReleased = false;

  constructor(domain: number = AF_INET, type: number = SOCK_STREAM, statusFlags = 0) {
    super(domain, type, 0, statusFlags);
  }
  /** Something rose. */
  rise(events: number): void {
    this.events |= events;
    this.waiters.wake(events);
  }
  /** An incoming connection. */
  incoming(socket: FakeSocket): void {
    this.backlog.push(socket.retain());
    this.rise(1);
  }

  override poll(): number {
    return this.events;
  }
  protected override released(): void {
    this.wasReleased = true;
  }
  override bind(name: Uint8Array, len: number, _credentials: Credentials): number {
    return this.onBind.next(name.slice(0, len));
  }
  override listen(backlog: number): number {
    return this.onListen.next(backlog);
  }
  override connect(name: Uint8Array, len: number, _credentials: Credentials): number {
    return this.onConnect.next(name.slice(0, len));
  }
  override connectResult(): number {
    return this.onConnectResult.next();
  }
  override acceptPeek(): Socket | number {
    return this.backlog[0] ?? this.acceptError;
  }
  override readonly acceptCommittable: Committable = {
    commit: (amount) => {
      this.log.push(`accept commit ${amount}`);
      this.backlog.shift()?.release();
    },
    rollback: (amount) => {
      this.log.push(`accept rollback ${amount}`);
    },
    eventsAfter: () => (this.backlog.length > 1 ? 1 : 0),
  };
  override getName(out: Uint8Array, peer: boolean): number {
    const name = peer ? this.peerName : this.name;
    if (typeof name === 'number') return name;
    out.set(name);
    return name.length;
  }
  override send(message: Message, _callId: number): number {
    const result = this.onSend.next(message);
    this.units = Math.max(result, 0);
    return result;
  }
  override receive(message: Message, taken: number): number {
    const result = this.onReceive.next(message, taken);
    this.units = (message.flags & 2) === 0 ? Math.max(result, 0) : 0;
    return result;
  }
  override commit(amount: number): void {
    this.log.push(`commit ${amount}`);
  }
  override rollback(amount: number): void {
    this.log.push(`rollback ${amount}`);
  }
  override eventsAfter(amount: number): number {
    this.log.push(`eventsAfter ${amount}`);
    return this.events;
  }
  override setError(errno: number): void {
    this.pendingError = errno;
  }
  override shutdown(how: number): number {
    return this.onShutdown.next(how);
  }
  override setOption(level: number, option: number, value: Uint8Array, _credentials: Credentials): number {
    return this.onSetOption.next(level, option, value);
  }
  override getOption(level: number, option: number, out: Uint8Array): number {
    return this.onGetOption.next(level, option, out);
  }
  override ioctl(request: number): number {
    return this.onIoctl.next(request);
  }
}

/** Takes up to `room` octets of a stream from the guest. */
export const takes =
  (room: number) =>
  (message: Message): number => {
    const bytes = new Uint8Array(room);
    return message.iov.copyIn(bytes, 0, room);
  };
/** Gives octets to the guest, as one message or piece of a stream. */
export const gives =
  (octets: Uint8Array | string) =>
  (message: Message): number => {
    const bytes = typeof octets === 'string' ? Uint8Array.from(octets, (c) => c.charCodeAt(0)) : octets;
    return message.iov.copyOut(bytes, 0, bytes.length);
  };
