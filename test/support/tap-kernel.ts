/**
 * Run as a program in an empty network namespace (`unshare -n`): our stack on one side of a tap, the kernel's on the other. The kernel's client sends a
 * stream and receives one, over IPv4 and IPv6, and has a datagram returned that may need fragments. Prints what it saw as JSON.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { HostRandom, monotonic } from '../../src/host/clock.ts';
import { TapFrameIo } from '../../src/host/fd-frame-io.ffi.ts';
import { openTap } from '../../src/host/tap.ffi.ts';
import { TimerHeap } from '../../src/lib/clock.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import type { TcpEndpoint } from '../../src/netstack/endpoint.ts';
import { FramedLink } from '../../src/netstack/link/framed.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { Stack } from '../../src/netstack/stack.ts';

const mtu = Number(process.argv[2]);
const octets = Number(process.argv[3]);
const [FROM_KERNEL, FROM_US] = [7, 9];

const pool = new PacketPool();
const stack = new Stack({ clock: new TimerHeap(monotonic()), random: new HostRandom(), pool });
const io = new TapFrameIo(openTap('tap0'), pool);
const link = new FramedLink({ io, pool, linkAddress: Uint8Array.of(2, 9, 0, 0, 0, 2), mtu });
const own = { 4: '10.9.0.2', 6: 'fd09::2' } as const;
stack.addLink(link, {
  name: 'eth0',
  addresses: [
    { address: IpAddress.of(own[4]), prefix: 24 },
    { address: IpAddress.of(own[6]), prefix: 64 },
  ],
});
for (const command of [
  'addr add 10.9.0.1/24 dev tap0',
  'addr add fd09::1/64 dev tap0 nodad',
  `link set tap0 mtu ${mtu} up`,
]) {
  execFileSync('ip', command.split(' '));
}

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    // oxlint-disable-next-line no-restricted-globals -- this program is a driver of the real loop
    setImmediate(resolve);
  });
/** Turns until the child has ended and, what its kernel still sends for it, `work` has no more to wait for. */
async function whileRunning(child: ChildProcess, work: () => boolean): Promise<number> {
  let waiting = true;
  while (waiting || (child.exitCode === null && child.signalCode === null)) {
    link.poll(256);
    link.writable();
    stack.step(monotonic());
    waiting = work();
    await nextTurn();
  }
  return child.exitCode ?? -1;
}

const CLIENT = `
const [host, octets] = [process.argv[1], Number(process.argv[2])];
const socket = require('node:net').connect(80, host);
let got = 0, wrong = 0;
socket.on('connect', () => socket.end(Buffer.alloc(octets, ${FROM_KERNEL})));
socket.on('data', (d) => { got += d.length; for (const x of d) if (x !== ${FROM_US}) wrong++; });
let open = 2; // it ends when both directions have: 'end' alone leaves what is not yet written unsent
const done = () => --open === 0 && process.exit(got === octets && wrong === 0 ? 0 : 1);
socket.on('end', done).on('finish', done);
socket.on('error', () => process.exit(2));`;

async function exchange(family: 4 | 6) {
  const listener = stack.createTcp(family);
  listener.settings.v6Only = family === 6;
  listener.bind(family === 4 ? IpAddress.ANY4 : IpAddress.ANY6, 80);
  listener.listen(1);
  const fill = new Uint8Array(65_536).fill(FROM_US);
  let connection: TcpEndpoint | undefined;
  let [received, wrong, sent] = [0, 0, 0];
  const work = (): boolean => {
    if (connection === undefined) {
      connection = listener.acceptPeek();
      if (connection === undefined) return false;
      listener.acceptCommit();
    }
    const c = connection;
    const n = c.receivable;
    for (let i = 0; i < n; i++) if (c.receiveRing.bytes[c.receiveRing.index(i)] !== FROM_KERNEL) wrong++;
    if (n > 0) c.consume(n);
    received += n;
    const room = Math.min(c.sendSpace(), fill.length, octets - sent);
    if (room > 0) {
      c.sendRing.write(c.sendRing.length, fill, 0, room);
      c.commitSend(room, 1, false, false);
      sent += room;
      if (sent === octets) c.shutdown(2);
    }
    return !c.receiveEnded && c.error === undefined;
  };
  const client = spawn(process.execPath, ['-e', CLIENT, own[family], String(octets)], { stdio: 'inherit' });
  const status = await whileRunning(client, work);
  connection?.close();
  listener.close();
  return { family, status, received, wrong, sent };
}

const streams = [await exchange(4), await exchange(6)];

const ASKER = `
const [host, type] = process.argv.slice(1);
const socket = require('node:dgram').createSocket(type);
const octets = Buffer.from(Array.from({ length: 3000 }, (_, i) => i * 7));
socket.on('message', (answer) => process.exit(answer.equals(octets) ? 0 : 1));
socket.send(octets, 7, host);`;
const echoes: number[] = [];
for (const family of [4, 6] as const) {
  const socket = stack.createUdp(family);
  socket.bind(IpAddress.of(own[family]), 7);
  const work = (): boolean => {
    const d = socket.peek(0);
    if (d === undefined) return false;
    const { packet, source, sourcePort } = d;
    const answer = socket.prepare(source, sourcePort, packet.length, undefined);
    if (typeof answer === 'string') throw new Error(answer);
    answer.bytes.set(packet.bytes.subarray(packet.at, packet.end), answer.at);
    socket.transmit(answer, 0);
    socket.consume(1);
    return false;
  };
  const asker = spawn(process.execPath, ['-e', ASKER, own[family], `udp${family}`], { stdio: 'inherit' });
  echoes.push(await whileRunning(asker, work));
  socket.close();
}
const { Tcp, Ip, Ip6 } = stack.stats;
const { rxErrors, rxFrames, txFrames } = link.counters;
process.stdout.write(
  JSON.stringify({
    streams,
    echoes,
    rxErrors,
    rxFrames,
    txFrames,
    Tcp,
    csumErrors: Tcp.InCsumErrors,
    reassembled: [Ip.ReasmOKs, Ip6.ReasmOKs],
  }),
);
process.exit(0);
