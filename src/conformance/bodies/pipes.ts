/** Pipes, and splice(2), tee(2), vmsplice(2), sendfile(2) between them: slots, packets, sizes, who waits. */
import { conformance, type Show, type System } from '../body.ts';
import { type Kit, kit, pattern } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';
import { asI32 } from '../show.ts';

const group = 'pipes';

const asPieces: Show = (b) => Buffer.from(b).toString('latin1').replaceAll('\u00ee', '.');

class Pipes {
  readonly sys: System;
  readonly kit: Kit;
  constructor(sys: System, name = 'a') {
    this.sys = sys;
    this.kit = kit(sys, name);
  }
  make(flags = 0): readonly [reader: number, writer: number] {
    const at = this.sys.alloc(8, 'pipe');
    this.kit.task.call('pipe2', at, flags);
    return [this.sys.get(c.i32, at), this.sys.get(c.i32, at + 4)];
  }
  write(fd: number, text: string): number {
    return this.kit.task.call('write', fd, this.kit.octets(text, 'out'), text.length);
  }
  read(fd: number, octets = 16): number {
    return this.kit.task.call('read', fd, this.sys.alloc(octets, 'in', asPieces), octets);
  }
  /** Octets that are not looked at. */
  fill(fd: number, octets: number, flags = 0): number {
    return this.kit.task.call('write', fd, this.sys.alloc(Math.max(octets, 1), 'out'), octets, flags);
  }
  drain(fd: number, octets: number): number {
    return this.kit.task.call('read', fd, this.sys.alloc(octets, 'in'), octets);
  }
  queued(fd: number): number {
    return this.kit.task.call('ioctl', fd, c.FIONREAD, this.sys.alloc(4, 'queued', asI32));
  }
  size(fd: number, octets?: number): number {
    return this.kit.task.call('fcntl', fd, octets === undefined ? c.F_GETPIPE_SZ : c.F_SETPIPE_SZ, octets ?? 0);
  }
  splice(from: number, to: number, len: number, flags = 0): number {
    return this.kit.task.call('splice', from, 0, to, 0, len, flags);
  }
  tee(from: number, to: number, len: number, flags = 0): number {
    return this.kit.task.call('tee', from, to, len, flags);
  }
  vmsplice(fd: number, pieces: readonly (readonly [number, number])[], flags = 0): number {
    return this.kit.task.call('vmsplice', fd, this.kit.iovec(pieces), pieces.length, flags);
  }
}
const NONBLOCK = c.SPLICE_F_NONBLOCK;

conformance('pipes: what is written is read in order, joined', { group }, (sys) => {
  const p = new Pipes(sys);
  const [reader, writer] = p.make();
  p.write(writer, 'abc');
  p.write(writer, 'def');
  p.queued(reader);
  p.queued(writer);
  p.read(reader, 4);
  p.read(reader);
  p.kit.task.call('read', reader, 0, 0);
  p.kit.task.call('write', writer, NOWHERE, 0);
  p.kit.task.call('write', writer, NOWHERE, 3);
  p.write(writer, 'ghi');
  p.kit.task.call('read', reader, NOWHERE, 3);
  p.read(reader);
  p.kit.task.call('read', writer, sys.alloc(4, 'in'), 4);
  p.kit.task.call('write', reader, sys.alloc(4, 'out'), 4);
});

conformance('pipes: sixteen pages, however little is in the last', { group }, (sys) => {
  const p = new Pipes(sys);
  const [reader, writer] = p.make(c.O_NONBLOCK);
  p.fill(writer, 70_000);
  p.kit.poll(writer);
  p.kit.poll(reader);
  p.queued(reader);
  p.drain(reader, 100);
  p.kit.poll(writer);
  p.fill(writer, 100);
  p.drain(reader, 4000);
  p.kit.poll(writer);
  p.fill(writer, 4097);
  p.queued(reader);
});

conformance('pipes: a page that is not full takes what fits whole', { group }, (sys) => {
  const p = new Pipes(sys);
  const [reader, writer] = p.make(c.O_NONBLOCK);
  for (let i = 0; i < 16; i++) p.fill(writer, 3000);
  p.kit.poll(writer);
  p.fill(writer, 3000);
  p.fill(writer, 1096);
  p.fill(writer, 1);
  p.queued(reader);
});

