/** Every measurement, one line each: its name, what is shown, the unit, and the words for its stage. */
import * as nginx from './nginx.ts';
import * as redis from './redis.ts';
import type { Section } from './section.ts';
import { bothInside, clientInside, serverInside } from './sockets.ts';
import { startUp } from './start-up.ts';
import { missing } from './target.ts';

/** What one client measures. @param up from the client to its server, in words; down back */
const oneStream = (up: string, down: string): Section['rows'] => [
  { name: 'rtt', title: 'TCP, round trip of 1 octet', unit: 'us', words: ['tcp', 'round-trip'], cpu: true },
  { name: 'up', title: `TCP, ${up}, 1 stream`, unit: 'Gbit/s', words: ['tcp', 'upload'], cpu: true },
  { name: 'down', title: `TCP, ${down}, 1 stream`, unit: 'Gbit/s', words: ['tcp', 'download'], cpu: true },
  { name: 'connections', title: 'TCP, connections', unit: '1/s', words: ['tcp', 'connections'], cpu: true },
  {
    name: 'udp-rtt',
    title: 'UDP, round trip of 64 octets',
    unit: 'us',
    words: ['udp', 'datagram-round-trip'],
    cpu: true,
  },
  {
    name: 'udp-up',
    title: `UDP, ${up}, 64 octets`,
    unit: '1/s',
    words: ['udp', 'datagrams-up'],
    cpu: true,
  },
];

export const sections: readonly Section[] = [
  {
    name: 'client',
    title: 'The client in the sandbox, the server on the host',
    open: (world) => clientInside(world),
    rows: [
      ...oneStream('sandbox to host', 'host to sandbox'),
      {
        name: 'udp-down',
        title: 'UDP, host to sandbox, 64 octets',
        unit: '1/s',
        words: ['udp', 'datagrams-down'],
        cpu: true,
      },
    ],
  },
  {
    name: 'server',
    title: 'The server in the sandbox, the client on the host',
    open: (world) => serverInside(world),
    rows: [...oneStream('host to sandbox', 'sandbox to host')],
  },
  {
    name: 'core',
    title: 'All processes on one core, the client in the sandbox',
    lacking: missing('taskset'),
    open: (world) => clientInside(world, { oneCore: true }),
    rows: [
      { name: 'rtt', title: 'TCP, round trip of 1 octet', unit: 'us', words: ['tcp', 'round-trip'], cpu: true },
      { name: 'connections', title: 'TCP, connections', unit: '1/s', words: ['tcp', 'connections'], cpu: true },
      {
        name: 'udp-rtt',
        title: 'UDP, round trip of 64 octets',
        unit: 'us',
        words: ['udp', 'datagram-round-trip'],
        cpu: true,
      },
      {
        name: 'call',
        title: 'a call on a socket (getsockopt SO_TYPE)',
        unit: 'us',
        words: ['tcp', 'socket-call'],
        cpu: true,
      },
    ],
  },
  {
    name: 'core-server',
    title: 'All processes on one core, the server in the sandbox',
    lacking: missing('taskset'),
    open: (world) => serverInside(world, { oneCore: true }),
    rows: [{ name: 'rtt', title: 'TCP, round trip of 1 octet', unit: 'us', words: ['tcp', 'round-trip'], cpu: true }],
  },
  {
    name: 'loopback',
    title: 'Client and server in the sandbox, over its loopback',
    open: (world) => bothInside(world),
    rows: [
      { name: 'rtt', title: 'TCP, round trip of 1 octet', unit: 'us', words: ['tcp', 'round-trip'], cpu: true },
      { name: 'up', title: 'TCP, 1 stream', unit: 'Gbit/s', words: ['tcp', 'upload'], cpu: true },
      { name: 'connections', title: 'TCP, connections', unit: '1/s', words: ['tcp', 'connections'], cpu: true },
    ],
  },
  {
    name: 'redis',
    title: 'redis-benchmark on the host, redis in the sandbox, 50 connections',
    lacking: missing('redis-server', 'redis-benchmark'),
    open: redis.serverInside,
    rows: [
      { name: 'p1', title: 'GET', unit: '1/s', words: ['1'], cpu: true },
      { name: 'p16', title: 'GET, pipelines of 16', unit: '1/s', words: ['16'], cpu: true },
    ],
  },
  {
    name: 'redis-loopback',
    title: 'redis-benchmark and redis in the sandbox, 50 connections',
    lacking: missing('redis-server', 'redis-benchmark', 'redis-cli'),
    open: redis.bothInside,
    rows: [
      { name: 'p1', title: 'GET', unit: '1/s', words: ['1'], cpu: true },
      { name: 'p16', title: 'GET, pipelines of 16', unit: '1/s', words: ['16'], cpu: true },
    ],
  },
  {
    name: 'nginx',
    title: 'wrk on the host, nginx in the sandbox, 50 connections',
    lacking: missing('nginx', 'wrk'),
    open: nginx.nginxInside,
    rows: [
      { name: '1k', title: '1 KB, keep-alive', unit: '1/s', words: ['1k'], cpu: true },
      { name: '100k', title: '100 KB, keep-alive', unit: '1/s', words: ['100k'], cpu: true },
      { name: 'close', title: '1 KB, Connection: close', unit: '1/s', words: ['1k', 'Connection: close'], cpu: true },
    ],
  },
  {
    name: 'calls',
    title: 'System calls',
    open: (world) => clientInside(world),
    rows: [
      { name: 'socket', title: 'on a socket (getsockopt SO_TYPE)', unit: 'us', words: ['tcp', 'socket-call'] },
      { name: 'file', title: 'on a file (read 1 octet of /dev/zero)', unit: 'us', words: ['tcp', 'file-call'] },
      { name: 'other', title: 'not trapped (getppid)', unit: 'us', words: ['tcp', 'other-call'] },
    ],
  },
  {
    name: 'start-up',
    title: 'Start-up and end',
    open: startUp,
    rows: [
      { name: 'true', title: 'the program true', unit: 'ms', words: ['true'], cpu: true },
      { name: 'node', title: 'node, with nothing to do', unit: 'ms', words: [process.execPath, '-e', ''], cpu: true },
    ],
  },
];
