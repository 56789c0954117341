/** `sandsock doctor`: the settings that forbid something are found, and their remedy names them. */
import test from 'ava';
import { type HostSettings, settingFindings } from '../../src/cli/host-settings.ts';

const found = (files: Readonly<Record<string, string>>, more: Partial<HostSettings> = {}) => {
  const host = { isRoot: false, read: (file: string) => files[file], refusal: () => undefined, ...more };
  return new Map(settingFindings(host).map((finding) => [finding.name, finding]));
};
const SYS = '/proc/sys/';

test('a host that forbids nothing is fit', (t) => {
  t.deepEqual(new Set([...found({}).values()].map(({ state }) => state)), new Set(['ok']));
});

test('user namespaces: each setting that forbids them is named in the remedy', (t) => {
  for (const [file, value] of [
    ['user/max_user_namespaces', '0'],
    ['kernel/unprivileged_userns_clone', '0'],
    ['kernel/apparmor_restrict_unprivileged_userns', '1'],
  ] as const) {
    const files = { [SYS + file]: `${value}\n` };
    const finding = found(files).get('user namespaces');
    t.is(finding?.state, 'weaker', file);
    t.true(finding?.remedy.includes(file.replace('/', '.')), file);
    t.is(found(files, { isRoot: true }).get('user namespaces')?.state, 'ok', 'root needs none');
  }
});

const yama = (scope: number, isRoot: boolean): string | undefined =>
  found({ [`${SYS}kernel/yama/ptrace_scope`]: `${scope}\n` }, { isRoot }).get('Yama')?.state;

test('Yama: guests are descendants, so only 2 and 3 stand in the way', (t) => {
  t.deepEqual(
    [0, 1, 2, 3].map((scope) => yama(scope, false)),
    ['ok', 'ok', 'weaker', 'weaker'],
  );
  t.deepEqual(
    [0, 1, 2, 3].map((scope) => yama(scope, true)),
    ['ok', 'ok', 'ok', 'weaker'],
  );
});

const remedy = (errno: string): string => found({}, { refusal: () => errno }).get('/dev/net/tun')?.remedy ?? '';

test('/dev/net/tun: a module that is missing and a right that is missing have other remedies', (t) => {
  t.regex(remedy('ENOENT'), /modprobe tun/);
  t.regex(remedy('EACCES'), /as root\b/);
});

test('what surrounds sandsock is told', (t) => {
  const status = 'NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n';
  const findings = found({ '/proc/self/status': status });
  t.is(findings.get('no_new_privs')?.detail, 'set already');
  t.regex(findings.get('seccomp of the surroundings')?.detail ?? '', /^1 of a container/);
});
