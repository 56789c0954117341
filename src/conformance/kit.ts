/** Short forms for bodies: each makes the memory a call needs and makes the call on one task. */
import type { System, Task } from './body.ts';
import * as c from './linux.ts';
import {
  asControl,
  asEpollEvents,
  asI32,
  asMsghdr,
  asPollfds,
  asSockaddr,
  asText,
  EPOLL_EVENT_OCTETS,
  EVERY_EVENT,
} from './show.ts';

/** A sockaddr in the body's memory. */
export interface Name {
  readonly at: number;
  readonly len: number;
}

/** sockaddr_in octets. */
export function inet(host: string, port: number, family: number = c.AF_INET): Uint8Array {
  const b = new Uint8Array(16);
  c.u16.put(b, 0, family);
  c.be16.put(b, 2, port);
  b.set(host.split('.').map(Number), 4);
  return b;
}
/** sockaddr_in6 octets. `host` is one of the few forms that bodies use. */
export function inet6(
  host: '::' | '::1' | `::ffff:${string}` | `fe80::${number}` | 'fd00::9',
  port: number,
  scope = 0,
): Uint8Array {
  const b = new Uint8Array(28);
  c.u16.put(b, 0, c.AF_INET6);
  c.be16.put(b, 2, port);
  if (host === '::1') b[23] = 1;
  else if (host.startsWith('::ffff:')) b.set([0xff, 0xff, ...host.slice(7).split('.').map(Number)], 18);
  else if (host.startsWith('fe80::')) b.set([0xfe, 0x80], 8);
  else if (host === 'fd00::9') b.set([0xfd, 0], 8);
  if (host.startsWith('fe80::')) b[23] = Number(host.slice(6));
  if (host === 'fd00::9') b[23] = 9;
  c.u32.put(b, 24, scope);
  return b;
}

export interface MessageParts {
  readonly name?: number;
  readonly namelen?: number;
  readonly iov?: readonly (readonly [addr: number, octets: number])[];
  readonly control?: number;
  readonly controllen?: number;
  readonly flags?: number;
}
export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
  /** cmsg_len, if it is to be wrong. */
  readonly len?: number;
}

export class Kit {
  readonly sys: System;
  readonly task: Task;

  constructor(sys: System, task: Task) {
    this.sys = sys;
    this.task = task;
  }

  tcp(flags = 0, family: number = c.AF_INET): number {
    return this.task.call('socket', family, c.SOCK_STREAM | flags, 0);
  }
  udp(flags = 0, family: number = c.AF_INET): number {
    return this.task.call('socket', family, c.SOCK_DGRAM | flags, 0);
  }
  close(fd: number): number {
    return this.task.call('close', fd);
  }

  /** Octets in memory, named. */
  octets(content: Uint8Array | string, name: string): number {
    const addr = this.sys.alloc(content.length, name);
    this.sys.write(addr, content);
    return addr;
  }
  int(value: number, name = 'int'): number {
    const addr = this.sys.alloc(4, name, asI32);
    this.sys.put(c.i32, addr, value);
    return addr;
  }
  name(host: string, port: number): Name {
    const bytes = host.includes(':') ? inet6(host as '::1', port) : inet(host, port);
    return { at: this.octets(bytes, 'addr'), len: bytes.length };
  }
  /** Room for a name and the cell of its length. */
  nameRoom(octets = 128): { readonly at: number; readonly len: number } {
    return { at: this.sys.alloc(octets, 'name', asSockaddr), len: this.int(octets, 'namelen') };
  }

  bind(fd: number, host: string, port: number): number {
    const name = this.name(host, port);
    return this.task.call('bind', fd, name.at, name.len);
  }
  connect(fd: number, host: string, port: number): number {
    const name = this.name(host, port);
    return this.task.call('connect', fd, name.at, name.len);
  }
  /** Expected to block. */
  startConnect(fd: number, host: string, port: number): void {
    const name = this.name(host, port);
    this.task.start('connect', fd, name.at, name.len);
  }
  listen(fd: number, backlog = 8): number {
    return this.task.call('listen', fd, backlog);
  }
  accept(fd: number): number {
    return this.task.call('accept', fd, 0, 0);
  }
  /** getsockname, recorded; the port for further use. */
  port(fd: number): number {
    const room = this.nameRoom(28);
    this.task.call('getsockname', fd, room.at, room.len);
    return this.sys.get(c.be16, room.at + 2);
  }
  peerName(fd: number): number {
    const room = this.nameRoom(28);
    return this.task.call('getpeername', fd, room.at, room.len);
  }

