/**
 * Messages made at random: sendmsg, recvmsg, sendmmsg and recvmmsg with headers, names, vectors and control data that are right, nearly right and wild, on
 * UDP and TCP sockets of both families with control messages asked for or not.
 */
import * as fc from 'fast-check';
import type { Body, System } from '../../src/conformance/body.ts';
import { inet, inet6, type Kit, kit } from '../../src/conformance/kit.ts';
import { NOWHERE } from '../../src/conformance/layout.ts';
import * as c from '../../src/conformance/linux.ts';
import { showOctets } from '../../src/conformance/session.ts';
import { asControl, asMmsghdrs, asMsghdr, asSockaddr } from '../../src/conformance/show.ts';

interface Piece {
  readonly kind: number;
  readonly len: number;
}
interface Control {
  readonly what: number;
  readonly data: number;
  /** Added to the right length of the data, and to cmsg_len. */
  readonly dataOff: number;
  readonly lenOff: number;
}
interface Spec {
  readonly name: number;
  readonly nameOff: number;
  readonly pieces: readonly Piece[];
  readonly controls: readonly Control[];
  readonly controlOff: number;
  readonly room: number;
  readonly flags: number;
}
type Step =
  | {
      readonly do: 'send' | 'receive';
      readonly socket: number;
      readonly specs: readonly Spec[];
      readonly many: boolean;
    }
  | { readonly do: 'option'; readonly socket: number; readonly option: number; readonly on: number };

/** Control messages that a send may bear: of every level, and one that its level does not know. */
export const COMMON_CONTROLS = [
  { level: c.SOL_IP, type: c.IP_TTL, len: 4 },
  { level: c.SOL_IP, type: c.IP_TOS, len: 4 },
  { level: c.SOL_IP, type: c.IP_TOS, len: 1 },
  { level: c.SOL_IP, type: c.IP_PKTINFO, len: 12 },
  { level: c.SOL_IPV6, type: c.IPV6_HOPLIMIT, len: 4 },
  { level: c.SOL_IPV6, type: c.IPV6_TCLASS, len: 4 },
  { level: c.SOL_IPV6, type: c.IPV6_PKTINFO, len: 20 },
  { level: c.SOL_SOCKET, type: c.SCM_TIMESTAMP, len: 16 },
  { level: c.SOL_SOCKET, type: 1000, len: 4 },
  { level: c.SOL_TCP, type: 1, len: 4 },
] as const;
const CONTROLS = [...COMMON_CONTROLS, { level: 77, type: 1, len: 4 }] as const;
const OPTIONS = [
  [c.SOL_IP, c.IP_PKTINFO],
  [c.SOL_IP, c.IP_RECVTTL],
  [c.SOL_IP, c.IP_RECVTOS],
  [c.SOL_SOCKET, c.SO_TIMESTAMP],
  [c.SOL_IPV6, c.IPV6_RECVPKTINFO],
  [c.SOL_IPV6, c.IPV6_RECVHOPLIMIT],
  [c.SOL_IPV6, c.IPV6_RECVTCLASS],
  [c.SOL_IP, c.IP_RECVORIGDSTADDR],
] as const;
const SEND_FLAGS = [0, 0, 0, c.MSG_DONTWAIT, c.MSG_NOSIGNAL, c.MSG_OOB, c.MSG_EOR];
const RECEIVE_FLAGS = [0, 0, c.MSG_PEEK, c.MSG_TRUNC, c.MSG_WAITALL, c.MSG_TRUNC | c.MSG_PEEK, c.MSG_CMSG_CLOEXEC];
const of = <T>(list: readonly T[], x: number): T => list[x % list.length] as T;
const rarely = (values: readonly number[]): fc.Arbitrary<number> =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.constantFrom(...values) });

const spec: fc.Arbitrary<Spec> = fc.record({
  name: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 7 }) }),
  nameOff: rarely([-100, -20, -12, -4, -1, 1, 4, 12, 100, 120]),
  pieces: fc.array(
    fc.record({
      kind: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 3 }) }),
      len: fc.nat({ max: 24 }),
    }),
    { maxLength: 3 },
  ),
  controls: fc.array(
    fc.record({
      what: fc.nat({ max: CONTROLS.length - 1 }),
      data: fc.constantFrom(0, 1, 5, 64, 255, 256, -1, 0x0100_007f),
      dataOff: rarely([-4, -1, 1, 8]),
      lenOff: rarely([-100, -20, -4, -1, 1, 4, 1000]),
    }),
    { maxLength: 2 },
  ),
  controlOff: rarely([-16, -8, -4, -1, 1, 8]),
  room: fc.constantFrom(0, 0, 8, 16, 20, 28, 32, 40, 48, 60, 80, 128),
  flags: fc.nat({ max: 20 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('send' as const, 'receive' as const),
      socket: fc.nat({ max: 5 }),
      specs: fc.array(spec, { minLength: 1, maxLength: 3 }),
      many: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('option' as const),
      socket: fc.nat({ max: 5 }),
      option: fc.nat({ max: OPTIONS.length - 1 }),
      on: fc.nat({ max: 1 }),
    }),
  },
);
export const messageSteps: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 2, maxLength: 12 });

