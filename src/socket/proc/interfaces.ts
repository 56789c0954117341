/** /proc/net/dev, if_inet6, arp, igmp, igmp6, dev_mcast: interfaces, their addresses, neighbours and groups (net/core/net-procfs.c, net/ipv6/addrconf.c, net/ipv4/arp.c, igmp.c, net/ipv6/mcast.c). */
import { ARPHRD_ETHER, ATF_COM, ATF_PERM, IFA_F_PERMANENT } from '../../abi/netlink.ts';
import type { IpAddress } from '../../netstack/address.ts';
import type { NetInterface } from '../../netstack/ip/interface.ts';
import { groupAddress } from '../../netstack/wire/ethernet.ts';
import { address4, hex, hexLower, left, octets6, right } from './format.ts';

type Interfaces = readonly NetInterface[];

const DEV_HEAD = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;
export function devFile(interfaces: Interfaces): string {
  const lines = interfaces.map(({ name, counters }) => {
    const { rxOctets, rxFrames, rxErrors, rxDropped, txOctets, txFrames, txDropped } = counters;
    const received = `${right(rxOctets, 7)} ${right(rxFrames, 7)} ${right(rxErrors, 4)} ${right(rxDropped, 4)}    0     0          0         0`;
    const sent = `${right(txOctets, 8)} ${right(txFrames, 7)}    0 ${right(txDropped, 4)}    0     0       0          0`;
    return `${right(name, 6)}: ${received} ${sent}\n`;
  });
  return DEV_HEAD + lines.join('');
}

/** IPV6_ADDR_LOOPBACK, IPV6_ADDR_LINKLOCAL, global (include/net/ipv6.h). */
function scope6(address: IpAddress): number {
  if (address.isLoopback) return 0x10;
  return address.isLinkLocal ? 0x20 : 0;
}
export function inet6File(interfaces: Interfaces): string {
  const lines: string[] = [];
  for (const { index, name, addresses } of interfaces) {
    for (const { address, prefix } of addresses) {
      if (address.isV4) continue;
      const numbers = [index, prefix, scope6(address), IFA_F_PERMANENT].map((value) => hexLower(value, 2));
      lines.push(`${octets6(address)} ${numbers.join(' ')} ${right(name, 8)}\n`);
    }
  }
  return lines.join('');
}

const macOf = (octets: Uint8Array, separator: string): string =>
  Array.from(octets, (octet) => hexLower(octet, 2)).join(separator);

export function arpFile(interfaces: Interfaces): string {
  const lines = ['IP address       HW type     Flags       HW address            Mask     Device\n'];
  for (const { name, neighborEntries } of interfaces) {
    for (const { address, linkAddress, state } of neighborEntries) {
      if (!address.isV4) continue;
      const flags = (state === 'INCOMPLETE' ? 0 : ATF_COM) | (state === 'PERMANENT' ? ATF_PERM : 0);
      const hardware = `0x${left(ARPHRD_ETHER.toString(16), 10)}0x${left(flags.toString(16), 10)}`;
      lines.push(
        `${left(address.toString(), 16)} ${hardware}${left(macOf(linkAddress, ':'), 17)}     *        ${name}\n`,
      );
    }
  }
  return lines.join('');
}

/** No router asks for reports of groups here, so no timer runs and version 3 is spoken. */
export function igmpFile(interfaces: Interfaces): string {
  const lines = ['Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n'];
  for (const { index, name, groups } of interfaces) {
    const own = groups.filter(({ group }) => group.isV4);
    lines.push(`${index}\t${left(name, 10)}: ${right(own.length, 5)} ${right('V3', 7)}\n`);
    for (const { group, users } of own) {
      lines.push(`\t\t\t\t${address4(group)} ${right(users, 5)} 0:00000000\t\t0\n`);
    }
  }
  return lines.join('');
}

/** MAF_LOADED, and MAF_NOREPORT of what is never reported; the interface-local group was never sent for (include/net/if_inet6.h). */
const MAF_LOADED = 0x4;
const MAF_NOREPORT = 0x8;
const INTERFACE_LOCAL = 0xff01;
export function igmp6File(interfaces: Interfaces): string {
  const lines: string[] = [];
  for (const { index, name, groups } of interfaces) {
    for (const { group, users, isEveryHosts } of groups) {
      if (group.isV4) continue;
      const isLocal = group.w0 >>> 16 === INTERFACE_LOCAL;
      const flags = (isLocal ? 0 : MAF_LOADED) | (isEveryHosts ? MAF_NOREPORT : 0);
      lines.push(`${left(index, 4)} ${left(name, 15)} ${octets6(group)} ${right(users, 5)} ${hex(flags, 8)} 0\n`);
    }
  }
  return lines.join('');
}

/** Groups that a link is told of: of the loopback none, and none that never leaves the host. */
export function multicastFile(interfaces: Interfaces): string {
  const lines: string[] = [];
  for (const { index, name, groups, linkAddress } of interfaces) {
    if (linkAddress === undefined) continue;
    const stations = new Map<string, number>();
    for (const { group } of groups) {
      if (!group.isV4 && group.w0 >>> 16 === INTERFACE_LOCAL) continue;
      const station = macOf(groupAddress(group.isV4, group.w3), '');
      stations.set(station, (stations.get(station) ?? 0) + 1);
    }
    for (const [station, users] of stations)
      lines.push(`${left(index, 4)} ${left(name, 15)} ${left(users, 5)} 0     ${station}\n`);
  }
  return lines.join('');
}
