/**
 * The files of /proc/net and /proc/sys/net as they would be if the stack were the kernel's (proc(5)). Each is made when it is asked for. What is not here is the kernel's own: `unix`, since
 * sockets of AF_UNIX are, and files about what the stack has not (netfilter, xfrm, multicast routing), which are empty in a namespace of its own.
 */
import { NETLINK_ROUTE } from '../../abi/netlink.ts';
import { HalfSipHash13 } from '../../lib/siphash.ts';
import type { Stack } from '../../netstack/stack.ts';
import type { OpenFile } from '../file.ts';
import { InetSocket } from '../inet-socket.ts';
import { NetlinkSocket } from '../netlink/route-socket.ts';
import { netstatFile, protocolsFile, snmp6File, snmpFile, sockstat6File, sockstatFile } from './counters.ts';
import { hexLower, left } from './format.ts';
import { arpFile, devFile, igmp6File, igmpFile, inet6File, multicastFile } from './interfaces.ts';
import { route6File, routeFile } from './routes.ts';
import { SETTINGS } from './settings.ts';
import { datagramFile, type Names, tcpFile } from './sockets.ts';

/** A file of ours, and the inode that its descriptors show. */
export interface NamedFile {
  readonly file: OpenFile;
  readonly inode: number;
}
export interface ProcWorld {
  readonly stack: Stack;
  /** All that have descriptors. */
  readonly files: () => Iterable<NamedFile>;
}

const NETLINK_HEAD = 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n';

export class ProcNet {
  readonly #world: ProcWorld;
  readonly #hash: HalfSipHash13;
  readonly #files: ReadonlyMap<string, (kernels: () => string) => string>;

  constructor(world: ProcWorld) {
    this.#world = world;
    const { stack } = world;
    this.#hash = HalfSipHash13.random(stack.random);
    this.#files = new Map<string, (kernels: () => string) => string>([
      ['tcp', () => tcpFile(stack.tcpRows, 4, this.#names())],
      ['tcp6', () => tcpFile(stack.tcpRows, 6, this.#names())],
      ['udp', () => datagramFile('udp', stack.udpRows, 4, this.#names())],
      ['udp6', () => datagramFile('udp', stack.udpRows, 6, this.#names())],
      ['udplite', () => datagramFile('udp', [], 4, this.#names())],
      ['udplite6', () => datagramFile('udp', [], 6, this.#names())],
      ['icmp', () => datagramFile('icmp', stack.pingRows, 4, this.#names())],
      ['icmp6', () => datagramFile('icmp', stack.pingRows, 6, this.#names())],
      ['raw', () => datagramFile('raw', [], 4, this.#names())],
      ['raw6', () => datagramFile('raw', [], 6, this.#names())],
      ['netlink', () => this.#netlink()],
      ['packet', () => 'sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n'],
      ['dev', () => devFile(stack.interfaces)],
      ['dev_mcast', () => multicastFile(stack.interfaces)],
      ['if_inet6', () => inet6File(stack.interfaces)],
      ['arp', () => arpFile(stack.interfaces)],
      ['igmp', () => igmpFile(stack.interfaces)],
      ['igmp6', () => igmp6File(stack.interfaces)],
      ['route', () => routeFile(stack)],
      ['ipv6_route', () => route6File(stack)],
      ['snmp', () => snmpFile(stack)],
      ['snmp6', () => snmp6File(stack)],
      ['netstat', () => netstatFile(stack)],
      ['sockstat', () => sockstatFile(stack, [...world.files()].length)],
      ['sockstat6', () => sockstat6File(stack)],
      ['protocols', (kernels) => protocolsFile(kernels(), stack, this.#netlinkSockets.length)],
    ]);
  }
  /** Last parts of the paths of all files. */
  get lastNames(): readonly string[] {
    return [...this.#files.keys(), ...[...SETTINGS.keys()].map((path) => path.slice(path.lastIndexOf('/') + 1))];
  }
  /**
   * What /proc/net/NAME says; undefined if it is not ours.
   * @param kernels what the kernel's own file says, of which ours keeps a part
   */
  read(name: string, kernels: () => string): string | undefined {
    return this.#files.get(name)?.(kernels);
  }
  /** What /proc/sys/net/PATH says; likewise. */
  setting(path: string): string | undefined {
    return SETTINGS.get(path);
  }

  #names(): Names {
    const inodes = new Map<number, number>();
    for (const { file, inode } of this.#world.files()) {
      const id = file instanceof InetSocket ? (file.tcp ?? file.udp)?.id : undefined;
      if (id !== undefined) inodes.set(id, inode);
    }
    return { inodeOf: (id) => inodes.get(id) ?? 0, pointerOf: (id) => this.#pointerOf(id) };
  }
  #pointerOf(id: number): number {
    this.#hash.begin();
    this.#hash.add(id);
    return this.#hash.finish();
  }
  /** Those that are bound. */
  get #netlinkSockets(): { readonly file: NetlinkSocket; readonly inode: number }[] {
    const found: { readonly file: NetlinkSocket; readonly inode: number }[] = [];
    for (const { file, inode } of this.#world.files()) {
      if (file instanceof NetlinkSocket && file.portId !== 0) found.push({ file, inode });
    }
    return found;
  }
  /** net/netlink/af_netlink.c, netlink_native_seq_show. The kernel's side of the protocol has no socket here. */
  #netlink(): string {
    const lines = [NETLINK_HEAD];
    for (const { file, inode } of this.#netlinkSockets) {
      const who = `${hexLower(this.#pointerOf(inode), 16)} ${left(NETLINK_ROUTE, 3)} ${left(file.portId, 10)}`;
      const groups = hexLower(file.groups, 8);
      const state = `${left(file.charged, 8)} ${left(0, 8)} ${left(Number(file.isDumping), 5)} ${left(2, 8)} ${left(0, 8)}`;
      lines.push(`${who} ${groups} ${state} ${left(inode, 8)}\n`);
    }
    return lines.join('');
  }
}
