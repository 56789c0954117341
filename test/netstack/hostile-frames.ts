/** Frames from a hostile link, made of real traffic, and the stack that they are for. */
import { seconds } from '../../src/lib/clock.ts';
import { checksum, frame, icmpMessage, ip, octetsOf, packet4, packet6, World } from '../support/stacks.ts';

/** Real traffic of every kind between two stacks, as seen on the link, to be changed and replayed. */
export function corpus(): Uint8Array[] {
  const w = new World();
  const frames: Uint8Array[] = [];
  w.pair.a.tap = (p) => frames.push(octetsOf(p)) > 0;
  for (const [family, any, to] of [
    [4, '0.0.0.0', '10.0.0.2'],
    [6, '::', 'fd00::2'],
  ] as const) {
    const listener = w.b.createTcp(family);
    listener.bind(ip(any), 80);
    listener.listen(8);
    const client = w.a.createTcp(family);
    client.connect(ip(to), 80);
    w.settle();
    const len = Math.min(4000, client.sendSpace());
    client.commitSend(len, 1, false, false);
    w.settle();
    client.close();
    w.run(seconds(1));
    const e = w.a.createUdp(family);
    for (const size of [0, 100, 3000]) {
      const packet = e.prepare(ip(to), 53, size, undefined);
      if (typeof packet !== 'string') e.transmit(packet, 0);
    }
    w.settle();
  }
  const quote = packet4({ protocol: 6, src: '10.0.0.2', dst: '10.0.0.1' }, [0, 80, 1, 2, 0, 0, 0, 0]);
  const v6 = { src: 'fd00::1', dst: 'fd00::2' };
  const quote6 = packet6({ next: 17, src: 'fd00::2', dst: 'fd00::1' }, [0, 53, 1, 2, 0, 9, 0, 0, 1]);
  frames.push(
    frame(0x0800, packet4({ protocol: 1 }, icmpMessage([3, 4, 0, 0, 0, 0, 2, 0, ...quote]))),
    frame(0x86dd, packet6({ next: 58 }, icmpMessage([2, 0, 0, 0, 0, 0, 2, 0, ...quote6], v6))),
    frame(
      0x86dd,
      packet6(
        { next: 0 },
        [60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 9, 0, 53, 0, 53, 0, 8, 1, 2],
      ),
    ),
  );
  return frames;
}
export interface Change {
  readonly at: number;
  readonly to: number;
}
export function change(seed: Uint8Array, changes: readonly Change[], cut: number | null, reseal: boolean): Uint8Array {
  const octets = seed.slice(0, cut ?? seed.length);
  // Not the destination station: the frame should come further than the filter.
  for (const { at, to } of changes) if (at >= 6 && at < octets.length) octets[at] = to;
  const header = ((octets[14] ?? 0) & 15) * 4;
  if (reseal && octets[12] === 8 && octets[13] === 0 && header >= 20 && octets.length >= 14 + header) {
    octets[24] = octets[25] = 0;
    const sum = checksum(octets.subarray(14, 14 + header));
    octets[24] = sum >>> 8;
    octets[25] = sum;
  }
  return octets;
}

/** Host b with sockets of every kind and a connection under way. */
export function target(): World {
  const w = new World();
  for (const [family, any, to] of [
    [4, '0.0.0.0', '10.0.0.2'],
    [6, 'fd00::2', 'fd00::2'],
  ] as const) {
    const listener = w.b.createTcp(family);
    listener.bind(ip(any), 80);
    listener.listen(8);
    const socket = w.b.createUdp(family);
    socket.bind(ip(any), 53);
    socket.settings.receiveErrors = socket.settings.receiveErrors6 = true;
    socket.settings.receiveExtensions = socket.settings.receiveExtensions6 = true;
    const client = w.a.createTcp(family);
    client.connect(ip(to), 80);
  }
  w.settle();
  return w;
}

export function stillWorks(w: World): boolean {
  w.pair.a.tap = w.pair.b.tap = undefined;
  w.run(seconds(200));
  const [server, client] = [w.b.createUdp(4), w.a.createUdp(4)];
  if (server.bind(ip('10.0.0.2'), 5353) !== undefined) return false;
  const packet = client.prepare(ip('10.0.0.2'), 5353, 3, undefined);
  if (typeof packet === 'string') return false;
  client.transmit(packet, 0);
  // A poisoned neighbour entry is found out by probing.
  w.run(seconds(20));
  const again = client.prepare(ip('10.0.0.2'), 5353, 3, undefined);
  if (typeof again === 'string') return false;
  client.transmit(again, 0);
  w.run(seconds(5));
  const ok = server.queued > 0;
  server.close();
  client.close();
  return ok;
}
