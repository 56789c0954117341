/** All bodies: importing this file defines them. */
// oxlint-disable import/no-unassigned-import -- the files call `conformance` and export nothing
import './bodies/address.ts';
import './bodies/binding.ts';
import './bodies/blocking.ts';
import './bodies/connection.ts';
import './bodies/control.ts';
import './bodies/datagram-parts.ts';
import './bodies/descriptors.ts';
import './bodies/ending.ts';
import './bodies/epoll.ts';
import './bodies/epoll-nesting.ts';
import './bodies/epoll-waiting.ts';
import './bodies/fcntl.ts';
import './bodies/ioctl.ts';
import './bodies/ip-options.ts';
import './bodies/ip-sweep.ts';
import './bodies/limits.ts';
import './bodies/message.ts';
import './bodies/multicast.ts';
import './bodies/netlink.ts';
import './bodies/option-sweep.ts';
import './bodies/options.ts';
import './bodies/ping.ts';
import './bodies/poll.ts';
import './bodies/requests.ts';
import './bodies/requests-network.ts';
import './bodies/select.ts';
import './bodies/socket.ts';
import './bodies/splice.ts';
import './bodies/transfer.ts';
import './bodies/unix.ts';
import './bodies/unix-control.ts';
import './bodies/unix-datagram.ts';
import './bodies/unix-transfer.ts';
import './bodies/urgent.ts';
import './bodies/urgent-waiting.ts';

export { type Body, bodies } from './body.ts';
