/**
 * One stack and a scripted peer at the other end of a link of bare IP packets, in virtual time. The peer speaks in lines:
 *
 *   S. 0:0(0) ack 1 win 1000 <mss 1460,nop,wscale 7>
 *
 * flags (S F R P U and . for ACK), first and last sequence number with the payload's length, then what matters of the rest. Sequence numbers are relative to the
 * sender's initial one, acknowledgments to the receiver's. The payload is a pattern of the sequence number, and is checked wherever it arrives.
 */
import type { ExecutionContext } from 'ava';
import { i32, putU16, putU32, u16 } from '../../../src/lib/bytes.ts';
import { type Duration, TimerHeap as Heap, instant, micros, type TimerHeap } from '../../../src/lib/clock.ts';
import { SeededRandom } from '../../../src/lib/random.ts';
import { IpAddress } from '../../../src/netstack/address.ts';
import type { TcpEndpoint } from '../../../src/netstack/endpoint.ts';
import { pushHeader } from '../../../src/netstack/ip/header.ts';
import { IpProtocol } from '../../../src/netstack/ip/ip.ts';
import { LinkPair } from '../../../src/netstack/link/pair.ts';
import { Csum, type Packet, PacketPool } from '../../../src/netstack/packet.ts';
import { Stack } from '../../../src/netstack/stack.ts';
import type { TcpConnection } from '../../../src/netstack/tcp/connection.ts';
import { TcpLayer, type TcpLimits } from '../../../src/netstack/tcp/tcp-layer.ts';
import { computeChecksum } from '../../../src/netstack/transport-checksum.ts';
import { Flag } from '../../../src/netstack/wire/tcp.ts';

export const LOCAL4 = IpAddress.of('10.0.2.15');
export const PEER4 = IpAddress.of('10.0.2.2');
export const LOCAL6 = IpAddress.of('fd00::15');
export const PEER6 = IpAddress.of('fd00::2');
export const PEER_PORT = 5000;
export const LISTEN_PORT = 80;

export interface WorldOptions {
  readonly family?: 4 | 6;
  readonly mtu?: number;
  readonly capabilities?: number;
  /** The peer's initial sequence number. */
  readonly peerIss?: number;
  readonly limits?: TcpLimits;
  /** Microseconds since the clock's origin at which the world begins: chooses the stack's initial sequence numbers. */
  readonly origin?: number;
}

const LETTERS: ReadonlyArray<readonly [string, number]> = [
  ['F', Flag.Fin],
  ['S', Flag.Syn],
  ['R', Flag.Rst],
  ['P', Flag.Psh],
  ['.', Flag.Ack],
  ['U', Flag.Urg],
];
/** The octet of a stream at a relative sequence number. */
export const pattern = (relative: number): number => (relative * 7 + (relative >>> 8)) & 0xff;

interface Line {
  flags: number;
  seq: number;
  len: number;
  ack: number | undefined;
  win: number | undefined;
  urg: number | undefined;
  options: readonly string[] | undefined;
}

function parseLine(text: string): Line {
  const match =
    /^([FSRPU.]+) (-?\d+):(-?\d+)\((\d+)\)(?: ack (-?\d+))?(?: win (\d+))?(?: urg (\d+))?(?: <(.*)>)?$/.exec(text);
  if (match === null) throw new SyntaxError(`not a segment: ${text}`);
  const [, letters = '', seq, , len, ack, win, urg, options] = match;
  let flags = 0;
  for (const [letter, bit] of LETTERS) if (letters.includes(letter)) flags |= bit;
  return {
    flags,
    seq: Number(seq),
    len: Number(len),
    ack: ack === undefined ? undefined : Number(ack),
    win: win === undefined ? undefined : Number(win),
    urg: urg === undefined ? undefined : Number(urg),
    options: options?.split(',').map((o) => o.trim()),
  };
}

/** A segment from the stack, as the peer saw it. */
export interface Seen {
  readonly flags: number;
  readonly seq: number;
  readonly len: number;
  readonly ack: number;
  readonly win: number;
  readonly urg: number;
  readonly options: readonly string[];
  readonly payload: Uint8Array;
  readonly gsoSize: number;
  readonly socketId: number;
  readonly callId: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly time: number;
}

const flagText = (flags: number): string =>
  LETTERS.filter(([, bit]) => (flags & bit) !== 0)
    .map(([letter]) => letter)
    .join('');

export class Peer {
  /** Segments not yet expected. */
  readonly seen: Seen[] = [];
  port = PEER_PORT;
  /** Where segments are sent. */
  stackPort = LISTEN_PORT;
  /** Both sides' initial sequence numbers; the stack's is learnt from its first SYN. */
  iss: number;
  stackIss = 0;
  /** Sent with every segment once set: 'TS val ecr 0' is filled in by the script. */
  readonly #world: World;

