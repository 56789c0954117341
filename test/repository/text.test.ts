/** What every file of the repository must not contain, and that what the documents point at exists. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import test from 'ava';
import { read, record, root, trackedFiles } from './repository.ts';

const own = 'test/repository/text.test.ts';
const files = trackedFiles().filter(
  (path) => path !== own && existsSync(join(root, path)) && statSync(join(root, path)).isFile(),
);
const documents = files.filter((path) => path.endsWith('.md'));

/** Lines of all files that match, as `path:line: text`. */
function lines(pattern: RegExp, within: readonly string[] = files): string[] {
  return within.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
}

test('no file names a machine of ours: registries, home and work directories', (t) => {
  t.deepEqual(
    lines(/registry(\.[a-z0-9-]+)*\.(com|dev|internal|io|local|net|org)\b|"resolved":|verdaccio|artifactory|jfrog/i),
    [],
  );
  t.deepEqual(lines(/(^|[\s"'`=(:])\/(work|root|home\/(?!\$)[a-z])\b/), []);
});

test('nothing is marked as unfinished', (t) => {
  t.deepEqual(lines(/\b(TODO|FIXME|XXX|HACK)\b/), []);
  // strerror(ENOSYS) has these words
  t.deepEqual(lines(/^(?!.*ENOSYS).*not (yet )?implemented/i), []);
  t.deepEqual(lines(/\b(test|conformance)\.(skip|todo|only|failing)\b/), []);
});

test('every disabled lint rule carries its reason', (t) => {
  t.deepEqual(
    lines(/oxlint-disable|eslint-disable|biome-ignore|@ts-(ignore|expect-error)/).filter(
      (line) => !/ -- \S|@ts-expect-error \S|biome-ignore \S+: \S/.test(line),
    ),
    [],
  );
});

/** Headings as the anchors that GitHub makes of them. */
const anchors = (text: string): Set<string> =>
  new Set(
    [...text.matchAll(/^#+\s+(.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replace(/\s/g, '-'),
    ),
  );

test('links between documents resolve', (t) => {
  for (const path of documents) {
    const text = read(path).replace(/^```[\s\S]*?^```/gm, '');
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const pointed = file === '' ? path : join(dirname(path), file);
      t.true(existsSync(join(root, pointed)), `${path}: ${target}`);
      if (anchor !== undefined) t.true(anchors(read(pointed)).has(anchor), `${path}: ${target}`);
    }
  }
});

test('each decision has a number of its own, which its title repeats', (t) => {
  const names = files.filter((path) => path.startsWith('docs/decisions/') && path.endsWith('.md'));
  const numbers = names.map((path) => basename(path).slice(0, 4));
  t.deepEqual([...new Set(numbers)], numbers);
  for (const [i, path] of names.entries()) t.regex(read(path), new RegExp(`^# ${numbers[i]}: `), path);
});

test('paths in backquotes exist', (t) => {
  const folders = /^(src|test|bench|docs|examples|\.ci)\//;
  for (const path of documents)
    for (const [, name = ''] of read(path).matchAll(/`([^`\s*<>{}]+)`/g))
      if (folders.test(name)) t.true(existsSync(join(root, name)), `${path}: ${name}`);
});

test('npm scripts named in the documents exist', (t) => {
  const scripts = record(record(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))['scripts']);
  for (const path of documents)
    for (const [, plain, run] of read(path).matchAll(/\bnpm (?:(start|test)|run (?:-s )?([\w-]+))\b/g))
      t.true(Object.hasOwn(scripts, plain ?? run ?? ''), `${path}: npm ${plain ?? `run ${run}`}`);
});

const help = (command: string): string =>
  execFileSync(process.execPath, [join(root, 'build/src/cli/main.js'), command, '--help'], { encoding: 'utf8' });

test('commands and options named in the documents are in the help of the command line', (t) => {
  const helps = new Map<string, string>();
  const seen: string[] = [];
  for (const path of documents)
    for (const [, command = '', options = ''] of read(path).matchAll(
      /(?:sandsock|main\.js) (run|doctor)\b((?: +--[a-z][\w=./-]*(?: \d+)?)*)/g,
    )) {
      const text = helps.get(command) ?? help(command);
      helps.set(command, text);
      for (const [option = ''] of options.matchAll(/--[a-z-]+/g)) {
        t.true(text.includes(option) || option === '--help', `${path}: sandsock ${command} ${option}`);
        seen.push(option);
      }
    }
  t.true(seen.includes('--host-port'), 'README shows options');
});
