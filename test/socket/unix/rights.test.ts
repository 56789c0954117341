import test from 'ava';
import * as abi from '../../../src/abi/index.ts';
import { USER } from '../fakes.ts';
import { READ_ONLY, world } from './world.ts';

const { Errno } = abi;
const MASK_HUP = abi.POLLHUP;

test('a receive whose answer is not taken leaves octets, descriptors and numbers where they were', (t) => {
  const guest = world(t).process();
  const [one, other] = guest.pair();
  t.is(guest.pass(one, 'abc', [one]), 3);
  guest.task.refuse = true;
  t.true(Number.isNaN(guest.get(other).result));
  t.is(guest.task.files.get(2), undefined);
  const got = guest.get(other);
  t.is(got.text, 'abc');
  t.deepEqual(got.fds, [2]);
  t.is(guest.task.files.get(2), guest.task.files.get(one));
});

test('a send whose answer is not taken has sent nothing, and holds nothing', (t) => {
  const guest = world(t).process();
  const [one, other] = guest.pair(abi.SOCK_SEQPACKET);
  const [left, right] = guest.pair();
  guest.task.refuse = true;
  t.true(Number.isNaN(guest.pass(one, 'abc', [right])));
  t.is(guest.receive(other), -Errno.EAGAIN);
  t.is(guest.count(one, abi.SIOCOUTQ), 0);
  guest.call('close', right);
  t.true((guest.poll(left) & MASK_HUP) !== 0);
  guest.task.refuse = true;
  guest.call('socketpair', abi.AF_UNIX, abi.SOCK_STREAM, 0, guest.data);
  t.is(guest.socket(abi.SOCK_STREAM), right, 'the numbers are free again');
});

test('no more descriptors come than the task may have, and those that do are the lowest', (t) => {
  const guest = world(t).process();
  const [one, other] = guest.pair();
  guest.pass(one, 'x', [one, other, one]);
  guest.task.files.limit = 4;
  const some = guest.get(other);
  t.deepEqual(some.fds, [2, 3]);
  t.is(some.flags & abi.MSG_CTRUNC, abi.MSG_CTRUNC);
  guest.pass(one, 'y', [one]);
  const none = guest.get(other);
  t.deepEqual(none.fds, []);
  t.is(none.flags, abi.MSG_CTRUNC);
  t.is(guest.call('socketpair', abi.AF_UNIX, abi.SOCK_STREAM, 0, guest.data), -Errno.EMFILE);
  guest.task.files.limit = 5;
  t.is(guest.call('socketpair', abi.AF_UNIX, abi.SOCK_STREAM, 0, guest.data), -Errno.EMFILE, 'room for one only');
  t.is(guest.socket(abi.SOCK_STREAM), 4);
});

test('descriptors that the guest cannot be told of are not made', (t) => {
  const guest = world(t).process();
  const [one, other] = guest.pair();
  guest.setInt(other, abi.SO_PASSCRED, 1);
  guest.pass(one, 'abc', [one, other]);
  const got = guest.get(other, 100, abi.MSG_DONTWAIT, 100, READ_ONLY);
  t.is(got.result, 3);
  t.is(got.flags & abi.MSG_CTRUNC, abi.MSG_CTRUNC);
  t.is(guest.socket(abi.SOCK_STREAM), 2);
});

test('MSG_CMSG_CLOEXEC marks what comes', (t) => {
  const guest = world(t).process();
  const [one, other] = guest.pair(abi.SOCK_DGRAM);
  guest.pass(one, 'x', [one]);
  const [fd] = guest.get(other, 100, abi.MSG_CMSG_CLOEXEC).fds;
  t.is(guest.task.files.closeOnExec(fd as number), true);
});

test('MSG_PEEK makes descriptors and leaves the files for the next', (t) => {
  const guest = world(t).process();
  const [one, other] = guest.pair();
  guest.pass(one, 'x', [one]);
  t.deepEqual(guest.get(other, 100, abi.MSG_PEEK).fds, [2]);
  t.deepEqual(guest.get(other).fds, [3]);
});

test('credentials: who may claim what', (t) => {
  const w = world(t);
  const user = w.process(USER);
  const [one, other] = user.pair();
  const { pid, uid, gid } = USER;
  t.is(user.pass(one, 'x', [], { pid, uid: 0, gid }), -Errno.EPERM);
  t.is(user.pass(one, 'x', [], { pid, uid, gid: 0 }), -Errno.EPERM);
  t.is(user.pass(one, 'x', [], { pid: 1, uid, gid }), -Errno.EPERM);
  t.is(user.pass(one, 'x', [], { pid, uid, gid }), 1);
  t.is(user.setInt(other, abi.SO_PASSCRED, 1), 0);
  t.deepEqual(user.get(other).credential, { pid, uid, gid });
  const root = w.process();
  const [mine, yours] = root.pair();
  root.setInt(yours, abi.SO_PASSCRED, 1);
  t.is(root.pass(mine, 'x', [], { pid: 1, uid: 77, gid: 78 }), 1);
  t.deepEqual(root.get(yours).credential, { pid: 1, uid: 77, gid: 78 });
  t.is(root.pass(mine, 'x', [], { pid: 999, uid: 0, gid: 0 }), -Errno.ESRCH, 'no such process is known');
  t.is(root.pass(mine, 'x', [], { pid: 1, uid: 0xffff_ffff, gid: 0 }), -Errno.EINVAL);
});

test('a stream is not read beyond another writer’s octets, also after a wait', (t) => {
  const w = world(t);
  const guest = w.process();
  const [one, other] = guest.pair();
  guest.setInt(other, abi.SO_PASSCRED, 1);
  const child = w.process({ ...USER, uid: 0 });
  const fd = child.task.files.install(guest.task.files.get(one) as never, false);
  guest.send(one, 'abc');
  guest.get(other, 100, abi.MSG_WAITALL);
  t.true(guest.blocked);
  guest.emulator.call(child.task, 'sendto', fd, child.put(child.data, Buffer.from('defg')), 4, 0, 0, 0);
  t.is(guest.task.result, 3);
  t.deepEqual(guest.got(3).credential, { pid: 1, uid: 0, gid: 0 });
  t.deepEqual(guest.get(other).credential, { pid: 2, uid: 0, gid: 1000 });
});

test('files in flight are bounded', (t) => {
  const guest = world(t).process();
  const [one, other] = guest.pair();
  const fds = Array<number>(abi.SCM_MAX_FD).fill(one);
  let sent = 0;
  for (; guest.pass(one, 'x', fds, undefined, abi.MSG_DONTWAIT) === 1; sent++);
  t.is(sent, Math.floor(16_384 / abi.SCM_MAX_FD));
  t.is(guest.pass(one, 'x', fds, undefined, abi.MSG_DONTWAIT), -Errno.ETOOMANYREFS);
  t.is(guest.send(one, 'plain'), 5);
  guest.get(other);
  t.is(guest.pass(one, 'x', fds), 1);
});

test('a message of SCM_RIGHTS to a task without descriptors to give', (t) => {
  const guest = world(t).process();
  const [one, other] = guest.pair();
  guest.setInt(other, abi.SO_PASSRIGHTS, 0);
  t.is(guest.pass(one, 'x', [one]), -Errno.EPERM);
  t.is(guest.setInt(other, abi.SO_PASSRIGHTS, 1), 0);
  t.is(guest.pass(one, 'x', [one]), 1);
});
