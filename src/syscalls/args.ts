/**
 * Kinds of arguments. Each says how a register becomes a number and, by its name, how strace shows it. A register comes as two 32-bit words; what
 * does not fit in 53 bits becomes `Infinity`, which is outside every address space and above every limit.
 */
import { fromWords } from '../abi/struct.ts';

export interface Arg {
  readonly kind: ArgKind;
  readonly decode: (low: number, high: number) => number;
  /** What of the constants that it is made of has an effect, by their C names: for docs/syscalls.md, and for the tests that the call knows these and no others. */
  readonly handled?: readonly string[];
}

/** How an argument is shown. Kinds that point to something look at their neighbours: a buffer's length is the argument that follows it. */
export type ArgKind =
  | 'int'
  | 'uint'
  | 'size'
  | 'pointer'
  | 'fd'
  | 'family'
  | 'socketType'
  | 'protocol'
  | 'socketFlags'
  | 'shutdownHow'
  | 'messageFlags'
  | 'address'
  | 'addressOut'
  | 'lengthInOut'
  | 'level'
  | 'option'
  | 'optionValue'
  | 'optionValueOut'
  | 'bufferIn'
  | 'bufferOut'
  | 'vectorIn'
  | 'vectorOut'
  | 'messageIn'
  | 'messageOut'
  | 'messagesIn'
  | 'messagesOut'
  | 'timespec'
  | 'timeval'
  | 'fdSet'
  | 'openFlags'
  | 'fcntlCommand'
  | 'fcntlArgument'
  | 'ioctlRequest'
  | 'ioctlArgument'
  | 'pollFds'
  | 'epollFlags'
  | 'epollOperation'
  | 'epollEvent'
  | 'epollEventsOut';

const signed = (low: number): number => low | 0;
const unsigned = (low: number): number => low >>> 0;
const long = (low: number, high: number): number => {
  const word = high | 0;
  if (word >= 0) return fromWords(low, word);
  return word < -0x20_0000 ? -Infinity : word * 0x1_0000_0000 + low;
};

const arg = (kind: ArgKind, decode: Arg['decode']): Arg => ({ kind, decode });

const handling = (of: Arg, names: string): Arg => ({ ...of, handled: names.split(' ') });

export const Int = arg('int', signed);
export const Uint = arg('uint', unsigned);
/** `unsigned long` and `size_t`. */
export const Size = arg('size', fromWords);
/** `long`, `off_t`. */
export const Long = arg('int', long);
export const Ptr = arg('pointer', fromWords);
export const Fd = arg('fd', signed);
export const Family = arg('family', signed);
export const SockType = arg('socketType', signed);
export const Protocol = arg('protocol', signed);
/** accept4's. */
export const SockFlags = arg('socketFlags', signed);
export const ShutdownHow = arg('shutdownHow', signed);
/** Unsigned: MSG_CMSG_COMPAT is the top bit. */
export const MsgFlags = arg('messageFlags', unsigned);
/** const struct sockaddr *, its length in the argument that follows. */
export const SockAddr = arg('address', fromWords);
/** struct sockaddr * that the call fills, with a pointer to its length following. */
export const SockAddrOut = arg('addressOut', fromWords);
/** int * in and out. */
export const LengthPtr = arg('lengthInOut', fromWords);
export const Level = arg('level', signed);
export const OptName = arg('option', signed);
export const OptValue = arg('optionValue', fromWords);
export const OptValueOut = arg('optionValueOut', fromWords);
export const BufferIn = arg('bufferIn', fromWords);
export const BufferOut = arg('bufferOut', fromWords);
/** const struct iovec *, the count following. */
export const VectorIn = arg('vectorIn', fromWords);
export const VectorOut = arg('vectorOut', fromWords);
/** struct user_msghdr *. */
export const MessageIn = arg('messageIn', fromWords);
export const MessageOut = arg('messageOut', fromWords);
/** struct mmsghdr *, the count following. */
export const MessagesIn = arg('messagesIn', fromWords);
export const MessagesOut = arg('messagesOut', fromWords);
export const TimespecPtr = arg('timespec', fromWords);
export const TimevalPtr = arg('timeval', fromWords);
/** fd_set *. */
export const FdSet = arg('fdSet', fromWords);
export const OpenFlags = arg('openFlags', signed);
export const FcntlCommand = arg('fcntlCommand', unsigned);
/** An int or a pointer. */
export const FcntlArgument = arg('fcntlArgument', long);
export const IoctlRequest = arg('ioctlRequest', unsigned);
export const IoctlArgument = arg('ioctlArgument', fromWords);
export const PollFds = arg('pollFds', fromWords);
export const EpollFlags = arg('epollFlags', signed);
export const EpollOperation = arg('epollOperation', signed);
export const EpollEventPtr = arg('epollEvent', fromWords);
export const EpollEventsOut = arg('epollEventsOut', fromWords);

// What calls take of the flags and operations of their kind.
export const CreationFlags = handling(SockType, 'SOCK_CLOEXEC SOCK_NONBLOCK');
export const AcceptFlags = handling(SockFlags, 'SOCK_CLOEXEC SOCK_NONBLOCK');
export const Ends = handling(ShutdownHow, 'SHUT_RD SHUT_WR SHUT_RDWR');
export const SendFlags = handling(MsgFlags, 'MSG_DONTWAIT MSG_NOSIGNAL MSG_MORE MSG_OOB MSG_DONTROUTE MSG_PROBE');
const RECEIVE = 'MSG_DONTWAIT MSG_PEEK MSG_TRUNC MSG_WAITALL MSG_OOB MSG_ERRQUEUE';
export const ReceiveFlags = handling(MsgFlags, RECEIVE);
export const MessageReceiveFlags = handling(MsgFlags, `${RECEIVE} MSG_CMSG_CLOEXEC`);
export const BatchReceiveFlags = handling(MsgFlags, `${RECEIVE} MSG_CMSG_CLOEXEC MSG_WAITFORONE`);
export const VectorFlags = handling(
  Int,
  'RWF_HIPRI RWF_DSYNC RWF_SYNC RWF_NOWAIT RWF_APPEND RWF_NOAPPEND RWF_NOSIGNAL',
);
export const SpliceFlags = handling(Uint, 'SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE SPLICE_F_GIFT');
export const CloseRangeFlags = handling(Uint, 'CLOSE_RANGE_UNSHARE CLOSE_RANGE_CLOEXEC');
export const PipeFlags = handling(OpenFlags, 'O_CLOEXEC O_NONBLOCK O_DIRECT');
export const DupFlags = handling(OpenFlags, 'O_CLOEXEC');
export const MemfdFlags = handling(Uint, 'MFD_CLOEXEC');
export const EpollCreateFlags = handling(EpollFlags, 'EPOLL_CLOEXEC');
export const EpollOperations = handling(EpollOperation, 'EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD');
