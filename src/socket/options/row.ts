/**
 * Rows of the option table, and the rules that all options of a level share: how an int is read from and written to a buffer of any length.
 * A row without `set` is read-only, one without `get` write-only: both are ENOPROTOOPT, as in the kernel's switches.
 */
import { Errno } from '../../abi/errno.ts';
import { SOL_IP, SOL_SOCKET, SOL_TCP, SOL_UDP } from '../../abi/socket.ts';
import { i32 } from '../../abi/struct.ts';
import type { Credentials } from '../credentials.ts';
import type { OptionTarget } from './target.ts';

export interface OptionRow {
  readonly option: number;
  /** As the headers spell it; for reports and the generated documentation. */
  readonly name: string;
  /** Sockets that have it; both kinds if absent. */
  readonly only?: 'stream' | 'datagram';
  /** The guest's buffer holds the question, in `least` octets or more, and gets the answer, of `most` octets and be there room for them or not (IP_MSFILTER). */
  readonly question?: { readonly least: number; readonly most: number };
  /** What it writes has gaps: there the guest's buffer stays as it is. */
  readonly isSparse?: true;
  /** Octets of the longest value, if that is more than other options have (VALUE_OCTETS). */
  readonly longest?: number;
  /** What a length alone is refused for, before the value is read: 0 or a negative errno. Where absent, an int has to fit if its level reads one first. */
  readonly lengths?: (octets: number, credentials: Credentials) => number;
  /** Writes to `out`, at most its length; returns the octets written or a negative errno. */
  readonly get?: (socket: OptionTarget, out: Uint8Array, credentials?: Credentials) => number;
  /** Returns 0 or a negative errno. */
  readonly set?: (socket: OptionTarget, value: Uint8Array, credentials: Credentials) => number;
  /** A row of SOL_SOCKET that sockets without an internet endpoint answer in their own way. */
  readonly internet?: true;
  /** For the documentation: why it is refused, or what its value does not do. */
  readonly note?: string;
}

interface IntOption {
  readonly only?: 'stream' | 'datagram';
  readonly get?: (socket: OptionTarget) => number;
  /** Returns 0 or a negative errno; nothing is 0. */
  readonly set?: (socket: OptionTarget, value: number, credentials: Credentials) => number | void;
  /** Octets of the shortest value that is not EINVAL, where it is not the level's. */
  readonly shortest?: number;
  readonly internet?: true;
  readonly note?: string;
  /** `get` answers -EOPNOTSUPP for a socket that does not have it. */
  readonly mayLack?: true;
}

/** An option whose value is an int. */
export function int(level: number, option: number, name: string, spec: IntOption): OptionRow {
  const { get, set } = spec;
  const row: { -readonly [K in keyof OptionRow]: OptionRow[K] } = { option, name };
  if (spec.only !== undefined) row.only = spec.only;
  if (spec.internet !== undefined) row.internet = spec.internet;
  if (spec.note !== undefined) row.note = spec.note;
  if (get !== undefined) {
    row.get = (socket, out) => {
      const value = get(socket);
      return value === -Errno.EOPNOTSUPP && spec.mayLack === true ? value : writeInt(level, out, value);
    };
  }
  if (set !== undefined) {
    row.set = (socket, value, credentials) => {
      if (value.length < (spec.shortest ?? shortestInt(level))) return -Errno.EINVAL;
      const error = set(socket, readInt(level, value), credentials) ?? 0;
      if (error === 0) socket.optionsChanged();
      return error;
    };
  }
  return row;
}

/** The int that these levels read first is not there. */
export const isShort = (value: Uint8Array): boolean => value.length < 4;
/** `set` of an option that is refused, once the int is there. */
export const refuseInt =
  (errno: number): NonNullable<OptionRow['set']> =>
  (_socket, value) =>
    isShort(value) ? -Errno.EINVAL : -errno;
/** Refused both ways, once the int that its level reads first is there. */
export const refused = (option: number, name: string, errno: number, note: string): OptionRow => ({
  option,
  name,
  note,
  get: () => -errno,
  set: refuseInt(errno),
});

/** An int option that is on or off; any value but 0 is on. */
export const flag = (
  level: number,
  option: number,
  name: string,
  get: (socket: OptionTarget) => boolean,
  set: (socket: OptionTarget, on: boolean) => number | void,
  only?: 'stream' | 'datagram',
): OptionRow =>
  int(level, option, name, {
    ...(only === undefined ? {} : { only }),
    get: (socket) => (get(socket) ? 1 : 0),
    set: (socket, value) => set(socket, value !== 0),
  });

/** ip(7) takes an int or a single octet, or none for 0 (do_ip_setsockopt); the other levels want the whole int. */
const shortestInt = (level: number): number => (level === SOL_IP ? 0 : 4);
function readInt(level: number, value: Uint8Array): number {
  if (value.length >= 4) return i32.get(value, 0);
  return level === SOL_IP && value.length > 0 ? (value[0] as number) : 0;
}

/** Cut to the room there is; SOL_IP answers in one octet if that is asked for and the value fits (do_ip_getsockopt). */
export function writeInt(level: number, out: Uint8Array, value: number): number {
  if (level === SOL_IP && out.length > 0 && out.length < 4 && value >= 0 && value <= 255) {
    out[0] = value;
    return 1;
  }
  i32.put(scratch, 0, value);
  return writeOctets(out, scratch);
}
/** Cut to the room there is. */
export function writeOctets(out: Uint8Array, value: Uint8Array): number {
  const len = Math.min(out.length, value.length);
  for (let i = 0; i < len; i++) out[i] = value[i] as number;
  return len;
}
const scratch = new Uint8Array(4);

/** Levels whose setsockopt reads an int before it looks at the option. */
export const readsIntFirst = (level: number): boolean => level === SOL_SOCKET || level === SOL_TCP || level === SOL_UDP;
