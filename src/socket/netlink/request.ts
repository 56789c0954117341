/** One request of NETLINK_ROUTE: who asks, what was said, and the shapes of answers. */
import { errnoName } from '../../abi/errno.ts';
import * as abi from '../../abi/netlink.ts';
import {
  AttributeWalker,
  NetlinkWriter,
  NLM_F_DUMP,
  NLM_F_DUMP_FILTERED,
  NLM_F_MULTI,
  NLMSG_DONE,
  type Nlmsghdr,
} from '../../abi/netlink.ts';
import { AF_INET, AF_INET6 } from '../../abi/socket.ts';
import { i32, u32 } from '../../abi/struct.ts';
import { IpAddress } from '../../netstack/address.ts';

/** The socket that asks. */
export interface Requester {
  readonly portId: number;
  readonly uid: number;
  readonly netAdmin: boolean;
  readonly capAck: boolean;
  readonly extAck: boolean;
  readonly strictCheck: boolean;
  /** A dump is not finished: another one is EBUSY. */
  readonly isDumping: boolean;
  /** Octets that one datagram of a dump may have. */
  readonly dumpRoom: number;
  reply(datagram: Uint8Array): void;
  /** Datagrams of a dump, to be handed out one after the other as they are read. */
  dump(datagrams: readonly Uint8Array[]): void;
  unsupported(what: string, errno: string): void;
}

export interface Request {
  readonly header: Nlmsghdr;
  readonly bytes: Uint8Array;
  /** The fixed body's offset, and the message's end. */
  readonly at: number;
  readonly end: number;
  readonly from: Requester;
}

const RTM_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(abi).flatMap(([name, value]) =>
    /^RTM_(NEW|DEL|GET|SET)/.test(name) && typeof value === 'number' ? [[value, name] as const] : [],
  ),
);
/** Of each four message types NEW, DEL, GET and SET. */
export const GET = 2;

/** Refuses what Linux would do, and says so. */
export function refuse({ header, from }: Request, errno: number): number {
  const name = RTM_NAMES.get(header.type) ?? `message ${header.type}`;
  const dump = (header.flags & NLM_F_DUMP) !== 0 && (header.type & 3) === GET ? ' dump' : '';
  from.unsupported(`${name}${dump}`, errnoName(-errno));
  return -errno;
}

/** AF_UNSPEC and every family without routes of its own stand for all. */
export function familiesOf(family: number): readonly boolean[] {
  if (family === AF_INET) return [true];
  return family === AF_INET6 ? [false] : [true, false];
}

/** One dump in the making: messages collected into datagrams. */
export class Dump {
  readonly #out: NetlinkWriter;
  readonly #datagrams: Uint8Array[] = [];
  readonly #room: number;
  readonly #header: Nlmsghdr;
  #flags = NLM_F_MULTI;
  #from = 0;

  constructor(header: Nlmsghdr, portId: number, room: number) {
    this.#out = new NetlinkWriter();
    this.#header = { ...header, pid: portId };
    this.#room = room;
  }
  filtered(): void {
    this.#flags |= NLM_F_DUMP_FILTERED;
  }
  add(type: number, write: (out: NetlinkWriter) => void): void {
    const out = this.#out;
    this.#from = out.length;
    out.begin(type, this.#flags, this.#header.seq, this.#header.pid);
    write(out);
    out.end();
    if (out.length <= this.#room || this.#from === 0) return;
    const both = out.take();
    this.#datagrams.push(both.slice(0, this.#from));
    out.body(both.subarray(this.#from));
  }
  /** @param error of the dump, negative, or 0. @param joined the end comes with the last messages, not after them. */
  finish(error: number, joined: boolean): Uint8Array[] {
    const out = this.#out;
    if (out.length > 0 && !joined) this.#datagrams.push(out.take());
    out.begin(NLMSG_DONE, this.#flags, this.#header.seq, this.#header.pid);
    const code = new Uint8Array(4);
    i32.put(code, 0, error);
    out.body(code);
    out.end();
    this.#datagrams.push(out.take());
    return this.#datagrams;
  }
}

/** What a request said, as far as it is asked for here; attributes that appear twice count once, the last. */
export class Attributes {
  readonly #values = new Map<number, Uint8Array>();
  /** @param allowed with strict checking, the types that may appear; undefined for any. */
  read(bytes: Uint8Array, at: number, end: number, allowed: readonly number[] | undefined): boolean {
    const walker = new AttributeWalker();
    walker.begin(bytes, at, end);
    while (walker.next()) {
      if (allowed?.includes(walker.type) === false) return false;
      this.#values.set(walker.type, bytes.subarray(walker.at, walker.at + walker.length));
    }
    return true;
  }
  has(type: number): boolean {
    return this.#values.has(type);
  }
  /** 0 when absent; undefined when too short to be one. */
  number(type: number): number | undefined {
    const value = this.#values.get(type);
    if (value === undefined) return 0;
    return value.length < 4 ? undefined : u32.get(value, 0);
  }
  text(type: number): string | undefined {
    const value = this.#values.get(type);
    if (value === undefined) return undefined;
    const end = value.indexOf(0);
    return String.fromCharCode(...(end < 0 ? value : value.subarray(0, end)));
  }
  /** Undefined when absent, false when it is no address of the family. */
  address(type: number, isV4: boolean): IpAddress | undefined | false {
    const value = this.#values.get(type);
    if (value === undefined) return undefined;
    if (value.length < (isV4 ? 4 : 16)) return false;
    if (isV4) return IpAddress.read4(value, 0);
    const address = IpAddress.read6(value, 0);
    // The stack has no routes for IPv4-mapped addresses as such.
    return address.isV4 ? false : address;
  }
}
