/** The thread of watchdog.ts. */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Cell, type Stall, type WatchSettings } from './watchdog.ts';

const STDERR = 2;
const settings = workerData as WatchSettings;
const cells = new Int32Array(settings.memory);
const stepMs = settings.afterMs / 4;

let beat = Atomics.load(cells, Cell.Beat);
let since = performance.now();
let looked = since;
let isTold = false;

function say({ afterMs, nr, tid }: Stall): void {
  const seconds = (afterMs / 1000).toFixed(1);
  const doing =
    nr === undefined ? 'it is busy with something else' : `it is in ${settings.names.get(nr) ?? nr} of thread ${tid}`;
  const text = `sandsock: no call of the guest has been served for ${seconds} s: ${doing}; if that does not end, please report it\n`;
  try {
    writeSync(STDERR, text);
  } catch {
    // Nobody reads it.
  }
}
function look(): void {
  const now = performance.now();
  const wasAway = now - looked > 2 * stepMs;
  looked = now;
  const current = Atomics.load(cells, Cell.Beat);
  // What stops this thread as well (SIGSTOP, a machine that sleeps) is no stall.
  if (current !== beat || wasAway) {
    beat = current;
    since = now;
    isTold = false;
    return;
  }
  if (isTold || now - since < settings.afterMs) return;
  isTold = true;
  const [nr, tid] = [Atomics.load(cells, Cell.Call), Atomics.load(cells, Cell.Thread)];
  const stall: Stall =
    tid === 0 ? { afterMs: now - since, nr: undefined, tid: undefined } : { afterMs: now - since, nr, tid };
  if (settings.speaks) say(stall);
  parentPort?.postMessage(stall);
}
setInterval(look, stepMs);
