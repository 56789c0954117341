/**
 * The peer of the scripts in this folder: servers on the host's loopback, each on one port for 127.0.0.1 and ::1.
 *
 *   http, https  GET /bytes/N streams N octets (the key stream of AES-128-CTR, key 0, counter block 0), GET /meet/K/N answers with N octets only when K such requests
 *                are waiting, POST or PUT /sum answers with the SHA-256 of what was sent, /hello answers with the client's family
 *   echo         TCP: sends back what it gets, and its FIN after the client's
 *   udp          sends back each datagram
 *   refused      a port where nobody listens
 *
 * server.mjs DIRECTORY KEYS: writes `name=port` lines to DIRECTORY/ports when all are up. Ends with its standard input.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';

const [directory, keys] = process.argv.slice(2);
const CHUNK = Buffer.alloc(65536);

function* octets(count) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  for (let left = count; left > 0; left -= CHUNK.length)
    yield cipher.update(CHUNK.subarray(0, Math.min(left, CHUNK.length)));
}

const stream = (response, count) => {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': count });
  Readable.from(octets(count), { objectMode: false, highWaterMark: 1 << 20 }).pipe(response);
};

let waiting = [];
function answer(request, response) {
  const [, what, ...numbers] = request.url.split('/');
  if (what === 'bytes') stream(response, Number(numbers[0]));
  else if (what === 'meet') {
    waiting.push(response);
    if (waiting.length < Number(numbers[0])) return;
    for (const each of waiting) stream(each, Number(numbers[1]));
    waiting = [];
  } else if (what === 'sum') {
    const hash = createHash('sha256');
    request.on('data', (data) => hash.update(data)).on('end', () => response.end(`${hash.digest('hex')}\n`));
  } else if (what === 'hello') response.end(`hello over ${request.socket.remoteFamily}\n`);
  else response.writeHead(404).end('no such thing\n');
}

const listening = (server, port, address) =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    if (typeof server.listen === 'function') server.listen(port, address, () => resolve(server.address().port));
    else server.bind(port, address, () => resolve(server.address().port));
  });

/** One port number for both families: taken from IPv4, and another tried where IPv6 has it in use. */
async function both(make) {
  for (let attempt = 1; ; attempt++) {
    const [first, second] = [make('udp4'), make('udp6')];
    const port = await listening(first, 0, '127.0.0.1');
    try {
      await listening(second, port, '::1');
      return { port, close: () => [first, second].forEach((server) => server.close()) };
    } catch (error) {
      first.close();
      if (error.code !== 'EADDRINUSE' || attempt === 20) throw error;
    }
  }
}

const echo = (socket) => socket.on('error', () => socket.destroy()).pipe(socket);
const udp = (type) => {
  const socket = createSocket(type);
  return socket.on('message', (data, from) => socket.send(data, from.port, from.address));
};
const identity = { key: readFileSync(join(keys, 'k.pem')), cert: readFileSync(join(keys, 'c.pem')) };
const up = {
  http: await both(() => createHttp(answer)),
  https: await both(() => createHttps(identity, answer)),
  echo: await both(() => createTcp({ allowHalfOpen: true }, echo)),
  udp: await both(udp),
};
const refused = await both(() => createTcp());
refused.close();

const lines = [...Object.entries(up).map(([name, { port }]) => `${name}=${port}\n`), `refused=${refused.port}\n`];
writeFileSync(join(directory, 'ports.new'), lines.join(''));
renameSync(join(directory, 'ports.new'), join(directory, 'ports'));
process.stdin.resume().on('end', () => process.exit(0));