  constructor(world: World, iss: number) {
    this.#world = world;
    this.iss = iss | 0;
  }

  send(text: string, change?: (packet: Packet, l4: number) => void): void {
    const line = parseLine(text);
    const { pool } = this.#world;
    const packet = pool.alloc(line.len);
    if (packet === undefined) throw new Error('no buffer');
    packet.end = packet.at + line.len;
    const first = line.seq + ((line.flags & Flag.Syn) === 0 ? 0 : 1);
    for (let i = 0; i < line.len; i++) packet.bytes[packet.at + i] = pattern(first + i);
    const options = encodeOptions(line.options ?? [], this);
    const at = packet.push(20 + options.length);
    const b = packet.bytes;
    putU16(b, at, this.port);
    putU16(b, at + 2, this.stackPort);
    putU32(b, at + 4, this.iss + line.seq);
    putU32(b, at + 8, line.ack === undefined ? 0 : this.stackIss + line.ack);
    b[at + 12] = ((20 + options.length) / 4) << 4;
    b[at + 13] = line.flags;
    putU16(b, at + 14, line.win ?? 65_535);
    putU16(b, at + 16, 0);
    putU16(b, at + 18, line.urg ?? 0);
    b.set(options, at + 20);
    const { local, remote } = this.#world;
    computeChecksum(packet, remote, local, IpProtocol.Tcp, 16);
    change?.(packet, at);
    pushHeader(packet, remote, local, IpProtocol.Tcp, { ttl: 64, tos: 0, dontFragment: true }, 0);
    this.#world.pair.b.transmit(packet);
    this.#world.pump();
  }

  expect(text: string): Seen {
    this.#world.pump();
    const seen = this.seen.shift();
    const { t } = this.#world;
    if (seen === undefined) {
      t.fail(`expected ${text}, and nothing came`);
      throw new Error('no segment');
    }
    const line = parseLine(text);
    const got = show(seen, line);
    t.is(got, showLine(line), `at ${this.#world.clock.now()} us`);
    const first = seen.seq + ((seen.flags & Flag.Syn) === 0 ? 0 : 1);
    for (let i = 0; i < seen.len; i++) {
      if (seen.payload[i] !== pattern(first + i)) t.fail(`octet ${seen.seq + i} of the stream is wrong`);
    }
    return seen;
  }
  expectNothing(): void {
    this.#world.pump();
    this.#world.t.deepEqual(
      this.seen.map((s) => show(s, undefined)),
      [],
    );
  }
  /** Forgets what came. Returns it. */
  drain(): Seen[] {
    this.#world.pump();
    return this.seen.splice(0);
  }

  /** @internal */
  arrived(packet: Packet): void {
    const b = packet.bytes;
    const l4 = packet.at + ((b[packet.at] as number) >>> 4 === 4 ? 20 : 40);
    const header = ((b[l4 + 12] as number) >>> 4) * 4;
    const flags = (b[l4 + 13] as number) & 0x3f;
    if ((flags & Flag.Syn) !== 0) this.stackIss = i32(b, l4 + 4);
    this.seen.push({
      flags,
      seq: (i32(b, l4 + 4) - this.stackIss) | 0,
      len: packet.end - l4 - header,
      ack: (i32(b, l4 + 8) - this.iss) | 0,
      win: u16(b, l4 + 14),
      urg: u16(b, l4 + 18),
      options: decodeOptions(b, l4 + 20, l4 + header, this.iss),
      payload: b.slice(l4 + header, packet.end),
      gsoSize: packet.gsoSize,
      socketId: packet.socketId,
      callId: packet.callId,
      sourcePort: u16(b, l4),
      destinationPort: u16(b, l4 + 2),
      time: this.#world.clock.now(),
    });
    if (packet.csum === Csum.Full) {
      // The peer's stack would drop a segment with a wrong sum.
      const { local, remote } = this.#world;
      const copy = b.slice(l4, packet.end);
      const before = u16(b, l4 + 16);
      packet.at = l4;
      computeChecksum(packet, local, remote, IpProtocol.Tcp, 16);
      this.#world.t.is(u16(b, l4 + 16), before, 'checksum');
      b.set(copy, l4);
    }
    packet.release();
  }
}

function show(seen: Seen, like: Line | undefined): string {
  let text = `${flagText(seen.flags)} ${seen.seq}:${seen.seq + seen.len}(${seen.len})`;
  if (like === undefined ? (seen.flags & Flag.Ack) !== 0 : like.ack !== undefined) text += ` ack ${seen.ack}`;
  if (like === undefined || like.win !== undefined) text += ` win ${seen.win}`;
  if (like?.urg !== undefined) text += ` urg ${seen.urg}`;
  if (like?.options !== undefined) {
    text += ` <${like.options.map((o) => (seen.options.find((s) => s.startsWith(o)) === undefined && o !== '*' ? seen.options.join(',') : o)).join(',')}>`;
  }
  return text;
}
function showLine(line: Line): string {
  let text = `${flagText(line.flags)} ${line.seq}:${line.seq + line.len}(${line.len})`;
  if (line.ack !== undefined) text += ` ack ${line.ack}`;
  if (line.win !== undefined) text += ` win ${line.win}`;
  if (line.urg !== undefined) text += ` urg ${line.urg}`;
  if (line.options !== undefined) text += ` <${line.options.join(',')}>`;
  return text;
}

