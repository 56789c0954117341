/**
 * What others use in sandsock's place, where it is installed: pasta and slirp4netns, whose programs have the kernel's TCP in a namespace of their own and a translator behind a
 * tap; and gVisor's runsc, which serves the calls itself as sandsock does: with its own stack, over a veth pair, or with the sockets of the host (`do --network=host`).
 * All need the benchmark's own namespace, its addresses and its default route.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RoleOf } from './cpu.ts';
import { exchange } from './exchange.ts';
import { eventually, Program } from './program.ts';
import { missing, onCore, type Placed, type Placement, type Port, placed, type Target } from './target.ts';
import type { World } from './world.ts';

const LOOPBACK = '127.0.0.1';
const START_MS = 10_000;

/** A process is `role` when its command line begins with one of the program's names. */
const byName =
  (role: string, names: RegExp): RoleOf =>
  (commandLine) =>
    names.test(commandLine) ? role : undefined;

/** Ends the last first, whatever fails. */
async function endAll(ends: readonly (() => Promise<void> | void)[]): Promise<void> {
  for (const end of ends.toReversed()) await end();
}

const networkOf = (pid: number): string => readlinkSync(`/proc/${pid}/ns/net`);

/** A process that does nothing in an empty network namespace. */
async function holder(): Promise<Program> {
  const program = new Program(['unshare', '--net', 'sleep', 'infinity']);
  await eventually(async () => {
    if (networkOf(program.pid) === networkOf(process.pid)) throw new Error('unshare has not made its namespace');
  }, START_MS);
  return program;
}
const within = ({ pid }: Program, argv: readonly string[]): readonly string[] => [
  'nsenter',
  '--net',
  '--target',
  String(pid),
  ...argv,
];

const portsOf = (ports: readonly Port[] | undefined, wanted: Port['protocol']): string =>
  (ports ?? [])
    .filter(({ protocol }) => protocol === wanted)
    .map(({ port }) => port)
    .join(',') || 'none';

const pasta = (world: World): Target => ({
  name: 'pasta',
  title: 'pasta',
  own: false,
  roleOf: byName('pasta', /^(\S*\/)?pasta(\.avx2)? /),
  lacking: missing('pasta') ?? world.tapFault,
  place(argv, placement) {
    const { inside } = placement;
    // Another user than root would take the capabilities away that the programs of the other targets have.
    const options = ['--config-net', '--runas', '0', '-4', '-f', '-q', '-T', 'none', '-U', 'none'];
    const ports = ['-t', portsOf(inside, 'tcp'), '-u', portsOf(inside, 'udp')];
    const program = new Program(onCore(['pasta', ...options, ...ports, '--', ...argv], placement));
    return Promise.resolve(placed(program, world.router, LOOPBACK));
  },
});

const SLIRP_GUEST = '10.0.2.100';

async function slirpCommand(path: string, command: object): Promise<void> {
  const answer = await exchange({ path }, JSON.stringify(command), (text) => text.trim().endsWith('}'));
  if (answer === '' || answer.includes('"error"')) throw new Error(`slirp4netns says "${answer.trim()}"`);
}

const slirp4netns = (world: World): Target => ({
  name: 'slirp4netns',
  title: 'slirp4netns',
  own: false,
  roleOf: byName('slirp4netns', /^(\S*\/)?slirp4netns /),
  lacking: missing('slirp4netns') ?? world.tapFault,
  async place(argv, placement): Promise<Placed> {
    const namespace = await holder();
    const ends = [() => namespace.end()];
    try {
      const api = join(world.directory, `slirp-${namespace.pid}`);
      const options = ['--configure', '--mtu=65520', `--api-socket=${api}`, String(namespace.pid), 'tap0'];
      const slirp = new Program(onCore(['slirp4netns', ...options], placement));
      ends.push(() => slirp.end());
      await eventually(() => slirpCommand(api, { execute: 'list_hostfwd' }), START_MS);
      for (const { port, protocol } of placement.inside ?? []) {
        const [host, guest] = [
          { host_addr: LOOPBACK, host_port: port },
          { guest_addr: SLIRP_GUEST, guest_port: port },
        ];
        await slirpCommand(api, { execute: 'add_hostfwd', arguments: { proto: protocol, ...host, ...guest } });
      }
      const program = new Program(onCore(within(namespace, argv), placement));
      ends.push(() => program.end());
      return { ...placed(program, '10.0.2.2', LOOPBACK), helpers: [slirp.pid], end: () => endAll(ends) };
    } catch (error) {
      await endAll(ends);
      throw error;
    }
  },
});

