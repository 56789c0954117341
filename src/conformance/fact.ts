/** A fact about Linux, with the bodies that show it. */
export type Shown = readonly [body: string, line: string, ...lines: string[]];
export interface Fact {
  readonly fact: string;
  readonly shown: readonly Shown[];
}
export interface Topic {
  readonly title: string;
  readonly facts: readonly Fact[];
}
export const fact = (text: string, ...shown: readonly Shown[]): Fact => ({ fact: text, shown });
