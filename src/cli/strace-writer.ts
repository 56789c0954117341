/** Lists every call on a socket of the guest, in the manner of `strace -f`: the thread, the call with its arguments decoded, the result. */
import { CallEvents } from '../runner/call-events.ts';
import type { Sink } from './sink.ts';

export const straceWriter = (sink: Sink): CallEvents =>
  new CallEvents(({ tid, text, outcome }) => sink.line(`[${tid}] ${text} ${outcome}`));
