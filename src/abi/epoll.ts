/** epoll(7): include/uapi/linux/eventpoll.h. */
import {
  alignedOctets8,
  copyOctets,
  octets,
  readU32,
  record,
  struct,
  type TypeOf,
  u8,
  u16,
  u32,
  withCodec,
  write32,
} from './struct.ts';

export const EPOLL_CLOEXEC = 0x80000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x1;
export const EPOLLPRI = 0x2;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDNORM = 0x40;
export const EPOLLRDBAND = 0x80;
export const EPOLLWRNORM = 0x100;
export const EPOLLWRBAND = 0x200;
export const EPOLLMSG = 0x400;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 0x10000000;
export const EPOLLWAKEUP = 0x20000000;
export const EPOLLONESHOT = 0x40000000;
export const EPOLLET = 0x80000000;
/** More events than this in one epoll_wait(2) are EINVAL: INT_MAX / sizeof(struct epoll_event) on x86_64 (fs/eventpoll.c). */
export const EP_MAX_EVENTS = 178956970;

/** How an epoll object polls network cards busily, set and told by ioctl(2) since Linux 6.9: _IOW and _IOR of struct epoll_params. */
export const EPIOCSPARAMS = 0x40088a01;
export const EPIOCGPARAMS = 0x80088a02;

/** `struct epoll_event` on x86_64, where it is packed so that 32-bit and 64-bit layouts agree. `data` is opaque: copied as octets. */
export const epollEventAmd64 = withCodec(struct('epoll_event', 12, { events: u32, data: octets(8) }, 1), {
  blank: record(function () {
    this.events = 0;
    this.data = new Uint8Array(8);
  }),
  put: (b, at, { events, data }) => {
    write32(b, at, events);
    copyOctets(b, at + 4, data, 0, 8);
  },
  load: (into, b, at) => {
    into.events = readU32(b, at);
    copyOctets(into.data, 0, b, at + 4, 8);
    return into;
  },
});
/** `struct epoll_event` on arm64 and every other architecture. */
export const epollEventArm64 = withCodec(struct('epoll_event', 16, { events: u32, data: alignedOctets8 }), {
  blank: epollEventAmd64.blank,
  put: (b, at, { events, data }) => {
    write32(b, at, events);
    copyOctets(b, at + 8, data, 0, 8);
  },
  load: (into, b, at) => {
    into.events = readU32(b, at);
    copyOctets(into.data, 0, b, at + 8, 8);
    return into;
  },
});
/** `struct epoll_params`; `pad` must be 0. */
export const epollParams = struct('epoll_params', 8, {
  busyPollUsecs: u32,
  busyPollBudget: u16,
  preferBusyPoll: u8,
  pad: u8,
});
export type EpollParams = TypeOf<typeof epollParams>;
export type EpollEvent = TypeOf<typeof epollEventAmd64>;
