/** The suite under ava: every body, stable on the host kernel. */
import test from 'ava';
import { HostDriver, HostUnavailable } from './host/driver.ts';
import { PITFALLS } from './pitfalls.ts';
import { runBody } from './runner.ts';
import { bodies } from './suite.ts';

function hostDriver(log: (line: string) => void): HostDriver | undefined {
  try {
    return new HostDriver();
  } catch (error) {
    if (!(error instanceof HostUnavailable) || process.env['CI'] === 'true') throw error;
    log(`conformance bodies are not compared with this kernel: ${error.message}`);
    return undefined;
  }
}

test('every body gives the same transcript twice on this kernel', (t) => {
  const linux = hostDriver((line) => t.log(line));
  if (linux === undefined) {
    t.pass();
    return;
  }
  try {
    for (const body of bodies) {
      const first = runBody(body, linux, undefined);
      const second = runBody(body, linux, undefined);
      t.deepEqual(first.linux, second.linux, body.name);
    }
  } finally {
    linux.close();
  }
});

test('every pitfall within the calls served has a body', (t) => {
  const covered = new Set(bodies.map(({ pitfall }) => pitfall));
  const missing = PITFALLS.filter(({ number, outside }) => outside === undefined && !covered.has(number));
  t.deepEqual(missing, []);
});
