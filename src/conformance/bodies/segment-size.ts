/** What waits for a full segment, and what does not: MSG_MORE on loopback, and buffers made small after the connection was made (RFC 9293 3.8.6.2). */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asI32 } from '../show.ts';

const group = 'segment size';

/** Reads `octets` unless they take 100 ms, less than what is corked waits. */
function readSoon(a: Kit, sys: System, fd: number, octets: number): void {
  a.setTimeout(fd, c.SO_RCVTIMEO, 0, 100_000);
  a.task.start('recvfrom', fd, sys.alloc(octets, 'in'), octets, c.MSG_WAITALL, 0, 0);
  a.task.finish();
}

for (const [from, to] of [
  ['client', 'server'],
  ['server', 'client'],
] as const) {
  for (const octets of [33_000, 40_000, 60_000]) {
    const what = `segment size: MSG_MORE lets ${octets} octets of the ${from} go at once`;
    conformance(what, { group }, (sys) => {
      const a = kit(sys);
      const pair = a.pair();
      a.task.call('sendto', pair[from], sys.alloc(octets, 'out'), octets, c.MSG_MORE, 0, 0);
      readSoon(a, sys, pair[to], octets);
    });
  }
}

conformance('segment size: less than 32 KiB wait for more', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  a.task.call('sendto', server, sys.alloc(32_000, 'out'), 32_000, c.MSG_MORE, 0, 0);
  readSoon(a, sys, client, 32_000);
});

conformance('segment size: what splice says has more to come does not wait', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const at = sys.alloc(8, 'fds', asI32);
  a.task.call('pipe2', at, 0);
  const [r, w] = [sys.get(c.i32, at), sys.get(c.i32, at + 4)];
  a.task.call('write', w, sys.alloc(60_000, 'out'), 60_000);
  a.task.call('splice', r, 0, server, 0, 60_000, c.SPLICE_F_MORE);
  readSoon(a, sys, client, 60_000);
});

const TOTAL = 300_000;
/** All through a pair whose buffers are small, by one task that never waits; true if it was idle for longer than an ACK takes. */
function stalls(a: Kit, sys: System, from: number, to: number): boolean {
  const room = sys.alloc(65_536, 'octets');
  let sent = 0;
  let got = 0;
  let idle = 0;
  sys.quietly(() => {
    while (got < TOTAL && idle < 60) {
      const out = a.task.call('sendto', from, room, Math.min(65_536, TOTAL - sent), c.MSG_DONTWAIT, 0, 0);
      const len = a.task.call('recvfrom', to, room, 65_536, c.MSG_DONTWAIT, 0, 0);
      sent += Math.max(0, out);
      got += Math.max(0, len);
      if (out > 0 || len > 0) continue;
      idle++;
      sys.sleep(1);
    }
  });
  sys.record('all sent and received', sent === TOTAL && got === TOTAL);
  return idle >= 60;
}

for (const size of [20_000, 30_000, 40_000]) {
  conformance(`segment size: buffers of ${size} made so on a connection stall nothing`, { group }, (sys) => {
    const a = kit(sys);
    const { client, server } = a.pair();
    a.setInt(client, c.SOL_SOCKET, c.SO_SNDBUF, size);
    a.setInt(server, c.SOL_SOCKET, c.SO_RCVBUF, size);
    sys.record('stalls', stalls(a, sys, client, server));
  });
  conformance(`segment size: a receive buffer of ${size} made so on a connection stalls nothing`, { group }, (sys) => {
    const a = kit(sys);
    const { client, server } = a.pair();
    a.setInt(client, c.SOL_SOCKET, c.SO_RCVBUF, size);
    sys.record('stalls', stalls(a, sys, server, client));
  });
}
