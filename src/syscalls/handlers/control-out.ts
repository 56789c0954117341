/**
 * Control messages on their way to the guest (put_cmsg, scm_detach_fds). Each is copied without the padding behind it, which the kernel leaves alone too. One that the guest has no memory for
 * takes no room: the next is tried in its place, and it is of the room that those took which the guest was told of that there may be too little.
 */
import { CMSG_HEADER, CMSG_SPACE, CmsgWalker, cmsghdr } from '../../abi/cmsg.ts';
import { MSG_CTRUNC, SCM_RIGHTS, SOL_SOCKET } from '../../abi/socket.ts';
import { i32 } from '../../abi/struct.ts';
import type { CallContext } from '../task.ts';

const walker = new CmsgWalker();
const PAGE = 4096;

/** Where a control message may lie on two pages its octets go in words, none of which is written in part. */
function putOne(ctx: CallContext, addr: number, bytes: Uint8Array, at: number, len: number): boolean {
  if ((addr % PAGE) + len <= PAGE) return ctx.memory.write(addr, bytes, at, len) === len;
  let done = 0;
  for (const size of [8, 4, 2, 1]) {
    for (; len - done >= size; done += size) {
      const word = addr + done;
      const crosses = (word % PAGE) + size > PAGE;
      if (crosses && ctx.memory.write(word + size - 1, bytes, at + done + size - 1, 1) < 1) return false;
      if (ctx.memory.write(word, bytes, at + done, size) < size) return false;
    }
  }
  return true;
}

/** Copies the control messages of `ctx.message` to the guest. Octets used: what msg_controllen becomes. */
export function controlOut(ctx: CallContext): number {
  const { header, message } = ctx;
  walker.begin(message.control, message.controlLength);
  while (walker.next()) {
    const at = walker.data - CMSG_HEADER;
    if (!putOne(ctx, header.control + at, message.control, at, CMSG_HEADER + walker.dataLength)) {
      return controlAgain(ctx, at);
    }
  }
  return message.controlLength;
}

/** The messages from the one at `from` on, in which there was no memory. */
function controlAgain(ctx: CallContext, from: number): number {
  const { message } = ctx;
  const { writer } = message;
  const whole = writer?.whole ?? message.controlLength;
  message.outFlags &= ~MSG_CTRUNC;
  // The first one again too: it takes no room, since nothing has changed for it, and descriptors that it tells of are not made.
  let to = putAll(ctx, message.control.subarray(from, whole), from);
  if (writer !== undefined) to = putAll(ctx, writer.omitted.subarray(0, writer.omittedLength), to);
  return to;
}
function putAll(ctx: CallContext, bytes: Uint8Array, from: number): number {
  const { header, message } = ctx;
  let to = from;
  walker.begin(bytes, bytes.length);
  while (walker.next()) {
    const { dataLength: len } = walker;
    if (walker.level === SOL_SOCKET && walker.type === SCM_RIGHTS) {
      dropRights(ctx, bytes);
      continue;
    }
    const room = message.controlCapacity - to;
    const fits = Math.min(CMSG_HEADER + len, room);
    if (fits < CMSG_HEADER + len) message.outFlags |= MSG_CTRUNC;
    if (fits < CMSG_HEADER) continue;
    const at = walker.data - CMSG_HEADER;
    cmsghdr.fields.len.put(bytes, at, fits);
    if (putOne(ctx, header.control + to, bytes, at, fits)) to += Math.min(CMSG_SPACE(len), room);
  }
  return to;
}
/** The guest cannot be told of these descriptors: they are not made. */
function dropRights(ctx: CallContext, bytes: Uint8Array): void {
  ctx.message.outFlags |= MSG_CTRUNC;
  for (let i = 0; i + 4 <= walker.dataLength; i += 4) ctx.dropReceived(i32.get(bytes, walker.data + i));
}
