/** Writes docs/linux-facts.md, and what docs/conformance.md says of the planes of `sandsock run` (`npm run docs`); a test compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { DEVIATIONS, EVERYWHERE, REASONS, type Reason } from '../../src/conformance/deviations.ts';
import type { Fact, Topic } from '../../src/conformance/fact.ts';
import { TOPICS, UNSHOWN } from '../../src/conformance/facts.ts';
import { PITFALLS } from '../../src/conformance/pitfalls.ts';
import { bodies } from '../../src/conformance/suite.ts';

const DOCUMENT = 'docs/conformance.md';
const HEADING = '## Where `sandsock run` differs\n';

function row(reason: Reason): string {
  const entries = DEVIATIONS.filter((one) => one.reason === reason);
  const everywhere = EVERYWHERE.some((one) => one.reason === reason);
  const planes = ['strict', 'direct'].filter(
    (plane) => everywhere || entries.some((one) => one.planes.includes(plane)),
  );
  const named = new Set(entries.map(({ body }) => body.replaceAll('|', '\\|')));
  return `| ${REASONS[reason]} | ${planes.join(', ')} | ${everywhere ? 'any' : [...named].join('; ')} |`;
}

const inTable = (text: string): string => text.replaceAll('|', '\\|');
const factRow = ({ fact, shown }: Fact): string =>
  `| ${inTable(fact)} | ${inTable(shown.map(([body]) => body).join('; '))} |`;
const topicLines = ({ title, facts }: Topic): readonly string[] => [
  `## ${title}`,
  '',
  '| fact | bodies |',
  '|---|---|',
  ...facts.map(factRow),
  '',
];
const pitfallRow = ({ number, linux }: (typeof PITFALLS)[number]): string =>
  `| ${number} | ${inTable(linux)} | ${inTable(
    bodies
      .filter(({ pitfall }) => pitfall === number)
      .map(({ name }) => name)
      .join('; '),
  )} |`;

export const FACTS_DOCUMENT = 'docs/linux-facts.md';
export const factsMarkdown = (): string =>
  [
    '# What Linux does, and which body shows it',
    '',
    'Generated from `src/conformance/facts.ts` and `pitfalls.ts` by `npm run docs`. Measured on Linux 6.18; a test finds each fact in the transcripts of the bodies named,',
    'and the suite compares these with the kernel that it runs on (docs/conformance.md). `npm run conformance -- --body TEXT --transcripts` prints them.',
    '',
    '## Where another user-space kernel answers otherwise',
    '',
    '| # | Linux | bodies |',
    '|---|---|---|',
    ...PITFALLS.map(pitfallRow),
    '',
    ...TOPICS.flatMap(topicLines),
    '## What no body shows',
    '',
    '| fact | why |',
    '|---|---|',
    ...UNSHOWN.map(([fact, reason]) => `| ${inTable(fact)} | ${inTable(reason)} |`),
    '',
  ].join('\n');

/** The document with its last part written anew. */
export function conformanceMarkdown(): string {
  const document = readFileSync(DOCUMENT, 'utf8');
  const at = document.indexOf(HEADING);
  return [
    `${document.slice(0, at < 0 ? document.length : at).trimEnd()}\n\n${HEADING}`,
    'Generated from `src/conformance/deviations.ts` by `npm run docs`. Every body runs in both planes, and every other line of its transcript is the same as on the host kernel.',
    '',
    'One thing no body shows, for the driver waits for it: in the direct plane what a native call sends to another socket of the guest shows there some microseconds after the call has returned, so a look that does not wait (MSG_DONTWAIT, a poll of 0 ms) may come too early. The strict plane holds such a look until everything is shown.',
    '',
    '| what and why | planes | bodies |',
    '|---|---|---|',
    ...(Object.keys(REASONS) as Reason[]).map(row),
    '',
  ].join('\n');
}

if (process.argv[1]?.endsWith('conformance/docs.js') === true) {
  writeFileSync(DOCUMENT, conformanceMarkdown());
  writeFileSync(FACTS_DOCUMENT, factsMarkdown());
}
