/** How out-buffers appear in a transcript. */
import type { Names, Show } from './body.ts';
import { FILL } from './layout.ts';
import * as c from './linux.ts';
import { showTimestamp } from './normalise.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const quad = (b: Uint8Array, at: number): string => b.subarray(at, at + 4).join('.');

/** A `struct sockaddr` with what may stand behind it; octets that do not belong to it appear in hex. */
export const asSockaddr: Show = (b, names) => {
  const family = b.length >= 2 ? c.u16.get(b, 0) : -1;
  if (family === c.AF_INET && b.length >= 16) {
    const port = names.port(c.be16.get(b, 2));
    return `AF_INET ${quad(b, 4)}:${port} zero ${hex(b.subarray(8, 16))} rest ${hex(b.subarray(16))}`;
  }
  if (family === c.AF_INET6 && b.length >= 28) {
    const port = names.port(c.be16.get(b, 2));
    return `AF_INET6 [${hex(b.subarray(8, 24))}]:${port} flow ${c.be32.get(b, 4)} scope ${c.u32.get(b, 24)} rest ${hex(b.subarray(28))}`;
  }
  const isCut = (family === c.AF_INET || family === c.AF_INET6) && b.length >= 4;
  return isCut ? `cut: family ${family} port ${names.port(c.be16.get(b, 2))} ${hex(b.subarray(4))}` : `cut: ${hex(b)}`;
};
export const asI32: Show = (b) => String(c.i32.get(b, 0));
/** Octets as characters, where they are such. */
export const asText: Show = (b) => {
  let end = b.length;
  while (end > 0 && b[end - 1] === FILL) end--;
  const text = JSON.stringify(Buffer.from(b.subarray(0, end)).toString('latin1'));
  return end < b.length ? `${text} and ${b.length - end} untouched` : text;
};

/** An array of `struct pollfd`: descriptor, what was asked if not everything, and what came. */
export const asPollfds: Show = (b) => {
  const out: string[] = [];
  for (let at = 0; at + 8 <= b.length; at += 8) {
    const { fd, events, revents } = c.pollfd.get(b, at);
    const asked = (events & 0xffff) === EVERY_EVENT ? 'all' : eventNames(events & 0xffff);
    out.push(`{${fd} ${asked} -> ${eventNames(revents & 0xffff)}}`);
  }
  return out.join(' ');
};
/** All bits of poll(2) that a caller may ask for. */
export const EVERY_EVENT =
  c.POLLIN | c.POLLPRI | c.POLLOUT | c.POLLRDNORM | c.POLLRDBAND | c.POLLWRNORM | c.POLLWRBAND | c.POLLRDHUP;
export const EPOLL_EVENT_OCTETS = 12;
/** `struct epoll_event` with the descriptor in its data. */
export const asEpollEvents: Show = (b) => {
  const out: string[] = [];
  for (let at = 0; at + EPOLL_EVENT_OCTETS <= b.length; at += EPOLL_EVENT_OCTETS) {
    const data = c.u32.get(b, at + 4);
    if (data !== 0xeeee_eeee) out.push(`{${data} ${eventNames(c.u32.get(b, at))}}`);
  }
  return out.join(' ');
};

const EVENTS: readonly (readonly [number, string])[] = [
  [c.POLLIN, 'IN'],
  [c.POLLPRI, 'PRI'],
  [c.POLLOUT, 'OUT'],
  [c.POLLERR, 'ERR'],
  [c.POLLHUP, 'HUP'],
  [c.POLLNVAL, 'NVAL'],
  [c.POLLRDNORM, 'RDNORM'],
  [c.POLLRDBAND, 'RDBAND'],
  [c.POLLWRNORM, 'WRNORM'],
  [c.POLLWRBAND, 'WRBAND'],
  [c.POLLRDHUP, 'RDHUP'],
];
/** Poll or epoll bits by name. */
export function eventNames(events: number): string {
  if (events === 0) return 'none';
  let rest = events;
  const out: string[] = [];
  for (const [bit, name] of EVENTS) {
    if ((rest & bit) === 0) continue;
    out.push(name);
    rest &= ~bit;
  }
  if (rest !== 0) out.push(`0x${(rest >>> 0).toString(16)}`);
  return out.join('|');
}

