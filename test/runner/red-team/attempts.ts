/**
 * The attempts of the red team's programs in this folder: what stops each, and what it may see of that. docs/red-team.md is this table; the test holds that each attempt was made and met nothing else. An answer
 * is an errno, or the words of the attempt; several errnos are those of its several calls.
 */
export interface Attempt {
  readonly name: string;
  readonly stoppedBy: string;
  readonly answers: readonly string[];
}
export interface Part {
  readonly title: string;
  readonly attempts: readonly Attempt[];
}

const at = (name: string, answers: string, stoppedBy: string): Attempt => ({
  name,
  stoppedBy,
  answers: answers.split('; ').flatMap((answer) => (/^(E[A-Z0-9]+ ?)+$/.test(answer) ? answer.split(' ') : [answer])),
});
const SERVES = 'the stack serves on';
const NEVER = 'never reached';

const FAMILY =
  'the filter sends socket() of every family but AF_UNIX to the supervisor, which never lets the kernel make it';
const FAMILIES = 'VSOCK ALG XDP TIPC RDS KCM SMC KEY BLUETOOTH CAN QIPCRTR PPPOX RXRPC NFC PHONET LLC'.split(' ');
const NAMES =
  'only names that a guest of this run has bound exist, known by inode; the supervisor reads the name once and connects itself';
const READ_ONCE = `${NAMES}: what the guest changes after that is not looked at`;
const ABSTRACT = 'abstract names are those of the guest’s own network namespace';
const LINK =
  'the gateway refuses the host’s own addresses in every form, and what reaches it is frames, whoever made them';
const PID = 'the PID namespace: no process of the host has a number there';
const TIED =
  'the kernel performs what was looked at, number and arguments, or nothing: a call that is made again is looked at again';
const ABSENT = 'refused whatever it points to';
const NATIVE = 'what the guest writes into its end of a placeholder is one more foreign stream to the supervisor';

