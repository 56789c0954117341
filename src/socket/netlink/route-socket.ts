/**
 * Sockets of AF_NETLINK, protocol NETLINK_ROUTE (netlink(7), rtnetlink(7), net/netlink/af_netlink.c).
 *
 * A request is read into a buffer of ours by `send` and answered when it commits; answers wait as datagrams in a bounded queue. A dump puts its first datagram
 * there at once and each next one when one is read, so that a guest that does not read holds no more than its SO_RCVBUF. What finds no room is lost, and the next
 * receive says so (ENOBUFS).
 */

import { CmsgWalker, CmsgWriter } from '../../abi/cmsg.ts';
import { Errno } from '../../abi/errno.ts';
import { NETLINK_PKTINFO, NETLINK_ROUTE, nlPktinfo } from '../../abi/netlink.ts';
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../../abi/poll.ts';
import { sockaddrNl } from '../../abi/sockaddr.ts';
import {
  AF_NETLINK,
  AF_UNSPEC,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  SCM_CREDENTIALS,
  SOL_NETLINK,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { ucred } from '../../abi/sockopt.ts';
import { u16 } from '../../abi/struct.ts';
import type { IpSettings, Netstack } from '../../netstack/endpoint.ts';
import { defaultIpSettings } from '../../netstack/settings.ts';
import type { Committable } from '../committable.ts';
import type { Credentials } from '../credentials.ts';
import type { Devices } from '../devices.ts';
import type { MessageLender } from '../lender.ts';
import type { Message } from '../message.ts';
import { OptionState, type OptionTarget } from '../options/target.ts';
import { Socket } from '../socket.ts';
import { GUARDED_GROUPS, getNetlinkOption, NetlinkOptions, setNetlinkOption } from './options.ts';
import type { NetlinkPort, NetlinkPorts } from './ports.ts';
import type { Requester } from './request.ts';
import type { RouteNetlink } from './rtnetlink.ts';

/** What netlink sockets of one network share. */
export interface NetlinkWorld {
  readonly stack: Netstack;
  readonly devices: Devices;
  readonly ports: NetlinkPorts;
  readonly kernel: RouteNetlink;
  readonly unsupported: (what: string, errno: string) => void;
}

interface Waiting {
  readonly octets: Uint8Array;
  readonly from: number;
  readonly group: number;
  /** struct ucred of who sent it. */
  readonly sender: Uint8Array;
}

/** Memory that a datagram takes beside its octets (struct sk_buff and struct skb_shared_info). */
const OVERHEAD = 768;
/** NLMSG_GOODSIZE of 4 KiB pages, and the most that a dump takes at once however much the reader has room for. */
const DUMP_LEAST = 3776;
const DUMP_MOST = 32_448;
const WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND;

const NO_ACCEPT: Committable = { commit: () => undefined, rollback: () => undefined, eventsAfter: () => 0 };
/** The kernel's credentials. */
const KERNEL = ucred.encode({ pid: 0, uid: 0, gid: 0 });
const walker = new CmsgWalker();
const writer = new CmsgWriter();
const groupOf = (groups: number): number => (groups === 0 ? 0 : 32 - Math.clz32(groups & -groups));

export class NetlinkSocket extends Socket implements OptionTarget, NetlinkPort, Requester {
  readonly tcp = undefined;
  readonly udp = undefined;
  readonly options = new OptionState();
  readonly settings: IpSettings = defaultIpSettings();
  override readonly acceptCommittable = NO_ACCEPT;
  lender: MessageLender | undefined = undefined;
  portId = 0;
  readonly uid: number;
  readonly netAdmin: boolean;
  readonly #pid: number;
  readonly #sender: Uint8Array;
  readonly #world: NetlinkWorld;
  readonly #netlink = new NetlinkOptions();
  /** Where messages without a name go, once connected. */
  #isConnected = false;
  #peer = 0;
  #peerGroup = 0;
  #errno = 0;
  #isCongested = false;

  readonly #queue: Waiting[] = [];
  /** The rest of a dump. */
  readonly #pending: Waiting[] = [];
  #longestRead = 0;
  #sends: { readonly octets: Uint8Array; readonly to: number; readonly group: number }[] = [];
  #receives = false;

  /** @param creator whose rights requests have, and whose process id the port has when none is chosen. */
  constructor(world: NetlinkWorld, type: number, statusFlags: number, creator: Credentials) {
    super(AF_NETLINK, type, NETLINK_ROUTE, statusFlags);
    this.#world = world;
    this.#pid = creator.pid;
    this.#sender = ucred.encode({ pid: creator.pid, uid: creator.uid, gid: creator.gid });
    this.uid = creator.uid;
    this.netAdmin = creator.netAdmin;
  }
  protected override released(): void {
    this.rollback();
    if (this.portId !== 0) this.#world.ports.free(this.portId);
  }

  get stack(): Netstack {
    return this.#world.stack;
  }
  override get devices(): Devices {
    return this.#world.devices;
  }
  get capAck(): boolean {
    return this.#netlink.capAck;
  }
  get extAck(): boolean {
    return this.#netlink.extAck;
  }
  get strictCheck(): boolean {
    return this.#netlink.strictCheck;
  }
  get isDumping(): boolean {
    return this.#pending.length > 0;
  }
  get dumpRoom(): number {
    return Math.min(Math.max(this.#longestRead, DUMP_LEAST), DUMP_MOST);
  }
  get onlyFrom(): number | undefined {
    return this.#isConnected ? this.#peer : undefined;
  }
  /** The first 32 groups that it is in. */
  get groups(): number {
    return this.#netlink.groups[0] as number;
  }
  /** Memory of what waits to be read. */
  get charged(): number {
    return this.#charged(0);
  }
  hasGroup(group: number): boolean {
    return this.#netlink.hasGroup(group);
  }
  unsupported(what: string, errno: string): void {
    this.#world.unsupported(what, errno);
  }

  // Names

  override bind(name: Uint8Array, len: number, credentials: Credentials): number {
    if (len < sockaddrNl.size) return -Errno.EINVAL;
    const { family, pid, groups } = sockaddrNl.decode(name);
    if (family !== AF_NETLINK) return -Errno.EINVAL;
    if (this.portId !== 0 && pid !== this.portId) return -Errno.EINVAL;
    if ((groups & GUARDED_GROUPS) !== 0 && !credentials.netAdmin) return -Errno.EPERM;
    if (this.portId === 0) {
      if (pid === 0) this.#autobind(credentials.pid);
      else if (this.#world.ports.take(pid, this)) this.portId = pid;
      else return -Errno.EADDRINUSE;
    }
    this.#netlink.groups[0] = groups;
    return 0;
  }
  #autobind(preferred: number): void {
    this.portId = this.#world.ports.choose(preferred);
    this.#world.ports.take(this.portId, this);
  }
  override connect(name: Uint8Array, len: number, credentials: Credentials): number {
    if (len < u16.size) return -Errno.EINVAL;
    const family = u16.get(name, 0);
    if (family === AF_UNSPEC) {
      this.#isConnected = false;
      this.#peer = this.#peerGroup = 0;
      return 0;
    }
    if (family !== AF_NETLINK || len < sockaddrNl.size) return -Errno.EINVAL;
    const { pid, groups } = sockaddrNl.decode(name);
    if ((pid !== 0 || groups !== 0) && !credentials.netAdmin) return -Errno.EPERM;
    if (this.portId === 0) this.#autobind(credentials.pid);
    this.#isConnected = true;
    this.#peer = pid;
    this.#peerGroup = groupOf(groups);
    return 0;
  }
  override connectResult(): number {
    return 0;
  }
  override getName(out: Uint8Array, peer: boolean): number {
    const group = this.#peerGroup;
    const peerGroups = group === 0 || group > 32 ? 0 : (1 << (group - 1)) >>> 0;
    const groups = peer ? peerGroups : (this.#netlink.groups[0] as number);
    sockaddrNl.put(out, 0, { family: AF_NETLINK, pad: 0, pid: peer ? this.#peer : this.portId, groups });
    return sockaddrNl.size;
  }
  override listen(): number {
    return -Errno.EOPNOTSUPP;
  }
  override acceptPeek(): number {
    return -Errno.EOPNOTSUPP;
  }
  override shutdown(): number {
    return -Errno.EOPNOTSUPP;
  }
  override ioctl(): number {
    return -Errno.ENOTTY;
  }

  // Requests: netlink_sendmsg

  override send(message: Message): number {
    this.units = 0;
    if ((message.flags & MSG_OOB) !== 0) return -Errno.EOPNOTSUPP;
    const len = message.iov.remaining;
    if (len === 0) return -Errno.ENODATA;
    if (!this.#controlIsValid(message)) return -Errno.EINVAL;
    let to = this.#peer;
    let group = this.#peerGroup;
    if (message.nameLength > 0) {
      if (message.nameLength < sockaddrNl.size) return -Errno.EINVAL;
      const { family, pid, groups } = sockaddrNl.decode(message.name);
      if (family !== AF_NETLINK) return -Errno.EINVAL;
      if ((pid !== 0 || groups !== 0) && !this.netAdmin) return -Errno.EPERM;
      to = pid;
      group = groupOf(groups);
    }
    if (this.portId === 0) this.#autobind(this.#pid);
    if (len > this.#netlink.sendBuffer - 32) return -Errno.EMSGSIZE;
    const octets = new Uint8Array(len);
    if (message.iov.copyIn(octets, 0, len) < len) return -Errno.EFAULT;
    const refused = this.#refusalOf(to);
    if (refused !== 0) return refused;
    this.#sends.push({ octets, to, group });
    this.units = 1;
    return len;
  }
  /** scm_send: credentials may be given, being the sender's own; nothing else of SOL_SOCKET. */
  #controlIsValid(message: Message): boolean {
    walker.begin(message.control, message.controlLength);
    while (walker.next()) {
      if (walker.level !== SOL_SOCKET) continue;
      if (walker.type !== SCM_CREDENTIALS || walker.dataLength !== ucred.size) return false;
    }
    return !walker.malformed;
  }
  /** netlink_getsockbyportid. */
  #refusalOf(to: number): number {
    if (to === 0) return 0;
    const port = this.#world.ports.get(to);
    if (port === undefined) return -Errno.ECONNREFUSED;
    return port.onlyFrom === undefined || port.onlyFrom === this.portId ? 0 : -Errno.ECONNREFUSED;
  }

  // Answers: netlink_recvmsg

  reply(datagram: Uint8Array): void {
    this.deliver(datagram, 0, 0, KERNEL);
  }
  dump(datagrams: readonly Uint8Array[]): void {
    for (const octets of datagrams) this.#pending.push({ octets, from: 0, group: 0, sender: KERNEL });
    this.#continueDump(0);
  }
  /** The next part of a dump, once half of the buffer is free (netlink_recvmsg). @param taken datagrams at the head that no longer count. */
  #continueDump(taken: number): void {
    const next = this.#pending[0];
    if (next === undefined || this.#charged(taken) > this.#netlink.receiveBuffer / 2) return;
    this.#pending.shift();
    this.#queue.push(next);
    this.waiters.wake(POLLIN | POLLRDNORM);
  }
  deliver(octets: Uint8Array, from: number, group: number, sender: Uint8Array): boolean {
    if (this.#charged(0) > this.#netlink.receiveBuffer) this.lender?.settle();
    if (this.#isCongested || this.#charged(0) > this.#netlink.receiveBuffer) {
      this.#overrun();
      return false;
    }
    this.#queue.push({ octets, from, group, sender });
    this.waiters.wake(POLLIN | POLLRDNORM);
    return true;
  }
  #charged(taken: number): number {
    let sum = 0;
    for (let i = taken; i < this.#queue.length; i++) sum += (this.#queue[i] as Waiting).octets.length + OVERHEAD;
    return sum;
  }
  #overrun(): void {
    if (this.#netlink.noEnobufs || this.#isCongested) return;
    this.#isCongested = true;
    this.setError(Errno.ENOBUFS);
  }

  override receive(message: Message, taken: number): number {
    this.units = 0;
    if ((message.flags & MSG_OOB) !== 0) return -Errno.EOPNOTSUPP;
    if (this.#errno !== 0) return taken > 0 ? -Errno.EAGAIN : -this.takeErrno();
    const peeks = (message.flags & MSG_PEEK) !== 0;
    this.lender?.recall(peeks ? 0 : taken + 1);
    const waiting = this.#queue[taken];
    if (waiting === undefined) return -Errno.EAGAIN;
    const { octets, from, group } = waiting;
    const room = message.iov.remaining;
    this.#longestRead = Math.max(this.#longestRead, Math.min(room, DUMP_MOST));
    const fits = Math.min(octets.length, room);
    if (!peeks) {
      this.#receives = true;
      this.units = 1;
    }
    this.#continueDump(peeks ? taken : taken + 1);
    // As every datagram whose reader gave a bad address, it is lost.
    if (message.iov.copyOut(octets, 0, fits) < fits) return -Errno.EFAULT;
    if (fits < octets.length) message.outFlags |= MSG_TRUNC;
    const groups = group === 0 || group > 32 ? 0 : (1 << (group - 1)) >>> 0;
    sockaddrNl.put(message.name, 0, { family: AF_NETLINK, pad: 0, pid: from, groups });
    message.nameLength = sockaddrNl.size;
    this.#writeControl(message, waiting);
    return (message.flags & MSG_TRUNC) === 0 ? fits : octets.length;
  }
  #writeControl(message: Message, { group, sender }: Waiting): void {
    const { packetInfo, passCredentials } = this.#netlink;
    if (!packetInfo && !passCredentials) return;
    message.beginControl(writer);
    if (packetInfo) writer.put(SOL_NETLINK, NETLINK_PKTINFO, nlPktinfo.encode({ group }), 0, nlPktinfo.size);
    if (passCredentials) writer.put(SOL_SOCKET, SCM_CREDENTIALS, sender, 0, ucred.size);
    message.endControl(writer);
  }
  /** Datagrams that wait, for who passes them on. */
  get queued(): number {
    return this.#queue.length;
  }
  get receiveBuffer(): number {
    return this.#netlink.receiveBuffer;
  }
  get hasError(): boolean {
    return this.#errno !== 0;
  }
  waiting(index: number): Uint8Array | undefined {
    return this.#queue[index]?.octets;
  }
  /** `count` of them were received, from the place `from`. */
  consume(count: number, from: number): void {
    this.#drop(count, from);
    this.#continueDump(0);
  }
  override leaving(amount: number): number {
    return this.#receives ? amount : 0;
  }
  #drop(count: number, from: number): void {
    this.#queue.splice(from, count);
    if (this.#queue.length === 0) this.#isCongested = false;
  }

  override commit(amount: number): void {
    const sends = this.#sends;
    this.#sends = [];
    for (let i = 0; i < Math.min(amount, sends.length); i++) {
      const { octets, to, group } = sends[i] as (typeof sends)[number];
      if (group !== 0) this.#world.ports.broadcast(group, octets, this.portId, to, this.#sender);
      if (to === 0) this.#world.kernel.receive(octets, this);
      else this.#world.ports.get(to)?.deliver(octets, this.portId, 0, this.#sender);
    }
    if (this.#receives) this.#drop(amount, 0);
    this.#receives = false;
  }
  override rollback(): void {
    this.#sends = [];
    this.#receives = false;
  }
  override eventsAfter(amount: number): number {
    if (!this.#receives) return this.poll();
    const more = this.#queue.length > amount;
    return more ? this.poll() : this.poll() & ~(POLLIN | POLLRDNORM);
  }
  override poll(): number {
    const readable = this.#queue.length > 0 ? POLLIN | POLLRDNORM : 0;
    return readable | WRITABLE | (this.#errno === 0 ? 0 : POLLERR);
  }

  // Errors and options

  override setError(errno: number): void {
    this.#errno = errno;
    this.waiters.wake(POLLERR);
  }
  takeErrno(): number {
    const errno = this.#errno;
    this.#errno = 0;
    return errno;
  }
  optionsChanged(): void {
    // All of them are read where they count.
  }
  override hasLevel(level: number): boolean {
    return level === SOL_SOCKET || level === SOL_NETLINK;
  }
  override setOption(level: number, option: number, value: Uint8Array, credentials: Credentials): number {
    return setNetlinkOption(this.#netlink, this, level, option, value, credentials);
  }
  override getOption(level: number, option: number, out: Uint8Array): number {
    return getNetlinkOption(this.#netlink, this, level, option, out);
  }
}
