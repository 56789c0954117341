/**
 * Compares src/abi with the C headers: a C program of static assertions is generated from the declarations and compiled, for x86_64 and, where the cross
 * compiler is installed, for arm64. Compiling is the check; nothing runs. `npm run abi-check`; With CI=true or `--require-arm64` a missing cross compiler is an error.
 */
import { spawnSync } from 'node:child_process';
import * as abi from '../../src/abi/index.ts';

interface Layout {
  /** C type. */
  readonly c: string;
  readonly fields: Readonly<Record<string, { readonly size: number }>>;
  readonly offset: Readonly<Record<string, number>>;
  readonly size: number;
  readonly prefix: string;
  /** Fields whose C name is not prefix + name. */
  readonly rename?: Readonly<Record<string, string>>;
  /** Bit fields: no address. */
  readonly skip?: readonly string[];
  /** Fields that older headers lack; the struct is then shorter. */
  readonly newer?: readonly string[];
}
type Declared = Pick<Layout, 'fields' | 'offset' | 'size'> & { readonly name: string };
const layout = (s: Declared, prefix: string, more: Partial<Layout> = {}): Layout => ({
  c: `struct ${s.name}`,
  fields: s.fields,
  offset: s.offset,
  size: s.size,
  prefix,
  ...more,
});

interface Unit {
  readonly headers: readonly string[];
  readonly layouts?: readonly Layout[];
  readonly constants?: Readonly<Record<string, unknown>>;
  /** Extra C conditions. */
  readonly also?: readonly string[];
}

/** Constants that live in the kernel's own headers, or are newer than what distributions install: checked only where defined. */
const MAY_LACK = new Set(
  `SOCK_TYPE_MASK SOCK_MAX MSG_PROBE MSG_CMSG_COMPAT SOMAXCONN UIO_MAXIOV MAX_RW_COUNT OPTMEM_MAX SCM_MAX_FD SCM_SECURITY SCM_PIDFD SO_TIMESTAMP_NEW
  SO_TIMESTAMPNS_NEW SO_TIMESTAMPING_NEW SO_RCVTIMEO_NEW SO_SNDTIMEO_NEW SO_TXREHASH SO_RCVMARK SO_PASSPIDFD SO_PEERPIDFD SO_DEVMEM_LINEAR SO_DEVMEM_DMABUF
  SO_DEVMEM_DONTNEED SO_RCVPRIORITY SO_PASSRIGHTS SO_INQ SO_ORIGINAL_DST IPPROTO_L2TP IPPROTO_SMC IPPROTO_MAX IP_LOCAL_PORT_RANGE IP_PROTOCOL IPV6_FLOWINFO IPV6_FLOWLABEL_MGR IPV6_FLOWINFO_SEND
  IPV6_MULTICAST_ALL IPV6_ROUTER_ALERT_ISOLATE IPV6_RECVERR_RFC4884 TCP_AO_ADD_KEY TCP_AO_DEL_KEY TCP_AO_INFO TCP_AO_GET_KEYS TCP_AO_REPAIR TCP_IS_MPTCP
  TCP_RTO_MAX_MS TCP_RTO_MIN_US TCP_DELACK_MAX_US UDP_NO_CHECK6_TX UDP_NO_CHECK6_RX UDP_SEGMENT UDP_GRO F_GETOWNER_UIDS F_DUPFD_QUERY F_CREATED_QUERY SIOCOUTQNSD
  EP_MAX_EVENTS RTM_LAST ERESTARTSYS MAX_ERRNO CMSG_HEADER NAME_CAPACITY UNIX_PATH_MAX SIN6_LEN_RFC2133 SOCKADDR_STORAGE_SIZE NSIG SO_EE_ORIGIN_NONE
  IP_RECVERR_RFC4884 IPV6_PREFER_SRC_TMP IPV6_PREFER_SRC_PUBLIC IPV6_PREFER_SRC_PUBTMP_DEFAULT IPV6_PREFER_SRC_COA IPV6_PREFER_SRC_HOME IPV6_PREFER_SRC_CGA
  IPV6_PREFER_SRC_NONCGA UDPLITE_SEND_CSCOV UDPLITE_RECV_CSCOV`.split(/\s+/),
);
/** SOMAXCONN is 4096 since Linux 5.4, which C libraries follow later; the C library counts one signal more. */
const DIFFER_IN_LIBC = new Set(['SOMAXCONN', 'NSIG']);

