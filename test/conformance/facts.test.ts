/** Every fact of the table has bodies, and their transcripts say it. */
import test from 'ava';
import { EmulatorDriver } from '../../src/conformance/emulator/driver.ts';
import type { Shown } from '../../src/conformance/fact.ts';
import { TOPICS, UNSHOWN } from '../../src/conformance/facts.ts';
import { runBody } from '../../src/conformance/runner.ts';
import { bodies } from '../../src/conformance/suite.ts';

/** The pieces of lines from the first that does not follow those before it, or nothing. */
function missing(transcript: readonly string[], pieces: readonly string[]): readonly string[] {
  let from = 0;
  for (const [i, piece] of pieces.entries()) {
    const at = transcript.findIndex((line, n) => n >= from && line.includes(piece));
    if (at < 0) return pieces.slice(i);
    from = at + 1;
  }
  return [];
}

test('the bodies of every fact exist and show it', (t) => {
  const ours = new EmulatorDriver();
  const transcripts = new Map<string, readonly string[]>();
  const transcriptOf = (name: string): readonly string[] => {
    const body = bodies.find((one) => one.name === name);
    const made = transcripts.get(name) ?? (body === undefined ? [] : (runBody(body, undefined, ours).ours ?? []));
    transcripts.set(name, made);
    return made;
  };
  const check = (text: string, [name, ...pieces]: Shown): void => {
    const transcript = transcriptOf(name);
    t.true(transcript.length > 0, `${text}: no body is named ${name}`);
    t.deepEqual(missing(transcript, pieces), [], `${text}: ${name}`);
  };
  for (const { facts } of TOPICS) {
    for (const { fact, shown } of facts) {
      t.true(shown.length > 0, fact);
      for (const one of shown) check(fact, one);
    }
  }
  ours.close();
});

test('a fact stands once, and what is not shown has a reason', (t) => {
  const texts = TOPICS.flatMap(({ title, facts }) => facts.map(({ fact }) => `${title}: ${fact}`));
  t.is(new Set(texts).size, texts.length);
  for (const [fact, reason] of UNSHOWN) t.true(fact.length > 0 && reason.length > 0);
});