const word = (x: number): number[] => [(x >>> 24) & 255, (x >>> 16) & 255, (x >>> 8) & 255, x & 255];
function encodeOptions(options: readonly string[], peer: Peer): Uint8Array {
  const out: number[] = [];
  for (const option of options) {
    const [name = '', ...args] = option.split(' ');
    if (name === 'nop') out.push(1);
    else if (name === 'eol') out.push(0);
    else if (name === 'mss') out.push(2, 4, Number(args[0]) >> 8, Number(args[0]) & 255);
    else if (name === 'wscale') out.push(3, 3, Number(args[0]));
    else if (name === 'sackOK') out.push(4, 2);
    else if (name === 'ts') out.push(8, 10, ...word(Number(args[0])), ...word(Number(args[1])));
    else if (name === 'sack') {
      out.push(5, 2 + args.length * 8);
      for (const block of args) {
        const [from, to] = block.split(':');
        out.push(...word(peer.stackIss + Number(from)), ...word(peer.stackIss + Number(to)));
      }
    } else if (name === 'raw') out.push(...args.map(Number));
    else throw new SyntaxError(`option ${option}`);
  }
  while (out.length % 4 !== 0) out.push(1);
  return Uint8Array.from(out);
}

function decodeOptions(b: Uint8Array, from: number, end: number, peerIss: number): string[] {
  const out: string[] = [];
  for (let at = from; at < end; ) {
    const kind = b[at] as number;
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const len = b[at + 1] as number;
    if (kind === 2) out.push(`mss ${u16(b, at + 2)}`);
    else if (kind === 3) out.push(`wscale ${b[at + 2]}`);
    else if (kind === 4) out.push('sackOK');
    else if (kind === 34) out.push(['fo', ...b.subarray(at + 2, at + len)].join(' '));
    else if (kind === 8) out.push(`ts ${i32(b, at + 2)} ${i32(b, at + 6)}`);
    else if (kind === 5) {
      const blocks: string[] = [];
      for (let o = at + 2; o < at + len; o += 8) {
        blocks.push(`${(i32(b, o) - peerIss) | 0}:${(i32(b, o + 4) - peerIss) | 0}`);
      }
      out.push(`sack ${blocks.join(' ')}`);
    }
    at += len;
  }
  return out;
}

export class World {
  readonly t: ExecutionContext;
  readonly clock: TimerHeap;
  readonly pool = new PacketPool({ large: 64, small: 512 });
  readonly stack: Stack;
  readonly tcp: TcpLayer;
  readonly pair: LinkPair;
  readonly peer: Peer;
  readonly family: 4 | 6;
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly #written = new WeakMap<TcpEndpoint, number>();
  readonly #read = new WeakMap<TcpEndpoint, number>();
  readonly events = new Map<number, number[]>();

  constructor(t: ExecutionContext, options: WorldOptions = {}) {
    this.t = t;
    this.family = options.family ?? 4;
    this.clock = new Heap(instant(options.origin ?? 1_000_000_000));
    this.local = this.family === 4 ? LOCAL4 : LOCAL6;
    this.remote = this.family === 4 ? PEER4 : PEER6;
    let tcp: TcpLayer | undefined;
    this.stack = new Stack({
      clock: this.clock,
      random: new SeededRandom(42),
      pool: this.pool,
      tcp: (env) => {
        tcp = new TcpLayer(env, options.limits);
        return tcp;
      },
    });
    if (tcp === undefined) throw new Error('the stack made no TCP');
    this.tcp = tcp;
    this.pair = new LinkPair({ mtu: options.mtu ?? 1500, capabilities: options.capabilities ?? 0, addresses: null });
    const prefix = this.family === 4 ? 24 : 64;
    this.stack.addLink(this.pair.a, {
      name: 'eth0',
      addresses: [{ address: this.local, prefix }],
      gateways: [this.remote],
    });
    this.peer = new Peer(this, options.peerIss ?? 1_000_000);
    this.pair.b.attach({ receive: (packet) => this.peer.arrived(packet), linkClosed: () => {} });
  }