conformance('pipes: writes of up to a page are whole or not at all', { group }, (sys) => {
  const p = new Pipes(sys);
  const [reader, writer] = p.make(c.O_NONBLOCK);
  for (let i = 0; i < 15; i++) p.fill(writer, 4096);
  p.fill(writer, 10);
  p.fill(writer, 4096);
  p.fill(writer, 4087);
  p.fill(writer, 4086);
  p.fill(writer, 5000);
  p.drain(reader, 4096);
  p.fill(writer, 5000);
  p.queued(reader);
});

conformance('pipes: O_DIRECT keeps packets', { group }, (sys) => {
  const p = new Pipes(sys);
  const [reader, writer] = p.make(c.O_DIRECT);
  p.kit.task.call('fcntl', reader, c.F_GETFL, 0);
  p.kit.task.call('fcntl', writer, c.F_GETFL, 0);
  p.write(writer, 'one');
  p.write(writer, 'two');
  p.write(writer, 'three');
  p.queued(reader);
  p.read(reader);
  p.read(reader, 2);
  p.read(reader);
  p.fill(writer, 5000);
  p.drain(reader, 10_000);
  p.drain(reader, 10_000);
});

conformance('pipes: O_DIRECT set and cleared later', { group }, (sys) => {
  const p = new Pipes(sys);
  const [reader, writer] = p.make();
  p.write(writer, 'plain');
  p.kit.task.call('fcntl', writer, c.F_SETFL, c.O_DIRECT);
  p.kit.task.call('fcntl', writer, c.F_GETFL, 0);
  p.write(writer, 'packet');
  p.write(writer, 'second');
  p.kit.task.call('fcntl', writer, c.F_SETFL, 0);
  p.write(writer, 'plain again');
  p.write(writer, ' and joined');
  for (let i = 0; i < 4; i++) p.read(reader, 30);
});

conformance('pipes: pipe2 with flags it does not know', { group }, (sys) => {
  const a = kit(sys);
  const at = sys.alloc(8, 'pipe');
  for (const flags of [1, c.O_APPEND, 0x8000_0000 | 0, 0x100]) a.task.call('pipe2', at, flags);
  a.task.call('pipe2', NOWHERE, c.O_CLOEXEC);
  a.task.call('pipe2', sys.edge(4, 'edge'), 0);
  a.task.call('pipe2', at, c.O_CLOEXEC | c.O_NONBLOCK);
  a.task.call('fcntl', 3, c.F_GETFD, 0);
  a.task.call('pipe', at);
});

conformance('pipes: F_SETPIPE_SZ rounds up, and not below what is in', { group }, (sys) => {
  const p = new Pipes(sys);
  const [reader, writer] = p.make(c.O_NONBLOCK);
  p.size(reader);
  for (const size of [0, 1, 4096, 4097, 65_536, 100_000, 1 << 20]) p.size(writer, size);
  p.size(reader, -1);
  p.size(writer, 65_536);
  p.fill(writer, 20_000);
  p.size(writer, 4096);
  p.size(writer, 16_384);
  p.size(writer, 20_480);
  p.size(reader);
  p.fill(writer, 50_000);
  p.queued(reader);
});

conformance('pipes: a pipe of one page', { group }, (sys) => {
  const p = new Pipes(sys);
  const [reader, writer] = p.make(c.O_NONBLOCK);
  p.size(writer, 4096);
  p.fill(writer, 100);
  p.kit.poll(writer);
  p.fill(writer, 100);
  p.fill(writer, 4000);
  p.drain(reader, 50);
  p.kit.poll(writer);
  p.drain(reader, 150);
  p.kit.poll(writer);
});

conformance('pipes: a reader waits for a writer, a writer for room', { group }, (sys) => {
  const p = new Pipes(sys);
  const b = new Pipes(sys, 'b');
  const [reader, writer] = p.make();
  b.kit.task.start('read', reader, sys.alloc(8, 'in', asPieces), 8);
  p.write(writer, 'abc');
  b.kit.task.start('write', writer, sys.alloc(70_000, 'out'), 70_000);
  p.drain(reader, 4095);
  p.drain(reader, 1);
  p.drain(reader, 4096);
  p.queued(reader);
});

