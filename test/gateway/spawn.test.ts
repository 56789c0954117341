/** The gateway as its own process, with the guest's real stack at our end of the link. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { ConfigError, type GatewayConfig } from '../../src/gateway/config.ts';
import type { Counters, MessageFromGateway } from '../../src/gateway/messages.ts';
import { type GatewayProcess, spawnGateway } from '../../src/gateway/spawn.ts';
import { monotonic } from '../../src/host/clock.ts';
import { BundleSocketIo } from '../../src/host/fd-frame-io.ffi.ts';
import { close } from '../../src/host/libc.ffi.ts';
import { TimerHeap } from '../../src/lib/clock.ts';
import type { IpAddress } from '../../src/netstack/address.ts';
import { FramedLink } from '../../src/netstack/link/framed.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { Guest, type GuestStream } from './guest.ts';
import { collect, pattern, tcpServer } from './servers.ts';
import { GATEWAY4, GUEST_MAC, GUEST4 } from './support.ts';

class World {
  readonly process: GatewayProcess;
  readonly link: FramedLink;
  readonly guest: Guest;
  readonly messages: MessageFromGateway[] = [];
  readonly streams: GuestStream[] = [];
  readonly #clock = new TimerHeap(monotonic());
  #open = true;

  constructor(config: GatewayConfig = {}) {
    this.process = spawnGateway(config);
    const pool = new PacketPool({ large: 64, small: 512 });
    const io = new BundleSocketIo(this.process.linkFd, pool);
    this.link = new FramedLink({ io, pool, linkAddress: GUEST_MAC, mtu: 65_520 });
    this.guest = new Guest(this.#clock, pool, this.link);
    this.process.control.receiver = (message) => this.messages.push(message);
  }
  connect(address: IpAddress, port: number): GuestStream {
    const stream = this.guest.tcp(address, port);
    this.streams.push(stream);
    return stream;
  }
  turn(): void {
    this.#clock.step(monotonic());
    if (this.link.isBlocked) this.link.writable();
    this.link.poll();
    this.process.control.poll();
    for (const stream of this.streams) stream.pump();
    this.guest.stack.step();
    this.link.flush();
  }
  async until<T>(what: string, found: () => T | undefined | false, timeoutMs = 10_000): Promise<T> {
    const end = monotonic() + timeoutMs * 1000;
    for (;;) {
      this.turn();
      const value = found();
      if (value !== undefined && value !== false) return value;
      if (monotonic() > end) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
      await sleep(1);
    }
  }
  message<K extends MessageFromGateway['type']>(type: K): Promise<Extract<MessageFromGateway, { type: K }>> {
    return this.until(`a message "${type}"`, () =>
      this.messages.find((m): m is Extract<MessageFromGateway, { type: K }> => m.type === type),
    );
  }
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.process.control.send({ type: 'end' });
    close(this.process.linkFd);
    close(this.process.controlFd);
  }
}

test('it starts, moves octets both ways, knows who caused a flow, counts, and ends with the link', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const ready = await world.message('ready');
  t.is(ready.pid, world.process.pid);
  const stream = world.connect(GATEWAY4, server.port);
  const owner = { pid: 42, tid: 43, fd: 5, socketId: 9, callId: 77, command: 'curl' };
  const ends = {
    local: { address: GUEST4.toString(), port: stream.endpoint.localPort },
    remote: { address: GATEWAY4.toString(), port: server.port },
  };
  world.process.control.send({ type: 'flow', protocol: 'tcp', ...ends, ...owner });
  await world.until('the connection', () => stream.connected && server.sockets.length === 1);
  const host = server.sockets[0] as NonNullable<(typeof server.sockets)[0]>;
  const got = collect(host);
  const up = pattern(3_000_000, 1);
  const down = pattern(3_000_000, 2);
  stream.send(up);
  stream.end();
  host.end(down);
  await world.until('both ends', () => stream.ended && got.ended);
  t.true(got.octets.equals(up));
  t.true(stream.octets.equals(down));
  t.like(await world.message('flow-opened'), { ...ends, protocol: 'tcp' });
  t.like(await world.message('flow-closed'), {
    ...ends,
    owner,
    reason: 'closed',
    octets: { fromGuest: 3e6, toGuest: 3e6 },
  });
  world.process.control.send({ type: 'stats' });
  const counters: Counters = await world.message('counters');
  t.like(counters.flows, { tcp: 1, tcpOpen: 0 });
  t.true(counters.frames.fromGuest > 40 && counters.octets.toGuest > 3e6);
  world.close();
  t.deepEqual(await world.process.exited, { code: 0, signal: null });
});

test('its descriptors are the two channels, and nothing of ours', async (t) => {
  const world = new World();
  t.teardown(() => world.close());
  await world.message('ready');
  const { pid } = world.process;
  for (const fd of [3, 4]) t.regex(readlinkSync(`/proc/${pid}/fd/${fd}`), /^socket:/);
  t.is(readlinkSync(`/proc/${pid}/fd/0`), '/dev/null');
  // A session of its own: the terminal's signals are for the guest.
  const session = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3]);
  t.is(session, pid);
});

test('it ends when only the control channel closes', async (t) => {
  const world = new World();
  await world.message('ready');
  close(world.process.controlFd);
  t.deepEqual(await world.process.exited, { code: 0, signal: null });
  close(world.process.linkFd);
});

test('it ends, with RST to the host, when its sentry is killed', async (t) => {
  const server = await tcpServer();
  t.teardown(() => server.close());
  const spawnModule = new URL('../../src/gateway/spawn.js', import.meta.url).href;
  const script = `
    const { spawnGateway } = await import(${JSON.stringify(spawnModule)});
    const gateway = spawnGateway({});
    process.stdout.write(String(gateway.pid));
    process.kill(process.pid, 'SIGKILL');`;
  const sentry = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.is(sentry.signal, 'SIGKILL');
  const pid = Number(sentry.stdout);
  t.true(pid > 1);
  for (let i = 0; i < 500 && isAlive(pid); i++) await sleep(10);
  t.false(isAlive(pid));
});

test('one that is stuck is ended by the kernel, soon after its sentry', async (t) => {
  const sockets = new URL('../../src/host/socket.ffi.js', import.meta.url).href;
  const stuck = `
    const { endAfterParent } = await import(${JSON.stringify(sockets)});
    endAfterParent();
    process.stdout.write(process.pid + '\\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
  const script = `
    import { spawn } from 'node:child_process';
    const argv = ['--input-type=module', '-e', ${JSON.stringify(stuck)}];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.on('data', (text) => process.stdout.write(text, () => process.kill(process.pid, 'SIGKILL')));`;
  const parent = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.is(parent.signal, 'SIGKILL', parent.stderr);
  const pid = Number(parent.stdout);
  t.true(isAlive(pid));
  for (let i = 0; i < 500 && isAlive(pid); i++) await sleep(10);
  t.false(isAlive(pid));
});

/** A process that exited but was not waited for counts as gone. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('a configuration that makes no sense is named, field by field', (t) => {
  const error = t.throws(() => spawnGateway({ mtu: 10, guest4: 'fd00::1' }), { instanceOf: ConfigError });
  t.regex(error.message, /mtu .*guest4 is not an IPv4 address|guest4 is not an IPv4 address.*mtu /);
});

test('malformed control messages are dropped', async (t) => {
  const world = new World();
  t.teardown(() => world.close());
  await world.message('ready');
  world.process.control.send({ type: 'flow' } as never);
  world.process.control.send('nonsense' as never);
  world.process.control.send({ type: 'stats' });
  const { events } = await world.message('counters');
  t.is(events['control-malformed'], 2);
});
