import test from 'ava';
import { parseRunOptions } from '../../src/cli/config.ts';
import { RunError } from '../../src/runner/errors.ts';

test('published ports in each of their spellings', (t) => {
  const { publish } = parseRunOptions({ publish: ['8080:80', '127.0.0.1:5353:53/udp', '[::1]:8443:443/tcp'] });
  t.deepEqual(publish, [
    { protocol: 'tcp', hostPort: 8080, guestPort: 80 },
    { protocol: 'udp', hostPort: 5353, guestPort: 53, hostAddress: '127.0.0.1' },
    { protocol: 'tcp', hostPort: 8443, guestPort: 443, hostAddress: '::1' },
  ]);
});

test('links with their addresses', (t) => {
  t.like(parseRunOptions({ link: 'tap:tap0', ip: ['10.0.5.2/24', 'fd00:5::2/64'], gateway: ['10.0.5.1'] }), {
    link: { tap: 'tap0' },
    ip: [
      { address: '10.0.5.2', prefix: 24 },
      { address: 'fd00:5::2', prefix: 64 },
    ],
    gateway: ['10.0.5.1'],
  });
  t.like(parseRunOptions({ link: 'fd:7', ip: ['10.0.5.2/24'] }), { link: { fd: 7 } });
  t.is(parseRunOptions({ gateway: false }).gateway, false);
});

for (const [what, options, expected] of [
  ['a range', { publish: ['80-90:80'] }, /--publish 80-90:80 is not \[ADDRESS:\]HOST:GUEST/],
  ['a port of 0', { publish: ['0:80'] }, /--publish 0:80 is not/],
  ['a port above 65535', { publish: ['80:65536'] }, /--publish/],
  ['a protocol of its own', { publish: ['80:80/sctp'] }, /--publish/],
  ['IPv6 without brackets', { publish: ['::1:80:80'] }, /--publish/],
  ['a name for an address', { publish: ['localhost:80:80'] }, /--publish/],
  ['ports without a gateway', { publish: ['80:80'], gateway: false }, /--publish needs the gateway/],
  ['ports on a link', { publish: ['80:80'], link: 'tap:t', ip: ['10.0.0.1/8'] }, /--publish needs the gateway/],
  ['a capture of no link', { pcap: 'file', gateway: false }, /--pcap captures a link, which --no-gateway leaves out/],
  ['an inline gateway and none', { inlineGateway: true, gateway: false }, /--inline-gateway needs the gateway/],
  ['an inline gateway on a link', { inlineGateway: true, link: 'fd:3', ip: ['10.0.0.1/8'] }, /--inline-gateway needs/],
  ['host ports on a link', { hostPort: ['80'], link: 'tap:t', ip: ['10.0.0.1/8'] }, /--host-port needs the gateway/],
  ['host ports without a gateway', { hostPort: ['80'], gateway: false }, /--host-port needs the gateway/],
  ['an address twice', { link: 'tap:t', ip: ['fd00::1/64', 'fd00:0::1/64'] }, /--ip names an address twice/],
  [
    'two routers of a family',
    { link: 'tap:t', ip: ['10.0.0.1/8'], gateway: ['10.0.0.2', '10.0.0.3'] },
    /--gateway names two routers of one family/,
  ],
  [
    'a router off the link',
    { link: 'tap:t', ip: ['10.0.0.1/24'], gateway: ['10.0.1.1'] },
    /--gateway is not within the prefix of any --ip/,
  ],
  ['a link without address', { link: 'tap:t' }, /--link and --ip go together/],
  ['an address without link', { ip: ['10.0.0.1/8'] }, /--link and --ip go together/],
  ['a router without link', { gateway: ['10.0.0.1'] }, /--gateway names a router behind --link/],
  ['a link and no gateway', { link: 'tap:t', ip: ['10.0.0.1/8'], gateway: false }, /--no-gateway do not go together/],
  ['no prefix length', { link: 'tap:t', ip: ['10.0.0.1'] }, /--ip 10.0.0.1 is not an address with its prefix length/],
  ['a prefix too long', { link: 'tap:t', ip: ['10.0.0.1/33'] }, /--ip/],
  ['another kind of link', { link: 'vde:x', ip: ['10.0.0.1/8'] }, /--link vde:x is neither tap:NAME nor fd:NUMBER/],
] as const) {
  test(`refused, with the option’s name: ${what}`, (t) => {
    const error = t.throws(() => parseRunOptions(options), { instanceOf: RunError });
    t.regex(error.message, expected);
    t.is(error.exitStatus, 125);
  });
}
