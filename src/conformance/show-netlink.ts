/**
 * Netlink messages in a transcript. What only Linux has to say (attributes for which the stack has no facts) is left out by name, counters and times are
 * shown by their presence, and port ids that the system chose are called `pid`.
 */
import type { Show } from './body.ts';
import * as c from './linux.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Beyond any process id and below what autobind chooses: a body's own. */
const isChosen = (pid: number): boolean => pid > 4_194_304 && pid < 0x8000_0000;
const showPid = (pid: number): string => (pid === 0 || isChosen(pid) ? String(pid) : 'pid');

/** `struct sockaddr_nl`. */
export const asNetlinkName: Show = (b) => {
  const { family, pad, pid, groups } = c.sockaddrNl.get(b, 0);
  return `family ${family} pad ${pad} pid ${showPid(pid)} groups ${groups} rest ${hex(b.subarray(12))}`;
};

interface Kind {
  readonly name: string;
  readonly body: number;
  /** Attributes that are compared: in full, or by length alone. */
  readonly whole: readonly number[];
  readonly present: readonly number[];
}
const KINDS: Readonly<Record<number, Kind>> = {
  [c.RTM_NEWLINK]: {
    name: 'NEWLINK',
    body: c.ifinfomsg.size,
    whole: [
      c.IFLA_IFNAME,
      c.IFLA_TXQLEN,
      c.IFLA_OPERSTATE,
      c.IFLA_LINKMODE,
      c.IFLA_MTU,
      c.IFLA_GROUP,
      c.IFLA_PROMISCUITY,
      c.IFLA_NUM_TX_QUEUES,
      c.IFLA_NUM_RX_QUEUES,
      c.IFLA_CARRIER,
      c.IFLA_ADDRESS,
      c.IFLA_BROADCAST,
      c.IFLA_QDISC,
    ],
    present: [c.IFLA_STATS64, c.IFLA_STATS],
  },
  [c.RTM_NEWADDR]: {
    name: 'NEWADDR',
    body: c.ifaddrmsg.size,
    whole: [c.IFA_ADDRESS, c.IFA_LOCAL, c.IFA_LABEL, c.IFA_FLAGS, c.IFA_BROADCAST, c.IFA_PROTO],
    present: [c.IFA_CACHEINFO],
  },
  [c.RTM_NEWROUTE]: {
    name: 'NEWROUTE',
    body: c.rtmsg.size,
    whole: [c.RTA_DST, c.RTA_SRC, c.RTA_OIF, c.RTA_GATEWAY, c.RTA_PRIORITY, c.RTA_PREFSRC, c.RTA_TABLE, c.RTA_PREF],
    // RTA_UID says whose the question is: the user who runs the bodies, root or not.
    present: [c.RTA_CACHEINFO, c.RTA_UID],
  },
};

function showAttributes(b: Uint8Array, at: number, end: number, kind: Kind): string {
  const walker = new c.AttributeWalker();
  const out: string[] = [];
  walker.begin(b, at, end);
  while (walker.next()) {
    const { type, length } = walker;
    if (kind.whole.includes(type)) out.push(`${type}=${hex(b.subarray(walker.at, walker.at + length))}`);
    else if (kind.present.includes(type)) out.push(`${type}:${length}`);
  }
  return out.join(' ');
}

/** Messages of NETLINK_ROUTE. */
export const asNetlink: Show = (b) => {
  const walker = new c.NetlinkWalker();
  const out: string[] = [];
  walker.begin(b, b.length);
  while (walker.next()) {
    const { at, length } = walker;
    const { type, flags, seq, pid } = c.nlmsghdr.get(b, at);
    // What fills memory that nobody wrote.
    if (type === 0xeeee) break;
    const head = `flags 0x${flags.toString(16)} seq ${seq} pid ${showPid(pid)}`;
    const from = at + c.nlmsghdr.size;
    const kind = KINDS[type];
    if (kind === undefined) {
      const text = type === c.NLMSG_ERROR ? showError(b, from, at + length, flags) : hex(b.subarray(from, at + length));
      out.push(`{${type} ${head} ${text}}`);
    } else {
      const body = from + kind.body;
      out.push(`{${kind.name} ${head} ${hex(b.subarray(from, body))} ${showAttributes(b, body, at + length, kind)}}`);
    }
  }
  return out.join('\n    ');
};
/** The error and what it quotes; the words that NETLINK_EXT_ACK adds are everyone's own. */
function showError(b: Uint8Array, at: number, end: number, flags: number): string {
  const { error, msg } = c.nlmsgerr.get(b, at);
  const quoted = (flags & c.NLM_F_CAPPED) === 0 ? msg.len - c.nlmsghdr.size : 0;
  const from = at + c.nlmsgerr.size;
  return `error ${error} of ${msg.type} ${hex(b.subarray(from, Math.min(end, from + quoted)))}`;
}