const pick = (module: Readonly<Record<string, unknown>>, pattern: RegExp): Record<string, unknown> =>
  Object.fromEntries(Object.entries(module).filter(([name]) => pattern.test(name)));

/** rxOtherhostDropped: rx_otherhost_dropped. */
const snakeCase = (fields: object): Record<string, string> =>
  Object.fromEntries(Object.keys(fields).map((name) => [name, name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)]));

const units = (epollEvent: Declared, numbers: Readonly<Record<string, number>>): readonly Unit[] => [
  {
    headers: ['errno.h'],
    constants: abi.Errno,
  },
  {
    headers: ['linux/icmp.h', 'linux/icmpv6.h'],
    constants: pick(abi, /^ICMP(V6)?_/),
  },
  {
    headers: ['asm/unistd.h'],
    constants: Object.fromEntries(Object.entries(numbers).map(([name, nr]) => [`__NR_${name}`, nr])),
  },
  {
    headers: [
      'sys/socket.h',
      'sys/un.h',
      'sys/time.h',
      'sys/uio.h',
      'time.h',
      'netinet/in.h',
      'netinet/tcp.h',
      'netinet/udp.h',
      'linux/errqueue.h',
      'linux/netlink.h',
      'linux/if_packet.h',
    ],
    layouts: [
      layout(abi.sockaddr, 'sa_'),
      layout(abi.sockaddrIn, 'sin_'),
      layout(abi.sockaddrIn6, 'sin6_', { rename: { scopeId: 'sin6_scope_id' } }),
      layout(abi.sockaddrUn, 'sun_'),
      layout(abi.sockaddrNl, 'nl_'),
      layout(abi.sockaddrLl, 'sll_'),
      layout(abi.iovec, 'iov_'),
      layout(abi.msghdr, 'msg_'),
      layout(abi.mmsghdr, 'msg_'),
      layout(abi.cmsghdr, 'cmsg_'),
      layout(abi.linger, 'l_'),
      layout(abi.timeval, 'tv_'),
      layout(abi.timespec, 'tv_'),
      layout(abi.inPktinfo, 'ipi_', { rename: { specDst: 'ipi_spec_dst' } }),
      layout(abi.in6Pktinfo, 'ipi6_'),
      layout(abi.ipMreq, 'imr_'),
      layout(abi.ipMreqn, 'imr_'),
      layout(abi.ipv6Mreq, 'ipv6mr_'),
      layout(abi.ucred, ''),
      layout(abi.sockExtendedErr, 'ee_'),
      layout(abi.ip6Mtuinfo, 'ip6m_'),
    ],
    constants: {
      ...pick(abi, /^(AF|SOCK|MSG|SHUT|SOL|SO|SCM|IPPROTO|IP|IPV6|MCAST|TCP|TCPI|UDP|UIO)_/),
      ...pick(abi, /^SOMAXCONN$/),
    },
    also: [
      `sizeof(struct sockaddr_storage) == ${abi.SOCKADDR_STORAGE_SIZE}`,
      ...[0, 1, 4, 8, 12, 13].flatMap((n) => [
        `CMSG_LEN(${n}) == ${abi.CMSG_LEN(n)}`,
        `CMSG_SPACE(${n}) == ${abi.CMSG_SPACE(n)}`,
        `CMSG_ALIGN(${n}) == ${abi.CMSG_ALIGN(n)}`,
      ]),
    ],
  },
  {
    headers: ['linux/filter.h', 'linux/net_tstamp.h', 'linux/socket.h'],
    layouts: [layout(abi.sockFilter, ''), layout(abi.sockFprog, ''), layout(abi.sockTxtime, '')],
    constants: pick(abi, /^(SOF_TIMESTAMPING_(?!OPT_ID_TCP|OPT_RX_FILTER|TX_COMPLETION)|SOCK_(SND|RCV)BUF_LOCK)/),
  },
  {
    headers: ['linux/tcp.h'],
    layouts: [
      layout(abi.tcpInfo, 'tcpi_', {
        skip: ['wscale', 'flags'],
        newer: Object.keys(abi.tcpInfo.fields).slice(Object.keys(abi.tcpInfo.fields).indexOf('rcv_wnd')),
      }),
    ],
  },
  {
    headers: [
      'linux/netlink.h',
      'linux/rtnetlink.h',
      'linux/if_link.h',
      'linux/if_addr.h',
      'linux/if_arp.h',
      'linux/if.h',
      'linux/in_route.h',
      'linux/neighbour.h',
      'linux/fib_rules.h',
    ],
    layouts: [
      layout(abi.nlmsghdr, 'nlmsg_'),
      layout(abi.nlmsgerr, ''),
      layout(abi.nlattr, 'nla_'),
      layout(abi.nlPktinfo, ''),
      layout(abi.rtgenmsg, 'rtgen_'),
      layout(abi.ifinfomsg, 'ifi_', { rename: { pad: '__ifi_pad' } }),
      layout(abi.ifaddrmsg, 'ifa_'),
      layout(abi.rtmsg, 'rtm_', { rename: { dstLen: 'rtm_dst_len', srcLen: 'rtm_src_len' } }),
      layout(abi.ifaCacheinfo, 'ifa_', { rename: { cstamp: 'cstamp', tstamp: 'tstamp' } }),
      layout(abi.rtaCacheinfo, 'rta_'),
      layout(abi.ndmsg, 'ndm_'),
      layout(abi.fibRuleHdr, '', { rename: { dstLen: 'dst_len', srcLen: 'src_len' } }),
      layout(abi.rtnlLinkStats, '', { rename: snakeCase(abi.rtnlLinkStats.fields) }),
      layout(abi.rtnlLinkStats64, '', { rename: snakeCase(abi.rtnlLinkStats64.fields), newer: ['rxOtherhostDropped'] }),
      layout(abi.ifreq, 'ifr_', { skip: ['name', 'ifru'] }),
      layout(abi.ifconf, 'ifc_'),
    ],
    constants: pick(
      abi,
      /^(NETLINK|NLM|NLMSG|NLMSGERR|NLA|RTM|IFLA|IFF|IFA|IFAPROT|RT|RTA|RTAX|RTN|RTPROT|RTCF|RTEXT|ARPHRD|IF_OPER|IFNAMSIZ|NDA|NUD|FRA|FR)(_|$)(?!GROUPS$)/,
    ),
  },
  { headers: ['poll.h'], layouts: [layout(abi.pollfd, '')], constants: pick(abi, /^POLL/) },
  { headers: ['sys/select.h'], constants: pick(abi, /^FD_SETSIZE$/) },
  {
    headers: ['sys/epoll.h'],
    layouts: [layout(epollEvent, '')],
    constants: pick(abi, /^EPOLL/),
    also: ['sizeof(epoll_data_t) == 8'],
  },
  { headers: ['fcntl.h'], constants: pick(abi, /^(F|FD|O|AT)_(?!SETSIZE|DIRECT$)/) },
  { headers: ['sys/ioctl.h', 'linux/sockios.h'], constants: pick(abi, /^(FIO|SIOC|TIOC|TCGETS)/) },
  { headers: ['signal.h'], constants: pick(abi, /^(SIG|SA_)/) },
];

