/**
 * SIGPIPE of a call that is answered here. The signal would interrupt the call that it belongs to, so it comes after the answer where a handler waits for it; where it ends
 * the process, is ignored or blocked it cannot interrupt, and comes before, so that it is there when the call returns.
 */
import { pidfdSignal } from '../host/process.ffi.ts';
import type { SeccompListener } from '../host/seccomp.ffi.ts';
import type { GuestTask } from './guest-task.ts';

const SIGPIPE = 13;

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
