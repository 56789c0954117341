/** The guest's end of one connection, by hand: every segment is the test's choice. */
import { putU16 } from '../../src/lib/bytes.ts';
import { Flag } from '../../src/netstack/wire/tcp.ts';
import { at, type Endpoint, GUEST4, type Segment, tcpFrame, tcpTo, type World } from './support.ts';

export const { Syn, Ack, Fin, Rst, Psh } = Flag;

let nextPort = 40_000;

export class RawTcp {
  readonly world: World;
  readonly remote: Endpoint;
  readonly local: Endpoint;
  /** Next to send, and next expected. */
  snd = 1000;
  rcv = 0;
  window = 65_535;
  shift = 0;
  /** Payload in order. */
  received: number[] = [];
  finSeen = false;
  resetSeen = false;
  /** One past the last octet that may be sent, and whether it ever moved back (by more than the scale rounds). */
  edge = 0;
  edgeMovedBack = false;

  constructor(world: World, remote: Endpoint, guest = GUEST4) {
    this.world = world;
    this.remote = remote;
    this.local = at(guest, nextPort++);
  }
  raw(flags: number, fields: { seq?: number; ack?: number; payload?: Uint8Array; options?: Uint8Array } = {}): void {
    this.world.inject(
      tcpFrame(this.local, this.remote, {
        seq: fields.seq ?? this.snd,
        ack: fields.ack ?? this.rcv,
        flags,
        window: this.window >>> this.shift,
        ...(fields.options === undefined ? {} : { options: fields.options }),
        ...(fields.payload === undefined ? {} : { payload: fields.payload }),
      }),
    );
  }
  syn(mss = 1460, scale = 7): void {
    const options = Uint8Array.of(2, 4, 0, 0, 1, 3, 3, scale);
    putU16(options, 2, mss);
    this.raw(Syn, { ack: 0, options: scale < 0 ? options.subarray(0, 4) : options });
  }
  segment(what: string): Promise<Segment> {
    return this.world.take(what, tcpTo(this.local.port));
  }
  async connect(): Promise<Segment> {
    this.syn();
    const synAck = await this.segment('SYN-ACK');
    if (synAck.flags !== (Syn | Ack)) throw new Error(`not a SYN-ACK: flags ${synAck.flags}`);
    this.snd++;
    this.rcv = (synAck.seq + 1) | 0;
    this.shift = 7;
    this.window = 1 << 20;
    this.edge = (this.snd + synAck.window) | 0;
    this.raw(Ack);
    return synAck;
  }
  send(payload: Uint8Array, flags = 0): void {
    this.raw(Ack | Psh | flags, { payload });
    this.snd = (this.snd + payload.length + (flags & Fin)) | 0;
  }
  fin(): void {
    this.raw(Ack | Fin);
    this.snd = (this.snd + 1) | 0;
  }
  ack(): void {
    this.raw(Ack);
  }
  /** Takes in what has come so far, and acknowledges it. */
  drain(): void {
    let news = false;
    for (const frame of this.world.rest) {
      const segment = tcpTo(this.local.port)(frame);
      if (segment === undefined) continue;
      this.#noteEdge((segment.ack + (segment.window << 7)) | 0);
      if ((segment.flags & Rst) !== 0) this.resetSeen = true;
      else news = this.#accept(segment) || news;
    }
    this.world.skip();
    if (news) this.ack();
  }
  #noteEdge(edge: number): void {
    if (((edge - this.edge) | 0) < -127) this.edgeMovedBack = true;
    if (((edge - this.edge) | 0) > 0) this.edge = edge;
  }
  #accept(segment: Segment): boolean {
    if (segment.payload.length === 0 && (segment.flags & Fin) === 0) return false;
    if (segment.seq !== this.rcv) return true;
    for (const octet of segment.payload) this.received.push(octet);
    this.rcv = (this.rcv + segment.payload.length) | 0;
    if ((segment.flags & Fin) !== 0) {
      this.finSeen = true;
      this.rcv = (this.rcv + 1) | 0;
    }
    return true;
  }
  /** Turns, taking in and acknowledging, until `done`. */
  async run(what: string, done: () => boolean, timeoutMs = 5000): Promise<void> {
    await this.world.until(
      what,
      () => {
        this.drain();
        return done();
      },
      timeoutMs,
    );
  }
}
