/**
 * unlink(2) and unlinkat(2) where there is no file system: names of AF_UNIX sockets are the only things that have one (fs/namei.c do_unlinkat, getname_flags).
 */
import { Errno } from '../../abi/errno.ts';
import { AT_FDCWD, AT_REMOVEDIR } from '../../abi/fcntl.ts';
import type { Handler } from '../syscall.ts';
import type { CallContext } from '../task.ts';
import type { SocketCreator } from './socket.ts';

/** With the NUL. */
const PATH_MAX = 4096;
const path = new Uint8Array(PATH_MAX);
const SLASH = 0x2f;

/** Length of the path at `at`, now in `path`; -EFAULT, -ENAMETOOLONG, or -ENOENT for an empty one. */
function pathIn({ memory }: CallContext, at: number): number {
  const got = memory.read(at, path, 0, PATH_MAX);
  const length = path.subarray(0, got).indexOf(0);
  if (length < 0) return got < PATH_MAX ? -Errno.EFAULT : -Errno.ENAMETOOLONG;
  return length === 0 ? -Errno.ENOENT : length;
}
const remove = (sockets: SocketCreator, length: number): number =>
  length < 0 ? length : (sockets.unlink?.(path.subarray(0, length)) ?? -Errno.ENOENT);

export const unlinkHandler =
  (sockets: SocketCreator): Handler =>
  (ctx, at) =>
    remove(sockets, pathIn(ctx, at));

/** No descriptor here is a directory's. */
export const unlinkatHandler =
  (sockets: SocketCreator): Handler =>
  (ctx, directory, at, flags) => {
    if ((flags & ~AT_REMOVEDIR) !== 0) return -Errno.EINVAL;
    const length = pathIn(ctx, at);
    if (length < 0) return length;
    if (directory !== AT_FDCWD && path[0] !== SLASH) {
      return ctx.file(directory) === undefined ? -Errno.EBADF : -Errno.ENOTDIR;
    }
    if (flags === 0) return remove(sockets, length);
    ctx.unsupported('unlinkat', 'AT_REMOVEDIR', 'ENOTDIR');
    return -Errno.ENOTDIR;
  };