const PORT = 7000;
/** Sockets from this place on are TCP's. */
const FIRST_STREAM = 4;
/** UDP sockets and a TCP connection; all but the connection send to the first of their family. */
function sockets(a: Kit): number[] {
  const four = a.udp();
  a.bind(four, '127.0.0.1', PORT);
  const six = a.udp(0, c.AF_INET6);
  a.bind(six, '::', PORT + 1);
  const connected = a.udp();
  a.connect(connected, '127.0.0.1', PORT);
  const { client, server } = a.pair();
  return [four, six, a.udp(), connected, client, server];
}

class Scene {
  readonly #sys: System;
  readonly #a: Kit;
  readonly #fds: number[];

  constructor(sys: System) {
    this.#sys = sys;
    this.#a = kit(sys);
    this.#fds = sockets(this.#a);
  }
  take(one: Step): void {
    const fd = of(this.#fds, one.socket);
    if (one.do === 'option') {
      // SO_TIMESTAMP is refused on TCP here.
      if (one.socket >= FIRST_STREAM && one.option === 3) return;
      const [level, option] = of(OPTIONS, one.option);
      this.#a.setInt(fd, level, option, one.on);
      return;
    }
    const isSend = one.do === 'send';
    const flags = isSend
      ? of(SEND_FLAGS, one.specs[0]?.flags ?? 0)
      : of(RECEIVE_FLAGS, one.specs[0]?.flags ?? 0) | c.MSG_DONTWAIT;
    if (one.many) {
      const at = this.#sys.alloc(64 * one.specs.length, 'mmsg', asMmsghdrs);
      one.specs.forEach((message, i) => this.#put(at + 64 * i, message, one.socket, isSend));
      if (isSend) this.#a.task.call('sendmmsg', fd, at, one.specs.length, flags);
      else this.#a.task.call('recvmmsg', fd, at, one.specs.length, flags, 0);
      return;
    }
    const at = this.#sys.alloc(56, 'msg', asMsghdr);
    this.#put(at, one.specs[0] as Spec, one.socket, isSend);
    this.#a.task.call(isSend ? 'sendmsg' : 'recvmsg', fd, at, flags);
  }
  #put(at: number, message: Spec, socket: number, isSend: boolean): void {
    const name = isSend
      ? this.#destination(message.name, socket)
      : { at: this.#sys.alloc(128, 'name', asSockaddr), len: 28 };
    const control = isSend
      ? this.#controls(message)
      : { at: this.#sys.alloc(128, 'control', asControl), len: message.room };
    this.#a.putMsghdr(at, {
      name: name.at,
      namelen: name.len === 0 ? 0 : name.len + message.nameOff,
      iov: message.pieces.map((piece) => this.#piece(piece, isSend)),
      control: control.at,
      controllen: Math.max(0, control.len + (isSend ? message.controlOff : 0)),
    });
  }
  #destination(x: number, socket: number): { readonly at: number; readonly len: number } {
    const six = socket === 1;
    const right = six ? inet6('::1', PORT + 1) : inet('127.0.0.1', PORT);
    const names = [right, right, inet6('::ffff:127.0.0.1', PORT), inet('127.0.0.1', 0), inet('127.0.0.1', PORT, 77)];
    if (x === 5) return { at: 0, len: 0 };
    if (x === 6) return { at: NOWHERE, len: 16 };
    if (x === 7) return { at: 0, len: 16 };
    const bytes = of(names, x);
    return { at: this.#a.octets(bytes, 'addr'), len: bytes.length };
  }
  #piece({ kind, len }: Piece, isSend: boolean): readonly [number, number] {
    const show = showOctets;
    if (kind === 1) return [NOWHERE, len];
    if (kind === 2) return [0, len];
    const at =
      kind === 3
        ? this.#sys.edge(Math.max(1, len >> 1), 'edge', show)
        : this.#sys.alloc(Math.max(1, len), 'piece', show);
    if (isSend && kind === 0) this.#sys.write(at, 'abcdefghijklmnopqrstuvwxyz'.slice(0, len));
    return [at, len];
  }
  #controls({ controls }: Spec): { readonly at: number; readonly len: number } {
    return this.#a.control(
      controls.map(({ what, data, dataOff, lenOff }) => {
        const { level, type, len } = of(CONTROLS, what);
        const bytes = new Uint8Array(Math.max(0, len + dataOff));
        const value = new Uint8Array(4);
        c.i32.put(value, 0, data);
        // In a struct the value stands behind the interface index.
        bytes.set(value.subarray(0, Math.min(4, bytes.length)), len === 12 && bytes.length >= 8 ? 4 : 0);
        const message = { level, type, data: bytes };
        return lenOff === 0 ? message : { ...message, len: Math.max(0, c.CMSG_LEN(bytes.length) + lenOff) };
      }),
    );
  }
}

export const messages = (sequence: readonly Step[]): Body => ({
  name: `messages ${JSON.stringify(sequence)}`,
  group: 'random',
  run: (sys) => {
    const scene = new Scene(sys);
    for (const one of sequence) scene.take(one);
  },
});
