/** ioctl(2) on sockets: fs/ioctl.c do_vfs_ioctl for what every file has, then the socket's own. */
import { EPIOCGPARAMS, EPIOCSPARAMS, epollParams } from '../../abi/epoll.ts';
import { Errno, errnoName } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
import {
  FIGETBSZ,
  FIOASYNC,
  FIOCLEX,
  FIOGETOWN,
  FIONBIO,
  FIONCLEX,
  FIONREAD,
  FIOSETOWN,
  FS_IOC_FIEMAP,
  SIOCGPGRP,
  SIOCGSTAMP_NEW,
  SIOCGSTAMP_OLD,
  SIOCGSTAMPNS_NEW,
  SIOCGSTAMPNS_OLD,
  SIOCSPGRP,
  TCGETS,
  TIOCGWINSZ,
} from '../../abi/ioctl.ts';
import { ioctlName } from '../../abi/names.ts';
import { AF_INET, AF_INET6 } from '../../abi/socket.ts';
import { i32, i64 } from '../../abi/struct.ts';
import { PipeEnd } from '../../socket/byte-file.ts';
import { EpollFile } from '../../socket/epoll.ts';
import type { OpenFile } from '../../socket/file.ts';
import { MemoryFile } from '../../socket/pipe.ts';
import { Socket } from '../../socket/socket.ts';
import { offersRequest } from '../offered.ts';
import type { CallContext } from '../task.ts';
import { descriptorTable } from './descriptors.ts';
import { ownerNumber, setAsync, setOwner } from './fcntl.ts';
import { copyIn, copyOut, putInt } from './guest.ts';
import { deviceIoctl } from './ioctl-devices.ts';

/** What a socket file says of the block size of its file system (sockfs). */
const PAGE = 4096;
const INT_MAX = 0x7fff_ffff;
/** Packets of one turn of a network card; a larger budget needs CAP_NET_ADMIN. */
const NAPI_POLL_WEIGHT = 64;

export function ioctl(ctx: CallContext, fd: number, request: number, argument: number): number {
  const file = ctx.file(fd);
  if (file === undefined) return -Errno.EBADF;
  switch (request) {
    case FIOCLEX:
    case FIONCLEX:
      // The runner leaves these to the kernel, whose descriptor it is.
      descriptorTable(ctx.files)?.setCloseOnExec(fd, request === FIOCLEX);
      return 0;
    case FIONBIO:
      return setNonblocking(ctx, file, argument);
    case FIOASYNC:
      return setAsynchronous(ctx, file, argument);
    case FIGETBSZ:
      return putInt(ctx, argument, PAGE);
    case FS_IOC_FIEMAP:
      return refuse(ctx, file, request, Errno.EOPNOTSUPP);
    default:
      return fileIoctl(ctx, file, request, argument);
  }
}

function setNonblocking(ctx: CallContext, file: OpenFile, at: number): number {
  if (copyIn(ctx, at, ctx.scratch, 4) !== 0) return -Errno.EFAULT;
  const on = i32.get(ctx.scratch, 0) !== 0;
  file.statusFlags = on ? file.statusFlags | O_NONBLOCK : file.statusFlags & ~O_NONBLOCK;
  return 0;
}

function setAsynchronous(ctx: CallContext, file: OpenFile, at: number): number {
  if (copyIn(ctx, at, ctx.scratch, 4) !== 0) return -Errno.EFAULT;
  const on = i32.get(ctx.scratch, 0) !== 0;
  if (file.canSignal) setAsync(ctx, file, on);
  else if (on) return -Errno.ENOTTY;
  return 0;
}

