/** /proc/net over a stack with a loopback and an Ethernet interface. What Linux says of the same sockets is compared by test/runner/proc-net.test.ts. */
import test from 'ava';
import * as c from '../../src/abi/index.ts';
import { millis, seconds } from '../../src/lib/clock.ts';
import { SocketFactory } from '../../src/socket/factory.ts';
import { Message } from '../../src/socket/message.ts';
import { type NamedFile, ProcNet } from '../../src/socket/proc/proc-net.ts';
import type { Socket } from '../../src/socket/socket.ts';
import { ip, World } from '../support/stacks.ts';
import { ROOT, TestMemory, USER } from './fakes.ts';

const nothing = (): string => {
  throw new Error('the kernel was asked');
};

class Guest {
  readonly world = new World({ a: { gateways: [ip('10.0.0.2'), ip('fd00::2')] } });
  readonly factory = new SocketFactory(this.world.a);
  readonly message = new Message(new TestMemory());
  readonly files: NamedFile[] = [];
  readonly proc = new ProcNet({ stack: this.world.a, files: () => this.files });

  open(domain: number, type: number, protocol = 0, credentials = ROOT): Socket {
    const socket = this.factory.create(domain, type, protocol, 0, credentials);
    if (typeof socket === 'number') throw new Error(`errno ${socket}`);
    this.files.push({ file: socket.retain(), inode: 1000 + this.files.length });
    return socket;
  }
  name4(address: string, port: number): Uint8Array {
    return c.sockaddrIn.encode({ family: c.AF_INET, port, addr: ip(address).w3 >>> 0, zero: new Uint8Array(8) });
  }
  bind(socket: Socket, address: string, port: number): void {
    const name = this.name4(address, port);
    const result = socket.bind(name, name.length, ROOT);
    if (result !== 0) throw new Error(`errno ${result}`);
  }
  connect(socket: Socket, address: string, port: number): number {
    const name = this.name4(address, port);
    return socket.connect(name, name.length, ROOT);
  }
  /** Lines of a file as fields, without its head. */
  rows(name: string): string[][] {
    const [, ...lines] = (this.proc.read(name, nothing) ?? '').split('\n').slice(0, -1);
    return lines.map((line) => line.trim().split(/\s+/));
  }
  /** What the name stands over in a file of heads and values. */
  value(file: string, group: string, name: string): number {
    const lines = (this.proc.read(file, nothing) ?? '').split('\n').filter((line) => line.startsWith(`${group}:`));
    const at = lines[0]?.split(' ').indexOf(name) ?? -1;
    return at < 0 ? Number.NaN : Number(lines[1]?.split(' ')[at]);
  }
}

const LISTENING = '0A';
const ESTABLISHED = '01';
const SYN_SENT = '02';
const FIN_WAIT2 = '05';
const TIME_WAIT = '06';
const CLOSE_WAIT = '08';