conformance('pipes: the last writer goes, the last reader goes', { group }, (sys) => {
  const p = new Pipes(sys);
  const b = new Pipes(sys, 'b');
  const [reader, writer] = p.make();
  const copy = p.kit.task.call('dup', writer);
  b.kit.task.start('read', reader, sys.alloc(8, 'in'), 8);
  p.kit.close(writer);
  p.kit.close(copy);
  const [other, full] = p.make();
  b.kit.task.start('write', full, sys.alloc(70_000, 'out'), 70_000);
  p.kit.close(other);
  p.write(full, 'x');
});

conformance('pipes: a signal ends a read and a write', { group, interrupts: true }, (sys) => {
  const p = new Pipes(sys);
  const b = new Pipes(sys, 'b');
  const [reader, writer] = p.make();
  b.kit.task.start('read', reader, sys.alloc(8, 'in'), 8);
  sys.interrupt(b.kit.task);
  b.kit.task.start('write', writer, sys.alloc(70_000, 'out'), 70_000);
  sys.interrupt(b.kit.task);
  b.kit.task.start('write', writer, sys.alloc(10, 'out'), 10);
  sys.interrupt(b.kit.task);
  b.kit.task.start('write', writer, sys.alloc(10, 'out'), 10);
  sys.interrupt(b.kit.task, true);
  p.drain(reader, 65_536);
});

conformance('pipes: splice from one to another', { group }, (sys) => {
  const p = new Pipes(sys);
  const [in1, out1] = p.make();
  const [in2, out2] = p.make();
  p.write(out1, 'abcdef');
  p.splice(in1, out2, 4);
  p.queued(in1);
  p.queued(in2);
  p.write(out2, 'X');
  p.splice(in1, out2, 100);
  p.read(in2);
  p.splice(in1, out2, 10, NONBLOCK);
  p.kit.close(out1);
  p.splice(in1, out2, 10);
});

conformance('pipes: splice waits for what to move and for room', { group }, (sys) => {
  const p = new Pipes(sys);
  const b = new Pipes(sys, 'b');
  const [in1, out1] = p.make();
  const [in2, out2] = p.make();
  b.kit.task.start('splice', in1, 0, out2, 0, 100, 0);
  p.write(out1, 'abc');
  p.read(in2);
  p.fill(out2, 65_536);
  p.write(out1, 'def');
  b.kit.task.start('splice', in1, 0, out2, 0, 100, 0);
  p.splice(in1, out2, 100, NONBLOCK);
  p.drain(in2, 4096);
  b.kit.task.start('splice', in1, 0, out2, 0, 100, c.SPLICE_F_MOVE);
  p.kit.close(in2);
});

conformance('pipes: splice looks at the descriptors in order', { group }, (sys) => {
  const p = new Pipes(sys);
  const { task } = p.kit;
  const [in1, out1] = p.make();
  const [in2, out2] = p.make();
  const offset = sys.alloc(8, 'offset');
  p.splice(in1, out1, 10);
  p.splice(out1, in2, 10);
  p.splice(in1, in2, 10);
  p.splice(99, out2, 10);
  p.splice(in1, 99, 10);
  p.splice(in1, out2, 0);
  p.splice(99, 98, 0);
  p.splice(in1, out2, 10, 16);
  p.splice(99, 98, 0, 16);
  task.call('splice', in1, offset, out2, 0, 10, 0);
  task.call('splice', in1, 0, out2, offset, 10, 0);
  task.call('splice', in1, NOWHERE, out2, NOWHERE, 10, 0);
  task.call('splice', out1, NOWHERE, in2, NOWHERE, 10, 0);
});

