/**
 * Keeps the guest's epoll registrations when a descriptor gets a new placeholder: the kernel dropped them with the old file. They are read from
 * /proc/TID/fdinfo and made again. An item is found by its file and its number (epoll(7)), so the guest can go on with EPOLL_CTL_MOD only if it is added under the
 * very number that the guest uses; in our own table that number is lent for the length of one call.
 */
import { readFileSync } from 'node:fs';
import { epollCtlAdd } from '../host/epoll.ffi.ts';
import { close, fcntl } from '../host/libc.ffi.ts';
import { duplicateOnto } from '../host/process.ffi.ts';
import type { GuestDescriptors } from './guest-task.ts';
import { namesIn, targetOf } from './proc.ts';

export interface Poller {
  /** The epoll's descriptor in the guest. */
  readonly fd: number;
  readonly events: number;
  /** `epoll_data`, as two words. */
  readonly low: number;
  readonly high: number;
}

const O_CLOEXEC = 0o2000000;
const F_GETFD = 1;
const F_DUPFD_CLOEXEC = 1030;

function fdinfo(tid: number, fd: number | string): string {
  try {
    return readFileSync(`/proc/${tid}/fdinfo/${fd}`, 'utf8');
  } catch {
    return '';
  }
}
export const isCloexec = (tid: number, fd: number): boolean =>
  (Number.parseInt(/^flags:\s*(\d+)/m.exec(fdinfo(tid, fd))?.[1] ?? '0', 8) & O_CLOEXEC) !== 0;

/** Those that lead to what is called `target` in /proc. */
const descriptorsOf = (tid: number, target: string): number[] =>
  namesIn(`/proc/${tid}/fd`)
    .filter((fd) => targetOf(tid, fd) === target)
    .map(Number);

const EPOLL = 'anon_inode:[eventpoll]';
/** Whether our own descriptor `fd` is an epoll object. */
export const isEpoll = (fd: number): boolean => targetOf(process.pid, fd) === EPOLL;

/** Numbers under which that process has the socket `inode`. */
export function duplicatesOf(tid: number, inode: number): number[] {
  return descriptorsOf(tid, `socket:[${inode}]`);
}

/** Registrations of descriptor `fd`, whose inode is `inode`, in the epolls of that process. */
export function pollersOf(tid: number, fd: number, inode: number): Poller[] {
  const found: Poller[] = [];
  for (const epoll of descriptorsOf(tid, EPOLL)) {
    const item = /^tfd:\s*(\d+) events:\s*([0-9a-f]+) data:\s*([0-9a-f]+)\s+pos:\S+ ino:([0-9a-f]+)/gm;
    for (const [, number, events, data = '0', ino] of fdinfo(tid, epoll).matchAll(item)) {
      if (Number(number) !== fd || Number.parseInt(ino ?? '', 16) !== inode) continue;
      const word = BigInt(`0x${data}`);
      found.push({
        fd: epoll,
        events: Number.parseInt(events ?? '0', 16),
        low: Number(word & 0xffff_ffffn),
        high: Number(word >> 32n),
      });
    }
  }
  return found;
}

/** Registers our descriptor `guestEnd` in the guest's epoll under the number `fd`. */
export function rewatch(descriptors: GuestDescriptors, poller: Poller, fd: number, guestEnd: number): void {
  const epoll = descriptors.copyOf(poller.fd);
  if (epoll < 0) return;
  if (guestEnd === fd) epollCtlAdd(epoll, fd, poller.events, poller.low, poller.high);
  else watchAs(fd, guestEnd, epoll, poller);
  close(epoll);
}
function watchAs(fd: number, guestEnd: number, epoll: number, { events, low, high }: Poller): void {
  const inUse = fcntl(fd, F_GETFD, 0) >= 0;
  // Ours moves aside; what we registered of it stays, since its file lives on.
  const aside = inUse ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
  if (inUse && aside < 0) return;
  const copy = epoll === fd ? aside : epoll;
  if (duplicateOnto(guestEnd, fd) === fd) epollCtlAdd(copy, fd, events, low, high);
  if (inUse) duplicateOnto(aside, fd);
  else close(fd);
  if (aside >= 0) close(aside);
}
