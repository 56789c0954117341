/** Interfaces by ioctl over a stack with an Ethernet interface; loopback alone is compared with Linux by the conformance bodies. */
import test from 'ava';
import * as c from '../../src/abi/index.ts';
import { changesDevices, Devices, isDeviceRequest, isDriverRequest, needsPackage } from '../../src/socket/devices.ts';
import { ip, World } from '../support/stacks.ts';

const world = new World();
const devices = new Devices(world.a);
const eth = world.a.interfaces[1];
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1').replace(/\0.*$/s, '');
function ask(request: number, name: string, domain: number = c.AF_INET): Buffer | number {
  const buffer = Buffer.alloc(40, 0xee);
  buffer.write(`${name}\0`, 'latin1');
  const result = devices.request(domain, request, buffer);
  return result === 0 ? buffer.subarray(16) : result;
}
const hex = (value: Buffer | number, octets: number): string | number =>
  typeof value === 'number' ? value : value.subarray(0, octets).toString('hex');

test('the facts of an Ethernet interface', (t) => {
  t.is(hex(ask(c.SIOCGIFADDR, 'eth0'), 16), '020000000a0000010000000000000000');
  t.is(hex(ask(c.SIOCGIFNETMASK, 'eth0'), 8), '02000000ffffff00');
  t.is(hex(ask(c.SIOCGIFBRDADDR, 'eth0'), 8), '020000000a0000ff');
  t.is(hex(ask(c.SIOCGIFDSTADDR, 'eth0'), 8), '020000000a000001');
  t.is(hex(ask(c.SIOCGIFINDEX, 'eth0'), 4), '02000000');
  t.is(hex(ask(c.SIOCGIFFLAGS, 'eth0'), 2), '4310');
  const mac = Buffer.from(eth?.linkAddress ?? []).toString('hex');
  t.is(hex(ask(c.SIOCGIFHWADDR, 'eth0'), 10), `0100${mac}eeee`);
  const mtu = ask(c.SIOCGIFMTU, 'eth0');
  t.is(typeof mtu === 'number' ? mtu : mtu.readInt32LE(), eth?.mtu ?? 0);
  t.is(ask(c.SIOCGIFADDR, 'eth0', c.AF_UNIX), -c.Errno.ENOTTY);
});

test('the list has one entry for each IPv4 address', (t) => {
  const list = devices.list();
  t.is(list.length, 80);
  t.is(text(list.subarray(40, 56)), 'eth0');
  t.is(Buffer.from(list.subarray(56, 64)).toString('hex'), '020000000a000001');
});

test('what would change an interface is EPERM', (t) => {
  for (const request of [c.SIOCSIFFLAGS, c.SIOCSIFMTU, c.SIOCSIFADDR, c.SIOCADDRT, c.SIOCSIFHWADDR]) {
    t.is(ask(request, 'eth0'), -c.Errno.EPERM);
    t.true(changesDevices(c.AF_INET, request));
  }
  t.true(changesDevices(c.AF_INET6, c.SIOCDIFADDR));
  t.is(ask(c.SIOCSIFADDR, 'eth0', c.AF_UNIX), -c.Errno.ENOTTY);
});

test('unknown requests and interfaces', (t) => {
  t.is(ask(0x8999, 'eth0'), -c.Errno.ENOTTY);
  t.is(ask(c.SIOCGIFMTU, 'eth7'), -c.Errno.ENODEV);
  t.is(ask(c.SIOCGIFADDR, 'eth0:1'), -c.Errno.EADDRNOTAVAIL);
  t.true(isDeviceRequest(c.AF_UNIX, c.SIOCGIFINDEX));
  t.false(isDeviceRequest(c.AF_UNIX, c.SIOCSPGRP));
});

test('SIOCGARP: the link address of a neighbour', (t) => {
  const here = new World();
  const udp = here.a.createUdp(4);
  const packet = udp.prepare(ip('10.0.0.2'), 9, 1, undefined);
  if (typeof packet === 'string') throw new Error(packet);
  udp.transmit(packet, 1);
  here.settle();
  const arp = (host: string, device: string, flags = 0, family: number = c.AF_INET): string | number => {
    const request = new Uint8Array(c.arpreq.size);
    c.u16.put(request, 0, family);
    request.set(host.split('.').map(Number), 4);
    c.i32.put(request, c.arpreq.offset.flags, flags);
    request.set(Buffer.from(device), c.arpreq.offset.dev);
    const result = new Devices(here.a).arp(request);
    const { ha, flags: told } = c.arpreq.decode(request);
    return result === 0 ? `${Buffer.from(ha).toString('hex')} ${told}` : result;
  };
  const mac = Buffer.from(here.b.interfaces[1]?.linkAddress ?? []).toString('hex');
  t.is(arp('10.0.0.2', 'eth0'), `0100${mac}${'00'.repeat(8)} ${c.ATF_COM}`);
  t.is(arp('10.0.0.3', 'eth0'), -c.Errno.ENXIO);
  t.is(arp('10.0.0.2', 'eth7'), -c.Errno.ENODEV);
  t.is(arp('10.0.0.2', 'eth0', c.ATF_NETMASK), -c.Errno.EINVAL);
  t.is(arp('10.0.0.2', 'eth0', 0, c.AF_INET6), -c.Errno.EPFNOSUPPORT);
});

test('requests of drivers, of bridges and VLANs', (t) => {
  for (const request of [c.SIOCGHWTSTAMP, c.SIOCWANDEV, c.SIOCBONDINFOQUERY, c.SIOCDEVPRIVATE + 15]) {
    t.true(isDriverRequest(request) && isDeviceRequest(c.AF_UNIX, request));
    t.is(ask(request, 'eth0'), -c.Errno.EOPNOTSUPP);
    t.is(ask(request, 'eth7'), -c.Errno.ENODEV);
  }
  t.false(isDriverRequest(c.SIOCDEVPRIVATE + 16));
  for (const request of [c.SIOCGIFBR, c.SIOCBRADDBR, c.SIOCSIFVLAN]) t.true(needsPackage(request));
  t.is(ask(c.SIOCGIFPFLAGS, 'eth0'), -c.Errno.EINVAL);
  t.is(ask(c.SIOCGIFPFLAGS, 'eth0', c.AF_INET6), -c.Errno.ENOTTY);
});

const named = (name: string): Buffer => Buffer.concat([Buffer.from(`${name}\0`), Buffer.alloc(40)], 40);
test('commands of ethtool that write are EPERM without CAP_NET_ADMIN', (t) => {
  const [driverInfo, setMessageLevel] = [0x03, 0x08];
  t.is(devices.ethtool(named('eth0'), driverInfo, false), -c.Errno.EOPNOTSUPP);
  t.is(devices.ethtool(named('eth0'), setMessageLevel, false), -c.Errno.EPERM);
  t.is(devices.ethtool(named('eth0'), setMessageLevel, true), -c.Errno.EOPNOTSUPP);
  t.is(devices.ethtool(named('nope'), setMessageLevel, false), -c.Errno.ENODEV);
});
