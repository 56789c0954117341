/** getsockopt(2), setsockopt(2): how values are copied. What they mean is the socket's. */
import { Errno, errnoName } from '../../abi/errno.ts';
import { sockFilter, sockFprog } from '../../abi/filter.ts';
import { levelName, optionName } from '../../abi/names.ts';
import { SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF, SOL_IPV6, SOL_SOCKET, SOL_TCP } from '../../abi/socket.ts';
import { i32 } from '../../abi/struct.ts';
import { TCP_CONGESTION, TCP_ULP } from '../../abi/transport.ts';
import { FILTER_INSTRUCTIONS_MAX } from '../../socket/options/filter.ts';
import { isSparse, longestValue, questionOf, refusedLength, VALUE_OCTETS } from '../../socket/options/table.ts';
import type { Socket } from '../../socket/socket.ts';
import { offersName, offersOption } from '../offered.ts';
import { printable } from '../printable.ts';
import type { CallContext } from '../task.ts';
import { copyIn, copyOut, putInt } from './guest.ts';
import { socketOf } from './sockets.ts';

/**
 * Programs set options in loops, so values pass through one buffer, by views of it that are made once for each length; whoever keeps a value copies it. Longer values have their own.
 */
const ordinary = new Uint8Array(VALUE_OCTETS);
const views: (Uint8Array | undefined)[] = [];
const bufferOf = (octets: number): Uint8Array =>
  octets > VALUE_OCTETS ? new Uint8Array(octets) : (views[octets] ??= ordinary.subarray(0, octets));
const cut = (value: Uint8Array, octets: number): Uint8Array =>
  octets === value.length ? value : value.length > VALUE_OCTETS ? value.subarray(0, octets) : bufferOf(octets);
const INT = 4;
/** TCP_CA_NAME_MAX and TCP_ULP_NAME_MAX. */
const CA_NAME_MAX = 16;

type OptionCall = 'getsockopt' | 'setsockopt';

/** Counts an option that the socket does not have: a gap, unless Linux has it neither. */
function report(
  ctx: CallContext,
  call: OptionCall,
  socket: Socket,
  level: number,
  option: number,
  result: number,
): void {
  // Who has the right and is not permitted asks for what is not done here: repair of connections.
  const isWall = result === -Errno.EPERM && level === SOL_TCP && ctx.credentials.netAdmin;
  if (result !== -Errno.ENOPROTOOPT && result !== -Errno.EOPNOTSUPP && !isWall) return;
  const what = `${levelName(level)}/${optionName(level, option)}`;
  ctx.unsupported(call, what, errnoName(result), !offersOption(socket, call, level, option));
}
/** ENOENT for a congestion control or an upper layer protocol, which are chosen by name. */
function reportName(ctx: CallContext, level: number, option: number, value: Uint8Array): void {
  if (level !== SOL_TCP || (option !== TCP_CONGESTION && option !== TCP_ULP)) return;
  const name = printable(value, CA_NAME_MAX);
  const list = option === TCP_CONGESTION ? 'TCP_CONGESTION' : 'TCP_ULP';
  ctx.unsupported('setsockopt', `SOL_TCP/${list} ${name}`, 'ENOENT', !offersName(list, name));
}
export function setsockopt(
  ctx: CallContext,
  fd: number,
  level: number,
  option: number,
  valueAt: number,
  length: number,
): number {
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  if (length < 0) return -Errno.EINVAL;
  // SOL_IPV6 reads an int before it looks at anything.
  const limits = socket.hasLevel(level) ? refusedLength(level, option, length, ctx.credentials) : 0;
  if (limits !== 0 && level !== SOL_IPV6) return limits;
  const wanted = Math.min(length, longestValue(level, option));
  const value = bufferOf(wanted);
  const got = wanted === 0 ? 0 : ctx.memory.read(valueAt, value, 0, wanted);
  // The kernel reads what the option needs, mostly an int: a longer length may lead beyond the mapping.
  if (got < Math.min(wanted, INT)) return setFault(socket, ctx, level, option, length);
  if (limits !== 0) return limits;
  const whole = isFilter(level, option) && got === sockFprog.size ? withProgram(ctx, value) : cut(value, got);
  const result = socket.setOption(level, option, whole, ctx.credentials);
  if (result < 0) report(ctx, 'setsockopt', socket, level, option, result);
  if (result === -Errno.ENOENT) reportName(ctx, level, option, cut(value, got));
  return result;
}

const isFilter = (level: number, option: number): boolean =>
  level === SOL_SOCKET && (option === SO_ATTACH_FILTER || option === SO_ATTACH_REUSEPORT_CBPF);
