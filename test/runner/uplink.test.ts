import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { spawnGateway } from '../../src/gateway/spawn.ts';
import { close } from '../../src/host/libc.ffi.ts';
import { awaitExit } from '../../src/runner/gateway-process.ts';

test('a gateway that is stopped when its link closes is killed, so that the run ends', async (t) => {
  const gateway = spawnGateway({});
  process.kill(gateway.pid, 'SIGSTOP');
  gateway.control.send({ type: 'end' });
  close(gateway.linkFd);
  close(gateway.controlFd);
  await awaitExit(gateway, 100);
  t.like(await gateway.exited, { signal: 'SIGKILL' });
});

test('one that ends by itself is left to do so', async (t) => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => process.exit(7), 200)']);
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }) as never);
  await awaitExit({ pid: child.pid as number, exited }, 30_000);
  t.is(child.exitCode, 7);
});
