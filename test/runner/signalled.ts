/** Loaded before the command line (`node --import`): the supervisor has a handler for SIGWINCH, as whoever draws on a terminal has, and is sent that signal all the time, by a process that ends with it. */
import { spawn } from 'node:child_process';

process.on('SIGWINCH', () => undefined);
const STORM = 'my $pid = getppid; while (getppid == $pid) { kill "WINCH", $pid; select undef, undef, undef, 0.00005 }';
spawn('perl', ['-e', STORM], { stdio: 'ignore' }).unref();
