/** The summary of a run: docs/summary.md says what each member means. */
import type { Death } from './deaths.ts';
import type { Sentry } from './sentry.ts';
import type { Load, SentrySummary } from './sentry-types.ts';

/** The summary as JSON shows it. Octets are those of Ethernet frames. */
export interface RunReport {
  readonly exitStatus: number;
  readonly durationMs: number;
  /** How calls were caught. */
  readonly platform: string;
  readonly plane: string;
  readonly isolation: Sentry['isolation'];
  /** Whether the supervisor and the gateway's process had put their own seccomp filters on; null for a gateway that is no process of its own, or was not up before the end. */
  readonly confined: { readonly supervisor: boolean; readonly gateway: boolean | null };
  /** Socket calls answered, by name. */
  readonly calls: Readonly<Record<string, { calls: number; errors: number; blocked: number; notTaken: number }>>;
  readonly callsServed: number;
  /** Calls that stopped at the filter, and those of them that were about files of the host. */
  readonly trapped: number;
  readonly passed: number;
  readonly frames: { readonly fromGuest: number; readonly toGuest: number; readonly dropped: number };
  /** Packets that the guest's own stack gave up, by reason: no answer of a neighbour yet and its queue full, no buffer or no place on the link, receive buffers of UDP sockets full, messages sent natively without a way out. */
  readonly stackDrops: {
    readonly neighbor: number;
    readonly discarded: number;
    readonly udpReceive: number;
    readonly nativeSend: number;
  };
  readonly octets: { readonly fromGuest: number; readonly toGuest: number };
  /** Flows that the gateway opened; null when it did not tell. */
  readonly flows: { readonly tcp: number; readonly udp: number; readonly dns: number } | null;
  readonly flowsAnnounced: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly unsupported: readonly { call: string; what: string; errno: string; count: number }[];
  readonly crashes: number;
  readonly deaths: readonly Death[];
  readonly loop: Load['loop'];
  readonly held: Load['held'];
  readonly slab: Load['slab'];
}

type LinkFigures = Pick<RunReport, 'frames' | 'octets'>;

function linkFigures(link: SentrySummary['link']): LinkFigures {
  if (link === undefined) {
    return { frames: { fromGuest: 0, toGuest: 0, dropped: 0 }, octets: { fromGuest: 0, toGuest: 0 } };
  }
  const dropped = link.txDropped + link.rxDropped + link.rxErrors;
  return {
    frames: { fromGuest: link.txFrames, toGuest: link.rxFrames, dropped },
    octets: { fromGuest: link.txOctets, toGuest: link.rxOctets },
  };
}

function flowsOf(gateway: SentrySummary['gateway'], link: SentrySummary['link']): RunReport['flows'] {
  if (gateway !== undefined) return { tcp: gateway.flows.tcp, udp: gateway.flows.udp, dns: gateway.flows.dns };
  return (link?.txFrames ?? 0) === 0 ? { tcp: 0, udp: 0, dns: 0 } : null;
}

function stackDropsOf({ stack }: Sentry, nativeSend: number): RunReport['stackDrops'] {
  const { Ip, Ip6, Udp, Udp6, Sandsock } = stack.stats;
  return {
    neighbor: Sandsock.NeighborQueueDrops,
    discarded: Ip.OutDiscards + Ip6.OutDiscards + Ip.InDiscards + Ip6.InDiscards,
    udpReceive: Udp.RcvbufErrors + Udp6.RcvbufErrors,
    nativeSend,
  };
}

/** @param isConfined the supervisor has put its filter on, as a program of its own does and a library does not */
export function reportOf(sentry: Sentry, exitStatus: number, durationMs: number, isConfined = false): RunReport {
  const { calls, received, passed, link, flows, gateway, refusals, crashes, deaths, lostSends, load } =
    sentry.summary();
  return {
    exitStatus,
    durationMs: Math.round(durationMs),
    platform: sentry.platform,
    plane: sentry.plane,
    isolation: sentry.isolation,
    confined: { supervisor: isConfined, gateway: sentry.isGatewayConfined },
    calls: Object.fromEntries(calls.map(({ name, ...counts }) => [name, counts])),
    callsServed: calls.reduce((sum, call) => sum + call.calls, 0),
    trapped: received,
    passed,
    ...linkFigures(link),
    stackDrops: stackDropsOf(sentry, lostSends),
    flows: flowsOf(gateway, link),
    flowsAnnounced: flows,
    refused: gateway?.refused ?? {},
    unsupported: refusals.flatMap(({ call, what, errno, count, onLinuxToo }) =>
      onLinuxToo ? [] : [{ call, what, errno, count }],
    ),
    crashes,
    deaths,
    ...load,
  };
}
