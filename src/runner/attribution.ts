/**
 * Who causes a flow: a link decorator that tells the gateway, before a flow's first frame, which process, descriptor and call it comes from. Packets carry the id of their
 * socket; the platform notes the caller of each call on a socket before the call can send anything.
 */
import { readFileSync } from 'node:fs';
import type { FlowMetadata } from '../gateway/spawn.ts';
import type { Random } from '../lib/random.ts';
import { IpAddress } from '../netstack/address.ts';
import { FlowTable } from '../netstack/flow-table.ts';
import { IpProtocol } from '../netstack/ip/ip.ts';
import type { LinkCounters, LinkEndpoint, LinkReceiver } from '../netstack/link/link.ts';
import type { Packet, PacketPool } from '../netstack/packet.ts';
import * as ipv4 from '../netstack/wire/ipv4.ts';
import * as ipv6 from '../netstack/wire/ipv6.ts';

/** Who used a socket last. */
export interface Caller {
  tid: number;
  pid: number;
  fd: number;
  /** The call, by its number and by the id that packets carry. */
  nr: number;
  callId: number;
}

const SYN = 0x02;
const ACK = 0x10;
/** Datagram flows told of, kept so that each is told once: those of the last so many and, while these fill up, those before them. */
const MAX_FLOWS = 2048;
/** Sockets whose last descriptor is gone but which still send (FIN, retransmissions): those remembered. */
const MAX_GONE = 1024;
/** The third word of an IPv4-mapped address, whose hash is the shortest. */
const MAPPED = 0xffff;

/** A fragment behind the first: payload stands where the first one has its ports. */
function isContinuation({ bytes, l3 }: Packet): boolean {
  if ((bytes[l3] as number) >>> 4 === 4) return ipv4.fragmentOffset(bytes, l3) > 0;
  return (
    ipv6.nextHeader(bytes, l3) === ipv6.NextHeader.Fragment && ipv6.fragmentOffset(bytes, l3 + ipv6.HEADER_LEN) > 0
  );
}

const port = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

/** /proc/PID/comm, as ps shows it. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd();
  } catch {
    return '';
  }
}

/** Who caused a frame, in words for a capture: process, thread, descriptor and call. */
export class Comments {
  readonly #callName: (nr: number) => string;
  /** Of the process asked for last: reading it for every frame would cost more than writing the frame. */
  #pid = -1;
  #command = '';

  constructor(callName: (nr: number) => string) {
    this.#callName = callName;
  }
  /** Undefined for a caller that nobody knows. `callId` 0 is a frame that no call caused: an acknowledgment, a retransmission by time. */
  of(caller: Caller | undefined, callId: number): string | undefined {
    if (caller === undefined) return undefined;
    const { pid, tid, fd, nr } = caller;
    if (pid !== this.#pid) {
      this.#pid = pid;
      this.#command = commandOf(pid);
    }
    const process = this.#command === '' ? `pid ${pid}` : `${this.#command} pid ${pid}`;
    // The name is that of the socket's last call, so it belongs to that call's frames alone.
    const name = callId === caller.callId ? ` ${this.#callName(nr)}` : '';
    const call = callId === 0 ? '' : ` call ${callId}${name}`;
    return `${process} tid ${tid} fd ${fd}${call}`;
  }
}

export class AttributingLink implements LinkEndpoint {
  /** Flows told of. */
  flows = 0;
  readonly #inner: LinkEndpoint;
  readonly #callers = new Map<number, Caller>();
  /** Oldest first. */
  readonly #gone = new Map<number, Caller>();
  readonly #random: Random;
  #told: FlowTable<true>;
  #toldBefore: FlowTable<true>;
  readonly #tell: ((notice: FlowMetadata) => void) | undefined;

