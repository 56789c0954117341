/** Runs in a network namespace that routes.test.ts makes: what the routing tables say of the addresses of its arguments, asked by nobody in particular. */
import { RoutingTable } from '../../src/host/routes.ffi.ts';
import { IpAddress } from '../../src/netstack/address.ts';

process.setgid?.(65_534);
process.setuid?.(65_534);
const table = new RoutingTable();
const answers = process.argv.slice(2).map((text) => [text, table.isLocal(IpAddress.of(text))]);
table.close();
process.stdout.write(JSON.stringify(Object.fromEntries(answers)));
