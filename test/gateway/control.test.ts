import test from 'ava';
import * as fc from 'fast-check';
import { ConfigError, parseConfig, resolveConfig } from '../../src/gateway/config.ts';
import { gatewayControl, type MessageTransport, sentryControl } from '../../src/gateway/control.ts';
import { GatewayCounters } from '../../src/gateway/counters.ts';
import { FlowLog } from '../../src/gateway/flow-log.ts';
import {
  type FlowMetadata,
  MESSAGE_LIMIT,
  type MessageFromGateway,
  type MessageToGateway,
  parseFromGateway,
  parseToGateway,
} from '../../src/gateway/messages.ts';
import { seqpacketPair } from '../../src/host/fd-frame-io.ffi.ts';
import { close } from '../../src/host/libc.ffi.ts';
import { MessageSocket } from '../../src/host/message-socket.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { dismiss } from '../../src/runner/gateway-process.ts';

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const announcement = (port: number): FlowMetadata => ({
  type: 'flow',
  protocol: 'tcp',
  local: { address: '10.0.2.15', port },
  remote: { address: '192.0.2.1', port: 80 },
  pid: 1,
  tid: 2,
  fd: 3,
  socketId: 4,
  callId: 5,
  command: 'curl',
});

const flow = (guestPort: number) => ({
  protocol: 'tcp' as const,
  origin: 'guest' as const,
  guestAddress: IpAddress.of('10.0.2.15'),
  guestPort,
  remoteAddress: IpAddress.of('192.0.2.1'),
  remotePort: 80,
});

/** Takes `room` messages, and more only when told to. */
class Narrow implements MessageTransport {
  room: number;
  readonly taken: string[] = [];
  constructor(room: number) {
    this.room = room;
  }
  receive(): 'empty' {
    return 'empty';
  }
  send(octets: Uint8Array): 'sent' | 'full' {
    if (this.taken.length >= this.room) return 'full';
    this.taken.push(new TextDecoder().decode(octets));
    return 'sent';
  }
}

test('a queue that is full loses records, and no word that must arrive', async (t) => {
  const transport = new Narrow(0);
  const control = sentryControl(transport);
  while (control.lost === 0) control.send(announcement(1));
  const { queued } = control;
  const dismissed = dismiss(control);
  t.is(control.queued, queued + 1);
  transport.room = Infinity;
  await dismissed;
  t.is(control.queued, 0);
  t.is(transport.taken.length, queued + 1);
  t.is(transport.taken.at(-1), '{"type":"end"}');
});

test('a side that takes nothing is waited for with a bound', async (t) => {
  const control = sentryControl(new Narrow(0));
  await dismiss(control);
  t.is(control.queued, 1);
});

test('without records nothing is sent, and refusals are counted all the same', (t) => {
  const counters = new GatewayCounters();
  const sent: unknown[] = [];
  const control = { malformed: 0, lost: 0, poll: () => t.fail(), send: (message: unknown) => sent.push(message) };
  const log = new FlowLog(counters, control, false);
  log.announce(announcement(1));
  t.is(log.takeOwner(flow(1)), undefined);
  log.refused(flow(2), 'loopback');
  t.deepEqual(sent, []);
  t.is(counters.refused['loopback'], 1);
  t.is(counters.events['flows-unannounced'], undefined);
});

test('the configuration has defaults for everything', (t) => {
  const config = parseConfig({});
  t.like(config, { guest4: '10.0.2.15', gateway6: 'fd00::2', mtu: 65_520, hostPorts: [], hostName: 'host.internal' });
  const settings = resolveConfig(config);
  t.is(settings.dns6.toString(), 'fd00::3');
  t.deepEqual(settings.gatewayMac, Uint8Array.of(0x52, 0x55, 0x0a, 0, 2, 2));
});

test('a wrong field is named with what is wrong', (t) => {
  for (const [config, pattern] of [
    [{ hostPorts: [0] }, /hostPorts\.0/],
    [{ hostPorts: [1.5] }, /hostPorts\.0/],
    [{ nameservers: ['example.org'] }, /nameservers\.0 is not an IP address/],
    [{ guest6: '10.0.2.15' }, /guest6 is not an IPv6 address/],
    [{ gatewayMac: '52:55' }, /gatewayMac is not a MAC address/],
    [{ hostName: 'has space' }, /hostName is not a host name/],
    [{ mtu: 100 }, /mtu/],
    [{ unknown: 1 }, /unknown/],
    [null, /configuration/],
  ] as const) {
    const error = t.throws(() => parseConfig(config), { instanceOf: ConfigError, code: 'ERR_GATEWAY_CONFIG' });
    t.regex(error.message, pattern);
  }
});

