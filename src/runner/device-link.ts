/**
 * A link of the operator's in place of the gateway: a tap, or a descriptor that carries Ethernet frames behind a virtio_net_hdr of ten octets (another sandsock's
 * link, a tap that somebody else opened). What stands on its other side (the kernel, a bridge, another sandbox) is the operator's to configure.
 *
 * Left out: streams with a length before each frame, as QEMU and passt speak, and taps without virtio_net_hdr.
 */
import { HostRandom } from '../host/clock.ts';
import { keepsFrames, raiseSendBuffer, SocketFrameIo, TapFrameIo } from '../host/fd-frame-io.ffi.ts';
import { fcntl, HostError } from '../host/libc.ffi.ts';
import { attachedTo, interfaceMtu, openTap, prepareTap } from '../host/tap.ffi.ts';
import { IpAddress } from '../netstack/address.ts';
import type { PacketPool } from '../netstack/packet.ts';
import type { DescriptorLink } from './descriptor-carrier.ts';
import { RunError } from './errors.ts';

export interface DeviceOptions {
  readonly device: { readonly tap: string } | { readonly fd: number };
  /** The guest's addresses on the link. */
  readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
  /** Its routers, each a default route of its family. */
  readonly gateways: readonly string[];
}

const MOST_MTU = 65_520;
/** RFC 8200 5; and what IPv4 needs is less. */
const LEAST_MTU = 1280;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const FD_CLOEXEC = 1;
const O_NONBLOCK = 0o4000;
const STANDARD_DESCRIPTORS = 3;

/** QEMU's prefix and a random rest: several sandboxes may share a bridge. */
function newMac(): Uint8Array {
  const random = new HostRandom().u32();
  return Uint8Array.of(0x52, 0x54, 0x00, random >>> 16, random >>> 8, random);
}

/** @throws RunError */
export function openDevice({ device, addresses, gateways }: DeviceOptions): DescriptorLink {
  const opened = 'tap' in device ? openNamedTap(device.tap) : takeDescriptor(device.fd);
  return {
    ...opened,
    linkAddress: newMac(),
    options: {
      addresses: addresses.map(({ address, prefix }) => ({ address: IpAddress.of(address), prefix })),
      gateways: gateways.map((text) => IpAddress.of(text)),
    },
  };
}

type Opened = Pick<DescriptorLink, 'linkFd' | 'io' | 'mtu'>;

const tapIo = (fd: number) => (pool: PacketPool) => new TapFrameIo(fd, pool);

function mtuOf(name: string): number {
  const mtu = Math.min(interfaceMtu(name) ?? 0, MOST_MTU);
  if (mtu >= LEAST_MTU) return mtu;
  throw new RunError(
    'E_LINK',
    `the MTU of ${name} is ${mtu}`,
    `ip link set ${name} mtu 1500 (or any from ${LEAST_MTU} on)`,
  );
}

function openNamedTap(name: string): Opened {
  // Attaching would make one that nobody has configured.
  if (interfaceMtu(name) === undefined) {
    throw new RunError(
      'E_LINK',
      `there is no interface ${name}`,
      `ip tuntap add dev ${name} mode tap user $USER && ip addr add 10.0.5.1/24 dev ${name} && ip link set ${name} up`,
    );
  }
  const mtu = mtuOf(name);
  try {
    const linkFd = openTap(name);
    return { linkFd, io: tapIo(linkFd), mtu };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    throw new RunError(
      'E_LINK',
      `tap ${name} cannot be used (${error.code})`,
      REMEDIES[error.code] ?? 'see dmesg',
      error,
    );
  }
}
const REMEDIES: Readonly<Record<string, string>> = {
  EBUSY: 'another program is attached to it: end that, or make another tap',
  EPERM: 'make it for this user: ip tuntap add dev NAME mode tap user $USER',
  EACCES: 'this user may not open /dev/net/tun',
  ENOENT: 'this host has no /dev/net/tun: modprobe tun',
  EINVAL: 'it is no tap with the flags of one: ip tuntap add dev NAME mode tap',
};

function takeDescriptor(fd: number): Opened {
  const what = `descriptor ${fd}`;
  const flags = fd < STANDARD_DESCRIPTORS ? -1 : fcntl(fd, F_GETFL, 0);
  if (flags < 0) {
    throw new RunError(
      'E_LINK',
      `${what} is no link`,
      `open one from ${STANDARD_DESCRIPTORS} on before sandsock starts, as a shell does with 5<>...`,
    );
  }
  const attached = attachedTo(fd);
  if (attached === undefined && !keepsFrames(fd)) {
    throw new RunError(
      'E_LINK',
      `${what} is neither a tap nor a Unix socket of type SEQPACKET or DGRAM`,
      'give one of these',
    );
  }
  if (attached !== undefined && (!attached.isTap || !attached.framing)) {
    throw new RunError(
      'E_LINK',
      `${what} is not a tap with IFF_VNET_HDR and IFF_NO_PI`,
      'open it with these flags, or use --link tap:NAME',
    );
  }
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (attached === undefined) {
    raiseSendBuffer(fd);
    return { linkFd: fd, io: (pool) => new SocketFrameIo(fd, pool), mtu: MOST_MTU };
  }
  prepareTap(fd);
  return { linkFd: fd, io: tapIo(fd), mtu: mtuOf(attached.name) };
}
