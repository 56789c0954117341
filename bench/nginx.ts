/** The stage of wrk on nginx, one worker and 50 connections: the server in the target, the client outside. Words: the file, and headers of the request. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer } from './client.ts';
import { exchange } from './exchange.ts';
import { eventually, output } from './program.ts';
import { bareStage, type Scene, type Stage, sceneOf } from './section.ts';
import type { World } from './world.ts';

const START_MS = 20_000;
const SLACK_MS = 10_000;
/** Before, wrk may not have its handler for SIGINT yet, nor an answer on any connection. */
const LEAST_MS = 150;
const MOST_MS = 6_000;
/** Ended by us, when the time is over: wrk itself takes whole seconds only. */
const LONG = '100s';

const files: Readonly<Record<string, number>> = { '1k': 1024, '100k': 102_400 };
const content = (octets: number): Buffer => Buffer.alloc(octets, 'sandsock ');

/** Without tcp_nopush: runsc of 2022 keeps for itself what TCP_CORK held back. */
const configuration = (root: string, directory: string, port: number): string => `
daemon off; pid ${directory}/pid; error_log stderr; worker_processes 1; ${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 512; }
http { access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000;
  client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p; fastcgi_temp_path ${directory}/f;
  uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  server { listen ${port}; root ${root}; } }
`;

/** Requests, and seconds, as the last lines have them. */
export function parseWrk(text: string): { readonly requests: number; readonly seconds: number } {
  const [, count, time, unit] = /(\d+) requests in ([\d.]+)(us|ms|s|m),/.exec(text) ?? [];
  const seconds = Number(time) * ({ us: 1e-6, ms: 1e-3, s: 1, m: 60 }[unit ?? ''] ?? Number.NaN);
  const fault = /Non-2xx.*|Socket errors.*/.exec(text);
  if (fault !== null) throw new Error(`wrk: ${fault[0]}`);
  if (!(Number(count) > 0) || !(seconds > 0)) throw new Error(`wrk said "${text.trim()}"`);
  return { requests: Number(count), seconds };
}

async function fetched(host: string, port: number, name: string, octets: number): Promise<void> {
  const answer = await exchange({ host, port }, `GET /${name} HTTP/1.0\r\n\r\n`);
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  if (!/^HTTP\/1.1 200 /.test(answer) || body !== content(octets).toString('latin1'))
    throw new Error(`http://${host}:${port}/${name} is not what it should be: ${answer.slice(0, 100)}`);
}

/** For so long; and on a machine that is busy longer, until there are answers. */
async function wrk(argv: readonly string[], ms: number): Promise<Answer> {
  try {
    const { requests, seconds } = parseWrk(await output(argv, { limitMs: ms + SLACK_MS, interruptMs: ms }));
    return { value: requests / seconds, operations: requests };
  } catch (error) {
    if (ms > MOST_MS) throw error;
    return await wrk(argv, ms * 4);
  }
}
const measuring =
  (url: string): Scene['measure'] =>
  ([file = '', ...headers], { ms }) =>
    wrk(
      ['wrk', '-t', '1', '-c', '50', '-d', LONG, ...headers.flatMap((header) => ['-H', header]), `${url}/${file}`],
      Math.max(ms, LEAST_MS),
    );

export function nginxInside(world: World): Promise<Stage> {
  const root = join(world.directory, 'www');
  mkdirSync(root);
  for (const [name, octets] of Object.entries(files)) writeFileSync(join(root, name), content(octets));
  return bareStage(async (target) => {
    const port = await world.port();
    const directory = join(world.directory, `nginx-${port}`);
    mkdirSync(directory);
    const file = join(directory, 'conf');
    writeFileSync(file, configuration(root, directory, port));
    const argv = ['nginx', '-e', 'stderr', '-c', file];
    const placed = await target.place(argv, { inside: [{ port, protocol: 'tcp' }] });
    return sceneOf(placed, [], async () => {
      for (const [name, octets] of Object.entries(files))
        await eventually(() => fetched(placed.insideAddress, port, name, octets), START_MS);
      return measuring(`http://${placed.insideAddress}:${port}`);
    });
  });
}
