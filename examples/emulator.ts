/**
 * A server and a client without any process: two tasks make Linux socket calls by number or name, on memory, descriptors and time of ours.
 *
 *   npm run build && node build/examples/emulator.js
 */
import { ArenaMemory, EmulatedFdTable, type EmulatedTask, Emulator, PAGE, SocketFactory } from 'sandsock';
import { AF_INET, SOCK_STREAM, sockaddrIn } from 'sandsock/abi';
import { SeededRandom, Stack, TimerHeap } from 'sandsock/netstack';

const MEMORY = 0x10000;
const bytes = new Uint8Array(PAGE);
const memory = new ArenaMemory();
memory.map(MEMORY, bytes);

const clock = new TimerHeap();
const stack = new Stack({ clock, random: new SeededRandom(1) });
const emulator = new Emulator({ clock, sockets: new SocketFactory(stack) });
/** Lets the stack and the calls that wait go on until the task's call has its result. */
function finish(task: EmulatedTask): number {
  while (task.result === undefined) {
    stack.step(clock.now());
    emulator.settle();
  }
  return task.result;
}

const files = new EmulatedFdTable();
const server = emulator.task({ memory, files });
const client = emulator.task({ memory, files });

const name = MEMORY;
bytes.set(sockaddrIn.encode({ family: AF_INET, port: 8080, addr: 0x7f000001, zero: new Uint8Array(8) }));
const text = MEMORY + 64;
bytes.set(new TextEncoder().encode('hello'), 64);
const answer = MEMORY + 128;

const listener = emulator.call(server, 'socket', AF_INET, SOCK_STREAM, 0) ?? -1;
emulator.call(server, 'bind', listener, name, 16);
emulator.call(server, 'listen', listener, 1);
emulator.begin(server, 'accept', listener, 0, 0); // nobody is there yet: the task waits

const socket = emulator.call(client, 'socket', AF_INET, SOCK_STREAM, 0) ?? -1;
emulator.begin(client, 'connect', socket, name, 16);
finish(client);
const accepted = finish(server);

emulator.call(client, 'write', socket, text, 5);
emulator.begin(server, 'read', accepted, answer, 64);
const count = finish(server);

const received = new TextDecoder().decode(bytes.subarray(128, 128 + count));
process.stdout.write(`descriptor ${accepted} read ${count} octets: ${received}\n`);
