import test from 'ava';
import * as fc from 'fast-check';
import { Errno } from '../../src/abi/errno.ts';
import { EmulatedFdTable } from '../../src/socket/emulated-fd-table.ts';
import { OpenFile } from '../../src/socket/file.ts';

class PlainFile extends OpenFile {
  closed = 0;
  constructor() {
    super(2);
  }
  poll(): number {
    return 0;
  }
  protected released(): void {
    this.closed++;
  }
}

test('the lowest free number is given, holes first', (t) => {
  const table = new EmulatedFdTable();
  const file = new PlainFile();
  t.deepEqual(
    [0, 1, 2].map(() => table.install(file, false)),
    [0, 1, 2],
  );
  t.is(table.close(1), 0);
  t.is(table.install(file, false), 1);
  t.is(table.install(file, false), 3);
  t.is(table.install(file, false, 10), 10);
  t.is(table.install(file, false), 4);
  t.is(file.references, 6);
});

test('RLIMIT_NOFILE: EMFILE for install and dup, EINVAL for F_DUPFD beyond it, EBADF for dup2 beyond it', (t) => {
  const table = new EmulatedFdTable(2);
  const file = new PlainFile();
  table.install(file, false);
  t.true(table.hasRoom());
  table.install(file, false);
  t.false(table.hasRoom());
  t.is(table.install(file, false), -Errno.EMFILE);
  t.is(table.dup(0), -Errno.EMFILE);
  t.is(table.dupFrom(0, 0, false), -Errno.EMFILE);
  t.is(table.dupFrom(0, 2, false), -Errno.EINVAL);
  t.is(table.dupFrom(0, -1, false), -Errno.EINVAL);
  t.is(table.dup2(0, 2), -Errno.EBADF);
  t.is(table.dup2(0, -1), -Errno.EBADF);
  t.is(file.references, 2);
  table.limit = 3;
  t.is(table.dup(0), 2);
});

test('dup2 and dup3: the same number twice, an unknown one, a replaced one', (t) => {
  const table = new EmulatedFdTable();
  const a = new PlainFile();
  const b = new PlainFile();
  table.install(a, true);
  table.install(b, false);
  t.is(table.dup2(0, 0), 0);
  t.true(table.closeOnExec(0));
  t.is(table.dup2(7, 7), -Errno.EBADF);
  t.is(table.dup3(0, 0, false), -Errno.EINVAL);
  t.is(table.dup3(7, 1, false), -Errno.EBADF);
  t.is(table.dup3(7, 5000, false), -Errno.EBADF);
  t.is(table.dup3(0, 1, true), 1);
  t.is(b.closed, 1);
  t.true(table.closeOnExec(1));
  t.is(table.dup2(0, 1), 1);
  t.false(table.closeOnExec(1));
  t.is(a.references, 2);
  t.is(a.closed, 0);
});

test('descriptors of one file share status flags but not FD_CLOEXEC', (t) => {
  const table = new EmulatedFdTable();
  const file = new PlainFile();
  table.install(file, true);
  t.is(table.dup(0), 1);
  t.is(table.dupFrom(0, 5, true), 5);
  t.deepEqual(
    [0, 1, 5].map((fd) => table.closeOnExec(fd)),
    [true, false, true],
  );
  t.is(table.closeOnExec(2), undefined);
  t.false(table.setCloseOnExec(2, true));
  t.true(table.setCloseOnExec(5, false));
  t.false(table.closeOnExec(5));
  (table.get(0) as OpenFile).statusFlags |= 0x800;
  t.is(table.get(1)?.statusFlags, 2 | 0x800);
});

test('fork copies, CLONE_FILES shares, exec closes what is marked', (t) => {
  const parent = new EmulatedFdTable(64);
  const file = new PlainFile();
  parent.install(file, true);
  parent.install(file, false);
  const child = parent.fork();
  t.is(child.limit, 64);
  t.is(file.references, 4);
  t.is(child.exec(), child);
  t.deepEqual([...child], [1]);
  t.deepEqual([...parent], [0, 1]);
  const shared = parent.share();
  t.is(shared, parent);
  t.is(parent.owners, 2);
  const own = shared.exec();
  t.not(own, parent);
  t.deepEqual([...own], [1]);
  t.deepEqual([...parent], [0, 1]);
  t.is(parent.owners, 1);
  parent.leave();
  own.leave();
  t.is(file.closed, 0);
  child.leave();
  t.is(file.closed, 1);
});

