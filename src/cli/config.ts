/** What the command line says, checked once. */
import * as z from 'zod';
import { IpAddress } from '../netstack/address.ts';
import { RunError } from '../runner/errors.ts';

const port = z.string().transform((text, context) => {
  const value = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= 65_535) return value;
  context.addIssue(`${JSON.stringify(text)} is not a port, a number of 1 to 65535`);
  return z.NEVER;
});

const PUBLISHED = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d+):(\d+)(?:\/(tcp|udp))?$/;

/** [ADDR:]HOST:GUEST[/udp]; an IPv6 address stands in brackets. */
const published = z.string().transform((text, context) => {
  const [match, v6, v4, host, guest, protocol] = PUBLISHED.exec(text) ?? [];
  const address = v6 ?? v4;
  const [hostPort, guestPort] = [port.safeParse(host), port.safeParse(guest)];
  const isAddress = address === undefined || IpAddress.parse(address)?.isV4 === (v6 === undefined);
  if (match === undefined || !isAddress || !hostPort.success || !guestPort.success) {
    context.addIssue(
      `${text} is not [ADDRESS:]HOST:GUEST[/tcp|/udp] with ports of 1 to 65535, an IPv6 address in brackets`,
    );
    return z.NEVER;
  }
  return {
    protocol: protocol === 'udp' ? ('udp' as const) : ('tcp' as const),
    hostPort: hostPort.data,
    guestPort: guestPort.data,
    ...(address === undefined ? {} : { hostAddress: address }),
  };
});

const ipAddress = z.string().refine((text) => IpAddress.parse(text) !== undefined, { error: 'is not an IP address' });

/** tap:NAME or fd:N. */
const device = z.string().transform((text, context) => {
  const [, tap, fd] = /^(?:tap:(\S{1,15})|fd:(\d{1,9}))$/.exec(text) ?? [];
  if (tap !== undefined) return { tap };
  if (fd !== undefined) return { fd: Number(fd) };
  context.addIssue(`${text} is neither tap:NAME nor fd:NUMBER`);
  return z.NEVER;
});

/** ADDRESS/PREFIX. */
const interfaceAddress = z.string().transform((text, context) => {
  const [, address = '', length] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const parsed = IpAddress.parse(address);
  const prefix = Number(length);
  if (parsed !== undefined && prefix >= 1 && prefix <= (parsed.isV4 ? 32 : 128)) return { address, prefix };
  context.addIssue(`${text} is not an address with its prefix length, as 10.0.5.2/24 or fd00:5::2/64`);
  return z.NEVER;
});

const routersOf = (gateway: readonly string[], isV4: boolean): string[] =>
  gateway.filter((text) => IpAddress.parse(text)?.isV4 === isV4);
/** Within a prefix of the guest's, or link-local. */
const isOnLink =
  (addresses: readonly { readonly address: string; readonly prefix: number }[]) =>
  (text: string): boolean => {
    const router = IpAddress.parse(text);
    if (router === undefined) return false;
    return (
      router.isLinkLocal ||
      addresses.some(({ address, prefix }) => {
        const own = IpAddress.parse(address);
        return own?.isV4 === router.isV4 && own.matches(router, prefix + (own.isV4 ? 96 : 0));
      })
    );
  };

/** Where a listing goes: a file's name, or `-` for stderr. */
const sink = z.string().min(1, { error: 'needs a file name after =' });

const runSchema = z
  .strictObject({
    strace: sink.optional(),
    json: sink.optional(),
    report: z.string().min(1, { error: 'needs a file name' }).optional(),
    pcap: z.string().min(1, { error: 'needs a file name' }).optional(),
    hostPort: z.array(port).max(1024).default([]),
    publish: z.array(published).max(256).default([]),
    plane: z
      .enum(['direct', 'strict'], {
        error: ({ input }) => `${JSON.stringify(input)} is not a plane; there are direct and strict`,
      })
      .optional(),
    platform: z
      .enum(['auto', 'notify', 'ptrace'], {
        error: ({ input }) => `${JSON.stringify(input)} is not a platform; there are auto, notify and ptrace`,
      })
      .default('auto'),
    link: device.optional(),
    ip: z.array(interfaceAddress).max(16).default([]),
    /** False for none; else routers of `link`. */
    gateway: z.union([z.literal(false), z.array(ipAddress).max(8)]).default([]),
    inlineGateway: z.boolean().default(false),
    procNet: z.boolean().default(true),
    killOnExit: z.boolean().default(false),
    syncWakeUp: z.boolean().default(true),
  })
  .refine(({ gateway, link, publish }) => publish.length === 0 || (gateway !== false && link === undefined), {
    error: 'needs the gateway, which --no-gateway and --link leave out',
    path: ['publish'],
  })
  .refine(({ plane, strace }) => plane !== 'direct' || strace === undefined, {
    error: 'lists every call, and with --plane direct the kernel serves some unseen: leave --plane out',
    path: ['strace'],
  })
  .refine(({ link, gateway, hostPort }) => hostPort.length === 0 || (link === undefined && gateway !== false), {
    error: 'needs the gateway, which --no-gateway and --link leave out',
    path: ['hostPort'],
  })
  .refine(({ link, gateway, inlineGateway }) => !inlineGateway || (link === undefined && gateway !== false), {
    error: 'needs the gateway, which --no-gateway and --link leave out',
    path: ['inlineGateway'],
  })
  .refine(({ gateway, pcap }) => gateway !== false || pcap === undefined, {
    error: 'captures a link, which --no-gateway leaves out',
    path: ['pcap'],
  })
  .refine(({ link, ip }) => (link === undefined) === (ip.length === 0), {
    error: 'and --ip go together: the addresses of the guest on the link',
    path: ['link'],
  })
  .refine(({ link, gateway }) => link !== undefined || gateway === false || gateway.length === 0, {
    error: 'names a router behind --link, of which there is none',
    path: ['gateway'],
  })
  .refine(({ link, gateway }) => link === undefined || gateway !== false, {
    error: 'and --no-gateway do not go together',
    path: ['link'],
  })
  .refine(({ ip }) => new Set(ip.map(({ address }) => String(IpAddress.parse(address)))).size === ip.length, {
    error: 'names an address twice',
    path: ['ip'],
  })
  .refine(({ gateway }) => gateway === false || [true, false].every((isV4) => routersOf(gateway, isV4).length <= 1), {
    error: 'names two routers of one family: there is one default route for each',
    path: ['gateway'],
  })
  .refine(({ link, gateway, ip }) => link === undefined || gateway === false || gateway.every(isOnLink(ip)), {
    error: 'is not within the prefix of any --ip: it could not be reached over the link',
    path: ['gateway'],
  });
export type RunConfig = z.output<typeof runSchema>;

/** @throws RunError E_CONFIG, which names each option and what is wrong with it */
export function parseRunOptions(value: unknown): RunConfig {
  const result = runSchema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `--${optionName(path[0])} ${message}`);
  throw new RunError('E_CONFIG', faults.join('; '), 'see sandsock run --help');
}

const optionName = (key: PropertyKey | undefined): string =>
  String(key ?? '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
