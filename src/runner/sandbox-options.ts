/** What a user of the library says, checked once. */
import { constants } from 'node:os';
import * as z from 'zod';
import { IpAddress } from '../netstack/address.ts';
import type { CaptureSink } from '../netstack/link/pcapng.ts';
import { RunError } from './errors.ts';

const port = z.int().min(1).max(65_535);
const environment = z.record(z.string(), z.string().optional());
const directory = z.string().min(1);
const abortSignal = z.instanceof(AbortSignal);
/** What execve(2) can take. */
const text = z.string().refine((value) => !value.includes('\0'), { error: 'holds an octet 0' });

const published = z.strictObject({
  hostPort: port,
  guestPort: port,
  protocol: z.enum(['tcp', 'udp']).default('tcp'),
  /** Of the host; all of its addresses, of both families, unless said. */
  hostAddress: z
    .string()
    .refine((value) => IpAddress.parse(value) !== undefined, { error: 'is not an IP address' })
    .optional(),
});

const sandboxSchema = z
  .strictObject({
    plane: z.enum(['direct', 'strict']).optional(),
    gateway: z.union([z.enum(['process', 'inline']), z.literal(false)]).default('process'),
    hostPorts: z.array(port).max(1024).default([]),
    publish: z.array(published).max(256).default([]),
    calls: z.boolean().default(false),
    connections: z.boolean().default(true),
    capture: z
      .custom<CaptureSink>((value) => typeof (value as CaptureSink | null)?.write === 'function', {
        error: 'has no method write',
      })
      .optional(),
    crashFiles: z.boolean().default(true),
    stalledAfterMs: z.number().min(100).max(3_600_000).default(5000),
    cwd: directory.optional(),
    env: environment.optional(),
    signal: abortSignal.optional(),
  })
  .refine(({ plane, calls }) => plane !== 'direct' || !calls, {
    error: 'tells every call, and on the direct plane the kernel serves some unseen: leave plane out',
    path: ['calls'],
  })
  .refine(({ gateway, publish }) => gateway !== false || publish.length === 0, {
    error: 'needs the gateway, which gateway: false leaves out',
    path: ['publish'],
  })
  .refine(({ gateway, hostPorts }) => gateway !== false || hostPorts.length === 0, {
    error: 'needs the gateway, which gateway: false leaves out',
    path: ['hostPorts'],
  })
  .refine(({ gateway, capture }) => gateway !== false || capture === undefined, {
    error: 'captures a link, which gateway: false leaves out',
    path: ['capture'],
  });

const stdioWord = z.enum(['pipe', 'inherit', 'ignore']);
const stdioEntry = z.union([stdioWord, z.int().min(0)]);

const spawnSchema = z.strictObject({
  cwd: directory.optional(),
  env: environment.optional(),
  stdio: z.union([stdioWord, z.tuple([stdioEntry, stdioEntry, stdioEntry])]).default('pipe'),
  signal: abortSignal.optional(),
});
const commandSchema = z.strictObject({ command: text.min(1), args: z.array(text).max(100_000) });
const signalSchema = z.union([
  z.int().min(0).max(64),
  z.string().refine((name) => name in constants.signals, { error: 'is not the name of a signal' }),
]);

export type SandboxOptions = z.input<typeof sandboxSchema>;
export type SandboxConfig = z.output<typeof sandboxSchema>;
export type SpawnOptions = z.input<typeof spawnSchema>;
export type SpawnConfig = z.output<typeof spawnSchema>;
export type StdioChoice = z.output<typeof stdioEntry>;

function checked<T>(schema: z.ZodType<T>, value: unknown, whole: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.map(String).join('.') || whole} ${message}`);
  throw new RunError('E_CONFIG', faults.join('; '), 'see docs/api.md', result.error);
}
/** @throws RunError E_CONFIG, which names each option and what is wrong with it */
export const parseSandboxOptions = (value: unknown): SandboxConfig => checked(sandboxSchema, value, 'the options');
/** @throws RunError E_CONFIG */
export const parseSpawnOptions = (value: unknown): SpawnConfig => checked(spawnSchema, value, 'the options');
/** @throws RunError E_CONFIG */
export const parseCommand = (command: unknown, args: unknown): { readonly command: string; readonly args: string[] } =>
  checked(commandSchema, { command, args }, 'the command');
/** @throws RunError E_CONFIG */
export function parseSignal(value: unknown): number {
  const signal = checked(signalSchema, value, 'the signal');
  return typeof signal === 'number' ? signal : constants.signals[signal as NodeJS.Signals];
}
