/** What the sentry takes and tells. */
import type { Counters, GatewayConfig, MessageFromGateway } from '../gateway/spawn.ts';
import type { LinkCounters } from '../netstack/link/link.ts';
import type { CaptureSink } from '../netstack/link/pcapng.ts';
import type { CallStatistics, CrashReport, Observer, Refusal } from '../syscalls/dispatch.ts';
import type { Death } from './deaths.ts';
import type { DeviceOptions } from './device-link.ts';
import type { GuestTask } from './guest-task.ts';
import type { StdioEntry } from './launch.ts';
import type { PlatformName } from './platforms.ts';
import type { Stall } from './watchdog.ts';

export type PlaneName = 'direct' | 'strict';

/** What a program of the guest is given. */
export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Descriptors of ours for its 0, 1 and 2; ours unless said. */
  readonly stdio?: readonly StdioEntry[];
}

export interface SentryOptions extends ProgramOptions {
  /** How data reaches the guest: direct unless said, but strict for an observer or a capture, which ask for every call. */
  readonly plane?: PlaneName;
  /** How calls are caught: by user notification where this host has it, else by ptrace(2), unless one is named. */
  readonly platform?: PlatformName | 'auto';
  /** The host side of the link. Without it the guest has its loopback only. */
  readonly gateway?: GatewayConfig;
  /** Where the gateway runs: in a process of its own unless said, or in this thread's loop, which is faster and has no wall between guest memory and host sockets. */
  readonly gatewayPlace?: 'process' | 'inline';
  /** A link of the caller's in place of the gateway. */
  readonly device?: DeviceOptions;
  /** Where a capture (pcapng) of the link to the gateway goes. */
  readonly capture?: CaptureSink;
  /** Sees every call on a socket; with `plane` direct those that are trapped. */
  readonly observer?: Observer<GuestTask>;
  /** The sandbox ends with the guest's program, as docker run does it, and as one that `stays` does; otherwise with the last process that it leaves behind. */
  readonly killOnExit?: boolean;
  /** SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, on unless said: better with several guest threads, worse on a machine without an idle core. */
  readonly syncWakeUp?: boolean;
  /** Whether /proc/net and /proc/sys/net show this network, on unless said: every open of a file is looked at for it. */
  readonly procNet?: boolean;
  /** This thread does little else: while the guest is busy, timers and promises of the caller may come up to five milliseconds late. Not unless said. */
  readonly ownsThread?: boolean;
  /** `spawn` may start further programs. Not unless said. */
  readonly stays?: boolean;
  /** Called when the guest's walls stand, just before anything of the guest's runs: from then on the sentry starts nothing, unless it stays. */
  readonly onWalls?: (platform: PlatformName) => void;
  /** A bug of ours leaves a file with what is known of it. Not unless said. */
  readonly crashFiles?: boolean;
  /** After how long without service the sandbox counts as stalled, and whether that is said on stderr at once. Not watched unless said. */
  readonly watch?: { readonly afterMs: number; readonly speaks: boolean };
}

export interface SentrySummary {
  /** Trapped calls, and how many of them were none of ours. */
  readonly received: number;
  readonly passed: number;
  readonly calls: readonly CallStatistics[];
  /** What guests asked for and did not get: the gaps of the sandbox, then what Linux refuses as well. */
  readonly refusals: readonly Refusal[];
  /** Distinct refusals beyond those listed. */
  readonly refusalsDropped: number;
  readonly crashes: number;
  /** Messages that the guest sent natively and that could not leave. */
  readonly lostSends: number;
  /** Undefined without a gateway. */
  readonly link: LinkCounters | undefined;
  /** Flows that the gateway was told of. */
  readonly flows: number;
  /** As the gateway told them at the end. */
  readonly gateway: Counters | undefined;
  /** Who was ended before its time. */
  readonly deaths: readonly Death[];
  readonly load: Load;
}
/** How busy whoever serves the guests is, and was. */
export interface Load {
  /** Turns of the loop: how many, the longest, how late the latest began; and how often nobody was served for a while. */
  readonly loop: {
    readonly turns: number;
    readonly longestMs: number;
    readonly latestMs: number;
    readonly stalls: number;
  };
  /** Calls that wait, and the most that did at one time. */
  readonly held: { readonly now: number; readonly most: number };
  /** Packet buffers: how many, the most in use at one time, and packets that found none. */
  readonly slab: { readonly buffers: number; readonly most: number; readonly exhausted: number };
}

export interface SentryEvents {
  /** Something worth a line on stderr. */
  readonly warning: [text: string];
  /** A bug of ours, in a call of the guest, which was ended, or outside of any (an empty name), which ends the sandbox. What is known of it stands in `file`, if there is one. */
  readonly crash: [report: CrashReport, file: string | undefined];
  /** No call was served for a while. */
  readonly stalled: [stall: Stall];
  /** What the gateway tells: flows opened, closed, refused (unless its configuration has `flowRecords` false). */
  readonly gateway: [message: MessageFromGateway];
}
