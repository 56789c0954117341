/** Scripted endpoints: a test sets what they say and looks at what they were told. The real ones are used wherever behaviour matters. */

import { ByteRing } from '../../src/lib/byte-ring.ts';
import { TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { type Family, IpAddress } from '../../src/netstack/address.ts';
import type {
  Datagram,
  DatagramError,
  InterfaceInfo,
  Netstack,
  PathMtuNotice,
  SendChoices,
  SourceFilters,
  TcpEndpoint,
  TcpInfo,
  TcpSettings,
  TcpState,
  UdpEndpoint,
  UdpSettings,
} from '../../src/netstack/endpoint.ts';
import { Urgent } from '../../src/netstack/endpoint.ts';
import type { RouteSpec } from '../../src/netstack/ip/route-table.ts';
import { linkCounters } from '../../src/netstack/link/link.ts';
import type { NetError } from '../../src/netstack/net-error.ts';
import { type Packet, PacketPool } from '../../src/netstack/packet.ts';
import type { PacketFilter } from '../../src/netstack/packet-filter.ts';
import { type Observer, Readiness } from '../../src/netstack/readiness.ts';
import { defaultTcpSettings, defaultUdpSettings } from '../../src/netstack/settings.ts';
import { ConnectionStats } from '../../src/netstack/tcp/connection-stats.ts';
import type { Credentials } from '../../src/socket/credentials.ts';
import { SocketFactory } from '../../src/socket/factory.ts';
import type { GuestMemory } from '../../src/socket/guest-memory.ts';
import type { InetSocket } from '../../src/socket/inet-socket.ts';
import { Message } from '../../src/socket/message.ts';

export const ROOT: Credentials = { pid: 1, uid: 0, gid: 0, netBindService: true, netRaw: true, netAdmin: true };
export const USER: Credentials = {
  pid: 2,
  uid: 1000,
  gid: 1000,
  netBindService: false,
  netRaw: false,
  netAdmin: false,
};

export const octets = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const PAGE = 4096;

/** Guest memory with holes: pages that can be unmapped. */
export class TestMemory implements GuestMemory {
  readonly bytes: Uint8Array;
  readonly holes = new Set<number>();
  constructor(pages = 64) {
    this.bytes = new Uint8Array(pages * PAGE);
  }
  #reach(addr: number, len: number): number {
    let done = 0;
    while (done < len) {
      const page = Math.floor((addr + done) / PAGE);
      if (page < 0 || page * PAGE >= this.bytes.length || this.holes.has(page) || !Number.isFinite(addr)) break;
      done = Math.min(len, (page + 1) * PAGE - addr);
    }
    return done;
  }
  read(addr: number, dst: Uint8Array, at: number, len: number): number {
    const done = this.#reach(addr, len);
    dst.set(this.bytes.subarray(addr, addr + done), at);
    return done;
  }
  write(addr: number, src: Uint8Array, at: number, len: number): number {
    const done = this.#reach(addr, len);
    this.bytes.set(src.subarray(at, at + done), addr);
    return done;
  }
  put(addr: number, text: string): void {
    this.bytes.set(octets(text), addr);
  }
  text(addr: number, len: number): string {
    return String.fromCharCode(...this.bytes.subarray(addr, addr + len));
  }
}

/** A message whose one buffer is `len` octets at `addr`. */
export function message(memory: GuestMemory, addr: number, len: number, flags = 0): Message {
  const m = new Message(memory);
  m.flags = flags;
  m.iov.push(addr, len);
  return m;
}

export class FakeTcp implements TcpEndpoint {
  reuseGroup: { program: PacketFilter | undefined } | undefined = undefined;
  reuseGroupToSteer(): { program: PacketFilter | undefined } | undefined {
    if (this.settings.reusePort) this.reuseGroup ??= { program: undefined };
    return this.reuseGroup;
  }
  savedSyn: Uint8Array | undefined = undefined;
  timestamp = 0;
  lastReceiveAt = 0;
  octetsRead = 0;
  forgetSavedSyn(): void {
    this.savedSyn = undefined;
  }
  readonly arrivalHops = 64;
  readonly arrivalInterface = 1;
  readonly arrivalTos = 0;
  pingPong = false;
  quickAcknowledge(value: number): void {
    this.pingPong = value === 0;
  }
  readonly id = 7;
  readonly family: Family;
  observer: Observer | undefined = undefined;
  state: TcpState = 'CLOSED';
  localAddress: IpAddress;
  localPort = 0;
  remoteAddress: IpAddress;
  remotePort = 0;
  isBound = false;
  mask: number = Readiness.Out | Readiness.Hup | Readiness.WrNorm;
  error: NetError | undefined = undefined;
  readonly calls: string[] = [];
  readonly sendRing = new ByteRing();
  readonly receiveRing = new ByteRing();
  space = 65_536;
  receiveEnded = false;
  finReceived = false;
  sendEnded = false;
  unacknowledged = 0;
  unsent = 0;
  mss = 1460;
  segmentPayload = 1448;
  urgent: number = Urgent.None;
  urgentSeq = 0;
  urgentOctet = 0;
  octetsToMark = -1;
  isReceiveShort = false;
  isMarkUnread = false;
  deferred = false;
  queue: FakeTcp[] = [];
  answer: NetError | undefined = undefined;
  readonly settings: TcpSettings = defaultTcpSettings();

