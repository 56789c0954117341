/**
 * One message on its way between a guest's call and a socket: what struct msghdr describes, already read from the guest.
 * A task owns a few and reuses them. Names and control data are raw octets of the Linux ABI; only the socket knows what they mean.
 */
import type { CmsgWriter } from '../abi/cmsg.ts';
import type { Credentials } from './credentials.ts';
import type { FdTable } from './fd-table.ts';
import type { OpenFile } from './file.ts';
import type { GuestMemory } from './guest-memory.ts';
import { IoVector } from './io-vector.ts';

/** `struct sockaddr_storage`: no address is longer (move_addr_to_kernel refuses more). */
export const NAME_CAPACITY = 128;
const NO_OCTETS = new Uint8Array(0);

/** The task whose call a message belongs to: descriptors that pass with it are of its table. */
export interface Caller {
  readonly credentials: Credentials;
  readonly files: FdTable;
  /** Keeps a file alive until the call ends. */
  hold(file: OpenFile): void;
  /** A descriptor for a file that came with a message, made once the guest has the result: its number, or -EMFILE. */
  receiveFile(file: OpenFile, closeOnExec: boolean): number;
}

export class Message {
  readonly iov: IoVector;
  /** MSG_* of the call, with MSG_DONTWAIT added for a non-blocking file. */
  flags = 0;
  /** struct sockaddr. Send: the destination, if nameLength >= 0. Receive: filled by the socket. */
  readonly name = new Uint8Array(NAME_CAPACITY);
  /** Octets of `name`, or -1 for none. */
  nameLength = -1;
  /** struct cmsghdr sequence. Send: as read from the guest. Receive: filled by the socket up to `controlCapacity`. */
  control: Uint8Array = NO_OCTETS;
  controlLength = 0;
  /** Send: a stream takes no more at once. */
  limit = Number.POSITIVE_INFINITY;
  /** Send: a stream takes what is left whole, a little beyond its limit. */
  isWhole = false;
  /** Receive: splice(2) asks, which moves no urgent octet. */
  isSplice = false;
  /** Receive: a stream gives what is less than SO_RCVLOWAT as well, and is asked again. */
  takesLess = false;
  /** Receive: octets of control the guest has room for. */
  controlCapacity = 0;
  /** Receive: what filled `control`, if anything did. */
  writer: CmsgWriter | undefined = undefined;
  /** Receive: msg_flags for the guest (MSG_TRUNC, MSG_CTRUNC, ...). */
  outFlags = 0;
  /** Undefined where no task makes the call. */
  caller: Caller | undefined = undefined;
  /** What the socket keeps between the tries of one message. */
  passing: unknown = undefined;

  constructor(memory: GuestMemory) {
    this.iov = new IoVector(memory);
  }
  /** Receive: begins to fill `control`. */
  beginControl(writer: CmsgWriter): CmsgWriter {
    this.writer = writer;
    return writer.begin(this.control, this.controlCapacity);
  }
  /** Receive: `control` is filled. */
  endControl({ length, flags }: CmsgWriter): void {
    this.controlLength = length;
    this.outFlags |= flags;
  }
  clear(): void {
    this.iov.clear();
    this.flags = this.controlLength = this.controlCapacity = this.outFlags = 0;
    this.isWhole = this.isSplice = this.takesLess = false;
    this.limit = Number.POSITIVE_INFINITY;
    this.nameLength = -1;
    this.control = NO_OCTETS;
    this.passing = this.writer = undefined;
  }
}
