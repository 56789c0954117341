/**
 * SIGPIPE. Where the placeholder can be made to refuse as the socket does, the kernel performs the call itself and raises the signal within it. Else the call is answered here, and the signal
 * is ours to send: before the answer, so that it is there when the call returns. Where signals take calls away a handler may then interrupt the call that the signal belongs to: with SA_RESTART the call
 * comes again, and is answered then; without it the guest would see EINTR, so there the signal comes after the answer.
 */

import { MSG_OOB } from '../abi/socket.ts';
import { pidfdSignal } from '../host/process.ffi.ts';
import type { CallTrap } from './call-trap.ts';
import type { GuestTask } from './guest-task.ts';
import type { SignalActions } from './signals.ts';

const SIGPIPE = 13;

/**
 * Whether a Unix stream that sends no more refuses the call with EPIPE before it looks at anything else, and nothing is done that the guest could not do by itself where its descriptor leads to another socket
 * by then. Not so sendmsg(2): its header is in memory, and may name a socket of the host's when the kernel reads it.
 */
export function isPlainSend({ call, registers }: GuestTask): boolean {
  const [FLAGS, ADDRESS] = [6, 8];
  switch (call?.name ?? '') {
    case 'write':
    case 'writev':
    case 'sendfile':
      return true;
    case 'sendto':
      return registers[ADDRESS] === 0 && registers[ADDRESS + 1] === 0 && ((registers[FLAGS] as number) & MSG_OOB) === 0;
    default:
      return false;
  }
}

/**
 * Answers call `idLow`, `idHigh` of `task` and raises the signal. False if the call was cancelled.
 * @param signals for a call of the dispatcher's, which is answered when it comes again
 */
export function answerWithSigpipe(
  listener: CallTrap,
  task: GuestTask,
  idLow: number,
  idHigh: number,
  result: number,
  signals?: SignalActions,
): boolean {
  const { process } = task;
  const { pidfd } = task.descriptors;
  const handled = process.catches(SIGPIPE) && !process.blocks(SIGPIPE);
  const comesAgain = handled && !task.killable && signals?.restarts(process, SIGPIPE) === true;
  const late = handled && !task.killable && !comesAgain;
  if (!late) pidfdSignal(pidfd, SIGPIPE);
  const taken = listener.answer(idLow, idHigh, result);
  if (taken && late) pidfdSignal(pidfd, SIGPIPE);
  if (taken || !comesAgain) return taken;
  task.owe(result);
  return true;
}
