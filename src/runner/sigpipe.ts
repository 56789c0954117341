/**
 * SIGPIPE. Where the placeholder can be made to refuse as the socket does, the kernel performs the call itself and raises the signal within it. Else the call is answered here, and the signal
 * is ours to send: it would interrupt the call that it belongs to, so it comes after the answer where a handler waits for it; where it ends
 * the process, is ignored or blocked it cannot interrupt, and comes before, so that it is there when the call returns.
 */

import { MSG_OOB } from '../abi/socket.ts';
import { pidfdSignal } from '../host/process.ffi.ts';
import type { SeccompListener } from '../host/seccomp.ffi.ts';
import type { GuestTask } from './guest-task.ts';

const SIGPIPE = 13;

/** Whether a Unix stream that sends no more refuses the call with EPIPE before it looks at anything else. */
export function isPlainSend({ call, registers, header }: GuestTask): boolean {
  const [FLAGS, ADDRESS] = [6, 8];
  switch (call?.name ?? '') {
    case 'write':
    case 'writev':
    case 'sendfile':
      return true;
    case 'sendto':
      return registers[ADDRESS] === 0 && registers[ADDRESS + 1] === 0 && ((registers[FLAGS] as number) & MSG_OOB) === 0;
    case 'sendmsg':
      return header.nameLength === 0 && header.controlLength === 0 && ((registers[4] as number) & MSG_OOB) === 0;
    default:
      return false;
  }
}

/** Answers call `idLow`, `idHigh` of `task` and raises the signal. False if the call was cancelled. */
export function answerWithSigpipe(
  listener: SeccompListener,
  task: GuestTask,
  idLow: number,
  idHigh: number,
  result: number,
): boolean {
  const { pidfd } = task.descriptors;
  const late = task.process.catches(SIGPIPE) && !task.process.blocks(SIGPIPE);
  if (!late) pidfdSignal(pidfd, SIGPIPE);
  const taken = listener.answer(idLow, idHigh, result);
  if (taken && late) pidfdSignal(pidfd, SIGPIPE);
  return taken;
}
