/**
 * The gateway's process. Descriptor 3 is the link: a SEQPACKET socket that carries Ethernet frames behind a virtio_net_hdr. Descriptor 4 is the control
 * channel, whose first message is the configuration; behind it stand the sockets of published ports. The process ends when either closes: with its sentry, however that dies. Of a
 * sentry that was killed nobody else of the run is left to tell, so the gateway does.
 */
import { bundled, keepCompiled } from '../host/bundle.ts';
import type * as Process from './process.ts';

const LINK_FD = 3;
const CONTROL_FD = 4;
const EXIT_FAILED = 125;

const { endAfterParent, serve } = bundled<typeof Process>('gateway') ?? (await import('./process.ts'));
endAfterParent();
try {
  // Before it is confined, since it writes no file from then on.
  serve(LINK_FD, CONTROL_FD, keepCompiled);
  process.exitCode = 0;
} catch (error) {
  process.stderr.write(
    `sandsock gateway: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = EXIT_FAILED;
}
// Nothing that Node holds open may keep the process.
process.exit();
