/**
 * Takes the kernel's own files out of the hands of a guest that is root: to the files of /proc and /sys it is the host's root, and through some of them (kernel/core_pattern, release_agent, uevent_helper)
 * the kernel would start a program outside of the sandbox. As in a container, every file system of the kernel's becomes read-only wherever it is mounted, the guest's /proc (the topmost there) in its parts.
 * The mounts are the sandbox's alone, because unshare(1) makes them private.
 *
 * A process of the call machine does it in the guest's mount namespace, while the launch chain stands still: mount(8) for each of them took as long as Node takes to start.
 */
import { existsSync, readFileSync } from 'node:fs';
import { type CallRecord, CallTable, reap } from '../host/call-table.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdOfProcess } from '../host/process.ffi.ts';
import { openPath } from '../host/unix-socket.ffi.ts';

const CLONE_NEWNS = 0x0002_0000;
const MS_RDONLY = 1;
const MS_REMOUNT = 0x20;
const MS_BIND = 0x1000;
/** What a mount has already, and a remount would take from it. */
const KEPT: Readonly<Record<string, number>> = { nosuid: 2, nodev: 4, noexec: 8 };

/** Parts of /proc that become read-only, and files of it that become empty. */
const PARTS = ['sys', 'sysrq-trigger', 'irq', 'bus', 'fs', 'acpi', 'scsi'];
const SECRETS = ['kcore', 'keys', 'timer_list', 'timer_stats', 'sched_debug', 'latency_stats'];
const OF_THE_KERNEL = new Set(
  'proc sysfs cgroup cgroup2 securityfs debugfs tracefs pstore bpf configfs efivarfs fusectl'.split(' '),
);
const TABLE_OCTETS = 262_144;

interface Mount {
  readonly where: string;
  readonly type: string;
  /** MS_*. */
  readonly flags: number;
}
/** As /proc/PID/mounts has it, in which blanks are octal (getmntent(3)). */
function mountsOf(pid: number): Mount[] {
  const lines = readFileSync(`/proc/${pid}/mounts`, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [, name = '', type = '', options = ''] = line.split(' ');
    const where = name.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    return { where, type, flags: options.split(',').reduce((flags, option) => flags | (KEPT[option] ?? 0), 0) };
  });
}

/** The calls, each with what it is about. */
function callsFor(table: CallTable, pid: number): (readonly [record: CallRecord, about: string])[] {
  const calls: (readonly [CallRecord, string])[] = [];
  const has = (path: string): boolean => existsSync(`/proc/${pid}/root${path}`);
  const bind = (from: string, onto: string): void => {
    calls.push([table.call('mount', table.text(from), table.text(onto), 0, MS_BIND), onto]);
  };
  const protect = (where: string, flags: number): void => {
    calls.push([table.call('mount', 0, table.text(where), 0, MS_REMOUNT | MS_BIND | MS_RDONLY | flags), where]);
  };
  const mounts = mountsOf(pid);
  const procFlags = mounts.findLast(({ where, type }) => where === '/proc' && type === 'proc')?.flags ?? 0;
  for (const path of PARTS.map((part) => `/proc/${part}`).filter(has)) {
    bind(path, path);
    protect(path, procFlags);
  }
  for (const path of SECRETS.map((file) => `/proc/${file}`).filter(has)) bind('/dev/null', path);
  for (const { where, type, flags } of mounts) {
    const isOwnProc = (where === '/proc' && type === 'proc') || where.startsWith('/proc/');
    if (!isOwnProc && OF_THE_KERNEL.has(type)) protect(where, flags);
  }
  return calls;
}

let table: CallTable | undefined;

/** In the mount namespace of process `pid`. Returns undefined, or what could not be protected. @throws HostError */
export function protectKernelFiles(pid: number): string | undefined {
  table ??= new CallTable(TABLE_OCTETS);
  table.clear();
  const pidfd = pidfdOfProcess(pid);
  // The namespace's root need not be what the process has as its own.
  const root = openPath(`/proc/${pid}/root`);
  try {
    const [exit, fail] = [table.call('exit_group', 0), table.call('exit_group', 1)];
    const enter: [CallRecord, string][] = [
      [table.call('setns', pidfd, CLONE_NEWNS), 'the mount namespace'],
      [table.call('fchdir', root), 'its root'],
      [table.call('chroot', table.text('.')), 'its root'],
    ];
    const calls = [...enter, ...callsFor(table, pid)];
    calls.forEach(([record], i) => {
      record.followedBy(calls[i + 1]?.[0] ?? exit).onNegative(fail);
    });
    const helper = pidfdOfProcess(table.start(enter[0]?.[0] ?? exit));
    const how = reap(helper, true);
    close(helper);
    if (how?.code === 0) return undefined;
    return calls.find(([record]) => record.result < 0)?.[1] ?? 'it';
  } finally {
    for (const fd of [pidfd, root]) if (fd >= 0) close(fd);
  }
}