const runscRole = byName('runsc', /^(\S*\/)?runsc/);

/** Those that docker gives. */
const CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'NET_BIND_SERVICE', 'SETGID', 'SETUID'].map(
  (name) => `CAP_${name}`,
);
/** config.json of an OCI bundle whose root is the host's. */
const bundle = (argv: readonly string[], namespacePid: number): string =>
  JSON.stringify({
    ociVersion: '1.0.0',
    process: {
      user: { uid: 0, gid: 0 },
      cwd: '/',
      args: argv,
      env: [`PATH=${process.env['PATH'] ?? ''}`],
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    },
    root: { path: '/' },
    linux: {
      namespaces: [
        { type: 'network', path: `/proc/${namespacePid}/ns/net` },
        ...['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      ],
    },
  });

/**
 * runsc takes the addresses of its namespace's interfaces over. That /proc/sys/net/core/rmem_default exists is to it a sign of the host's own namespace, in which it refuses
 * to; since Linux has that file in every namespace, a mount hides it.
 */
const HIDE_SYSCTLS = 'mount -t tmpfs none /proc/sys/net && exec "$@"';

const runsc = (world: World): Target => ({
  name: 'runsc',
  title: 'runsc',
  own: false,
  roleOf: runscRole,
  lacking: missing('runsc') ?? world.tapFault,
  async place(argv, placement): Promise<Placed> {
    const namespace = await holder();
    const ends: (() => Promise<void> | void)[] = [() => namespace.end()];
    try {
      const veth = world.addVeth(namespace.pid);
      ends.push(() => world.removeLink(veth));
      const directory = join(world.directory, `runsc-${namespace.pid}`);
      mkdirSync(directory);
      writeFileSync(join(directory, 'config.json'), bundle(argv, namespace.pid));
      const options = [`--root=${directory}/state`, '--network=sandbox', 'run', `--bundle=${directory}`];
      const hidden = ['unshare', '--mount', 'sh', '-c', HIDE_SYSCTLS, 'sh', 'runsc', ...options, veth.name];
      const program = new Program(onCore(hidden, placement));
      ends.push(() => program.end());
      return { ...placed(program, veth.host, veth.guest), end: () => endAll(ends) };
    } catch (error) {
      await endAll(ends);
      throw error;
    }
  },
});

const runscOnHost = (world: World): Target => ({
  name: 'runsc-host',
  title: "runsc, host's sockets",
  own: false,
  roleOf: runscRole,
  lacking: missing('runsc') ?? world.tapFault,
  place(argv, placement: Placement) {
    const program = new Program(onCore(['runsc', '--rootless', '--network=host', 'do', ...argv], placement));
    return Promise.resolve(placed(program, LOOPBACK, LOOPBACK));
  },
});

export const peers = (world: World): Target[] => [pasta(world), slirp4netns(world), runsc(world), runscOnHost(world)];

/** What `--version` says first, of those among the targets that are installed and know. */
export const peerVersions = (targets: readonly Target[]): string[] =>
  targets
    .filter(({ name, lacking }) => lacking === undefined && (name === 'slirp4netns' || name === 'runsc'))
    .map(({ name }) => execFileSync(name, ['--version'], { encoding: 'utf8', timeout: 5000 }).split('\n')[0] ?? '');
