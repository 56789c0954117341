/** Which destinations are open: by the address alone, and by what the host says of it. */
import test from 'ava';
import { parseConfig, resolveConfig } from '../../src/gateway/config.ts';
import { Reachability } from '../../src/gateway/reach.ts';
import { IpAddress } from '../../src/netstack/address.ts';

const HOST = IpAddress.of('198.51.100.7');

const reachWith = (hostPorts: number[] = []): Reachability =>
  new Reachability(resolveConfig(parseConfig({ hostPorts })), (address) => address.equals(HOST));

for (const [kind, addresses] of Object.entries({
  metadata: ['fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254', 'fd00:42::42', '100.100.100.200', '64:ff9b::6464:64c8'],
  'link-local': ['169.254.169.254', 'fe80::1', '64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1', '64:ff9b:1:a9fe:a9:fe00::'],
  loopback: [
    '127.0.0.1',
    '::1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::7f00:1',
    '64:ff9b:1:7f00:0:100::',
    '64:ff9b:1:7f:0:1::',
    '64:ff9b:1:0:7f:0:100:0',
    '2002:7f00:1::',
    '::ffff:0:127.0.0.1',
    '2001::80ff:fffe',
    '2001:db8::5efe:127.0.0.1',
    '2001:db8::200:5efe:127.0.0.1',
  ],
  reserved: ['::', '0.1.2.3', '240.0.0.1', '::127.0.0.1'],
  absent: ['10.0.2.99', 'fd00::99', '64:ff9b::a00:263'],
  'host-closed': ['198.51.100.7', '64:ff9b::c633:6407', '2002:c633:6407::1', '::ffff:0:198.51.100.7'],
})) {
  test(`refused: ${kind}`, (t) => {
    const reach = reachWith();
    for (const text of addresses) {
      const address = IpAddress.of(text);
      t.is(reach.resolve(address, 80).refused, kind as 'loopback', text);
      t.is(reach.refusesEcho(address), kind as 'loopback', `echo to ${text}`);
    }
  });
}

test('everything else is open as it is, addresses with open ones inside among it', (t) => {
  const reach = reachWith();
  for (const text of [
    '198.51.100.8',
    '2001:db8::5',
    'fd00:ec2::25',
    '64:ff9b::c633:6408',
    '64:ff9b:1::c633:6408',
    '64:ff9b:1:c633:64:800::',
    '2002:c633:6408::1',
    '2001:db8::5efe:198.51.100.8',
  ]) {
    const address = IpAddress.of(text);
    t.like(reach.resolve(address, 80), { refused: undefined, host: address, port: 80 }, text);
    t.is(reach.refusesEcho(address), undefined, text);
  }
});

test('open ports open the host’s own addresses, and no other that is closed', (t) => {
  const reach = reachWith([80]);
  t.is(reach.resolve(HOST, 80).refused, undefined);
  t.is(reach.resolve(HOST, 81).refused, 'host-closed');
  t.is(reach.resolve(IpAddress.of('64:ff9b::7f00:1'), 80).refused, 'loopback');
});