  constructor(family: Family) {
    this.family = family;
    this.localAddress = this.remoteAddress = family === 4 ? IpAddress.ANY4 : IpAddress.ANY6;
  }
  readiness(): number {
    return this.mask | (this.error === undefined ? 0 : Readiness.Err);
  }
  takeError(): NetError | undefined {
    const { error } = this;
    this.error = undefined;
    return error;
  }
  optionsChanged(): void {}
  bind(address: IpAddress, port: number): NetError | undefined {
    this.calls.push(`bind ${address.toString()} ${port}`);
    if (this.answer !== undefined) return this.answer;
    this.localAddress = address;
    this.localPort = port || 32_768;
    this.isBound = true;
    return undefined;
  }
  listen(backlog: number): NetError | undefined {
    this.calls.push(`listen ${backlog}`);
    if (this.answer === undefined) this.state = 'LISTEN';
    return this.answer;
  }
  connect(address: IpAddress, port: number): NetError | undefined {
    this.calls.push(`connect ${address.toString()} ${port}`);
    if (this.answer !== undefined) return this.answer;
    this.state = 'SYN-SENT';
    this.remoteAddress = address;
    this.remotePort = port;
    return undefined;
  }
  acceptPeek(): TcpEndpoint | undefined {
    return this.queue[0];
  }
  get acceptable(): number {
    return this.queue.length;
  }
  acceptCommit(): void {
    this.queue.shift();
  }
  sendSpaceBeyond(wanted: number): number {
    return this.sendSpace(wanted);
  }
  handedOver(): void {
    // Nothing is ever delayed here.
  }
  sendSpace(wanted = Infinity): number {
    const space = Math.max(0, Math.min(wanted, this.space - this.sendRing.length));
    this.sendRing.reserve(this.sendRing.length + space);
    return space;
  }
  writableAfter(len: number): boolean {
    return this.sendRing.length + len < this.space;
  }
  commitSend(len: number, callId: number, more: boolean, isUrgent: boolean): void {
    this.calls.push(`commitSend ${len} ${callId} ${more} ${isUrgent}`);
    this.sendRing.append(len);
  }
  get receivable(): number {
    return this.receiveRing.length;
  }
  consume(len: number): void {
    this.calls.push(`consume ${len}`);
    this.receiveRing.consume(len);
  }
  openDeferred(): void {
    this.calls.push('open');
  }
  takeUrgent(): void {
    this.urgent = Urgent.Read;
  }
  get unread(): number {
    return this.receiveRing.length;
  }
  passMark(): void {
    this.urgent = Urgent.None;
    this.octetsToMark = -1;
  }
  shutdown(how: number): NetError | undefined {
    this.calls.push(`shutdown ${how}`);
    return this.state === 'CLOSED' ? 'not-connected' : this.answer;
  }
  disconnect(): void {
    this.calls.push('disconnect');
    this.state = 'CLOSED';
    this.remotePort = 0;
    this.error = undefined;
  }
  close(): void {
    this.calls.push('close');
  }
  abort(): void {
    this.calls.push('abort');
  }
  details: Partial<TcpInfo> = {};
  info(): TcpInfo {
    return {
      state: this.state,
      inRecovery: false,
      timeouts: 0,
      keepAliveProbes: 0,
      backoff: 0,
      timestamps: false,
      sack: false,
      windowScale: false,
      sendShift: 0,
      receiveShift: 0,
      retransmissionTimeout: 1_000_000,
      smoothedRoundTrip: 0,
      roundTripVariance: 250_000,
      leastRoundTrip: 0,
      sendMss: this.segmentPayload,
      receiveMss: 536,
      segmentsInFlight: 0,
      segmentsSacked: 0,
      congestionWindow: 10,
      slowStartThreshold: 0x7fff_ffff,
      sinceSend: 0,
      sinceReceive: 0,
      pathMtu: 1500,
      sendWindow: 0,
      receiveWindow: 0,
      announcedMss: 0,
      segmentsLost: 0,
      segmentsResent: 0,
      isDisordered: false,
      sinceAck: 0,
      acknowledgmentDelay: 0,
      receiveLimit: 0,
      receiveSpace: 0,
      backlog: 0,
      totals: new ConnectionStats(),
      ...this.details,
    };
  }