test('a connection from its listener to TIME-WAIT', (t) => {
  const guest = new Guest();
  const { world } = guest;
  const listener = guest.open(c.AF_INET, c.SOCK_STREAM, 0, USER);
  guest.bind(listener, '127.0.0.1', 7001);
  t.deepEqual(guest.rows('tcp'), [], 'a socket that is bound and no more is not shown');
  listener.listen(5, ROOT);
  const [shown = []] = guest.rows('tcp');
  t.deepEqual(
    shown.slice(0, 11).join(' '),
    `0: 0100007F:1B59 00000000:0000 ${LISTENING} 00000000:00000000 00:00000000 00000000 1000 0 1000 1`,
  );

  const client = guest.open(c.AF_INET, c.SOCK_STREAM);
  guest.connect(client, '127.0.0.1', 7001);
  world.run(millis(10));
  const states = (): string[] =>
    guest
      .rows('tcp')
      .map((row) => row[3] as string)
      .toSorted();
  t.deepEqual(states(), [ESTABLISHED, ESTABLISHED, LISTENING]);
  const queue = guest.rows('tcp').find((row) => row[3] === LISTENING)?.[4];
  t.is(queue, '00000000:00000001', 'of a listener, the connections to accept');
  const waiting = guest.rows('tcp').find((row) => row[3] === ESTABLISHED && row[1] === '0100007F:1B59');
  t.is(waiting?.[9], '0', 'one that waits for accept has no descriptor');
  t.is(guest.value('snmp', 'Tcp', 'CurrEstab'), 2);
  t.is(guest.value('snmp', 'Tcp', 'ActiveOpens'), 1);

  client.release();
  guest.files.pop();
  world.run(millis(100));
  t.deepEqual(states(), [FIN_WAIT2, CLOSE_WAIT, LISTENING]);
  const half = guest.rows('tcp').find((row) => row[3] === FIN_WAIT2);
  t.regex(half?.slice(5, 12).join(' ') ?? '', /^03:0000[0-9A-F]{4} 00000000 0 0 0 3 [0-9a-f]{16}$/);
  t.is(half?.length, 12, 'nothing is said of its window');
  t.regex(guest.proc.read('sockstat', nothing) ?? '', /^TCP: inuse 2 orphan 0 tw 1 alloc 2 mem \d+$/m);

  const accepted = listener.acceptPeek();
  if (typeof accepted === 'number') throw new Error('nothing to accept');
  accepted.retain();
  listener.acceptCommittable.commit(1);
  accepted.release();
  world.run(millis(100));
  t.deepEqual(states(), [TIME_WAIT, LISTENING]);
  world.run(seconds(61));
  t.deepEqual(states(), [LISTENING]);
});

test('a connection on its way, and one half open', (t) => {
  const guest = new Guest();
  const client = guest.open(c.AF_INET, c.SOCK_STREAM);
  guest.connect(client, '10.0.0.99', 80);
  guest.world.run(millis(1));
  const [row = []] = guest.rows('tcp');
  t.is(row[3], SYN_SENT);
  t.is(row[2], '6300000A:0050');
  t.regex(row[5] ?? '', /^01:0000006[34]$/, 'the retransmission is due in a second');
  t.is(row[9], '1000');
});

test('datagram and ping sockets, and who made them', (t) => {
  const guest = new Guest();
  const bound = guest.open(c.AF_INET, c.SOCK_DGRAM, 0, USER);
  guest.bind(bound, '127.0.0.1', 7004);
  const sender = guest.open(c.AF_INET, c.SOCK_DGRAM);
  guest.connect(sender, '127.0.0.1', 7004);
  guest.open(c.AF_INET6, c.SOCK_DGRAM);
  guest.message.iov.push(0, 3);
  t.is(sender.send(guest.message, 0), 3);
  sender.commit(sender.units);
  guest.world.run(millis(1));
  const rows = guest.rows('udp');
  t.deepEqual(
    rows.map((row) => [row[3], row[4], row[7], row[9], row[12]]),
    [
      ['07', '00000000:00000340', '1000', '1000', '0'],
      ['01', '00000000:00000000', '0', '1001', '0'],
    ],
  );
  t.deepEqual(guest.rows('udp6'), [], 'one without a port is not shown');
  const ping = guest.open(c.AF_INET, c.SOCK_DGRAM, c.IPPROTO_ICMP, USER);
  guest.bind(ping, '127.0.0.1', 77);
  const [echo = []] = guest.rows('icmp');
  t.deepEqual([echo[1], echo[7], echo[9]], ['0100007F:004D', '1000', '1003']);
  t.deepEqual(guest.rows('icmp6'), []);
});

test('netlink sockets that are bound', (t) => {
  const guest = new Guest();
  const socket = guest.open(c.AF_NETLINK, c.SOCK_RAW);
  t.deepEqual(guest.rows('netlink'), []);
  const name = c.sockaddrNl.encode({ family: c.AF_NETLINK, pad: 0, pid: 4711, groups: 1 });
  t.is(socket.bind(name, name.length, ROOT), 0);
  t.deepEqual(guest.rows('netlink')[0]?.slice(1).join(' '), '0 4711 00000001 0 0 0 2 0 1000');
});

