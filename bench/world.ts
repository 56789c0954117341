/**
 * Where a benchmark runs: in network and PID namespaces of its own where the host permits them, so that no port is taken, no firewall of the host stands between, and
 * nothing outlives it; else on the host as it is, without what needs such a namespace.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';

const UNSHARE = ['unshare', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];

/** The first process of the namespace is a shell, because whose parents ended are its children, and Node leaves them there as zombies. */
const INIT = ['sh', '-c', '"$@"; exit $?', 'sh'];

/** The command that enters namespaces of its own and dies with this process; undefined where the host permits none. */
export function namespaceCommand(): readonly [string, ...string[]] | undefined {
  const inside = process.getuid?.() === 0 ? UNSHARE : [...UNSHARE, '--user', '--map-root-user'];
  const command: readonly [string, ...string[]] = ['setpriv', '--pdeathsig', 'KILL', ...inside, ...INIT];
  const [file, ...args] = [...command, 'ip', 'link', 'set', 'lo', 'up'];
  return spawnSync(file, args, { stdio: 'ignore', timeout: 10_000 }).status === 0 ? command : undefined;
}

export function installed(program: string): boolean {
  // nginx stands where plain users have no path to
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const ip = (...args: readonly string[]): void => void execFileSync('ip', args, { timeout: 10_000, stdio: 'pipe' });

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** A tap or one end of a veth pair, and the addresses of both sides. */
export interface Link {
  readonly name: string;
  readonly host: string;
  readonly guest: string;
  readonly prefix: number;
}

const FIRST_PORT = 9000;
/** Of documentation (RFC 5737): the uplink that peers look for when they choose addresses. */
const UPLINK = { address: '192.0.2.2', router: '192.0.2.1' };

export class World {
  /** In namespaces of its own. */
  readonly alone: boolean;
  /** For configuration and content of servers. */
  readonly directory: string;
  /** Why there are no taps here. */
  readonly tapFault: string | undefined =
    'no network namespace for a tap (needs root, or user namespaces and a /dev/net/tun for all)';
  #ports = 0;
  #links = 0;

  constructor(directory: string, alone: boolean) {
    this.directory = directory;
    this.alone = alone;
    if (!alone) return;
    ip('link', 'set', 'lo', 'up');
    // Connections leave a port in TIME-WAIT for a minute; the ports of servers lie below.
    writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '16384 65535');
    try {
      this.#add({ name: 'uplink', host: UPLINK.address, guest: UPLINK.router, prefix: 24 });
      ip('route', 'add', 'default', 'via', UPLINK.router);
      this.tapFault = undefined;
    } catch (error) {
      this.tapFault = `no tap: ${error instanceof Error ? error.message.trim() : String(error)}`;
    }
  }
  get router(): string {
    return UPLINK.router;
  }
  /** Free for TCP and UDP, never given twice. */
  port(): Promise<number> {
    return this.alone ? Promise.resolve(FIRST_PORT + this.#ports++) : freePort();
  }
  addTap(): Link {
    const n = this.#links++;
    const tap = { name: `tap${n}`, host: `10.80.${n}.1`, guest: `10.80.${n}.2`, prefix: 24 };
    this.#add(tap);
    return tap;
  }
  #add({ name, host, prefix }: Link): void {
    ip('tuntap', 'add', 'dev', name, 'mode', 'tap');
    ip('address', 'add', `${host}/${prefix}`, 'dev', name);
    ip('link', 'set', name, 'up');
  }
  /** The other end is in the network namespace of process `pid`, with a default route. */
  addVeth(pid: number): Link {
    const n = this.#links++;
    const veth = { name: `veth${n}`, host: `10.80.${n}.1`, guest: `10.80.${n}.2`, prefix: 24 };
    ip('link', 'add', veth.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
    ip('address', 'add', `${veth.host}/24`, 'dev', veth.name);
    ip('link', 'set', veth.name, 'up');
    const inside = ['--net', '--target', String(pid), 'ip'];
    for (const words of [
      'link set lo up',
      `address add ${veth.guest}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${veth.host}`,
    ])
      execFileSync('nsenter', [...inside, ...words.split(' ')], { timeout: 10_000, stdio: 'pipe' });
    return veth;
  }
  removeLink({ name }: Link): void {
    ip('link', 'delete', name);
  }
}

/** The first core that this process may use. */
export const firstCore = (): string =>
  /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
