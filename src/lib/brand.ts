declare const brand: unique symbol;
/** A value that only its own constructor functions may produce. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
