/**
 * Control messages of AF_UNIX sockets (unix(7), net/core/scm.c): SCM_RIGHTS, SCM_CREDENTIALS and, with a datagram, its time of arrival.
 *
 * What a send passes is taken from its task once, at the first try: the descriptors may be others when it is tried again. What a receive collects it keeps over its tries, since a
 * stream never joins what different senders wrote.
 */
import { CmsgWalker, CmsgWriter } from '../../abi/cmsg.ts';
import { Errno } from '../../abi/errno.ts';
import { MSG_CMSG_CLOEXEC, SCM_CREDENTIALS, SCM_MAX_FD, SCM_RIGHTS, SOL_SOCKET } from '../../abi/socket.ts';
import { ucred } from '../../abi/sockopt.ts';
import { i32 } from '../../abi/struct.ts';
import { putTimestamp } from '../control/report.ts';
import type { OpenFile } from '../file.ts';
import type { Caller, Message } from '../message.ts';
import type { OptionState } from '../options/target.ts';
import { type Credential, claimed, isSameCredential, NOBODY } from './credential.ts';

const CMSG_HEADER = 16;
const FD = 4;
const walker = new CmsgWalker();
const writer = new CmsgWriter();
const scratch = new Uint8Array(SCM_MAX_FD * FD);

const NO_FILES: readonly OpenFile[] = [];

/** What one message passes beside its octets; `Message.passing` of a send. */
export class Outgoing {
  files: readonly OpenFile[] = NO_FILES;
  /** Claimed by SCM_CREDENTIALS. */
  credential: Credential | undefined = undefined;
  /** The message has found no room before: the checks that come before that are not made again. */
  hasWaited = false;

  /** For the one parcel that they go with. */
  takeFiles(): readonly OpenFile[] {
    const { files } = this;
    this.files = NO_FILES;
    return files;
  }
  /** Reads the message's control data (__scm_send): 0 or a negative errno. */
  read(message: Message): number {
    const { caller } = message;
    if (message.controlLength === 0 || caller === undefined) return 0;
    const files: OpenFile[] = [];
    walker.begin(message.control, message.controlLength);
    while (walker.next()) {
      if (walker.level !== SOL_SOCKET) continue;
      const error = this.#readOne(message.control, files, caller);
      if (error !== 0) return error;
    }
    if (walker.malformed) return -Errno.EINVAL;
    for (const file of files) caller.hold(file);
    this.files = files;
    return 0;
  }
  #readOne(control: Uint8Array, files: OpenFile[], caller: Caller): number {
    switch (walker.type) {
      case SCM_RIGHTS:
        return readRights(control, files, caller);
      case SCM_CREDENTIALS: {
        if (walker.dataLength !== ucred.size) return -Errno.EINVAL;
        const credential = claimed(control, walker.data, caller.credentials);
        if (typeof credential === 'number') return credential;
        this.credential = credential;
        return 0;
      }
      default:
        return -Errno.EINVAL;
    }
  }
}
/** Nothing passes beside the octets; shared, so never to be changed. */
export const NOTHING = new Outgoing();

/** scm_fp_copy. */
function readRights(control: Uint8Array, files: OpenFile[], caller: Caller): number {
  const count = Math.floor(walker.dataLength / FD);
  if (files.length + count > SCM_MAX_FD) return -Errno.EINVAL;
  for (let i = 0; i < count; i++) {
    const file = caller.files.get(i32.get(control, walker.data + i * FD));
    if (file === undefined) return -Errno.EBADF;
    files.push(file);
  }
  return 0;
}

/** At the end of a stream (struct scm_cookie as it begins). */
const NOTHING_RECEIVED: Credential = { pid: 0, uid: 0, gid: 0 };

/** What a receive has collected; `Message.passing` of a receive. */
export class Incoming {
  files: readonly OpenFile[] = NO_FILES;
  /** Of the first sender, if the receiver asks for credentials. */
  #credential: Credential | undefined = undefined;
  #isMarked = false;
  /** Nothing further belongs to this receive. */
  isOver = false;

  /** False if what `credential` wrote must not be joined to what has been received (unix_skb_scm_eq). */
  joins(credential: Credential | undefined, asks: boolean): boolean {
    if (this.#isMarked) return isSameCredential(this.#credential, credential);
    if (asks) {
      this.#isMarked = true;
      this.#credential = credential;
    }
    return true;
  }

  /** scm_recv_unix: fills the guest's room for control messages. `timeUs` is the arrival in CLOCK_REALTIME, if it is to be told. */
  write(message: Message, asksForCredentials: boolean, options: OptionState | undefined, timeUs: number): void {
    message.beginControl(writer);
    if (options !== undefined) putTimestamp(writer, options, timeUs);
    if (asksForCredentials) {
      ucred.put(scratch, 0, this.#isMarked ? (this.#credential ?? NOBODY) : NOTHING_RECEIVED);
      writer.put(SOL_SOCKET, SCM_CREDENTIALS, scratch, 0, ucred.size);
    }
    if (this.files.length > 0) this.#writeRights(message);
    message.endControl(writer);
  }
  /** scm_detach_fds: as many descriptors as there is room for, and as the task may have. */
  #writeRights(message: Message): void {
    const { caller, flags } = message;
    const room = Math.floor((message.controlCapacity - writer.length - CMSG_HEADER) / FD);
    const closeOnExec = (flags & MSG_CMSG_CLOEXEC) !== 0;
    let count = 0;
    while (count < Math.min(room, this.files.length)) {
      const fd = caller?.receiveFile(this.files[count] as OpenFile, closeOnExec) ?? -Errno.EMFILE;
      if (fd < 0) break;
      i32.put(scratch, count * FD, fd);
      count++;
    }
    if (count > 0) writer.put(SOL_SOCKET, SCM_RIGHTS, scratch, 0, count * FD);
    if (count < this.files.length) writer.omit(SOL_SOCKET, SCM_RIGHTS, scratch, 0, 0);
  }
}
