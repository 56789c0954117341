/**
 * Kinds of arguments. Each says how a register becomes a number and, by its name, how strace shows it. A register comes as two 32-bit words; what
 * does not fit in 53 bits becomes `Infinity`, which is outside every address space and above every limit.
 */
import { fromWords } from '../abi/struct.ts';

export interface Arg {
  readonly kind: ArgKind;
  readonly decode: (low: number, high: number) => number;
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
