/** The requests of netdevice(7): struct ifreq and struct ifconf on their way between the guest and the facts (net/socket.c sock_do_ioctl, net/core/dev_ioctl.c dev_ifconf). */
import { Errno } from '../../abi/errno.ts';
import {
  isSocketRequest,
  SIOCDIFADDR,
  SIOCETHTOOL,
  SIOCGARP,
  SIOCGIFCONF,
  SIOCRTMSG,
  SIOCSIFADDR,
  SIOCSIFDSTADDR,
} from '../../abi/ioctl.ts';
import { ioctlName } from '../../abi/names.ts';
import { arpreq, ifconf, ifreq } from '../../abi/netlink.ts';
import { AF_INET, AF_INET6 } from '../../abi/socket.ts';
import { u32, u64 } from '../../abi/struct.ts';
import { changesDevices, type Devices, isDriverRequest, needsPackage } from '../../socket/devices.ts';
import type { CallContext } from '../task.ts';
import { copyIn, copyOut, putInt } from './guest.ts';

/** What of a call is needed here; a socket that is the kernel's own has one too, when its guest asks it for interfaces. */
export type DeviceContext = Pick<CallContext, 'memory' | 'scratch' | 'unsupported' | 'credentials'>;

/** Answers `request` with its argument at `argument` for a socket of `domain`; -ENOTTY for what is none of these. */
export function deviceIoctl(
  ctx: DeviceContext,
  devices: Devices,
  domain: number,
  request: number,
  argument: number,
): number {
  if (!isSocketRequest(request)) return -Errno.ENOTTY;
  const early = refusedUnread(ctx, domain, request);
  if (early !== 0) return early;
  if (domain === AF_INET && request === SIOCGARP) return neighbor(ctx, devices, argument);
  if (request === SIOCGIFCONF) return listInterfaces(ctx, devices, argument);
  const buffer = ctx.scratch.subarray(0, ifreq.size);
  if (copyIn(ctx, argument, buffer, ifreq.size) !== 0) return -Errno.EFAULT;
  if (request === SIOCETHTOOL) return ethtool(ctx, devices, buffer);
  const result = devices.request(domain, request, buffer);
  if (result === 0) return copyOut(ctx, argument, buffer, ifreq.size);
  if (changesDevices(domain, request)) return lacking(ctx, request, 'EPERM');
  if (isDriverRequest(request) && result === -Errno.EOPNOTSUPP) return lacking(ctx, request, 'EOPNOTSUPP');
  return result;
}

/** What is refused before its argument is read; else 0. */
function refusedUnread(ctx: DeviceContext, domain: number, request: number): number {
  if (needsPackage(request)) return lacking(ctx, request, 'ENOPKG');
  if (domain === AF_INET) return request === SIOCRTMSG ? -Errno.EINVAL : 0;
  if (domain !== AF_INET6) return 0;
  const changesAddress = request === SIOCSIFADDR || request === SIOCDIFADDR;
  if (changesAddress && !ctx.credentials.netAdmin) return lacking(ctx, request, 'EPERM');
  // Of a tunnel that there is none of (addrconf_set_dstaddr).
  return request === SIOCSIFDSTADDR ? -Errno.ENODEV : 0;
}

/** Counts what is refused. */
function lacking(ctx: DeviceContext, request: number, errno: 'EPERM' | 'ENOPKG' | 'EOPNOTSUPP'): number {
  ctx.unsupported('ioctl', ioctlName(request), errno);
  return -Errno[errno];
}
function neighbor(ctx: DeviceContext, devices: Devices, at: number): number {
  const buffer = ctx.scratch.subarray(0, arpreq.size);
  if (copyIn(ctx, at, buffer, arpreq.size) !== 0) return -Errno.EFAULT;
  const result = devices.arp(buffer);
  return result === 0 ? copyOut(ctx, at, buffer, arpreq.size) : result;
}

function ethtool(ctx: DeviceContext, devices: Devices, buffer: Uint8Array): number {
  if (copyIn(ctx, u64.get(buffer, ifreq.offset.ifru), WORD, 4) !== 0) return -Errno.EFAULT;
  const result = devices.ethtool(buffer, u32.get(WORD, 0), ctx.credentials.netAdmin);
  if (result === -Errno.EOPNOTSUPP) ctx.unsupported('ioctl', 'SIOCETHTOOL', 'EOPNOTSUPP');
  return result;
}
const WORD = new Uint8Array(4);

/** As many entries as there is room for; without a buffer, how much room all of them take. */
function listInterfaces(ctx: DeviceContext, devices: Devices, at: number): number {
  if (copyIn(ctx, at, ctx.scratch, ifconf.size) !== 0) return -Errno.EFAULT;
  const { len, buf } = ifconf.decode(ctx.scratch);
  const all = devices.list();
  const room = buf === 0 ? all.length : Math.max(len - (len % ifreq.size), 0);
  const length = Math.min(all.length, room);
  if (buf !== 0 && length > 0 && copyOut(ctx, buf, all, length) !== 0) return -Errno.EFAULT;
  return putInt(ctx, at + ifconf.offset.len, length);
}
