/** Starts the conformance agent. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, rmSync, writeSync } from 'node:fs';
import { anonymousFile, type SharedMemory } from '../../host/shared-memory.ffi.ts';
import { agentExecutable } from './agent.ts';
import { HostUnavailable } from './unavailable.ts';

/** Starts the agent out of an anonymous file. */
export function launch(shared: SharedMemory, cwd: string): ChildProcess {
  const image = anonymousFile('conformance-agent');
  writeSync(image, agentExecutable());
  const child = spawn(`/proc/${process.pid}/fd/${image}`, [], {
    stdio: ['ignore', 'ignore', 'ignore', shared.fd],
    argv0: 'conformance-agent',
    cwd,
  });
  closeSync(image);
  child.unref();
  if (child.pid === undefined) {
    rmSync(cwd, { recursive: true });
    throw new HostUnavailable(
      'the conformance agent could not be started from an anonymous file',
      'mount /proc, and allow anonymous files to be executed (sysctl vm.memfd_noexec=0)',
    );
  }
  return child;
}
