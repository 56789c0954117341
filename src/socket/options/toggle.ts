/** Rows whose value is a field of the socket's option state, which `optionsChanged` passes on to the endpoint where it has a use for it. */
import { Errno } from '../../abi/errno.ts';
import { int, type OptionRow } from './row.ts';
import type { OptionState } from './target.ts';

type KeysOf<T> = { [K in keyof OptionState]: OptionState[K] extends T ? K : never }[keyof OptionState];

/** On or off. `shortest` is the least length of a value where it is not that of the level. */
export const toggle = (
  level: number,
  option: number,
  name: string,
  key: KeysOf<boolean>,
  shortest?: number,
): OptionRow =>
  int(level, option, name, {
    ...(shortest === undefined ? {} : { shortest }),
    get: ({ options }) => (options[key] ? 1 : 0),
    set: ({ options }, value) => {
      options[key] = value !== 0;
    },
  });

/** A number within bounds, EINVAL outside; `initial`, if given, is what -1 stands for. */
export const bounded = (
  level: number,
  option: number,
  name: string,
  key: KeysOf<number>,
  range: { readonly min: number; readonly max: number; readonly initial?: number },
  shortest?: number,
): OptionRow =>
  int(level, option, name, {
    ...(shortest === undefined ? {} : { shortest }),
    get: ({ options }) => options[key],
    set: ({ options }, value) => {
      const wanted = value === -1 && range.initial !== undefined ? range.initial : value;
      if (wanted < range.min || wanted > range.max) return -Errno.EINVAL;
      options[key] = wanted;
      return 0;
    },
  });