function structAssertions(
  of: Layout,
  present: (name: string) => boolean,
): { readonly lines: string[]; readonly lacking: string[] } {
  const lines: string[] = [];
  const lacking: string[] = [];
  for (const [field, { size }] of Object.entries(of.fields)) {
    const name = of.rename?.[field] ?? of.prefix + field;
    if (of.skip?.includes(field) === true) continue;
    if (of.newer?.includes(field) === true && !present(name)) {
      lacking.push(name);
      continue;
    }
    lines.push(`_Static_assert(offsetof(${of.c}, ${name}) == ${of.offset[field]}, "offset of ${of.c}.${name}");`);
    lines.push(`_Static_assert(sizeof(((${of.c} *)0)->${name}) == ${size}, "size of ${of.c}.${name}");`);
  }
  const relation = lacking.length > 0 ? '<' : '==';
  lines.push(`_Static_assert(sizeof(${of.c}) ${relation} ${of.size}, "size of ${of.c}");`);
  return { lines, lacking };
}

function constantAssertions(constants: Readonly<Record<string, unknown>>): string[] {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(constants)) {
    if (typeof value !== 'number' || DIFFER_IN_LIBC.has(name)) continue;
    const assertion = `_Static_assert((unsigned int)(${name}) == ${value >>> 0}u, "${name} is not ${value}");`;
    lines.push(...(MAY_LACK.has(name) ? [`#ifdef ${name}`, assertion, '#endif'] : [assertion]));
  }
  return lines;
}

