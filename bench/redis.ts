/** Stages of redis-benchmark, 50 connections of GET: with the server in the target and the client outside, or with both in it. Words: the depth of the pipeline. */
import type { Answer } from './client.ts';
import { exchange } from './exchange.ts';
import { eventually, output, type Program } from './program.ts';
import { bareStage, type Scene, type Stage, sceneOf } from './section.ts';
import type { World } from './world.ts';

const START_MS = 20_000;
const SLACK_MS = 30_000;
/** To learn how many requests fill the time: redis-benchmark takes a count. */
const TRIAL_REQUESTS = 4000;

const server = (port: number): string =>
  `redis-server --port ${port} --bind 0.0.0.0 --protected-mode no --save "" --appendonly no`;
const benchmark = (address: string, port: number, test: string, pipeline: string, requests: number): string[] =>
  `redis-benchmark -h ${address} -p ${port} -t ${test} -c 50 -P ${pipeline} -n ${requests} --csv`.split(' ');

/** Requests per second, the second column of the last line; the first names the test. */
export function parseRate(csv: string, test: string): number {
  const [name, rate] = (csv.trimEnd().split('\n').at(-1) ?? '').split(',').map((cell) => cell.replaceAll('"', ''));
  if (name !== test || !(Number(rate) > 0)) throw new Error(`redis-benchmark said "${csv.trim()}"`);
  return Number(rate);
}

async function answers(host: string, port: number): Promise<void> {
  const answer = await exchange({ host, port }, 'PING\r\n', (text) => text.endsWith('\r\n'));
  if (answer !== '+PONG\r\n') throw new Error(`redis-server at ${host}:${port} says "${answer.trim()}"`);
}

type Execute = (argv: readonly string[], limitMs: number) => Promise<string>;

/** The value is written once, so that GET brings something back; then as many requests as fill the time. */
async function measuring(execute: Execute, address: string, port: number): Promise<Scene['measure']> {
  parseRate(await execute(benchmark(address, port, 'set', '1', 100), SLACK_MS), 'SET');
  const rates = new Map<string, number>();
  return async ([pipeline = '1'], { ms }): Promise<Answer> => {
    const run = async (requests: number): Promise<number> =>
      parseRate(await execute(benchmark(address, port, 'get', pipeline, requests), ms + SLACK_MS), 'GET');
    const known = rates.get(pipeline) ?? (await run(TRIAL_REQUESTS * Number(pipeline)));
    const requests = Math.max(1000, Math.round((known * ms) / 1000));
    const value = await run(requests);
    rates.set(pipeline, value);
    return { value, operations: requests };
  };
}

export const serverInside = (world: World): Promise<Stage> =>
  bareStage(async (target) => {
    const port = await world.port();
    const placed = await target.place(['sh', '-c', `exec ${server(port)}`], { inside: [{ port, protocol: 'tcp' }] });
    return sceneOf(placed, [], async () => {
      await eventually(() => answers(placed.insideAddress, port), START_MS);
      return await measuring((argv, limitMs) => output(argv, { limitMs }), placed.insideAddress, port);
    });
  });

const DONE = 'done';
/** A shell that runs each line of its stdin, and ends what that wrote with a line of its own. */
const commandLoop = (port: number): string =>
  `${server(port)} > /dev/null & trap "kill $!" EXIT; until redis-cli -p ${port} ping; do sleep 0.05; done > /dev/null 2>&1
   echo ${DONE}; while read -r line; do $line; echo; echo ${DONE}; done`;

async function upToDone(program: Program, limitMs: number): Promise<string> {
  const lines: string[] = [];
  for (let line = await program.line(limitMs); line !== DONE; line = await program.line(limitMs)) lines.push(line);
  return lines.join('\n');
}

export const bothInside = (world: World): Promise<Stage> =>
  bareStage(async (target) => {
    const port = await world.port();
    const placed = await target.place(['sh', '-c', commandLoop(port)], {});
    return sceneOf(placed, [], async () => {
      await upToDone(placed.program, START_MS);
      const execute: Execute = (argv, limitMs) => {
        placed.program.send(argv.join(' '));
        return upToDone(placed.program, limitMs);
      };
      return await measuring(execute, '127.0.0.1', port);
    });
  });
