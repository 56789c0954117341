/**
 * The text of a call and of its result as strace(1) prints them, from the table's declaration of the arguments. It is made when the call ends and before the guest
 * goes on, so that memory is as the call left it. Reading it changes nothing.
 */
import { ERESTARTSYS, errnoName, isError } from '../abi/errno.ts';
import { errorText } from '../abi/error-texts.ts';
import { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC } from '../abi/fcntl.ts';
import { FIOASYNC, FIONBIO, FIONREAD, SIOCATMARK, SIOCOUTQNSD, TIOCOUTQ } from '../abi/ioctl.ts';
import * as names from '../abi/names.ts';
import { pollfd } from '../abi/poll.ts';
import { SO_BINDTODEVICE, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET, SOL_TCP } from '../abi/socket.ts';
import { linger, timespec, timeval } from '../abi/sockopt.ts';
import { i16, i32, u32, u64 } from '../abi/struct.ts';
import { TCP_CONGESTION } from '../abi/transport.ts';
import type { GuestMemory } from '../socket/guest-memory.ts';
import type { ArgKind } from './args.ts';
import { addressAt, buffer, message, messages, peek, peekInt, pointer, quote, vector } from './strace-values.ts';
import { type Architecture, epollEventOf } from './table.ts';
import type { Task } from './task.ts';

/** What an argument's printer may look at. */
interface Printed {
  readonly memory: GuestMemory;
  /** All arguments, decoded. */
  readonly args: readonly number[];
  readonly index: number;
  readonly result: number;
  readonly event: ReturnType<typeof epollEventOf>;
}
type Printer = (value: number, of: Printed) => string;

const MAX_LISTED = 16;
const MAX_OPTION = 64;
const next = (of: Printed): number => of.args[of.index + 1] ?? 0;
const before = (of: Printed, back: number): number => of.args[of.index - back] ?? 0;
const decimal: Printer = (value) => `${value}`;
const asPointer: Printer = (value) => pointer(value);
const named =
  (name: (value: number) => string): Printer =>
  (value) =>
    name(value);

/** What a length pointer holds: for an out-address how much of it there is. */
function lengthAt(of: Printed, addr: number): number {
  return peekInt(of.memory, addr) ?? 0;
}
const INT_REQUESTS: readonly number[] = [FIONBIO, FIOASYNC, FIONREAD, TIOCOUTQ, SIOCATMARK, SIOCOUTQNSD];

function optionValue(of: Printed, addr: number, len: number): string {
  if (addr === 0) return 'NULL';
  const bytes = peek(of.memory, addr, Math.min(Math.max(len, 0), MAX_OPTION));
  if (bytes.length === 0) return pointer(addr);
  const option = before(of, 1);
  const text = before(of, 2) === SOL_SOCKET ? socketOption(option, bytes) : undefined;
  if (text !== undefined) return text;
  if (before(of, 2) === SOL_TCP && option === TCP_CONGESTION) return cString(bytes);
  return bytes.length === 4 ? `[${i32.get(bytes, 0)}]` : quote(bytes.subarray(0, 32));
}
/** Values of level SOL_SOCKET that are no ints. */
function socketOption(option: number, bytes: Uint8Array): string | undefined {
  if (option === SO_BINDTODEVICE) return cString(bytes);
  if (option === SO_LINGER && bytes.length >= linger.size) {
    const { onoff, linger: seconds } = linger.decode(bytes);
    return `{l_onoff=${onoff}, l_linger=${seconds}}`;
  }
  if ((option === SO_RCVTIMEO || option === SO_SNDTIMEO) && bytes.length >= timeval.size) {
    const { sec, usec } = timeval.decode(bytes);
    return `{tv_sec=${sec}, tv_usec=${usec}}`;
  }
  return undefined;
}
function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return quote(end < 0 ? bytes : bytes.subarray(0, end));
}

const time =
  (struct: typeof timespec | typeof timeval, unit: string): Printer =>
  (value, { memory }) => {
    if (value === 0) return 'NULL';
    const bytes = peek(memory, value, struct.size);
    if (bytes.length < struct.size) return pointer(value);
    return `{tv_sec=${timespec.fields.sec.get(bytes, 0)}, tv_${unit}=${timespec.fields.nsec.get(bytes, 8)}}`;
  };

function pollFds(addr: number, of: Printed): string {
  const count = next(of);
  const shown = Math.min(count, MAX_LISTED);
  const bytes = peek(of.memory, addr, shown * pollfd.size);
  if (bytes.length < shown * pollfd.size) return pointer(addr);
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += pollfd.size) {
    const revents = i16.get(bytes, at + pollfd.offset.revents) & 0xffff;
    const asked = names.pollNames(i16.get(bytes, at + pollfd.offset.events) & 0xffff);
    const got = of.result > 0 && revents !== 0 ? `, revents=${names.pollNames(revents)}` : '';
    parts.push(`{fd=${i32.get(bytes, at)}, events=${asked}${got}}`);
  }
  return `[${parts.join(', ')}${count > shown ? ', ...' : ''}]`;
}

function epollEvents(addr: number, count: number, of: Printed): string {
  const { size, offset } = of.event;
  const shown = Math.min(count, MAX_LISTED);
  const bytes = peek(of.memory, addr, shown * size);
  if (bytes.length < shown * size) return pointer(addr);
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const data = u64.get(bytes, at + offset.data);
    const text = data === Infinity ? quote(bytes.subarray(at + offset.data, at + offset.data + 8)) : `${data}`;
    parts.push(`{events=${names.epollNames(u32.get(bytes, at))}, data=${text}}`);
  }
  return parts.join(', ');
}

