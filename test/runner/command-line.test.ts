/** What a person sees who gets something wrong, or whose host lacks something: one line of ours that says what, and 125. No guest runs that uses a socket: the plane is the default. */
import { spawnSync } from 'node:child_process';
import test from 'ava';
import { needingInTurn } from '../support/needs.ts';
import { cli, sandbox } from './sandbox.ts';

interface Said {
  readonly status: number | null;
  readonly stderr: string;
}
function shell(text: string): Said {
  const argv = ['-c', text, 'sh', process.execPath, cli];
  const { status, stderr } = spawnSync('sh', argv, { encoding: 'utf8', timeout: 30_000 });
  return { status, stderr };
}
const refused = (stderr: string): Said => ({ status: 125, stderr: `sandsock: ${stderr}\n` });

test.serial('wrong options and words are named', (t) => {
  t.deepEqual(shell('"$@" run'), refused("missing required argument 'cmd'; see sandsock run --help"));
  t.deepEqual(
    shell('"$@" run --host-port 80,81 --host-port 0x50 -- true'),
    refused(
      '--host-port "80,81" is not a port, a number of 1 to 65535; --host-port "0x50" is not a port, a number of 1 to 65535: see sandsock run --help',
    ),
  );
});

test.serial('what stands behind the program is its own, and -- is no value', (t) => {
  for (const words of ['', '--no-gateway', '--plane direct --no-gateway', '--no-gateway --']) {
    const text = `"$@" run ${words} echo --json --strace --pcap >&2`;
    t.deepEqual(shell(text), { status: 0, stderr: '--json --strace --pcap\n' }, words);
  }
  t.deepEqual(
    shell('"$@" run --no-gateway --pcap -- true'),
    refused("option '--pcap <file>' argument missing; see sandsock run --help"),
  );
});

test.serial('too few descriptors, and a working directory that is gone', (t) => {
  t.deepEqual(
    shell('ulimit -n 64; "$@" run -- true'),
    refused('only 64 descriptors may be open here, and 256 are needed: raise the limit (ulimit -n)'),
  );
  t.deepEqual(
    shell('gone=$(mktemp -d) && cd "$gone" && rmdir "$gone" && "$@" run -- true'),
    refused('the working directory does not exist any more: change to another (cd)'),
  );
});

test.serial('a reader of the help that has seen enough', (t) => {
  t.deepEqual(shell('{ sleep 0.1; "$@" run --help; echo $? >&2; } | head -c 1 >/dev/null'), {
    status: 0,
    stderr: '0\n',
  });
});

test.serial('the help shows options as they may be written', (t) => {
  const { status, stdout } = spawnSync(process.execPath, [cli, 'run', '--help'], { encoding: 'utf8', timeout: 30_000 });
  t.is(status, 0);
  t.notRegex(stdout, /\[\]/);
  for (const term of [
    '--strace[=file] ',
    '--json[=file] ',
    '--pcap <file> ',
    '--host-port <port> ',
    '--ip <address/prefix> ',
  ]) {
    t.true(stdout.includes(`\n  ${term}`), stdout);
  }
});

const withLink = (words: string): Said => shell(`"$@" run ${words} --link tap:no/such --ip 10.0.0.2/24 -- true`);
test.serial('of --no-gateway and --gateway the last counts', (t) => {
  t.notRegex(withLink('--no-gateway --gateway 10.0.0.1').stderr, /TypeError|--no-gateway/);
  t.deepEqual(
    withLink('--gateway 10.0.0.1 --no-gateway'),
    refused('--link and --no-gateway do not go together: see sandsock run --help'),
  );
});

needingInTurn(sandbox)('a summary that cannot be written', (t) => {
  t.is(shell('"$@" run --no-gateway --json=/dev/full -- sh -c "exit 7"').status, 7);
  t.deepEqual(shell('"$@" run --no-gateway --json=/dev/full -- true'), {
    status: 125,
    stderr: 'sandsock: /dev/full could not be written to its end and is not complete\n',
  });
});
