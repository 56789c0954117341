/** epoll(7) on the emulated descriptor table: the checks and copies of fs/eventpoll.c around the epoll object. */
import { EP_MAX_EVENTS, EPOLL_CLOEXEC, EPOLL_CTL_DEL, type epollEventAmd64 } from '../../abi/epoll.ts';
import { Errno } from '../../abi/errno.ts';
import { POLLIN, POLLRDNORM } from '../../abi/poll.ts';
import { u32 } from '../../abi/struct.ts';
import { EpollFile } from '../../socket/epoll.ts';
import { Standing } from '../../socket/wait-queue.ts';
import { BLOCKED, type CallContext } from '../task.ts';
import { accessOk, copyIn } from './guest.ts';
import { checkSigmask, type Limit, millisLimit, timespecLimit } from './timeouts.ts';

export function epollCreate(ctx: CallContext, size: number): number {
  return size <= 0 ? -Errno.EINVAL : epollCreate1(ctx, 0);
}
export function epollCreate1(ctx: CallContext, flags: number): number {
  if ((flags & ~EPOLL_CLOEXEC) !== 0) return -Errno.EINVAL;
  if (!ctx.files.hasRoom()) return -Errno.EMFILE;
  return ctx.resultFile(new EpollFile(), (flags & EPOLL_CLOEXEC) !== 0);
}

type EventStruct = typeof epollEventAmd64;

/** struct epoll_event differs between the architectures: these are the calls of one. */
export class EpollCalls {
  readonly #size: number;
  readonly #dataAt: number;

  constructor(event: EventStruct) {
    this.#size = event.size;
    this.#dataAt = event.offset.data;
  }

  readonly ctl = (ctx: CallContext, epfd: number, op: number, fd: number, at: number): number => {
    const { scratch } = ctx;
    if (op !== EPOLL_CTL_DEL && copyIn(ctx, at, scratch, this.#size) !== 0) return -Errno.EFAULT;
    const epoll = ctx.file(epfd);
    const file = ctx.files.get(fd);
    if (epoll === undefined || file === undefined) return -Errno.EBADF;
    if (!file.canPoll) return -Errno.EPERM;
    if (!(epoll instanceof EpollFile)) return -Errno.EINVAL;
    const dataAt = this.#dataAt;
    return epoll.ctl(op, fd, file, u32.get(scratch, 0), u32.get(scratch, dataAt), u32.get(scratch, dataAt + 4));
  };

  readonly wait = (ctx: CallContext, epfd: number, at: number, max: number, timeoutMs: number): number =>
    this.#wait(ctx, epfd, at, max, millisLimit(ctx, timeoutMs));

  readonly pwait = (
    ctx: CallContext,
    epfd: number,
    at: number,
    max: number,
    timeoutMs: number,
    sigmask: number,
    size: number,
  ): number => {
    const fault = ctx.attempt === 0 ? checkSigmask(ctx, sigmask, size) : 0;
    return fault !== 0 ? fault : this.wait(ctx, epfd, at, max, timeoutMs);
  };

  readonly pwait2 = (
    ctx: CallContext,
    epfd: number,
    at: number,
    max: number,
    timeout: number,
    sigmask: number,
    size: number,
  ): number => {
    if (ctx.attempt === 0) {
      const limit = timespecLimit(ctx, timeout);
      if (typeof limit === 'number') return limit;
      const fault = checkSigmask(ctx, sigmask, size);
      if (fault !== 0) return fault;
      ctx.state = limit;
    }
    return this.#wait(ctx, epfd, at, max, ctx.state as Limit);
  };

  #wait(ctx: CallContext, epfd: number, at: number, max: number, limit: Limit): number {
    const epoll = ctx.file(epfd);
    if (epoll === undefined) return -Errno.EBADF;
    if (max <= 0 || max > EP_MAX_EVENTS) return -Errno.EINVAL;
    if (!accessOk(ctx, at, max * this.#size)) return -Errno.EFAULT;
    if (!(epoll instanceof EpollFile)) return -Errno.EINVAL;
    const count = epoll.collect(max);
    if (count > 0) return this.#send(ctx, epoll, at, count);
    if (ctx.interrupted) return -Errno.EINTR;
    if (limit.poll) return 0;
    if (limit.end !== Infinity) ctx.waitUntil(limit.end, 0);
    ctx.waitOn(epoll.waiters, POLLIN | POLLRDNORM, Standing.One);
    // Events go before a signal: who was woken for one must not leave it, for nobody else was (ep_poll).
    ctx.onSignal('again');
    return BLOCKED;
  }
  /** Events that were copied out are delivered; a fault is an error only for the first. */
  #send(ctx: CallContext, epoll: EpollFile, at: number, count: number): number {
    const { scratch } = ctx;
    scratch.fill(0, 0, this.#size);
    let sent = 0;
    for (; sent < count; sent++) {
      const found = epoll.collected[sent];
      if (found === undefined) break;
      u32.put(scratch, 0, found.events);
      u32.put(scratch, this.#dataAt, found.dataLow);
      u32.put(scratch, this.#dataAt + 4, found.dataHigh);
      if (ctx.memory.write(at + sent * this.#size, scratch, 0, this.#size) < this.#size) break;
    }
    if (sent === 0) return -Errno.EFAULT;
    ctx.commitWith(epoll, sent);
    return sent;
  }
}
