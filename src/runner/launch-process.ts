/**
 * The launcher: a process that installs the filter on itself and becomes the head of the launch chain by execve. What it starts inherits the filter.
 *
 * It is a process and not a thread of the supervisor, because from the filter on its own calls wait for the supervisor, and a thread would wait while it
 * holds a lock of Node: a message to the main thread is an eventfd write under the mutex of the message port, libuv's signal lock is a read and a write
 * of a pipe. When the main thread wanted that lock at that moment both stood still for ever, at the end of about one run in fifteen.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { become, closeOnExecFrom, dieWithParent } from '../host/exec.ffi.ts';
import { HostError } from '../host/libc.ffi.ts';
import { installFilter } from '../host/seccomp.ffi.ts';
import { CHANNEL_FD, type LaunchMessage, type LaunchOrder } from './launch-protocol.ts';

const tell = (message: LaunchMessage): void => {
  writeSync(CHANNEL_FD, `${JSON.stringify(message)}\n`);
};

/** Undefined when the supervisor has gone. */
function readOrder(): LaunchOrder | undefined {
  const chunk = Buffer.alloc(65_536);
  const chunks: Buffer[] = [];
  for (;;) {
    const got = readSync(CHANNEL_FD, chunk);
    if (got === 0) return undefined;
    chunks.push(Buffer.from(chunk.subarray(0, got)));
    if (chunk[got - 1] === 0x0a) return JSON.parse(Buffer.concat(chunks).toString()) as LaunchOrder;
  }
}

/** The lowest free number, which the listener will get: no other thread of this process opens anything. */
function reserve(): number {
  const fd = openSync('/dev/null', 'r');
  closeSync(fd);
  return fd;
}

function start({ filter, killable, path, argv, env }: LaunchOrder): LaunchMessage {
  closeOnExecFrom(CHANNEL_FD);
  tell({ kind: 'reserved', fd: reserve() });
  try {
    installFilter(Buffer.from(filter, 'base64'), killable);
  } catch (error) {
    return { kind: 'failed', step: 'filter', errno: error instanceof HostError ? error.errno : 0 };
  }
  return { kind: 'failed', step: 'exec', errno: become(path, argv, env) };
}

const order = readOrder();
// Behind the filter, whose listener it holds itself, it would wait for ever for a supervisor that was killed.
dieWithParent();
if (order !== undefined && process.ppid === order.supervisor) tell(start(order));
process.exitCode = 1;