  /** Delivers both ways until nothing moves; time stands still. */
  pump(): void {
    for (let i = 0; i < 1000; i++) {
      this.stack.step(this.clock.now());
      if (this.pair.pump() === 0 && this.stack.loopback.queued === 0) return;
    }
  }
  /** Time passes, in steps small enough that each alarm's segments are seen at their time. */
  advance(by: Duration): void {
    this.pump();
    const end = this.clock.now() + by;
    for (let next = this.clock.next(); next !== undefined && next <= end; next = this.clock.next()) {
      this.clock.advance(micros(next - this.clock.now()));
      this.pump();
    }
    this.clock.advance(micros(end - this.clock.now()));
    this.pump();
  }

  endpoint(family: 4 | 6 = this.family): TcpConnection {
    const endpoint = this.tcp.createEndpoint(family);
    const events: number[] = [];
    this.events.set(endpoint.id, events);
    endpoint.observer = { endpointChanged: (bits) => void events.push(bits) };
    return endpoint;
  }
  /** Events told since the last time asked, together. */
  told(endpoint: TcpEndpoint): number {
    return (this.events.get(endpoint.id) ?? []).splice(0).reduce((all, bits) => all | bits, 0);
  }

  /** An endpoint in SYN-SENT; its SYN has been seen. */
  connecting(prepare?: (endpoint: TcpConnection) => void): TcpConnection {
    const endpoint = this.endpoint();
    prepare?.(endpoint);
    this.t.is(endpoint.connect(this.remote, PEER_PORT), undefined);
    this.peer.stackPort = endpoint.localPort;
    this.peer.expect('S 0:0(0)');
    return endpoint;
  }
  /** ESTABLISHED by connect(); `options` are the SYN-ACK's. */
  connected(options = 'mss 1460', win = 65_535, prepare?: (endpoint: TcpConnection) => void): TcpConnection {
    const endpoint = this.connecting(prepare);
    this.peer.send(`S. 0:0(0) ack 1 win ${win} <${options}>`);
    this.peer.expect('. 1:1(0) ack 1');
    this.t.is(endpoint.state, 'ESTABLISHED');
    this.told(endpoint);
    return endpoint;
  }
  listening(backlog = 10, prepare?: (endpoint: TcpConnection) => void): TcpConnection {
    const listener = this.endpoint();
    prepare?.(listener);
    const any = this.family === 4 ? IpAddress.ANY4 : IpAddress.ANY6;
    this.t.is(listener.bind(any, LISTEN_PORT), undefined);
    this.t.is(listener.listen(backlog), undefined);
    return listener;
  }
  /** ESTABLISHED by accept, with the listener still there. */
  accepted(
    options = 'mss 1460',
    win = 65_535,
    prepare?: (endpoint: TcpConnection) => void,
  ): { endpoint: TcpConnection; listener: TcpConnection } {
    const listener = this.listening(10, prepare);
    this.peer.send(`S 0:0(0) win ${win} <${options}>`);
    this.peer.expect('S. 0:0(0) ack 1');
    this.peer.send(`. 1:1(0) ack 1 win ${win}`);
    const endpoint = listener.acceptPeek() as TcpConnection;
    this.t.truthy(endpoint);
    listener.acceptCommit();
    const events: number[] = [];
    this.events.set(endpoint.id, events);
    endpoint.observer = { endpointChanged: (bits) => void events.push(bits) };
    return { endpoint, listener };
  }

  /** Writes `len` octets of the pattern as one call. Returns how many the endpoint took. */
  write(endpoint: TcpEndpoint, len: number, more = false, callId = 1, urgent = false): number {
    const space = Math.min(len, endpoint.sendSpace(len));
    const ring = endpoint.sendRing;
    const from = this.#written.get(endpoint) ?? 0;
    for (let i = 0; i < space; i++) ring.bytes[ring.index(ring.length + i)] = pattern(from + i + 1);
    this.#written.set(endpoint, from + space);
    endpoint.commitSend(space, callId, more, urgent);
    this.pump();
    return space;
  }
  /** Reads up to `len` octets and checks them. Returns how many. */
  read(endpoint: TcpEndpoint, len = Number.POSITIVE_INFINITY): number {
    const count = Math.min(len, endpoint.receivable);
    const from = this.#read.get(endpoint) ?? 0;
    for (let i = 0; i < count; i++) {
      if (endpoint.receiveRing.bytes[endpoint.receiveRing.index(i)] !== pattern(from + i + 1)) {
        this.t.fail(`octet ${from + i} read is wrong`);
        break;
      }
    }
    this.#read.set(endpoint, from + count);
    endpoint.consume(count);
    this.pump();
    return count;
  }
  /** Skips octets of the pattern that will not be read (an urgent octet). */
  skip(endpoint: TcpEndpoint, count: number): void {
    this.#read.set(endpoint, (this.#read.get(endpoint) ?? 0) + count);
  }
}

export const world = (t: ExecutionContext, options: WorldOptions = {}): World => new World(t, options);