/** The fields of a `struct msghdr` that a call writes. */
export const asMsghdr: Show = (b) => {
  const h = c.msghdr.get(b, 0);
  return `namelen ${h.namelen} controllen ${h.controllen} flags 0x${h.flags.toString(16)}`;
};
/** An array of `struct mmsghdr`. */
export const asMmsghdrs: Show = (b, names) => {
  const out: string[] = [];
  for (let at = 0; at + 64 <= b.length; at += 64) {
    out.push(`{${asMsghdr(b.subarray(at, at + 56), names)} len ${c.u32.get(b, at + 56)}}`);
  }
  return out.join(' ');
};

/** `struct ucred`. */
export const asUcred: Show = (b, names) => {
  const { pid, uid, gid } = c.ucred.get(b, 0);
  return `pid ${names.pid(pid)} uid ${uid} gid ${gid}`;
};
/** A `struct sockaddr_un`; a name that was chosen is random. */
export const asUnixName: Show = (b) => {
  let end = b.length;
  while (end > 0 && b[end - 1] === FILL) end--;
  const text = Buffer.from(b.subarray(2, end)).toString('latin1');
  const path = /^\0[0-9a-f]{5}$/.test(text) ? 'chosen' : JSON.stringify(text);
  return `family ${end < 2 ? -1 : c.u16.get(b, 0)} ${path}`;
};

/** Control messages, then what follows them in hex. The time in SO_TIMESTAMP is only checked for sanity. */
export const asControl: Show = (b, names) => {
  const out: string[] = [];
  let at = 0;
  while (at + 16 <= b.length) {
    const len = c.u64.get(b, at);
    if (len < 16 || at + len > b.length) break;
    const level = c.i32.get(b, at + 8);
    const type = c.i32.get(b, at + 12);
    out.push(`{${len} ${level} ${type} ${payload(b.subarray(at + 16, at + len), level, type, names)}}`);
    at += Math.min(b.length - at, c.CMSG_ALIGN(len));
  }
  const rest = hex(b.subarray(at)).replace(/(?:ee)+$/, '..');
  return `${out.join(' ')} ${rest}`.trim();
};
function payload(b: Uint8Array, level: number, type: number, names: Names): string {
  if (level === c.SOL_SOCKET && type === c.SCM_CREDENTIALS && b.length >= 4) {
    return b.length === 12 ? asUcred(b, names) : `pid ${names.pid(c.i32.get(b, 0))} ${hex(b.subarray(4))}`;
  }
  if (level === c.SOL_SOCKET && STAMPS.has(type)) return stamp(b, type);
  const isName =
    (level === c.SOL_IP && type === c.IP_ORIGDSTADDR) || (level === c.SOL_IPV6 && type === c.IPV6_ORIGDSTADDR);
  if (isName) return asSockaddr(b, names);
  return hex(b);
}

const STAMPS = new Set([
  c.SO_TIMESTAMP,
  c.SO_TIMESTAMP_NEW,
  c.SO_TIMESTAMPNS,
  c.SO_TIMESTAMPNS_NEW,
  c.SO_TIMESTAMPING,
  c.SO_TIMESTAMPING_NEW,
]);
/** Seconds and micro- or nanoseconds; of SCM_TIMESTAMPING three of them, of which those that there are not are zeros. */
function stamp(b: Uint8Array, type: number): string {
  const isOne = type !== c.SO_TIMESTAMPING && type !== c.SO_TIMESTAMPING_NEW;
  if (b.length !== (isOne ? 16 : 48)) return `${b.length} octets of a timestamp`;
  const inNano = type !== c.SO_TIMESTAMP && type !== c.SO_TIMESTAMP_NEW;
  const first = showTimestamp(c.i64.get(b, 0), Math.floor(c.i64.get(b, 8) / (inNano ? 1000 : 1)));
  return isOne ? first : `${first} ${hex(b.subarray(16))}`;
}
