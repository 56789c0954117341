/** Urgent data and calls that wait: blocked readers, MSG_WAITALL, poll, select, epoll. */
import { conformance } from '../body.ts';
import { kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'urgent';

conformance('urgent: a blocked recv of plain data does not wake for it', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server);
  a.send(client, 'x', c.MSG_OOB);
  a.poll(server);
  a.recv(server, 1, c.MSG_OOB);
  a.send(client, 'plain');
  b.task.finish();
});

conformance('urgent: a blocked recv gets what stands before the octet', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server);
  a.send(client, 'abX', c.MSG_OOB);
  b.task.finish();
  b.startRecv(server);
  a.atMark(server);
  a.send(client, 'behind');
  b.task.finish();
  a.recv(server, 1, c.MSG_OOB);
});

conformance('urgent: a blocked recv in line wakes with the octet', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.urgentInline(server);
  b.startRecv(server);
  a.send(client, 'X', c.MSG_OOB);
  b.task.finish();
  a.atMark(server);
});

conformance('urgent: MSG_WAITALL ends at the mark', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.startRecv(server, 8, c.MSG_WAITALL);
  a.send(client, 'abX', c.MSG_OOB);
  b.task.finish();
  b.startRecv(server, 4, c.MSG_WAITALL);
  a.send(client, 'cd');
  a.send(client, 'efgh');
  b.task.finish();
  a.recv(server);
});

conformance('urgent: MSG_WAITALL with the octet gone already', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.send(client, 'X', c.MSG_OOB);
  a.recv(server, 1, c.MSG_OOB);
  b.startRecv(server, 4, c.MSG_WAITALL);
  a.send(client, 'ab');
  a.send(client, 'cd');
  b.task.finish();
});

conformance('urgent: MSG_WAITALL in line', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  a.urgentInline(server);
  b.startRecv(server, 6, c.MSG_WAITALL);
  a.send(client, 'abX', c.MSG_OOB);
  b.task.finish();
  b.startRecv(server, 3, c.MSG_WAITALL);
  a.send(client, 'cd');
  b.task.finish();
});

conformance('urgent: poll for POLLPRI wakes with it', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  b.task.start('poll', b.pollfds([[server, c.POLLPRI]]), 1, -1);
  a.send(client, 'plain');
  a.send(client, 'x', c.MSG_OOB);
  b.task.finish();
  a.recv(server);
  a.poll(server);
  a.recv(server, 1, c.MSG_OOB);
  a.poll(server);
});

conformance('urgent: epoll_wait wakes with EPOLLPRI, edges too', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const { client, server } = a.pair();
  const ep = a.epoll();
  a.watch(ep, server, c.EPOLLPRI | c.EPOLLET);
  b.task.start('epoll_wait', ep, b.eventRoom(4), 4, -1);
  a.send(client, 'x', c.MSG_OOB);
  b.task.finish();
  a.ready(ep);
  b.task.start('epoll_wait', ep, b.eventRoom(4), 4, -1);
  a.send(client, 'y', c.MSG_OOB);
  b.task.finish();
  a.recv(server, 1, c.MSG_OOB);
  a.ready(ep);
});

conformance('urgent: select says it by the third set', { group }, (sys) => {
  const a = kit(sys);
  const { client, server } = a.pair();
  const sets = (): [number, number, number] => {
    const at = [0, 1, 2].map((i) => sys.alloc(8, ['readable', 'writable', 'exceptional'][i] as string));
    for (const set of at) sys.put(c.u64, set, 2 ** server);
    return at as [number, number, number];
  };
  const zero = a.timeval(0, 0);
  a.task.call('select', server + 1, ...sets(), zero);
  a.send(client, 'x', c.MSG_OOB);
  a.task.call('select', server + 1, ...sets(), zero);
  a.recv(server, 1, c.MSG_OOB);
  a.task.call('select', server + 1, ...sets(), zero);
});
