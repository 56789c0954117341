import * as abi from '../../src/abi/index.ts';
import { architecture, command, needing } from '../support/needs.ts';
import { check } from './check-headers.ts';

const run = needing(command('gcc'), architecture('x64'));

run('src/abi agrees with the C headers of x86_64', (t) => {
  t.true(check('gcc', abi.epollEventAmd64, abi.NR_AMD64).assertions > 1000);
});

run('a wrong offset and a wrong constant are found', (t) => {
  t.throws(() => check('gcc', abi.epollEventArm64, abi.NR_AMD64), { message: /offset of struct epoll_event.data/ });
  t.throws(() => check('gcc', abi.epollEventAmd64, { ...abi.NR_AMD64, socket: 40 }), {
    message: /__NR_socket is not 40/,
  });
});
