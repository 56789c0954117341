/** What follows at once from a change of settings while a connection lives; all else is read from the settings where it counts. */
import type { TcpSettings } from '../endpoint.ts';
import type { AppliedSettings } from './applied-settings.ts';
import { updateMss } from './emit.ts';
import { forbidsFragments } from './ip-settings.ts';
import { armKeepAlive, retimeKeepAlive, stopKeepAlive } from './keep-alive.ts';
import type { Tcb } from './tcb.ts';
import { liftUrgent, lowerUrgent } from './urgent.ts';

export function applySettings(c: Tcb): void {
  const { settings, applied, outputOptions } = c;
  outputOptions.ttl = settings.ttl;
  outputOptions.tos = settings.tos;
  outputOptions.dontFragment = forbidsFragments(settings);
  c.congestion.use(settings.congestion);
  c.roundTrip.bound(settings.rtoMinUs, settings.rtoMaxMs * 1000);
  if (c.route !== undefined) {
    // Whatever says where packets may go may have changed.
    const { boundInterface } = settings;
    const isElsewhere = boundInterface !== 0 && boundInterface !== c.route.interfaceIndex;
    if (settings.dontRoute || isElsewhere) c.route = undefined;
    else updateMss(c);
  }
  if (settings.oobInline) lowerUrgent(c);
  else liftUrgent(c);
  applyKeepAlive(c, settings, applied);
  // tcp(7): setting TCP_NODELAY pushes what waits, even on a corked socket.
  c.pushOut = settings.noDelay && !applied.noDelay;
  applied.noDelay = settings.noDelay;
}

function applyKeepAlive(c: Tcb, settings: TcpSettings, applied: AppliedSettings): void {
  const wasIdleTime = applied.keepIdleSeconds;
  applied.keepIdleSeconds = settings.keepIdleSeconds;
  if (!settings.keepAlive) stopKeepAlive(c);
  else if (c.keepAlarm?.armed !== true) armKeepAlive(c);
  else if (settings.keepIdleSeconds !== wasIdleTime) retimeKeepAlive(c);
}
