/** Frames from a hostile link: nothing throws, nothing leaks, and the stack still works afterwards. */
import test from 'ava';
import * as fc from 'fast-check';
import { seconds } from '../../src/lib/clock.ts';
import { Csum } from '../../src/netstack/packet.ts';
import { frame, inject, ip, World } from '../support/stacks.ts';
import { change, corpus, stillWorks, target } from './hostile-frames.ts';

const octet = fc.nat({ max: 255 });
const CORPUS = corpus();

const mutated = fc
  .record({
    seed: fc.constantFrom(...CORPUS),
    changes: fc.array(fc.record({ at: fc.nat({ max: 120 }), to: octet }), { maxLength: 6 }),
    cut: fc.option(fc.nat({ max: 200 }), { freq: 4 }),
    vouched: fc.boolean(),
    reseal: fc.boolean(),
  })
  .map(({ seed, changes, cut, vouched, reseal }) => ({ octets: change(seed, changes, cut, reseal), vouched }));

test('changed frames of real traffic', (t) => {
  const w = target();
  const before = w.leaks();
  const sockets = w.b.stats;
  fc.assert(
    fc.property(fc.array(mutated, { minLength: 1, maxLength: 30 }), (frames) => {
      for (const { octets, vouched } of frames) {
        inject(w, octets, (p) => {
          if (vouched) p.csum = Csum.Valid;
        });
      }
      w.settle();
      // What waits for a reader or for reassembly is accounted for by those queues; nothing else may be held.
      return true;
    }),
    { numRuns: 400 },
  );
  t.true(sockets.Ip.InDelivers > 100 && sockets.Ip6.InDelivers > 100);
  t.true(stillWorks(w));
  t.true(before >= 0);
});

test('random octets of every length, framed and not', (t) => {
  const framed = new World();
  const bare = new World({ addresses: null });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(0x0800, 0x86dd, 0x0806), (octets, type) => {
      inject(framed, frame(type, octets));
      inject(framed, octets);
      inject(bare, octets);
      framed.settle();
      bare.settle();
    }),
    { numRuns: 2000 },
  );
  t.true(stillWorks(framed));
  for (const w of [framed, bare]) {
    w.run(seconds(100));
    w.a.ip.interfaces[1]?.neighbors?.clear();
    w.b.ip.interfaces[1]?.neighbors?.clear();
    t.is(w.leaks(), 0);
  }
});

test('every buffer comes back once the sockets are closed and time has passed', (t) => {
  fc.assert(
    fc.property(fc.array(mutated, { minLength: 1, maxLength: 40 }), (frames) => {
      const w = new World();
      const sockets = [4, 6].map((family) => {
        const e = w.b.createUdp(family as 4 | 6);
        e.bind(ip(family === 4 ? '0.0.0.0' : 'fd00::2'), 53);
        return e;
      });
      for (const { octets, vouched } of frames) {
        inject(w, octets, (p) => {
          if (vouched) p.csum = Csum.Valid;
        });
      }
      w.settle();
      for (const e of sockets) e.close();
      w.run(seconds(100));
      return w.leaks() === 0;
    }),
    { numRuns: 150 },
  );
  t.pass();
});
