import test from 'ava';
import * as fc from 'fast-check';
import { SeededRandom } from '../../src/lib/random.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { FlowTable } from '../../src/netstack/flow-table.ts';

const LOCAL = IpAddress.of('10.0.2.15');
const LOCAL6 = IpAddress.of('fd00::15');
const table = (limit = 1e6): FlowTable<number> => new FlowTable<number>({ random: new SeededRandom(7), limit });
const remote = (n: number, v6 = false): IpAddress =>
  v6 ? new IpAddress(0xfd000000, 0, n, 1) : IpAddress.v4(0x0a000000 + n);

test('a tuple is found by its four parts and by no other', (t) => {
  const flows = table();
  t.true(flows.insert(LOCAL, 80, remote(1), 5000, 1));
  t.is(flows.get(LOCAL, 80, remote(1), 5000), 1);
  t.is(flows.get(LOCAL, 81, remote(1), 5000), undefined);
  t.is(flows.get(LOCAL, 80, remote(1), 5001), undefined);
  t.is(flows.get(LOCAL, 80, remote(2), 5000), undefined);
  t.is(flows.get(remote(1), 80, LOCAL, 5000), undefined);
  t.is(flows.get(LOCAL, 5000, remote(1), 80), undefined);
  t.is(flows.get(IpAddress.of('::10.0.2.15'), 80, remote(1), 5000), undefined);
});

test('a tuple is held once, and a full table refuses', (t) => {
  const flows = table(2);
  t.true(flows.insert(LOCAL, 1, remote(1), 1, 1));
  t.false(flows.insert(LOCAL, 1, remote(1), 1, 2));
  t.is(flows.get(LOCAL, 1, remote(1), 1), 1);
  t.true(flows.insert(LOCAL, 1, remote(1), 2, 3));
  t.false(flows.insert(LOCAL, 1, remote(1), 3, 4));
  t.true(flows.delete(LOCAL, 1, remote(1), 1));
  t.false(flows.delete(LOCAL, 1, remote(1), 1));
  t.true(flows.insert(LOCAL, 1, remote(1), 3, 4));
  t.is(flows.size, 2);
  t.deepEqual(
    [...flows.values()].toSorted((a, b) => a - b),
    [3, 4],
  );
});

test('agrees with a map under any sequence of inserts and deletes', (t) => {
  const operation = fc.record({
    insert: fc.boolean(),
    v6: fc.boolean(),
    local: fc.integer({ min: 1, max: 8 }),
    address: fc.integer({ min: 0, max: 20 }),
    port: fc.integer({ min: 65_530, max: 65_535 }),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 600 }), (operations) => {
      const flows = table();
      const model = new Map<string, number>();
      for (const [i, o] of operations.entries()) {
        const key = `${o.v6} ${o.local} ${o.address} ${o.port}`;
        const local = o.v6 ? LOCAL6 : LOCAL;
        if (o.insert) {
          const fresh = !model.has(key);
          if (flows.insert(local, o.local, remote(o.address, o.v6), o.port, i) !== fresh) return false;
          if (fresh) model.set(key, i);
        } else if (flows.delete(local, o.local, remote(o.address, o.v6), o.port) !== model.delete(key)) return false;
      }
      for (const [key, value] of model) {
        const [v6, local, address, port] = key.split(' ');
        const isV6 = v6 === 'true';
        const found = flows.get(isV6 ? LOCAL6 : LOCAL, Number(local), remote(Number(address), isV6), Number(port));
        if (found !== value) return false;
      }
      return flows.size === model.size;
    }),
  );
  t.pass();
});

test('holds 50,000 flows and gives every slot back', (t) => {
  const flows = table();
  for (let i = 0; i < 50_000; i++) t.true(flows.insert(LOCAL, 80, remote(i), 1024 + (i % 999), i));
  for (let i = 0; i < 50_000; i += 7) t.is(flows.get(LOCAL, 80, remote(i), 1024 + (i % 999)), i);
  for (let i = 0; i < 50_000; i++) t.true(flows.delete(LOCAL, 80, remote(i), 1024 + (i % 999)));
  t.is(flows.size, 0);
  t.is(flows.get(LOCAL, 80, remote(0), 1024), undefined);
});

test('flows may be deleted while all are listed: each of the others comes once, what is gone does not', (t) => {
  const flows = table();
  for (let n = 0; n < 500; n++) flows.insert(LOCAL, 80, remote(n), 9, n);
  const seen: number[] = [];
  for (const n of flows.values()) {
    seen.push(n);
    // Itself, one that came before, and one that is to come.
    for (const gone of [n, n - 3, n + 1]) if (n % 3 === 0) flows.delete(LOCAL, 80, remote(gone), 9);
  }
  t.deepEqual(
    seen,
    Array.from({ length: 500 }, (_, n) => n).filter((n) => n % 3 !== 1),
  );
  t.is(flows.size, 166);
});