function fdSet(addr: number, of: Printed): string {
  if (addr === 0) return 'NULL';
  const bytes = peek(of.memory, addr, Math.ceil(Math.min(Math.max(of.args[0] ?? 0, 0), 1024) / 64) * 8);
  const fds: number[] = [];
  for (let fd = 0; fd < bytes.length * 8; fd++) if (((bytes[fd >> 3] as number) >> (fd & 7)) & 1) fds.push(fd);
  return `[${fds.slice(0, MAX_LISTED).join(' ')}${fds.length > MAX_LISTED ? ' ...' : ''}]`;
}

function fcntlArgument(value: number, of: Printed): string | undefined {
  switch (before(of, 1)) {
    case F_GETFL:
    case F_GETFD:
      return undefined;
    case F_SETFL:
      return names.openFlagNames(value);
    case F_SETFD:
      return value === FD_CLOEXEC ? 'FD_CLOEXEC' : `${value}`;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return `${value}`;
    default:
      return `0x${(value >>> 0).toString(16)}`;
  }
}

/** A buffer that the call fills shows what was filled, or only where it is. */
const filled =
  (show: (of: Printed, addr: number, octets: number) => string): Printer =>
  (value, of) =>
    of.result >= 0 ? show(of, value, of.result) : pointer(value);

const PRINTERS: Readonly<Record<ArgKind, (value: number, of: Printed) => string | undefined>> = {
  int: decimal,
  uint: decimal,
  size: (value) => (value === Infinity ? '0x?' : `${value}`),
  pointer: asPointer,
  fd: decimal,
  family: named(names.familyName),
  socketType: named(names.socketTypeName),
  protocol: (value, of) => names.protocolName(before(of, 2), value),
  socketFlags: named(names.socketFlagNames),
  shutdownHow: named(names.shutdownName),
  messageFlags: named(names.messageFlagNames),
  address: (value, of) => addressAt(of.memory, value, next(of)),
  addressOut: (value, of) =>
    of.result >= 0 && value !== 0 ? addressAt(of.memory, value, lengthAt(of, next(of))) : pointer(value),
  lengthInOut: (value, of) => {
    const length = value === 0 ? undefined : peekInt(of.memory, value);
    return length === undefined ? pointer(value) : `[${length}]`;
  },
  level: named(names.levelName),
  option: (value, of) => names.optionName(before(of, 1), value),
  optionValue: (value, of) => optionValue(of, value, next(of)),
  optionValueOut: (value, of) => (of.result >= 0 ? optionValue(of, value, lengthAt(of, next(of))) : pointer(value)),
  bufferIn: (value, of) => buffer(of.memory, value, next(of)),
  bufferOut: filled((of, addr, octets) => buffer(of.memory, addr, Math.min(octets, next(of)))),
  vectorIn: (value, of) => vector(of.memory, value, next(of), Infinity),
  vectorOut: filled((of, addr, octets) => vector(of.memory, addr, next(of), octets)),
  messageIn: (value, of) => message(of.memory, value, Infinity, false),
  messageOut: filled((of, addr, octets) => message(of.memory, addr, octets, true)),
  messagesIn: (value, of) => messages(of.memory, value, next(of), Math.max(of.result, 0), false),
  messagesOut: (value, of) => messages(of.memory, value, next(of), Math.max(of.result, 0), true),
  timespec: time(timespec, 'nsec'),
  timeval: time(timeval, 'usec'),
  fdSet,
  openFlags: named(names.descriptorFlagNames),
  fcntlCommand: named(names.fcntlName),
  fcntlArgument,
  ioctlRequest: named(names.ioctlName),
  ioctlArgument: (value, of) => {
    const int = INT_REQUESTS.includes(before(of, 1)) && of.result >= 0 ? peekInt(of.memory, value) : undefined;
    return int === undefined ? pointer(value) : `[${int}]`;
  },
  pollFds,
  epollFlags: (value) => (value === 0 ? '0' : names.descriptorFlagNames(value)),
  epollOperation: named(names.epollOperationName),
  epollEvent: (value, of) => (value === 0 ? 'NULL' : epollEvents(value, 1, of)),
  epollEventsOut: (value, of) => (of.result >= 0 ? `[${epollEvents(value, of.result, of)}]` : pointer(value)),
};

export class StraceFormatter {
  readonly #event: ReturnType<typeof epollEventOf>;

  constructor(architecture: Architecture) {
    this.#event = epollEventOf(architecture);
  }

  /** `connect(3, {sa_family=AF_INET, ...}, 16)`: to be made before the guest goes on. */
  call(task: Task, result: number): string {
    const { call, registers, memory } = task;
    if (call === undefined) return `syscall_0x${task.nr.toString(16)}()`;
    const word = (i: number): number => registers[i] as number;
    const args = call.argList.map((arg, i) => arg.decode(word(i * 2), word(i * 2 + 1)));
    const texts = call.argList.map((arg, index) =>
      PRINTERS[arg.kind](args[index] as number, { memory, args, index, result, event: this.#event }),
    );
    return `${call.name}(${texts.filter((text) => text !== undefined).join(', ')})`;
  }

  /** `= 5`, `= -1 ECONNREFUSED (Connection refused)`. */
  result(result: number): string {
    if (result === -ERESTARTSYS) return '= ? ERESTARTSYS (To be restarted if SA_RESTART is set)';
    if (!isError(result)) return `= ${result}`;
    const text = errorText(-result);
    return `= -1 ${errnoName(result)}${text === undefined ? '' : ` (${text})`}`;
  }
}