conformance('pipes: tee copies without taking', { group }, (sys) => {
  const p = new Pipes(sys);
  const [in1, out1] = p.make();
  const [in2, out2] = p.make();
  p.write(out1, 'abcdef');
  p.tee(in1, out2, 3);
  p.tee(in1, out2, 100);
  p.queued(in1);
  p.read(in2);
  p.read(in1);
  p.tee(in1, out2, 10, NONBLOCK);
  p.kit.close(out1);
  p.tee(in1, out2, 10);
});

conformance('pipes: tee waits for what to copy and for room', { group }, (sys) => {
  const p = new Pipes(sys);
  const b = new Pipes(sys, 'b');
  const [in1, out1] = p.make();
  const [in2, out2] = p.make();
  b.kit.task.start('tee', in1, out2, 100, 0);
  p.write(out1, 'abc');
  p.read(in2);
  p.fill(out2, 65_536);
  b.kit.task.start('tee', in1, out2, 100, 0);
  p.tee(in1, out2, 100, NONBLOCK);
  p.drain(in2, 4096);
  p.kit.close(in2);
  p.tee(in1, out2, 100);
});

conformance('pipes: tee refuses what is no pair of pipes', { group }, (sys) => {
  const p = new Pipes(sys);
  const [in1, out1] = p.make();
  const [, out2] = p.make();
  const socket = p.kit.udp();
  p.tee(in1, out1, 10);
  p.tee(out1, out2, 10);
  p.tee(in1, in1, 10);
  p.tee(in1, socket, 10);
  p.tee(socket, out1, 10);
  p.tee(99, 98, 10);
  p.tee(99, 98, 0);
  p.tee(99, 98, 0, 16);
  p.tee(in1, out2, -1, NONBLOCK);
});

conformance('pipes: teed pieces are read apart from what is written after them', { group }, (sys) => {
  const p = new Pipes(sys);
  const [in1, out1] = p.make();
  const [in2, out2] = p.make(c.O_NONBLOCK);
  p.write(out1, 'ab');
  for (let i = 0; i < 15; i++) p.tee(in1, out2, 2);
  p.write(out2, 'cd');
  p.tee(in1, out2, 2, NONBLOCK);
  p.write(out2, 'ef');
  p.queued(in2);
  p.read(in2, 64);
});

conformance('pipes: vmsplice brings memory into a pipe, a slot for each piece', { group }, (sys) => {
  const p = new Pipes(sys);
  const [reader, writer] = p.make(c.O_NONBLOCK);
  const text = p.kit.octets('abcdef', 'text');
  p.vmsplice(writer, [
    [text, 3],
    [text + 3, 3],
  ]);
  p.queued(reader);
  p.read(reader);
  p.vmsplice(writer, []);
  p.vmsplice(writer, [[text, 0]]);
  p.vmsplice(writer, [[NOWHERE, 3]]);
  p.vmsplice(writer, [
    [text, 3],
    [NOWHERE, 3],
  ]);
  p.read(reader);
  p.vmsplice(
    writer,
    Array.from({ length: 20 }, () => [text, 2] as const),
  );
  p.vmsplice(writer, [[text, 2]], NONBLOCK);
  p.queued(reader);
  p.vmsplice(writer, [[text, 2]], 16);
});

conformance('pipes: vmsplice takes octets out of a pipe', { group }, (sys) => {
  const p = new Pipes(sys);
  const b = new Pipes(sys, 'b');
  const [reader, writer] = p.make();
  p.write(writer, 'abcdef');
  const room = sys.alloc(16, 'room', asPieces);
  p.vmsplice(reader, [
    [room, 2],
    [room + 8, 2],
  ]);
  p.vmsplice(reader, [[NOWHERE, 2]]);
  p.queued(reader);
  p.vmsplice(reader, [[room, 16]]);
  p.vmsplice(reader, [[room, 16]], NONBLOCK);
  b.kit.task.start('vmsplice', reader, b.kit.iovec([[room, 16]]), 1, 0);
  p.write(writer, 'xyz');
  p.kit.close(writer);
  p.vmsplice(reader, [[room, 16]]);
});

