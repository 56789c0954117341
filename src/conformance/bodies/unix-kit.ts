/** Short forms for AF_UNIX sockets. */
import type { System } from '../body.ts';
import { Kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asControl, asMsghdr, asText, asUcred, asUnixName } from '../show.ts';

export const TYPES = [c.SOCK_STREAM, c.SOCK_DGRAM, c.SOCK_SEQPACKET] as const;
/** Types that are connected. */
export const CONNECTED = [c.SOCK_STREAM, c.SOCK_SEQPACKET] as const;

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [c.SOCK_STREAM]: 'stream',
  [c.SOCK_DGRAM]: 'dgram',
  [c.SOCK_SEQPACKET]: 'seqpacket',
};
export const typeName = (type: number): string => TYPE_NAMES[type] ?? String(type);

export const ints = (...values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, i) => c.i32.put(bytes, i * 4, value));
  return bytes;
};

export class UnixKit extends Kit {
  open(type: number, flags = 0): number {
    return this.task.call('socket', c.AF_UNIX, type | flags, 0);
  }
  /** socketpair(2). */
  two(type: number = c.SOCK_STREAM, flags = 0): readonly [number, number] {
    const at = this.sys.alloc(8, 'pair');
    this.task.call('socketpair', c.AF_UNIX, type | flags, 0, at);
    return [this.sys.get(c.i32, at), this.sys.get(c.i32, at + 4)];
  }
  /** A sockaddr_un; `\0` begins an abstract name. */
  un(path: string, family: number = c.AF_UNIX): { readonly at: number; readonly len: number } {
    const bytes = new Uint8Array(2 + path.length);
    c.u16.put(bytes, 0, family);
    bytes.set(Buffer.from(path, 'latin1'), 2);
    return { at: this.octets(bytes, 'un'), len: bytes.length };
  }
  bindTo(fd: number, path: string, family: number = c.AF_UNIX): number {
    const { at, len } = this.un(path, family);
    return this.task.call('bind', fd, at, len);
  }
  connectTo(fd: number, path: string, family: number = c.AF_UNIX): number {
    const { at, len } = this.un(path, family);
    return this.task.call('connect', fd, at, len);
  }
  startConnectTo(fd: number, path: string): void {
    const { at, len } = this.un(path);
    this.task.start('connect', fd, at, len);
  }
  /** A socket bound to a name. */
  named(type: number, path: string, flags = 0): number {
    const fd = this.open(type, flags);
    this.bindTo(fd, path);
    return fd;
  }
  listening(type: number, path: string, backlog = 8): number {
    const fd = this.named(type, path);
    this.listen(fd, backlog);
    return fd;
  }
  /** A connection by name. */
  connection(
    type: number,
    path: string,
  ): { readonly client: number; readonly server: number; readonly listener: number } {
    const listener = this.listening(type, path);
    const client = this.open(type);
    this.connectTo(client, path);
    return { client, server: this.accept(listener), listener };
  }
  sendUn(fd: number, content: string, path: string, flags = 0): number {
    const { at, len } = this.un(path);
    return this.task.call('sendto', fd, this.octets(content, 'out'), content.length, flags, at, len);
  }
  unlink(path: string): number {
    return this.task.call('unlink', this.octets(`${path}\0`, 'path'));
  }
  unName(fd: number, call: 'getsockname' | 'getpeername' = 'getsockname', room = 112): number {
    const at = this.sys.alloc(112, 'name', asUnixName);
    return this.task.call(call, fd, at, this.int(room, 'namelen'));
  }
  recvUn(fd: number, octets = 50, flags: number = c.MSG_DONTWAIT): number {
    const name = this.sys.alloc(112, 'from', asUnixName);
    const at = this.sys.alloc(octets, 'in', asText);
    return this.task.call('recvfrom', fd, at, octets, flags, name, this.int(112, 'namelen'));
  }
  take(fd: number, octets = 50, flags: number = c.MSG_DONTWAIT): number {
    return this.recv(fd, octets, flags);
  }

  pass(fd: number, content: string, control: Parameters<Kit['control']>[0], flags = 0): number {
    return this.task.call('sendmsg', fd, this.passing(content, control), flags);
  }
  passing(content: string, control: Parameters<Kit['control']>[0]): number {
    const { at, len } = this.control(control);
    const out = this.octets(content === '' ? '-' : content, 'out');
    return this.msghdr({ iov: [[out, content.length]], control: at, controllen: len });
  }
  passFds(fd: number, content: string, ...fds: readonly number[]): number {
    return this.pass(fd, content, [rights(...fds)]);
  }
  /** recvmsg with room for control messages. */
  get(fd: number, octets = 50, room = 64, flags: number = c.MSG_DONTWAIT): number {
    return this.task.call('recvmsg', fd, this.getting(octets, room), flags);
  }
  getting(octets: number, room: number): number {
    const at = this.sys.alloc(Math.max(1, octets), 'in', asText);
    const control = this.sys.alloc(Math.max(1, room), 'control', asControl);
    const name = this.sys.alloc(112, 'from', asUnixName);
    const msg = this.sys.alloc(56, 'msg', asMsghdr);
    this.putMsghdr(msg, { name, namelen: 112, iov: [[at, octets]], control, controllen: room });
    return msg;
  }
  peerCredential(fd: number): number {
    const at = this.sys.alloc(12, 'ucred', asUcred);
    return this.task.call('getsockopt', fd, c.SOL_SOCKET, c.SO_PEERCRED, at, this.int(12, 'len'));
  }
  count(fd: number, request: number = c.SIOCINQ): number {
    return this.task.call('ioctl', fd, request, this.int(-1, 'count'));
  }
  cloexec(fd: number): number {
    return this.task.call('fcntl', fd, c.F_GETFD, 0);
  }
  /** O_NONBLOCK for a descriptor. */
  dontWait(fd: number): number {
    return this.task.call('fcntl', fd, c.F_SETFL, c.O_NONBLOCK);
  }
}

export const rights = (...fds: readonly number[]) => ({ level: c.SOL_SOCKET, type: c.SCM_RIGHTS, data: ints(...fds) });
export const unixKit = (sys: System, name = 'a'): UnixKit => new UnixKit(sys, sys.task(name));