  /** The peer sent this. */
  deliver(text: string): void {
    const at = this.receiveRing.length;
    this.receiveRing.reserve(at + text.length);
    this.receiveRing.write(at, octets(text), 0, text.length);
    this.receiveRing.append(text.length);
    this.observer?.endpointChanged(Readiness.In | Readiness.RdNorm);
  }
  /** What has been committed to the stream. */
  get sent(): string {
    const out = new Uint8Array(this.sendRing.length);
    this.sendRing.read(0, out, 0, out.length);
    return String.fromCharCode(...out);
  }
}

export class FakeUdp implements UdpEndpoint {
  reuseGroup: { program: PacketFilter | undefined } | undefined = undefined;
  reuseGroupToSteer(): { program: PacketFilter | undefined } | undefined {
    if (this.settings.reusePort) this.reuseGroup ??= { program: undefined };
    return this.reuseGroup;
  }
  readonly id = 9;
  readonly family: Family;
  observer: Observer | undefined = undefined;
  localAddress: IpAddress;
  localPort = 0;
  remoteAddress: IpAddress;
  remotePort = 0;
  isBound = false;
  isConnected = false;
  error: NetError | undefined = undefined;
  answer: NetError | undefined = undefined;
  receiveEnded = false;
  sendEnded = false;
  readonly calls: string[] = [];
  readonly transmitted: string[] = [];
  readonly waiting: Datagram[] = [];
  readonly errors: DatagramError[] = [];
  readonly pool: PacketPool;
  chosen: SendChoices | undefined = undefined;
  destination: string | undefined = undefined;
  readonly settings: UdpSettings = defaultUdpSettings();
  pathMtuNotice: PathMtuNotice | undefined = undefined;

  constructor(family: Family, pool: PacketPool) {
    this.family = family;
    this.pool = pool;
    this.localAddress = this.remoteAddress = family === 4 ? IpAddress.ANY4 : IpAddress.ANY6;
  }
  readiness(): number {
    const readable = this.waiting.length > 0 ? Readiness.In | Readiness.RdNorm : 0;
    const failed = this.error !== undefined || this.errors.length > 0 ? Readiness.Err : 0;
    return Readiness.Out | Readiness.WrNorm | readable | failed;
  }
  takeError(): NetError | undefined {
    const { error } = this;
    this.error = undefined;
    return error;
  }
  optionsChanged(): void {}
  bind(address: IpAddress, port: number): NetError | undefined {
    this.calls.push(`bind ${address.toString()} ${port}`);
    this.isBound = true;
    this.localAddress = address;
    this.localPort = port || 32_768;
    return this.answer;
  }
  connect(address: IpAddress, port: number): NetError | undefined {
    this.calls.push(`connect ${address.toString()} ${port}`);
    if (this.answer !== undefined) return this.answer;
    this.isConnected = true;
    this.remoteAddress = address;
    this.remotePort = port;
    return undefined;
  }
  disconnect(): void {
    this.calls.push('disconnect');
    this.isConnected = false;
    this.remotePort = 0;
  }
  prepare(to: IpAddress | undefined, port: number, len: number, choices: SendChoices | undefined): Packet | NetError {
    this.destination = to === undefined ? undefined : `${to.toString()} ${port}`;
    this.chosen = choices === undefined ? undefined : { ...choices };
    if (this.answer !== undefined) return this.answer;
    const packet = this.pool.alloc(len);
    if (packet === undefined) return 'no-buffers';
    packet.end = packet.at + len;
    return packet;
  }
  transmit(packet: Packet, callId: number): void {
    this.transmitted.push(`${callId} ${String.fromCharCode(...packet.bytes.subarray(packet.at, packet.end))}`);
    packet.release();
  }
  get queued(): number {
    return this.waiting.length;
  }
  peek(index: number): Datagram | undefined {
    return this.waiting[index];
  }
  consume(count: number, from = 0): void {
    for (const { packet } of this.waiting.splice(from, count)) packet.release();
  }
  peekError(index = 0): DatagramError | undefined {
    return this.errors[index];
  }
  consumeError(): void {
    this.errors.shift();
  }
  purgeErrors(): void {
    this.errors.length = 0;
  }
  queueError(error: DatagramError): boolean {
    this.errors.push(error);
    return true;
  }
  readonly charged = 0;
  readonly drops = 0;
  shutdown(how: number): NetError | undefined {
    this.calls.push(`shutdown ${how}`);
    if ((how & 1) !== 0) this.receiveEnded = true;
    if ((how & 2) !== 0) this.sendEnded = true;
    return this.isConnected ? undefined : 'not-connected';
  }
  autobind(): NetError | undefined {
    return this.isBound ? undefined : this.bind(this.localAddress, 0);
  }
  readonly sourceFilters: SourceFilters = {
    changeSource: () => 'invalid',
    setFilter: () => 'invalid',
    filterOf: () => 'address-not-available',
  };
  join(): NetError | undefined {
    return undefined;
  }
  leave(): NetError | undefined {
    return 'address-not-available';
  }
  close(): void {
    this.calls.push('close');
  }
  /** A datagram arrived. */
  deliver(text: string, extra: Partial<Datagram> = {}): void {
    const packet = this.pool.alloc(text.length);
    if (packet === undefined) throw new RangeError('the pool of the test is empty');
    packet.end = packet.at + text.length;
    packet.bytes.set(octets(text), packet.at);
    this.waiting.push({
      packet,
      source: IpAddress.of('10.0.2.2'),
      sourcePort: 53,
      destination: IpAddress.of('10.0.2.15'),
      destinationPort: 4000,
      interfaceIndex: 2,
      ttl: 61,
      tos: 16,
      time: 1_500_000,
      isPlaced: true,
      drops: 0,
      ...extra,
    });
    this.observer?.endpointChanged(Readiness.In | Readiness.RdNorm);
  }
}