test('interfaces, addresses, routes, neighbours and groups', (t) => {
  const guest = new Guest();
  const text = (name: string): string => guest.proc.read(name, nothing) ?? '';
  t.regex(text('dev'), /^ {4}lo: +\d+ +\d+ +0 +0 +0 +0 +0 +0 +\d+ +\d+ +0 +0 +0 +0 +0 +0$/m);
  t.regex(text('route'), /^eth0\t00000000\t0200000A\t0003\t0\t0\t0\t00000000\t0\t0\t0 +$/m);
  t.regex(text('route'), /^eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0 +$/m);
  t.true(
    text('route')
      .split('\n')
      .slice(0, -1)
      .every((line) => line.length === 127),
  );
  t.regex(text('ipv6_route'), /^0{32} 00 0{32} 00 fd0{29}2 00000400 00000001 00000000 00000003 +eth0$/m);
  t.regex(text('if_inet6'), /^0{31}1 01 80 10 80 {7}lo$/m);
  t.regex(text('if_inet6'), /^fe80\w{28} 02 40 20 80 {5}eth0$/m);
  t.regex(text('igmp'), /^2\teth0 {6}: {5}1 {6}V3\n\t\t\t\t010000E0 {5}1 0:00000000\t\t0$/m);
  t.regex(text('igmp6'), /^2 {4}eth0 {12}ff020{19}1ff0000\w\w {5}1 00000004 0$/m);
  t.regex(text('dev_mcast'), /^2 {4}eth0 {12}1 {5}0 {5}01005e000001$/m);
  const client = guest.open(c.AF_INET, c.SOCK_STREAM);
  guest.connect(client, '10.0.0.2', 80);
  guest.world.run(millis(100));
  t.regex(text('arp'), /^10\.0\.0\.2 {9}0x1 {9}0x2 {9}\w\w(:\w\w){5} {5}\* {8}eth0$/m);
  t.true(guest.value('netstat', 'IpExt', 'OutOctets') > 0);
  t.regex(text('snmp6'), /^Ip6OutRequests {18}\t\d+$/m);
  t.regex(text('packet'), /^sk +RefCnt/);
});

test('the list of protocols is the kernel’s but for what the stack serves', (t) => {
  const guest = new Guest();
  const listener = guest.open(c.AF_INET, c.SOCK_STREAM);
  guest.bind(listener, '127.0.0.1', 7001);
  listener.listen(1, ROOT);
  const kernels = `protocol  size sockets  memory press maxhdr  slab module     cl co
UNIX      1152      4      -1   NI       0   yes  kernel      y  n
PINGv6    1344      0      -1   NI       0   yes  kernel      y  y
TCP       2304      0     143   no     192   yes  kernel      y  y
`;
  const own = guest.proc.read('protocols', () => kernels);
  t.is(own, kernels.replace('2304      0     143', '2304      1       0'));
});

test('settings are the ones that the code follows, and there is nothing under other names', (t) => {
  const { proc, world } = new Guest();
  t.is(proc.setting('ipv4/tcp_congestion_control'), 'cubic\n');
  t.is(proc.setting('ipv4/ip_local_port_range'), '32768\t60999\n');
  t.is(proc.setting('core/somaxconn'), `${c.SOMAXCONN}\n`);
  t.is(proc.setting('ipv4/tcp_keepalive_time'), `${world.a.createTcp(4).settings.keepIdleSeconds}\n`);
  t.is(proc.setting('ipv4/tcp_plb_enabled'), undefined);
  t.is(proc.read('unix', nothing), undefined);
  t.true(proc.lastNames.includes('tcp') && proc.lastNames.includes('somaxconn'));
});