  /** A listening TCP socket on an ephemeral port. */
  listener(host = '127.0.0.1', backlog = 8): { readonly fd: number; readonly port: number } {
    const fd = this.tcp(0, host.includes(':') ? c.AF_INET6 : c.AF_INET);
    this.bind(fd, host, 0);
    this.listen(fd, backlog);
    return { fd, port: this.port(fd) };
  }
  /** A listener whose queue is full, so that a connect lasts. */
  fullListener(): { readonly fd: number; readonly port: number } {
    const listener = this.listener('127.0.0.1', 0);
    this.connect(this.tcp(), '127.0.0.1', listener.port);
    return listener;
  }
  /** A TCP connection over loopback. */
  pair(host = '127.0.0.1'): {
    readonly client: number;
    readonly server: number;
    readonly listener: number;
    readonly port: number;
  } {
    const { fd, port } = this.listener(host);
    const client = this.tcp(0, host.includes(':') ? c.AF_INET6 : c.AF_INET);
    this.connect(client, host, port);
    return { client, server: this.accept(fd), listener: fd, port };
  }
  /** A UDP socket bound to an ephemeral port. */
  udpBound(host = '127.0.0.1', flags = 0): { readonly fd: number; readonly port: number } {
    const fd = this.udp(flags, host.includes(':') ? c.AF_INET6 : c.AF_INET);
    this.bind(fd, host, 0);
    return { fd, port: this.port(fd) };
  }

  send(fd: number, content: Uint8Array | string, flags = 0): number {
    return this.task.call('sendto', fd, this.octets(content, 'out'), content.length, flags, 0, 0);
  }
  sendTo(fd: number, content: Uint8Array | string, host: string, port: number, flags = 0): number {
    const name = this.name(host, port);
    return this.task.call('sendto', fd, this.octets(content, 'out'), content.length, flags, name.at, name.len);
  }
  recv(fd: number, octets = 100, flags = 0): number {
    return this.task.call(
      'recvfrom',
      fd,
      this.sys.alloc(octets, 'in', octets <= 200 ? asText : undefined),
      octets,
      flags,
      0,
      0,
    );
  }
  /** Expected to block. */
  startRecv(fd: number, octets = 100, flags = 0): void {
    this.task.start('recvfrom', fd, this.sys.alloc(octets, 'in', asText), octets, flags, 0, 0);
  }
  /** With the sender's name. */
  recvFrom(fd: number, octets = 100, flags = 0): number {
    const room = this.nameRoom();
    return this.task.call('recvfrom', fd, this.sys.alloc(octets, 'in', asText), octets, flags, room.at, room.len);
  }

  setInt(fd: number, level: number, option: number, value: number): number {
    return this.task.call('setsockopt', fd, level, option, this.int(value, 'value'), 4);
  }
  getInt(fd: number, level: number, option: number): number {
    const value = this.sys.alloc(4, 'value', asI32);
    const result = this.task.call('getsockopt', fd, level, option, value, this.int(4, 'len'));
    return result === 0 ? this.sys.get(c.i32, value) : result;
  }
  /** SO_ERROR. */
  error(fd: number): number {
    return this.getInt(fd, c.SOL_SOCKET, c.SO_ERROR);
  }
  /** SIOCATMARK. */
  atMark(fd: number): number {
    return this.task.call('ioctl', fd, c.SIOCATMARK, this.sys.alloc(4, 'mark', asI32));
  }
  /** SO_OOBINLINE. */
  urgentInline(fd: number, on = 1): number {
    return this.setInt(fd, c.SOL_SOCKET, c.SO_OOBINLINE, on);
  }
  setTimeout(fd: number, option: number, sec: number, usec: number): number {
    return this.task.call('setsockopt', fd, c.SOL_SOCKET, option, this.timeval(sec, usec), 16);
  }
  timeval(sec: number, usec: number, name = 'timeval'): number {
    const at = this.sys.alloc(16, name);
    this.sys.put(c.timeval, at, { sec, usec });
    return at;
  }