const address = (text: string, prefix: number): { address: IpAddress; prefix: number } => ({
  address: IpAddress.of(text),
  prefix,
});

export class FakeStack implements Netstack {
  readonly clock = new TimerHeap();
  readonly random = new SeededRandom(1);
  readonly pool = new PacketPool({ large: 4, small: 64 });
  readonly interfaces: readonly InterfaceInfo[] = [
    {
      index: 1,
      name: 'lo',
      mtu: 65_536,
      linkAddress: undefined,
      isLoopback: true,
      isUp: true,
      queueLimit: 1000,
      counters: linkCounters(),
      neighborEntries: [],
      addresses: [address('127.0.0.1', 8), address('::1', 128)],
    },
    {
      index: 2,
      name: 'eth0',
      mtu: 1500,
      linkAddress: undefined,
      isLoopback: false,
      isUp: true,
      queueLimit: 2048,
      counters: linkCounters(),
      neighborEntries: [],
      addresses: [address('10.0.2.15', 24), address('fd00::15', 64), address('fe80::15', 64)],
    },
  ];
  readonly routes: readonly RouteSpec[] = [];
  path(): NetError {
    return 'network-unreachable';
  }
  readonly tcps: FakeTcp[] = [];
  readonly udps: FakeUdp[] = [];
  mtu: number | undefined = 1500;
  createTcp(family: Family): FakeTcp {
    const endpoint = new FakeTcp(family);
    this.tcps.push(endpoint);
    return endpoint;
  }
  createUdp(family: Family): FakeUdp {
    const endpoint = new FakeUdp(family, this.pool);
    this.udps.push(endpoint);
    return endpoint;
  }
  createPing(family: Family): FakeUdp {
    return this.createUdp(family);
  }
  deliver(): void {
    // Nothing is under way.
  }
  isLocal(candidate: IpAddress): boolean {
    if (candidate.isLoopback) return true;
    return this.interfaces.some((i) => i.addresses.some((a) => a.address.equals(candidate)));
  }
  pathMtu(): number | undefined {
    return this.mtu;
  }
}

/** A socket on a scripted endpoint. */
export function make(
  domain: number,
  type: number,
): { stack: FakeStack; socket: InetSocket; tcp: FakeTcp; udp: FakeUdp } {
  const stack = new FakeStack();
  const socket = new SocketFactory(stack, (at) => at + 1_700_000_000e6).create(domain, type, 0, 0, USER);
  if (typeof socket === 'number') throw new RangeError(`no socket: ${socket}`);
  return {
    stack,
    socket: socket.retain() as InetSocket,
    tcp: stack.tcps[0] as FakeTcp,
    udp: stack.udps[0] as FakeUdp,
  };
}

/** struct sockaddr_in or sockaddr_in6 of any family word. */
export function name4(text: string, port: number, family = 2): Uint8Array {
  const out = new Uint8Array(16);
  out[0] = family;
  out[2] = port >>> 8;
  out[3] = port;
  IpAddress.of(text).write4(out, 4);
  return out;
}
export function name6(text: string, port: number, scope = 0, family = 10): Uint8Array {
  const out = new Uint8Array(28);
  out[0] = family;
  out[2] = port >>> 8;
  out[3] = port;
  IpAddress.of(text).write6(out, 8);
  out[24] = scope;
  return out;
}
