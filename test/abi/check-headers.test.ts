import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import { architecture, command, needing } from '../support/needs.ts';
import { check, uncovered } from './check-headers.ts';
import { AMD64, NOT_IN_HEADERS } from './header-units.ts';

const run = needing(command('gcc'), architecture('x64'));

run('src/abi agrees with the C headers of x86_64', (t) => {
  t.true(check('gcc', AMD64).assertions > 2000);
});

run('a wrong offset and a wrong constant are found', (t) => {
  t.throws(() => check('gcc', { ...AMD64, epollEvent: abi.epollEventArm64 }), {
    message: /offset of struct epoll_event.data/,
  });
  t.throws(() => check('gcc', { ...AMD64, numbers: { ...abi.NR_AMD64, socket: 40 } }), {
    message: /__NR_socket is not 40/,
  });
});

test('every struct and every number that is exported is compared with a header', (t) => {
  t.deepEqual(uncovered(abi), []);
});

test('one that is not is told', (t) => {
  t.deepEqual(uncovered({ ...abi, NEW_CONSTANT: 1, newStruct: abi.struct('new', 4, { a: abi.u32 }) }), [
    'NEW_CONSTANT',
    'newStruct',
  ]);
});

test('what need not be in a header is exported', (t) => {
  t.deepEqual(
    [...NOT_IN_HEADERS].filter((name) => !(name in abi)),
    [],
  );
});
