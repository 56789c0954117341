/** poll(2) and select(2): include/uapi/asm-generic/poll.h. The same on x86_64 and arm64. */
import { i16, i32, readI16, readI32, record, struct, type TypeOf, withCodec, write16, write32 } from './struct.ts';

export const POLLIN = 0x1;
export const POLLPRI = 0x2;
export const POLLOUT = 0x4;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;
export const POLLRDNORM = 0x40;
export const POLLRDBAND = 0x80;
export const POLLWRNORM = 0x100;
export const POLLWRBAND = 0x200;
export const POLLMSG = 0x400;
export const POLLREMOVE = 0x1000;
export const POLLRDHUP = 0x2000;
/** Descriptors in a select(2) bitmap of the C library. */
export const FD_SETSIZE = 1024;

/** `struct pollfd`, include/uapi/asm-generic/poll.h. */
export const pollfd = withCodec(struct('pollfd', 8, { fd: i32, events: i16, revents: i16 }), {
  blank: record(function () {
    this.fd = 0;
    this.events = 0;
    this.revents = 0;
  }),
  put: (b, at, { fd, events, revents }) => {
    write32(b, at, fd);
    write16(b, at + 4, events);
    write16(b, at + 6, revents);
  },
  load: (into, b, at) => {
    into.fd = readI32(b, at);
    into.events = readI16(b, at + 4);
    into.revents = readI16(b, at + 6);
    return into;
  },
});
export type Pollfd = TypeOf<typeof pollfd>;
