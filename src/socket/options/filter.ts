/**
 * SOL_SOCKET: socket filters (socket(7) SO_ATTACH_FILTER, net/core/filter.c). Classic BPF is served on internet sockets (netstack/packet-filter.ts); programs of the extended
 * machine come as descriptors of bpf(2), which no guest can have, so the number is never one of theirs: EBADF.
 *
 * The value of SO_ATTACH_FILTER is a `struct sock_fprog` followed by the instructions that it points to; the length of SO_GET_FILTER counts instructions. Both
 * are translated where the guest's memory is at hand (syscalls/handlers/options.ts).
 */
import { Errno } from '../../abi/errno.ts';
import { sockFilter, sockFprog } from '../../abi/filter.ts';
import {
  SO_ATTACH_BPF,
  SO_ATTACH_FILTER,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_ATTACH_REUSEPORT_EBPF,
  SO_DETACH_FILTER,
  SO_DETACH_REUSEPORT_BPF,
  SO_LOCK_FILTER,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { i32 } from '../../abi/struct.ts';
import type { Netstack } from '../../netstack/endpoint.ts';
import type { FilterWorld } from '../../netstack/filter-extensions.ts';
import { FILTER_INSTRUCTIONS_MAX, PacketFilter } from '../../netstack/packet-filter.ts';
import { hardwareType } from '../netlink/link-messages.ts';
import { int, type OptionRow, writeOctets } from './row.ts';
import type { OptionTarget } from './target.ts';

export { FILTER_INSTRUCTIONS_MAX };

function applyFilter(socket: OptionTarget, filter: PacketFilter | undefined): void {
  socket.settings.filter = filter;
  socket.optionsChanged();
}

const worldOf = ({ random, interfaces }: Netstack): FilterWorld => ({
  random,
  deviceType(interfaceIndex) {
    const link = interfaces.find(({ index }) => index === interfaceIndex);
    return link === undefined ? 0 : hardwareType(link);
  },
});

/** The filter, or the refusal. */
function compile({ stack }: OptionTarget, value: Uint8Array): PacketFilter | number {
  if (value.length < sockFprog.size) return -Errno.EINVAL;
  const { len, filter } = sockFprog.decode(value);
  if (len === 0 || len > FILTER_INSTRUCTIONS_MAX || filter === 0) return -Errno.EINVAL;
  const end = sockFprog.size + len * sockFilter.size;
  if (value.length < end) return -Errno.EFAULT;
  return PacketFilter.compile(value.subarray(sockFprog.size, end), worldOf(stack)) ?? -Errno.EINVAL;
}

const attach: OptionRow = {
  option: SO_ATTACH_FILTER,
  name: 'SO_ATTACH_FILTER',
  internet: true,
  longest: FILTER_INSTRUCTIONS_MAX * sockFilter.size,
  note: 'classic BPF with all its extensions. Read back as SO_GET_FILTER',
  get: ({ settings }, out) => {
    const octets = settings.filter?.octets;
    if (octets === undefined) return 0;
    if (out.length === 0) return octets.length;
    return out.length < octets.length ? -Errno.EINVAL : writeOctets(out, octets);
  },
  set: (socket, value, { netAdmin }) => {
    if (value.length < i32.size) return -Errno.EINVAL;
    // Of a stream the filter sees what makes it one; it takes the power over the network (Linux 6.18, measured).
    if (socket.tcp !== undefined && !netAdmin) return -Errno.EPERM;
    if (value.length < sockFprog.size) return -Errno.EINVAL;
    if (socket.options.filterLocked) return -Errno.EPERM;
    const compiled = compile(socket, value);
    if (typeof compiled === 'number') return compiled;
    applyFilter(socket, compiled);
    return 0;
  },
};

const descriptorOfProgram = (option: number, name: string): OptionRow => ({
  option,
  name,
  note: 'EBADF: no descriptor here is a program of bpf(2)',
  set: (_socket, value) => (value.length === 4 ? -Errno.EBADF : -Errno.EINVAL),
});

export const FILTER_ROWS: readonly OptionRow[] = [
  attach,
  int(SOL_SOCKET, SO_DETACH_FILTER, 'SO_DETACH_FILTER', {
    set: (socket) => {
      if (socket.options.filterLocked) return -Errno.EPERM;
      if (socket.settings.filter === undefined) return -Errno.ENOENT;
      applyFilter(socket, undefined);
      return 0;
    },
  }),
  int(SOL_SOCKET, SO_LOCK_FILTER, 'SO_LOCK_FILTER', {
    get: ({ options }) => (options.filterLocked ? 1 : 0),
    set: ({ options }, value) => {
      if (options.filterLocked && value === 0) return -Errno.EPERM;
      options.filterLocked = value !== 0;
      return 0;
    },
  }),
  descriptorOfProgram(SO_ATTACH_BPF, 'SO_ATTACH_BPF'),
  descriptorOfProgram(SO_ATTACH_REUSEPORT_EBPF, 'SO_ATTACH_REUSEPORT_EBPF'),
  {
    option: SO_ATTACH_REUSEPORT_CBPF,
    name: 'SO_ATTACH_REUSEPORT_CBPF',
    internet: true,
    note: 'classic BPF, as for SO_ATTACH_FILTER; it sees what is behind the header of UDP or TCP',
    set: (socket, value) => {
      if (value.length < sockFprog.size) return -Errno.EINVAL;
      if (socket.options.filterLocked) return -Errno.EPERM;
      const compiled = compile(socket, value);
      if (typeof compiled === 'number') return compiled;
      const group = (socket.tcp ?? socket.udp)?.reuseGroupToSteer();
      if (group === undefined) return -Errno.EINVAL;
      group.program = compiled;
      socket.optionsChanged();
      return 0;
    },
  },
  int(SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 'SO_DETACH_REUSEPORT_BPF', {
    internet: true,
    set: ({ settings, tcp, udp }) => {
      const group = (tcp ?? udp)?.reuseGroup;
      if (group === undefined) return settings.reusePort ? -Errno.ENOENT : -Errno.EINVAL;
      if (group.program === undefined) return -Errno.ENOENT;
      group.program = undefined;
      return 0;
    },
  }),
];