/** A filter with the instructions that it points to behind it, as far as they can be read. */
function withProgram(ctx: CallContext, fprog: Uint8Array): Uint8Array {
  const { len, filter } = sockFprog.decode(fprog);
  if (len > FILTER_INSTRUCTIONS_MAX || filter === 0) return fprog;
  const whole = new Uint8Array(sockFprog.size + len * sockFilter.size);
  whole.set(fprog);
  const got = ctx.memory.read(filter, whole, sockFprog.size, len * sockFilter.size);
  return whole.subarray(0, sockFprog.size + Math.max(got, 0));
}

const NONE = new Uint8Array(0);
/**
 * The value cannot be read. A level that the socket does not have is refused before that; SOL_IP refuses a name that it does not know first, SOL_IPV6 where the value is too short for
 * an int, which that level reads at once.
 */
function setFault(socket: Socket, ctx: CallContext, level: number, option: number, length: number): number {
  if (level === SOL_SOCKET) return -Errno.EFAULT;
  const result = socket.setOption(level, option, NONE, ctx.credentials);
  const isUnknown = result === -Errno.ENOPROTOOPT || result === -Errno.EOPNOTSUPP;
  const asksFirst = !socket.hasLevel(level) || (level === SOL_IPV6 ? length < INT : level !== SOL_TCP);
  if (!asksFirst) return -Errno.EFAULT;
  if (!isUnknown) return refusedLength(level, option, length, ctx.credentials, level === SOL_IPV6) || -Errno.EFAULT;
  report(ctx, 'setsockopt', socket, level, option, result);
  return result;
}

export function getsockopt(
  ctx: CallContext,
  fd: number,
  level: number,
  option: number,
  valueAt: number,
  lengthAt: number,
): number {
  const socket = socketOf(ctx, fd);
  if (typeof socket === 'number') return socket;
  if (copyIn(ctx, lengthAt, ctx.scratch, INT) !== 0) return getFault(ctx, socket, level, option, -Errno.EFAULT);
  const room = i32.get(ctx.scratch, 0);
  // SOL_IPV6 takes the length as unsigned (do_ipv6_getsockopt).
  if (room < 0 && level !== SOL_IPV6) return getFault(ctx, socket, level, option, -Errno.EINVAL);
  // The length of SO_GET_FILTER counts instructions.
  const unit = isFilter(level, option) ? sockFilter.size : 1;
  const question = questionOf(level, option);
  if (question !== undefined) return answer(ctx, socket, level, option, valueAt, lengthAt, room, question);
  const whole = bufferOf(Math.min((room >>> 0) * unit, longestValue(level, option))).fill(0);
  const value = isSparse(level, option)
    ? cut(whole, Math.max(0, ctx.memory.read(valueAt, whole, 0, whole.length)))
    : whole;
  const written = socket.getOption(level, option, value, ctx.credentials);
  if (written < 0) {
    report(ctx, 'getsockopt', socket, level, option, written);
    return written;
  }
  // A list may be longer than the room for it; its whole length is told (NETLINK_LIST_MEMBERSHIPS).
  const fits = Math.min(written, value.length);
  // TCP_SAVED_SYN tells how much room it takes, and refuses to cut.
  if (level === SOL_TCP && written > fits) return putInt(ctx, lengthAt, written) || -Errno.EINVAL;
  return level === SOL_SOCKET
    ? valueOut(ctx, valueAt, value, fits) || putInt(ctx, lengthAt, written / unit)
    : putInt(ctx, lengthAt, written) || valueOut(ctx, valueAt, value, fits);
}
/** An option whose buffer holds the question. */
function answer(
  ctx: CallContext,
  socket: Socket,
  level: number,
  option: number,
  valueAt: number,
  lengthAt: number,
  room: number,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  const value = new Uint8Array(most);
  const asked = Math.min(room >>> 0, most);
  if (asked >= least && ctx.memory.read(valueAt, value, 0, asked) < asked) return -Errno.EFAULT;
  const written = socket.getOption(level, option, asked < least ? value.subarray(0, asked) : value, ctx.credentials);
  if (written >= 0) return putInt(ctx, lengthAt, written) || valueOut(ctx, valueAt, value, written);
  report(ctx, 'getsockopt', socket, level, option, written);
  return written;
}
/** A level that the socket does not have is refused before the length is read. */
function getFault(ctx: CallContext, socket: Socket, level: number, option: number, fault: number): number {
  if (level === SOL_SOCKET) return fault;
  const refused = socket.getOption(level, option, NONE, ctx.credentials);
  const isRefused = refused === -Errno.EOPNOTSUPP || (refused < 0 && !socket.hasLevel(level));
  if (isRefused) report(ctx, 'getsockopt', socket, level, option, refused);
  return isRefused ? refused : fault;
}
const valueOut = (ctx: CallContext, at: number, value: Uint8Array, len: number): number =>
  len === 0 ? 0 : copyOut(ctx, at, value, len);
