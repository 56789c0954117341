/** The gateway in the sentry's own loop does what the one in a process of its own does: octets both ways, endings, refusals, published ports, captures. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { needingInTurn } from '../support/needs.ts';
import { PLANES, python, python3, Running, type RunSettings, sandbox } from './sandbox.ts';

const guest = needingInTurn(sandbox, python3);
const MEGABYTES = 8;

const digest = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');
async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  server.close();
  await once(server, 'close');
  return port;
}
const inline = (...options: readonly string[]): RunSettings => ({ options: ['--inline-gateway', ...options] });

interface Report {
  readonly frames: { readonly fromGuest: number; readonly toGuest: number; readonly dropped: number };
  readonly flows: { readonly tcp: number; readonly udp: number };
}

for (const plane of PLANES) {
  guest(`octets both ways and the ends of both streams arrive, and the summary tells of them (${plane})`, async (t) => {
    const sent = randomBytes(MEGABYTES << 20);
    let received = '';
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const hash = createHash('sha256');
      socket.on('data', (octets) => hash.update(octets));
      socket.on('end', () => {
        received = hash.digest('hex');
        socket.end(sent);
      });
    });
    const port = await listening(server);
    const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
    const [summary, capture] = [join(directory, 'summary.json'), join(directory, 'capture.pcapng')];
    const { status, stdout, stderr } = await python(
      `
import hashlib, os, socket, sys
for host in '10.0.2.2', 'fd00::2':
    s = socket.create_connection((host, ${port})); data = os.urandom(${MEGABYTES} << 20); s.sendall(data); s.shutdown(1)
    got = hashlib.sha256()
    while b := s.recv(1 << 17): got.update(b)
    print(hashlib.sha256(data).hexdigest(), got.hexdigest())
`,
      [],
      inline('--plane', plane, '--host-port', `${port}`, `--json=${summary}`, '--pcap', capture),
    );
    server.close();
    t.is(status, 0, stderr);
    const lines = stdout.trim().split('\n');
    t.is(lines.length, 2);
    t.is(lines[1], `${received} ${digest(sent)}`);
    t.true(lines[0]?.endsWith(digest(sent)));
    const report = JSON.parse(readFileSync(summary, 'utf8')) as Report;
    t.is(report.flows.tcp, 2);
    t.is(report.frames.dropped, 0);
    t.true(report.frames.fromGuest > 2 && report.frames.toGuest > 2);
    t.true(statSync(capture).size > MEGABYTES << 22);
    rmSync(directory, { recursive: true });
  });

  guest(`published ports lead into the guest, and a taken one is told before it starts (${plane})`, async (t) => {
    const port = await freePort();
    const settings = inline('--plane', plane, '-p', `127.0.0.1:${port}:7000`, '-p', `127.0.0.1:${port}:7001/udp`);
    const running = new Running(
      [
        'python3',
        '-c',
        `
import socket, threading
l = socket.create_server(('', 7000)); u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('', 7001)); print('listening', flush=True)
def datagrams():
    b, a = u.recvfrom(2000); u.sendto(b[::-1], a)
threading.Thread(target=datagrams).start()
c, a = l.accept(); assert a[0] == '10.0.2.2', a
while b := c.recv(1 << 16): c.sendall(b)
`,
      ],
      settings,
    );
    await running.says('listening');
    const taken = await new Running(['true'], settings).end();
    t.is(taken.status, 125);
    t.regex(taken.stderr, new RegExp(`port ${port}/tcp of 127.0.0.1 cannot be published, it is taken`));
    const datagrams = createSocket('udp4');
    datagrams.send('abc', port, '127.0.0.1');
    const [answer] = (await once(datagrams, 'message')) as [Buffer];
    t.is(answer.toString(), 'cba');
    datagrams.close();
    const sent = randomBytes(1 << 20);
    const client = connect(port, '127.0.0.1');
    client.end(sent);
    t.is(digest(await buffer(client)), digest(sent));
    t.like(await running.end(), { status: 0, stderr: '' });
    t.deepEqual(await running.gone(), []);
  });
}

guest(
  'a closed port refuses, an unreachable one says so by datagram, and the guest holds no descriptor of the host',
  async (t) => {
    const port = await freePort();
    const { status, stdout, stderr } = await python(
      `
import os, socket
try: socket.create_connection(('10.0.2.2', ${port}))
except ConnectionRefusedError: print('refused')
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(('10.0.2.2', ${port})); u.settimeout(10); u.send(b'x')
try: u.recv(10)
except ConnectionRefusedError: print('refused')
print(sorted(os.listdir('/proc/self/fd'), key=int)[:6])
`,
      [],
      inline('--plane', 'strict', '--host-port', `${port}`),
    );
    t.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    t.deepEqual(stdout.trim().split('\n'), ['refused', 'refused', "['0', '1', '2', '3', '4']"]);
  },
);

guest('what a guest sent before it ended arrives, however slowly the host reads', async (t) => {
  const octets = 6 << 20;
  const server = createServer({ pauseOnConnect: true });
  const port = await listening(server);
  const whole = once(server, 'connection').then(async (args) => {
    const [socket] = args as [Socket];
    await delay(500);
    return (await buffer(socket)).length;
  });
  const { status } = await python(
    `
import socket
s = socket.create_connection(('10.0.2.2', ${port})); s.sendall(bytes(${octets}))
`,
    [],
    inline('--plane', 'direct', '--host-port', `${port}`),
  );
  t.is(status, 0);
  t.is(await whole, octets);
  server.close();
});
