/** Options whose values are the system's own: what of them can be compared, and how. */
import type { Show } from '../../../src/conformance/body.ts';
import { show } from '../shows.ts';

/** Options that are not asked for, and why. */
export const UNCOMPARED: Readonly<Record<string, string>> = {
  SO_SNDBUFFORCE: 'changes how much a buffer takes beyond what the host may allow',
  SO_RCVBUFFORCE: 'changes how much a buffer takes beyond what the host may allow',
  TCP_CONGESTION: 'which there are, and which is the default, is the host’s',
  TCP_CC_INFO: 'measured values',
  SO_INCOMING_CPU: 'a processor of the host',
};
/** By the names of shows.ts. */
const SHOWN: Readonly<Record<string, string>> = { SO_COOKIE: 'cookie', TCP_INFO: 'tcpInfo', SO_PEERCRED: 'ucred' };

export const optionShow = (name: string): Show => show(SHOWN[name] ?? 'octets');
