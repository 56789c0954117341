/** Runs in a network namespace that routes.test.ts makes: what is kept of the routing tables' answers when they change. */
import { execFileSync } from 'node:child_process';
import { RoutingTable } from '../../src/host/routes.ffi.ts';
import { IpAddress } from '../../src/netstack/address.ts';

const table = new RoutingTable();
const asked = ['198.51.100.1', '2001:db8:7::1'].map((text) => IpAddress.of(text));
const answers: (readonly [string, boolean[], number])[] = [];
const note = (change: string): void => {
  if (change !== '') execFileSync('ip', change.split(' '));
  const before = table.asked;
  const local = [...asked, ...asked].map((address) => table.isLocal(address));
  answers.push([change, local, table.asked - before]);
};
for (const change of [
  '',
  '',
  'addr add 198.51.100.1/32 dev lo',
  'addr del 198.51.100.1/32 dev lo',
  '-6 addr add 2001:db8:7::1/128 dev lo nodad',
  '-6 addr del 2001:db8:7::1/128 dev lo',
  'route add local 198.51.100.0/24 dev lo',
  'route del local 198.51.100.0/24 dev lo',
  '-6 route add local 2001:db8:7::/48 dev lo',
  '-6 route del local 2001:db8:7::/48 dev lo',
  'rule add to 198.51.100.1 lookup local',
  '-6 rule add to 2001:db8:7::1 lookup local',
  'link set lo down',
]) {
  note(change);
}
table.close();
process.stdout.write(JSON.stringify(answers));
