/** Writes docs/red-team.md from the attempts (`npm run docs`); a test compares. */
import { writeFileSync } from 'node:fs';
import { document } from './attempts.ts';

writeFileSync(new URL('../../../../docs/red-team.md', import.meta.url), document());