export const PARTS: readonly Part[] = [
  {
    title: 'Sockets of the kernel’s own',
    attempts: [
      ...FAMILIES.map((family) => at(`AF_${family}`, 'EAFNOSUPPORT', FAMILY)),
      at('every other family', 'EAFNOSUPPORT', FAMILY),
      at('socketpair of every family', 'EOPNOTSUPP EAFNOSUPPORT', 'the filter lets pairs of AF_UNIX through alone'),
      at('netlink but NETLINK_ROUTE', 'EPROTONOSUPPORT', FAMILY),
    ],
  },
  {
    title: 'The host’s network',
    attempts: [
      at('TCP to the host’s own addresses', 'EACCES EINVAL ENETUNREACH ECONNREFUSED EHOSTUNREACH EADDRNOTAVAIL', LINK),
      at('UDP to the host’s own addresses', 'sent, and nobody answers', LINK),
      at('raw packets with foreign sources', 'EPERM EPROTONOSUPPORT; sent, and nobody answers', LINK),
      at('frames made by hand', 'EPERM EAFNOSUPPORT; sent, and nobody answers', LINK),
      at(
        'the host’s interfaces',
        'EPERM ENODEV ENOTTY',
        'the supervisor answers every request of a socket about interfaces, of unix sockets too, and lets none through',
      ),
    ],
  },
  {
    title: 'Unix sockets of the host',
    attempts: [
      at('abstract names: connect', 'ECONNREFUSED', ABSTRACT),
      at('abstract names: send', 'ECONNREFUSED', ABSTRACT),
      at('abstract names that systems use', 'ECONNREFUSED', ABSTRACT),
      at('path names: connect', 'ENOENT', NAMES),
      at('path names: links, /proc/self/root, O_PATH', 'ENOENT ENXIO', NAMES),
      at('path names: send', 'ENOENT', NAMES),
      at('path names: a name of one’s own replaced', 'ENOENT', NAMES),
      at('path names: chroot', 'ENOENT; chroot: EPERM', `${NAMES}, under the guest’s root`),
      at('path names that systems use', 'ENOENT ECONNREFUSED EACCES', NAMES),
      at(
        'a unix socket of the host as its input',
        'EPERM ENOENT',
        'a socket of the host’s network may not name anybody (SO_NETNS_COOKIE tells)',
      ),
      at('SO_PEERPIDFD and SO_PASSPIDFD', 'ENOPROTOOPT', ABSENT),
    ],
  },
  {
    title: 'Races: what a call points to changes between the look and the use',
    attempts: [
      at('race: path in connect', NEVER, READ_ONCE),
      at('race: abstract name in connect', NEVER, READ_ONCE),
      at(
        'race: symbolic links exchanged',
        NEVER,
        'the supervisor opens the name (O_PATH), compares the inode and connects through that descriptor',
      ),
      at(
        'race: directories exchanged',
        NEVER,
        'the supervisor opens the name (O_PATH), compares the inode and connects through that descriptor',
      ),
      at('race: name in sendto', NEVER, READ_ONCE),
      at('race: name in sendmsg', NEVER, READ_ONCE),
      at('race: name in sendmmsg', NEVER, READ_ONCE),
      at('race: msghdr rewritten', NEVER, 'the header is read once, and the message is sent by the supervisor'),
      at(
        'race: what a descriptor number leads to',
        NEVER,
        'the supervisor acts on the copy that it has looked at; one that has become a placeholder is served as one, and a socket of the host’s network may not name anybody',
      ),
      at(
        'race: a broken connection and its message',
        NEVER,
        'the kernel performs no call itself whose target stands in memory',
      ),
      at('race: internet destination', NEVER, 'the destination is read once, and only frames leave'),
      at(
        'race: memory unmapped and protected',
        'the supervisor serves on',
        'memory is copied by process_vm_readv, which fails as the guest’s own access would',
      ),
      at(
        'race: threads that die in their calls',
        'the supervisor serves on',
        'a thread is known by its pidfd, a call by its id',
      ),
    ],
  },
  {
    title: 'Instructions of calls',
    attempts: [
      at('a call that waits, its instruction rewritten', 'EPIPE', TIED),
      at('race: instructions rewritten as a descriptor enters', NEVER, TIED),
    ],
  },
  {
    title: 'Processes and namespaces',
    attempts: [
      at('the supervisor by its number', 'ENOENT ESRCH EPERM', PID),
      at('a process of the host by its number', 'ENOENT ESRCH EPERM', PID),
      at('processes that are visible', 'its own alone', PID),
      at(
        'the keeper of the namespace',
        'the same filter and the same capabilities',
        'it is the guest’s equal: to take it over gains nothing',
      ),
      at(
        'kill of everybody',
        'told inside alone',
        'the PID namespace; the supervisor sends what is meant for the caller’s own group, to those inside',
      ),
      at(
        'capabilities',
        'EPERM EINVAL',
        'docker’s bounding set for root, none for a plain user; no_new_privs for both',
      ),
      at(
        'unshare, clone and clone3 with namespaces',
        'EPERM ENOSYS EINVAL',
        'the flags in the registers; clone3, whose flags are in memory, does not exist',
      ),
      at('setns by /proc, pidfd and ioctl', 'EPERM', ABSENT),
    ],
  },
  {
    title: 'Interfaces of the kernel',
    attempts: [
      at('io_uring', 'ENOSYS', ABSENT),
      at('userfaultfd', 'EPERM ENOSYS EACCES ENOENT', ABSENT),
      at('bpf', 'ENOSYS', ABSENT),
      at('perf_event_open', 'ENOSYS', ABSENT),
      at('keys', 'ENOSYS', ABSENT),
      at('modules and kexec', 'ENOSYS EPERM', 'CAP_SYS_MODULE and CAP_SYS_BOOT are not there'),
      at('clock, host name, swap, ports, reboot', 'EPERM ENOSYS', 'their capabilities are not there'),
      at('mounts', 'EPERM ENOSYS', ABSENT),
      at('file handles and fanotify', 'EPERM EOPNOTSUPP', 'CAP_DAC_READ_SEARCH and CAP_SYS_ADMIN are not there'),
      at('a seccomp listener of its own', 'EBUSY', 'the kernel allows one listener'),
      at('seccomp filters of its own', 'ENOSYS EAFNOSUPPORT', 'the strictest of all filters decides'),
      at(
        'filters suspended or gone around',
        'EPERM EAFNOSUPPORT EINVAL',
        'PTRACE_O_SUSPEND_SECCOMP needs CAP_SYS_ADMIN; what user dispatch lets through is filtered',
      ),
      at('a call rewritten by a tracer', 'EAFNOSUPPORT', 'the filter sees the call as the tracer left it'),
      at('TIOCSTI and TIOCLINUX', 'EPERM EIO', ABSENT),
    ],
  },
  {
    title: 'Other entries',
    attempts: [
      at('x32 numbers', 'ENOSYS', 'the number’s bit'),
      at('int 0x80: socketcall', 'killed by SIGSYS', 'the architecture of the entry is looked at first'),
      at('int 0x80: socket', 'killed by SIGSYS', 'the architecture of the entry is looked at first'),
      at('int 0x80: getpid', 'killed by SIGSYS', 'the architecture of the entry is looked at first'),
      at('numbers of later kernels', 'ENOSYS', 'a list of numbers that are known; all others are refused'),
      at('numbers of nobody', 'ENOSYS', 'a list of numbers that are known; all others are refused'),
      at('negative and huge numbers', 'ENOSYS', 'a list of numbers that are known; all others are refused'),
    ],
  },
  {
    title: 'Descriptors',
    attempts: [
      at('numbers 3 to 65535', 'EBADF', 'the launcher closes all but the three standard ones, the caller’s too'),
      at('/proc/PID/fd of every process', 'nothing but the guest’s own; nothing to be seen', PID),
      at('pidfd_getfd of every process', 'ESRCH', PID),
      at(
        'descriptors sent to it',
        'none comes',
        'nobody has a socket of the guest’s but the supervisor, which sends none',
      ),
      at('sendfile, splice, vmsplice, copy_file_range on sockets', SERVES, NATIVE),
      at('asynchronous I/O on sockets', SERVES, NATIVE),
      at('SCM_RIGHTS on sockets', SERVES, NATIVE),
      at(
        'sockets taken for unix sockets',
        'ENXIO EINVAL ENOTTY EPIPE ENODATA EAFNOSUPPORT EISCONN ENOPROTOOPT EPERM',
        'the supervisor answers for its sockets, whatever stands for them',
      ),
    ],
  },
  {
    title: 'Files and devices',
    attempts: [
      at(
        'files by which the kernel starts programs',
        'ENOENT EROFS EACCES EPERM',
        'read-only mounts for root, the file’s owner for a plain user',
      ),
      at(
        'settings of the kernel',
        'ENOENT EROFS EACCES EPERM',
        'read-only mounts for root, the file’s owner for a plain user',
      ),
      at(
        'memory of the kernel',
        'ENOENT EPERM EACCES ENXIO',
        'CAP_SYS_RAWIO is not there; an empty file over /proc/kcore',
      ),
      at('/dev/net/tun', 'EPERM ENOENT EACCES ENOTTY EBADFD ENODEV ENXIO', 'TUNSETIFF is refused on every descriptor'),
      at(
        '/dev/vhost-vsock and vhost-net',
        'EPERM ENOENT EACCES ENODEV ENXIO',
        'requests of vhost are refused on every descriptor',
      ),
      at('ppp and line disciplines', 'EPERM ENOENT EACCES ENXIO EINVAL ENOTTY ENODEV', 'CAP_NET_ADMIN is not there'),
      at('fuse', 'EPERM ENOENT EACCES ENODEV ENXIO', 'no mount'),
    ],
  },
];
export const ATTEMPTS: readonly Attempt[] = PARTS.flatMap(({ attempts }) => attempts);

