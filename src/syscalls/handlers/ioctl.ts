/** ioctl(2) on sockets: fs/ioctl.c do_vfs_ioctl for what every file has, then the socket's own. */
import { Errno } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
import { FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, TCGETS, TIOCGWINSZ } from '../../abi/ioctl.ts';
import { i32 } from '../../abi/struct.ts';
import type { OpenFile } from '../../socket/file.ts';
import { Socket } from '../../socket/socket.ts';
import { ioctlName } from '../names.ts';
import { offersRequest } from '../offered.ts';
import type { CallContext } from '../task.ts';
import { descriptorTable } from './descriptors.ts';
import { copyIn, putInt } from './guest.ts';
import { deviceIoctl } from './ioctl-devices.ts';

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
      return refuse(ctx, file, request);
    default:
      return socketIoctl(ctx, file, request, argument);
  }
}

function setNonblocking(ctx: CallContext, file: OpenFile, at: number): number {
  if (copyIn(ctx, at, ctx.scratch, 4) !== 0) return -Errno.EFAULT;
  const on = i32.get(ctx.scratch, 0) !== 0;
  file.statusFlags = on ? file.statusFlags | O_NONBLOCK : file.statusFlags & ~O_NONBLOCK;
  return 0;
}

function socketIoctl(ctx: CallContext, file: OpenFile, request: number, argument: number): number {
  // An epoll object knows requests of its own only (fs/eventpoll.c, since Linux 6.9).
  if (!(file instanceof Socket)) return -Errno.EINVAL;
  const result = file.ioctl(request);
  if (result === -Errno.ENOTTY) return deviceRequest(ctx, file, request, argument);
  return result < 0 ? result : putInt(ctx, argument, result);
}

function deviceRequest(ctx: CallContext, file: Socket, request: number, argument: number): number {
  const { devices, domain } = file;
  const result = devices === undefined ? -Errno.ENOTTY : deviceIoctl(ctx, devices, domain, request, argument);
  return result === -Errno.ENOTTY ? refuse(ctx, file, request) : result;
}

function refuse(ctx: CallContext, file: OpenFile, request: number): number {
  const isGap = !(file instanceof Socket) || offersRequest(file, request);
  // isatty(3) asks every descriptor: ENOTTY is the answer, not a lack.
  if (request !== TCGETS && request !== TIOCGWINSZ) ctx.unsupported('ioctl', ioctlName(request), 'ENOTTY', !isGap);
  return -Errno.ENOTTY;
}
