/**
 * Values in guest memory as strace(1) prints them. Everything is read now, bounded, into memory of ours: what a guest claims of lengths and counts decides at most how
 * much of the line is there.
 */
import { CmsgWalker } from '../abi/cmsg.ts';
import { iovec, mmsghdr, msghdr } from '../abi/msghdr.ts';
import { controlTypeName, familyName, levelName, messageFlagNames } from '../abi/names.ts';
import { sockaddrIn, sockaddrIn6, sockaddrLl, sockaddrNl } from '../abi/sockaddr.ts';
import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX } from '../abi/socket.ts';
import { i32, u16, u32, u64 } from '../abi/struct.ts';
import type { GuestMemory } from '../socket/guest-memory.ts';

/** Octets of a string shown, as strace's -s 32. */
const PREVIEW = 32;
const MAX_VECTORS = 16;
const MAX_MESSAGES = 8;
const MAX_CONTROL = 1024;
const MAX_NAME = 128;

export const pointer = (addr: number): string =>
  addr === 0 ? 'NULL' : addr === Infinity ? '0x?' : `0x${addr.toString(16)}`;

/** Octets at `addr`, fewer where they cannot be read. */
export function peek(memory: GuestMemory, addr: number, len: number): Uint8Array {
  const bytes = new Uint8Array(len);
  return bytes.subarray(0, memory.read(addr, bytes, 0, len));
}
export function peekInt(memory: GuestMemory, addr: number): number | undefined {
  const bytes = peek(memory, addr, 4);
  return bytes.length === 4 ? i32.get(bytes, 0) : undefined;
}

const ESCAPES: Readonly<Record<number, string>> = {
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};
/** In quotes, with C's escapes; octal ones are as short as what follows permits. */
export function quote(bytes: Uint8Array): string {
  let text = '';
  for (const [i, octet] of bytes.entries()) {
    const next = bytes[i + 1] ?? 0;
    const digitFollows = next >= 0x30 && next <= 0x39;
    if (ESCAPES[octet] !== undefined) text += ESCAPES[octet];
    else if (octet >= 0x20 && octet < 0x7f) text += String.fromCharCode(octet);
    else text += `\\${octet.toString(8).padStart(digitFollows ? 3 : 1, '0')}`;
  }
  return `"${text}"`;
}
/** `len` octets of a buffer, at most as many as are previewed. */
export function buffer(memory: GuestMemory, addr: number, len: number): string {
  if (addr === 0) return 'NULL';
  const wanted = Math.min(len, PREVIEW);
  const bytes = peek(memory, addr, wanted);
  if (bytes.length < wanted) return pointer(addr);
  return quote(bytes) + (len > wanted ? '...' : '');
}

const quad = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');
/** RFC 5952, without its IPv4 form. */
export function inet6(octets: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((octets[i * 2] as number) << 8) | (octets[i * 2 + 1] as number));
  let best = -1;
  let bestLength = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === 0) end++;
    if (end - at > bestLength) [best, bestLength] = [at, end - at];
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((g) => g.toString(16))
      .join(':');
  return best < 0 ? text(0, 8) : `${text(0, best)}::${text(best + bestLength, 8)}`;
}

function unixPath(path: Uint8Array): string {
  if (path.length === 0) return '';
  if (path[0] === 0) return `, sun_path=@${quote(path.subarray(1))}`;
  const end = path.indexOf(0);
  return `, sun_path=${quote(end < 0 ? path : path.subarray(0, end))}`;
}
type AddressShower = (bytes: Uint8Array) => string;
const ADDRESSES: Readonly<Record<number, { readonly least: number; readonly show: AddressShower }>> = {
  [AF_INET]: {
    least: 8,
    show: (b) => `sin_port=htons(${sockaddrIn.fields.port.get(b, 2)}), sin_addr=inet_addr("${quad(u32BE(b, 4))}")`,
  },
  [AF_INET6]: {
    least: 24,
    show: (b) => {
      const scope = b.length >= sockaddrIn6.size ? `, sin6_scope_id=${u32.get(b, sockaddrIn6.offset.scopeId)}` : '';
      const port = sockaddrIn6.fields.port.get(b, 2);
      const text = inet6(b.subarray(8, 24));
      return `sin6_port=htons(${port}), sin6_flowinfo=htonl(${u32BE(b, 4)}), inet_pton(AF_INET6, "${text}", &sin6_addr)${scope}`;
    },
  },
  [AF_NETLINK]: {
    least: sockaddrNl.size,
    show: (b) => {
      const { pid, groups } = sockaddrNl.decode(b);
      return `nl_pid=${pid}, nl_groups=${groups.toString(16).padStart(8, '0')}`;
    },
  },
  [AF_PACKET]: {
    least: 12,
    show: (b) =>
      `sll_protocol=htons(0x${sockaddrLl.fields.protocol.get(b, 2).toString(16)}), sll_ifindex=${i32.get(b, 4)}`,
  },
};
const u32BE = (b: Uint8Array, at: number): number => sockaddrIn.fields.addr.get(b, at);