function fileIoctl(ctx: CallContext, file: OpenFile, request: number, argument: number): number {
  if (file instanceof Socket) return socketIoctl(ctx, file, request, argument);
  if (file instanceof EpollFile) return epollIoctl(ctx, file, request, argument);
  if (request !== FIONREAD) return -Errno.ENOTTY;
  if (file instanceof PipeEnd) return putInt(ctx, argument, file.queued);
  // Of a file it is what lies behind the position (do_vfs_ioctl).
  return file instanceof MemoryFile ? putInt(ctx, argument, (file.size - file.position()) | 0) : -Errno.ENOTTY;
}

/** An epoll object knows requests of its own only (fs/eventpoll.c, since Linux 6.9). They tune the busy polling of network cards; here is none, so they are only kept. */
function epollIoctl(ctx: CallContext, file: EpollFile, request: number, argument: number): number {
  const { scratch } = ctx;
  if (request === EPIOCGPARAMS) {
    epollParams.put(scratch, 0, file.busyPoll);
    return copyOut(ctx, argument, scratch, epollParams.size);
  }
  if (request !== EPIOCSPARAMS) return -Errno.EINVAL;
  if (copyIn(ctx, argument, scratch, epollParams.size) !== 0) return -Errno.EFAULT;
  const params = epollParams.decode(scratch);
  if (params.pad !== 0 || params.preferBusyPoll > 1 || params.busyPollUsecs > INT_MAX) return -Errno.EINVAL;
  if (params.busyPollBudget > NAPI_POLL_WEIGHT && !ctx.credentials.netAdmin) return -Errno.EPERM;
  file.busyPoll = params;
  return 0;
}

/** sock_ioctl. */
function socketIoctl(ctx: CallContext, file: Socket, request: number, argument: number): number {
  switch (request) {
    case FIOSETOWN:
    case SIOCSPGRP:
      if (copyIn(ctx, argument, ctx.scratch, 4) !== 0) return -Errno.EFAULT;
      return setOwner(ctx, file, i32.get(ctx.scratch, 0));
    case FIOGETOWN:
    case SIOCGPGRP:
      return putInt(ctx, argument, ownerNumber(file));
    case SIOCGSTAMP_OLD:
    case SIOCGSTAMP_NEW:
      return stamp(ctx, file, request, argument, 1);
    case SIOCGSTAMPNS_OLD:
    case SIOCGSTAMPNS_NEW:
      return stamp(ctx, file, request, argument, 1e3);
    default:
      break;
  }
  const result = file.ioctl(request);
  if (result === -Errno.ENOTTY) return deviceRequest(ctx, file, request, argument);
  return result < 0 ? result : putInt(ctx, argument, result);
}
/** sock_gettstamp, which families without packets have not: seconds and a fraction, of which `parts` make a microsecond. */
function stamp(ctx: CallContext, file: Socket, request: number, at: number, parts: number): number {
  const { domain, lastReceivedUs } = file;
  if (domain !== AF_INET && domain !== AF_INET6) return refuse(ctx, file, request);
  if (lastReceivedUs === undefined) return -Errno.ENOENT;
  const sec = Math.floor(lastReceivedUs / 1e6);
  i64.put(ctx.scratch, 0, sec);
  i64.put(ctx.scratch, 8, Math.floor((lastReceivedUs - sec * 1e6) * parts));
  return copyOut(ctx, at, ctx.scratch, 16);
}

function deviceRequest(ctx: CallContext, file: Socket, request: number, argument: number): number {
  const { devices, domain } = file;
  const result = devices === undefined ? -Errno.ENOTTY : deviceIoctl(ctx, devices, domain, request, argument);
  return result === -Errno.ENOTTY ? refuse(ctx, file, request) : result;
}

function refuse(ctx: CallContext, file: OpenFile, request: number, errno: number = Errno.ENOTTY): number {
  const isGap = !(file instanceof Socket) || offersRequest(file, request);
  // isatty(3) asks every descriptor: ENOTTY is the answer, not a lack.
  if (request !== TCGETS && request !== TIOCGWINSZ)
    ctx.unsupported('ioctl', ioctlName(request), errnoName(errno), !isGap);
  return -errno;
}
