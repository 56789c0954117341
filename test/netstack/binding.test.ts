/** What bind() takes and when a port is chosen. */
import test from 'ava';
import { ip, World } from '../support/stacks.ts';

for (const kind of ['tcp', 'udp'] as const) {
  const make = (w: World) => (kind === 'tcp' ? w.a.createTcp(4) : w.a.createUdp(4));

  test(`${kind}: an address of nobody can be bound only by who asked for it`, (t) => {
    const w = new World();
    const e = make(w);
    t.is(e.bind(ip('9.9.9.9'), 80), 'address-not-available');
    e.settings.freeBind = true;
    t.is(e.bind(ip('9.9.9.9'), 80), undefined);
    t.is(e.localAddress.toString(), '9.9.9.9');
    t.true(e.isBound);
  });

  test(`${kind}: bind() without a port leaves the choice to connect()`, (t) => {
    const w = new World();
    const e = make(w);
    e.settings.bindAddressNoPort = true;
    t.is(e.bind(ip('10.0.0.1'), 0), undefined);
    t.false(e.isBound);
    t.is(e.localAddress.toString(), '10.0.0.1');
    t.is(e.connect(ip('10.0.0.2'), 9), undefined);
    t.true(e.isBound);
    t.is(e.localAddress.toString(), '10.0.0.1');
    t.true(e.localPort > 0);
  });

  test(`${kind}: a port that was named is taken at once`, (t) => {
    const w = new World();
    const e = make(w);
    e.settings.bindAddressNoPort = true;
    t.is(e.bind(ip('10.0.0.1'), 700), undefined);
    t.is(e.localPort, 700);
  });
}

test('a listener and a first datagram choose the port as well, and keep the address', (t) => {
  const w = new World();
  const listener = w.a.createTcp(4);
  listener.settings.bindAddressNoPort = true;
  listener.bind(ip('10.0.0.1'), 0);
  t.is(listener.listen(4), undefined);
  t.true(listener.localPort > 0);
  const udp = w.a.createUdp(4);
  udp.settings.bindAddressNoPort = true;
  udp.bind(ip('10.0.0.1'), 0);
  t.is(udp.autobind(), undefined);
  t.true(udp.localPort > 0);
  t.is(udp.localAddress.toString(), '10.0.0.1');
});

test('bound to an interface that does not exist, nothing leads anywhere', (t) => {
  const w = new World();
  const e = w.a.createUdp(4);
  e.settings.boundInterface = 9;
  t.is(e.connect(ip('10.0.0.2'), 9), 'no-device');
  t.is(w.a.createUdp(4).connect(ip('9.9.9.9'), 9), 'network-unreachable');
});
