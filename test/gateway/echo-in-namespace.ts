/**
 * Runs in a network namespace of its own where ping sockets are allowed (echo.test.ts makes it): real echoes through the gateway, to addresses of the loopback
 * interface that the gateway is told are not the host's. Prints what came back as JSON.
 */
import { u16 } from '../../src/lib/bytes.ts';
import { after, seconds } from '../../src/lib/clock.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { echoFrame, GUEST4, GUEST6, icmpOf, World } from './support.ts';

const world = new World({ icmpFlows: 2, mtu: 1500 }, undefined, { isHostAddress: () => false });
const results: Record<string, unknown>[] = [];
for (const [guest, text] of [
  [GUEST4, '203.0.113.7'],
  [GUEST6, '2001:db8:77::7'],
] as const) {
  const to = IpAddress.of(text);
  for (const [identifier, sequence] of [
    [0x1234, 1],
    [0x1234, 2],
    [77, 1],
  ] as const) {
    world.inject(echoFrame(guest, to, identifier, sequence, Buffer.from('payload of an echo')));
    const reply = await world.take('a reply', icmpOf);
    results.push({
      from: reply.src.toString(),
      type: reply.type,
      identifier: u16(reply.header, 4),
      sequence: u16(reply.header, 6),
      payload: Buffer.from(reply.body).toString(),
    });
  }
}
// A host of the interface's subnet that nobody has: the kernel says so, or nothing.
world.inject(echoFrame(GUEST4, IpAddress.of('198.51.100.1'), 5, 9, Buffer.alloc(8)));
const error = await world.take('an error', icmpOf);
const open = world.gateway.echo.size;
const begun = world.clock.now();
for (let s = 6; s <= 66; s += 6) {
  world.gateway.begin(after(begun, seconds(s)));
  world.gateway.step();
}
process.stdout.write(
  JSON.stringify({
    results,
    error: { type: error.type, code: error.code, quoted: Buffer.from(error.body.subarray(20)).toString('hex') },
    open,
    openAfterAMinute: world.gateway.echo.size,
    flows: world.gateway.stats().flows,
    counts: world.counts(),
  }),
);
process.exit();