function compile(
  compiler: string,
  source: string,
  how: string,
): { readonly status: number | null; readonly out: string; readonly err: string } {
  const run = spawnSync(compiler, ['-std=gnu11', how, '-x', 'c', '-o', '-', '-'], {
    input: source,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return { status: run.status, out: run.stdout, err: run.stderr };
}

/** Checks every unit with one compiler. Returns the number of assertions; throws with the compiler's messages. */
export function check(
  compiler: string,
  epollEvent: Declared,
  numbers: Readonly<Record<string, number>>,
): { readonly assertions: number; readonly lacking: readonly string[] } {
  let assertions = 0;
  const lacking: string[] = [];
  for (const unit of units(epollEvent, numbers)) {
    const head = ['#define _GNU_SOURCE', '#include <stddef.h>', ...unit.headers.map((h) => `#include <${h}>`)];
    const text = compile(compiler, head.join('\n'), '-E').out;
    const body: string[] = [];
    for (const of of unit.layouts ?? []) {
      const made = structAssertions(of, (name) => new RegExp(`\\b${name}\\b`).test(text));
      body.push(...made.lines);
      lacking.push(...made.lacking);
    }
    body.push(...constantAssertions(unit.constants ?? {}));
    for (const condition of unit.also ?? []) body.push(`_Static_assert(${condition}, "see condition");`);
    assertions += body.filter((line) => line.startsWith('_Static_assert')).length;
    const result = compile(compiler, [...head, ...body, ''].join('\n'), '-S');
    if (result.status !== 0)
      throw new Error(`${compiler} disagrees with src/abi (${unit.headers[0] ?? ''}):\n${result.err}`);
  }
  return { assertions, lacking };
}

/** True if the compiler can be run. */
export const hasCompiler = (name: string): boolean => spawnSync(name, ['--version']).status === 0;

function main(): void {
  const targets = [
    {
      compiler: process.arch === 'x64' ? 'gcc' : 'x86_64-linux-gnu-gcc',
      event: abi.epollEventAmd64,
      numbers: abi.NR_AMD64,
    },
    {
      compiler: process.arch === 'arm64' ? 'gcc' : 'aarch64-linux-gnu-gcc',
      event: abi.epollEventArm64,
      numbers: abi.NR_ARM64,
    },
  ];
  const requireAll = process.env['CI'] === 'true' || process.argv.includes('--require-arm64');
  let checked = 0;
  for (const { compiler, event, numbers } of targets) {
    if (!hasCompiler(compiler)) {
      process.stdout.write(`${compiler} is not installed, its ABI is not checked\n`);
      if (compiler === 'gcc' || requireAll) process.exitCode = 1;
      continue;
    }
    const { assertions, lacking } = check(compiler, event, numbers);
    checked += assertions;
    const newer = lacking.length > 0 ? `; newer than these headers: ${lacking.join(', ')}` : '';
    process.stdout.write(`${compiler}: ${assertions} statements of src/abi agree with the C headers${newer}\n`);
  }
  if (checked === 0)
    throw new Error(
      `no C compiler: install gcc and the C library's and kernel's headers (build-essential, linux-libc-dev)`,
    );
}
if (process.argv[1]?.endsWith('check-headers.js') === true) main();
