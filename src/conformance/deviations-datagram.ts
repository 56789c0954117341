/** Deviations of datagram sockets: timestamps, SO_SELECT_ERR_QUEUE, SO_PEEK_OFF, and edges of what was sent. */
import type { Deviation } from './deviations.ts';

const STRICT = ['strict'];
const DIRECT = ['direct'];

const CORKED: Deviation = {
  planes: DIRECT,
  body: 'corners: a datagram in the making and shutdown',
  reason: 'shutWhileCorked',
  linux: ['a: sendto(4, out~2, 2, 0, 0, 0) = 2'],
  ours: ['a: sendto(4, out~2, 2, 0, 0, 0) = -32 EPIPE'],
  last: true,
};

const UNMOVED: Deviation = {
  planes: [...STRICT, ...DIRECT],
  body: 'a datagram socket that has sent tells an edge-triggered epoll that it may send',
  reason: 'unmoved',
  linux: ['a: epoll_wait(5, events~3, 8, 0) = 2'],
  ours: ['a: epoll_wait(5, events~3, 8, 0) = 1'],
  last: true,
};

export const DATAGRAM_DEVIATIONS: readonly Deviation[] = ['IPv4', 'IPv6']
  .flatMap((family): Deviation[] => [
    {
      planes: STRICT,
      body: `SO_SELECT_ERR_QUEUE over ${family}: stamps are urgent`,
      reason: 'urgentless',
      linux: ['  pollfds {4 all -> PRI|OUT|ERR|WRNORM|WRBAND}'],
      ours: ['  pollfds {4 all -> OUT|ERR|WRNORM|WRBAND}'],
    },
    {
      planes: DIRECT,
      body: `SO_PEEK_OFF over ${family}: where a peek begins in datagrams`,
      reason: 'halfRead',
      linux: ['  value~7 5'],
      ours: ['  value~7 3'],
      last: true,
    },
  ])
  .concat(CORKED, UNMOVED);