  /** @param tell undefined where nobody wants to know. */
  constructor(inner: LinkEndpoint, random: Random, tell: ((notice: FlowMetadata) => void) | undefined) {
    this.#inner = inner;
    this.#random = random;
    this.#told = this.#newTable();
    this.#toldBefore = this.#newTable();
    this.#tell = tell;
  }
  /** The next packets of socket `socketId` are this caller's. */
  note(socketId: number, tid: number, pid: number, fd: number, nr: number, callId: number): void {
    const caller = this.#callers.get(socketId);
    if (caller === undefined) {
      this.#callers.set(socketId, { tid, pid, fd, nr, callId });
      return;
    }
    caller.tid = tid;
    caller.pid = pid;
    caller.fd = fd;
    caller.nr = nr;
    caller.callId = callId;
  }
  forget(socketId: number): void {
    const caller = this.#callers.get(socketId);
    if (caller === undefined) return;
    this.#callers.delete(socketId);
    this.#gone.set(socketId, caller);
    if (this.#gone.size <= MAX_GONE) return;
    for (const oldest of this.#gone.keys()) {
      this.#gone.delete(oldest);
      break;
    }
  }
  /** Who used a socket last, if it is known. */
  callerOf(socketId: number): Caller | undefined {
    return this.#callers.get(socketId) ?? this.#gone.get(socketId);
  }

  transmit(packet: Packet): boolean {
    if (packet.socketId !== 0 && this.#tell !== undefined) this.#look(packet);
    return this.#inner.transmit(packet);
  }
  #look(packet: Packet): void {
    const { protocol, bytes, l4 } = packet;
    if (protocol === IpProtocol.Tcp) {
      const flags = bytes[l4 + 13] as number;
      // A connection that we open: later segments need no look, and a retransmitted SYN tells the same again.
      if ((flags & (SYN | ACK)) === SYN) this.#report(packet, 'tcp');
    } else if (protocol === IpProtocol.Udp && !isContinuation(packet)) {
      if (!this.#wasTold(packet, this.#told)) this.#tellDatagram(packet);
    }
  }
  #newTable(): FlowTable<true> {
    return new FlowTable({ random: this.#random, limit: MAX_FLOWS });
  }
  /** The socket's id stands where a flow has its local address: a socket that sends from many addresses is no new cause. */
  #wasTold({ socketId, bytes, l4, dst0, dst1, dst2, dst3 }: Packet, table: FlowTable<true>): boolean {
    return (
      table.find(0, 0, MAPPED, socketId, port(bytes, l4), dst0, dst1, dst2, dst3, port(bytes, l4 + 2)) !== undefined
    );
  }
  #tellDatagram(packet: Packet): void {
    const { socketId, bytes, l4, dst0, dst1, dst2, dst3 } = packet;
    const isKnown = this.#wasTold(packet, this.#toldBefore);
    if (this.#told.size >= MAX_FLOWS) {
      this.#toldBefore = this.#told;
      this.#told = this.#newTable();
    }
    const id = new IpAddress(0, 0, MAPPED, socketId);
    this.#told.insert(id, port(bytes, l4), new IpAddress(dst0, dst1, dst2, dst3), port(bytes, l4 + 2), true);
    if (!isKnown) this.#report(packet, 'udp');
  }
  #report(packet: Packet, protocol: 'tcp' | 'udp'): void {
    const { bytes, l4, socketId, callId } = packet;
    const caller = this.#callers.get(socketId);
    if (caller === undefined) return;
    const local = new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3);
    const remote = new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3);
    this.flows++;
    this.#tell?.({
      type: 'flow',
      protocol,
      local: { address: local.toString(), port: port(bytes, l4) },
      remote: { address: remote.toString(), port: port(bytes, l4 + 2) },
      tid: caller.tid,
      pid: caller.pid,
      fd: caller.fd,
      socketId,
      callId,
      command: commandOf(caller.pid),
    });
  }

  get mtu(): number {
    return this.#inner.mtu;
  }
  get linkAddress(): Uint8Array | undefined {
    return this.#inner.linkAddress;
  }
  get capabilities(): number {
    return this.#inner.capabilities;
  }
  get counters(): LinkCounters {
    return this.#inner.counters;
  }
  get queueLimit(): number {
    return this.#inner.queueLimit ?? 0;
  }
  get queued(): number {
    return this.#inner.queued;
  }
  attach(receiver: LinkReceiver, pool?: PacketPool): void {
    this.#inner.attach(receiver, pool);
  }
  close(): void {
    this.#inner.close();
  }
}
