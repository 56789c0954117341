/** What an endpoint is ready for. The bits are those of poll(2), so the socket layer passes them through (it checks that at import). */
export const Readiness = {
  In: 0x0001,
  Pri: 0x0002,
  Out: 0x0004,
  Err: 0x0008,
  Hup: 0x0010,
  RdNorm: 0x0040,
  WrNorm: 0x0100,
  RdHup: 0x2000,
} as const;

/** Who is told when an endpoint's readiness may have changed. `events` are the bits that rose or fired again; the observer reads `readiness()` for the rest. */
export interface Observer {
  endpointChanged(events: number): void;
  /** Something that came finds no room: whoever passes messages on to readers of its own says now which of them they have taken. */
  settle?(): void;
}