test('messages are checked both ways', (t) => {
  t.deepEqual(parseToGateway(encode(announcement(1))), announcement(1));
  t.deepEqual(parseToGateway(encode({ type: 'stats' })), { type: 'stats' });
  for (const wrong of [
    {},
    { type: 'ready', pid: 1 },
    { ...announcement(1), pid: 'one' },
    { ...announcement(1), more: true },
    { ...announcement(1), local: { address: 'x'.repeat(65), port: 1 } },
    { ...announcement(1), remote: { address: '::', port: 65_536 } },
    { ...announcement(1), command: 'x'.repeat(5000) },
  ]) {
    t.is(parseToGateway(encode(wrong)), undefined);
  }
  t.is(parseToGateway(Uint8Array.of(0xff, 0x7b)), undefined);
  t.deepEqual(parseFromGateway(encode({ type: 'ready', pid: 1 })), { type: 'ready', pid: 1 });
  t.deepEqual(parseFromGateway(encode(new GatewayCounters().message())), new GatewayCounters().message());
  t.is(parseFromGateway(encode({ type: 'stats' })), undefined);
});

test('no octets make the parsers throw', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.json().map((json) => new TextEncoder().encode(json)),
      ),
      (octets) => {
        return parseToGateway(octets) === undefined && parseFromGateway(octets) === undefined;
      },
    ),
    { seed: 11 },
  );
  t.pass();
});

test('whole messages cross a SEQPACKET pair; too long ones are lost and counted, the end is seen', (t) => {
  const pair = seqpacketPair();
  const [a, b] = pair.fds;
  const gateway = gatewayControl(new MessageSocket(a, MESSAGE_LIMIT));
  const raw = new MessageSocket(b, MESSAGE_LIMIT * 2);
  const got: MessageToGateway[] = [];
  gateway.receiver = (message) => got.push(message);
  t.is(raw.send(encode({ type: 'stats' })), 'sent');
  t.is(raw.send(new Uint8Array(MESSAGE_LIMIT + 1)), 'sent');
  t.is(raw.send(encode('nonsense')), 'sent');
  t.is(raw.send(encode(announcement(7))), 'sent');
  t.is(raw.send(new Uint8Array(0)), 'oversize');
  t.false(gateway.poll());
  t.deepEqual(got, [{ type: 'stats' }, announcement(7)]);
  t.is(gateway.malformed, 2);
  gateway.send({ type: 'ready', pid: 5 });
  t.deepEqual(parseFromGateway(raw.receive() as Uint8Array), { type: 'ready', pid: 5 });
  t.is(raw.receive(), 'empty');
  close(b);
  t.false(gateway.poll());
  t.true(gateway.closed);
  gateway.send({ type: 'ready', pid: 5 });
  close(a);
});

test('a reader who does not read costs records, not memory', (t) => {
  let room = 10;
  const sent: MessageFromGateway[] = [];
  const transport: MessageTransport = {
    receive: () => 'empty',
    send: (octets) => {
      if (room-- <= 0) return 'full';
      sent.push(JSON.parse(new TextDecoder().decode(octets)) as MessageFromGateway);
      return 'sent';
    },
  };
  const channel = gatewayControl(transport);
  for (let pid = 0; pid < 3000; pid++) channel.send({ type: 'ready', pid });
  t.is(sent.length, 10);
  t.is(channel.queued, 1024);
  t.is(channel.lost, 3000 - 10 - 1024);
  room = 1e6;
  channel.flush();
  t.is(channel.queued, 0);
  t.deepEqual(
    sent.map((m) => (m.type === 'ready' ? m.pid : -1)),
    Array.from({ length: 1034 }, (_, i) => i),
  );
});

test('announcements: taken once, the channel read again for a late one, the oldest forgotten', (t) => {
  const counters = new GatewayCounters();
  let late: FlowMetadata | undefined;
  const log: FlowLog = new FlowLog(counters, {
    malformed: 0,
    lost: 0,
    send: () => undefined,
    poll: () => {
      if (late !== undefined) log.announce(late);
      late = undefined;
    },
  });
  log.announce(announcement(1));
  t.like(log.takeOwner(flow(1)), { pid: 1, command: 'curl' });
  t.is(log.takeOwner(flow(1)), undefined);
  late = announcement(2);
  t.like(log.takeOwner(flow(2)), { callId: 5 });
  for (let port = 1000; port < 1000 + 1025; port++) log.announce(announcement(port));
  t.is(counters.events['announcements-forgotten'], 1);
  t.is(log.takeOwner(flow(1000)), undefined);
  t.truthy(log.takeOwner(flow(1001)));
});