/** Where the guest is traced (`--platform ptrace`) these are answered otherwise; none is where the attempt is not made there. */
export const TRACED: readonly Attempt[] = [
  at('a seccomp listener of its own', 'EINVAL', 'its verdict would come before the tracer’s'),
  at('a call rewritten by a tracer', 'EPERM', 'ptrace(2) is refused: a thread has one tracer, which is ours'),
  { name: 'numbers 3 to 65535', answers: [], stoppedBy: 'as above; 300,000 calls take too long there' },
];

const code = (answer: string): string => (/^E[A-Z0-9]+$/.test(answer) ? `\`${answer}\`` : answer);
const row = ({ name, answers, stoppedBy }: Attempt): string =>
  `| ${name} | ${stoppedBy} | ${answers.map(code).join('; ')} |`;

/** docs/red-team.md. */
export const document = (): string =>
  [
    '# The red team',
    '',
    'Written by `npm run docs` from `test/runner/red-team/attempts.ts`. `test/runner/red-team.test.ts` compiles the programs of that folder and runs them as guests, as root and as a plain user, on both planes, with the',
    'host’s side listening: a service that somebody reaches, an attempt that meets another answer or none, or one that is missing here, fails the test. The same program outside of the sandbox gets out by the ways that a host leaves open.',
    'What each wall is, and what is no wall at all, says [SECURITY.md](../SECURITY.md).',
    ...PARTS.flatMap(({ title, attempts }) => [
      '',
      `## ${title}`,
      '',
      '| attempt | stopped by | the guest sees one of |',
      '|---|---|---|',
      ...attempts.map(row),
    ]),
    '',
    '## Where the guest is traced',
    '',
    'All of them are made once more with `--platform ptrace`, in the strict plane as the caller, and meet the same, but for these:',
    '',
    '| attempt | stopped by | the guest sees |',
    '|---|---|---|',
    ...TRACED.map(row),
    '',
  ].join('\n');
