/** What the command line says, checked once. */
import * as z from 'zod';
import { RunError } from '../runner/errors.ts';

const port = z.coerce
  .number({ error: 'is not a number' })
  .int({ error: 'is not a whole number' })
  .min(1, { error: 'is below 1' })
  .max(65_535, { error: 'is above 65535' });

/** Where a listing goes: a file's name, or `-` for stderr. */
const sink = z.string().min(1, { error: 'needs a file name after =' });

const runSchema = z.strictObject({
  strace: sink.optional(),
  json: sink.optional(),
  hostPort: z.array(port).max(1024).default([]),
  plane: z.enum(['strict'], { error: 'is not a plane; there is strict' }).default('strict'),
  gateway: z.boolean().default(true),
  syncWakeUp: z.boolean().default(true),
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
