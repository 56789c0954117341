/**
 * The Linux socket ABI as data: structs with their sizes and offsets, constants under their C names, error numbers, system call numbers of x86_64 and arm64.
 * It works on octets alone: no system call, no dependency, any JavaScript engine. Everything is checked against the C headers in CI. docs/abi.md shows it.
 *
 * Each struct has `decode`, `encode` and, for hot paths, `decodeInto` and `put`, which make no garbage. `CmsgWalker` and `CmsgWriter` are control messages. `messageFlagNames`,
 * `optionName(level, option)` and their like give names, `constant` and `flagsFrom` numbers again.
 *
 * @example
 * import { AF_INET, sockaddrIn } from 'sandsock/abi';
 * const octets = sockaddrIn.encode({ family: AF_INET, port: 80, addr: 0x7f000001 });
 * sockaddrIn.decode(octets).port; // 80
 */
export * from './cmsg.ts';
export * from './device.ts';
export * from './epoll.ts';
export * from './errno.ts';
export * from './error-texts.ts';
export * from './fcntl.ts';
export * from './file-flags.ts';
export * from './filter.ts';
export * from './icmp.ts';
export * from './in.ts';
export * from './ioctl.ts';
export * from './msghdr.ts';
export * from './multicast.ts';
export * from './names.ts';
export * from './netlink.ts';
export * from './nr-amd64.ts';
export * from './nr-arm64.ts';
export * from './openat.ts';
export * from './packet.ts';
export * from './poll.ts';
export * from './resource.ts';
export * from './sched.ts';
export * from './signal.ts';
export * from './sockaddr.ts';
export * from './socket.ts';
export * from './sockopt.ts';
export * from './splice.ts';
export * from './struct.ts';
export * from './tcp-values.ts';
export * from './timestamping.ts';
export * from './transport.ts';
export * from './virtio-net.ts';
