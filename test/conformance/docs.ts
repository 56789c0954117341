/** Writes what docs/conformance.md says of the planes of `sandsock run` (`npm run docs`); a test compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { DEVIATIONS, EVERYWHERE, REASONS, type Reason } from '../../src/conformance/deviations.ts';

const DOCUMENT = 'docs/conformance.md';
const HEADING = '## Where `sandsock run` differs\n';

function row(reason: Reason): string {
  const entries = DEVIATIONS.filter((one) => one.reason === reason);
  const everywhere = EVERYWHERE.some((one) => one.reason === reason);
  const planes = ['strict', 'direct'].filter(
    (plane) => everywhere || entries.some((one) => one.planes.includes(plane)),
  );
  const bodies = new Set(entries.map(({ body }) => body.replaceAll('|', '\\|')));
  return `| ${REASONS[reason]} | ${planes.join(', ')} | ${everywhere ? 'any' : [...bodies].join('; ')} |`;
}

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

if (process.argv[1]?.endsWith('conformance/docs.js') === true) writeFileSync(DOCUMENT, conformanceMarkdown());
