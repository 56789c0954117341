/** getsockopt(2), setsockopt(2): how values are copied. What they mean is the socket's. */
import { Errno, errnoName } from '../../abi/errno.ts';
import { SOL_IPV6 } from '../../abi/socket.ts';
import { i32 } from '../../abi/struct.ts';
import { levelName, optionName } from '../names.ts';
import type { CallContext } from '../task.ts';
import { copyIn, copyOut, putInt } from './guest.ts';
import { socketOf } from './sockets.ts';

/** No option is longer; a guest's length is cut to it. */
const MAX_VALUE = 0x1_0000;
const INT = 4;

function report(ctx: CallContext, call: string, level: number, option: number, result: number): void {
  if (result !== -Errno.ENOPROTOOPT && result !== -Errno.EOPNOTSUPP) return;
  ctx.unsupported(call, `${levelName(level)}/${optionName(level, option)}`, errnoName(result));
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
  const wanted = Math.min(length, MAX_VALUE);
  const value = new Uint8Array(wanted);
  const got = wanted === 0 ? 0 : ctx.memory.read(valueAt, value, 0, wanted);
  // The kernel reads what the option needs, mostly an int: a longer length may lead beyond the mapping.
  if (got < Math.min(wanted, INT)) return -Errno.EFAULT;
  const result = socket.setOption(level, option, got === wanted ? value : value.subarray(0, got), ctx.credentials);
  report(ctx, 'setsockopt', level, option, result);
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
  if (copyIn(ctx, lengthAt, ctx.scratch, INT) !== 0) return -Errno.EFAULT;
  const room = i32.get(ctx.scratch, 0);
  // SOL_IPV6 takes the length as unsigned (do_ipv6_getsockopt).
  if (room < 0 && level !== SOL_IPV6) return -Errno.EINVAL;
  const value = new Uint8Array(Math.min(room >>> 0, MAX_VALUE));
  const written = socket.getOption(level, option, value);
  report(ctx, 'getsockopt', level, option, written);
  if (written < 0) return written;
  const fault = written === 0 ? 0 : copyOut(ctx, valueAt, value, written);
  return fault !== 0 ? fault : putInt(ctx, lengthAt, written);
}
