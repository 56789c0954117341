/** The settings that are in force, where a change of one does something at once (settings-change.ts). */
export class AppliedSettings {
  noDelay = false;
  keepIdleSeconds = 7200;
}
