/** prlimit(2) of RLIMIT_NOFILE on the emulated descriptor table (kernel/sys.c). Any other resource is none of ours. */
import { Errno } from '../../abi/errno.ts';
import { RLIM_NLIMITS, RLIMIT_NOFILE, type Rlimit, rlimit } from '../../abi/resource.ts';
import type { CallContext } from '../task.ts';
import { type DescriptorTable, tableOf } from './descriptors.ts';
import { copyIn, copyOut } from './guest.ts';

/** fs.nr_open: no limit on descriptors may be higher. */
const NR_OPEN = 1 << 20;

/** do_prlimit: 0 or a negative errno. */
function setLimit(ctx: CallContext, table: DescriptorTable, { cur, max }: Rlimit): number {
  if (cur > max) return -Errno.EINVAL;
  if (max > NR_OPEN || (max > table.hardLimit && ctx.credentials.uid !== 0)) return -Errno.EPERM;
  table.limit = cur;
  table.hardLimit = max;
  return 0;
}

export function prlimit64(ctx: CallContext, pid: number, resource: number, newAt: number, oldAt: number): number {
  const { scratch } = ctx;
  if (newAt !== 0 && copyIn(ctx, newAt, scratch, rlimit.size) !== 0) return -Errno.EFAULT;
  if (pid !== 0 && pid !== ctx.credentials.pid) return -Errno.ESRCH;
  if (resource >= RLIM_NLIMITS) return -Errno.EINVAL;
  if (resource !== RLIMIT_NOFILE) {
    ctx.unsupported('prlimit64', `resource ${resource}`, 'EINVAL');
    return -Errno.EINVAL;
  }
  const table = tableOf(ctx);
  const old = { cur: table.limit, max: table.hardLimit };
  const refusal = newAt === 0 ? 0 : setLimit(ctx, table, rlimit.decode(scratch));
  if (refusal !== 0 || oldAt === 0) return refusal;
  rlimit.put(scratch, 0, old);
  return copyOut(ctx, oldAt, scratch, rlimit.size);
}
