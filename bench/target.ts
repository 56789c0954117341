/** A place in which a program can run while its peer runs outside of it: natively, in a sandbox of either plane over either link, or in that of another tool. */
import { join } from 'node:path';
import type { RoleOf } from './cpu.ts';
import { Program } from './program.ts';
import { firstCore, installed, type World } from './world.ts';

export interface Port {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}
export interface Placement {
  /** Servers outside which the program reaches. */
  readonly outside?: readonly Port[];
  /** Ports of the program's which its peer outside reaches under the same number. */
  readonly inside?: readonly Port[];
  /** All processes on one core. */
  readonly oneCore?: boolean;
}
/** A program that runs in a target. */
export interface Placed {
  readonly program: Program;
  /** Of the world outside, as the program sees it. */
  readonly outsideAddress: string;
  /** Of the program, as the world outside sees it. */
  readonly insideAddress: string;
  /** What helps the program to run, and is no child of it. */
  readonly helpers: readonly number[];
  end(): Promise<void>;
}
export interface Target {
  readonly name: string;
  readonly title: string;
  /** Sandsock itself, whose failure is a failure of the benchmark. */
  readonly own: boolean;
  readonly roleOf: RoleOf;
  /** What is missing for it here: "not installed". */
  readonly lacking: string | undefined;
  place(argv: readonly string[], placement: Placement): Promise<Placed>;
}

const LOOPBACK = '127.0.0.1';
const cli = join(import.meta.dirname, '../src/cli/main.js');

/** `argv` as it is to be started where all shall share a core. */
export const onCore = (argv: readonly string[], { oneCore = false }: Placement): readonly string[] =>
  oneCore ? ['taskset', '--cpu-list', firstCore(), ...argv] : argv;

/** A placement of one program, without anything beside it. */
export function placed(program: Program, outsideAddress: string, insideAddress: string): Placed {
  return { program, outsideAddress, insideAddress, helpers: [], end: () => program.end() };
}

export const native: Target = {
  name: 'native',
  title: 'native',
  own: true,
  roleOf: () => undefined,
  lacking: undefined,
  place(argv, placement) {
    return Promise.resolve(placed(new Program(onCore(argv, placement)), LOOPBACK, LOOPBACK));
  },
};

type PlaneName = 'direct' | 'strict';

const roleOf: RoleOf = (commandLine) => {
  if (commandLine.includes(cli)) return 'supervisor';
  return commandLine.includes('/src/gateway/main.js') ? 'gateway' : undefined;
};

const sandsock = (
  plane: PlaneName,
  options: readonly string[],
  argv: readonly string[],
  placement: Placement,
): Program =>
  new Program(
    onCore([process.execPath, cli, 'run', '--kill-on-exit', '--plane', plane, ...options, '--', ...argv], placement),
  );

interface GatewayChoice {
  readonly plane: PlaneName;
  /** In the supervisor's own loop. */
  readonly inline?: true;
  /** The program is traced, as where there is no user notification. */
  readonly traced?: true;
}
/** Over sandsock's own gateway: ports of the host's loopback, opened and published one by one. */
const overGateway = ({ plane, inline, traced }: GatewayChoice): Target => ({
  name: `${plane}${inline === true ? '-inline' : ''}${traced === true ? '-ptrace' : ''}`,
  title: `${plane}, ${inline === true ? 'inline gateway' : 'gateway'}${traced === true ? ', ptrace' : ''}`,
  own: true,
  roleOf,
  lacking: traced === true && process.arch !== 'x64' ? 'the ptrace platform is for x86_64' : undefined,
  place(argv, placement) {
    const published = (placement.inside ?? []).map(({ port, protocol }) => `${LOOPBACK}:${port}:${port}/${protocol}`);
    const options = [
      ...(inline === true ? ['--inline-gateway'] : []),
      ...(traced === true ? ['--platform', 'ptrace'] : []),
      ...(placement.outside ?? []).flatMap(({ port }) => ['--host-port', String(port)]),
      ...published.flatMap((port) => ['--publish', port]),
    ];
    return Promise.resolve(placed(sandsock(plane, options, argv, placement), '10.0.2.2', LOOPBACK));
  },
});

/** Over a tap whose other end is the kernel's own stack. */
const overTap = (plane: PlaneName, world: World): Target => ({
  name: `${plane}-tap`,
  title: `${plane}, tap`,
  own: true,
  roleOf,
  lacking: world.tapFault,
  place(argv, placement) {
    const tap = world.addTap();
    const link = ['--link', `tap:${tap.name}`, '--ip', `${tap.guest}/${tap.prefix}`, '--gateway', tap.host];
    const program = sandsock(plane, link, argv, placement);
    return Promise.resolve({
      ...placed(program, tap.host, tap.guest),
      end: async () => {
        await program.end();
        world.removeLink(tap);
      },
    });
  },
});

export const sandsockTargets = (world: World): Target[] => [
  overGateway({ plane: 'direct' }),
  overGateway({ plane: 'strict' }),
  overGateway({ plane: 'direct', inline: true }),
  overGateway({ plane: 'direct', traced: true }),
  overGateway({ plane: 'strict', traced: true }),
  overTap('direct', world),
  overTap('strict', world),
];

export const missing = (...programs: readonly string[]): string | undefined => {
  const absent = programs.filter((program) => !installed(program));
  return absent.length === 0 ? undefined : `${absent.join(' and ')} not installed`;
};
