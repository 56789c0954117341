/** What carries the frames of a sandbox, as its options have it. */
import type { PacketPool } from '../netstack/packet.ts';
import type { Carrier } from './carrier.ts';
import { DescriptorCarrier } from './descriptor-carrier.ts';
import { openDevice } from './device-link.ts';
import { startGatewayProcess } from './gateway-process.ts';
import type { SentryOptions } from './sentry-types.ts';

/** @throws RunError, ConfigError, GatewayStartError, HostError */
export async function carrierOf(
  { gateway, gatewayPlace, device }: SentryOptions,
  pool: PacketPool,
): Promise<Carrier | undefined> {
  if (device !== undefined) return new DescriptorCarrier(openDevice(device), pool);
  if (gateway === undefined) return undefined;
  if (gatewayPlace !== 'inline') return startGatewayProcess(gateway, pool);
  // The whole gateway, which a sentry with a process for it has no use for.
  const { InlineCarrier } = await import('./inline-gateway.ts');
  return new InlineCarrier(gateway, pool);
}