test('close_range closes or marks, and ends at the table', (t) => {
  const table = new EmulatedFdTable();
  const file = new PlainFile();
  for (let i = 0; i < 6; i++) table.install(file, false);
  table.closeRange(4, 0xffff_ffff, true);
  t.deepEqual(
    [3, 4, 5].map((fd) => table.closeOnExec(fd)),
    [false, true, true],
  );
  table.closeRange(1, 4, false);
  t.deepEqual([...table], [0, 5]);
  t.is(table.close(1), -Errno.EBADF);
  t.is(table.close(-1), -Errno.EBADF);
  t.is(table.close(99), -Errno.EBADF);
});

test('against a model: numbers, references and what is left', (t) => {
  const op = fc.record({
    op: fc.constantFrom('install' as const, 'close' as const, 'dup' as const, 'dup3' as const, 'from' as const),
    a: fc.nat(9),
    b: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 40 }), (ops) => {
      const table = new EmulatedFdTable(8);
      const model = new Map<number, PlainFile>();
      const lowest = (from: number): number => {
        let fd = from;
        while (model.has(fd)) fd++;
        return fd;
      };
      const put = (fd: number, file: PlainFile): number => {
        if (fd >= 8) return -Errno.EMFILE;
        model.set(fd, file);
        return fd;
      };
      for (const { op: kind, a, b } of ops) {
        const file = model.get(a);
        if (kind === 'install') {
          const fresh = new PlainFile();
          t.is(table.install(fresh, false), put(lowest(0), fresh));
        } else if (kind === 'close') {
          t.is(table.close(a), file === undefined ? -Errno.EBADF : 0);
          model.delete(a);
        } else if (kind === 'dup') {
          t.is(table.dup(a), file === undefined ? -Errno.EBADF : put(lowest(0), file));
        } else if (kind === 'from') {
          const result = table.dupFrom(a, b, false);
          if (file === undefined) t.is(result, -Errno.EBADF);
          else t.is(result, b >= 8 ? -Errno.EINVAL : put(lowest(b), file));
        } else if (a !== b) {
          t.is(table.dup3(a, b, false), b >= 8 || file === undefined ? -Errno.EBADF : put(b, file));
        }
      }
      t.deepEqual(
        [...table],
        [...model.keys()].toSorted((x, y) => x - y),
      );
      for (const [fd, file] of model) {
        t.is(table.get(fd), file);
        t.is(file.references, [...model.values()].filter((f) => f === file).length);
        t.is(file.closed, 0);
      }
    }),
    { seed: 11 },
  );
});

test('a number reserved by a call that waits is nobody else’s', (t) => {
  const table = new EmulatedFdTable(4);
  const file = new PlainFile();
  t.is(table.install(file, false), 0);
  t.is(table.reserve(), 1);
  t.is(table.install(file, false), 2);
  t.is(table.dup2(0, 1), -Errno.EBUSY);
  t.is(table.close(1), -Errno.EBADF);
  t.is(table.fill(1, file, true), 1);
  t.true(table.closeOnExec(1));
  t.is(table.reserve(), 3);
  t.is(table.reserve(), -Errno.EMFILE);
  table.unreserve(3);
  t.is(table.dup(0), 3);
});

test('status flags that are kept elsewhere are asked for once, when they are read, and what is set here holds', (t) => {
  const file = new PlainFile();
  let asked = 0;
  const source = { statusFlagsOf: (): number => (asked++ === 2 ? -9 : 0x802) };
  file.flagsSource = source;
  t.is(asked, 0);
  t.deepEqual([file.statusFlags, file.statusFlags, asked], [0x802, 0x802, 1]);
  file.flagsSource = source;
  file.statusFlags = 2;
  t.deepEqual([file.statusFlags, asked], [2, 1]);
  file.flagsSource = source;
  file.takeFlags();
  t.deepEqual([file.statusFlags, asked], [0x802, 2]);
  file.flagsSource = source;
  t.deepEqual([file.statusFlags, asked], [0x802, 3], 'one that cannot tell changes nothing');
});
