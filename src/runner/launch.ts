/**
 * Starts the guest under its filter (seccomp(2): filters belong to a thread and are inherited by fork). A worker thread is given up for it: see launch-worker.ts.
 */
import { access } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { errnoName } from '../abi/errno.ts';
import { RunError } from './errors.ts';
import { LAUNCH_CELLS, LaunchCell, type LaunchMessage, type LaunchOrder } from './launch-protocol.ts';

export type GuestExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export interface Launched {
  /** The listener of the filter; calls wait on it from now on and the guest stands still until they are answered. */
  readonly listenerFd: number;
  /** The sacrificial thread: whatever it traps is let through. */
  readonly launcherTid: number;
  /** Resolves when the head of the launch chain has ended; rejects when it could not be started. */
  readonly ended: Promise<GuestExit>;
  /** Ends the thread. */
  dispose(): Promise<void>;
}

const INSTALL_TIMEOUT_MS = 10_000;
const EBUSY = 16;
const EINVAL = 22;

function filterError(listener: number): RunError {
  const name = errnoName(-listener);
  if (-listener === EBUSY) {
    return new RunError(
      'E_FILTER',
      'a seccomp listener already watches this process',
      'do not run sandsock inside a sandsock guest',
    );
  }
  const remedy =
    -listener === EINVAL
      ? 'run on Linux 5.0 or newer with CONFIG_SECCOMP_FILTER'
      : 'where a container profile refuses seccomp(2), allow it (docker run --security-opt seccomp=unconfined)';
  return new RunError('E_FILTER', `the seccomp filter could not be installed (${name})`, remedy);
}

/**
 * @param order all but `shared`
 * @throws RunError when the filter could not be installed
 */
export async function launch(order: Omit<LaunchOrder, 'shared'>): Promise<Launched> {
  // Threads made by the filtered one would inherit its filter: libuv's pool has to stand before.
  await access('/');
  const shared = new SharedArrayBuffer(LAUNCH_CELLS * 4);
  const cells = new Int32Array(shared);
  const workerData: LaunchOrder = { ...order, shared };
  const worker = new Worker(new URL('./launch-worker.js', import.meta.url), { workerData, stdout: true, stderr: true });

  const ended = new Promise<GuestExit>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('message', (message: LaunchMessage) => {
      if (message.kind === 'exited') resolve(message);
      if (message.kind !== 'failed') return;
      reject(new RunError('E_LAUNCH', `the guest could not be started: ${message.message}`, 'see sandsock doctor'));
    });
  });
  // Awaited by whoever serves the calls; until then a failure must not count as unhandled.
  ended.catch(() => undefined);
  await new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.once('message', () => resolve());
  });
  // Only microseconds from here; the thread must not be left alone before we serve its calls.
  Atomics.wait(cells, LaunchCell.Done, 0, INSTALL_TIMEOUT_MS);
  const listenerFd = Atomics.load(cells, LaunchCell.Listener);
  if (Atomics.load(cells, LaunchCell.Done) === 0 || listenerFd < 0) {
    await worker.terminate();
    throw filterError(listenerFd);
  }
  return {
    listenerFd,
    launcherTid: Atomics.load(cells, LaunchCell.Tid),
    ended,
    dispose: async () => {
      await worker.terminate();
    },
  };
}
