/**
 * A web server and its client, two programs of their own in one sandbox: they reach each other over the sandbox's network, and nothing of it exists on the host.
 *
 *   npm run build && node build/examples/sandbox.js
 */
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { Sandbox } from 'sandsock';

const SERVER = `
require('node:http').createServer((request, response) => response.end('hello, ' + request.url.slice(1) + '\\n'))
  .listen(8080, '127.0.0.1', () => console.log('listening'));
`;
const CLIENT = "fetch('http://127.0.0.1:8080/client').then((r) => r.text()).then((t) => process.stdout.write(t))";

await using sandbox = await Sandbox.create({ gateway: false });
sandbox.on('warning', (warning) => process.stderr.write(`${warning}\n`));

const server = sandbox.spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
if (server.stdout !== null) await once(server.stdout, 'data'); // it listens

const client = sandbox.spawn(process.execPath, ['-e', CLIENT], { stdio: ['ignore', 'pipe', 'inherit'] });
const answer = client.stdout === null ? '' : await text(client.stdout);
process.stdout.write(`the client ended with ${await client.exited} and had read: ${answer}`);

server.kill();
process.stdout.write(`the server ended with ${await server.exited}\n`);
