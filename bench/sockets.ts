/** Stages of our own client and server: one in the target and one outside, or both in it. Words: the protocol, and what the client measures. */
import { join } from 'node:path';
import type { Answer, Order } from './client.ts';
import { eventually, Program } from './program.ts';
import { bareStage, type Effort, type Scene, type Stage, sceneOf } from './section.ts';
import { onCore, type Placement, type Port, type Target } from './target.ts';
import type { World } from './world.ts';

const START_MS = 20_000;
/** Beyond the time of a measurement: a queue that drains, a lost datagram. */
const SLACK_MS = 10_000;
const ANY = '0.0.0.0';

const client = [process.execPath, join(import.meta.dirname, 'client.js')];
/** Both servers, in one tree of processes; `then` takes the place of the last. */
function servers(tcp: Port, udp: Port, then = ''): readonly string[] {
  const server = `${process.execPath} ${join(import.meta.dirname, 'server.js')}`;
  const [first, second] = [udp, tcp].map(({ port, protocol }) => `${server} ${protocol} ${ANY} ${port}`);
  return ['sh', '-c', then === '' ? `${first} & exec ${second}` : `${first} >&2 & ${second} >&2 & exec ${then}`];
}
async function ready(program: Program): Promise<void> {
  for (const _ of ['tcp', 'udp']) await program.line(START_MS);
}
async function ports(world: World): Promise<{ readonly tcp: Port; readonly udp: Port }> {
  return { tcp: { port: await world.port(), protocol: 'tcp' }, udp: { port: await world.port(), protocol: 'udp' } };
}

async function ask(program: Program, order: Order, slackMs = SLACK_MS): Promise<Answer> {
  program.send(JSON.stringify(order));
  const answer = JSON.parse(await program.line(order.ms + slackMs)) as Answer | { readonly error: string };
  if ('error' in answer) throw new Error(answer.error);
  if (!(answer.value > 0)) throw new Error(`${order.what} gave ${answer.value}`);
  return answer;
}
/** Waits until a client is there to measure. */
async function started(program: Program): Promise<void> {
  await ask(program, { what: 'other-call', address: '', port: 0, ms: 1, verify: false }, START_MS);
}
const measuring =
  (program: Program, address: string, { tcp, udp }: { readonly tcp: Port; readonly udp: Port }): Scene['measure'] =>
  ([protocol = '', what = ''], { ms, verify }: Effort) =>
    ask(program, { what, address, port: protocol === 'udp' ? udp.port : tcp.port, ms, verify });

/** The client in the target, the server outside. */
export async function clientInside(world: World, placement: Placement = {}): Promise<Stage> {
  const own = await ports(world);
  const server = new Program(onCore(servers(own.tcp, own.udp), placement));
  await ready(server);
  return {
    async enter(target: Target) {
      const placed = await target.place(client, { ...placement, outside: [own.tcp, own.udp] });
      return sceneOf(placed, [server.pid], async () => {
        await started(placed.program);
        return measuring(placed.program, placed.outsideAddress, own);
      });
    },
    close: () => server.end(),
  };
}

/** The server in the target, the client outside. */
export async function serverInside(world: World, placement: Placement = {}): Promise<Stage> {
  const program = new Program(onCore(client, placement));
  await started(program);
  return {
    async enter(target: Target) {
      const own = await ports(world);
      const placed = await target.place(servers(own.tcp, own.udp), { ...placement, inside: [own.tcp, own.udp] });
      return sceneOf(placed, [program.pid], async () => {
        await ready(placed.program);
        return measuring(program, placed.insideAddress, own);
      });
    },
    close: () => program.end(),
  };
}

/** Both in the target, over its loopback. */
export const bothInside = (world: World): Promise<Stage> =>
  bareStage(async (target) => {
    const own = await ports(world);
    const placed = await target.place(servers(own.tcp, own.udp, client.join(' ')), {});
    return sceneOf(placed, [], async () => {
      const measure = measuring(placed.program, '127.0.0.1', own);
      await eventually(() => measure(['tcp', 'round-trip'], { ms: 1, verify: false }), START_MS);
      return measure;
    });
  });
