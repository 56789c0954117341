/**
 * sandsock as a library (docs/api.md). Two ways in:
 *
 * - `Sandbox` runs unmodified programs in a sandbox, as `sandsock run` does, and tells their calls and connections as events. `examples/sandbox.ts` shows it.
 * - `Emulator` makes socket system calls without any process: numbered calls with registers, on emulated memory, descriptors and time, over a `Stack` of `sandsock/netstack`.
 *   `examples/emulator.ts` shows it.
 */
export type { CaptureSink } from './netstack/link/pcapng.ts';
export type { CallEvent } from './runner/call-events.ts';
export type { Death } from './runner/deaths.ts';
export { RunError, type RunErrorCode } from './runner/errors.ts';
export { Guest } from './runner/guest.ts';
export type { Isolation } from './runner/namespaces.ts';
export { type ConnectionEvent, Sandbox, type SandboxEvents, type SandboxSummary } from './runner/sandbox.ts';
export type { SandboxOptions, SpawnOptions } from './runner/sandbox-options.ts';
export type { Committable } from './socket/committable.ts';
export type { Credentials } from './socket/credentials.ts';
export { EmulatedFdTable } from './socket/emulated-fd-table.ts';
export { SocketFactory } from './socket/factory.ts';
export type { FdTable } from './socket/fd-table.ts';
export { OpenFile } from './socket/file.ts';
export type { GuestMemory } from './socket/guest-memory.ts';
export { Socket } from './socket/socket.ts';
export { ArenaMemory, PAGE, Protection } from './syscalls/arena-memory.ts';
export {
  type Caller,
  type CallStatistics,
  type CrashReport,
  Dispatcher,
  type DispatcherOptions,
  type Observer,
  type Platform,
  type Refusal,
} from './syscalls/dispatch.ts';
export { EmulatedTask, type EmulatedTaskOptions, Emulator, type EmulatorOptions, ROOT } from './syscalls/emulator.ts';
export { StraceFormatter } from './syscalls/strace.ts';
export { type Architecture, systemCalls } from './syscalls/table.ts';
export { type CallContext, Task, type TaskOptions } from './syscalls/task.ts';
