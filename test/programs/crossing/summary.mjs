/** summary.mjs FILE PLANE LINK TRANSPORT...: the summary of a run over both families shows its calls, frames and flows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const [file, plane, link, ...transports] = process.argv.slice(2);
const summary = JSON.parse(readFileSync(file, 'utf8'));
const { calls, callsServed, crashes, flows, frames, octets } = summary;

assert.equal(summary.plane, plane);
assert.equal(crashes, 0);
assert.ok((calls.connect ?? calls.bind)?.calls >= 2, 'calls of both families are shown');
assert.equal(
  Object.values(calls).reduce((sum, each) => sum + each.calls, 0),
  callsServed,
);
assert.ok(frames.fromGuest > 0 && frames.toGuest > 0, 'frames are shown both ways');
assert.ok(octets.fromGuest > frames.fromGuest * 14 && octets.toGuest > frames.toGuest * 14, 'octets are shown');
if (link === 'tap') assert.equal(flows, null);
else
  for (const transport of transports) assert.ok(flows[transport] >= 2, `a ${transport} flow of each family is shown`);
process.stdout.write(`${JSON.stringify(summary)}\n`);
