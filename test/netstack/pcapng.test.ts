/** Captures: read back by a small parser here, and by tcpdump and tshark where they are installed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { LinkPair } from '../../src/netstack/link/pair.ts';
import { type CaptureOptions, CapturingLink } from '../../src/netstack/link/pcapng.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { Stack } from '../../src/netstack/stack.ts';
import { command, needing } from '../support/needs.ts';
import { ip, SMALL_POOL } from '../support/stacks.ts';

/** 2026-11-20 08:00:00.123456 UTC. */
const NOW_US = 1_795_161_600_123_456;

interface Block {
  readonly type: number;
  readonly body: DataView;
}
function blocksOf(octets: Uint8Array): Block[] {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const out: Block[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = view.getUint32(at + 4, true);
    if (length % 4 !== 0 || view.getUint32(at + length - 4, true) !== length) throw new Error(`block at ${at}`);
    out.push({
      type: view.getUint32(at, true),
      body: new DataView(octets.buffer, octets.byteOffset + at + 8, length - 12),
    });
    at += length;
  }
  return out;
}
function options(body: DataView, from: number): Map<number, Buffer> {
  const out = new Map<number, Buffer>();
  for (let at = from; at + 4 <= body.byteLength; ) {
    const [code, length] = [body.getUint16(at, true), body.getUint16(at + 2, true)];
    if (code === 0) break;
    out.set(code, Buffer.from(body.buffer, body.byteOffset + at + 4, length));
    at += 4 + ((length + 3) & ~3);
  }
  return out;
}
interface Frame {
  readonly ns: bigint;
  readonly kept: number;
  readonly length: number;
  readonly direction: number | undefined;
  readonly comment: string | undefined;
}
function frames(octets: Uint8Array): Frame[] {
  return blocksOf(octets)
    .filter(({ type }) => type === 6)
    .map(({ body }) => {
      const kept = body.getUint32(12, true);
      const found = options(body, 20 + ((kept + 3) & ~3));
      return {
        ns: (BigInt(body.getUint32(4, true)) << 32n) | BigInt(body.getUint32(8, true)),
        kept,
        length: body.getUint32(16, true),
        direction: found.get(2)?.readUInt32LE(),
        comment: found.get(1)?.toString('latin1'),
      };
    });
}

/** Two stacks, the first behind a capture; a datagram goes there and one comes back. */
function captured(more: Partial<CaptureOptions> = {}, octets = 100): { file: Buffer; link: CapturingLink } {
  const clock = new TimerHeap();
  const stack = (seed: number) =>
    new Stack({ clock, random: new SeededRandom(seed), pool: new PacketPool(SMALL_POOL) });
  const [a, b] = [stack(1), stack(2)];
  const pair = new LinkPair();
  const pieces: Buffer[] = [];
  const link = new CapturingLink(pair.a, {
    sink: { write: (piece) => pieces.push(Buffer.from(piece)) > 0 },
    name: 'eth0',
    realtimeUs: () => NOW_US + clock.now(),
    describe: (socketId, callId) => `curl pid 7 fd 3 socket ${socketId} call ${callId}`,
    ...more,
  });
  a.addLink(link, { name: 'eth0', addresses: [{ address: ip('10.0.0.1'), prefix: 24 }] });
  b.addLink(pair.b, { name: 'eth0', addresses: [{ address: ip('10.0.0.2'), prefix: 24 }] });
  const settle = (): void => {
    for (let turn = 0; turn < 20; turn++) {
      a.step(clock.now());
      b.step(clock.now());
      pair.pump();
    }
  };
  const udp = b.createUdp(4);
  udp.bind(ip('10.0.0.2'), 7);
  const client = a.createUdp(4);
  const packet = client.prepare(ip('10.0.0.2'), 7, octets, undefined);
  if (typeof packet === 'string') throw new Error(packet);
  client.transmit(packet, 42);
  settle();
  const back = udp.prepare(ip('10.0.0.1'), client.localPort, 10, undefined);
  if (typeof back === 'string') throw new Error(back);
  udp.transmit(back, 1);
  settle();
  link.close();
  return { file: Buffer.concat(pieces), link };
}

test('a capture has its section, its interface, its frames and their statistics', (t) => {
  const { file, link } = captured();
  const blocks = blocksOf(file);
  t.deepEqual(
    blocks.map(({ type }) => type),
    [0x0a0d0d0a, 1, 6, 6, 6, 6, 5],
  );
  const idb = blocks[1]?.body as DataView;
  t.is(idb.getUint16(0, true), 1);
  const found = options(idb, 8);
  t.is(found.get(2)?.toString(), 'eth0');
  t.is(found.get(6)?.length, 6);
  t.is(found.get(9)?.[0], 9);
  const isb = options(blocks.at(-1)?.body as DataView, 12);
  t.is(isb.get(6)?.readBigUInt64LE(), 4n);
  t.is(isb.get(5)?.readBigUInt64LE(), 0n);
  t.is(link.captured, 4);
});

test('frames have their time, their direction and who caused them', (t) => {
  const list = frames(captured().file);
  // ARP request and reply, the datagram, the answer.
  t.deepEqual(
    list.map(({ direction }) => direction),
    [2, 1, 2, 1],
  );
  t.deepEqual(
    list.map(({ comment }) => comment),
    [undefined, undefined, 'curl pid 7 fd 3 socket 1 call 42', undefined],
  );
  t.is(list[2]?.length, 142);
  t.true(list.every(({ ns }) => ns === BigInt(NOW_US) * 1000n));
});

test('a frame is cut at the snap length, and its own length is told', (t) => {
  const list = frames(captured({ snapLength: 33 }).file);
  t.deepEqual([list[2]?.kept, list[2]?.length], [33, 142]);
});

test('what the sink does not take is counted', (t) => {
  const { link } = captured({ sink: { write: () => false } });
  t.deepEqual([link.captured, link.dropped], [0, 4]);
});

test('a comment is cut and stays printable', (t) => {
  const list = frames(captured({ describe: () => `é\n${'x'.repeat(5000)}` }).file);
  t.is(list[2]?.comment, `??${'x'.repeat(254)}`);
});

const reads = (program: string, args: (file: string) => readonly string[], expected: readonly RegExp[]) =>
  needing(command(program))(`${program} reads it`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'sandsock-'));
    try {
      const name = join(folder, 'out.pcapng');
      writeFileSync(name, captured().file);
      const { status, stdout, stderr } = spawnSync(program, args(name), { encoding: 'utf8' });
      t.is(status, 0, stderr);
      for (const pattern of expected) t.regex(stdout, pattern);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
reads('tcpdump', (file) => ['-nr', file, '--nano', '-tt'], [
  /1795161600\.123456000 .*10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.7: UDP, length 100/,
]);
reads(
  'tshark',
  (file) => [
    '-r',
    file,
    '-T',
    'fields',
    '-e',
    'frame.comment',
    '-e',
    'frame.packet_flags_direction',
    '-e',
    'frame.interface_name',
    '-e',
    'udp.length',
  ],
  [/curl pid 7 fd 3 socket 1 call 42\t\S*2\teth0\t108/],
);