export function address(bytes: Uint8Array): string {
  if (bytes.length < 2) return quote(bytes);
  const family = u16.get(bytes, 0);
  const head = `{sa_family=${familyName(family)}`;
  if (family === AF_UNIX) return `${head}${unixPath(bytes.subarray(2, 110))}}`;
  const known = ADDRESSES[family];
  if (known !== undefined && bytes.length >= known.least) return `${head}, ${known.show(bytes)}}`;
  return `${head}, sa_data=${quote(bytes.subarray(2, 16))}}`;
}
/** struct sockaddr of `len` octets in guest memory. */
export function addressAt(memory: GuestMemory, addr: number, len: number): string {
  if (addr === 0) return 'NULL';
  const wanted = Math.min(Math.max(len, 0), MAX_NAME);
  const bytes = peek(memory, addr, wanted);
  return bytes.length < wanted || wanted === 0 ? pointer(addr) : address(bytes);
}

/** struct iovec[]; of a receive only `filled` octets are data. */
export function vector(memory: GuestMemory, addr: number, count: number, filled: number): string {
  if (addr === 0) return 'NULL';
  const shown = Math.min(count, MAX_VECTORS);
  const bytes = peek(memory, addr, shown * iovec.size);
  if (bytes.length < shown * iovec.size) return pointer(addr);
  let left = filled;
  const parts: string[] = [];
  for (let i = 0; i < shown; i++) {
    const base = u64.get(bytes, i * iovec.size);
    const len = u64.get(bytes, i * iovec.size + 8);
    const data = Math.min(len, left);
    left -= data;
    parts.push(`{iov_base=${data === 0 && len > 0 ? pointer(base) : buffer(memory, base, data)}, iov_len=${len}}`);
  }
  return `[${parts.join(', ')}${count > shown ? ', ...' : ''}]`;
}

const walker = new CmsgWalker();
function control(memory: GuestMemory, addr: number, len: number): string {
  if (addr === 0) return 'NULL';
  const bytes = peek(memory, addr, Math.min(len, MAX_CONTROL));
  const parts: string[] = [];
  walker.begin(bytes, bytes.length);
  while (walker.next()) {
    const { level, type, data, dataLength } = walker;
    const value =
      dataLength === 4
        ? `[${i32.get(bytes, data)}]`
        : quote(bytes.subarray(data, data + Math.min(dataLength, PREVIEW)));
    const name = controlTypeName(level, type);
    parts.push(`{cmsg_len=${dataLength + 16}, cmsg_level=${levelName(level)}, cmsg_type=${name}, cmsg_data=${value}}`);
  }
  return parts.length === 0 ? pointer(addr) : `[${parts.join(', ')}]`;
}

/** struct msghdr. `filled` is how many octets of its buffers are data: all of them for a send. */
function messageIn(memory: GuestMemory, bytes: Uint8Array, filled: number, withFlags: boolean): string {
  const field = (name: keyof typeof msghdr.offset): number => u64.get(bytes, msghdr.offset[name]);
  const namelen = i32.get(bytes, msghdr.offset.namelen);
  const controllen = field('controllen');
  const parts = [
    `msg_name=${addressAt(memory, field('name'), namelen)}`,
    `msg_namelen=${namelen}`,
    `msg_iov=${vector(memory, field('iov'), field('iovlen'), filled)}`,
    `msg_iovlen=${field('iovlen')}`,
    ...(controllen > 0 ? [`msg_control=${control(memory, field('control'), controllen)}`] : []),
    `msg_controllen=${controllen}`,
    `msg_flags=${withFlags ? messageFlagNames(u32.get(bytes, msghdr.offset.flags)) : '0'}`,
  ];
  return `{${parts.join(', ')}}`;
}
export function message(memory: GuestMemory, addr: number, filled: number, withFlags: boolean): string {
  const bytes = peek(memory, addr, msghdr.size);
  return bytes.length < msghdr.size ? pointer(addr) : messageIn(memory, bytes, filled, withFlags);
}
/** struct mmsghdr[]: the first `count`; `done` of them have a result. */
export function messages(memory: GuestMemory, addr: number, count: number, done: number, received: boolean): string {
  if (addr === 0) return 'NULL';
  const shown = Math.min(received ? done : count, MAX_MESSAGES);
  const parts: string[] = [];
  for (let i = 0; i < shown; i++) {
    const bytes = peek(memory, addr + i * mmsghdr.size, mmsghdr.size);
    if (bytes.length < mmsghdr.size) break;
    const len = u32.get(bytes, mmsghdr.offset.len);
    const text = messageIn(memory, bytes, received ? len : Infinity, received);
    parts.push(`{msg_hdr=${text}${i < done ? `, msg_len=${len}` : ''}}`);
  }
  if (parts.length === 0) return pointer(addr);
  return `[${parts.join(', ')}${count > parts.length ? ', ...' : ''}]`;
}