  pollfds(entries: readonly (readonly [fd: number, events: number])[]): number {
    const at = this.sys.alloc(entries.length * 8, 'pollfds', asPollfds);
    entries.forEach(([fd, events], i) => this.sys.put(c.pollfd, at + i * 8, { fd, events, revents: 0x1111 }));
    return at;
  }
  /** Everything poll(2) can say of one descriptor, without waiting. */
  poll(fd: number, events: number = EVERY_EVENT): number {
    return this.task.call('poll', this.pollfds([[fd, events]]), 1, 0);
  }

  iovec(pieces: readonly (readonly [addr: number, octets: number])[]): number {
    const at = this.sys.alloc(Math.max(1, pieces.length) * 16, 'iov');
    pieces.forEach(([base, len], i) => this.sys.put(c.iovec, at + i * 16, { base, len }));
    return at;
  }
  msghdr(parts: MessageParts): number {
    const at = this.sys.alloc(56, 'msg', asMsghdr);
    this.putMsghdr(at, parts);
    return at;
  }
  putMsghdr(at: number, parts: MessageParts): void {
    const iov = parts.iov ?? [];
    this.sys.put(c.msghdr, at, {
      name: parts.name ?? 0,
      namelen: parts.namelen ?? 0,
      iov: this.iovec(iov),
      iovlen: iov.length,
      control: parts.control ?? 0,
      controllen: parts.controllen ?? 0,
      flags: parts.flags ?? 0,
    });
  }
  /** Control messages for a send. */
  control(messages: readonly ControlMessage[]): { readonly at: number; readonly len: number } {
    const len = messages.reduce((sum, { data }) => sum + c.CMSG_SPACE(data.length), 0);
    const bytes = new Uint8Array(len);
    let at = 0;
    for (const { level, type, data, len: wrong } of messages) {
      c.cmsghdr.put(bytes, at, { len: wrong ?? c.CMSG_LEN(data.length), level, type });
      bytes.set(data, at + 16);
      at += c.CMSG_SPACE(data.length);
    }
    return { at: this.octets(bytes, 'control'), len };
  }
  /** Room for control messages. */
  controlRoom(octets: number): number {
    return this.sys.alloc(octets, 'control', asControl);
  }

  epoll(): number {
    return this.task.call('epoll_create1', 0);
  }
  /** epoll_ctl with the watched descriptor as data. */
  epollCtl(epfd: number, op: number, fd: number, events: number): number {
    const at = this.sys.alloc(EPOLL_EVENT_OCTETS, 'event');
    this.sys.put(c.epollEventAmd64, at, { events: events >>> 0, data: u64Octets(fd) });
    return this.task.call('epoll_ctl', epfd, op, fd, at);
  }
  watch(epfd: number, fd: number, events: number): number {
    return this.epollCtl(epfd, c.EPOLL_CTL_ADD, fd, events);
  }
  /** What is ready now. */
  ready(epfd: number, max = 8): number {
    return this.task.call('epoll_wait', epfd, this.eventRoom(max), max, 0);
  }
  eventRoom(max = 8): number {
    return this.sys.alloc(max * EPOLL_EVENT_OCTETS, 'events', asEpollEvents);
  }
}

/** epoll_data with a number in it. */
export function u64Octets(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  c.u64.put(bytes, 0, value);
  return bytes;
}

/** A kit on the task of that name. */
export const kit = (sys: System, name = 'a'): Kit => new Kit(sys, sys.task(name));

/** A payload of `len` octets in which every position differs from its neighbours. */
export const pattern = (len: number): Uint8Array =>
  Uint8Array.from({ length: len }, (_, i) => (i * 7 + (i >> 8)) & 255);
