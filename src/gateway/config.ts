/**
 * What a gateway is told at its start: plain data, so that it crosses the process boundary as JSON, checked by zod there and resolved once into
 * `Settings`. Address conventions follow QEMU, VirtualBox and slirp: guest 10.0.2.15/24, gateway 10.0.2.2, name server 10.0.2.3; fd00::/64 likewise.
 */
import * as z from 'zod';
import { IpAddress } from '../netstack/address.ts';

const ipText = z.string().refine((text) => IpAddress.parse(text) !== undefined, { error: 'is not an IP address' });
const ip4Text = z.string().refine((text) => IpAddress.parse(text)?.isV4 === true, { error: 'is not an IPv4 address' });
const ip6Text = z.string().refine((text) => IpAddress.parse(text)?.isV4 === false, { error: 'is not an IPv6 address' });
const macText = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i, { error: 'is not a MAC address' });
const range = (least: number, most: number) => z.int().min(least).max(most);
const port = range(1, 65_535);

/** RFC 1035 2.3.4; single labels are allowed. */
const hostName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i, { error: 'is not a host name' });

/** A port of the host whose connections or datagrams go to a port of the guest. */
const publishedSchema = z.strictObject({
  protocol: z.enum(['tcp', 'udp']).default('tcp'),
  /** Address of the host; all of its addresses, of both families, unless said. */
  hostAddress: ipText.optional(),
  hostPort: port,
  guestPort: port,
});
export type PublishedPort = z.input<typeof publishedSchema>;

const configSchema = z.strictObject({
  guest4: ip4Text.default('10.0.2.15'),
  gateway4: ip4Text.default('10.0.2.2'),
  dns4: ip4Text.default('10.0.2.3'),
  /** Prefix length of the link's IPv4 subnet. */
  prefix4: range(8, 30).default(24),
  guest6: ip6Text.default('fd00::15'),
  gateway6: ip6Text.default('fd00::2'),
  dns6: ip6Text.default('fd00::3'),
  prefix6: range(16, 126).default(64),
  guestMac: macText.default('52:54:00:12:34:56'),
  gatewayMac: macText.default('52:55:0a:00:02:02'),
  /** Octets of the largest IP packet on the link; IPv6 asks for 1280 at least. */
  mtu: range(1280, 65_520).default(65_520),
  /** Ports of the host's loopback that are open to the guest at the gateway's addresses. */
  hostPorts: z.array(port).max(1024).default([]),
  published: z.array(publishedSchema).max(256).default([]),
  /** Name that stands for the gateway's addresses. */
  hostName: hostName.default('host.internal'),
  /** The host's resolvers, asked in turn. */
  nameservers: z.array(ipText).max(16).default([]),
  nameserverPort: port.default(53),
  /** Addresses that the guest's resolv.conf names, whatever they are on the host: queries to them are answered here. */
  guestNameservers: z.array(ipText).max(16).default([]),
  /** Milliseconds that one resolver is given. */
  dnsTimeoutMs: range(10, 60_000).default(5000),
  /** Tell the sentry of each flow that is opened, closed or refused, with its owner. Costs two messages a flow; counters are kept anyway. */
  flowRecords: z.boolean().default(true),
  /** Flows of the guest's; and as many again of clients at published ports, so that strangers take no place of the guest's. */
  tcpFlows: range(1, 65_536).default(4096),
  udpFlows: range(1, 65_536).default(1024),
  icmpFlows: range(1, 4096).default(256),
  dnsQueries: range(1, 4096).default(256),
  /** 'queue' keeps bulk data in memory of ours even where the kernel could keep it (SO_PEEK_OFF). */
  source: z.enum(['auto', 'peek', 'queue']).default('auto'),
});

/** What may be left out has a default. */
export type GatewayConfig = z.input<typeof configSchema>;
export type CompleteConfig = z.output<typeof configSchema>;

/** The configuration cannot be used; the message names each field and what is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'ERR_GATEWAY_CONFIG';
}

/** @throws ConfigError */
export function parseConfig(value: unknown): CompleteConfig {
  const result = configSchema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join('.') || 'configuration'} ${issue.message}`);
  throw new ConfigError(`the gateway's configuration is not usable: ${faults.join('; ')}`);
}

/** The configuration with addresses parsed. */
export interface Settings extends Omit<CompleteConfig, AddressKey> {
  readonly guest4: IpAddress;
  readonly gateway4: IpAddress;
  readonly dns4: IpAddress;
  readonly guest6: IpAddress;
  readonly gateway6: IpAddress;
  readonly dns6: IpAddress;
  readonly guestMac: Uint8Array;
  readonly gatewayMac: Uint8Array;
  readonly nameservers: readonly IpAddress[];
  readonly guestNameservers: readonly IpAddress[];
}
type AddressKey =
  | 'guest4'
  | 'gateway4'
  | 'dns4'
  | 'guest6'
  | 'gateway6'
  | 'dns6'
  | 'guestMac'
  | 'gatewayMac'
  | 'nameservers'
  | 'guestNameservers';

/** Of a MAC address that was checked. */
export const macOf = (text: string): Uint8Array =>
  Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));

/** @param config as `parseConfig` gave it. */
export function resolveConfig(config: CompleteConfig): Settings {
  return {
    ...config,
    guest4: IpAddress.of(config.guest4),
    gateway4: IpAddress.of(config.gateway4),
    dns4: IpAddress.of(config.dns4),
    guest6: IpAddress.of(config.guest6),
    gateway6: IpAddress.of(config.gateway6),
    dns6: IpAddress.of(config.dns6),
    guestMac: macOf(config.guestMac),
    gatewayMac: macOf(config.gatewayMac),
    nameservers: config.nameservers.map((text) => IpAddress.of(text)),
    guestNameservers: config.guestNameservers.map((text) => IpAddress.of(text)),
  };
}
