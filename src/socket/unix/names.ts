/**
 * The name space of a sandbox's AF_UNIX sockets: every emulated task of one factory sees the same, and nothing of the host's.
 *
 * An abstract name lives as long as its socket, and each type has its own (unix_abstract_hash counts the type in). A path stays when its socket is closed, as the inode does
 * on Linux: connecting to it is refused and binding to it is EADDRINUSE until unlink(2) takes it away. Unlinking hides a live socket and does it no harm.
 *
 * Left out, because there is no file system: permissions, links, and directories as things of their own (mkdir, ENOENT for one that is not there).
 */
import { Errno } from '../../abi/errno.ts';
import type { Random } from '../../lib/random.ts';
import { abstractAddress, type Path, parsePath, type UnixAddress } from './address.ts';

/** Paths that may be bound and not unlinked: a guest could make any number. */
const PATHS_MAX = 65_536;
/** Names that autobind chooses among: five hexadecimal digits (unix_autobind). */
const AUTOBIND_COUNT = 0x10_0000;
const HEXADECIMAL = '0123456789abcdef';

/** What the table knows of a socket. */
export interface Named {
  readonly type: number;
}

export class UnixNames<S extends Named> {
  readonly #abstract = new Map<string, S>();
  /** Undefined once the socket is gone. */
  readonly #paths = new Map<string, S | undefined>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The checks of a path that come before the socket is looked at (filename_create): 0 or a negative errno. */
  bindRefusal(address: UnixAddress): number {
    const { path } = address;
    if (path === undefined) return 0;
    if (this.#crossesSocket(path)) return -Errno.ENOTDIR;
    if (path.isDirectory || this.#paths.has(path.key)) return -Errno.EADDRINUSE;
    if (path.wantsDirectory) return -Errno.ENOENT;
    return this.#paths.size >= PATHS_MAX ? -Errno.ENOSPC : 0;
  }
  /** Gives `address` to `socket`: 0, or -EADDRINUSE. */
  bind(address: UnixAddress, socket: S): number {
    if (!address.isAbstract) {
      this.#paths.set(address.key, socket);
      return 0;
    }
    const key = abstractKey(address, socket.type);
    if (this.#abstract.has(key)) return -Errno.EADDRINUSE;
    this.#abstract.set(key, socket);
    return 0;
  }
  /** An abstract name nobody has, from a random one on; -ENOSPC when all are taken. */
  autobind(socket: S): UnixAddress | number {
    const from = this.#random.u32() % AUTOBIND_COUNT;
    for (let i = 0; i < AUTOBIND_COUNT; i++) {
      const address = abstractAddress(digits((from + i) % AUTOBIND_COUNT));
      if (this.bind(address, socket) === 0) return address;
    }
    return -Errno.ENOSPC;
  }

  /** The socket of that name (unix_find_other), or a negative errno. */
  find(address: UnixAddress, type: number): S | number {
    const { path } = address;
    if (path === undefined) return this.#abstract.get(abstractKey(address, type)) ?? -Errno.ECONNREFUSED;
    if (this.#crossesSocket(path)) return -Errno.ENOTDIR;
    if (path.isDirectory) return -Errno.ECONNREFUSED;
    if (!this.#paths.has(path.key)) return -Errno.ENOENT;
    if (path.wantsDirectory) return -Errno.ENOTDIR;
    const socket = this.#paths.get(path.key);
    if (socket === undefined) return -Errno.ECONNREFUSED;
    return socket.type === type ? socket : -Errno.EPROTOTYPE;
  }

  /** The socket is closed: an abstract name is free, a path stays without it. */
  leave(address: UnixAddress, socket: S): void {
    if (!address.isAbstract) {
      if (this.#paths.get(address.key) === socket) this.#paths.set(address.key, undefined);
      return;
    }
    const key = abstractKey(address, socket.type);
    if (this.#abstract.get(key) === socket) this.#abstract.delete(key);
  }
  /** unlink(2) of a path that is not empty. */
  unlink(octets: Uint8Array): number {
    const path = parsePath(octets);
    if (this.#crossesSocket(path)) return -Errno.ENOTDIR;
    if (path.isDirectory) return -Errno.EISDIR;
    if (!this.#paths.has(path.key)) return -Errno.ENOENT;
    if (path.wantsDirectory) return -Errno.ENOTDIR;
    this.#paths.delete(path.key);
    return 0;
  }

  /** A name on the way is a socket's, so it is no directory. */
  #crossesSocket({ crossed }: Path): boolean {
    return crossed.some((key) => this.#paths.has(key));
  }
}

const abstractKey = ({ key }: UnixAddress, type: number): string => `${type}${key}`;

/** A NUL and five digits. */
function digits(number: number): Uint8Array {
  const octets = new Uint8Array(6);
  for (let i = 0; i < 5; i++) octets[i + 1] = HEXADECIMAL.charCodeAt((number >>> (16 - 4 * i)) & 15);
  return octets;
}
