/** The command line. Exit status as docker run: the guest's own, 128 + signal, 125 for a failure of ours, 126 not executable, 127 not found. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import colours from 'picocolors';
import { RunError } from '../runner/errors.ts';
import { parseRunOptions } from './config.ts';
import type { ConformanceOptions } from './conformance.ts';
import { examine, type Finding } from './doctor.ts';
import { run } from './run.ts';

const FAILED = 125;

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

const RUN_EXAMPLES = `
Examples:
  sandsock run -- curl https://example.org/
  sandsock run --host-port 8000 -- curl http://host.internal:8000/
  sandsock run -p 8080:80 -p 127.0.0.1:5353:53/udp -- ./server
  sandsock run --link tap:tap0 --ip 10.0.5.2/24 --gateway 10.0.5.1 -- iperf3 -c 10.0.5.1
  sandsock run --strace=calls.txt --json -- python3 app.py
  sandsock run --report gaps.txt -- ping -c1 example.org
  sandsock run -- sh -c 'exit 7'; echo $?

Exit status: the program's own; 128 + n when signal n ended it; 125 when sandsock failed; 126 when the program cannot be executed; 127 when there is none.`;

const CONFORMANCE_EXAMPLES = `
Examples:
  sandsock conformance                            every body on this kernel and on the emulator
  sandsock conformance --quick                    six bodies of each group, none in which time passes
  sandsock conformance --group epoll              one group; an unknown one lists them
  sandsock conformance --driver direct            the same bodies as a guest of sandsock run
  sandsock conformance --json | jq '.[] | select((.equal or .deviations) | not)'

A body is a script of system calls. It runs on this host's kernel in a network namespace of its own and on sandsock; its transcript holds each
call with its result, each octet of its memory that changed and who was woken, and the two transcripts must be equal, line by line.

--json prints an array of {name, group, linux, sandsock, equal}: linux and sandsock are the transcripts, as arrays of lines. In a plane of
sandsock run a body may have "deviations": why the two may differ where they do (docs/conformance.md lists them).

Exit status: 0 when all are equal, but for what is listed of the plane; 1 when one differs; 125 when the bodies cannot be run here.`;

/**
 * The words of `run` as commander is to see them: an option whose value is optional takes it after = only, so that the word behind it stays the program, and `--` is nobody's value. What
 * stands behind the program's name is the program's.
 */
function withExplicitValues(argv: readonly string[], command: Command): string[] {
  const words = [...argv];
  if (words[2] !== 'run') return words;
  for (let i = 3; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '--' || !word.startsWith('-')) break;
    const option = command.options.find(({ short, long }) => word === short || word === long);
    if (option?.required === true) {
      if (words[++i] === '--') command.error(`error: option '${option.flags}' argument missing`);
    } else if (option?.optional === true) words[i] = `${word}=-`;
  }
  return words;
}

/** For an option that may be repeated. Without a default, which the help would show as []; its --no- may stand before it. */
const collect = (value: string, all?: readonly string[] | boolean): string[] => [
  ...(typeof all === 'object' ? all : []),
  value,
];

/** The command whose help says more, with a space before it. */
function subcommand(): string {
  const [, , word = ''] = process.argv;
  return ['run', 'doctor', 'conformance'].includes(word) ? ` ${word}` : '';
}

