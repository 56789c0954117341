/**
 * Names of AF_UNIX sockets (unix(7), net/unix/af_unix.c unix_validate_addr, unix_mkname_bsd).
 *
 * A name is a path, which ends at its first NUL, or abstract: it begins with a NUL and is all the octets that the caller counted. There is no file system behind paths here: they are
 * names in a table of the sandbox's own (names.ts). What a path means is therefore lexical. The working directory is the root, every directory exists, and none is a
 * link; `a//b`, `./a/b` and `a/c/../b` are one name.
 */
import { Errno } from '../../abi/errno.ts';
import { UNIX_PATH_MAX } from '../../abi/sockaddr.ts';
import { AF_UNIX } from '../../abi/socket.ts';
import { u16 } from '../../abi/struct.ts';

/** offsetof(struct sockaddr_un, sun_path). */
const PATH_AT = 2;

export interface UnixAddress {
  /** struct sockaddr_un as getsockname(2) gives it. */
  readonly octets: Uint8Array;
  readonly isAbstract: boolean;
  /** Of an abstract name its octets, of a path what `Path.key` says; as latin1 characters. */
  readonly key: string;
  /** Of a path. */
  readonly path: Path | undefined;
}

export interface Path {
  /** Equal for names of one thing; empty for the root. */
  readonly key: string;
  /** Keys of what the name leads through: each must be a directory. */
  readonly crossed: readonly string[];
  /** `.`, `..` or nothing stands last: a directory, which is there already. */
  readonly isDirectory: boolean;
  /** A slash stands last. */
  readonly wantsDirectory: boolean;
}

const latin1 = (octets: Uint8Array): string => {
  let text = '';
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
};

export function parsePath(octets: Uint8Array): Path {
  const parts: string[] = [];
  const crossed: string[] = [];
  let last = '';
  for (const part of latin1(octets).split('/')) {
    if (part === '') continue;
    last = part;
    if (parts.length > 0) crossed.push(parts.join('/'));
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return {
    key: parts.join('/'),
    crossed,
    isDirectory: last === '' || last === '.' || last === '..',
    wantsDirectory: octets.at(-1) === SLASH,
  };
}
const SLASH = 0x2f;

/** True for a name that asks for one to be chosen: only the family (autobind). */
export const asksForAny = (name: Uint8Array, len: number): boolean => len === PATH_AT && u16.get(name, 0) === AF_UNIX;

/** -EINVAL for what is no name at all. */
export function decodeAddress(name: Uint8Array, len: number): UnixAddress | number {
  if (len <= PATH_AT || len > PATH_AT + UNIX_PATH_MAX || u16.get(name, 0) !== AF_UNIX) return -Errno.EINVAL;
  if (name[PATH_AT] === 0) return abstractAddress(name.slice(PATH_AT, len));
  const given = name.subarray(PATH_AT, len);
  const nul = given.indexOf(0);
  const text = nul < 0 ? given : given.subarray(0, nul);
  // The NUL behind the path counts, also where the caller left it out.
  const octets = new Uint8Array(PATH_AT + text.length + 1);
  u16.put(octets, 0, AF_UNIX);
  octets.set(text, PATH_AT);
  const path = parsePath(text);
  return { octets, isAbstract: false, key: path.key, path };
}

/** `octets` begin with the NUL. */
export function abstractAddress(octets: Uint8Array): UnixAddress {
  const all = new Uint8Array(PATH_AT + octets.length);
  u16.put(all, 0, AF_UNIX);
  all.set(octets, PATH_AT);
  return { octets: all, isAbstract: true, key: latin1(octets), path: undefined };
}

/** Writes a socket's name, or the family alone where it has none. Returns its length. */
export function writeAddress(out: Uint8Array, address: UnixAddress | undefined): number {
  if (address !== undefined) {
    out.set(address.octets);
    return address.octets.length;
  }
  u16.put(out, 0, AF_UNIX);
  out[PATH_AT] = 0;
  return PATH_AT;
}
