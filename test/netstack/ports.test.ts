import test from 'ava';
import { SeededRandom } from '../../src/lib/random.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { EPHEMERAL_FIRST, EPHEMERAL_LAST, PortBinding, PortTable } from '../../src/netstack/ports.ts';

interface User {
  settings: {
    reuseAddress: boolean;
    reusePort: boolean;
    owner: number;
    v6Only: boolean;
    boundInterface: number;
    localPortRange: number;
  };
  isListening: boolean;
}
type Options = Partial<User['settings']> & { isListening?: boolean };

const user = ({ isListening = false, ...rest }: Options = {}): PortBinding<User> =>
  new PortBinding<User>({
    settings: {
      reuseAddress: false,
      reusePort: false,
      owner: 0,
      v6Only: false,
      boundInterface: 0,
      localPortRange: 0,
      ...rest,
    },
    isListening,
  });
const ports = (): PortTable<User> => new PortTable<User>(new SeededRandom(3));
const always = (): boolean => true;
const A = IpAddress.of('10.0.2.15');
const B = IpAddress.of('10.0.2.16');
const SIX = IpAddress.of('fd00::15');

/** Binds a first user to `first`, then asks whether a second may have `second` on the same port. */
function clash(first: IpAddress, one: Options, second: IpAddress, two: Options): boolean {
  const table = ports();
  const holder = user(one);
  table.bind(holder, first, 80);
  return table.bind(user(two), second, 80) === 'address-in-use';
}

test('addresses that cannot receive the same packet share a port', (t) => {
  t.false(clash(A, {}, B, {}));
  t.true(clash(A, {}, A, {}));
  t.true(clash(IpAddress.ANY4, {}, A, {}));
  t.true(clash(A, {}, IpAddress.ANY4, {}));
  t.false(clash(SIX, {}, A, {}));
  t.false(clash(SIX, {}, IpAddress.ANY4, {}));
  t.true(clash(SIX, {}, IpAddress.ANY6, {}));
});

test(':: holds the port of IPv4 too, unless IPV6_V6ONLY', (t) => {
  for (const v4 of [A, IpAddress.ANY4]) {
    t.true(clash(IpAddress.ANY6, {}, v4, {}));
    t.true(clash(v4, {}, IpAddress.ANY6, {}));
    t.false(clash(IpAddress.ANY6, { v6Only: true }, v4, {}));
    t.false(clash(v4, {}, IpAddress.ANY6, { v6Only: true }));
  }
});

test('SO_REUSEADDR shares a port when both have it and the holder does not listen', (t) => {
  t.true(clash(A, { reuseAddress: true }, A, {}));
  t.true(clash(A, {}, A, { reuseAddress: true }));
  t.false(clash(A, { reuseAddress: true }, A, { reuseAddress: true }));
  t.true(clash(A, { reuseAddress: true, isListening: true }, A, { reuseAddress: true }));
  t.true(clash(IpAddress.ANY4, { reuseAddress: true, isListening: true }, A, { reuseAddress: true }));
});

test('SO_REUSEPORT shares a port when both have it', (t) => {
  t.false(clash(A, { reusePort: true, isListening: true }, A, { reusePort: true }));
  t.true(clash(A, { reusePort: true, isListening: true }, A, {}));
});

test('SO_REUSEPORT shares a port among the sockets of one user', (t) => {
  const shared = { reusePort: true, owner: 1000 };
  t.false(clash(A, shared, A, shared));
  t.true(clash(A, shared, A, { reusePort: true, owner: 0 }));
  const table = new PortTable<User>(new SeededRandom(3), undefined, true);
  t.is(table.bind(user(shared), A, 80), undefined);
  t.is(table.bind(user(shared), A, 80), undefined);
  t.is(table.bind(user({ reusePort: true, owner: 0 }), A, 80), 'address-in-use');
  t.is(table.bind(user({ reusePort: true, owner: 0 }), B, 80), undefined, 'another address is nobody’s yet');
  t.is(table.bind(user(shared), B, 80), 'address-in-use');
});

test('bindings to different interfaces do not meet', (t) => {
  t.false(clash(A, { boundInterface: 1 }, A, { boundInterface: 2 }));
  t.true(clash(A, { boundInterface: 1 }, A, {}));
  t.true(clash(A, { boundInterface: 1 }, A, { boundInterface: 1 }));
});

test('[RFC6056] bind(0) gives odd ports of the range, none twice, until all are gone', (t) => {
  const table = ports();
  const seen = new Set<number>();
  for (let i = 0; i < EPHEMERAL_LAST - EPHEMERAL_FIRST + 1; i++) {
    const binding = user();
    t.is(table.bind(binding, IpAddress.ANY4, 0), undefined);
    seen.add(binding.port);
    if (i < 100) t.is(binding.port % 2, 1);
  }
  t.is(seen.size, EPHEMERAL_LAST - EPHEMERAL_FIRST + 1);
  t.true(Math.min(...seen) >= EPHEMERAL_FIRST && Math.max(...seen) <= EPHEMERAL_LAST);
  t.is(table.bind(user(), IpAddress.ANY4, 0), 'address-in-use');
  // A port that only shares is still to be had.
  t.is(table.bind(user(), SIX, 0), undefined);
});

test('[RFC6056 3.3.4] connect() takes even ports, moves on for the same peer, and shares with other connections', (t) => {
  const table = ports();
  const a = user();
  const b = user();
  const first = table.bindForConnect(a, A, B, 443, always);
  const second = table.bindForConnect(b, A, B, 443, always);
  t.is(first % 2, 0);
  t.is(second % 2, 0);
  t.not(first, second);
  // bind() does not join a connection without SO_REUSEADDR, and an explicit holder keeps connect() away.
  t.is(table.bind(user(), A, first), 'address-in-use');
  t.is(table.bind(user(), B, second + 2), undefined);
  t.not(table.bindForConnect(user(), A, B, 443, always), second + 2);
  for (let port = EPHEMERAL_FIRST; port <= EPHEMERAL_LAST; port++) table.bind(user(), A, port);
  t.is(
    table.bindForConnect(user(), A, B, 443, (port) => port === first),
    first,
  );
});

test('connect() fails when no tuple is free', (t) => {
  t.is(ports().bindForConnect(user(), A, B, 443, () => true) === 0, false);
  const table = ports();
  for (let port = EPHEMERAL_FIRST; port <= EPHEMERAL_LAST; port++) table.bind(user(), A, port);
  t.is(table.bindForConnect(user(), A, B, 443, always), 0);
});

test('a port is free again when its last holder leaves, whatever the order', (t) => {
  const table = ports();
  const listener = user({ isListening: true });
  table.bind(listener, IpAddress.ANY4, 80);
  const children = [user(), user(), user()];
  for (const child of children) table.share(child, A, 80);
  t.is(table.first(80), children[2]);
  table.release(children[1] as PortBinding<User>);
  table.release(listener);
  t.is(table.bind(user(), IpAddress.ANY4, 80), 'address-in-use');
  table.release(children[2] as PortBinding<User>);
  table.release(children[0] as PortBinding<User>);
  t.is(table.count, 0);
  table.release(listener);
  const again = user();
  t.is(table.bind(again, IpAddress.ANY4, 80), undefined);
  t.is(again.port, 80);
  // Binding anew leaves the old port.
  t.is(table.bind(again, A, 81), undefined);
  t.is(table.first(80), undefined);
});
