/**
 * The sacrificial thread. It installs the filter on itself and spawns the guest, which inherits it; from then on its own system calls are trapped as well, so it does nothing
 * else. The guest's parent-death signal is tied to this thread, so it lives as long as the guest.
 */
import { spawn } from 'node:child_process';
import { parentPort, workerData } from 'node:worker_threads';
import { HostError } from '../host/libc.ffi.ts';
import { gettid } from '../host/process.ffi.ts';
import { installFilter } from '../host/seccomp.ffi.ts';
import { LaunchCell, type LaunchMessage, type LaunchOrder } from './launch-protocol.ts';

const order = workerData as LaunchOrder;
const cells = new Int32Array(order.shared);
const tell = (message: LaunchMessage): void => parentPort?.postMessage(message);

function install(): boolean {
  Atomics.store(cells, LaunchCell.Tid, gettid());
  let listener: number;
  try {
    listener = installFilter(order.filter);
  } catch (error) {
    listener = error instanceof HostError ? -error.errno : -1;
  }
  Atomics.store(cells, LaunchCell.Listener, listener);
  Atomics.store(cells, LaunchCell.Done, 1);
  Atomics.notify(cells, LaunchCell.Done);
  return listener >= 0;
}

// Told before the filter stands: afterwards even this message would wait for the supervisor.
tell({ kind: 'installing' });
if (install()) {
  const [program, ...args] = order.argv;
  const child = spawn(program as string, args, { cwd: order.cwd, env: order.env, stdio: [...order.stdio] });
  child.on('spawn', () => tell({ kind: 'spawned', pid: child.pid as number }));
  child.on('error', (error: NodeJS.ErrnoException) =>
    tell({ kind: 'failed', code: error.code ?? 'EIO', message: error.message }),
  );
  child.on('exit', (code, signal) => tell({ kind: 'exited', code, signal }));
}