conformance('pipes: vmsplice waits for room', { group }, (sys) => {
  const p = new Pipes(sys);
  const b = new Pipes(sys, 'b');
  const [reader, writer] = p.make();
  p.fill(writer, 65_536);
  const text = p.kit.octets('abcdef', 'text');
  b.kit.task.start('vmsplice', writer, b.kit.iovec([[text, 6]]), 1, c.SPLICE_F_GIFT);
  p.drain(reader, 4096);
  b.kit.task.start('vmsplice', writer, b.kit.iovec([[text, 6]]), 1, 0);
  p.kit.close(reader);
});

conformance('pipes: between an anonymous file and a pipe', { group }, (sys) => {
  const p = new Pipes(sys);
  const { task } = p.kit;
  const file = task.call('memfd_create', p.kit.octets('file\0', 'name'), 0);
  p.write(file, 'abcdefgh');
  const [reader, writer] = p.make(c.O_NONBLOCK);
  task.call('lseek', file, 2, 0);
  p.splice(file, writer, 3);
  task.call('lseek', file, 0, 1);
  const offset = sys.alloc(8, 'offset');
  sys.put(c.u64, offset, 6);
  task.call('splice', file, offset, writer, 0, 100, 0);
  task.call('splice', file, offset, writer, 0, 100, 0);
  p.read(reader);
  p.write(writer, 'XYZ');
  sys.put(c.u64, offset, 1);
  task.call('splice', reader, 0, file, offset, 2, 0);
  p.splice(reader, file, 100);
  p.splice(reader, file, 100);
  task.call('lseek', file, 0, 0);
  p.read(file, 20);
});

conformance('pipes: sendfile from a file to a pipe and to a file', { group }, (sys) => {
  const p = new Pipes(sys);
  const { task } = p.kit;
  const file = task.call('memfd_create', p.kit.octets('one\0', 'name'), 0);
  const other = task.call('memfd_create', p.kit.octets('two\0', 'name'), 0);
  p.write(file, 'abcdefgh');
  const [reader, writer] = p.make(c.O_NONBLOCK);
  const offset = sys.alloc(8, 'offset');
  sys.put(c.u64, offset, 3);
  task.call('sendfile', writer, file, offset, 3);
  task.call('sendfile', other, file, offset, 100);
  task.call('lseek', file, 0, 0);
  task.call('sendfile', writer, file, 0, 2);
  p.read(reader);
  task.call('lseek', other, 0, 0);
  p.read(other);
  p.write(writer, 'x');
  task.call('sendfile', other, reader, 0, 1);
  task.call('sendfile', writer, reader, 0, 1);
  task.call('sendfile', file, file, 0, 1);
});

conformance('pipes: O_ASYNC, owner and signal of a pipe', { group }, (sys) => {
  const p = new Pipes(sys);
  const { task } = p.kit;
  const [reader] = p.make();
  task.call('ioctl', reader, c.FIOASYNC, p.kit.int(1));
  task.call('fcntl', reader, c.F_GETFL, 0);
  task.call('fcntl', reader, c.F_SETSIG, 40);
  task.call('fcntl', reader, c.F_GETSIG, 0);
  task.call('fcntl', reader, c.F_GETOWN, 0);
  task.call('ioctl', reader, c.FIOGETOWN, sys.alloc(4, 'owner'));
  task.call('ioctl', reader, c.TCGETS, sys.alloc(4, 'arg'));
  task.call('ioctl', reader, c.FIONREAD, NOWHERE);
});

conformance('pipes: a large transfer through a chain of splices arrives whole', { group }, (sys) => {
  const p = new Pipes(sys);
  const { client, server } = p.kit.pair();
  const [reader, writer] = p.make();
  const out = sys.alloc(50_000, 'out');
  sys.write(out, pattern(50_000));
  p.kit.task.call('write', writer, out, 50_000);
  let moved = 0;
  const { errors } = sys.quietly(() => {
    while (moved < 50_000) {
      const result = p.splice(reader, client, 50_000 - moved);
      if (result <= 0) break;
      moved += result;
    }
  });
  sys.record('moved', moved);
  sys.record('errors', errors.length);
  const room = sys.alloc(50_000, 'in');
  p.kit.task.call('recvfrom', server, room, 50_000, c.MSG_WAITALL, 0, 0);
});
