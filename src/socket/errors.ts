/** From what the stack says to what the system call returns: the one map between `NetError` and errno. */
import { Errno } from '../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import type { NetError } from '../netstack/net-error.ts';
import { Readiness } from '../netstack/readiness.ts';

const ERRNO: Readonly<Record<NetError, number>> = {
  'address-family': Errno.EAFNOSUPPORT,
  'address-in-use': Errno.EADDRINUSE,
  'address-not-available': Errno.EADDRNOTAVAIL,
  'already-connected': Errno.EISCONN,
  'broken-pipe': Errno.EPIPE,
  'connection-aborted': Errno.ECONNABORTED,
  'connection-refused': Errno.ECONNREFUSED,
  'connection-reset': Errno.ECONNRESET,
  'destination-required': Errno.EDESTADDRREQ,
  'host-unreachable': Errno.EHOSTUNREACH,
  invalid: Errno.EINVAL,
  'message-size': Errno.EMSGSIZE,
  'network-unreachable': Errno.ENETUNREACH,
  'no-buffers': Errno.ENOBUFS,
  'no-device': Errno.ENODEV,
  'no-protocol-option': Errno.ENOPROTOOPT,
  'not-connected': Errno.ENOTCONN,
  permission: Errno.EACCES,
  protocol: Errno.EPROTO,
  'timed-out': Errno.ETIMEDOUT,
  'would-block': Errno.EAGAIN,
};

/** The errno of an error of the stack, positive. */
export const errnoOf = (error: NetError): number => ERRNO[error];
/** A system call's result for an outcome of the stack: 0, or the negative errno. */
export const resultOf = (error: NetError | undefined): number => (error === undefined ? 0 : -ERRNO[error]);

/** Readiness passes through as poll events, so its bits must be theirs. */
const POLL_BITS: Readonly<Record<keyof typeof Readiness, number>> = {
  In: POLLIN,
  Pri: POLLPRI,
  Out: POLLOUT,
  Err: POLLERR,
  Hup: POLLHUP,
  RdNorm: POLLRDNORM,
  WrNorm: POLLWRNORM,
  RdHup: POLLRDHUP,
};
for (const name of Object.keys(POLL_BITS) as (keyof typeof Readiness)[]) {
  if (Readiness[name] !== POLL_BITS[name]) {
    throw new RangeError(`Readiness.${name} is ${Readiness[name]}, poll(2) has ${POLL_BITS[name]}`);
  }
}
