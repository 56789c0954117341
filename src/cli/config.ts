/** What the command line says, checked once. */
import * as z from 'zod';
import { IpAddress } from '../netstack/address.ts';
import { RunError } from '../runner/errors.ts';

const port = z.coerce
  .number({ error: 'is not a number' })
  .int({ error: 'is not a whole number' })
  .min(1, { error: 'is below 1' })
  .max(65_535, { error: 'is above 65535' });

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

/** Where a listing goes: a file's name, or `-` for stderr. */
const sink = z.string().min(1, { error: 'needs a file name after =' });

const runSchema = z
  .strictObject({
    strace: sink.optional(),
    json: sink.optional(),
    pcap: z.string().min(1, { error: 'needs a file name' }).optional(),
    hostPort: z.array(port).max(1024).default([]),
    publish: z.array(published).max(256).default([]),
    plane: z.enum(['strict'], { error: 'is not a plane; there is strict' }).default('strict'),
    gateway: z.boolean().default(true),
    syncWakeUp: z.boolean().default(true),
  })
  .refine(({ gateway, publish }) => gateway || publish.length === 0, {
    error: 'needs the gateway, which --no-gateway leaves out',
    path: ['publish'],
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
