/** What a filter of SO_ATTACH_FILTER may ask beside the packet: the extensions of classic BPF (Documentation/networking/filter.rst). */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { attach, extension, type Instruction, load, loadX, program, RETURN_A, returnK } from './filter-kit.ts';

const group = 'filters';

const PROTOCOL = 0;
const PKTTYPE = 4;
const IFINDEX = 8;
const NLATTR = 12;
const NLATTR_NEST = 16;
const MARK = 20;
const QUEUE = 24;
const HATYPE = 28;
const RXHASH = 32;
const VLAN_TAG = 44;
const VLAN_TAG_PRESENT = 48;
const PAY_OFFSET = 52;
const RANDOM = 56;
const VLAN_TPID = 60;

/** Sends what the filter of `fd` is to judge, and shows how much of it came through. */
type Judge = (name: string, ...code: readonly Instruction[]) => void;

function datagrams(
  sys: System,
  host: string,
  payload: Uint8Array | string,
  prepare?: (a: Kit, fd: number) => void,
): Judge {
  const a = kit(sys);
  const { fd, port } = a.udpBound(host);
  const sender = a.udp(0, host.includes(':') ? c.AF_INET6 : c.AF_INET);
  prepare?.(a, sender);
  return (name, ...code) => {
    sys.record('program', name);
    if (attach(a, fd, program(...code)) !== 0) return;
    a.sendTo(sender, payload, host, port);
    a.recv(fd, 100, c.MSG_DONTWAIT);
  };
}
/** `A` plus 9, so that one octet of payload follows the header of UDP when the extension is 0. */
const PLUS_9: Instruction = [0x04, 0, 0, 9];
/** The low octet of the second one, to show large values. */
const TWELFTH: readonly Instruction[] = [
  [0x74, 0, 0, 8],
  [0x54, 0, 0, 0xf],
];

conformance('a filter asks for what stands beside the packet', { group }, (sys) => {
  for (const host of ['127.0.0.1', '::1']) {
    const judge = datagrams(sys, host, 'abcdefghijklmnop');
    for (const number of [PKTTYPE, IFINDEX, MARK, QUEUE, RXHASH, VLAN_TAG, VLAN_TAG_PRESENT, PAY_OFFSET, VLAN_TPID]) {
      judge(`extension ${number}`, extension(number), PLUS_9, RETURN_A);
    }
    judge('protocol', extension(PROTOCOL), ...TWELFTH, PLUS_9, RETURN_A);
    // ARPHRD_LOOPBACK.
    judge('type of the device', extension(HATYPE), [0x15, 0, 1, 772], returnK(12), returnK(13));
  }
});

conformance('a filter reads the mark of who sent', { group }, (sys) => {
  const judge = datagrams(sys, '127.0.0.1', 'abcdefghijklmnop', (a, fd) => {
    a.setInt(fd, c.SOL_SOCKET, c.SO_MARK, 20);
  });
  judge('the mark', extension(MARK), RETURN_A);
  judge('half of it', extension(MARK), [0x34, 0, 0, 2], RETURN_A);
});

conformance('a filter draws a number', { group }, (sys) => {
  const judge = datagrams(sys, '127.0.0.1', 'abcdefghijklmnop');
  judge('below 1', extension(RANDOM), [0x54, 0, 0, 0], PLUS_9, RETURN_A);
  // Two are not the same, but for one time in 2^32.
  judge('twice', extension(RANDOM), [0x07, 0, 0, 0], extension(RANDOM), [0x1d, 0, 1, 0], returnK(10), returnK(14));
});

conformance('an extension is asked with any size of load', { group }, (sys) => {
  const judge = datagrams(sys, '127.0.0.1', 'abcdefghijklmnop');
  for (const code of [0x20, 0x28, 0x30]) judge(`load ${code}`, [code, 0, 0, -0x1000 + PAY_OFFSET], PLUS_9, RETURN_A);
  judge('behind the last', extension(64), RETURN_A);
  judge('the last of all', [0x20, 0, 0, -1], RETURN_A);
  judge('between two', extension(PAY_OFFSET + 1), RETURN_A);
  judge('indirectly', loadX(PAY_OFFSET), [0x40, 0, 0, -0x1000], PLUS_9, RETURN_A);
});

/** Attributes of netlink: 7 octets of type 1, none of type 2, and one of type 3 with one of type 4 and one of type 5 inside. */
const ATTRIBUTES = new Uint8Array([
  7, 0, 1, 0, 65, 66, 67, 0, 4, 0, 2, 0, 16, 0, 3, 0x80, 5, 0, 4, 0, 68, 0, 0, 0, 4, 0, 5, 0,
]);
const findsAttribute =
  (judge: Judge) =>
  (name: string, number: number, from: number, type: number): void =>
    judge(name, load(from), loadX(type), extension(number), PLUS_9, RETURN_A);

conformance('a filter finds attributes of netlink', { group }, (sys) => {
  const find = findsAttribute(datagrams(sys, '127.0.0.1', ATTRIBUTES));
  for (const type of [0, 1, 2, 3, 4, 5, 0x8003, -1]) find(`type ${type}`, NLATTR, 8, type);
  for (const from of [0, 12, 16, 20, 24, 31, 32, 33, 36, 100, -8]) find(`from ${from}`, NLATTR, from, 5);
  for (const type of [4, 5, 6]) find(`inside, type ${type}`, NLATTR_NEST, 20, type);
  for (const from of [8, 16, 21, 28, 32, 33, -4]) find(`inside ${from}`, NLATTR_NEST, from, 5);
});

conformance('a filter of a stream asks for what stands beside a segment', { group }, (sys) => {
  for (const [name, number] of [
    ['where its octets begin', PAY_OFFSET],
    ['the tag', VLAN_TAG],
    ['the hash of the flow, which is large', RXHASH],
    ['attributes, which are not looked for in pages', NLATTR],
  ] as const) {
    const a = kit(sys);
    sys.record('program', name);
    const { client, server } = a.pair();
    // What is asked for, and one octet of the header of 32 and those behind it.
    attach(a, server, program(load(32), loadX(0x4142), extension(number), [0x04, 0, 0, 33], RETURN_A));
    a.send(client, new Uint8Array([8, 0, 0x42, 0x41, 8, 0, 0x42, 0x41, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65]));
    a.recv(server, 100, c.MSG_DONTWAIT);
  }
});