function addRun(program: Command): Command {
  return program
    .command('run')
    .description('run a program in a sandbox of its own')
    .usage('[options] -- CMD [ARGS...]')
    .argument('<cmd>', 'the program, found in PATH')
    .argument('[args...]', 'its arguments')
    .passThroughOptions()
    .configureHelp({ optionTerm: ({ flags }) => flags.replace(' [', '[=') })
    .option('--strace [file]', 'list every socket call: on stderr, or in a file')
    .option('--pcap <file>', 'capture the frames of the link, with who caused them (pcapng, for Wireshark)')
    .option('--json [file]', 'a summary as one line of JSON at the end: on stderr, or in a file')
    .option(
      '--report <file>',
      'what the program asked for and did not get, and what that means for it; as JSON in FILE.json, - is stderr',
    )
    .option(
      '--host-port <port>',
      "open this port of the host's loopback at 10.0.2.2 and host.internal; repeatable",
      collect,
    )
    .option(
      '-p, --publish <[addr:]host:guest[/udp]>',
      "open a port of the host that leads to one of the guest's, on all addresses of the host unless one is named; repeatable",
      collect,
    )
    .option(
      '--plane <name>',
      'how data reaches the guest: direct lets it flow, strict traps every transfer (default: direct; strict for --strace and --pcap)',
    )
    .option(
      '--platform <name>',
      'how calls are caught: notify by seccomp user notification, ptrace by tracing the program, which is slower (default: auto, ptrace where there is no notification)',
    )
    .option('--link <tap:name|fd:n>', 'a tap, or a descriptor that carries frames, in place of the gateway; with --ip')
    .option('--ip <address/prefix>', "an address of the guest's on --link; repeatable", collect)
    .option('--gateway <address>', 'a router behind --link; repeatable, one of each family', collect)
    .option(
      '--inline-gateway',
      "the gateway in sandsock's own process: faster, without a wall between it and the guest's memory",
    )
    .option(
      '--kill-on-exit',
      'end the sandbox with the program, as docker run does (default: with the last process that it leaves behind)',
    )
    .option('--no-gateway', 'no way out: the guest has its own loopback only')
    .option(
      '--no-proc-net',
      'leave /proc/net and /proc/sys/net to the kernel, which has no sockets there: opens of files cost nothing then',
    )
    .option('--no-sync-wake-up', 'do not ask the kernel to wake guest threads on this core')
    .addHelpText('after', RUN_EXAMPLES)
    .action(async (cmd: string, args: string[], options: unknown) => {
      process.exitCode = await run(cmd, args, parseRunOptions(options));
    });
}
function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('say what this host allows, and the remedy for what it lacks')
    .option('--json', 'as JSON, on stdout')
    .action(async (options: { readonly json?: boolean }) => {
      const findings = await examine();
      process.stdout.write(options.json === true ? `${JSON.stringify(findings)}\n` : findings.map(lineOf).join(''));
      process.exitCode = findings.some(({ state }) => state === 'lacking') ? 1 : 0;
    });
}
function addConformance(program: Command): void {
  program
    .command('conformance')
    .description('compare sandsock with the kernel of this host, body by body')
    .option('--group <name>', 'only the bodies of this group')
    .option('--quick', 'six bodies of each group, none in which time passes')
    .addOption(
      new Option('--driver <name>', 'what is compared with the kernel: the emulator, or sandsock run in one plane')
        .choices(['emulator', 'strict', 'direct'])
        .default('emulator'),
    )
    .addOption(
      new Option('--platform <name>', 'how sandsock run catches calls')
        .choices(['auto', 'notify', 'ptrace'])
        .default('auto'),
    )
    .option('--json', 'the transcripts as JSON, on stdout; the summary goes to stderr')
    .addOption(new Option('--names <json>').hideHelp())
    .addOption(new Option('--here <json>').hideHelp())
    .addHelpText('after', CONFORMANCE_EXAMPLES)
    .action(async (options: ConformanceOptions) => {
      const { conformance } = await import('./conformance.ts');
      await conformance(options);
    });
}

function commandLine(): { readonly program: Command; readonly run: Command } {
  const program = new Command('sandsock')
    .description('Runs an unmodified Linux program and serves its sockets from a TCP/IP stack in user space.')
    .version(version)
    .enablePositionalOptions()
    .configureOutput({
      outputError: (text, write) =>
        write(`sandsock: ${text.replace(/^error: /, '').trimEnd()}; see sandsock${subcommand()} --help\n`),
    })
    .exitOverride();
  const runCommand = addRun(program);
  addDoctor(program);
  addConformance(program);
  return { program, run: runCommand };
}

const MARKS: Readonly<Record<Finding['state'], string>> = {
  ok: colours.green('ok     '),
  weaker: colours.yellow('weaker '),
  lacking: colours.red('lacking'),
};
const lineOf = ({ name, state, detail, remedy }: Finding): string =>
  `${MARKS[state]}  ${name}: ${detail}${remedy === '' ? '' : `\n         ${remedy}`}\n`;

function statusOf(error: unknown): number {
  if (error instanceof RunError) {
    process.stderr.write(`sandsock: ${error.message}\n`);
    return error.exitStatus;
  }
  // Commander has said what was wrong; help and version are no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : FAILED;
  process.stderr.write(`sandsock: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return FAILED;
}

/** Does what `process.argv` says. */
export async function main(): Promise<void> {
  // The reader may have seen enough (`sandsock run --help | head -1`).
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    const { program, run: runCommand } = commandLine();
    await program.parseAsync(withExplicitValues(process.argv, runCommand));
  } catch (error) {
    process.exitCode = statusOf(error);
  }
}
